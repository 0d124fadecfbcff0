// Dialogs, and questions that are asked in one.

import { get, set, useStore } from "../lib/store.js";
import { cx, html, useEffect, useId, useRef } from "../lib/ui.js";
import { ErrorLine, IconButton } from "./basics.js";
import { Field } from "./field.js";

/**
 * A modal dialog, open as long as it is there. `onClose` is called when its user leaves it. `actions` are buttons at its foot;
 * with `onSubmit` it is a form.
 */
export function Dialog({ title, onClose, onSubmit, actions, children, wide, testid }) {
  const ref = useRef();
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog.showModal();
    const first = ["[autofocus]", ".dialog-body :is(input, select, textarea, button, a)", ".dialog-foot button[type=submit]"];
    first.map((selector) => dialog.querySelector(selector)).find(Boolean)?.focus();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  const submit = (event) => {
    event.preventDefault();
    onSubmit?.(event);
  };
  return html`<dialog ref=${ref} class=${cx("dialog", wide && "wide")} aria-labelledby=${id} onCancel=${cancel} data-testid=${testid}>
    <form method="dialog" onSubmit=${submit}>
      <header class="dialog-head"><h2 id=${id}>${title}</h2><${IconButton} icon="close" label="Close" onClick=${onClose} /></header>
      <div class="dialog-body">${children}</div>
      ${actions && html`<footer class="dialog-foot">${actions}</footer>`}
    </form>
  </dialog>`;
}

/**
 * Asks before something is done: `await ask({title, text, action: "Remove", danger: true})` is true when its user agreed.
 * With `field: {label, value?, hint?}` the answer is the text that was entered; null when its user left.
 */
export function ask(question) {
  return new Promise((resolve) => {
    const entry = { ...question, id: crypto.randomUUID() };
    entry.settle = (answer) => {
      set({ questions: get().questions.filter((other) => other !== entry) });
      resolve(answer);
    };
    set({ questions: [...get().questions, entry] });
  });
}

/** Where questions are shown; once in the page. */
export function Questions() {
  const questions = useStore((state) => state.questions);
  return questions.map((question) => html`<${Question} key=${question.id} ...${question} />`);
}

function Question({ title, text, action = "OK", danger, field, error, settle }) {
  const ref = useRef(field?.value ?? "");
  const answer = () => settle(field ? ref.current : true);
  const leave = () => settle(field ? null : false);
  const actions = html`<button type="button" class="btn" onClick=${leave}>Cancel</button>
    <button type="submit" class=${cx("btn", danger ? "danger" : "primary")}>${action}</button>`;
  return html`<${Dialog} title=${title} onClose=${leave} onSubmit=${answer} actions=${actions} testid="question">
    ${text && html`<p>${text}</p>`}
    ${field && html`<${Field} ...${field} value=${ref.current} onInput=${(value) => { ref.current = value; }} autofocus />`}
    <${ErrorLine} error=${error} />
  <//>`;
}
