// Which daemon of this machine, and which of its peers.

import { visible } from "../lib/format.js";
import { useResource } from "../lib/resources.js";
import { useStore } from "../lib/store.js";
import { html } from "../lib/ui.js";

/** A choice among the daemons of this machine; nothing where there is one alone. `onChange` gets the name. */
export function DaemonPicker({ value = "main", onChange, label = "Daemon" }) {
  const daemons = useStore((state) => state.me?.daemons) ?? [];
  if (daemons.length < 2) return null;
  return html`<label class="picker"><span class="dim">${label}</span>
    <select value=${value} aria-label=${label} onChange=${(event) => onChange(event.target.value)} data-testid="daemon-picker">
      ${daemons.map((daemon) => html`<option key=${daemon.name} value=${daemon.name}>${visible(daemon.label)}${daemon.status === "running" ? "" : " (stopped)"}</option>`)}
    </select></label>`;
}

/**
 * A choice among the machines that a daemon trusts; the empty text is the daemon itself, left out with `self: false`.
 * `onChange` gets the peer's name, by which requests are sent on.
 */
export function PeerPicker({ daemon = "main", value = "", onChange, label = "Machine", self = true }) {
  const { data } = useResource("peers", daemon);
  const own = useStore((state) => state.me?.daemons.find((row) => row.name === daemon)?.label);
  const peers = (data?.peers ?? []).filter((peer) => peer.trusted);
  const isGone = value && !peers.some((peer) => peerName(peer) === value);
  return html`<label class="picker"><span class="dim">${label}</span>
    <select value=${value} aria-label=${label} onChange=${(event) => onChange(event.target.value)} data-testid="peer-picker">
      ${self ? html`<option value="">${visible(own ?? "this machine")} (here)</option>` : html`<option value="" disabled>Choose…</option>`}
      ${isGone && html`<option value=${value}>${visible(value)}</option>`}
      ${peers.map((peer) => html`<option key=${peer.nodeId} value=${peerName(peer)}>${visible(peerName(peer))}${peer.status === "offline" ? " (offline)" : ""}</option>`)}
    </select></label>`;
}

/** What a peer is called, and can be reached by. */
export function peerName(peer) {
  return peer.name ?? peer.hostname;
}
