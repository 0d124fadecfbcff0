// Around the views: navigation at the side or the foot, the bar above it on a phone, and the keys that always work.

import { boundKeys, useKey } from "../lib/keys.js";
import { go, useRoute } from "../lib/router.js";
import { useResources } from "../lib/resources.js";
import { useStore } from "../lib/store.js";
import { visible } from "../lib/format.js";
import { cx, html, useState } from "../lib/ui.js";
import { ConnectionDot } from "./connection.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { titleOf, VIEWS } from "./views.js";

/** The navigation of wide screens. */
export function MainNav() {
  const host = useStore((state) => state.me?.hostname);
  const version = useStore((state) => state.me?.version);
  return html`<nav class="nav" aria-label="Main">
    <a class="brand" href="#/overview"><img src="/icon.svg" width="24" height="24" alt="" />Loopsy</a>
    <p class="nav-host ellipsis" title=${visible(host)}><bdi>${visible(host)}</bdi></p>
    <ul>${VIEWS.map((view) => html`<li key=${view.id}><${NavLink} view=${view} place="nav" /></li>`)}</ul>
    <div class="nav-foot"><${ConnectionDot} /><span class="dim ellipsis" title=${version}>${version}</span></div>
  </nav>`;
}

/** The bar at the top of a phone. */
export function TopBar() {
  const { view } = useRoute();
  return html`<header class="topbar"><img src="/icon.svg" width="24" height="24" alt="" /><span class="topbar-title">${titleOf(view)}</span><${ConnectionDot} /></header>`;
}

/** The navigation at the foot of a phone: four views, and the rest behind a button. */
export function PhoneNav() {
  const [isOpen, setOpen] = useState(false);
  const { view } = useRoute();
  const rest = VIEWS.filter((entry) => !entry.phone);
  return html`<nav class="phone-nav" aria-label="Main">
    <ul>
      ${VIEWS.filter((entry) => entry.phone).map((entry) => html`<li key=${entry.id}><${NavLink} view=${entry} place="tab" isShort /></li>`)}
      <li><button type="button" class=${cx("nav-link", rest.some((entry) => entry.id === view) && "current")} aria-haspopup="dialog" onClick=${() => setOpen(true)}>
        <${Icon} name="more" /><span>More</span></button></li>
    </ul>
    ${isOpen && html`<${Dialog} title="More" onClose=${() => setOpen(false)}>
      <ul class="more-list">${rest.map((entry) => html`<li key=${entry.id} onClick=${() => setOpen(false)}><${NavLink} view=${entry} place="more" /></li>`)}</ul>
    <//>`}
  </nav>`;
}

function NavLink({ view, place, isShort }) {
  const isCurrent = useRoute().view === view.id;
  const waiting = useWaiting(view.id);
  return html`<a class=${cx("nav-link", isCurrent && "current")} href=${`#/${view.id}`} aria-current=${isCurrent ? "page" : undefined} data-testid=${`${place}-${view.id}`}>
    <${Icon} name=${view.id} /><span>${(isShort && view.short) || view.title}</span>
    ${waiting > 0 && html`<span class=${cx("count", view.id === "tasks" && "warn")}>${waiting > 99 ? "99+" : waiting}<span class="visually-hidden"> ${view.id === "tasks" ? "waiting for an answer" : "unread"}</span></span>`}
  </a>`;
}

/** What waits for somebody in a view, on all daemons of this machine together. */
function useWaiting(id) {
  const tasks = useResources(id === "tasks" ? "tasks" : null);
  const statuses = useResources(id === "messages" ? "status" : null);
  const approvals = tasks.flatMap(({ data }) => data?.tasks ?? []).reduce((sum, task) => sum + (task.pendingApprovals?.length ?? 0), 0);
  return approvals + statuses.reduce((sum, { data }) => sum + (data?.messages?.unread ?? 0), 0);
}

/** Keys that work in each view, and the list of all. */
export function Keys() {
  const [isOpen, setOpen] = useState(false);
  useKey("?", "Show the keys", () => setOpen(true));
  useKey("/", "Search", () => document.querySelector("[data-search]")?.focus());
  return html`${VIEWS.map((view) => html`<${ViewKey} key=${view.id} view=${view} />`)}
    ${isOpen && html`<${Dialog} title="Keys" onClose=${() => setOpen(false)} testid="keys"><${KeyList} /><//>`}`;
}

/** The keys that are bound now. */
export function KeyList() {
  return html`<dl class="keys">${boundKeys().map(({ combo, what }) => html`<div key=${combo}>
    <dt>${combo.split(" ").map((key) => html`<kbd key=${key}>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>`;
}

function ViewKey({ view }) {
  useKey(`g ${view.key}`, view.title, () => go(view.id));
  return null;
}
