// One line of the audit log, whole.

import { IconButton, Text } from "../../components/basics.js";
import { useSideFocus } from "../../lib/focus.js";
import { bytes, instant, millis, visible } from "../../lib/format.js";
import { useKey } from "../../lib/keys.js";
import { Fragment, html } from "../../lib/ui.js";
import { Answer } from "./lines.js";

/** The panel beside the lines. */
export function Details({ line, onClose }) {
  const side = useSideFocus(line.key);
  useKey("Escape", "", onClose);
  const rows = [
    ["When", instant(line.timestamp)],
    ["Caller", line.caller],
    ["From", line.fromIp],
    ["Operation", line.operation],
    ["Target", line.target],
    ["Request", `${line.method} ${line.path}`],
    ["Decision", line.decision],
    ["Failure", line.error],
    ["Said", line.answer],
    ["Job or task", line.jobId],
    ["Took", line.duration === undefined ? undefined : millis(line.duration)],
    ["Body", line.bytes === undefined ? undefined : bytes(line.bytes)],
    ["Times", line.repeats],
    ["Request id", line.requestId],
  ];
  return html`<aside ref=${side} class="panel split-side" aria-label="Details of the request" data-testid="activity-details">
    <header class="panel-head"><h2 class="ellipsis"><${Text}>${line.operation ?? line.path}<//></h2><${Answer} line=${line} /><${IconButton} icon="close" label="Close details" data-first onClick=${onClose} /></header>
    <dl class="kv panel-body">${rows.filter(([, value]) => value !== undefined && value !== null).map(([label, value]) => html`<${Fragment} key=${label}><dt>${label}</dt><dd class="break"><bdi>${visible(value)}</bdi></dd><//>`)}</dl>
  </aside>`;
}
