// The letters of a daemon, both boxes, read page by page and kept fresh by notices.

import { call } from "../../lib/api.js";
import { onNotice } from "../../lib/live.js";

/** Letters of one page, and of the first page when something changed. */
const PAGE = 1000;
const FIRST = 100;
/** Changes that come together are read together, in ms. */
const BREATH = 80;

/**
 * Follows both boxes until `close`. `onChange` is called after `shown()` has become another.
 * @param {{daemon: string, onChange: () => void}} options
 */
export function followMail({ daemon, onChange }) {
  const abort = new AbortController();
  const target = { daemon, signal: abort.signal };
  let shown = { received: new Map(), sent: new Map(), isLoading: true, error: undefined };
  let cursor = 0;
  let timer = 0;
  /** What is to be read: everything, the inbox from the cursor, letters of the outbox by their ids. */
  let wanted = { all: true, inbox: false, sent: new Set() };
  let isReading = false;

  function show(changes) {
    shown = { ...shown, ...changes };
    onChange();
  }
  function schedule() {
    if (!timer && !isReading && !abort.signal.aborted) timer = setTimeout(read, BREATH);
  }
  async function read() {
    timer = 0;
    isReading = true;
    const { all, inbox, sent } = wanted;
    wanted = { all: false, inbox: false, sent: new Set() };
    try {
      if (all) await readAll();
      if (inbox && !all) await readInbox(new Map(shown.received));
      if (sent.size > 0 && !all) await readSent(sent);
      show({ isLoading: false, error: undefined });
    } catch (error) {
      if (!abort.signal.aborted) show({ isLoading: false, error });
    }
    isReading = false;
    if (wanted.all || wanted.inbox || wanted.sent.size > 0) schedule();
  }
  async function readAll() {
    const kept = [...shown.received].filter(([, letter]) => letter.acknowledged);
    cursor = 0;
    await Promise.all([readInbox(new Map(kept)), readOutbox(PAGE, () => true, new Map())]);
  }
  async function readInbox(received) {
    let page;
    do {
      page = await call("GET", `/messages/inbox?since=${cursor}&limit=${PAGE}`, target);
      for (const letter of page.messages) received.set(letter.id, letter);
      cursor = page.cursor;
      show({ received: new Map(received) });
    } while (page.more);
  }
  async function readOutbox(first, isWanted, sent) {
    let page;
    let before;
    do {
      const query = new URLSearchParams({ limit: before ? PAGE : first, ...(before ? { before } : {}) });
      page = await call("GET", `/messages/outbox?${query}`, target);
      for (const letter of page.messages) sent.set(letter.id, letter);
      before = page.messages.at(-1)?.id;
      show({ sent: new Map(sent) });
    } while (page.more && isWanted(page.messages));
  }
  function readSent(ids) {
    const missing = new Set(ids);
    const isWanted = (letters) => {
      for (const letter of letters) missing.delete(letter.id);
      return missing.size > 0;
    };
    return readOutbox(FIRST, isWanted, new Map(shown.sent));
  }
  const stop = onNotice((notice, from) => {
    if (from !== daemon) return;
    if (["hello", "reset", "daemon"].includes(notice.type)) wanted.all = true;
    else if (notice.type !== "message") return;
    else if (notice.action === "received") wanted.inbox = true;
    else if (notice.action === "acknowledged") markAcknowledged(notice.subject);
    else wanted.sent.add(notice.subject);
    schedule();
  });
  function markAcknowledged(id) {
    const letter = shown.received.get(id);
    if (letter && !letter.acknowledged) show({ received: new Map(shown.received).set(id, { ...letter, acknowledged: true }) });
  }
  schedule();
  return {
    shown: () => shown,
    markAcknowledged,
    reload: () => {
      wanted.all = true;
      schedule();
    },
    close: () => {
      stop();
      clearTimeout(timer);
      abort.abort();
    },
  };
}
