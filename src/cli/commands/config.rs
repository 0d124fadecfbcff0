//! `loopsy config`: where the configuration is, what it says, and whether it is right.

use std::process::ExitCode;

use serde_json::json;
use serde_yaml::Value;

use crate::base::{Error, Result};
use crate::cli::Session;
use crate::cli::app::Config as Action;
use crate::cli::console::Colour;
use crate::home::config::Config;
use crate::home::config_file;

/// What a key is shown as where it was not asked for by its own name.
const HIDDEN: &str = "(hidden)";

/// Does what is asked with the configuration.
pub fn run(session: &Session, action: Action) -> Result<ExitCode> {
    match action {
        Action::Path => session.console.line(session.home.config().display())?,
        Action::Get { setting } => get(session, setting.as_deref())?,
        Action::Set { setting, value } => set(session, &setting, &value)?,
        Action::Check => return check(session),
    }
    Ok(ExitCode::SUCCESS)
}

fn get(session: &Session, setting: Option<&str>) -> Result<()> {
    let mut config = config_file::load(&session.home)?.config;
    let path = setting.map(config_file::resolve).transpose()?.unwrap_or_default();
    let found = find(&config, &path)?;
    let shown = if found.is_mapping() {
        hide_keys(&mut config);
        find(&config, &path)?
    } else {
        found
    };
    if session.console.wants_json() {
        return session.console.json(&shown);
    }
    let text = serde_yaml::to_string(&shown).map_err(|error| Error::internal("the setting can't be shown", error))?;
    match shown {
        Value::Null => Ok(()),
        Value::String(text) => session.console.line(text),
        _ => session.console.bytes(text.as_bytes()),
    }
}

fn find(config: &Config, path: &[String]) -> Result<Value> {
    let value = serde_yaml::to_value(config).map_err(|error| Error::internal("the configuration can't be shown", error))?;
    Ok(path.iter().try_fold(&value, |value, key| value.get(key.as_str())).cloned().unwrap_or_default())
}

fn hide_keys(config: &mut Config) {
    let keys = config.auth.api_key.iter_mut().chain(config.auth.allowed_keys.values_mut());
    keys.for_each(|key| *key = crate::base::secret::Secret::new(HIDDEN));
}

fn set(session: &Session, setting: &str, value: &str) -> Result<()> {
    let path = config_file::resolve(setting)?;
    let value = config_file::typed(&path, value);
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let before = session.link().ok();
    // What is wrong before the change is not the change's fault.
    config_file::load(&session.home)?;
    let loaded = config_file::edit(&session.home, |document| document.set(&keys, value))
        .map_err(|error| error.hint(format!("Nothing was changed. What it is now: loopsy config get {setting}")))?;
    loaded.warnings.iter().for_each(|warning| session.console.warn(warning));
    session.console.note(format!("{} is set", path.join(".")));
    super::key::take_up(session, before)
}

fn check(session: &Session) -> Result<ExitCode> {
    let path = session.home.config();
    let loaded = config_file::load(&session.home);
    if session.console.wants_json() {
        let (error, warnings) = match &loaded {
            Ok(loaded) => (None, loaded.warnings.as_slice()),
            Err(error) => (Some(error), &[][..]),
        };
        session.console.json(&json!({ "path": path, "valid": error.is_none(), "error": error, "warnings": warnings }))?;
        return Ok(loaded.map_or_else(|error| crate::cli::failure::exit(&error), |_| ExitCode::SUCCESS));
    }
    // The usual hint is to run this very command.
    let loaded = loaded.map_err(|error| match error.hint.as_deref().is_some_and(|hint| hint.contains("config check")) {
        true => error.hint(format!("Correct it in {}", path.display())),
        false => error,
    })?;
    loaded.warnings.iter().for_each(|warning| session.console.warn(warning));
    session.console.line(format!("{}: {}", path.display(), session.console.paint(Colour::Green, "ok")))?;
    Ok(ExitCode::SUCCESS)
}
