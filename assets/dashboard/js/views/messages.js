// Messages: a thread for each peer, both boxes in one, with how far each letter is; to write to one or to all.

import { Badge, Dot, Empty, ErrorLine, Loading, Text, TimeAgo } from "../components/basics.js";
import { Search } from "../components/field.js";
import { peerName } from "../components/pickers.js";
import { ScopePicker, scopeQuery, useScope, useStopped } from "../components/scope.js";
import { NotRunning } from "../components/screens.js";
import { VirtualList } from "../components/virtual-list.js";
import { count, plural, visible } from "../lib/format.js";
import { daemonNamed } from "../lib/store.js";
import { usePhone } from "../lib/media.js";
import { useResource, useResources } from "../lib/resources.js";
import { href, useRoute } from "../lib/router.js";
import { loadStyle } from "../lib/style.js";
import { cx, html, useEffect, useMemo, useReducer, useState } from "../lib/ui.js";
import { followMail } from "./messages/mail.js";
import { STATES } from "./messages/letter.js";
import { Thread } from "./messages/thread.js";
import { EVERYBODY, threadsOf, threadTitle, worstState } from "./messages/threads.js";

await Promise.all([loadStyle("/css/panes.css"), loadStyle("/css/messages.css")]);

export default function Messages() {
  const { rest: selected } = useRoute();
  const { daemon } = useScope();
  const { mail, shown } = useMail(daemon);
  const { data: listed } = useResource("peers", daemon);
  const peers = useMemo(() => (listed?.peers ?? []).filter((peer) => peer.trusted).map(peerName), [listed]);
  const threads = useMemo(() => withPeers(threadsOf(shown.received.values(), shown.sent.values()), peers, selected), [shown, peers, selected]);
  const place = (key) => href("messages", key, scopeQuery({ daemon }));
  const open = threads.find((thread) => thread.key === selected);
  const isDown = useStopped({ daemon }) && !open;
  const unread = threads.reduce((sum, thread) => sum + thread.unread, 0);
  return html`<div class=${cx("view fill", open && "has-detail")} data-testid="messages">
    <header class="view-head"><h1>Messages</h1><${ScopePicker} view="messages" scope=${{ daemon }} peers=${false} /></header>
    ${isDown ? html`<div class="panel"><${NotRunning} daemon=${daemon} /></div>` : html`<div class="panes">
      <section class="pane pane-list" aria-label="Threads">
        <${Elsewhere} daemon=${daemon} />
        <${Threads} ...${{ threads, shown, selected, place, unread }} />
        <${ErrorLine} error=${shown.error} onRetry=${() => mail?.reload()} />
      </section>
      ${open
        ? html`<${Thread} key=${`${daemon} ${selected}`} ...${{ daemon, mail, back: place("") }} thread=${open} />`
        : html`<section class="pane pane-none" aria-label="Thread"><${Empty} title="No thread is open" icon="messages">Choose a machine to read what it wrote, and to write to it.<//></section>`}
    </div>`}
  </div>`;
}

/** What is unread on the other daemons of this machine, which the navigation counts as well. */
function Elsewhere({ daemon }) {
  const others = useResources("status").filter((status) => status.daemon !== daemon && status.data?.messages?.unread > 0);
  if (others.length === 0) return null;
  return html`<ul class="pane-note">${others.map((other) => html`<li key=${other.daemon}>
    <a href=${href("messages", "", scopeQuery({ daemon: other.daemon }))}>${count(other.data.messages.unread)} unread on <bdi>${visible(daemonNamed(other.daemon)?.label)}</bdi></a></li>`)}</ul>`;
}

function useMail(daemon) {
  const [, redraw] = useReducer((number) => number + 1, 0);
  const [mail, setMail] = useState(null);
  useEffect(() => {
    const followed = followMail({ daemon, onChange: redraw });
    setMail(followed);
    return followed.close;
  }, [daemon]);
  return { mail, shown: mail?.shown() ?? NOTHING };
}

const NOTHING = { received: new Map(), sent: new Map(), isLoading: true, error: undefined };

/** Threads with those that could be begun: of every peer, of everybody, and the one that the address names. */
function withPeers(threads, peers, selected) {
  const known = new Set(threads.map((thread) => thread.key));
  const others = peers.length > 0 ? [...peers, EVERYBODY] : [];
  const empty = [...new Set([...others, ...(selected ? [selected] : [])])].filter((key) => !known.has(key));
  return [...threads, ...empty.map((key) => ({ key, letters: [], unread: 0, last: 0 }))];
}

function Threads({ threads, shown, selected, place, unread }) {
  const [search, setSearch] = useState("");
  const isPhone = usePhone();
  const wanted = search.trim().toLowerCase();
  const found = wanted ? threads.filter((thread) => matches(thread, wanted)) : threads;
  if (threads.length === 0) {
    if (shown.isLoading) return html`<${Loading} />`;
    if (shown.error) return null;
    return html`<${Empty} title="Nobody to write to yet" icon="messages">Messages go between machines that are paired. <a href="#/peers">Pair one<//>`;
  }
  const row = (index) => html`<${ThreadRow} thread=${found[index]} isOpen=${found[index].key === selected} address=${place(found[index].key)} />`;
  return html`<div class="pane-tools"><${Search} label="Search in messages" value=${search} onInput=${setSearch} data-testid="messages-search" /></div>
    <p class="pane-note dim" role="status">${wanted ? plural(found.length, "thread") : unread ? html`<strong>${count(unread)} unread</strong>` : "Nothing unread"}${shown.isLoading && " · reading…"}</p>
    ${found.length === 0 && html`<${Empty} title="Nothing is found">Machines, subjects and texts were looked through.<//>`}
    ${found.length > 0 && html`<${VirtualList} label="Threads" count=${found.length} rowHeight=${isPhone ? 62 : 52} rowKey=${(index) => found[index].key} row=${row} />`}`;
}

function matches(thread, wanted) {
  const has = (text) => text?.toLowerCase().includes(wanted);
  return has(thread.key) || thread.letters.some(({ letter }) => has(letter.subject) || has(letter.body ?? letter.preview));
}

function ThreadRow({ thread, isOpen, address }) {
  const last = thread.letters.at(-1);
  const state = last?.isMine && STATES[worstState(last.recipients)];
  const words = last ? last.letter.subject || (last.letter.body ?? last.letter.preview ?? "").slice(0, 120) : "No messages yet";
  return html`<div class=${cx("list-row", isOpen && "open")}>
    <div class="grow list-two">
      <div class="list-line">
        <a data-primary class=${cx("list-link", thread.unread > 0 && "strong")} href=${address} aria-current=${isOpen ? "true" : undefined}><${Text}>${threadTitle(thread.key)}<//></a>
        ${thread.unread > 0 && html`<${Badge} kind="info">${thread.unread}<span class="visually-hidden"> unread</span><//>`}
        ${last && html`<span class="list-aside dim"><${TimeAgo} ts=${thread.last} /></span>`}
      </div>
      <div class="list-line small dim">
        ${state && html`<${Dot} kind=${state.kind} /><span class="visually-hidden">${state.word}: </span>`}<span class="grow ellipsis" dir="auto">${words}</span>
      </div>
    </div>
  </div>`;
}
