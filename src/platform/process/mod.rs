//! Processes: a guard that leaves no orphan, and what is asked of it.
//!
//! ```text
//! daemon ── guard ── supervisor (one a job) ── job ── whatever it starts
//! ```
//! A supervisor adopts the orphans of its job, so that nothing below it can get away: not by a session of its own, not
//! by forking twice, not by a cleared environment. The daemon's death closes the supervisors' sockets, and each then
//! ends its tree. The guard adopts what a killed supervisor leaves.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(unix)]
mod brief;
#[cfg(unix)]
mod frame;
#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod guardian;
#[cfg(unix)]
mod running;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod supervisor;
#[cfg(unix)]
mod sys;
#[cfg(unix)]
mod tree;
#[cfg(unix)]
mod which;

#[cfg(test)]
mod tests;

#[cfg(unix)]
pub use brief::{Ended, run_within};
#[cfg(unix)]
pub use guard::Guard;
#[cfg(unix)]
pub use running::{Control, Exit, Running, unread};
#[cfg(unix)]
pub use signals::{signal_name, signal_number};
#[cfg(unix)]
pub use which::which;

/// How long a tree that was asked to end has until it is killed.
pub const KILL_AFTER: Duration = Duration::from_secs(3);

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program: a name to look for in the folders of the variable PATH (as `env` has it), or a path, from `cwd`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Absolute path of the folder it runs in.
    pub cwd: PathBuf,
    /// Variables laid over the environment that the guard was started with.
    pub env: Vec<(OsString, OsString)>,
    /// Names of variables that it does not get from that environment.
    pub unset: Vec<OsString>,
    /// Whether it gets a pipe as standard input; else it reads end of file.
    pub open_stdin: bool,
}

/// Why a program was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnError {
    /// The program, or the interpreter that it names, does not exist.
    NoProgram,
    /// The program may not be run by this user, or is no program.
    NotExecutable,
    /// The folder does not exist.
    NoFolder,
    /// The folder is something else, or may not be entered.
    NotAFolder,
    /// This field holds a NUL byte.
    Nul(&'static str),
    /// Arguments and environment are larger than the system takes.
    TooLarge,
    /// The guard is gone.
    GuardGone,
    /// Another system error, with its number.
    System(i32),
}

impl From<io::Error> for SpawnError {
    fn from(error: io::Error) -> Self {
        Self::System(error.raw_os_error().unwrap_or_default())
    }
}
