// AI Tasks: those of a machine, live; one beside them with all that it does, and the answers that it waits for.

import { Empty, ErrorLine, Loading, Status, Text, TimeAgo } from "../components/basics.js";
import { Icon } from "../components/icons.js";
import { ScopePicker, scopeName, scopeQuery, useScope, useStopped } from "../components/scope.js";
import { NotRunning } from "../components/screens.js";
import { VirtualList } from "../components/virtual-list.js";
import { plural, visible } from "../lib/format.js";
import { usePhone } from "../lib/media.js";
import { useResource } from "../lib/resources.js";
import { href, useRoute } from "../lib/router.js";
import { loadStyle } from "../lib/style.js";
import { cx, html, useState } from "../lib/ui.js";
import { Dispatch } from "./tasks/dispatch.js";
import { STATUSES, taskTitle } from "./tasks/status.js";
import { Task } from "./tasks/task.js";

await Promise.all([loadStyle("/css/panes.css"), loadStyle("/css/tasks.css")]);

export default function Tasks() {
  const { rest: selected } = useRoute();
  const scope = useScope();
  const { data, error, loading, reload } = useResource("tasks", scope.daemon, scope.peer);
  const [isDispatching, setDispatching] = useState(false);
  const isDown = useStopped(scope) && !selected;
  const place = (id) => href("tasks", id, scopeQuery(scope));
  const tasks = data?.tasks ?? [];
  const open = (id) => {
    reload();
    location.hash = place(id);
  };
  return html`<div class=${cx("view fill", selected && "has-detail")} data-testid="tasks">
    <header class="view-head">
      <h1>AI Tasks</h1>
      <${ScopePicker} view="tasks" scope=${scope} />
      <button type="button" class="btn primary" onClick=${() => setDispatching(true)} data-testid="task-new"><${Icon} name="plus" />New task</button>
    </header>
    ${isDown ? html`<div class="panel"><${NotRunning} daemon=${scope.daemon} /></div>` : html`<div class="panes">
      <section class="pane pane-list" aria-label="Tasks">
        <${ErrorLine} error=${error} onRetry=${reload} />
        <${List} ...${{ tasks, loading, error, selected, place }} machine=${scopeName(scope)} />
      </section>
      ${selected
        ? html`<${Task} key=${`${scope.daemon} ${scope.peer} ${selected}`} ...${{ scope, reload }} id=${selected} listed=${tasks.find((task) => task.taskId === selected)} onLeave=${() => open("")} />`
        : html`<section class="pane pane-none" aria-label="Task"><${Empty} title="No task is open" icon="tasks">Choose one to watch what its agent does and to answer what it asks.<//></section>`}
    </div>`}
    ${isDispatching && html`<${Dispatch} scope=${scope} onClose=${() => setDispatching(false)} onDone=${(chosen, id) => {
      setDispatching(false);
      reload();
      location.hash = href("tasks", id, scopeQuery(chosen));
    }} />`}
  </div>`;
}

function List({ tasks, loading, error, selected, place, machine }) {
  const isPhone = usePhone();
  if (tasks.length === 0) {
    if (loading) return html`<${Loading} />`;
    if (error) return null;
    return html`<${Empty} title="No tasks yet" icon="tasks">Put a coding agent to work with New task, or run <code>loopsy task run "Run the tests"</code>.<//>`;
  }
  const waiting = tasks.reduce((sum, task) => sum + task.pendingApprovals.length, 0);
  const row = (index) => html`<${TaskRow} task=${tasks[index]} isOpen=${tasks[index].taskId === selected} address=${place(tasks[index].taskId)} />`;
  return html`<p class="pane-note dim" role="status">${plural(tasks.length, "task")} on ${machine}${waiting > 0 && html` · <strong class="warn-text">${plural(waiting, "question")} waiting</strong>`}</p>
    <${VirtualList} label="Tasks" count=${tasks.length} rowHeight=${isPhone ? 62 : 52} rowKey=${(index) => tasks[index].taskId} row=${row} />`;
}

function TaskRow({ task, isOpen, address }) {
  const { kind, word } = STATUSES[task.status] ?? { word: visible(task.status) };
  return html`<div class=${cx("list-row", isOpen && "open")}>
    <div class="grow list-two">
      <div class="list-line"><a data-primary class="list-link" href=${address} aria-current=${isOpen ? "true" : undefined}><${Text}>${taskTitle(task)}<//></a></div>
      <div class="list-line small dim">
        <${Status} kind=${kind}>${word}<//><span class="grow ellipsis">${visible(task.agent)}${task.peer ? ` for ${visible(task.peer)}` : ""}</span>
        <span class="list-aside"><${TimeAgo} ts=${task.updatedAt} /></span>
      </div>
    </div>
  </div>`;
}
