// A pairing as the page follows it: begun here or found under way, watched, answered, ended.

import { ApiError, call } from "../../lib/api.js";
import { useEffect, useMemo, useReducer, useRef } from "../../lib/ui.js";

/** Seconds of one wait for a change. */
const WAIT = 30;
/** Pause before it is asked again where no answer came, ms. */
const PAUSE = 1000;
const ENDS = ["failed", "expired"];
/** `PAIR_ALREADY_ACTIVE` and `PAIR_NO_SESSION`. */
export const ACTIVE = 7001;
const GONE = 7003;

const FRESH = { step: "choose", code: undefined, pair: undefined, error: undefined, isBusy: false };

/**
 * The pairing of a daemon.
 *
 * `step` is `choose`, `waiting` (a code is shown, or one was shown elsewhere), `compare`, `confirmed` (this side said yes),
 * `completed` or `failed`. `pair` is what the daemon says of it, `code` what `start` answered.
 * @returns {{step: string, code?: object, pair?: object, error?: Error, isBusy: boolean, start: Function, connect: Function, answer: Function, cancel: Function, again: Function}}
 */
export function usePairing(daemon) {
  const [state, change] = useReducer((before, changes) => ({ ...before, ...changes }), FRESH);
  const watching = useRef(null);
  const latest = useRef(state);
  latest.current = state;
  const actions = useMemo(() => make(daemon, change, watching, latest), [daemon]);
  useEffect(() => {
    actions.look();
    return () => watching.current?.abort();
  }, [actions]);
  return { ...state, ...actions };
}

function make(daemon, change, watching, latest) {
  const ask = (method, path, body, signal) => call(method, path, { daemon, body, signal });
  const guarded = async (work) => {
    change({ isBusy: true, error: undefined });
    try {
      await work();
    } catch (error) {
      change({ error });
    }
    change({ isBusy: false });
  };
  /** Takes in what the daemon says; whether there is more to come. */
  const take = (pair, session) => {
    if (!pair.state || pair.session !== session) {
      const message = pair.state ? "another pairing was begun on this machine" : "the pairing is gone";
      change({ step: "failed", pair, error: new ApiError({ code: GONE, message, hint: "Begin again." }) });
      return false;
    }
    change({ pair, step: stepOf(pair), error: failureOf(pair) });
    return !ENDS.includes(pair.state);
  };
  const watch = async (session, pair) => {
    watching.current?.abort();
    const { signal } = (watching.current = new AbortController());
    let known = pair;
    if (known && !take(known, session)) return;
    while (!signal.aborted) {
      try {
        known = await ask("GET", statusPath(known), undefined, signal);
        if (signal.aborted || !take(known, session)) return;
      } catch (error) {
        if (signal.aborted) return;
        change({ error });
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  };
  return {
    /** Shows the pairing that is under way already, if there is one that can be answered. */
    look: () => guarded(async () => {
      const pair = await ask("GET", "/pair/status");
      if (pair.active && ["key_exchanged", "confirmed"].includes(pair.state)) watch(pair.session, pair);
    }),
    /** Shows a code; with `replace` a pairing that is under way is ended. */
    start: (replace = false) => guarded(async () => {
      const code = await ask("POST", "/pair/start", { replace });
      change({ code, step: "waiting", pair: undefined });
      watch(code.session);
    }),
    /** Calls a machine with the code that it shows. */
    connect: (where, code) => guarded(async () => {
      const pair = await ask("POST", "/pair/connect", { ...where, code });
      watch(pair.session, pair);
    }),
    /** Whether the digits are the same; `replace` is the entry whose place the other machine may take. */
    answer: (confirmed, allow, replace) => guarded(async () => {
      const { sas, session } = latest.current.pair;
      try {
        take(await ask("POST", "/pair/confirm", { confirmed, sas, allow, replace }), session);
      } catch (error) {
        // It ended while the question stood; how, its state says.
        if (error.code !== GONE) throw error;
        take(await ask("GET", "/pair/status"), session);
      }
    }),
    /** Ends it, if it goes on. */
    cancel: () => {
      watching.current?.abort();
      const { step, pair, code } = latest.current;
      const session = pair?.session ?? code?.session;
      if (session === undefined || ["completed", "failed"].includes(step)) return;
      ask("POST", "/pair/cancel", { session }).catch(() => undefined);
    },
    /** Back to the beginning. */
    again: () => {
      watching.current?.abort();
      change(FRESH);
    },
  };
}

function statusPath(pair) {
  const screen = pair?.state === "completed" ? "" : "&screen=true";
  return `/pair/status?${pair ? `wait=${WAIT}&since=${pair.revision}` : "wait=0"}${screen}`;
}

function stepOf(pair) {
  return { waiting: "waiting", key_exchanged: "compare", confirmed: "confirmed", completed: pair.error ? "failed" : "completed" }[pair.state] ?? "failed";
}

function failureOf(pair) {
  if (pair.error) return new ApiError({ code: pair.errorCode, message: pair.error, hint: "Nothing was changed. Begin again on both machines." });
  if (pair.state === "expired") return new ApiError({ message: "it took too long", hint: "Begin again." });
  return undefined;
}
