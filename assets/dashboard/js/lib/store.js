// What the whole page knows, and how components hear of changes.

import { useLayoutEffect, useReducer, useRef } from "./ui.js";

/**
 * `phase`: `starting`, `login` or `ready`. `me`: the dashboard's word about itself and its daemons. `live`: how the stream of
 * events stands. `events`: the newest notices, newest first, each `{daemon, event}`. `transfers`: by daemon, those
 * that are under way. `toasts`, `questions`: what is shown above the views.
 */
const state = {
  phase: "starting",
  loginError: null,
  me: null,
  live: { state: "connecting" },
  events: [],
  transfers: {},
  toasts: [],
  questions: [],
};
const listeners = new Set();

/** The present state; not to be changed. */
export function get() {
  return state;
}

/** Changes some of the state and tells components that look at it. */
export function set(changes) {
  Object.assign(state, changes);
  for (const listener of [...listeners]) listener();
}

/** Calls `listener` after each change. Returns how to stop. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A part of the state in a component, drawn anew when it is another: `useStore((s) => s.me)`. */
export function useStore(selector) {
  return useSource(subscribe, () => selector(state));
}

/** A value that lives outside of components, drawn anew when it is another (by Object.is) after `subscribe` calls back. */
export function useSource(subscribeTo, read) {
  const [, redraw] = useReducer((number) => number + 1, 0);
  const value = read();
  const latest = useRef();
  latest.current = { value, read };
  useLayoutEffect(() => {
    const look = () => {
      if (!Object.is(latest.current.read(), latest.current.value)) redraw();
    };
    look();
    return subscribeTo(look);
  }, [subscribeTo]);
  return value;
}

/** The row of a daemon in `me.daemons`, or undefined. */
export function daemonNamed(name) {
  return state.me?.daemons.find((daemon) => daemon.name === name);
}
