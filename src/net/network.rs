//! Listen and dial: on sockets, or within the process for simulations.

use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::address::Address;
use super::cut::{Cut, Half};
use super::memory::{Host, Incoming, Wire};
use super::socket;

/// A way to reach daemons.
#[derive(Clone)]
pub enum Network {
    /// TCP.
    Sockets,
    /// One host of a network in memory.
    Memory(Host),
}

impl Network {
    /// Opens a stream to an address.
    pub async fn dial(&self, address: &Address) -> io::Result<Stream> {
        match self {
            Network::Sockets => socket::dial(address).await.map(Stream::tcp),
            Network::Memory(host) => host.dial(address).await.map(Stream::memory),
        }
    }
    /// Listens on a host's address (`0.0.0.0` for all) and a port (0 for any free one). Loopback is always included.
    pub async fn listen(&self, host: &str, port: u16) -> io::Result<Listener> {
        match self {
            Network::Sockets => socket::Sockets::bind(host, port).await.map(Listener::Sockets),
            Network::Memory(memory) => memory.listen(port).map(Listener::Memory),
        }
    }
}

/// Where streams come in.
pub enum Listener {
    /// TCP.
    Sockets(socket::Sockets),
    /// A network in memory.
    Memory(Incoming),
}

impl Listener {
    /// The next stream, and who is at its other end.
    pub async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Listener::Sockets(sockets) => sockets.accept().await.map(|(stream, from)| (Stream::tcp(stream), from)),
            Listener::Memory(incoming) => incoming.accept().await.map(|(stream, from)| (Stream::memory(stream), from)),
        }
    }
    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Listener::Sockets(sockets) => sockets.port(),
            Listener::Memory(incoming) => incoming.port(),
        }
    }
    /// The addresses listened on.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Listener::Sockets(sockets) => sockets.addresses(),
            Listener::Memory(incoming) => vec![incoming.ip()],
        }
    }
}

enum Transport {
    Tcp(TcpStream),
    Memory(Wire),
    Tls(Box<TlsStream<Stream>>),
}

/// Bytes both ways.
pub struct Stream {
    transport: Transport,
    /// What was read to see how it begins, and is to be read again.
    peeked: Vec<u8>,
    cut: Arc<Cut>,
    kept: Option<Box<dyn Any + Send + Sync>>,
}

impl Stream {
    fn over(transport: Transport) -> Self {
        Self { transport, peeked: Vec::new(), cut: Arc::default(), kept: None }
    }
    fn tcp(stream: TcpStream) -> Self {
        Self::over(Transport::Tcp(stream))
    }
    fn memory(stream: Wire) -> Self {
        Self::over(Transport::Memory(stream))
    }
    pub(super) fn tls(stream: TlsStream<Stream>) -> Self {
        Self::over(Transport::Tls(Box::new(stream)))
    }
    /// Keeps something for as long as the stream is open, whoever holds it.
    pub fn keep(&mut self, kept: impl Any + Send + Sync) {
        self.kept = Some(Box::new(kept));
    }
    /// The means to end this stream from outside.
    pub fn cut(&self) -> &Arc<Cut> {
        &self.cut
    }
    /// Waits until it is clear whether the stream begins with these bytes, and leaves all of it to be read. One that ends
    /// earlier does not.
    ///
    /// # Errors
    /// The stream's own.
    pub async fn begins_with(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let mut peeked = std::mem::take(&mut self.peeked);
        let mut buffer = [0; 32];
        while peeked.len() < bytes.len() && bytes.starts_with(&peeked) {
            let wanted = (bytes.len() - peeked.len()).min(buffer.len());
            match self.read(&mut buffer[..wanted]).await? {
                0 => break,
                read => peeked.extend_from_slice(&buffer[..read]),
            }
        }
        let begins = peeked.starts_with(bytes);
        self.peeked = peeked;
        Ok(begins)
    }
}

macro_rules! each {
    ($transport:expr, $stream:ident => $call:expr) => {
        match $transport {
            Transport::Tcp($stream) => $call,
            Transport::Memory($stream) => $call,
            Transport::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { transport, peeked, cut, .. } = self.get_mut();
        let taken = peeked.len().min(buf.remaining());
        if taken > 0 {
            buf.put_slice(&peeked[..taken]);
            peeked.drain(..taken);
            if !peeked.is_empty() {
                return Poll::Ready(Ok(()));
            }
            // It is not needed any more for as long as the stream lives.
            *peeked = Vec::new();
        }
        let read = cut.guard(Half::Read, cx, |cx| each!(transport, stream => Pin::new(stream).poll_read(cx, buf)));
        // What comes next goes along: a reader who is given a few bytes first makes room for as many as he wanted once more.
        if taken > 0 && read.is_pending() { Poll::Ready(Ok(())) } else { read }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { transport, cut, .. } = self.get_mut();
        cut.guard(Half::Write, cx, |cx| each!(transport, stream => Pin::new(stream).poll_write(cx, buf)))
    }
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Self { transport, cut, .. } = self.get_mut();
        cut.guard(Half::Write, cx, |cx| each!(transport, stream => Pin::new(stream).poll_write_vectored(cx, bufs)))
    }
    fn is_write_vectored(&self) -> bool {
        !matches!(&self.transport, Transport::Memory(_))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { transport, cut, .. } = self.get_mut();
        cut.guard(Half::Write, cx, |cx| each!(transport, stream => Pin::new(stream).poll_flush(cx)))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().transport, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
