//! Names and facts of this machine and of the user whose daemon this is.

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use system::{claim_descriptors, descriptors, give_back_descriptors, shell};

/// The operating system in the Node version's words: `linux`, `darwin`, `win32`.
pub const PLATFORM: &str = if cfg!(target_os = "macos") {
    "darwin"
} else if cfg!(windows) {
    "win32"
} else {
    std::env::consts::OS
};

fn first_label(name: &str) -> String {
    match name.split('.').next() {
        None | Some("") => "localhost".into(),
        Some(label) => label.into(),
    }
}

/// This machine's name, without its domain.
pub fn hostname() -> String {
    first_label(&system::full_name())
}

/// The user's home folder; the root folder where there is none.
pub fn home_dir() -> PathBuf {
    std::env::home_dir().filter(|home| home.is_absolute()).unwrap_or_else(|| system::ROOT.into())
}

/// What a shell reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// The language of `sh`.
    Posix,
    /// The language of `cmd.exe`.
    Cmd,
}

/// A shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Its absolute path.
    pub program: PathBuf,
    /// What it reads.
    pub language: Language,
}

impl Shell {
    /// The arguments that make it run a line and leave.
    pub fn args(&self, line: &str) -> Vec<OsString> {
        match self.language {
            Language::Posix => ["-c", line].map(OsString::from).to_vec(),
            Language::Cmd => ["/D", "/S", "/C", line].map(OsString::from).to_vec(),
        }
    }
}

/// The folders in which programs are looked for, as the variable PATH holds them.
pub fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| system::SEARCH_PATH.into())
}

/// This very program, to be started once more.
///
/// # Errors
/// When the system does not tell.
pub fn own_program() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    // While a new version is installed over the running one, Linux tells the old one's name with a remark behind it.
    Ok(match program.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(path) => path.into(),
        None => program,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_and_a_home() {
        assert!(!hostname().is_empty() && !hostname().contains('.'));
        assert!(home_dir().is_absolute() && shell().program.is_absolute());
        assert!(own_program().unwrap().exists());
        assert_eq!(first_label("kai.example.org"), "kai");
        assert_eq!(first_label(""), "localhost");
    }
}
