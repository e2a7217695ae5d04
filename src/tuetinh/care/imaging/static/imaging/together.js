// Looking together in the full viewer: what one turns to and points at the others see, here and on the page of quick pictures.
"use strict";

(() => {
  const { opinion } = document.currentScript.dataset;
  const words = JSON.parse(document.getElementById("together-words").textContent);
  // wanted: what this page is to show, until a hand here does something else. given: for which a viewport has its series.
  let pointer = null, over = null, wanted = null, given = null, hand = false, shown = "", people = words.alone, note = "";
  const drawn = new WeakSet(); // stacks of which a picture was there

  const place = /\/studies\/([0-9.]+)\/series\/([0-9.]+)\/instances\/([0-9.]+)(?:\/frames\/([0-9]+))?/;
  const named = (imageId) => {
    const found = place.exec(imageId || "");
    return found && { study: found[1], series: found[2], key: `${found[3]}/${found[4] || 1}` };
  };
  const at = (viewport) => named(viewport.getCurrentImageId());
  const isDrawn = (viewport) => viewport.getCornerstoneImage?.()?.imageId === viewport.getCurrentImageId();
  const stacks = () => (window.cornerstone?.getEnabledElements() || []).map((one) => one.viewport).filter((one) => one?.getCurrentImageId && one.setImageIdIndex && at(one));
  const mine = () => { const all = stacks(); return all.find((one) => one.element === over) || all[0]; };

  function now() {
    const viewport = mine();
    if (!viewport || !isDrawn(viewport)) return null;
    const { study, series, key } = at(viewport), { voiRange } = viewport.getProperties();
    const [uid, frame] = key.split("/");
    const set = voiRange ? [(voiRange.lower + voiRange.upper) / 2, voiRange.upper - voiRange.lower].map(Math.round) : null;
    return { study, series, picture: [uid, Number(frame)], window: set };
  }
  // Where a point is: in the picture, from 0 to 1, as the page of quick pictures has it; on the screen.
  function within(viewport, x, y) {
    const data = viewport.getImageData();
    if (!data) return null;
    const [columns, rows] = data.dimensions, [i, j] = data.imageData.worldToIndex(viewport.canvasToWorld([x, y]));
    return [(i + 0.5) / columns, (j + 0.5) / rows].map((one) => Math.round(one * 1000) / 1000);
  }
  function where(picture, [x, y]) {
    const viewport = stacks().find((one) => isDrawn(one) && at(one).key === picture.join("/")), data = viewport?.getImageData();
    if (!data) return null;
    const [left, top] = viewport.worldToCanvas(data.imageData.indexToWorld([x * data.dimensions[0] - 0.5, y * data.dimensions[1] - 0.5, 0]));
    return { box: viewport.element.querySelector(".viewport-element") || viewport.element, left, top };
  }

  // Turns to what is wanted, as far as it can now, and is asked again soon: the viewer may be loading still, or put its own
  // pictures in their place. Nothing waits here for a picture: the viewer never says of one that it passed over.
  function turn() {
    if (!wanted) return;
    const viewport = holder(wanted);
    if (!viewport) return;
    const key = wanted.picture.join("/"), all = viewport.getImageIds();
    if (at(viewport).key !== key) {
      const index = drawn.has(all) ? all.findIndex((one) => named(one)?.key === key) : -1;
      if (index >= 0) viewport.setImageIdIndex(index).catch(() => {}); // what cannot be drawn it tells by itself
      return;
    }
    const { voiRange } = viewport.getProperties(), [centre, width] = Array.isArray(wanted.window) ? wanted.window : [];
    if (!(width > 0) || !voiRange || !isDrawn(viewport)) return;
    const [lower, upper] = [centre - width / 2, centre + width / 2];
    if (Math.abs(voiRange.lower - lower) < 2 && Math.abs(voiRange.upper - upper) < 2) return;
    viewport.setProperties({ voiRange: { lower, upper } });
    viewport.render();
  }
  // The viewport of a series: one that has it, else the active one is given it.
  function holder({ study, series }) {
    const found = stacks().find((one) => at(one).study === study && at(one).series === series), services = window.viewerServices;
    if (found || !services || given === wanted) return found;
    const set = services.displaySetService.getActiveDisplaySets().find((one) => one.StudyInstanceUID === study && one.SeriesInstanceUID === series);
    if (!set || !stacks().length) return undefined;
    given = wanted;
    const { activeViewportId } = services.viewportGridService.getState();
    services.viewportGridService.setDisplaySetsForViewport({ viewportId: activeViewportId, displaySetInstanceUIDs: [set.displaySetInstanceUID] });
    return undefined;
  }
  function show() {
    const box = document.getElementById("together"), text = note || `${words.with} ${people}`;
    if (box && box.textContent !== text) box.textContent = text;
  }

  const together = lookTogether(opinion, {
    now,
    pointing: () => pointer,
    follow: (view) => { wanted = view; hand = false; turn(); },
    where,
    present: (names) => { people = names; show(); },
    change: (text) => { note = text; show(); },
  });
  setInterval(turn, 200);
  for (const kind of ["wheel", "pointerdown", "keydown"]) document.addEventListener(kind, () => { hand = true; wanted = null; }, true);
  // What is shown since a hand here did something is turned to by it; all else the viewer did by itself, or for others.
  document.addEventListener("CORNERSTONE_IMAGE_RENDERED", () => {
    for (const one of stacks()) if (isDrawn(one)) drawn.add(one.getImageIds());
    together.draw();
    const before = shown, view = now();
    if (!view) return;
    shown = JSON.stringify(view);
    if (hand && before && shown !== before) together.turned();
  }, true);
  document.addEventListener("pointermove", (event) => {
    const viewport = stacks().find((one) => one.element.contains(event.target));
    if (!viewport) return;
    if (event.buttons) { hand = true; wanted = null; }
    over = viewport.element;
    const { left, top } = viewport.canvas.getBoundingClientRect();
    pointer = within(viewport, event.clientX - left, event.clientY - top);
    together.say();
  }, true);
  addEventListener("DOMContentLoaded", show);
})();
