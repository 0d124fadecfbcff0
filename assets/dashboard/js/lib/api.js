// Requests to the dashboard, and through it to daemons and their peers.

import { setToken, token } from "./session.js";

/** A failure as the server words it. `code` is Loopsy's number, 0 where no answer came. */
export class ApiError extends Error {
  constructor({ code = 0, message = "the request failed", hint, details } = {}, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
    this.hint = hint;
    this.details = details;
  }
}

/**
 * Calls an operation of a daemon: `call("GET", "/peers")`. `path` follows `/api/v1`; values in it must be encoded.
 * @param {string} method
 * @param {string} path
 * @param {{daemon?: string, peer?: string, body?: unknown, signal?: AbortSignal, headers?: Record<string, string>}} [options]
 *   `daemon` is `main` or a session's name; `peer` the machine it sends the request on to; `body` a value for JSON.
 * @returns {Promise<any>} the reply's JSON. Throws ApiError, or AbortError when `signal` says so.
 */
export async function call(method, path, { daemon = "main", peer, body, signal, headers } = {}) {
  return request(method, daemonPath(path, daemon), { body, signal, headers: { ...peerHeader(peer), ...headers } });
}

/** Calls the dashboard itself: `own("GET", "/me")`. Options and failures as of `call`. */
export function own(method, path, options = {}) {
  return request(method, path, options);
}

/** Opens a WebSocket to a daemon or, through it, to a peer, over a ticket that works once. */
export async function socket(path, { daemon = "main", peer } = {}) {
  const { ticket } = await own("POST", "/tickets", { body: { path: daemonPath(path, daemon), peer } });
  const address = new URL(`/socket?ticket=${encodeURIComponent(ticket)}`, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(address);
  opened.binaryType = "arraybuffer";
  return opened;
}

/** The path under which the dashboard passes a daemon's operation on. */
export function daemonPath(path, daemon = "main") {
  return `/d/${encodeURIComponent(daemon)}/api/v1${path}`;
}

/** The header that names a peer; names that a header can't carry go percent-encoded. */
export function peerHeader(peer) {
  if (!peer) return {};
  const isPlain = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(peer);
  return isPlain ? { "x-loopsy-peer": peer } : { "x-loopsy-peer-uri": encodeURIComponent(peer) };
}

/** A fetch with this tab's token. Answers the Response; a failure is thrown as ApiError. */
export async function send(method, url, { body, signal, headers } = {}) {
  const all = { ...headers };
  if (token()) all["x-loopsy-token"] = token();
  if (body !== undefined) all["content-type"] = "application/json";
  const options = { method, headers: all, signal, cache: "no-store", redirect: "error", body: body === undefined ? undefined : JSON.stringify(body) };
  let response;
  try {
    response = await fetch(url, options);
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new ApiError({ message: "the dashboard does not answer", hint: "Does `loopsy dashboard` still run?" });
  }
  if (response.ok) return response;
  const error = await failure(response);
  if (response.status === 401) await loggedOut(url);
  throw error;
}

async function request(method, url, options) {
  const response = await send(method, url, options);
  const text = await response.text();
  return text ? JSON.parse(text) : undefined;
}

async function failure(response) {
  const text = await response.text().catch(() => "");
  try {
    return new ApiError(JSON.parse(text).error, response.status);
  } catch {
    return new ApiError({ message: `the dashboard answered ${response.status}` }, response.status);
  }
}

/** A 401 of a daemon or peer may be about a key; one of the dashboard itself ends this tab's login. */
async function loggedOut(url) {
  if (!url.startsWith("/d/")) return setToken(null);
  await own("GET", "/me").catch(() => undefined);
}
