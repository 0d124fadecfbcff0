//! Ending the daemon, and waiting until it is gone.

use std::sync::mpsc;
use std::time::Duration;

use super::Session;
use crate::api::node::DaemonStop;
use crate::base::{Code, Error, Result};
use crate::home::instance::{Instance, Running};

/// How long the daemon has to say that it will end.
const ANSWER: Duration = Duration::from_secs(3);
/// How long it has to be gone: it promises five seconds.
const PATIENCE: Duration = Duration::from_secs(10);

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
