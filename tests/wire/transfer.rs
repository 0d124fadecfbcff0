//! Files: the form and the download of the Node version, and our way with ranges, checksums and folders.
#![expect(clippy::disallowed_methods, reason = "tests put files of other programs in place")]

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{ask, ask_with, same};
use crate::support::line::{Line, Whole};
use crate::support::sim::{Machine, OWNER, Sim};

/// SHA-256 of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A machine of which only a folder may be touched; `more` is about its transfers.
async fn machine(more: &str) -> (Machine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let allowed = format!("transfer:\n  allowedPaths: [{:?}]\n{more}", folder.path().canonicalize().unwrap());
    (Sim::default().machine("a", &[], &allowed).await, folder)
}

/// A path as the daemon tells it.
fn real(folder: &Path, name: &str) -> String {
    folder.canonicalize().unwrap().join(name).display().to_string()
}

/// A form as Node's `fetch` writes it.
async fn push(machine: &Machine, target: &str, name: &str, content: &str) -> Whole {
    let boundary = "----formdata-undici-031415926535";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"destPath\"\r\n\r\n{target}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n\
         {content}\r\n--{boundary}--\r\n"
    );
    let mut line = Line::to(machine).await;
    line.write(format!(
        "POST /api/v1/transfer/push HTTP/1.1\r\nhost: 127.0.0.1:19532\r\nconnection: keep-alive\r\nAuthorization: Bearer {OWNER}\r\n\
         content-type: multipart/form-data; boundary={boundary}\r\naccept: */*\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    line.whole("POST").await
}

#[tokio::test]
async fn a_form_becomes_a_file() {
    let (a, folder) = machine("").await;
    let target = real(folder.path(), "new/file.txt");
    let answer = push(&a, &target, "file.txt", "hello").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    same(&answer.json(), &json!({ "path": target, "size": 5, "checksum": HELLO, "duration": "<count>" }));
    assert_eq!(fs::read_to_string(&target).unwrap(), "hello");
}

/// known faults 15, 17, 26 and 40: what can't be received is refused, leaves the old file, and the daemon goes on.
#[tokio::test]
async fn a_form_that_can_not_become_a_file_is_refused() {
    let (a, folder) = machine("  maxFileSize: 10\n").await;
    let at = |name: &str| real(folder.path(), name);
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("old"), "old").unwrap();
    let made = std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("/etc", at("link")).unwrap();
    let outside = format!("{}2/x", folder.path().canonicalize().unwrap().display());
    for _ in 0..5 {
        for (target, content, status, code) in [
            (at("old"), "more than ten bytes", 413, 4003),
            (at("fifo"), "x", 400, 9003),
            ("/dev/null".to_owned(), "x", 403, 4001),
            (at("link/passwd"), "x", 403, 4001),
            (outside.clone(), "x", 403, 4001),
            (String::new(), "x", 400, 9003),
            (at("a\0b"), "x", 400, 9003),
        ] {
            assert_eq!(push(&a, &target, "f", content).await.failure(), (status, code), "{target}");
        }
        assert_eq!(push(&a, &at("directory"), "..", "x").await.failure(), (400, 9003));
    }
    assert_eq!(fs::read_to_string(at("old")).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left over");
    assert_eq!(ask(&a, OWNER, "GET /api/v1/status", "").await.status(), 200);
}

/// known fault 45: size, name and all that belongs to the file come with it.
#[tokio::test]
async fn a_file_is_pulled_with_its_headers() {
    let (a, folder) = machine("").await;
    for (name, disposition) in [
        ("plain.txt", "attachment; filename=\"plain.txt\""),
        ("a \"b\".txt", "attachment; filename=\"a \\\"b\\\".txt\""),
        ("ключ\n.txt", "attachment; filename=\"_____.txt\"; filename*=UTF-8''%D0%BA%D0%BB%D1%8E%D1%87%0A.txt"),
    ] {
        let path = real(folder.path(), name);
        fs::write(&path, "hello").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let body = json!({ "sourcePath": path }).to_string();
        let answer = ask(&a, OWNER, "POST /api/v1/transfer/pull", &body).await;
        assert_eq!((answer.status(), answer.text()), (200, "hello"));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.header("content-length"), Some("5"));
        assert_eq!(answer.header("x-loopsy-file-size"), Some("5"));
        assert_eq!(answer.header("content-disposition"), Some(disposition));
        assert_eq!(answer.header("x-loopsy-mode"), Some("640"));
        let mtime: u64 = answer.header("x-loopsy-mtime").unwrap().parse().unwrap();
        assert!(loopsy::base::clock::now().abs_diff(mtime) < 60_000);
        assert!(answer.header("etag").is_some_and(|etag| etag.starts_with('"') && etag.ends_with('"')));
        // Who can read a trailer gets the checksum in one.
        let answer = ask_with(&a, OWNER, "POST /api/v1/transfer/pull", "TE: trailers\r\n", &body).await;
        assert_eq!((answer.text(), answer.header("trailer")), ("hello", Some("x-loopsy-checksum")));
        assert_eq!((answer.trailer("x-loopsy-checksum"), answer.header("x-loopsy-file-size")), (Some(HELLO), Some("5")));
    }
}

#[tokio::test]
async fn a_part_of_a_file_is_pulled() {
    let (a, folder) = machine("").await;
    let path = real(folder.path(), "x");
    fs::write(&path, "hello").unwrap();
    let body = json!({ "sourcePath": path }).to_string();
    let pull = async |more: &str| ask_with(&a, OWNER, "POST /api/v1/transfer/pull", more, &body).await;
    let etag = pull("").await.header("etag").unwrap().to_owned();
    let part = pull(&format!("Range: bytes=2-\r\nIf-Range: {etag}\r\n")).await;
    assert_eq!((part.status(), part.text(), part.header("content-range")), (206, "llo", Some("bytes 2-4/5")));
    assert_eq!((part.header("x-loopsy-file-size"), part.header("content-length")), (Some("5"), Some("3")));
    let changed = pull("Range: bytes=2-\r\nIf-Range: \"another\"\r\n").await;
    assert_eq!((changed.status(), changed.text()), (200, "hello"));
    let behind = pull("Range: bytes=5-\r\n").await;
    assert_eq!((behind.failure(), behind.json()["error"]["details"]["size"].as_u64()), ((416, 9009), Some(5)));
}

/// known fault 53: what is not there is 404, what may not be touched 403, what makes no sense 400.
#[tokio::test]
async fn a_pull_or_a_listing_that_can_not_be_says_why() {
    let (a, folder) = machine("").await;
    let at = |name: &str| real(folder.path(), name);
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("file"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
    for (path, pull, list) in [
        (at("none"), (404, 4002), (404, 4002)),
        (at("directory"), (400, 9003), (200, 0)),
        (at("file"), (200, 0), (400, 9003)),
        (at("link"), (403, 4001), (403, 4001)),
        (at("../x"), (403, 4001), (403, 4001)),
        ("/etc".to_owned(), (403, 4001), (403, 4001)),
        (String::new(), (400, 9003), (400, 9003)),
        (at("a\0b"), (400, 9003), (400, 9003)),
        (a.home().config().display().to_string(), (403, 4001), (403, 4001)),
    ] {
        let cases = [
            ("POST /api/v1/transfer/pull", json!({ "sourcePath": path }), pull),
            ("POST /api/v1/transfer/list", json!({ "path": path }), list),
        ];
        for (request, body, expected) in cases {
            let answer = ask(&a, OWNER, request, &body.to_string()).await;
            let found = if answer.status() == 200 { (200, 0) } else { answer.failure() };
            assert_eq!(found, expected, "{request} {body}");
        }
    }
}

#[tokio::test]
async fn a_directory_is_listed_by_name() {
    let (a, folder) = machine("").await;
    let at = |name: &str| real(folder.path(), name);
    fs::write(at("b.txt"), "hello").unwrap();
    fs::create_dir(at("a")).unwrap();
    std::os::unix::fs::symlink("b.txt", at("c")).unwrap();
    let answer = ask(&a, OWNER, "POST /api/v1/transfer/list", &json!({ "path": real(folder.path(), "") }).to_string()).await;
    assert_eq!(answer.status(), 200);
    let entry = |name: &str, kind: &str| json!({ "name": name, "path": at(name), "type": kind, "size": "<count>", "modified": "<time>" });
    let mut file = entry("b.txt", "file");
    file["size"] = json!(5);
    same(&answer.json(), &json!({ "files": [entry("a", "directory"), file, entry("c", "symlink")] }));
}

/// Ours: a raw upload that broke off goes on where it was.
#[tokio::test]
async fn a_raw_upload_is_resumed() {
    let (a, folder) = machine("").await;
    let target = real(folder.path(), "x");
    let query = format!("path={}&size=5", loopsy::api::wire::segment(&target));
    let head = |request: &str, more: &str| {
        format!("{request} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OWNER}\r\nx-loopsy-mtime: 1700000000000\r\n{more}\r\n")
    };
    let state = async || {
        let mut line = Line::to(&a).await;
        line.write(head(&format!("HEAD /api/v1/transfer/file?{query}"), "")).await;
        line.whole("HEAD").await
    };
    assert_eq!((state().await.status(), state().await.header("x-loopsy-offset").map(str::to_owned)), (200, Some("0".into())));

    let mut line = Line::to(&a).await;
    line.write(head(&format!("PUT /api/v1/transfer/file?{query}"), "content-length: 5\r\n") + "hel").await;
    drop(line);
    let arrived = async { while state().await.header("x-loopsy-offset") != Some("3") {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), arrived).await.expect("what arrived is kept");
    assert!(!Path::new(&target).exists());

    let put = async |more: &str, body: &str| {
        let mut line = Line::to(&a).await;
        line.write(head(&format!("PUT /api/v1/transfer/file?{query}"), more) + body).await;
        line.whole("PUT").await
    };
    let gap = put("content-range: bytes 4-4/5\r\ncontent-length: 1\r\n", "o").await;
    assert_eq!(gap.failure(), (416, 9009));
    let wrong = put("content-range: bytes 3-3/5\r\ncontent-length: 1\r\n", "l").await;
    assert_eq!(wrong.failure(), (400, 9003));
    let trailer = "2\r\nlo\r\n0\r\nx-loopsy-checksum: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n\r\n";
    let more = "content-range: bytes 3-4/5\r\ntransfer-encoding: chunked\r\ntrailer: x-loopsy-checksum\r\nx-loopsy-mode: 600\r\n";
    let done = put(more, trailer).await;
    assert_eq!(done.status(), 200, "{}", done.text());
    same(&done.json(), &json!({ "path": target, "size": 5, "checksum": HELLO, "duration": "<count>" }));
    let kept = fs::metadata(&target).unwrap();
    assert_eq!((fs::read_to_string(&target).unwrap().as_str(), std::os::unix::fs::MetadataExt::mode(&kept) & 0o777), ("hello", 0o600));
    assert_eq!(kept.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(), 1_700_000_000_000);

    let differs = put(&format!("x-loopsy-checksum: {}\r\ncontent-length: 5\r\n", "0".repeat(64)), "other").await;
    assert_eq!(differs.failure(), (409, 4004));
    assert_eq!(fs::read_to_string(&target).unwrap(), "hello");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Ours: what is in a folder, and all of it as one stream there and back.
#[tokio::test]
async fn a_folder_is_told_and_travels_as_one_stream() {
    let (a, folder) = machine("").await;
    let at = |name: &str| real(folder.path(), name);
    fs::create_dir_all(at("from/sub")).unwrap();
    fs::write(at("from/sub/x"), "hello").unwrap();
    let body = json!({ "path": at("from"), "checksums": true }).to_string();
    let manifest = ask(&a, OWNER, "POST /api/v1/transfer/manifest", &body).await;
    let entry =
        |path: &str, kind: &str, size: u64| json!({ "path": path, "type": kind, "size": size, "modified": "<time>", "mode": "<count>" });
    let mut file = entry("sub/x", "file", 5);
    file["checksum"] = json!(HELLO);
    same(&manifest.json(), &json!({ "root": "directory", "entries": [entry("sub", "directory", 0), file] }));
    let nothing = ask(&a, OWNER, "POST /api/v1/transfer/manifest", &json!({ "path": at("none") }).to_string()).await;
    same(&nothing.json(), &json!({ "entries": [] }));

    let stream =
        ask_with(&a, OWNER, "POST /api/v1/transfer/tree/pull", "TE: trailers\r\n", &json!({ "path": at("from") }).to_string()).await;
    assert_eq!(stream.status(), 200);
    let sum = stream.trailer("x-loopsy-checksum").unwrap().to_owned();
    let mut line = Line::to(&a).await;
    line.write(format!(
        "PUT /api/v1/transfer/tree?path={} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OWNER}\r\nx-loopsy-checksum: {sum}\r\ncontent-length: {}\r\n\r\n",
        loopsy::api::wire::segment(&at("to")),
        stream.body.len()
    ))
    .await;
    line.write(&stream.body).await;
    let received = line.whole("PUT").await;
    let expected = json!({ "path": at("to"), "files": 1, "directories": 1, "links": 0, "size": 5, "checksum": sum, "duration": "<count>" });
    same(&received.json(), &expected);
    assert_eq!(fs::read_to_string(at("to/sub/x")).unwrap(), "hello");
}
