//! A guard that leaves no orphan, and what is asked of it.
//!
//! ```text
//! daemon ── guard ── supervisor (one a job) ── job ── whatever it starts
//!             └───── supervisor that is ready for the next job
//! ```
//! A supervisor adopts the orphans of its job, so that nothing below it can get away: not by a session of its own, not
//! by forking twice, not by a cleared environment. The daemon's death closes the supervisors' sockets, and each then
//! ends its tree. The guard adopts what a killed supervisor leaves.
//!
//! Only Linux lets a process adopt. On macOS an orphan goes to process 1, and what left its process group as well is not
//! found any more.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use tokio::net::unix::pipe;

use super::{Exit, Found, KILL_AFTER, Launch, Running, SpawnError, find_program};

mod brief;
mod frame;
mod guard;
mod guardian;
mod running;
mod signals;
mod supervisor;
mod sys;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use brief::{Tree, set_apart};
pub use guard::Guard;
pub use running::{Control, unread};
pub(super) use signals::NAMES;

/// The daemon's end of a program's standard input.
pub type Input = pipe::Sender;
/// The daemon's end of one of a program's output streams.
pub type Output = pipe::Receiver;

/// Keeps what this process was given by its parent from the programs that it starts: nothing to do on this system, where
/// they get their three streams alone.
pub fn keep_handles() {}

/// Whether a program is given by its path rather than by its name.
pub(super) fn is_path(program: &OsStr) -> bool {
    program.as_encoded_bytes().contains(&b'/')
}

/// Under which names a file of a program may be kept.
pub(super) fn file_names(program: &OsStr) -> Vec<OsString> {
    vec![program.to_owned()]
}

/// Whether a file may be run as a program.
pub(super) fn may_run(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}
