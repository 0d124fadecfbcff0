//! The rows of the registry, and who is who among them. Pure: no clock, no network, no disk.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::former::Pending;
use crate::api::node::Identity;
use crate::api::peers::{Peer, PeerState};
use crate::base::id::MANUAL;
use crate::base::text::{claimed_name, closest};
use crate::base::{Code, Error, Result};
use crate::net::Address;

/// Failures in a row after which a peer counts as offline.
const FAILURES: u32 = 3;

/// Every machine that this one knows; one machine is one row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub(super) struct Registry {
    pub(super) peers: Vec<Peer>,
    /// What would come back for those that have not called yet, by node id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) pending: BTreeMap<String, Pending>,
}

/// The forms in which a registry is found on disk: ours, and a bare list as of the Node version.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Ours {
        peers: Vec<Peer>,
        #[serde(default)]
        pending: BTreeMap<String, Pending>,
    },
    List(Vec<Peer>),
}

impl From<Stored> for Registry {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Ours { peers, pending } => Self { peers, pending },
            Stored::List(peers) => Self { peers, ..Self::default() },
        }
    }
}

/// The id of a machine that has not answered yet.
pub(super) fn manual_id(address: &Address) -> String {
    format!("{MANUAL}{}:{}", address.host, address.port)
}

impl Registry {
    /// A registry as it was stored: what was true then may not be now.
    pub(super) fn stored(self) -> Self {
        let mut fit = self.fit();
        for peer in &mut fit.peers {
            peer.status = PeerState::Unknown;
            peer.failure_count = 0;
            peer.latency_ms = None;
            peer.load = None;
        }
        fit
    }

    /// A registry of which only the rows stay that can be used.
    pub(super) fn fit(mut self) -> Self {
        // The Node version kept every machine that it had ever seen announced, under a new id each time.
        self.peers.retain(|peer| (peer.manually_added || peer.name.is_some()) && Address::new(&peer.address, peer.port).is_ok());
        self
    }

    pub(super) fn at(&mut self, address: &Address) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.address.eq_ignore_ascii_case(&address.host) && peer.port == address.port)
    }
    pub(super) fn by_id(&mut self, node_id: &str) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.node_id == node_id)
    }
    pub(super) fn by_name(&mut self, name: &str) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.name.as_deref() == Some(name))
    }

    /// The row of an address that the owner entered, made if there is none.
    pub(super) fn enter(&mut self, address: &Address, node_id: Option<&str>, hostname: Option<&str>, name: Option<&str>) -> &mut Peer {
        let found = self
            .peers
            .iter()
            .position(|peer| node_id.is_some_and(|id| peer.node_id == id) || name.is_some() && peer.name.as_deref() == name)
            .or_else(|| self.peers.iter().position(|peer| peer.address.eq_ignore_ascii_case(&address.host) && peer.port == address.port));
        let at = found.unwrap_or_else(|| {
            self.peers.push(Peer::unknown(&address.host, address.port));
            self.peers.len() - 1
        });
        let peer = &mut self.peers[at];
        if peer.node_id.starts_with(MANUAL) {
            peer.node_id = node_id.map_or_else(|| manual_id(address), str::to_owned);
        }
        peer.address.clone_from(&address.host);
        peer.port = address.port;
        peer.manually_added = true;
        if let Some(hostname) = hostname {
            hostname.clone_into(&mut peer.hostname);
        }
        if let Some(name) = name {
            peer.name = Some(name.to_owned());
        }
        peer
    }

    /// Takes in who answered at an address. A row of the same id elsewhere is the same machine, and one of the two goes: never
    /// one that has a name, since an id alone proves nothing.
    ///
    /// # Errors
    /// When the row belonged to another node, or two peers would be one: without a certificate nothing proves that.
    pub(super) fn recognise(&mut self, address: &Address, node_id: &str, identity: Option<&Identity>) -> Result<()> {
        let Some(row) = self.at(address) else { return Ok(()) };
        if row.node_id != node_id && !row.node_id.starts_with(MANUAL) {
            return Err(Error::new(Code::PeerHandshakeFailed, format!("another daemon answers at {address} than {} was", row.hostname))
                .hint(format!("If that is right: loopsy peers remove {}, then add it again.", row.node_id)));
        }
        let (here, is_named) = ((row.address.clone(), row.port), row.name.is_some());
        let is_here = |peer: &Peer| peer.address == here.0 && peer.port == here.1;
        let other = self.peers.iter().find(|peer| peer.node_id == node_id && peer.name.is_some() && !is_here(peer));
        match other {
            Some(other) if is_named => {
                let what = format!("the daemon at {address} has the node id of {}", other.label());
                return Err(Error::new(Code::PeerHandshakeFailed, what)
                    .hint("A data directory was copied: remove identity.json in one of the two. Or somebody claims to be the other."));
            }
            Some(_) => self.peers.retain(|peer| !is_here(peer)),
            None => self.peers.retain(|peer| peer.node_id != node_id || is_here(peer)),
        }
        if let Some(row) = self.at(address) {
            node_id.clone_into(&mut row.node_id);
            if let Some(identity) = identity {
                describe(row, identity);
            }
        }
        Ok(())
    }

    /// Takes in what a peer says of itself, who calls `from` an address. Only its own row changes, and its address only where
    /// `followed`. A row without a name becomes its own only where it calls from.
    pub(super) fn introduced(&mut self, name: &str, identity: &Identity, from: IpAddr, followed: Option<&Address>) -> Result<()> {
        let other =
            self.peers.iter().any(|peer| peer.node_id == identity.node_id && peer.name.as_deref().is_some_and(|known| known != name));
        if other {
            return Err(Error::new(Code::PeerHandshakeFailed, format!("{name} claims the node id of another peer")));
        }
        let at = self.peers.iter().position(|peer| peer.name.as_deref() == Some(name)).or_else(|| {
            let is_there = |peer: &Peer| peer.address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical() == from);
            self.peers.iter().position(|peer| peer.node_id == identity.node_id && peer.name.is_none() && is_there(peer))
        });
        let row = match (at, followed) {
            (Some(at), _) => &mut self.peers[at],
            (None, Some(address)) => {
                let row = self.enter(address, Some(&identity.node_id), None, None);
                row.manually_added = false;
                row
            }
            (None, None) => return Ok(()),
        };
        row.name = Some(name.to_owned());
        identity.node_id.clone_into(&mut row.node_id);
        describe(row, identity);
        Ok(())
    }

    /// Counts an answer, or the lack of one. Whether the state changed.
    pub(super) fn checked(&mut self, address: &Address, answered: Option<(u64, f64)>) -> bool {
        let Some(peer) = self.at(address) else { return false };
        let before = peer.status;
        match answered {
            Some((now, latency)) => {
                peer.status = PeerState::Online;
                peer.failure_count = 0;
                peer.last_seen = now;
                peer.latency_ms = Some(latency);
            }
            None => {
                peer.failure_count = peer.failure_count.saturating_add(1);
                peer.latency_ms = None;
                peer.load = None;
                if peer.failure_count >= FAILURES {
                    peer.status = PeerState::Offline;
                }
            }
        }
        before != peer.status
    }

    /// A machine is said to be gone: one failed check more and it is offline. The row that is doubted.
    pub(super) fn doubt(&mut self, node_id: &str) -> Option<Peer> {
        let peer = self.by_id(node_id)?;
        peer.failure_count = peer.failure_count.max(FAILURES - 1);
        Some(peer.clone())
    }

    /// The peer that a person or a program means.
    ///
    /// # Errors
    /// `PEER_NOT_FOUND` with the names that there are; `INVALID_REQUEST` when several fit.
    pub(super) fn resolve(&self, reference: &str) -> Result<&Peer> {
        let wanted = reference.trim();
        let all = |is_meant: &dyn Fn(&Peer) -> bool| self.peers.iter().filter(|peer| is_meant(peer)).collect::<Vec<&Peer>>();
        // Names are this machine's own words; everything else is what others say of themselves, and means nothing that has a name.
        if let [peer, ..] = all(&|peer| peer.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted))).as_slice() {
            return Ok(peer);
        }
        let by_address = || {
            let Ok(address) = Address::parse(wanted, 0).or_else(|_| Address::parse(wanted, crate::api::peers::DEFAULT_PORT)) else {
                return Vec::new();
            };
            let here: Vec<&Peer> = self.peers.iter().filter(|peer| peer.address.eq_ignore_ascii_case(&address.host)).collect();
            let exact: Vec<&Peer> = here.iter().filter(|peer| peer.port == address.port).copied().collect();
            let names_port = Address::parse(wanted, 0).is_ok();
            if names_port || !exact.is_empty() { exact } else { here }
        };
        let is_ip = Address::parse(wanted, crate::api::peers::DEFAULT_PORT).is_ok_and(|address| address.ip().is_some());
        let prefix = wanted.strip_prefix("loopsy-").unwrap_or(wanted);
        let could_be_id =
            prefix.len() >= 4 && (prefix.starts_with(MANUAL) || prefix.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
        let by_id = |is_meant: &dyn Fn(&Peer) -> bool| if could_be_id { all(is_meant) } else { Vec::new() };
        let by_hostname = if is_ip { Vec::new() } else { all(&|peer| peer.hostname.eq_ignore_ascii_case(wanted)) };
        let (exactly, begun) = (by_id(&|peer| peer.node_id == wanted), by_id(&|peer| peer.node_id.starts_with(prefix)));
        for found in [exactly, by_hostname, begun, by_address()] {
            match found.as_slice() {
                [] => {}
                [peer] => return Ok(peer),
                several => {
                    let names: Vec<_> = several.iter().map(|peer| format!("{} ({})", peer.label(), place(peer))).collect();
                    return Err(
                        Error::invalid(format!("{wanted:?} is more than one peer: {}", names.join(", "))).hint("Name it by its node id.")
                    );
                }
            }
        }
        Err(self.unknown(wanted))
    }

    fn unknown(&self, wanted: &str) -> Error {
        let names: Vec<&str> = self.peers.iter().map(Peer::label).collect();
        let error = Error::new(Code::PeerNotFound, format!("there is no peer {wanted:?}"));
        match closest(wanted, names.iter().copied()) {
            Some(name) => error.hint(format!("Did you mean {name}?")),
            None if names.is_empty() => error.hint("Pair with a machine: loopsy pair"),
            None => error.hint(format!("Known: {}.", names.join(", "))),
        }
    }
}

/// Where a peer listens, as it is written.
pub(super) fn place(peer: &Peer) -> String {
    Address { host: peer.address.clone(), port: peer.port }.to_string()
}

fn describe(row: &mut Peer, identity: &Identity) {
    row.hostname = claimed_name(&identity.hostname);
    row.platform = claimed_name(&identity.platform);
    row.version = claimed_name(&identity.version);
    row.capabilities = identity.capabilities.iter().take(64).map(|capability| claimed_name(capability)).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text, 19532).unwrap()
    }
    fn identity(node_id: &str, hostname: &str) -> Identity {
        Identity {
            node_id: node_id.into(),
            hostname: hostname.into(),
            platform: "linux".into(),
            version: "1.0.0".into(),
            port: 19532,
            ..Identity::default()
        }
    }

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    /// Whoever is paired may call himself what he likes; what people type means whom they named.
    #[test]
    fn no_claimed_id_or_hostname_means_a_peer_that_has_the_name() {
        let mut registry = Registry::default();
        registry.enter(&address("10.0.0.66"), Some("kai"), Some("10.0.0.2"), Some("eve"));
        registry.enter(&address("10.0.0.2"), Some("0f8fad5b-aaaa"), Some("kai-laptop"), Some("kai"));
        registry.enter(&address("10.0.0.67"), Some("kai-laptop"), Some("0f8fad5b-aaaa"), Some("mallory"));
        for reference in ["kai", "kai-laptop", "10.0.0.2", "10.0.0.2:19532", "0f8fad5b-aaaa"] {
            assert_eq!(registry.resolve(reference).unwrap().name.as_deref(), Some("kai"), "{reference}");
        }
    }

    /// An id alone proves nothing: a peer that has a name keeps its row, and no other takes it.
    #[test]
    fn a_claimed_id_takes_no_peers_row() {
        let kai = |registry: &Registry| registry.peers.iter().filter(|peer| peer.name.as_deref() == Some("kai")).count();
        let mut registry = Registry::default();
        registry.enter(&address("10.0.0.2"), Some("id-kai"), Some("kai"), Some("kai"));
        registry.enter(&address("10.0.0.66"), None, None, Some("eve"));
        assert!(registry.recognise(&address("10.0.0.66"), "id-kai", None).is_err());
        registry.enter(&address("10.0.0.67"), None, None, None);
        registry.recognise(&address("10.0.0.67"), "id-kai", None).unwrap();
        assert_eq!((kai(&registry), registry.peers.len()), (1, 2));
        assert_eq!(registry.resolve("kai").unwrap().address, "10.0.0.2");

        let mut registry = Registry::default();
        registry.enter(&address("10.0.0.66"), Some("id-kai"), None, None);
        registry.introduced("kai", &identity("id-kai", "kai"), FROM, None).unwrap();
        assert_eq!(kai(&registry), 0, "the row at the liar's address does not become kai's");
        registry.introduced("kai", &identity("id-kai", "kai"), "10.0.0.66".parse().unwrap(), None).unwrap();
        assert_eq!(kai(&registry), 1);
    }

    /// known fault 58: one machine is one row, however it was found.
    #[test]
    fn a_manual_entry_takes_the_real_id_and_swallows_its_double() {
        let mut registry = Registry::default();
        registry.enter(&address("10.0.0.2"), None, None, None);
        registry.enter(&address("kai.local"), None, None, None);
        assert_eq!(registry.peers[0].node_id, "manual-10.0.0.2:19532");
        registry.recognise(&address("10.0.0.2"), "id-kai-1", Some(&identity("id-kai-1", "kai"))).unwrap();
        registry.recognise(&address("kai.local"), "id-kai-1", None).unwrap();
        assert_eq!(registry.peers.len(), 1);
        assert_eq!(registry.peers[0].node_id, "id-kai-1");
    }

    #[test]
    fn another_daemon_at_the_same_address_is_not_taken_for_the_peer() {
        let mut registry = Registry::default();
        registry.enter(&address("10.0.0.2"), Some("id-kai"), Some("kai"), Some("kai"));
        assert_eq!(registry.recognise(&address("10.0.0.2"), "id-eve", None).unwrap_err().code, Code::PeerHandshakeFailed);
        assert_eq!(registry.peers[0].node_id, "id-kai");
    }

    /// known fault 37: a handshake changes the caller's own entry only.
    #[test]
    fn a_handshake_can_not_take_another_peers_entry() {
        let mut registry = Registry::default();
        registry.enter(&address("10.0.0.2"), Some("id-kai"), Some("kai"), Some("kai"));
        registry.enter(&address("10.0.0.3"), Some("id-leo"), Some("leo"), Some("leo"));
        assert!(registry.introduced("leo", &identity("id-kai", "kai"), FROM, None).is_err());
        registry.introduced("leo", &identity("id-leo-2", "kai"), FROM, Some(&address("10.9.9.9"))).unwrap();
        assert_eq!(registry.by_name("kai").unwrap().node_id, "id-kai");
        let leo = registry.by_name("leo").unwrap();
        assert_eq!((leo.node_id.as_str(), leo.hostname.as_str(), leo.address.as_str()), ("id-leo-2", "kai", "10.0.0.3"));
    }

    /// known fault 10: three failures are offline, one answer is online again, and a restart starts anew.
    #[test]
    fn failures_count_and_an_answer_forgives() {
        let mut registry = Registry::default();
        let kai = address("10.0.0.2");
        registry.enter(&kai, None, None, Some("kai"));
        assert!(!registry.checked(&kai, None) && !registry.checked(&kai, None) && registry.checked(&kai, None));
        assert_eq!(registry.peers[0].status, PeerState::Offline);
        assert!(registry.checked(&kai, Some((5, 1.0))));
        assert_eq!((registry.peers[0].status, registry.peers[0].failure_count), (PeerState::Online, 0));
        registry.checked(&kai, None);
        let stored = registry.clone().stored();
        assert_eq!((stored.peers[0].status, stored.peers[0].failure_count), (PeerState::Unknown, 0));
    }

    #[test]
    fn a_registry_of_the_node_version_is_read() {
        let peer = r#"{"nodeId":"id-kai","hostname":"kai","address":"10.0.0.2","port":19532,"manuallyAdded":true,"lastSeen":5}"#;
        for text in [format!("[{peer}]"), format!(r#"{{"version":1,"peers":[{peer}]}}"#)] {
            let registry: Registry = serde_json::from_str(&text).unwrap();
            assert_eq!(registry.stored().peers[0].node_id, "id-kai", "{text}");
        }
    }

    #[test]
    fn peers_are_found_as_people_name_them() {
        let mut registry = Registry::default();
        registry.enter(&address("10.0.0.2"), Some("0f8fad5b-aaaa"), Some("kai-laptop"), Some("kai"));
        registry.enter(&address("[fe80::7]:19600"), Some("1f8fad5b-bbbb"), Some("leo"), None);
        registry.enter(&address("10.0.0.4:1"), Some("2f8fad5b-cccc"), Some("twin"), None);
        registry.enter(&address("10.0.0.4:2"), Some("3f8fad5b-dddd"), Some("twin"), None);
        for (reference, id) in [
            ("kai", "0f8fad5b-aaaa"),
            ("KAI", "0f8fad5b-aaaa"),
            ("kai-laptop", "0f8fad5b-aaaa"),
            ("0f8f", "0f8fad5b-aaaa"),
            ("10.0.0.2", "0f8fad5b-aaaa"),
            ("10.0.0.2:19532", "0f8fad5b-aaaa"),
            ("[fe80::7]:19600", "1f8fad5b-bbbb"),
            ("fe80::7", "1f8fad5b-bbbb"),
            ("10.0.0.4:2", "3f8fad5b-dddd"),
        ] {
            assert_eq!(registry.resolve(reference).unwrap().node_id, id, "{reference}");
        }
        assert_eq!(registry.resolve("twin").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(registry.resolve("10.0.0.4").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(registry.resolve("kia").unwrap_err().hint.unwrap(), "Did you mean kai?");
        assert_eq!(registry.resolve("10.0.0.2:5").unwrap_err().code, Code::PeerNotFound);
    }
}
