//! `loopsy stop`: ends the daemon, and waits until it is gone.

use std::process::ExitCode;

use crate::base::Result;
use crate::cli::Session;
use crate::cli::autostart::Service;
use crate::client::link::not_running;
use crate::fleet::stop;
use crate::home::instance::Instance;

/// Ends the daemon. One that does not run is `NOT_RUNNING`.
pub fn run(session: &Session) -> Result<ExitCode> {
    let running = Instance::running(&session.home).ok_or_else(|| {
        let mut error = not_running();
        error.hint = None;
        error
    })?;
    stop::end(&session.home, &running)?;
    let returns = Service::enabled(&session.home).is_some();
    session.console.note(if returns { "Daemon stopped; it is back at the next login, unless: loopsy disable" } else { "Daemon stopped" });
    Ok(ExitCode::SUCCESS)
}
