// The entries of a store under a prefix: read page by page in the order of their keys, and kept fresh by a stream of changes.

import { call } from "../../lib/api.js";
import { stream } from "../../lib/sse.js";

/** Keys of one page. */
const PAGE = 1000;
/** Code of the API: the entry is another than the one that was seen. */
export const CONFLICT = 5004;

/** The path of an entry. */
export function entryPath(key) {
  return `/context/${encodeURIComponent(key)}`;
}

/**
 * Follows a store until `close`. `onChange` is called, at most once a frame, after `shown()` has become another.
 * @param {{daemon: string, peer?: string, prefix: string, onChange: () => void, onEntry: (change: object) => void}} options
 *   `onEntry` hears of each change as it comes: a ContextChange
 */
export function followEntries({ daemon, peer, prefix, onChange, onEntry }) {
  const abort = new AbortController();
  const target = { daemon, peer, signal: abort.signal };
  /** What went away while a page was on its way: key to version. */
  const gone = new Map();
  let rows = [];
  let shown = { rows, isComplete: false, isLoading: true, error: undefined, live: { state: "connecting" } };
  let hasBegun = false;
  let isReading = false;
  let frame = 0;

  function show(changes) {
    shown = { ...shown, ...changes };
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      onChange();
    });
  }
  async function read(after) {
    if (isReading) return;
    isReading = true;
    show({ isLoading: true });
    try {
      const query = new URLSearchParams({ prefix, limit: PAGE, keysOnly: "true", ...(after === undefined ? {} : { after }) });
      const { entries } = await call("GET", `/context?${query}`, target);
      if (after === undefined) rows = [];
      for (const entry of entries) if (!(gone.get(entry.key) >= entry.version)) put(rows, entry);
      rows = [...rows];
      show({ rows, isComplete: entries.length < PAGE, isLoading: false, error: undefined });
    } catch (error) {
      if (!abort.signal.aborted) show({ isLoading: false, error });
    }
    gone.clear();
    isReading = false;
  }
  function take(change) {
    onEntry(change);
    if (change.type === "reset") return read();
    const { entry } = change;
    if (change.type !== "set") {
      gone.set(entry.key, change.version);
      const at = place(rows, entry.key);
      if (rows[at]?.key !== entry.key) return undefined;
      rows = rows.toSpliced(at, 1);
    } else if (shown.isComplete || isReading || (rows.length > 0 && compareKeys(entry.key, rows.at(-1).key) <= 0)) {
      const { value, ...head } = entry;
      rows = [...rows];
      put(rows, head);
    }
    return show({ rows });
  }
  const changes = stream(`/context-watch?${new URLSearchParams({ prefix })}`, {
    ...target,
    onEvent: take,
    onState: (live) => {
      show({ live });
      if (live.state === "open" && !hasBegun) {
        hasBegun = true;
        read();
      } else if (live.state === "failed") {
        show({ isLoading: false, error: live.error });
      }
    },
  });
  return {
    shown: () => shown,
    more: () => (shown.isComplete || shown.error ? undefined : read(rows.at(-1)?.key)),
    reload: () => {
      read();
      changes.retry();
    },
    close: () => {
      cancelAnimationFrame(frame);
      abort.abort();
    },
  };
}

/** Puts an entry at its place, unless a newer one is there. */
function put(rows, entry) {
  const at = place(rows, entry.key);
  if (rows[at]?.key !== entry.key) rows.splice(at, 0, entry);
  else if (rows[at].version <= entry.version) rows[at] = entry;
}

/** Where a key is, or belongs. */
function place(rows, key) {
  let [low, high] = [0, rows.length];
  if (high > 0 && compareKeys(rows[high - 1].key, key) < 0) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(rows[middle].key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The order of the store: by code points, which is not that of JavaScript where a surrogate meets a character above it.
 * @returns {number} below, at or above zero
 */
export function compareKeys(one, other) {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const [left, right] = [one.charCodeAt(at), other.charCodeAt(at)];
    if (left !== right) return weight(left) - weight(right);
  }
  return one.length - other.length;
}

function weight(unit) {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
