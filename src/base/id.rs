//! Identifiers that check themselves.

use uuid::Uuid;

use super::{Error, Result};

/// A new node id: a random UUID.
pub fn node() -> String {
    Uuid::new_v4().to_string()
}

/// A new job id: a random UUID, as the Node version's.
pub fn job() -> String {
    Uuid::new_v4().to_string()
}

/// A new request id.
pub fn request() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Whether a caller's request id is a sane token: 1 to 64 letters, digits, `.`, `_`, `-`.
pub fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether a text that a machine gives for its node id can be one: a token, and none of those that stand for a machine that
/// has not answered yet.
pub fn is_node_id(text: &str) -> bool {
    is_token(text) && !text.starts_with(MANUAL)
}

/// How the id of a machine begins that has not answered yet; its address follows.
pub const MANUAL: &str = "manual-";

/// Names that callers without a key of their own have in logs and budgets.
const RESERVED: [&str; 3] = ["owner", "stranger", "legacy"];

/// Whether a name means a caller that is no peer, in any case of letters.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// Checks a name that a peer is to have: [`check_name`], and none that means another caller.
pub fn check_peer_name<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    if is_reserved(name) {
        return Err(Error::invalid(format!("{what}: '{name}' has a meaning of its own")).hint("Give the peer another name."));
    }
    check_name(what, name)
}

/// Checks a name that becomes a key of a map, a file name or a word on a command line: a peer's, a session's.
///
/// 1 to 64 letters, digits, `.`, `_`, `-`, not starting with a dot or a dash.
pub fn check_name<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    if is_token(name) && !name.starts_with(['.', '-']) {
        return Ok(name);
    }
    Err(Error::invalid(format!("{what} {name:?} is not a name"))
        .hint("Use 1 to 64 letters, digits, '.', '_' or '-'; the first a letter or digit."))
}

/// Makes a name that [`check_name`] takes out of any text.
pub fn to_name(text: &str) -> String {
    let mut name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' }).take(64).collect();
    while name.starts_with(['.', '-']) {
        name.remove(0);
    }
    if name.is_empty() { "unnamed".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_machine_gives_itself_an_id_or_a_name_that_means_another() {
        assert!(is_node_id("0f8fad5b-d9cb-469f-a165-70867728950e"));
        for bad in ["", "manual-10.0.0.2:19532", "manual-x", "a b", "\0", &"x".repeat(65)] {
            assert!(!is_node_id(bad), "{bad:?}");
        }
        for bad in ["owner", "Owner", "legacy", "stranger", "../x"] {
            assert!(check_peer_name("name", bad).is_err(), "{bad:?}");
        }
    }
    #[test]
    fn names_are_never_paths() {
        for bad in ["", ".", "..", "../x", "a/b", "-rf", "a b", "a\0b", "ä", &"x".repeat(65)] {
            assert!(check_name("session", bad).is_err(), "{bad:?}");
            assert!(check_name("session", &to_name(bad)).is_ok(), "{bad:?}");
        }
        assert!(check_name("session", "worker-1.b_c").is_ok());
    }
}
