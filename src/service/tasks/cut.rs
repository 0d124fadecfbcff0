//! What an agent says may be of any length; what is kept and told of it is not.

use serde_json::{Value, json};

/// Longest text within an event, bytes.
const TEXT: usize = 64 * 1024;
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
pub(super) fn fitting(mut data: Value) -> Value {
    shorten(&mut data);
    let written = data.to_string();
    if written.len() <= WHOLE { data } else { json!({ "cut": text(&written, TEXT) }) }
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
