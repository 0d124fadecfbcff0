// The login of this tab: a token in sessionStorage, which goes along with the cookie that the page never sees.

const KEY = "loopsy.token";
const listeners = new Set();

/** The token of this tab, or null. */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** Keeps the token of a login; null forgets it. Listeners hear of it. */
export function setToken(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
  for (const listener of listeners) listener(Boolean(value));
}

/** Calls `listener(isLoggedIn)` when this tab logs in or is logged out. Returns how to stop. */
export function onLogin(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The one-time link in a pasted address, or the bare link itself; null where there is none. */
export function linkIn(text) {
  const found = /#link=([^&\s]+)/.exec(text) ?? /^\s*([A-Za-z0-9_-]{16,})\s*$/.exec(text);
  return found && found[1];
}
