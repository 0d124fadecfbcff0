// Where a message is written.

import { ErrorLine, IconButton } from "../../components/basics.js";
import { ask } from "../../components/dialog.js";
import { toast } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { html, useEffect, useRef, useState } from "../../lib/ui.js";
import { excerpt } from "./letter.js";
import { EVERYBODY } from "./threads.js";

/** Kinds of messages that people write. */
const KINDS = [["chat", "Note"], ["request", "Request"], ["response", "Response"]];

/** @param {{daemon: string, to: string, answered: object|null, onForget: () => void}} props `answered` is the row that is answered */
export function Compose({ daemon, to, answered, onForget }) {
  const [text, setText] = useState("");
  const [subject, setSubject] = useState("");
  const [kind, setKind] = useState("chat");
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const field = useRef();
  const isToAll = to === EVERYBODY;
  useEffect(() => {
    if (!answered) return;
    setKind(answered.letter.type === "request" ? "response" : "chat");
    field.current.focus();
  }, [answered]);
  const send = async (event) => {
    event.preventDefault();
    if (text.trim() === "" || isBusy) return;
    if (isToAll && !(await ask({ title: "Send to every paired machine?", text: "Each of them gets this message.", action: "Send to all" }))) return;
    setBusy(true);
    setError(null);
    try {
      const body = { to, body: text, type: isToAll ? undefined : kind, subject: subject.trim() || undefined, replyTo: answered?.id };
      const { to: recipients } = await call("POST", "/messages", { daemon, body });
      if (recipients.some((recipient) => recipient.state === "queued")) toast("Kept until the machine can be reached");
      setText("");
      setSubject("");
      onForget();
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
    field.current?.focus();
  };
  const keyed = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
    if (event.key === "Escape" && answered) onForget();
  };
  return html`<form class="compose" onSubmit=${send} data-testid="compose">
    ${answered && html`<p class="compose-answer small"><span class="dim">Answers</span> <bdi class="grow ellipsis">${excerpt(answered.letter)}</bdi>
      <${IconButton} icon="close" label="Answer nothing" onClick=${onForget} /></p>`}
    <div class="compose-line">
      ${!isToAll && html`<select aria-label="Kind" value=${kind} onChange=${(event) => setKind(event.target.value)}>${KINDS.map(([id, word]) => html`<option key=${id} value=${id}>${word}</option>`)}</select>`}
      <input type="text" aria-label="Subject" placeholder="Subject (optional)" maxlength="1024" dir="auto" autocomplete="off" value=${subject} onInput=${(event) => setSubject(event.target.value)} />
    </div>
    <div class="compose-line">
      <textarea ref=${field} rows="3" dir="auto" aria-label=${isToAll ? "Message to everybody" : "Message"} placeholder=${isToAll ? "Message to every paired machine" : "Message"} value=${text}
        onInput=${(event) => setText(event.target.value)} onKeyDown=${keyed} data-testid="compose-text" />
      <button type="submit" class="btn primary" title="Ctrl+Enter" disabled=${isBusy || text.trim() === ""} data-testid="compose-send">${isToAll ? "Send to all" : "Send"}</button>
    </div>
    <${ErrorLine} error=${error} />
  </form>`;
}
