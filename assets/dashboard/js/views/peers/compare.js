// Are the six digits the same on both screens? And what may the other machine do here?

import { Countdown, ErrorLine } from "../../components/basics.js";
import { Check } from "../../components/field.js";
import { spaced, visible } from "../../lib/format.js";
import { html, useState } from "../../lib/ui.js";
import { PERMISSIONS } from "./list.js";

/** The question. */
export function Compare({ pairing }) {
  const { pair } = pairing;
  const [allowed, setAllowed] = useState(PERMISSIONS);
  const [mayReplace, setReplace] = useState(false);
  const host = visible(pair.peer?.hostname);
  const toggle = (name, isOn) => setAllowed(PERMISSIONS.filter((other) => (other === name ? isOn : allowed.includes(other))));
  return html`
    <p><strong><bdi>${host}</bdi></strong> <span class="dim">(<bdi>${visible(pair.peer?.address)}</bdi>)</span> knows the code. Does it show the same digits?</p>
    <p class="pair-digits" data-testid="pair-sas" aria-label=${`Digits ${(pair.sas ?? "").split("").join(" ")}`}>${spaced(pair.sas)}</p>
    <p class="dim pair-left">${pair.expiresAt && html`<${Countdown} until=${pair.expiresAt} /> left`}</p>
    <fieldset class="pair-may"><legend>What it may do here</legend>
      ${PERMISSIONS.map((name) => html`<${Check} key=${name} label=${name} checked=${allowed.includes(name)} onChange=${(isOn) => toggle(name, isOn)} />`)}
    </fieldset>
    ${pair.replaces && html`<${Check} label=${`It takes the place of ${visible(pair.replaces)}, which is known by the same name or id`} checked=${mayReplace} onChange=${setReplace} />`}
    <${ErrorLine} error=${pairing.error} />
    <div class="row end">
      <button type="button" class="btn danger" disabled=${pairing.isBusy} onClick=${() => pairing.answer(false)}>No, they differ</button>
      <button type="button" class="btn primary" disabled=${pairing.isBusy} onClick=${() => pairing.answer(true, allowed, mayReplace ? pair.replaces : undefined)}>Yes, the same</button>
    </div>`;
}
