//! The daemons of this machine: which there are, and the lines to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::api::fleet::SessionState;
use crate::base::kin::{self, MAIN};
use crate::base::sync::lock;
use crate::base::workers::blocking;
use crate::base::{Result, id};
use crate::client::{Link, local};
use crate::fleet;
use crate::home::instance::{Instance, Running};
use crate::home::stamp::Stamp;
use crate::home::{Home, config_file};
use crate::net::Network;
use crate::platform::host;

/// A daemon as the page knows it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `main`, or the session's name.
    pub name: String,
    /// What it is called among peers.
    pub label: String,
    /// Whether it runs.
    pub status: SessionState,
    /// Its port.
    pub port: u16,
}

/// What a line was made from. Where it is no longer so, the daemon was started again, or has another key.
#[derive(Clone, PartialEq)]
struct Basis {
    running: Option<Running>,
    configured: [Stamp; 2],
}

impl Basis {
    fn of(home: &Home) -> Self {
        Self { running: Instance::running(home), configured: [home, &home.main()].map(|home| Stamp::of(&home.config())) }
    }
}

/// The daemons of this machine. Clones are the same.
#[derive(Clone)]
pub struct Daemons {
    main: Home,
    lines: Arc<Mutex<HashMap<String, (Basis, Link)>>>,
}

impl Daemons {
    /// Those of the machine whose main daemon has this home.
    pub fn of(main: Home) -> Self {
        Self { main, lines: Arc::default() }
    }

    /// All of them as they are now, the main one first.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where the folder of the sessions can't be read.
    pub async fn rows(&self) -> Result<Vec<Row>> {
        let home = self.main.clone();
        blocking(move || {
            let server = config_file::load(&home).map(|loaded| loaded.config.server).unwrap_or_default();
            let label = server.hostname.unwrap_or_else(host::hostname);
            let running = Instance::running(&home);
            let main = Row {
                name: MAIN.into(),
                status: if running.is_some() { SessionState::Running } else { SessionState::Stopped },
                port: running.map_or(server.port, |running| running.address.port()),
                label: label.clone(),
            };
            let machine = id::to_name(&label);
            let sessions = fleet::survey(&home)?.into_iter();
            let sessions = sessions.map(|session| Row {
                label: kin::label(&machine, &session.name),
                name: session.name,
                status: session.status,
                port: session.port,
            });
            Ok(std::iter::once(main).chain(sessions).collect())
        })
        .await?
    }

    /// The line to one of them, as its owner. It is kept for as long as the daemon is the same.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND` for one that is not there; `NOT_RUNNING`.
    pub async fn line(&self, name: &str) -> Result<Link> {
        let (this, name) = (self.clone(), name.to_owned());
        blocking(move || this.look(&name)).await?
    }

    fn look(&self, name: &str) -> Result<Link> {
        let home = if name == MAIN { self.main.clone() } else { fleet::named(&self.main, name)? };
        let basis = Basis::of(&home);
        if let Some((known, link)) = lock(&self.lines).get(name)
            && *known == basis
        {
            return Ok(link.clone());
        }
        // What is wrong with the old one is wrong with its connections as well.
        lock(&self.lines).remove(name);
        let link = local::link(&home, &Network::Sockets)?;
        lock(&self.lines).insert(name.to_owned(), (basis, link.clone()));
        Ok(link)
    }
}
