// Looking together in the full viewer: what one turns to and points at the others see, here and on the page of quick pictures.
"use strict";

(() => {
  const { opinion } = document.currentScript.dataset;
  const vi = document.documentElement.lang === "vi";
  const words = vi
    ? { with: "Cùng xem:", alone: "chỉ mình bạn", lost: "Mất kết nối; đang nối lại…", ended: "Phiên cùng xem đã kết thúc." }
    : { with: "Looking together:", alone: "only you", lost: "The connection is lost; it is made again…", ended: "Looking together has ended." };
  const SILENT = 15000; // milliseconds after which somebody is taken to have left
  const dots = new Map(); // by who: name, what they look at, the mark
  let pointer = null, over = null, said = "", wanted = null, following = false, note = "";

  const place = /\/studies\/([0-9.]+)\/series\/([0-9.]+)\/instances\/([0-9.]+)(?:\/frames\/([0-9]+))?/;
  const named = (imageId) => {
    const found = place.exec(imageId || "");
    return found && { study: found[1], series: found[2], key: `${found[3]}/${found[4] || 1}` };
  };
  const stacks = () => (window.cornerstone?.getEnabledElements() || []).map((one) => one.viewport).filter((one) => one?.getCurrentImageId && one.setImageIdIndex && named(one.getCurrentImageId()));
  const mine = () => { const all = stacks(); return all.find((one) => one.element === over) || all[0]; };

  function told() {
    const viewport = mine(), now = viewport && named(viewport.getCurrentImageId());
    if (!now) return null;
    const { voiRange } = viewport.getProperties();
    const view = voiRange ? [Math.round((voiRange.lower + voiRange.upper) / 2), Math.round(voiRange.upper - voiRange.lower)] : null;
    const [uid, frame] = now.key.split("/");
    return { study: now.study, series: now.series, picture: [uid, Number(frame)], window: view, pointer };
  }
  // Where a point is: in the picture, from 0 to 1, as the page of quick pictures has it; on the screen.
  function within(viewport, x, y) {
    const data = viewport.getImageData();
    if (!data) return null;
    const [columns, rows] = data.dimensions, [i, j] = data.imageData.worldToIndex(viewport.canvasToWorld([x, y]));
    return [(i + 0.5) / columns, (j + 0.5) / rows].map((one) => Math.round(one * 1000) / 1000);
  }
  function onScreen(viewport, [x, y]) {
    const data = viewport.getImageData();
    return data && viewport.worldToCanvas(data.imageData.indexToWorld([x * data.dimensions[0] - 0.5, y * data.dimensions[1] - 0.5, 0]));
  }

  function hear({ id, who, state }) {
    const fresh = !dots.has(id);
    const dot = dots.get(id) || { mark: document.createElement("span") };
    dot.mark.className = "shared-pointer";
    dot.mark.textContent = who;
    Object.assign(dot, { who, state, heard: Date.now() });
    dots.set(id, dot);
    if (fresh) say();
    if (!state.hello && Array.isArray(state.picture)) wanted = state;
    follow();
    draw();
    present();
  }
  // Turns to what others turned to last; while the viewer still loads that waits for its first picture.
  async function follow() {
    if (following) return;
    following = true;
    try {
      while (wanted && stacks().length) {
        const state = wanted;
        await turn(state);
        if (wanted === state) wanted = null;
      }
    } finally {
      following = false;
    }
  }
  async function turn({ study, series, picture, window: view }) {
    const key = picture.join("/"), viewport = await shows(study, series);
    const at = viewport ? viewport.getImageIds().findIndex((one) => named(one)?.key === key) : -1;
    if (at < 0) return;
    if (named(viewport.getCurrentImageId()).key !== key) await viewport.setImageIdIndex(at);
    const { voiRange } = viewport.getProperties();
    if (Array.isArray(view) && voiRange && (Math.abs(voiRange.upper - voiRange.lower - view[1]) > 1 || Math.abs((voiRange.lower + voiRange.upper) / 2 - view[0]) > 1)) {
      viewport.setProperties({ voiRange: { lower: view[0] - view[1] / 2, upper: view[0] + view[1] / 2 } });
    }
    viewport.render();
    said = JSON.stringify({ ...told(), pointer: null }); // it is theirs, not to be said again
  }
  // The viewport of a series: one that has it, else the active one is given it.
  async function shows(study, series) {
    const has = () => stacks().find((one) => { const now = named(one.getCurrentImageId()); return now.study === study && now.series === series; });
    const services = window.viewerServices;
    if (has() || !services) return has();
    const found = services.displaySetService.getActiveDisplaySets().find((one) => one.StudyInstanceUID === study && one.SeriesInstanceUID === series);
    if (!found) return undefined;
    const { activeViewportId } = services.viewportGridService.getState();
    services.viewportGridService.setDisplaySetsForViewport({ viewportId: activeViewportId, displaySetInstanceUIDs: [found.displaySetInstanceUID] });
    for (let turn = 0; turn < 50 && !has(); turn += 1) await new Promise((done) => setTimeout(done, 100));
    return has();
  }
  function draw() {
    for (const { mark, state } of dots.values()) {
      const key = Array.isArray(state.picture) ? state.picture.join("/") : "";
      const viewport = Array.isArray(state.pointer) && stacks().find((one) => named(one.getCurrentImageId()).key === key);
      const spot = viewport && onScreen(viewport, state.pointer);
      if (!spot) { mark.remove(); continue; }
      const box = viewport.element.querySelector(".viewport-element") || viewport.element;
      if (mark.parentNode !== box) box.append(mark);
      mark.style.left = `${spot[0]}px`;
      mark.style.top = `${spot[1]}px`;
    }
  }
  function present() {
    for (const [id, dot] of dots) if (Date.now() - dot.heard > SILENT) { dot.mark.remove(); dots.delete(id); }
    const people = [...new Set([...dots.values()].map((dot) => dot.who))].join(", ");
    const box = document.getElementById("together");
    if (box) box.textContent = note || `${words.with} ${people || words.alone}`;
  }

  const say = lookTogether(opinion, { told, hear, change: (to) => { note = { joined: "", lost: words.lost, ended: words.ended }[to]; present(); } });
  document.addEventListener("CORNERSTONE_IMAGE_RENDERED", () => {
    draw();
    follow();
    const now = JSON.stringify({ ...told(), pointer: null });
    if (following || now === said) return;
    said = now;
    say();
  }, true);
  document.addEventListener("pointermove", (event) => {
    const viewport = stacks().find((one) => one.element.contains(event.target));
    if (!viewport) return;
    over = viewport.element;
    const { left, top } = viewport.canvas.getBoundingClientRect();
    pointer = within(viewport, event.clientX - left, event.clientY - top);
    say();
  }, true);
  addEventListener("DOMContentLoaded", present);
  setInterval(present, 1000);
})();
