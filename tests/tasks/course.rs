//! The course of a task: from the prompt to the answer, and on.

use loopsy::api::node::StatusGet;
use loopsy::api::tasks::{TaskCreate, TaskDelete, TaskEventType, TaskGet, TaskInterrupt, TaskList, TaskPrompt, TaskStatus};
use loopsy::base::Code;
use serde_json::json;

use super::{Watched, assert_failed, bash, node, pair, playing, script, yes};

/// known fault 11: tools and their results are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_peers_agent_is_dispatched_watched_answered_and_gone_on_with() {
    let pair = pair(json!({}));
    let link = pair.leo.link().via("kai");
    let folder = tempfile::tempdir().unwrap();
    let steps = json!([
        { "think": "hm" }, { "text": "I will look." }, bash("pwd && echo hi > out.txt && cat out.txt"), { "text": "It said {{last}}." }
    ]);
    let op = TaskCreate { cwd: Some(folder.path().display().to_string()), name: Some("a look".into()), ..playing(steps) };
    let mut task = Watched::dispatch(&link, op).await;
    let asked = task.asked().await;
    let waiting = task.task().await;
    assert_eq!(
        (waiting.status, waiting.pending_approval.as_ref(), waiting.pending_approvals.len()),
        (TaskStatus::WaitingApproval, Some(&asked), 1)
    );
    assert_eq!((asked.tool_name.as_str(), &asked.tool_input["description"]), ("Bash", &json!("d")));
    assert!(!folder.path().join("out.txt").exists());
    task.answer(yes(&asked.request_id)).await.unwrap();
    let ended = task.end().await;

    let real = folder.path().canonicalize().unwrap();
    assert_eq!((ended.status, ended.exit_code, ended.error.as_ref()), (TaskStatus::Completed, Some(0), None));
    assert_eq!(ended.result.as_deref(), Some(&*format!("It said {}\nhi.", real.display())));
    assert_eq!(
        (ended.cost, ended.turns, ended.peer.as_deref(), ended.model.as_deref()),
        (Some(0.25), Some(1), Some("leo"), Some("fake-1"))
    );
    assert!(ended.untrusted && ended.session_id.is_some() && ended.pid.is_none() && ended.pending_approvals.is_empty());
    assert_eq!(std::fs::read_to_string(folder.path().join("out.txt")).unwrap(), "hi\n");
    assert_eq!(task.told(TaskEventType::Thinking), [&json!("hm")]);
    assert_eq!(task.told(TaskEventType::ToolUse)[0]["name"], "Bash");
    assert_eq!(task.results(), [format!("{}\nhi", real.display())]);
    let resolved = task.told(TaskEventType::PermissionResolved)[0];
    assert!(resolved["approved"] == true && resolved["by"] == "leo", "{resolved}");
    let numbers: Vec<u64> = task.events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=ended.last_event).collect::<Vec<_>>());

    let since = task.prompt(&script(json!([{ "text": "again in {{args}}" }]))).await;
    assert_eq!(since, ended.last_event);
    let mut more = Watched::follow(&link, task.id.clone(), since).await;
    let again = more.end().await;
    let session = ended.session_id.unwrap();
    assert!(more.text().contains(&format!("--resume={session}")) && again.session_id == Some(session), "{again:?}");
    assert_eq!(again.status, TaskStatus::Completed);
    let all = Watched::follow(&link, task.id.clone(), 0).await.end().await;
    assert_eq!(all.last_event, again.last_event, "a stream of all of it goes on past the first end");
    let listed = link.call(&TaskList {}).await.unwrap().tasks;
    assert_eq!((listed.len(), listed[0].name.as_deref()), (1, Some("a look")));
    let deleted = link.call(&TaskDelete { task_id: task.id.clone(), ended: None }).await.unwrap();
    assert!(deleted.deleted && pair.kai.link().call(&TaskList {}).await.unwrap().tasks.is_empty());
    assert_eq!(link.call(&TaskGet { task_id: task.id.clone() }).await.unwrap_err().code, Code::AiTaskNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_reaches_an_agent_at_work_and_an_interruption_stops_it_but_not_the_session() {
    let kai = node(json!({}));
    let link = kai.link();
    let mut task = Watched::dispatch(&link, playing(json!([{ "text": "first" }, { "sleep": 200 }]))).await;
    task.until(TaskEventType::Text).await;
    task.prompt("and more").await;
    let ended = task.end().await;
    assert_eq!((ended.result.as_deref(), ended.turns), (Some("echo: and more"), Some(2)));

    for steps in [json!([{ "text": "x" }, { "hang": true }]), json!([{ "text": "x" }, bash("true")])] {
        let mut task = Watched::dispatch(&link, playing(steps)).await;
        task.until(TaskEventType::Text).await;
        link.call(&TaskInterrupt { task_id: task.id.clone() }).await.unwrap();
        let ended = task.end().await;
        assert_eq!((ended.status, ended.error.as_deref()), (TaskStatus::Cancelled, Some("interrupted")), "{ended:?}");
        assert!(ended.pending_approvals.is_empty());
        let since = task.prompt("still there?").await;
        let again = Watched::follow(&link, task.id.clone(), since).await.end().await;
        assert_eq!(again.result.as_deref(), Some("echo: still there?"));
        assert_eq!(link.call(&TaskInterrupt { task_id: task.id.clone() }).await.unwrap_err().code, Code::AiTaskAlreadyCompleted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_interrupted_and_told_something_else_has_done_that() {
    let kai = node(json!({}));
    let link = kai.link();
    let mut task = Watched::dispatch(&link, playing(json!([{ "text": "x" }, { "hang": true }]))).await;
    task.until(TaskEventType::Text).await;
    link.call(&TaskInterrupt { task_id: task.id.clone() }).await.unwrap();
    let since = task.prompt("do this instead").await;
    let ended = Watched::follow(&link, task.id.clone(), since).await.end().await;
    assert_eq!((ended.status, ended.result.as_deref()), (TaskStatus::Completed, Some("echo: do this instead")), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_or_waits_its_turn() {
    let kai = node(json!({ "aiTasks": { "maxConcurrent": 1, "maxQueued": 2 } }));
    let link = kai.link();
    let hang = || playing(json!([{ "hang": true }]));
    let first = link.call(&hang()).await.unwrap();
    let full = link.call(&hang()).await.unwrap_err();
    assert!(full.code == Code::AiTaskMaxConcurrent && full.hint.as_deref().unwrap().contains("--queue"), "{full}");
    let queued = |steps| TaskCreate { queue: Some(true), ..playing(steps) };
    let second = link.call(&queued(json!([{ "text": "second" }]))).await.unwrap();
    let third = link.call(&queued(json!([{ "text": "third" }]))).await.unwrap();
    assert_eq!([second.status, third.status], [TaskStatus::Pending; 2]);
    assert_eq!(link.call(&queued(json!([]))).await.unwrap_err().code, Code::AiTaskMaxConcurrent);
    let counts = link.call(&StatusGet {}).await.unwrap().ai_tasks.unwrap();
    assert_eq!((counts.active, counts.pending, counts.total), (1, 2, 3));
    link.call(&TaskDelete { task_id: second.task_id.clone(), ended: None }).await.unwrap();
    let mut second = Watched::follow(&link, second.task_id, 0).await;
    assert_eq!(second.end().await.status, TaskStatus::Cancelled);
    let mut third = Watched::follow(&link, third.task_id, 0).await;
    link.call(&TaskDelete { task_id: first.task_id, ended: None }).await.unwrap();
    let ended = third.end().await;
    assert_eq!((ended.status, ended.result.as_deref()), (TaskStatus::Completed, Some("third")));
    let statuses: Vec<_> = third.told(TaskEventType::Status).into_iter().map(|data| data["status"].clone()).collect();
    assert_eq!(statuses, ["pending", "running"]);
}

/// known fault 67: what has ended is forgotten in its time.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_that_have_ended_are_forgotten_with_what_they_did() {
    let kai = node(json!({ "aiTasks": { "maxTasks": 2 } }));
    let link = kai.link();
    let mut ids = Vec::new();
    for n in 0..4 {
        let mut task = Watched::dispatch(&link, playing(json!([{ "text": n.to_string() }]))).await;
        task.end().await;
        ids.push(task.id);
    }
    let kept = || kai.program.home().tasks().read_dir().unwrap().count();
    crate::support::process::until("two are kept", super::PATIENCE, || kept() == 2).await;
    let listed: Vec<_> = link.call(&TaskList {}).await.unwrap().tasks.into_iter().map(|task| task.task_id).collect();
    assert_eq!(listed, [ids[3].clone(), ids[2].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_leaves_no_task() {
    let kai = node(json!({}));
    let link = kai.link();
    let wrong = [
        (TaskCreate { prompt: String::new(), ..TaskCreate::default() }, Code::InvalidRequest),
        (TaskCreate { cwd: Some("/no/such/folder".into()), ..playing(json!([])) }, Code::InvalidRequest),
        (TaskCreate { agent: Some("nobody".into()), ..playing(json!([])) }, Code::InvalidRequest),
        (TaskCreate { model: Some("--help".into()), ..playing(json!([])) }, Code::InvalidRequest),
    ];
    for (op, code) in wrong {
        let error = link.call(&op).await.unwrap_err();
        assert_eq!(error.code, code, "{error:?}");
    }
    for unknown in ["nothing", "../../config", "%2e%2e", &"x".repeat(5000)] {
        assert_eq!(link.call(&TaskGet { task_id: unknown.into() }).await.unwrap_err().code, Code::AiTaskNotFound, "{unknown}");
        assert_eq!(
            link.call(&TaskDelete { task_id: unknown.into(), ended: None }).await.unwrap_err().code,
            Code::AiTaskNotFound,
            "{unknown}"
        );
        let prompt = TaskPrompt { task_id: unknown.into(), prompt: "x".into() };
        assert_eq!(link.call(&prompt).await.unwrap_err().code, Code::AiTaskNotFound, "{unknown}");
    }
    assert!(link.call(&TaskList {}).await.unwrap().tasks.is_empty());
    let mut failed = Watched::dispatch(&link, playing(json!([{ "fail": "the model is on holiday" }]))).await;
    assert_failed(&failed.end().await, "the model is on holiday");
    std::fs::remove_file(kai.program.folder().join("bin/claude")).unwrap();
    let missing = link.call(&playing(json!([]))).await.unwrap_err();
    assert!(missing.code == Code::AiTaskAgentNotFound && missing.hint.as_deref().unwrap().contains("npm install"), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_means_to_cancel_deletes_nothing_and_the_other_way_round() {
    let kai = node(json!({}));
    let link = kai.link();
    let mut task = Watched::dispatch(&link, playing(json!([{ "text": "kept" }, { "sleep": 300 }]))).await;
    let delete = |ended| TaskDelete { task_id: task.id.clone(), ended: Some(ended) };
    let (cancel, forget) = (delete(false), delete(true));
    assert_eq!(link.call(&forget).await.unwrap_err().code, Code::InvalidRequest);
    assert_eq!(task.end().await.result.as_deref(), Some("kept"));
    assert_eq!(link.call(&cancel).await.unwrap_err().code, Code::AiTaskAlreadyCompleted);
    assert_eq!(task.task().await.result.as_deref(), Some("kept"));
    assert!(link.call(&forget).await.unwrap().deleted);
}
