//! Fifty sessions at once.

use std::time::Duration;

use serde_json::Value;

use super::{peers, process, states};
use crate::support::process::{Process, heavy, until};
use crate::support::program::Program;

const COUNT: usize = 50;

/// All are there, hear a broadcast, see who was killed, come back, and leave nothing.
#[tokio::test]
async fn heavy_a_fleet_of_fifty_works_and_leaves_nothing() {
    if !heavy() {
        return;
    }
    let leo = Program::ready();
    leo.ok(&["config", "set", "discovery.enabled", "false"]);
    leo.ok(&["start"]);
    leo.ok(&["session", "start-fleet", "--count", "50"]);
    let running = |wanted: usize| states(&leo).iter().filter(|(_, runs)| *runs).count() == wanted;
    assert!(running(COUNT));
    let all: Vec<Process> = (1..=COUNT).map(|number| process(&leo, &format!("worker-{number}"))).collect();
    let online = |of: &[&str]| peers(&leo, of).iter().filter(|(_, status)| status == "online").count();
    assert_eq!((online(&[]), online(&["--session", "worker-50"])), (COUNT, COUNT));

    let sent: Value = serde_json::from_str(&leo.ok(&["message", "send", "*", "good morning", "--json"])).unwrap();
    assert_eq!(sent["to"].as_array().unwrap().len(), COUNT);
    for number in 1..=COUNT {
        let inbox = leo.ok(&["--session", &format!("worker-{number}"), "message", "inbox", "--wait", "10", "--json"]);
        assert!(inbox.contains("good morning"), "worker-{number}: {inbox}");
    }

    for killed in all.iter().step_by(5) {
        killed.signal("KILL");
    }
    let patience = Duration::from_secs(20);
    until("the killed are listed as stopped", patience, || running(COUNT - 10)).await;
    until("and the others know", patience, || online(&["--session", "worker-50"]) == COUNT - 10).await;
    leo.ok(&["session", "start-fleet", "--count", "50"]);
    assert!(running(COUNT) && online(&["--session", "worker-50"]) == COUNT);
    let survivors: Vec<_> = all.iter().filter(|process| process.runs()).collect();
    assert_eq!(survivors.len(), COUNT - 10, "those that ran were left as they were");

    let all: Vec<Process> = (1..=COUNT).map(|number| process(&leo, &format!("worker-{number}"))).collect();
    leo.ok(&["session", "stop-all"]);
    assert!(running(0) && all.iter().all(|process| !process.runs()));
}
