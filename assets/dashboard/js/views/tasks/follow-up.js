// Where an agent is told more, while it works or after.

import { ErrorLine } from "../../components/basics.js";
import { call } from "../../lib/api.js";
import { html, useRef, useState } from "../../lib/ui.js";
import { hasEnded } from "./status.js";

/** @param {{scope: object, task: object, onTold: () => void}} props */
export function FollowUp({ scope, task, onTold }) {
  const [text, setText] = useState("");
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const field = useRef();
  const isOver = hasEnded(task.status);
  const tell = async (event) => {
    event.preventDefault();
    if (text.trim() === "" || isBusy) return;
    setBusy(true);
    setError(null);
    try {
      await call("POST", `/ai-tasks/${encodeURIComponent(task.taskId)}/prompt`, { ...scope, body: { prompt: text } });
      setText("");
      onTold();
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
    field.current?.focus();
  };
  const keyed = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) tell(event);
  };
  return html`<form class="follow-up" onSubmit=${tell} data-testid="task-follow-up">
    <div class="follow-up-line">
      <textarea ref=${field} rows="2" dir="auto" aria-label=${isOver ? "Go on with" : "Tell the agent more"} placeholder=${isOver ? "Go on with…" : "Tell the agent more…"} value=${text}
        onInput=${(event) => setText(event.target.value)} onKeyDown=${keyed} data-testid="task-prompt" />
      <button type="submit" class="btn primary" title="Ctrl+Enter" disabled=${isBusy || text.trim() === ""} data-testid="task-tell">${isOver ? "Go on" : "Tell"}</button>
    </div>
    <${ErrorLine} error=${error} />
  </form>`;
}
