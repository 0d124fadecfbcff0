//! The way to a peer that a command names: through the own daemon, or straight to it with a key.

use super::Session;
use super::app::Straight;
use crate::api::peers::{DEFAULT_PORT, Peer, PeerFind};
use crate::base::secret::Secret;
use crate::base::{Code, Error, Result};
use crate::client::Link;
use crate::client::connector::Security;
use crate::net::{Address, Network};

/// A line to a peer. With a key the peer is called straight, which needs no daemon here.
pub async fn line(session: &Session, peer: &str, straight: &Straight) -> Result<Link> {
    let Some(key) = &straight.key else { return Ok(session.link()?.via(peer)) };
    let known = known(session, peer).await;
    let address = match &known {
        Some(known) => Address::new(&known.address, known.port)?,
        None => Address::parse(peer, DEFAULT_PORT)?,
    };
    let security = security(straight, known.as_ref(), &address)?;
    Ok(Link::secured(&Network::Sockets, address, security)?.key(Secret::new(key)))
}

/// The line to a store: a peer's, or one's own.
pub async fn store(session: &Session, peer: Option<&str>, straight: &Straight) -> Result<Link> {
    match peer {
        Some(peer) => line(session, peer, straight).await,
        None if straight.key.is_some() => Err(Error::invalid("a key is for a peer's store").hint("Name the peer: --peer <PEER>")),
        None => session.link(),
    }
}

/// What protects a line that no daemon looks after: what the user said, else the pin of a peer that is known.
fn security(straight: &Straight, known: Option<&Peer>, address: &Address) -> Result<Security> {
    let pin = known.and_then(|peer| peer.fingerprint.as_deref()).map(str::parse).transpose()?;
    match straight.fingerprint.or(pin) {
        Some(fingerprint) => Ok(Security::Pinned(fingerprint)),
        None if straight.insecure => Ok(Security::Insecure),
        None if address.is_loopback() => Ok(Security::Loopback),
        None => Err(Error::new(Code::AuthTlsRequired, format!("nothing proves who answers at {address}, so no key is sent there"))
            .hint("Give the certificate that it must show, --fingerprint SHA256, or send the key to whoever answers: --insecure")),
    }
}

/// The peer of the own daemon that is meant, if there is a daemon and it knows one.
async fn known(session: &Session, wanted: &str) -> Option<Peer> {
    let found = session.link().ok()?.call(&PeerFind { node_id: wanted.to_owned() }).await.ok();
    // Who only announces himself is not known, whatever he calls himself.
    found.filter(|peer| peer.trusted || peer.manually_added)
}
