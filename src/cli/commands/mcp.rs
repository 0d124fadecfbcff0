//! `loopsy mcp`: coding agents on this machine and Loopsy's tools.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::base::{Error, Result};
use crate::cli::Session;
use crate::cli::agents::{self, AGENTS, Agent, Elsewhere, Fit, Server, State};
use crate::cli::app::{AgentName, Mcp};

/// Carries out the command.
pub fn run(session: &Session, action: Mcp) -> Result<ExitCode> {
    match action {
        Mcp::Add { agent } => add(session, &meant(agent)),
        Mcp::Remove { agent } => remove(session, &meant(agent)),
        Mcp::Status { agent } => status(session, &meant(agent)),
    }
}

fn meant(name: AgentName) -> Vec<&'static Agent> {
    let name = match name {
        AgentName::Claude => "claude",
        AgentName::Codex => "codex",
        AgentName::Gemini => "gemini",
        AgentName::Opencode => "opencode",
        AgentName::All => return AGENTS.iter().collect(),
    };
    Agent::named(name).into_iter().collect()
}

/// What came of one agent.
#[derive(Debug, Serialize)]
struct Outcome {
    agent: &'static str,
    registered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Error>,
}

fn add(session: &Session, meant: &[&'static Agent]) -> Result<ExitCode> {
    let server = Server::of(&session.home)?;
    let one = |agent: &&'static Agent| (*agent, agents::add(agent, &server));
    let tried: Vec<_> = meant.iter().map(one).collect();
    let outcomes = settle(session, tried, |agent, command| {
        session.console.note(format!("Registered with {}; it has the tools when it is started anew", agent.known.title));
        Outcome { agent: agent.known.name, registered: true, command: Some(command), problem: None }
    })?;
    let done = outcomes.iter().any(|outcome| outcome.registered);
    finish(session, &outcomes, done)
}

fn remove(session: &Session, meant: &[&'static Agent]) -> Result<ExitCode> {
    let tried: Vec<_> = meant.iter().map(|agent| (*agent, agents::remove(agent))).collect();
    let outcomes = settle(session, tried, |agent, was_there| {
        let words = if was_there { "is no longer" } else { "was not" };
        session.console.note(format!("Loopsy {words} registered with {}", agent.known.title));
        Outcome { agent: agent.known.name, registered: false, command: None, problem: None }
    })?;
    let done = outcomes.iter().all(|outcome| outcome.problem.is_none());
    finish(session, &outcomes, done)
}

/// Tells what came of each agent; where one alone was meant, its failure is the command's.
fn settle<T>(
    session: &Session,
    mut tried: Vec<(&'static Agent, Result<T>)>,
    told: impl Fn(&'static Agent, T) -> Outcome,
) -> Result<Vec<Outcome>> {
    if let [(_, Err(_))] = tried[..] {
        return tried.remove(0).1.map(|_| Vec::new());
    }
    let each = tried.into_iter().map(|(agent, result)| match result {
        Ok(done) => told(agent, done),
        Err(problem) => {
            session.console.warn(problem.in_one_line());
            Outcome { agent: agent.known.name, registered: false, command: None, problem: Some(problem) }
        }
    });
    Ok(each.collect())
}

fn finish(session: &Session, outcomes: &[Outcome], done: bool) -> Result<ExitCode> {
    if session.console.wants_json() {
        session.console.json(&json!({ "agents": outcomes }))?;
    }
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How an agent is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    agent: &'static str,
    installed: bool,
    program: Option<&'a std::path::Path>,
    registered: bool,
    command: Option<&'a [String]>,
    /// Whether the registration starts this program for this data directory.
    current: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    file: &'a std::path::Path,
    /// Registrations in single projects, which are not Loopsy's to change.
    elsewhere: &'a [Elsewhere],
}

fn status(session: &Session, meant: &[&'static Agent]) -> Result<ExitCode> {
    let server = Server::of(&session.home)?;
    let states: Vec<State> = meant.iter().map(|agent| State::look(agent)).collect();
    if session.console.wants_json() {
        let shown: Vec<_> = states.iter().map(|state| shown(state, &server)).collect();
        session.console.json(&json!({ "agents": shown }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = states.iter().map(|state| row(state, &server)).collect();
    session.console.table(&["AGENT", "PROGRAM", "LOOPSY"], &rows)?;
    for (state, place) in states.iter().flat_map(|state| state.elsewhere.iter().map(move |place| (state, place))) {
        let (title, folder) = (state.agent.known.title, place.folder.display());
        session.console.note(format!("{title} has a registration of scope {} in {folder} too, which is left as it is", place.scope));
    }
    Ok(ExitCode::SUCCESS)
}

fn shown<'a>(state: &'a State, server: &Server) -> Shown<'a> {
    let entry = state.entry.as_ref().ok().and_then(Option::as_ref);
    let fit = state.fit(server);
    Shown {
        agent: state.agent.known.name,
        installed: state.program.is_some(),
        program: state.program.as_deref(),
        registered: entry.is_some(),
        command: entry.map(|entry| &entry.command[..]),
        current: fit == Fit::Right,
        problem: state.complaint(server).filter(|_| fit != Fit::Missing),
        file: &state.file,
        elsewhere: &state.elsewhere,
    }
}

fn row(state: &State, server: &Server) -> Vec<String> {
    let program = state.program.as_ref().map_or_else(|| "not installed".into(), |program| program.display().to_string());
    let entry = state.entry.iter().flatten().next();
    let registered = || entry.map(|entry| format!("registered: {}", entry.line())).unwrap_or_default();
    vec![state.agent.known.name.into(), program, state.complaint(server).unwrap_or_else(registered)]
}
