//! JSON with comments and trailing commas, as people write it: reading it, and cutting one member out of it.

use std::ops::Range;

use serde_json::Value;

/// The value, with comments and trailing commas taken as not there; null where there is nothing else.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(text: &str) -> Result<Value, String> {
    let plain = without_trailing_commas(&without_comments(text));
    if plain.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&plain).map_err(|cause| format!("it is not JSON: {cause}"))
}

/// The text without the member `name` of the member `section`; nothing where there is no such member. All else stays as it
/// is, to the byte, but for the comma and the line that were the member's own.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn without(text: &str, section: &str, name: &str) -> Result<Option<String>, String> {
    parse(text)?;
    let plain = without_comments(text);
    let last = |at: usize, key: &str| members(&plain, at).into_iter().enumerate().rfind(|(_, member)| member.key == key);
    let root = skip_space(&plain, 0);
    let Some((_, Member { value: inside, .. })) = last(root, section).filter(|_| plain[root..].starts_with('{')) else { return Ok(None) };
    if !plain[inside.clone()].starts_with('{') {
        return Ok(None);
    }
    let Some((place, member)) = last(inside.start, name) else { return Ok(None) };
    let mut kept = text.to_owned();
    let next = skip_space(&plain, member.value.end);
    if plain[next..].starts_with(',') {
        kept.replace_range(member.key_start..next + 1, "");
        return Ok(Some(without_blank_line(kept, member.key_start)));
    }
    kept.replace_range(member.key_start..member.value.end, "");
    let before = plain[..member.key_start].rfind(',').filter(|_| place > 0);
    before.into_iter().for_each(|comma| kept.replace_range(comma..=comma, ""));
    Ok(Some(without_blank_line(kept, member.key_start - usize::from(before.is_some()))))
}

/// Takes the line around `at` out if nothing but spaces is left of it.
fn without_blank_line(mut text: String, at: usize) -> String {
    let start = text[..at].rfind('\n');
    let end = text[at..].find('\n').map(|found| at + found);
    if let (Some(start), Some(end)) = (start, end)
        && text[start..end].trim().is_empty()
    {
        text.replace_range(start..end, "");
    }
    text
}

struct Member {
    key: String,
    key_start: usize,
    value: Range<usize>,
}

/// The members of the object that begins at `at`, in text that is known to be JSON.
fn members(json: &str, at: usize) -> Vec<Member> {
    let mut found = Vec::new();
    let mut here = skip_space(json, at + 1);
    while json[here..].starts_with('"') {
        let key_end = end_of(json, here);
        let start = skip_space(json, skip_space(json, key_end) + 1);
        let value = start..end_of(json, start);
        let key = serde_json::from_str(&json[here..key_end]).unwrap_or_default();
        let after = skip_space(json, value.end);
        found.push(Member { key, key_start: here, value });
        here = if json[after..].starts_with(',') { skip_space(json, after + 1) } else { json.len() };
    }
    found
}

fn skip_space(json: &str, from: usize) -> usize {
    json.len() - json[from.min(json.len())..].trim_start().len()
}

/// Where the value that begins at `from` ends.
fn end_of(json: &str, from: usize) -> usize {
    let bytes = json.as_bytes();
    let (mut at, mut depth) = (from, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b'}' | b']' | b',' if depth == 0 => return at,
            _ => {
                at += 1;
                let is_over = bytes.get(at).is_none_or(|next| next.is_ascii_whitespace());
                if depth == 0 && is_over {
                    return at;
                }
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// Where the string that begins at `from` ends: behind its closing quote.
fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The same text with spaces in place of comments, so that every place stays where it was.
fn without_comments(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'/')) => bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |found| at + found),
            (b'/', Some(b'*')) => bytes[at + 2..].windows(2).position(|pair| pair == b"*/").map_or(bytes.len(), |found| at + found + 4),
            (b'"', _) => {
                at = end_of_string(&bytes, at);
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        bytes[at..end].fill(b' ');
        at = end;
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The same text with a space in place of each comma that nothing follows. It has no comments any more.
fn without_trailing_commas(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let (mut at, mut comma) = (0, None);
    while at < bytes.len() {
        match (bytes[at], comma) {
            (b',', _) => comma = Some(at),
            (b'}' | b']', Some(trailing)) => {
                bytes[trailing] = b' ';
                comma = None;
            }
            (byte, _) if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at = if bytes[at] == b'"' { end_of_string(&bytes, at) } else { at + 1 };
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_not_there() {
        let text = "// é\n{\"a\": [1, 2, /* x */ ], \"b//\": \"/*,}\", // }\n}\n";
        assert_eq!(parse(text).unwrap(), serde_json::json!({"a": [1, 2], "b//": "/*,}"}));
        assert_eq!(without_trailing_commas(&without_comments(text)).len(), text.len());
        assert_eq!(parse(" // nothing\n").unwrap(), Value::Null);
        for bad in ["{", "{\"a\"}", "\"", "/*", "\"\\", "{\"a\":1}}", &"[".repeat(100_000)] {
            assert!(parse(bad).is_err() || bad == "/*", "{bad:.20}");
        }
    }
    #[test]
    fn one_member_goes_and_every_other_byte_stays() {
        for (before, after) in [
            ("{\"mcp\":{\"loopsy\":{\"a\":[1,{}]}}}", "{\"mcp\":{}}"),
            ("{\"mcp\":{\"loopsy\":1,\"b\":2}}", "{\"mcp\":{\"b\":2}}"),
            ("{\"mcp\":{\"a\":1,\"loopsy\":true},\"c\":[]}", "{\"mcp\":{\"a\":1},\"c\":[]}"),
            (
                "{ // mine\n  \"mcp\": {\n    \"a\": 1, // é one\n    \"loopsy\": {\n      \"x\": \"}\\\"\", // of it\n    }, // last\n  },\n}\n",
                "{ // mine\n  \"mcp\": {\n    \"a\": 1, // é one\n     // last\n  },\n}\n",
            ),
            ("{\n  \"mcp\": {\n    \"a\": 1, // one\n    \"loopsy\": {}\n  }\n}\n", "{\n  \"mcp\": {\n    \"a\": 1 // one\n  }\n}\n"),
            ("{\n  \"mcp\": {\n    \"loopsy\": {},\n    \"b\": 2\n  }\n}\n", "{\n  \"mcp\": {\n    \"b\": 2\n  }\n}\n"),
        ] {
            let cut = without(before, "mcp", "loopsy").unwrap().unwrap();
            assert_eq!(cut, after);
            assert!(parse(&cut).unwrap()["mcp"].get("loopsy").is_none());
            assert_eq!(without(&cut, "mcp", "loopsy").unwrap(), None);
        }
    }
    #[test]
    fn where_there_is_no_such_member_nothing_is_cut() {
        for text in [
            "",
            "[]",
            "7",
            "{}",
            "{\"mcp\":7}",
            "{\"mcp\":[{\"loopsy\":1}]}",
            "{\"x\":{\"loopsy\":1}}",
            "{\"loopsy\":1}",
            "[{\"mcp\":{\"loopsy\":1}}]",
        ] {
            assert_eq!(without(text, "mcp", "loopsy").unwrap(), None, "{text}");
        }
        assert!(without("{\"mcp\":{\"loopsy\":1}", "mcp", "loopsy").is_err());
    }
}
