//! Files that are private, written whole, and opened without following links.

mod private;

pub use private::{create_private_dir, set_aside, sync_dir, write_private};

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
