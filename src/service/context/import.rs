//! The Node version's `context.json`, taken in once, in any of the shapes that it was written in.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::record::{Head, Record};
use super::rules::{check_key, check_ttl, check_value, ends_at};
use crate::base::clock::Millis;
use crate::base::error::io_words;
use crate::base::{Error, Result};
use crate::platform::files::set_aside;

const FILE: &str = "context.json";
/// The times that JavaScript knows since the epoch, milliseconds.
const TIMES: RangeInclusive<f64> = 0.0..=8.64e15;

/// An entry of the file.
#[derive(Debug, PartialEq)]
pub struct Entry {
    head: Head,
    from_node_id: String,
    value: String,
}

impl Entry {
    /// As it is stored.
    pub fn record(&self) -> Record<'_> {
        Record { head: self.head, from_node_id: &self.from_node_id, value: &self.value }
    }
}

/// What was found.
pub(super) struct Import {
    file: Option<PathBuf>,
    entries: Vec<(String, Entry)>,
}

impl Import {
    /// Reads the `context.json` of a data directory, if there is one. One that is damaged is set aside with a warning.
    pub(super) fn find(dir: &Path, now: Millis, warnings: &mut Vec<String>) -> Result<Self> {
        let path = dir.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self { file: None, entries: Vec::new() }),
            Err(error) => return Err(unusable(&path, error)),
        };
        match parse(&text, now) {
            Some((entries, passed_over)) => {
                if passed_over > 0 {
                    warnings.push(format!("{passed_over} entries of {} were not understood and left out; it is kept.", path.display()));
                }
                Ok(Self { file: Some(path), entries })
            }
            None => {
                let aside = set_aside(&path).map_err(|error| unusable(&path, error))?;
                warnings.push(format!(
                    "{} could not be read. It was set aside as {} and nothing was taken in.",
                    path.display(),
                    aside.display()
                ));
                Ok(Self { file: None, entries: Vec::new() })
            }
        }
    }
    /// Keys and entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }
    /// Renames the file, now that its entries are safe, so that it is not taken for news.
    pub(super) fn keep_file(self) -> Result<()> {
        let Some(path) = self.file else { return Ok(()) };
        std::fs::rename(&path, path.with_extension("json.imported")).map_err(|error| unusable(&path, error))
    }
}

/// A failure over a file, in words.
pub(super) fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::internal(&format!("{}: {}", path.display(), io_words(&error)), error)
}

/// The live entries and how many were passed over; nothing if this is not such a file.
pub fn parse(text: &[u8], now: Millis) -> Option<(Vec<(String, Entry)>, usize)> {
    let items: Vec<(Option<String>, Value)> = match serde_json::from_slice(text).ok()? {
        Value::Array(list) => without_keys(list),
        Value::Object(mut object) => match object.remove("entries") {
            Some(Value::Array(list)) => without_keys(list),
            Some(Value::Object(inner)) if !inner.contains_key("value") => with_keys(inner),
            Some(entry) => with_keys(object).into_iter().chain([(Some("entries".into()), entry)]).collect(),
            None => with_keys(object),
        },
        _ => return None,
    };
    let mut passed_over = 0;
    let mut entries = Vec::with_capacity(items.len());
    for (key, item) in items {
        match entry(key, item, now) {
            Some((_, found)) if found.head.expired(now) => {}
            Some(found) => entries.push(found),
            None => passed_over += 1,
        }
    }
    Some((entries, passed_over))
}

fn without_keys(list: Vec<Value>) -> Vec<(Option<String>, Value)> {
    list.into_iter().map(|item| (None, item)).collect()
}

fn with_keys(object: Map<String, Value>) -> Vec<(Option<String>, Value)> {
    object.into_iter().map(|(key, item)| (Some(key), item)).collect()
}

fn entry(key: Option<String>, item: Value, now: Millis) -> Option<(String, Entry)> {
    let Value::Object(mut fields) = item else { return None };
    let key = key.or_else(|| Some(fields.get("key")?.as_str()?.to_owned()))?;
    // The Node version took numbers and objects too, and stumbled over them later.
    let value = match fields.remove("value")? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    check_key(&key).and_then(|()| check_value(&value)).ok()?;
    let time = |name: &str| fields.get(name).and_then(Value::as_f64).filter(|ms| TIMES.contains(ms)).map(|ms| ms as Millis);
    let updated_at = time("updatedAt").or_else(|| time("createdAt")).unwrap_or(now);
    let ttl = fields.get("ttl").and_then(Value::as_f64).filter(|ttl| check_ttl(*ttl).is_ok());
    let head = Head {
        version: 0,
        created_at: time("createdAt").unwrap_or(updated_at),
        updated_at,
        expires_at: time("expiresAt").unwrap_or_else(|| ends_at(updated_at, ttl)),
        ttl: ttl.unwrap_or(0.0),
    };
    let from_node_id = fields.get("fromNodeId").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((key, Entry { head, from_node_id, value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes(), 1000).unwrap().0.into_iter().map(|(key, entry)| (key, entry.value)).collect()
    }

    #[test]
    fn every_shape_of_the_file_is_understood() {
        let want = [("a".to_owned(), "1".to_owned())];
        assert_eq!(pairs(r#"{"entries":[{"key":"a","value":"1"}]}"#), want);
        assert_eq!(pairs(r#"[{"key":"a","value":"1"}]"#), want);
        assert_eq!(pairs(r#"{"a":{"key":"a","value":"1"}}"#), want);
        assert_eq!(pairs(r#"{"entries":{"a":{"value":"1"}}}"#), want);
        assert_eq!(pairs(r#"{"entries":{"key":"entries","value":"1"}}"#), [("entries".to_owned(), "1".to_owned())]);
        assert!(pairs("{}").is_empty() && pairs("[]").is_empty());
        assert!(parse(b"{\"a\":", 0).is_none() && parse(b"7", 0).is_none() && parse(b"", 0).is_none());
    }
    /// known fault 54
    #[test]
    fn values_that_are_no_text_become_their_json() {
        let text = r#"[{"key":"n","value":7},{"key":"o","value":{"a":[1]}},{"key":"z","value":null}]"#;
        let values: Vec<_> = pairs(text).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["7", r#"{"a":[1]}"#, "null"]);
    }
    #[test]
    fn a_time_beyond_all_times_is_none() {
        let (entries, _) = parse(br#"[{"key":"a","value":"","updatedAt":1e30,"expiresAt":1e30,"ttl":60}]"#, 1000).unwrap();
        assert_eq!((entries[0].1.head.updated_at, entries[0].1.head.expires_at), (1000, 61_000));
    }
    #[test]
    fn times_survive_and_what_has_ended_or_makes_no_sense_stays_out() {
        let text = r#"[{"key":"old","value":"","expiresAt":999},{"key":"ttl","value":"","updatedAt":500,"ttl":0.4},
            {"key":"good","value":"x","createdAt":1,"updatedAt":2,"ttl":3,"expiresAt":4000,"fromNodeId":"n"},
            {"key":"","value":"x"},{"value":"x"},{"key":"k"},7,{"key":"absurd","value":"x","ttl":1e99,"createdAt":-1e300}]"#;
        let (entries, passed_over) = parse(text.as_bytes(), 1000).unwrap();
        assert_eq!(passed_over, 4);
        assert_eq!(entries.len(), 2);
        let head = Head { version: 0, created_at: 1, updated_at: 2, expires_at: 4000, ttl: 3.0 };
        assert_eq!(entries[0], ("good".into(), Entry { head, from_node_id: "n".into(), value: "x".into() }));
        assert_eq!(entries[1].1.head, Head { version: 0, created_at: 1000, updated_at: 1000, expires_at: 0, ttl: 0.0 });
    }
}
