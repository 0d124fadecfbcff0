//! Answers that no daemon gives: whoever asked has a failure, and nothing else happens.

use std::path::Path;
use std::sync::{Arc, Mutex};

use loopsy::api::context::ContextList;
use loopsy::base::workers::Workers;
use loopsy::base::{Code, Result};
use loopsy::client::Link;
use loopsy::client::files::{Files, Progress};
use loopsy::net::memory::Memory;
use loopsy::net::{Address, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A line to somebody who gives these answers, one a connection, whatever is asked.
async fn liar(answers: &[&str]) -> Link {
    let network = Network::Memory(Memory::default().host("kai"));
    let mut listener = network.listen("127.0.0.1", 0).await.unwrap();
    let link = Link::new(&network, Address::new("127.0.0.1", listener.port()).unwrap());
    let answers: Vec<String> = answers.iter().map(|answer| format!("HTTP/1.1 {answer}")).collect();
    Workers::default().spawn("liar", async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    link
}

/// Files of such a one, and what is told of their progress.
async fn files(answers: &[&str]) -> (Files, Arc<Mutex<Vec<Progress>>>) {
    let told = Arc::<Mutex<Vec<Progress>>>::default();
    let watch = told.clone();
    let capabilities = ["transfer-tree".to_owned()];
    (Files::new(liar(answers).await, &capabilities, Arc::new(move |progress| watch.lock().unwrap().push(progress))), told)
}

fn code<T>(result: Result<T>) -> Code {
    result.err().unwrap().code
}

#[tokio::test]
async fn a_list_that_is_none_is_refused() {
    for body in ["[]", "7", "\"entries\"", "{}", "{\"entries\":{}}"] {
        let link = liar(&[&format!("200 OK\r\n\r\n{body}")]).await;
        assert_eq!(code(link.call(&ContextList::default()).await), Code::PeerHandshakeFailed, "{body}");
    }
}

#[tokio::test]
async fn a_part_that_begins_where_no_file_ends_is_refused() {
    let (files, told) = files(&["206 Partial Content\r\nContent-Range: bytes 18446744073709551615-\r\n\r\nhello"]).await;
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(files.pull("x", &dir.path().join("x")).await), Code::InvalidRequest);
    assert_eq!(told.lock().unwrap()[0].done, u64::MAX);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_is_said_to_be_larger_than_can_be_is_received_as_it_is() {
    let file = |name: &str| format!("{{\"path\":\"{name}\",\"type\":\"file\",\"size\":{},\"modified\":1,\"mode\":420}}", u64::MAX);
    let manifest = format!("200 OK\r\n\r\n{{\"root\":\"directory\",\"entries\":[{},{}]}}", file("a"), file("b"));
    let (files, told) = files(&[&manifest, "200 OK\r\n\r\n"]).await;
    let dir = tempfile::tempdir().unwrap();
    let synced = files.pull_tree("x", Path::new(dir.path())).await.unwrap();
    assert_eq!((synced.entries, synced.files, synced.vanished), (2, 0, 2));
    assert_eq!(told.lock().unwrap()[0].total, Some(u64::MAX));
}
