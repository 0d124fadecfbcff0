//! A question of an agent as people see it at a terminal, and what their answers mean: pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::words::wants;
use crate::api::tasks::{Approval, ApprovalKind, Remember, Suggestion, TaskApprove};
use crate::base::text::{one_line, printable};

/// Characters of a label, a description or a reason.
const SHOWN: usize = 300;
/// How the note begins that a daemon leaves in a text that it cut.
const LEFT_OUT: &str = " bytes left out …";

/// A question that somebody is asked.
#[derive(Debug)]
pub struct Asked {
    approval: Approval,
    choices: Vec<Choice>,
    to_choose: Vec<Question>,
    answers: BTreeMap<String, String>,
}

/// A key and what it stands for.
#[derive(Debug, Clone, PartialEq)]
struct Choice {
    key: String,
    remember: Remember,
    suggestion: Suggestion,
}

/// One of several things to be chosen.
#[derive(Debug, Clone, Default, PartialEq)]
struct Question {
    text: String,
    options: Vec<(String, String)>,
    several: bool,
}

/// What is to be done after a line was typed.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// It was not understood: say this, and ask again.
    Again(String),
    /// The next part is to be asked.
    Next,
    /// This is the answer.
    Send(Box<TaskApprove>),
    /// The input is to be changed first.
    Edit,
    /// It stays open, and the task goes on.
    Leave,
}

impl Asked {
    /// `may_always` says whether an answer may hold for ever.
    pub fn new(approval: Approval, may_always: bool) -> Self {
        let choices = choices(&approval.suggestions, may_always);
        let to_choose = if approval.kind == ApprovalKind::Question { to_choose(&approval.tool_input) } else { Vec::new() };
        Self { approval, choices, to_choose, answers: BTreeMap::new() }
    }
    /// The question's id.
    pub fn request_id(&self) -> &str {
        &self.approval.request_id
    }
    /// The input as it was asked for.
    pub fn input(&self) -> &Value {
        &self.approval.tool_input
    }
    /// All that is to be seen before it can be answered; `who` asks.
    pub fn lines(&self, who: &str) -> Vec<String> {
        let mut all = vec![format!("? {who} asks: {}", wants(&self.approval))];
        if self.next().is_none() {
            all.extend(lines(&self.approval).into_iter().map(|line| format!("    {line}")));
            all.extend(self.keys().into_iter().map(|(key, meaning)| format!("  {key:<3} {meaning}")));
        } else {
            all.extend(self.parts());
        }
        all
    }
    /// What is to be chosen next, with its options.
    pub fn parts(&self) -> Vec<String> {
        let Some(question) = self.next() else { return Vec::new() };
        let option = |(at, (label, description)): (usize, &(String, String))| {
            let about = if description.is_empty() { String::new() } else { format!("  {}", one_line(description, SHOWN)) };
            format!("  {:<3} {}{about}", at + 1, one_line(label, SHOWN))
        };
        let head = one_line(&question.text, SHOWN * 4);
        std::iter::once(format!("    {head}")).chain(question.options.iter().enumerate().map(option)).collect()
    }
    /// The words before the cursor.
    pub fn prompt(&self) -> String {
        match self.next() {
            Some(question) if question.several => "Numbers with commas, or your own words (n refuses, q leaves it open): ".into(),
            Some(_) => "A number, or your own words (n refuses, q leaves it open): ".into(),
            None => format!("Your answer ({}): ", self.keys().iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ")),
        }
    }
    /// What a typed line means.
    pub fn take(&mut self, line: &str) -> Step {
        let line = line.trim();
        match self.next() {
            Some(question) => match line {
                "q" => Step::Leave,
                "n" => self.refuse(""),
                _ if line.starts_with("n ") => self.refuse(line[2..].trim()),
                _ => match chosen(&question, line) {
                    Ok(answer) => self.answered(question.text, answer),
                    Err(why) => Step::Again(why),
                },
            },
            None => self.decide(line),
        }
    }
    fn decide(&self, line: &str) -> Step {
        let (key, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let key = key.to_lowercase();
        if matches!(key.as_str(), "n" | "no") {
            return self.refuse(rest.trim());
        }
        // A yes with more behind it may be a yes to something else.
        if rest.is_empty() {
            match key.as_str() {
                "y" | "yes" => return self.approve(None, None),
                "q" => return Step::Leave,
                "e" if self.can_be_edited() => return Step::Edit,
                _ => {}
            }
            if let Some(choice) = self.choices.iter().find(|choice| choice.key == key) {
                return self.approve(Some(choice), None);
            }
        }
        let keys: Vec<String> = self.keys().into_iter().map(|(key, _)| key).collect();
        Step::Again(format!("Type one of these: {}", keys.join(", ")))
    }
    /// The answer where the input was changed; nothing of it is sent where it is the same.
    pub fn edited(&self, input: Value) -> Step {
        match input {
            same if same == self.approval.tool_input => self.approve(None, None),
            Value::Object(input) => self.approve(None, Some(input)),
            _ => Step::Again("Nothing was sent: the input of a tool is a JSON object.".into()),
        }
    }
    fn approve(&self, choice: Option<&Choice>, updated_input: Option<Map<String, Value>>) -> Step {
        Step::Send(Box::new(TaskApprove {
            request_id: self.approval.request_id.clone(),
            approved: true,
            updated_input,
            remember: choice.map(|choice| choice.remember),
            suggestion: choice.map(|choice| choice.suggestion.id.clone()),
            ..TaskApprove::default()
        }))
    }
    fn refuse(&self, message: &str) -> Step {
        let message = Some(message.to_owned()).filter(|message| !message.is_empty());
        Step::Send(Box::new(TaskApprove { request_id: self.approval.request_id.clone(), message, ..TaskApprove::default() }))
    }
    fn answered(&mut self, question: String, answer: String) -> Step {
        self.answers.insert(question, answer);
        if self.next().is_some() {
            return Step::Next;
        }
        Step::Send(Box::new(TaskApprove {
            request_id: self.approval.request_id.clone(),
            approved: true,
            answers: Some(std::mem::take(&mut self.answers)),
            ..TaskApprove::default()
        }))
    }
    fn next(&self) -> Option<Question> {
        self.to_choose.iter().find(|question| !self.answers.contains_key(&question.text)).cloned()
    }
    fn can_be_edited(&self) -> bool {
        self.approval.kind == ApprovalKind::Permission && !is_cut(&self.approval.tool_input)
    }
    fn keys(&self) -> Vec<(String, String)> {
        let mut keys = vec![("y".to_owned(), "yes, this once".to_owned())];
        keys.extend(self.choices.iter().map(|choice| (choice.key.clone(), choice.words())));
        keys.push(("n".into(), "no; \"n REASON\" tells it why".into()));
        if self.can_be_edited() {
            keys.push(("e".into(), "change the input first".into()));
        }
        keys.push(("q".into(), "leave this open, and the task at work".into()));
        keys
    }
}

impl Choice {
    fn words(&self) -> String {
        let span = if self.remember == Remember::Always { "always, in all sessions there" } else { "for the rest of this session" };
        let wider = if self.suggestion.wider { " (more than what is asked for)" } else { "" };
        format!("yes, and {span}: {}{wider}", one_line(&self.suggestion.label, SHOWN))
    }
}

/// What can be remembered, each under a key of its own: `s` and `a` for the first, `s2` and `a2` for the second.
fn choices(suggestions: &[Suggestion], may_always: bool) -> Vec<Choice> {
    let of_one = |(at, suggestion): (usize, &Suggestion)| {
        let number = if at == 0 && !suggestion.wider { String::new() } else { (at + 1).to_string() };
        [("s", Remember::Session), ("a", Remember::Always)]
            .into_iter()
            .filter(|(_, span)| *span <= suggestion.remember && (may_always || *span != Remember::Always))
            .map(|(letter, remember)| Choice { key: format!("{letter}{number}"), remember, suggestion: suggestion.clone() })
            .collect::<Vec<_>>()
    };
    suggestions.iter().enumerate().flat_map(of_one).collect()
}

fn to_choose(input: &Value) -> Vec<Question> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let question = |value: &Value| Question {
        text: text(&value["question"]),
        options: value["options"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|option| (text(&option["label"]), text(&option["description"])))
            .collect(),
        several: value["multiSelect"] == true,
    };
    input["questions"].as_array().into_iter().flatten().map(question).filter(|question| !question.text.is_empty()).collect()
}

/// What was chosen: options by their numbers, or other words.
fn chosen(question: &Question, line: &str) -> Result<String, String> {
    if line.is_empty() {
        return Err("Type a number or some words.".into());
    }
    let numbers: Result<Vec<usize>, _> = line.split(',').map(|number| number.trim().parse()).collect();
    let Ok(numbers) = numbers else { return Ok(line.to_owned()) };
    if numbers.len() > 1 && !question.several {
        return Err("One of them only.".into());
    }
    let label = |number: &usize| number.checked_sub(1).and_then(|at| question.options.get(at)).map(|(label, _)| label.clone());
    let labels: Option<Vec<String>> = numbers.iter().map(label).collect();
    labels.map(|labels| labels.join(", ")).ok_or_else(|| format!("There are {} of them.", question.options.len()))
}

/// What an agent asks for, whole: what it is for, why it is asked, and each member of the input.
pub fn lines(asked: &Approval) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(asked.description.iter().map(|text| format!("for: {}", one_line(text, SHOWN))));
    all.extend(asked.reason.iter().map(|text| format!("asked because: {}", one_line(text, SHOWN))));
    match &asked.tool_input {
        Value::Object(members) => members.iter().for_each(|(name, value)| member(name, value, &mut all)),
        Value::Null => {}
        other => all.extend(value_lines(other)),
    }
    if is_cut(&asked.tool_input) {
        all.push("Part of this is left out here; what runs is the whole.".into());
    }
    all
}

fn member(name: &str, value: &Value, all: &mut Vec<String>) {
    let mut lines = value_lines(value);
    let name = printable(name);
    if lines.len() < 2 {
        all.push(format!("{name}: {}", lines.pop().unwrap_or_default()));
        return;
    }
    all.push(format!("{name}:"));
    // The bar keeps what an agent wrote from looking like what Loopsy says.
    all.extend(lines.into_iter().map(|line| format!("  │ {line}")));
}

fn value_lines(value: &Value) -> Vec<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    text.lines().map(|line| line.split('\t').map(printable).collect::<Vec<_>>().join("    ")).collect()
}

/// Whether a daemon has left something out of it.
fn is_cut(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(LEFT_OUT),
        Value::Array(items) => items.iter().any(is_cut),
        Value::Object(members) => members.values().any(is_cut),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn suggestion(id: &str, remember: Remember, wider: bool) -> Suggestion {
        Suggestion { id: id.into(), label: format!("Rule({id})"), remember, wider }
    }
    fn bash(suggestions: Vec<Suggestion>) -> Approval {
        let tool_input = json!({"command":"make","description":"build"});
        Approval { request_id: "r1".into(), tool_name: "Bash".into(), tool_input, suggestions, ..Approval::default() }
    }
    fn sent(step: Step) -> TaskApprove {
        match step {
            Step::Send(answer) => *answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_but_a_plain_yes_is_a_yes() {
        let mut asked = Asked::new(bash(Vec::new()), true);
        for yes in ["y", "Y ", " yes"] {
            let answer = sent(asked.take(yes));
            assert_eq!((answer.approved, answer.remember, answer.suggestion, answer.updated_input), (true, None, None, None), "{yes:?}");
        }
        for other in ["", " ", "yes but not there", "y?", "s", "a", "ye", "1", "ok", "\u{1b}[A"] {
            assert!(matches!(asked.take(other), Step::Again(_)), "{other:?}");
        }
        assert_eq!(asked.take("q"), Step::Leave);
        assert_eq!(asked.take("e"), Step::Edit);
        let answer = sent(asked.take("n  use /tmp instead "));
        assert_eq!((answer.approved, answer.message.as_deref()), (false, Some("use /tmp instead")));
        assert_eq!(sent(asked.take("no")).message, None);
    }

    /// Remembering is an explicit choice of one suggestion, never of all.
    #[test]
    fn each_suggestion_is_a_choice_of_its_own() {
        let suggestions = vec![
            suggestion("a", Remember::Always, false),
            suggestion("b", Remember::Session, true),
            suggestion("c", Remember::Once, false),
        ];
        let mut asked = Asked::new(bash(suggestions.clone()), true);
        let keys: Vec<String> = asked.keys().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["y", "s", "a", "s2", "n", "e", "q"]);
        for (key, remember, id) in [("s", Remember::Session, "a"), ("a", Remember::Always, "a"), ("s2", Remember::Session, "b")] {
            let answer = sent(asked.take(key));
            assert_eq!((answer.approved, answer.remember, answer.suggestion.as_deref()), (true, Some(remember), Some(id)), "{key}");
        }
        let shown = asked.lines("claude").join("\n");
        assert!(shown.contains("s2  yes, and for the rest of this session: Rule(b) (more than what is asked for)"), "{shown}");
        let mut peers = Asked::new(bash(suggestions), false);
        assert!(matches!(peers.take("a"), Step::Again(_)), "what holds for ever is not offered for a peer's task");
        let mut wide = Asked::new(bash(vec![suggestion("w", Remember::Session, true)]), true);
        assert!(matches!(wide.take("s"), Step::Again(_)), "the short key is never the wide one");
        assert_eq!(sent(wide.take("s1")).suggestion.as_deref(), Some("w"));
    }

    #[test]
    fn the_whole_input_is_seen_and_none_of_it_is_obeyed() {
        let evil = "one\n\u{1b}[2J\u{1b}[1Atwo\r\n\tthree\n? claude asks: ls";
        let input = json!({ "command": evil, evil: [evil], "n": 7 });
        let suggestions = vec![Suggestion { id: evil.into(), label: evil.into(), remember: Remember::Always, wider: false }];
        let approval = Approval {
            tool_name: evil.into(),
            tool_input: input,
            description: Some(evil.into()),
            reason: Some(evil.into()),
            suggestions,
            ..Approval::default()
        };
        let lines = Asked::new(approval.clone(), true).lines("claude");
        for line in &lines {
            assert_eq!(printable(line), *line);
        }
        let text = lines.join("\n");
        for part in ["    command:\n      │ one\n", "\n      │     three\n", "\n      │ ? claude asks: ls\n", "n: 7"] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert_eq!(lines.iter().filter(|line| line.starts_with("? ")).count(), 1);
        let question = json!({"questions":[{"question":evil,"options":[{"label":evil,"description":evil}]}]});
        let lines = Asked::new(Approval { kind: ApprovalKind::Question, tool_input: question, ..approval }, true).lines("claude");
        assert!(lines.iter().all(|line| printable(line) == *line) && lines.len() == 3, "{lines:?}");
    }

    #[test]
    fn an_input_of_which_a_part_is_missing_is_said_to_be_and_can_not_be_changed() {
        let cut = json!({"content": "head\n… 70000 bytes left out …\ntail"});
        let mut asked = Asked::new(Approval { tool_input: cut, ..bash(Vec::new()) }, true);
        assert!(asked.lines("claude").iter().any(|line| line.contains("what runs is the whole")));
        assert!(matches!(asked.take("e"), Step::Again(_)));
        let asked = Asked::new(bash(Vec::new()), true);
        assert_eq!(sent(asked.edited(json!({"command":"ls"}))).updated_input.unwrap()["command"], "ls");
        assert_eq!(sent(asked.edited(asked.input().clone())).updated_input, None, "what was not changed is not sent");
        assert!(matches!(asked.edited(json!("ls")), Step::Again(_)), "what can't be sent is no yes to what was asked");
    }

    #[test]
    fn what_is_to_be_chosen_is_chosen_by_number_or_in_own_words() {
        let question = |text: &str, several: bool| json!({"question":text,"multiSelect":several,"options":[{"label":"sqlite","description":"small"},{"label":"postgres"}]});
        let tool_input = json!({"questions":[question("Which DB?", false), question("Which ones?", true)]});
        let approval = Approval { kind: ApprovalKind::Question, tool_input, ..bash(Vec::new()) };
        let mut asked = Asked::new(approval.clone(), true);
        assert_eq!(asked.lines("claude")[1..], ["    Which DB?", "  1   sqlite  small", "  2   postgres"]);
        for wrong in ["", "0", "3", "1,2"] {
            assert!(matches!(asked.take(wrong), Step::Again(_)), "{wrong:?}");
        }
        assert_eq!(asked.take("2"), Step::Next);
        assert_eq!(asked.parts()[0], "    Which ones?");
        let answer = sent(asked.take("1, 2"));
        let wanted = [("Which DB?", "postgres"), ("Which ones?", "sqlite, postgres")].map(|(q, a)| (q.to_owned(), a.to_owned()));
        assert_eq!((answer.approved, answer.answers), (true, Some(wanted.into())));
        let mut asked = Asked::new(approval.clone(), true);
        assert_eq!(asked.take("none of them"), Step::Next);
        assert_eq!(sent(asked.take("duckdb")).answers.unwrap()["Which DB?"], "none of them");
        assert!(!sent(Asked::new(approval.clone(), true).take("n")).approved);
        assert_eq!(Asked::new(approval, true).take("q"), Step::Leave);
    }
}
