//! Where a path really leads: every link followed, whether or not there is something at its end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::system;

/// Links followed before a path is taken for a circle, as Linux does.
const MOST_LINKS: usize = 40;
/// Bytes of the longest path that systems take.
const LONGEST: usize = 4096;

/// A path without links and dots.
#[derive(Debug)]
pub struct Resolved {
    /// Where it leads. What could not be looked at is appended as it was written.
    pub path: PathBuf,
    /// Why it could not be followed to its end, unless the rest is simply missing. Check `path` against the policy
    /// before telling this to anybody, or it tells what is there.
    pub problem: Option<io::Error>,
}

/// Follows an absolute path as the system would when opening it, and beyond what exists.
///
/// # Errors
/// `InvalidFilename` for a path that no system takes, `InvalidInput` for a NUL, a path that is not absolute, or one that
/// means something else than a file. They are said without looking at the disk.
pub fn resolve(path: &Path) -> io::Result<Resolved> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has a zero byte in it"));
    }
    if path.as_os_str().len() > LONGEST {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    if !path.is_absolute() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is not absolute"));
    }
    system::check_form(path)?;
    let elsewhere = || io::Error::new(io::ErrorKind::InvalidInput, "the path leads to no drive of this machine");
    let mut left: VecDeque<OsString> = parts(path).collect();
    let mut real = system::start_of(path, PathBuf::new()).ok_or_else(elsewhere)?;
    let mut links = 0;
    let mut problem = None;
    // How many parts at the end could not be looked at.
    let mut lost = 0_usize;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            real.pop();
            // What comes after the way back is looked at again.
            lost = lost.saturating_sub(1);
            continue;
        }
        real.push(&part);
        if lost > 0 {
            lost += 1;
            continue;
        }
        match real.symlink_metadata() {
            Ok(facts) if facts.is_symlink() => match std::fs::read_link(&real) {
                Ok(target) if links < MOST_LINKS => {
                    links += 1;
                    let mut folder = real.clone();
                    folder.pop();
                    match system::start_of(&target, folder) {
                        Some(start) => real = start,
                        None => {
                            (lost, problem) = (1, Some(elsewhere()));
                            continue;
                        }
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        left.push_front(part);
                    }
                }
                Ok(_) => (lost, problem) = (1, Some(io::Error::other("too many symbolic links follow each other"))),
                Err(error) => (lost, problem) = (1, Some(error)),
            },
            Ok(_) => {}
            Err(error) => {
                lost = 1;
                problem = problem.or(Some(error).filter(|error| error.kind() != io::ErrorKind::NotFound));
            }
        }
    }
    Ok(Resolved { path: system::settled(real)?, problem })
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
