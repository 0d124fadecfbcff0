//! Names of the daemons of one machine: the main one, and its sessions.

use std::fmt;
use std::str::FromStr;

use super::{Error, Result};

/// What the main daemon is called among its sessions.
pub const MAIN: &str = "main";
/// Most characters of a session's name.
pub const LONGEST: usize = 32;

/// Names that mean something else where sessions are named.
const RESERVED: [&str; 5] = [MAIN, "fleet", "all", "self", "localhost"];

/// What Windows takes for a device wherever it is put.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The name of a session: 1 to 32 lower-case letters, digits, `-` and `_`, the first a letter or a digit. It becomes a folder
/// and a part of a host name, on every system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionName(String);

impl SessionName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The name of a worker of a fleet, by its number.
    pub fn worker(number: u32) -> Self {
        Self(format!("worker-{number}"))
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if !(1..=LONGEST).contains(&text.len()) || !text.bytes().all(is_fit) || text.starts_with(['-', '_']) {
            let shown: String = text.chars().take(LONGEST).collect();
            let rest = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
            return Err(Error::invalid(format!("{shown:?}{rest} is not a name for a session"))
                .hint(format!("Use 1 to {LONGEST} lower-case letters, digits, '-' or '_'; the first a letter or digit.")));
        }
        // COM1 and LPT9 are devices, and so is CON; COMMON is not.
        let bare = text.strip_suffix(|last: char| last.is_ascii_digit()).unwrap_or(text);
        if RESERVED.contains(&text) || DEVICES.contains(&bare) {
            return Err(Error::invalid(format!("{text:?} has a meaning of its own")).hint("Give the session another name."));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What a daemon of a machine is called among peers: the machine's name, a slash, its own. No other peer's name has a slash.
pub fn label(machine: &str, name: &str) -> String {
    format!("{machine}/{name}")
}

/// The machine of a peer: what is before the slash, where its name has one.
pub fn machine_of(peer: &str) -> &str {
    peer.split_once('/').map_or(peer, |(machine, _)| machine)
}

/// What a peer is called once the machine `old` is called `new`; nothing where it is none of that machine's daemons.
pub fn renamed(peer: &str, old: &str, new: &str) -> Option<String> {
    peer.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with('/')).map(|rest| format!("{new}{rest}"))
}

/// The session that a peer is, if it is one of a machine's.
pub fn session_of(peer: &str) -> Option<&str> {
    peer.split_once('/').map(|(_, session)| session)
}

/// The session that a peer is, if it is one of this machine's.
pub fn session_at<'a>(peer: &'a str, machine: &str) -> Option<&'a str> {
    session_of(peer).filter(|_| machine_of(peer) == machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// known fault 24: a name is never a path.
    #[test]
    fn names_of_sessions_are_checked() {
        let long = "x".repeat(LONGEST + 1);
        let very_long = "x".repeat(300);
        let bad = [
            "",
            " ",
            ".",
            "..",
            "../x",
            "..\\x",
            "a/b",
            "/a",
            "-rf",
            "--help",
            "_x",
            "a b",
            "a\0b",
            "a\nb",
            "ä",
            "worker\u{2013}1",
            "Ａ",
            "Alice",
            "con",
            "prn",
            "aux",
            "nul",
            "com1",
            "com9",
            "lpt1",
            "lpt0",
            "a.b",
            "nul.txt",
            "~",
            "*",
            "main",
            "fleet",
            "localhost",
            "C:",
            "a:b",
            &long,
            &very_long,
        ];
        for name in bad {
            let error = name.parse::<SessionName>().unwrap_err();
            assert!(error.message.len() < 200 && !error.message.contains('\n') && error.hint.is_some(), "{name:?}: {error}");
        }
        for good in ["worker-1", "a", "0", "common", "console", "com10", "build_2", &"x".repeat(LONGEST)] {
            assert_eq!(good.parse::<SessionName>().unwrap().as_str(), good);
        }
        assert_eq!(SessionName::worker(3).to_string().parse::<SessionName>().unwrap(), SessionName::worker(3));
    }

    #[test]
    fn a_session_has_its_machines_name_before_its_own() {
        assert_eq!((machine_of("kai/worker-1"), session_of("kai/worker-1")), ("kai", Some("worker-1")));
        assert_eq!((machine_of("kai"), session_of("kai")), ("kai", None));
        assert_eq!(label("kai", "worker-1"), "kai/worker-1");
        assert_eq!(renamed("kai/worker-1", "kai", "mia").as_deref(), Some("mia/worker-1"));
        assert_eq!(
            (renamed("kai", "kai", "mia").as_deref(), renamed("kaia", "kai", "mia"), renamed("leo", "kai", "mia")),
            (Some("mia"), None, None)
        );
        assert_eq!(
            (session_at("kai/worker-1", "kai"), session_at("kai/worker-1", "leo"), session_at("kai", "kai")),
            (Some("worker-1"), None, None)
        );
    }
}
