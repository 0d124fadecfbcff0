// Whether anybody looks: a hidden tab's streams rest, since a browser has few connections for all tabs together.

const PATIENCE = 2000;
const listeners = new Set();
let isResting = false;
let timer;

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (document.hidden) timer = setTimeout(() => rest(true), PATIENCE);
  else rest(false);
});

function rest(value) {
  if (isResting === value) return;
  isResting = value;
  for (const listener of [...listeners]) listener(value);
}

/** Whether the page is hidden, and not for a moment only. */
export function resting() {
  return isResting;
}

/** Calls `listener(isResting)` at each change. Returns how to stop. */
export function onRest(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
