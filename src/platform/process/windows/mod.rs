//! A job object for each tree, and what is asked of it.
//!
//! A program is put into its job before it runs, and all that it starts is born there; none can leave. The job ends with
//! its only handle, which the daemon has: nothing outlives a daemon, however it went. There is no guard process.
//!
//! Nothing can be asked to end here as a signal does it: programs have no console of the daemon's. What is to end is
//! ended at once.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{Exit, Found, Launch, Running, SpawnError, command_line, environment, find_program};

mod brief;
mod console;
mod ended;
mod guard;
mod job;
mod pipe;
mod running;
mod signals;
mod start;

pub(super) use brief::{Tree, set_apart};
pub use console::PseudoConsole;
pub use guard::{Guard, keep_handles};
pub use pipe::{Input, Output, unread};
pub use running::Control;
pub(super) use signals::NAMES;

/// Whether a program is given by its path rather than by its name.
pub(super) fn is_path(program: &OsStr) -> bool {
    program.as_encoded_bytes().iter().any(|byte| matches!(byte, b'/' | b'\\' | b':'))
}

/// Under which names a file of a program may be kept.
pub(super) fn file_names(program: &OsStr) -> Vec<OsString> {
    let local = program.to_str().map(crate::platform::files::local);
    let program = local.as_ref().map_or(program, |path| path.as_os_str());
    environment::file_names(program, &std::env::var("PATHEXT").unwrap_or_default())
}

/// Whether a file may be run as a program.
pub(super) fn may_run(file: &Path) -> bool {
    environment::is_runnable(file.as_os_str())
}
