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
  /** Changes that came while a page was on its way. */
  let during = [];
  let rows = [];
  let shown = { rows, isComplete: false, isLoading: true, error: undefined, live: { state: "connecting" } };
  let hasHeard = false;
  let isReading = false;
  let isStale = false;
  let frame = 0;

  function show(changes) {
    shown = { ...shown, ...changes };
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      onChange();
    });
  }
  /** Reads the next page, or without a key from the beginning. */
  async function read(after) {
    if (isReading) {
      isStale ||= after === undefined;
      return;
    }
    isReading = true;
    isStale = false;
    show({ isLoading: true });
    try {
      const query = new URLSearchParams({ prefix, limit: PAGE, keysOnly: "true", ...(after === undefined ? {} : { after }) });
      const { entries } = await call("GET", `/context?${query}`, target);
      rows = after === undefined ? entries : [...rows, ...entries];
      shown.isComplete = entries.length < PAGE;
      during.forEach(apply);
      show({ rows, isLoading: false, error: undefined });
    } catch (error) {
      if (!abort.signal.aborted) show({ isLoading: false, error });
    }
    during = [];
    isReading = false;
    if (isStale && !abort.signal.aborted) read();
  }
  function take(change) {
    hasHeard = true;
    onEntry(change);
    if (change.type === "reset") return read();
    if (isReading) return during.push(change);
    apply(change);
    return show({ rows });
  }
  /** Takes a change into the rows, unless they know better or it is behind the last page. */
  function apply({ type, entry, version }) {
    const at = place(rows, entry.key);
    const isThere = rows[at]?.key === entry.key;
    if (isThere && rows[at].version > version) return;
    if (!isThere && (type !== "set" || (at === rows.length && !shown.isComplete))) return;
    const { value, ...head } = entry;
    rows = rows.toSpliced(at, isThere ? 1 : 0, ...(type === "set" ? [head] : []));
  }
  const changes = stream(`/context-watch?${new URLSearchParams({ prefix })}`, {
    ...target,
    onEvent: take,
    onState: (live) => {
      show({ live });
      // A stream that has told nothing yet can't go on where it was after a break.
      if (live.state === "open" && !hasHeard) read();
      else if (live.state === "failed") show({ isLoading: false, error: live.error });
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
function compareKeys(one, other) {
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
