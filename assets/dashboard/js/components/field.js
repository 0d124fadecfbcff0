// Form fields with their labels, hints and errors.

import { cx, html, useId } from "../lib/ui.js";
import { Icon } from "./icons.js";

/**
 * A labelled field. Without children a text input; `as` makes it a `textarea` or `select`, whose options are the children.
 * What is left of the properties goes to the input. `onInput` gets the value.
 */
export function Field({ label, hint, error, as = "input", onInput, children, class: extra, ...rest }) {
  const id = useId();
  const help = error ?? hint;
  const props = {
    id,
    "aria-describedby": help ? `${id}-help` : undefined,
    "aria-invalid": error ? "true" : undefined,
    onInput: onInput && ((event) => onInput(event.target.value, event)),
    ...rest,
  };
  return html`<div class=${cx("field", extra)}>
    <label for=${id}>${label}</label>
    ${as === "select" ? html`<select ...${props}>${children}</select>` : as === "textarea" ? html`<textarea ...${props} />` : html`<input type="text" autocomplete="off" spellcheck=${false} ...${props} />`}
    ${help && html`<p id=${`${id}-help`} class=${cx("help", error && "bad-text")}>${help}</p>`}
  </div>`;
}

/** A checkbox with its label. `onChange` gets whether it is checked. */
export function Check({ label, checked, onChange, ...rest }) {
  return html`<label class="check"><input type="checkbox" checked=${checked} onChange=${(event) => onChange(event.target.checked)} ...${rest} /><span>${label}</span></label>`;
}

/** A field to search or filter by; `/` brings the focus here. */
export function Search({ label = "Search", value, onInput, ...rest }) {
  const leave = (event) => {
    if (event.key !== "Escape") return;
    if (value) onInput("");
    else event.target.blur();
  };
  return html`<div class="search">
    <${Icon} name="search" />
    <input type="search" data-search aria-label=${label} placeholder=${label} autocomplete="off" spellcheck=${false} value=${value}
      onInput=${(event) => onInput(event.target.value)} onKeyDown=${leave} ...${rest} />
  </div>`;
}

/** One of a few, side by side: `options` are `[value, label]`. */
export function Choice({ label, options, value, onChange }) {
  const name = useId();
  return html`<div class="choice" role="radiogroup" aria-label=${label}>
    ${options.map(([key, text]) => html`<label key=${key} class=${cx("choice-item", key === value && "chosen")}>
      <input type="radio" name=${name} value=${key} checked=${key === value} onChange=${() => onChange(key)} /><span>${text}</span>
    </label>`)}
  </div>`;
}
