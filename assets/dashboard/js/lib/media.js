// What the screen is like, for what a style sheet alone can't say.

import { useCallback } from "./ui.js";
import { useSource } from "./store.js";

/** Whether a media query holds, in a component. */
export function useMedia(query) {
  const subscribe = useCallback((listener) => {
    const list = matchMedia(query);
    list.addEventListener("change", listener);
    return () => list.removeEventListener("change", listener);
  }, [query]);
  return useSource(subscribe, () => matchMedia(query).matches);
}

/** Whether this is a phone, where rows are high enough for a finger. */
export function usePhone() {
  return useMedia("(max-width: 720px)");
}
