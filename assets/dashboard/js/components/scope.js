// Which machine a view looks at: a daemon of this machine or, through it, a peer. It is part of the page's address.

import { visible } from "../lib/format.js";
import { useResource } from "../lib/resources.js";
import { go, useRoute } from "../lib/router.js";
import { daemonNamed, useStore } from "../lib/store.js";
import { html, useMemo } from "../lib/ui.js";
import { DaemonPicker, PeerPicker, peerName } from "./pickers.js";

/**
 * The machine of the present address: `daemon`, and `peer` where it is one. The same object as long as it is the same machine.
 * @returns {{daemon: string, peer: string|undefined}}
 */
export function useScope() {
  const { query } = useRoute();
  const daemon = query.daemon || "main";
  const peer = query.peer || undefined;
  return useMemo(() => ({ daemon, peer }), [daemon, peer]);
}

/** A scope as the query of an address. */
export function scopeQuery({ daemon, peer }) {
  return { daemon: daemon === "main" ? "" : daemon, peer };
}

/** What the machine of a scope is called. */
export function scopeName({ daemon, peer }) {
  return visible(peer ?? daemonNamed(daemon)?.label ?? "this machine");
}

/** The choice of the machine of a view; peers are left out with `peers: false`. Choosing another leaves what was open. */
export function ScopePicker({ view, scope, peers = true }) {
  const choose = (changes) => go(view, "", scopeQuery({ ...scope, ...changes }));
  return html`<div class="scope">
    <${DaemonPicker} value=${scope.daemon} onChange=${(daemon) => choose({ daemon, peer: "" })} />
    ${peers && html`<${PeerPicker} daemon=${scope.daemon} value=${scope.peer ?? ""} onChange=${(peer) => choose({ peer })} />`}
  </div>`;
}

/** Whether the daemon of a scope is known not to run, in a component. */
export function useStopped({ daemon }) {
  return useStore(() => daemonNamed(daemon)?.status === "stopped");
}

/** Names of machines by their node ids, as the daemon knows them: `nameOf(nodeId)`. */
export function useNodeNames(daemon) {
  const { data: listed } = useResource("peers", daemon);
  const { data: status } = useResource("status", daemon);
  return useMemo(() => {
    const names = new Map((listed?.peers ?? []).map((peer) => [peer.nodeId, peerName(peer)]));
    if (status) names.set(status.nodeId, status.hostname);
    return (nodeId) => names.get(nodeId) ?? nodeId?.slice(0, 8) ?? "";
  }, [listed, status?.nodeId, status?.hostname]);
}
