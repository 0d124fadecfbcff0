//! TCP: binding to all that a host setting means, and dialling with a time limit.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use super::address::Address;

/// How long one address may take to accept a connection.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// Bytes that the system may hold for each direction of a connection; Linux takes twice as much. Left to itself it holds up
/// to 38 MiB, which are lost, and sent again, when an end is cut off. This fills 10 Gbit/s up to a round trip of 0.5 ms.
const HELD: usize = 512 * 1024;

/// How long a connection may say nothing before the other end's system is asked whether it is still there, and how often it
/// is asked then. One that vanished, as when its cable was pulled, is noticed after about 40 s on Linux, so that what runs for
/// it ends.
const SILENCE: Duration = Duration::from_secs(10);
const ASKED_EVERY: Duration = Duration::from_secs(3);

/// What holds for every connection.
fn tune(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE).with_interval(ASKED_EVERY))?;
    socket.set_recv_buffer_size(HELD)?;
    socket.set_send_buffer_size(HELD)?;
    Ok(stream)
}

pub(super) async fn dial(address: &Address) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
    let found: Vec<SocketAddr> = match address.ip() {
        Some(ip) => vec![SocketAddr::new(ip, address.port)],
        None => lookup_host((address.host.as_str(), address.port)).await?.collect(),
    };
    for candidate in found {
        match tokio::time::timeout(DIAL_LIMIT, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) => return tune(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// The address of this machine that another would see; none where no way leads there. Nothing is sent. May ask for a name.
pub fn own_address_towards(other: &Address) -> Option<IpAddr> {
    let other = (other.host.as_str(), other.port).to_socket_addrs().ok()?.next()?;
    let any: IpAddr = if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(other).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether a port can be listened on now, on this host and on loopback.
pub fn is_free(host: &str, port: u16) -> bool {
    let host = if matches!(host, "*" | "") { "0.0.0.0" } else { host.trim_start_matches('[').trim_end_matches(']') };
    let is_taken = |host: &str| match std::net::TcpListener::bind((host, port)) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::AddrInUse,
    };
    ![host, "127.0.0.1", "::1"].into_iter().any(is_taken)
}

/// Listening sockets that share one port.
pub struct Sockets {
    listeners: Vec<TcpListener>,
    port: u16,
    next: usize,
}

impl Sockets {
    /// Binds all that `host` means, and loopback.
    ///
    /// # Errors
    /// The system's, where an address that was asked for can't be bound; loopback of a family that this machine lacks is left out.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        let everywhere = matches!(host, "0.0.0.0" | "::" | "[::]" | "*" | "");
        let (wanted, extra): (Vec<IpAddr>, Vec<IpAddr>) = if everywhere {
            (vec![Ipv6Addr::UNSPECIFIED.into()], vec![Ipv4Addr::UNSPECIFIED.into()])
        } else {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let ips = match bare.parse::<IpAddr>() {
                Ok(ip) => vec![ip],
                Err(_) => lookup_host((bare, port)).await?.map(|found| found.ip()).collect(),
            };
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            let extra = loopback.into_iter().filter(|ip| !ips.contains(ip)).collect();
            (ips, extra)
        };
        let mut sockets = Self { listeners: Vec::new(), port, next: 0 };
        for ip in wanted {
            match sockets.add(ip).await {
                // A machine without IPv6 has no `::` to bind; its IPv4 follows below.
                Err(error) if everywhere && error.kind() != io::ErrorKind::AddrInUse => {}
                other => other?,
            }
        }
        for ip in extra {
            match sockets.add(ip).await {
                // `::` took IPv4 as well; a second claim to the port says so.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && everywhere && !sockets.listeners.is_empty() => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse || sockets.listeners.is_empty() => return Err(error),
                _ => {}
            }
        }
        Ok(sockets)
    }

    async fn add(&mut self, ip: IpAddr) -> io::Result<()> {
        let listener = TcpListener::bind((ip, self.port)).await?;
        self.port = listener.local_addr()?.port();
        self.listeners.push(listener);
        Ok(())
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.listeners.iter().filter_map(|listener| Some(listener.local_addr().ok()?.ip())).collect()
    }

    pub(super) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = poll_fn(|cx| {
            // Start after the last one that had something, so that no socket starves another.
            for step in 0..self.listeners.len() {
                let at = (self.next + step) % self.listeners.len();
                if let Poll::Ready(accepted) = self.listeners[at].poll_accept(cx) {
                    self.next = at + 1;
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await?;
        Ok((tune(stream)?, SocketAddr::new(from.ip().to_canonical(), from.port())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everywhere_is_both_families_on_one_port() {
        let mut sockets = Sockets::bind("0.0.0.0", 0).await.unwrap();
        let port = sockets.port();
        for host in ["127.0.0.1", "::1"] {
            if TcpListener::bind((host, 0)).await.is_err() {
                continue;
            }
            let dialled = dial(&Address::new(host, port).unwrap()).await.unwrap();
            let (_, from) = sockets.accept().await.unwrap();
            assert_eq!(from.port(), dialled.local_addr().unwrap().port());
            assert!(from.ip().is_loopback(), "{from}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_told() {
        let first = Sockets::bind("127.0.0.1", 0).await.unwrap();
        for host in ["127.0.0.1", "0.0.0.0"] {
            let error = Sockets::bind(host, first.port()).await.err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{host}");
        }
    }
}
