// One letter of a thread: who, what, when, and how far it is.

import { Badge, Status, Text, TimeAgo, sentence } from "../../components/basics.js";
import { attempt } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { bytes, plural, visible } from "../../lib/format.js";
import { cx, html, useState } from "../../lib/ui.js";
import { worstState } from "./threads.js";

/** The states of a letter: the colour of each, and its word. */
export const STATES = {
  queued: { kind: "warn", word: "Queued" },
  delivered: { kind: "info", word: "Delivered" },
  acked: { kind: "ok", word: "Acknowledged" },
  expired: { kind: "bad", word: "Expired" },
  failed: { kind: "bad", word: "Failed" },
};
/** Longer texts are cut until somebody wants them whole. */
const SHOWN = 4000;
/** The outbox tells this much of a text. */
const PREVIEW = 200;

/**
 * @param {{row: object, answered?: object, daemon: string, onAcknowledge: (row: object) => void, onReply: (row: object) => void}} props
 *   `answered` is the row that this one answers, where it is known
 */
export function Letter({ row, answered, daemon, onAcknowledge, onReply }) {
  const { letter, isMine } = row;
  return html`<article class=${cx("letter", isMine && "mine", row.isUnread && "unread")} id=${letterId(row)} tabindex="-1" data-testid="letter"
      aria-label=${`${isMine ? "Sent" : "Received"}${letter.subject ? `: ${visible(letter.subject)}` : ""}`}>
    <header class="letter-head">
      <span>${isMine ? "You" : html`<${Text}>${letter.sender || letter.from}<//>`}</span>
      ${!isMine && letter.from && letter.from !== letter.sender && html`<span class="dim">signed <${Text}>${letter.from}<//></span>`}
      ${letter.type !== "chat" && html`<${Badge}>${visible(letter.type)}<//>`}
      ${letter.malformed && html`<${Badge} kind="warn" title=${visible(letter.malformed)}>unreadable<//>`}
      <span class="end dim small"><${TimeAgo} ts=${row.at} /></span>
    </header>
    ${answered && html`<p class="letter-quote small dim" dir="auto"><span class="visually-hidden">Answers: </span><a href="#" onClick=${(event) => look(event, answered)}>${excerpt(answered.letter)}</a></p>`}
    ${letter.subject && html`<p class="letter-subject" dir="auto">${visible(letter.subject)}</p>`}
    ${letter.malformed && html`<p class="small dim">${sentence(letter.malformed)} This is what was there:</p>`}
    <${Body} letter=${letter} daemon=${daemon} isMine=${isMine} />
    <footer class="letter-foot small">
      ${isMine && html`<${Delivery} recipients=${row.recipients} expiresAt=${letter.expiresAt} />`}
      ${!isMine && !row.isUnread && html`<span class="dim">Acknowledged</span>`}
      <span class="end"></span>
      ${row.isUnread && html`<button type="button" class="btn small" onClick=${() => onAcknowledge(row)} data-testid="message-ack">Acknowledge</button>`}
      ${!isMine && html`<button type="button" class="btn small quiet" onClick=${() => onReply(row)} data-testid="message-reply">Reply</button>`}
    </footer>
  </article>`;
}

/** The id of a letter's element. */
export function letterId(row) {
  return `letter-${row.isMine ? "out" : "in"}-${row.id}`;
}

/** The beginning of a letter, on one line. */
export function excerpt(letter) {
  return visible(letter.subject || (letter.body ?? letter.preview ?? "").slice(0, 80)).replace(/\s+/g, " ");
}

function look(event, row) {
  event.preventDefault();
  document.getElementById(letterId(row))?.focus();
}

/** What a letter says. The outbox has its beginning alone; the rest is in the store. */
function Body({ letter, daemon, isMine }) {
  const [whole, setWhole] = useState(null);
  const [isOpen, setOpen] = useState(false);
  const text = whole ?? letter.body ?? letter.preview ?? "";
  const hasMore = isMine && whole === null && [...text].length >= PREVIEW;
  const read = async () => {
    const entry = await attempt(() => call("GET", `/context/${encodeURIComponent(`outbox:${letter.id}`)}`, { daemon }));
    if (entry) setWhole(bodyOf(entry.value));
  };
  const isCut = !isOpen && text.length > SHOWN;
  return html`<p class="letter-body" dir="auto">${isCut ? text.slice(0, SHOWN) : text}</p>
    ${isCut && html`<button type="button" class="btn small" onClick=${() => setOpen(true)}>Show all (${bytes(text.length)})</button>`}
    ${hasMore && html`<button type="button" class="btn small" onClick=${read}>Show all</button>`}`;
}

function bodyOf(value) {
  try {
    return String(JSON.parse(value).body ?? value);
  } catch {
    return value;
  }
}

function Delivery({ recipients, expiresAt }) {
  const worst = worstState(recipients);
  if (recipients.length === 1) {
    const [{ reason }] = recipients;
    return html`<span class="letter-state" data-testid="message-state" data-state=${worst}><${StateWord} state=${worst} />${reason && html` <span class="dim">${sentence(reason)}</span>`}
      ${worst === "queued" && expiresAt && html` <span class="dim">Until <${TimeLeft} at=${expiresAt} /></span>`}</span>`;
  }
  const number = (state) => recipients.filter((recipient) => recipient.state === state).length;
  const counts = Object.keys(STATES).filter((state) => number(state) > 0);
  return html`<details class="letter-state" data-testid="message-state" data-state=${worst}>
    <summary>${counts.map((state) => html`<${Status} key=${state} kind=${STATES[state].kind}>${number(state)} ${STATES[state].word.toLowerCase()}<//> `)}</summary>
    <ul aria-label=${plural(recipients.length, "recipient")}>${recipients.map((recipient) => html`<li key=${recipient.peer} class="row">
      <${StateWord} state=${recipient.state} /><${Text}>${recipient.peer}<//>${recipient.reason && html`<span class="dim">${sentence(recipient.reason)}</span>`}</li>`)}</ul>
  </details>`;
}

function StateWord({ state }) {
  const { kind, word } = STATES[state] ?? { word: state };
  return html`<${Status} kind=${kind}>${word}<//>`;
}

function TimeLeft({ at }) {
  return html`<time dateTime=${new Date(at).toISOString()}>${new Date(at).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" })}</time>`;
}
