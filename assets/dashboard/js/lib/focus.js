// Where the focus goes when something appears.

import { useEffect, useRef } from "./ui.js";

/** A ref for an element; when that appears, the focus goes to what in it is marked `data-first`. */
export function useFirstFocus() {
  const ref = useRef();
  useEffect(() => ref.current?.querySelector("[data-first]")?.focus(), []);
  return ref;
}

/**
 * A ref for the panel beside a list, with the details of one row. Where the panel takes the list's place, the focus goes to what
 * in it is marked `data-first`; when the panel goes, it goes back to that row's `data-primary`.
 * @param {string|number} rowKey as the list has it
 */
export function useSideFocus(rowKey) {
  const ref = useRef();
  useEffect(() => {
    const main = ref.current.parentElement.querySelector(".split-main");
    if (main && main.offsetParent === null) ref.current.querySelector("[data-first]")?.focus();
    return () => requestAnimationFrame(() => {
      if (document.activeElement && document.activeElement !== document.body) return;
      main?.querySelector(`[data-row="${CSS.escape(String(rowKey))}"] [data-primary]`)?.focus();
    });
  }, []);
  return ref;
}
