// What a task did, folded from its events to what people read: words, thoughts, tools with their results, questions, ends.

/** Of a run of events that nobody knows, so many are kept. */
const SYSTEM_KEPT = 100;
/** Kinds of system events that say nothing to people. */
const SILENT = new Set(["init", "session_state_changed"]);

/**
 * An empty transcript. `items` are in the order in which they began; an item that changed is a new object.
 * @returns {{items: object[], seq: number, tools: Map<string, number>, asked: Map<string, number>, open: Map<string, object>}}
 */
export function emptyTranscript() {
  return { items: [], seq: 0, tools: new Map(), asked: new Map(), open: new Map() };
}

/**
 * Takes events into a transcript, in place. Events that it has already are left out, so that a stream may tell some twice.
 * @param {ReturnType<typeof emptyTranscript>} transcript
 * @param {object[]} events TaskEvents, in order
 */
export function fold(transcript, events) {
  for (const event of events) {
    if (event.seq <= transcript.seq) continue;
    transcript.seq = event.seq;
    (FOLDS[event.type] ?? foldSystem)(transcript, event);
  }
}

const FOLDS = {
  text: (transcript, event) => foldPiece(transcript, "text", event),
  thinking: (transcript, event) => foldPiece(transcript, "thinking", event),
  tool_use: foldToolUse,
  tool_result: foldToolResult,
  permission_request: foldQuestion,
  question: foldQuestion,
  permission_resolved: foldAnswer,
  status: foldStatus,
  error: (transcript, event) => add(transcript, event, { kind: "error", message: words(event.data?.message) }),
  result: (transcript, event) => add(transcript, event, { kind: "result", data: event.data ?? {} }),
  exit: foldExit,
  system: foldSystem,
};

function add(transcript, event, item) {
  transcript.items.push({ ...item, key: event.seq, at: event.timestamp });
  return transcript.items.length - 1;
}

function change(transcript, index, changes) {
  transcript.items[index] = { ...transcript.items[index], ...changes };
}

function foldPiece(transcript, kind, event) {
  const index = transcript.items.length - 1;
  const last = transcript.items[index];
  const piece = words(event.data);
  if (last?.kind === kind) change(transcript, index, { text: last.text + piece });
  else add(transcript, event, { kind, text: piece });
}

function foldToolUse(transcript, event) {
  const { id, name, input, parent } = event.data ?? {};
  const index = add(transcript, event, { kind: "tool", id, name: words(name), input, isNested: Boolean(parent) });
  transcript.tools.set(id, index);
}

function foldToolResult(transcript, event) {
  const { id, content, isError } = event.data ?? {};
  const index = transcript.tools.get(id);
  const result = { content: words(content), isError: isError === true, at: event.timestamp };
  if (index === undefined) add(transcript, event, { kind: "tool", id, name: "tool", result });
  else change(transcript, index, { result });
}

function foldQuestion(transcript, event) {
  const approval = event.data ?? {};
  transcript.asked.set(approval.requestId, add(transcript, event, { kind: "asked", approval }));
  transcript.open.set(approval.requestId, approval);
}

function foldAnswer(transcript, event) {
  const answer = event.data ?? {};
  const index = transcript.asked.get(answer.requestId);
  transcript.open.delete(answer.requestId);
  if (index !== undefined) change(transcript, index, { answer });
}

function foldStatus(transcript, event) {
  const { prompt } = event.data ?? {};
  if (prompt) add(transcript, event, { kind: "prompt", text: words(prompt) });
}

function foldExit(transcript, event) {
  transcript.open.clear();
  add(transcript, event, { kind: "exit", data: event.data ?? {} });
}

function foldSystem(transcript, event) {
  const data = event.data;
  if (data?.subtype === "skipped") {
    add(transcript, event, { kind: "gap", upTo: data.upTo });
    return;
  }
  if (data?.subtype === "helper") {
    add(transcript, event, { kind: "helper", text: words(data.text) });
    return;
  }
  if (SILENT.has(data?.subtype)) return;
  const index = transcript.items.length - 1;
  const last = transcript.items[index];
  if (last?.kind !== "system") {
    add(transcript, event, { kind: "system", count: 1, events: [data] });
    return;
  }
  const events = last.events.length < SYSTEM_KEPT ? [...last.events, data] : last.events;
  change(transcript, index, { count: last.count + 1, events });
}

/**
 * Anything as text: texts as they are, all else as JSON.
 * @param {unknown} value
 */
export function words(value) {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value, null, 2);
}
