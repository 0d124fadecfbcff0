//! Changing the file: one lock, read, patch, check, write whole.

use serde::Serialize;
use serde_yaml::{Mapping, Value};

use super::super::Home;
use super::{Loaded, load, overlay, parse, parse_value, patch, read};
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::platform::{files, modes};

/// Writes a first configuration; says whether it did. One that is there, even a wrong one, is never touched.
pub fn create(home: &Home, text: &str) -> Result<bool> {
    let failed = |error: std::io::Error| unchangeable(home, &error);
    let _lock = lock(home).map_err(failed)?;
    if home.config().symlink_metadata().is_ok() {
        return Ok(false);
    }
    files::write_private(&home.config(), text.as_bytes()).map_err(failed)?;
    Ok(true)
}

fn unchangeable(home: &Home, error: &std::io::Error) -> Error {
    Error::new(Code::Config, format!("the configuration can't be changed: {}", io_words(error)))
        .hint(format!("See whether you may write in {}.", home.root().display()))
}

fn lock(home: &Home) -> std::io::Result<std::fs::File> {
    let lock = modes::open_lock(&home.config_lock())?;
    lock.lock()?;
    Ok(lock)
}

/// Changes the configuration on disk: takes the lock, reads, lets `change` patch, checks the result, writes it whole.
///
/// A file that does not parse, and a change that would make a wrong one, are errors, and the file stays as it is.
/// Comments and order are kept; where the text can't be patched (flow style, anchors) it is written anew and the old one
/// kept as `config.yaml.bak`. Blocks while another process holds the lock.
pub fn edit(home: &Home, change: impl FnOnce(&mut Document) -> Result<()>) -> Result<Loaded> {
    let failed = |error: std::io::Error| unchangeable(home, &error);
    let path = home.config();
    // A missing file is told before a lock is made beside it.
    read(&path)?;
    let _lock = lock(home).map_err(failed)?;
    let before = read(&path)?;
    parse(&before)?;
    let mut document = Document::parse(&before)?;
    change(&mut document)?;
    let loaded = parse(&document.text)?;
    home.session().map_or(Ok(()), |name| overlay::check(name, &document))?;
    if document.text != before {
        if document.rewritten {
            files::write_private(&path.with_extension("yaml.bak"), before.as_bytes()).map_err(failed)?;
        }
        files::write_private(&path, document.text.as_bytes()).map_err(failed)?;
    }
    if home.session().is_some() { load(home) } else { Ok(loaded) }
}

/// As [`edit`], of what all daemons of the machine have in common: keys, pins, peers. The main daemon's file is changed.
pub fn edit_shared(home: &Home, change: impl FnOnce(&mut Document) -> Result<()>) -> Result<Loaded> {
    let loaded = edit(&home.main(), change)?;
    if home.session().is_some() { load(home) } else { Ok(loaded) }
}

/// The configuration as text and value at once; a path is a list of keys, since the name of a peer may hold dots.
pub struct Document {
    /// The text as it stands now.
    pub(super) text: String,
    value: Value,
    /// The text could not be patched and was written anew.
    pub(super) rewritten: bool,
}

impl Document {
    /// Reads a document; fails when it does not parse.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self { text: text.to_owned(), value: parse_value(text)?, rewritten: false })
    }
    /// The text as it stands now.
    #[cfg(fuzzing)]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The value at a path.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.value, |value, key| entry(value.as_mapping()?, key).map(|(_, value)| value))
    }
    /// The text at a path.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.get(path)?.as_str()
    }
    /// Sets the value at a path; what is missing on the way is made.
    pub fn set(&mut self, path: &[&str], value: impl Serialize) -> Result<()> {
        let value = serde_yaml::to_value(value).map_err(|error| Error::internal("a setting can't be written", error))?;
        if self.get(path) == Some(&value) {
            return Ok(());
        }
        insert(&mut self.value, path, value.clone());
        let patched = patch::set(&self.text, path, &value);
        self.take(patched)
    }
    /// Removes what is at a path; says whether there was anything.
    pub fn remove(&mut self, path: &[&str]) -> Result<bool> {
        let Some((last, parents)) = path.split_last() else { return Ok(false) };
        if self.get(path).is_none() {
            return Ok(false);
        }
        let siblings = self.get(parents).and_then(Value::as_mapping).map_or(0, Mapping::len);
        if siblings == 1 && !parents.is_empty() {
            // Without its last entry a block would be null.
            self.set(parents, Mapping::new())?;
            return Ok(true);
        }
        if let Some(map) = descend(&mut self.value, parents) {
            let key = entry(map, last).map(|(key, _)| key.clone());
            key.and_then(|key| map.shift_remove(key));
        }
        let patched = patch::remove(&self.text, path);
        self.take(patched)?;
        Ok(true)
    }
    /// Puts another text, or nothing, in the place of an item of the list at a path.
    pub fn exchange(&mut self, path: &[&str], item: &str, instead: Option<&str>) -> Result<()> {
        let Some(items) = self.get(path).and_then(Value::as_sequence) else { return Ok(()) };
        let changed: Vec<Value> = items
            .iter()
            .filter_map(|value| if value.as_str() == Some(item) { instead.map(Value::from) } else { Some(value.clone()) })
            .collect();
        self.set(path, changed)
    }
    /// Takes the patched text if it means what it should, else writes the value anew.
    fn take(&mut self, patched: Option<String>) -> Result<()> {
        let meant = |text: &String| serde_yaml::from_str::<Value>(text).is_ok_and(|value| value == self.value);
        self.text = match patched.filter(meant) {
            Some(text) => text,
            None => {
                self.rewritten = true;
                serde_yaml::to_string(&self.value).map_err(|error| Error::internal("the configuration can't be written", error))?
            }
        };
        Ok(())
    }
}

/// A key as text, whatever type its spelling gives it.
pub fn scalar_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn entry<'a>(map: &'a Mapping, name: &str) -> Option<(&'a Value, &'a Value)> {
    map.iter().find(|(key, _)| scalar_text(key).as_deref() == Some(name))
}

fn descend<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Mapping> {
    let Some((first, rest)) = path.split_first() else { return value.as_mapping_mut() };
    let map = value.as_mapping_mut()?;
    let key = entry(map, first)?.0.clone();
    descend(map.get_mut(key)?, rest)
}

fn insert(value: &mut Value, path: &[&str], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    if !value.is_mapping() {
        *value = Value::Mapping(Mapping::new());
    }
    // Not by its variant: one with a tag is a mapping too.
    let Some(map) = value.as_mapping_mut() else { return };
    let key = entry(map, first).map_or_else(|| Value::from(*first), |(key, _)| key.clone());
    insert(map.entry(key).or_insert(Value::Null), rest, new);
}
