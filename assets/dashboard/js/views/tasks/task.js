// One task: what it is, what it does, what it asks, and a way to tell it more.

import { Empty, ErrorLine, IconButton, Loading, Status, Text, TimeAgo } from "../../components/basics.js";
import { ask } from "../../components/dialog.js";
import { Menu } from "../../components/menu.js";
import { attempt } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { count, duration, plural, visible } from "../../lib/format.js";
import { html, useEffect, useReducer, useState } from "../../lib/ui.js";
import { Asks } from "./asks.js";
import { followTask } from "./follow.js";
import { FollowUp } from "./follow-up.js";
import { dollars, hasEnded, MODES, STATUSES, taskTitle, tokens } from "./status.js";
import { TranscriptView } from "./transcript-view.js";

/**
 * @param {{scope: object, id: string, listed?: object, reload: () => void, onLeave: () => void}} props
 *   `listed` is the task as the list has it, by which its going on is noticed
 */
export function Task({ scope, id, listed, reload, onLeave }) {
  const followed = useFollowed(scope, id);
  useEffect(() => {
    if (!followed || !listed) return;
    followed.read();
    if (!hasEnded(listed.status)) followed.resume();
  }, [followed, listed?.status, listed?.updatedAt]);
  const { task = listed, error, live, transcript, revision } = followed?.shown() ?? { live: { state: "connecting" } };
  const isGone = error?.status === 404;
  const again = () => {
    followed.resume();
    followed.read();
    reload();
  };
  return html`<section class="pane" tabindex="-1" aria-label="Task" data-testid="task">
    <header class="pane-head">
      <${IconButton} icon="back" label="Back to the tasks" class="btn quiet icon-only pane-back" onClick=${onLeave} />
      <h2><${Text}>${task ? taskTitle(task) : "Task"}<//></h2>
      ${task && !isGone && html`<${Actions} ...${{ scope, task, onLeave, reload }} />`}
    </header>
    ${isGone ? html`<${Empty} title="This task is no longer there" icon="tasks">It was deleted, or it is another machine's.<//>` : html`<${ErrorLine} error=${error} onRetry=${() => followed.retry()} />`}
    ${task && !isGone && html`<${Head} task=${task} live=${live} />
      <${TranscriptView} ...${{ task, transcript, revision }} isLoading=${live.state === "connecting"} />
      <${Asks} ...${{ scope, task, transcript }} onStale=${() => followed.read()} />
      ${!task.watched && html`<${FollowUp} ...${{ scope, task }} onTold=${again} />`}`}
    ${!task && !error && html`<${Loading} />`}
  </section>`;
}

function useFollowed(scope, id) {
  const [, redraw] = useReducer((number) => number + 1, 0);
  const [followed, setFollowed] = useState(null);
  useEffect(() => {
    const task = followTask({ scope, id, onChange: redraw });
    setFollowed(task);
    return task.close;
  }, [scope, id]);
  return followed;
}

function Actions({ scope, task, onLeave, reload }) {
  const path = `/ai-tasks/${encodeURIComponent(task.taskId)}`;
  const isOver = hasEnded(task.status);
  const interrupt = () => attempt(() => call("POST", `${path}/interrupt`, scope), "The agent is told to stop");
  const end = async () => {
    const question = isOver
      ? { title: "Delete this task?", text: "All that is kept of it goes: what it did, what it said.", action: "Delete", danger: true }
      : { title: "Cancel this task?", text: "Its agent and all that it started are ended.", action: "Cancel the task", danger: true };
    if (!(await ask(question))) return;
    const done = await attempt(() => call("DELETE", `${path}?ended=${isOver}`, scope), isOver ? "The task is deleted" : "The task is cancelled");
    reload();
    if (done && isOver) onLeave();
  };
  const items = [{ label: isOver ? "Delete…" : "Cancel the task…", danger: true, onSelect: end }];
  return html`${!isOver && !task.watched && html`<button type="button" class="btn" onClick=${interrupt} data-testid="task-interrupt">Interrupt</button>`}
    <${Menu} icon="more" label="More" items=${items} />`;
}

function Head({ task, live }) {
  const { kind, word } = STATUSES[task.status] ?? { word: visible(task.status) };
  const isLost = live.state === "waiting";
  const worked = (task.completedAt ?? 0) - task.startedAt;
  return html`<details class="task-head">
    <summary>
      <span role="status" data-testid="task-status" data-status=${task.status}><${Status} kind=${kind}>${word}<//></span>
      <span class="dim">${visible(task.agent)}${task.model ? ` · ${visible(task.model)}` : ""}</span>
      ${task.cost !== undefined && html`<span class="num" title="What it cost, as the agent says">${dollars(task.cost)}</span>`}
      ${task.turns !== undefined && html`<span class="dim num">${plural(task.turns, "turn")}</span>`}
      ${isLost && html`<span class="warn-text">not live, trying again</span>`}
    </summary>
    <dl class="facts">
      <div><dt>Folder</dt><dd><bdi class="mono">${visible(task.cwd)}</bdi></dd></div>
      <div><dt>Mode</dt><dd>${MODES.find(([id]) => id === task.permissionMode)?.[1] ?? visible(task.permissionMode)}</dd></div>
      <div><dt>Dispatched</dt><dd><${TimeAgo} ts=${task.startedAt} />${task.peer && html` by <${Text}>${task.peer}<//>`}</dd></div>
      ${worked > 0 && html`<div><dt>Took</dt><dd class="num">${duration(worked)}</dd></div>`}
      ${tokens(task.usage).map(([name, number]) => html`<div key=${name}><dt>${visible(name)}</dt><dd class="num">${count(number)}</dd></div>`)}
      ${task.pid && html`<div><dt>Process</dt><dd class="num">${task.pid}</dd></div>`}
      ${task.sessionId && html`<div><dt>Session</dt><dd><bdi class="mono">${visible(task.sessionId)}</bdi></dd></div>`}
      <div><dt>Task</dt><dd><bdi class="mono">${task.taskId}</bdi></dd></div>
    </dl>
  </details>`;
}
