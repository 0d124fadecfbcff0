//! Files that only their owner may read, and which file an open one is.
//!
//! On Unix that is said by modes, on Windows by access lists. What the documentation calls 0600 and 0700 is there a list
//! with its owner as the only entry, which inherits nothing; administrators could always take such a file over.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(any(windows, test))]
mod sddl;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use system::{check_writable, file_id, is_open_to_others, path_id, tighten};
pub(super) use system::{create_private, make_private, make_private_dirs};

/// Opens a file for appending, made with mode 0600 if it is not there.
pub fn open_append(path: &Path) -> io::Result<File> {
    system::open(OpenOptions::new().append(true), path)
}

/// Opens a file that serves as a lock, made with mode 0600 if it is not there. Its content is never touched.
pub fn open_lock(path: &Path) -> io::Result<File> {
    system::open(OpenOptions::new().read(true).write(true).truncate(false), path)
}

/// Modes as tests see and set them.
#[cfg(all(test, unix))]
pub mod testing {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// The permission bits of a file or directory.
    pub fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode() & 0o777)
    }
    /// Sets the permission bits.
    pub fn set_mode(path: &Path, mode: u32) {
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::testing::{mode, set_mode};
    use super::*;

    #[test]
    fn what_others_could_read_they_cannot_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        drop(open_append(&path).unwrap());
        assert_eq!(mode(&path), 0o600);
        assert!(!tighten(&path).unwrap());
        set_mode(&path, 0o644);
        assert!(is_open_to_others(&path));
        assert!(tighten(&path).unwrap());
        assert_eq!((mode(&path), is_open_to_others(&path)), (0o600, false));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(!tighten(&link).unwrap());
        assert!(check_writable(dir.path()).is_ok() && check_writable(&dir.path().join("missing")).is_err());
    }
}
