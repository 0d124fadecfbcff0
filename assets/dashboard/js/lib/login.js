// Logging in, and what follows from being logged in or not.

import { own } from "./api.js";
import { loadMe, start, stop } from "./live.js";
import { go } from "./router.js";
import { linkIn, onLogin, setToken, token } from "./session.js";
import { get, set } from "./store.js";

onLogin((isLoggedIn) => {
  if (isLoggedIn) begin();
  else if (get().phase !== "login") end();
});

/** Reads what there is and begins to listen; where the dashboard does not answer, the page says so. */
export async function begin() {
  try {
    await loadMe();
    set({ phase: "ready", loginError: null });
    start();
  } catch (error) {
    if (error.status !== 401) set({ phase: "unreachable", loginError: error });
  }
}

function end() {
  stop();
  set({ phase: "login", me: null, events: [], transfers: {} });
}

/** Takes the one-time link out of the address bar, so that it stays in no history. Returns it, or null. */
function takeLink() {
  const link = location.hash.startsWith("#link=") ? linkIn(location.hash) : null;
  if (link) go("overview", "", {}, { replace: true });
  return link;
}

/** Uses a one-time link. */
export async function login(link) {
  set({ loginError: null });
  try {
    const reply = await own("POST", "/login", { body: { link } });
    setToken(reply.token);
  } catch (error) {
    set({ phase: "login", loginError: error });
  }
}

/** Ends this tab's login, at the server too. */
export async function logout() {
  await own("POST", "/logout").catch(() => undefined);
  setToken(null);
}

/** Logs in with the link in the address bar, else with the token that this tab has, else asks for a link. */
export async function boot() {
  const link = takeLink();
  if (link) await login(link);
  else if (token()) await begin();
  else set({ phase: "login" });
}

// A link that is opened in this tab later logs in anew.
addEventListener("hashchange", () => {
  const link = takeLink();
  if (link) login(link);
});
