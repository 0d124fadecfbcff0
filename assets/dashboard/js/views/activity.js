// The audit log of a daemon: who asked for what and what came of it, as it happens.

import { Empty, ErrorLine, Loading } from "../components/basics.js";
import { Check, Search } from "../components/field.js";
import { DaemonPicker } from "../components/pickers.js";
import { NotRunning } from "../components/screens.js";
import { count, visible } from "../lib/format.js";
import { go, useRoute } from "../lib/router.js";
import { daemonNamed, useStore } from "../lib/store.js";
import { loadStyle } from "../lib/style.js";
import { cx, html, useMemo, useState } from "../lib/ui.js";
import { Details } from "./activity/details.js";
import { Lines } from "./activity/lines.js";
import { useLog } from "./activity/log.js";

await loadStyle("/css/activity.css");

/** The view: `#/activity?daemon=…&caller=…&denied=1&reads=1`. */
export default function Activity() {
  const { query } = useRoute();
  const daemon = query.daemon ?? "main";
  const [filter, setFilter] = useState("");
  const [chosen, setChosen] = useState(null);
  const status = useStore(() => daemonNamed(daemon)?.status);
  const { lines, state, error, isPaused, pause, retry } = useLog(daemon, status);
  const change = (changes) => go("activity", "", { ...query, ...changes }, { replace: true });
  const shown = useMemo(() => sift(lines, filter, query), [lines, filter, query]);
  const callers = useMemo(() => [...new Set(lines.map((line) => line.caller))].sort(), [lines]);

  return html`<div class=${cx("view fill activity", chosen && "has-details")}>
    <header class="view-head">
      <h1>Activity</h1>
      <${DaemonPicker} value=${daemon} onChange=${(name) => { setChosen(null); change({ daemon: name === "main" ? "" : name, caller: "" }); }} />
      <${Search} label="Filter" value=${filter} onInput=${setFilter} />
      <label class="picker"><span class="dim">Caller</span><select aria-label="Caller" value=${query.caller ?? ""} onChange=${(event) => change({ caller: event.target.value })} data-testid="caller">
        <option value="">all</option>
        ${[...new Set([...callers, ...(query.caller ? [query.caller] : [])])].map((caller) => html`<option key=${caller} value=${caller}>${visible(caller)}</option>`)}
      </select></label>
      <${Check} label="Denied only" checked=${query.denied === "1"} onChange=${(isOn) => change({ denied: isOn ? "1" : "" })} />
      <${Check} label="Hide reads" checked=${query.reads !== "1"} onChange=${(isOn) => change({ reads: isOn ? "" : "1" })} />
      <button type="button" class="btn" aria-pressed=${isPaused ? "true" : "false"} onClick=${() => pause(!isPaused)}>${isPaused ? "Go on" : "Pause"}</button>
    </header>
    ${error && status !== "stopped" && html`<${ErrorLine} error=${error} onRetry=${retry} />`}
    ${status === "stopped" ? html`<div class="panel"><${NotRunning} daemon=${daemon} /></div>` : html`
    <div class=${cx("split", chosen && "has-choice")}>
      <section class="panel fill-box split-main" aria-label="Requests">
        ${body({ lines, shown, state, chosen, setChosen, hidesReads: query.reads !== "1" })}
        <p class="activity-foot dim small num" data-testid="activity-count">${count(shown.length)} of ${count(lines.length)}${isPaused ? ", paused" : ""}</p>
      </section>
      ${chosen && html`<${Details} line=${chosen} onClose=${() => setChosen(null)} />`}
    </div>`}
  </div>`;
}

function body({ lines, shown, state, chosen, setChosen, hidesReads }) {
  if (lines.length === 0) return state === "open" ? html`<${Empty} icon="activity" title="Nothing was asked yet">Requests of people, agents and peers show up here as they come.<//>` : html`<${Loading} />`;
  if (shown.length === 0) return html`<${Empty} icon="search" title="No request matches">${hidesReads && "Requests that only read are left out."}<//>`;
  return html`<${Lines} lines=${shown} chosen=${chosen} onChoose=${setChosen} />`;
}

/** A socket is opened by GET too, for commands and terminals. */
const onlyReads = ({ method, statusCode }) => method === "GET" && statusCode !== 101;

/** Lines that match: all words of the filter somewhere in them, the caller, only those denied, none that only read unless `reads` is set. */
function sift(lines, filter, { caller, denied, reads }) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && !caller && !denied && reads) return lines;
  return lines.filter((line) => (!caller || line.caller === caller) && (!denied || line.isDenied)
    && (reads || line.isDenied || !onlyReads(line)) && words.every((word) => line.text.includes(word)));
}
