//! Claude Code's `PermissionRequest` hook, for sessions that were not started here: its question, and the answer.

use serde_json::{Value, json};

use super::permission::Question;
use crate::api::tasks::{Approval, Remember};
use crate::base::{Error, Result, id};
use crate::service::tasks::agent::Decision;

/// A session, the folder it works in, and what it asks.
///
/// # Errors
/// `INVALID_REQUEST` where that is not what such a hook is told.
pub fn hook_approval(input: &Value) -> Result<(String, String, Approval)> {
    let session = input["session_id"].as_str().ok_or_else(not_a_question)?;
    let cwd = input["cwd"].as_str().unwrap_or_default();
    Ok((session.to_owned(), cwd.to_owned(), question(input)?.approval(&id::request())))
}

/// What the hook says to its agent, once it was decided.
///
/// # Errors
/// `INVALID_REQUEST` for an answer that can't be given.
pub fn hook_output(input: &Value, decision: &Decision) -> Result<Value> {
    let answer = question(input)?.answer(decision)?;
    Ok(json!({ "hookSpecificOutput": { "hookEventName": EVENT, "decision": answer.behavior } }))
}

const EVENT: &str = "PermissionRequest";

fn question(input: &Value) -> Result<Question> {
    match input["tool_name"].as_str().filter(|tool| !tool.is_empty()) {
        Some(tool) if input["hook_event_name"] == EVENT => Ok(Question::read(tool, &input["tool_input"], input, Remember::Always)),
        _ => Err(not_a_question()),
    }
}

fn not_a_question() -> Error {
    Error::invalid("that is not what a PermissionRequest hook is told").hint("Set it up as `loopsy hook permission --help` says.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Value {
        json!({
            "session_id": "0435c915", "transcript_path": "/home/ann/x.jsonl", "cwd": "/home/ann/proj", "permission_mode": "default",
            "hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": { "command": "touch a", "description": "d" },
            "permission_suggestions": [
                { "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": "touch a" }], "behavior": "allow", "destination": "localSettings" },
                { "type": "setMode", "mode": "acceptEdits", "destination": "session" },
            ],
        })
    }

    #[test]
    fn a_hook_asks_and_is_answered() {
        let (session, cwd, approval) = hook_approval(&asked()).unwrap();
        assert_eq!((session.as_str(), cwd.as_str(), approval.tool_name.as_str()), ("0435c915", "/home/ann/proj", "Bash"));
        assert_eq!(approval.suggestions.len(), 2);
        let allowed = hook_output(&asked(), &Decision { approved: true, remember: Remember::Session, ..Decision::default() }).unwrap();
        let decision = &allowed["hookSpecificOutput"]["decision"];
        assert_eq!(decision["behavior"], "allow");
        assert_eq!(decision["updatedInput"], asked()["tool_input"]);
        assert_eq!(decision["updatedPermissions"].as_array().unwrap().len(), 1, "only the chosen suggestion");
        assert_eq!(decision["updatedPermissions"][0]["destination"], "session");
        let denied = hook_output(&asked(), &Decision { message: Some("not today".into()), ..Decision::default() }).unwrap();
        assert_eq!(denied["hookSpecificOutput"]["decision"], json!({ "behavior": "deny", "message": "not today" }));
        assert_eq!(denied["hookSpecificOutput"]["hookEventName"], "PermissionRequest");
    }
    #[test]
    fn what_no_such_hook_is_told_is_refused() {
        for (key, value) in
            [("hook_event_name", json!("Stop")), ("tool_name", json!(3)), ("session_id", Value::Null), ("tool_name", json!(""))]
        {
            let mut other = asked();
            other[key] = value;
            assert!(hook_approval(&other).is_err(), "{key}");
        }
        for other in [Value::Null, json!([]), json!("x"), json!({})] {
            assert!(hook_approval(&other).is_err() && hook_output(&other, &Decision::default()).is_err());
        }
    }
}
