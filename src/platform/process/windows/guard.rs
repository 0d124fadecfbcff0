//! Starting programs, each in a job of its own.

use std::fs::File;
use std::io;

use super::ended::Process;
use super::{Control, Launch, Running, SpawnError, pipe, start};
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
        let begin = move || start::start(&launch, [far_stdin, far_stdout, far_stderr]);
        let started = blocking(begin).await.map_err(|_| SpawnError::GuardGone)??;
        let process = Process::watch(started.process)?;
        Ok(Running { pid: started.pid, stdin, stdout, stderr, control: Control::new(process, started.job) })
    }
}

/// Keeps what this process was given by its parent from the programs that it starts: else whoever reads its output would
/// wait for theirs, too.
pub fn keep_handles() {
    // Fails where there is no such stream, which then is kept from nobody.
    let _ = pipe::set_inheritable(&io::stdin(), false);
    let _ = pipe::set_inheritable(&io::stdout(), false);
    let _ = pipe::set_inheritable(&io::stderr(), false);
}
