// One machine: all that is known of it, and what can be done with it.

import { Badge, Countdown, ErrorLine, Health, IconButton, LastSeen, Text, Unknown } from "../../components/basics.js";
import { toast } from "../../components/toast.js";
import { peerName } from "../../components/pickers.js";
import { useSideFocus } from "../../lib/focus.js";
import { grouped, millis, visible } from "../../lib/format.js";
import { useKey } from "../../lib/keys.js";
import { href } from "../../lib/router.js";
import { html, useState } from "../../lib/ui.js";
import { check, ping, remove, rename, revoke } from "./actions.js";
import { Findings } from "./findings.js";
import { load, place, PERMISSIONS } from "./list.js";

/** The panel beside the list. */
export function Details({ peer, daemon, onClose, onPair }) {
  const [busy, setBusy] = useState("");
  const [error, setError] = useState();
  const [findings, setFindings] = useState();
  const side = useSideFocus(peer.nodeId);
  useKey("Escape", "", onClose);
  const name = peerName(peer);
  const run = async (what, work) => {
    setBusy(what);
    setError(undefined);
    try {
      await work();
    } catch (failure) {
      setError(failure);
    }
    setBusy("");
  };
  const button = (what, work, kind = "") => html`<button type="button" class=${`btn ${kind}`} aria-disabled=${busy === what ? "true" : undefined} onClick=${() => busy || run(what, work)}>${busy === what ? `${what}…` : what}</button>`;
  return html`<aside ref=${side} class="panel split-side" aria-label=${`Details of ${visible(name)}`} data-testid="peer-details">
    <header class="panel-head"><h2 class="ellipsis"><${Text}>${name}<//></h2><${IconButton} icon="close" label="Close details" data-first onClick=${onClose} /></header>
    <div class="panel-body stack">
      ${peer.unconfirmedUntil && html`<p class="notice warn">Paired, but it has not called yet. Unless it does within <${Countdown} until=${peer.unconfirmedUntil} />, its entry is dropped.</p>`}
      <${Ways} peer=${peer} daemon=${daemon} />
      <${Facts} peer=${peer} />
      <div class="toolbar">
        ${button("Ping", async () => toast(`${visible(name)} answered in ${millis((await ping(peer, daemon)).latencyMs ?? 0)}`))}
        ${button("Check", async () => setFindings(await check(peer, daemon)))}
        ${button("Rename", () => rename(peer, daemon))}
        ${peer.trusted ? button("Revoke trust", () => revoke(peer, daemon), "danger") : html`<button type="button" class="btn primary" onClick=${() => onPair(place(peer))}>Pair</button>`}
        ${button("Remove", () => remove(peer, daemon), "danger")}
      </div>
      <${ErrorLine} error=${error} />
      ${findings && html`<${Findings} findings=${findings} />`}
    </div>
  </aside>`;
}

/** To the same machine in the other views. */
function Ways({ peer, daemon }) {
  if (!peer.trusted) return null;
  const at = { daemon: daemon === "main" ? "" : daemon, peer: peerName(peer) };
  return html`<nav class="toolbar" aria-label="Work with this machine">
    ${[["terminal", "Terminal"], ["tasks", "AI task"], ["messages", "Message"], ["context", "Context"]].map(([view, label]) => html`<a key=${view} class="btn small" href=${href(view, "", at)}>${label}</a>`)}
  </nav>`;
}

function Facts({ peer }) {
  return html`<dl class="kv">
    <dt>Health</dt><dd><${Health} status=${peer.status} />${peer.failureCount > 0 && html` <span class="dim">${peer.failureCount} failed checks in a row</span>`}</dd>
    <dt>Last seen</dt><dd><${LastSeen} peer=${peer} /></dd>
    <dt>Latency</dt><dd>${peer.latencyMs === undefined ? html`<${Unknown} />` : millis(peer.latencyMs)}</dd>
    <dt>Load</dt><dd>${load(peer) || html`<${Unknown} />`}</dd>
    <dt>Address</dt><dd class="mono"><bdi>${visible(place(peer))}</bdi></dd>
    <dt>Calls itself</dt><dd><bdi>${visible(peer.hostname)}</bdi></dd>
    <dt>Platform</dt><dd><bdi>${visible(peer.platform)}</bdi></dd>
    <dt>Protocol</dt><dd class="num">${peer.version ? visible(peer.version) : html`<${Unknown} />`}</dd>
    <dt>Node id</dt><dd class="mono"><bdi>${visible(peer.nodeId)}</bdi></dd>
    <dt>Certificate</dt><dd><${Fingerprint} peer=${peer} /></dd>
    <dt>May do here</dt><dd>${peer.trusted ? html`<${Permissions} list=${peer.permissions ?? []} />` : html`<span class="dim">nothing: it is not paired</span>`}</dd>
    <dt>Can do</dt><dd class="dim">${peer.capabilities.length ? visible(peer.capabilities.join(", ")) : html`<${Unknown} />`}</dd>
    <dt>Known by</dt><dd>${peer.trusted ? "pairing" : peer.manuallyAdded ? "its address, which was entered" : "its announcement on the network"}</dd>
  </dl>`;
}

function Fingerprint({ peer }) {
  if (!peer.fingerprint) return peer.tls === false ? html`<${Badge} kind="warn">called in plaintext<//>` : html`<${Unknown} />`;
  return html`<span class="mono fingerprint" data-testid="fingerprint">${grouped(peer.fingerprint)}</span>`;
}

function Permissions({ list }) {
  return html`<ul class="row wrap">${PERMISSIONS.map((name) => html`<li key=${name}><${Badge} kind=${list.includes(name) ? "ok" : ""}><span class=${list.includes(name) ? "" : "refused"}>${name}</span>
    <span class="visually-hidden">${list.includes(name) ? " allowed" : " refused"}</span><//></li>`)}</ul>`;
}
