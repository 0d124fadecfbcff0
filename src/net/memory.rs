//! A network inside one process, for simulations: hosts with names and addresses, and links that can be cut.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

use super::address::Address;
use super::cut::{Cut, Half};
use crate::base::sync::lock;

/// Bytes under way on one stream before the writer waits.
const BUFFER: usize = 64 * 1024;

type Arrival = (Wire, SocketAddr);

#[derive(Default)]
struct State {
    hosts: Vec<String>,
    listening: HashMap<(IpAddr, u16), mpsc::Sender<Arrival>>,
    cut: HashSet<IpAddr>,
    wires: Vec<([IpAddr; 2], [Weak<Cut>; 2])>,
    next_port: u16,
}

/// One end of a stream that breaks when a host at either end is cut off.
pub struct Wire {
    stream: DuplexStream,
    broken: Arc<Cut>,
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, broken } = self.get_mut();
        broken.guard(Half::Read, cx, |cx| Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, broken } = self.get_mut();
        broken.guard(Half::Write, cx, |cx| Pin::new(stream).poll_write(cx, buf))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The network.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl Memory {
    /// A host of this name, made at its first mention. Hosts have the addresses 10.0.0.1, 10.0.0.2 and so on.
    pub fn host(&self, name: &str) -> Host {
        let mut state = lock(&self.0);
        let at = state.hosts.iter().position(|known| known == name).unwrap_or_else(|| {
            state.hosts.push(name.to_owned());
            state.hosts.len() - 1
        });
        Host { network: self.clone(), ip: Ipv4Addr::from(0x0a00_0001 + at as u32).into() }
    }
    /// Takes a host off the network: its streams to others break, and new ones fail.
    pub fn cut(&self, host: &Host) {
        let mut state = lock(&self.0);
        state.cut.insert(host.ip);
        state.wires.retain(|(_, cuts)| cuts.iter().any(|cut| cut.strong_count() > 0));
        for (_, cuts) in state.wires.iter().filter(|(ends, _)| ends.contains(&host.ip) && ends[0] != ends[1]) {
            cuts.iter().filter_map(Weak::upgrade).for_each(|cut| cut.cut());
        }
    }
    /// Puts it back.
    pub fn heal(&self, host: &Host) {
        lock(&self.0).cut.remove(&host.ip);
    }
}

/// One host of a [`Memory`] network.
#[derive(Clone)]
pub struct Host {
    network: Memory,
    ip: IpAddr,
}

impl Host {
    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }
    pub(super) async fn dial(&self, address: &Address) -> io::Result<Wire> {
        let (sender, from, target) = {
            let state = lock(&self.network.0);
            let local = address.is_loopback();
            let by_name =
                state.hosts.iter().position(|name| *name == address.host).map(|at| Ipv4Addr::from(0x0a00_0001 + at as u32).into());
            let target = if local { Some(self.ip) } else { by_name.or(address.ip()) };
            let target = target.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"))?;
            if target != self.ip && (state.cut.contains(&target) || state.cut.contains(&self.ip)) {
                return Err(io::ErrorKind::HostUnreachable.into());
            }
            let sender = state.listening.get(&(target, address.port)).cloned();
            let from = if local { Ipv4Addr::LOCALHOST.into() } else { self.ip };
            (sender.ok_or(io::ErrorKind::ConnectionRefused)?, SocketAddr::new(from, 1), target)
        };
        let (here, there) = tokio::io::duplex(BUFFER);
        let cuts = [Arc::<Cut>::default(), Arc::default()];
        lock(&self.network.0).wires.push(([self.ip, target], [Arc::downgrade(&cuts[0]), Arc::downgrade(&cuts[1])]));
        let [broken, broken_there] = cuts;
        let (here, there) = (Wire { stream: here, broken }, Wire { stream: there, broken: broken_there });
        sender.send((there, from)).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(here)
    }
    pub(super) fn listen(&self, port: u16) -> io::Result<Incoming> {
        let mut state = lock(&self.network.0);
        let port = if port == 0 {
            state.next_port += 1;
            40_000 + state.next_port
        } else {
            port
        };
        if state.listening.get(&(self.ip, port)).is_some_and(|sender| !sender.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, receiver) = mpsc::channel(64);
        state.listening.insert((self.ip, port), sender);
        Ok(Incoming { receiver, ip: self.ip, port })
    }
}

/// Where a host's streams come in.
pub struct Incoming {
    receiver: mpsc::Receiver<Arrival>,
    ip: IpAddr,
    port: u16,
}

impl Incoming {
    pub(super) async fn accept(&mut self) -> io::Result<Arrival> {
        self.receiver.recv().await.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
    pub(super) fn port(&self) -> u16 {
        self.port
    }
    pub(super) fn ip(&self) -> IpAddr {
        self.ip
    }
}
