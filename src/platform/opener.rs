//! Showing a file to the user with the program that the system has for its kind.

use std::io;
use std::path::Path;
use std::process::Command;

use super::process::start_apart;

/// Begins to show a file, and does not wait until it is seen.
///
/// # Errors
/// Where there is no such program, or it can't be started.
pub fn open(path: &Path) -> io::Result<()> {
    let words: &[&str] = if cfg!(target_os = "macos") {
        &["open"]
    } else if cfg!(windows) {
        &["rundll32.exe", "url.dll,FileProtocolHandler"]
    } else {
        &["xdg-open"]
    };
    start_apart(Command::new(words[0]).args(&words[1..]).arg(path))
}
