//! Claude Code, over the protocol of its own SDK: JSON lines in and out, with permissions asked on the same pipe.

mod hook;
mod permission;
mod turn;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub use hook::{hook_approval, hook_output};

use super::agent::{Decided, Decision, Dialogue, Invocation, Start, Step};
use crate::api::tasks::{Remember, TaskEventType};
use crate::base::{Error, Result, agents};
use permission::Question;
use words::Words;

/// Most bytes of lines that open questions came in.
const MOST_OPEN_BYTES: usize = 128 * 1024 * 1024;
/// Most bytes that are told of a line that is not JSON.
const LONGEST_RAW: usize = 16 * 1024;

/// A session of Claude Code.
pub struct Claude {
    start: Start,
    /// The session's id, where a new one begins.
    session: String,
    told_session: Option<String>,
    told_model: Option<String>,
    words: Words,
    open: BTreeMap<String, Open>,
    /// Interruptions that were sent and have not been answered yet, and how many there were in all.
    interrupts: BTreeSet<String>,
    interrupt_count: u64,
    state: State,
}

/// A question, and the bytes of the line it came in.
struct Open {
    question: Question,
    size: usize,
}

/// What it has to do.
#[derive(Default)]
struct State {
    /// Prompts that it was sent and has not begun with. Only some versions tell of it.
    owed: BTreeSet<String>,
    tells_of_prompts: bool,
    /// Whether the newest turn is over.
    over: bool,
    /// Whether it was told to stop since.
    interrupted: bool,
    /// What runs in the background.
    background: usize,
    /// Whether it says that it is idle; unknown for versions that do not tell.
    idle: Option<bool>,
    settled: bool,
}

impl State {
    fn has_settled(&self) -> bool {
        let has_begun_with_all = self.owed.is_empty() || !self.tells_of_prompts;
        self.over && has_begun_with_all && self.background == 0 && self.idle.unwrap_or(true)
    }
}

impl Claude {
    /// A session that is not started yet. `session` is a fresh UUID, the id of the session unless `start` goes on with another.
    pub fn new(start: Start, session: String) -> Self {
        Self {
            start,
            session,
            told_session: None,
            told_model: None,
            words: Words::default(),
            open: BTreeMap::new(),
            interrupts: BTreeSet::new(),
            interrupt_count: 0,
            state: State::default(),
        }
    }

    fn say(&mut self, text: &str) -> Step {
        let id = Uuid::new_v4().to_string();
        let content = json!({ "role": "user", "content": text });
        let line = json!({ "type": "user", "session_id": "", "message": content, "parent_tool_use_id": null, "uuid": id });
        self.state.owed.insert(id);
        self.state.over = false;
        Step::Write(line.to_string())
    }

    /// Whether it is idle or at work is told when it changes.
    fn settle(&mut self) -> Option<Step> {
        let settled = self.state.has_settled() && self.open.is_empty();
        if settled == std::mem::replace(&mut self.state.settled, settled) {
            return None;
        }
        Some(if settled { Step::Settled } else { Step::Busy })
    }

    fn message(&mut self, message: &Value, size: usize) -> Vec<Step> {
        let is_own = message["parent_tool_use_id"].is_null();
        match message["type"].as_str().unwrap_or_default() {
            "stream_event" if is_own => self.words.event(&message["event"]),
            "stream_event" | "keep_alive" => Vec::new(),
            "assistant" => self.assistant(message),
            "user" => user(message),
            "system" => self.system(message),
            "result" => self.result(message),
            "control_request" => self.control_request(message, size),
            "control_cancel_request" => self.withdraw(message["request_id"].as_str().unwrap_or_default()),
            "control_response" => self.control_response(&message["response"]),
            "command_lifecycle" => self.prompt_state(message),
            _ => vec![system(message)],
        }
    }

    fn assistant(&mut self, message: &Value) -> Vec<Step> {
        let parent = message["parent_tool_use_id"].as_str();
        let reply = &message["message"]["id"];
        let mut steps = Vec::new();
        for block in message["message"]["content"].as_array().into_iter().flatten() {
            match block["type"].as_str().unwrap_or_default() {
                kind @ ("text" | "thinking") => {
                    let text = block[kind].as_str().unwrap_or_default();
                    match parent {
                        None => steps.extend(self.words.whole(reply, text, kind == "thinking")),
                        Some(_) => steps.push(system(&json!({ "subtype": "helper", "parent": parent, kind: text }))),
                    }
                }
                "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                    let data = json!({ "id": block["id"], "name": block["name"], "input": block["input"] });
                    steps.push(Step::Tell(TaskEventType::ToolUse, with_parent(data, parent)));
                }
                "redacted_thinking" => {}
                _ => steps.push(system(block)),
            }
        }
        steps
    }

    fn system(&mut self, message: &Value) -> Vec<Step> {
        let mut steps = self.session(message);
        match message["subtype"].as_str().unwrap_or_default() {
            "init" => steps.extend(self.init(message)),
            "session_state_changed" => {
                self.state.idle = Some(message["state"] == "idle");
                steps.extend(self.settle());
            }
            "background_tasks_changed" => {
                self.state.background = message["tasks"].as_array().map_or(0, Vec::len);
                steps.push(system(message));
                steps.extend(self.settle());
            }
            "task_notification" => {
                // What ended is told to the model, and it begins anew: it may ask, and must be able to.
                self.state.over &= !matches!(message["status"].as_str(), Some("completed" | "failed"));
                steps.push(system(message));
            }
            "thinking_tokens" => {}
            "status" if message["permissionMode"].is_null() && message["status"] != "compacting" => {}
            _ => steps.push(system(message)),
        }
        steps
    }

    fn session(&mut self, message: &Value) -> Vec<Step> {
        let Some(id) = message["session_id"].as_str().filter(|id| !id.is_empty()) else { return Vec::new() };
        if self.told_session.as_deref() == Some(id) {
            return Vec::new();
        }
        self.told_session = Some(id.to_owned());
        vec![Step::Session(id.to_owned())]
    }

    /// A turn begins; what is told with it is long, and the same each time.
    fn init(&mut self, message: &Value) -> Vec<Step> {
        let mut steps = Vec::new();
        self.state.over = false;
        steps.extend(self.settle());
        let Some(model) = message["model"].as_str() else { return steps };
        if self.told_model.as_deref() == Some(model) {
            return steps;
        }
        self.told_model = Some(model.to_owned());
        steps.push(Step::Model(model.to_owned()));
        let told = ["subtype", "cwd", "model", "permissionMode", "mcp_servers", "apiKeySource", "claude_code_version"];
        steps.push(system(&told.iter().map(|key| ((*key).to_owned(), message[*key].clone())).collect()));
        steps
    }

    fn result(&mut self, message: &Value) -> Vec<Step> {
        let mut steps = self.words.end();
        let interrupted = std::mem::take(&mut self.state.interrupted);
        let turn = turn::turn(message, interrupted);
        // Nobody listens to answers any more where it was stopped.
        if turn.interrupted {
            steps.extend(std::mem::take(&mut self.open).into_keys().map(Step::Withdraw));
        }
        steps.push(Step::Turn(turn));
        self.state.over = message["queued_turn_count"].as_u64().unwrap_or(0) == 0;
        steps.extend(self.settle());
        steps
    }

    fn control_request(&mut self, message: &Value, size: usize) -> Vec<Step> {
        let Some(id) = message["request_id"].as_str().filter(|id| !id.is_empty()) else { return vec![system(message)] };
        let request = &message["request"];
        match request["subtype"].as_str().unwrap_or_default() {
            "can_use_tool" => self.ask(id, request, size),
            "elicitation" => {
                let said = json!({ "subtype": "elicitation", "server": request["mcp_server_name"], "message": request["message"], "answer": "decline" });
                vec![system(&said), answer(id, json!({ "action": "decline" }))]
            }
            other => {
                let said = json!({ "subtype": "refused", "request": other });
                vec![system(&said), refuse(id, "Loopsy does not know this request")]
            }
        }
    }

    fn ask(&mut self, id: &str, request: &Value, size: usize) -> Vec<Step> {
        if self.open.contains_key(id) {
            // What people saw first is what they answer; its input is what runs.
            return vec![trouble("it asked twice under one id; the first question stands")];
        }
        let open_bytes: usize = self.open.values().map(|open| open.size).sum();
        if open_bytes.saturating_add(size) > MOST_OPEN_BYTES {
            return vec![trouble("it asks too much at once"), refuse(id, "too many questions are open")];
        }
        let Some(tool) = request["tool_name"].as_str().filter(|tool| !tool.is_empty()) else {
            return vec![trouble("it asked for a tool without a name"), refuse(id, "no tool is named")];
        };
        // What is written down for the folder is not read by a session that leaves the folder's settings alone.
        let longest = if self.start.untrusted { Remember::Session } else { Remember::Always };
        let question = Question::read(tool, &request["input"], request, longest);
        let approval = question.approval(id);
        self.open.insert(id.to_owned(), Open { question, size });
        let mut steps: Vec<_> = self.settle().into_iter().collect();
        steps.push(Step::Ask(approval));
        steps
    }

    fn withdraw(&mut self, id: &str) -> Vec<Step> {
        if self.open.remove(id).is_none() {
            return Vec::new();
        }
        let mut steps = vec![Step::Withdraw(id.to_owned())];
        steps.extend(self.settle());
        steps
    }

    fn control_response(&mut self, response: &Value) -> Vec<Step> {
        if !self.interrupts.remove(response["request_id"].as_str().unwrap_or_default()) {
            return Vec::new();
        }
        if response["subtype"] == "error" {
            let why = response["error"].as_str().unwrap_or("it does not say why");
            return vec![trouble(&format!("it would not stop: {why}"))];
        }
        // There was no turn to stop: the next one is not the one that was meant.
        self.state.interrupted &= !self.state.over;
        Vec::new()
    }

    fn prompt_state(&mut self, message: &Value) -> Vec<Step> {
        self.state.tells_of_prompts = true;
        let is_owed = message["state"] != "queued" && self.state.owed.remove(message["command_uuid"].as_str().unwrap_or_default());
        if is_owed && message["state"] == "started" {
            self.state.over = false;
        }
        self.settle().into_iter().collect()
    }

    /// A line that can't be read, of which at least the sender is told where it waits for an answer.
    fn unreadable(line: &[u8]) -> Vec<Step> {
        #[derive(Deserialize)]
        struct Request {
            #[serde(rename = "type")]
            kind: String,
            request_id: String,
        }
        if let Ok(request) = serde_json::from_slice::<Request>(line)
            && request.kind == "control_request"
        {
            return vec![trouble("it asked something that can't be read"), refuse(&request.request_id, "the request can't be read")];
        }
        let cut = &line[..line.len().min(LONGEST_RAW)];
        let more = if cut.len() < line.len() { "…" } else { "" };
        vec![Step::Text { text: format!("{}{more}", String::from_utf8_lossy(cut)), thinking: false }, Step::Paragraph]
    }
}

impl Dialogue for Claude {
    fn invocation(&self) -> Invocation {
        let start = &self.start;
        let mut args: Vec<String> =
            ["-p", "--input-format=stream-json", "--output-format=stream-json", "--verbose"].map(String::from).into();
        args.extend(["--include-partial-messages", "--permission-prompt-tool=stdio"].map(String::from));
        args.push(format!("--permission-mode={}", start.mode.name()));
        args.push(match &start.resume {
            Some(session) => format!("--resume={session}"),
            None => format!("--session-id={}", self.session),
        });
        args.extend(start.model.iter().map(|model| format!("--model={model}")));
        args.extend(start.max_budget_usd.map(|dollars| format!("--max-budget-usd={dollars}")));
        args.extend(tools("--allowedTools", &start.allowed_tools));
        args.extend(tools("--disallowedTools", &start.disallowed_tools));
        if start.untrusted {
            args.extend(["--setting-sources=user", "--strict-mcp-config"].map(String::from));
        }
        args.extend(start.additional_args.iter().cloned());
        let env = vec![("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS".into(), "1".into())];
        Invocation { program: agents::CLAUDE.program.into(), args, env }
    }

    fn begin(&mut self) -> Vec<Step> {
        let prompt = std::mem::take(&mut self.start.prompt);
        vec![self.say(&prompt)]
    }

    fn line(&mut self, line: &[u8]) -> Vec<Step> {
        if line.trim_ascii().is_empty() {
            return Vec::new();
        }
        match serde_json::from_slice::<Value>(line) {
            Ok(message) if message.is_object() => self.message(&message, line.len()),
            _ => Self::unreadable(line),
        }
    }

    fn prompt(&mut self, text: &str) -> Vec<Step> {
        let write = self.say(text);
        self.settle().into_iter().chain([write]).collect()
    }

    fn decide(&mut self, request_id: &str, decision: Decision) -> Result<Decided> {
        let open = self.open.get(request_id).ok_or_else(|| Error::invalid("it does not ask that, or no longer"))?;
        let given = open.question.answer(&decision)?;
        self.open.remove(request_id);
        let steps = [answer(request_id, given.behavior)].into_iter().chain(self.settle()).collect();
        Ok(Decided { steps, remembered: given.remembered, rules: given.rules })
    }

    fn interrupt(&mut self) -> Vec<Step> {
        if self.state.settled {
            return Vec::new();
        }
        self.interrupt_count += 1;
        let id = format!("interrupt-{}", self.interrupt_count);
        let request = json!({ "subtype": "interrupt", "cancel_queued": true });
        let line = json!({ "type": "control_request", "request_id": id, "request": request });
        self.interrupts.insert(id);
        self.state.interrupted = true;
        vec![Step::Write(line.to_string())]
    }
}

/// What its tools gave back, and what is said on its behalf.
fn user(message: &Value) -> Vec<Step> {
    let parent = message["parent_tool_use_id"].as_str();
    let mut steps = Vec::new();
    for block in message["message"]["content"].as_array().into_iter().flatten() {
        match block["type"].as_str() {
            Some("tool_result") => {
                let data =
                    json!({ "id": block["tool_use_id"], "content": contents(&block["content"]), "isError": block["is_error"] == true });
                steps.push(Step::Tell(TaskEventType::ToolResult, with_parent(data, parent)));
            }
            // A helper's prompt is the input of the tool that started it, which was told.
            Some("text") if parent.is_none() && message["isReplay"] != true => {
                steps.push(system(&json!({ "subtype": "user", "text": block["text"] })));
            }
            _ => {}
        }
    }
    steps
}

/// What a tool gave back, as text.
fn contents(content: &Value) -> String {
    let Some(blocks) = content.as_array() else {
        return content.as_str().map_or_else(|| if content.is_null() { String::new() } else { content.to_string() }, str::to_owned);
    };
    let text = |block: &Value| match block["type"].as_str() {
        Some("text") => block["text"].as_str().unwrap_or_default().to_owned(),
        Some("image") => {
            let kind = block["source"]["media_type"].as_str().unwrap_or("image");
            format!("[{kind}, {} bytes]", block["source"]["data"].as_str().map_or(0, |data| data.len() / 4 * 3))
        }
        _ => block.to_string(),
    };
    blocks.iter().map(text).collect::<Vec<_>>().join("\n")
}

fn with_parent(mut data: Value, parent: Option<&str>) -> Value {
    if let Some(parent) = parent {
        data["parent"] = parent.into();
    }
    data
}

/// Anything else it tells, without what each line has.
fn system(message: &Value) -> Step {
    let mut told = message.clone();
    if let Some(fields) = told.as_object_mut() {
        for noise in ["uuid", "session_id"] {
            fields.remove(noise);
        }
    }
    Step::Tell(TaskEventType::System, told)
}

fn trouble(message: &str) -> Step {
    Step::Tell(TaskEventType::Error, json!({ "message": message }))
}

fn answer(request_id: &str, response: Value) -> Step {
    let response = json!({ "subtype": "success", "request_id": request_id, "response": response });
    Step::Write(json!({ "type": "control_response", "response": response }).to_string())
}

fn refuse(request_id: &str, why: &str) -> Step {
    let response = json!({ "subtype": "error", "request_id": request_id, "error": why });
    Step::Write(json!({ "type": "control_response", "response": response }).to_string())
}

/// A list of tools as one argument: as several, it would go on with whatever follows it.
fn tools(option: &str, tools: &[String]) -> Option<String> {
    let named: Vec<_> = tools.iter().map(|tool| tool.trim()).filter(|tool| !tool.is_empty()).collect();
    (!named.is_empty()).then(|| format!("{option}={}", named.join(",")))
}

#[cfg(test)]
mod tests;
