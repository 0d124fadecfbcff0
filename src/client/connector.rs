//! The pooled HTTP client over any [`Network`], and what protects its connections.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::error::io_words;
use crate::base::sync::lock;
use crate::base::{Code, Error, Fingerprint, Result};
use crate::net::cut::Cuts;
use crate::net::tls::{self, Refused};
use crate::net::{Address, Network, Stream};

/// How long a connection that is not used is kept.
const IDLE: Duration = Duration::from_secs(45);
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// Largest answer that is read whole, bytes.
const ANSWER_LIMIT: usize = 512 * 1024 * 1024;
/// The same of one who proved nothing.
const STRANGER_LIMIT: usize = 64 * 1024;

/// What protects a connection, which says whether a key may travel on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Plaintext. A key goes to this machine's own daemons only.
    Loopback,
    /// Plaintext, to a machine that the owner named in `tls.allowPlaintext`. A key goes.
    Plaintext,
    /// TLS with this certificate or one that it was handed over to, and nothing else ever. A key goes.
    Pinned(Fingerprint),
    /// TLS with any certificate, the same on all connections; plaintext where there is no TLS. No key goes.
    Unproven,
    /// TLS with any certificate. A key goes, because the user said so.
    Insecure,
}

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A client that keeps its connections. Clones share them.
#[derive(Clone)]
pub struct Pool {
    client: Client<Connector, Body>,
    connector: Connector,
}

impl Pool {
    /// A client for this network.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` where TLS can't be set up.
    pub fn new(network: &Network, security: Security) -> Result<Self> {
        let client = match security {
            Security::Loopback | Security::Plaintext => None,
            Security::Pinned(fingerprint) => Some(tls::Client::new(Some(fingerprint))?),
            Security::Unproven | Security::Insecure => Some(tls::Client::new(None)?),
        };
        Ok(Self::with(Connector { network: network.clone(), security, client, shared: Arc::default() }))
    }
    /// A client for this machine's own daemons.
    pub fn loopback(network: &Network) -> Self {
        Self::with(Connector { network: network.clone(), security: Security::Loopback, client: None, shared: Arc::default() })
    }
    fn with(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(1024 * 1024)
            .build(connector.clone());
        Self { client, connector }
    }
    /// Sends a request.
    pub fn request(&self, request: Request<Body>) -> ResponseFuture {
        self.client.request(request)
    }
    /// What protects the connections.
    pub fn security(&self) -> Security {
        self.connector.security
    }
    /// Largest answer that is held in memory as a whole, bytes.
    pub fn answer_limit(&self) -> usize {
        match self.connector.security {
            Security::Unproven => STRANGER_LIMIT,
            _ => ANSWER_LIMIT,
        }
    }
    /// The certificate that was shown last; none where nothing was shown yet, or plaintext was spoken.
    pub fn certificate(&self) -> Option<Fingerprint> {
        match lock(&self.connector.shared).spoken {
            Some(Spoken::Tls(fingerprint)) => Some(fingerprint),
            _ => None,
        }
    }
    /// Ends the open connections, with whatever goes over them, and opens none any more.
    pub fn cut(&self) {
        lock(&self.connector.shared).cuts.cut();
    }
    /// Whether a key may be sent to an address.
    ///
    /// # Errors
    /// `AUTH_TLS_REQUIRED` where it would go over plaintext, or to who knows whom.
    pub fn may_carry_key(&self, address: &Address) -> Result<()> {
        let refused = |what: String| Err(Error::new(Code::AuthTlsRequired, what).hint(format!("Pair with it: loopsy pair {address}")));
        match self.connector.security {
            Security::Plaintext | Security::Pinned(_) | Security::Insecure => Ok(()),
            Security::Loopback if address.is_loopback() => Ok(()),
            Security::Loopback => refused(format!("a key is not sent to {address} in plaintext")),
            Security::Unproven => refused(format!("nothing proves who answers at {address}, so no key is sent there")),
        }
    }
}

/// How the other end answered the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Plaintext,
    Tls(Fingerprint),
}

/// What the connections of a pool have in common.
#[derive(Debug, Default)]
struct Shared {
    spoken: Option<Spoken>,
    cuts: Cuts,
}

/// Dials for the pool.
#[derive(Clone)]
pub struct Connector {
    network: Network,
    security: Security,
    client: Option<tls::Client>,
    shared: Arc<Mutex<Shared>>,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TokioIo<Dialled>, Box<dyn std::error::Error + Send + Sync>> {
        let address = Address::new(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80))?;
        let stream = self.network.dial(&address).await?;
        let stream = match &self.client {
            None => stream,
            Some(client) => self.secure(client, &address, stream).await?,
        };
        lock(&self.shared).cuts.add(stream.cut());
        Ok(TokioIo::new(Dialled(stream)))
    }

    async fn secure(&self, client: &tls::Client, address: &Address, stream: Stream) -> Result<Stream> {
        let before = lock(&self.shared).spoken;
        let may_be_plain = self.security == Security::Unproven && !matches!(before, Some(Spoken::Tls(_)));
        if may_be_plain && before == Some(Spoken::Plaintext) {
            return Ok(stream);
        }
        let refused = match tokio::time::timeout(HANDSHAKE_LIMIT, client.connect(stream)).await {
            Ok(Ok((stream, shown))) => return self.seen(address, stream, shown),
            Ok(Err(refused)) => refused,
            Err(_) => Refused::Failed(io::ErrorKind::TimedOut.into()),
        };
        match refused {
            Refused::Failed(_) if may_be_plain => {
                let stream = self.network.dial(address).await.map_err(|error| unreachable(address, &error))?;
                let mut shared = lock(&self.shared);
                // Another connection may have found TLS meanwhile.
                if let Some(Spoken::Tls(_)) = shared.spoken {
                    return Err(self.explain(address, refused));
                }
                shared.spoken = Some(Spoken::Plaintext);
                Ok(stream)
            }
            refused => Err(self.explain(address, refused)),
        }
    }

    /// Remembers the certificate. Where nothing is expected, all connections must show the one that the first showed.
    fn seen(&self, address: &Address, stream: Stream, shown: Fingerprint) -> Result<Stream> {
        let mut shared = lock(&self.shared);
        if self.security == Security::Unproven
            && let Some(Spoken::Tls(first)) = shared.spoken
            && first != shown
        {
            return Err(mismatch(address, first, shown));
        }
        shared.spoken = Some(Spoken::Tls(shown));
        Ok(stream)
    }

    fn explain(&self, address: &Address, refused: Refused) -> Error {
        match (refused, self.security) {
            (Refused::Mismatch(tls::Mismatch { expected, shown }), _) => mismatch(address, expected, shown),
            (Refused::Failed(error), Security::Pinned(expected)) if error.kind() == io::ErrorKind::InvalidData => {
                let what = format!("{address} shows no certificate, expected is {expected}: it does not speak TLS as it should");
                Error::new(Code::PeerCertMismatch, what).hint(in_between(address))
            }
            (Refused::Failed(error), _) => unreachable(address, &error),
        }
    }
}

fn in_between(address: &Address) -> String {
    format!("If that machine was set up anew: loopsy pair {address}. If not, somebody may be in between.")
}

fn mismatch(address: &Address, expected: Fingerprint, shown: Fingerprint) -> Error {
    let what = format!("{address} shows another certificate than it was paired with: expected {expected}, shown {shown}");
    Error::new(Code::PeerCertMismatch, what).hint(in_between(address)).details(serde_json::json!({ "expected": expected, "shown": shown }))
}

fn unreachable(address: &Address, error: &io::Error) -> Error {
    Error::new(Code::PeerUnreachable, format!("{address} does not answer over TLS: {}", io_words(error)))
        .hint("Check that Loopsy runs there and that no firewall is in between.")
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Dialled>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A stream that the pool knows how to keep.
pub struct Dialled(Stream);

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
impl AsyncRead for Dialled {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}
impl AsyncWrite for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;
    use crate::api::node::HealthGet;
    use crate::client::Link;
    use crate::net::Listener;
    use crate::net::memory::Memory;

    async fn listening() -> (Network, Listener, Address) {
        let network = Network::Memory(Memory::default().host("kai"));
        let listener = network.listen("0.0.0.0", 0).await.unwrap();
        let address = Address::new("127.0.0.1", listener.port()).unwrap();
        (network, listener, address)
    }

    /// known fault 5: who breaks one handshake off can't make the certificate of another forgotten, which pairing compares.
    #[tokio::test]
    async fn plaintext_never_takes_the_place_of_a_certificate() {
        let made = generate_simple_self_signed(vec!["loopsy".into()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = tls::Server::new(tls::Credentials { chain: vec![made.cert.der().clone()], key }).unwrap();
        let (network, mut listener, address) = listening().await;
        let pool = Pool::new(&network, Security::Unproven).unwrap();
        let uri: Uri = format!("http://{address}").parse().unwrap();
        let slow = pool.connector.clone().connect(uri.clone());
        let other = pool.connector.clone().connect(uri);
        let serving = async {
            let (held, _) = listener.accept().await.unwrap();
            let (next, _) = listener.accept().await.unwrap();
            let secured = server.accept(next).await.unwrap();
            while pool.certificate().is_none() {
                tokio::task::yield_now().await;
            }
            drop(held);
            secured
        };
        let (slow, other, _secured) = tokio::join!(slow, other, serving);
        assert!(slow.is_err() && other.is_ok());
        assert_eq!(pool.certificate(), Some(Fingerprint::of(made.cert.der())));
    }

    /// Answers one request with a status and a JSON text of this length.
    async fn answer(listener: &mut Listener, status: u16, length: usize) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut byte = [0];
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).await.unwrap();
            asked.push(byte[0]);
        }
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // Whoever asked may have had enough by now.
        let _ = stream.write_all(format!("\"{}\"", "x".repeat(length - 2)).as_bytes()).await;
    }

    /// Who proved nothing is not listened to for long, whether it answers or fails.
    #[tokio::test]
    async fn a_stranger_s_answer_is_short() {
        let (network, mut listener, address) = listening().await;
        let code = async |security, listener: &mut Listener, status, length| {
            let link = Link::secured(&network, address.clone(), security).unwrap();
            // Plaintext from the start, as if a handshake had failed.
            lock(&link.pool().connector.shared).spoken = Some(Spoken::Plaintext);
            let (asked, ()) = tokio::join!(link.call(&HealthGet {}), answer(listener, status, length));
            asked.unwrap_err().code
        };
        for status in [200, 500] {
            assert_eq!(code(Security::Unproven, &mut listener, status, STRANGER_LIMIT).await, Code::PeerHandshakeFailed);
            assert_eq!(code(Security::Unproven, &mut listener, status, STRANGER_LIMIT + 1).await, Code::PeerUnreachable);
            assert_eq!(code(Security::Loopback, &mut listener, status, STRANGER_LIMIT + 1).await, Code::PeerHandshakeFailed);
        }
    }
}
