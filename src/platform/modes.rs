//! Files that only their owner may read, and which file an open one is.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for appending, made with mode 0600 if it is not there.
pub fn open_append(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().append(true), path)
}

/// Opens a file that serves as a lock, made with mode 0600 if it is not there. Its content is never touched.
pub fn open_lock(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().read(true).write(true).truncate(false), path)
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.create(true).open(path)
}

/// Takes the access of group and others away from a file or directory; says whether they had any. Nothing is done where
/// the system has no such modes, nor to a link.
#[cfg(unix)]
pub fn tighten(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let meta = std::fs::symlink_metadata(path)?;
    if meta.is_symlink() || meta.mode() & 0o077 == 0 {
        return Ok(false);
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(meta.mode() & 0o7700))?;
    Ok(true)
}

/// Takes the access of group and others away from a file or directory; says whether they had any. Nothing is done where
/// the system has no such modes, nor to a link.
#[cfg(not(unix))]
pub fn tighten(path: &Path) -> io::Result<bool> {
    std::fs::symlink_metadata(path).map(|_| false)
}

/// Whether group or others have any access to a file or directory; never so of a link, nor where the system has no such
/// modes.
#[cfg(unix)]
pub fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_symlink() && meta.mode() & 0o077 != 0)
}

/// Whether group or others have any access to a file or directory; never so of a link, nor where the system has no such
/// modes.
#[cfg(not(unix))]
pub fn is_open_to_others(_path: &Path) -> bool {
    false
}

/// Fails as making a file in this folder would, and makes none.
#[cfg(unix)]
pub fn check_writable(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Fails where the folder is marked as not to be changed.
#[cfg(not(unix))]
pub fn check_writable(folder: &Path) -> io::Result<()> {
    let read_only = std::fs::metadata(folder)?.permissions().readonly();
    if read_only { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

/// Tells one file from another that has taken its name: device and inode, or the time it was made.
#[cfg(unix)]
pub fn file_id(meta: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (meta.dev(), meta.ino())
}

/// Tells one file from another that has taken its name: device and inode, or the time it was made.
#[cfg(not(unix))]
pub fn file_id(meta: &Metadata) -> (u64, u64) {
    let made = meta.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    (0, made.map_or(0, |span| span.as_nanos() as u64))
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
