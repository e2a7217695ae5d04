// Passkeys (WebAuthn): a form with [data-passkey="create" or "get"] asks the browser, and sends its answer.
// Without it, or where the browser has no passkeys, the button stays away and the other ways remain.
"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  const button = form?.querySelector("[data-passkey-button]");
  // A bare number is no name that a passkey can belong to (WebAuthn 2, 5.1.3).
  const named = !/^[\d.]+$|^\[/.test(location.hostname);
  const none = document.querySelector("[data-no-passkey]");
  if (!button || !window.PublicKeyCredential || !named) { if (none) none.hidden = false; return; }
  button.hidden = false;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const options = JSON.parse(document.getElementById("passkey-options").textContent).publicKey;
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const name of ["excludeCredentials", "allowCredentials"]) options[name]?.forEach((one) => { one.id = bytes(one.id); });

  function told(credential) {
    const answer = credential.response, response = { clientDataJSON: text(answer.clientDataJSON) };
    if (answer.attestationObject) response.attestationObject = text(answer.attestationObject);
    if (answer.authenticatorData) { response.authenticatorData = text(answer.authenticatorData); response.signature = text(answer.signature); }
    if (answer.userHandle) response.userHandle = text(answer.userHandle);
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
  }
  button.addEventListener("click", async () => {
    const fault = form.querySelector("[data-passkey-fault]");
    const name = form.querySelector("input[required][data-with-passkey]");
    if (name && !name.reportValidity()) return;
    fault.hidden = true;
    button.setAttribute("aria-busy", "true");
    try {
      const credential = await navigator.credentials[form.dataset.passkey]({ publicKey: options });
      form.querySelector("[data-passkey-answer]").value = told(credential);
      form.submit();
    } catch {
      fault.hidden = false;
      button.removeAttribute("aria-busy");
    }
  });
})();
