// One task as it happens: its transcript from the stream, which goes on where it was, and what is known of it as a whole.

import { call } from "../../lib/api.js";
import { stream } from "../../lib/sse.js";
import { emptyTranscript, fold } from "./transcript.js";

/** Events after which the task as a whole is another. */
const TELLING = new Set(["status", "result", "exit", "permission_request", "question", "permission_resolved", "error"]);

/**
 * Follows a task until `close`. `onChange` is called at most once a frame.
 * @param {{scope: object, id: string, onChange: () => void}} options
 */
export function followTask({ scope, id, onChange }) {
  const abort = new AbortController();
  const path = `/ai-tasks/${encodeURIComponent(id)}`;
  const transcript = emptyTranscript();
  const shown = { task: undefined, error: undefined, live: { state: "connecting" }, transcript, revision: 0 };
  let came = [];
  let frame = 0;
  let events = null;
  let isReading = false;
  let isStale = true;

  function draw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (came.length > 0) {
        fold(transcript, came);
        came = [];
        shown.revision += 1;
      }
      onChange();
    });
  }
  async function read() {
    isStale = true;
    if (isReading) return;
    isReading = true;
    while (isStale && !abort.signal.aborted) {
      isStale = false;
      try {
        shown.task = await call("GET", path, { ...scope, signal: abort.signal });
        shown.error = undefined;
      } catch (error) {
        if (!abort.signal.aborted) shown.error = error;
      }
    }
    isReading = false;
    draw();
  }
  function listen() {
    events?.close();
    const since = Math.max(transcript.seq, came.at(-1)?.seq ?? 0);
    events = stream(`${path}/stream`, {
      ...scope,
      since,
      finite: true,
      signal: abort.signal,
      onEvent: (event) => {
        came.push(event);
        if (TELLING.has(event.type)) read();
        draw();
      },
      onState: (live) => {
        shown.live = live;
        if (live.state === "failed") shown.error = live.error;
        draw();
      },
    });
  }
  read();
  listen();
  return {
    shown: () => shown,
    read,
    /** Listens anew after the task went on, unless the stream is still there. */
    resume: () => {
      if (["ended", "failed"].includes(shown.live.state)) listen();
    },
    retry: () => {
      read();
      if (["ended", "failed"].includes(shown.live.state)) listen();
      else events.retry();
    },
    close: () => {
      cancelAnimationFrame(frame);
      abort.abort();
    },
  };
}
