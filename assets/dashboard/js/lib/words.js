// What a notice says, in words.

import { bytes, duration } from "./format.js";
import { href } from "./router.js";

const short = (id) => String(id).slice(0, 8);

/** By type: the words for an action, where the page shows more, and whether it is bad news. Subjects are text from elsewhere. */
const TYPES = {
  peer: {
    view: "peers",
    say: ({ action, subject, details }) => ({
      added: `${subject} is known now`, removed: `${subject} was removed`, online: `${subject} is online`,
      offline: `${subject} is offline`, renamed: `${details?.from ?? "a machine"} is called ${subject} now`,
    })[action],
    bad: ["offline"],
  },
  job: { view: "activity", say: job, bad: [] },
  transfer: {
    view: "activity",
    say: ({ action, subject, details }) => ({
      received: `received ${subject}${size(details)}`, sent: `sent ${subject}${size(details)}`, failed: `transfer of ${subject} failed`,
    })[action],
    bad: ["failed"],
  },
  message: {
    view: "messages",
    say: ({ action, peer }) => ({
      received: "message received", acknowledged: "message acknowledged here", queued: `message to ${peer ?? "all"} is on its way`,
      delivered: `message to ${peer} was delivered`, acked: `message was acknowledged by ${peer}`, failed: `message to ${peer} failed`,
      expired: `message to ${peer} was too old to be delivered`,
    })[action],
    bad: ["failed", "expired"],
  },
  context: { view: "context", say: ({ action, subject }) => ({ set: `set ${subject}`, delete: `deleted ${subject}`, expire: `${subject} expired` })[action], bad: [] },
  task: {
    view: "tasks",
    say: ({ action, subject, details }) => ({
      asked: `${details?.agent ?? "an agent"} asks for something`, answered: `${details?.agent ?? "an agent"} was answered`,
    })[action] ?? `task ${short(subject)} (${details?.agent ?? "agent"}) ${action}`,
    bad: ["failed"],
  },
  trust: {
    view: "peers",
    say: ({ action, subject }) => ({
      paired: `paired with ${subject}`, revoked: `trust in ${subject} ended`, renewed: `${subject} shows a new certificate`,
      permissions: `permissions of ${subject} changed`,
    })[action],
    bad: ["revoked"],
  },
  config: { view: "activity", say: ({ subject }) => `setting ${subject} changed`, bad: [] },
  terminal: { view: "terminal", say: ({ action, subject }, commands) => `terminal ${commands?.get(subject) ?? short(subject)} ${action}`, bad: [] },
  daemon: { view: "overview", say: ({ action, subject }) => `daemon ${subject} ${action}`, bad: ["stopped"] },
};

function job({ action, subject, details }) {
  if (action !== "ended") return `command ${short(subject)} ${action}`;
  const end = details?.signal ? `by ${details.signal}` : `with ${details?.exitCode ?? "no status"}`;
  return `command ${short(subject)} ended ${end}${details?.duration >= 1000 ? ` after ${duration(details.duration)}` : ""}`;
}

function size(details) {
  return details?.bytes === undefined ? "" : ` (${bytes(details.bytes)})`;
}

/**
 * A notice in words, with the address of what shows more. `commands`: of terminals that are known, by their ids.
 * @returns {{text: string, link: string, isBad: boolean}}
 */
export function describe(notice, daemon = "main", commands) {
  const type = TYPES[notice.type];
  const said = type?.say(notice, commands) ?? `${notice.type} ${notice.action} ${notice.subject}`;
  const failed = notice.type === "job" && notice.action === "ended" && notice.details?.exitCode !== 0;
  const at = { daemon: daemon === "main" ? "" : daemon };
  const rest = notice.type === "task" ? notice.subject : "";
  return { text: said, link: href(type?.view ?? "activity", rest, at), isBad: failed || Boolean(type?.bad.includes(notice.action)) };
}
