//! Which manager this machine has, and how it is spoken to from here.

use std::path::Path;
use std::process::Command;

use super::Manager;
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
use super::System;
#[cfg(any(target_os = "linux", target_os = "macos"))]
use crate::platform::host::home_dir;

/// The manager of this user's services, for a daemon with this data directory; nothing on a system where none is known.
#[cfg(target_os = "linux")]
pub fn manager(_data_dir: &Path) -> Option<Manager> {
    let configured = std::env::var_os("XDG_CONFIG_HOME").map(std::path::PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = configured.unwrap_or_else(|| home_dir().join(".config")).join("systemd/user");
    Some(Manager { system: System::Systemd, folder, user: number() })
}

/// The manager of this user's services, for a daemon with this data directory; nothing on a system where none is known.
#[cfg(target_os = "macos")]
pub fn manager(_data_dir: &Path) -> Option<Manager> {
    Some(Manager { system: System::Launchd, folder: home_dir().join("Library/LaunchAgents"), user: number() })
}

/// The manager of this user's services, for a daemon with this data directory; nothing on a system where none is known.
#[cfg(windows)]
pub fn manager(data_dir: &Path) -> Option<Manager> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let user = format!("{}\\{}", variable("USERDOMAIN"), variable("USERNAME"));
    Some(Manager { system: System::TaskScheduler, folder: data_dir.to_owned(), user })
}

/// The manager of this user's services, for a daemon with this data directory; nothing on a system where none is known.
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
pub fn manager(_data_dir: &Path) -> Option<Manager> {
    None
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn number() -> String {
    rustix::process::getuid().as_raw().to_string()
}

/// A command of a plan, to be run. Nothing where there are no words.
pub fn command(words: &[String]) -> Option<Command> {
    let (program, args) = words.split_first()?;
    let mut command = Command::new(program);
    // What it says is looked at, in English.
    command.args(args).env("LC_ALL", "C").env("SYSTEMD_PAGER", "").env("SYSTEMD_COLORS", "0");
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // A shell that was not logged in, such as one of `su` or of cron, has not got it; the instance may be there.
        let folder = std::path::PathBuf::from(format!("/run/user/{}", number()));
        if folder.is_dir() {
            command.env("XDG_RUNTIME_DIR", folder);
        }
    }
    Some(command)
}

/// Whether this user's services run without anybody being logged in; nothing where that is not a question.
#[cfg(target_os = "linux")]
pub fn lingers() -> Option<bool> {
    let user =
        ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty() && !user.contains('/')))?;
    let folder = Path::new("/var/lib/systemd/linger");
    folder.parent().is_some_and(Path::is_dir).then(|| folder.join(user).exists())
}

/// Whether this user's services run without anybody being logged in; nothing where that is not a question.
#[cfg(not(target_os = "linux"))]
pub fn lingers() -> Option<bool> {
    None
}
