//! The daemon of this machine, as the server finds it anew for each call.

use crate::base::Result;
use crate::base::workers::blocking;
use crate::client::Link;
use crate::client::local::{self, Overrides};
use crate::home::config::Config;
use crate::home::{Home, config_file};
use crate::net::Network;

/// Where the daemon is found. Nothing of it is kept: a daemon that is restarted, or a key that is renewed, is found by the
/// next call.
#[derive(Debug, Clone)]
pub struct Own {
    home: Home,
    overrides: Overrides,
}

impl Own {
    /// The daemon of a home, or the one that is said from outside.
    pub fn new(home: Home, overrides: Overrides) -> Self {
        Self { home, overrides }
    }
    /// The line to it.
    ///
    /// # Errors
    /// `NOT_RUNNING`, with how to start it.
    pub fn link(&self) -> Result<Link> {
        local::link_with(&self.home, &Network::Sockets, &self.overrides)
    }
    /// This machine's configuration as it is now; the usual one where nothing is configured.
    ///
    /// # Errors
    /// Where it can't be read.
    pub async fn config(&self) -> Result<Config> {
        let home = self.home.clone();
        blocking(move || if home.config().exists() { Ok(config_file::load(&home)?.config) } else { Ok(Config::default()) }).await?
    }
    /// The data directory.
    pub fn home(&self) -> &Home {
        &self.home
    }
}
