// One entry of the store: its value, whose it is, how long it lives; edited and removed only as it was seen.

import { Badge, ErrorLine, IconButton, Loading, Text, TimeAgo, TimeLeft, sentence } from "../../components/basics.js";
import { ask } from "../../components/dialog.js";
import { Choice } from "../../components/field.js";
import { Menu } from "../../components/menu.js";
import { attempt, toast } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { bytes, visible } from "../../lib/format.js";
import { isOwnKey } from "../../lib/own-keys.js";
import { html, useEffect, useMemo, useState } from "../../lib/ui.js";
import { EditEntry } from "./edit-entry.js";
import { entryPath } from "./entries.js";

/**
 * @param {{scope: object, entryKey: string, news: object|null, nameOf: (nodeId: string) => string, onLeave: () => void}} props
 *   `news` is the newest ContextChange of this key
 */
export function Entry({ scope, entryKey, news, nameOf, onLeave }) {
  const [entry, setEntry] = useState(null);
  const [error, setError] = useState(null);
  const [gone, setGone] = useState("");
  const [isEditing, setEditing] = useState(false);
  const load = () => {
    const abort = new AbortController();
    setError(null);
    call("GET", entryPath(entryKey), { ...scope, signal: abort.signal })
      .then((found) => {
        setEntry(found);
        setGone("");
      })
      .catch((failure) => {
        if (failure.status === 404) setGone("There is no entry with this key.");
        else if (!abort.signal.aborted) setError(failure);
      });
    return () => abort.abort();
  };
  useEffect(load, [entryKey, scope]);
  useEffect(() => {
    if (news?.entry?.key !== entryKey) return;
    if (news.type === "set") {
      setEntry(news.entry);
      setGone("");
    } else {
      setGone(news.type === "expire" ? "Its time has ended." : "It was removed.");
    }
  }, [news]);
  const remove = () => removeEntry(scope, entry).then((isRemoved) => isRemoved && onLeave());
  const isReserved = isOwnKey(entryKey);
  const isOpen = entry && !isEditing && !gone;
  return html`<section class="pane" aria-label="Entry" data-testid="context-entry">
    <header class="pane-head">
      <${IconButton} icon="back" label="Back to the keys" class="btn quiet icon-only pane-back" onClick=${onLeave} />
      <h2><${Text} mono class="entry-key">${entryKey}<//></h2>
      ${isOpen && !isReserved && html`<button type="button" class="btn" onClick=${() => setEditing(true)} data-testid="context-edit">Edit</button>
        <${Menu} icon="more" label="More" items=${[{ label: "Remove…", danger: true, onSelect: remove }]} />`}
    </header>
    <${ErrorLine} error=${error} onRetry=${load} />
    ${gone && !isEditing && html`<div class="pane-tools"><p class="notice grow" role="status">${gone}</p></div>`}
    ${!entry && !error && !gone && html`<${Loading} />`}
    ${entry && isEditing && html`<${EditEntry} ...${{ scope, entry, gone, nameOf }} onDone=${(saved) => {
      setEditing(false);
      if (saved) {
        setEntry(saved);
        setGone("");
      }
    }} />`}
    ${entry && !isEditing && html`<div class="pane-body"><${Facts} entry=${entry} nameOf=${nameOf} isReserved=${isReserved} /><${Value} text=${entry.value ?? ""} /></div>`}
  </section>`;
}

async function removeEntry(scope, entry) {
  const text = html`The entry <bdi class="mono break">${visible(entry.key)}</bdi> is removed for everybody who reads this store.`;
  if (!(await ask({ title: "Remove this entry?", text, action: "Remove", danger: true }))) return false;
  const headers = { "if-match": `"${entry.version}"` };
  const done = await attempt(() => call("DELETE", entryPath(entry.key), { ...scope, headers }), "The entry is removed");
  return done !== undefined;
}

function Facts({ entry, nameOf, isReserved }) {
  return html`<dl class="facts">
    <div><dt>Written</dt><dd><${TimeAgo} ts=${entry.updatedAt} /> by <${Text}>${nameOf(entry.fromNodeId)}<//></dd></div>
    <div><dt>Made</dt><dd><${TimeAgo} ts=${entry.createdAt} /></dd></div>
    <div><dt>Expires</dt><dd>${entry.expiresAt ? html`<${TimeLeft} until=${entry.expiresAt} />` : "never"}</dd></div>
    <div><dt>Version</dt><dd class="num">${entry.version}</dd></div>
    ${isReserved && html`<div><dt>Kept by</dt><dd><${Badge} kind="info">messages<//> <span class="dim">so it can only be read here</span></dd></div>`}
  </dl>`;
}

/** A value as text; JSON indented, unless its user wants it as it is. */
function Value({ text }) {
  const pretty = useMemo(() => indented(text), [text]);
  const [form, setForm] = useState("pretty");
  const isPretty = pretty !== null && form === "pretty";
  const copy = () => navigator.clipboard.writeText(text).then(() => toast("Copied"), () => toast(sentence("the browser does not let the page copy"), "bad"));
  return html`<div class="value-head">
      <span class="dim">${bytes(new Blob([text]).size)}</span>
      ${pretty !== null && html`<${Choice} label="How the value is shown" options=${[["pretty", "JSON"], ["raw", "As it is"]]} value=${form} onChange=${setForm} />`}
      <${IconButton} icon="copy" label="Copy the value" onClick=${copy} />
    </div>
    <pre class="value code-box" tabindex="0" dir="auto" role="region" aria-label="Value" data-testid="context-value">${isPretty ? pretty : text}${text === "" && html`<span class="dim">(the empty text)</span>`}</pre>`;
}

function indented(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}
