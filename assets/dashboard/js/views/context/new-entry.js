// A new entry of the store, made only where there is none with its key.

import { ErrorLine, IconButton } from "../../components/basics.js";
import { Field } from "../../components/field.js";
import { toast } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { useFirstFocus } from "../../lib/focus.js";
import { html, useState } from "../../lib/ui.js";
import { secondsError, secondsOf } from "./edit-entry.js";
import { entryPath } from "./entries.js";

/** @param {{scope: object, prefix: string, onMade: (key: string) => void, onLeave: () => void}} props */
export function NewEntry({ scope, prefix, onMade, onLeave }) {
  const [key, setKey] = useState(prefix);
  const [text, setText] = useState("");
  const [ttl, setTtl] = useState("");
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const form = useFirstFocus();
  const submit = async (event) => {
    event.preventDefault();
    if (secondsError(ttl)) return;
    setBusy(true);
    setError(null);
    try {
      await call("PUT", entryPath(key), { ...scope, headers: { "if-none-match": "*" }, body: { value: text, ttl: secondsOf(ttl) } });
      toast("The entry is made");
      onMade(key);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<section class="pane" aria-label="New entry" data-testid="context-new-entry">
    <header class="pane-head"><${IconButton} icon="back" label="Back to the keys" class="btn quiet icon-only pane-back" onClick=${onLeave} /><h2>New entry</h2></header>
    <form ref=${form} class="entry-form" onSubmit=${submit}>
      <${Field} label="Key" class="mono-field" value=${key} onInput=${setKey} maxlength="256" required data-first hint="1 to 256 characters, such as build/status." />
      <${Field} as="textarea" label="Value" class="grow mono-field" value=${text} onInput=${setText} dir="auto" spellcheck=${false} />
      <${Field} label="Expires after (seconds)" inputmode="decimal" value=${ttl} onInput=${setTtl} error=${secondsError(ttl)} hint="Empty for never." />
      <${ErrorLine} error=${error} />
      <div class="form-foot"><button type="button" class="btn" onClick=${onLeave}>Cancel</button>
        <button type="submit" class="btn primary" disabled=${isBusy || key === ""} data-testid="context-create">Make it</button></div>
    </form>
  </section>`;
}
