// Behaviour that every page shares. Without it pages still work: forms send, links lead on.
"use strict";
(() => {
  const words = JSON.parse(document.getElementById("words")?.textContent || "{}");
  const me = document.currentScript;
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const typing = (element) => element.matches?.("input:not([type=checkbox],[type=radio],[type=button],[type=submit]), textarea, select, [contenteditable]");

  function toast(text, level = "info") {
    const note = document.createElement("div");
    note.className = `toast-note ${level}`;
    const label = document.createElement("span");
    label.textContent = text;
    const close = document.createElement("button");
    close.type = "button"; close.dataset.dismiss = ""; close.textContent = "×"; close.setAttribute("aria-label", words.close);
    note.append(label, close);
    document.getElementById("toasts").append(note);
    fade(note);
  }
  const fade = (note) => { if (!note.matches(".error,.warning")) setTimeout(() => note.remove(), 6000); };

  // ---- Shortcuts: data-shortcut="F9" clicks, or puts the cursor into a field. Enter goes forward, Esc back.
  const nameOf = (event) => (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "") + (event.key.length === 1 && (event.ctrlKey || event.metaKey || event.altKey) ? event.key.toUpperCase() : event.key).replace("Escape", "Esc");
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = nameOf(event);
    const dialog = document.querySelector("dialog[open]");
    if (dialog) return;
    if (name.length === 1 && typing(event.target)) return;
    if (name === "Enter" && (typing(event.target) || event.target.closest("a,button,summary,[role=option]"))) return;
    const target = $$("[data-shortcut]").find((item) => item.dataset.shortcut === name && !item.disabled && item.offsetParent !== null);
    if (target) {
      event.preventDefault();
      if (typing(target)) { target.focus(); target.select?.(); } else target.click();
    } else if (name === "Esc") {
      const open = document.querySelector("details[data-menu][open]");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      $$("[data-popover]").forEach((item) => item.replaceChildren());
      if (typing(event.target)) event.target.blur();
    }
  });
  document.addEventListener("keydown", (event) => {
    // Arrows walk through what the search field found.
    const box = event.target.closest?.(".find");
    if (!box || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    const links = $$("a", box);
    const at = links.indexOf(document.activeElement);
    const next = links[at + (event.key === "ArrowDown" ? 1 : -1)];
    event.preventDefault();
    (next || (event.key === "ArrowUp" ? box.querySelector("input") : links[at]))?.focus();
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-opens],[data-dismiss],[data-theme-switch],[data-print]");
    $$("details[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
    if (!event.target.closest(".find")) $$("[data-popover]").forEach((item) => item.replaceChildren());
    if (!target) return;
    if (target.dataset.opens) { listShortcuts(); document.getElementById(target.dataset.opens)?.showModal(); }
    if ("dismiss" in target.dataset) target.closest(".toast-note")?.remove();
    if ("print" in target.dataset) document.querySelector("iframe.preview")?.contentWindow.print();
    if ("themeSwitch" in target.dataset) {
      const theme = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
      document.documentElement.dataset.bsTheme = theme;
      document.cookie = `theme=${theme};path=/;max-age=31536000;samesite=lax`;
      $$("[data-chart]").forEach(redraw);
    }
  });

  function listShortcuts() {
    const list = document.querySelector("[data-shortcut-list]");
    $$("[data-found]", list).forEach((row) => row.remove());
    for (const item of $$("[data-shortcut]")) {
      const key = item.dataset.shortcut;
      if (["?", "Enter", "Esc"].includes(key) || item.offsetParent === null) continue;
      const row = document.createElement("div"), term = document.createElement("dt"), what = document.createElement("dd"), cap = document.createElement("kbd");
      row.dataset.found = ""; cap.textContent = key; term.append(cap);
      what.textContent = item.getAttribute("aria-label") || item.labels?.[0]?.textContent || item.textContent.replace(key, "").trim();
      row.append(term, what); list.append(row);
    }
  }

  // ---- Unsaved work asks before it is left: <form data-unsaved>.
  let dirty = false, leaving = false;
  document.addEventListener("input", (event) => { if (event.target.closest("form[data-unsaved]")) dirty = true; });
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
    if (question && !confirm(question)) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    if (event.target.matches("form[data-unsaved]")) leaving = true;
    if (event.submitter && !event.target.matches("[hx-post],[hx-get],[method=dialog],[target]")) event.submitter.setAttribute("aria-busy", "true");
  }, true);
  addEventListener("beforeunload", (event) => { if (dirty && !leaving) event.preventDefault(); });
  addEventListener("pageshow", () => $$("[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy")));
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful && event.target.closest("form[data-unsaved]")) dirty = false; });
  document.addEventListener("htmx:confirm", (event) => {
    const question = event.detail.elt.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });

  // ---- Drafts: <form data-draft="/url"> is kept by the server while it is filled in, and when the page is left.
  const waiting = new Map();
  const sign = (form, text) => { const place = form.querySelector("[data-draft-sign]"); if (place) place.textContent = text; };
  const keep = async (form) => {
    waiting.delete(form);
    const answer = await fetch(form.dataset.draft, { method: "POST", body: new FormData(form) }).catch(() => null);
    if (leaving) return;
    if (!answer) { sign(form, words.offline); waiting.set(form, setTimeout(keep, 5000, form)); return; }
    sign(form, answer.ok || answer.status === 409 ? await answer.text() : words.error);
    if (answer.ok && !waiting.size) dirty = false;
  };
  const touched = (event) => {
    const form = event.target.closest?.("form[data-draft]");
    if (!form || leaving) return;
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(keep, 1200, form));
  };
  document.addEventListener("input", touched);
  document.addEventListener("change", touched);
  document.addEventListener("submit", () => { waiting.forEach((timer) => clearTimeout(timer)); });
  addEventListener("pagehide", () => { if (!leaving) waiting.forEach((timer, form) => navigator.sendBeacon(form.dataset.draft, new FormData(form))); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (!button) return;
    const row = button.closest(button.dataset.remove), next = row.nextElementSibling?.querySelector("input:not([type=hidden])");
    const form = row.closest("form");
    row.remove(); next?.focus();
    form.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // ---- A scanner types fast and ends with Enter: the search field takes it wherever the cursor is (not in a field).
  let burst = "", last = 0;
  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("[data-scanner]");
    if (!field || typing(event.target)) return;
    if (event.timeStamp - last > 50) burst = "";
    last = event.timeStamp;
    if (event.key === "Enter" && burst.length >= 6) {
      event.preventDefault(); event.stopImmediatePropagation();
      field.value = burst; burst = ""; field.focus();
      field.form?.requestSubmit();
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) burst += event.key;
  }, true);

  // ---- Type-ahead: <input data-combobox="/url" data-value="hidden input's name">; the URL answers [{value,label,hint,pill,tone}].
  let serial = 0;
  function combobox(input) {
    if (input.dataset.ready) return;
    input.dataset.ready = "1";
    const list = document.createElement("ul"), id = `combo-${++serial}`;
    const hidden = input.dataset.value ? input.form?.elements[input.dataset.value] : input.parentElement.querySelector("input[type=hidden]");
    list.id = id; list.className = "combo-list"; list.hidden = true; list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", input.labels?.[0]?.textContent || input.getAttribute("aria-label") || "");
    const box = document.createElement("div"); box.className = "combo";
    input.before(box); box.append(input, list);
    for (const [name, value] of Object.entries({ role: "combobox", "aria-controls": id, "aria-expanded": "false", "aria-autocomplete": "list", autocomplete: "off" })) input.setAttribute(name, value);
    let options = [], at = -1, timer = 0, asked = 0;
    const show = (on) => { list.hidden = !on; input.setAttribute("aria-expanded", String(on)); if (!on) input.removeAttribute("aria-activedescendant"); };
    const point = (index) => {
      at = index;
      $$("[role=option]", list).forEach((row, i) => row.setAttribute("aria-selected", String(i === at)));
      const row = list.children[at];
      if (row) { input.setAttribute("aria-activedescendant", row.id); row.scrollIntoView({ block: "nearest" }); }
    };
    const choose = (index) => {
      const option = options[index];
      if (!option) return;
      input.value = "clear" in input.dataset ? "" : option.label;
      if (hidden) { hidden.value = option.value; hidden.dispatchEvent(new Event("change", { bubbles: true })); }
      show(false);
      input.dispatchEvent(new CustomEvent("chosen", { bubbles: true, detail: option }));
    };
    const draw = () => {
      list.replaceChildren(...options.map((option, i) => {
        const row = document.createElement("li"), label = document.createElement("span");
        row.id = `${id}-${i}`; row.setAttribute("role", "option");
        if (option.code) { const code = document.createElement("strong"); code.textContent = `${option.code} `; label.append(code); }
        label.append(option.label);
        if (option.hint) { const hint = document.createElement("small"); hint.className = "quiet"; hint.textContent = ` ${option.hint}`; label.append(hint); }
        row.append(label);
        if (option.pill) { const pill = document.createElement("span"); pill.className = `pill ${option.tone || ""}`; pill.textContent = option.pill; row.append(pill); }
        row.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(i); });
        return row;
      }));
      if (!options.length) { const none = document.createElement("li"); none.className = "none"; none.textContent = words.nothing; list.append(none); }
      point(options.length ? 0 : -1); show(true);
    };
    const ask = async () => {
      const text = input.value.trim(), turn = ++asked;
      if (text.length < Number(input.dataset.min || 1)) { show(false); return; }
      const url = new URL(input.dataset.combobox, location.href);
      url.searchParams.set("q", text);
      const answer = await fetch(url, { headers: { Accept: "application/json" } }).catch(() => null);
      if (turn !== asked) return;
      if (!answer?.ok) { toast(answer ? words.error : words.offline, "error"); return; }
      options = await answer.json(); draw();
    };
    input.addEventListener("input", () => { if (hidden) hidden.value = ""; clearTimeout(timer); timer = setTimeout(ask, 120); });
    input.addEventListener("keydown", (event) => {
      if (list.hidden) { if (event.key === "ArrowDown") { event.preventDefault(); ask(); } return; }
      if (event.key === "ArrowDown") { event.preventDefault(); point(Math.min(at + 1, options.length - 1)); }
      else if (event.key === "ArrowUp") { event.preventDefault(); point(Math.max(at - 1, 0)); }
      else if (event.key === "Enter" && options.length) { event.preventDefault(); choose(at); }
      else if (event.key === "Tab" && options.length) choose(at);
      else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); show(false); }
    });
    input.addEventListener("blur", () => setTimeout(() => show(false), 120));
  }

  // ---- Charts: <div data-chart='{ECharts option}' role="img" aria-label="…">; ECharts is fetched only where there is one.
  let echartsReady;
  const loadEcharts = () => (echartsReady ||= new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = me.dataset.echarts; script.onload = done; script.onerror = fail;
    document.head.append(script);
  }));
  const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  async function chart(box) {
    await loadEcharts();
    const given = JSON.parse(box.dataset.chart), font = "Be Vietnam Pro, sans-serif";
    const axis = (one) => ({ axisLabel: { color: tone("--tt-quiet"), fontFamily: font }, axisLine: { lineStyle: { color: tone("--tt-quiet") } }, splitLine: { lineStyle: { color: tone("--tt-line") } }, ...one });
    const axes = (value) => (Array.isArray(value) ? value.map(axis) : value && axis(value));
    const drawing = echarts.getInstanceByDom(box) || echarts.init(box, null, { renderer: "svg" });
    drawing.setOption({
      animation: false, color: [tone("--tt-accent"), "#b54e0b", "#1b4f91", "#8a3ffc", "#6b7d85"],
      textStyle: { fontFamily: font, color: tone("--tt-ink") }, grid: { left: 8, right: 12, top: 14, bottom: 4, containLabel: true },
      ...given, xAxis: axes(given.xAxis), yAxis: axes(given.yAxis),
    }, true);
    if (!box.dataset.ready) new ResizeObserver(() => drawing.resize()).observe(box);
    box.dataset.ready = "1";
  }
  const redraw = (box) => { if (box.dataset.ready) chart(box); };

  // ---- Kiosk forgets everything after 30 s; wall shows the time.
  const idle = Number(document.body.dataset.idleSeconds || 0);
  if (idle) {
    let timer;
    const again = () => { clearTimeout(timer); timer = setTimeout(() => { leaving = true; location.replace(document.body.dataset.idleUrl); }, idle * 1000); };
    ["pointerdown", "keydown", "input"].forEach((name) => document.addEventListener(name, again)); again();
  }
  const clocks = $$("[data-clock]");
  const tick = () => clocks.forEach((clock) => { clock.textContent = new Intl.DateTimeFormat("vi-VN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Ho_Chi_Minh" }).format(new Date()); });
  if (clocks.length) { tick(); setInterval(tick, 5000); }

  // A table that scrolls sideways is reached by the keyboard too (WCAG 2.1.1); one that fits is no stop.
  const sideways = new ResizeObserver((seen) => seen.forEach(({ target: box }) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; else box.removeAttribute("tabindex");
  }));

  // A small picture that cannot be drawn is none: the way to the pictures stands beside it.
  document.addEventListener("error", ({ target }) => { if (target.matches?.(".look img")) target.hidden = true; }, true);

  function ready(root) {
    $$(".table-box", root).forEach((box) => sideways.observe(box));
    $$("[data-combobox]", root).forEach(combobox);
    $$("[data-chart]", root).forEach((box) => { if (!box.dataset.ready) chart(box); });
    $$("[data-opens-now]", root).forEach((dialog) => dialog.showModal());
    if (root.matches?.("[data-chart]") && !root.dataset.ready) chart(root);
  }
  const start = () => {
    ready(document);
    $$(".toast-note").forEach(fade);
    (document.querySelector(".is-invalid") || document.querySelector("[data-focus]"))?.focus();
    document.addEventListener("htmx:load", (event) => ready(event.detail.elt));
    document.addEventListener("htmx:responseError", (event) => { if (event.detail.xhr.status !== 401) toast(words.error, "error"); });
    document.addEventListener("htmx:sendError", () => toast(words.offline, "error"));
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
  window.tuetinh = { toast };
})();
