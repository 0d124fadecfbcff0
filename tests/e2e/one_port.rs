//! One port for plaintext and TLS, HTTP/1.1 and HTTP/2, as programs that are not Loopsy speak them.

use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use loopsy::base::workers::Workers;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::support::node::Node;
use crate::support::tls;

/// Asks for the health of the daemon at the other end of a stream, in HTTP/2 or HTTP/1.1.
async fn health(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, is_h2: bool) -> StatusCode {
    let request = |target: &str| Request::get(target).header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    let (workers, stream) = (Workers::default(), TokioIo::new(stream));
    if is_h2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        workers.spawn_until_stop("connection", async { connection.await.unwrap() });
        return sender.send_request(request("http://localhost/api/v1/health")).await.unwrap().status();
    }
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    workers.spawn_until_stop("connection", async { connection.await.unwrap() });
    sender.send_request(request("/api/v1/health")).await.unwrap().status()
}

/// known fault 5: TLS in both its versions that are safe, plaintext, HTTP/2 and HTTP/1.1 come in by the same port.
#[tokio::test]
async fn both_protocols_with_and_without_tls_are_spoken_on_the_one_port() {
    let kai = Node::start("kai", json!({}));
    for version in [&TLS12, &TLS13] {
        for protocol in ["h2", "http/1.1"] {
            let stream = tls::connect(kai.ready.port, version, protocol.as_bytes()).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
            assert_eq!(health(stream, protocol == "h2").await, 200, "{version:?} {protocol}");
        }
        let refused = tls::connect(kai.ready.port, version, b"smtp").await.unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    }
    for is_h2 in [false, true] {
        let stream = TcpStream::connect(("127.0.0.1", kai.ready.port)).await.unwrap();
        assert_eq!(health(stream, is_h2).await, 200);
    }
}

/// What the daemon says to these bytes until it hangs up.
async fn told(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // What was sent and not read makes the end a reset.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn what_only_begins_like_tls_is_refused_at_once() {
    const ALERT: u8 = 0x15;
    let kai = Node::start("kai", json!({}));
    for garbage in [&[0x16, 0xff, 0xff, 0xff, 0xff, 0xff][..], b"\x16GET /api/v1/health HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 0, 4, 2, 0, 0, 0]]
    {
        let answer = told(kai.ready.port, garbage).await;
        assert!(answer.first().is_none_or(|first| *first == ALERT), "{garbage:?}: {answer:?}");
    }
    // A greeting of TLS 1.1, and of SSL 3: no extensions, one cipher.
    for old in [[3, 2], [3, 0]] {
        let hello = [&old[..], &[7; 32], &[0, 0, 2, 0xc0, 0x09, 1, 0]].concat();
        let handshake = [&[1, 0, 0, u8::try_from(hello.len()).unwrap()], &hello[..]].concat();
        let record = [&[0x16, 3, 1, 0, u8::try_from(handshake.len()).unwrap()], &handshake[..]].concat();
        let answer = told(kai.ready.port, &record).await;
        const FATAL: u8 = 2;
        assert!(matches!(answer.as_slice(), [ALERT, _, _, 0, 2, FATAL, _]), "{old:?}: {answer:?}");
    }
    kai.answers().await;
}
