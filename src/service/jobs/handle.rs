//! A job as the one who started it holds it.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::platform::process::{self, unread};

/// Most bytes of one piece of output.
pub const PIECE: usize = 64 * 1024;

/// How long a stream may be silent after the program's end while something else still holds it open.
const SILENCE: Duration = Duration::from_millis(250);

/// How long output of others is taken after the program's end, beyond what the program itself wrote.
const AFTERMATH: Duration = Duration::from_secs(1);

/// What comes from a job.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Bytes of standard output.
    Stdout(Bytes),
    /// Bytes of standard error.
    Stderr(Bytes),
    /// The end; nothing follows.
    Ended(Ended),
}

/// How a job ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; nothing when a signal ended it.
    pub exit_code: Option<i32>,
    /// Name of the signal that ended it, such as `SIGTERM`.
    pub signal: Option<String>,
    /// Whether it ran out of time.
    pub timed_out: bool,
    /// Whether this daemon ended it: time-out, cancel, stop.
    pub killed: bool,
    /// How long it ran.
    pub duration: Duration,
}

/// A running job. Output waits in the job's pipes until [`JobHandle::next`] asks for it, so a job whose output nobody
/// reads stands still. Dropping the handle cancels the job.
pub struct JobHandle {
    pub(super) id: String,
    pub(super) pid: u32,
    pub(super) stdout: Option<Source>,
    pub(super) stderr: Option<Source>,
    /// Input that the caller writes.
    pub(super) stdin: Option<process::Input>,
    /// Input that came with the request.
    pub(super) feed: Option<Feed>,
    pub(super) stage: Stage,
    pub(super) signals: mpsc::UnboundedSender<u8>,
    pub(super) cancel: CancellationToken,
}

/// A line to a job; it does not keep the job alive.
#[derive(Clone)]
pub struct Remote {
    signals: mpsc::UnboundedSender<u8>,
    cancel: CancellationToken,
}

impl Remote {
    /// Sends a signal to the program's process group.
    pub fn signal(&self, number: u8) {
        let _ = self.signals.send(number);
    }
    /// Ends the job and all it started; its end still comes as [`Output::Ended`].
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// How far a job is.
pub(super) enum Stage {
    /// The program runs; this tells its end.
    Running(oneshot::Receiver<Ended>),
    /// The program has ended; its streams may still hold some output.
    Aftermath {
        ended: Ended,
        since: Instant,
        /// Bytes that were in the pipes when the program had ended: all of its own are among them.
        owed: u64,
    },
    /// The end was told.
    Over,
}

impl JobHandle {
    /// The job's id.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }
    /// Takes the job's standard input, where it was asked to be open. Dropping it is end of file.
    pub fn stdin(&mut self) -> Option<process::Input> {
        self.stdin.take()
    }
    /// What others can hold to speak to the job while its output is read.
    pub fn remote(&self) -> Remote {
        Remote { signals: self.signals.clone(), cancel: self.cancel.clone() }
    }

    /// The next piece of output, then the end, then nothing. Can be dropped and called again without loss.
    pub async fn next(&mut self) -> Option<Output> {
        loop {
            if self.is_drained() {
                return self.end();
            }
            let after_end = matches!(self.stage, Stage::Aftermath { .. });
            tokio::select! {
                piece = read(&mut self.stdout), if self.stdout.is_some() => if let Some(bytes) = piece {
                    self.account(&bytes);
                    return Some(Output::Stdout(bytes));
                },
                piece = read(&mut self.stderr), if self.stderr.is_some() => if let Some(bytes) = piece {
                    self.account(&bytes);
                    return Some(Output::Stderr(bytes));
                },
                () = write(&mut self.feed), if self.feed.is_some() => {}
                ended = self.stage.ended() => self.begin_aftermath(ended),
                () = tokio::time::sleep(SILENCE), if after_end => return self.end(),
            }
        }
    }

    fn begin_aftermath(&mut self, ended: Ended) {
        let owed = [&self.stdout, &self.stderr].into_iter().flatten().map(|source| unread(&source.pipe)).sum();
        self.stage = Stage::Aftermath { ended, since: Instant::now(), owed };
        self.feed = None;
    }

    fn account(&mut self, bytes: &Bytes) {
        if let Stage::Aftermath { owed, .. } = &mut self.stage {
            *owed = owed.saturating_sub(bytes.len() as u64);
        }
    }

    /// Whether only the end is left to tell: nobody holds the streams, or somebody else than the program for long enough.
    fn is_drained(&self) -> bool {
        match &self.stage {
            Stage::Running(_) => false,
            Stage::Aftermath { since, owed, .. } => {
                (self.stdout.is_none() && self.stderr.is_none()) || (*owed == 0 && since.elapsed() > AFTERMATH)
            }
            Stage::Over => true,
        }
    }

    fn end(&mut self) -> Option<Output> {
        self.stdout = None;
        self.stderr = None;
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Aftermath { ended, .. } => Some(Output::Ended(ended)),
            _ => None,
        }
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Stage {
    /// Waits for the program's end, once.
    async fn ended(&mut self) -> Ended {
        match self {
            // Without the worker there is nobody left who could tell; the guard ends the program.
            Stage::Running(fate) => fate.await.unwrap_or_else(|_| Ended { killed: true, ..Ended::default() }),
            Stage::Aftermath { .. } | Stage::Over => std::future::pending().await,
        }
    }
}

/// One of the job's output streams.
pub(super) struct Source {
    pub(super) pipe: process::Output,
    pub(super) buffer: BytesMut,
}

/// The next piece; nothing, and no source any more, at the end of the stream.
async fn read(source: &mut Option<Source>) -> Option<Bytes> {
    if let Some(Source { pipe, buffer }) = source {
        if buffer.capacity() < PIECE / 4 {
            buffer.reserve(PIECE);
        }
        if pipe.read_buf(buffer).await.is_ok_and(|count| count > 0) {
            return Some(buffer.split().freeze());
        }
        *source = None;
    }
    None
}

/// Input on its way.
pub(super) struct Feed {
    pub(super) pipe: process::Input,
    pub(super) rest: Bytes,
}

/// Writes some of the input; at its end, or when nobody reads it, the pipe is closed.
async fn write(feed: &mut Option<Feed>) {
    if let Some(Feed { pipe, rest }) = feed {
        let written = pipe.write_buf(rest).await;
        if written.is_err() || !rest.has_remaining() {
            *feed = None;
        }
    }
}
