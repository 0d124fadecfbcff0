// The connection to a terminal: a WebSocket that is opened again after it was lost, and no more unread bytes than the page can take.

import { call, socket } from "../../lib/api.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
/** Above so many bytes that are not shown yet, the line is cut; what is on the screen by then comes when it is opened again. */
const MOST_UNSHOWN = 8 * 1024 * 1024;
/** Bytes of one frame of what is typed. */
const FRAME = 32 * 1024;
const NOT_FOUND = 404;

/**
 * Keeps a line to a terminal.
 * @param {object} options
 * @param {object} options.scope the machine
 * @param {string} options.id the terminal
 * @param {() => {cols: number, rows: number}} options.size
 * @param {(bytes: Uint8Array, done: () => void) => void} options.onBytes `done` when they are shown
 * @param {(message: object) => void} options.onMessage control messages of the server
 * @param {(state: {state: "connecting"|"attached"|"lost"|"exited"|"failed", error?: Error, retryAt?: number, end?: object}) => void} options.onState
 */
export function keepLine({ scope, id, size, onBytes, onMessage, onState }) {
  const path = `/terminals/${encodeURIComponent(id)}`;
  const encoder = new TextEncoder();
  let current = null;
  let attempt = 0;
  let pause = FIRST_PAUSE;
  let timer = 0;
  let unshown = 0;
  let isOver = false;
  let isBehind = false;

  async function open() {
    drop();
    const own = (attempt += 1);
    onState({ state: "connecting" });
    const { cols, rows } = size();
    try {
      const opened = await socket(`${path}/socket?cols=${cols}&rows=${rows}`, scope);
      if (own !== attempt) return opened.close();
      current = opened;
      opened.onmessage = ({ data }) => own === attempt && take(data);
      opened.onclose = () => own === attempt && lost();
    } catch (error) {
      if (own === attempt) lost(error);
    }
    return undefined;
  }
  function take(data) {
    if (typeof data === "string") return hear(JSON.parse(data));
    unshown += data.byteLength;
    onBytes(new Uint8Array(data), () => {
      unshown -= data.byteLength;
      if (isBehind && unshown === 0) {
        isBehind = false;
        open();
      }
    });
    if (unshown > MOST_UNSHOWN) {
      isBehind = true;
      drop();
    }
    return undefined;
  }
  function hear(message) {
    onMessage(message);
    if (message.type === "attached") {
      pause = FIRST_PAUSE;
      onState({ state: "attached" });
    } else if (message.type === "exit") {
      finish({ state: "exited", end: message });
    }
  }
  async function lost(error) {
    const own = (attempt += 1);
    current = null;
    const why = await reason(error);
    if (own !== attempt || isOver) return;
    if (why?.status === NOT_FOUND) return finish({ state: "failed", error: why });
    const wait = pause * (0.75 + Math.random() / 2);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
    onState({ state: "lost", error: why, retryAt: Date.now() + wait });
    timer = setTimeout(open, wait);
  }
  /** A socket that is refused says nothing; asking for the terminal itself does. */
  function reason(error) {
    return error ?? call("GET", path, scope).then(() => undefined, (failure) => failure);
  }
  function drop() {
    clearTimeout(timer);
    attempt += 1;
    current?.close();
    current = null;
  }
  function finish(state) {
    if (isOver) return;
    isOver = true;
    drop();
    if (state) onState(state);
  }
  function tell(data) {
    if (current?.readyState === WebSocket.OPEN) current.send(data);
  }
  open();
  return {
    /** Sends what was typed, a text or bytes. */
    type: (input) => {
      const bytes = typeof input === "string" ? encoder.encode(input) : input;
      for (let at = 0; at < bytes.length; at += FRAME) tell(bytes.subarray(at, at + FRAME));
    },
    /** Tells the size of this window. */
    resize: ({ cols, rows }) => tell(JSON.stringify({ type: "resize", cols, rows })),
    retry: () => !isOver && open(),
    close: () => finish(),
  };
}
