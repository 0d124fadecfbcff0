//! What an agent reads: a result with its words, or one line that says what failed.

use std::borrow::Cow;

use serde_json::Value;

use crate::base::Error;
use crate::base::text::printable;

/// What a tool answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The result, as the tool's output schema describes it.
    pub structured: Value,
    /// The same in few words.
    pub text: String,
}

/// The one line of a failure: where, what, and what to do.
pub fn failure(error: &Error, machine: Option<&str>) -> String {
    let message = printable(&error.message);
    let mut line = match machine {
        Some(machine) if !message.contains(machine) => format!("{}: {message}", printable(machine)),
        _ => message,
    };
    if let Some(hint) = &error.hint {
        line.push_str(if line.ends_with(['.', '?', '!']) { " " } else { ". " });
        line.push_str(&printable(hint));
    }
    line
}

/// Text of at most about `most` bytes: from a longer one the middle is left out, and a note stands in its place that says
/// how much, and `rest`, how to get it.
pub fn cut<'a>(text: &'a str, most: usize, rest: &str) -> Cow<'a, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (text.floor_char_boundary(most / 2), text.ceil_char_boundary(text.len() - most / 2));
    Cow::Owned(format!("{}{}{}", &text[..head], gap(tail - head, rest), &text[tail..]))
}

/// The note in the place of what was left out.
pub fn gap(bytes: usize, rest: &str) -> String {
    format!("\n[… {bytes} bytes are left out here. {rest} …]\n")
}

/// A count with its noun.
pub fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Code;

    #[test]
    fn a_failure_is_one_line_with_machine_and_remedy() {
        let error = Error::new(Code::ExecFailed, "no program\n\"x\"").hint("Install it.");
        assert_eq!(failure(&error, Some("kai")), "kai: no program\u{fffd}\"x\". Install it.");
        assert_eq!(failure(&Error::invalid("the argument key is missing"), None), "the argument key is missing");
        assert_eq!(failure(&Error::new(Code::PeerOffline, "kai is offline"), Some("kai")), "kai is offline");
    }
    #[test]
    fn long_text_loses_its_middle_and_says_so() {
        assert_eq!(cut("short", 5, ""), "short");
        let long = "ä".repeat(1000);
        let shown = cut(&long, 101, "Ask again.");
        assert!(shown.starts_with("ä") && shown.ends_with("ä") && shown.len() < 200);
        assert!(shown.contains("1900 bytes are left out here. Ask again."), "{shown}");
    }
}
