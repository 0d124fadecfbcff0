//! Agents that speak the Agent Client Protocol: JSON-RPC, a line each, with permissions asked on the same pipe.

mod calls;
mod permission;
mod quirks;
mod setup;

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use serde_json::{Value, json};

pub use quirks::{Modes, Quirks};

use super::agent::{Decided, Decision, Dialogue, Invocation, Start, Step, Turn};
use crate::api::tasks::{PermissionMode, TaskEventType};
use crate::base::{Error, Result, id, text};
use calls::Calls;
use permission::Question;
use setup::Setting;

/// Most questions that are open at once; further ones are refused.
const MOST_OPEN: usize = 100;
/// Most bytes that are told of a line that is not JSON.
const LONGEST_RAW: usize = 16 * 1024;
/// Most bytes that are kept of its last word.
const LONGEST_WORD: usize = 1024 * 1024;
/// Longest word on what went wrong, characters.
const ERROR_LENGTH: usize = 2000;
/// The code of JSON-RPC for a method that is not there.
const NO_SUCH_METHOD: i64 = -32601;
/// The code of ACP for an agent that is not logged in.
const LOGIN_WANTED: i64 = -32000;

/// A session of an agent that speaks ACP.
pub struct Acp {
    start: Start,
    invocation: Invocation,
    quirks: Quirks,
    requests: u64,
    /// The request that it has not answered yet, and what it is; there is one at a time.
    waiting: Option<(u64, Waiting)>,
    session: Option<String>,
    settings: VecDeque<Setting>,
    prompts: VecDeque<String>,
    open: BTreeMap<String, Question>,
    calls: Calls,
    /// What it says: whether it is thinking, and the id of the message.
    speaking: Option<(bool, Option<String>)>,
    last_word: String,
    cost: Option<f64>,
    /// Whether it was told to stop, or that it may not, in this turn.
    interrupted: bool,
    denied: bool,
    settled: bool,
    failed: bool,
}

enum Waiting {
    Initialize,
    Session,
    Setting(String),
    Prompt,
}

impl Acp {
    /// A session that is not started yet, of the agent that `invocation` starts.
    pub fn new(mut start: Start, invocation: Invocation, quirks: Quirks) -> Self {
        let prompts = VecDeque::from([std::mem::take(&mut start.prompt)]);
        Self {
            start,
            invocation,
            quirks,
            requests: 0,
            waiting: None,
            session: None,
            settings: VecDeque::new(),
            prompts,
            open: BTreeMap::new(),
            calls: Calls::default(),
            speaking: None,
            last_word: String::new(),
            cost: None,
            interrupted: false,
            denied: false,
            settled: false,
            failed: false,
        }
    }

    fn request(&mut self, method: &str, params: Value, waiting: Waiting) -> Step {
        self.requests += 1;
        self.waiting = Some((self.requests, waiting));
        Step::Write(json!({ "jsonrpc": "2.0", "id": self.requests, "method": method, "params": params }).to_string())
    }

    /// Goes on where nothing is waited for: with what is to be set, then with what it is to be told, one after the other.
    fn advance(&mut self) -> Vec<Step> {
        let (None, Some(session)) = (&self.waiting, self.session.clone()) else { return Vec::new() };
        if let Some(setting) = self.settings.pop_front() {
            return vec![self.request(setting.method, setting.params, Waiting::Setting(setting.what))];
        }
        let Some(prompt) = self.prompts.pop_front() else {
            return if std::mem::replace(&mut self.settled, true) { Vec::new() } else { vec![Step::Settled] };
        };
        (self.interrupted, self.denied) = (false, false);
        self.last_word.clear();
        let params = json!({ "sessionId": session, "prompt": [{ "type": "text", "text": prompt }] });
        vec![self.request("session/prompt", params, Waiting::Prompt)]
    }

    fn fail(&mut self, why: String) -> Vec<Step> {
        self.failed = true;
        vec![Step::Fail(why)]
    }

    fn message(&mut self, message: &Value) -> Vec<Step> {
        let id = &message["id"];
        match message["method"].as_str() {
            Some("session/update") => self.update(&message["params"]),
            Some("session/request_permission") if !id.is_null() => self.ask(id, &message["params"]),
            Some(_) if !id.is_null() => vec![refuse(id)],
            Some(_) => Vec::new(),
            None if id.is_null() => vec![Step::Tell(TaskEventType::System, message.clone())],
            None => self.response(message),
        }
    }

    fn response(&mut self, message: &Value) -> Vec<Step> {
        let waiting = match &self.waiting {
            Some((id, _)) if message["id"] == *id => self.waiting.take(),
            _ => None,
        };
        let Some((_, waiting)) = waiting else { return Vec::new() };
        let error = &message["error"];
        if !error.is_null() {
            let said = self.error(error);
            return match waiting {
                Waiting::Initialize | Waiting::Session => self.fail(said),
                Waiting::Setting(what) => self.fail(format!("{} refuses {what}: {said}", self.quirks.title)),
                Waiting::Prompt => self.turn(&Value::Null, Some(said)),
            };
        }
        let result = &message["result"];
        match waiting {
            Waiting::Initialize => match setup::session(result, &self.start, &self.quirks) {
                Ok((method, params)) => vec![self.request(method, params, Waiting::Session)],
                Err(why) => self.fail(why),
            },
            Waiting::Session => self.begun(result),
            Waiting::Setting(_) => self.advance(),
            Waiting::Prompt => self.turn(result, None),
        }
    }

    /// The session is there.
    fn begun(&mut self, result: &Value) -> Vec<Step> {
        let session = result["sessionId"].as_str().or(self.start.resume.as_deref()).filter(|id| !id.is_empty()).map(str::to_owned);
        let Some(session) = session else { return self.fail(format!("{} did not begin a session", self.quirks.title)) };
        match setup::settings(&session, result, &self.start, &self.quirks) {
            Ok(settings) => self.settings = settings,
            Err(why) => return self.fail(why),
        }
        let model = self.start.model.as_deref().or_else(|| setup::current_model(result));
        let mut steps = vec![Step::Session(session.clone())];
        steps.extend(model.map(|model| Step::Model(model.to_owned())));
        self.session = Some(session);
        steps.extend(self.advance());
        steps
    }

    /// A turn is over.
    fn turn(&mut self, result: &Value, failed: Option<String>) -> Vec<Step> {
        let mut steps = self.paragraph();
        steps.extend(std::mem::take(&mut self.open).into_keys().map(Step::Withdraw));
        let reason = result["stopReason"].as_str().unwrap_or_default();
        let will_be_told = !self.prompts.is_empty();
        let wrong = match reason {
            "end_turn" => None,
            "cancelled" if self.denied && will_be_told => None,
            "cancelled" if self.denied => Some("it stopped where it was not allowed to go on".to_owned()),
            "cancelled" => Some("it stopped by itself".to_owned()),
            "max_tokens" => Some("its answer is longer than its model can give".to_owned()),
            "max_turn_requests" => Some("it asked its model as often as it may".to_owned()),
            "refusal" => Some("its model refuses to go on".to_owned()),
            other => Some(format!("it stopped, and says '{}'", text::one_line(other, 100))),
        };
        let error = failed.or(wrong).filter(|_| !self.interrupted);
        let usage = [&result["usage"], &result["_meta"]["quota"]].into_iter().find(|usage| usage.is_object());
        let said = std::mem::take(&mut self.last_word);
        steps.push(Step::Turn(Turn {
            text: (!said.is_empty() && error.is_none()).then_some(said),
            error,
            interrupted: self.interrupted,
            cost: self.cost,
            usage: usage.cloned(),
            ..Turn::default()
        }));
        steps.extend(self.advance());
        steps
    }

    /// What it tells while it works. What it tells of a session's past, when that is gone on with, was told then.
    fn update(&mut self, params: &Value) -> Vec<Step> {
        let update = &params["update"];
        let kind = update["sessionUpdate"].as_str().unwrap_or_default();
        if kind == "usage_update" {
            let cost = update["cost"]["amount"].as_f64().filter(|cost| cost.is_finite() && *cost >= 0.0);
            self.cost = cost.filter(|_| update["cost"]["currency"] == "USD").or(self.cost);
            return Vec::new();
        }
        let is_own = params["sessionId"].as_str().is_some_and(|id| self.session.as_deref() == Some(id));
        if !is_own || !matches!(self.waiting, Some((_, Waiting::Prompt))) {
            return Vec::new();
        }
        match kind {
            "agent_message_chunk" => self.words(update, false),
            "agent_thought_chunk" => self.words(update, true),
            "tool_call" | "tool_call_update" => {
                let steps = self.calls.update(update, false);
                if steps.is_empty() { steps } else { self.paragraph().into_iter().chain(steps).collect() }
            }
            "available_commands_update" | "config_option_update" | "session_info_update" | "user_message_chunk" => Vec::new(),
            _ => vec![Step::Tell(TaskEventType::System, update.clone())],
        }
    }

    fn words(&mut self, update: &Value, thinking: bool) -> Vec<Step> {
        let piece = calls::words(&update["content"]);
        if piece.is_empty() {
            return Vec::new();
        }
        let speaking = Some((thinking, update["messageId"].as_str().map(str::to_owned)));
        let mut steps = Vec::new();
        if self.speaking != speaking {
            steps = self.paragraph();
            self.speaking = speaking;
            if !thinking {
                self.last_word.clear();
            }
        }
        if !thinking && self.last_word.len().saturating_add(piece.len()) <= LONGEST_WORD {
            self.last_word.push_str(&piece);
        }
        steps.push(Step::Text { text: piece, thinking });
        steps
    }

    fn paragraph(&mut self) -> Vec<Step> {
        if self.speaking.take().is_some() { vec![Step::Paragraph] } else { Vec::new() }
    }

    fn ask(&mut self, rpc_id: &Value, params: &Value) -> Vec<Step> {
        let tool = &params["toolCall"];
        let question = Question::read(rpc_id, params, &self.quirks);
        let is_due = matches!(self.waiting, Some((_, Waiting::Prompt))) && !self.interrupted;
        if !is_due || self.open.len() >= MOST_OPEN {
            return vec![answer(rpc_id, permission::cancelled())];
        }
        let mut steps = self.paragraph();
        steps.extend(self.calls.update(tool, true));
        if self.start.mode == PermissionMode::DontAsk {
            self.denied = true;
            steps.push(Step::Tell(TaskEventType::System, json!({ "subtype": "permission_denied", "title": question.title })));
            steps.push(answer(rpc_id, question.denial()));
            return steps;
        }
        // Its own numbers begin anew with each process.
        let request_id = id::request();
        steps.push(Step::Ask(question.approval(&request_id, tool)));
        self.open.insert(request_id, question);
        steps
    }

    /// Its error in a line, with what people can do.
    fn error(&self, error: &Value) -> String {
        let details = ["details", "message"].into_iter().find_map(|key| error["data"][key].as_str());
        let message = error["message"].as_str().unwrap_or("it does not say what went wrong");
        let said = details.map_or_else(|| message.to_owned(), |details| format!("{message}: {details}"));
        let words: Vec<_> = said.split_whitespace().collect();
        let said = text::one_line(&words.join(" "), ERROR_LENGTH);
        if error["code"] == LOGIN_WANTED {
            let title = &self.quirks.title;
            return format!("{said}: log in to {title} on that machine, or name the variable that holds its key in aiTasks.passEnv");
        }
        said
    }
}

impl Dialogue for Acp {
    fn invocation(&self) -> Invocation {
        self.invocation.clone()
    }

    fn begin(&mut self) -> Vec<Step> {
        vec![self.request("initialize", setup::initialize(), Waiting::Initialize)]
    }

    fn line(&mut self, line: &[u8]) -> Vec<Step> {
        if self.failed || line.trim_ascii().is_empty() {
            return Vec::new();
        }
        match serde_json::from_slice::<Value>(line) {
            Ok(message) if message.is_object() => self.message(&message),
            _ => unreadable(line),
        }
    }

    fn prompt(&mut self, text: &str) -> Vec<Step> {
        self.prompts.push_back(text.to_owned());
        let mut steps = Vec::new();
        if std::mem::replace(&mut self.settled, false) {
            steps.push(Step::Busy);
        }
        steps.extend(self.advance());
        steps
    }

    fn decide(&mut self, request_id: &str, decision: Decision) -> Result<Decided> {
        let question = self.open.get(request_id).ok_or_else(|| Error::invalid("it does not ask that, or no longer"))?;
        let given = question.answer(&decision)?;
        let steps = vec![answer(&question.rpc_id, given.outcome)];
        if !decision.approved {
            self.denied = true;
            // The protocol has no word for why; it is told once it has ended its turn.
            let message = decision.message.as_deref().map(str::trim).filter(|message| !message.is_empty());
            self.prompts.extend(message.map(|message| format!("You were not allowed to do this: {}\n\n{message}", question.title)));
        }
        self.open.remove(request_id);
        Ok(Decided { steps, remembered: given.remembered, rules: Vec::new() })
    }

    fn interrupt(&mut self) -> Vec<Step> {
        if self.settled || self.failed {
            return Vec::new();
        }
        self.prompts.clear();
        let mut steps = Vec::new();
        for (request_id, question) in std::mem::take(&mut self.open) {
            steps.extend([answer(&question.rpc_id, permission::cancelled()), Step::Withdraw(request_id)]);
        }
        self.interrupted = true;
        if let (Some((_, Waiting::Prompt)), Some(session)) = (&self.waiting, &self.session) {
            let line = json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": session } });
            steps.push(Step::Write(line.to_string()));
        } else {
            // It has not been told anything yet, and will not be.
            steps.push(Step::Turn(Turn { interrupted: true, ..Turn::default() }));
        }
        steps
    }
}

/// A line that can't be read, of which at least the sender is told where it waits for an answer.
fn unreadable(line: &[u8]) -> Vec<Step> {
    #[derive(Deserialize)]
    struct Request {
        id: Value,
        method: String,
    }
    if let Ok(request) = serde_json::from_slice::<Request>(line) {
        let message = format!("its request '{}' can't be read", text::one_line(&request.method, 100));
        return vec![Step::Tell(TaskEventType::Error, json!({ "message": message })), refuse(&request.id)];
    }
    let cut = String::from_utf8_lossy(&line[..line.len().min(LONGEST_RAW)]);
    vec![Step::Tell(TaskEventType::System, json!({ "subtype": "output", "text": cut }))]
}

fn answer(rpc_id: &Value, result: Value) -> Step {
    Step::Write(json!({ "jsonrpc": "2.0", "id": rpc_id, "result": result }).to_string())
}

fn refuse(rpc_id: &Value) -> Step {
    let error = json!({ "code": NO_SUCH_METHOD, "message": "Loopsy does not offer this" });
    Step::Write(json!({ "jsonrpc": "2.0", "id": rpc_id, "error": error }).to_string())
}

#[cfg(test)]
mod tests;
