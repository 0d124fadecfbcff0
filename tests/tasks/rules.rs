//! What a peer may ask of an agent, and what an agent gets.

use std::time::Duration;

use loopsy::api::tasks::{PermissionMode, TaskCreate, TaskEventType, TaskGet, TaskList, TaskStatus};
use loopsy::base::Code;
use loopsy::home::Home;
use loopsy::platform::files;
use serde_json::json;

use super::{Watched, assert_failed, node, pair, playing};
use crate::support::process::until;
use crate::support::sim::{OWNER, pair_key};

/// known fault 39
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_gets_what_the_owner_allows_and_can_be_trusted_with_more() {
    let pair = pair(json!({}));
    let (leo, owner) = (pair.leo.link().via("kai"), pair.kai.link());
    let widest = || TaskCreate { permission_mode: Some(PermissionMode::BypassPermissions), ..playing(json!([{ "text": "{{args}}" }])) };
    let asked = [
        widest(),
        TaskCreate { additional_args: Some(vec!["--mcp-config=x".into()]), ..playing(json!([])) },
        TaskCreate { untrusted: Some(false), ..playing(json!([])) },
        TaskCreate { resume_session_id: Some("0b7f2d9e-0000-4000-8000-000000000000".into()), ..playing(json!([])) },
    ];
    for op in asked {
        assert_eq!(leo.call(&op).await.unwrap_err().code, Code::AuthForbidden, "{op:?}");
    }
    let mut own = Watched::dispatch(&owner, widest()).await;
    own.end().await;
    assert!(own.text().contains("--permission-mode=bypassPermissions") && !own.text().contains("--setting-sources"), "{}", own.text());
    let mut theirs = Watched::dispatch(&leo, playing(json!([{ "text": "{{args}}" }]))).await;
    theirs.end().await;
    assert!(theirs.text().contains("--permission-mode=default") && theirs.text().contains("--strict-mcp-config"), "{}", theirs.text());
    pair.kai.program.ok(&["config", "set", "aiTasks.trustedPeers", "[leo]"]);
    let mut trusted = Watched::dispatch(&leo, widest()).await;
    assert_eq!(trusted.end().await.status, TaskStatus::Completed);
}

/// known faults 23 and 34: no key is in an agent's arguments, its environment or what is kept of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_no_key_and_nothing_of_another_agents_environment() {
    let kai = node(json!({}));
    let link = kai.link();
    let mut task = Watched::dispatch(&link, playing(json!([{ "text": "{{args}}\n{{env}}" }]))).await;
    task.end().await;
    let said = task.text();
    assert!(said.contains(&format!("LOOPSY_TASK={}", task.id)) && said.contains("LOOPSY_DATA_DIR="), "{said}");
    let kept = std::fs::read_dir(Home::at(kai.program.home().root()).tasks().join(&task.id)).unwrap();
    let kept: String = kept.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    for secret in [OWNER.to_owned(), pair_key("kai", "leo"), "<fake>".into()] {
        assert!(!said.contains(&secret), "{secret}");
    }
    assert!(!kept.contains(OWNER) && kept.contains("<fake>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_loses_its_permission_loses_its_tasks() {
    let pair = pair(json!({}));
    let (leo, owner) = (pair.leo.link().via("kai"), pair.kai.link());
    let theirs = leo.call(&playing(json!([{ "hang": true }]))).await.unwrap();
    let own = owner.call(&playing(json!([{ "hang": true }]))).await.unwrap();
    let mut theirs = Watched::follow(&owner, theirs.task_id, 0).await;
    pair.kai.program.ok(&["config", "set", "auth.permissions.leo", "[context]"]);
    let ended = theirs.end().await;
    assert!(ended.status == TaskStatus::Cancelled && ended.error.as_deref().unwrap().contains("owner"), "{ended:?}");
    let own = Watched::follow(&owner, own.task_id, 0).await;
    assert_eq!(own.task().await.status, TaskStatus::Running);
    assert_eq!(leo.call(&playing(json!([]))).await.unwrap_err().code, Code::AuthForbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_gets_another_name_keeps_its_tasks() {
    let mut pair = pair(json!({}));
    let leo = pair.leo.link().via("kai");
    let ended = super::played(&leo, json!([{ "text": "x" }])).await;
    let mut task = Watched::dispatch(&leo, playing(json!([{ "text": "y" }, { "hang": true }]))).await;
    task.until(TaskEventType::Text).await;
    let config = pair.kai.program.config().replace("\"leo\"", "\"lea\"");
    files::write_private(&pair.kai.program.home().config(), config.as_bytes()).unwrap();
    let renamed = async {
        let owner = pair.kai.link();
        while owner.call(&TaskList {}).await.unwrap().tasks.iter().any(|task| task.peer.as_deref() != Some("lea")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::PATIENCE, renamed).await.expect("the task is the renamed peer's");
    assert_eq!(task.task().await.status, TaskStatus::Running);
    let listed = leo.call(&TaskList {}).await.unwrap().tasks;
    assert_eq!(listed.iter().map(|task| task.peer.as_deref()).collect::<Vec<_>>(), [Some("lea"); 2]);
    pair.kai.kill();
    pair.kai.again();
    let kept = pair.kai.link().call(&TaskGet { task_id: ended.task_id }).await.unwrap();
    assert_eq!((kept.peer.as_deref(), kept.status), (Some("lea"), TaskStatus::Completed));
}

/// A session has what its machine has, and keeps it, whatever else is changed.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_sessions_last_as_long_as_the_trust_in_their_machine() {
    let pair = pair(json!({}));
    let (kai, leo) = (&pair.kai.program, &pair.leo.program);
    let hang = super::script(json!([{ "hang": true }]));
    for (program, target) in [(kai, "kai/main"), (leo, "kai")] {
        program.ok(&["session", "start", "worker-1"]);
        let dispatched = || program.run(&["--session", "worker-1", "task", "run", "--detach", target, &hang]).code == 0;
        until("the session's task is taken", super::PATIENCE, dispatched).await;
    }
    let owner = pair.kai.link();
    let whose = || async {
        let tasks = owner.call(&TaskList {}).await.unwrap().tasks;
        let mut live: Vec<_> = tasks.into_iter().filter(|task| !task.status.has_ended()).filter_map(|task| task.peer).collect();
        live.sort();
        live
    };
    assert_eq!(whose().await, ["kai/worker-1", "leo"]);
    for (change, left) in [
        (&["config", "set", "logging.level", "debug"][..], &["kai/worker-1", "leo"][..]),
        (&["peers", "rename", "leo", "lea"], &["kai/worker-1", "lea"]),
        (&["config", "set", "auth.permissions.lea", "[context]"], &["kai/worker-1"]),
    ] {
        kai.ok(change);
        let done = async {
            while whose().await != left {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, done).await.unwrap_or_else(|_| panic!("{change:?}"));
    }
    kai.ok(&["config", "set", "logging.level", "info"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(whose().await, ["kai/worker-1"]);
    for program in [kai, leo] {
        program.ok(&["session", "stop-all"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_can_not_be_started_fails_with_its_reason() {
    let kai = node(json!({}));
    let broken = kai.program.folder().join("broken");
    files::write_private(&broken, b"#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_file(kai.program.folder().join("bin/claude")).unwrap();
    kai.program.install("claude", Some(&broken));
    let link = kai.link();
    let mut task = Watched::dispatch(&link, playing(json!([]))).await;
    assert_failed(&task.end().await, "claude is not a program that may be run here");
}
