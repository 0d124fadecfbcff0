// In which order peers are listed, and which of them match.

import { peerName } from "../../components/pickers.js";

/**
 * Peers as rows `{peer, depth, name}`: machines by name with their sessions below them, then those that are not paired.
 * @param {object[]} peers
 * @param {string} filter words that must all be in a name, address, id, platform or version
 */
export function arrange(peers, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = words.length === 0 ? peers : peers.filter((peer) => matches(peer, words));
  const names = new Set(matching.map(peerName));
  const rows = matching.map((peer) => {
    const [machine] = peerName(peer).split("/");
    const isSession = peer.trusted && machine !== peerName(peer);
    return { peer, name: peerName(peer), machine, depth: isSession && names.has(machine) ? 1 : 0 };
  });
  return rows.sort((a, b) => group(a.peer) - group(b.peer) || byName(a.machine, b.machine) || byName(a.name, b.name));
}

/** Trusted machines first, then those that a person entered, then those that were only heard of. */
function group(peer) {
  return peer.trusted ? 0 : peer.manuallyAdded ? 1 : 2;
}

const collator = new Intl.Collator(undefined, { numeric: true });
const byName = (a, b) => collator.compare(a, b);

function matches(peer, words) {
  const text = [peer.name, peer.hostname, peer.address, peer.nodeId, peer.platform, peer.version, peer.status].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}
