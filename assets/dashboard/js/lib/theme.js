// Light, dark, or as the system has it. `early.js` applies the same choice before the first paint.

import { useSource } from "./store.js";

const KEY = "loopsy.theme";
const listeners = new Set();

/** The choices, in the order they are shown. */
export const THEMES = [["auto", "System"], ["light", "Light"], ["dark", "Dark"]];

/** The present choice: `auto`, `light` or `dark`. */
export function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

/** Chooses, for all tabs of this browser. */
export function setTheme(choice) {
  if (choice === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(KEY);
  } else {
    document.documentElement.dataset.theme = choice;
    localStorage.setItem(KEY, choice);
  }
  for (const listener of [...listeners]) listener();
}

/** The present choice in a component. */
export function useTheme() {
  return useSource(subscribe, theme);
}

/** Whether dark colours are shown now. */
export function isDark() {
  return theme() === "dark" || (theme() === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

/** Calls `listener` when colours change, by choice or with the system. Returns how to stop. */
export function subscribe(listener) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  listeners.add(listener);
  system.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    system.removeEventListener("change", listener);
  };
}
