//! The coding agents of this machine, and whether they know of Loopsy.

use super::{Finding, Scene};
use crate::cli::agents::{self, Fit, Server, State};

/// Every agent that is installed starts this program for this data directory.
pub fn registrations(scene: &Scene) -> Vec<Finding> {
    let Ok(server) = &scene.server else { return Vec::new() };
    if !scene.home.config().exists() {
        return Vec::new();
    }
    let installed: Vec<_> = scene.agents.iter().filter(|state| state.program.is_some()).collect();
    if installed.is_empty() {
        return vec![Finding::ok("there is no coding agent to register with")];
    }
    installed.into_iter().map(|state| registration(state, server)).collect()
}

fn registration(state: &State, server: &Server) -> Finding {
    let agent = state.agent;
    let Some(complaint) = state.complaint(server) else { return Finding::ok(format!("registered with {}", agent.known.title)) };
    let message = format!("{}: {complaint}", agent.known.title);
    let fix = format!("loopsy mcp add --agent {}", agent.known.name);
    match state.fit(server) {
        Fit::Unreadable(_) => Finding::warn(message, format!("Correct that file, then: {fix}")),
        // Which one is meant is the user's to say.
        Fit::OtherHome => Finding::ok(message),
        _ => {
            let server = server.clone();
            Finding::warn(message, fix).repair(move || {
                agents::add(agent, &server)?;
                Ok(format!("registered with {}", agent.known.title))
            })
        }
    }
}
