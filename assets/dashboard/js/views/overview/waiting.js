// What agents ask and nobody has answered yet.

import { Countdown, Text } from "../../components/basics.js";
import { href } from "../../lib/router.js";
import { html } from "../../lib/ui.js";

/** The questions that wait, oldest first; nothing where there are none. */
export function Waiting({ fleet }) {
  const questions = [...fleet.approvals].sort((a, b) => a.approval.timestamp - b.approval.timestamp);
  if (questions.length === 0) return null;
  return html`<section class="panel waiting" aria-labelledby="waiting-title" data-testid="waiting">
    <header class="panel-head"><h2 id="waiting-title">Waiting for your answer</h2></header>
    <ul>${questions.map((question) => html`<${Question} key=${question.approval.requestId} ...${question} />`)}</ul>
  </section>`;
}

function Question({ daemon, peer, task, approval }) {
  const place = { daemon: daemon === "main" ? "" : daemon, peer };
  const what = approval.description ?? summary(approval.toolInput);
  return html`<li class="waiting-row">
    <div class="grow">
      <p class="row"><strong class="waiting-tool ellipsis"><${Text}>${approval.toolName}<//></strong><${Text} class="mono grow">${what}<//></p>
      <p class="row small dim"><${Text}>${`${task.agent}${peer ? ` on ${peer}` : ""}: ${task.name ?? task.prompt}`}<//></p>
    </div>
    ${approval.expiresAt && html`<span class="small dim nowrap" title="Denied unless answered">No in <${Countdown} until=${approval.expiresAt} /></span>`}
    <a class="btn primary" href=${href("tasks", task.taskId, place)} aria-label=${`Answer ${task.agent} about ${approval.toolName}`}>Answer</a>
  </li>`;
}

function summary(input) {
  if (input === null || typeof input !== "object") return String(input ?? "");
  return String(input.command ?? input.file_path ?? input.url ?? JSON.stringify(input));
}
