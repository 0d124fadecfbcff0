//! Through a folder and all below it, without following a link.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::{Code, Error, Result};
use crate::platform::files::{Dir, Kind, Stat, is_part_name};

/// Most files, folders and links of a folder that is transferred.
pub const MOST_ENTRIES: usize = 1_000_000;
/// Folders inside each other; each is held open on the way.
pub(super) const DEEPEST: usize = 200;

/// Something on the way.
pub(super) struct Found<'a> {
    /// Relative to where the walk began.
    pub(super) path: &'a Path,
    /// The folder that it is in.
    pub(super) dir: &'a Dir,
    /// Its name there.
    pub(super) name: &'a OsStr,
    /// Its facts.
    pub(super) stat: &'a Stat,
}

/// A way through a folder.
pub(super) struct Walk<'a> {
    /// Which relative paths may be seen; what is below others is not.
    pub(super) keep: &'a (dyn Fn(&Path) -> bool + 'a),
    /// Is shown files, folders and links: sorted by name, folders before what is in them.
    pub(super) visit: &'a mut (dyn FnMut(&Found<'_>) -> Result<()> + 'a),
    seen: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(keep: &'a dyn Fn(&Path) -> bool, visit: &'a mut dyn FnMut(&Found<'_>) -> Result<()>) -> Self {
        Self { keep, visit, seen: 0 }
    }

    /// Walks. Unfinished transfers, pipes, sockets and devices are passed by; so is what vanishes meanwhile.
    pub(super) fn run(&mut self, root: &Dir) -> Result<()> {
        self.folder(root, &mut PathBuf::new(), 0)
    }

    fn folder(&mut self, dir: &Dir, path: &mut PathBuf, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(Error::new(Code::TransferTooLarge, format!("there are more than {DEEPEST} folders inside each other")));
        }
        for name in dir.names().map_err(|error| super::failed(&shown(path), &error))? {
            if name.to_str().is_some_and(is_part_name) {
                continue;
            }
            path.push(&name);
            let found = self.one(dir, &name, path, depth);
            path.pop();
            found?;
        }
        Ok(())
    }

    fn one(&mut self, dir: &Dir, name: &OsStr, path: &mut PathBuf, depth: usize) -> Result<()> {
        let failed = |path: &Path, error: io::Error| super::failed(&shown(path), &error);
        if !(self.keep)(path) {
            return Ok(());
        }
        let Some(stat) = there(dir.stat(name)).map_err(|error| failed(path, error))? else { return Ok(()) };
        if !matches!(stat.kind, Kind::File | Kind::Directory | Kind::Symlink) {
            return Ok(());
        }
        self.seen += 1;
        if self.seen > MOST_ENTRIES {
            return Err(Error::new(Code::TransferTooLarge, format!("there are more than {MOST_ENTRIES} files"))
                .hint("Transfer the folders in it one by one."));
        }
        (self.visit)(&Found { path, dir, name, stat: &stat })?;
        if stat.kind != Kind::Directory {
            return Ok(());
        }
        match there(dir.dir(name)).map_err(|error| failed(path, error))? {
            Some(inner) => self.folder(&inner, path, depth + 1),
            None => Ok(()),
        }
    }
}

/// What may have vanished since it was seen.
pub(super) fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// A relative path for a message.
pub(super) fn shown(path: &Path) -> String {
    if path.as_os_str().is_empty() { "the folder".into() } else { path.display().to_string() }
}
