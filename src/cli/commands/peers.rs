//! `loopsy peers`: the machines that this one knows.

use std::process::ExitCode;

use crate::api::peers::{DEFAULT_PORT, Peer, PeerAdd, PeerFind, PeerList, PeerPing, PeerRemove, PeerRename, PeerRevoke, PeerState};
use crate::base::secret::Secret;
use crate::base::{Result, clock, units};
use crate::cli::Session;
use crate::cli::app::{Peers, PeersAction};
use crate::client::Link;
use crate::net::Address;

/// Carries out the command.
pub fn run(session: &Session, args: Peers) -> Result<ExitCode> {
    session.wait(async {
        let link = session.link()?;
        match args.action.unwrap_or(PeersAction::List) {
            PeersAction::List => list(session, &link).await,
            PeersAction::Add { address, port, name, key } => add(session, &link, &address, port, name, key).await,
            PeersAction::Remove { peer } => {
                let peer = find(&link, &peer).await?;
                let gone = link.call(&PeerRemove { node_id: peer.node_id.clone() }).await?;
                session.console.done(&gone, format!("Removed {}", peer.label()))
            }
            PeersAction::Revoke { peer } => {
                let revoked = link.call(&PeerRevoke { node_id: peer }).await?;
                session.console.done(&revoked, format!("{} is not trusted any more", revoked.label()))
            }
            PeersAction::Ping { peer } => {
                let peer = link.call(&PeerPing { node_id: peer }).await?;
                if session.console.wants_json() {
                    return session.console.json(&peer);
                }
                session.console.line(format!("{} answers in {:.1} ms", peer.label(), peer.latency_ms.unwrap_or_default()))
            }
            PeersAction::Rename { peer, name } => {
                let peer = find(&link, &peer).await?;
                let renamed = link.call(&PeerRename { node_id: peer.node_id.clone(), name }).await?;
                session.console.done(&renamed, format!("{} is {} now", peer.label(), renamed.label()))
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The peer that is meant; the daemon knows how people name peers.
async fn find(link: &Link, reference: &str) -> Result<Peer> {
    link.call(&PeerFind { node_id: reference.to_owned() }).await
}

async fn add(session: &Session, link: &Link, address: &str, port: Option<u16>, name: Option<String>, key: Option<String>) -> Result<()> {
    let address = Address::parse(address, port.unwrap_or(DEFAULT_PORT))?;
    let key = match key.as_deref() {
        Some("-") => Some(std::io::read_to_string(std::io::stdin()).unwrap_or_default().trim().to_owned()),
        other => other.map(str::to_owned),
    };
    let op = PeerAdd {
        address: address.host,
        port: port.unwrap_or(address.port),
        node_id: None,
        hostname: None,
        name,
        key: key.map(Secret::new),
    };
    let peer = link.call(&op).await?;
    if session.console.wants_json() {
        return session.console.json(&peer);
    }
    session.console.note(format!("Added {} ({}), {}", peer.label(), place(&peer), state(&peer)));
    if !peer.trusted {
        session.console.note(format!("It is not trusted. Pair with it: loopsy pair {}", place(&peer)));
    }
    Ok(())
}

async fn list(session: &Session, link: &Link) -> Result<()> {
    let peers = link.call(&PeerList {}).await?;
    if session.console.wants_json() {
        return session.console.json(&peers);
    }
    if peers.peers.is_empty() {
        session.console.note("No peers yet, and none is announced on this network. Pair with a machine: loopsy pair");
        return Ok(());
    }
    let rows: Vec<_> = peers
        .peers
        .iter()
        .map(|peer| {
            let trusted = match (peer.trusted, is_stranger(peer)) {
                (true, _) => "yes",
                (false, true) => "not paired",
                (false, false) => "no key",
            };
            vec![
                peer.label().to_owned(),
                state(peer).to_owned(),
                place(peer),
                peer.platform.clone(),
                seen(peer),
                trusted.to_owned(),
                peer.node_id.clone(),
            ]
        })
        .collect();
    session.console.table(&["NAME", "STATE", "ADDRESS", "PLATFORM", "SEEN", "TRUSTED", "NODE ID"], &rows)?;
    if let Some(stranger) = peers.peers.iter().find(|peer| is_stranger(peer)) {
        session.console.note(format!("Machines that were found are not trusted. Pair with one: loopsy pair {}", stranger.label()));
    }
    Ok(())
}

/// Whether a machine is only announced on the network, and nobody knows it.
fn is_stranger(peer: &Peer) -> bool {
    peer.status == PeerState::Unknown && !peer.trusted && !peer.manually_added && peer.name.is_none()
}

fn place(peer: &Peer) -> String {
    Address { host: peer.address.clone(), port: peer.port }.to_string()
}

fn state(peer: &Peer) -> &'static str {
    match peer.status {
        PeerState::Online => "online",
        PeerState::Offline => "offline",
        PeerState::Unknown if is_stranger(peer) => "found",
        PeerState::Unknown => "unknown",
    }
}

fn seen(peer: &Peer) -> String {
    if peer.last_seen == 0 {
        return "never".into();
    }
    let ago = std::time::Duration::from_millis(clock::now().saturating_sub(peer.last_seen));
    if ago.as_secs() < 2 { "now".into() } else { format!("{} ago", units::duration(ago)) }
}
