//! The daemon of this machine, as the server finds it anew for each call.

use crate::base::Result;
use crate::client::Link;
use crate::client::local::{self, Overrides};
use crate::home::Home;
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
    /// The data directory.
    pub fn home(&self) -> &Home {
        &self.home
    }
}
