//! Small changes of a YAML text that leave everything else as it was: block mappings, line by line.
//!
//! Nothing here is trusted: the caller parses the result and compares it with what it should be, so an unusual text
//! (flow style, anchors, odd indents) only has to be left alone, by answering `None`.

use std::ops::Range;

use serde_yaml::Value;

/// One `key: value` of a block mapping.
struct Entry {
    /// Its lines, without comments and blank lines that follow.
    lines: Range<usize>,
    indent: usize,
    /// Where in its first line the value begins, after the colon.
    value_at: usize,
}

/// The text with the value at `path` set, or `None` where it can't be patched.
pub fn set(text: &str, path: &[&str], value: &Value) -> Option<String> {
    let mut lines = Lines::of(text);
    let (found, depth) = lines.find(path)?;
    match found {
        Found::Entry(entry) if depth == path.len() => lines.replace_value(&entry, value)?,
        Found::Entry(entry) => {
            // What is missing goes below an entry that has no value yet.
            if !lines.is_empty_value(&entry) {
                return None;
            }
            lines.replace_value(&entry, &nested(&path[depth..], value))?;
        }
        Found::Mapping { end, indent } => {
            let rendered = render(path[depth], &nested(&path[depth + 1..], value), indent)?;
            lines.splice(end..end, rendered);
        }
    }
    Some(lines.join())
}

/// The text without the entry at `path`, or `None` where it can't be patched.
pub fn remove(text: &str, path: &[&str]) -> Option<String> {
    let mut lines = Lines::of(text);
    match lines.find(path)? {
        (Found::Entry(entry), depth) if depth == path.len() => {
            lines.splice(entry.lines, Vec::new());
            Some(lines.join())
        }
        _ => None,
    }
}

/// The number, from 1, of the line that has the value at `path`; of the nearest block above it if it is not to be found.
pub fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    (1..=path.len()).rev().find_map(|length| match Lines::of(text).find(&path[..length])? {
        (Found::Entry(entry), depth) if depth == length => Some(entry.lines.start + 1),
        _ => None,
    })
}

fn nested(path: &[&str], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |value, key| Value::Mapping([(Value::from(*key), value)].into_iter().collect()))
}

enum Found {
    /// The deepest entry of the path that is there; nothing is below it.
    Entry(Entry),
    /// The deepest mapping of the path; the next key is not in it and would go before line `end`.
    Mapping { end: usize, indent: usize },
}

struct Lines<'a> {
    lines: Vec<std::borrow::Cow<'a, str>>,
    ending: &'static str,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { lines: text.lines().map(Into::into).collect(), ending }
    }
    fn join(&self) -> String {
        self.lines.iter().flat_map(|line| [line, self.ending]).collect()
    }
    fn splice(&mut self, range: Range<usize>, new: Vec<String>) {
        self.lines.splice(range, new.into_iter().map(Into::into));
    }

    /// Walks down the path as far as it is there; answers how many keys were passed.
    fn find(&self, path: &[&str]) -> Option<(Found, usize)> {
        let mut range = 0..self.lines.len();
        let mut outer: Option<Entry> = None;
        for (depth, key) in path.iter().enumerate() {
            let entries = self.entries(range.clone(), outer.as_ref().map(|entry| entry.indent))?;
            let Some((_, last)) = entries.last() else {
                // No entry below: an empty value, or an empty document.
                let found = outer.map_or(Found::Mapping { end: self.lines.len(), indent: 0 }, Found::Entry);
                return Some((found, depth));
            };
            let (end, indent) = (last.lines.end, last.indent);
            match entries.into_iter().find(|(name, _)| name == key) {
                None => return Some((Found::Mapping { end, indent }, depth)),
                Some((_, entry)) => {
                    let has_own_value = !self.is_empty_value(&entry) && depth + 1 < path.len();
                    range = entry.lines.start + 1..entry.lines.end;
                    if has_own_value {
                        return Some((Found::Entry(entry), depth + 1));
                    }
                    outer = Some(entry);
                }
            }
        }
        outer.map(|entry| (Found::Entry(entry), path.len()))
    }

    /// The entries of the block mapping in these lines; `None` if they hold something else.
    fn entries(&self, range: Range<usize>, outer: Option<usize>) -> Option<Vec<(String, Entry)>> {
        let mut entries: Vec<(String, Entry)> = Vec::new();
        let mut mapping_indent = None;
        for at in range {
            let line = &self.lines[at];
            let indent = line.len() - line.trim_start_matches(' ').len();
            let content = line.trim();
            let is_start = outer.is_none() && mapping_indent.is_none() && (content == "---" || content.starts_with('%'));
            if content.is_empty() || content.starts_with('#') || is_start {
                continue;
            }
            let expected = *mapping_indent.get_or_insert(indent);
            let goes_on = indent > expected || (indent == expected && (content == "-" || content.starts_with("- ")));
            if goes_on {
                entries.last_mut()?.1.lines.end = at + 1;
                continue;
            }
            if indent < expected || outer.is_some_and(|outer| indent <= outer) {
                return None;
            }
            let (name, length) = key_of(&line[indent..])?;
            entries.push((name, Entry { lines: at..at + 1, indent, value_at: indent + length }));
        }
        Some(entries)
    }

    /// Whether an entry has no value of its own on its line, or an empty one.
    fn is_empty_value(&self, entry: &Entry) -> bool {
        let (value, _) = split_comment(&self.lines[entry.lines.start][entry.value_at..]);
        matches!(value.trim(), "" | "{}" | "~" | "null")
    }

    fn replace_value(&mut self, entry: &Entry, value: &Value) -> Option<()> {
        let line = self.lines[entry.lines.start].clone();
        let (key, old) = line.split_at(entry.value_at);
        let (_, comment) = split_comment(old);
        let mut rendered = render_value(value, entry.indent)?;
        let first = rendered.first_mut()?;
        let space = if first.is_empty() { "" } else { " " };
        *first = format!("{key}{space}{first}{comment}");
        self.splice(entry.lines.clone(), rendered);
        Some(())
    }
}

/// The key at the start of a line, and the length up to and with its colon.
fn key_of(line: &str) -> Option<(String, usize)> {
    let length = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let close = quoted_end(line, quote)?;
            close + line[close..].len() - line[close..].trim_start().len()
        }
        '{' | '[' | '?' | '&' | '*' | '!' | '|' | '>' | '@' | '`' | '%' | ',' => return None,
        _ => line.match_indices(':').map(|(at, _)| at).find(|at| matches!(line[at + 1..].chars().next(), None | Some(' ' | '\t')))?,
    };
    if !line[length..].starts_with(':') {
        return None;
    }
    let name = serde_yaml::from_str::<Value>(&line[..length]).ok()?;
    Some((super::document::scalar_text(&name)?, length + 1))
}

/// The index after the closing quote of a quoted scalar at the start of `text`.
fn quoted_end(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => drop(chars.next()),
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => drop(chars.next()),
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Splits the rest of a line into value and comment; the space before the comment goes with it.
fn split_comment(rest: &str) -> (&str, &str) {
    let lead = rest.len() - rest.trim_start().len();
    let value = &rest[lead..];
    let from = match value.chars().next() {
        Some('#') if lead > 0 => return rest.split_at(0),
        Some(quote @ ('"' | '\'')) => quoted_end(value, quote).unwrap_or(value.len()),
        _ => 0,
    };
    match value[from..].find(" #") {
        Some(at) => {
            let end = value[..from + at].trim_end().len();
            rest.split_at(lead + end)
        }
        None => (rest, ""),
    }
}

fn render(key: &str, value: &Value, indent: usize) -> Option<Vec<String>> {
    let mut lines = render_value(value, indent)?;
    let first = lines.first_mut()?;
    let space = if first.is_empty() { "" } else { " " };
    *first = format!("{:indent$}{}:{space}{first}", "", scalar(&Value::from(key))?);
    Some(lines)
}

/// A value as it stands after `key:` at this indent: the rest of the line, then whole lines below.
fn render_value(value: &Value, indent: usize) -> Option<Vec<String>> {
    match value {
        Value::Mapping(map) if map.is_empty() => Some(vec!["{}".into()]),
        Value::Mapping(map) => {
            let mut lines = vec![String::new()];
            for (key, value) in map {
                lines.extend(render(&super::document::scalar_text(key)?, value, indent + 2)?);
            }
            Some(lines)
        }
        Value::Sequence(items) if items.iter().all(|item| !item.is_mapping() && !item.is_sequence()) => {
            let items: Option<Vec<_>> = items.iter().map(flow_scalar).collect();
            Some(vec![format!("[{}]", items?.join(", "))])
        }
        Value::Sequence(_) => {
            let text = serde_yaml::to_string(value).ok()?;
            let lines = text.lines().map(|line| format!("{:width$}{line}", "", width = indent + 2));
            Some(std::iter::once(String::new()).chain(lines).collect())
        }
        Value::Tagged(_) => None,
        other => Some(vec![scalar(other)?]),
    }
}

/// A scalar on one line.
fn scalar(value: &Value) -> Option<String> {
    let text = serde_yaml::to_string(value).ok()?;
    let text = text.trim_end_matches('\n');
    match value {
        Value::String(whole) if text.contains('\n') => serde_json::to_string(whole).ok(),
        _ => Some(text.to_owned()),
    }
}

/// A scalar inside of brackets, where commas and brackets mean something.
fn flow_scalar(value: &Value) -> Option<String> {
    let text = scalar(value)?;
    let is_plain = !text.starts_with(['"', '\'']);
    if is_plain && text.contains([',', '[', ']', '{', '}', ':', '#']) { serde_json::to_string(value.as_str()?).ok() } else { Some(text) }
}
