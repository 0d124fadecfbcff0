//! Running commands: started, streamed, ended with all they started.

mod capture;
mod handle;
mod request;
mod table;
mod utf8;
mod watch;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::Caller;
use crate::api::caller::Told;
use crate::api::execute::{Command, Executed, Job};
use crate::api::node::JobCounts;
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result};
use crate::home::settings::Settings;
use crate::platform::process::{Guard, KILL_AFTER};
use crate::service::journal::Journal;

use capture::Capture;
use handle::{Feed, Source, Stage};
use table::Table;
use watch::Watch;

pub(in crate::service) use request::{failure, folder, launch};

pub use handle::{Ended, JobHandle, Output, PIECE, Remote};
pub use utf8::Decoder;

/// Where a job's standard input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// From the request's `stdin`; closed where there is none.
    Given,
    /// From the caller, through [`JobHandle::stdin`].
    Open,
}

/// The service that runs commands.
pub struct Jobs {
    guard: Arc<Guard>,
    settings: Settings,
    workers: Workers,
    table: Arc<Table>,
    stopping: CancellationToken,
    /// Counts what is not wholly gone yet, background processes of ended jobs included.
    alive: TaskTracker,
}

impl Jobs {
    /// Runs commands below this guard, by the rules that hold at each start.
    pub fn new(guard: Arc<Guard>, settings: Settings, workers: Workers, journal: Journal) -> Self {
        let table = Arc::new(Table::new(journal));
        Self { guard, settings, workers, table, stopping: CancellationToken::new(), alive: TaskTracker::new() }
    }

    /// Starts a command.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the field, `EXEC_COMMAND_DENIED`, `EXEC_MAX_CONCURRENT`, `EXEC_FAILED` saying what is
    /// missing, `SHUTTING_DOWN`.
    pub async fn start(&self, caller: &Caller, command: Command, input: Input) -> Result<JobHandle> {
        let target = command.command.clone();
        let result = self.launch(caller, command, input).await;
        caller.tell(|| Told { target, outcome: result.as_ref().map(|job| job.id.clone()).map_err(|error| error.code) });
        result
    }

    async fn launch(&self, caller: &Caller, command: Command, input: Input) -> Result<JobHandle> {
        let config = self.settings.get();
        if self.stopping.is_cancelled() {
            return Err(Error::new(Code::ShuttingDown, "the daemon is shutting down"));
        }
        let fed = input == Input::Given && command.stdin.is_some();
        let launch = request::launch(&command, &config.execution, fed || input == Input::Open)?;
        let limit = request::time_limit(&command, &config.execution);
        let cancel = CancellationToken::new();
        let mut slot = self.table.reserve(caller, &command, cancel.clone(), config.execution.max_concurrent)?;
        let running = self.guard.spawn(&launch).await.map_err(|error| request::failure(error, &command, &launch))?;
        slot.started(running.pid);
        let id = slot.id().to_owned();
        let _ = caller.job.set(id.clone());
        let (signals, orders) = mpsc::unbounded_channel();
        let (tell, fate) = oneshot::channel();
        let watch = Watch { control: running.control, limit, orders, cancel: cancel.clone(), stopping: self.stopping.clone(), slot, tell };
        self.workers.spawn("job", self.alive.track_future(watch.run()));
        let text = command.stdin.filter(|_| fed).unwrap_or_default();
        let (feed, stdin) = match running.stdin {
            Some(pipe) if fed => (Some(Feed { pipe, rest: Bytes::from(text) }), None),
            stdin => (None, stdin),
        };
        let source = |pipe| Some(Source { pipe, buffer: BytesMut::new() });
        let (stdout, stderr) = (source(running.stdout), source(running.stderr));
        Ok(JobHandle { id, pid: running.pid, stdout, stderr, stdin, feed, stage: Stage::Running(fate), signals, cancel })
    }

    /// Runs a command to its end and answers all its output; of each stream that is longer than `maxOutputBytes`, the
    /// head and the tail. Dropping the future cancels the command.
    ///
    /// # Errors
    /// As [`Jobs::start`].
    pub async fn run(&self, caller: &Caller, command: Command) -> Result<Executed> {
        let most = self.settings.get().execution.max_output_bytes;
        let limit = command.max_output_bytes.map_or(most, |wanted| wanted.min(most));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut stdout, mut stderr) = (Capture::new(limit), Capture::new(limit));
        let mut job = self.start(caller, command, Input::Given).await?;
        let mut ended = Ended::default();
        while let Some(output) = job.next().await {
            match output {
                Output::Stdout(bytes) => stdout.push(&bytes),
                Output::Stderr(bytes) => stderr.push(&bytes),
                Output::Ended(end) => ended = end,
            }
        }
        Ok(Executed {
            job_id: job.id().to_owned(),
            exit_code: ended.exit_code,
            truncated: stdout.truncated() || stderr.truncated(),
            stdout: stdout.into_text(),
            stderr: stderr.into_text(),
            duration: ended.duration.as_millis() as u64,
            killed: ended.killed,
            timed_out: ended.timed_out,
            signal: ended.signal,
        })
    }

    /// The jobs that run now and are this caller's to see, oldest first.
    pub fn list(&self, caller: &Caller) -> Vec<Job> {
        self.table.list(caller)
    }

    /// Ends a job and all it started: asked to at once, forced to after three seconds.
    ///
    /// # Errors
    /// `EXEC_JOB_NOT_FOUND`, also for a job that is somebody else's.
    pub fn cancel(&self, caller: &Caller, id: &str) -> Result<()> {
        self.table.cancel(caller, id)
    }

    /// How many jobs run now, and how many were started since the daemon was.
    pub fn counts(&self) -> JobCounts {
        self.table.counts()
    }

    /// Waits until nothing can be started any more because the guard is gone; a fault.
    pub async fn guard_gone(&self) {
        self.guard.gone().await;
    }

    /// Ends all jobs and all they started, waits until nothing is left, and starts no others. Gives up after four
    /// seconds; the guard still ends what is left then.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.alive.close();
        let _ = tokio::time::timeout(KILL_AFTER + Duration::from_secs(1), self.alive.wait()).await;
    }
}
