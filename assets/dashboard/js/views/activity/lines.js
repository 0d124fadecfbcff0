// The lines, newest first.

import { Badge, Text } from "../../components/basics.js";
import { VirtualTable } from "../../components/table.js";
import { clock, millis } from "../../lib/format.js";
import { html, useMemo } from "../../lib/ui.js";
import { useRowHeight } from "../../lib/wide.js";

/** The table; `onChoose` gets the line whose details are wanted. */
export function Lines({ lines, chosen, onChoose }) {
  const rowHeight = useRowHeight(30, 58);
  const columns = useMemo(() => [
    { id: "time", label: "Time", class: "dim activity-time", cell: (line) => clock(line.timestamp) },
    { id: "caller", label: "Caller", hide: "phone", cell: (line) => html`<${Text} class=${line.caller === "owner" ? "dim" : ""}>${line.caller}<//>` },
    { id: "what", label: "What", cell: (line) => html`<${What} line=${line} onChoose=${onChoose} />` },
    { id: "target", label: "On what", hide: "phone", cell: (line) => html`<${Text} class="mono">${line.target ?? ""}<//>` },
    { id: "status", label: "Answer", cell: (line) => html`<${Answer} line=${line} />` },
    { id: "took", label: "Took", class: "num dim", hide: "phone", cell: (line) => (line.duration === undefined ? "" : millis(line.duration)) },
  ], [onChoose]);
  return html`<${VirtualTable} caption="Requests, newest first" testid="activity" grid="activity-grid" columns=${columns} rows=${lines} rowHeight=${rowHeight}
    rowKey=${(line) => line.key} rowClass=${(line) => line.key === chosen?.key && "chosen-row"} />`;
}

function What({ line, onChoose }) {
  const name = line.operation ?? `${line.method} ${line.path}`;
  return html`<span class="activity-what"><button type="button" data-primary class="plain link ellipsis" onClick=${() => onChoose(line)}><${Text}>${name}<//></button>
    <span class="phone-only small dim row"><${Text}>${[line.caller, line.target].filter(Boolean).join(" · ")}<//></span></span>
    ${line.repeats > 1 && html`<${Badge}>× ${line.repeats}<//>`}`;
}

/** The status of the answer, in colour where it was not well. */
export function Answer({ line }) {
  const kind = line.isDenied ? "bad" : line.statusCode >= 400 ? "warn" : "ok";
  return html`<${Badge} kind=${kind} title=${line.isDenied ? line.decision ?? "denied" : undefined}>${line.statusCode}${line.isDenied ? " denied" : ""}<//>`;
}
