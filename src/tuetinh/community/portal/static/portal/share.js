// A shared link carries its code behind "#", so that no server, log or history of addresses holds it.
const field = document.getElementById("code");
if (field && location.hash.length > 1) {
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  document.getElementById("pin").focus();
}
