// What has just happened, newest first.

import { Empty, Text } from "../../components/basics.js";
import { clock, instant, plural, visible } from "../../lib/format.js";
import { isOwnKey } from "../../lib/own-keys.js";
import { daemonNamed, useStore } from "../../lib/store.js";
import { cx, html, useMemo } from "../../lib/ui.js";
import { describe } from "../../lib/words.js";

const LISTED = 60;

/** The newest events of all daemons; `isMany`: whether it must be said which daemon's; `commands`: of terminals, by their ids. */
export function Events({ isMany, commands }) {
  const events = useStore((state) => state.events);
  const machine = useStore(() => daemonNamed("main")?.label);
  const rows = useMemo(() => gather(events, machine, commands).slice(0, LISTED), [events, machine, commands]);
  return html`<section class="panel events" aria-labelledby="events-title" data-testid="events">
    <header class="panel-head"><h2 id="events-title">Recent events</h2><a class="btn small" href="#/activity">Activity</a></header>
    ${rows.length === 0 ? html`<${Empty} icon="activity" title="Nothing yet">What happens on your machines shows up here at once.<//>` : html`
      <ol>${rows.map((row) => html`<${EventRow} key=${row.key} row=${row} isMany=${isMany} />`)}</ol>`}
  </section>`;
}

function EventRow({ row: { event, daemon, more, said }, isMany }) {
  const from = [event.peer, isMany && daemon].filter(Boolean).join(" · ");
  return html`<li class="event">
    <time class="dim" title=${instant(event.ts)} dateTime=${new Date(event.ts).toISOString()}>${clock(event.ts)}</time>
    <a href=${said.link} class=${cx("event-text ellipsis", said.isBad && "bad-text")} title=${visible(said.text)}><bdi>${visible(said.text)}</bdi></a>
    ${more > 0 && html`<span class="small dim nowrap">+ ${plural(more, "change")}</span>`}
    ${from && html`<${Text} class="small dim event-from">${from}<//>`}
  </li>`;
}

/** Runs of changes of the store become one row. */
function gather(events, machine, commands) {
  const rows = [];
  for (const { daemon, event } of [...events].sort(byAge)) {
    if (isNoise(event, machine)) continue;
    const isContext = event.type === "context";
    const last = rows.at(-1);
    if (isContext && last?.event.type === "context" && last.daemon === daemon && last.event.peer === event.peer) last.more += 1;
    else rows.push({ key: `${daemon} ${event.id} ${event.ts}`, daemon, event, more: 0, said: describe(event, daemon, commands) });
  }
  return rows;
}

function byAge(one, other) {
  return other.event.ts - one.event.ts || other.event.id - one.event.id;
}

/** What tells nobody anything: Loopsy's own keys, loads, and what daemons of this machine say about each other's health. */
function isNoise({ type, action, subject }, machine) {
  if (type === "context") return isOwnKey(subject);
  return type === "peer" && (action === "load" || subject === machine || subject.startsWith(`${machine}/`));
}
