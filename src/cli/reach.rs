//! The way to a peer that a command names: through the own daemon, or straight to it with a key.

use super::Session;
use crate::api::peers::{DEFAULT_PORT, Peer, PeerList};
use crate::base::secret::Secret;
use crate::base::{Code, Error, Result};
use crate::client::Link;
use crate::net::{Address, Network};

/// A line to a peer. With a key the peer is called straight, which needs no daemon here.
pub async fn line(session: &Session, peer: &str, key: Option<&str>) -> Result<Link> {
    let Some(key) = key else { return Ok(session.link()?.via(peer)) };
    let address = address_of(session, peer).await?;
    if !address.is_loopback() {
        return Err(Error::new(Code::AuthTlsRequired, format!("a key is not sent to {address} in plaintext"))
            .hint("Add the machine to the known ones first: loopsy peers add"));
    }
    Ok(Link::new(&Network::Sockets, address).key(Secret::new(key)))
}

/// The line to a store: a peer's, or one's own.
pub async fn store(session: &Session, peer: Option<&str>, key: Option<&str>) -> Result<Link> {
    match peer {
        Some(peer) => line(session, peer, key).await,
        None => session.link(),
    }
}

async fn address_of(session: &Session, peer: &str) -> Result<Address> {
    if let Ok(link) = session.link()
        && let Ok(known) = link.call(&PeerList {}).await
        && let Some(found) = known.peers.iter().find(|known| is(known, peer))
    {
        return Address::new(&found.address, found.port);
    }
    Address::parse(peer, DEFAULT_PORT)
}

fn is(known: &Peer, wanted: &str) -> bool {
    known.name.as_deref() == Some(wanted) || known.hostname.eq_ignore_ascii_case(wanted) || known.node_id == wanted
}
