//! Listen and dial: on sockets, or within the process for simulations.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::address::Address;
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
}

/// Bytes both ways.
pub struct Stream {
    transport: Transport,
    peeked: Option<u8>,
}

impl Stream {
    fn tcp(stream: TcpStream) -> Self {
        Self { transport: Transport::Tcp(stream), peeked: None }
    }
    fn memory(stream: Wire) -> Self {
        Self { transport: Transport::Memory(stream), peeked: None }
    }
    /// Waits for the first byte and leaves it to be read again.
    pub async fn peek(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        match &mut self.transport {
            Transport::Tcp(stream) => {
                if stream.peek(&mut byte).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Transport::Memory(stream) => {
                stream.read_exact(&mut byte).await?;
                self.peeked = Some(byte[0]);
            }
        }
        Ok(byte[0])
    }
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.transport {
            Transport::Tcp($stream) => $call,
            Transport::Memory($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(byte) = self.peeked.take() {
            buf.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }
    fn is_write_vectored(&self) -> bool {
        matches!(&self.transport, Transport::Tcp(_))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
