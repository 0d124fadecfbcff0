//! A dashboard's life: listen, say where, wait, stop.

use std::sync::Arc;
use std::time::Duration;

use super::daemons::Daemons;
use super::guard::Place;
use super::instance::{Instance, Invitation, Running as Told};
use super::logins::Logins;
use super::routes::Site;
use super::tickets::Tickets;
use crate::base::error::io_words;
use crate::base::secret::Secret;
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result};
use crate::home::{Home, config_file};
use crate::http::crowd::Crowd;
use crate::http::limits::Limits;
use crate::http::open::Open;
use crate::http::server::Server;
use crate::net::Network;
use crate::platform::{holder, host};
use crate::service::certificate::Certificate;

/// How long answers that are under way get at the end.
const DRAIN: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Whether other machines are to reach it, over TLS.
    pub lan: bool,
    /// The program's version, for the page.
    pub version: &'static str,
}

/// A dashboard that serves.
pub struct Running {
    server: Arc<Server<Site>>,
    accepting: Workers,
    services: Workers,
    _instance: Instance,
}

/// Starts the dashboard of a machine whose main daemon has this home; `instance` is the right to be it.
///
/// # Errors
/// `CONFIG_INVALID` for a port in use, or a certificate that can't be read.
pub async fn start(home: Home, instance: Instance, wanted: Wanted) -> Result<Running> {
    let (accepting, connections, services) = (Workers::default(), Workers::default(), Workers::default());
    let server = config_file::load(&home).map(|loaded| loaded.config.server).unwrap_or_default();
    let hostname = server.hostname.unwrap_or_else(host::hostname);
    let listener = Network::Sockets.listen(if wanted.lan { "0.0.0.0" } else { "127.0.0.1" }, wanted.port).await;
    let listener = listener.map_err(|cause| unavailable(wanted, &cause))?;
    let certificate = wanted.lan.then(|| Certificate::start(home.clone(), hostname.clone(), &services)).transpose()?;
    let (secret, port) = (Secret::generate()?, listener.port());
    let names = if wanted.lan { vec![hostname.clone(), host::hostname()] } else { Vec::new() };
    let allowed = if wanted.lan { server.allowed_hosts } else { Vec::new() };
    let fingerprint = certificate.as_ref().map(Certificate::fingerprint);
    let site = Site {
        place: Place { port, lan: wanted.lan, names, allowed },
        daemons: Daemons::of(home),
        logins: Logins::default(),
        tickets: Tickets::default(),
        limits: Limits::default(),
        secret: secret.digest(),
        fingerprint,
        version: wanted.version,
        hostname,
    };
    let server = Arc::new(Server {
        answers: site,
        connections,
        tls: certificate.map(|certificate| certificate.server()),
        open: Open::default(),
        crowd: Crowd::new(host::descriptors()),
    });
    accepting.spawn_until_stop("accept", server.clone().run(listener));
    instance.announce(&Told { port, secret, fingerprint })?;
    Ok(Running { server, accepting, services, _instance: instance })
}

fn unavailable(wanted: Wanted, cause: &std::io::Error) -> Error {
    let who = holder::of_port(wanted.port).map(|holder| format!(", by {holder}")).unwrap_or_default();
    Error::new(Code::Config, format!("port {} can't be listened on: {}{who}", wanted.port, io_words(cause)))
        .hint("Choose another: loopsy dashboard --port <PORT>")
}

impl Running {
    /// A one-time link.
    pub fn invite(&self) -> Result<Invitation> {
        let Site { place, .. } = &self.server.answers;
        self.server.answers.invite(&format!("{}://127.0.0.1:{}", place.scheme(), place.port))
    }
    /// Ends it: streams and sockets at once, answers that are under way within half a second.
    pub async fn stop(self) {
        self.accepting.stop(DRAIN).await;
        self.server.answers.logins.end_all();
        self.server.connections.stop(DRAIN).await;
        self.services.stop(DRAIN).await;
    }
}
