//! A daemon's life: start in order, say ready, wait, stop in reverse.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::routes::routes;
use super::{Daemon, Shared};
use crate::api::node::{CAPABILITIES, Identity, PROTOCOL_VERSION, Reloaded};
use crate::base::error::io_words;
use crate::base::workers::{Workers, blocking};
use crate::base::{Code, Error, Result, clock, id};
use crate::home::fleet::{Fleet, Member};
use crate::home::instance::{Instance, Ready};
use crate::home::log_file::Rotating;
use crate::home::paths::Paths;
use crate::home::reload::{Reloader, Seen};
use crate::home::settings::Settings;
use crate::home::trust::Trust;
use crate::home::{Home, config_file, identity};
use crate::http::audit::{Audit, Sink};
use crate::http::crowd::Crowd;
use crate::http::gate::Gate;
use crate::http::limits::Limits;
use crate::http::open::Open;
use crate::http::server::{Gated, Server};
use crate::net::{Listener, Network};
use crate::platform::host;
use crate::platform::process::Guard;
use crate::service::certificate::Certificate;
use crate::service::context::Context;
use crate::service::discovery::Discovery;
use crate::service::jobs::Jobs;
use crate::service::journal::{self, Journal};
use crate::service::messages::Messages;
use crate::service::pairing::Pairing;
use crate::service::peers::{Peers, Place};
use crate::service::tasks::Tasks;
use crate::service::terminal::Terminals;
use crate::service::transfer::Transfer;

/// How often the configuration file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long requests that are under way get at the end.
const DRAIN: Duration = Duration::from_millis(1200);
/// How long everything else gets.
const GRACE: Duration = Duration::from_secs(1);

/// A daemon that serves.
pub struct Running {
    daemon: Shared,
    /// Said when it listened.
    pub ready: Ready,
    accepting: Workers,
    connections: Workers,
    services: Workers,
    store: Workers,
    discovery: Workers,
    log: Workers,
    instance: Instance,
}

/// Starts the daemon of a home.
///
/// # Errors
/// `CONFIG_INVALID` for a configuration that can't be meant, a second daemon for the same home, or a port in use.
pub async fn start(home: Home, network: Network, guard: Guard) -> Result<Running> {
    clock::started();
    // First, so that a folder that is not Loopsy's is left as it is.
    let seen = Seen::of(&home);
    let loaded = config_file::load(&home)?;
    let mut warnings = home.create()?;
    warnings.extend(loaded.warnings.iter().cloned());
    let config = loaded.config;
    if config.auth.api_key.is_none() {
        return Err(Error::new(Code::Config, "the configuration has no auth.apiKey").hint("Make one with: loopsy key generate"));
    }
    let instance = Instance::acquire(&home)?;
    let settings = Settings::new(config.clone());
    let (node_id, warning) = identity::load_or_create(&home)?;
    warnings.extend(warning);
    let listener = listen(&network, &home, &config.server.host, config.server.port).await?;
    let port = listener.port();
    let hostname = config.server.hostname.clone().unwrap_or_else(host::hostname);
    let machine = machine_name(&home, &hostname)?;
    let identity = Identity {
        node_id: node_id.clone(),
        hostname: hostname.clone(),
        platform: host::PLATFORM.into(),
        version: PROTOCOL_VERSION.into(),
        port,
        capabilities: CAPABILITIES.iter().map(|capability| (*capability).into()).collect(),
        session: home.session().map(ToString::to_string),
        sessions: None,
    };
    let fleet = Fleet::open(&home);
    // It is known to the others before it runs, and has their keys then; and takes none for running that was killed.
    let mut member = Member { node_id: node_id.clone(), hostname: hostname.clone(), port, running: None };
    fleet.enter(&member)?;
    if fleet.has_dead()? {
        fleet.bury()?;
    }

    let (accepting, connections, services) = (Workers::default(), Workers::default(), Workers::default());
    let (store, announcing, log) = (Workers::default(), Workers::default(), Workers::default());
    let certificate = Certificate::start(home.clone(), machine.clone(), &services)?;
    let sink = |path| Rotating::open(path, config.logging.max_size, config.logging.max_files).map(File);
    let unwritable = |cause: std::io::Error| {
        Error::new(Code::Config, format!("the audit log can't be written: {}", io_words(&cause)))
            .hint(format!("Check {}.", home.logs().display()))
    };
    let audit = Audit::start(&log, sink(&home.audit_log()).map_err(unwritable)?, sink(&home.keyless_log()).map_err(unwritable)?);
    let kin_name = id::to_name(&machine);
    let trust = Trust::new(settings.clone()).with_kin(fleet.clone(), &kin_name);
    trust.shows(certificate.fingerprint());
    let journal = Journal::default();
    let context = Context::open(home.root(), settings.clone(), store.clone()).await?;
    let place = Place { home: home.clone(), identity: identity.clone(), fleet: fleet.clone(), machine: kin_name };
    let peers = Peers::start(place, settings.clone(), trust.clone(), network.clone(), &services, journal.clone());
    let (peers, peer_warnings) = peers?;
    warnings.extend(peer_warnings);

    let messages = Messages::start(context.clone(), peers.clone(), settings.clone(), identity.clone(), journal.clone(), &services);
    let arrived = messages.clone();

    let guard = Arc::new(guard);
    let tasks = Tasks::start(&home, guard.clone(), settings.clone(), trust.clone(), journal.clone(), &services);
    let terminals = Terminals::start(guard.clone(), settings.clone(), trust.clone(), services.clone(), journal.clone());
    let paths = Paths::new(settings.clone(), host::home_dir(), home.data_directories());
    let transfer = Transfer::new(paths, settings.clone(), journal.clone());

    journal::start(&journal, &context, &settings, &services);
    // A session is found through its main daemon.
    let discovery = (matches!(network, Network::Sockets) && home.session().is_none())
        .then(|| Discovery::start(&listener.addresses(), identity.clone(), settings.clone(), peers.clone(), &announcing));

    let loopback = loopback(&listener);
    member.running = Some(Instance::this(SocketAddr::new(loopback, port)));
    let routes = routes();
    let ending = CancellationToken::new();
    let known = peers.clone();
    let pairing = Pairing::start(certificate.clone(), network.clone(), identity.clone(), peers.clone(), &services);
    let paired = pairing.clone();
    let daemon = Arc::new(Daemon {
        reloader: Reloader::new(home.clone(), settings.clone(), seen),
        settings: settings.clone(),
        identity,
        home: home.clone(),
        trust: trust.clone(),
        fleet: fleet.clone(),
        member: member.clone(),
        certificate: certificate.clone(),
        context,
        messages,
        jobs: Jobs::new(guard, settings.clone(), services.clone(), journal.clone()),
        journal,
        watched: services.stopping(),
        peers,
        pairing,
        tasks,
        terminals,
        transfer,
        discovery,
        audit: audit.clone(),
        connections: connections.clone(),
        ending: ending.clone(),
        operations: routes.descriptions(),
        warnings: warnings.clone(),
        reloaded: Mutex::new(Reloaded::default()),
    });
    let names = vec![hostname, machine, host::hostname()];
    let (open, swept, mut changes) = (Open::default(), trust.clone(), settings.changes());
    let gate = Gate {
        settings,
        trust,
        limits: Limits::default(),
        audit,
        names,
        node_id: node_id.clone(),
        is_session: home.session().is_some(),
        node_of: Box::new(move |name, claimed| known.node_of(name, claimed)),
        heard: Box::new(move |name, key| {
            paired.heard(name, key);
            arrived.heard(name);
        }),
        workers: connections.clone(),
    };
    let server = Arc::new(Server {
        answers: Gated { gate, routes, service: daemon.clone() },
        connections: connections.clone(),
        tls: Some(certificate.server()),
        open: open.clone(),
        crowd: Crowd::new(host::descriptors()),
    });
    services.spawn_until_stop("revocation", async move {
        while changes.changed().await.is_ok() {
            open.sweep(&swept);
        }
    });
    accepting.spawn_until_stop("accept", server.run(listener));
    let looking = daemon.clone();
    services.spawn_until_stop("configuration", async move {
        loop {
            tokio::time::sleep(LOOK).await;
            looking.look_at_configuration();
        }
    });
    let looking = daemon.clone();
    services.spawn_until_stop("fleet", async move {
        loop {
            tokio::time::sleep(LOOK).await;
            looking.look_at_fleet().await;
        }
    });
    let watching = daemon.clone();
    services.spawn_until_stop("guard watch", async move {
        watching.jobs.guard_gone().await;
        tracing::error!("the guard process is gone; the daemon ends, so that no command is left without one");
        ending.cancel();
    });
    if let Some(running) = &member.running {
        instance.announce(running)?;
    }
    fleet.enter(&member)?;
    let ready = Ready { event: "ready".into(), pid: std::process::id(), port, node_id, warnings };
    Ok(Running { daemon, ready, accepting, connections, services, store, discovery: announcing, log, instance })
}

/// What the machine is called: what its main daemon is.
fn machine_name(home: &Home, hostname: &str) -> Result<String> {
    if home.session().is_none() {
        return Ok(hostname.to_owned());
    }
    let configured = config_file::load(&home.main())?.config.server.hostname;
    Ok(configured.unwrap_or_else(host::hostname))
}

fn loopback(listener: &Listener) -> std::net::IpAddr {
    let only_v6 = listener.addresses().iter().all(|ip| ip.is_ipv6() && !ip.is_unspecified());
    if only_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

async fn listen(network: &Network, home: &Home, host: &str, port: u16) -> Result<Listener> {
    network.listen(host, port).await.map_err(|cause| {
        let error = Error::new(Code::Config, format!("port {port} on {host} can't be listened on: {}", io_words(&cause)));
        match cause.kind() {
            std::io::ErrorKind::AddrInUse => {
                let session = home.session().map_or_else(String::new, |name| format!("--session {name} "));
                error.hint(format!("End the program that uses it, or choose another: loopsy {session}config set server.port <port>"))
            }
            _ => error.hint("Check server.host and server.port: loopsy config get server"),
        }
    })
}

/// A log file as the audit log's sink.
struct File(Rotating);

impl Sink for File {
    fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        self.0.append(lines)
    }
}

impl Running {
    /// Where and as whom it answers.
    pub fn identity(&self) -> &Identity {
        &self.daemon.identity
    }

    /// Waits until somebody asks for the end.
    pub async fn asked_to_end(&self) {
        self.daemon.ending.cancelled().await;
    }

    /// Ends the daemon within five seconds: takes no more connections, ends jobs and streams, lets answers finish, writes what
    /// was accepted. Answers what had to be cut off.
    pub async fn stop(self) -> Vec<&'static str> {
        let Self { daemon, accepting, connections, services, store, discovery, log, instance, .. } = self;
        instance.retract();
        accepting.stop(GRACE).await;
        // Jobs take up to three seconds when they ignore the polite signal; their streams end with them.
        tokio::join!(daemon.jobs.stop(), daemon.tasks.stop(), daemon.terminals.stop());
        let mut left = services.stop(GRACE).await;
        // The store writes what it accepted and ends its watches; without that no connection with a watch would drain.
        left.extend(store.stop(GRACE).await);
        left.extend(connections.stop(DRAIN).await);
        // The goodbye is last: who hears it asks at once, and shall get no answer.
        let (discovery, log) = tokio::join!(discovery.stop(GRACE), log.stop(GRACE));
        left.extend(discovery.into_iter().chain(log));
        if !left.is_empty() {
            tracing::warn!(?left, "these did not end in time and are cut off");
        }
        let fleet = daemon.fleet.clone();
        if let Err(error) = blocking(move || fleet.leave()).await.and_then(|left| left) {
            tracing::warn!(%error, "the other daemons of this machine could not be told");
        }
        drop(instance);
        left
    }
}
