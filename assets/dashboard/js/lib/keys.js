// Keys that work everywhere in the page, unless somebody types.

import { useEffect } from "./ui.js";

/** How long the second key of `g p` may take. */
const PATIENCE = 1500;
const bound = [];
let first = null;
let timer;

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const combo = first ? `${first} ${event.key}` : event.key;
  forget();
  const found = bound.findLast((entry) => entry.combo === combo);
  if (found) {
    event.preventDefault();
    found.action(event);
  } else if (bound.some((entry) => entry.combo.startsWith(`${event.key} `))) {
    first = event.key;
    timer = setTimeout(forget, PATIENCE);
  }
});

function forget() {
  first = null;
  clearTimeout(timer);
}

function isTyping(target) {
  return target instanceof Element && (target.closest("input, textarea, select, [contenteditable]") !== null);
}

/** What is bound now, `{combo, what}`, for the list of keys. */
export function boundKeys() {
  return bound.filter((entry) => entry.what);
}

/**
 * Binds a key while the component is there: `useKey("g p", "Peers", open)`. Of several for one key the newest counts.
 * @param {string} combo a key, or two with a space between
 * @param {string} what what it does, for the list of keys; empty to leave it out
 * @param {(event: KeyboardEvent) => void} action
 */
export function useKey(combo, what, action) {
  useEffect(() => {
    const entry = { combo, what, action };
    bound.push(entry);
    return () => {
      bound.splice(bound.indexOf(entry), 1);
    };
  });
}
