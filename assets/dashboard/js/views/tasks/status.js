// Words for what tasks are and do.

/** The stages of a task: the colour of each, and its word. */
export const STATUSES = {
  pending: { kind: "", word: "Waits its turn" },
  running: { kind: "info", word: "Works" },
  waiting_approval: { kind: "warn", word: "Asks" },
  completed: { kind: "ok", word: "Done" },
  failed: { kind: "bad", word: "Failed" },
  cancelled: { kind: "", word: "Stopped" },
};

/** What an agent may do without asking. */
export const MODES = [
  ["default", "Asks before it changes anything"],
  ["acceptEdits", "May edit files in its folder"],
  ["plan", "Makes a plan, changes nothing"],
  ["dontAsk", "What it would ask is denied"],
  ["bypassPermissions", "May do everything"],
];

/** Whether nothing more happens unless somebody asks for more. */
export function hasEnded(status) {
  return ["completed", "failed", "cancelled"].includes(status);
}

/** What a task is called: its name, or the first line of its prompt. */
export function taskTitle(task) {
  return task.name || task.prompt?.trim().split("\n", 1)[0].slice(0, 200) || (task.watched ? "A session on that machine" : task.taskId);
}

/** Dollars as the agent tells them. */
export function dollars(cost) {
  return cost >= 0.1 ? `$${cost.toFixed(2)}` : `$${cost.toFixed(4)}`;
}

/** Tokens in the agent's words: the numbers of `usage`, the large ones first. */
export function tokens(usage) {
  const numbers = Object.entries(usage ?? {}).filter(([, value]) => typeof value === "number" && value > 0);
  return numbers.map(([name, value]) => [name.replace(/_/g, " "), value]);
}
