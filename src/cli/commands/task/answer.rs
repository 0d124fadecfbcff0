//! `loopsy task approve` and `deny`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::place::{Place, beginning, short};
use super::words::{questions, wants};
use crate::api::tasks::{Approval, Task, TaskApprove};
use crate::base::agents::TASK_VARIABLE;
use crate::base::error::io_words;
use crate::base::text::{one_line, printable};
use crate::base::{Code, Error, Result};
use crate::cli::app::{Approve, Question};
use crate::cli::{Session, input};
use crate::home::config_file;

/// Variables that are set inside of an agent.
const INSIDE_OF_AGENTS: [&str; 3] = [TASK_VARIABLE, "CLAUDECODE", "AI_AGENT"];
/// Most bytes of another input.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Characters of a question that is repeated.
const SHOWN: usize = 100;

/// Whether this run of the program may answer what agents ask: one that an agent started may not, unless the owner of this
/// machine says so.
///
/// # Errors
/// `AUTH_FORBIDDEN`.
pub fn permitted(session: &Session) -> Result<()> {
    let is_inside = INSIDE_OF_AGENTS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if !is_inside || config_file::load(&session.home)?.config.ai_tasks.agents_may_approve {
        return Ok(());
    }
    Err(Error::new(Code::AuthForbidden, "an agent may not approve what another one asks, nor let it do everything")
        .hint("Have a person answer, or let agents do so: loopsy config set aiTasks.agentsMayApprove true"))
}

/// Approves.
pub async fn approve(session: &Session, args: Approve) -> Result<()> {
    permitted(session)?;
    let place = Place::of(session, &args.question.place);
    let (task, request_id) = find(place, &args.question).await?;
    let asked = task.pending_approvals.iter().find(|asked| asked.request_id == request_id);
    let answer = TaskApprove {
        task_id: task.task_id.clone(),
        request_id,
        approved: true,
        updated_input: args.input.as_deref().map(another_input).transpose()?,
        remember: args.remember,
        suggestion: args.suggestion,
        answers: answers(asked, &args.answers)?,
        ..TaskApprove::default()
    };
    send(place, asked, answer).await
}

/// Refuses.
pub async fn deny(session: &Session, question: &Question, message: Option<String>) -> Result<()> {
    let place = Place::of(session, &question.place);
    let (task, request_id) = find(place, question).await?;
    let asked = task.pending_approvals.iter().find(|asked| asked.request_id == request_id);
    send(place, asked, TaskApprove { task_id: task.task_id.clone(), request_id, message, ..TaskApprove::default() }).await
}

async fn send(place: Place<'_>, asked: Option<&Approval>, answer: TaskApprove) -> Result<()> {
    let done = place.link()?.call(&answer).await?;
    let what = asked.map(|asked| format!(": {}", wants(asked))).unwrap_or_default();
    let remembered = done.remembered.as_ref().map(|rule| format!("; remembered: {}", one_line(rule, SHOWN))).unwrap_or_default();
    place.session.console.done(&done, format!("{}{what}{remembered}", if answer.approved { "Approved" } else { "Refused" }))
}

/// The task, and the id of the question that is meant.
async fn find(place: Place<'_>, question: &Question) -> Result<(Task, String)> {
    let task = place.task(&question.id).await?;
    let request_id = meant(place, &task, question.request.as_deref())?;
    Ok((task, request_id))
}

fn meant(place: Place<'_>, task: &Task, request: Option<&str>) -> Result<String> {
    let open = task.pending_approvals.iter().map(|asked| asked.request_id.as_str());
    if let Some(request) = request {
        // What is not open may have been: the daemon knows who answered it.
        return Ok(beginning("questions", request, open)?.unwrap_or(request).to_owned());
    }
    match &task.pending_approvals[..] {
        [only] => Ok(only.request_id.clone()),
        [] => Err(Error::new(Code::AiTaskNoPendingApproval, format!("the task asks for nothing; it is {}", task.status.name()))
            .hint(format!("See it with: {}", place.command(&["show", short(&task.task_id)])))),
        several => {
            let all = several.iter().map(|asked| format!("{} ({})", printable(short(&asked.request_id)), wants(asked)));
            Err(Error::invalid(format!("the task asks for {} things; say which", several.len()))
                .hint(format!("They are: {}", all.collect::<Vec<_>>().join(", "))))
        }
    }
}

/// Another input for the tool, as JSON or from a file.
fn another_input(text: &str) -> Result<Map<String, Value>> {
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(path) => {
            let opened = std::fs::File::open(path).map_err(|error| Error::invalid(format!("{path}: {}", io_words(&error))))?;
            input::text(opened, path, LONGEST)?
        }
    };
    let wrong = |cause: &str| Error::invalid(format!("--input is not a JSON object: {cause}")).hint("It is the tool's whole input.");
    match serde_json::from_str(&text) {
        Ok(Value::Object(input)) => Ok(input),
        Ok(_) => Err(wrong("it is another value")),
        Err(cause) => Err(wrong(&cause.to_string())),
    }
}

/// Each question's text with its answer. A question is named by its text or its number; the only one need not be named.
fn answers(asked: Option<&Approval>, given: &[String]) -> Result<Option<BTreeMap<String, String>>> {
    if given.is_empty() {
        return Ok(None);
    }
    let known = asked.map(|asked| questions(&asked.tool_input)).unwrap_or_default();
    let one = |given: &String| {
        let by_text = known.iter().find_map(|text| Some((*text, given.strip_prefix(text)?.strip_prefix('=')?)));
        let by_number = || {
            let (number, answer) = given.split_once('=')?;
            let at = number.trim().parse::<usize>().ok()?.checked_sub(1)?;
            Some((*known.get(at)?, answer))
        };
        let only = || known.first().filter(|_| known.len() == 1).map(|text| (*text, given.as_str()));
        let found = by_text.or_else(by_number).or_else(only);
        found.map(|(text, answer)| (text.to_owned(), answer.to_owned())).ok_or_else(|| {
            let all = known.iter().enumerate().map(|(at, text)| format!("{}: {}", at + 1, one_line(text, SHOWN)));
            let error = Error::invalid(format!("--answer {}: no such question", one_line(given, SHOWN)));
            match known.is_empty() {
                true => error.hint("Nothing is to be chosen: approve without --answer."),
                false => error.hint(format!("Write NUMBER=ANSWER. There are: {}", all.collect::<Vec<_>>().join("; "))),
            }
        })
    };
    given.iter().map(one).collect::<Result<_>>().map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn questions_are_answered_by_text_by_number_or_alone() {
        let asking = |texts: &[&str]| {
            let questions: Vec<Value> = texts.iter().map(|text| json!({ "question": text })).collect();
            Approval { tool_input: json!({ "questions": questions }), ..Approval::default() }
        };
        let given = |texts: &[&str], given: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            answers(Some(&asking(texts)), &given).map(|answers| answers.unwrap().into_iter().collect::<Vec<_>>())
        };
        let pair = |question: &str, answer: &str| (question.to_owned(), answer.to_owned());
        assert_eq!(given(&["a=b?"], &["a=b?=x=y"]).unwrap(), [pair("a=b?", "x=y")]);
        assert_eq!(given(&["Which?"], &["sqlite"]).unwrap(), [pair("Which?", "sqlite")]);
        assert_eq!(given(&["A", "B"], &["2=x", "A=y"]).unwrap(), [pair("A", "y"), pair("B", "x")]);
        let error = given(&["A", "B\u{1b}"], &["3=x"]).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("Write NUMBER=ANSWER. There are: 1: A; 2: B\u{fffd}"));
        assert!(given(&[], &["x"]).unwrap_err().hint.unwrap().contains("without --answer"));
        assert_eq!(answers(None, &[]).unwrap(), None);
    }
    #[test]
    fn another_input_is_an_object() {
        assert_eq!(another_input(r#"{"command":"ls"}"#).unwrap()["command"], "ls");
        for wrong in ["", "7", "[]", "{", "@/no/such/file"] {
            assert!(another_input(wrong).is_err(), "{wrong}");
        }
    }
}
