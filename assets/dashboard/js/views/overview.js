// The fleet as it is now: numbers, what waits for an answer, machines, transfers and what has just happened.

import { Empty } from "../components/basics.js";
import { NotRunning } from "../components/screens.js";
import { useStore } from "../lib/store.js";
import { html } from "../lib/ui.js";
import { Events } from "./overview/events.js";
import { useFleet } from "./overview/fleet.js";
import { Machines } from "./overview/machines.js";
import { Numbers } from "./overview/numbers.js";
import { Transfers, useTransfers } from "./overview/transfers.js";
import { Waiting } from "./overview/waiting.js";

/** The view. */
export default function Overview() {
  const daemons = useStore((state) => state.me.daemons);
  const fleet = useFleet(daemons);
  const transfers = useTransfers(daemons);
  const isDown = daemons.every((daemon) => daemon.status !== "running");
  return html`<div class="view overview">
    <header class="view-head"><h1>Overview</h1></header>
    ${isDown ? html`<div class="panel"><${NotRunning} /></div>` : html`
      <${Numbers} fleet=${fleet} transfers=${transfers} />
      <${Waiting} fleet=${fleet} />
      <div class="overview-columns">
        <div class="stack">
          <${Machines} fleet=${fleet} />
          <${Transfers} transfers=${transfers} daemons=${daemons} />
        </div>
        <${Events} isMany=${daemons.length > 1} commands=${fleet.commands} />
      </div>`}
    ${daemons.length === 0 && html`<${Empty} title="There is no daemon on this machine"><p>Make one with <code>loopsy init</code> and <code>loopsy start</code>.</p><//>`}
  </div>`;
}
