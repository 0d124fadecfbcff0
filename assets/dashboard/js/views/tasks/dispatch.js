// A new task: for which machine and agent, what it is to do, and within which bounds.

import { ErrorLine } from "../../components/basics.js";
import { Dialog } from "../../components/dialog.js";
import { Field } from "../../components/field.js";
import { DaemonPicker, PeerPicker } from "../../components/pickers.js";
import { call } from "../../lib/api.js";
import { useFirstFocus } from "../../lib/focus.js";
import { html, useState } from "../../lib/ui.js";
import { MODES } from "./status.js";

/** Agents that Loopsy knows; others may be configured. */
const AGENTS = ["claude", "gemini", "opencode", "codex"];
const MINUTE = 60_000;
const EMPTY = { prompt: "", agent: "", cwd: "", permissionMode: "default", model: "", maxBudgetUsd: "", minutes: "", name: "" };

/** @param {{scope: object, onClose: () => void, onDone: (scope: object, taskId: string) => void}} props */
export function Dispatch({ scope, onClose, onDone }) {
  const [target, setTarget] = useState(scope);
  const [values, setValues] = useState(EMPTY);
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const form = useFirstFocus();
  const field = (name) => ({ name, value: values[name], onInput: (value) => setValues((before) => ({ ...before, [name]: value })) });
  const problems = problemsOf(values);
  const submit = async () => {
    if (isBusy || values.prompt.trim() === "" || Object.keys(problems).length > 0) return;
    setBusy(true);
    setError(null);
    try {
      const { taskId } = await call("POST", "/ai-tasks", { ...target, body: bodyOf(values) });
      onDone(target, taskId);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const actions = html`<button type="button" class="btn" onClick=${onClose}>Cancel</button>
    <button type="submit" class="btn primary" disabled=${isBusy || values.prompt.trim() === ""} data-testid="task-dispatch">Dispatch</button>`;
  return html`<${Dialog} title="New task" wide onClose=${onClose} onSubmit=${submit} actions=${actions} testid="task-form">
    <div class="form-grid" ref=${form}>
      <div class="form-wide row wrap">
        <${DaemonPicker} value=${target.daemon} onChange=${(daemon) => setTarget({ daemon, peer: undefined })} />
        <${PeerPicker} daemon=${target.daemon} value=${target.peer ?? ""} onChange=${(peer) => setTarget({ ...target, peer: peer || undefined })} />
      </div>
      <${Field} as="textarea" class="form-wide" label="Prompt" rows="5" dir="auto" required data-first ...${field("prompt")} />
      <${Field} label="Agent" list="agents" placeholder="claude" ...${field("agent")} />
      <datalist id="agents">${AGENTS.map((agent) => html`<option key=${agent} value=${agent} />`)}</datalist>
      <${Field} label="Folder" class="mono-field" placeholder="~" hint="On that machine; its home folder unless given." ...${field("cwd")} />
      <${Field} as="select" label="What it may do" ...${field("permissionMode")}>
        ${MODES.map(([mode, words]) => html`<option key=${mode} value=${mode}>${words}</option>`)}
      <//>
      <${Field} label="Model" placeholder="The agent's choice" ...${field("model")} />
      <${Field} label="Budget ($)" inputmode="decimal" placeholder="No limit" error=${problems.maxBudgetUsd} ...${field("maxBudgetUsd")} />
      <${Field} label="Time (minutes)" inputmode="decimal" placeholder="As configured" error=${problems.minutes} hint="0 for no limit." ...${field("minutes")} />
      <${Field} class="form-wide" label="Name" maxlength="100" placeholder="The first line of the prompt" ...${field("name")} />
    </div>
    <${ErrorLine} error=${error} />
  <//>`;
}

function problemsOf({ maxBudgetUsd, minutes }) {
  const problems = {};
  if (maxBudgetUsd !== "" && !(Number(maxBudgetUsd) > 0)) problems.maxBudgetUsd = "A number of dollars above 0.";
  if (minutes !== "" && !(Number(minutes) >= 0)) problems.minutes = "A number of minutes.";
  return problems;
}

function bodyOf({ prompt, permissionMode, maxBudgetUsd, minutes, ...texts }) {
  const given = Object.entries(texts).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value !== "");
  return {
    prompt,
    permissionMode,
    ...Object.fromEntries(given),
    maxBudgetUsd: maxBudgetUsd === "" ? undefined : Number(maxBudgetUsd),
    timeout: minutes === "" ? undefined : Math.round(Number(minutes) * MINUTE),
  };
}
