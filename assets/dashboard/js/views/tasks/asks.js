// What an agent waits to be told: may it use a tool, is its plan good, what is to be chosen.

import { Countdown, ErrorLine, Text } from "../../components/basics.js";
import { call } from "../../lib/api.js";
import { visible } from "../../lib/format.js";
import { markdown } from "../../lib/markdown.js";
import { html, useLayoutEffect, useRef, useState } from "../../lib/ui.js";
import { Permission } from "./permission.js";
import { Question } from "./question.js";
import { ToolInput } from "./tool.js";
import { words } from "./transcript.js";

/** Code of the API: somebody else has answered, or it was withdrawn. */
const SETTLED = 404;

/** @param {{scope: object, task: object, transcript?: object, onStale: () => void}} props `onStale`: read the task anew */
export function Asks({ scope, task, transcript, onStale }) {
  const box = useRef();
  const open = openOf(task, transcript);
  const focus = useNearFocus(box, open.map((approval) => approval.requestId).join(" "));
  return html`<div ref=${box} ...${focus} tabindex="-1" class="asks" role="region" aria-label="Waiting for your answer" hidden=${open.length === 0} data-testid="task-asks">
    <p class="visually-hidden" role="status">${open.length > 0 ? `${open.length} waiting for your answer` : ""}</p>
    ${open.map((approval) => html`<${AskCard} key=${approval.requestId} ...${{ scope, task, approval }} onSettled=${onStale} />`)}
  </div>`;
}

/** Keeps the focus near when what had it goes with its question; with the last one goes the box. `ids` are those of what is open. */
function useNearFocus(box, ids) {
  const isHere = useRef(false);
  useLayoutEffect(() => {
    const at = document.activeElement;
    const isLost = at === document.body || (ids === "" && box.current.contains(at));
    if (isHere.current && isLost) (ids === "" ? box.current.closest(".pane") : box.current).focus();
    isHere.current &&= ids !== "";
  }, [ids]);
  return {
    onFocusIn: () => {
      isHere.current = true;
    },
    onFocusOut: ({ relatedTarget }) => {
      if (relatedTarget) isHere.current = box.current.contains(relatedTarget);
    },
  };
}

/** Questions without an answer: those of the stream, and those of the task that the stream has not told yet. */
function openOf(task, transcript) {
  const known = new Map((task.pendingApprovals ?? []).map((approval) => [approval.requestId, approval]));
  if (!transcript) return [...known.values()];
  const told = [...transcript.open.values()].map((approval) => known.get(approval.requestId) ?? approval);
  const untold = [...known.values()].filter((approval) => !transcript.asked.has(approval.requestId));
  return [...told, ...untold];
}

function AskCard({ scope, task, approval, onSettled }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const answer = async (reply) => {
    setBusy(true);
    setError(null);
    try {
      const body = { requestId: approval.requestId, ...reply };
      await call("POST", `/ai-tasks/${encodeURIComponent(task.taskId)}/approve`, { ...scope, body });
      onSettled();
    } catch (failure) {
      setError(failure);
      setBusy(false);
      if (failure.status === SETTLED) onSettled();
    }
  };
  return html`<article class="ask" aria-label=${titleOf(approval)} data-testid="task-ask" data-kind=${approval.kind}>
    <header class="ask-head"><h3><${Text}>${titleOf(approval)}<//></h3>
      ${approval.expiresAt && html`<span class="dim small">denied in <${Countdown} until=${approval.expiresAt} /></span>`}</header>
    ${approval.description && html`<p dir="auto" class="break">${approval.description}</p>`}
    ${approval.reason && html`<p dir="auto" class="break dim">${approval.reason}</p>`}
    ${approval.kind === "question"
      ? html`<${Question} ...${{ approval, isBusy, answer }} />`
      : html`<div class="ask-what" tabindex="0" role="group" aria-label="What it wants to do">${approval.kind === "plan" ? html`<div class="md">${markdown(words(approval.toolInput?.plan ?? approval.toolInput))}</div>` : html`<${ToolInput} input=${approval.toolInput} />`}</div>
        <${Permission} ...${{ approval, isBusy, answer }} isFar=${Boolean(scope.peer)} />`}
    <${ErrorLine} error=${error} />
  </article>`;
}

function titleOf({ kind, toolName }) {
  if (kind === "question") return "It asks you to choose";
  if (kind === "plan") return "Is this plan good?";
  return `May it use ${visible(toolName)}?`;
}
