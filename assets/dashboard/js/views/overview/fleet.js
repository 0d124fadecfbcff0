// All that is known of the daemons of this machine and of their peers, in one list.

import { call } from "../../lib/api.js";
import { useResources } from "../../lib/resources.js";
import { useEffect, useMemo, useRef, useState } from "../../lib/ui.js";

/** Peers that are asked at once for the tasks that this machine gave them. */
const ASKED = 12;

/**
 * @returns {{rows: object[], own: object[], peers: object[], approvals: object[], statuses: object[], commands: Map<string, string>, loading: boolean, error?: Error}} `rows`: own daemons first, then
 *   peers, each once: `{id, name, isOwn, daemon, status, load}` and what is known of either kind. `approvals`: what waits for an
 *   answer, here and, of tasks given to peers, there.
 */
export function useFleet(daemons) {
  const statuses = useResources("status");
  const tasks = useResources("tasks");
  const terminals = useResources("terminals");
  const peers = useResources("peers");
  const ids = statuses.map(({ data }) => data?.nodeId);
  const machine = daemons.find((daemon) => daemon.name === "main")?.label;
  const known = useMemo(() => eachOnce(peers, ids, machine), [ids.join(), machine, ...peers.map(({ data }) => data)]);
  const there = usePeerApprovals(known);
  const of = (list, name) => list.find((entry) => entry.daemon === name);
  const own = daemons.map((daemon) => ownRow(daemon, of(statuses, daemon.name), of(tasks, daemon.name)?.data, of(terminals, daemon.name)?.data));
  const here = tasks.flatMap(({ daemon, data }) => approvalsOf(data, { daemon }));
  return {
    own,
    peers: known,
    rows: [...own, ...known],
    approvals: [...here, ...there],
    commands: useCommands(terminals),
    statuses: statuses.map(({ data }) => data).filter(Boolean),
    loading: peers.some((entry) => entry.loading),
    error: peers.find((entry) => entry.error && !entry.data)?.error,
  };
}

function ownRow(daemon, status, tasks, terminals) {
  const isRunning = daemon.status === "running";
  const working = tasks?.tasks.filter((task) => ["running", "waiting_approval", "pending"].includes(task.status)).length;
  return {
    id: `own ${daemon.name}`, name: daemon.label, isOwn: true, daemon: daemon.name, status: isRunning ? "online" : "stopped",
    load: isRunning ? { jobs: status?.data?.jobs.active, tasks: working, terminals: running(terminals) } : undefined,
    warnings: [...(status?.data?.warnings ?? []), ...restart(status?.data)], since: status?.data && status.at - status.data.uptime, error: isRunning ? status?.error : undefined,
  };
}

/** The commands of terminals by their ids; of those that are gone too, as long as the view is there. */
function useCommands(terminals) {
  const known = useRef(new Map());
  return useMemo(() => {
    const listed = terminals.flatMap(({ data }) => data?.terminals ?? []);
    known.current = new Map([...known.current, ...listed.map(({ terminalId, command }) => [terminalId, command])]);
    return known.current;
  }, [terminals.length, ...terminals.map(({ data }) => data)]);
}

function restart(status) {
  return status?.restartNeeded.length ? [`Needs a restart for: ${status.restartNeeded.join(", ")}`] : [];
}

function running(terminals) {
  return terminals?.terminals.filter((terminal) => terminal.status === "running").length;
}

/** Peers of all daemons, each once and none of this machine's own, by id or name; only those that are trusted or were entered. */
function eachOnce(lists, ids, machine) {
  const found = new Map();
  for (const { daemon, data } of lists) {
    for (const peer of data?.peers ?? []) {
      const name = peer.name ?? peer.hostname;
      const isWanted = (peer.trusted || peer.manuallyAdded) && !ids.includes(peer.nodeId) && !name.startsWith(`${machine}/`);
      if (isWanted && !found.has(peer.nodeId)) found.set(peer.nodeId, { ...peer, id: peer.nodeId, name, isOwn: false, daemon });
    }
  }
  return [...found.values()].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, undefined, { numeric: true }));
}

function rank(peer) {
  return { online: 0, unknown: 1, offline: 2 }[peer.status] ?? 3;
}

function approvalsOf(data, place) {
  return (data?.tasks ?? []).flatMap((task) => (task.pendingApprovals ?? []).map((approval) => ({ ...place, task, approval })));
}

/** What waits on peers that have tasks: asked when their load changes, which a notice tells. */
function usePeerApprovals(peers) {
  const busy = peers.filter((peer) => peer.trusted && peer.status === "online" && peer.load?.tasks > 0).slice(0, ASKED);
  const [found, setFound] = useState([]);
  const key = busy.map((peer) => `${peer.daemon} ${peer.nodeId} ${peer.load.tasks}`).join("\n");
  useEffect(() => {
    const end = new AbortController();
    const asked = busy.map((peer) => call("GET", "/ai-tasks", { daemon: peer.daemon, peer: peer.name, signal: end.signal })
      .then((data) => approvalsOf(data, { daemon: peer.daemon, peer: peer.name }), () => []));
    Promise.all(asked).then((lists) => end.signal.aborted || setFound(lists.flat()));
    return () => end.abort();
  }, [key]);
  return busy.length ? found : [];
}
