// Looking together: what this page looks at goes to the others of a question, and theirs comes here.
"use strict";

// told: what this page looks at, null while that is not known. hear: is given who looks at what.
// change: `joined`, `lost` (and tried again) or `ended`.
window.lookTogether = (opinion, { told, hear, change }) => {
  const LEAST = 80, AGAIN = 5000; // milliseconds between two messages; after which it is said again, for who came late
  let socket = null, pause = 500, last = 0, waiting = 0;
  const isOpen = () => socket?.readyState === WebSocket.OPEN;
  function say() {
    if (waiting || !isOpen()) return;
    waiting = setTimeout(() => {
      waiting = 0;
      last = Date.now();
      const state = told();
      if (state && isOpen()) socket.send(JSON.stringify(state));
    }, Math.max(0, LEAST - (Date.now() - last)));
  }
  function join() {
    socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/imaging/live/${opinion}`);
    socket.addEventListener("open", () => { pause = 500; change("joined"); socket.send(JSON.stringify({ hello: true })); });
    socket.addEventListener("message", (event) => {
      const heard = JSON.parse(event.data);
      if (heard.state.hello) say();
      hear(heard);
    });
    socket.addEventListener("close", (event) => {
      if (event.code === 1008) { change("ended"); return; }
      change("lost");
      setTimeout(join, pause);
      pause = Math.min(pause * 2, 10000);
    });
  }
  join();
  setInterval(() => { if (Date.now() - last > AGAIN) say(); }, 1000);
  return say;
};
