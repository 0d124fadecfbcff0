// A new terminal: the shell of a machine, or a command.

import { ErrorLine } from "../../components/basics.js";
import { Dialog } from "../../components/dialog.js";
import { Field } from "../../components/field.js";
import { call } from "../../lib/api.js";
import { useFirstFocus } from "../../lib/focus.js";
import { html, useState } from "../../lib/ui.js";
import { wordsOf } from "./words.js";

/** @param {{scope: object, machine: string, onClose: () => void, onDone: (id: string) => void}} props */
export function NewTerminal({ scope, machine, onClose, onDone }) {
  const [values, setValues] = useState({ line: "", cwd: "", name: "" });
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const form = useFirstFocus();
  const field = (name) => ({ name, value: values[name], onInput: (value) => setValues((before) => ({ ...before, [name]: value })) });
  const submit = async () => {
    if (isBusy) return;
    setBusy(true);
    setError(null);
    try {
      const [command, ...args] = wordsOf(values.line);
      const body = { command, args: command ? args : undefined, cwd: values.cwd.trim() || undefined, name: values.name.trim() || undefined };
      const { terminalId } = await call("POST", "/terminals", { ...scope, body });
      onDone(terminalId);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const actions = html`<button type="button" class="btn" onClick=${onClose}>Cancel</button>
    <button type="submit" class="btn primary" disabled=${isBusy} data-testid="terminal-open">Open</button>`;
  return html`<${Dialog} title=${`New terminal on ${machine}`} onClose=${onClose} onSubmit=${submit} actions=${actions} testid="terminal-form">
    <div class="stack" ref=${form}>
      <${Field} label="Command" class="mono-field" placeholder="The login shell" hint="A program with its arguments; quotes hold words together." data-first ...${field("line")} />
      <${Field} label="Folder" class="mono-field" placeholder="~" ...${field("cwd")} />
      <${Field} label="Name" placeholder="What you call it" ...${field("name")} />
    </div>
    <${ErrorLine} error=${error} />
  <//>`;
}
