//! Exchanges as gemini, opencode and codex have them, and as a liar might.

use proptest::prelude::*;

use super::*;
use crate::api::tasks::{Approval, ApprovalKind, Remember};

fn quirks() -> Quirks {
    let modes = Modes { asks: &["default", "build"], ..Modes::USUAL };
    Quirks { modes, for_the_session: &["always"], for_ever: &["for_ever"], ..Quirks::unknown("Agent") }
}

fn acp(start: Start) -> Acp {
    Acp::new(Start { prompt: "do it".into(), cwd: "/srv".into(), ..start }, Invocation::default(), quirks())
}

fn written(steps: &[Step]) -> Vec<Value> {
    let line = |step: &Step| if let Step::Write(line) = step { serde_json::from_str(line).ok() } else { None };
    steps.iter().filter_map(line).collect()
}

fn says(acp: &mut Acp, message: &Value) -> Vec<Step> {
    acp.line(message.to_string().as_bytes())
}

/// Answers what is waited for.
fn answers(acp: &mut Acp, result: &Value) -> Vec<Step> {
    let id = acp.requests;
    says(acp, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

fn refuses(acp: &mut Acp, code: i64, message: &str) -> Vec<Step> {
    let id = acp.requests;
    says(acp, &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message, "data": { "details": "so it is" } } }))
}

fn update(acp: &mut Acp, update: &Value) -> Vec<Step> {
    says(acp, &json!({ "jsonrpc": "2.0", "method": "session/update", "params": { "sessionId": "s1", "update": update } }))
}

fn methods(steps: &[Step]) -> Vec<String> {
    written(steps).iter().map(|line| line["method"].as_str().unwrap_or("answer").to_owned()).collect()
}

const CAN: &str = r#"{"protocolVersion":1,"agentCapabilities":{"loadSession":true,"sessionCapabilities":{"resume":{}}}}"#;
const SESSION: &str = r#"{"sessionId":"s1","modes":{"currentModeId":"yolo","availableModes":[{"id":"default"},{"id":"autoEdit"},{"id":"yolo"}]},"models":{"currentModelId":"m1"}}"#;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// One that has been sent its prompt.
fn at_work(start: Start) -> Acp {
    let mut acp = acp(start);
    assert_eq!(methods(&acp.begin()), ["initialize"]);
    assert_eq!(methods(&answers(&mut acp, &parsed(CAN))), ["session/new"]);
    assert_eq!(methods(&answers(&mut acp, &parsed(SESSION))), ["session/set_mode"]);
    assert_eq!(methods(&answers(&mut acp, &json!({}))), ["session/prompt"]);
    acp
}

fn ask(acp: &mut Acp, id: &Value) -> Vec<Step> {
    let options = json!([
        { "optionId": "always", "name": "Always allow", "kind": "allow_always" },
        { "optionId": "unheard_of", "name": "Trust me", "kind": "allow_always" },
        { "optionId": "once", "name": "Allow once", "kind": "allow_once" },
        { "optionId": "no", "name": "Reject", "kind": "reject_once" },
        { "kind": 3 }, "x",
    ]);
    let call = json!({ "toolCallId": "t1", "title": "touch a", "kind": "execute", "rawInput": { "command": "touch a" } });
    let params = json!({ "sessionId": "s1", "toolCall": call, "options": options });
    says(acp, &json!({ "jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": params }))
}

fn asked(steps: &[Step]) -> Approval {
    steps.iter().find_map(|step| if let Step::Ask(asked) = step { Some(asked.clone()) } else { None }).unwrap()
}

fn approved() -> Decision {
    Decision { approved: true, ..Decision::default() }
}

#[test]
fn a_task_is_begun_asked_for_and_ended() {
    let mut acp = acp(Start::default());
    acp.begin();
    let new = written(&answers(&mut acp, &parsed(CAN)));
    assert_eq!(new[0]["params"], json!({ "cwd": "/srv", "mcpServers": [] }));
    let steps = answers(&mut acp, &parsed(SESSION));
    assert_eq!(steps[..2], [Step::Session("s1".into()), Step::Model("m1".into())]);
    assert_eq!(written(&steps)[0]["params"], json!({ "sessionId": "s1", "modeId": "default" }));
    let prompt = written(&answers(&mut acp, &json!({})));
    assert_eq!(prompt[0]["params"]["prompt"], json!([{ "type": "text", "text": "do it" }]));

    let mut steps = update(&mut acp, &json!({ "sessionUpdate": "agent_thought_chunk", "content": { "type": "text", "text": "hm" } }));
    steps.extend(update(&mut acp, &json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "I " } })));
    steps.extend(update(&mut acp, &json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "touch" } })));
    let text = |text: &str, thinking| Step::Text { text: text.into(), thinking };
    assert_eq!(steps, [text("hm", true), Step::Paragraph, text("I ", false), text("touch", false)]);
    let pending = json!({ "sessionUpdate": "tool_call", "toolCallId": "t1", "title": "bash", "kind": "execute", "status": "pending", "rawInput": {} });
    assert_eq!(update(&mut acp, &pending), [], "it is not known yet what it does");

    let steps = ask(&mut acp, &json!("a"));
    assert_eq!(steps[0], Step::Paragraph);
    let used = json!({ "id": "t1", "name": "execute", "input": { "command": "touch a" } });
    assert_eq!(steps[1], Step::Tell(TaskEventType::ToolUse, used));
    let approval = asked(&steps);
    assert_eq!(
        (approval.kind, approval.tool_name.as_str(), approval.description.as_deref()),
        (ApprovalKind::Permission, "execute", Some("touch a"))
    );
    let decided = acp.decide(&approval.request_id, approved()).unwrap();
    assert_eq!(
        written(&decided.steps)[0],
        json!({ "jsonrpc": "2.0", "id": "a", "result": { "outcome": { "outcome": "selected", "optionId": "once" } } })
    );
    assert!(acp.decide(&approval.request_id, approved()).is_err());

    let done = json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "completed", "title": "touch a",
        "content": [{ "type": "content", "content": { "type": "text", "text": "ok" } }] });
    let gave = json!({ "id": "t1", "content": "ok", "isError": false });
    assert_eq!(update(&mut acp, &done), [Step::Tell(TaskEventType::ToolResult, gave)]);
    update(&mut acp, &json!({ "sessionUpdate": "usage_update", "cost": { "amount": 0.5, "currency": "USD" } }));
    update(&mut acp, &json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "Done." } }));
    let steps = answers(&mut acp, &json!({ "stopReason": "end_turn", "usage": { "inputTokens": 3 } }));
    let turn = Turn { text: Some("Done.".into()), cost: Some(0.5), usage: Some(json!({ "inputTokens": 3 })), ..Turn::default() };
    assert_eq!(steps, [Step::Paragraph, Step::Turn(turn), Step::Settled]);
    assert_eq!(acp.prompt("more")[0], Step::Busy);
}

/// Gemini tells of no call before it asks, and gives no input; codex shows a terminal.
#[test]
fn what_a_tool_does_is_told_however_it_is_told() {
    let mut acp = at_work(Start::default());
    let call = json!({ "toolCallId": "t1", "title": "make", "content": [{ "type": "content", "content": { "type": "text", "text": "in /srv" } }] });
    let params = json!({ "sessionId": "s1", "toolCall": call, "options": [{ "optionId": "y", "kind": "allow_once", "name": "y" }] });
    let steps = says(&mut acp, &json!({ "id": 0, "method": "session/request_permission", "params": params }));
    let approval = asked(&steps);
    assert_eq!((approval.tool_name.as_str(), approval.tool_input["title"].as_str()), ("make", Some("make")));
    acp.decide(&approval.request_id, approved()).unwrap();
    let shown =
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "_meta": { "terminal_output_delta": { "data": "all green" } } });
    update(&mut acp, &shown);
    let steps = update(&mut acp, &json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "failed", "content": [] }));
    assert_eq!(steps, [Step::Tell(TaskEventType::ToolResult, json!({ "id": "t1", "content": "all green", "isError": true }))]);
}

#[test]
fn nothing_is_remembered_for_longer_or_for_more_than_was_chosen() {
    let mut acp = at_work(Start::default());
    let approval = asked(&ask(&mut acp, &json!(1)));
    let shown: Vec<_> = approval.suggestions.iter().map(|one| (one.id.as_str(), one.label.as_str(), one.remember, one.wider)).collect();
    assert_eq!(shown, [("1", "Always allow", Remember::Session, false), ("2", "Trust me", Remember::Always, true)]);
    for wrong in [
        Decision { remember: Remember::Always, ..approved() },
        Decision { remember: Remember::Session, suggestion: Some("2".into()), ..approved() },
        Decision { remember: Remember::Session, suggestion: Some("9".into()), ..approved() },
        Decision { suggestion: Some("1".into()), ..approved() },
        Decision { remember: Remember::Session, ..Decision::default() },
        Decision { input: Some(json!({ "command": "rm" })), ..approved() },
        Decision { answers: Some(BTreeMap::new()), ..approved() },
    ] {
        assert!(acp.decide(&approval.request_id, wrong.clone()).is_err(), "{wrong:?}");
    }
    let decided = acp.decide(&approval.request_id, Decision { remember: Remember::Session, ..approved() }).unwrap();
    assert_eq!((decided.remembered.as_deref(), decided.rules.len()), (Some("Always allow"), 0));
    assert_eq!(written(&decided.steps)[0]["result"]["outcome"]["optionId"], "always");
    let quirks = quirks();
    assert_eq!(quirks.remembers("always", "edit"), (Remember::Session, true));
    assert_eq!(quirks.remembers("for_ever", "execute"), (Remember::Always, false));
    assert_eq!(quirks.remembers("new", "execute"), (Remember::Always, true));
}

#[test]
fn a_denial_and_what_was_said_with_it_reach_the_agent() {
    let mut acp = at_work(Start::default());
    let approval = asked(&ask(&mut acp, &json!(1)));
    let denied = acp.decide(&approval.request_id, Decision { message: Some("use /tmp".into()), ..Decision::default() }).unwrap();
    assert_eq!(written(&denied.steps)[0]["result"]["outcome"]["optionId"], "no");
    // Codex ends its turn there.
    let steps = answers(&mut acp, &json!({ "stopReason": "cancelled" }));
    assert_eq!(steps[0], Step::Turn(Turn::default()));
    let prompt = written(&steps)[0]["params"]["prompt"][0]["text"].as_str().unwrap().to_owned();
    assert!(prompt.contains("touch a") && prompt.ends_with("use /tmp"), "{prompt}");
    let approval = asked(&ask(&mut acp, &json!(2)));
    acp.decide(&approval.request_id, Decision::default()).unwrap();
    let steps = answers(&mut acp, &json!({ "stopReason": "cancelled" }));
    let Step::Turn(turn) = &steps[0] else { panic!("{steps:?}") };
    assert!(turn.error.as_deref().unwrap().contains("not allowed") && !turn.interrupted);
}

#[test]
fn where_nothing_is_to_be_asked_it_is_denied_at_once() {
    let mut acp = at_work(Start { mode: PermissionMode::DontAsk, ..Start::default() });
    let steps = ask(&mut acp, &json!(1));
    assert_eq!(written(&steps)[0]["result"]["outcome"]["optionId"], "no");
    assert!(!steps.iter().any(|step| matches!(step, Step::Ask(_))));
}

#[test]
fn an_interruption_answers_what_is_asked_and_forgets_what_was_to_come() {
    let mut acp = at_work(Start::default());
    acp.prompt("and then");
    let approval = asked(&ask(&mut acp, &json!(1)));
    let steps = acp.interrupt();
    assert_eq!(written(&steps)[0]["result"]["outcome"]["outcome"], "cancelled");
    assert_eq!((&steps[1], methods(&steps).last().unwrap().as_str()), (&Step::Withdraw(approval.request_id), "session/cancel"));
    assert_eq!(written(&ask(&mut acp, &json!(2)))[0]["result"]["outcome"]["outcome"], "cancelled", "it asks too late");
    let steps = answers(&mut acp, &json!({ "stopReason": "cancelled" }));
    assert_eq!(steps, [Step::Turn(Turn { interrupted: true, ..Turn::default() }), Step::Settled]);
    assert_eq!(acp.interrupt(), []);
    // Before it was told anything.
    let mut acp = self::acp(Start::default());
    acp.begin();
    assert!(matches!(&acp.interrupt()[..], [Step::Turn(Turn { interrupted: true, .. })]));
    answers(&mut acp, &parsed(CAN));
    answers(&mut acp, &parsed(SESSION));
    assert_eq!(answers(&mut acp, &json!({})), [Step::Settled]);
}

#[test]
fn a_session_is_gone_on_with_where_the_agent_can() {
    let resume = Start { resume: Some("s1".into()), ..Start::default() };
    for (can, expected) in [
        (CAN, Some("session/resume")),
        (r#"{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}"#, Some("session/load")),
        (r#"{"protocolVersion":1}"#, None),
        (r#"{"protocolVersion":2}"#, None),
        ("{}", None),
    ] {
        let mut acp = acp(resume.clone());
        acp.begin();
        let steps = answers(&mut acp, &parsed(can));
        assert_eq!(written(&steps).first().map(|line| line["method"].as_str().unwrap().to_owned()).as_deref(), expected, "{can}");
        assert_eq!(matches!(steps[0], Step::Fail(_)), expected.is_none());
        let past = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "of yesterday" } });
        assert_eq!(update(&mut acp, &past), []);
    }
}

#[test]
fn a_mode_is_the_one_that_was_meant_or_nothing_is_begun() {
    let begun = |mode: PermissionMode, model: Option<&str>, session: &str| {
        let mut acp = acp(Start { mode, model: model.map(str::to_owned), ..Start::default() });
        acp.begin();
        answers(&mut acp, &parsed(CAN));
        answers(&mut acp, &parsed(session))
    };
    let failed = |steps: &[Step]| steps.iter().find_map(|step| if let Step::Fail(why) = step { Some(why.clone()) } else { None });
    assert_eq!(written(&begun(PermissionMode::AcceptEdits, None, SESSION))[0]["params"]["modeId"], "autoEdit");
    assert!(failed(&begun(PermissionMode::Plan, None, SESSION)).unwrap().contains("it has default, autoEdit, yolo"));
    let bare = r#"{"sessionId":"s1"}"#;
    assert_eq!(methods(&begun(PermissionMode::Default, None, bare)), ["session/prompt"]);
    assert!(
        failed(&begun(PermissionMode::Plan, None, bare)).is_some() && failed(&begun(PermissionMode::Default, Some("m"), bare)).is_some()
    );
    let options = r#"{"sessionId":"s1","configOptions":[
        {"id":"model","category":"model","currentValue":"a","options":[{"value":"a"},{"name":"g","options":[{"value":"b"}]}]},
        {"id":"mode","category":"mode","currentValue":"plan","options":[{"value":"build"},{"value":"plan"}]}]}"#;
    let set = &written(&begun(PermissionMode::Default, Some("b"), options))[0];
    assert_eq!(
        (set["method"].as_str(), &set["params"]),
        (Some("session/set_config_option"), &json!({ "sessionId": "s1", "configId": "model", "value": "b" }))
    );
    assert!(failed(&begun(PermissionMode::Default, Some("c"), options)).unwrap().contains("the model c"));
    let mut acp = acp(Start::default());
    acp.begin();
    answers(&mut acp, &parsed(CAN));
    answers(&mut acp, &parsed(SESSION));
    let refused = failed(&refuses(&mut acp, -32603, "Internal error")).unwrap();
    assert_eq!(refused, "Agent refuses the mode 'default': Internal error: so it is");
}

#[test]
fn what_went_wrong_is_one_line_that_says_what_to_do() {
    let mut acp = acp(Start::default());
    acp.begin();
    answers(&mut acp, &parsed(CAN));
    let Step::Fail(why) = &refuses(&mut acp, LOGIN_WANTED, "Authentication\nrequired")[0] else { panic!() };
    assert!(why.starts_with("Authentication required: so it is: log in to Agent on that machine") && why.lines().count() == 1, "{why}");
    assert_eq!(answers(&mut acp, &parsed(SESSION)), [], "it has failed");
    for (reason, error) in [("refusal", true), ("max_tokens", true), ("of_tomorrow", true), ("end_turn", false)] {
        let steps = answers(&mut at_work(Start::default()), &json!({ "stopReason": reason }));
        let Step::Turn(turn) = &steps[0] else { panic!() };
        assert_eq!(turn.error.is_some(), error, "{reason}");
    }
    let steps = refuses(&mut at_work(Start::default()), -32603, "Internal error");
    assert!(matches!(&steps[0], Step::Turn(turn) if turn.error.as_deref() == Some("Internal error: so it is")));
}

#[test]
fn files_and_terminals_of_this_side_are_not_offered() {
    let mut acp = at_work(Start::default());
    for method in ["fs/read_text_file", "fs/write_text_file", "terminal/create", "of_tomorrow"] {
        let steps = says(&mut acp, &json!({ "jsonrpc": "2.0", "id": "x", "method": method, "params": {} }));
        assert_eq!((written(&steps)[0]["error"]["code"].as_i64(), written(&steps)[0]["id"].as_str()), (Some(NO_SUCH_METHOD), Some("x")));
    }
    // Half a character: no JSON to us, and it waits for an answer.
    let odd = br#"{"jsonrpc":"2.0","id":7,"method":"session/request_permission","params":{"t":"\ud800"}}"#;
    assert_eq!(written(&acp.line(odd))[0]["id"], 7);
    assert!(matches!(&acp.line(b"Debugger attached.")[0], Step::Tell(TaskEventType::System, said) if said["text"] == "Debugger attached."));
}

#[test]
fn a_liar_gets_nowhere() {
    let mut acp = acp(Start::default());
    assert_eq!(ask(&mut acp, &json!(1)).len(), 1, "nobody is asked before anything was said");
    acp.begin();
    assert_eq!(says(&mut acp, &json!({ "id": 99, "result": {} })), []);
    assert_eq!(says(&mut acp, &json!({ "id": "1", "result": {} })), []);
    let mut acp = at_work(Start::default());
    for number in 0..MOST_OPEN {
        asked(&ask(&mut acp, &json!(number)));
    }
    assert_eq!(written(&ask(&mut acp, &json!(-1)))[0]["result"]["outcome"]["outcome"], "cancelled");
    for number in 0..3000 {
        update(&mut acp, &json!({ "sessionUpdate": "tool_call", "toolCallId": number.to_string(), "status": "pending" }));
    }
    let piece = "x".repeat(LONGEST_WORD);
    for _ in 0..3 {
        update(&mut acp, &json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": piece } }));
    }
    assert!(acp.last_word.len() <= LONGEST_WORD);
    for line in ["[".repeat(100_000), "null".into(), "{}".into(), r#"{"id":null}"#.into(), r#"{"id":1,"method":3}"#.into()] {
        acp.line(line.as_bytes());
    }
}

const WORDS: &[&str] = &["s1", "t1", "session/update", "session/request_permission", "allow_once", "completed", "end_turn", "text", ""];
const KEYS: &[&str] =
    &["id", "method", "params", "result", "error", "sessionId", "update", "sessionUpdate", "toolCall", "toolCallId", "content"];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0u64..8).prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(KEYS), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>())
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_harms_nobody(lines in prop::collection::vec(any_json(), 0..30), begun in any::<bool>()) {
        let mut acp = if begun { at_work(Start::default()) } else { acp(Start::default()) };
        for line in lines {
            let steps = says(&mut acp, &line);
            for line in steps {
                if let Step::Write(line) = line {
                    prop_assert!(serde_json::from_str::<Value>(&line).is_ok() && !line.contains('\n'));
                }
            }
        }
        acp.interrupt();
        acp.prompt("x");
    }
}
