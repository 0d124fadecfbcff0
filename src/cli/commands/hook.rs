//! `loopsy hook`: what a coding agent runs that Loopsy did not start, so that its questions reach the people of this machine.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::api::tasks::TaskHook;
use crate::base::agents::TASK_VARIABLE;
use crate::base::text::printable;
use crate::base::{Error, Result};
use crate::cli::agents::{self, Server};
use crate::cli::app::Hook;
use crate::cli::{Session, input};
use crate::home::config_file;

/// Most bytes of what an agent tells its hook.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Seconds for which an agent waits beyond the time after which the daemon answers by itself.
const GRACE: u64 = 60;

/// Carries out the command.
pub fn run(session: &Session, action: Hook) -> Result<ExitCode> {
    match action {
        Hook::Permission => permission(session)?,
        Hook::Settings => session.console.json(&settings(session)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Answers an agent. Whatever goes wrong, there is no opinion, and the agent asks in its own terminal.
fn permission(session: &Session) -> Result<()> {
    let output = opinion(session).unwrap_or_else(|error| {
        session.console.warn(format!("nobody was asked through Loopsy: {}", printable(&error.in_one_line())));
        json!({})
    });
    session.console.json_line(&output)
}

fn opinion(session: &Session) -> Result<Value> {
    let text = input::text(std::io::stdin().lock(), "standard input", LONGEST)?;
    let input = serde_json::from_str(&text).map_err(|cause| Error::invalid(format!("standard input is not JSON: {cause}")))?;
    // Of an agent that Loopsy started the questions are heard already.
    if std::env::var_os(TASK_VARIABLE).is_some() {
        return Ok(json!({}));
    }
    let hooked = session.wait(async { session.link()?.call(&TaskHook { input, wait: None }).await })?;
    Ok(if hooked.output.is_object() { hooked.output } else { json!({}) })
}

/// Settings of Claude Code with the hook.
fn settings(session: &Session) -> Result<Value> {
    let waits = config_file::load(&session.home)?.config.ai_tasks.approval_timeout / 1000 + GRACE;
    let command = agents::line(&Server::of(&session.home)?.words(&["hook", "permission"])?);
    let hook = json!({ "type": "command", "command": command, "timeout": waits });
    Ok(json!({ "hooks": { "PermissionRequest": [{ "matcher": "*", "hooks": [hook] }] } }))
}
