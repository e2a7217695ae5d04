// Says who is called. Browsers keep a page silent until it is touched, unless the screen was set up to let it speak.
"use strict";
(() => {
  const button = document.querySelector("[data-unmute]"), said = new Set(), queue = [];
  let on = false, playing = false;
  const calls = () => [...document.querySelectorAll("[data-voice]")].reverse();
  const next = () => {
    const url = queue.shift();
    playing = Boolean(url);
    if (!url) return;
    const sound = new Audio(url);
    sound.addEventListener("ended", next);
    sound.addEventListener("error", next);
    sound.play().catch(next);
  };
  const look = () => {
    for (const call of calls()) {
      if (said.has(call.dataset.voice)) continue;
      said.add(call.dataset.voice);
      if (on) queue.push(call.dataset.voice);
    }
    if (!playing) next();
  };
  const unmute = () => { on = true; button.hidden = true; };
  look();
  button.addEventListener("click", () => { unmute(); const last = calls().at(-1); if (last) { queue.push(last.dataset.voice); look(); } });
  document.addEventListener("htmx:afterSettle", look);
  if (navigator.getAutoplayPolicy?.("mediaelement") === "allowed") unmute();
  else new Audio(button.dataset.unmute).play().then(unmute, () => {});
})();
