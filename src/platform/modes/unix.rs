//! Privacy by modes.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Access, access};

/// Opens a file, made with mode 0600 if it is not there.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.mode(0o600).create(true).open(path)
}

/// Makes a file with mode 0600 for writing; there must be nothing of that name.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a folder and the missing ones above it, with mode 0700.
pub fn make_private_dirs(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Gives a folder that is there mode 0700.
pub fn make_private(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.mode() & 0o777 != 0o700 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Takes the access of others than the owner away from a file or directory; says whether they had any. Nothing is done to
/// a link.
pub fn tighten(path: &Path) -> io::Result<bool> {
    let meta = std::fs::symlink_metadata(path)?;
    if meta.is_symlink() || meta.mode() & 0o077 == 0 {
        return Ok(false);
    }
    std::fs::set_permissions(path, Permissions::from_mode(meta.mode() & 0o7700))?;
    Ok(true)
}

/// Whether others than the owner have any access to a file or directory; never so of a link.
pub fn is_open_to_others(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_symlink() && meta.mode() & 0o077 != 0)
}

/// Fails as making a file in this folder would, and makes none.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Tells one file from another that has taken its name.
pub fn file_id(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| id(&meta))
}

/// As [`file_id`], of the file that has a name now.
pub fn path_id(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|meta| id(&meta))
}

fn id(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}
