//! Whether a file was changed since it was last read.

use std::path::Path;
use std::time::SystemTime;

use crate::platform::modes::path_id;

/// What a file looks like from outside: a change of its content, by whoever writes it whole, changes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp(Option<(u64, u64, u64, Option<SystemTime>)>);

impl Stamp {
    /// The file as it is now; all files that are not there look the same.
    pub fn of(path: &Path) -> Self {
        let look = || {
            let ((volume, number), meta) = (path_id(path).ok()?, std::fs::metadata(path).ok()?);
            Some((volume, number, meta.len(), meta.modified().ok()))
        };
        Self(look())
    }
}
