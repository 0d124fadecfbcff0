// Machines: those that this one trusts, those that were entered, and those that announce themselves on the network.

import { Empty, ErrorLine, Loading } from "../components/basics.js";
import { Search } from "../components/field.js";
import { Icon } from "../components/icons.js";
import { DaemonPicker, peerName } from "../components/pickers.js";
import { NotRunning } from "../components/screens.js";
import { useResource } from "../lib/resources.js";
import { go, useRoute } from "../lib/router.js";
import { daemonNamed, useStore } from "../lib/store.js";
import { loadStyle } from "../lib/style.js";
import { cx, html, useMemo, useState } from "../lib/ui.js";
import { AddDialog } from "./peers/add.js";
import { Details } from "./peers/details.js";
import { PeerList } from "./peers/list.js";
import { PairDialog } from "./peers/pair.js";
import { arrange } from "./peers/order.js";

await loadStyle("/css/peers.css");

/** The view: `#/peers/<node id or name>?daemon=…`. With `pair=1` pairing begins at once, with `pair=<address>` with that machine. */
export default function Peers() {
  const { rest, query } = useRoute();
  const daemon = query.daemon ?? "main";
  const [filter, setFilter] = useState("");
  const [isAdding, setAdding] = useState(false);
  const status = useStore(() => daemonNamed(daemon)?.status);
  const { data, error, loading, reload } = useResource("peers", daemon);
  const rows = useMemo(() => arrange(data?.peers ?? [], filter), [data, filter]);
  const chosen = rest ? (data?.peers ?? []).find((peer) => isMeant(peer, rest)) : undefined;
  const at = { daemon: query.daemon };
  const pair = (address = "1") => go("peers", rest, { ...at, pair: address });
  const choose = (peer) => go("peers", peer ? peer.nodeId : "", at);

  return html`<div class=${cx("view fill peers", chosen && "has-details")}>
    <header class="view-head">
      <h1>Peers</h1>
      <${DaemonPicker} value=${daemon} onChange=${(name) => go("peers", "", { daemon: name === "main" ? "" : name })} />
      <${Search} label="Search peers" value=${filter} onInput=${setFilter} />
      <div class="row peers-ways"><button type="button" class="btn" onClick=${() => setAdding(true)} aria-label="Add by address">Add<span class="hide-phone"> by address</span></button>
      <button type="button" class="btn primary" onClick=${() => pair()}><${Icon} name="plus" />Pair</button></div>
    </header>
    ${error && status !== "stopped" && html`<${ErrorLine} error=${error} onRetry=${reload} />`}
    ${status === "stopped" ? html`<div class="panel"><${NotRunning} daemon=${daemon} /></div>` : html`
    <div class=${cx("split", chosen && "has-choice")}>
      <section class="panel fill-box split-main" aria-label="Machines">${list({ data, loading, rows, filter, at, chosen, pair })}</section>
      ${chosen && html`<${Details} key=${chosen.nodeId} peer=${chosen} daemon=${daemon} onClose=${() => choose(null)} onPair=${pair} />`}
    </div>`}
    ${query.pair && html`<${PairDialog} key=${query.pair} daemon=${daemon} machine=${query.pair === "1" ? "" : query.pair} onClose=${() => go("peers", rest, at, { replace: true })} />`}
    ${isAdding && html`<${AddDialog} daemon=${daemon} onClose=${() => setAdding(false)} onAdded=${choose} />`}
  </div>`;
}

/** Whether a peer is called so: by its node id, its name, or the id that it had until it told its own. */
function isMeant(peer, text) {
  return peer.nodeId === text || peerName(peer) === text || `manual-${peer.address}:${peer.port}` === text;
}

function list({ data, loading, rows, filter, at, chosen, pair }) {
  if (!data) return loading ? html`<${Loading} />` : null;
  if (data.peers.length === 0) {
    return html`<${Empty} icon="peers" title="No peers yet"><p>Pair with another machine: start Loopsy there, and one of the two shows a code that is typed on the other. Machines on the same network show up here by themselves.</p>
      <p><button type="button" class="btn primary" onClick=${() => pair()}>Pair a machine</button></p><//>`;
  }
  if (rows.length === 0) return html`<${Empty} icon="search" title="No peer matches">Nothing has “${filter}” in its name, address, id or version.<//>`;
  return html`<${PeerList} rows=${rows} at=${at} chosen=${chosen} onPair=${pair} />`;
}
