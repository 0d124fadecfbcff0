//! Files that are private, written whole, and opened without following links.

use std::borrow::Cow;
use std::path::Path;

#[cfg(any(windows, test))]
mod drive_path;
mod private;
mod resolve;
mod stat;
#[cfg(unix)]
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use private::{create_private_dir, set_aside, sync_dir, write_private};
pub use resolve::{Resolved, resolve};
pub use stat::{Kind, Stat};
pub use system::{
    Dir, begin_sync, check_form, local, name_of, read_at, second_reader, set_mode, set_modified, stat, sync_one, target_of, try_lock,
};

#[cfg(windows)]
pub(super) use windows::id;

/// The name of a temporary file beside its target: hidden, and told apart from a user's own files by [`is_part_name`].
pub fn part_name(token: &str) -> String {
    format!("{PART_PREFIX}{token}{PART_SUFFIX}")
}

/// Whether a name is one that [`part_name`] makes.
pub fn is_part_name(name: &str) -> bool {
    name.strip_prefix(PART_PREFIX)
        .and_then(|rest| rest.strip_suffix(PART_SUFFIX))
        .is_some_and(|token| token.len() == 32 && token.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

const PART_PREFIX: &str = ".loopsy-";
const PART_SUFFIX: &str = ".part";

/// Whether two names that differ in case alone are the same file, as this system is usually set up.
pub const CASE_IS_IGNORED: bool = cfg!(any(target_os = "macos", windows));

/// A relative path as the wire has it: with `/` between its names.
pub fn wire(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { text } else { text.replace(std::path::MAIN_SEPARATOR, "/").into() }
}
