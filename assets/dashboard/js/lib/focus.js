// Where the focus goes when something appears.

import { useEffect, useRef } from "./ui.js";

/** A ref for an element; when that appears, the focus goes to what in it is marked `data-first`. */
export function useFirstFocus() {
  const ref = useRef();
  useEffect(() => ref.current?.querySelector("[data-first]")?.focus(), []);
  return ref;
}
