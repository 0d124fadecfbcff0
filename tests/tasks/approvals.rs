//! What an agent asks, and who answers how.

use loopsy::api::tasks::{Remember, TaskApprove, TaskCreate, TaskEventType, TaskHook, TaskList, TaskStatus};
use loopsy::base::Code;
use serde_json::{Value, json};

use super::{Watched, bash, node, pair, playing, yes};

fn no(request_id: &str, message: Option<&str>) -> TaskApprove {
    TaskApprove { request_id: request_id.into(), message: message.map(str::to_owned), ..TaskApprove::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_why_and_an_edited_input_is_what_runs() {
    let kai = node(json!({}));
    let link = kai.link();
    let steps = json!([bash("echo one"), { "text": "{{last}}" }, bash("echo two"), { "text": "{{last}}" }, bash("echo three")]);
    let mut task = Watched::dispatch(&link, playing(steps)).await;
    let first = task.asked().await;
    task.answer(no(&first.request_id, Some("Not on my machine."))).await.unwrap();
    let second = task.asked().await;
    let edited = json!({ "command": "echo 2 > edited.txt; cat edited.txt", "description": "e" });
    task.answer(TaskApprove { updated_input: edited.as_object().cloned(), ..yes(&second.request_id) }).await.unwrap();
    let third = task.asked().await;
    task.answer(no(&third.request_id, None)).await.unwrap();
    let ended = task.end().await;
    assert_eq!(ended.status, TaskStatus::Completed);
    assert_eq!(task.results(), ["Not on my machine.", "2", "Denied by owner."]);
    assert!(kai.program.folder().join("edited.txt").exists());
    let resolved: Vec<&Value> = task.told(TaskEventType::PermissionResolved);
    assert_eq!([&resolved[0]["approved"], &resolved[1]["approved"], &resolved[1]["edited"]], [&json!(false), &json!(true), &json!(true)]);
}

/// known fault 67: none takes the place of another.
#[tokio::test(flavor = "multi_thread")]
async fn several_wait_at_once_and_are_answered_in_any_order_each_once() {
    let kai = node(json!({}));
    let link = kai.link();
    let together = json!([{ "together": [bash("echo a"), bash("echo b"), bash("echo c")] }, { "text": "done" }]);
    let mut task = Watched::dispatch(&link, playing(together)).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(task.asked().await);
    }
    assert_eq!(task.task().await.pending_approvals, asked);
    for n in [1, 2, 0] {
        task.answer(yes(&asked[n].request_id)).await.unwrap();
        let again = task.answer(no(&asked[n].request_id, None)).await.unwrap_err();
        assert_eq!(again.code, Code::AiTaskNoPendingApproval);
    }
    assert_eq!(task.answer(yes("nothing")).await.unwrap_err().code, Code::AiTaskNoPendingApproval);
    let ended = task.end().await;
    assert_eq!((ended.status, task.results()), (TaskStatus::Completed, vec!["b", "c", "a"]));
    assert_eq!(task.answer(yes(&asked[0].request_id)).await.unwrap_err().code, Code::AiTaskNoPendingApproval);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_answers_at_once_one_holds() {
    let kai = node(json!({}));
    let link = kai.link();
    let mut task = Watched::dispatch(&link, playing(json!([bash("echo once >> count.txt")]))).await;
    let asked = task.asked().await;
    let answers = (0..20).map(|n| {
        let answer = if n % 2 == 0 { yes(&asked.request_id) } else { no(&asked.request_id, None) };
        task.answer(answer)
    });
    let held = futures_util::future::join_all(answers).await.into_iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(held, 1);
    task.end().await;
    assert_eq!(task.told(TaskEventType::PermissionResolved).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_is_what_was_chosen_and_nothing_else() {
    let kai = node(json!({}));
    let link = kai.link();
    let rule = json!({ "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": "echo a" }], "behavior": "allow", "destination": "localSettings" });
    let wider = json!({ "type": "setMode", "mode": "acceptEdits", "destination": "session" });
    let suggesting = |line: &str| {
        let mut tool = bash(line);
        tool["suggest"] = json!([wider, rule]);
        tool
    };
    let steps = json!([suggesting("echo a"), bash("echo a"), suggesting("echo b"), { "text": "end" }]);
    let mut task = Watched::dispatch(&link, playing(steps)).await;
    let asked = task.asked().await;
    assert_eq!(asked.suggestions.iter().map(|suggestion| suggestion.wider).collect::<Vec<_>>(), [true, false]);
    task.answer(TaskApprove { remember: Some(Remember::Session), ..yes(&asked.request_id) }).await.unwrap();
    let other = task.asked().await;
    assert_eq!(other.tool_input["command"], "echo b", "the second echo a was not asked for");
    task.answer(yes(&other.request_id)).await.unwrap();
    assert_eq!(task.end().await.status, TaskStatus::Completed);
    let resolved = task.told(TaskEventType::PermissionResolved)[0];
    assert!(resolved["remember"] == "session" && resolved["remembered"].as_str().unwrap().contains("echo a"), "{resolved}");

    let since = task.prompt(&super::script(json!([bash("echo a"), bash("echo b")]))).await;
    let mut more = Watched::follow(&link, task.id.clone(), since).await;
    let asked = more.asked().await;
    assert_eq!(asked.tool_input["command"], "echo b", "the session remembers, also in another process");
    more.answer(yes(&asked.request_id)).await.unwrap();
    more.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answers_is_denied_and_time_stands_still_meanwhile() {
    let kai = node(json!({ "aiTasks": { "approvalTimeout": 1500 } }));
    let link = kai.link();
    let op = TaskCreate { timeout: Some(1000), ..playing(json!([bash("touch never.txt"), { "text": "{{last}}" }])) };
    let mut task = Watched::dispatch(&link, op).await;
    let ended = task.end().await;
    assert_eq!((ended.status, ended.result.as_deref()), (TaskStatus::Completed, Some("Nobody answered within 1 s.")));
    assert_eq!(task.told(TaskEventType::PermissionResolved)[0]["by"], "timeout");
    assert!(!kai.program.folder().join("never.txt").exists());
}

/// known fault 39: who asked for a task answers it, and the owner; nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_and_the_dispatcher_see_and_answer() {
    let more = json!({ "auth": { "allowedKeys": { "zoe": crate::support::sim::pair_key("kai", "zoe") } } });
    let pair = pair(more);
    let (leo, owner) = (pair.leo.link().via("kai"), pair.kai.link());
    let zoe = loopsy::client::Link::new(&loopsy::net::Network::Sockets, pair.kai.address())
        .key(loopsy::base::secret::Secret::new(crate::support::sim::pair_key("kai", "zoe")));
    let mut task = Watched::dispatch(&leo, playing(json!([bash("echo a"), bash("echo b")]))).await;
    let asked = task.asked().await;
    let foreign = Watched { link: &zoe, ..Watched::follow(&leo, task.id.clone(), 0).await };
    assert_eq!(foreign.answer(yes(&asked.request_id)).await.unwrap_err().code, Code::AiTaskNotFound);
    assert!(zoe.call(&TaskList {}).await.unwrap().tasks.is_empty());
    let own = Watched::follow(&owner, task.id.clone(), 0).await;
    own.answer(yes(&asked.request_id)).await.unwrap();
    let asked = task.asked().await;
    let always = TaskApprove { remember: Some(Remember::Always), ..yes(&asked.request_id) };
    assert_eq!(task.answer(always).await.unwrap_err().code, Code::AuthForbidden);
    task.answer(yes(&asked.request_id)).await.unwrap();
    task.end().await;
    let by: Vec<_> = task.told(TaskEventType::PermissionResolved).into_iter().map(|data| data["by"].clone()).collect();
    assert_eq!(by, ["owner", "leo"]);
    let audit = std::fs::read_to_string(pair.kai.program.home().audit_log()).unwrap();
    let answers = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["answer"] == "approved" && line["statusCode"] == 200);
    assert_eq!(answers.map(|line| line["caller"].clone()).collect::<Vec<_>>(), ["owner", "leo"]);
}

/// A question of a session that was not started here.
fn hooked(command: &str) -> TaskHook {
    let input = json!({
        "session_id": "0b7f2d9e-0000-4000-8000-000000000001", "transcript_path": "/x", "cwd": "/home/ann", "permission_mode": "default",
        "hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": { "command": command },
    });
    TaskHook { input: input.as_object().unwrap().clone(), wait: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_not_started_here_asks_through_its_hook() {
    let kai = node(json!({ "aiTasks": { "approvalTimeout": 2000 } }));
    let link = kai.link();
    let attended = async |answer: Option<bool>| {
        let op = hooked("make");
        let asking = link.call(&op);
        let answering = async {
            let task = loop {
                if let Some(task) = link.call(&TaskList {}).await.unwrap().tasks.into_iter().find(|task| !task.pending_approvals.is_empty())
                {
                    break task;
                }
                tokio::task::yield_now().await;
            };
            assert!(task.watched && task.cwd == "/home/ann" && task.status == TaskStatus::WaitingApproval, "{task:?}");
            let watched = Watched::follow(&link, task.task_id, 0).await;
            let request_id = task.pending_approvals[0].request_id.clone();
            if let Some(approved) = answer {
                watched.answer(TaskApprove { approved, ..no(&request_id, Some("not now").filter(|_| !approved)) }).await.unwrap();
            }
        };
        let (hooked, ()) = tokio::join!(asking, answering);
        assert!(link.call(&TaskList {}).await.unwrap().tasks.is_empty());
        hooked.unwrap().output["hookSpecificOutput"]["decision"].clone()
    };
    assert_eq!(attended(Some(true)).await["behavior"], "allow");
    let denied = attended(Some(false)).await;
    assert_eq!((&denied["behavior"], &denied["message"]), (&json!("deny"), &json!("not now")));
    assert_eq!(attended(None).await, Value::Null, "without an answer there is no opinion");

    let op = hooked("left");
    let leaving = link.call(&op);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), leaving).await.is_err());
    let gone = async {
        while !link.call(&TaskList {}).await.unwrap().tasks.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::PATIENCE, gone).await.expect("who leaves asks no more");
    for wrong in [json!({}), json!({ "hook_event_name": "PermissionRequest" }), json!({ "tool_name": 7 })] {
        let op = TaskHook { input: wrong.as_object().unwrap().clone(), wait: None };
        assert_eq!(link.call(&op).await.unwrap_err().code, Code::InvalidRequest);
    }
}
