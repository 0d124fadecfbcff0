//! Finding a program as a shell does.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::system;
use crate::platform::host;

/// What a search for a program came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its absolute path.
    Program(PathBuf),
    /// Only something of that name that may not be run.
    NotExecutable,
    /// Nothing.
    Nothing,
}

/// Looks for a program: a name in the folders of `path` (as the variable PATH holds them), a path from `cwd`.
pub(super) fn find_program(program: &OsStr, path: &OsStr, cwd: &Path) -> Found {
    if program.is_empty() {
        // Joined to a folder it would be the folder itself.
        return Found::Nothing;
    }
    if system::is_path(program) {
        return best(system::file_names(program).iter().map(|name| cwd.join(name)));
    }
    let names = system::file_names(program);
    let folders = std::env::split_paths(path).map(|folder| cwd.join(folder));
    best(folders.flat_map(|folder| names.iter().map(move |name| folder.join(name))))
}

/// The program of this name in the folders of this process's own PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    match find_program(name.as_ref(), &host::search_path(), &std::env::current_dir().unwrap_or_default()) {
        Found::Program(path) => Some(path),
        Found::NotExecutable | Found::Nothing => None,
    }
}

/// The first that is a program.
fn best(candidates: impl Iterator<Item = PathBuf>) -> Found {
    let mut blocked = Found::Nothing;
    for candidate in candidates {
        match candidate.metadata() {
            Ok(found) if found.is_file() && system::may_run(&candidate) => return Found::Program(candidate),
            Ok(_) => blocked = Found::NotExecutable,
            Err(_) => {}
        }
    }
    blocked
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_a_shell_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::File::create(dir.path().join("data")).unwrap();
        let find = |program: &str, path: &str| find_program(program.as_ref(), path.as_ref(), dir.path());
        assert!(matches!(find("sh", "/nowhere:/bin:/usr/bin"), Found::Program(path) if path.ends_with("sh")));
        assert!(matches!(find("/bin/sh", ""), Found::Program(_)));
        assert_eq!(find("sh", "/nowhere"), Found::Nothing);
        assert_eq!(find("data", &dir.path().to_string_lossy()), Found::NotExecutable);
        assert_eq!(find("./data", ""), Found::NotExecutable);
        assert_eq!(find("", "/bin"), Found::Nothing);
        assert_eq!(find("no\0pe", "/bin"), Found::Nothing);
    }
}
