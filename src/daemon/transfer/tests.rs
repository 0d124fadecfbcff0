//! Transfers between the client's half and the server's, over real connections, some of which are cut.
#![expect(clippy::disallowed_methods, reason = "tests put files of other programs in place")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::api::node::CAPABILITIES;
use crate::base::secret::Secret;
use crate::base::sync::lock;
use crate::base::workers::Workers;
use crate::base::{Code, hash};
use crate::client::Link;
use crate::client::files::{self as client, Progress, Synced};
use crate::daemon::run::{self, Running};
use crate::home::Home;
use crate::net::{Address, Network};
use crate::platform::files as disk;
use crate::platform::process::Guard;

const KEY: &str = "owner-key-0123456789abcdef";

struct House {
    root: PathBuf,
    running: Running,
    workers: Workers,
    _keep: tempfile::TempDir,
}

/// A daemon on loopback; `here` and `there` are folders for the two sides.
async fn house(transfer: &str) -> House {
    let keep = tempfile::tempdir().unwrap();
    let root = keep.path().canonicalize().unwrap();
    fs::create_dir(root.join("here")).unwrap();
    fs::create_dir(root.join("there")).unwrap();
    let config = format!(
        "server: {{host: 127.0.0.1, port: 0, hostname: kai}}\nauth: {{apiKey: {KEY}}}\ndiscovery: {{enabled: false}}\n\
         transfer:\n  allowedPaths: [{:?}]\n{transfer}",
        root.join("there")
    );
    disk::write_private(&root.join("data/config.yaml"), config.as_bytes()).unwrap();
    let running = run::start(Home::at(root.join("data")), Network::Sockets, Guard::start().unwrap()).await.unwrap();
    House { root, running, workers: Workers::default(), _keep: keep }
}

impl House {
    fn here(&self, name: &str) -> PathBuf {
        self.root.join("here").join(name)
    }
    fn there(&self, name: &str) -> PathBuf {
        self.root.join("there").join(name)
    }
    fn far(&self, name: &str) -> String {
        self.there(name).display().to_string()
    }
    fn files(&self) -> client::Files {
        self.files_at(self.running.ready.port, CAPABILITIES, |_| {})
    }
    fn files_at(&self, port: u16, capabilities: &[&str], watch: impl Fn(Progress) + Send + Sync + 'static) -> client::Files {
        let address = Address::new("127.0.0.1", port).unwrap();
        let capabilities: Vec<String> = capabilities.iter().map(|word| (*word).to_owned()).collect();
        client::Files::new(Link::new(&Network::Sockets, address).key(Secret::new(KEY)), &capabilities, Arc::new(watch))
    }
    async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (StatusCode, http::HeaderMap, Vec<u8>) {
        let pool = crate::client::connector::Pool::loopback(&Network::Sockets);
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}/api/v1{target}", self.running.ready.port))
            .header("authorization", format!("Bearer {KEY}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        let (parts, body) = pool.request(request.body(body).unwrap()).await.unwrap().into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }
    async fn json(&self, target: &str, body: Value) -> (StatusCode, Value) {
        let (status, _, body) = self.send(Method::POST, target, &[("content-type", "application/json")], body.to_string().into()).await;
        (status, serde_json::from_slice(&body).unwrap())
    }
    async fn form(&self, parts: &[&str]) -> (StatusCode, Value) {
        let body =
            parts.iter().map(|part| format!("--XX\r\nContent-Disposition: form-data; {part}\r\n")).collect::<String>() + "--XX--\r\n";
        let (status, _, body) =
            self.send(Method::POST, "/transfer/push", &[("content-type", "multipart/form-data; boundary=XX")], body.into()).await;
        (status, serde_json::from_slice(&body).unwrap())
    }
    /// A way to the daemon on which each connection is cut after so many bytes in one direction, each number once.
    async fn cutting(&self, up: Vec<usize>, down: Vec<usize>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, workers) = (self.running.ready.port, self.workers.clone());
        let cuts = Arc::new((Mutex::new(up), Mutex::new(down)));
        self.workers.spawn_until_stop("cutting", async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let cuts = cuts.clone();
                workers.spawn_until_stop("cut", async move {
                    let (near, far) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = pass(near.0, far.1, &cuts.0) => {}
                        () = pass(far.0, near.1, &cuts.1) => {}
                    }
                });
            }
        });
        port
    }
}

/// Copies until the end, or until the first number of `cuts` is reached, which is then taken out.
async fn pass(mut from: impl tokio::io::AsyncRead + Unpin, mut to: impl tokio::io::AsyncWrite + Unpin, cuts: &Mutex<Vec<usize>>) {
    let (mut passed, mut buffer) = (0, vec![0; 16 * 1024]);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        passed += count;
        let mut cuts = lock(cuts);
        if cuts.first().is_some_and(|cut| passed >= *cut) {
            cuts.remove(0);
            return;
        }
    }
}

fn content(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

fn sha(content: &[u8]) -> String {
    let mut sum = hash::Sha256::default();
    sum.update(content);
    sum.finish()
}

#[test]
fn ranges_are_read_and_nonsense_is_refused() {
    assert_eq!(content_range("bytes 5-9/10").unwrap(), (5, 10));
    for bad in ["bytes 5-8/10", "bytes 9-5/10", "5-9/10", "bytes 5-9/*", "bytes -5-9/10", "bytes +5-9/10", "bytes 0-18446744073709551615/0"]
    {
        assert!(content_range(bad).is_err(), "{bad}");
    }
    assert_eq!(open_range("bytes=7-"), Some(7));
    for other in ["bytes=7-9", "bytes=-7", "bytes=1-,3-", "lines=7-", "bytes=", "bytes=99999999999999999999-"] {
        assert_eq!(open_range(other), None, "{other}");
    }
    assert_eq!(octal("0644").unwrap(), 0o644);
    for bad in ["", "8", "-1", "+1", "rw", "10000"] {
        assert!(octal(bad).is_err(), "{bad}");
    }
}

/// known fault 57
#[tokio::test]
async fn a_form_is_taken_with_its_fields_in_any_order() {
    let house = house("").await;
    let target = |name: &str| format!("name=\"destPath\"\r\n\r\n{}", house.far(name));
    let file = "name=\"upload\"; filename=\"C:\\x\\né.txt\"\r\nContent-Type: text/plain\r\n\r\nhello";
    for parts in [[target("a/x").as_str(), file], [file, target("a/x").as_str()]] {
        let (status, answer) = house.form(&parts).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!((answer["path"].as_str(), answer["size"].as_u64()), (Some(house.far("a/x").as_str()), Some(5)));
        assert_eq!(answer["checksum"], sha(b"hello"));
        assert!(answer["duration"].is_u64());
        assert_eq!(fs::read(house.there("a/x")).unwrap(), b"hello");
    }
    for parts in [vec![&*target(""), file], vec![file, &*target("")], vec![file], vec![&*target("x")], vec![]] {
        let (status, answer) = house.form(&parts).await;
        assert_eq!((status, answer["error"]["code"].as_u64()), (StatusCode::BAD_REQUEST, Some(9003)));
    }
    let (status, _, _) = house.send(Method::POST, "/transfer/push", &[("content-type", "text/plain")], b"x".to_vec()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let half = format!("--XX\r\nContent-Disposition: form-data; {}\r\n--XX\r\nContent-Disposition: form-data; {file}", target("half"));
    let kind = [("content-type", "multipart/form-data; boundary=XX")];
    let (status, _, _) = house.send(Method::POST, "/transfer/push", &kind, half.into()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(!house.there("half").exists());
    assert_eq!(fs::read_dir(house.root.join("data")).unwrap().filter(is_part).count(), 0, "nothing is left aside");
}

fn is_part(entry: &std::io::Result<fs::DirEntry>) -> bool {
    disk::is_part_name(&entry.as_ref().unwrap().file_name().to_string_lossy())
}

#[tokio::test]
async fn pull_and_list_speak_as_the_node_version() {
    let house = house("").await;
    fs::write(house.there("é.txt"), "hello").unwrap();
    let kind = [("content-type", "application/json")];
    let body = json!({ "sourcePath": house.far("é.txt") }).to_string();
    let (status, headers, content) = house.send(Method::POST, "/transfer/pull", &kind, body.into()).await;
    assert_eq!((status, content.as_slice()), (StatusCode::OK, b"hello".as_slice()));
    assert_eq!(headers["content-type"], "application/octet-stream");
    assert_eq!(headers["x-loopsy-file-size"], "5");
    assert!(headers["content-disposition"].to_str().unwrap().contains("filename*=UTF-8''%C3%A9.txt"));
    let (status, answer) = house.json("/transfer/list", json!({ "path": house.far("") })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["files"][0]["name"], "é.txt");
    assert_eq!((&answer["files"][0]["type"], &answer["files"][0]["size"]), (&json!("file"), &json!(5)));
    assert!(answer["files"][0]["modified"].as_i64().unwrap() > 1_600_000_000_000);
    for (route, body) in [("pull", json!({ "sourcePath": house.far("no") })), ("list", json!({ "path": house.far("no") }))] {
        let (status, answer) = house.json(&format!("/transfer/{route}"), body).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!(4002)));
    }
}

#[tokio::test]
async fn a_file_goes_there_and_back_with_all_that_belongs_to_it() {
    let house = house("").await;
    let sent = content(5_000_000);
    fs::write(house.here("x"), &sent).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    let files = house.files_at(house.running.ready.port, CAPABILITIES, move |progress| lock(&note).push(progress));
    let received = files.push(&house.here("x"), &house.far("")).await.unwrap();
    assert_eq!((received.path, received.checksum), (house.far("x"), sha(&sent)));
    assert_eq!(lock(&seen).last(), Some(&Progress { done: 5_000_000, total: Some(5_000_000) }));
    let (path, arrived) = files.pull(&house.far("x"), &house.here("back/")).await.unwrap();
    assert_eq!((path, arrived.checksum), (house.here("back/x"), sha(&sent)));
    let (before, after) = (fs::metadata(house.here("x")).unwrap(), fs::metadata(house.here("back/x")).unwrap());
    assert_eq!((before.mode(), before.mtime()), (after.mode(), after.mtime()));

    files.push_stream(std::io::Cursor::new(b"from stdin".to_vec()), Some("s"), &house.far("")).await.unwrap();
    let mut out = Vec::new();
    let arrived = files.pull_stream(&house.far("s"), &mut out).await.unwrap();
    assert_eq!((out.as_slice(), arrived.checksum), (b"from stdin".as_slice(), sha(b"from stdin")));
}

#[tokio::test]
async fn a_node_peer_is_sent_forms() {
    let house = house("").await;
    fs::write(house.here("a \"b\".txt"), content(300_000)).unwrap();
    let files = house.files_at(house.running.ready.port, &["execute", "transfer"], |_| {});
    let received = files.push(&house.here("a \"b\".txt"), &house.far("y")).await.unwrap();
    assert_eq!(received.checksum, sha(&content(300_000)));
    assert_eq!(files.push_tree(&house.here(""), &house.far("")).await.unwrap_err().code, Code::InvalidRequest);
}

/// known faults 15 and 40
#[tokio::test]
async fn a_refusal_reaches_the_sender_whatever_he_still_has_to_send() {
    let house = house("  maxFileSize: 3000000\n").await;
    fs::write(house.here("big"), content(8_000_000)).unwrap();
    fs::create_dir(house.there("folder.d")).unwrap();
    for _ in 0..5 {
        for (files, target, code) in [
            (house.files(), house.far("big"), Code::TransferTooLarge),
            (house.files(), "/etc/x".to_owned(), Code::TransferPathDenied),
            (house.files_at(house.running.ready.port, &[], |_| {}), house.far("big"), Code::TransferTooLarge),
            (house.files_at(house.running.ready.port, &[], |_| {}), "/etc/x".to_owned(), Code::TransferPathDenied),
        ] {
            let error = files.push(&house.here("big"), &target).await.unwrap_err();
            assert_eq!(error.code, code, "{error}");
        }
    }
    assert_eq!(house.files().pull(&house.far("none"), &house.here("n")).await.unwrap_err().code, Code::TransferFileNotFound);
    assert_eq!(fs::read_dir(house.there("")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_push_goes_on_after_each_break() {
    let house = house("").await;
    let sent = content(9_000_000);
    fs::write(house.here("x"), &sent).unwrap();
    let port = house.cutting(vec![2_000_000, 4_500_000, 100_000], vec![]).await;
    let through = Arc::new(AtomicU64::new(0));
    let (note, last) = (through.clone(), AtomicU64::new(0));
    let files = house.files_at(port, CAPABILITIES, move |progress| {
        let before = last.swap(progress.done, Ordering::Relaxed);
        note.fetch_add(progress.done.saturating_sub(before), Ordering::Relaxed);
    });
    let received = files.push(&house.here("x"), &house.far("x")).await.unwrap();
    assert_eq!(received.checksum, sha(&sent));
    assert_eq!(fs::read(house.there("x")).unwrap(), sent);
    assert_eq!(fs::read_dir(house.there("")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_pull_goes_on_after_each_break() {
    let house = house("").await;
    let sent = content(9_000_000);
    fs::write(house.there("x"), &sent).unwrap();
    fs::write(house.here("x"), "old").unwrap();
    let port = house.cutting(vec![], vec![2_000_000, 4_500_000, 100_000]).await;
    let files = house.files_at(port, CAPABILITIES, |_| {});
    let (path, arrived) = files.pull(&house.far("x"), &house.here("x")).await.unwrap();
    assert_eq!(arrived.checksum, sha(&sent));
    assert_eq!(fs::read(path).unwrap(), sent);
    assert_eq!(fs::read_dir(house.here("")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_folder_is_sent_once_and_then_only_what_differs() {
    let house = house("").await;
    for (path, content) in [("t/a/one", "1"), ("t/a/two", "22"), ("t/three", "333")] {
        fs::create_dir_all(house.here(path).parent().unwrap()).unwrap();
        fs::write(house.here(path), content).unwrap();
    }
    std::os::unix::fs::symlink("a/one", house.here("t/link")).unwrap();
    let files = house.files();
    let all = Synced { entries: 5, same: 0, files: 3, links: 1, size: 6, vanished: 0 };
    let nothing = Synced { same: 5, files: 0, links: 0, size: 0, ..all.clone() };
    assert_eq!(files.push_tree(&house.here("t"), &house.far("t")).await.unwrap(), all);
    assert_eq!(files.push_tree(&house.here("t"), &house.far("t")).await.unwrap(), nothing);
    assert_eq!(files.pull_tree(&house.far("t"), &house.here("back")).await.unwrap(), all);
    assert_eq!(files.pull_tree(&house.far("t"), &house.here("back")).await.unwrap(), nothing);
    assert_eq!(fs::read(house.here("back/a/two")).unwrap(), b"22");

    fs::write(house.here("t/a/one"), "changed").unwrap();
    let one = files.push_tree(&house.here("t"), &house.far("t")).await.unwrap();
    assert_eq!((one.same, one.files, one.size), (4, 1, 7));
    let one = files.pull_tree(&house.far("t"), &house.here("back")).await.unwrap();
    assert_eq!((one.same, one.files, one.size), (4, 1, 7));
    assert_eq!(fs::read(house.here("back/a/one")).unwrap(), b"changed");

    assert_eq!(files.pull_tree(&house.far("none"), &house.here("n")).await.unwrap_err().code, Code::TransferFileNotFound);
    assert!(!house.here("n").exists(), "nothing is made for nothing");
    assert_eq!(files.push_tree(&house.here("t/three"), &house.far("n")).await.unwrap_err().code, Code::InvalidRequest);
    assert_eq!(files.push_tree(&house.here("t"), &house.far("t/three")).await.unwrap_err().code, Code::InvalidRequest);
}
