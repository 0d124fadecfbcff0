//! The line to the daemon of this machine.

use super::link::{Link, not_running};
use crate::base::secret::Secret;
use crate::base::{Code, Error, Result};
use crate::home::instance::Instance;
use crate::home::{Home, config_file};
use crate::net::{Address, Network};

/// What is said from outside, and takes the place of what the home tells.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The daemon's port on loopback.
    pub port: Option<u16>,
    /// The owner's key.
    pub key: Option<Secret>,
}

/// The line to the daemon that runs for a home, as its owner.
///
/// # Errors
/// `NOT_RUNNING` where there is none; `CONFIG_INVALID` where its configuration can't be read.
pub fn link(home: &Home, network: &Network) -> Result<Link> {
    link_with(home, network, &Overrides::default())
}

/// The same, where some of it is said from outside.
pub fn link_with(home: &Home, network: &Network, overrides: &Overrides) -> Result<Link> {
    let address = match overrides.port {
        Some(port) => Address::new("127.0.0.1", port)?,
        None => {
            let Some(running) = Instance::running(home) else {
                return Err(not_running().hint(format!("Start it with: {}", home.command("start"))));
            };
            Address::new(&running.address.ip().to_string(), running.address.port())?
        }
    };
    let key =
        match &overrides.key {
            Some(key) => key.clone(),
            None => config_file::load(home)?.config.auth.api_key.ok_or_else(|| {
                Error::new(Code::Config, "the configuration has no auth.apiKey").hint("Make one with: loopsy key generate")
            })?,
        };
    Ok(Link::new(network, address).own().key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_daemon_the_hint_says_how_to_start_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = link(&Home::at(dir.path()), &Network::Sockets).err().unwrap();
        assert_eq!(error.code, Code::NotRunning);
        assert!(error.hint.unwrap().contains("loopsy start"));
    }
    #[test]
    fn what_is_said_from_outside_needs_nothing_of_the_home() {
        let dir = tempfile::tempdir().unwrap();
        let overrides = Overrides { port: Some(4711), key: Some(Secret::new("k")) };
        let link = link_with(&Home::at(dir.path()), &Network::Sockets, &overrides).unwrap();
        assert_eq!(link.target().to_string(), "127.0.0.1:4711");
    }
}
