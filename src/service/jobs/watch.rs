//! The worker that has a job's fate in its hands, whether or not somebody reads the job's output.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Ended;
use super::table::Slot;
use crate::platform::process::{Control, Exit, signal_name};

/// A job from its start until nothing of it is left.
pub(super) struct Watch {
    pub(super) control: Control,
    /// How long it may run.
    pub(super) limit: Option<Duration>,
    /// Signals to pass on.
    pub(super) orders: mpsc::UnboundedReceiver<u8>,
    pub(super) cancel: CancellationToken,
    /// The daemon is stopping.
    pub(super) stopping: CancellationToken,
    pub(super) slot: Slot,
    /// Who is told of the end.
    pub(super) tell: oneshot::Sender<Ended>,
}

impl Watch {
    pub(super) async fn run(mut self) {
        let (ended, left) = self.until_end().await;
        self.slot.ended(&ended);
        let _ = self.tell.send(ended);
        if left {
            tokio::select! {
                biased;
                () = self.control.all_gone() => return,
                () = self.stopping.cancelled() => self.control.terminate(),
            }
            self.control.all_gone().await;
        }
    }

    async fn until_end(&mut self) -> (Ended, bool) {
        let started = Instant::now();
        let mut ended = Ended::default();
        let asked = either(self.cancel.clone(), self.stopping.clone());
        let expired = after(self.limit);
        tokio::pin!(asked, expired);
        let exit = loop {
            tokio::select! {
                biased;
                exit = self.control.wait() => break exit,
                Some(number) = self.orders.recv() => self.control.signal(number),
                () = &mut asked, if !ended.killed => ended.killed = true,
                () = &mut expired, if !ended.killed => (ended.killed, ended.timed_out) = (true, true),
            }
            if ended.killed {
                self.control.terminate();
            }
        };
        ended.duration = started.elapsed();
        let mut left = false;
        match exit {
            Ok((Exit::Code(code), more)) => (ended.exit_code, left) = (Some(code), more),
            Ok((Exit::Signal(number), more)) => (ended.signal, left) = (Some(signal_name(number)), more),
            // The process above the program was killed, and the guard kills what it left.
            Err(_) => (ended.signal, ended.killed) = (Some(signal_name(KILL)), true),
        }
        (ended, left)
    }
}

const KILL: i32 = 9;

async fn either(one: CancellationToken, other: CancellationToken) {
    tokio::select! { () = one.cancelled() => {}, () = other.cancelled() => {} }
}

async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}
