//! Names and facts of this machine and of the user whose daemon this is.

use std::ffi::OsString;
use std::path::PathBuf;

/// The operating system in the Node version's words: `linux`, `darwin`, `win32`.
pub const PLATFORM: &str = if cfg!(target_os = "macos") {
    "darwin"
} else if cfg!(windows) {
    "win32"
} else {
    std::env::consts::OS
};

/// This machine's name, without its domain.
#[cfg(unix)]
pub fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    first_label(&name)
}

#[cfg_attr(not(unix), expect(dead_code, reason = "the name comes from elsewhere"))]
fn first_label(name: &str) -> String {
    match name.split('.').next() {
        None | Some("") => "localhost".into(),
        Some(label) => label.into(),
    }
}

/// How many descriptors this process may have.
#[cfg(unix)]
pub fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX)
}

/// How many descriptors this process may have.
#[cfg(not(unix))]
pub fn descriptors() -> usize {
    usize::MAX
}

/// The user's home folder; the root folder where there is none.
pub fn home_dir() -> PathBuf {
    std::env::home_dir().filter(|home| home.is_absolute()).unwrap_or_else(|| PathBuf::from("/"))
}

/// The user's shell.
#[cfg(unix)]
pub fn shell() -> PathBuf {
    std::env::var_os("SHELL").map(PathBuf::from).filter(|shell| shell.is_absolute()).unwrap_or_else(|| "/bin/sh".into())
}

/// The folders in which programs are looked for, as the variable PATH holds them.
pub fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
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
        assert!(home_dir().is_absolute() && shell().is_absolute());
        assert!(own_program().unwrap().exists());
        assert_eq!(first_label("kai.example.org"), "kai");
        assert_eq!(first_label(""), "localhost");
    }
}
