// The answers to a question whether a tool may be used: yes, no with a reason, yes with another input; for how long.

import { Field } from "../../components/field.js";
import { useFirstFocus } from "../../lib/focus.js";
import { visible } from "../../lib/format.js";
import { html, useState } from "../../lib/ui.js";

/** @param {{approval: object, isBusy: boolean, answer: (reply: object) => void, isFar: boolean}} props `isFar`: on a peer */
export function Permission({ approval, isBusy, answer, isFar }) {
  const [form, setForm] = useState("");
  const [memory, setMemory] = useState("");
  const offers = offersOf(approval, isFar);
  const chosen = offers.find((offer) => offer.key === memory);
  const allow = (changes) => answer({ approved: true, ...changes, ...(chosen ? { remember: chosen.remember, suggestion: chosen.id } : {}) });
  if (form === "deny") return html`<${Deny} ...${{ isBusy, answer }} onLeave=${() => setForm("")} />`;
  if (form === "edit") return html`<${EditInput} ...${{ approval, isBusy }} onAllow=${(updatedInput) => allow({ updatedInput })} onLeave=${() => setForm("")} />`;
  return html`${offers.length > 0 && html`<${Field} as="select" label="Remember" value=${memory} onInput=${setMemory}
      hint=${chosen ? `${chosen.isWider ? "This allows more than what is asked here: " : "From then on it may without asking: "}${chosen.label}` : undefined} data-testid="task-remember">
      <option value="">Only this once</option>
      ${offers.map((offer) => html`<option key=${offer.key} value=${offer.key}>${offer.remember === "always" ? "Always" : "For this session"}: ${offer.label}${offer.isWider ? " (allows more)" : ""}</option>`)}
    <//>`}
    <div class="form-foot">
      ${approval.kind === "permission" && html`<button type="button" class="btn quiet" onClick=${() => setForm("edit")} data-testid="task-edit-input">Edit input…</button>`}
      <button type="button" class="btn" disabled=${isBusy} onClick=${() => setForm("deny")} data-testid="task-deny">Deny…</button>
      <button type="button" class="btn primary" disabled=${isBusy} onClick=${() => allow({})} data-testid="task-approve">${approval.kind === "plan" ? "Go ahead" : chosen ? "Allow and remember" : "Allow"}</button>
    </div>`;
}

/** What can be remembered, each suggestion for each time it may be. What is on a peer is never remembered for always. */
function offersOf({ suggestions = [] }, isFar) {
  return suggestions.flatMap(({ id, label, remember, wider }) => {
    const times = remember === "always" && !isFar ? ["session", "always"] : remember === "once" ? [] : ["session"];
    return times.map((time) => ({ key: `${id} ${time}`, id, remember: time, label: visible(label), isWider: wider }));
  });
}

function Deny({ isBusy, answer, onLeave }) {
  const [reason, setReason] = useState("");
  const form = useFirstFocus();
  const submit = (event) => {
    event.preventDefault();
    answer({ approved: false, message: reason.trim() || undefined });
  };
  return html`<form ref=${form} class="stack" onSubmit=${submit} onKeyDown=${(event) => event.key === "Escape" && onLeave()}>
    <${Field} label="Why not? The agent is told" dir="auto" value=${reason} onInput=${setReason} placeholder="Optional" data-first data-testid="task-deny-reason" />
    <div class="form-foot"><button type="button" class="btn" onClick=${onLeave}>Back</button>
      <button type="submit" class="btn danger" disabled=${isBusy} data-testid="task-deny-send">Deny</button></div>
  </form>`;
}

function EditInput({ approval, isBusy, onAllow, onLeave }) {
  const [text, setText] = useState(() => JSON.stringify(approval.toolInput, null, 2));
  const [problem, setProblem] = useState();
  const form = useFirstFocus();
  const submit = (event) => {
    event.preventDefault();
    const { value, error } = objectOf(text);
    setProblem(error);
    if (value) onAllow(value);
  };
  return html`<form ref=${form} class="stack" onSubmit=${submit} onKeyDown=${(event) => event.key === "Escape" && onLeave()}>
    <${Field} as="textarea" label="Input" class="mono-field" rows="8" spellcheck=${false} value=${text} onInput=${setText} error=${problem}
      hint="The whole input, as JSON. Long texts are shown cut here: what you send takes their place." data-first data-testid="task-input" />
    <div class="form-foot"><button type="button" class="btn" onClick=${onLeave}>Back</button>
      <button type="submit" class="btn primary" disabled=${isBusy} data-testid="task-input-send">Allow with this input</button></div>
  </form>`;
}

function objectOf(text) {
  try {
    const value = JSON.parse(text);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return isObject ? { value } : { error: "The input of a tool is an object: { … }." };
  } catch (cause) {
    return { error: `That is not JSON: ${cause.message}` };
  }
}
