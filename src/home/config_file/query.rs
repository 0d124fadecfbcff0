//! Settings by their dotted names, as a person types them.

use serde_yaml::Value;

use super::check;
use super::document::scalar_text;
use crate::base::{Error, Result};

/// The value under a dotted name; a key may hold dots itself, and the longest that fits is taken.
pub fn get<'a>(value: &'a Value, dotted: &str) -> Option<&'a Value> {
    if dotted.is_empty() {
        return Some(value);
    }
    match value {
        Value::Mapping(map) => {
            let mut fitting: Vec<(String, &Value)> = map
                .iter()
                .filter_map(|(key, value)| Some((scalar_text(key)?, value)))
                .filter(|(key, _)| dotted.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
                .collect();
            fitting.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
            fitting.iter().find_map(|(key, value)| get(value, dotted[key.len()..].trim_start_matches('.')))
        }
        Value::Sequence(items) => {
            let (index, rest) = dotted.split_once('.').unwrap_or((dotted, ""));
            get(items.get(index.parse::<usize>().ok()?)?, rest)
        }
        _ => None,
    }
}

/// The path that a dotted name means. Below a map of free names (`auth.allowedKeys`) the rest is one name, dots and all.
/// An unknown name is an error that says which one was probably meant.
pub fn resolve(dotted: &str) -> Result<Vec<String>> {
    let schema = check::schema();
    let (mut at, mut rest, mut path) = (&schema, dotted, Vec::<String>::new());
    while !rest.is_empty() {
        let Value::Mapping(known) = at else {
            return Err(Error::invalid(format!("{} holds no further settings", path.join("."))));
        };
        if known.is_empty() {
            path.push(rest.to_owned());
            return Ok(path);
        }
        let (name, after) = rest.split_once('.').unwrap_or((rest, ""));
        let full = if path.is_empty() { name.to_owned() } else { format!("{}.{name}", path.join(".")) };
        at = known
            .get(name)
            .ok_or_else(|| Error::invalid(check::unknown(&full, name, known)).hint("See what there is with: loopsy config get"))?;
        path.push(name.to_owned());
        rest = after;
    }
    if path.is_empty() { Err(Error::invalid("the name of the setting is empty")) } else { Ok(path) }
}

/// What a person typed, as the type that the setting at `path` has: a key that looks like a number stays text.
pub fn typed(path: &[String], text: &str) -> Value {
    let schema = check::schema();
    let known = path.iter().try_fold(&schema, |value, key| value.get(key.as_str()));
    let is_text = match known {
        Some(Value::String(_)) => true,
        // Optional settings are text or lists; free names hold keys, fingerprints or lists.
        Some(Value::Null) | None => !text.trim_start().starts_with('[') && text != "null",
        _ => false,
    };
    if is_text {
        return Value::from(text);
    }
    serde_yaml::from_str(text).unwrap_or_else(|_| Value::from(text))
}
