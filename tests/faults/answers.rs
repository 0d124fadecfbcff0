//! Answers that no daemon gives: whoever asked has a failure, and nothing else happens.

use loopsy::api::context::ContextList;
use loopsy::base::{Code, Result};
use loopsy::client::Link;
use loopsy::net::memory::Memory;
use loopsy::net::{Address, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A line to somebody who gives these answers, one a connection, whatever is asked.
async fn liar(answers: &[&str]) -> Link {
    let network = Network::Memory(Memory::default().host("kai"));
    let mut listener = network.listen("127.0.0.1", 0).await.unwrap();
    let link = Link::new(&network, Address::new("127.0.0.1", listener.port()).unwrap());
    let answers: Vec<String> = answers.iter().map(|answer| format!("HTTP/1.1 {answer}")).collect();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    link
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
