// The lines of the audit log: what is kept of it, then what comes.

import { stream } from "../../lib/sse.js";
import { useEffect, useReducer, useRef } from "../../lib/ui.js";

/** Lines that are asked for, and kept. */
const KEPT = 10_000;

/**
 * Follows the log of a daemon. `lines` are newest first, each the record with `key`, `text` (all of it in lower case, to search
 * in) and `isDenied`. While paused, what comes is kept back.
 */
export function useLog(daemon, status) {
  const [, redraw] = useReducer((number) => number + 1, 0);
  const log = useRef(fresh()).current;
  useEffect(() => {
    Object.assign(log, fresh(), { isPaused: log.isPaused });
    redraw();
    if (status !== "running") return undefined;
    log.stream = stream(`/audit-watch?last=${KEPT}`, {
      daemon,
      onEvent: (record) => {
        log.coming.push(record);
        if (log.coming.length >= 2 * KEPT) log.coming.splice(0, KEPT);
        log.frame ||= requestAnimationFrame(() => take(log) && redraw());
      },
      onState: ({ state, error }) => {
        // Each connection begins with the whole log again.
        if (state === "open") Object.assign(log, { coming: [], isFresh: true });
        log.state = state;
        log.error = error;
        redraw();
      },
    });
    return () => {
      log.stream.close();
      cancelAnimationFrame(log.frame);
    };
  }, [daemon, status]);
  const pause = (isPaused) => {
    log.isPaused = isPaused;
    take(log);
    redraw();
  };
  return { lines: log.lines, state: log.state, error: log.error, isPaused: log.isPaused, pause, retry: () => log.stream?.retry() };
}

function fresh() {
  return { lines: [], coming: [], state: "connecting", error: undefined, isPaused: false, isFresh: false, frame: 0, stream: null };
}

/** Takes in what came; whether there is something to draw. */
function take(log) {
  log.frame = 0;
  if (log.isPaused || log.coming.length === 0) return false;
  const newest = log.coming.reverse().map((record) => line(record));
  const older = log.isFresh ? [] : log.lines;
  log.lines = [...newest, ...older].slice(0, KEPT);
  log.coming = [];
  log.isFresh = false;
  return true;
}

let number = 0;

function line(record) {
  number += 1;
  const caller = record.caller ?? "stranger";
  return {
    ...record, caller, key: record.requestId ?? number, isDenied: isDenied(record),
    text: Object.values(record).join(" ").toLowerCase(),
  };
}

function isDenied(record) {
  return record.decision ? record.decision !== "allowed" : [401, 403].includes(record.statusCode);
}
