//! `loopsy init`: everything that a daemon needs before its first start.

use std::process::ExitCode;

use serde_json::json;

use crate::base::secret::Secret;
use crate::base::{Error, Result};
use crate::cli::agents::{self, AGENTS, Fit, Server, State};
use crate::cli::{Session, app};
use crate::home::{config_file, identity};
use crate::platform::host;

/// Creates what is missing and changes nothing that is there; registers with the coding agents that are installed.
pub fn run(session: &Session, args: &app::Init) -> Result<ExitCode> {
    let Session { home, console, .. } = session;
    if let Some(name) = home.session() {
        return Err(Error::invalid("a session has nothing to be set up").hint(format!("Start it with: loopsy session start {name}")));
    }
    home.create()?.iter().for_each(|warning| console.warn(warning));
    let (node_id, warning) = identity::load_or_create(home)?;
    warning.iter().for_each(|warning| console.warn(warning));
    let text = config_file::init_text(&Secret::generate()?, &host::hostname(), &host::home_dir());
    let created = config_file::create(home, &text)?;
    let path = home.config();
    if created && !console.wants_json() {
        console.note(format!("Configuration created: {}", path.display()));
    } else if !console.wants_json() {
        console.note(format!("Configuration exists, nothing was changed: {}", path.display()));
        // Said at the moment when somebody looks at it.
        config_file::load(home)?.warnings.iter().for_each(|warning| console.warn(warning));
    }
    let registered = if args.no_mcp { Vec::new() } else { register(session) };
    if console.wants_json() {
        console.json(&json!({ "created": created, "config": path, "nodeId": node_id, "registered": registered }))?;
    } else if created {
        console.note("Next: loopsy start");
    }
    Ok(ExitCode::SUCCESS)
}

/// Registers with each agent that is installed and has no working registration; answers which now have one from here.
fn register(session: &Session) -> Vec<&'static str> {
    let Ok(server) = Server::of(&session.home) else { return Vec::new() };
    let wanting = AGENTS.iter().map(State::look).filter(|state| state.program.is_some());
    let wanting = wanting.filter(|state| matches!(state.fit(&server), Fit::Missing | Fit::Gone));
    let added = wanting.filter_map(|state| match agents::add(state.agent, &server) {
        Ok(_) => {
            session.console.note(format!("Registered with {}", state.agent.known.title));
            Some(state.agent.known.name)
        }
        Err(error) => {
            session.console.warn(error.in_one_line());
            None
        }
    });
    added.collect()
}
