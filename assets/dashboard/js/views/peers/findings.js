// What was found when a machine was looked at closely.

import { Badge, ErrorLine } from "../../components/basics.js";
import { duration, grouped, millis, visible } from "../../lib/format.js";
import { html } from "../../lib/ui.js";

/** How far a clock may be off before it is worth a word, ms. */
const SKEW = 2000;

/** The findings as a list. */
export function Findings({ findings }) {
  const { reachable, keyAccepted, latencyMs, version, skewMs, fingerprint, error } = findings;
  return html`<section class="stack" aria-label="What was found" role="status" data-testid="findings">
    <dl class="kv">
      <dt>Answers</dt><dd><${Yes} is=${reachable} />${latencyMs !== undefined && html` <span class="dim">in ${millis(latencyMs)}</span>`}</dd>
      ${keyAccepted !== undefined && html`<dt>Takes our key</dt><dd><${Yes} is=${keyAccepted} /></dd>`}
      ${version && html`<dt>Protocol</dt><dd>${visible(version)}</dd>`}
      ${skewMs !== undefined && html`<dt>Clock</dt><dd>${clock(skewMs)}</dd>`}
      ${fingerprint && html`<dt>Showed</dt><dd class="mono fingerprint">${grouped(fingerprint)}</dd>`}
    </dl>
    <${ErrorLine} error=${error} />
  </section>`;
}

function Yes({ is }) {
  return is ? html`<${Badge} kind="ok">yes<//>` : html`<${Badge} kind="bad">no<//>`;
}

function clock(skew) {
  if (Math.abs(skew) < SKEW) return "agrees";
  return `${duration(Math.abs(skew))} ${skew > 0 ? "ahead" : "behind"}`;
}
