//! What an agent asks permission for over ACP, and the option of its own that an answer stands for.

use serde_json::{Value, json};

use super::quirks::Quirks;
use crate::api::tasks::{Approval, ApprovalKind, Remember, Suggestion};
use crate::base::{Error, Result, text};
use crate::service::tasks::agent::Decision;

/// Longest name of an option that is shown, characters.
const LABEL_LENGTH: usize = 200;
/// Most options of a question.
const MOST_OPTIONS: usize = 50;

/// A question that is open.
pub(super) struct Question {
    /// The id of its request, to answer it by.
    pub rpc_id: Value,
    /// What it is about, for people.
    pub title: String,
    options: Vec<Choice>,
}

/// Something that can be answered.
struct Choice {
    id: String,
    kind: String,
    /// What it would remember.
    shown: Option<Suggestion>,
}

/// The option that was chosen, if any was, and what is remembered.
pub(super) struct Answer {
    pub outcome: Value,
    pub remembered: Option<String>,
}

impl Question {
    /// Reads a `session/request_permission`.
    pub fn read(rpc_id: &Value, params: &Value, quirks: &Quirks) -> Self {
        let tool = &params["toolCall"];
        let about = tool["kind"].as_str().unwrap_or_default();
        let options = params["options"].as_array().into_iter().flatten().take(MOST_OPTIONS);
        let choice = |(at, option): (usize, &Value)| {
            let (id, kind) = (option["optionId"].as_str()?, option["kind"].as_str()?);
            let label = option["name"].as_str().unwrap_or(id);
            let shown = (kind == "allow_always").then(|| {
                let cut = text::one_line(label, LABEL_LENGTH);
                let (remember, wider) = quirks.remembers(id, about);
                Suggestion { id: (at + 1).to_string(), wider: wider || cut != label, label: cut, remember }
            });
            Some(Choice { id: id.to_owned(), kind: kind.to_owned(), shown })
        };
        let title = text::one_line(tool["title"].as_str().unwrap_or(about), LABEL_LENGTH);
        Self { rpc_id: rpc_id.clone(), title, options: options.enumerate().filter_map(choice).collect() }
    }

    /// What people are shown.
    pub fn approval(&self, request_id: &str, tool: &Value) -> Approval {
        let kind = tool["kind"].as_str().unwrap_or_default();
        let input = match &tool["rawInput"] {
            Value::Object(input) if !input.is_empty() => tool["rawInput"].clone(),
            _ => json!({ "title": tool["title"], "content": tool["content"], "locations": tool["locations"] }),
        };
        Approval {
            request_id: request_id.to_owned(),
            kind: if kind == "switch_mode" { ApprovalKind::Plan } else { ApprovalKind::Permission },
            tool_name: super::calls::name(tool),
            tool_input: input,
            description: tool["title"].as_str().map(str::to_owned),
            suggestions: self.options.iter().filter_map(|choice| choice.shown.clone()).collect(),
            ..Approval::default()
        }
    }

    /// The answer as the agent takes it.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for one that can't be given.
    pub fn answer(&self, decision: &Decision) -> Result<Answer> {
        if decision.input.is_some() || decision.answers.is_some() {
            return Err(
                Error::invalid("this agent can't be given another input").hint("Deny it with a message that says what to do instead.")
            );
        }
        if !decision.approved {
            if decision.remember != Remember::Once || decision.suggestion.is_some() {
                return Err(Error::invalid("a denial holds for this once").hint("Leave out `remember` and `suggestion`."));
            }
            return Ok(Answer { outcome: self.denial(), remembered: None });
        }
        if decision.remember == Remember::Once {
            if decision.suggestion.is_some() {
                return Err(Error::invalid("a suggestion was chosen, but not for how long").hint("Say `remember`: `session` or `always`."));
            }
            let once = self.of_kind("allow_once").ok_or_else(|| Error::invalid("this can't be allowed for once").hint(self.ids()))?;
            return Ok(Answer { outcome: selected(&once.id), remembered: None });
        }
        let (choice, shown) = self.chosen(decision)?;
        if shown.remember != decision.remember {
            let length = if shown.remember == Remember::Always { "always" } else { "session" };
            return Err(Error::invalid(format!("'{}' can't be remembered for just as long", shown.label))
                .hint(format!("Remember it as what it is: `{length}`.")));
        }
        Ok(Answer { outcome: selected(&choice.id), remembered: Some(shown.label.clone()) })
    }

    fn chosen(&self, decision: &Decision) -> Result<(&Choice, &Suggestion)> {
        let mut offered = self.options.iter().filter_map(|choice| Some((choice, choice.shown.as_ref()?)));
        match &decision.suggestion {
            Some(id) => {
                offered.find(|(_, shown)| shown.id == *id).ok_or_else(|| Error::invalid("there is no such suggestion").hint(self.ids()))
            }
            None => offered
                .find(|(_, shown)| !shown.wider && shown.remember == decision.remember)
                .ok_or_else(|| Error::invalid("there is nothing to remember that is about this alone").hint(self.ids())),
        }
    }

    /// How it is told that it may not.
    pub fn denial(&self) -> Value {
        self.of_kind("reject_once").map_or_else(cancelled, |choice| selected(&choice.id))
    }

    fn of_kind(&self, kind: &str) -> Option<&Choice> {
        self.options.iter().find(|choice| choice.kind == kind)
    }

    fn ids(&self) -> String {
        let ids: Vec<_> =
            self.options.iter().filter_map(|choice| choice.shown.as_ref()).map(|shown| format!("{} ({})", shown.id, shown.label)).collect();
        if ids.is_empty() { "Approve it once, or deny it.".into() } else { format!("Name one by its id: {}.", ids.join(", ")) }
    }
}

/// The answer to what nobody answers any more.
pub(super) fn cancelled() -> Value {
    json!({ "outcome": { "outcome": "cancelled" } })
}

fn selected(option: &str) -> Value {
    json!({ "outcome": { "outcome": "selected", "optionId": option } })
}
