//! Processes: started so that nothing of them is left when they, or the daemon, are to end.
//!
//! What holds a tree together differs: on Unix a guard process and a supervisor for each job (`unix`), on Windows a job
//! object for each (`windows`). What is asked of either is the same.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::host;

mod brief;
#[cfg(any(windows, test))]
mod command_line;
#[cfg(any(windows, test))]
mod environment;
mod signals;
#[cfg(unix)]
mod unix;
mod which;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use brief::{Ended, run_within, start_apart};
pub use signals::{signal_name, signal_number};
#[cfg(windows)]
pub use system::PseudoConsole;
pub use system::{Control, Guard, Input, Output, keep_handles, unread};
pub use which::which;

use which::{Found, find_program};

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

impl Launch {
    /// The folders in which its program is looked for, as the variable PATH holds them.
    pub fn search_path(&self) -> OsString {
        let own = self.env.iter().rev().find(|(name, _)| is_path(name)).map(|(_, path)| path.clone());
        own.unwrap_or_else(host::search_path)
    }
}

fn is_path(name: &OsStr) -> bool {
    if cfg!(windows) { name.eq_ignore_ascii_case("PATH") } else { name == "PATH" }
}

/// A program that was started.
pub struct Running {
    /// Process id; on Unix its process group has the same number.
    pub pid: u32,
    /// Its standard input, where one was asked for. Dropping it is end of file.
    pub stdin: Option<Input>,
    /// Its standard output.
    pub stdout: Output,
    /// Its standard error.
    pub stderr: Output,
    /// Its fate.
    pub control: Control,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
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
    /// An argument has a character that can't be passed to a batch file so that it stays what it is.
    Unquotable,
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
