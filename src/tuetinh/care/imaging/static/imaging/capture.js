// Sends files in pieces, pictures and clips of a video device. Without it the form sends its files by itself.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("capture-data").textContent);
  const { words } = data;
  const list = document.querySelector("[data-list]");
  if (!list) return;
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const TRIES = 8;

  async function post(url, fields) {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": token } }).catch(() => null);
      if (answer && answer.status < 500) return { ok: answer.ok, ...(await answer.json().catch(() => ({ text: words.refused }))) };
      if (tries === TRIES) return { ok: false, text: words.refused };
      await pause(Math.min(1000 * 2 ** tries, 20000));
    }
  }
  function line(name) {
    const item = document.createElement("li"), label = document.createElement("span"), state = document.createElement("small"), bar = document.createElement("progress");
    label.textContent = name; bar.className = "bar"; bar.max = 100; bar.value = 0; bar.setAttribute("aria-label", words.sending);
    label.append(state);
    item.append(label, bar);
    list.prepend(item);
    return {
      item,
      far: (share) => { bar.value = share; },
      end: (answer) => { bar.remove(); state.textContent = answer.text; state.className = answer.ok ? "" : "danger"; item.dataset.state = answer.ok ? "done" : "failed"; },
    };
  }
  // A small file goes at once, a large one in pieces and then by its name.
  async function send(file, finish, fields, shown = line(file.name)) {
    const key = crypto.randomUUID(), told = { key, size: file.size, name: file.name, ...fields };
    if (file.size <= data.piece) {
      const answer = await post(finish, { ...told, file });
      shown.end(answer);
      return answer.ok;
    }
    for (let at = 0; at < file.size; at += data.piece) {
      const answer = await post(data.arriving, { key, at, piece: file.slice(at, at + data.piece) });
      if (!answer.ok) { shown.end(answer); return false; }
      shown.far((100 * Math.min(at + data.piece, file.size)) / Math.max(file.size, 1));
    }
    const answer = await post(finish, told);
    shown.end(answer);
    return answer.ok;
  }
  // Many files, some at a time: one line tells how far they are, and each that was refused has its own.
  async function sendAll(files, finish) {
    const AT_ONCE = 3, total = files.length, whole = line(`${words.sent} 0/${total}`);
    let next = 0, done = 0;
    const worker = async () => {
      while (next < total) {
        const file = files[next++];
        const quiet = { far: () => {}, end: (answer) => { if (!answer.ok) line(file.webkitRelativePath || file.name).end(answer); } };
        await send(file, finish, {}, quiet);
        done += 1;
        whole.far((100 * done) / total);
        whole.item.firstChild.firstChild.textContent = `${words.sent} ${done}/${total}`;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    whole.end({ ok: true, text: "" });
  }
  // The files of what was dropped, those of folders too.
  async function dropped(transfer) {
    const found = [], waiting = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    while (waiting.length) {
      const entry = waiting.pop();
      if (entry.isFile) found.push(await new Promise((done, fail) => entry.file(done, fail)));
      else {
        const reader = entry.createReader();
        for (let some = await new Promise(reader.readEntries.bind(reader)); some.length; some = await new Promise(reader.readEntries.bind(reader))) waiting.push(...some);
      }
    }
    return found;
  }

  const form = document.querySelector("form[data-capture]");
  if (form) {
    const inputs = [...form.querySelectorAll("input[type=file]")];
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      take(inputs.flatMap((input) => [...input.files]));
    });
    async function take(files) {
      const button = form.querySelector("button");
      button.disabled = true;
      if (data.many && files.length) await sendAll(files, data.add);
      else for (const file of files) await send(file, data.add, { kind: form.elements.kind.value });
      inputs.forEach((input) => { input.value = ""; });
      button.disabled = false;
      button.removeAttribute("aria-busy");
      if (data.many) window.htmx.trigger("#told", "sent");
    }
    const drop = form.querySelector("[data-drop]");
    for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") dropped(event.dataTransfer).then(take);
    });
  }

  const live = document.getElementById("live");
  if (live) {
    const SECONDS = 30, RATE = 8, MOST = 28 * 2 ** 20, QUALITY = 0.92;
    const fault = document.getElementById("fault"), device = document.getElementById("device"), kind = document.getElementById("kind");
    const still = document.getElementById("still"), record = document.getElementById("record");
    const canvas = document.createElement("canvas");
    let stills = 0, clips = 0, frames = null, timer = 0;
    const refuse = () => { fault.textContent = words.no_camera; fault.hidden = false; still.disabled = record.disabled = true; };
    async function open(id) {
      live.srcObject?.getTracks().forEach((track) => track.stop());
      try {
        live.srcObject = await navigator.mediaDevices.getUserMedia({ audio: false, video: { width: { ideal: 1920 }, height: { ideal: 1080 }, ...(id ? { deviceId: { exact: id } } : { facingMode: "environment" }) } });
      } catch { refuse(); return; }
      fault.hidden = true; still.disabled = record.disabled = false;
      const own = live.srcObject.getVideoTracks()[0].getSettings().deviceId;
      const all = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
      device.replaceChildren(...all.map((one, place) => new Option(one.label || `${words.camera} ${place + 1}`, one.deviceId, false, one.deviceId === own)));
    }
    const frame = () => new Promise((done) => {
      canvas.width = live.videoWidth; canvas.height = live.videoHeight;
      canvas.getContext("2d").drawImage(live, 0, 0);
      canvas.toBlob(done, "image/jpeg", QUALITY);
    });
    const small = (item) => { const img = new Image(); img.alt = ""; img.src = canvas.toDataURL("image/jpeg", 0.5); item.prepend(img); };
    still.addEventListener("click", async () => {
      const blob = await frame();
      if (!blob) return;
      stills += 1;
      const file = new File([blob], `${words.still} ${stills}.jpg`, { type: "image/jpeg" });
      const done = send(file, data.add, { kind: kind.value });
      small(list.firstElementChild);
      await done;
    });
    async function finish() {
      clearInterval(timer);
      const taken = frames;
      frames = null;
      record.setAttribute("aria-pressed", "false");
      record.querySelector("span").textContent = words.record;
      if (!taken?.length) return;
      clips += 1;
      const shown = line(`${words.clip} ${clips}`);
      small(shown.item);
      shown.end(await post(data.clip, { clip: new Blob(taken), sizes: JSON.stringify(taken.map((one) => one.size)), rate: RATE, kind: kind.value }));
    }
    record.addEventListener("click", () => {
      if (frames) { finish(); return; }
      frames = [];
      const began = Date.now();
      record.setAttribute("aria-pressed", "true");
      record.querySelector("span").textContent = words.stop;
      timer = setInterval(async () => {
        const blob = await frame();
        if (!frames || !blob) return;
        frames.push(blob);
        if (Date.now() - began > SECONDS * 1000 || frames.reduce((sum, one) => sum + one.size, 0) > MOST) finish();
      }, 1000 / RATE);
    });
    device.addEventListener("change", () => open(device.value));
    addEventListener("pagehide", () => live.srcObject?.getTracks().forEach((track) => track.stop()));
    if (navigator.mediaDevices?.getUserMedia) open(""); else refuse();
  }
})();
