//! Whether multicast works here, on which machines find each other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use socket2::SockRef;
use tokio::net::UdpSocket;

/// The group of multicast DNS. Its port is left alone, so that nobody else hears the probe.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// How long a packet may take to come back on the same machine.
const ANSWER: Duration = Duration::from_secs(1);

/// Sends itself a packet by multicast over each network that this machine is on; one that comes back is enough.
///
/// # Errors
/// `NotConnected` where there is no network; else what went wrong on the last.
pub async fn probe() -> io::Result<()> {
    let interfaces = if_addrs::get_if_addrs()?.into_iter().filter(|interface| !interface.is_loopback());
    let own: Vec<Ipv4Addr> = interfaces
        .filter_map(|interface| match interface.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        })
        .collect();
    let mut last = Err(io::ErrorKind::NotConnected.into());
    for outcome in join_all(own.into_iter().map(over)).await {
        match outcome {
            Ok(()) => return Ok(()),
            failed => last = failed,
        }
    }
    last
}

async fn over(own: Ipv4Addr) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.join_multicast_v4(GROUP, own)?;
    SockRef::from(&socket).set_multicast_if_v4(&own)?;
    socket.set_multicast_loop_v4(true)?;
    let port = socket.local_addr()?.port();
    let word = format!("loopsy {}", crate::base::id::request());
    socket.send_to(word.as_bytes(), SocketAddr::new(GROUP.into(), port)).await?;
    let comes_back = async {
        let mut heard = [0; 64];
        loop {
            let (length, _) = socket.recv_from(&mut heard).await?;
            if heard.get(..length) == Some(word.as_bytes()) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(ANSWER, comes_back).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
