// Short news at the edge of the page.

import { get, set, useStore } from "../lib/store.js";
import { cx, html, useEffect } from "../lib/ui.js";
import { IconButton, sentence } from "./basics.js";

const SHOWN = 5000;
const ERROR_SHOWN = 12_000;

/** Shows a text for a few seconds: `toast("Copied")`. */
export function toast(text, kind = "ok") {
  set({ toasts: [...get().toasts.slice(-3), { id: crypto.randomUUID(), text, kind }] });
}

/** Shows a failure with its hint. */
export function toastError(error) {
  if (error?.name === "AbortError") return;
  toast([sentence(error?.message ?? error), error?.hint].filter(Boolean).join(" "), "bad");
}

/** Does something and shows its failure; answers its result, or undefined where it failed. */
export async function attempt(work, done) {
  try {
    const result = await work();
    if (done) toast(done);
    return result;
  } catch (error) {
    toastError(error);
    return undefined;
  }
}

/** Where they are shown; once in the page. */
export function Toasts() {
  const toasts = useStore((state) => state.toasts);
  return html`<div class="toasts" role="status" aria-live="polite" data-testid="toasts">
    ${toasts.map((entry) => html`<${Toast} key=${entry.id} ...${entry} />`)}
  </div>`;
}

function Toast({ id, text, kind }) {
  const leave = () => set({ toasts: get().toasts.filter((other) => other.id !== id) });
  useEffect(() => {
    const timer = setTimeout(leave, kind === "bad" ? ERROR_SHOWN : SHOWN);
    return () => clearTimeout(timer);
  }, []);
  return html`<div class=${cx("toast", kind)}><span>${text}</span><${IconButton} icon="close" label="Dismiss" onClick=${leave} /></div>`;
}
