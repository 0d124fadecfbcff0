//! Claude Code as it was recorded, and as it might lie.

mod answers;

use proptest::prelude::*;

use super::*;
use crate::api::tasks::{ApprovalKind, PermissionMode};
use crate::service::tasks::agent::Turn;

macro_rules! samples {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("samples/", $name, ".jsonl")))),*] };
}

/// Sessions of Claude Code 2.1.330 as they were recorded, without what they were about.
const SAMPLES: &[(&str, &str)] = samples![
    "allow",
    "deny",
    "edit_input",
    "elicitation",
    "helper",
    "helper_in_the_background",
    "interrupt_then_follow_up",
    "interrupt_while_streaming",
    "plan",
    "prompt_while_busy",
    "question",
    "remember_for_the_session",
    "stream",
    "three_at_once",
    "too_many_turns",
    "tools_of_a_server",
    "work_in_the_background",
    "wrong_key",
];

fn sample(name: &str) -> Vec<(bool, Value)> {
    let (_, text) = SAMPLES.iter().find(|(known, _)| *known == name).unwrap();
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        (line["dir"] == "out", line["msg"].take())
    };
    text.lines().map(line).collect()
}

fn claude() -> Claude {
    Claude::new(Start { prompt: "do it".into(), ..Start::default() }, "11111111-1111-4111-8111-111111111111".into())
}

fn written(steps: &[Step]) -> Vec<Value> {
    let line = |step: &Step| if let Step::Write(line) = step { serde_json::from_str(line).ok() } else { None };
    steps.iter().filter_map(line).collect()
}

/// The decision that makes a recorded answer.
fn decision(response: &Value) -> Decision {
    let response = &response["response"];
    let remembered = response["updatedPermissions"].is_array();
    let answers = response["updatedInput"]["answers"].as_object();
    Decision {
        approved: response["behavior"] == "allow",
        message: response["message"].as_str().map(str::to_owned),
        input: answers.is_none().then(|| response["updatedInput"].clone()).filter(|_| !remembered && response["behavior"] == "allow"),
        remember: if remembered { Remember::Session } else { Remember::Once },
        suggestion: None,
        answers: answers.map(|answers| answers.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().into())).collect()),
    }
}

/// Plays a recording: what was sent then is sent again, and must be the same.
fn play(name: &str) -> Vec<Step> {
    let mut claude = claude();
    let mut steps = Vec::new();
    let mut prompts = BTreeMap::new();
    for (is_output, mut message) in sample(name) {
        if is_output {
            if let Some(own) = message["command_uuid"].as_str().and_then(|recorded| prompts.get(recorded)) {
                message["command_uuid"] = Value::clone(own);
            }
            if message["type"] == "control_response" {
                message["response"]["request_id"] = format!("interrupt-{}", claude.interrupt_count).into();
            }
            steps.extend(claude.line(message.to_string().as_bytes()));
        } else if message["type"] == "user" {
            let said = message["message"]["content"].as_str().unwrap();
            claude.start.prompt = said.into();
            let sent = if prompts.is_empty() { claude.begin() } else { claude.prompt(said) };
            assert_eq!(written(&sent)[0]["message"], message["message"]);
            prompts.insert(message["uuid"].as_str().unwrap_or("first").to_owned(), written(&sent)[0]["uuid"].clone());
            steps.extend(sent);
        } else if message["type"] == "control_request" {
            let sent = claude.interrupt();
            assert_eq!(written(&sent)[0]["request"]["subtype"], message["request"]["subtype"]);
            steps.extend(sent);
        } else if name != "elicitation" {
            let response = &message["response"];
            let sent = if name == "plan" {
                claude.decide(response["request_id"].as_str().unwrap(), Decision { approved: true, ..Decision::default() }).unwrap()
            } else {
                let sent = claude.decide(response["request_id"].as_str().unwrap(), decision(response)).unwrap();
                assert_eq!(written(&sent.steps)[0], message, "{name}");
                sent
            };
            steps.extend(sent.steps);
        }
    }
    steps
}

fn text(steps: &[Step], thoughts: bool) -> String {
    let piece = |step: &Step| match step {
        Step::Text { text, thinking } if *thinking == thoughts => Some(text.clone()),
        Step::Paragraph if !thoughts => Some("¶".into()),
        _ => None,
    };
    steps.iter().filter_map(piece).collect()
}

fn told(steps: &[Step], kind: TaskEventType) -> Vec<Value> {
    let data = |step: &Step| if let Step::Tell(of, data) = step { (*of == kind).then(|| data.clone()) } else { None };
    steps.iter().filter_map(data).collect()
}

fn turns(steps: &[Step]) -> Vec<Turn> {
    steps.iter().filter_map(|step| if let Step::Turn(turn) = step { Some(turn.clone()) } else { None }).collect()
}

fn count(steps: &[Step], step: &Step) -> usize {
    steps.iter().filter(|one| *one == step).count()
}

/// known fault 11: what tools are used for and what they gave back is told, as it stands inside of messages.
#[test]
fn a_tool_is_asked_for_used_and_answers() {
    let steps = play("allow");
    assert_eq!(text(&steps, false), "t¶got hi¶");
    let used = told(&steps, TaskEventType::ToolUse);
    assert_eq!((used[0]["name"].as_str(), used[0]["input"]["description"].as_str()), (Some("Bash"), Some("d")));
    let gave = told(&steps, TaskEventType::ToolResult);
    assert_eq!(gave, [json!({ "id": used[0]["id"], "content": "hi", "isError": false })]);
    assert!(steps.contains(&Step::Model("claude-opus-5-5".into())));
    assert_eq!(count(&steps, &Step::Session("12703220-7f64-4f56-ae7d-a93de6291c38".into())), 1);
    let turn = &turns(&steps)[0];
    assert_eq!((turn.text.as_deref(), turn.error.as_deref(), turn.turns), (Some("got hi"), None, Some(2)));
    assert!(turn.cost.is_some_and(|cost| cost > 0.000_27 && cost < 0.000_29) && turn.usage.is_some());
    assert_eq!(steps.last(), Some(&Step::Settled));
}

#[test]
fn what_streams_is_told_once() {
    let steps = play("stream");
    assert_eq!((text(&steps, false), text(&steps, true)), ("¶hello world¶".into(), "hm".into()));
    assert_eq!(steps.last(), Some(&Step::Settled));
    assert_eq!(count(&steps, &Step::Settled), 1);
}

#[test]
fn a_block_that_did_not_stream_is_told_whole_beside_one_that_did() {
    let mut claude = claude();
    let mut steps = Vec::new();
    let block =
        |id: &str, text: &str| json!({ "type": "assistant", "message": { "id": id, "content": [{ "type": "text", "text": text }] } });
    let event = |event: Value| json!({ "type": "stream_event", "event": event });
    for line in [
        event(json!({ "type": "message_start", "message": { "id": "m1" } })),
        event(json!({ "type": "content_block_delta", "delta": { "type": "text_delta", "text": "a" } })),
        event(json!({ "type": "content_block_delta", "delta": { "type": "text_delta", "text": "b" } })),
        block("m1", "ab"),
        event(json!({ "type": "content_block_stop" })),
        block("m1", "c"),
        block("m2", "d"),
        json!({ "type": "assistant", "message": { "content": [{ "type": "text", "text": "e" }] } }),
    ] {
        steps.extend(claude.line(line.to_string().as_bytes()));
    }
    assert_eq!(text(&steps, false), "ab¶c¶d¶e¶");
}

#[test]
fn what_a_helper_says_is_not_mixed_into_what_is_said() {
    for name in ["helper", "helper_in_the_background"] {
        let steps = play(name);
        assert!(!steps.contains(&Step::Text { text: "sub says ".into(), thinking: false }), "{name}");
        let used = told(&steps, TaskEventType::ToolUse);
        assert_eq!((&used[0]["parent"], &used[1]["parent"]), (&Value::Null, &used[0]["id"]), "{name}");
        let said = told(&steps, TaskEventType::System);
        // In the foreground its words are the tool's result alone.
        let spoke = said.iter().any(|said| said["subtype"] == "helper" && said["text"] == "t");
        assert_eq!(spoke, name == "helper_in_the_background");
        assert_eq!(steps.last(), Some(&Step::Settled), "{name}");
    }
}

#[test]
fn it_is_busy_while_something_runs_in_the_background() {
    let steps = play("work_in_the_background");
    let first = steps.iter().position(|step| matches!(step, Step::Turn(_))).unwrap();
    let settled = steps.iter().position(|step| *step == Step::Settled).unwrap();
    let done = steps.iter().position(|step| matches!(step, Step::Tell(_, data) if data["subtype"] == "task_notification")).unwrap();
    assert!(first < done && done < settled);
    assert_eq!(turns(&steps).len(), 2);
    assert_eq!(steps.last(), Some(&Step::Settled));
    assert_eq!(count(&steps, &Step::Settled), 1, "what ended in the background wakes the model, which may ask");
}

#[test]
fn three_questions_are_open_at_once_and_answered_in_any_order() {
    let steps = play("three_at_once");
    let asked: Vec<_> = steps.iter().filter_map(|step| if let Step::Ask(asked) = step { Some(asked) } else { None }).collect();
    assert_eq!(asked.len(), 3);
    // A rule for all uses of a tool is never remembered unless it was named.
    assert_eq!((asked[0].suggestions[0].label.as_str(), asked[0].suggestions[0].wider), ("mcp__lp__echo", true));
    assert_eq!((asked[2].suggestions[0].label.as_str(), asked[2].suggestions[0].wider), ("WebFetch(domain:example.com)", false));
}

#[test]
fn an_interruption_withdraws_what_is_asked_and_the_session_goes_on() {
    let steps = play("interrupt_then_follow_up");
    assert_eq!(count(&steps, &Step::Withdraw("eb176567-704b-4c4f-8ad9-376d604105b7".into())), 1);
    let turns = turns(&steps);
    assert_eq!((turns[0].interrupted, turns[0].error.as_deref()), (true, None));
    assert_eq!((turns[1].interrupted, turns[1].text.as_deref()), (false, Some("still here")));
    assert_eq!(count(&steps, &Step::Settled), 1, "the prompt came before it was idle");
    let steps = play("interrupt_while_streaming");
    assert!(self::turns(&steps)[0].interrupted);
    assert_eq!(steps.last(), Some(&Step::Settled));
}

#[test]
fn a_prompt_that_it_has_not_begun_with_keeps_it_busy() {
    let steps = play("prompt_while_busy");
    assert_eq!((turns(&steps).len(), count(&steps, &Step::Settled)), (1, 1));
    // The same prompt, sent as the turn before ended.
    let mut claude = claude();
    let begun = |claude: &mut Claude, steps: &[Step], state: &str| {
        let line = json!({ "type": "command_lifecycle", "command_uuid": written(steps)[0]["uuid"], "state": state });
        claude.line(line.to_string().as_bytes())
    };
    let first = claude.begin();
    begun(&mut claude, &first, "started");
    let second = claude.prompt("and then?");
    let over = br#"{"type":"result","subtype":"success","is_error":false,"result":"x"}"#;
    let idle = br#"{"type":"system","subtype":"session_state_changed","state":"idle"}"#;
    assert_eq!(turns(&claude.line(over)).len(), 1);
    assert_eq!(claude.line(idle), []);
    begun(&mut claude, &second, "started");
    assert!(!claude.line(over).contains(&Step::Settled) || claude.state.idle == Some(true));
    claude.line(idle);
    assert!(claude.state.settled);
    assert_eq!(claude.prompt("more")[0], Step::Busy);
}

#[test]
fn an_error_of_the_service_is_a_failure_and_says_what_to_do() {
    let steps = play("wrong_key");
    let turn = &turns(&steps)[0];
    let error = turn.error.as_deref().unwrap();
    assert!(
        error.starts_with("Invalid API key · Fix external API key: log in to Claude Code") && error.contains("aiTasks.passEnv"),
        "{error}"
    );
    assert_eq!((turn.text.as_deref(), error.lines().count()), (None, 1));
    assert_eq!(text(&steps, false), "Invalid API key · Fix external API key¶");
    assert_eq!(turns(&play("too_many_turns"))[0].error.as_deref(), Some("Reached maximum number of turns (2)"));
    let not_logged_in = br#"{"type":"result","subtype":"success","is_error":true,"result":"Not logged in \u00b7 Please run /login"}"#;
    assert!(turns(&claude().line(not_logged_in))[0].error.as_deref().unwrap().contains("aiTasks.passEnv"));
    // 2.0.76 tells an interruption as an error that is none.
    let mut old = claude();
    old.begin();
    old.interrupt();
    let stopped = turns(&old.line(br#"{"type":"result","subtype":"error_during_execution","is_error":false}"#));
    assert_eq!((stopped[0].interrupted, stopped[0].error.as_deref()), (true, None));
}

#[test]
fn what_nobody_here_can_answer_is_declined() {
    let mut steps = play("elicitation");
    assert_eq!(written(&steps)[1]["response"]["response"], json!({ "action": "decline" }));
    let mut claude = claude();
    for subtype in ["mcp_message", "hook_callback", "of_tomorrow"] {
        let request = json!({ "type": "control_request", "request_id": subtype, "request": { "subtype": subtype } });
        steps = claude.line(request.to_string().as_bytes());
        assert_eq!(written(&steps)[0]["response"]["subtype"], "error");
        assert_eq!(written(&steps)[0]["response"]["request_id"], *subtype);
    }
    // One with half a character in it is no JSON to us, and would wait for ever.
    let odd = br#"{"type":"control_request","request_id":"r9","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"\ud800"}}}"#;
    assert_eq!(written(&claude.line(odd))[0]["response"]["request_id"], "r9");
}

#[test]
fn a_line_that_can_not_be_read_is_told_as_it_is() {
    let mut claude = claude();
    assert_eq!(text(&claude.line(b"Segmentation fault"), false), "Segmentation fault¶");
    assert!(claude.line(b"  \r").is_empty());
    assert_eq!(text(&claude.line(b"\xff\xfe"), false), "\u{fffd}\u{fffd}¶");
    let long = vec![b'x'; 50_000_000];
    assert_eq!(text(&claude.line(&long), false).chars().count(), LONGEST_RAW + 2);
    let deep = "[".repeat(100_000);
    assert!(!claude.line(deep.as_bytes()).is_empty());
    let deep = format!(r#"{{"type":"assistant","message":{}"#, "[".repeat(100_000));
    assert!(!claude.line(deep.as_bytes()).is_empty());
    assert_eq!(
        told(&claude.line(br#"{"type":"of_tomorrow","uuid":"u","x":1}"#), TaskEventType::System),
        [json!({ "type": "of_tomorrow", "x": 1 })]
    );
}

/// A value of another type than it was, somewhere in a message.
fn mutilate(value: &mut Value, path: &mut impl Iterator<Item = usize>) {
    const OTHERS: &[&str] = &["null", "true", "-1", "1e300", "\"\"", "[]", "{}", "[[{}]]", "\"idle\""];
    let other = |at: usize| serde_json::from_str(OTHERS[at % OTHERS.len()]).unwrap();
    let Some(at) = path.next() else { return };
    match value {
        Value::Object(fields) if !fields.is_empty() && at % 5 != 0 => {
            let key = fields.keys().nth(at % fields.len()).unwrap().clone();
            if at % 7 == 0 {
                fields.remove(&key);
            } else {
                mutilate(&mut fields[&key], path)
            }
        }
        Value::Array(items) if !items.is_empty() && at % 5 != 0 => {
            let at = at % items.len();
            mutilate(&mut items[at], path);
        }
        _ => *value = other(at),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever becomes of its lines: nothing panics, each question is answered once, and nothing is written but JSON.
    #[test]
    fn mutilated_sessions_harm_nobody(which in 0..SAMPLES.len(), paths in prop::collection::vec(prop::collection::vec(0usize..1000, 1..8), 1..80), cut in 0usize..4000) {
        let mut claude = claude();
        let mut steps = claude.begin();
        let mut paths = paths.into_iter().cycle();
        for (is_output, mut message) in sample(SAMPLES[which].0) {
            if is_output {
                mutilate(&mut message, &mut paths.next().unwrap().into_iter());
                let line = message.to_string();
                let line = if cut % 11 == 0 { &line.as_bytes()[..cut.min(line.len())] } else { line.as_bytes() };
                steps.extend(claude.line(line));
            }
            let open: Vec<_> = claude.open.keys().cloned().collect();
            if let Some(id) = open.first().filter(|_| cut % 2 == 0) {
                steps.extend(claude.decide(id, Decision { message: Some("no".into()), ..Decision::default() }).unwrap().steps);
            }
        }
        steps.extend(claude.interrupt());
        steps.extend(claude.prompt("more"));
        for step in &steps {
            if let Step::Write(line) = step {
                prop_assert!(serde_json::from_str::<Value>(line).is_ok() && !line.contains('\n'));
            }
        }
    }
}
