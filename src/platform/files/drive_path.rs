//! The forms of paths on Windows: which of a caller's are understood, and which mean something else than a file.

/// What is refused in words, without looking at the disk.
pub(super) type Refused = &'static str;

const DEVICES: [&str; 7] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"];

/// Whether a name is one of a file, and of the file that it seems to be.
///
/// # Errors
/// What the system would take for a device, for a stream inside of a file, or for a file of another name.
pub(super) fn check_name(name: &str) -> Result<(), Refused> {
    if name.is_empty() {
        return Err("a name in it is empty");
    }
    if name.contains(':') {
        return Err("a name in it has a colon, which would mean a stream inside of a file");
    }
    if name.chars().any(|c| c < ' ' || r#"/\*?"<>|"#.contains(c)) {
        return Err("a name in it has a character that no name of a file has on this system");
    }
    if name.ends_with(['.', ' ']) {
        return Err("a name in it ends with a dot or a space, which this system drops");
    }
    if is_device(name) {
        return Err("a name in it is that of a device");
    }
    Ok(())
}

/// Whatever follows the first dot, the name is the device's.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_uppercase();
    let numbered = |kind: &str| {
        let number = stem.strip_prefix(kind).map(|rest| rest.chars().collect::<Vec<_>>());
        matches!(number.as_deref(), Some(['0'..='9' | '¹' | '²' | '³']))
    };
    DEVICES.contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

/// Whether a path is one of files on a drive: `C:\a`, `C:/a`, or relative.
///
/// # Errors
/// Paths of other machines (`\\server\share`), of the system's own names (`\\?\`, `\\.\`), of a drive's own working folder
/// (`C:a`), and each name that [`check_name`] refuses.
pub(super) fn check(path: &str) -> Result<(), Refused> {
    let path = path.replace('/', r"\");
    if path.starts_with(r"\\") {
        return Err(r"it begins with two separators, which would mean another machine or a device");
    }
    let rest = match path.as_bytes() {
        [drive, b':', rest @ ..] if drive.is_ascii_alphabetic() => {
            if !rest.starts_with(b"\\") {
                return Err(r"there is no \ behind the drive, so that it depends on where the drive stands");
            }
            &path[2..]
        }
        _ => &path,
    };
    rest.split('\\').filter(|name| !matches!(*name, "" | "." | "..")).try_for_each(check_name)
}

/// A path as Git Bash writes it, `/c/Users/ann`, in the system's own form; others as they are.
pub(super) fn from_posix(given: &str) -> String {
    match given.as_bytes() {
        [b'/', drive] if drive.is_ascii_alphabetic() => format!("{}:\\", char::from(*drive).to_ascii_uppercase()),
        [b'/', drive, b'/', ..] if drive.is_ascii_alphabetic() => {
            format!("{}:{}", char::from(*drive).to_ascii_uppercase(), given[2..].replace('/', r"\"))
        }
        _ => given.to_owned(),
    }
}

/// What the system tells as a path that needs no further look, `\\?\C:\a`, in the form in which people write it; nothing
/// where it is not on a drive.
pub(super) fn from_verbatim(path: &str) -> Option<&str> {
    let plain = path.strip_prefix(r"\\?\").unwrap_or(path);
    matches!(plain.as_bytes(), [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_path_are_understood() {
        for (given, meant) in [
            ("/c/Users/ann", r"C:\Users\ann"),
            ("/D", r"D:\"),
            ("/d/", r"D:\"),
            ("/home/ann", "/home/ann"),
            ("/cc/x", "/cc/x"),
            (r"C:\x", r"C:\x"),
            ("C:/x", "C:/x"),
            ("src/a", "src/a"),
            ("/é/x", "/é/x"),
        ] {
            assert_eq!(from_posix(given), meant);
            assert_eq!(check(&from_posix(given)), Ok(()), "{given}");
        }
        assert_eq!(from_verbatim(r"\\?\C:\a"), Some(r"C:\a"));
        for elsewhere in [r"\\?\UNC\a\b", r"\\?\Volume{1}\a", "a"] {
            assert_eq!(from_verbatim(elsewhere), None);
        }
    }
    /// The hostile forms: none may reach the system, which would open something else than what the rules were asked about.
    #[test]
    fn what_means_something_else_than_a_file_is_refused() {
        for refused in [
            r"\\server\share\x",
            "//server/share",
            r"\/server\x",
            r"\\?\C:\x",
            r"\\.\pipe\x",
            r"\\.\PhysicalDrive0",
            "C:x",
            "C:",
            "c:..",
            "CON",
            "con",
            "NUL.txt",
            r"C:\a\nul",
            "aux ",
            "COM1",
            "com¹.log",
            "LPT9.a.b",
            "a/PRN/b",
            "CONIN$",
            "x:stream",
            "C:\\a\\x::$DATA",
            "a.",
            "a ",
            "a./b",
            "...",
            "a\tb",
            "a*",
            "a?",
            "a|b",
            "<a",
            "a\"b",
            "a\0b",
        ] {
            assert!(check(refused).is_err(), "{refused:?}");
        }
        for fine in ["CONSOLE", "com", "COM10", "nul_", "a.b.c", ".ssh", "..", "a..b", "Start Menu/x", "lpt", "über", "~1", ""] {
            assert_eq!(check(fine), Ok(()), "{fine:?}");
        }
        for name in ["", "a/b", r"a\b", "C:", "NUL"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
