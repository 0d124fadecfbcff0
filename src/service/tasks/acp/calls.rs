//! Tools that an agent uses, told once: when it is known what it does, and what came of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::tasks::TaskEventType;
use crate::base::text;
use crate::service::tasks::agent::Step;

/// Most calls that are followed at once.
const MOST: usize = 1000;
/// Most bytes that are kept of what a terminal shows.
const MOST_OUTPUT: usize = 256 * 1024;

/// Calls that have not ended.
#[derive(Default)]
pub(super) struct Calls(BTreeMap<String, Call>);

#[derive(Default)]
struct Call {
    /// The newest of what was told of it: title, kind, input.
    known: Value,
    told: bool,
    content: String,
    terminal: String,
}

impl Calls {
    /// Takes what is told of a call: a `tool_call`, a `tool_call_update`, or the call of a question. `certain`: it is known what
    /// it does, even where it has not begun.
    pub fn update(&mut self, told: &Value, certain: bool) -> Vec<Step> {
        let Some(id) = told["toolCallId"].as_str().filter(|id| !id.is_empty()) else { return Vec::new() };
        if !self.0.contains_key(id) && self.0.len() >= MOST {
            self.0.pop_first();
        }
        let call = self.0.entry(id.to_owned()).or_default();
        call.learn(told);
        let status = told["status"].as_str().unwrap_or_default();
        let has_ended = matches!(status, "completed" | "failed");
        let mut steps = Vec::new();
        if !call.told && (certain || has_ended || status == "in_progress") {
            call.told = true;
            let input = std::mem::take(&mut call.known["rawInput"]);
            let input =
                if input.as_object().is_some_and(|input| !input.is_empty()) { input } else { json!({ "title": call.known["title"] }) };
            steps.push(Step::Tell(TaskEventType::ToolUse, json!({ "id": id, "name": name(&call.known), "input": input })));
        }
        if has_ended && let Some(call) = self.0.remove(id) {
            let data = json!({ "id": id, "content": call.outcome(told), "isError": status == "failed" });
            steps.push(Step::Tell(TaskEventType::ToolResult, data));
        }
        steps
    }
}

impl Call {
    fn learn(&mut self, told: &Value) {
        if !self.known.is_object() {
            self.known = json!({});
        }
        for key in ["title", "kind", "rawInput"] {
            // Its input was told, and may be long.
            let is_past = self.told && key == "rawInput";
            if !is_past && !told[key].is_null() {
                self.known[key] = told[key].clone();
            }
        }
        if let Some(blocks) = told["content"].as_array() {
            self.content = blocks.iter().map(block).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
        }
        if let Some(shown) = told["_meta"]["terminal_output_delta"]["data"].as_str()
            && self.terminal.len().saturating_add(shown.len()) <= MOST_OUTPUT
        {
            self.terminal.push_str(shown);
        }
    }

    /// What came of it: what it showed, or else what the tool gave back.
    fn outcome(self, told: &Value) -> String {
        let shown = [self.content, self.terminal].into_iter().find(|text| !text.is_empty());
        shown.unwrap_or_else(|| match &told["rawOutput"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other["output"].as_str().map_or_else(|| other.to_string(), str::to_owned),
        })
    }
}

/// What kind of tool it is; its title where it is of no kind.
pub(super) fn name(tool: &Value) -> String {
    let kind = tool["kind"].as_str().filter(|kind| !matches!(*kind, "" | "other"));
    text::one_line(kind.or(tool["title"].as_str()).unwrap_or("tool"), 100)
}

/// A block of content as text.
fn block(block: &Value) -> String {
    match block["type"].as_str() {
        Some("content") => words(&block["content"]),
        Some("diff") => format!("changed {}", block["path"].as_str().unwrap_or_default()),
        _ => String::new(),
    }
}

/// Content of a message as text.
pub(super) fn words(content: &Value) -> String {
    match content["type"].as_str() {
        Some("text") => content["text"].as_str().unwrap_or_default().to_owned(),
        Some(kind) => {
            let size = content["data"].as_str().map_or(0, |data| data.len() / 4 * 3);
            format!("[{}, {size} bytes]", text::one_line(content["mimeType"].as_str().unwrap_or(kind), 100))
        }
        None => String::new(),
    }
}
