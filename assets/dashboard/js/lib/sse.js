// Server-sent events over fetch: cut into events, healed after a break.

import { ApiError, daemonPath, peerHeader, send } from "./api.js";
import { onRest, resting } from "./visible.js";

/** The server says something at least every 15 s; a connection that is silent for longer is dead. */
const SILENCE = 40_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;

/**
 * Follows a stream until it is closed. After a break it goes on where it was, with growing pauses.
 * @param {string} path of a daemon's operation, or with `daemon: null` of the dashboard itself
 * @param {object} options
 * @param {string|null} [options.daemon] `main` unless given
 * @param {string} [options.peer]
 * @param {string|number} [options.since] number of the event after which to begin, sent as Last-Event-ID
 * @param {(data: any, event: {id: string|null, event: string}) => void} options.onEvent
 * @param {(state: {state: "connecting"|"open"|"waiting"|"paused"|"ended"|"failed", error?: ApiError, retryAt?: number}) => void}
 *   [options.onState] `ended` only with `finite`; `failed` means that trying again makes no sense
 * @param {boolean} [options.finite] whether an orderly end of the stream is its end
 * @param {AbortSignal} [options.signal]
 * @returns {{close: () => void, retry: () => void}} `retry` cuts a pause short
 */
export function stream(path, { daemon = "main", peer, since, onEvent, onState = () => {}, finite = false, signal } = {}) {
  const url = daemon === null ? path : daemonPath(path, daemon);
  let last = since === undefined ? null : String(since);
  let pause = FIRST_PAUSE;
  let current = null;
  let timer;
  let isOver = false;

  const stopRest = onRest((rests) => {
    if (isOver) return;
    if (!rests) return open();
    drop();
    onState({ state: "paused" });
  });

  function drop() {
    clearTimeout(timer);
    current?.abort();
    current = null;
  }
  function finish(state) {
    if (isOver) return;
    isOver = true;
    stopRest();
    drop();
    if (state) onState(state);
  }
  async function open() {
    drop();
    if (isOver) return;
    if (resting()) return onState({ state: "paused" });
    const own = (current = new AbortController());
    onState({ state: "connecting" });
    try {
      await follow(own);
      if (own === current && finite) return finish({ state: "ended" });
      again(own);
    } catch (error) {
      again(own, error);
    }
  }
  async function follow(own) {
    const headers = { accept: "text/event-stream", ...peerHeader(peer) };
    if (last !== null) headers["last-event-id"] = last;
    const response = await send("GET", url, { headers, signal: own.signal });
    if (own !== current) return;
    onState({ state: "open" });
    await read(response.body, own, (event) => {
      if (own !== current) return;
      pause = FIRST_PAUSE;
      const data = parse(event.data);
      if (event.event === "failure") throw new ApiError(data?.error, 200);
      if (event.id !== null) last = event.id;
      onEvent(data, event);
    });
  }
  function again(own, error) {
    if (own !== current || isOver) return;
    if (isFinal(error)) return finish({ state: "failed", error });
    const wait = pause * (0.75 + Math.random() / 2);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
    onState({ state: "waiting", error, retryAt: Date.now() + wait });
    timer = setTimeout(open, wait);
  }

  signal?.addEventListener("abort", () => finish());
  if (signal?.aborted) finish();
  else open();
  return { close: () => finish(), retry: open };
}

/** What the server refuses for good: a wrong request, a lost login, something that is not there. */
function isFinal(error) {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && ![408, 429].includes(error.status);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function read(body, own, onEvent) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const feed = cutter(onEvent);
  let silence;
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(() => reader.cancel(), SILENCE);
  };
  try {
    for (;;) {
      alive();
      const { done, value } = await reader.read();
      if (done || own.signal.aborted) return;
      feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearTimeout(silence);
    reader.cancel().catch(() => undefined);
  }
}

/**
 * Cuts text that comes in pieces into events.
 * @param {(event: {id: string|null, event: string, data: string}) => void} onEvent
 * @returns {(text: string) => void}
 */
function cutter(onEvent) {
  let rest = "";
  let event = { id: null, event: "", data: null };
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        const whole = event;
        event = { id: null, event: "", data: null };
        if (whole.data !== null) onEvent(whole);
        continue;
      }
      const colon = line.indexOf(":");
      const [field, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      if (field === "data") event.data = event.data === null ? value : `${event.data}\n${value}`;
      else if (field === "id" || field === "event") event[field] = value;
    }
  };
}
