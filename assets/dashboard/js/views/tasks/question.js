// Questions of an agent with things to choose among, or words of one's own.

import { html, useId, useState } from "../../lib/ui.js";
import { words } from "./transcript.js";

/** @param {{approval: object, isBusy: boolean, answer: (reply: object) => void}} props */
export function Question({ approval, isBusy, answer }) {
  const questions = Array.isArray(approval.toolInput?.questions) ? approval.toolInput.questions : [];
  const [chosen, setChosen] = useState({});
  const answers = Object.fromEntries(questions.map(({ question }, at) => [words(question), answerOf(chosen[at])]));
  const isWhole = Object.values(answers).every((text) => text.trim() !== "");
  const submit = (event) => {
    event.preventDefault();
    if (isWhole) answer({ approved: true, answers });
  };
  return html`<form class="stack" onSubmit=${submit}>
    ${questions.map((one, at) => html`<${One} key=${at} ...${one} value=${chosen[at]} onChoose=${(value) => setChosen({ ...chosen, [at]: value })} />`)}
    <div class="form-foot"><button type="button" class="btn" disabled=${isBusy} onClick=${() => answer({ approved: false })} data-testid="task-deny">Don't answer</button>
      <button type="submit" class="btn primary" disabled=${isBusy || !isWhole} data-testid="task-answer">Answer</button></div>
  </form>`;
}

/** What was chosen, and what was written, as one text. */
function answerOf({ options = [], other = "" } = {}) {
  return [...options, other.trim()].filter(Boolean).join(", ");
}

function One({ question, header, options, multiSelect, value = { options: [], other: "" }, onChoose }) {
  const name = useId();
  const list = Array.isArray(options) ? options.map((option) => (typeof option === "string" ? { label: option } : option)) : [];
  const choose = (label, isChosen) => {
    if (!multiSelect) return onChoose({ options: [label], other: "" });
    const others = value.options.filter((other) => other !== label);
    return onChoose({ ...value, options: isChosen ? [...others, label] : others });
  };
  const write = (other) => onChoose({ options: multiSelect ? value.options : [], other });
  return html`<fieldset class="question"><legend dir="auto">${header && html`<span class="badge">${words(header)}</span> `}${words(question)}</legend>
    ${list.map(({ label, description }) => html`<label key=${words(label)} class="question-option">
      <input type=${multiSelect ? "checkbox" : "radio"} name=${name} checked=${value.options.includes(words(label))} onChange=${(event) => choose(words(label), event.target.checked)} />
      <span dir="auto">${words(label)}${description && html`<span class="dim small"> ${words(description)}</span>`}</span></label>`)}
    <input type="text" dir="auto" aria-label="Another answer" placeholder=${list.length > 0 ? "Or in your own words" : "Your answer"} value=${value.other} onInput=${(event) => write(event.target.value)} />
  </fieldset>`;
}
