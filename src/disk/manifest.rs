//! What is in a folder: one level of it, or all, with enough to tell what differs from another one.

use std::path::Path;

use super::running_hash::hash_range;
use super::walk::{MOST_ENTRIES, Walk, shown, there};
use crate::api::transfer::{FileEntry, FileType, Manifest, ManifestEntry};
use crate::base::hash::Sha256;
use crate::base::{Code, Error, Result};
use crate::platform::files::{Dir, Kind, Stat, wire};

/// The names in a folder, sorted; `path` is the folder's own. Names that `keep` refuses are left out.
pub fn list(dir: &Dir, path: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<Vec<FileEntry>> {
    let names = dir.names().map_err(|error| super::failed(&path.display().to_string(), &error))?;
    if names.len() > MOST_ENTRIES {
        return Err(Error::new(Code::TransferTooLarge, format!("there are more than {MOST_ENTRIES} files")));
    }
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let full = path.join(&name);
        if !keep(&full) {
            continue;
        }
        if let Some(stat) = there(dir.stat(&name)).map_err(|error| super::failed(&full.display().to_string(), &error))? {
            files.push(FileEntry {
                name: name.to_string_lossy().into_owned(),
                path: full.display().to_string(),
                kind: kind(stat.kind),
                size: stat.size,
                modified: stat.modified(),
            });
        }
    }
    Ok(files)
}

/// What is in a folder and below it. `keep` says which relative paths may be seen, `go_on` whether it is still wanted.
pub fn tree(root: &Dir, checksums: bool, keep: &dyn Fn(&Path) -> bool, go_on: &dyn Fn() -> bool) -> Result<Manifest> {
    let mut entries = Vec::new();
    let mut visit = |found: &super::walk::Found<'_>| {
        if !go_on() {
            return Err(Error::new(Code::TransferFailed, "nobody waits for the answer any more"));
        }
        let Some(mut entry) = entry(found.dir, found.name.as_ref(), found.stat, checksums, go_on)? else { return Ok(()) };
        entry.path = wire(found.path).into_owned();
        entries.push(entry);
        Ok(())
    };
    Walk::new(keep, &mut visit).run(root)?;
    Ok(Manifest { root: Some(FileType::Directory), entries })
}

/// The one entry of a file, under its name; nothing if it vanished.
pub fn entry(dir: &Dir, name: &Path, stat: &Stat, checksums: bool, go_on: &dyn Fn() -> bool) -> Result<Option<ManifestEntry>> {
    let failed = |error: std::io::Error| super::failed(&shown(name), &error);
    let mut entry = ManifestEntry {
        path: name.to_string_lossy().into_owned(),
        kind: kind(stat.kind),
        size: if stat.kind == Kind::File { stat.size } else { 0 },
        modified: stat.modified(),
        mode: stat.mode,
        checksum: None,
        target: None,
    };
    if stat.kind == Kind::Symlink {
        let Some(target) = there(dir.read_link(name.as_os_str())).map_err(failed)? else { return Ok(None) };
        entry.target = Some(target.to_string_lossy().into_owned());
    }
    if stat.kind == Kind::File && checksums {
        let Some((file, stat)) = there(dir.file(name.as_os_str())).map_err(failed)? else { return Ok(None) };
        let mut hash = Sha256::default();
        hash_range(&mut hash, &file, 0, stat.size, go_on).map_err(failed)?;
        entry.checksum = Some(hash.finish());
    }
    Ok(Some(entry))
}

/// A kind as the wire tells it.
pub fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        _ => FileType::File,
    }
}
