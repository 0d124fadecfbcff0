//! What an agent says may be of any length; what is kept and told of it is not.

use serde_json::{Value, json};

use super::agent::Step;
use crate::api::tasks::TaskEventType;

/// Longest text within an event, bytes.
const TEXT: usize = 64 * 1024;
/// A line has fewer bytes or fewer values than this, or is not read.
const SIMPLE: usize = 1024 * 1024;
/// How much is told of what is not read, bytes.
const SHOWN: usize = 256;
/// Longest event, bytes.
const WHOLE: usize = 256 * 1024;

/// A text of at most so many bytes: its beginning and its end, with a note of what is left out between them.
pub(super) fn text(long: &str, most: usize) -> String {
    if long.len() <= most {
        return long.to_owned();
    }
    let (head, tail) = (long.floor_char_boundary(most * 2 / 3), long.ceil_char_boundary(long.len() - most / 3));
    format!("{}\n… {} bytes left out …\n{}", &long[..head], tail - head, &long[tail..])
}

/// What is told, with its long texts cut; as one cut text where that does not help.
pub(super) fn fitting(data: Value) -> Value {
    within(data, WHOLE)
}

/// The same for what may have so many bytes.
pub(super) fn within(mut data: Value, most: usize) -> Value {
    shorten(&mut data);
    let written = data.to_string();
    if written.len() <= most { data } else { json!({ "cut": text(&written, most.min(TEXT)) }) }
}

/// Whether a line can be read without taking many times its own room: what is long is text, not many small values.
pub(super) fn is_simple(line: &[u8]) -> bool {
    line.len() < SIMPLE || line.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count() < SIMPLE
}

/// What is told of a line that is not read.
pub(super) fn unread(line: &[u8]) -> Step {
    let start = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned();
    Step::Tell(TaskEventType::System, json!({ "subtype": "unread", "bytes": line.len(), "start": start }))
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(long) if long.len() > TEXT => *long = text(long, TEXT),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_told_keeps_to_its_bounds_and_what_is_short_is_untouched() {
        let short = json!({ "a": ["x", 1, null], "b": { "c": "€" } });
        assert_eq!(fitting(short.clone()), short);
        let long = "€".repeat(5_000_000);
        let cut = fitting(json!({ "text": long, "n": [long] }));
        assert!(cut["text"].as_str().unwrap().contains("bytes left out") && cut.to_string().len() < WHOLE);
        let many: Vec<String> = (0..100_000).map(|n| format!("line {n}")).collect();
        assert!(fitting(json!(many))["cut"].as_str().unwrap().starts_with("[\"line 0\""));
        assert!(fitting(json!({ "x".repeat(9_000_000): 1 })).to_string().len() < WHOLE);
    }
}
