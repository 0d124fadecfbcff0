//! Starting programs, each in a job of its own.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::ended::Process;
use super::start::Streams;
use super::{Control, Input, Launch, Output, PseudoConsole, Running, SpawnError, pipe, start};
use crate::base::workers::blocking;

/// What starts jobs. Nothing stands behind it on this system: each job's tree ends with the daemon by itself.
pub struct Guard(());

impl Guard {
    /// Gets ready.
    ///
    /// # Errors
    /// None on this system.
    pub fn start() -> io::Result<Self> {
        keep_handles();
        Ok(Self(()))
    }

    /// Waits until the guard is gone, which never happens on this system.
    pub async fn gone(&self) {
        std::future::pending().await
    }

    /// Starts a program. Dropping the future, or later the answer's [`Control`], ends the program and all it started.
    ///
    /// # Errors
    /// Each way in which a program can fail to start is a [`SpawnError`] of its own.
    pub async fn spawn(&self, launch: &Launch) -> Result<Running, SpawnError> {
        let (stdout, far_stdout) = pipe::output().await?;
        let (stderr, far_stderr) = pipe::output().await?;
        let (stdin, far_stdin): (_, File) = match launch.open_stdin {
            true => pipe::input().await.map(|(near, far)| (Some(near), far))?,
            false => (None, pipe::nothing()?),
        };
        let launch = launch.clone();
        // Scanners of viruses look at a program before it runs, which can take its time.
        let begin = move || start::start(&launch, Streams::Pipes([far_stdin, far_stdout, far_stderr]));
        let started = blocking(begin).await.map_err(|_| SpawnError::GuardGone)??;
        let process = Process::watch(started.process)?;
        Ok(Running { pid: started.pid, stdin, stdout, stderr, control: Control::new(process, started.job) })
    }

    /// Starts a program in a console of its own of this size, columns and rows.
    ///
    /// # Errors
    /// As [`Guard::spawn`].
    pub(in crate::platform) async fn spawn_on_console(&self, launch: &Launch, size: (u16, u16)) -> Result<OnConsole, SpawnError> {
        let (output, far_output) = pipe::output().await?;
        let (input, far_input) = pipe::input().await?;
        let console = Arc::new(PseudoConsole::new(size, &far_input, &far_output)?);
        let (launch, streams) = (launch.clone(), Streams::Console(console.clone()));
        let started = blocking(move || start::start(&launch, streams)).await.map_err(|_| SpawnError::GuardGone)??;
        let control = Control::new(Process::watch(started.process)?, started.job);
        Ok(OnConsole { pid: started.pid, control, console, input, output })
    }
}

/// A program that was started in a console.
pub(in crate::platform) struct OnConsole {
    pub(in crate::platform) pid: u32,
    pub(in crate::platform) control: Control,
    pub(in crate::platform) console: Arc<PseudoConsole>,
    pub(in crate::platform) input: Input,
    pub(in crate::platform) output: Output,
}

/// Keeps what this process was given by its parent from the programs that it starts: else whoever reads its output would
/// wait for theirs, too.
pub fn keep_handles() {
    // Fails where there is no such stream, which then is kept from nobody.
    let _ = pipe::set_inheritable(&io::stdin(), false);
    let _ = pipe::set_inheritable(&io::stdout(), false);
    let _ = pipe::set_inheritable(&io::stderr(), false);
}
