//! What every command gets: the home, the console, and the way to the daemon.

use std::future::Future;

use super::app::Global;
use super::console::Console;
use crate::base::{Result, workers};
use crate::client::{Link, local};
use crate::fleet;
use crate::home::Home;
use crate::net::Network;

/// One run of the program.
#[derive(Debug)]
pub struct Session {
    /// The data directory of the daemon that is meant.
    pub home: Home,
    /// Where to print.
    pub console: Console,
    /// Whether more is to be told than usual.
    pub is_verbose: bool,
}

impl Session {
    /// From the global flags.
    pub fn new(global: &Global, console: Console) -> Result<Self> {
        let mut home = Home::locate(global.data_dir.as_deref())?;
        if let Some(name) = &global.session {
            home = fleet::named(&home, name)?;
        }
        Ok(Self { home, console, is_verbose: global.verbose > 0 })
    }
    /// The line to the own daemon; without one, an error that says how to start it.
    pub fn link(&self) -> Result<Link> {
        local::link(&self.home, &Network::Sockets)
    }
    /// Runs what waits, as [`workers::wait`] does.
    pub fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        workers::wait(work)
    }
}
