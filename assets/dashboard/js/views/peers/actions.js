// What can be done with a machine, asked about first where it can't be undone.

import { ask } from "../../components/dialog.js";
import { peerName } from "../../components/pickers.js";
import { toast } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { visible } from "../../lib/format.js";

const path = (peer, action = "") => `/peers/${encodeURIComponent(peer.nodeId)}${action}`;

/** Asks it whether it is there and takes our key; answers its row. */
export function ping(peer, daemon) {
  return call("POST", path(peer, "/ping"), { daemon, body: {} });
}

/** Looks closely at it; answers what was found. */
export function check(peer, daemon) {
  return call("POST", path(peer, "/check"), { daemon, body: {} });
}

/** Asks for another name and gives it. */
export async function rename(peer, daemon) {
  const field = { label: "New name", value: peerName(peer), hint: "1 to 64 letters, digits, . _ -", name: "name", maxLength: 64, required: true };
  const name = await ask({ title: `Rename ${visible(peerName(peer))}`, action: "Rename", field });
  if (name === null || name === peerName(peer)) return;
  await call("POST", path(peer, "/rename"), { daemon, body: { name } });
  toast(`It is called ${visible(name)} now`);
}

/** Ends the trust in it, once that was agreed to. */
export async function revoke(peer, daemon) {
  const name = visible(peerName(peer));
  const text = "Its key, certificate and permissions go, and its open connections are cut at once. To work together again, the two must be paired anew.";
  if (!await ask({ title: `Revoke the trust in ${name}?`, text, action: "Revoke trust", danger: true })) return;
  await call("POST", path(peer, "/revoke"), { daemon, body: {} });
  toast(`${name} is not trusted any more`);
}

/** Forgets it, once that was agreed to. */
export async function remove(peer, daemon) {
  const name = visible(peerName(peer));
  const text = peer.trusted
    ? "Its entry, key, certificate and permissions go, and its open connections are cut at once. It is not told."
    : "Its entry goes. A machine that announces itself on the network shows up again.";
  if (!await ask({ title: `Remove ${name}?`, text, action: "Remove", danger: true })) return;
  await call("DELETE", path(peer), { daemon });
  toast(`${name} was removed`);
}
