// The small things that all views are made of.

import { ago, bytes, countdown, duration, instant, visible } from "../lib/format.js";
import { cx, html, useEffect, useReducer } from "../lib/ui.js";
import { Icon } from "./icons.js";

/** Text from elsewhere on one line: isolated, unseen characters made visible, cut with an ellipsis, whole in its title. */
export function Text({ children, mono, class: extra, ...rest }) {
  const text = visible(Array.isArray(children) ? children.join("") : children);
  return html`<bdi class=${cx("ellipsis", mono && "mono", extra)} title=${text} ...${rest}>${text}</bdi>`;
}

/** A word with a colour: `kind` is `ok`, `warn`, `bad`, `info` or nothing. */
export function Badge({ kind, children, title }) {
  return html`<span class=${cx("badge", kind)} title=${title}>${children}</span>`;
}

/** A dot with a colour, beside a word that says the same. */
export function Dot({ kind }) {
  return html`<span class=${cx("dot", kind)} aria-hidden="true"></span>`;
}

/** A state as dot and word: `online`, `running` and the like. */
export function Status({ kind, children, title }) {
  return html`<span class="status" title=${title}><${Dot} kind=${kind} />${children}</span>`;
}

const HEALTH = { online: "ok", running: "ok", offline: "bad", stopped: "bad" };

/** The state of a machine or daemon. */
export function Health({ status, title }) {
  return html`<${Status} kind=${HEALTH[status]} title=${title}>${status}<//>`;
}

/** In the place of a value that is not known. */
export function Unknown() {
  return html`<span class="dim"><span aria-hidden="true">–</span><span class="visually-hidden">not known</span></span>`;
}

/** A number of bytes. */
export function Bytes({ value }) {
  return html`<span class="num" title=${`${value} bytes`}>${bytes(value)}</span>`;
}

/** How long ago; kept right, with the instant in its title. `ts` is milliseconds since the epoch, 0 for never. */
export function TimeAgo({ ts }) {
  useTick(ts && Date.now() - ts < 60_000 ? 1000 : 20_000);
  const when = ts ? new Date(ts) : null;
  return html`<time class="num" dateTime=${when?.toISOString()} title=${instant(ts)}>${ago(ts)}</time>`;
}

/** When a peer was last heard of; one that is online is checked all the time, which makes no news. */
export function LastSeen({ peer }) {
  return peer.status === "online" ? html`<span class="dim">now</span>` : html`<${TimeAgo} ts=${peer.lastSeen} />`;
}

/** What is left until an instant, each second. */
export function Countdown({ until, onEnd }) {
  const now = useTick(1000);
  const isOver = now >= until;
  useEffect(() => {
    if (isOver) onEnd?.();
  }, [isOver]);
  return html`<time class="num" role="timer" aria-live="off" title=${instant(until)}>${countdown(until, now)}</time>`;
}

/** What is left until an instant that may be days away, in words that nobody takes for an age: `6 d 23 h left`. */
export function TimeLeft({ until }) {
  const left = until - useTick(until - Date.now() < 3_600_000 ? 1000 : 20_000);
  return html`<time class="num" title=${`Until ${instant(until)}`}>${duration(Math.max(1, Math.ceil(left / 1000)) * 1000)} left</time>`;
}

const ticks = new Map();

/** The time now, drawn anew every `every` milliseconds; all that share an interval share a timer. */
export function useTick(every) {
  const [, redraw] = useReducer((number) => number + 1, 0);
  useEffect(() => {
    const tick = ticks.get(every) ?? { listeners: new Set() };
    ticks.set(every, tick);
    tick.timer ??= setInterval(() => tick.listeners.forEach((listener) => listener()), every);
    tick.listeners.add(redraw);
    return () => {
      tick.listeners.delete(redraw);
      if (tick.listeners.size > 0) return;
      clearInterval(tick.timer);
      ticks.delete(every);
    };
  }, [every]);
  return Date.now();
}

/** What stands where nothing is yet: `title` says so, the children say what to do. */
export function Empty({ title, icon, children }) {
  return html`<div class="empty">
    ${icon && html`<span class="empty-icon"><${Icon} name=${icon} /></span>`}
    <p class="empty-title">${title}</p>
    ${children && html`<div class="dim">${children}</div>`}
  </div>`;
}

/** While the first data is on its way. */
export function Loading({ what = "Loading" }) {
  return html`<div class="loading" role="status"><span>${what}…</span></div>`;
}

/** A failure on one line, with its hint and a way to try again. */
export function ErrorLine({ error, onRetry }) {
  if (!error) return null;
  return html`<div class="error-line" role="alert">
    <${Icon} name="warn" />
    <p><strong>${sentence(error.message)}</strong>${error.hint && html` <span>${visible(error.hint)}</span>`}</p>
    ${onRetry && html`<button type="button" class="btn small" onClick=${onRetry}>Try again</button>`}
  </div>`;
}

/** First words that are none of a name, and so are written as at the beginning of a sentence. */
const BEGINNINGS = /^(a|an|another|it|no|not|nothing|only|that|the|there|this|too|what|wrong|you)\b/;

/** A fragment from the server as a sentence. */
export function sentence(fragment) {
  const text = visible(fragment).trim().replace(BEGINNINGS, (word) => word.charAt(0).toUpperCase() + word.slice(1));
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** A button with an icon alone; `label` is its name. */
export function IconButton({ icon, label, ...rest }) {
  return html`<button type="button" class="btn quiet icon-only" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;
}

/** How far something is, 0 to 1; without a value, that it goes on. */
export function Progress({ value, label }) {
  return html`<progress class="progress" max="1" value=${value} aria-label=${label}></progress>`;
}
