// The few numbers above everything else, each a way to its view.

import { count, rate } from "../../lib/format.js";
import { cx, html } from "../../lib/ui.js";

/** The strip of numbers. */
export function Numbers({ fleet, transfers }) {
  const machines = [...fleet.own, ...fleet.peers];
  const online = machines.filter((row) => row.status === "online").length;
  const sum = (read) => machines.reduce((total, row) => total + (read(row) ?? 0), 0);
  const flow = (direction) => transfers.filter((one) => one.direction === direction).reduce((total, one) => total + (one.rate ?? 0), 0);
  const messages = (read) => fleet.statuses.reduce((total, status) => total + (read(status.messages) ?? 0), 0);
  const queued = messages((counts) => counts?.queued);
  const waiting = fleet.approvals.length;
  return html`<ul class="numbers" aria-label="In numbers" data-testid="numbers">
    <${Number} id="machines" label="Online" view="peers" value=${online} of=${machines.length} isBad=${online < machines.length} />
    <${Number} id="jobs" label="Commands" view="activity" value=${sum((row) => row.load?.jobs)} />
    <${Number} id="tasks" label="AI tasks" view="tasks" value=${sum((row) => row.load?.tasks)} note=${waiting ? `${count(waiting)} waiting` : ""} isWarn=${waiting > 0} />
    <${Number} id="terminals" label="Terminals" view="terminal" value=${sum((row) => row.load?.terminals)} />
    <${Number} id="transfers" label="Transfers" value=${transfers.length} note=${[down(flow("in")), up(flow("out"))].filter(Boolean).join(" ")} />
    <${Number} id="messages" label="Unread" view="messages" value=${messages((counts) => counts?.unread)} note=${queued ? `${count(queued)} to send` : ""} />
  </ul>`;
}

const down = (speed) => (speed > 0 ? `↓ ${rate(speed)}` : "");
const up = (speed) => (speed > 0 ? `↑ ${rate(speed)}` : "");

function Number({ id, label, view, value, of, note, isBad, isWarn }) {
  const inside = html`<span class="number-label">${label}</span>
    <span class="number-line"><strong class="number-value num">${count(value)}${of !== undefined && html`<span class=${cx("dim", isBad && "number-part")}> / ${count(of)}</span>`}</strong>
    ${note && html`<span class=${cx("small num ellipsis", isWarn ? "warn-text" : "dim")}>${note}</span>`}</span>`;
  return html`<li data-testid=${`number-${id}`}>${view ? html`<a class="number panel" href=${`#/${view}`}>${inside}</a>` : html`<div class="number panel">${inside}</div>`}</li>`;
}
