//! What a task may be asked for, and by whom.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::agent::Start;
use super::record::Record;
use crate::api::Caller;
use crate::api::tasks::{NAME_LENGTH, PROMPT_BYTES, PermissionMode, Remember, TaskApprove, TaskCreate};
use crate::base::{Code, Error, Result};
use crate::home::config::AiTasks;
use crate::platform::host;
use crate::service::jobs;

/// Longest of the other texts, bytes.
const TEXT_BYTES: usize = 16 * 1024;
/// Most entries of a list.
const MOST_ENTRIES: usize = 256;
/// Beginnings of the names of variables that agents don't get: who runs inside of an agent would take them for its own.
const KEPT_BACK: [&str; 4] = ["CLAUDE", "ANTHROPIC_", "AI_AGENT", "OTEL_"];
/// Variables of Loopsy that no agent gets, whatever is configured: they hold the owner's key, or say which daemon is meant.
const NEVER: [&str; 3] = ["LOOPSY_API_KEY", "LOOPSY_PORT", "LOOPSY_HOST"];

/// Whether a caller may ask for what only the owner may.
pub(super) fn is_trusted(caller: &Caller, rules: &AiTasks) -> bool {
    caller.is_owner() || caller.peer().is_some_and(|peer| rules.trusted_peers.iter().any(|trusted| trusted == peer))
}

/// Who dispatched a task, as a caller.
pub(super) fn dispatcher(record: &Record) -> Caller {
    Caller::new(record.starter(), record.task.from_node_id.clone(), Ipv4Addr::LOCALHOST.into())
}

fn owners(caller: &Caller, what: &str) -> Error {
    let name = caller.name();
    Error::new(Code::AuthForbidden, format!("{what} is not for peers to ask for, and {name} is one"))
        .hint(format!("The owner of the machine where it is to work can allow it, there: add {name} to aiTasks.trustedPeers."))
}

/// What an agent is to be started for, once it is known to make sense and to be allowed.
///
/// # Errors
/// `INVALID_REQUEST` naming the field; `AUTH_FORBIDDEN` for what only the owner may ask for.
pub(super) fn start(op: &TaskCreate, caller: &Caller, rules: &AiTasks) -> Result<Start> {
    check(op)?;
    let mode = op.permission_mode.unwrap_or_default();
    let trusted = is_trusted(caller, rules);
    let additional_args = op.additional_args.clone().unwrap_or_default();
    if !trusted {
        let asked = [
            (mode == PermissionMode::BypassPermissions, "permissionMode bypassPermissions"),
            (!additional_args.is_empty(), "additionalArgs"),
            (op.untrusted == Some(false), "untrusted: false"),
        ];
        if let Some((_, what)) = asked.into_iter().find(|(is_asked, _)| *is_asked) {
            return Err(owners(caller, what));
        }
    }
    Ok(Start {
        prompt: op.prompt.clone(),
        cwd: folder(op.cwd.as_deref())?,
        mode,
        model: op.model.clone(),
        max_budget_usd: op.max_budget_usd,
        allowed_tools: op.allowed_tools.clone().unwrap_or_default(),
        disallowed_tools: op.disallowed_tools.clone().unwrap_or_default(),
        additional_args,
        resume: op.resume_session_id.clone(),
        untrusted: op.untrusted.unwrap_or(!trusted),
    })
}

/// Whether a caller may give this answer.
///
/// # Errors
/// `AUTH_FORBIDDEN` for what only the owner may; `INVALID_REQUEST` for an answer that is none.
pub(super) fn answer(op: &TaskApprove, caller: &Caller, rules: &AiTasks) -> Result<()> {
    if op.remember == Some(Remember::Always) && !is_trusted(caller, rules) {
        return Err(owners(caller, "remember: always"));
    }
    long("message", op.message.as_deref().unwrap_or_default(), PROMPT_BYTES)?;
    let has_more =
        op.updated_input.is_some() || op.suggestion.is_some() || op.answers.is_some() || op.remember.unwrap_or_default() != Remember::Once;
    if !op.approved && has_more {
        return Err(Error::invalid("what is refused has neither updatedInput nor answers, and nothing of it is remembered"));
    }
    Ok(())
}

/// Whether a text can be given to an agent as what it is told.
///
/// # Errors
/// `INVALID_REQUEST`.
pub(super) fn prompt(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid("prompt is empty"));
    }
    long("prompt", text, PROMPT_BYTES)
}

fn check(op: &TaskCreate) -> Result<()> {
    prompt(&op.prompt)?;
    let single =
        [("cwd", &op.cwd), ("model", &op.model), ("agent", &op.agent), ("resumeSessionId", &op.resume_session_id), ("name", &op.name)];
    let lists = [("allowedTools", &op.allowed_tools), ("disallowedTools", &op.disallowed_tools), ("additionalArgs", &op.additional_args)];
    for (field, list) in lists {
        if list.iter().flatten().count() > MOST_ENTRIES {
            return Err(Error::invalid(format!("{field} has more than {MOST_ENTRIES} entries")));
        }
    }
    let single = single.into_iter().flat_map(|(field, text)| text.iter().map(move |text| (field, text)));
    let lists = lists.into_iter().flat_map(|(field, list)| list.iter().flatten().map(move |text| (field, text)));
    for (field, text) in single.chain(lists) {
        long(field, text, TEXT_BYTES)?;
        if text.chars().any(char::is_control) {
            return Err(Error::invalid(format!("{field} contains a control character")));
        }
        // What begins like an option must not become one.
        if text.starts_with('-') && field != "additionalArgs" && field != "name" {
            return Err(Error::invalid(format!("{field} begins with '-'")));
        }
    }
    if op.name.as_ref().is_some_and(|name| name.chars().count() > NAME_LENGTH) {
        return Err(Error::invalid(format!("name has more than {NAME_LENGTH} characters")));
    }
    if op.max_budget_usd.is_some_and(|budget| !budget.is_finite() || budget <= 0.0) {
        return Err(Error::invalid("maxBudgetUsd is not an amount above 0"));
    }
    Ok(())
}

fn long(field: &str, text: &str, most: usize) -> Result<()> {
    if text.len() > most {
        return Err(Error::invalid(format!("{field} has {} bytes; at most {most} are taken", text.len())));
    }
    Ok(())
}

/// The folder that is meant.
fn folder(cwd: Option<&str>) -> Result<PathBuf> {
    let cwd = jobs::folder(cwd, &host::home_dir());
    if cwd.is_dir() {
        return Ok(cwd);
    }
    let what = if cwd.exists() { "is not a folder" } else { "does not exist" };
    Err(Error::invalid(format!("cwd: {} {what}", cwd.display())).hint("Make it there, or name another."))
}

/// Names of the variables of this process that an agent does not get.
pub(super) fn kept_back(rules: &AiTasks) -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_kept_back(&name.to_string_lossy(), &rules.pass_env)).collect()
}

fn is_kept_back(name: &str, passed: &[String]) -> bool {
    NEVER.contains(&name) || (KEPT_BACK.iter().any(|beginning| name.starts_with(beginning)) && !passed.iter().any(|passed| passed == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Permission;
    use crate::api::caller::Role;

    fn owner() -> Caller {
        Caller::new(Role::Owner, String::new(), Ipv4Addr::LOCALHOST.into())
    }
    fn kai() -> Caller {
        let role = Role::Peer { name: "kai".into(), permissions: Permission::ALL.to_vec(), legacy: false };
        Caller::new(role, String::new(), Ipv4Addr::LOCALHOST.into())
    }
    fn task() -> TaskCreate {
        TaskCreate { prompt: "do it".into(), cwd: Some("/".into()), ..TaskCreate::default() }
    }

    /// known fault 39: a task's permissions are the owner's to give.
    #[test]
    fn what_only_the_owner_may_ask_for_is_refused_to_peers() {
        let (rules, trusting) = (AiTasks::default(), AiTasks { trusted_peers: vec!["kai".into()], ..AiTasks::default() });
        let asked = [
            TaskCreate { permission_mode: Some(PermissionMode::BypassPermissions), ..task() },
            TaskCreate { additional_args: Some(vec!["--mcp-config".into()]), ..task() },
            TaskCreate { untrusted: Some(false), ..task() },
        ];
        for op in asked {
            let error = start(&op, &kai(), &rules).unwrap_err();
            assert!(error.code == Code::AuthForbidden && error.hint.unwrap().contains("aiTasks.trustedPeers"));
            start(&op, &owner(), &rules).unwrap();
            start(&op, &kai(), &trusting).unwrap();
        }
        assert!(start(&task(), &kai(), &rules).unwrap().untrusted && !start(&task(), &owner(), &rules).unwrap().untrusted);
        let always = TaskApprove { approved: true, remember: Some(Remember::Always), ..TaskApprove::default() };
        assert_eq!(answer(&always, &kai(), &rules).unwrap_err().code, Code::AuthForbidden);
        answer(&always, &owner(), &rules).unwrap();
    }
    #[test]
    fn what_makes_no_sense_is_refused_by_its_field() {
        let text = |text: &str| Some(text.to_owned());
        let wrong = [
            ("prompt", TaskCreate { prompt: " \n".into(), ..task() }),
            ("prompt", TaskCreate { prompt: "x".repeat(PROMPT_BYTES + 1), ..task() }),
            ("cwd", TaskCreate { cwd: text("/does/not/exist"), ..task() }),
            ("cwd", TaskCreate { cwd: text("/etc/passwd"), ..task() }),
            ("model", TaskCreate { model: text("--dangerously-skip-permissions"), ..task() }),
            ("model", TaskCreate { model: text("a\0b"), ..task() }),
            ("allowedTools", TaskCreate { allowed_tools: Some(vec!["Read".into(), "-x".into()]), ..task() }),
            ("disallowedTools", TaskCreate { disallowed_tools: Some(vec!["x".into(); 300]), ..task() }),
            ("resumeSessionId", TaskCreate { resume_session_id: text("-p"), ..task() }),
            ("name", TaskCreate { name: text(&"x".repeat(101)), ..task() }),
            ("maxBudgetUsd", TaskCreate { max_budget_usd: Some(-1.0), ..task() }),
        ];
        for (field, op) in wrong {
            let error = start(&op, &owner(), &AiTasks::default()).unwrap_err();
            assert!(error.code == Code::InvalidRequest && error.message.starts_with(field), "{field}: {error}");
        }
        let message = TaskApprove { message: text(&"x".repeat(PROMPT_BYTES + 1)), ..TaskApprove::default() };
        let remembered = TaskApprove { remember: Some(Remember::Session), ..TaskApprove::default() };
        for op in [message, remembered] {
            assert_eq!(answer(&op, &owner(), &AiTasks::default()).unwrap_err().code, Code::InvalidRequest);
        }
    }
    /// known fault 34
    #[test]
    fn an_agent_gets_neither_keys_nor_what_another_agent_left() {
        let passed = ["CLAUDE_CONFIG_DIR".to_owned(), "ANTHROPIC_API_KEY".to_owned(), "LOOPSY_API_KEY".to_owned()];
        for name in ["CLAUDECODE", "CLAUDE_CODE_MESSAGING_TOKEN", "ANTHROPIC_BASE_URL", "AI_AGENT", "OTEL_X", "LOOPSY_API_KEY"] {
            assert!(is_kept_back(name, &passed), "{name}");
        }
        for name in ["PATH", "HOME", "CLAUDE_CONFIG_DIR", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"] {
            assert!(!is_kept_back(name, &passed), "{name}");
        }
    }
}
