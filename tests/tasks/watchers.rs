//! Readers that come and go: each sees every event once, in order.

use futures_util::StreamExt;
use futures_util::future::join_all;
use loopsy::api::tasks::{TaskEventType, TaskEvents, TaskStatus, TaskStream};
use loopsy::client::Link;
use serde_json::json;

use super::{Watched, node, playing};
use crate::support::dice::Dice;
use crate::support::process::heavy;

/// Follows a task to its end over connections that it drops again and again; answers the numbers that it saw.
async fn restless(link: Link, task_id: String) -> Vec<u64> {
    let (mut dice, mut seen) = (Dice::new(), Vec::new());
    loop {
        let since = seen.last().copied();
        let mut stream = link.call(&TaskStream { task_id: task_id.clone(), since }).await.unwrap();
        let patience = dice.below(200) + 1;
        for _ in 0..patience {
            match stream.next().await {
                Some(event) => {
                    let event = event.unwrap();
                    seen.push(event.seq);
                    if event.kind == TaskEventType::Exit {
                        return seen;
                    }
                }
                None => return seen,
            }
        }
    }
}

/// So many readers of a task with so many bursts of events.
async fn restless_readers(readers: usize, bursts: usize) {
    let kai = node(json!({}));
    let link = kai.link();
    let bursts: Vec<_> =
        (0..bursts).flat_map(|n| [json!({ "flood": 60 }), json!({ "text": n.to_string() }), json!({ "sleep": 10 })]).collect();
    let task_id = link.call(&playing(json!(bursts))).await.unwrap().task_id;
    let readers = (0..readers).map(|_| restless(kai.link(), task_id.clone()));
    let seen = join_all(readers).await;
    let last = Watched::follow(&link, task_id, 0).await.end().await.last_event;
    assert!(last > 60 * 5);
    let all: Vec<u64> = (1..=last).collect();
    for (reader, seen) in seen.iter().enumerate() {
        assert_eq!(seen, &all, "reader {reader}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restless_readers_see_every_event_once_and_in_order() {
    restless_readers(20, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_fifty_restless_readers_see_every_event_once_and_in_order() {
    if heavy() {
        restless_readers(50, 30).await;
    }
}

/// So many events of a task keep to the bounds of the configuration, and a reader who comes late is told.
async fn flooded(events: u64, most: u64) {
    let kai = node(json!({ "aiTasks": { "maxEvents": most } }));
    let link = kai.link();
    let mut task = Watched::dispatch(&link, playing(json!([{ "flood": events }, { "text": "end" }]))).await;
    let ended = task.end().await;
    assert!(ended.status == TaskStatus::Completed && ended.last_event > events);
    let history = link.call(&TaskEvents { task_id: task.id.clone(), since: None }).await.unwrap();
    assert_eq!(history.count, history.events.len() as u64);
    assert!(history.count <= most && history.events.last().unwrap().seq == ended.last_event);
    let mut late = Watched::follow(&link, task.id.clone(), 5).await;
    late.end().await;
    let skipped = &late.events[0];
    assert_eq!((skipped.data["subtype"].as_str(), skipped.seq + 1), (Some("skipped"), late.events[1].seq));
    let kept = kai.program.home().tasks().join(&task.id).read_dir().unwrap();
    let kept: u64 = kept.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(kept < 9 << 20, "{kept} bytes on disk");
    let peak = kai.process().peak_memory().unwrap() >> 20;
    assert!(peak < 128, "{peak} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_keep_to_the_bounds_and_a_late_reader_is_told() {
    flooded(10_000, 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_a_hundred_thousand_events_keep_to_the_bounds_and_a_late_reader_is_told() {
    if heavy() {
        flooded(100_000, 10_000).await;
    }
}
