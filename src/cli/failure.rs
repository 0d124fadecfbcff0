//! How a failure is told: one line that says what failed, one that says what to do about it, and an exit status.

use std::process::ExitCode;

use crate::base::text::{printable, sentence};
use crate::base::{Error, Failure};

/// Words with which a message begins as a sentence does; others are names and stay as they are.
const SENTENCE_STARTS: &[&str] = &[
    "a",
    "an",
    "the",
    "there",
    "this",
    "no",
    "nothing",
    "another",
    "only",
    "standard",
    "unrecognized",
    "unexpected",
    "unknown",
    "invalid",
];

/// The exit status of a failed command.
pub fn exit(error: &Error) -> ExitCode {
    ExitCode::from(error.code.exit() as u8)
}

/// The lines for standard error; `mark` makes the first stand out.
pub fn words(error: &Error, json: bool, mark: impl Fn(&str) -> String) -> String {
    if json {
        let failure = Failure { error: error.clone() };
        return serde_json::to_string(&failure).unwrap_or_default() + "\n";
    }
    let message = mark(&printable(&begun(&error.message)));
    match &error.hint {
        Some(hint) => format!("{message}\n{}\n", printable(hint)),
        None => format!("{message}\n"),
    }
}

fn begun(message: &str) -> String {
    let first = message.split(' ').next().unwrap_or_default();
    if SENTENCE_STARTS.contains(&first) { sentence(message) } else { message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Code;

    fn plain(error: &Error) -> String {
        words(error, false, str::to_owned)
    }

    #[test]
    fn a_failure_is_a_line_and_a_hint() {
        let error = Error::new(Code::AuthForbidden, "the key is wrong\u{1b}[2J\nspoof").hint("Pair again.");
        assert_eq!(plain(&error), "The key is wrong\u{fffd}[2J\u{fffd}spoof\nPair again.\n");
        assert_eq!(plain(&Error::new(Code::PeerNotFound, "kai is unknown")), "kai is unknown\n");
        assert_eq!(exit(&error), ExitCode::from(5));
    }
    #[test]
    fn with_json_a_failure_is_the_envelope() {
        let text = words(&Error::new(Code::PeerNotFound, "no peer kai"), true, str::to_owned);
        assert_eq!(serde_json::from_str::<Failure>(&text).unwrap().error.code, Code::PeerNotFound);
    }
}
