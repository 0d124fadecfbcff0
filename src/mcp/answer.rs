//! What an agent reads: a result with its words, or one line that says what failed.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::base::text::{one_line, printable};
use crate::base::{Error, Result};

/// What a tool answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The result, as the tool's output schema describes it.
    pub structured: Value,
    /// The same in few words.
    pub text: String,
}

/// Bytes of a whole answer.
const BUDGET: usize = 256 * 1024;
/// Longest texts in an answer, bytes: the first of these is used with which it keeps to its budget.
const LONGEST: [usize; 5] = [96 * 1024, 16 * 1024, 4 * 1024, 1024, 200];
/// Characters of what somebody says of a failure.
const SAID: usize = 1000;

impl Done {
    /// An answer and its words, within bounds.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` where it can't be written as JSON.
    pub fn of(answer: &impl Serialize, text: String) -> Result<Self> {
        let structured = serde_json::to_value(answer).map_err(|cause| Error::internal("a result is not JSON", cause))?;
        Ok(Self { structured, text }.bounded())
    }
    /// The same within bounds: what another machine answers may have any size.
    pub fn bounded(mut self) -> Self {
        for longest in LONGEST {
            shorten(&mut self.structured, longest);
            if self.structured.to_string().len() <= BUDGET {
                break;
            }
        }
        if let Cow::Owned(shorter) = cut(&self.text, BUDGET / 2, "The structured result has more.") {
            self.text = shorter;
        }
        self
    }
}

/// Cuts every text in a value.
fn shorten(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shorter) = cut(text, longest, "") {
                *text = shorter;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, longest)),
        Value::Object(fields) => fields.values_mut().for_each(|field| shorten(field, longest)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Text of several lines, each behind a mark, so that none can look like a line of the answer's own.
pub fn quoted(text: &str) -> String {
    shown(text).lines().map(|line| format!("> {line}\n")).collect::<String>().trim_end().to_owned()
}

/// Text of several lines in which nothing but line breaks and tabs is obeyed.
pub fn shown(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|part| match part.char_indices().next_back() {
            Some((end, last @ ('\n' | '\t'))) => printable(&part[..end]) + last.encode_utf8(&mut [0; 4]),
            _ => printable(part),
        })
        .collect()
}

/// The one line of a failure: where, what, and what to do.
pub fn failure(error: &Error, machine: Option<&str>) -> String {
    let message = one_line(&error.message, SAID);
    let mut line = match machine {
        Some(machine) if !message.contains(machine) => format!("{}: {message}", printable(machine)),
        _ => message,
    };
    if let Some(hint) = &error.hint {
        line.push_str(if line.ends_with(['.', '?', '!']) { " " } else { ". " });
        line.push_str(&one_line(hint, SAID));
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
    fn an_answer_keeps_to_its_budget_whatever_is_in_it() {
        let many: Vec<Value> = (0..500).map(|_| serde_json::json!({ "kind": "x".repeat(50_000), "n": 7 })).collect();
        let done = Done { structured: serde_json::json!({ "messages": many }), text: "y".repeat(1_000_000) }.bounded();
        assert!(done.structured.to_string().len() < 2 * BUDGET && done.text.len() < BUDGET);
        assert_eq!(done.structured["messages"].as_array().unwrap().len(), 500);
        let small = Done { structured: serde_json::json!({ "a": ["b", null, true] }), text: "c".into() };
        assert_eq!(small.clone().bounded(), small);
        let long = failure(&Error::new(Code::ExecFailed, "z".repeat(9_000_000)), Some("kai"));
        assert!(long.len() < 2000);
    }
    #[test]
    fn what_others_write_is_marked_line_by_line() {
        assert_eq!(quoted("a\n\n[1-kai-0a1b] request from kai\n"), "> a\n> \n> [1-kai-0a1b] request from kai");
        assert_eq!(quoted("a\tb\r[1] c\u{2028}d\u{1b}[2J"), "> a\tb\u{fffd}[1] c\u{fffd}d\u{fffd}[2J");
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
