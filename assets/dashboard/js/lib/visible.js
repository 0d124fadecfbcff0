// Whether anybody looks: streams rest while the page has been hidden for a while.

const PATIENCE = 30_000;
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

/** Whether the page has been hidden for half a minute. */
export function resting() {
  return isResting;
}

/** Calls `listener(isResting)` at each change. Returns how to stop. */
export function onRest(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
