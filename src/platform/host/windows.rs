//! Names and facts of a Windows machine.
#![expect(unsafe_code, reason = "the system's functions have no safe wrappers")]

use std::path::{Path, PathBuf};

use windows_sys::Win32::System::SystemInformation::{ComputerNamePhysicalDnsHostname, GetComputerNameExW};

use super::{Language, Shell};
use crate::platform::files;

/// The folder above all others, of the drive that there always is.
pub(super) const ROOT: &str = r"C:\";
/// The folders of programs where no variable names them.
pub(super) const SEARCH_PATH: &str = r"C:\Windows\System32;C:\Windows";
/// The shell that there always is.
const CMD: &str = r"C:\Windows\System32\cmd.exe";

/// This machine's name, perhaps with its domain.
pub(super) fn full_name() -> String {
    let mut name = [0_u16; 256];
    let mut length = name.len() as u32;
    // SAFETY: the buffer has as many units as said.
    if unsafe { GetComputerNameExW(ComputerNamePhysicalDnsHostname, name.as_mut_ptr(), &mut length) } == 0 {
        return String::new();
    }
    String::from_utf16_lossy(&name[..name.len().min(length as usize)])
}

/// How many descriptors this process may have: there is no limit that a program meets.
pub fn descriptors() -> usize {
    usize::MAX
}

/// Nothing to do on this system.
pub fn claim_descriptors() {}

/// Nothing to do on this system.
pub fn give_back_descriptors(_command: &mut std::process::Command) {}

/// The user's shell: the one that the variable SHELL names, as Git Bash sets it, where it is one that reads the language of
/// `sh`; else `cmd.exe`.
pub fn shell() -> Shell {
    let named = std::env::var("SHELL").ok().map(|shell| files::local(&shell)).map(|shell| shell.with_extension("exe"));
    if let Some(program) = named.filter(|shell| reads_posix(shell) && shell.is_absolute() && shell.is_file()) {
        return Shell { program, language: Language::Posix };
    }
    let named = std::env::var_os("COMSPEC").map(PathBuf::from).filter(|shell| shell.is_absolute() && shell.is_file());
    Shell { program: named.unwrap_or_else(|| CMD.into()), language: Language::Cmd }
}

fn reads_posix(shell: &Path) -> bool {
    let name = shell.file_stem().unwrap_or_default().to_ascii_lowercase();
    ["bash", "sh", "dash", "zsh"].iter().any(|known| name == *known)
}
