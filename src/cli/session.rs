//! What every command gets: the home, the console, and the way to the daemon.

use std::future::Future;

use super::app::Global;
use super::console::Console;
use crate::base::{Error, Result};
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
    /// Runs what waits, on this thread. Work that is still under way on other threads afterwards is left to the process's end.
    pub fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::internal("the runtime can't be started", error))?;
        let result = runtime.block_on(work);
        runtime.shutdown_background();
        result
    }
}
