//! `config.yaml`: read with line and column, patched without losing comments.

mod check;
mod document;
mod overlay;
mod patch;
mod query;
mod template;

use std::path::Path;

use serde_yaml::Value;

pub use document::{Document, create, edit, edit_shared};
pub use query::{get, resolve, typed};
pub use template::init_text;

use super::Home;
use super::config::Config;
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};

/// A configuration that was read, and what is odd about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the file says, with the defaults for what it does not.
    pub config: Config,
    /// Unknown keys, names that can't be used and the like, one line each.
    pub warnings: Vec<String>,
}

/// Reads the configuration of a daemon; a session's is its own file over the main daemon's.
///
/// Fails with [`Code::Config`] when there is none, when it does not parse, and when a value can't be meant; never answers
/// defaults in place of a file that is wrong.
pub fn load(home: &Home) -> Result<Loaded> {
    match home.session() {
        Some(name) => overlay::load(home, name),
        None => parse(&read(&home.config())?),
    }
}

/// Reads a configuration from its text.
pub fn parse(text: &str) -> Result<Loaded> {
    let value = parse_value(text)?;
    let deserializer = serde_yaml::Deserializer::from_str(text);
    // An empty document is `null`: the defaults.
    let config = serde_path_to_error::deserialize::<_, Option<Config>>(deserializer)
        .map_err(|error| {
            let path = error.path().to_string();
            wrong_type(&path, error.inner())
        })?
        .unwrap_or_default();
    check::bounds(text, &config)?;
    let warnings = check::warnings(&value, &config);
    Ok(Loaded { config, warnings })
}

/// The file's text; a missing file has its own words.
fn read(path: &Path) -> Result<String> {
    let failed = |what: String| Error::new(Code::Config, format!("{}: {what}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(Code::Config, format!("there is no configuration in {}", path.parent().unwrap_or(path).display()))
                .hint("Create it with: loopsy init")
        }
        _ => failed(io_words(&error)).hint("Make it readable for the user that runs Loopsy."),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        wrong(&format!("line {line}"), "the text is not UTF-8")
    })
}

/// The document as a value, with aliases resolved; an empty one is `null`.
fn parse_value(text: &str) -> Result<Value> {
    let value = serde_yaml::from_str::<Value>(text).map_err(|error| {
        let message = plain_message(&error);
        wrong(&place(&error), &message)
    })?;
    match value {
        Value::Null | Value::Mapping(_) => Ok(value),
        _ => Err(wrong("line 1", "the file must be a list of settings, such as 'server:'")),
    }
}

/// An error of the configuration at a place in the file.
fn wrong(place: &str, message: &str) -> Error {
    let place = if place.is_empty() { "config.yaml".into() } else { format!("config.yaml {place}") };
    Error::new(Code::Config, format!("{place}: {message}")).hint("Check it with: loopsy config check")
}

fn wrong_type(path: &str, error: &serde_yaml::Error) -> Error {
    let mut message = plain_message(error);
    // The library's own path, where it gives one, is ours again.
    if let Some(rest) = message.strip_prefix(&format!("{path}: ")) {
        message = rest.to_owned();
    }
    if path == "auth" || path.starts_with("auth.apiKey") || path.starts_with("auth.allowedKeys") {
        // The message would show the key.
        message = if path == "auth" { "it must have settings below it" } else { "a key must be text" }.into();
    }
    if path == "." { wrong(&place(error), &message) } else { wrong(&place(error), &format!("{path}: {message}")) }
}

fn place(error: &serde_yaml::Error) -> String {
    error.location().map_or_else(String::new, |at| format!("line {}, column {}", at.line(), at.column()))
}

/// The message without the place, which [`place`] tells.
fn plain_message(error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    match error.location() {
        Some(at) => message.replacen(&format!(" at line {} column {}", at.line(), at.column()), "", 1),
        None => message,
    }
}

#[cfg(test)]
mod tests;
