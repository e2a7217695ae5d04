// Looking together: all pages of a question show the same. What that is stands in every message with its number, which
// grows when a hand turns to something else: the highest holds, so that nobody is turned back by what is said late.
"use strict";

// now: what this page shows (study, series, picture, window), null while it shows nothing. pointing: where in that picture
// somebody points here, null for nowhere. follow: turn to something. where: the place of a point of a picture (box, left,
// top), null where it is not shown. present: is given the names of the others. change: what is wrong with the connection.
window.lookTogether = (opinion, { now, pointing, follow, where, present, change }) => {
  const LEAST = 80, AGAIN = 5000, SILENT = 15000; // milliseconds between two messages; until it is said again, for who came late; after which somebody has left
  const words = JSON.parse(document.getElementById("together-words").textContent);
  const people = new Map(); // by the id of their page: name, what they said last and when, their mark
  let turn = 0, view = null; // what all look at
  let socket = null, pause = 500, last = 0, waiting = 0;

  const isOpen = () => socket?.readyState === WebSocket.OPEN;
  const message = () => ({ turn, view, picture: now()?.picture, pointer: pointing() });
  function say() {
    if (waiting || !isOpen()) return;
    waiting = setTimeout(() => {
      waiting = 0;
      last = Date.now();
      if (isOpen()) socket.send(JSON.stringify(message()));
    }, Math.max(0, LEAST - (Date.now() - last)));
  }
  // A hand here has turned to something else.
  function turned() {
    const shown = now();
    if (shown) { turn += 1; view = shown; }
    say();
  }
  // Of two that turned at once all choose the same one.
  const isNewer = (state) => Array.isArray(state.view?.picture) && Number.isSafeInteger(state.turn)
    && (state.turn > turn || (state.turn === turn && JSON.stringify(state.view) > JSON.stringify(view)));
  function hear({ id, who, state }) {
    const known = people.get(id), person = known || { mark: document.createElement("span") };
    person.mark.className = "shared-pointer";
    person.mark.textContent = who;
    people.set(id, Object.assign(person, { who, state, heard: Date.now() }));
    if (isNewer(state)) { ({ turn, view } = state); follow(view); }
    if (state.hello && !turn) turned(); // whoever comes looks at what is shown here
    else if (!known) say();
    draw();
    tell();
  }
  // Whoever left has said nothing for long.
  function forget() {
    for (const [id, { mark, heard }] of people) {
      if (Date.now() - heard < SILENT) continue;
      mark.remove();
      people.delete(id);
    }
  }
  function draw() {
    for (const { mark, state: { picture, pointer } } of people.values()) {
      const spot = Array.isArray(picture) && Array.isArray(pointer) ? where(picture, pointer) : null;
      if (!spot) { mark.remove(); continue; }
      if (mark.parentNode !== spot.box) spot.box.append(mark);
      mark.style.left = `${spot.left}px`;
      mark.style.top = `${spot.top}px`;
    }
  }
  function tell() {
    present([...new Set([...people.values()].map(({ who }) => who))].join(", ") || words.alone);
  }
  function join() {
    socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/imaging/live/${opinion}`);
    socket.addEventListener("open", () => { pause = 500; change(""); socket.send(JSON.stringify({ hello: true, ...message() })); });
    socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => {
      if (event.code === 1008) { change(words.ended); return; }
      change(words.lost);
      setTimeout(join, pause);
      pause = Math.min(pause * 2, 10000);
    });
  }
  join();
  setInterval(() => { if (Date.now() - last > AGAIN) say(); forget(); draw(); tell(); }, 1000);
  return { say, turned, draw };
};
