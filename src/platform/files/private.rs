//! The daemon's own files: readable by their owner alone, replaced whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::part_name;
use crate::base::{clock, id};
use crate::platform::modes;

/// Writes a file that only its owner can read (0600), so that a crash leaves the old content or the new, on disk.
///
/// Missing folders on the way are made with 0700. Where `path` is a link, the file that it points to is replaced.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(path);
    modes::make_private_dirs(folder)?;
    let temporary = folder.join(part_name(&id::request()));
    let written = write_new(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    sync_dir(folder)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = modes::create_private(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a folder that only its owner can enter (0700), with the missing ones above it; one that is there is tightened.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    modes::make_private_dirs(path)?;
    modes::make_private(path)
}

/// Moves a file that can't be read out of the way, to `<name>.broken-<milliseconds>`, and answers where it is now.
///
/// A file that was set aside earlier is never overwritten.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut time = clock::now();
    loop {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".broken-{time}"));
        let aside = path.with_file_name(name);
        if aside.symlink_metadata().is_err() {
            std::fs::rename(path, &aside)?;
            return Ok(aside);
        }
        time += 1;
    }
}

/// Brings a folder's names to disk: what was made, renamed or removed in it survives a power loss after this.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// known fault 33
    #[test]
    fn private_files_and_their_folders_are_for_the_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/config.yaml");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!((mode(&path), mode(&root.path().join("a")), mode(&root.path().join("a/b"))), (0o600, 0o700, 0o700));
        assert_eq!(std::fs::read_dir(root.path().join("a/b")).unwrap().count(), 1, "no temporary file is left");
    }
    #[test]
    fn a_wide_folder_is_tightened_when_it_is_made_private() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("home");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        create_private_dir(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }
    #[test]
    fn a_link_stays_a_link_and_its_target_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let (real, link) = (root.path().join("real"), root.path().join("link"));
        write_private(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_private(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"new");
    }
    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_rest() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("taken")).unwrap();
        assert!(write_private(&root.path().join("taken"), b"x").is_err());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
    #[test]
    fn what_is_set_aside_twice_is_kept_twice() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("peers.json");
        let mut kept = Vec::new();
        for content in [b"1", b"2"] {
            write_private(&path, content).unwrap();
            kept.push(set_aside(&path).unwrap());
        }
        assert!(!path.exists());
        assert_eq!(std::fs::read(&kept[0]).unwrap(), b"1");
        assert_eq!(std::fs::read(&kept[1]).unwrap(), b"2");
        assert!(kept[0].file_name().unwrap().to_string_lossy().starts_with("peers.json.broken-"));
    }
}
