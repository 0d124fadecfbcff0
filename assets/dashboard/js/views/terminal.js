// Terminal: those of a machine, and the ones that are looked at, side by side as tabs.

import { Empty, ErrorLine, IconButton, Loading, Status, Text, TimeAgo } from "../components/basics.js";
import { ask } from "../components/dialog.js";
import { Icon } from "../components/icons.js";
import { ScopePicker, scopeName, scopeQuery, useScope, useStopped } from "../components/scope.js";
import { NotRunning } from "../components/screens.js";
import { Table } from "../components/table.js";
import { attempt } from "../components/toast.js";
import { call } from "../lib/api.js";
import { visible } from "../lib/format.js";
import { useResource } from "../lib/resources.js";
import { href, useRoute } from "../lib/router.js";
import { loadStyle } from "../lib/style.js";
import { cx, html, useEffect, useState } from "../lib/ui.js";
import { NewTerminal } from "./terminal/new-terminal.js";
import { endOf, Screen } from "./terminal/screen.js";

await Promise.all(["/vendor/xterm.css", "/css/panes.css", "/css/terminal.css"].map(loadStyle));

/** Terminals that are looked at, on any machine; they stay when the view is left and come back with it. */
let kept = [];

export default function Terminals() {
  const { rest: selected } = useRoute();
  const scope = useScope();
  const { data, error, loading, reload } = useResource("terminals", scope.daemon, scope.peer);
  const [attached, setAttached] = useState(kept);
  const [isOpening, setOpening] = useState(false);
  const isDown = useStopped(scope) && !selected;
  const terminals = data?.terminals ?? [];
  const place = (id) => href("terminal", id, scopeQuery(scope));
  const keep = (tabs) => {
    kept = tabs;
    setAttached(tabs);
  };
  useEffect(() => {
    if (selected && !attached.some((tab) => isTab(tab, scope, selected))) keep([...attached, { scope, id: selected }]);
  }, [selected, scope]);
  const leave = (tab) => {
    keep(attached.filter((other) => other !== tab));
    if (isTab(tab, scope, selected)) location.hash = place("");
  };
  const end = async (tab) => {
    const known = terminals.find((terminal) => isTab(tab, scope, terminal.terminalId));
    if (!(await endTerminal(tab, known))) return;
    const open = attached.find((other) => isTab(other, tab.scope, tab.id));
    if (open) leave(open);
    reload();
  };
  const open = (id) => {
    setOpening(false);
    reload();
    location.hash = place(id);
  };
  return html`<div class=${cx("view fill terminals", selected && "has-detail")} data-testid="terminals">
    <header class="view-head">
      <h1>Terminal</h1>
      <${ScopePicker} view="terminal" scope=${scope} />
      <button type="button" class="btn primary" onClick=${() => setOpening(true)} data-testid="terminal-new"><${Icon} name="plus" />New terminal</button>
    </header>
    ${attached.length > 0 && html`<${Tabs} ...${{ attached, scope, selected, terminals }} overview=${place("")} onLeave=${leave} />`}
    ${isDown && html`<div class="panel"><${NotRunning} daemon=${scope.daemon} /></div>`}
    <${ErrorLine} error=${selected || isDown ? undefined : error} onRetry=${reload} />
    ${!selected && !isDown && html`<${List} ...${{ terminals, loading, error, place }} machine=${scopeName(scope)} onEnd=${(id) => end({ scope, id })} />`}
    ${attached.map((tab) => html`<${Screen} key=${`${tab.scope.daemon} ${tab.scope.peer} ${tab.id}`} ...${tab} isShown=${isTab(tab, scope, selected)}
      terminal=${terminals.find((terminal) => isTab(tab, scope, terminal.terminalId))} onDetach=${() => leave(tab)} onEnd=${() => end(tab)} onNew=${() => setOpening(true)}
      onTitle=${(title) => {
        tab.title = title;
        setAttached([...kept]);
      }} />`)}
    ${isOpening && html`<${NewTerminal} scope=${scope} machine=${scopeName(scope)} onClose=${() => setOpening(false)} onDone=${open} />`}
  </div>`;
}

function isTab(tab, { daemon, peer }, id) {
  return tab.id === id && tab.scope.daemon === daemon && tab.scope.peer === peer;
}

async function endTerminal({ scope, id }, known) {
  const question = { title: "End this terminal?", text: "Its program and all that it started are ended.", action: "End it", danger: true };
  const hasExited = known?.status === "exited";
  if (!hasExited && !(await ask(question))) return false;
  const ended = call("DELETE", `/terminals/${encodeURIComponent(id)}`, scope).catch((error) => {
    if (error.status !== 404) throw error;
    return true;
  });
  return (await attempt(() => ended, hasExited ? "The terminal is removed" : "The terminal is ended")) !== undefined;
}

/** What a terminal is called. */
function titleOf(terminal, tab) {
  return tab?.title || terminal?.name || terminal?.title || [terminal?.command, ...(terminal?.args ?? [])].filter(Boolean).join(" ") || tab?.id.slice(0, 8) || "";
}

function Tabs({ attached, scope, selected, terminals, overview, onLeave }) {
  return html`<nav class="tabs" aria-label="Open terminals">
    <a class=${cx("tab", !selected && "open")} href=${overview} aria-current=${selected ? undefined : "page"}>All</a>
    ${attached.map((tab) => {
      const isOpen = isTab(tab, scope, selected);
      const title = titleOf(terminals.find((terminal) => isTab(tab, scope, terminal.terminalId)), tab);
      return html`<span key=${`${tab.scope.daemon} ${tab.scope.peer} ${tab.id}`} class=${cx("tab", isOpen && "open")}>
        <a href=${href("terminal", tab.id, scopeQuery(tab.scope))} aria-current=${isOpen ? "page" : undefined}><${Text}>${tab.scope.peer ? `${tab.scope.peer}: ${title}` : title}<//></a>
        <${IconButton} icon="close" label=${`Detach ${visible(title)}`} onClick=${() => onLeave(tab)} /></span>`;
    })}
  </nav>`;
}

function List({ terminals, loading, error, place, machine, onEnd }) {
  if (terminals.length === 0) {
    if (loading) return html`<${Loading} />`;
    if (error) return null;
    return html`<${Empty} title=${`No terminals on ${machine}`} icon="terminal">Open one with New terminal. It lives on when you leave, until it is ended.<//>`;
  }
  const columns = [
    { id: "title", label: "Terminal", cell: (row) => html`<a href=${place(row.terminalId)} data-testid="terminal-attach"><${Text}>${titleOf(row)}<//></a>` },
    { id: "state", label: "State", class: "term-state", cell: (row) => html`<${Status} kind=${row.status === "running" ? "ok" : ""}>${row.status === "running" ? "Runs" : endOf(row)}<//>` },
    { id: "cwd", label: "Folder", hide: "tablet", cell: (row) => html`<${Text} mono class="dim">${row.cwd}<//>` },
    { id: "size", label: "Size", hide: "tablet", class: "num term-number", cell: (row) => `${row.cols}×${row.rows}` },
    { id: "clients", label: "Viewers", hide: "phone", class: "num term-number", cell: (row) => row.clients },
    { id: "used", label: "Used", hide: "phone", class: "term-used", cell: (row) => html`<${TimeAgo} ts=${row.lastUsed} />` },
    { id: "end", label: "End", unseen: true, class: "num term-end", cell: (row) => html`<${EndButton} row=${row} onEnd=${onEnd} />` },
  ];
  return html`<div class="panel"><${Table} columns=${columns} rows=${terminals} rowKey=${(row) => row.terminalId} caption=${`Terminals on ${machine}`} testid="terminal-list" /></div>`;
}

function EndButton({ row, onEnd }) {
  const word = row.status === "running" ? "End…" : "Remove";
  return html`<button type="button" class="btn small" aria-label=${`${word} ${visible(titleOf(row))}`} onClick=${() => onEnd(row.terminalId)}>${word}</button>`;
}
