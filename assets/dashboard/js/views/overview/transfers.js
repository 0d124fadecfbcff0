// Files that are on their way now, with how fast they go and how long they will take.

import { Progress, Text } from "../../components/basics.js";
import { Icon } from "../../components/icons.js";
import { bytes, duration, rate } from "../../lib/format.js";
import { useStore } from "../../lib/store.js";
import { html } from "../../lib/ui.js";

/** Most that are listed. */
const LISTED = 50;

/** All transfers of the daemons of this machine that run, as they go: `{daemon, transferId, direction, path, …}`. */
export function useTransfers(daemons) {
  const known = useStore((state) => state.transfers);
  const running = daemons.filter((daemon) => daemon.status === "running");
  return running.flatMap(({ name }) => (known[name] ?? []).map((transfer) => ({ ...transfer, daemon: name })));
}

/** Those that go on; nothing where there are none. */
export function Transfers({ transfers }) {
  if (transfers.length === 0) return null;
  const more = transfers.length - LISTED;
  return html`<section class="panel" aria-labelledby="transfers-title" data-testid="transfers">
    <header class="panel-head"><h2 id="transfers-title">Transfers</h2></header>
    <ul>${transfers.slice(0, LISTED).map((transfer) => html`<${Transfer} key=${`${transfer.daemon} ${transfer.transferId}`} ...${transfer} />`)}</ul>
    ${more > 0 && html`<p class="panel-body dim">and ${more} more</p>`}
  </section>`;
}

function Transfer({ direction, path, peer, bytes: done, total, rate: speed }) {
  const isIn = direction === "in";
  const part = total > 0 ? Math.min(1, done / total) : undefined;
  const left = total > done && speed > 0 ? duration(((total - done) / speed) * 1000) : "";
  return html`<li class="transfer">
    <span class="transfer-way" title=${isIn ? "coming in" : "going out"}><${Icon} name=${isIn ? "in" : "up"} /><span class="visually-hidden">${isIn ? "From" : "To"}</span></span>
    <div class="grow">
      <p class="row"><${Text} class="grow">${path}<//>${peer && html`<${Text} class="dim transfer-peer">${peer}<//>`}</p>
      <${Progress} value=${part} label=${`Part of ${path} that is done`} />
      <p class="row small dim num"><span class="grow">${bytes(done)}${total ? ` of ${bytes(total)}` : ""}</span><span>${rate(speed)}</span>${left && html`<span>${left} left</span>`}</p>
    </div>
  </li>`;
}
