// Where the page is: `#/view/rest?key=value`.

import { useSource } from "./store.js";

const listeners = new Set();
let route = parse(location.hash);

addEventListener("hashchange", () => {
  route = parse(location.hash);
  for (const listener of [...listeners]) listener();
});

function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view, ...rest] = path.split("/");
  return Object.freeze({ view: view || "overview", rest: decode(rest.join("/")), query: Object.fromEntries(new URLSearchParams(query)) });
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The address of a place in the page: `href("peers", "kai")`, `href("context", "", {daemon: "worker-1"})`. Empty values of the
 * query are left out.
 */
export function href(view, rest = "", query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(kept).toString();
  return `#/${view}${rest ? `/${encodeURIComponent(rest)}` : ""}${search ? `?${search}` : ""}`;
}

/** Goes there; with `replace` the present place is not kept in the history. */
export function go(view, rest, query, { replace = false } = {}) {
  const target = href(view, rest, query);
  if (target === location.hash) return;
  if (!replace) {
    location.hash = target;
    return;
  }
  history.replaceState(null, "", target);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** The present place: `{view, rest, query}`. */
export function useRoute() {
  return useSource(subscribe, () => route);
}

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
