//! Machines that announce themselves on the network. What they say of themselves is a hint: it is kept apart from the
//! registry, in memory alone, and gives nobody trust, a key, a pin or a name.

use std::collections::BTreeMap;

use super::Peers;
use super::registry::{Registry, manual_id};
use crate::api::peers::{Peer, PeerState};
use crate::base::sync::lock;
use crate::base::{Code, Result, clock};
use crate::net::Address;

/// Machines that are remembered at once; a network with more has a liar in it.
const MOST: usize = 256;

/// What a machine announces. Everything in it has been made fit to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The name under which it announces itself, and says goodbye.
    pub instance: String,
    /// The node id that it claims.
    pub node_id: String,
    /// Its name for itself.
    pub hostname: String,
    /// Where it says it is: the address that is most likely to be reached first, never empty.
    pub addresses: Vec<Address>,
    /// Its system.
    pub platform: String,
    /// Version of its protocol.
    pub version: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Whether it says that it speaks TLS.
    pub tls: bool,
}

/// Who is announced now, by instance.
#[derive(Default)]
pub(super) struct Sightings(BTreeMap<String, Sighting>);

impl Sightings {
    /// Takes one in; whether it tells anything new. Where the table is full, a machine that is known takes a stranger's place.
    fn see(&mut self, sighting: Sighting, is_known: impl Fn(&str) -> bool) -> bool {
        if self.0.get(&sighting.instance) == Some(&sighting) {
            return false;
        }
        if self.0.len() >= MOST && !self.0.contains_key(&sighting.instance) {
            let stranger = self.0.values().find(|seen| !is_known(&seen.node_id)).map(|seen| seen.instance.clone());
            match stranger.filter(|_| is_known(&sighting.node_id)) {
                Some(stranger) => self.0.remove(&stranger),
                None => return false,
            };
        }
        self.0.insert(sighting.instance.clone(), sighting);
        true
    }

    /// Every address at which a node is said to be.
    fn addresses_of(&self, node_id: &str) -> Vec<Address> {
        self.0.values().filter(|seen| seen.node_id == node_id).flat_map(|seen| seen.addresses.clone()).collect()
    }

    /// The machines that are in no row of `known`, as rows; one for each node id.
    fn strangers(&self, known: &[Peer]) -> Vec<Peer> {
        let mut rows: Vec<Peer> = Vec::new();
        for seen in self.0.values() {
            let is_row = |row: &Peer| {
                // A machine that was entered by its address and has not answered yet has no other id than that.
                row.node_id == seen.node_id || seen.addresses.iter().any(|address| row.node_id == manual_id(address))
            };
            if !known.iter().chain(&rows).any(is_row) {
                rows.push(row(seen));
            }
        }
        rows
    }
}

fn row(seen: &Sighting) -> Peer {
    let (host, port) = seen.addresses.first().map_or_else(Default::default, |first| (first.host.as_str(), first.port));
    Peer {
        node_id: seen.node_id.clone(),
        hostname: seen.hostname.clone(),
        platform: seen.platform.clone(),
        version: seen.version.clone(),
        capabilities: seen.capabilities.clone(),
        last_seen: clock::now(),
        manually_added: false,
        tls: Some(seen.tls),
        ..Peer::unknown(host, port)
    }
}

impl Peers {
    /// A machine announces itself. One that is known is asked at once whether it is there; of another nothing is asked.
    pub fn sighted(&self, sighting: Sighting) {
        if sighting.node_id == self.0.identity.node_id || sighting.addresses.is_empty() {
            return;
        }
        let known: Vec<Peer> = lock(&self.0.registry).peers.clone();
        let node_id = sighting.node_id.clone();
        let is_news = lock(&self.0.sightings).see(sighting, |id| known.iter().any(|peer| peer.node_id == id));
        let peer = known.iter().find(|peer| peer.node_id == node_id);
        if let Some(peer) = peer.filter(|peer| is_news || peer.status != PeerState::Online) {
            self.hurry(peer);
        }
    }

    /// A machine said goodbye, or is announced no more. One that is known is asked at once, and is offline if it does not
    /// answer.
    pub fn vanished(&self, instance: &str) {
        let Some(gone) = lock(&self.0.sightings).0.remove(instance) else { return };
        let doubted = lock(&self.0.registry).doubt(&gone.node_id);
        if let Some(peer) = doubted {
            self.hurry(&peer);
        }
    }

    /// Nobody is looked for any more.
    pub fn sees_nobody(&self) {
        lock(&self.0.sightings).0.clear();
    }

    /// Instances that no health check watches, because this machine does not know them.
    pub fn unwatched(&self) -> Vec<String> {
        let known: Vec<String> = lock(&self.0.registry).peers.iter().map(|peer| peer.node_id.clone()).collect();
        lock(&self.0.sightings).0.values().filter(|seen| !known.contains(&seen.node_id)).map(|seen| seen.instance.clone()).collect()
    }

    /// The machines that are announced and not known, as rows.
    pub(super) fn strangers(&self, known: &[Peer]) -> Vec<Peer> {
        lock(&self.0.sightings).strangers(known)
    }

    /// Looks for a peer that does not answer at its address at those at which it is announced. Whether it is there.
    pub(super) async fn look_elsewhere(&self, silent: &Address) -> Result<bool> {
        let Some(row) = lock(&self.0.registry).at(silent).cloned() else { return Ok(false) };
        let Some(name) = row.name else { return Ok(false) };
        let mut candidates = lock(&self.0.sightings).addresses_of(&row.node_id);
        candidates.retain(|address| address != silent);
        if candidates.is_empty() { Ok(false) } else { self.follow(&name, &candidates).await }
    }

    /// The peer, or else the machine that is announced, that a person or a program means: by name, hostname, node id or its
    /// beginning, or address. Who is known is never mistaken for who announces himself under the same name, and nothing that
    /// the configuration says of a name holds for the latter.
    pub fn resolve(&self, reference: &str) -> Result<Peer> {
        self.look_around();
        let (error, known) = {
            let registry = lock(&self.0.registry);
            match registry.own(reference.trim(), &self.0.machine).map_or_else(|| registry.resolve(reference), Ok) {
                Ok(peer) => {
                    let mut peer = peer.clone();
                    self.complete(&mut peer);
                    return Ok(peer);
                }
                Err(error) if error.code == Code::PeerNotFound => (error, registry.peers.clone()),
                Err(ambiguous) => return Err(ambiguous),
            }
        };
        let mut strangers = Registry { peers: self.strangers(&known), ..Registry::default() };
        match strangers.resolve(reference) {
            Err(hint) if hint.code == Code::PeerNotFound && !strangers.peers.is_empty() => {
                // Once more over all, for the hint.
                strangers.peers.splice(..0, known);
                Err(strangers.resolve(reference).err().unwrap_or(error))
            }
            Err(hint) if hint.code == Code::PeerNotFound => Err(error),
            found => found.cloned(),
        }
    }

    pub(super) fn hurry(&self, peer: &Peer) {
        if let Ok(address) = Address::new(&peer.address, peer.port) {
            lock(&self.0.hurried).insert(address);
            self.0.check.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(instance: &str, node_id: &str, hostname: &str, addresses: &[&str]) -> Sighting {
        Sighting {
            instance: instance.into(),
            node_id: node_id.into(),
            hostname: hostname.into(),
            addresses: addresses.iter().map(|address| Address::parse(address, 19532).unwrap()).collect(),
            platform: "linux".into(),
            version: "1.0.0".into(),
            capabilities: vec!["execute".into()],
            tls: true,
        }
    }
    fn nobody(_: &str) -> bool {
        false
    }
    fn ids(rows: &[Peer]) -> Vec<&str> {
        rows.iter().map(|row| row.node_id.as_str()).collect()
    }

    #[test]
    fn what_is_announced_twice_is_news_once() {
        let mut sightings = Sightings::default();
        let kai = sighting("loopsy-1", "id-kai", "kai", &["10.0.0.2"]);
        assert!(sightings.see(kai.clone(), nobody) && !sightings.see(kai.clone(), nobody));
        assert!(sightings.see(Sighting { addresses: vec![Address::new("10.0.0.3", 19532).unwrap()], ..kai }, nobody));
        assert_eq!(sightings.strangers(&[])[0].address, "10.0.0.3");
    }

    /// known fault 58: one machine is one row, however it was found; two machines of one name are two.
    #[test]
    fn one_machine_is_one_row_and_two_of_one_name_are_two() {
        let mut sightings = Sightings::default();
        for (instance, id, address) in
            [("loopsy-1", "id-kai", "10.0.0.2"), ("loopsy-1 (2)", "id-kai", "10.0.0.9"), ("loopsy-2", "id-kai-2", "10.0.0.3")]
        {
            sightings.see(sighting(instance, id, "kai", &[address]), nobody);
        }
        assert_eq!(ids(&sightings.strangers(&[])), ["id-kai", "id-kai-2"]);
        let mut registry = Registry::default();
        registry.enter(&Address::new("10.0.0.3", 19532).unwrap(), None, None, None);
        assert_eq!(ids(&sightings.strangers(&registry.peers)), ["id-kai"]);
        registry.enter(&Address::new("kai.example", 1).unwrap(), Some("id-kai"), None, Some("kai"));
        assert!(sightings.strangers(&registry.peers).is_empty());
        assert_eq!(sightings.addresses_of("id-kai").len(), 2);
    }

    /// known fault 37: nobody is trusted, named or taken for somebody entered by hand because of what he announces.
    #[test]
    fn a_stranger_is_listed_and_nothing_more() {
        let mut sightings = Sightings::default();
        sightings.see(sighting("loopsy-1", "id-kai", "kai", &["10.0.0.2", "[fe80::1%eth0]"]), nobody);
        let row = &sightings.strangers(&[])[0];
        assert!(!row.trusted && !row.manually_added && row.name.is_none() && row.fingerprint.is_none() && row.permissions.is_none());
        assert_eq!((row.status, row.address.as_str(), row.port), (PeerState::Unknown, "10.0.0.2", 19532));
    }

    #[test]
    fn a_flood_of_strangers_is_bounded_and_hides_no_peer() {
        let mut sightings = Sightings::default();
        for at in 0..10_000 {
            sightings.see(sighting(&format!("loopsy-{at}"), &format!("id-{at}"), "x", &["10.0.0.2"]), nobody);
        }
        assert_eq!(sightings.0.len(), MOST);
        let is_peer = |id: &str| id == "id-kai";
        assert!(sightings.see(sighting("loopsy-kai", "id-kai", "kai", &["10.0.0.3"]), is_peer));
        assert!(!sightings.see(sighting("loopsy-new", "id-new", "new", &["10.0.0.3"]), is_peer));
        assert!(sightings.0.len() == MOST && sightings.0.contains_key("loopsy-kai"));
    }
}
