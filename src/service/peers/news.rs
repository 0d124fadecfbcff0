//! What is new among the peers since it was last told.

use std::sync::Mutex;

use super::registry::{Registry, place};
use crate::api::events::{Notice, NoticeType};
use crate::api::peers::{Peer, PeerState};
use crate::base::sync::lock;
use crate::service::journal::Journal;

/// The journal, and the peers as it knows them.
pub(super) struct News {
    journal: Journal,
    told: Mutex<Vec<Peer>>,
}

impl News {
    /// Nothing is new about these peers.
    pub(super) fn since(journal: Journal, registry: &Registry) -> Self {
        Self { journal, told: Mutex::new(registry.peers.clone()) }
    }
    /// Whether somebody hears it.
    pub(super) fn is_followed(&self) -> bool {
        self.journal.hears_of_peers()
    }
    /// Tells what is new.
    pub(super) fn tell(&self, registry: &Registry) {
        let mut told = lock(&self.told);
        news(&told, &registry.peers).into_iter().for_each(|notice| self.journal.push(notice));
        told.clone_from(&registry.peers);
    }
}

fn news(before: &[Peer], now: &[Peer]) -> Vec<Notice> {
    let is_same = |a: &Peer, b: &Peer| a.node_id == b.node_id || (a.address == b.address && a.port == b.port);
    let told = |action, peer: &Peer| Notice::new(NoticeType::Peer, action, peer.label());
    let gone = before.iter().filter(|old| !now.iter().any(|peer| is_same(old, peer))).map(|old| told("removed", old));
    let mut notices: Vec<Notice> = gone.collect();
    for peer in now {
        let old = before.iter().find(|old| old.node_id == peer.node_id).or_else(|| before.iter().find(|old| is_same(old, peer)));
        let renamed = old.filter(|old| old.name.is_some() && peer.name.is_some() && old.name != peer.name);
        notices.extend(old.is_none().then(|| told("added", peer).detail("nodeId", &*peer.node_id).detail("address", place(peer))));
        notices.extend(renamed.map(|old| told("renamed", peer).detail("from", old.label())));
        let state = Some(peer.status).filter(|status| old.map_or(PeerState::Unknown, |old| old.status) != *status);
        let action = state.and_then(|state| match state {
            PeerState::Online => Some("online"),
            PeerState::Offline => Some("offline"),
            _ => None,
        });
        notices.extend(action.map(|action| told(action, peer)));
        let load = peer.load.filter(|load| old.and_then(|old| old.load).as_ref() != Some(load));
        notices.extend(load.map(|load| told("load", peer).detail("jobs", load.jobs).detail("tasks", load.tasks)));
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::peers::Load;

    fn peer(id: &str, name: Option<&str>, port: u16, status: PeerState) -> Peer {
        Peer { node_id: id.into(), name: name.map(str::to_owned), status, ..Peer::unknown("10.0.0.2", port) }
    }
    fn said(before: &[Peer], now: &[Peer]) -> Vec<String> {
        news(before, now).iter().map(|notice| format!("{} {}", notice.action, notice.subject)).collect()
    }

    #[test]
    fn coming_going_and_new_names_are_told_once() {
        use PeerState::{Offline, Online, Unknown};
        let kai = |status| peer("id-kai", Some("kai"), 1, status);
        assert_eq!(said(&[], &[kai(Unknown)]), ["added kai"]);
        assert_eq!(said(&[], &[kai(Online)]), ["added kai", "online kai"]);
        assert_eq!(said(&[kai(Unknown)], &[kai(Online)]), ["online kai"]);
        assert_eq!(said(&[kai(Online)], &[kai(Offline)]), ["offline kai"]);
        assert_eq!(said(&[kai(Online)], &[kai(Online)]), [""; 0]);
        assert_eq!(said(&[kai(Online)], &[peer("id-kai", Some("leo"), 1, Online)]), ["renamed leo"]);
        assert_eq!(said(&[kai(Online)], &[]), ["removed kai"]);
        let busy = Peer { load: Some(Load { jobs: 2, ..Load::default() }), ..kai(Online) };
        assert_eq!(said(&[kai(Online)], std::slice::from_ref(&busy)), ["load kai"]);
        assert_eq!(said(std::slice::from_ref(&busy), std::slice::from_ref(&busy)), [""; 0]);
        // A machine that tells its id, or moves, is the same.
        assert_eq!(said(&[peer("manual-10.0.0.2:1", None, 1, Unknown)], &[kai(Online)]), ["online kai"]);
        assert_eq!(said(&[kai(Online)], &[peer("id-kai", Some("kai"), 9, Online)]), [""; 0]);
    }
}
