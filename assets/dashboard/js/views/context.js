// The shared store: its keys, live; an entry beside them to read, edit, make and remove.

import { Empty, ErrorLine, Loading, Text, TimeAgo, TimeLeft } from "../components/basics.js";
import { Check, Search } from "../components/field.js";
import { Icon } from "../components/icons.js";
import { ScopePicker, scopeName, scopeQuery, useNodeNames, useScope, useStopped } from "../components/scope.js";
import { NotRunning } from "../components/screens.js";
import { VirtualList } from "../components/virtual-list.js";
import { count } from "../lib/format.js";
import { isOwnKey } from "../lib/own-keys.js";
import { usePhone } from "../lib/media.js";
import { go, href, useRoute } from "../lib/router.js";
import { loadStyle } from "../lib/style.js";
import { cx, html, useCallback, useEffect, useMemo, useReducer, useRef, useState } from "../lib/ui.js";
import { Entry } from "./context/entry.js";
import { followEntries } from "./context/entries.js";
import { NewEntry } from "./context/new-entry.js";

await Promise.all([loadStyle("/css/panes.css"), loadStyle("/css/context.css")]);

/** The letters of a search may come this quickly, in ms. */
const TYPING = 200;

export default function Context() {
  const { rest: selected, query } = useRoute();
  const scope = useScope();
  const prefix = query.prefix ?? "";
  const [news, setNews] = useState(null);
  const latest = useRef();
  latest.current = selected;
  const hear = useCallback((change) => {
    if (change.entry?.key === latest.current) setNews(change);
  }, []);
  const { shown: all, more, reload } = useEntries(scope, prefix, hear);
  const hasOwn = query.own === "1" || isOwnKey(prefix);
  const shown = useMemo(() => (hasOwn ? all : { ...all, rows: all.rows.filter(({ key }) => !isOwnKey(key)) }), [all, hasOwn]);
  const nameOf = useNodeNames(scope.daemon);
  const isNew = query.new === "1";
  const isDown = useStopped(scope) && !selected && !isNew;
  const place = (key, changes) => href("context", key, { ...scopeQuery(scope), prefix, own: query.own, ...changes });
  const narrow = (changes) => go("context", "", { ...scopeQuery(scope), prefix, own: query.own, ...changes }, { replace: true });
  const open = (key) => {
    location.hash = place(key);
  };
  return html`<div class=${cx("view fill", (selected || isNew) && "has-detail")} data-testid="context">
    <header class="view-head">
      <h1>Context</h1>
      <${ScopePicker} view="context" scope=${scope} />
      <a class="btn primary" href=${place("", { new: "1" })} data-testid="context-new"><${Icon} name="plus" />New entry</a>
    </header>
    ${isDown ? html`<div class="panel"><${NotRunning} daemon=${scope.daemon} /></div>` : html`<div class="panes">
      <section class="pane pane-list" aria-label="Keys">
        <div class="pane-tools"><${PrefixSearch} prefix=${prefix} onSearch=${(value) => narrow({ prefix: value })} /></div>
        <div class="pane-note row">
          <${Found} shown=${shown} prefix=${prefix} machine=${scopeName(scope)} />
          <${Check} label="Loopsy's own" checked=${hasOwn} disabled=${isOwnKey(prefix)} onChange=${(isOn) => narrow({ own: isOn ? "1" : "" })} data-testid="context-own" />
        </div>
        <${ErrorLine} error=${shown.error} onRetry=${reload} />
        <${Keys} ...${{ shown, more, selected, prefix, place }} />
      </section>
      ${isNew && html`<${NewEntry} scope=${scope} prefix=${prefix} onMade=${open} onLeave=${() => open("")} />`}
      ${selected && !isNew && html`<${Entry} key=${`${scope.daemon} ${scope.peer} ${selected}`} ...${{ scope, nameOf, news }} entryKey=${selected} onLeave=${() => open("")} />`}
      ${!selected && !isNew && html`<section class="pane pane-none" aria-label="Entry"><${Empty} title="No entry is open">Choose a key to see its value.<//></section>`}
    </div>`}
  </div>`;
}

function useEntries(scope, prefix, onEntry) {
  const [, redraw] = useReducer((number) => number + 1, 0);
  const [followed, setFollowed] = useState(null);
  useEffect(() => {
    const entries = followEntries({ ...scope, prefix, onChange: redraw, onEntry });
    setFollowed(entries);
    return entries.close;
  }, [scope, prefix]);
  const shown = followed?.shown() ?? { rows: [], isLoading: true, isComplete: false, live: { state: "connecting" } };
  return { shown, more: () => followed?.more(), reload: () => followed?.reload() };
}

function PrefixSearch({ prefix, onSearch }) {
  const [typed, setTyped] = useState(prefix);
  useEffect(() => setTyped(prefix), [prefix]);
  useEffect(() => {
    if (typed === prefix) return undefined;
    const timer = setTimeout(() => onSearch(typed), TYPING);
    return () => clearTimeout(timer);
  }, [typed]);
  return html`<${Search} label="Search by the beginning of a key" value=${typed} onInput=${setTyped} data-testid="context-search" />`;
}

function Found({ shown, prefix, machine }) {
  const { rows, isComplete, live } = shown;
  const isKnown = rows.length > 0 || isComplete;
  const number = `${count(rows.length)}${isComplete ? "" : "+"} ${rows.length === 1 ? "key" : "keys"}`;
  const isLost = isKnown && ["waiting", "failed"].includes(live.state);
  return html`<p class="dim grow" role="status">${isKnown ? `${number} on ${machine}${prefix ? " with this prefix" : ""}` : "\u00a0"}
    ${isLost && html` <span class="warn-text">· not live${live.state === "waiting" ? ", trying again" : ""}</span>`}</p>`;
}

function Keys({ shown, more, selected, prefix, place }) {
  const { rows, isLoading, isComplete, error, live } = shown;
  const isPhone = usePhone();
  const isThere = rows.length > 0;
  const isShort = rows.length < 100 && !isComplete && !isLoading && !error;
  useEffect(() => {
    if (isShort) more();
  }, [isShort, shown]);
  const at = useMemo(() => rows.findIndex((entry) => entry.key === selected), [selected, isThere]);
  if (rows.length === 0) {
    if (isLoading && live.state !== "waiting") return html`<${Loading} />`;
    if (isLoading || error) return null;
    return prefix
      ? html`<${Empty} title="No key has this prefix">Keys are looked for by their beginning: <code>build/</code> finds <code>build/status</code>.<//>`
      : html`<${Empty} title="Nothing is stored here" icon="context">Make the first entry, or run <code>loopsy context set build/status green</code>.<//>`;
  }
  const range = (first, last) => {
    if (!isComplete && !isLoading && last > rows.length - 100) more();
  };
  const row = (index) => html`<${KeyRow} entry=${rows[index]} isOpen=${rows[index].key === selected} place=${place} />`;
  return html`<${VirtualList} label="Keys" count=${rows.length} rowHeight=${isPhone ? 44 : 34} row=${row} rowKey=${(index) => rows[index].key} onRange=${range} scrollTo=${at} />`;
}

function KeyRow({ entry, isOpen, place }) {
  return html`<div class=${cx("list-row", isOpen && "open")}>
    <a data-primary class="list-link" href=${place(entry.key)} aria-current=${isOpen ? "true" : undefined}><${Text} mono>${entry.key}<//></a>
    <span class="list-aside dim">${entry.expiresAt ? html`<${TimeLeft} until=${entry.expiresAt} />` : html`<${TimeAgo} ts=${entry.updatedAt} />`}</span>
  </div>`;
}
