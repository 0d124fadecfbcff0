//! Names and facts of a Unix machine.

use std::path::PathBuf;

use super::{Language, Shell};

/// The folder above all others.
pub(super) const ROOT: &str = "/";
/// The folders of programs where no variable names them.
pub(super) const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// This machine's name, perhaps with its domain.
pub(super) fn full_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// How many descriptors this process may have.
pub fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX)
}

/// The user's shell, by the variable SHELL.
pub fn shell() -> Shell {
    let named = std::env::var_os("SHELL").map(PathBuf::from).filter(|shell| shell.is_absolute());
    Shell { program: named.unwrap_or_else(|| "/bin/sh".into()), language: Language::Posix }
}
