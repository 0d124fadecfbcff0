// One row a machine: how it is and how much it does.

import { Badge, Empty, ErrorLine, Health, LastSeen, Loading, Text, Unknown, useTick } from "../../components/basics.js";
import { VirtualTable } from "../../components/table.js";
import { count, duration, instant, millis } from "../../lib/format.js";
import { href } from "../../lib/router.js";
import { html } from "../../lib/ui.js";
import { useRowHeight } from "../../lib/wide.js";

/** Rows up to which the list does not scroll by itself. */
const WHOLE = 12;

const columns = [
  { id: "name", label: "Machine", cell: (row) => html`<${Name} row=${row} />` },
  { id: "status", label: "Status", cell: (row) => html`<${Health} status=${row.status} />` },
  { id: "jobs", label: "Commands", class: "num", hide: "phone", cell: (row) => number(row.load?.jobs) },
  { id: "tasks", label: "Tasks", class: "num", hide: "phone", cell: (row) => number(row.load?.tasks) },
  { id: "terminals", label: "Terminals", class: "num hide-narrow", hide: "phone", cell: (row) => number(row.load?.terminals) },
  { id: "latency", label: "Latency", class: "num hide-narrow", hide: "phone", cell: (row) => latency(row) },
  { id: "seen", label: "Last seen", class: "num", cell: (row) => seen(row) },
];

/** The list of machines. */
export function Machines({ fleet }) {
  const rowHeight = useRowHeight();
  const rows = fleet.rows;
  const height = 32 + Math.min(rows.length, WHOLE) * rowHeight;
  return html`<section class="panel" aria-labelledby="machines-title" data-testid="machines">
    <header class="panel-head"><h2 id="machines-title">Machines</h2><a class="btn small" href="#/peers?pair=1">Pair a machine</a></header>
    <${ErrorLine} error=${fleet.error} />
    <div class="fill-box" style=${{ height: `${height}px` }}>
      <${VirtualTable} caption="Machines" grid="machines-grid" columns=${columns} rows=${rows} rowKey=${(row) => row.id} rowHeight=${rowHeight} />
    </div>
    ${fleet.peers.length === 0 && (fleet.loading ? html`<${Loading} />` : html`<${Empty} icon="peers" title="No other machine yet">
      <p>Pair with one: start Loopsy there, and compare six digits.</p><//>`)}
  </section>`;
}

function Name({ row }) {
  const at = row.isOwn ? href("peers", "", { daemon: row.daemon === "main" ? "" : row.daemon }) : href("peers", row.nodeId, { daemon: row.daemon === "main" ? "" : row.daemon });
  return html`<a data-primary href=${at} class="ellipsis"><${Text}>${row.name}<//></a>
    ${row.isOwn && html`<${Badge}>here<//>`}
    ${!row.isOwn && !row.trusted && html`<span class="hide-phone"><${Badge} kind="warn">not paired<//></span>`}
    ${row.warnings?.length > 0 && html`<${Badge} kind="warn" title=${row.warnings.join("\n")}>${row.warnings.length === 1 ? "1 warning" : `${row.warnings.length} warnings`}<//>`}
    ${row.error && html`<${Badge} kind="bad" title=${row.error.message}>no answer<//>`}`;
}

function number(value) {
  if (value === undefined) return html`<${Unknown} />`;
  return html`<span class=${value > 0 ? "" : "dim"}>${count(value)}</span>`;
}

function latency(row) {
  return row.latencyMs === undefined || row.status !== "online" ? html`<${Unknown} />` : millis(row.latencyMs);
}

function seen(row) {
  if (!row.isOwn) return html`<${LastSeen} peer=${row} />`;
  return row.since && row.status === "online" ? html`<${Uptime} since=${row.since} />` : null;
}

function Uptime({ since }) {
  const now = useTick(20_000);
  return html`<span class="dim" title=${`Since ${instant(since)}`}>up ${duration(Math.max(60_000, now - since)).replace(/ \d+ s$/, "")}</span>`;
}
