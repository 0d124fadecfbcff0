//! `loopsy task` as people and scripts use it: real daemons, and an agent that plays scripts.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::node::{Node, Pair};
use crate::support::process::until;
use crate::support::program::{Program, Ran};
use crate::tasks::{PATIENCE, bash, node, pair, script};

/// The tasks that a program lists, newest first.
pub fn listed(program: &Program, more: &[&str]) -> Vec<Value> {
    let list: Value = serde_json::from_str(&program.ok(&[&["task", "list", "--json"], more].concat())).unwrap();
    list["tasks"].as_array().unwrap().clone()
}

/// Waits until the newest task is in this state; answers it.
pub async fn newest(program: &Program, status: &str) -> Value {
    let is_so = || listed(program, &[]).first().is_some_and(|task| task["status"] == status);
    until(&format!("the newest task is {status}"), PATIENCE, is_so).await;
    listed(program, &[]).remove(0)
}

/// One run of the program, under way.
pub fn begun(program: &Program, args: &[&str]) -> std::process::Child {
    program.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: std::process::Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap())
}

/// Reads on until its output ends so.
fn read_until(run: &mut std::process::Child, what: &str) {
    let mut seen = Vec::new();
    while !seen.ends_with(what.as_bytes()) {
        let mut byte = [0];
        assert!(run.stdout.as_mut().unwrap().read(&mut byte).unwrap() > 0, "it ended before {what:?}");
        seen.push(byte[0]);
    }
}

#[test]
fn a_task_is_run_and_its_end_is_the_exit_status() {
    let kai = node(json!({}));
    let program = &kai.program;
    let steps = json!([{"think":"hm"}, {"text":"Let me see."}, {"tool":"Bash","input":{"command":"echo out; echo more"},"free":true}, {"text":"It says {{last}}"}]);
    let done = program.run(&["task", "run", &script(steps.clone())]);
    assert_eq!((done.code, done.out.as_str()), (0, "Let me see.\nIt says out\nmore\n"), "{done:?}");
    for line in ["→ Bash: echo out; echo more\n", "← out (and 1 more line)\n", "done in 7 ms, 1 turn, $0.2500, session "] {
        assert!(done.err.contains(line), "{line:?} in {done:?}");
    }
    assert!(!done.err.contains("hm"), "thoughts are told where they are wanted: {done:?}");
    assert!(program.run(&["task", "run", "-v", &script(json!([{"think":"let me think"}]))]).err.contains("let me think"));

    // Scripts get the events as they are.
    let told = program.ok(&["task", "run", "--json", &script(steps)]);
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((1..=events.len()).eq(events.iter().map(|event| event["seq"].as_u64().unwrap() as usize)), "{told}");
    assert_eq!((&events.last().unwrap()["type"], &events.last().unwrap()["data"]["status"]), (&"exit".into(), &"completed".into()));
    assert!(events.iter().any(|event| event["type"] == "tool_use"), "{told}");

    let failed = program.run(&["task", "run", &script(json!([{"fail":"no more tokens"}]))]);
    assert!(failed.code == 1 && failed.err.contains("failed in 7 ms, 1 turn") && failed.err.contains("no more tokens"), "{failed:?}");
    assert_eq!(program.run(&["task", "run", "--json", &script(json!([{"exit":0}]))]).code, 1, "who leaves without an answer has failed");
    let piped = program.piped(&["task", "run", "-"], b"in words");
    assert_eq!((piped.status.code(), piped.stdout), (Some(0), b"echo: in words\n".to_vec()));
}

#[test]
fn an_agent_is_started_as_it_was_asked_for() {
    let kai = node(json!({}));
    let folder = kai.program.folder().join("work");
    std::fs::create_dir(&folder).unwrap();
    let place = folder.canonicalize().unwrap().display().to_string();
    let steps = script(json!([{"text":"{{cwd}}\n{{args}}"}]));
    let mut here = kai.program.command(&["task", "run", &steps]);
    let here = Ran::of(here.current_dir(&folder).output().unwrap());
    assert!(here.out.starts_with(&format!("{place}\n")), "a task of this machine works where its caller is: {here:?}");
    let mode = ["task", "run", "--mode", "accept-edits", "--model", "small", "--allow-tool", "Bash(ls *)", "--deny-tool", "WebFetch"];
    let told =
        kai.program.ok(&[&mode[..], &["--max-budget", "1.5", "--arg", "--verbose", "--cwd", &place, "--name", "tidy", &steps]].concat());
    for part in ["--permission-mode=acceptEdits", "small", "Bash(ls *)", "WebFetch", "1.5"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(listed(&kai.program, &[])[0]["name"], "tidy");
}

#[test]
fn what_can_not_be_run_is_said_in_a_line_with_what_to_do() {
    let kai = node(json!({}));
    let program = &kai.program;
    for (args, code, what) in [
        (&["task", "run", "--cwd", "/no/such/folder", "x"][..], 2, "/no/such/folder"),
        (&["task", "run", "--mode", "yolo", "x"], 2, "acceptEdits"),
        (&["task", "run", "--timeout", "soon", "x"], 2, "30s"),
        (&["task", "run", "leo", "x"], 4, "leo"),
        (&["task", "run", "a", "b", "c"], 2, "loopsy task run"),
        (&["task", "run", ""], 2, "prompt"),
        (&["task", "show", "abc"], 2, "four characters"),
        (&["task", "show", "abcd"], 1, "loopsy task list"),
        (&["task", "show", "../../etc"], 1, "loopsy task list"),
        (&["task", "logs", "2f1c8d5a-55f1-4d7e-9a0e-4a7f4f3f8f10"], 1, "no task"),
        (&["task", "approve", "abcd", "--suggestion", "x"], 2, "--remember"),
    ] {
        let said = program.fails(args, code);
        assert!(said.contains(what), "{args:?}: {said}");
    }
    let task = program.ok(&["task", "run", "-d", "x"]);
    let id = task.trim();
    program.ok(&["task", "logs", "-f", id]);
    let near = format!("{}{}", &id[..7], if id.as_bytes()[7] == b'0' { "1" } else { "0" });
    assert!(program.fails(&["task", "show", &near], 1).contains(&format!("Did you mean {}?", &id[..8])));
    for (verb, hint) in [("cancel", "loopsy task delete"), ("approve", "loopsy task show")] {
        assert!(program.fails(&["task", verb, id], 1).contains(hint));
    }
    let bare = Node::start("bare", json!({}));
    assert!(bare.program.fails(&["task", "run", "x"], 1).contains("npm install -g"));
    assert!(Program::ready().fails(&["task", "list"], 3).contains("loopsy start"));
}

#[test]
fn a_task_is_listed_shown_read_again_gone_on_with_and_forgotten() {
    let Pair { leo, kai } = pair(json!({}));
    let leo = &leo.program;
    let id = leo.ok(&["task", "run", "-d", "--name", "greet", "kai", "hello"]);
    let id = id.trim();
    let at_kai = |args: &[&str]| leo.run(&[args, &["--peer", "kai"]].concat());
    let followed = at_kai(&["task", "logs", "-f", id]);
    assert_eq!((followed.code, followed.out.as_str()), (0, "echo: hello\n"), "{followed:?}");
    let row = at_kai(&["task", "list"]).out;
    assert_eq!(row.trim_end().split('\t').collect::<Vec<_>>()[..3], [&id[..8], "completed", "claude"], "{row}");
    assert!(row.trim_end().ends_with("\tleo\tgreet"), "{row}");
    let shown = at_kai(&["task", "show", &id[..6]]).out;
    assert!(
        shown.contains("Status    completed after ") && shown.contains("$0.2500, 1 turn\n") && shown.ends_with("\necho: hello\n"),
        "{shown}"
    );
    assert!(leo.fails(&["task", "show", id], 1).contains("no task"), "a task is where it was dispatched to");
    let more = at_kai(&["task", "prompt", id, "and now?"]);
    assert_eq!((more.code, more.out.as_str()), (0, "echo: and now?\n"), "{more:?}");
    let all = at_kai(&["task", "logs", id]);
    assert_eq!(all.out, "echo: hello\necho: and now?\n");
    assert!(all.err.contains("» and now?"), "{all:?}");
    let last: Value = serde_json::from_str(all_json(leo, id).lines().last().unwrap()).unwrap();
    let since = (last["seq"].as_u64().unwrap() - 1).to_string();
    assert_eq!(at_kai(&["task", "logs", id, "--json", "--since", &since]).out.lines().count(), 1);
    assert_eq!(at_kai(&["task", "logs", "-f", id, "--since", &last["seq"].to_string()]).code, 0, "nothing more comes");
    assert_eq!(at_kai(&["task", "delete", id]).code, 0);
    assert_eq!(listed(&kai.program, &[]), [] as [Value; 0]);
}

fn all_json(leo: &Program, id: &str) -> String {
    leo.ok(&["task", "logs", id, "--peer", "kai", "--json"])
}

/// known fault 52: whoever cancels it, from wherever: it is never completed, and no exit status says that it was.
#[tokio::test]
async fn a_cancelled_task_is_never_done() {
    let Pair { leo, kai } = pair(json!({}));
    let hang = script(json!([{"text":"at work"}, {"hang":true}]));
    for (verb, by) in [("cancel", &kai.program), ("cancel", &leo.program), ("interrupt", &leo.program)] {
        let run = begun(&leo.program, &["task", "run", "kai", &hang]);
        let id = newest(&kai.program, "running").await["taskId"].as_str().unwrap().to_owned();
        let peer: &[&str] = if std::ptr::eq(by, &raw const leo.program) { &["--peer", "kai"] } else { &[] };
        assert!(by.fails(&[&["task", "delete", &id], peer].concat(), 1).contains("loopsy task cancel"));
        by.ok(&[&["task", verb, &id[..8]], peer].concat());
        let ran = ended(run);
        assert!(ran.code == 1 && ran.err.contains("cancelled"), "{ran:?}");
        assert_eq!(newest(&kai.program, "cancelled").await["taskId"], id.as_str());
    }
    // Ctrl-C is a cancel too, with the exit status of an interrupt.
    let mut run = begun(&leo.program, &["task", "run", "kai", &hang]);
    read_until(&mut run, "at work");
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let ran = ended(run);
    assert_eq!(ran.code, 130, "{ran:?}");
    newest(&kai.program, "cancelled").await;
}

#[tokio::test]
async fn what_is_asked_is_answered_from_another_machine() {
    let Pair { leo, kai } = pair(json!({}));
    let leo = &leo.program;
    let ask = |args: &[&str]| leo.run(&[&["task"], args, &["--peer", "kai"]].concat());
    let steps = json!([{"together":[bash("echo one"), bash("echo two"), bash("echo three")]}, {"text":"{{last}}"}]);
    let run = begun(leo, &["task", "run", "kai", &script(steps)]);
    until("all is asked", PATIENCE, || {
        listed(&kai.program, &[]).first().is_some_and(|task| task["pendingApprovals"].as_array().is_some_and(|all| all.len() == 3))
    })
    .await;
    let id = listed(&kai.program, &[])[0]["taskId"].as_str().unwrap().to_owned();
    let asked: Vec<String> = listed(&kai.program, &[])[0]["pendingApprovals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asked| asked["requestId"].as_str().unwrap().to_owned())
        .collect();
    let which = ask(&["approve", &id]);
    assert!(which.code == 2 && which.err.contains(&format!("{} (Bash: echo two)", &asked[1][..8])), "{which:?}");
    assert!(ask(&["approve", &id, &asked[1][..8]]).err.contains("Approved: Bash: echo two"));
    let again = ask(&["deny", &id, &asked[1]]);
    assert_eq!(again.code, 1, "the first answer holds: {again:?}");
    assert!(ask(&["deny", &id, &asked[0], "-m", "not on my machine"]).err.contains("Refused"));
    let forever = ask(&["approve", &id, "--remember", "always"]);
    assert_eq!(forever.code, 5, "what holds for ever is the owner's to say: {forever:?}");
    let shown = ask(&["show", &id]).out;
    assert!(
        shown.contains("It asks    Bash: echo three")
            && shown.contains(&format!("loopsy task approve {} {} --peer kai", &id[..8], &asked[2][..8])),
        "{shown}"
    );
    ask(&["approve", &id, "--input", r#"{"command":"echo edited"}"#]);
    let ran = ended(run);
    assert_eq!((ran.code, ran.out.as_str()), (0, "edited\n"), "{ran:?}");
    for told in [
        "? Bash: echo one",
        "Answer it with: loopsy task approve",
        "! refused by leo: not on my machine",
        "← failed: not on my machine",
        "! approved by leo, with another input",
    ] {
        assert!(ran.err.contains(told), "{told:?} in {ran:?}");
    }
}

/// One model does not wave another one through.
#[tokio::test]
async fn an_agent_does_not_approve_unless_its_owner_lets_agents_do_so() {
    let kai = node(json!({}));
    let program = &kai.program;
    let run = begun(program, &["task", "run", &script(json!([bash("echo ok"), {"text":"{{last}}"}]))]);
    let task = newest(program, "waiting_approval").await;
    let id = task["taskId"].as_str().unwrap();
    let request = json!({"taskId":id,"requestId":task["pendingApproval"]["requestId"],"approved":true}).to_string();
    let inside = |name: &str, args: &[&str]| Ran::of(program.command(args).env(name, "1").output().unwrap());
    for name in ["CLAUDECODE", "AI_AGENT", "LOOPSY_TASK"] {
        for args in [&["task", "approve", id][..], &["api", "task.approve", &request]] {
            let refused = inside(name, args);
            assert!(refused.code == 5 && refused.err.contains("aiTasks.agentsMayApprove"), "{name}: {refused:?}");
        }
    }
    assert_eq!(inside("CLAUDECODE", &["task", "show", id]).code, 0, "looking is free");
    program.ok(&["config", "set", "aiTasks.agentsMayApprove", "true"]);
    assert_eq!(inside("CLAUDECODE", &["task", "approve", id]).code, 0);
    assert_eq!(ended(run).out, "ok\n");
}

/// What an agent, a tool or a peer wrote is seen, never obeyed, in every command that shows it.
#[tokio::test]
async fn hostile_text_never_reaches_the_terminal() {
    let kai = node(json!({}));
    let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{9b}1A\u{8}";
    let tool = json!({"tool":evil,"input":{"command":evil, evil:evil},"suggest":[{"type":"addRules","behavior":"allow","destination":"session","rules":[{"toolName":evil,"ruleContent":evil}]}]});
    let steps = script(json!([{"text":evil}, {"think":evil}, tool, {"stderr":evil}, {"fail":evil}]));
    let run = begun(&kai.program, &["task", "run", "-v", "--name", "x\u{202e}", "--model", "x\u{202e}", &steps]);
    let id = newest(&kai.program, "waiting_approval").await["taskId"].as_str().unwrap().to_owned();
    let harmless = |ran: &Ran| {
        for text in [&ran.out, &ran.err] {
            assert!(text.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control() && c != '\u{202e}'), "{text:?}");
        }
    };
    for args in [&["task", "list"][..], &["task", "show", &id], &["task", "logs", &id], &["task", "deny", &id, "-m", evil]] {
        let ran = kai.program.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        harmless(&ran);
    }
    let ran = ended(run);
    assert_eq!(ran.code, 1);
    // With -v the program's own log is there as well, which is not for this test.
    harmless(&Ran { err: ran.err.lines().filter(|line| !line.contains("DEBUG")).collect::<Vec<_>>().join("\n"), ..ran });
    harmless(&kai.program.run(&["task", "show", &id]));
}

/// The daemon is killed and comes back: whoever followed is told once, and hears how it ended.
#[tokio::test]
async fn a_connection_that_breaks_is_made_anew() {
    let mut kai = node(json!({}));
    let mut run = begun(&kai.program, &["task", "run", &script(json!([{"text":"at work"}, {"hang":true}]))]);
    read_until(&mut run, "at work");
    kai.kill();
    kai.again();
    let ran = ended(run);
    assert!(ran.code == 1 && ran.err.contains("daemon restarted"), "{ran:?}");
    assert_eq!(ran.out, "\n", "nothing is told twice");
}
