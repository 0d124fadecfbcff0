//! Sessions: this machine's other daemons, and those of other machines.
//!
//! This machine's are known from the registry that they share, and so is whether they run. Those of another machine are told
//! by its main daemon, and are trusted as far as that machine is: the same key, pin and permissions.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::Peers;
use super::registry::Registry;
use crate::api::node::{Identity, SessionIdentity};
use crate::api::peers::{Peer, PeerState};
use crate::api::{Caller, fleet};
use crate::base::kin::{self, MAIN, SessionName, machine_of};
use crate::base::sync::lock;
use crate::base::text::claimed_name;
use crate::base::{Code, Error, Result, clock, id};
use crate::home::fleet::{Member, Roster};
use crate::home::stamp::Stamp;
use crate::net::Address;

/// Sessions that one machine may have here; what it tells beyond them is not taken in.
const MOST: usize = fleet::MOST as usize;
/// How long changes are gathered before other machines are told of them.
const GATHER: Duration = Duration::from_millis(500);
/// Machines that are told at once.
const AT_ONCE: usize = 8;

impl Registry {
    /// Makes the sessions of a machine those that it tells of.
    pub(super) fn told_of(&mut self, machine: &str, sessions: &[SessionIdentity], own: &str) {
        let names: Vec<String> = sessions.iter().take(MOST).map(|session| kin::label(machine, &session.name)).collect();
        self.peers.retain(|peer| session_at(peer, machine).is_none() || names.iter().any(|told| peer.name.as_deref() == Some(told)));
        sessions.iter().take(MOST).for_each(|session| self.told_of_one(machine, session, own));
    }

    /// Takes in a session that a machine tells of. What it claims of another's node id is not believed.
    pub(super) fn told_of_one(&mut self, machine: &str, session: &SessionIdentity, own: &str) {
        let Ok(name) = session.name.parse::<SessionName>() else { return };
        let label = kin::label(machine, name.as_str());
        let is_fit = id::is_node_id(&session.node_id) && session.node_id != own && session.port != 0;
        let is_anothers = |peer: &Peer| peer.node_id == session.node_id && peer.name.as_ref().is_some_and(|name| *name != label);
        if !is_fit || self.peers.iter().any(is_anothers) {
            return;
        }
        let Some(host) = self.by_name(machine).cloned() else { return };
        // A row that the owner entered is only where it was entered for.
        let is_there = |peer: &Peer| peer.name.is_none() && peer.node_id == session.node_id && peer.address == host.address;
        let at = self.peers.iter().position(|peer| peer.name.as_deref() == Some(&label) || is_there(peer));
        let known = self.peers.iter().filter(|peer| session_at(peer, machine).is_some()).count();
        if at.is_none() && known >= MOST {
            return;
        }
        let row = self.row_at(at);
        row.node_id.clone_from(&session.node_id);
        row.hostname = session.hostname.as_deref().map_or_else(|| format!("{}-{name}", host.hostname), claimed_name);
        row.address.clone_from(&host.address);
        row.port = session.port;
        (row.platform, row.version, row.capabilities) = (host.platform, host.version, host.capabilities);
        row.manually_added = false;
        row.name = Some(label);
    }

    /// Makes the rows of this machine's other daemons what the shared registry says. Whether one is there that was not.
    fn kin(&mut self, machine: &str, me: &str, roster: &Roster, like: &Identity) -> bool {
        self.peers.retain(|peer| session_at(peer, machine).is_none_or(|own| roster.members.contains_key(own)));
        let mut has_come = false;
        for (name, member) in roster.members.iter().filter(|(name, _)| *name != me) {
            let label = kin::label(machine, name);
            let at = self.peers.iter().position(|peer| peer.name.as_deref() == Some(&label));
            let row = self.row_at(at);
            let was = row.status;
            row.node_id.clone_from(&member.node_id);
            row.hostname.clone_from(&member.hostname);
            row.port = member.port;
            (row.platform, row.version, row.capabilities) = (like.platform.clone(), like.version.clone(), like.capabilities.clone());
            row.manually_added = false;
            row.name = Some(label);
            row.failure_count = 0;
            row.status = match &member.running {
                Some(running) => {
                    row.address = running.address.ip().to_string();
                    row.port = running.address.port();
                    row.last_seen = clock::now();
                    PeerState::Online
                }
                None => PeerState::Offline,
            };
            has_come |= row.status == PeerState::Online && was != PeerState::Online;
        }
        has_come
    }

    /// The row at a place, or a new one where there is none.
    fn row_at(&mut self, place: Option<usize>) -> &mut Peer {
        let place = place.unwrap_or_else(|| {
            self.peers.push(Peer::unknown("127.0.0.1", 0));
            self.peers.len() - 1
        });
        &mut self.peers[place]
    }

    /// The daemon of this machine that is meant, by its session's name or its host name: what other machines call themselves
    /// comes after, what the owner calls them before.
    pub(super) fn own(&self, wanted: &str, machine: &str) -> Option<&Peer> {
        let is_named = |peer: &Peer, name: &str| peer.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
        if self.peers.iter().any(|peer| is_named(peer, wanted)) {
            return None;
        }
        let label = kin::label(machine, wanted);
        let is_host = |peer: &Peer| session_at(peer, machine).is_some() && peer.hostname.eq_ignore_ascii_case(wanted);
        self.peers.iter().find(|peer| is_named(peer, &label) || is_host(peer))
    }

    /// Takes the main daemon's rows in place of its own; where that one does not `watch` them, keeps its own view of who is there.
    fn borrow(&mut self, main: Registry, is_kin: impl Fn(&Peer) -> bool, watched: bool) {
        let main = if watched { main.fit() } else { main.stored() };
        let (kin, before): (Vec<Peer>, Vec<Peer>) = std::mem::take(&mut self.peers).into_iter().partition(&is_kin);
        self.peers = kin;
        for mut row in main.peers.into_iter().filter(|row| !is_kin(row)) {
            row.unconfirmed_until = None;
            if let Some(own) = before.iter().find(|own| own.node_id == row.node_id).filter(|_| !watched) {
                (row.status, row.failure_count, row.latency_ms, row.load) = (own.status, own.failure_count, own.latency_ms, own.load);
                row.last_seen = row.last_seen.max(own.last_seen);
            }
            self.peers.push(row);
        }
    }

    /// The sessions of a machine go where it goes.
    pub(super) fn moved(&mut self, machine: &str, host: &str) {
        let sessions = self.peers.iter_mut().filter(|peer| session_at(peer, machine).is_some());
        sessions.for_each(|peer| host.clone_into(&mut peer.address));
    }

    /// The sessions of a machine are called by its new name, or go with it.
    pub(super) fn renamed(&mut self, machine: &str, new: Option<&str>) {
        let Some(new) = new else {
            self.peers.retain(|peer| session_at(peer, machine).is_none());
            return;
        };
        for peer in &mut self.peers {
            if let Some(label) = session_at(peer, machine).map(|session| kin::label(new, session)) {
                peer.name = Some(label);
            }
        }
    }
}

/// The session that a row is of, if it is one of this machine's.
fn session_at<'a>(peer: &'a Peer, machine: &str) -> Option<&'a str> {
    kin::session_at(peer.name.as_deref()?, machine)
}

impl Peers {
    /// Looks whether this machine's other daemons have changed, or what the main one knows; takes it in.
    pub fn look_around(&self) {
        let inner = &self.0;
        inner.fleet.refresh();
        let Some(roster) = inner.fleet.roster() else { return };
        let is_session = inner.fleet.is_session();
        let stamp = if is_session { Stamp::of(&inner.home.main().peers()) } else { Stamp::default() };
        let has_main_changed = std::mem::replace(&mut *lock(&inner.borrowed), stamp) != stamp;
        let before = lock(&inner.taken_in).replace(roster.clone());
        if has_main_changed || !before.is_some_and(|before| Arc::ptr_eq(&before, &roster)) {
            self.take_in(&roster);
        }
    }

    fn take_in(&self, roster: &Roster) {
        let inner = &self.0;
        let main = inner.fleet.is_session().then(|| std::fs::read(inner.home.main().peers()).ok()).flatten();
        // One that is half there is whole at the next look; the main daemon tells its owner of one that is broken.
        let main = main.and_then(|text| serde_json::from_slice::<Registry>(&text).ok());
        let has_come = {
            let mut registry = lock(&inner.registry);
            if let Some(main) = main {
                registry.borrow(main, |peer| self.is_kin(peer), inner.fleet.main_runs());
            }
            let has_come = registry.kin(&inner.machine, inner.fleet.me(), roster, &inner.identity);
            inner.news.tell(&registry);
            has_come
        };
        inner.check.notify_one();
        if has_come {
            inner.presence.send_replace(());
        }
        inner.sessions_changed.notify_one();
    }

    /// What this daemon tells other machines of itself: the main one tells its sessions as well.
    pub fn identity(&self) -> Identity {
        let roster = self.0.fleet.roster().filter(|_| !self.0.fleet.is_session());
        let sessions = roster.map(|roster| {
            let sessions = roster.members.iter().filter(|(name, _)| *name != MAIN);
            let told = |(name, member): (&String, &Member)| SessionIdentity {
                name: name.clone(),
                node_id: member.node_id.clone(),
                port: member.port,
                hostname: Some(member.hostname.clone()),
            };
            sessions.map(told).collect()
        });
        Identity { sessions, ..self.0.identity.clone() }
    }

    /// Takes in what a machine says of its sessions, or a session of itself.
    pub(super) fn hear_of_sessions(&self, machine: &str, theirs: &Identity) {
        if kin::session_of(machine).is_some() || machine == self.0.machine {
            return;
        }
        let own = self.0.identity.node_id.as_str();
        let mut registry = lock(&self.0.registry);
        let before = registry.peers.clone();
        if let Some(sessions) = &theirs.sessions {
            registry.told_of(machine, sessions, own);
        }
        if let Some(name) = &theirs.session {
            let session = SessionIdentity {
                name: name.clone(),
                node_id: theirs.node_id.clone(),
                port: theirs.port,
                hostname: Some(theirs.hostname.clone()),
            };
            registry.told_of_one(machine, &session, own);
        }
        let has_changed = registry.peers != before;
        drop(registry);
        if has_changed {
            self.0.check.notify_one();
            let peers = self.clone();
            self.0.workers.spawn("keeping sessions", async move {
                if let Err(error) = peers.save().await {
                    tracing::warn!(%error, "the sessions of another machine could not be kept");
                }
            });
        }
    }

    /// Tells other machines of this one's sessions whenever they have changed, until dropped.
    pub(super) async fn tell_of_sessions(self) {
        loop {
            self.0.sessions_changed.notified().await;
            tokio::time::sleep(GATHER).await;
            let is_meant = |peer: &&Peer| {
                let name = peer.name.as_deref().unwrap_or("/");
                peer.status == PeerState::Online && kin::session_of(name).is_none()
            };
            let machines: Vec<Peer> = lock(&self.0.registry).peers.iter().filter(is_meant).cloned().collect();
            let telling = stream::iter(machines).for_each_concurrent(AT_ONCE, |machine| {
                let peers = self.clone();
                async move {
                    if let Err(error) = peers.introduced(&machine).await {
                        tracing::debug!(peer = machine.label(), %error, "the peer could not be told of the sessions");
                    }
                }
            });
            telling.await;
        }
    }

    /// Who a caller is among the daemons of its machine: its own name, or its session's where it claims to be one.
    pub fn speaker(&self, caller: &Caller) -> String {
        let session = lock(&self.0.registry).by_id(&caller.node_id).and_then(|row| row.name.clone());
        session.filter(|name| kin::session_at(name, caller.name()).is_some()).unwrap_or_else(|| caller.name().to_owned())
    }

    /// How one of this machine's daemons is started; nothing for other machines.
    pub fn how_to_start(&self, peer: &Peer) -> Option<String> {
        let name = kin::session_of(peer.name.as_deref().filter(|_| self.is_kin(peer))?)?;
        Some(if name == MAIN { "Start it with: loopsy start".into() } else { format!("Start it with: loopsy session start {name}") })
    }

    /// Whether a peer is one of this machine's other daemons.
    pub(super) fn is_kin(&self, peer: &Peer) -> bool {
        peer.name.as_deref().is_some_and(|name| self.0.trust.is_kin(name))
    }

    /// Refuses to change a peer that is there because its machine is.
    pub(super) fn refuse_session(peer: &Peer) -> Result<()> {
        match peer.name.as_deref().filter(|name| kin::session_of(name).is_some()) {
            Some(name) => {
                Err(Error::new(Code::InvalidRequest, format!("{name} is a session of {}, and is trusted as that is", machine_of(name)))
                    .hint(format!("It goes when its machine does: loopsy peers remove {}", machine_of(name))))
            }
            None => Ok(()),
        }
    }

    /// This machine's own name is before the slash of its sessions' names, and no other's.
    pub(super) fn refuse_own_name(&self, name: &str) -> Result<()> {
        if name.eq_ignore_ascii_case(&self.0.machine) {
            return Err(Error::invalid(format!("name: {name} is this machine's own")).hint("Choose another name."));
        }
        Ok(())
    }

    /// Every address, and whether it is this daemon's to watch: not those of this machine's own daemons, and none where the
    /// main daemon watches for its sessions.
    pub(super) fn addresses(&self) -> Vec<(Address, bool)> {
        let is_watched_for = self.0.fleet.is_session() && self.0.fleet.main_runs();
        let registry = lock(&self.0.registry);
        let rows = registry.peers.iter().filter_map(|peer| {
            // What the main daemon says of one that this one found silent need not be true from here.
            let is_watched = !(self.is_kin(peer) || is_watched_for && peer.status == PeerState::Online);
            Some((Address::new(&peer.address, peer.port).ok()?, is_watched))
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.enter(&Address::new("10.0.0.2", 19532).unwrap(), Some("id-kai"), Some("kai-laptop"), Some("kai"));
        registry.enter(&Address::new("10.0.0.3", 19532).unwrap(), Some("id-leo"), Some("leo"), Some("leo"));
        registry
    }
    fn session(name: &str, id: &str, port: u16) -> SessionIdentity {
        SessionIdentity { name: name.into(), node_id: id.into(), port, hostname: None }
    }
    fn names(registry: &Registry) -> Vec<&str> {
        registry.peers.iter().filter_map(|peer| peer.name.as_deref()).collect()
    }

    #[test]
    fn own_sessions_come_after_names_that_the_owner_gave_and_before_those_that_others_claim() {
        let mut registry = registry();
        let own = |name: &str, hostname: &str| Peer {
            name: Some(format!("mia/{name}")),
            hostname: hostname.into(),
            ..Peer::unknown("127.0.0.1", 1)
        };
        registry.peers.extend([own("kai", "mia-kai"), own("kai-laptop", "mia-w"), own("main", "mia")]);
        let meant = |wanted: &str| registry.own(wanted, "mia").and_then(|peer| peer.name.clone());
        assert_eq!(meant("kai"), None, "a peer has that name");
        assert_eq!(meant("kai-laptop").as_deref(), Some("mia/kai-laptop"), "a peer claims that name");
        assert_eq!(meant("mia-w").as_deref(), Some("mia/kai-laptop"));
        assert_eq!((meant("main").as_deref(), meant("nobody")), (Some("mia/main"), None));
    }

    #[test]
    fn the_sessions_of_a_machine_are_those_that_it_tells_of() {
        let mut registry = registry();
        registry.told_of("kai", &[session("worker-1", "id-1", 19533), session("worker-2", "id-2", 19534)], "me");
        assert_eq!(names(&registry), ["kai", "leo", "kai/worker-1", "kai/worker-2"]);
        let worker = registry.resolve("kai-laptop-worker-1").unwrap();
        assert_eq!((worker.address.as_str(), worker.port, worker.node_id.as_str()), ("10.0.0.2", 19533, "id-1"));
        registry.told_of("kai", &[session("worker-2", "id-2", 19540)], "me");
        assert_eq!(names(&registry), ["kai", "leo", "kai/worker-2"]);
        assert_eq!(registry.by_name("kai/worker-2").unwrap().port, 19540);
        registry.moved("kai", "10.0.0.9");
        assert_eq!(registry.by_name("kai/worker-2").unwrap().address, "10.0.0.9");
        registry.renamed("kai", Some("mia"));
        assert_eq!(names(&registry), ["kai", "leo", "mia/worker-2"]);
        registry.renamed("mia", None);
        assert_eq!(names(&registry), ["kai", "leo"]);
    }

    /// What a machine says of its sessions takes no other's place, and is bounded.
    #[test]
    fn no_claimed_session_takes_another_peers_id_or_name() {
        let mut registry = registry();
        let claims = [
            session("worker-1", "id-leo", 1),
            session("worker-2", "me", 1),
            session("worker-3", "manual-x", 1),
            session("worker-4", "a b", 1),
            session("worker-5", "id-5", 0),
            session("../x", "id-6", 1),
            session("main", "id-7", 1),
            session("", "id-8", 1),
            session("x/y", "id-9", 1),
            session("leo", "id-10", 1),
        ];
        registry.told_of("kai", &claims, "me");
        assert_eq!(names(&registry), ["kai", "leo", "kai/leo"]);
        assert_eq!(registry.resolve("leo").unwrap().node_id, "id-leo");
        let flood: Vec<_> = (0..10_000).map(|at| session(&format!("w{at}"), &format!("i{at}"), 1)).collect();
        registry.told_of("kai", &flood, "me");
        assert_eq!(registry.peers.len(), 2 + MOST);
        registry.told_of_one("kai", &session("one-more", "id-more", 1), "me");
        assert_eq!(registry.peers.len(), 2 + MOST);
        registry.told_of("nobody", &flood[9000..9001], "me");
        assert_eq!(registry.peers.len(), 2 + MOST);
    }
}
