// Pairing from the page: a code here or there, then six digits that two people compare.

import { Countdown, ErrorLine, Loading, useTick } from "../../components/basics.js";
import { Dialog } from "../../components/dialog.js";
import { Choice, Field } from "../../components/field.js";
import { spaced, visible } from "../../lib/format.js";
import { useResource } from "../../lib/resources.js";
import { daemonNamed } from "../../lib/store.js";
import { html, useEffect, useRef, useState } from "../../lib/ui.js";
import { ApiError, call } from "../../lib/api.js";
import { Compare } from "./compare.js";
import { ACTIVE, usePairing } from "./pairing.js";
import { parsePlace } from "./place.js";

/** How long the other machine may take to call before that is worth a word, ms. */
const SETTLING = 5000;

/** The dialog; with `machine`, an address, the code of that machine is asked for. */
export function PairDialog({ daemon, machine, onClose }) {
  const pairing = usePairing(daemon);
  const close = () => {
    pairing.cancel();
    onClose();
  };
  const box = useRef();
  const shown = useRef(pairing.step);
  useEffect(() => {
    if (shown.current !== pairing.step) box.current.focus();
    shown.current = pairing.step;
  }, [pairing.step]);
  return html`<${Dialog} title="Pair with a machine" onClose=${close} testid="pair-dialog">
    <div class="pair" ref=${box} tabindex="-1" data-step=${pairing.step}>${step(pairing, daemon, machine, close)}</div>
  <//>`;
}

function step(pairing, daemon, machine, close) {
  switch (pairing.step) {
    case "choose": return html`<${Choose} pairing=${pairing} daemon=${daemon} machine=${machine} />`;
    case "waiting": return html`<${Waiting} pairing=${pairing} daemon=${daemon} />`;
    case "compare": return html`<${Compare} pairing=${pairing} />`;
    case "confirmed": return html`<p>You said that the digits are the same.</p><${Loading} what=${`Waiting for the answer on ${visible(pairing.pair.peer?.hostname)}`} />`;
    case "completed": return html`<${Done} pairing=${pairing} daemon=${daemon} onClose=${close} />`;
    default: return html`<${ErrorLine} error=${pairing.error} /><div class="row end"><button type="button" class="btn" onClick=${close}>Close</button>
      <button type="button" class="btn primary" onClick=${pairing.again}>Begin again</button></div>`;
  }
}

function Choose({ pairing, daemon, machine }) {
  const [side, setSide] = useState(machine ? "type" : "show");
  return html`
    <${Choice} label="Where the code is shown" value=${side} onChange=${setSide} options=${[["show", "Show a code"], ["type", "Type a code"]]} />
    ${side === "show" ? html`<p>This machine shows a code, good for five minutes. It is typed on the other machine: after <code>loopsy pair ${"<address>"}</code> there, or in its dashboard.</p>
      <div class="row end"><button type="button" class="btn primary" disabled=${pairing.isBusy} onClick=${() => pairing.start()}>Show a code</button></div>`
      : html`<${Connect} pairing=${pairing} daemon=${daemon} machine=${machine} />`}
    <${ErrorLine} error=${pairing.error} />
    ${pairing.error?.code === ACTIVE && html`<div class="row end"><button type="button" class="btn danger" onClick=${() => pairing.start(true)}>End it and show a new code</button></div>`}`;
}

function Connect({ pairing, daemon, machine }) {
  const [address, setAddress] = useState(machine);
  const [code, setCode] = useState("");
  const [problem, setProblem] = useState();
  const submit = async () => {
    setProblem(undefined);
    const where = await find(address, daemon).catch(setProblem);
    if (where) await pairing.connect(where, code);
  };
  const enter = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    submit();
  };
  return html`
    <${Field} label="Address or name of the other machine" name="address" value=${address} onInput=${setAddress} onKeyDown=${enter} error=${problem?.message}
      hint="It stands beside the code, or in the list of peers if it is on the same network" />
    <${Field} label="Code that it shows" name="code" value=${code} onInput=${setCode} onKeyDown=${enter} inputmode="numeric" maxLength="11" class="pair-code-field" />
    <div class="row end"><button type="button" class="btn primary" disabled=${pairing.isBusy || !address.trim() || !code.trim()} onClick=${submit}>${pairing.isBusy ? "Calling…" : "Connect"}</button></div>`;
}

/** Where a machine is that somebody named: one that is known by that name, else the address that it reads as. */
async function find(text, daemon) {
  try {
    const { address, port } = await call("GET", `/peers/${encodeURIComponent(text.trim())}`, { daemon });
    return { address, port };
  } catch (error) {
    const where = error.status === 404 ? parsePlace(text) : null;
    if (!where) throw error.status === 404 ? new ApiError({ message: "That is neither the name of a machine nor an address." }) : error;
    return where;
  }
}

function Waiting({ pairing, daemon }) {
  const { code, pair } = pairing;
  const label = daemonNamed(daemon)?.label ?? "this machine";
  const port = daemonNamed(daemon)?.port;
  if (!code) return html`<p>A pairing was begun elsewhere on this machine, and waits.</p>
    <div class="row end"><button type="button" class="btn danger" onClick=${() => pairing.start(true)}>End it and show a new code</button></div>`;
  return html`
    <p>On the <strong>other machine</strong> run <code>loopsy pair ${"<address>"}</code> with the address of <bdi>${visible(label)}</bdi>${port && port !== 19532 ? ` and port ${port}` : ""}, or choose <strong>Type a code</strong> in its dashboard. Code:</p>
    <p class="pair-digits" data-testid="pair-code" aria-label=${`Code ${code.inviteCode.split("").join(" ")}`}>${spaced(code.inviteCode)}</p>
    <p class="dim pair-left" role="status">Waiting, <${Countdown} until=${code.expiresAt} /> left.${pair?.attemptsLeft !== undefined && pair.attemptsLeft < 3 ? ` A wrong code was typed; ${pair.attemptsLeft} more and this one is void.` : ""}</p>
    <${ErrorLine} error=${pairing.error} />`;
}

function Done({ pairing, daemon, onClose }) {
  const [since] = useState(Date.now);
  const isLate = useTick(1000) - since > SETTLING;
  const { data } = useResource("peers", daemon);
  const { name } = pairing.pair;
  const row = data?.peers.find((peer) => peer.name === name);
  return html`
    <p role="status" data-testid="pair-done">Paired with <strong><bdi>${visible(name)}</bdi></strong>.</p>
    ${isLate && row?.unconfirmedUntil && html`<p class="notice warn">It has not called yet; unless it does within <${Countdown} until=${row.unconfirmedUntil} />, its entry is dropped.</p>`}
    <div class="row end"><button type="button" class="btn primary" onClick=${onClose}>Done</button></div>`;
}
