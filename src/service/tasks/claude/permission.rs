//! What Claude Code asks permission for, as people are asked it, and their answer in its own words.

use serde_json::{Map, Value, json};

use crate::api::tasks::{Approval, ApprovalKind, Remember, Suggestion};
use crate::base::{Error, Result, text};
use crate::service::tasks::agent::Decision;

/// Longest description of what could be remembered, characters. What is longer can't be shown as what it is.
const LABEL_LENGTH: usize = 200;
/// What the agent is told where whoever denied it said nothing: it takes no denial without a message.
const DENIED: &str = "The user did not allow this.";

/// A question that is open: what was asked, whole.
pub(super) struct Question {
    kind: ApprovalKind,
    tool: String,
    input: Value,
    description: Option<String>,
    reason: Option<String>,
    offers: Vec<Offer>,
}

/// Something that the agent offers to remember.
struct Offer {
    shown: Suggestion,
    /// As the agent words it.
    update: Value,
    /// The same as tools of its command line; empty where they can't be given there.
    rules: Vec<String>,
}

/// An answer as the agent takes it.
#[derive(Debug)]
pub(super) struct Answer {
    /// `behavior` and what goes with it.
    pub behavior: Value,
    /// What it remembers, in words.
    pub remembered: Option<String>,
    /// The same as tools of its command line.
    pub rules: Vec<String>,
}

impl Question {
    /// Reads what a `can_use_tool` request or the input of a hook asks. With `longest`, nothing is offered for longer.
    pub fn read(tool: &str, input: &Value, request: &Value, longest: Remember) -> Self {
        let kind = match tool {
            "AskUserQuestion" => ApprovalKind::Question,
            "ExitPlanMode" => ApprovalKind::Plan,
            _ => ApprovalKind::Permission,
        };
        let offers = match request["permission_suggestions"].as_array() {
            Some(updates) if kind == ApprovalKind::Permission && request["suppress_always_allow_rule"] != true => {
                updates.iter().enumerate().filter_map(|(at, update)| Offer::read(at, update, tool, longest)).collect()
            }
            _ => Vec::new(),
        };
        let words = |key: &str| request[key].as_str().filter(|words| !words.is_empty()).map(str::to_owned);
        Self {
            kind,
            tool: tool.to_owned(),
            input: if input.is_object() { input.clone() } else { json!({}) },
            description: words("description").or_else(|| words("title")),
            reason: words("decision_reason"),
            offers,
        }
    }

    /// What people are shown.
    pub fn approval(&self, request_id: &str) -> Approval {
        Approval {
            request_id: request_id.to_owned(),
            kind: self.kind,
            tool_name: self.tool.clone(),
            tool_input: self.input.clone(),
            description: self.description.clone(),
            reason: self.reason.clone(),
            suggestions: self.offers.iter().map(|offer| offer.shown.clone()).collect(),
            ..Approval::default()
        }
    }

    /// The answer in the agent's words.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for one that can't be given.
    pub fn answer(&self, decision: &Decision) -> Result<Answer> {
        if decision.approved { self.allow(decision) } else { deny(decision) }
    }

    fn allow(&self, decision: &Decision) -> Result<Answer> {
        let input = self.input_to_run(decision)?;
        let chosen = self.chosen(decision)?;
        let mut behavior = json!({ "behavior": "allow", "updatedInput": input });
        if let Some(offer) = chosen {
            behavior["updatedPermissions"] = json!([offer.lasting(decision.remember)]);
        } else if self.kind == ApprovalKind::Plan {
            // Left to itself it goes on in the mode of the user's settings, which may be one that does not ask.
            behavior["updatedPermissions"] = json!([{ "type": "setMode", "mode": "default", "destination": "session" }]);
        }
        Ok(Answer {
            behavior,
            remembered: chosen.map(|offer| offer.shown.label.clone()),
            rules: chosen.map(|offer| offer.rules.clone()).unwrap_or_default(),
        })
    }

    /// The tool's input, kept whole unless it was edited.
    fn input_to_run(&self, decision: &Decision) -> Result<Value> {
        if self.kind == ApprovalKind::Question {
            return self.answered(decision);
        }
        if decision.answers.is_some() {
            return Err(Error::invalid("nothing is asked here that has answers").hint("Approve it, or deny it with a message."));
        }
        match &decision.input {
            Some(edited) if !edited.is_object() => {
                Err(Error::invalid("the input of a tool is an object")
                    .hint("Give the whole input, as it was asked for, with your changes."))
            }
            Some(edited) => Ok(edited.clone()),
            None => Ok(self.input.clone()),
        }
    }

    /// The questions with their answers.
    fn answered(&self, decision: &Decision) -> Result<Value> {
        let asked: Vec<_> = self.input["questions"].as_array().into_iter().flatten().filter_map(|one| one["question"].as_str()).collect();
        let answers = decision.answers.clone().unwrap_or_default();
        let hint = "Approve it with `answers`: each question's text with its answer.";
        if decision.input.is_some() {
            return Err(Error::invalid("a question is answered, its input is not edited").hint(hint));
        }
        if let Some(open) = asked.iter().find(|question| answers.get(**question).is_none_or(|answer| answer.trim().is_empty())) {
            return Err(Error::invalid(format!("'{}' has no answer", text::one_line(open, LABEL_LENGTH))).hint(hint));
        }
        if let Some(other) = answers.keys().find(|key| !asked.contains(&key.as_str())) {
            return Err(Error::invalid(format!("'{}' was not asked", text::one_line(other, LABEL_LENGTH))).hint(hint));
        }
        let mut input = self.input.clone();
        input["answers"] = json!(answers);
        Ok(input)
    }

    /// What is to be remembered.
    fn chosen(&self, decision: &Decision) -> Result<Option<&Offer>> {
        let remember = decision.remember;
        let Some(id) = &decision.suggestion else {
            return if remember == Remember::Once { Ok(None) } else { self.usual(decision).map(Some) };
        };
        if remember == Remember::Once {
            return Err(Error::invalid("a suggestion was chosen, but not for how long").hint("Say `remember`: `session` or `always`."));
        }
        let offer = self
            .offers
            .iter()
            .find(|offer| offer.shown.id == *id)
            .ok_or_else(|| Error::invalid("there is no such suggestion").hint(self.ids()))?;
        if remember > offer.shown.remember {
            return Err(
                Error::invalid(format!("'{}' can't be remembered for that long", offer.shown.label)).hint("Remember it for the session.")
            );
        }
        Ok(Some(offer))
    }

    /// What is remembered where no suggestion is named: the first that is about this tool alone.
    fn usual(&self, decision: &Decision) -> Result<&Offer> {
        if decision.input.is_some() {
            return Err(Error::invalid("the suggestions are about another input").hint("Name the suggestion, or approve it once."));
        }
        self.offers
            .iter()
            .find(|offer| !offer.shown.wider && offer.shown.remember >= decision.remember)
            .ok_or_else(|| Error::invalid("there is nothing to remember that is about this alone").hint(self.ids()))
    }

    fn ids(&self) -> String {
        if self.offers.is_empty() {
            return "Approve it once.".into();
        }
        let ids: Vec<_> = self.offers.iter().map(|offer| format!("{} ({})", offer.shown.id, offer.shown.label)).collect();
        format!("Name one by its id: {}.", ids.join(", "))
    }
}

fn deny(decision: &Decision) -> Result<Answer> {
    if decision.remember != Remember::Once || decision.suggestion.is_some() {
        return Err(Error::invalid("a denial holds for this once").hint("Leave out `remember` and `suggestion`."));
    }
    let message = decision.message.as_deref().map(str::trim).filter(|message| !message.is_empty()).unwrap_or(DENIED);
    Ok(Answer { behavior: json!({ "behavior": "deny", "message": message }), remembered: None, rules: Vec::new() })
}

impl Offer {
    /// Reads one of the suggestions; none for what can't be put into words, and for modes that ask no more.
    fn read(at: usize, update: &Value, tool: &str, longest: Remember) -> Option<Self> {
        let (label, remember, about_this) = match update["type"].as_str()? {
            "addRules" => {
                let rules = Rule::all(update)?;
                let allows = update["behavior"] == "allow";
                let label = if allows { String::new() } else { format!("{}: ", update["behavior"].as_str()?) };
                (label + &listed(&rules), Remember::Always, allows && rules.iter().all(|rule| rule.is_about(tool)))
            }
            kind @ ("replaceRules" | "removeRules") => {
                let what = if kind == "replaceRules" { "instead of all rules" } else { "no longer" };
                (format!("{what}, {}: {}", update["behavior"].as_str()?, listed(&Rule::all(update)?)), Remember::Always, false)
            }
            "setMode" => {
                let mode = update["mode"].as_str().filter(|mode| ["default", "acceptEdits", "plan"].contains(mode))?;
                (format!("mode {mode}"), Remember::Session, false)
            }
            "addDirectories" => {
                let folders: Option<Vec<_>> = update["directories"].as_array()?.iter().map(Value::as_str).collect();
                (format!("folder {}", folders.filter(|folders| !folders.is_empty())?.join(", ")), Remember::Session, false)
            }
            _ => return None,
        };
        let shown = text::one_line(&label, LABEL_LENGTH);
        // What people can't see whole is never chosen for them.
        let wider = !about_this || shown != label;
        let rules = if about_this { Rule::all(update)?.iter().filter_map(Rule::argument).collect() } else { Vec::new() };
        let shown = Suggestion { id: (at + 1).to_string(), label: shown, remember: remember.min(longest), wider };
        Some(Self { shown, update: update.clone(), rules })
    }

    /// The suggestion for as long as was chosen, whatever was suggested.
    fn lasting(&self, remember: Remember) -> Value {
        let mut update = self.update.as_object().cloned().unwrap_or_else(Map::new);
        let destination = if remember == Remember::Always { "localSettings" } else { "session" };
        update.insert("destination".into(), destination.into());
        Value::Object(update)
    }
}

/// A tool, and what it may be used for.
struct Rule<'a> {
    tool: &'a str,
    content: Option<&'a str>,
}

impl<'a> Rule<'a> {
    /// The rules of an update; none where one can't be read.
    fn all(update: &'a Value) -> Option<Vec<Self>> {
        let rules: Option<Vec<_>> = update["rules"].as_array()?.iter().map(Self::read).collect();
        rules.filter(|rules| !rules.is_empty())
    }
    fn read(rule: &'a Value) -> Option<Self> {
        let content = match &rule["ruleContent"] {
            Value::Null => None,
            content => Some(content.as_str()?),
        };
        Some(Self { tool: rule["toolName"].as_str()?, content })
    }
    /// Whether it allows some uses of that tool, and neither all of them nor another tool.
    fn is_about(&self, tool: &str) -> bool {
        self.tool == tool && self.content.is_some_and(|content| !content.trim_matches(['*', ':', ' ', '/', '.']).is_empty())
    }
    fn label(&self) -> String {
        self.content.map_or_else(|| self.tool.to_owned(), |content| format!("{}({content})", self.tool))
    }
    /// As the command line takes it. Lists of tools are taken apart there at commas and blanks outside of brackets: with brackets
    /// in it, a rule could come out as another one.
    fn argument(&self) -> Option<String> {
        let is_plain = |text: &str| !text.contains(['(', ')', '\\']) && !text.contains(char::is_control);
        let is_name = self.tool.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        (is_name && self.content.is_none_or(is_plain)).then(|| self.label())
    }
}

fn listed(rules: &[Rule<'_>]) -> String {
    rules.iter().map(Rule::label).collect::<Vec<_>>().join(", ")
}
