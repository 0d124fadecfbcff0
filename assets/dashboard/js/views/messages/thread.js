// One thread: its letters, the newest at the end, and a place to write.

import { Empty, IconButton, Text } from "../../components/basics.js";
import { toast, toastError } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { count } from "../../lib/format.js";
import { go } from "../../lib/router.js";
import { useStickToEnd } from "../../lib/stick.js";
import { html, useMemo, useRef, useState } from "../../lib/ui.js";
import { Compose } from "./compose.js";
import { Letter, letterId } from "./letter.js";
import { EVERYBODY, threadTitle } from "./threads.js";

/** Letters that are drawn, and how many more at a time. */
const DRAWN = 60;

/** Letters that are acknowledged at once. */
const AT_ONCE = 8;

/** @param {{thread: object, daemon: string, mail: object, back: string}} props */
export function Thread({ thread, daemon, mail, back }) {
  const { key, letters } = thread;
  const [drawn, setDrawn] = useState(DRAWN);
  const [answered, setAnswered] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const box = useRef();
  const byId = useMemo(() => new Map(letters.map((row) => [row.id, row])), [letters]);
  const acknowledge = async (rows) => {
    setBusy(true);
    const { done, error } = await acknowledgeAll(rows, daemon, mail);
    setBusy(false);
    if (error) toastError(error);
    else if (rows.length === 1) document.getElementById(letterId(rows[0]))?.focus();
    else toast(`${count(done)} acknowledged`);
  };
  const shown = letters.slice(-drawn);
  useStickToEnd(box, letters.at(-1)?.id, shown[0]?.id);
  const unread = letters.filter((row) => row.isUnread);
  const title = threadTitle(key);
  return html`<section class="pane" aria-label="Thread" data-testid="thread">
    <header class="pane-head">
      <${IconButton} icon="back" label="Back to the threads" class="btn quiet icon-only pane-back" onClick=${() => { location.hash = back; }} />
      <h2><${Text}>${title}<//></h2>
      ${unread.length > 1 && html`<button type="button" class="btn" disabled=${isBusy} aria-busy=${isBusy ? "true" : "false"} onClick=${() => acknowledge(unread)} data-testid="message-ack-all">${isBusy ? "Acknowledging" : "Acknowledge all"} ${count(unread.length)}</button>`}
      ${key !== EVERYBODY && html`<button type="button" class="btn quiet hide-phone" onClick=${() => go("peers", key)}>Machine</button>`}
    </header>
    <div class="letters" ref=${box} tabindex="0" role="log" aria-label=${`Messages with ${title}`} aria-live="polite">
      ${letters.length === 0 && html`<${Empty} title="No messages yet" icon="messages">${key === EVERYBODY ? "What you write goes to every paired machine." : "Write the first one below. It is kept until the machine has it."}<//>`}
      ${letters.length > shown.length && html`<button type="button" class="btn small letters-more" onClick=${() => setDrawn(drawn + DRAWN)}>Earlier (${count(letters.length - shown.length)})</button>`}
      ${shown.map((row) => html`<${Letter} key=${`${row.isMine} ${row.id}`} ...${{ row, daemon }} answered=${row.letter.replyTo && byId.get(row.letter.replyTo)}
        onAcknowledge=${() => acknowledge([row])} onReply=${setAnswered} />`)}
    </div>
    <${Compose} ...${{ daemon, to: key, answered }} onForget=${() => setAnswered(null)} />
  </section>`;
}

/** Acknowledges letters, a few at once, until one fails; answers how many, and the failure. */
async function acknowledgeAll(rows, daemon, mail) {
  const left = [...rows];
  let done = 0;
  let error;
  const work = async () => {
    for (let row = left.shift(); row && !error; row = left.shift()) {
      try {
        await call("POST", `/messages/${encodeURIComponent(row.id)}/ack`, { daemon });
        mail.markAcknowledged(row.id);
        done += 1;
      } catch (failure) {
        error ??= failure;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { done, error };
}
