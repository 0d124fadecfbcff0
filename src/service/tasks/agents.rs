//! Which agents there are, and what each speaks.

use super::agent::{Dialogue, Start};
use super::claude::Claude;
use crate::base::agents::CLAUDE;
use crate::base::{Error, Result, id};
use crate::home::config::AiTasks;

/// What is spoken with an agent that is to be started.
///
/// # Errors
/// `INVALID_REQUEST` with the agents there are.
pub(super) fn dialogue(_config: &AiTasks, agent: &str, start: Start) -> Result<Box<dyn Dialogue>> {
    if agent == CLAUDE.name {
        return Ok(Box::new(Claude::new(start, id::job())));
    }
    Err(Error::invalid(format!("agent: there is no agent {agent:?}")).hint(format!("There are: {}.", CLAUDE.name)))
}

/// How an agent is installed, as a hint.
pub(super) fn how_to_install(agent: &str) -> String {
    if agent == CLAUDE.name { format!("Install it there with: {}", CLAUDE.install) } else { "Install it there.".into() }
}
