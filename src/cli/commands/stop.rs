//! `loopsy stop`: ends the daemon, and waits until it is gone.

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use crate::api::node::DaemonStop;
use crate::base::{Code, Error, Result};
use crate::cli::Session;
use crate::client::link::not_running;
use crate::home::instance::{Instance, Running};

/// How long the daemon has to say that it will end.
const ANSWER: Duration = Duration::from_secs(3);
/// How long it has to be gone: it promises five seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends the daemon. One that does not run is [`Code::NotRunning`].
pub fn run(session: &Session) -> Result<ExitCode> {
    let running = Instance::running(&session.home).ok_or_else(|| {
        let mut error = not_running();
        error.hint = None;
        error
    })?;
    end(session, &running)?;
    session.console.note("Daemon stopped");
    Ok(ExitCode::SUCCESS)
}

/// Asks the daemon to end, over the API or else with a signal to the process that is certainly it, and waits for that.
pub fn end(session: &Session, running: &Running) -> Result<()> {
    let asked = session.link().and_then(|link| {
        session.wait(async {
            let answer = tokio::time::timeout(ANSWER, link.call(&DaemonStop {})).await;
            answer.unwrap_or_else(|_| Err(Error::new(Code::Internal, "the daemon does not answer")))
        })
    });
    if let Err(error) = asked {
        tracing::debug!(%error, "the daemon can't be asked to end; a signal is sent");
        running.terminate()?;
    }
    wait_until_gone(session, running)
}

fn wait_until_gone(session: &Session, running: &Running) -> Result<()> {
    let (sender, gone) = mpsc::channel();
    let home = session.home.clone();
    // The lock can only be waited for by blocking; a thread that still does ends with the process.
    std::thread::spawn(move || sender.send(Instance::wait_until_gone(&home)));
    gone.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(Error::new(Code::Internal, format!("the daemon (process {}) has not ended after {} seconds", running.pid, PATIENCE.as_secs()))
            .hint(format!("See what it does with: loopsy logs --daemon; end it with: kill -9 {}", running.pid)))
    })
}
