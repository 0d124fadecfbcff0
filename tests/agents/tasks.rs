//! Real agents that are put to work on a paired machine, over TLS, by the other one. The test is their model, and those who are
//! asked.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopsy::api::tasks::{
    Approval, Remember, Task, TaskApprove, TaskCreate, TaskEventType, TaskInterrupt, TaskList, TaskPrompt, TaskStatus,
};
use loopsy::client::Link;
use serde_json::{Value, json};

use super::Fetched;
use super::model::{Model, call, thought, words};
use crate::support::pairing::Paired;
use crate::support::process::{Process, heavy, until};
use crate::support::program::Program;
use crate::tasks::{Watched, yes};

/// Two machines, an agent on kai, and its model.
struct Stage {
    /// Stopped when the stage goes.
    machines: Paired,
    model: Model,
    agent: &'static str,
    /// How leo reaches kai.
    link: Link,
    /// The folder on kai in which the agent works.
    folder: PathBuf,
}

impl Stage {
    /// Sets it up; nothing where agents are not to be had, or the test is too heavy here. `more` is laid over kai's configuration.
    fn set(agent: &'static str, more: Value) -> Option<Self> {
        let (true, Some(fetched)) = (heavy(), Fetched::found()) else { return None };
        let machines = Paired::with(more);
        let kai = &machines.kai.program;
        let model = Model::start();
        prepare(&fetched, kai, agent, &model.url());
        let folder = kai.folder().join("work");
        std::fs::create_dir(&folder).unwrap();
        let link = machines.leo.link().via("kai");
        Some(Self { machines, model, agent, link, folder: folder.canonicalize().unwrap() })
    }
    fn task(&self, prompt: &str) -> TaskCreate {
        let cwd = Some(self.folder.to_string_lossy().into_owned());
        TaskCreate { prompt: prompt.into(), agent: Some(self.agent.into()), cwd, ..TaskCreate::default() }
    }
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's own file is no file of the program")]
    std::fs::write(path, text).unwrap();
}

/// Has an agent found on a machine, with a model that is there.
fn prepare(fetched: &Fetched, at: &Program, agent: &'static str, model: &str) {
    let folder = at.folder();
    let env: &[(&str, &str)] = match agent {
        "claude" => &[
            ("ANTHROPIC_BASE_URL", model),
            ("ANTHROPIC_API_KEY", "no-key"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ],
        "gemini" => &[("GEMINI_API_KEY", "no-key"), ("GOOGLE_GEMINI_BASE_URL", model)],
        _ => &[("OPENCODE_DISABLE_MODELS_FETCH", "1"), ("OPENCODE_DISABLE_AUTOUPDATE", "1")],
    };
    if agent == "gemini" {
        let settings =
            json!({ "security": { "auth": { "selectedType": "gemini-api-key" } }, "privacy": { "usageStatisticsEnabled": false } });
        write(&folder.join(".gemini/settings.json"), &settings.to_string());
    }
    if agent == "opencode" {
        let models = json!({ "claude-sonnet-4-5": { "name": "test", "tool_call": true, "limit": { "context": 200_000, "output": 8000 } } });
        let provider = json!({ "options": { "apiKey": "no-key", "baseURL": format!("{model}/v1") }, "models": models });
        let name = "anthropic/claude-sonnet-4-5";
        // Left to itself it asks nothing.
        let settings =
            json!({ "autoupdate": false, "share": "disabled", "model": name, "small_model": name, "provider": { "anthropic": provider } });
        write(&folder.join(".config/opencode/opencode.json"), &settings.to_string());
    }
    let variables: String = env.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    let program = fetched.program(agent);
    let path = fetched.path();
    let script = format!("#!/bin/sh\n{variables}export PATH='{}'\nexec '{}' \"$@\"\n", path.to_string_lossy(), program.display());
    let file = folder.join(format!("start-{agent}"));
    write(&file, &script);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    at.install(agent, Some(&file));
}

fn bash(line: &str) -> Value {
    json!({ "command": line, "description": "d" })
}

fn no(asked: &Approval, message: &str) -> TaskApprove {
    TaskApprove { request_id: asked.request_id.clone(), message: Some(message.into()), ..TaskApprove::default() }
}

fn assert_completed(task: &Task, result: &str) {
    assert_eq!((task.status, task.result.as_deref()), (TaskStatus::Completed, Some(result)), "{task:?}");
}

/// Goes on with a task that has ended; what comes of that.
async fn go_on<'a>(link: &'a Link, task: &Watched<'_>, prompt: &str) -> Watched<'a> {
    let told = link.call(&TaskPrompt { task_id: task.id.clone(), prompt: prompt.into() }).await.unwrap();
    assert!(told.resumed);
    Watched::follow(link, task.id.clone(), told.since).await
}

async fn interrupt(task: &Watched<'_>) {
    task.link.call(&TaskInterrupt { task_id: task.id.clone() }).await.unwrap();
}

/// known fault 11: everything that happens is seen, and what was answered is what happens.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_claude_works_on_a_peer_and_asks_the_one_who_sent_it() {
    let Some(mut stage) = Stage::set("claude", json!({})) else { return };
    let folder = stage.folder.to_string_lossy().into_owned();
    let mut task = Watched::dispatch(&stage.link, stage.task("Write it down.")).await;
    let line = "pwd > here.txt && cat here.txt";
    stage.model.asked().await.answer(vec![thought("hm"), words("I will write."), call("Bash", &bash(line))]);
    let asked = task.asked().await;
    assert_eq!((asked.tool_name.as_str(), asked.tool_input["command"].as_str()), ("Bash", Some(line)));
    assert!(!stage.file("here.txt").exists(), "it waits");
    task.answer(yes(&asked.request_id)).await.unwrap();
    let ask = stage.model.asked().await;
    assert_eq!(ask.result(), (false, folder.clone()));
    ask.say("Written.");
    let ended = task.end().await;
    assert_completed(&ended, "Written.");
    assert_eq!(std::fs::read_to_string(stage.file("here.txt")).unwrap().trim(), folder);
    assert!(ended.cost.is_some_and(|cost| cost > 0.0) && ended.turns == Some(2) && ended.usage.is_some(), "{ended:?}");
    assert!(ended.untrusted && ended.peer.as_deref() == Some("leo") && ended.model.is_some(), "{ended:?}");
    let said = task.text();
    assert!(said.contains("I will write.") && said.matches("rit").count() == 2, "each is told once: {said}");
    assert_eq!(task.told(TaskEventType::Thinking)[0].as_str().map(str::trim), Some("hm"));
    assert_eq!((task.told(TaskEventType::ToolUse).len(), task.results()), (1, vec![folder.as_str()]));

    // The same session: it knows what was said, hears why not, and does what it was told to do instead.
    let mut more = go_on(&stage.link, &task, "And the other one.").await;
    let ask = stage.model.asked().await;
    assert!(ask.whole().contains("Write it down.") && ask.whole().contains("And the other one."));
    ask.call("Bash", &bash("touch denied.txt"));
    let asked = more.asked().await;
    more.answer(no(&asked, "Use another name.")).await.unwrap();
    let ask = stage.model.asked().await;
    assert_eq!(ask.result(), (true, "Use another name.".into()));
    ask.call("Bash", &bash("touch asked.txt"));
    let asked = more.asked().await;
    let edited = bash("touch edited.txt");
    more.answer(TaskApprove { updated_input: edited.as_object().cloned(), ..yes(&asked.request_id) }).await.unwrap();
    stage.model.asked().await.say("Done.");
    let again = more.end().await;
    assert_completed(&again, "Done.");
    assert_eq!(again.session_id, ended.session_id);
    assert_eq!(["denied.txt", "asked.txt", "edited.txt"].map(|name| stage.file(name).exists()), [false, false, true]);
    assert!(again.cost > ended.cost, "{:?} {:?}", again.cost, ended.cost);
}

/// Claude offers to accept all edits and the whole folder beside the rule; one rule is chosen, and one is remembered.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_what_claude_remembers_is_what_was_chosen() {
    let Some(mut stage) = Stage::set("claude", json!({})) else { return };
    let mut task = Watched::dispatch(&stage.link, stage.task("Make a folder.")).await;
    stage.model.asked().await.call("Bash", &bash("mkdir -p one"));
    let asked = task.asked().await;
    assert!(asked.suggestions.iter().any(|offer| offer.wider), "{asked:?}");
    task.answer(TaskApprove { remember: Some(Remember::Session), ..yes(&asked.request_id) }).await.unwrap();
    let ask = stage.model.asked().await;
    std::fs::remove_dir(stage.file("one")).unwrap();
    ask.call("Bash", &bash("mkdir -p one"));
    // The next thing that is asked is about another command; that one was made again unasked.
    stage.model.asked().await.call("Bash", &bash("touch new.txt"));
    let asked = task.asked().await;
    assert_eq!(asked.tool_input["command"], "touch new.txt");
    task.answer(no(&asked, "no")).await.unwrap();
    stage.model.asked().await.call("Write", &json!({ "file_path": stage.file("new.txt"), "content": "x" }));
    let asked = task.asked().await;
    assert_eq!(asked.tool_name, "Write", "edits are not accepted unasked");
    task.answer(no(&asked, "no")).await.unwrap();
    stage.model.asked().await.say("Made.");
    assert_completed(&task.end().await, "Made.");
    assert_eq!(["one", "new.txt", ".claude"].map(|name| stage.file(name).exists()), [true, false, false]);
    std::fs::remove_dir(stage.file("one")).unwrap();
    // In the next process of the session the rule holds, and nothing more.
    let mut more = go_on(&stage.link, &task, "Once more.").await;
    stage.model.asked().await.call("Bash", &bash("mkdir -p one"));
    stage.model.asked().await.call("Bash", &bash("touch new.txt"));
    let asked = more.asked().await;
    assert_eq!(asked.tool_input["command"], "touch new.txt");
    more.answer(no(&asked, "no")).await.unwrap();
    stage.model.asked().await.say("Made.");
    assert_completed(&more.end().await, "Made.");
    assert!(stage.file("one").exists() && !stage.file("new.txt").exists());
}

/// known fault 67: each question of several has its own answer, in whatever order they come; what nobody answers is denied.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_claude_asks_three_things_at_once_and_does_not_wait_for_ever() {
    let Some(mut stage) = Stage::set("claude", json!({ "aiTasks": { "approvalTimeout": 5000 } })) else { return };
    let mut task = Watched::dispatch(&stage.link, stage.task("Look at three pages.")).await;
    let fetches =
        ["one", "two", "three"].map(|host| call("WebFetch", &json!({ "url": format!("https://{host}.invalid/"), "prompt": "x" })));
    stage.model.asked().await.answer(fetches.into());
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(task.asked().await);
    }
    assert_eq!(task.task().await.pending_approvals.len(), 3);
    for at in [2, 0] {
        let host = asked[at].tool_input["url"].as_str().unwrap();
        task.answer(no(&asked[at], &format!("not {host}"))).await.unwrap();
    }
    let ask = stage.model.asked().await;
    let heard = ask.whole();
    assert!(heard.contains("not https://one.invalid/") && heard.contains("not https://three.invalid/"), "{heard}");
    ask.say("I could not.");
    assert_completed(&task.end().await, "I could not.");
    let resolved = task.told(TaskEventType::PermissionResolved);
    let by: Vec<_> = resolved.iter().map(|resolved| resolved["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["leo", "leo", "timeout"]);
}

/// known fault 52: what was stopped is `cancelled`, whatever it was doing, and can be gone on with.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_claude_stops_whatever_it_does_and_goes_on_when_told_more() {
    let Some(mut stage) = Stage::set("claude", json!({})) else { return };
    let mut task = Watched::dispatch(&stage.link, stage.task("Begin.")).await;
    stage.model.asked().await.call("Bash", &bash("touch asked.txt"));
    let asked = task.asked().await;
    interrupt(&task).await;
    assert_eq!(task.end().await.status, TaskStatus::Cancelled);
    let resolved = task.told(TaskEventType::PermissionResolved);
    assert_eq!((resolved[0]["requestId"].as_str(), resolved[0]["approved"].as_bool()), (Some(asked.request_id.as_str()), Some(false)));

    let mut task = go_on(&stage.link, &task, "Talk.").await;
    stage.model.asked().await.hang("It is a long story");
    while !task.text().contains("It is a long story") {
        task.next().await.unwrap();
    }
    interrupt(&task).await;
    assert_eq!(task.end().await.status, TaskStatus::Cancelled);

    let mut task = go_on(&stage.link, &task, "Work.").await;
    let line = "python3 -c 'import os, time; print(os.getpid(), file=open(\"pid\", \"w\")); time.sleep(600)'";
    stage.model.asked().await.call("Bash", &bash(line));
    let asked = task.asked().await;
    task.answer(yes(&asked.request_id)).await.unwrap();
    let file = stage.file("pid");
    until("the tool runs", Duration::from_secs(30), || Process::noted_in(&file).is_some()).await;
    let tool = Process::noted_in(&file).unwrap();
    interrupt(&task).await;
    assert_eq!(task.end().await.status, TaskStatus::Cancelled);
    until("the tool is gone", Duration::from_secs(10), || !tool.runs()).await;

    let mut task = go_on(&stage.link, &task, "Are you there?").await;
    stage.model.asked().await.say("I am.");
    assert_completed(&task.end().await, "I am.");
    assert!(!stage.file("asked.txt").exists());
}

/// A turn that begins by itself, since something in the background has ended, asks like any other.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_claude_is_heard_when_its_work_in_the_background_wakes_it() {
    let Some(mut stage) = Stage::set("claude", json!({})) else { return };
    let mut task = Watched::dispatch(&stage.link, stage.task("Wait for it.")).await;
    let mut behind = bash("python3 -c 'import time; time.sleep(2)'");
    behind["run_in_background"] = true.into();
    stage.model.asked().await.call("Bash", &behind);
    let asked = task.asked().await;
    task.answer(yes(&asked.request_id)).await.unwrap();
    stage.model.asked().await.say("I wait.");
    stage.model.asked().await.call("Bash", &bash("touch woken.txt"));
    let asked = task.asked().await;
    task.answer(yes(&asked.request_id)).await.unwrap();
    stage.model.asked().await.say("It is there.");
    assert_completed(&task.end().await, "It is there.");
    assert!(stage.file("woken.txt").exists());
}

/// An agent over ACP: what it asks is answered, and what was approved is what it does.
async fn approved_over_acp(agent: &'static str, model: Option<&str>, tool: &str) {
    let Some(mut stage) = Stage::set(agent, json!({})) else { return };
    let op = TaskCreate { model: model.map(str::to_owned), ..stage.task("Write it down.") };
    let mut task = Watched::dispatch(&stage.link, op).await;
    stage.model.asked().await.answer(vec![words("I will write."), call(tool, &bash("pwd > here.txt && cat here.txt"))]);
    let asked = task.asked().await;
    assert!(asked.tool_name == "execute" && asked.tool_input.to_string().contains("pwd > here.txt"), "{asked:?}");
    assert!(!stage.file("here.txt").exists(), "it waits");
    let edited = TaskApprove { updated_input: bash("true").as_object().cloned(), ..yes(&asked.request_id) };
    assert!(task.answer(edited).await.is_err(), "it can't be given another input");
    task.answer(yes(&asked.request_id)).await.unwrap();
    let folder = stage.folder.to_string_lossy().into_owned();
    let ask = stage.model.asked().await;
    assert!(ask.whole().contains(&folder));
    ask.call(tool, &bash("touch denied.txt"));
    let asked = task.asked().await;
    task.answer(no(&asked, "Leave it.")).await.unwrap();
    // It goes on with its turn, or ends it there; what was said reaches it either way.
    loop {
        let ask = stage.model.asked().await;
        let has_heard = ask.whole().contains("Leave it.");
        ask.say("Written.");
        if has_heard {
            break;
        }
    }
    let ended = task.end().await;
    assert_completed(&ended, "Written.");
    assert_eq!(std::fs::read_to_string(stage.file("here.txt")).unwrap().trim(), folder);
    assert!(!stage.file("denied.txt").exists() && ended.session_id.is_some(), "{ended:?}");
    assert!(task.text().contains("I will write.") && task.told(TaskEventType::ToolUse).len() == 2, "{:?}", task.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_opencode_works_on_a_peer_and_asks_the_one_who_sent_it() {
    approved_over_acp("opencode", None, "bash").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_gemini_works_on_a_peer_and_asks_the_one_who_sent_it() {
    approved_over_acp("gemini", Some("gemini-2.5-flash"), "run_shell_command").await;
}

/// A session that Loopsy did not start, whose settings have it ask through Loopsy.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_a_session_of_somebody_elses_asks_through_its_hook() {
    let Some(mut stage) = Stage::set("claude", json!({})) else { return };
    let kai = &stage.machines.kai;
    let settings = kai.program.ok(&["hook", "settings"]);
    let mut claude = std::process::Command::new(kai.program.folder().join("bin/claude"))
        .env("HOME", kai.program.folder())
        .args(["-p", "touch something", "--settings", settings.trim(), "--permission-mode", "default"])
        .current_dir(&stage.folder)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    stage.model.asked().await.call("Bash", &bash("touch through-a-hook"));
    let owner = kai.link();
    let asked = loop {
        let tasks = owner.call(&TaskList {}).await.unwrap().tasks;
        if let Some(task) = tasks.into_iter().find(|task| !task.pending_approvals.is_empty()) {
            break task;
        }
        assert!(claude.try_wait().unwrap().is_none(), "it ended without asking");
        tokio::task::yield_now().await;
    };
    assert!(asked.watched && !stage.file("through-a-hook").exists(), "{asked:?}");
    let answer = TaskApprove { task_id: asked.task_id.clone(), ..yes(&asked.pending_approvals[0].request_id) };
    owner.call(&answer).await.unwrap();
    stage.model.asked().await.say("done");
    let ended = loopsy::base::workers::blocking(move || claude.wait_with_output()).await.unwrap().unwrap();
    assert!(ended.status.success() && stage.file("through-a-hook").exists(), "{ended:?}");
}
