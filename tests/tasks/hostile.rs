//! Agents that lie: whatever they write, the task ends with a reason and the daemon is as it was.

use loopsy::api::tasks::{TaskCreate, TaskDelete, TaskEventType, TaskStatus};
use serde_json::json;

use super::{Watched, assert_failed, node, played, playing};

const MIB: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_told_and_without_a_result_the_task_has_failed() {
    let kai = node(json!({}));
    let link = kai.link();
    let odd = json!([
        { "raw": "hello" }, { "raw": "{\"type\":" }, { "raw": "[[[[" }, { "raw": "null" }, { "raw": "{\"type\":7}" }, { "raw": "\u{1b}[2J\u{7}" },
        { "raw": "{\"type\":\"assistant\",\"message\":{\"content\":\"x\"}}" }, { "raw": "{\"type\":\"control_request\",\"request\":{}}" },
        { "raw": "{\"type\":\"control_request\",\"request_id\":\"r\",\"request\":{\"subtype\":\"can_use_tool\"}}" }, { "stderr": "I give up" },
        { "exit": 3 },
    ]);
    let mut task = Watched::dispatch(&link, playing(odd)).await;
    let ended = task.end().await;
    assert_failed(&ended, "claude ended (exit code 3) without a result: I give up");
    assert!(task.text().contains("hello"), "{:?}", task.events);
    assert_eq!(ended.exit_code, Some(3));
    assert_failed(&played(&link, json!([{ "exit": 0 }])).await, "claude ended (exit code 0) without a result");
    kai.answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_50_mb_and_one_without_end_leave_the_daemon_as_it_was() {
    let kai = node(json!({}));
    let link = kai.link();
    let mut long = Watched::dispatch(&link, playing(json!([{ "bytes": 50 * MIB }, { "raw": "" }, { "text": "still here" }]))).await;
    let ended = long.end().await;
    assert_eq!((ended.status, ended.result.as_deref()), (TaskStatus::Completed, Some("still here")));
    assert!(long.events.iter().map(|event| event.data.to_string().len()).sum::<usize>() < 2 * MIB as usize);
    assert_failed(&played(&link, json!([{ "bytes": 80 * MIB }, { "hang": true }])).await, "a line of more than 64 MiB");
    let peak = kai.process().peak_memory().unwrap();
    assert!(peak < 400 * MIB, "{} MiB", peak / MIB);
    kai.answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_a_flood_ends_as_failed_and_what_is_kept_of_it_is_bounded() {
    if !crate::support::process::heavy() {
        return;
    }
    let kai = node(json!({ "aiTasks": { "maxEvents": 1000, "maxEventBytes": MIB } }));
    let link = kai.link();
    let line = json!({ "type": "system", "subtype": "flood", "text": "x".repeat(20_000) }).to_string();
    let mut task = Watched::dispatch(&link, playing(json!([{ "forever": line }]))).await;
    assert_failed(&task.end().await, "wrote more than 512 MiB");
    let kept = kai.program.home().tasks().join(&task.id).read_dir().unwrap();
    let kept: u64 = kept.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(kept < 2 * MIB, "{kept} bytes on disk");
    assert!(kai.process().peak_memory().unwrap() < 200 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_ends_runs_out_of_time_and_one_that_is_deaf_too() {
    let kai = node(json!({}));
    let link = kai.link();
    for steps in [
        json!([{ "hang": true }]),
        json!([{ "spawn": "trap '' TERM; sleep 600" }, { "tool": "Bash", "free": true, "input": { "command": "sleep 600" } }]),
    ] {
        let op = TaskCreate { timeout: Some(500), ..playing(steps) };
        let mut task = Watched::dispatch(&link, op).await;
        assert_failed(&task.end().await, "it ran out of time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_hundreds_of_questions_gets_a_hundred_before_people() {
    let kai = node(json!({}));
    let link = kai.link();
    let many: Vec<_> = (0..150).map(|_| super::bash("true")).collect();
    let mut task = Watched::dispatch(&link, playing(json!([{ "together": many }]))).await;
    for _ in 0..100 {
        task.asked().await;
    }
    let mut denied = 0;
    while denied < 50 {
        let result = task.until(TaskEventType::ToolResult).await;
        assert!(result.data["content"].as_str().unwrap().contains("too many questions at once"), "{result:?}");
        denied += 1;
    }
    assert_eq!(task.task().await.pending_approvals.len(), 100);
    task.cancel().await;
    assert_eq!(task.end().await.status, TaskStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_floods_is_cancelled_and_runs_out_of_time_like_any_other() {
    let kai = node(json!({}));
    let link = kai.link();
    let forever = || playing(json!([{ "text": "begun" }, { "forever": "{\"type\":\"system\",\"subtype\":\"flood\"}" }]));
    let begun = std::time::Instant::now();
    let limited = link.call(&TaskCreate { timeout: Some(300), ..forever() }).await.unwrap();
    let cancelled = link.call(&forever()).await.unwrap();
    link.call(&TaskDelete { task_id: cancelled.task_id.clone(), ended: None }).await.unwrap();
    let mut cancelled = Watched::follow(&link, cancelled.task_id, 0).await;
    assert_eq!(cancelled.end().await.status, TaskStatus::Cancelled);
    assert_failed(&Watched::follow(&link, limited.task_id, 0).await.end().await, "it ran out of time");
    assert!(begun.elapsed() < super::PATIENCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_behind_and_goes_on_writing_holds_nothing_up() {
    let kai = node(json!({}));
    let link = kai.link();
    for stream in ["1", "2"] {
        let noise = format!("trap '' TERM; while :; do echo x >&{stream}; done");
        let ended = played(&link, json!([{ "spawn": noise }, { "text": "done" }])).await;
        assert_eq!((ended.status, ended.result.as_deref()), (TaskStatus::Completed, Some("done")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_by_the_million_are_not_read_and_long_words_are_cut() {
    let kai = node(json!({}));
    let link = kai.link();
    let many = "x".repeat(900_000);
    let mut task = Watched::dispatch(&link, playing(json!([{ "values": 3_000_000 }, { "text": "end" }]))).await;
    assert_eq!(task.end().await.status, TaskStatus::Completed);
    assert!(task.told(TaskEventType::System).iter().any(|data| data["subtype"] == "unread"), "{:?}", task.events);
    let usage =
        json!({ "type": "result", "subtype": "success", "is_error": false, "result": "r", "usage": { "x": many }, "session_id": "s" });
    let ended = played(&link, json!([{ "raw": usage.to_string() }, { "exit": 0 }])).await;
    assert!(ended.status == TaskStatus::Completed && ended.usage.unwrap().to_string().len() < 32 * 1024);
    let peak = kai.process().peak_memory().unwrap();
    assert!(peak < 400 * MIB, "{} MiB", peak / MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_while_a_task_is_taken_in_takes_no_place_with_it() {
    let kai = node(json!({ "aiTasks": { "maxConcurrent": 2 } }));
    let link = kai.link();
    for _ in 0..40 {
        let op = playing(json!([{ "text": "x" }]));
        let leaving = link.call(&op);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(700), leaving).await;
    }
    // Those who left last may still come in.
    let op = playing(json!([{ "sleep": 100 }]));
    let both = async {
        loop {
            match tokio::join!(link.call(&op), link.call(&op)) {
                (Ok(one), Ok(two)) => return [one, two],
                (one, two) => {
                    for taken in [one, two].into_iter().flatten() {
                        link.call(&TaskDelete { task_id: taken.task_id, ended: None }).await.unwrap();
                    }
                }
            }
        }
    };
    let both = tokio::time::timeout(super::PATIENCE, both).await.expect("all places are given back");
    for taken in both {
        assert_eq!(Watched::follow(&link, taken.task_id, 0).await.end().await.status, TaskStatus::Completed);
    }
}
