// A transcript as it is read: words as Markdown, thoughts and tools folded, questions and ends on a line.

import { Empty, Loading, sentence } from "../../components/basics.js";
import { Icon } from "../../components/icons.js";
import { bytes, count, duration, plural, visible } from "../../lib/format.js";
import { markdown } from "../../lib/markdown.js";
import { useStickToEnd } from "../../lib/stick.js";
import { cx, html, useMemo, useRef, useState } from "../../lib/ui.js";
import { dollars, STATUSES } from "./status.js";
import { summaryOf, Tool } from "./tool.js";
import { words } from "./transcript.js";

/** Items that are drawn, and how many more at a time. */
const DRAWN = 150;
/** Longer prompts are cut until somebody wants them whole. */
const PROMPT_SHOWN = 1000;

/** @param {{task: object, transcript?: object, revision: number, isLoading: boolean}} props */
export function TranscriptView({ task, transcript, revision, isLoading }) {
  const [drawn, setDrawn] = useState(DRAWN);
  const box = useRef();
  const items = transcript?.items ?? [];
  const shown = items.slice(-drawn);
  const hidden = items.length - shown.length;
  useStickToEnd(box, revision, shown[0]?.key);
  return html`<div class="transcript" ref=${box} tabindex="0" role="log" aria-live="off" aria-label="What the agent does" data-testid="task-output">
    ${hidden > 0 && html`<button type="button" class="btn small transcript-more" onClick=${() => setDrawn(drawn + DRAWN)}>Earlier (${count(hidden)})</button>`}
    ${hidden === 0 && task.prompt && html`<${Prompt} text=${task.prompt} />`}
    ${items.length === 0 && (isLoading ? html`<${Loading} />` : html`<${Empty} title=${task.status === "pending" ? "It waits for others to end" : "Nothing came yet"} />`)}
    ${shown.map((item) => html`<${Item} key=${item.key} item=${item} />`)}
  </div>`;
}

function Item({ item }) {
  const Shown = ITEMS[item.kind];
  return useMemo(() => html`<${Shown} ...${item} />`, [item]);
}

const ITEMS = { text: Words, thinking: Thought, tool: Tool, asked: Asked, prompt: Prompt, error: Failure, result: TurnEnd, exit: End, gap: Gap, helper: Helper, system: Others };

function Words({ text }) {
  return html`<div class="md" data-testid="task-text">${markdown(text)}</div>`;
}

function Prompt({ text }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && text.length > PROMPT_SHOWN;
  return html`<div class="said-by-user"><p class="small dim">You</p><p class="break" dir="auto">${isCut ? `${text.slice(0, PROMPT_SHOWN)}…` : text}</p>
    ${isCut && html`<button type="button" class="btn small" onClick=${() => setWhole(true)}>Show all (${bytes(text.length)})</button>`}</div>`;
}

function Thought({ text }) {
  return html`<${Fold} class="thought" summary=${html`<span class="dim">Thought</span> <span class="grow ellipsis dim" dir="auto">${text.trim().slice(0, 160)}</span>`}>
    <p class="break dim" dir="auto">${text}</p>
  <//>`;
}

/** Something folded, whose content is made when it is opened. */
function Fold({ summary, class: extra, children }) {
  const [isOpen, setOpen] = useState(false);
  return html`<details class=${cx("fold", extra)} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${summary}</summary>${isOpen && html`<div class="fold-body">${children}</div>`}
  </details>`;
}

function Asked({ approval, answer }) {
  const what = { question: "Asked something", plan: "Asked about its plan" }[approval.kind] ?? html`Asked to use <bdi>${visible(approval.toolName)}</bdi>`;
  return html`<p class="event-line"><${Icon} name=${answer ? (answer.approved ? "check" : "close") : "warn"} />
    <span>${what} ${approval.kind === "permission" && html`<bdi class="mono dim">${visible(summaryOf(approval.toolInput))}</bdi>`}
    ${answer ? html`<strong> ${outcome(answer, approval.kind)}</strong>${answer.message && html` <bdi class="dim">“${visible(answer.message)}”</bdi>`}${answer.remembered && html` <span class="dim">Remembered: <bdi class="mono">${visible(answer.remembered)}</bdi></span>`}` : html`<strong class="warn-text"> Waits for an answer</strong>`}</span></p>`;
}

function outcome({ approved, by, edited }, kind) {
  if (by === "timeout") return "Denied: nobody answered in time.";
  if (by === "withdrawn") return "Withdrawn by the agent.";
  if (by === "ended") return "The task ended first.";
  const word = approved ? (kind === "question" ? "Answered" : "Allowed") : "Denied";
  return `${word}${edited ? " with another input" : ""} by ${visible(by === "owner" ? "the owner" : by)}.`;
}

function Failure({ message }) {
  return html`<p class="event-line bad-text"><${Icon} name="warn" /><span dir="auto">${sentence(message)}</span></p>`;
}

function TurnEnd({ data }) {
  const facts = [
    typeof data.cost === "number" && dollars(data.cost),
    typeof data.turns === "number" && plural(data.turns, "turn"),
    typeof data.durationMs === "number" && duration(data.durationMs),
  ].filter(Boolean);
  if (data.isError) return html`<${Failure} message=${words(data.result) || "the turn went wrong"} />`;
  return html`<p class="event-line dim small"><span>Turn over${facts.length > 0 ? ` · ${facts.join(" · ")}` : ""}</span></p>`;
}

function End({ data }) {
  const { word = "Ended", kind } = STATUSES[data.status] ?? {};
  return html`<p class=${cx("event-line end-line", kind === "bad" && "bad-text")}><strong>${word}.</strong> <span dir="auto">${data.error ? sentence(words(data.error)) : ""}</span></p>`;
}

function Gap({ upTo }) {
  return html`<p class="event-line dim small"><span>Events up to ${count(upTo)} are no longer kept.</span></p>`;
}

function Helper({ text }) {
  return html`<${Fold} class="nested" summary=${html`<span class="dim">A helper said</span> <span class="grow ellipsis dim" dir="auto">${text.slice(0, 160)}</span>`}><div class="md">${markdown(text)}</div><//>`;
}

function Others({ count: number, events }) {
  return html`<${Fold} summary=${html`<span class="dim small">${plural(number, "other event")}</span>`}>
    <pre class="code-box">${events.map(words).join("\n")}${number > events.length ? "\n…" : ""}</pre>
  <//>`;
}
