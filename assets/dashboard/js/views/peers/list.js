// The list of machines, one row each.

import { Badge, Health, LastSeen, Text, Unknown } from "../../components/basics.js";
import { VirtualTable } from "../../components/table.js";
import { millis } from "../../lib/format.js";
import { href } from "../../lib/router.js";
import { html, useMemo } from "../../lib/ui.js";
import { useRowHeight } from "../../lib/wide.js";

/** All that a peer may do. */
export const PERMISSIONS = ["execute", "transfer", "context", "messages", "ai-tasks", "terminal"];

/** What a peer may do here, in a few words. */
export function may(permissions) {
  if (permissions === undefined) return "";
  if (permissions.length === 0) return "nothing";
  return PERMISSIONS.every((name) => permissions.includes(name)) ? "everything" : permissions.join(", ");
}

/** What a machine does now, in a few words. */
export function load(peer) {
  if (!peer.load) return "";
  const parts = [[peer.load.jobs, "command"], [peer.load.tasks, "task"], [peer.load.terminals, "terminal"]];
  return parts.filter(([many]) => many > 0).map(([many, word]) => `${many} ${word}${many === 1 ? "" : "s"}`).join(", ") || "idle";
}

/** The rows; `at` is the query that links keep, `chosen` the peer whose details are open. */
export function PeerList({ rows, at, chosen, onPair }) {
  const rowHeight = useRowHeight(34, 58);
  const columns = useMemo(() => [
    { id: "name", label: "Name", cell: (row) => html`<${Name} row=${row} at=${at} onPair=${onPair} isChosen=${row.peer === chosen} />` },
    { id: "status", label: "Health", cell: ({ peer }) => html`<${Health} status=${peer.status} title=${peer.failureCount > 0 ? `${peer.failureCount} failed checks in a row` : undefined} />` },
    { id: "latency", label: "Latency", class: "num", hide: "phone", cell: ({ peer }) => (peer.latencyMs === undefined ? html`<${Unknown} />` : millis(peer.latencyMs)) },
    { id: "address", label: "Address", hide: "phone", cell: ({ peer }) => html`<${Text} class="mono">${`${peer.address}:${peer.port}`}<//>` },
    { id: "load", label: "Load", hide: "tablet", cell: ({ peer }) => (peer.load ? html`<${Text} class=${load(peer) === "idle" ? "dim" : ""}>${load(peer)}<//>` : html`<${Unknown} />`) },
    { id: "may", label: "May do here", hide: "tablet", cell: ({ peer }) => (peer.trusted ? html`<${Text}>${may(peer.permissions)}<//>` : html`<${Unknown} />`) },
    { id: "certificate", label: "Certificate", hide: "tablet", cell: ({ peer }) => html`<${Certificate} peer=${peer} />` },
    { id: "version", label: "Protocol", hide: "tablet", cell: ({ peer }) => html`<${Text} class="num">${peer.version || "–"}<//>` },
    { id: "seen", label: "Last seen", class: "num", cell: ({ peer }) => html`<${LastSeen} peer=${peer} />` },
  ], [at.daemon, chosen, onPair]);
  return html`<${VirtualTable} caption="Peers" testid="peers" grid="peers-grid" columns=${columns} rows=${rows} rowHeight=${rowHeight}
    rowKey=${(row) => row.peer.nodeId} rowClass=${(row) => row.peer === chosen && "chosen-row"} />`;
}

function Name({ row: { peer, name, depth }, at, onPair, isChosen }) {
  return html`<span class=${depth ? "peer-name peer-session" : "peer-name"}>
    <span class="peer-words"><a data-primary class="ellipsis" href=${href("peers", peer.nodeId, at)} aria-current=${isChosen ? "true" : undefined}><${Text}>${name}<//></a>
      <span class="phone-only small dim row"><span class="peer-place"><${Text}>${host(peer)}<//>:${peer.port}</span>${peer.latencyMs !== undefined && html`<span class="nowrap peer-latency">${millis(peer.latencyMs)}</span>`}</span></span>
    ${peer.unconfirmedUntil && html`<${Badge} kind="warn" title="It was paired and has not called yet">unconfirmed<//>`}
    ${!peer.trusted && !peer.unconfirmedUntil && html`<button type="button" class="btn small hide-phone" aria-label=${`Pair with ${name}`} onClick=${() => onPair(place(peer))}>Pair</button>`}
  </span>`;
}

function Certificate({ peer }) {
  if (peer.fingerprint) return html`<span class="mono dim" title=${peer.fingerprint}>${peer.fingerprint.slice(0, 12)}</span>`;
  return peer.tls === false ? html`<${Badge} kind="warn" title="It is called in plaintext">none<//>` : html`<${Unknown} />`;
}

/** Where a peer is, as it is typed. */
export function place(peer) {
  return `${host(peer)}:${peer.port}`;
}

function host({ address }) {
  return address.includes(":") ? `[${address}]` : address;
}
