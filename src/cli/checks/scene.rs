//! Everything that the checks judge, looked at once. Nothing is changed, and nothing waits longer than its limit.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::evidence::Evidence;
use crate::api::node::{HealthGet, Status, StatusGet};
use crate::api::peers::{DEFAULT_PORT, Peer, PeerCheck, PeerFindings, PeerList, Peers};
use crate::base::{Code, Error, Fingerprint, Result, kin};
use crate::cli::Session;
use crate::cli::agents::{AGENTS, Server, State};
use crate::cli::autostart::{self, Service};
use crate::client::Link;
use crate::client::connector::Security;
use crate::home::Home;
use crate::home::config::Config;
use crate::home::config_file::{self, Loaded};
use crate::home::instance::{Instance, Running};
use crate::net::{Address, Network, multicast, tls};
use crate::platform::holder::{self, Holder};
use crate::service::peers::check::from_outside;

/// How long one's own daemon has for each answer.
const DAEMON: Duration = Duration::from_secs(5);
/// How long the daemon has to look at a peer: it promises ten seconds.
const PEER: Duration = Duration::from_secs(11);
/// How long whoever has the port has to say who it is.
const WHO: Duration = Duration::from_secs(1);

/// What there is to see.
pub struct Scene {
    /// The data directory.
    pub home: Home,
    /// The configuration on disk.
    pub loaded: Result<Loaded>,
    /// The daemon, if one runs.
    pub running: Option<Running>,
    /// What the daemon says of itself.
    pub status: Result<Status>,
    /// Whether the port could be listened on, where no daemon runs.
    pub port: Port,
    /// The certificate that the daemon shows, if it shows one.
    pub shown: Option<Fingerprint>,
    /// Whether multicast works.
    pub multicast: std::io::Result<()>,
    /// Every known peer, and how it is.
    pub peers: Vec<(Peer, PeerFindings)>,
    /// What the audit logs tell.
    pub evidence: Evidence,
    /// The coding agents, and what is registered with them.
    pub agents: Vec<State>,
    /// What should be registered with them.
    pub server: Result<Server>,
    /// The service that is to start the daemon at every login, and what there is of it.
    pub service: Result<(Service, autostart::State)>,
}

/// How the configured port is.
#[derive(Debug, Clone, PartialEq)]
pub enum Port {
    /// Nobody asked, since the daemon runs or the configuration says nothing usable.
    NotAsked,
    /// The daemon can have it.
    Free,
    /// Another daemon has it: its node id.
    Loopsy(String),
    /// A program that is no Loopsy has it: which, where that can be known.
    Taken(Option<Holder>),
    /// It can't be listened on for another reason.
    Refused(String),
}

impl Scene {
    /// Looks at everything.
    pub async fn look(session: &Session) -> Self {
        let home = session.home.clone();
        let loaded = config_file::load(&home);
        let running = Instance::running(&home);
        let status = status(session).await;
        let config = loaded.as_ref().ok().map(|loaded| &loaded.config);
        let (port, peers, shown, multicast) = tokio::join!(
            port(config.filter(|_| running.is_none())),
            peers(session, config, status.is_ok()),
            shown(running.as_ref()),
            multicast::probe(),
        );
        let evidence = Evidence::read(&home);
        let agents = AGENTS.iter().map(State::look).collect();
        let server = Server::of(&home);
        let service = Service::of(&home).and_then(|service| service.look().map(|state| (service, state)));
        Self { loaded, running, status, port, shown, multicast, peers, evidence, agents, server, service, home }
    }
    /// The configuration, where it is right.
    pub fn config(&self) -> Option<&Config> {
        self.loaded.as_ref().ok().map(|loaded| &loaded.config)
    }
    /// Whether the configuration shuts other machines out.
    pub fn is_secluded(&self) -> bool {
        let is_loopback = |host: &str| Address::new(host, DEFAULT_PORT).is_ok_and(|address| address.is_loopback());
        self.config().is_some_and(|config| is_loopback(&config.server.host))
    }
    /// The port of the daemon that runs, or of the one that would.
    pub fn listens_on(&self) -> u16 {
        match &self.running {
            Some(running) => running.address.port(),
            None => self.config().map_or(DEFAULT_PORT, |config| config.server.port),
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::PeerUnreachable, format!("there is no answer within {} s", limit.as_secs()))))
}

async fn status(session: &Session) -> Result<Status> {
    let link = session.link()?;
    within(DAEMON, link.call(&StatusGet {})).await
}

async fn port(config: Option<&Config>) -> Port {
    let Some(server) = config.map(|config| &config.server) else { return Port::NotAsked };
    let error = match Network::Sockets.listen(&server.host, server.port).await {
        Ok(_) => return Port::Free,
        Err(error) => error,
    };
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return Port::Refused(crate::base::error::io_words(&error));
    }
    let asked = async { Link::new(&Network::Sockets, Address::new("127.0.0.1", server.port)?).call(&HealthGet {}).await };
    match within(WHO, asked).await {
        Ok(health) => Port::Loopsy(health.node_id),
        Err(_) => Port::Taken(holder::of_port(server.port)),
    }
}

async fn shown(running: Option<&Running>) -> Option<Fingerprint> {
    let address = running?.address;
    let greeting = async {
        let stream = Network::Sockets.dial(&Address::new(&address.ip().to_string(), address.port()).ok()?).await.ok()?;
        tls::Client::new(None).ok()?.connect(stream).await.ok()
    };
    tokio::time::timeout(WHO, greeting).await.ok()?.map(|(_, fingerprint)| fingerprint)
}

/// The peers and how they are: through the daemon, which has their keys; without it, what can be seen without one.
async fn peers(session: &Session, config: Option<&Config>, has_daemon: bool) -> Vec<(Peer, PeerFindings)> {
    if has_daemon {
        let listed = async { session.link()?.call(&PeerList {}).await };
        let Ok(Peers { peers }) = within(DAEMON, listed).await else { return Vec::new() };
        // Machines that were merely found on the network are no concern of this one.
        // A session is as its machine is.
        let is_session = |peer: &Peer| peer.name.as_deref().and_then(kin::session_of).is_some();
        let known = peers.into_iter().filter(|peer| !is_session(peer) && (peer.manually_added || peer.trusted || peer.name.is_some()));
        return join_all(known.map(|peer| through_daemon(session, peer))).await;
    }
    join_all(remembered(&session.home, config).into_values().map(|peer| from_here(peer, config))).await
}

async fn through_daemon(session: &Session, peer: Peer) -> (Peer, PeerFindings) {
    let asked = async { session.link()?.call(&PeerCheck { node_id: peer.node_id.clone() }).await };
    let findings = within(PEER, asked).await.unwrap_or_else(|error| PeerFindings { error: Some(error), ..PeerFindings::default() });
    (peer, findings)
}

async fn from_here(peer: Peer, config: Option<&Config>) -> (Peer, PeerFindings) {
    let name = peer.label();
    let findings = match line_from_here(&peer, name, config) {
        Ok(line) => from_outside(&line, name).await,
        Err(error) => PeerFindings { error: Some(error), ..PeerFindings::default() },
    };
    (peer, findings)
}

/// A line for what needs no key, but the right certificate where one is pinned.
fn line_from_here(peer: &Peer, name: &str, config: Option<&Config>) -> Result<Link> {
    let address = Address::new(&peer.address, peer.port)?;
    let security = match config.and_then(|config| config.tls.pinned_certs.get(name)) {
        Some(pin) => Security::Pinned(pin.parse()?),
        None if address.is_loopback() => Security::Loopback,
        None => Security::Unproven,
    };
    Link::secured(&Network::Sockets, address, security)
}

/// The peers that the last daemon wrote down, and those of the configuration, by where they are.
fn remembered(home: &Home, config: Option<&Config>) -> BTreeMap<(String, u16), Peer> {
    let stored = std::fs::read(home.peers()).ok().and_then(|bytes| serde_json::from_slice::<Peers>(&bytes).ok()).unwrap_or_default();
    let manual = config.into_iter().flat_map(|config| &config.discovery.manual_peers).map(|entry| Peer {
        hostname: entry.hostname.clone().unwrap_or_else(|| entry.address.clone()),
        ..Peer::unknown(&entry.address, entry.port)
    });
    let stored = stored.peers.into_iter().filter(|peer| peer.name.as_deref().and_then(kin::session_of).is_none());
    manual.chain(stored).map(|peer| ((peer.address.clone(), peer.port), peer)).collect()
}
