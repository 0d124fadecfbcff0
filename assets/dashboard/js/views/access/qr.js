// A QR code as a drawing.

import { html } from "../../lib/ui.js";

/** Light modules around it, which cameras need. */
const QUIET = 4;

/** `qr` is `{size, rows}`, rows of `0` and `1`. Dark on light in both themes. */
export function QrCode({ qr }) {
  const whole = qr.size + 2 * QUIET;
  const path = qr.rows.map((row, y) => [...row.matchAll(/1+/g)].map((run) => `M${run.index + QUIET} ${y + QUIET}h${run[0].length}v1h-${run[0].length}z`).join("")).join("");
  return html`<svg class="qr" viewBox=${`0 0 ${whole} ${whole}`} shape-rendering="crispEdges" role="img" aria-label="QR code of the link">
    <rect width=${whole} height=${whole} fill="#fff" /><path d=${path} fill="#000" /></svg>`;
}
