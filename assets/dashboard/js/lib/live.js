// The one stream of events of all daemons of this machine.

import { own } from "./api.js";
import { stream } from "./sse.js";
import { get, set } from "./store.js";

/** Newest notices that are kept for the list of recent events. */
const KEPT = 300;

const listeners = new Set();
let live = null;
let waiting = [];
let frame = 0;

/** Calls `listener(notice, daemon)` for each notice of any daemon. Returns how to stop. */
export function onNotice(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Begins to listen; again after a login. */
export function start() {
  live?.close();
  live = stream("/live", {
    daemon: null,
    onState: (state) => set({ live: state }),
    onEvent: ({ daemon, event }) => hear(daemon, event),
  });
}

/** Ends it. */
export function stop() {
  live?.close();
  live = null;
}

/** Tries at once, where the next try was some way off. */
export function retry() {
  live?.retry();
}

/** Reads anew which daemons there are. */
export async function loadMe() {
  set({ me: await own("GET", "/me") });
}

function hear(daemon, notice) {
  if (notice.type === "daemon" || (notice.type === "hello" && isStopped(daemon))) loadMe().catch(() => undefined);
  for (const listener of [...listeners]) listener(notice, daemon);
  if (notice.type === "hello" || notice.type === "reset") return;
  waiting.push({ daemon, event: notice });
  frame ||= requestAnimationFrame(keep);
}

function isStopped(name) {
  return get().me?.daemons.find((daemon) => daemon.name === name)?.status !== "running";
}

function keep() {
  frame = 0;
  const newest = waiting.reverse().slice(0, KEPT);
  waiting = [];
  set({ events: [...newest, ...get().events].slice(0, KEPT) });
}
