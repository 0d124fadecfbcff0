// The use of a tool: what went in, as text or as a difference, and what came of it.

import { Icon } from "../../components/icons.js";
import { bytes, visible, visibleLines } from "../../lib/format.js";
import { cx, html, useState } from "../../lib/ui.js";
import { words } from "./transcript.js";

/** Longer results are cut until somebody wants them whole. */
const SHOWN = 8000;
/** Inputs that say most about a use, the best first. */
const TELLING = ["command", "file_path", "path", "pattern", "url", "query", "description", "prompt"];

/** What a tool is used on, on one line. */
export function summaryOf(input) {
  return tellingOf(input).slice(0, 200).replace(/\s+/g, " ");
}

function tellingOf(input) {
  if (input === null || typeof input !== "object") return words(input);
  const key = [...TELLING, ...Object.keys(input)].find((name) => typeof input[name] === "string");
  if (key) return input[key];
  return Object.keys(input).length > 0 ? JSON.stringify(input) : "";
}

/** An item of a transcript: folded, its content made when it is opened. */
export function Tool({ name, input, result, isNested }) {
  const [isOpen, setOpen] = useState(false);
  const icon = result ? (result.isError ? "warn" : "check") : "right";
  return html`<details class=${cx("fold tool", isNested && "nested", result?.isError && "failed")} onToggle=${(event) => setOpen(event.currentTarget.open)} data-testid="task-tool">
    <summary><${Icon} name=${icon} /><strong>${visible(name)}</strong> <bdi class="grow ellipsis mono dim">${visible(summaryOf(input))}</bdi>
      <span class="dim small nowrap">${result ? (result.isError ? html`<span class="bad-text">failed</span>` : bytes(result.content.length)) : "at work…"}</span></summary>
    ${isOpen && html`<div class="fold-body">
      <${ToolInput} input=${input} />
      ${result && html`<p class="small dim">${result.isError ? "What went wrong" : "What came of it"}</p><${Long} text=${result.content} />`}
    </div>`}
  </details>`;
}

/** The input of a tool: commands and texts as they are, edits as differences, the rest as JSON. */
export function ToolInput({ input }) {
  if (input === null || typeof input !== "object" || Array.isArray(input)) return html`<${Long} text=${words(input)} />`;
  const { command, old_string: before, new_string: after, content, edits, ...rest } = input;
  const parts = [];
  if (typeof command === "string") parts.push(html`<${Long} text=${command} />`);
  if (typeof before === "string" && typeof after === "string") parts.push(html`<${Difference} before=${before} after=${after} />`);
  if (Array.isArray(edits)) parts.push(...edits.map((edit) => html`<${Difference} before=${words(edit?.old_string)} after=${words(edit?.new_string)} />`));
  if (typeof content === "string") parts.push(html`<${Difference} before="" after=${content} />`);
  if (parts.length === 0) return html`<${Long} text=${words(input)} />`;
  const others = Object.entries(rest);
  return html`${others.length > 0 && html`<dl class="facts small">${others.map(([key, value]) => html`<div key=${key}><dt>${visible(key)}</dt><dd><bdi>${visible(words(value))}</bdi></dd></div>`)}</dl>`}${parts}`;
}

function Long({ text }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && text.length > SHOWN;
  return html`<pre class="code-box">${visibleLines(isCut ? text.slice(0, SHOWN) : text)}${text === "" && html`<span class="dim">(nothing)</span>`}</pre>
    ${isCut && html`<button type="button" class="btn small" onClick=${() => setWhole(true)}>Show all (${bytes(text.length)})</button>`}`;
}

/** What goes and what comes, line by line, with what stays around it. */
function Difference({ before, after }) {
  const [old, now] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const same = (lines) => lines.map((line) => html`<span>${`  ${line}\n`}</span>`);
  return html`<pre class="code-box diff">${same(now.slice(0, head))}${old.slice(head, old.length - tail).map((line) => html`<del>${`- ${line}\n`}</del>`)}${now.slice(head, now.length - tail).map((line) => html`<ins>${`+ ${line}\n`}</ins>`)}${same(now.slice(now.length - tail))}</pre>`;
}

function linesOf(text) {
  return text === "" ? [] : visibleLines(text).replace(/\n$/, "").split("\n");
}
