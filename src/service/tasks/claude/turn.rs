//! How a turn of Claude Code ended, and what people can do where it went wrong.

use serde_json::Value;

use crate::base::text;
use crate::service::tasks::agent::Turn;

/// Longest word on what went wrong, characters.
const ERROR_LENGTH: usize = 2000;

/// Reads a `result`. `interrupted`: whether it was told to stop.
pub(super) fn turn(result: &Value, interrupted: bool) -> Turn {
    let aborted = result["terminal_reason"].as_str().is_some_and(|reason| reason.starts_with("aborted"));
    let interrupted = interrupted || aborted;
    // An error of the model's service comes as a success that is an error; older programs tell an interruption the other way round.
    let succeeded = result["subtype"] == "success" && matches!(result["is_error"], Value::Bool(false) | Value::Null);
    Turn {
        text: if succeeded { result["result"].as_str().map(str::to_owned) } else { None },
        error: (!succeeded && !interrupted).then(|| what_failed(result)),
        interrupted,
        cost: result["total_cost_usd"].as_f64().filter(|cost| cost.is_finite() && *cost >= 0.0),
        usage: result["usage"].is_object().then(|| result["usage"].clone()),
        turns: result["num_turns"].as_u64(),
        duration_ms: result["duration_ms"].as_u64(),
    }
}

fn what_failed(result: &Value) -> String {
    let words = result["result"].as_str().or_else(|| result["errors"][0].as_str()).filter(|words| !words.trim().is_empty());
    let said = words.map_or_else(|| without_words(result["subtype"].as_str().unwrap_or_default()), one_line);
    let status = result["api_error_status"].as_u64();
    let is_about_login = said.contains("/login") || said.contains("API key");
    if matches!(status, Some(401 | 403)) || is_about_login {
        return format!(
            "{said}: log in to Claude Code on that machine (start `claude` there), or name the variable that holds its key in aiTasks.passEnv"
        );
    }
    said
}

fn one_line(words: &str) -> String {
    let words: Vec<_> = words.split_whitespace().collect();
    text::one_line(&words.join(" "), ERROR_LENGTH)
}

fn without_words(subtype: &str) -> String {
    match subtype {
        "error_max_turns" => "it asked the model as often as it may".into(),
        "error_max_budget_usd" => "its budget is used up".into(),
        "" | "success" => "it ended with an error, and does not say which".into(),
        other => format!("it ended with {}", text::one_line(other, 100)),
    }
}
