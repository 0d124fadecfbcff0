//! The line to the daemon of this machine.

use super::link::{Link, not_running};
use crate::base::{Code, Error, Result};
use crate::home::instance::Instance;
use crate::home::{Home, config_file};
use crate::net::{Address, Network};

/// The line to the daemon that runs for a home, as its owner.
///
/// # Errors
/// `NOT_RUNNING` where there is none; `CONFIG_INVALID` where its configuration can't be read.
pub fn link(home: &Home, network: &Network) -> Result<Link> {
    let Some(running) = Instance::running(home) else { return Err(not_running()) };
    let config = config_file::load(&home.config())?.config;
    let key = config
        .auth
        .api_key
        .ok_or_else(|| Error::new(Code::Config, "the configuration has no auth.apiKey").hint("Make one with: loopsy key generate"))?;
    let address = Address::new(&running.address.ip().to_string(), running.address.port())?;
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
}
