//! The sessions of this machine: whether each could run.

use super::{Finding, Scene};
use crate::api::fleet::SessionState;
use crate::fleet;
use crate::home::config_file;

/// How many run, and what is wrong with one. Which of them should run nobody knows but their owner.
pub fn sessions(scene: &Scene) -> Vec<Finding> {
    if scene.home.session().is_some() {
        return Vec::new();
    }
    let sessions = match fleet::survey(&scene.home) {
        Ok(sessions) => sessions,
        Err(error) => return vec![Finding::error(&error, "Make it readable for the user that runs Loopsy.")],
    };
    let running = sessions.iter().filter(|session| session.status == SessionState::Running).count();
    let mut found = Vec::new();
    for session in &sessions {
        let loaded = fleet::named(&scene.home, &session.name).and_then(|home| config_file::load(&home));
        // What is odd about the main daemon's configuration is told of that.
        let own = format!("session {}: ", session.name);
        let fix = format!("Correct config.yaml in {}", session.data_dir);
        match loaded {
            Err(error) if error.message.starts_with(&own) => found.push(Finding::fail(error.message, fix)),
            Err(_) => {}
            Ok(loaded) => {
                let warnings = loaded.warnings.into_iter().filter(|warning| warning.starts_with(&own));
                found.extend(warnings.map(|warning| Finding::warn(warning, fix.clone())));
            }
        }
    }
    if found.is_empty() && !sessions.is_empty() {
        found.push(Finding::ok(format!("{running} running, {} stopped", sessions.len() - running)));
    }
    found
}
