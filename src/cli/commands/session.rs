//! `loopsy session`: further daemons on this machine.

use std::process::ExitCode;

use super::status;
use crate::api::fleet::{Session as Found, SessionState, Sessions, SessionsDone};
use crate::base::kin::SessionName;
use crate::base::{Error, Result};
use crate::cli::app::Session as Action;
use crate::cli::{Session, failure};
use crate::client::link::not_running;
use crate::fleet::{self, stop};
use crate::home::instance::Instance;

/// Carries out the command.
pub fn run(session: &Session, action: Action) -> Result<ExitCode> {
    match action {
        Action::Start { name } => start(session, &name),
        Action::StartFleet { count } => start_fleet(session, count),
        Action::Stop { name } => stop_one(session, &name),
        Action::StopAll => {
            let done = fleet::stop_all(&session.home)?;
            report(session, &done, "stopped", "No session runs")
        }
        Action::List => list(session),
        Action::Status { name } => status::of(session, &fleet::named(&session.home, &name)?),
    }
}

fn start(session: &Session, name: &str) -> Result<ExitCode> {
    let name: SessionName = name.parse()?;
    let ran = Instance::running(&session.home.of_session(&name)).is_some();
    let done = fleet::start(&session.home, &[name])?;
    match (done.sessions.into_iter().next(), done.failed.into_iter().next()) {
        (Some(found), _) => {
            let already = if ran { " already" } else { "" };
            session.console.done(&found, format!("Session {} is running{already} ({})", found.name, place(&found)))?;
            Ok(ExitCode::SUCCESS)
        }
        (None, Some(failed)) => Err(failed.error),
        (None, None) => Err(Error::internal("the session was not started", "neither done nor failed")),
    }
}

fn start_fleet(session: &Session, count: u32) -> Result<ExitCode> {
    let names: Vec<SessionName> = (1..=count).map(SessionName::worker).collect();
    let done = fleet::start(&session.home, &names)?;
    report(session, &done, "running", "No session was started")
}

/// Tells what was done, and what was not; fails where something was not.
fn report(session: &Session, done: &SessionsDone, now: &str, nothing: &str) -> Result<ExitCode> {
    if session.console.wants_json() {
        session.console.json(done)?;
    } else {
        for found in &done.sessions {
            let place = if found.pid.is_some() { format!(" ({})", place(found)) } else { String::new() };
            session.console.note(format!("Session {} is {now}{place}", found.name));
        }
        if done.sessions.is_empty() && done.failed.is_empty() {
            session.console.note(nothing);
        }
        for failed in &done.failed {
            session.console.warn(format!("session {}: {}", failed.name, failed.error.in_one_line()));
        }
    }
    Ok(done.failed.first().map_or(ExitCode::SUCCESS, |failed| failure::exit(&failed.error)))
}

fn stop_one(session: &Session, name: &str) -> Result<ExitCode> {
    let home = fleet::named(&session.home, name)?;
    let running = Instance::running(&home).ok_or_else(|| {
        Error { message: format!("session {name} is not running"), ..not_running() }
            .hint(format!("Start it with: {}", home.command("start")))
    })?;
    stop::end(&home, &running)?;
    session.console.done(&fleet::find(&session.home, name)?, format!("Session {name} is stopped"))?;
    Ok(ExitCode::SUCCESS)
}

fn list(session: &Session) -> Result<ExitCode> {
    let sessions = fleet::survey(&session.home)?;
    if session.console.wants_json() {
        session.console.json(&Sessions { sessions })?;
        return Ok(ExitCode::SUCCESS);
    }
    if sessions.is_empty() {
        session.console.note("No sessions yet. Start one with: loopsy session start <name>");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |found: &Found| {
        let state = match found.status {
            SessionState::Running => "running".into(),
            SessionState::Stopped => "stopped".into(),
        };
        let pid = found.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        vec![found.name.clone(), state, found.port.to_string(), pid, known(&found.hostname), known(&found.node_id)]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    session.console.table(&["name", "status", "port", "process", "hostname", "node id"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn place(found: &Found) -> String {
    format!("process {}, port {}", found.pid.unwrap_or_default(), found.port)
}
