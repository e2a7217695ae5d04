// Shows series of pictures, films, curves and papers; on pages of the node and on discs, where nothing else is at hand.
"use strict";
(() => {
  const place = document.getElementById("stack");
  const { series, words } = JSON.parse(document.getElementById("stack-data").textContent);
  const STEP = 1.25, LIGHT = 0.15, FRAMES_A_SECOND = 10;
  let chosen = 0, at = 0, timer = 0, zoom, x, y, light, contrast;

  const make = (name, attributes = {}, ...inside) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) key.startsWith("on") ? made.addEventListener(key.slice(2), value) : made.setAttribute(key, value);
    made.append(...inside);
    return made;
  };
  const button = (sign, label, act) => make("button", { type: "button", title: label, "aria-label": label, onclick: act }, sign);

  const tabs = make("div", { class: "stack-series", role: "group", "aria-label": words.series });
  const view = make("div", { class: "stack-view", tabindex: "0", role: "group", "aria-label": words.picture });
  const count = make("span", { class: "stack-count", "aria-live": "polite" });
  const slider = make("input", { type: "range", min: "1", "aria-label": words.picture, oninput: () => show(Number(slider.value) - 1) });
  const play = button("▶", words.play, () => (timer ? stop() : begin()));
  const tools = make("div", { class: "stack-tools" },
    button("‹", words.previous, () => show(at - 1)), slider, button("›", words.next, () => show(at + 1)), play,
    button("+", words.larger, () => scale(STEP)), button("−", words.smaller, () => scale(1 / STEP)),
    button("☀", words.brighter, () => shade(LIGHT, 0)), button("☾", words.darker, () => shade(-LIGHT, 0)),
    button("◐", words.contrast, () => shade(0, contrast > 1.9 ? 1 - contrast : LIGHT * 2)), button("⤢", words.whole, reset));

  // Pictures that were fetched are kept while the page is open, some hundred of them: browsers are told to keep none.
  const kept = new Map(), MOST = 300;
  function picture(file) {
    const img = kept.get(file) || make("img", { draggable: "false", src: file });
    kept.delete(file);
    kept.set(file, img);
    if (kept.size > MOST) kept.delete(kept.keys().next().value);
    return img;
  }
  function reset() { zoom = 1; x = y = 0; light = contrast = 1; draw(); }
  function scale(by) { zoom = Math.min(12, Math.max(1, zoom * by)); if (zoom === 1) x = y = 0; draw(); }
  function shade(more, sharper) { light = Math.min(3, Math.max(0.3, light + more)); contrast = Math.max(0.4, contrast + sharper); draw(); }
  function draw() {
    const img = view.querySelector("img");
    if (!img) return;
    img.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    img.style.filter = `brightness(${light}) contrast(${contrast})`;
  }
  function stop() { clearInterval(timer); timer = 0; play.textContent = "▶"; play.setAttribute("aria-label", words.play); }
  function begin() {
    timer = setInterval(() => { const img = view.querySelector("img"); if (img?.complete) show((at + 1) % series[chosen].files.length); }, 1000 / FRAMES_A_SECOND);
    play.textContent = "■"; play.setAttribute("aria-label", words.stop);
  }
  function show(number) {
    const { kind, files, name } = series[chosen];
    at = Math.min(files.length - 1, Math.max(0, number));
    count.textContent = `${at + 1}/${files.length}`;
    slider.value = String(at + 1);
    if (kind === "frames" || kind === "waves") {
      const img = picture(files[at]);
      img.className = kind === "waves" ? "drawing" : "";
      img.alt = `${name} ${count.textContent}`;
      view.replaceChildren(img, count);
      for (const near of [at + 1, at + 2, at - 1]) if (files[near]) picture(files[near]);
      draw();
    } else if (kind === "film") {
      view.replaceChildren(make("video", { src: files[at], controls: "", playsinline: "", preload: "metadata" }), count);
    } else {
      view.replaceChildren(make("a", { class: "stack-open", href: files[at], target: "_blank", rel: "noopener" }, words.open), count);
    }
  }
  function choose(number) {
    stop();
    chosen = number;
    const { files, kind } = series[chosen];
    [...tabs.children].forEach((tab, place) => tab.setAttribute("aria-pressed", String(place === chosen)));
    slider.max = String(files.length);
    tools.hidden = files.length < 2 && kind !== "frames" && kind !== "waves";
    slider.hidden = play.hidden = files.length < 2;
    reset();
    show(0);
  }

  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) scale(event.deltaY < 0 ? STEP : 1 / STEP); else show(at + Math.sign(event.deltaY));
  }, { passive: false });
  view.addEventListener("keydown", (event) => {
    const act = { ArrowRight: () => show(at + 1), ArrowDown: () => show(at + 1), ArrowLeft: () => show(at - 1), ArrowUp: () => show(at - 1), "+": () => scale(STEP), "-": () => scale(1 / STEP), " ": () => play.click() }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  // One finger: pages through the stack while the picture is whole, moves it while it is large. Two fingers: larger, smaller.
  const touches = new Map();
  let last = 0, moved = 0;
  view.addEventListener("pointerdown", (event) => {
    if (event.target.closest("a,video")) return;
    touches.set(event.pointerId, event); last = 0; moved = 0;
    view.setPointerCapture(event.pointerId);
  });
  view.addEventListener("pointermove", (event) => {
    const before = touches.get(event.pointerId);
    if (!before) return;
    touches.set(event.pointerId, event);
    if (touches.size === 2) {
      const [one, other] = [...touches.values()];
      const apart = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      if (last) scale(apart / last);
      last = apart;
    } else if (zoom > 1) {
      x += event.clientX - before.clientX; y += event.clientY - before.clientY; draw();
    } else {
      moved += event.clientY - before.clientY + event.clientX - before.clientX;
      if (Math.abs(moved) > 12) { show(at + Math.sign(moved)); moved = 0; }
    }
  });
  for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, (event) => touches.delete(event.pointerId));

  if (!series.length) { place.hidden = true; return; }
  series.forEach(({ name, files }, number) => tabs.append(make("button", { type: "button", onclick: () => choose(number) }, `${name || words.series} (${files.length})`)));
  tabs.hidden = series.length < 2;
  place.replaceChildren(tabs, view, tools);
  choose(0);
})();
