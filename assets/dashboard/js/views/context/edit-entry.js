// Editing of an entry that writes only over what its user has seen; where somebody else was quicker, both are shown.

import { ErrorLine, Text, TimeAgo } from "../../components/basics.js";
import { Field } from "../../components/field.js";
import { toast } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { useFirstFocus } from "../../lib/focus.js";
import { html, useState } from "../../lib/ui.js";
import { CONFLICT, entryPath } from "./entries.js";

/** The seconds that were entered, undefined for none. */
export function secondsOf(text) {
  return text.trim() === "" ? undefined : Number(text);
}

/** What is wrong with the seconds, if anything. */
export function secondsError(text) {
  const seconds = secondsOf(text);
  return seconds === undefined || seconds > 0 ? undefined : "A number of seconds above 0, or nothing for no end.";
}

/**
 * @param {{scope: object, entry: object, gone: string, nameOf: (nodeId: string) => string, onDone: (saved?: object) => void}} props
 *   `entry` as it is now, which may become another meanwhile; `gone` says that it is no more
 */
export function EditEntry({ scope, entry, gone, nameOf, onDone }) {
  const [base, setBase] = useState(entry);
  const [text, setText] = useState(entry.value ?? "");
  const [ttl, setTtl] = useState(entry.ttl ? String(entry.ttl) : "");
  const [theirs, setTheirs] = useState(null);
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const form = useFirstFocus();
  const isOld = entry.version > base.version;
  const write = async (condition) => {
    setBusy(true);
    setError(null);
    try {
      const saved = await call("PUT", entryPath(base.key), { ...scope, headers: condition, body: { value: text, ttl: secondsOf(ttl) } });
      toast("The entry is written");
      onDone({ ...saved, value: text });
    } catch (failure) {
      if (failure.code === CONFLICT && failure.details?.version) setTheirs(failure.details);
      else setError(failure);
      setBusy(false);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    if (!secondsError(ttl)) write(gone ? { "if-none-match": "*" } : { "if-match": `"${base.version}"` });
  };
  if (theirs) {
    return html`<${Conflict} ...${{ theirs, text, nameOf, isBusy, error }}
      onTheirs=${() => onDone(theirs)}
      onMine=${() => write({ "if-match": `"${theirs.version}"` })}
      onEdit=${() => {
        setBase(theirs);
        setTheirs(null);
      }} />`;
  }
  return html`<form ref=${form} class="entry-form" onSubmit=${submit} data-testid="context-form">
    ${gone && html`<p class="notice" role="status">${gone} What you save makes it anew.</p>`}
    ${isOld && !gone && html`<p class="notice" role="status">It was written meanwhile by <${Text}>${nameOf(entry.fromNodeId)}<//>.
      <button type="button" class="btn small" onClick=${() => setTheirs(entry)}>Compare</button></p>`}
    <${Field} as="textarea" label="Value" class="grow mono-field" value=${text} onInput=${setText} dir="auto" spellcheck=${false} data-first />
    <${Field} label="Expires after (seconds)" inputmode="decimal" value=${ttl} onInput=${setTtl} error=${secondsError(ttl)} hint="From now on; empty for never." />
    <${ErrorLine} error=${error} />
    <div class="form-foot"><button type="button" class="btn" onClick=${() => onDone()}>Cancel</button>
      <button type="submit" class="btn primary" disabled=${isBusy} data-testid="context-save">${gone ? "Make it again" : "Save"}</button></div>
  </form>`;
}

function Conflict({ theirs, text, nameOf, isBusy, error, onTheirs, onMine, onEdit }) {
  return html`<div class="conflict" role="group" aria-label="Two values" data-testid="context-conflict">
    <p class="notice" role="alert">Somebody else wrote it while you edited. Which value is it to have?</p>
    <div class="conflict-sides">
      <section aria-label="Theirs"><h3>Theirs <span class="dim">by <${Text}>${nameOf(theirs.fromNodeId)}<//>, <${TimeAgo} ts=${theirs.updatedAt} /></span></h3>
        <pre class="value code-box" tabindex="0" role="region" aria-label="Their value" dir="auto">${theirs.value}</pre>
        <div class="form-foot"><button type="button" class="btn" onClick=${onTheirs} data-testid="context-theirs">Keep theirs</button></div></section>
      <section aria-label="Mine"><h3>Mine</h3>
        <pre class="value code-box" tabindex="0" role="region" aria-label="My value" dir="auto">${text}</pre>
        <div class="form-foot"><button type="button" class="btn" onClick=${onEdit}>Go on editing</button>
          <button type="button" class="btn primary" disabled=${isBusy} onClick=${onMine} data-testid="context-mine">Write mine over it</button></div></section>
    </div>
    <${ErrorLine} error=${error} />
  </div>`;
}
