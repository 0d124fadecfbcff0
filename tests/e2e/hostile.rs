//! One request that used to kill the daemon: it is refused, or served, and the daemon goes on. Known faults 14 to 17.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use loopsy::base::workers::blocking;
use serde_json::json;

use super::lay;
use crate::support::disk::Disk;
use crate::support::node::Node;
use crate::support::process::{skipped, until};
use crate::support::raw::Answer;
use crate::support::sim::OWNER;

async fn push(node: &Node, target: &str, content: &[u8]) -> Answer {
    let head = format!(
        "--cut\r\nContent-Disposition: form-data; name=\"destPath\"\r\n\r\n{target}\r\n\
         --cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
    );
    let body = [head.as_bytes(), content, b"\r\n--cut--\r\n"].concat();
    let bearer = format!("Bearer {OWNER}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "multipart/form-data; boundary=cut")];
    node.raw().send(Method::POST, "/api/v1/transfer/push", &headers, body).await
}

async fn put(node: &Node, target: &str, content: &[u8]) -> Answer {
    let path: String = form_urlencoded::Serializer::new(String::new()).append_pair("path", target).finish();
    let bearer = format!("Bearer {OWNER}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/octet-stream")];
    node.raw().send(Method::PUT, &format!("/api/v1/transfer/file?{path}"), &headers, content.to_vec()).await
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// known fault 14
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_can_t_be_started_is_refused_on_every_route() {
    let node = Node::start("kai", json!({}));
    lay(&node.program.folder().join("file"), b"");
    let cases = [
        (json!({ "command": "echo", "args": ["a\0b"] }), 9003, "args"),
        (json!({ "command": "echo", "cwd": "file" }), 3004, "file"),
        (json!({ "command": "echo", "timeout": 1.5 }), 9003, "timeout"),
        (json!({ "command": "echo", "timeout": -1 }), 9003, "timeout"),
        (json!({ "command": "echo", "timeout": 1e300 }), 9003, "timeout"),
        (json!({ "command": "echo", "env": { "A": "\0" } }), 9003, "env"),
        (json!({ "command": "no-such-program" }), 3004, "no-such-program"),
    ];
    for route in ["/api/v1/execute", "/api/v1/execute/stream"] {
        for (body, code, named) in &cases {
            let answer = node.raw().json(Method::POST, route, OWNER, body).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, *code), "{route} {body}: {answer:?}");
            assert!(answer.json()["error"]["message"].as_str().unwrap().contains(named), "{route} {body}: {answer:?}");
            node.answers().await;
        }
    }
}
/// known fault 15
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_can_t_be_written_is_refused() {
    let node = Node::start("kai", json!({}));
    let home = node.program.folder();
    fs::create_dir_all(home.join("folder/f")).unwrap();
    lay(&home.join("file"), b"old");
    for target in ["folder", "folder/f", "folder/", ".", "", "file/below", "file/"] {
        for answer in [push(&node, target, b"new").await, put(&node, target, b"new").await] {
            assert_eq!((answer.status.as_u16(), answer.code()), (400, 9003), "{target:?}: {answer:?}");
            node.answers().await;
        }
    }
    assert_eq!((names(&home.join("folder")), names(&home.join("folder/f"))), (vec!["f".to_owned()], vec![]));
    assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "old");
}
/// known fault 15
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_permission_is_refused() {
    let node = Node::start("kai", json!({}));
    let closed = node.program.folder().join("closed");
    // Nothing is closed to root but a disk that can't be written.
    let disk = Disk::mount(&closed, "size=1m,ro");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o555)).ok();
    for answer in [push(&node, "closed/new", b"new").await, put(&node, "closed/new", b"new").await] {
        assert_eq!((answer.status.as_u16(), answer.code()), (403, 4001), "{answer:?}");
        node.answers().await;
    }
    assert_eq!(names(&closed), Vec::<String>::new());
    drop(disk);
}

/// known fault 15
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let node = Node::start("kai", json!({}));
    let place = node.program.folder().join("small");
    let Some(disk) = Disk::mount(&place, "size=1m,mode=0777") else {
        return skipped("a small disk can't be mounted by this user");
    };
    let content = vec![7; 3 * 1024 * 1024];
    for answer in [push(&node, "small/big", &content).await, put(&node, "small/big", &content).await] {
        assert_eq!((answer.status.as_u16(), answer.code()), (507, 4006), "{answer:?}");
        node.answers().await;
    }
    assert_eq!(names(disk.place()), Vec::<String>::new());
    assert_eq!(put(&node, "small/fits", b"new").await.status.as_u16(), 200);
}
/// known fault 17
#[tokio::test(flavor = "multi_thread")]
async fn pushes_to_pipes_are_refused_and_block_nothing() {
    let mut node = Node::start("kai", json!({}));
    let home = node.program.folder();
    let made = Command::new("mkfifo").arg(home.join("pipe")).status().unwrap();
    assert!(made.success());
    for _ in 0..4 {
        for answer in [push(&node, "pipe", b"new").await, put(&node, "pipe", b"new").await] {
            assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
        }
        let pulled = node.raw().json(Method::POST, "/api/v1/transfer/pull", OWNER, &json!({ "sourcePath": "pipe" })).await;
        assert_eq!(pulled.status.as_u16(), 400, "{pulled:?}");
    }
    assert_eq!(put(&node, "plain", b"new").await.status.as_u16(), 200);
    node.answers().await;
    let began = Instant::now();
    let mut stop = node.program.command(&["stop"]);
    assert!(blocking(move || stop.status()).await.unwrap().unwrap().success());
    until("the daemon is gone", Duration::from_secs(5).saturating_sub(began.elapsed()), || node.ended().is_some()).await;
}
