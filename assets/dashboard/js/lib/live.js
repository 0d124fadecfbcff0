// The one stream of events of all daemons of this machine.

import { own } from "./api.js";
import { stream } from "./sse.js";
import { get, set } from "./store.js";

/** Newest notices that are kept for the list of recent events. */
const KEPT = 300;

/** How many of a daemon's events from before the page was opened are shown, and how long is waited for them, ms. */
const EARLIER = 60;
const EARLIER_WAIT = 2000;

const listeners = new Set();
const seeded = new Set();
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
    onEvent: ({ daemon, event, transfers }) => (transfers ? take(daemon, transfers) : hear(daemon, event)),
  });
}

/** Ends it. */
export function stop() {
  live?.close();
  live = null;
  seeded.clear();
}

/** Tries at once, where the next try was some way off or it had been given up. */
export const retry = start;

/** Reads anew which daemons there are. */
export async function loadMe() {
  set({ me: await own("GET", "/me") });
}

function take(daemon, transfers) {
  set({ transfers: { ...get().transfers, [daemon]: transfers } });
}

function hear(daemon, notice) {
  if (notice.type === "daemon" || (notice.type === "hello" && isStopped(daemon))) loadMe().catch(() => undefined);
  for (const listener of [...listeners]) listener(notice, daemon);
  if (notice.type === "hello") seed(daemon, notice.id);
  if (notice.type === "hello" || notice.type === "reset") return;
  waiting.push({ daemon, event: notice });
  frame ||= requestAnimationFrame(keep);
}

/** Reads what happened on a daemon shortly before it was listened to, once. */
function seed(daemon, until) {
  if (!until || seeded.has(daemon)) return;
  seeded.add(daemon);
  const found = [];
  const finish = () => {
    clearTimeout(timer);
    earlier.close();
    const all = [...get().events, ...found].sort((a, b) => b.event.ts - a.event.ts);
    set({ events: all.slice(0, KEPT) });
  };
  const timer = setTimeout(finish, EARLIER_WAIT);
  const earlier = stream("/events", {
    daemon,
    since: until - EARLIER,
    onEvent: (event) => {
      if (event.id <= until && event.type !== "reset" && event.type !== "hello") found.push({ daemon, event });
      if (event.id >= until) finish();
    },
    onState: ({ state }) => state === "failed" && finish(),
  });
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
