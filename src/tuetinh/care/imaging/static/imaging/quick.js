// Pictures that the server draws: small and quick first, sharp when the hand rests; alone, or together with others.
"use strict";

(() => {
  const box = document.getElementById("quick");
  const series = JSON.parse(document.getElementById("series").textContent);
  const { opinion, choose, token, failed } = box.dataset;
  const keys = new Set(JSON.parse(document.getElementById("keys").textContent).map(([uid, frame]) => `${uid}/${frame}`));
  const [stage, range, count, list, windows, star, people, state] = ["stage", "range", "count", "list", "windows", "star", "people", "state"].map((name) => box.querySelector(`[data-${name}]`));
  const REST = 250, KEPT = 150; // milliseconds until a picture is drawn sharply; pictures that are kept
  const view = { series: 0, at: 0, window: null };
  const kept = new Map(); // by address
  let shown = null, sharpening = null, resting = 0, busy = false, together = null;

  const now = () => series[view.series];
  const picture = () => now().pictures[view.at];
  function address(quality) {
    const [uid, frame] = picture();
    const side = quality === "low" ? 320 : Math.min(2048, Math.round(Math.max(stage.clientWidth, stage.clientHeight, 512) * devicePixelRatio));
    const asked = new URLSearchParams({ viewport: `${side},${side}`, quality: quality === "low" ? "20" : "90", accept: "image/jpeg" });
    if (view.window) asked.set("window", `${view.window.join(",")},linear`);
    return `/dicom-web/studies/${now().study}/series/${now().uid}/instances/${uid}/frames/${frame}/rendered?${asked}`;
  }
  function put(image, quality) {
    if (shown !== image) {
      stage.querySelector("img")?.remove();
      image.alt = `${now().label}, ${view.at + 1}`;
      image.draggable = false;
      stage.prepend(image);
      shown = image;
    }
    box.dataset.quality = quality;
    together?.draw();
  }
  const load = (url, image = new Image()) => new Promise((done) => {
    image.onload = () => {
      kept.set(url, image);
      if (kept.size > KEPT) kept.delete(kept.keys().next().value);
      done(image);
    };
    image.onerror = () => done(null);
    image.src = url;
  });
  // One small picture at a time: while the hand moves, those in between are left out; the sharp one comes when it rests.
  async function draw() {
    clearTimeout(resting);
    if (sharpening && !sharpening.complete) sharpening.src = ""; // the line is for what is looked at now
    const sharp = address("full");
    if (kept.has(sharp)) { put(kept.get(sharp), "full"); return; }
    if (busy) return;
    const small = address("low");
    if (!kept.has(small)) {
      busy = true;
      const image = await load(small);
      busy = false;
      if (small !== address("low")) { draw(); return; }
      state.textContent = image ? "" : failed;
      if (!image) { resting = setTimeout(draw, 3000); return; }
    }
    put(kept.get(small), "low");
    resting = setTimeout(async () => {
      sharpening = new Image();
      const image = await load(sharp, sharpening);
      if (image && sharp === address("full")) put(image, "full");
    }, REST);
  }
  function show() {
    const all = now().pictures.length;
    range.max = all;
    range.value = view.at + 1;
    count.textContent = `${view.at + 1} / ${all}`;
    list.value = String(view.series);
    if (star) star.setAttribute("aria-pressed", String(keys.has(picture().join("/"))));
    draw();
  }
  function go(change, mine = true) {
    Object.assign(view, change);
    view.at = Math.max(0, Math.min(view.at, now().pictures.length - 1));
    show();
    if (mine) together?.turned();
  }

  // ---- Moving through the pictures and their window
  stage.addEventListener("wheel", (event) => { event.preventDefault(); go({ at: view.at + Math.sign(event.deltaY) }); }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step) { event.preventDefault(); go({ at: view.at + step }); }
  });
  range.addEventListener("input", () => go({ at: Number(range.value) - 1 }));
  list.addEventListener("change", () => go({ series: Number(list.value), at: 0 }));
  windows.addEventListener("change", () => go({ window: windows.value ? windows.value.split(",").map(Number) : null }));
  let dragged = null;
  stage.addEventListener("pointerdown", (event) => {
    const [centre, width] = view.window || [40, 400];
    dragged = { x: event.clientX, y: event.clientY, centre, width, touch: event.pointerType === "touch", at: view.at };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointerup", () => { dragged = null; });
  stage.addEventListener("pointercancel", () => { dragged = null; });
  stage.addEventListener("pointermove", (event) => {
    point(event);
    if (!dragged) return;
    const x = event.clientX - dragged.x, y = event.clientY - dragged.y;
    if (dragged.touch) { go({ at: dragged.at + Math.round(y / 12) }); return; }
    if (Math.abs(x) + Math.abs(y) < 4 && !view.window) return;
    windows.value = "";
    go({ window: [Math.round(dragged.centre + y * 2), Math.max(1, Math.round(dragged.width + x * 2))] });
  });
  star?.addEventListener("click", async () => {
    const [uid, frame] = picture(), key = picture().join("/");
    const answer = await fetch(choose, { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams({ instance: uid, frame }) }).catch(() => null);
    const told = answer ? await answer.json().catch(() => ({})) : {};
    state.textContent = answer?.ok ? "" : told.error || failed;
    if (!answer?.ok) return;
    if (told.chosen) keys.add(key); else keys.delete(key);
    show();
  });

  // ---- Together: what one looks at the others look at; where one points the others see it.
  let pointer = null;
  // Where the picture is within its place, which it does not fill.
  function inner() {
    const { left, top, width, height } = shown.getBoundingClientRect();
    const scale = Math.min(width / shown.naturalWidth, height / shown.naturalHeight);
    const wide = shown.naturalWidth * scale, high = shown.naturalHeight * scale;
    return { left: left + (width - wide) / 2, top: top + (height - high) / 2, width: wide, height: high };
  }
  function point(event) {
    if (!together || !shown) return;
    const { left, top, width, height } = inner();
    pointer = [(event.clientX - left) / width, (event.clientY - top) / height].map((one) => Math.round(one * 1000) / 1000);
    together.say();
  }
  function where(key, [x, y]) {
    if (!shown || key.join("/") !== picture().join("/")) return null;
    const outer = stage.getBoundingClientRect(), { left, top, width, height } = inner();
    return { box: stage, left: left - outer.left + x * width, top: top - outer.top + y * height };
  }
  function follow({ study, series: uid, picture: [instance, frame], window: set }) {
    const found = series.findIndex((one) => one.study === study && one.uid === uid);
    const at = found < 0 ? -1 : series[found].pictures.findIndex((one) => one[0] === instance && one[1] === frame);
    if (at < 0) return;
    windows.value = "";
    go({ series: found, at, window: Array.isArray(set) ? set.map(Number) : null }, false);
  }
  if (opinion && series.length) {
    together = lookTogether(opinion, {
      now: () => ({ study: now().study, series: now().uid, picture: picture(), window: view.window }),
      pointing: () => pointer,
      follow,
      where,
      present: (names) => { if (people.textContent !== names) people.textContent = names; },
      change: (text) => { state.textContent = text; },
    });
  }
  addEventListener("resize", () => together?.draw());
  if (series.length) show();
})();
