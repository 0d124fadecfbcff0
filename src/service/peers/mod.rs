//! Other machines: who they are, how they are reached, whether they answer.

pub mod check;
mod enrol;
mod follow;
mod former;
mod health;
mod lines;
mod news;
mod pending;
mod registry;
mod sessions;
mod sighted;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

pub use self::enrol::Enrolment;
use self::former::ALLOW_PLAINTEXT;
use self::lines::Lines;
use self::news::News;
use self::registry::{Registry, place};
pub use self::sighted::Sighting;
use self::sighted::Sightings;
use crate::api::Caller;
use crate::api::node::{Identity, IdentityGet, PeerCounts};
use crate::api::peers::{Peer, PeerAdd, PeerRemoved, PeerState};
use crate::base::kin::machine_of;
use crate::base::sync::lock;
use crate::base::workers::{Workers, blocking};
use crate::base::{Code, Error, Result, clock, id};
use crate::home::config::ManualPeer;
use crate::home::config_file::Document;
use crate::home::fleet::{Fleet, Roster};
use crate::home::settings::Settings;
use crate::home::stamp::Stamp;
use crate::home::trust::Trust;
use crate::home::{Home, config_file, json_file};
use crate::net::{Address, Network};
use crate::service::journal::Journal;

const VERSION: u32 = 1;

/// Maps of the configuration that have an entry for each peer, by its name.
const OF_A_PEER: [[&str; 2]; 3] = [["auth", "allowedKeys"], ["auth", "permissions"], ["tls", "pinnedCerts"]];

/// Takes out of the configuration what it says of a peer.
fn forget(document: &mut Document, name: &str) -> Result<()> {
    for [section, map] in OF_A_PEER {
        document.remove(&[section, map, name])?;
    }
    document.exchange(&ALLOW_PLAINTEXT, name, None)
}

/// The registry of peers. Clones are the same.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    home: Home,
    settings: Settings,
    trust: Trust,
    lines: Lines,
    workers: Workers,
    identity: Identity,
    /// This machine's daemons, and what it is called before the slash of their names.
    fleet: Fleet,
    machine: String,
    registry: Mutex<Registry>,
    /// Of a session: the main daemon's registry as it was last read.
    borrowed: Mutex<Stamp>,
    /// The machine's daemons as they were last taken in.
    taken_in: Mutex<Option<Arc<Roster>>>,
    /// Held while the registry is written down.
    saving: tokio::sync::Mutex<()>,
    /// Who is announced on the network now.
    sightings: Mutex<Sightings>,
    /// Addresses to be checked at once.
    hurried: Mutex<HashSet<Address>>,
    /// Tells the journal what is new among them.
    news: News,
    /// Told whenever a peer is there that was not.
    presence: watch::Sender<()>,
    /// Wakes the health checks when there is something new to check.
    check: Notify,
    /// Wakes who tells other machines of this one's sessions.
    sessions_changed: Notify,
}

/// Who this daemon is, and where it belongs.
pub struct Place {
    /// Its data directory.
    pub home: Home,
    /// Who it is.
    pub identity: Identity,
    /// This machine's daemons.
    pub fleet: Fleet,
    /// What the machine is called before the slash of their names.
    pub machine: String,
}

impl Peers {
    /// Loads the registry and starts the health checks. Answers warnings for the owner as well.
    pub fn start(
        place: Place,
        settings: Settings,
        trust: Trust,
        network: Network,
        workers: &Workers,
        journal: Journal,
    ) -> Result<(Self, Vec<String>)> {
        let Place { home, identity, fleet, machine } = place;
        let stored = json_file::read::<Registry>(&home.peers(), VERSION)?;
        let registry = stored.content.unwrap_or_default().stored();
        let lines = Lines::new(network);
        let peers = Self(Arc::new(Inner {
            home,
            settings,
            trust,
            lines,
            workers: workers.clone(),
            identity,
            fleet,
            machine,
            borrowed: Mutex::default(),
            taken_in: Mutex::default(),
            news: News::since(journal, &registry),
            registry: Mutex::new(registry),
            saving: tokio::sync::Mutex::default(),
            sightings: Mutex::default(),
            hurried: Mutex::default(),
            presence: watch::Sender::new(()),
            check: Notify::new(),
            sessions_changed: Notify::new(),
        }));
        peers.look_around();
        let warnings = stored.warning.into_iter().chain(peers.enter_manual()).collect();
        workers.spawn_until_stop("peer health", health::run(peers.clone()));
        workers.spawn_until_stop("peer lines", peers.clone().let_go());
        if !peers.0.fleet.is_session() {
            workers.spawn_until_stop("telling of sessions", peers.clone().tell_of_sessions());
        }
        Ok((peers, warnings))
    }

    /// Takes in the machines that the configuration names; answers what is wrong with its lines. A machine whose line is
    /// gone stays until it is removed.
    pub fn enter_manual(&self) -> Vec<String> {
        let config = self.0.settings.get();
        let mut registry = lock(&self.0.registry);
        let mut warnings = Vec::new();
        for entry in &config.discovery.manual_peers {
            match Address::new(&entry.address, entry.port) {
                Ok(address) => {
                    let name = entry.hostname.as_deref().filter(|name| config.auth.allowed_keys.contains_key(*name));
                    // A peer that proves itself is where it was last found, whatever a line says.
                    if name.is_none_or(|name| !config.tls.pinned_certs.contains_key(name) || registry.by_name(name).is_none()) {
                        registry.enter(&address, None, entry.hostname.as_deref(), name);
                    }
                }
                Err(error) => warnings.push(format!("discovery.manualPeers: {error}")),
            }
        }
        self.0.check.notify_one();
        warnings
    }

    /// Every machine, by name; those that are only announced on the network as well.
    pub fn list(&self) -> Vec<Peer> {
        self.look_around();
        let mut peers = lock(&self.0.registry).peers.clone();
        for peer in &mut peers {
            self.complete(peer);
        }
        peers.extend(self.strangers(&peers));
        peers.sort_by(|a, b| a.label().cmp(b.label()));
        peers
    }

    /// Fills in what the configuration says of a peer.
    fn complete(&self, peer: &mut Peer) {
        let pin = peer.name.as_deref().and_then(|name| self.0.trust.pin_of(name).ok().flatten());
        peer.fingerprint = pin.map(|pin| pin.to_string());
        peer.trusted = peer.name.as_deref().is_some_and(|name| self.0.trust.key_for(name).is_some());
        peer.tls = peer.trusted.then_some(pin.is_some());
        if peer.status == PeerState::Online && self.is_kin(peer) {
            peer.last_seen = clock::now();
        }
        peer.permissions = peer.name.as_deref().filter(|_| peer.trusted).map(|name| self.0.trust.permissions_of(name));
    }

    /// Peers by state.
    pub fn counts(&self) -> PeerCounts {
        let registry = lock(&self.0.registry);
        let total = registry.peers.len() as u32;
        let online = registry.peers.iter().filter(|peer| peer.status == PeerState::Online).count() as u32;
        PeerCounts { total, online, offline: total - online }
    }

    /// The node id of a peer of this name. A peer that has not introduced itself yet is believed what it claims, unless that
    /// is this machine's own id or another peer's; one that is known is believed that it is one of its own sessions.
    pub fn node_of(&self, name: &str, claimed: Option<&str>) -> Option<String> {
        let mut registry = lock(&self.0.registry);
        let is_its = |row: &&mut Peer| row.name.as_deref().is_some_and(|own| machine_of(own) == name);
        if let Some(session) = claimed.and_then(|id| registry.by_id(id)).filter(is_its) {
            return Some(session.node_id.clone());
        }
        let known = registry.by_name(name).map(|peer| peer.node_id.clone()).filter(|id| !id.starts_with(id::MANUAL));
        known.or_else(|| {
            let bearer = registry.by_id(claimed?).cloned().and_then(|mut row| {
                self.complete(&mut row);
                row.name.filter(|_| row.trusted)
            });
            let is_free = bearer.is_none_or(|bearer| bearer == name) && claimed != Some(self.0.identity.node_id.as_str());
            claimed.filter(|_| is_free).map(str::to_owned)
        })
    }

    /// The peer with a node id.
    fn row(&self, node_id: &str) -> Result<Peer> {
        let mut peer = lock(&self.0.registry).by_id(node_id).cloned().ok_or_else(|| {
            Error::new(Code::PeerNotFound, format!("there is no peer with the node id {node_id}")).hint("List them with: loopsy peers")
        })?;
        self.complete(&mut peer);
        Ok(peer)
    }

    /// Adds a machine, or changes its entry; asks it at once who it is.
    pub async fn add(&self, op: PeerAdd) -> Result<Peer> {
        let address = Address::new(&op.address, op.port)?;
        let hostname = op.hostname.as_deref().map(|name| id::check_peer_name("hostname", name)).transpose()?;
        let mut name = op.name.as_deref().map(|name| id::check_peer_name("name", name)).transpose()?.map(str::to_owned);
        name.iter().try_for_each(|name| self.refuse_own_name(name))?;
        if let Some(node_id) = op.node_id.as_deref().filter(|id| !id::is_node_id(id)) {
            return Err(Error::invalid(format!("nodeId: {node_id:?} is not a node id")));
        }
        if let Some(key) = &op.key {
            if key.expose().len() < 16 {
                return Err(Error::invalid("key: it is too short to be a key").hint("Make one with: loopsy key generate --print"));
            }
            if name.is_none() && hostname.is_none() {
                let link = self.line(None, &address)?.key(key.clone());
                let identity = health::limited(link.call(&IdentityGet {}))
                    .await
                    .map_err(|error| error.hint("Give it a name, so that its key can be stored before it answers: --name"))?;
                let own = id::to_name(&identity.hostname);
                self.refuse_own_name(&own).map_err(|error| error.hint("Give it another name: --name"))?;
                name = Some(own);
            }
        }
        let known = lock(&self.0.registry).at(&address).and_then(|peer| peer.name.clone());
        if let (Some(known), Some(name)) = (&known, &name)
            && known != name
        {
            return Err(Error::invalid(format!("{address} is known as {known} already"))
                .hint(format!("Rename it: loopsy peers rename {known} {name}")));
        }
        let name = name.or_else(|| hostname.filter(|name| op.key.is_some() || self.0.trust.key_for(name).is_some()).map(str::to_owned));
        if let (Some(name), Some(key)) = (&name, op.key) {
            let path_name = name.clone();
            self.edit(move |document| document.set(&["auth", "allowedKeys", &path_name], key.expose())).await?;
        }
        lock(&self.0.registry).enter(&address, op.node_id.as_deref(), hostname, name.as_deref());
        self.save().await?;
        // Whether it answers now does not matter: the entry stands, and is asked again.
        if self.check(&address).await.is_ok() {
            // One that was known may be trusted only since now, and tells of its sessions then.
            let _ = self.introduce(&address).await;
        }
        self.0.check.notify_one();
        self.resolve(&address.to_string())
    }

    /// Forgets a machine: entry, key, pin, permissions and its line in the configuration.
    pub async fn remove(&self, node_id: &str) -> Result<PeerRemoved> {
        let peer = self.row(node_id)?;
        Self::refuse_session(&peer)?;
        let (address, port, name) = (peer.address.clone(), peer.port, peer.name.clone());
        let config = self.0.settings.get();
        let is_its = |entry: &ManualPeer| {
            entry.address == address && entry.port == port || name.is_some() && entry.hostname.as_deref() == name.as_deref()
        };
        let listed = config.discovery.manual_peers.iter().any(is_its);
        if name.is_some() || listed {
            let rest: Vec<_> = config.discovery.manual_peers.iter().filter(|entry| !is_its(entry)).cloned().collect();
            self.edit(move |document| {
                forget(document, name.as_deref().unwrap_or_default())?;
                if listed { document.set(&["discovery", "manualPeers"], rest) } else { Ok(()) }
            })
            .await?;
        }
        {
            let mut registry = lock(&self.0.registry);
            registry.peers.retain(|peer| peer.node_id != node_id);
            peer.name.iter().for_each(|name| registry.renamed(name, None));
        }
        self.save().await?;
        Ok(PeerRemoved { success: true, node_id: node_id.to_owned() })
    }

    /// Ends the trust in a machine and keeps its entry.
    pub async fn revoke(&self, node_id: &str) -> Result<Peer> {
        let peer = self.resolve(node_id)?;
        Self::refuse_session(&peer)?;
        let name = peer.name.clone().filter(|_| peer.trusted).ok_or_else(|| {
            Error::new(Code::PeerNotFound, format!("{} is not trusted", peer.label())).hint("List those that are with: loopsy peers")
        })?;
        let machine = name.clone();
        self.edit(move |document| forget(document, &name)).await?;
        lock(&self.0.registry).renamed(&machine, None);
        if let Some(row) = lock(&self.0.registry).by_id(&peer.node_id) {
            row.name = None;
            row.unconfirmed_until = None;
            row.manually_added = true;
        }
        self.save().await?;
        self.row(&peer.node_id)
    }

    /// Gives a machine another name; its key, pin and permissions go with it.
    pub async fn rename(&self, node_id: &str, name: String) -> Result<Peer> {
        id::check_peer_name("name", &name)?;
        self.refuse_own_name(&name)?;
        let peer = self.resolve(node_id)?;
        Self::refuse_session(&peer)?;
        if lock(&self.0.registry).by_id(&peer.node_id).is_none() {
            return Err(Error::new(Code::PeerNotFound, format!("{} is not known, only announced", peer.label()))
                .hint(format!("Pair with it first: loopsy pair {}", peer.label())));
        }
        let config = self.0.settings.get();
        if config.auth.allowed_keys.contains_key(&name) || lock(&self.0.registry).by_name(&name).is_some() {
            return Err(Error::invalid(format!("name: {name} is another peer's")).hint("Choose another name, or remove that peer first."));
        }
        if let Some(old) = peer.name.clone() {
            let new = name.clone();
            self.edit(move |document| {
                for [section, map] in OF_A_PEER {
                    if let Some(value) = document.get(&[section, map, &old]).cloned() {
                        document.set(&[section, map, &new], value)?;
                        document.remove(&[section, map, &old])?;
                    }
                }
                document.exchange(&ALLOW_PLAINTEXT, &old, Some(&new))
            })
            .await?;
        }
        {
            let mut registry = lock(&self.0.registry);
            peer.name.iter().for_each(|old| registry.renamed(old, Some(&name)));
            registry.by_id(&peer.node_id).into_iter().for_each(|row| row.name = Some(name.clone()));
        }
        self.save().await?;
        self.row(&peer.node_id)
    }

    /// Changes the configuration, which holds at once.
    async fn edit(&self, change: impl FnOnce(&mut Document) -> Result<()> + Send + 'static) -> Result<()> {
        let (home, settings) = (self.0.home.clone(), self.0.settings.clone());
        blocking(move || settings.take_up(|| config_file::edit_shared(&home, change))).await??;
        Ok(())
    }

    async fn save(&self) -> Result<()> {
        // One after the other, so that what is on disk at the end is the newest.
        let _one = self.0.saving.lock().await;
        let (path, mut registry) = {
            let mut registry = lock(&self.0.registry);
            registry.settle();
            self.0.news.tell(&registry);
            (self.0.home.peers(), registry.clone())
        };
        // What a session knows is the main daemon's to keep, and this machine's daemons are known without a note.
        if self.0.fleet.is_session() {
            return Ok(());
        }
        registry.peers.retain(|peer| !self.is_kin(peer));
        blocking(move || json_file::write(&path, VERSION, &registry)).await?
    }

    /// Asks a peer now whether it answers, and whether it takes our key. Its failure is the answer.
    pub async fn ping(&self, reference: &str) -> Result<Peer> {
        let peer = self.resolve(reference)?;
        let checked = self.check(&Address::new(&peer.address, peer.port)?).await;
        if let Err(error) = checked {
            self.suspect(&peer, error.code);
            return Err(error);
        }
        let peer = self.row(&peer.node_id).or_else(|_| self.resolve(&place(&peer)))?;
        if peer.trusted {
            health::limited(self.link(&peer)?.call(&IdentityGet {})).await?;
        }
        Ok(peer)
    }

    /// A call to a peer failed. Where that says that it is gone, or another, it is asked at once and told as offline if so.
    pub fn suspect(&self, peer: &Peer, code: Code) {
        if matches!(code, Code::PeerUnreachable | Code::PeerOffline | Code::PeerCertMismatch) {
            let doubted = lock(&self.0.registry).doubt(&peer.node_id);
            if let Some(peer) = doubted {
                self.hurry(&peer);
            }
        }
    }

    /// Wakes whenever a peer is there that was not.
    pub fn presence(&self) -> watch::Receiver<()> {
        self.0.presence.subscribe()
    }

    /// The paired peer that has this name, or had it when its node id was noted.
    ///
    /// # Errors
    /// `PEER_NOT_FOUND` where there is none any more, or another machine has the name; `PEER_OFFLINE` where nobody knows where it
    /// is.
    pub fn trusted(&self, name: &str, node_id: &str) -> Result<Peer> {
        let is_known = |id: &str| !id.is_empty() && !id.starts_with(id::MANUAL);
        let (by_name, by_id) = {
            let mut registry = lock(&self.0.registry);
            (registry.by_name(name).cloned(), registry.by_id(node_id).cloned())
        };
        let is_other = |peer: &Peer| is_known(node_id) && is_known(&peer.node_id) && peer.node_id != node_id;
        let named = by_name.as_ref().filter(|peer| !is_other(peer)).cloned();
        if let Some(mut peer) = named.or(by_id) {
            self.complete(&mut peer);
            if peer.trusted {
                return Ok(peer);
            }
        }
        if self.0.trust.is_kin(name) {
            return Err(Error::new(Code::PeerOffline, format!("{name} has not run since the registry of the sessions was made")));
        }
        if by_name.is_some_and(|peer| is_other(&peer)) {
            return Err(Error::new(Code::PeerNotFound, format!("{name} is another machine now")));
        }
        if self.0.trust.key_for(name).is_some() {
            return Err(Error::new(Code::PeerOffline, format!("it is not known where {name} is")));
        }
        Err(Error::new(Code::PeerNotFound, format!("{name} is not a paired peer any more")))
    }

    /// Whether a peer is called so: by its name here, by its own, or by the name of one of its sessions.
    pub fn is_called(&self, name: &str, text: &str) -> bool {
        if name.eq_ignore_ascii_case(text) {
            return true;
        }
        let own = lock(&self.0.registry).by_name(name).map(|peer| peer.hostname.clone());
        let is_session = |own: &str| text.strip_prefix(own).is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'));
        let fits = own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(text) || is_session(own)) || is_session(name);
        fits && !self.is_another(name, text)
    }

    /// Whether another peer than this one is called so, by its name here or by its own. What a peer says that it is called is
    /// nothing that it could take from another.
    pub fn is_another(&self, name: &str, text: &str) -> bool {
        let registry = lock(&self.0.registry);
        let has_hostname = |peer: &Peer| peer.hostname.eq_ignore_ascii_case(text);
        let is_own = registry.peers.iter().any(|peer| peer.name.as_deref() == Some(name) && has_hostname(peer));
        let is_other = |known: &&str| machine_of(known) != machine_of(name);
        let others = registry.peers.iter().filter_map(|peer| Some((peer.name.as_deref().filter(is_other)?, peer)));
        others.into_iter().any(|(known, peer)| known.eq_ignore_ascii_case(text) || !is_own && has_hostname(peer))
    }

    /// A peer introduces itself.
    pub fn handshake(&self, caller: &Caller, theirs: &Identity) -> Result<Identity> {
        if !id::is_node_id(&theirs.node_id) {
            return Err(Error::invalid("nodeId: it is not a node id"));
        }
        if theirs.node_id == self.0.identity.node_id {
            return Err(Error::new(Code::PeerHandshakeFailed, "the caller has this machine's own node id")
                .hint("A data directory was copied: remove identity.json in one of the two."));
        }
        if let Some(name) = caller.peer().filter(|_| theirs.session.is_some()) {
            self.hear_of_sessions(name, theirs);
        } else if let Some(name) = caller.peer() {
            // Without a certificate an address proves nothing, but of this machine's own daemons.
            let followed = caller.address.is_loopback().then(|| Address::new(&caller.address.to_string(), theirs.port)).transpose()?;
            lock(&self.0.registry).introduced(name, theirs, caller.address, followed.as_ref())?;
            self.hear_of_sessions(name, theirs);
            if let Ok(hint) = Address::new(&caller.address.to_string(), theirs.port) {
                let (peers, name) = (self.clone(), name.to_owned());
                self.0.workers.spawn_until_stop("follow peer", async move {
                    if let Err(error) = peers.follow(&name, &[hint]).await {
                        tracing::warn!(peer = name, %error, "the peer could not be followed");
                    }
                });
            }
        }
        self.0.presence.send_replace(());
        Ok(self.identity())
    }
}
