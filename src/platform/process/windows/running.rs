//! The fate of a started program, as the daemon holds it.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::Exit;
use super::ended::Process;
use super::job::{ENDED, Job};
use super::signals::{KILL, TERM};

/// How often is looked whether anything is left of a tree whose program has ended: the system tells nobody for sure.
const LOOK: Duration = Duration::from_millis(50);
/// How long the console that every program has may take to end after it, without counting as something that is left.
const CONSOLE: Duration = Duration::from_millis(100);

/// What has a program's fate in its hands. Dropping it ends the program and everything it started.
pub struct Control {
    process: Process,
    job: Job,
    /// What the tree was first ended by; 0 as long as it was not.
    ended_by: AtomicI32,
}

impl Control {
    pub(super) fn new(process: Process, job: Job) -> Self {
        Self { process, job, ended_by: AtomicI32::new(0) }
    }

    /// Waits until the program itself has ended; also tells whether anything that it started still runs. Can be dropped
    /// and called again without loss.
    ///
    /// # Errors
    /// When the system does not tell.
    pub async fn wait(&mut self) -> io::Result<(Exit, bool)> {
        let code = self.process.exit_code().await?;
        let exit = match self.ended_by.load(Ordering::Relaxed) {
            number if number != 0 && code == ENDED => Exit::Signal(number),
            _ => Exit::Code(code as i32),
        };
        let left = tokio::time::timeout(CONSOLE, self.until_empty(CONSOLE / 10)).await.is_err();
        Ok((exit, left))
    }

    /// After [`Control::wait`]: waits until nothing that the program started is left.
    pub async fn all_gone(&mut self) {
        self.until_empty(LOOK).await;
    }

    async fn until_empty(&self, look: Duration) {
        while self.job.running() > 0 {
            tokio::time::sleep(look).await;
        }
    }

    /// Ends the program and everything it started, at once.
    pub fn terminate(&self) {
        self.end(TERM);
    }

    /// Ends the program and everything it started, at once.
    pub fn kill(&self) {
        self.end(KILL);
    }

    /// Ends the program and everything it started, at once: no signal does anything else on this system.
    pub fn signal(&self, number: u8) {
        self.end(number.into());
    }

    fn end(&self, number: i32) {
        let _ = self.ended_by.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
        self.job.end();
    }
}
