// What daemons know, read once and read anew when a notice says that it has changed. Nothing polls.

import { call } from "./api.js";
import { onNotice } from "./live.js";
import { useSource, useStore } from "./store.js";
import { useCallback, useLayoutEffect, useReducer } from "./ui.js";

/** Kinds by name: where to read them, and which notices make them old. `only` narrows notices down further. */
const kinds = new Map([
  ["status", { path: "/status", on: ["peer", "job", "task", "message", "context", "config", "trust"] }],
  ["peers", { path: "/peers", on: ["peer", "trust"] }],
  ["tasks", { path: "/ai-tasks", on: ["task"] }],
  ["jobs", { path: "/execute/jobs", on: ["job"] }],
  ["terminals", { path: "/terminals", on: ["terminal"] }],
]);
/** Shortest time between two readings of the same; longer for what takes long to read. */
const BREATH = 100;
const NOTHING = Object.freeze({ data: undefined, error: undefined, loading: true });

const entries = new Map();

/**
 * Adds a kind of resource: `define("outbox", {path: "/messages/outbox", on: ["message"]})`.
 * @param {string} kind
 * @param {{path: string, on: string[], only?: (notice: object) => boolean}} source
 */
export function define(kind, source) {
  kinds.set(kind, source);
}

/**
 * What a daemon knows, or with `peer` a machine that it trusts, kept fresh while a component looks at it. The last data stays
 * while newer is read or can't be. A peer's own notices are not heard here: its data is read anew when its load or health changes.
 * @returns {{data: any, error: Error|undefined, loading: boolean, at: number, reload: () => void}} `at`: when it was read
 */
export function useResource(kind, daemon = "main", peer) {
  const subscribe = useCallback((listener) => watch({ kind, daemon, peer }, listener), [kind, daemon, peer]);
  const shown = useSource(subscribe, () => entries.get(id({ kind, daemon, peer }))?.shown ?? NOTHING);
  return { ...shown, reload: () => refresh(kind, daemon, peer) };
}

/** The same of every daemon of this machine that runs, as a list of `{daemon, data, error, loading}`; none for kind null. */
export function useResources(kind) {
  const daemons = useStore((state) => state.me?.daemons);
  const running = (kind && daemons?.filter((daemon) => daemon.status === "running").map((daemon) => daemon.name)) || [];
  const names = running.join(" ");
  const [, redraw] = useReducer((number) => number + 1, 0);
  useLayoutEffect(() => {
    const ends = running.map((daemon) => watch({ kind, daemon }, redraw));
    return () => ends.forEach((end) => end());
  }, [kind, names]);
  return running.map((daemon) => ({ daemon, ...(entries.get(id({ kind, daemon }))?.shown ?? NOTHING) }));
}

/** Reads a resource anew if a component looks at it, and else when one next does. */
function refresh(kind, daemon = "main", peer) {
  const entry = entries.get(id({ kind, daemon, peer }));
  if (!entry) return;
  entry.isStale = true;
  schedule(entry);
}

function id({ kind, daemon, peer = "" }) {
  return `${kind} ${daemon} ${peer}`;
}

function watch(source, listener) {
  const name = id(source);
  let entry = entries.get(name);
  if (!entry) {
    entry = { ...source, shown: NOTHING, listeners: new Set(), isStale: true, isReading: false, readyAt: 0, timer: 0 };
    entries.set(name, entry);
  }
  entry.listeners.add(listener);
  schedule(entry);
  return () => entry.listeners.delete(listener);
}

function schedule(entry) {
  if (!entry.isStale || entry.isReading || entry.timer || entry.listeners.size === 0) return;
  const wait = Math.max(0, entry.readyAt - performance.now());
  entry.timer = setTimeout(() => {
    entry.timer = 0;
    if (entry.listeners.size > 0) read(entry);
  }, wait);
}

async function read(entry) {
  const started = performance.now();
  entry.isReading = true;
  entry.isStale = false;
  try {
    const data = await call("GET", kinds.get(entry.kind).path, { daemon: entry.daemon, peer: entry.peer });
    show(entry, { data, error: undefined, loading: false, at: Date.now() });
  } catch (error) {
    show(entry, { ...entry.shown, error, loading: false });
  }
  entry.isReading = false;
  const now = performance.now();
  entry.readyAt = now + Math.max(BREATH, 3 * (now - started));
  schedule(entry);
}

function show(entry, shown) {
  entry.shown = shown;
  for (const listener of [...entry.listeners]) listener();
}

onNotice((notice, daemon) => {
  for (const entry of entries.values()) {
    if (entry.daemon !== daemon || !isAbout(notice, entry)) continue;
    entry.isStale = true;
    schedule(entry);
  }
});

function isAbout(notice, { kind, peer }) {
  if (["hello", "reset", "daemon"].includes(notice.type)) return true;
  if (peer) return notice.type === "peer" && notice.subject === peer;
  const { on, only } = kinds.get(kind);
  return on.includes(notice.type) && (!only || only(notice));
}
