//! What people answer, and what becomes of it.

use super::*;

fn ask(claude: &mut Claude, id: &str, request: &Value) -> Vec<Step> {
    let mut request = request.clone();
    request["subtype"] = "can_use_tool".into();
    claude.line(json!({ "type": "control_request", "request_id": id, "request": request }).to_string().as_bytes())
}

fn touching(claude: &mut Claude) -> Vec<Step> {
    let suggestions = json!([
        { "type": "setMode", "mode": "bypassPermissions", "destination": "session" },
        { "type": "setMode", "mode": "acceptEdits", "destination": "session" },
        { "type": "addDirectories", "directories": ["/home/ann"], "destination": "session" },
        { "type": "addRules", "rules": [{ "toolName": "Bash" }], "behavior": "allow", "destination": "userSettings" },
        { "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": "*" }], "behavior": "allow" },
        { "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": "touch \u{202e}a" }], "behavior": "allow" },
        { "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": "touch a" }], "behavior": "allow", "destination": "userSettings" },
        { "type": "of_tomorrow" }, 3,
    ]);
    ask(claude, "q", &json!({ "tool_name": "Bash", "input": { "command": "touch a", "n": 1 }, "permission_suggestions": suggestions }))
}

fn approved() -> Decision {
    Decision { approved: true, ..Decision::default() }
}

/// Remembering is chosen, one suggestion at a time, and holds where it was chosen for.
#[test]
fn nothing_is_remembered_but_what_was_chosen() {
    let updates = |decided: &Decided| written(&decided.steps)[0]["response"]["response"]["updatedPermissions"].clone();
    let mut claude = claude();
    let steps = touching(&mut claude);
    let Step::Ask(asked) = &steps[0] else { panic!("{steps:?}") };
    let shown: Vec<_> = asked.suggestions.iter().map(|one| (one.id.as_str(), one.label.as_str(), one.wider)).collect();
    let hidden = "Bash(touch \u{fffd}a)";
    let all = [
        ("2", "mode acceptEdits", true),
        ("3", "folder /home/ann", true),
        ("4", "Bash", true),
        ("5", "Bash(*)", true),
        ("6", hidden, true),
        ("7", "Bash(touch a)", false),
    ];
    assert_eq!(shown, all);
    let once = claude.decide("q", approved()).unwrap();
    assert_eq!((updates(&once), once.rules.len()), (Value::Null, 0));
    for (remember, destination) in [(Remember::Session, "session"), (Remember::Always, "localSettings")] {
        touching(&mut claude);
        let decided = claude.decide("q", Decision { remember, ..approved() }).unwrap();
        let rule = json!({ "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": "touch a" }], "behavior": "allow", "destination": destination });
        assert_eq!((updates(&decided), decided.remembered.as_deref()), (json!([rule]), Some("Bash(touch a)")));
        assert_eq!(decided.rules, ["Bash(touch a)"]);
    }
    touching(&mut claude);
    let wider = Decision { remember: Remember::Session, suggestion: Some("2".into()), ..approved() };
    let decided = claude.decide("q", wider).unwrap();
    assert_eq!((updates(&decided)[0]["mode"].as_str(), decided.rules.len()), (Some("acceptEdits"), 0));
}

#[test]
fn an_answer_that_can_not_be_given_leaves_the_question_open() {
    let mut claude = claude();
    touching(&mut claude);
    let session = Decision { remember: Remember::Session, ..approved() };
    for wrong in [
        Decision { input: Some(json!("rm")), ..approved() },
        Decision { answers: Some(BTreeMap::new()), ..approved() },
        Decision { suggestion: Some("7".into()), ..approved() },
        Decision { suggestion: Some("1".into()), ..session.clone() },
        Decision { suggestion: Some("2".into()), remember: Remember::Always, ..approved() },
        Decision { input: Some(json!({})), ..session.clone() },
        Decision { remember: Remember::Session, ..Decision::default() },
    ] {
        assert!(claude.decide("q", wrong.clone()).is_err(), "{wrong:?}");
    }
    let decided = claude.decide("q", Decision { input: Some(json!({ "command": "touch b" })), ..approved() }).unwrap();
    assert_eq!(written(&decided.steps)[0]["response"]["response"]["updatedInput"], json!({ "command": "touch b" }));
    assert!(claude.decide("q", approved()).is_err(), "it was answered");
    ask(
        &mut claude,
        "m",
        &json!({ "tool_name": "mcp__lp__echo", "input": {}, "permission_suggestions": [
        { "type": "addRules", "rules": [{ "toolName": "mcp__lp__echo" }], "behavior": "allow" }
    ] }),
    );
    let refused = claude.decide("m", session).unwrap_err();
    assert!(refused.hint.unwrap().contains("1 (mcp__lp__echo)"));
    let denied = claude.decide("m", Decision { message: Some("  ".into()), ..Decision::default() }).unwrap();
    assert_eq!(written(&denied.steps)[0]["response"]["response"]["message"], "The user did not allow this.");
}

#[test]
fn a_question_wants_each_answer_and_a_plan_leads_back_to_asking() {
    let mut claude = claude();
    let questions = json!({ "questions": [{ "question": "Which DB?" }, { "question": "Why?" }] });
    let steps = ask(&mut claude, "q", &json!({ "tool_name": "AskUserQuestion", "input": questions }));
    let Step::Ask(asked) = &steps[0] else { panic!("{steps:?}") };
    assert_eq!(asked.kind, ApprovalKind::Question);
    let answers = |given: &[(&str, &str)]| {
        let given = given.iter().map(|(question, answer)| ((*question).into(), (*answer).into())).collect();
        Decision { answers: Some(given), ..approved() }
    };
    let missing = claude.decide("q", answers(&[("Which DB?", "sqlite"), ("Why?", " ")])).unwrap_err();
    assert!(missing.message.contains("Why?"));
    assert!(claude.decide("q", approved()).unwrap_err().message.contains("Which DB?"));
    assert!(claude.decide("q", answers(&[("Which DB?", "a"), ("Why?", "b"), ("Who?", "c")])).unwrap_err().message.contains("Who?"));
    assert!(claude.decide("q", answers(&[("Which DB?", "sqlite"), ("Why?", "small")])).is_ok());
    let plan = written(&play("plan"));
    assert_eq!(
        plan[1]["response"]["response"]["updatedPermissions"],
        json!([{ "type": "setMode", "mode": "default", "destination": "session" }])
    );
}

/// Rules reach the next process as arguments, where a list is taken apart: none of them becomes another.
#[test]
fn a_rule_with_brackets_is_not_given_on() {
    let mut claude = claude();
    for content in ["echo (x) Bash", "a\\", "a)", "a\nb"] {
        let rules = json!([{ "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": content }], "behavior": "allow" }]);
        ask(&mut claude, "q", &json!({ "tool_name": "Bash", "input": {}, "permission_suggestions": rules }));
        let decided = claude.decide("q", Decision { remember: Remember::Session, suggestion: Some("1".into()), ..approved() }).unwrap();
        assert!(decided.rules.is_empty(), "{content}");
    }
}

#[test]
fn arguments_stay_what_they_are() {
    let start = Start {
        prompt: "secret".into(),
        mode: PermissionMode::AcceptEdits,
        model: Some("--dangerously-skip-permissions".into()),
        max_budget_usd: Some(0.5),
        allowed_tools: vec!["Bash(git log *)".into(), "--dangerously-skip-permissions".into(), " ".into()],
        disallowed_tools: vec![" ".into()],
        additional_args: vec!["--add-dir".into(), "/srv".into()],
        untrusted: true,
        ..Start::default()
    };
    let invocation = Claude::new(start.clone(), "u".into()).invocation();
    let expected = "-p --input-format=stream-json --output-format=stream-json --verbose --include-partial-messages \
        --permission-prompt-tool=stdio --permission-mode=acceptEdits --session-id=u --model=--dangerously-skip-permissions \
        --max-budget-usd=0.5 --allowedTools=Bash(git log *),--dangerously-skip-permissions --setting-sources=user --strict-mcp-config \
        --add-dir /srv";
    assert_eq!((invocation.program.as_str(), invocation.args.join(" ").as_str()), ("claude", expected));
    let resumed = Claude::new(Start { resume: Some("s".into()), ..start }, "u".into()).invocation();
    assert!(resumed.args.contains(&"--resume=s".to_owned()) && !resumed.args.iter().any(|arg| arg.starts_with("--session-id")));
}

#[test]
fn an_id_asks_once_and_what_was_seen_first_runs() {
    let mut claude = claude();
    let request = json!({ "tool_name": "Bash", "input": { "command": "a" } });
    assert!(matches!(ask(&mut claude, "0", &request)[0], Step::Ask(_)));
    let again = ask(&mut claude, "0", &json!({ "tool_name": "Bash", "input": { "command": "rm -rf ." } }));
    assert!(written(&again).is_empty() && !again.iter().any(|step| matches!(step, Step::Ask(_))));
    let decided = claude.decide("0", approved()).unwrap();
    assert_eq!(written(&decided.steps)[0]["response"]["response"]["updatedInput"]["command"], "a");
}
