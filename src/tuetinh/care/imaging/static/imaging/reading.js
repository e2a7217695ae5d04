// The page of a reading: measurements go into its words at a press, and it is dictated to where the browser listens.
"use strict";

(() => {
  const findings = document.getElementById("findings");
  const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-insert]");
    if (!button || !findings) return;
    findings.value += `${findings.value && !findings.value.endsWith("\n") ? "\n" : ""}${button.dataset.insert}.`;
    changed(findings);
    findings.focus();
  });

  // Web Speech API. What a browser cannot hear by itself it sends to its maker: that is asked first.
  const Recognition = window.SpeechRecognition || window.webkitSpeechRecognition;
  if (!Recognition) return;
  const language = "vi-VN";
  const isLocal = async () => (await Recognition.available?.({ langs: [language], processLocally: true }).catch(() => "")) === "available";
  let listening = null;

  async function listen(button, field) {
    const local = await isLocal();
    if (!local && !confirm(button.dataset.outside)) return;
    const heard = new Recognition();
    heard.lang = language;
    heard.continuous = true;
    if (local) heard.processLocally = true;
    heard.addEventListener("result", (event) => {
      for (const result of [...event.results].slice(event.resultIndex)) {
        if (!result.isFinal) continue;
        const text = result[0].transcript.trim();
        field.setRangeText(`${field.selectionStart && !/\s$/.test(field.value.slice(0, field.selectionStart)) ? " " : ""}${text}`, field.selectionStart, field.selectionEnd, "end");
        changed(field);
      }
    });
    heard.addEventListener("end", () => { button.setAttribute("aria-pressed", "false"); listening = null; });
    button.setAttribute("aria-pressed", "true");
    listening = heard;
    heard.start();
  }

  for (const field of document.querySelectorAll("[data-dictate]")) {
    const button = document.getElementById("dictation").content.firstElementChild.cloneNode(true);
    button.addEventListener("click", () => { if (listening) listening.stop(); else listen(button, field); });
    field.before(button);
  }
})();
