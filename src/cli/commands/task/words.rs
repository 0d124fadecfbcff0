//! What a task does, in words for people: pure, from events to lines. Nothing that an agent wrote gets to obey itself on a
//! terminal.

use std::collections::BTreeMap;

use std::time::Duration;

use serde_json::Value;

use crate::api::tasks::{Approval, ApprovalKind, Resolved, TaskEvent, TaskEventType, TaskStatus};
use crate::base::text::{one_line, printable};
use crate::base::units;

/// Characters of a line about a tool.
const SHOWN: usize = 160;
/// Characters of a tool's name.
const NAME: usize = 60;
/// Members of a tool's input that say best what it is about, the best first.
const TELLING: [&str; 11] =
    ["command", "cmd", "file_path", "path", "pattern", "url", "query", "description", "prompt", "plan", "questions"];

/// Something to print.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The agent's words, for standard output; no line break is added.
    Words(String),
    /// A line about what goes on.
    Note(String),
    /// The same, of less interest.
    Faint(String),
    /// Something is amiss.
    Warning(String),
}

/// How an agent's thoughts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoughts {
    /// As they come.
    Whole,
    /// That there are some.
    Noted,
    /// Not at all.
    Untold,
}

/// Tells the events of a task, one after the other.
#[derive(Debug)]
pub struct Telling {
    thoughts: Thoughts,
    thinks: bool,
    is_mid_line: bool,
    turn: Value,
    /// What is asked and not settled yet, by its id.
    open: BTreeMap<String, String>,
}

impl Telling {
    /// From the first event on.
    pub fn new(thoughts: Thoughts) -> Self {
        Self { thoughts, thinks: false, is_mid_line: false, turn: Value::Null, open: BTreeMap::new() }
    }
    /// What one event is for people.
    pub fn tell(&mut self, event: &TaskEvent) -> Vec<Line> {
        let data = &event.data;
        match event.kind {
            TaskEventType::Text => {
                self.thinks = false;
                let words = kept_lines(text(data));
                self.is_mid_line = if words.is_empty() { self.is_mid_line } else { !words.ends_with('\n') };
                vec![Line::Words(words)]
            }
            TaskEventType::Thinking => self.thought(text(data)),
            TaskEventType::ToolUse => self.note(used(data)),
            TaskEventType::ToolResult => self.note(came_of(data)),
            TaskEventType::PermissionRequest | TaskEventType::Question => {
                let approval: Approval = serde_json::from_value(data.clone()).unwrap_or_default();
                self.open.insert(approval.request_id.clone(), one_line(&wants(&approval), SHOWN));
                self.note(asked(data))
            }
            TaskEventType::PermissionResolved => {
                let what = data["requestId"].as_str().and_then(|id| self.open.remove(id));
                self.note(settled(data, what.as_deref()))
            }
            TaskEventType::Status => status(data).map_or_else(Vec::new, |words| self.note(words)),
            TaskEventType::Error => self.line(Line::Warning(one_line(text(data), SHOWN * 4))),
            TaskEventType::Result => {
                self.turn = data.clone();
                self.end_line()
            }
            TaskEventType::Exit => self.note(ended(data, &self.turn)),
            TaskEventType::System => match skipped(data) {
                Some(up_to) => self.line(Line::Warning(format!("what happened up to event {up_to} is no longer kept"))),
                None => Vec::new(),
            },
        }
    }
    /// Ends a line of words that has not ended, so that another can begin.
    pub fn end_line(&mut self) -> Vec<Line> {
        let is_mid_line = std::mem::take(&mut self.is_mid_line);
        if is_mid_line { vec![Line::Words("\n".into())] } else { Vec::new() }
    }
    fn note(&mut self, words: String) -> Vec<Line> {
        self.line(Line::Note(words))
    }
    fn line(&mut self, line: Line) -> Vec<Line> {
        self.thinks = false;
        let mut lines = self.end_line();
        lines.push(line);
        lines
    }
    fn thought(&mut self, text: &str) -> Vec<Line> {
        let began = !std::mem::replace(&mut self.thinks, true);
        let mut lines = self.end_line();
        match self.thoughts {
            Thoughts::Whole => lines.extend(text.lines().filter(|line| !line.is_empty()).map(|line| Line::Faint(printable(line)))),
            Thoughts::Noted if began => lines.push(Line::Faint("(it thinks)".into())),
            Thoughts::Noted | Thoughts::Untold => {}
        }
        lines
    }
}

/// Text for a terminal that may have line breaks and tabs, but nothing else that is obeyed.
pub fn kept_lines(text: &str) -> String {
    let line = |line: &str| line.trim_end_matches('\r').split('\t').map(printable).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The text of an event, which some senders wrap.
fn text(data: &Value) -> &str {
    let wrapped = || ["text", "message", "content"].iter().find_map(|name| data[name].as_str());
    data.as_str().or_else(wrapped).unwrap_or_default()
}

/// A name and what it is about, as one line.
fn named(name: &str, input: &Value) -> String {
    let name = if name.is_empty() { "a tool".into() } else { one_line(name, NAME) };
    let about = about(input);
    if about.is_empty() { name } else { format!("{name}: {about}") }
}

/// A text of several lines as one.
pub fn flat(text: &str, most: usize) -> String {
    one_line(&text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ⏎ "), most)
}

/// What a tool's input is about, as one line.
pub fn about(input: &Value) -> String {
    let told = TELLING.iter().find_map(|name| input[name].as_str());
    match (told, input) {
        (Some(told), _) => flat(told.trim(), SHOWN),
        (None, Value::Null) => String::new(),
        (None, Value::Object(members)) if members.is_empty() => String::new(),
        (None, other) => one_line(&other.to_string(), SHOWN),
    }
}

/// What a helper of the agent does stands further in.
fn margin(data: &Value) -> &'static str {
    if data["parent"].is_string() { "  " } else { "" }
}

fn used(data: &Value) -> String {
    format!("{}→ {}", margin(data), named(data["name"].as_str().unwrap_or_default(), &data["input"]))
}

fn came_of(data: &Value) -> String {
    let content = content(&data["content"]);
    let mut lines = content.lines().filter(|line| !line.trim().is_empty());
    let first = one_line(lines.next().unwrap_or_default().trim_end(), SHOWN);
    let words = match (first.is_empty(), lines.count()) {
        (true, _) => "nothing".into(),
        (false, 0) => first,
        (false, more) => format!("{first} (and {more} more {})", if more == 1 { "line" } else { "lines" }),
    };
    let mark = if data["isError"] == true { "failed: " } else { "" };
    format!("{}← {mark}{words}", margin(data))
}

/// A tool's result as text: a string, blocks of which some are text, or whatever it is.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(blocks) if blocks.iter().any(|block| block["text"].is_string()) => {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

fn asked(data: &Value) -> String {
    let asked: Approval = serde_json::from_value(data.clone()).unwrap_or_default();
    format!("? {}", wants(&asked))
}

/// What an agent wants, as one line.
pub fn wants(asked: &Approval) -> String {
    let about = named(&asked.tool_name, &asked.tool_input);
    match asked.kind {
        ApprovalKind::Permission => about,
        ApprovalKind::Question => {
            format!("a question: {}", questions(&asked.tool_input).first().map_or(about, |text| one_line(text, SHOWN)))
        }
        ApprovalKind::Plan => format!("a plan: {}", self::about(&asked.tool_input)),
    }
}

/// The texts of what is to be chosen.
pub fn questions(input: &Value) -> Vec<&str> {
    input["questions"].as_array().into_iter().flatten().filter_map(|question| question["question"].as_str()).collect()
}

fn settled(data: &Value, what: Option<&str>) -> String {
    let Resolved { approved, by, message, remembered, edited, .. } = serde_json::from_value(data.clone()).unwrap_or_default();
    let mut words = match by.as_str() {
        "withdrawn" => "it no longer asks".into(),
        "timeout" => "refused, since nobody answered in time".into(),
        "ended" => "not answered before the task ended".into(),
        by => format!("{} by {}", if approved { "approved" } else { "refused" }, one_line(by, NAME)),
    };
    if edited {
        words.push_str(", with another input");
    }
    if let Some(remembered) = remembered {
        words.push_str(&format!("; remembered: {}", one_line(&remembered, SHOWN)));
    }
    if let Some(message) = message.filter(|_| !approved && by != "timeout") {
        words.push_str(&format!(": {}", one_line(&message, SHOWN)));
    }
    match what {
        Some(what) => format!("! {words} ({what})"),
        None => format!("! {words}"),
    }
}

fn status(data: &Value) -> Option<String> {
    if let Some(prompt) = data["prompt"].as_str() {
        return Some(format!("» {}", flat(prompt.trim(), SHOWN)));
    }
    let is_pending = data["status"] == TaskStatus::Pending.name();
    is_pending.then(|| "it waits for its turn".into())
}

/// Up to which event they are no longer kept, where the event says so.
pub fn skipped(data: &Value) -> Option<u64> {
    data["upTo"].as_u64().filter(|_| data["subtype"] == "skipped")
}

/// How a task ended, by what its event says.
pub fn outcome(exit: &Value) -> Option<TaskStatus> {
    TaskStatus::ALL.into_iter().find(|status| exit["status"] == status.name())
}

/// How it ended, what it took and what it cost.
fn ended(exit: &Value, turn: &Value) -> String {
    let how = match outcome(exit) {
        Some(TaskStatus::Completed) => "done".into(),
        Some(status) => status.name().to_owned(),
        None => "ended".into(),
    };
    let why = exit["error"].as_str().map(|error| format!(": {}", one_line(error, SHOWN * 4))).unwrap_or_default();
    let took = turn["durationMs"].as_u64().map(|span| format!("in {}", units::duration(Duration::from_millis(span))));
    let turns = turn["turns"].as_u64().map(turns);
    let cost = turn["cost"].as_f64().map(dollars);
    let session = turn["sessionId"].as_str().map(|session| format!("session {}", one_line(session, NAME)));
    let more: Vec<String> = [turns, cost, session].into_iter().flatten().collect();
    let took = took.map(|took| format!(" {took}")).unwrap_or_default();
    let rest = if more.is_empty() { String::new() } else { format!(", {}", more.join(", ")) };
    if why.is_empty() { format!("{how}{took}{rest}") } else { format!("{how}{took}{rest}{why}") }
}

/// How often the model was asked.
pub fn turns(count: u64) -> String {
    format!("{count} {}", if count == 1 { "turn" } else { "turns" })
}

/// What something cost.
pub fn dollars(cost: f64) -> String {
    format!("${cost:.4}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: TaskEventType, data: Value) -> TaskEvent {
        TaskEvent { kind, data, ..TaskEvent::default() }
    }
    fn told(events: &[(TaskEventType, Value)]) -> Vec<Line> {
        let mut telling = Telling::new(Thoughts::Noted);
        events.iter().flat_map(|(kind, data)| telling.tell(&event(*kind, data.clone()))).collect()
    }
    fn note(kind: TaskEventType, data: Value) -> String {
        match told(&[(kind, data)]).pop() {
            Some(Line::Note(text) | Line::Warning(text) | Line::Faint(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    /// known fault 11: tools and what came of them are seen, each as one line.
    #[test]
    fn a_tool_and_its_result_are_a_line_each() {
        use TaskEventType::{ToolResult, ToolUse};
        assert_eq!(
            note(ToolUse, json!({"id":"t","name":"Bash","input":{"command":"echo hi > out.txt","description":"x"}})),
            "→ Bash: echo hi > out.txt"
        );
        assert_eq!(note(ToolUse, json!({"name":"Read","input":{"file_path":"/a b","limit":3},"parent":"t0"})), "  → Read: /a b");
        assert_eq!(note(ToolUse, json!({"name":"mcp__lp__add","input":{"a":2}})), r#"→ mcp__lp__add: {"a":2}"#);
        assert_eq!(note(ToolUse, json!({"name":"Now","input":{}})), "→ Now");
        assert_eq!(note(ToolUse, json!(7)), "→ a tool");
        assert_eq!(note(ToolResult, json!({"id":"t","content":"hi\n","isError":false})), "← hi");
        assert_eq!(note(ToolResult, json!({"content":"one\ntwo\n\nthree"})), "← one (and 2 more lines)");
        assert_eq!(note(ToolResult, json!({"content":[{"type":"text","text":"no such file"}],"isError":true})), "← failed: no such file");
        assert_eq!(note(ToolResult, json!({"content":""})), "← nothing");
        assert!(note(ToolUse, json!({"name":"Bash","input":{"command":"x".repeat(5000)}})).chars().count() < 200);
    }

    /// What is said by an agent, a tool or a peer is shown, never obeyed.
    #[test]
    fn nothing_that_was_written_elsewhere_moves_the_cursor() {
        let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{9b}1A\r\u{8}";
        let data = json!({
            "id": evil, "name": evil, "input": {"command": evil}, "content": evil, "message": evil, "text": evil,
            "status": evil, "prompt": evil, "error": evil, "sessionId": evil, "by": evil, "remembered": evil,
            "requestId": evil, "toolName": evil, "toolInput": {"command": evil, "questions": [{"question": evil}]},
            "approved": false, "timestamp": 0, "subtype": evil,
        });
        for thoughts in [Thoughts::Whole, Thoughts::Noted] {
            let mut telling = Telling::new(thoughts);
            for kind in TaskEventType::ALL {
                for data in [&data, &json!(evil), &json!({ "name": evil, "input": [evil], "kind": "question", "isError": true })] {
                    for line in telling.tell(&event(kind, data.clone())) {
                        let (Line::Words(text) | Line::Note(text) | Line::Faint(text) | Line::Warning(text)) = line;
                        let ends = text.strip_suffix('\n').unwrap_or(&text);
                        assert_eq!(printable(ends), ends, "{kind:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn words_stay_words_and_lines_about_them_begin_anew() {
        use TaskEventType::{Text, Thinking, ToolUse};
        let lines = told(&[
            (Thinking, json!("hm")),
            (Thinking, json!(" hm")),
            (Text, json!("One\n\ttw")),
            (Text, json!("o")),
            (ToolUse, json!({"name":"Now"})),
            (Text, json!("end\r\n")),
            (ToolUse, json!({"name":"Now"})),
        ]);
        let words = |text: &str| Line::Words(text.into());
        let now = || Line::Note("→ Now".into());
        let thinks = Line::Faint("(it thinks)".into());
        assert_eq!(lines, [thinks, words("One\n\ttw"), words("o"), words("\n"), now(), words("end\n"), now()]);
        let mut whole = Telling::new(Thoughts::Whole);
        assert_eq!(whole.tell(&event(Thinking, json!("a\u{1b}\n\nb"))), [Line::Faint("a\u{fffd}".into()), Line::Faint("b".into())]);
        assert_eq!(Telling::new(Thoughts::Untold).tell(&event(Thinking, json!("a"))), []);
    }

    /// known fault 52: what was cancelled is never said to be done.
    #[test]
    fn the_last_line_says_how_it_ended_and_what_it_cost() {
        use TaskEventType::{Exit, Result};
        let turn = json!({"result":"ok","isError":false,"cost":0.0123,"turns":3,"sessionId":"s1","durationMs":12_300});
        let lines = told(&[(Result, turn.clone()), (Exit, json!({"status":"completed","exitCode":0}))]);
        assert_eq!(lines, [Line::Note("done in 12 s, 3 turns, $0.0123, session s1".into())]);
        let lines = told(&[(Result, turn), (Exit, json!({"status":"failed","error":"it broke"}))]);
        assert_eq!(lines, [Line::Note("failed in 12 s, 3 turns, $0.0123, session s1: it broke".into())]);
        assert_eq!(note(Exit, json!({"status":"cancelled","exitCode":0})), "cancelled");
        assert_eq!(note(Exit, json!("0")), "ended");
        assert_eq!(outcome(&json!({"status":"cancelled","exitCode":0})), Some(TaskStatus::Cancelled));
        assert_eq!(outcome(&json!(0)), None);
    }

    #[test]
    fn questions_are_told_and_so_is_who_answered() {
        use TaskEventType::{PermissionRequest, PermissionResolved, Question, Status, System};
        let asked = |kind: &str, input: Value| json!({"requestId":"r","kind":kind,"toolName":"T","toolInput":input,"timestamp":1});
        assert_eq!(note(PermissionRequest, asked("permission", json!({"command":"ls"}))), "? T: ls");
        assert_eq!(note(Question, asked("question", json!({"questions":[{"question":"Which DB?"}]}))), "? a question: Which DB?");
        assert_eq!(note(PermissionRequest, asked("plan", json!({"plan":"1. think"}))), "? a plan: 1. think");
        let by = |by: &str, approved: bool| note(PermissionResolved, json!({"requestId":"r","approved":approved,"by":by,"message":"no"}));
        assert_eq!(by("owner", true), "! approved by owner");
        assert_eq!(by("leo", false), "! refused by leo: no");
        assert_eq!(by("timeout", false), "! refused, since nobody answered in time");
        let rest = json!({"requestId":"r","approved":true,"by":"leo","remember":"session","remembered":"Bash(ls *)","edited":true});
        assert_eq!(note(PermissionResolved, rest), "! approved by leo, with another input; remembered: Bash(ls *)");
        assert_eq!(note(Status, json!({"status":"running","prompt":"go on\nplease"})), "» go on ⏎ please");
        assert_eq!(note(Status, json!({"status":"pending"})), "it waits for its turn");
        assert_eq!(note(System, json!({"subtype":"skipped","upTo":7})), "what happened up to event 7 is no longer kept");
        assert_eq!(told(&[(Status, json!({"status":"running"})), (System, json!({"subtype":"init","upTo":7}))]), []);
    }
}
