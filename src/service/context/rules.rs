//! What may be asked of the store: keys, values, times to live, preconditions, and who may touch which key.

use crate::api::Caller;
use crate::api::context::{ContextSet, KEY_CHARS, RESERVED, VALUE_BYTES};
use crate::base::clock::Millis;
use crate::base::{Code, Error, Result};

/// Longest time to live: ten years, in seconds.
const TTL_MAX: f64 = 10.0 * 365.0 * 86_400.0;

/// Whether this caller may know of a key at all.
pub(super) fn visible(caller: &Caller, key: &str) -> bool {
    caller.is_owner() || !RESERVED.iter().any(|prefix| key.starts_with(prefix))
}

/// Refuses a caller that asks for a key, or for a prefix of keys, that it may not know of.
pub(super) fn may_see(caller: &Caller, key: &str) -> Result<()> {
    if visible(caller, key) {
        return Ok(());
    }
    Err(Error::new(Code::AuthForbidden, "keys of messages are the owner's alone")
        .hint("'inbox:', 'outbox:' and 'ack:' hold messages; use other keys for shared state."))
}

/// Checks all that is to be written; what must hold for it.
pub(in crate::service) fn check(op: &ContextSet) -> Result<Precondition> {
    check_key(&op.key)?;
    check_value(&op.value)?;
    op.ttl.map_or(Ok(()), check_ttl)?;
    Precondition::parse(op.if_match.as_deref(), op.if_none_match.as_deref())
}

/// Checks a key: 1 to 256 characters, any but NUL.
pub(super) fn check_key(key: &str) -> Result<()> {
    check_text("key", key)?;
    match key.chars().count() {
        0 => Err(Error::invalid("the key is empty")),
        1..=KEY_CHARS => Ok(()),
        count => Err(Error::invalid(format!("the key has {count} characters; at most {KEY_CHARS} are allowed"))),
    }
}

/// Checks a prefix or another text that is compared with keys.
pub(super) fn check_text(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid(format!("the {what} contains a NUL character")));
    }
    Ok(())
}

/// Checks a value: at most 1 MiB.
pub(super) fn check_value(value: &str) -> Result<()> {
    if value.len() <= VALUE_BYTES {
        return Ok(());
    }
    Err(Error::new(Code::ContextValueTooLarge, format!("the value has {} bytes; at most {VALUE_BYTES} are allowed", value.len()))
        .hint("Send large data as a file: loopsy send."))
}

/// Checks a time to live in seconds.
pub(in crate::service) fn check_ttl(ttl: f64) -> Result<()> {
    if ttl > 0.0 && ttl <= TTL_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!("ttl {ttl} is not a time to live"))
        .hint("It is in seconds, above 0 and at most ten years; leave it out for no end."))
}

/// When a value that is written now ends; 0 for never.
pub(super) fn ends_at(now: Millis, ttl: Option<f64>) -> Millis {
    ttl.map_or(0, |seconds| now + ((seconds * 1000.0).ceil() as Millis).max(1))
}

/// When a value that is written now ends, if it does.
pub(in crate::service) fn end(now: Millis, ttl: Option<f64>) -> Option<Millis> {
    Some(ends_at(now, ttl)).filter(|end| *end != 0)
}

/// What must hold of an entry for a change to happen.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct Precondition {
    matches: Option<Match>,
    absent: bool,
}

#[derive(Debug, Clone, Copy)]
enum Match {
    Any,
    Version(u64),
}

impl Precondition {
    /// Whatever is there.
    pub(in crate::service) const NONE: Self = Self { matches: None, absent: false };

    /// Reads the values of `If-Match` and `If-None-Match`.
    pub(super) fn parse(if_match: Option<&str>, if_none_match: Option<&str>) -> Result<Self> {
        let matches = if_match.map(parse_match).transpose()?;
        match if_none_match.map(str::trim) {
            None => Ok(Self { matches, absent: false }),
            Some("*") => Ok(Self { matches, absent: true }),
            Some(other) => {
                Err(Error::invalid(format!("If-None-Match {other:?} is not supported")).hint("Only '*' is: create, but do not replace."))
            }
        }
    }
    /// Whether it holds of an entry with this version, or of none.
    pub(super) fn holds(&self, version: Option<u64>) -> bool {
        let matches = match self.matches {
            None => true,
            Some(Match::Any) => version.is_some(),
            Some(Match::Version(wanted)) => version == Some(wanted),
        };
        matches && !(self.absent && version.is_some())
    }
}

fn parse_match(text: &str) -> Result<Match> {
    let text = text.trim();
    if text == "*" {
        return Ok(Match::Any);
    }
    let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match version.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())).and_then(|digits| digits.parse().ok()) {
        Some(version) => Ok(Match::Version(version)),
        None => Err(Error::invalid(format!("If-Match {text:?} is not a version"))
            .hint("Give one version in double quotes, as the ETag has it, or '*'; lists and weak tags are not supported.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_1_to_256_characters_of_any_kind_but_nul() {
        for good in ["a", "a/b:c d", ".", "ключ", "\u{1}\n", &"😀".repeat(256)] {
            assert!(check_key(good).is_ok(), "{good:?}");
        }
        for bad in ["", "a\0", &"x".repeat(257)] {
            assert_eq!(check_key(bad).unwrap_err().code, Code::InvalidRequest, "{bad:?}");
        }
    }
    #[test]
    fn absurd_times_to_live_are_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, TTL_MAX * 1.1] {
            assert!(check_ttl(bad).is_err(), "{bad}");
        }
        assert!(check_ttl(0.001).is_ok() && check_ttl(TTL_MAX).is_ok());
        assert_eq!(ends_at(1000, Some(1e-9)), 1001);
        assert_eq!(ends_at(1000, Some(0.25)), 1250);
    }
    #[test]
    fn preconditions_are_understood_or_refused_never_guessed() {
        for bad in ["5", "W/\"5\"", "\"5\", \"6\"", "\"\"", "\"abc\"", "\"-1\"", "\"+1\"", "\"99999999999999999999\"", "\"", ""] {
            assert_eq!(Precondition::parse(Some(bad), None).unwrap_err().code, Code::InvalidRequest, "{bad}");
        }
        assert!(Precondition::parse(None, Some("\"5\"")).is_err());
        let five = Precondition::parse(Some(" \"5\" "), None).unwrap();
        assert!(five.holds(Some(5)) && !five.holds(Some(6)) && !five.holds(None));
        let any = Precondition::parse(Some("*"), None).unwrap();
        assert!(any.holds(Some(1)) && !any.holds(None));
        let create = Precondition::parse(None, Some("*")).unwrap();
        assert!(create.holds(None) && !create.holds(Some(1)));
    }
}
