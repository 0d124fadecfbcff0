//! Ending a daemon, and waiting until it is gone.

use std::sync::mpsc;
use std::time::Duration;

use crate::api::node::DaemonStop;
use crate::base::{Code, Error, Result, workers};
use crate::client::local;
use crate::home::Home;
use crate::home::instance::{Instance, Running};
use crate::net::Network;
use crate::platform::pid;

/// How long the daemon has to say that it will end.
const ANSWER: Duration = Duration::from_secs(3);
/// How long it has to be gone: it promises five seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a daemon to end, over the API or else with a signal to the process that is certainly it, and waits for that. Blocks.
pub fn end(home: &Home, running: &Running) -> Result<()> {
    let asked = local::link(home, &Network::Sockets).and_then(|link| {
        workers::wait(async {
            let answer = tokio::time::timeout(ANSWER, link.call(&DaemonStop {})).await;
            answer.unwrap_or_else(|_| Err(Error::new(Code::Internal, "the daemon does not answer")))
        })
    });
    if let Err(error) = asked {
        tracing::debug!(%error, "the daemon can't be asked to end; a signal is sent");
        running.terminate()?;
    }
    wait_until_gone(home, running)
}

/// Waits until no process is a home's daemon, at most so long; nothing where one still is. Blocks.
pub(super) fn gone_within(home: &Home, limit: Duration) -> Option<Result<()>> {
    let (sender, gone) = mpsc::channel();
    let waiting = home.clone();
    // The lock can only be waited for by blocking; a thread that still does ends with the process.
    std::thread::spawn(move || sender.send(Instance::wait_until_gone(&waiting)));
    gone.recv_timeout(limit).ok()
}

fn wait_until_gone(home: &Home, running: &Running) -> Result<()> {
    let gone = gone_within(home, PATIENCE).unwrap_or_else(|| {
        Err(Error::new(Code::Internal, format!("the daemon (process {}) has not ended after {} seconds", running.pid, PATIENCE.as_secs()))
            .hint(format!("See what it does with: loopsy logs --daemon; end it with: kill -9 {}", running.pid)))
    });
    // It let go of its lock as one of its last acts.
    if let (Ok(()), Some(started)) = (&gone, running.started) {
        pid::wait_for_end(running.pid, started, PATIENCE);
    }
    gone
}
