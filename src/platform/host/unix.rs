//! Names and facts of a Unix machine.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Language, Shell};

/// The folder above all others.
pub(super) const ROOT: &str = "/";
/// The folders of programs where no variable names them.
pub(super) const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// This machine's name, perhaps with its domain.
pub(super) fn full_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// As many descriptors as are worth having, and what macOS grants where it refuses those.
const WORTH_HAVING: [u64; 2] = [65_536, 10_240];

/// The limit that this process was started with, once it was raised.
static GIVEN: OnceLock<Rlimit> = OnceLock::new();

/// How many descriptors this process may have.
pub fn descriptors() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX)
}

/// Raises that to what the system lets it have, as far as that is worth having. Programs that are started from now on inherit
/// it, and those that use `select` can't cope: what is to run as it would elsewhere is given the old limit with
/// [`give_back_descriptors`].
pub fn claim_descriptors() {
    let given = getrlimit(Resource::Nofile);
    for wanted in WORTH_HAVING {
        let wanted = given.maximum.map_or(wanted, |most| most.min(wanted));
        let is_more = given.current.is_some_and(|current| current < wanted);
        if is_more && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: given.maximum }).is_ok() {
            GIVEN.get_or_init(|| given);
            return;
        }
    }
}

/// Has a program start with the limit that this one was started with.
pub fn give_back_descriptors(command: &mut Command) {
    let Some(given) = GIVEN.get() else { return };
    let lower = || Ok(setrlimit(Resource::Nofile, Rlimit { ..*given })?);
    #[expect(unsafe_code, reason = "what is done between fork and exec has no safe wrapper")]
    // SAFETY: it makes one system call and nothing else.
    unsafe {
        command.pre_exec(lower)
    };
}

/// The user's shell, by the variable SHELL.
pub fn shell() -> Shell {
    let named = std::env::var_os("SHELL").map(PathBuf::from).filter(|shell| shell.is_absolute());
    Shell { program: named.unwrap_or_else(|| "/bin/sh".into()), language: Language::Posix }
}
