//! HTTP/1.1 or HTTP/2, by what the client says first, and a connection in either.
//!
//! A connection is no larger than the version that it speaks: there may be ten thousand, each with a reader who waits.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::activity::Sending;
use crate::net::Stream;

/// What a client sends first that speaks HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A request's head must arrive within this.
const HEAD_LIMIT: Duration = Duration::from_secs(60);
/// Largest head in HTTP/2, bytes.
const HEAD_BYTES: u32 = 64 * 1024;

static HTTP1: LazyLock<http1::Builder> = LazyLock::new(|| {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(1024 * 1024);
    builder
});

static HTTP2: LazyLock<http2::Builder<TokioExecutor>> = LazyLock::new(|| {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(256)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024);
    builder
});

/// The versions that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.1, and 1.0.
    One,
    /// HTTP/2.
    Two,
}

impl Version {
    /// What the client begins with, which is left to be read. Over TLS it is what was agreed on in the handshake, with every
    /// client that keeps to that.
    ///
    /// # Errors
    /// The stream's own.
    pub(super) async fn of(stream: &mut Stream) -> io::Result<Self> {
        Ok(if stream.begins_with(PREFACE).await? { Self::Two } else { Self::One })
    }
}

/// An answer on its way. On the heap, where it takes no room once it is there.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response<Sending>, Infallible>> + Send>>;

/// What answers the requests of a connection.
pub(super) struct Asked(pub(super) Box<dyn Fn(Request<Incoming>) -> Answering + Send>);

impl Service<Request<Incoming>> for Asked {
    type Response = Response<Sending>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        (self.0)(request)
    }
}

/// A connection on which requests are answered: a future that is there when it has ended.
pub(super) enum Connection {
    /// In HTTP/1.1.
    One(Box<http1::UpgradeableConnection<TokioIo<Stream>, Asked>>),
    /// In HTTP/2.
    Two(Box<http2::Connection<TokioIo<Stream>, Asked, TokioExecutor>>),
}

impl Connection {
    /// Begins.
    pub(super) fn over(stream: Stream, version: Version, asked: Asked) -> Self {
        let stream = TokioIo::new(stream);
        match version {
            Version::One => Self::One(Box::new(HTTP1.serve_connection(stream, asked).with_upgrades())),
            Version::Two => Self::Two(Box::new(HTTP2.serve_connection(stream, asked))),
        }
    }
    /// Ends once what is under way has been answered.
    pub(super) fn end_softly(&mut self) {
        match self {
            Self::One(connection) => Pin::new(connection.as_mut()).graceful_shutdown(),
            Self::Two(connection) => Pin::new(connection.as_mut()).graceful_shutdown(),
        }
    }
}

impl Future for Connection {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::One(connection) => Pin::new(connection.as_mut()).poll(cx),
            Self::Two(connection) => Pin::new(connection.as_mut()).poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::memory::Memory;
    use crate::net::{Address, Network};

    /// Whatever a client begins with, in whatever pieces: the version is known as soon as it can be, and nothing is lost.
    #[tokio::test]
    async fn the_version_is_what_the_first_bytes_say_and_they_are_read_again() {
        let network = Network::Memory(Memory::default().host("kai"));
        let mut listener = network.listen("0.0.0.0", 0).await.unwrap();
        let address = Address::new("127.0.0.1", listener.port()).unwrap();
        for (said, version) in [
            (PREFACE, Version::Two),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", Version::Two),
            (b"GET / HTTP/1.1\r\n\r\n", Version::One),
            (b"PRI * HTTP/1.1\r\n\r\n", Version::One),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", Version::One),
            (b"PUT", Version::One),
            (b"P", Version::One),
            (b"\0", Version::One),
            (b"", Version::One),
        ] {
            for size in [1, 2, 7, 23, 64] {
                let mut client = network.dial(&address).await.unwrap();
                let mut server = listener.accept().await.unwrap().0;
                let speaking = async {
                    for piece in said.chunks(size) {
                        client.write_all(piece).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    client.shutdown().await.unwrap();
                };
                let (found, ()) = tokio::join!(Version::of(&mut server), speaking);
                let mut read = Vec::new();
                server.read_to_end(&mut read).await.unwrap();
                assert_eq!((found.unwrap(), read.as_slice()), (version, said), "{size}");
            }
        }
    }
    /// A request in HTTP/1.1 is not kept waiting for as many bytes as the preface has.
    #[tokio::test]
    async fn the_first_byte_that_differs_decides() {
        let network = Network::Memory(Memory::default().host("kai"));
        let mut listener = network.listen("0.0.0.0", 0).await.unwrap();
        let mut client = network.dial(&Address::new("127.0.0.1", listener.port()).unwrap()).await.unwrap();
        let mut server = listener.accept().await.unwrap().0;
        client.write_all(b"PO").await.unwrap();
        assert_eq!(Version::of(&mut server).await.unwrap(), Version::One);
    }
}
