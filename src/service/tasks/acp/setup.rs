//! What is asked of an agent before its first prompt: a session, its model, its mode.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::quirks::Quirks;
use crate::service::tasks::agent::Start;

/// The version of the protocol that is spoken here.
const VERSION: u64 = 1;

/// A request that is sent, and what it is for.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    pub method: &'static str,
    pub params: Value,
    /// What was wanted, for people.
    pub what: String,
}

/// What is said first. Nothing of the files and terminals on this side is offered: the agent has its own.
pub(super) fn initialize() -> Value {
    let client = json!({ "name": "loopsy", "title": "Loopsy", "version": env!("CARGO_PKG_VERSION") });
    let capabilities = json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
    json!({ "protocolVersion": VERSION, "clientCapabilities": capabilities, "clientInfo": client })
}

/// How the session is begun or gone on with; a sentence where that can't be.
pub(super) fn session(initialized: &Value, start: &Start, quirks: &Quirks) -> Result<(&'static str, Value), String> {
    let title = &quirks.title;
    match initialized["protocolVersion"].as_u64() {
        Some(VERSION) => {}
        Some(other) => return Err(format!("{title} speaks version {other} of the Agent Client Protocol; Loopsy speaks {VERSION}")),
        None => return Err(format!("{title} does not speak the Agent Client Protocol")),
    }
    let mut params = json!({ "cwd": start.cwd.to_string_lossy(), "mcpServers": [] });
    let Some(session) = &start.resume else { return Ok(("session/new", params)) };
    params["sessionId"] = session.as_str().into();
    let can = &initialized["agentCapabilities"];
    if can["sessionCapabilities"]["resume"].is_object() {
        Ok(("session/resume", params))
    } else if can["loadSession"] == true {
        Ok(("session/load", params))
    } else {
        Err(format!("{title} can't go on with a session"))
    }
}

/// What is to be set before the first prompt; a sentence where the session does not have it.
pub(super) fn settings(session: &str, has: &Value, start: &Start, quirks: &Quirks) -> Result<VecDeque<Setting>, String> {
    let mut settings = VecDeque::new();
    if let Some(model) = &start.model {
        settings.push_back(self::model(session, has, model, quirks)?);
    }
    settings.extend(mode(session, has, start, quirks)?);
    Ok(settings)
}

fn model(session: &str, has: &Value, model: &str, quirks: &Quirks) -> Result<Setting, String> {
    let what = format!("the model {model}");
    if let Some((id, values)) = option(has, "model") {
        if !values.contains(&model) {
            return Err(format!("{} does not have {what}", quirks.title));
        }
        return Ok(choose(session, id, model, what));
    }
    if has["models"].is_object() {
        return Ok(Setting { method: "session/set_model", params: json!({ "sessionId": session, "modelId": model }), what });
    }
    Err(format!("{} does not let its model be chosen", quirks.title))
}

/// The mode is always set: what an agent begins with may be one that does not ask.
fn mode(session: &str, has: &Value, start: &Start, quirks: &Quirks) -> Result<Option<Setting>, String> {
    let wanted = quirks.modes.of(start.mode);
    let what = format!("the mode '{}'", start.mode.name());
    let pick = |there: &[&str]| {
        let missing = || format!("{} has no mode like '{}'; it has {}", quirks.title, start.mode.name(), there.join(", "));
        wanted.iter().find(|word| there.contains(word)).copied().ok_or_else(missing)
    };
    if let Some(modes) = has["modes"]["availableModes"].as_array() {
        let there: Vec<_> = modes.iter().filter_map(|mode| mode["id"].as_str()).collect();
        let params = json!({ "sessionId": session, "modeId": pick(&there)? });
        return Ok(Some(Setting { method: "session/set_mode", params, what }));
    }
    if let Some((id, values)) = option(has, "mode") {
        return Ok(Some(choose(session, id, pick(&values)?, what)));
    }
    // One without modes asks or does not ask; only what promises more than asking needs a mode.
    if wanted == quirks.modes.asks {
        Ok(None)
    } else {
        Err(format!("{} has no modes, so not '{}' either", quirks.title, start.mode.name()))
    }
}

fn choose(session: &str, option: &str, value: &str, what: String) -> Setting {
    let params = json!({ "sessionId": session, "configId": option, "value": value });
    Setting { method: "session/set_config_option", params, what }
}

/// The option of a session that is of a category: its id and what it can be.
fn option<'a>(has: &'a Value, category: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let option = has["configOptions"].as_array()?.iter().find(|option| option["category"] == category)?;
    // Values may stand in groups.
    let values = option["options"].as_array()?.iter().flat_map(|one| match one["options"].as_array() {
        Some(group) => group.iter().collect(),
        None => vec![one],
    });
    Some((option["id"].as_str()?, values.filter_map(|value| value["value"].as_str()).collect()))
}

/// The model that a session begins with.
pub(super) fn current_model(has: &Value) -> Option<&str> {
    let options = has["configOptions"].as_array().into_iter().flatten();
    let chosen = options.filter(|option| option["category"] == "model").find_map(|option| option["currentValue"].as_str());
    chosen.or_else(|| has["models"]["currentModelId"].as_str())
}
