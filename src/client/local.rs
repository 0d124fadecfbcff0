//! The line to the daemon of a home.

use super::link::Link;
use crate::base::{Code, Error, Result};
use crate::home::instance::Instance;
use crate::home::{Home, config_file};
use crate::net::{Address, Network};

/// The line to the daemon that runs for a home, with the owner's key.
///
/// # Errors
/// `NOT_RUNNING` where there is none; `CONFIG_INVALID` where its configuration can't be read.
pub fn link(home: &Home, network: &Network) -> Result<Link> {
    let config = config_file::load(&home.config())?.config;
    let running =
        Instance::running(home).ok_or_else(|| Error::new(Code::NotRunning, "Daemon is not running").hint("Start it with: loopsy start"))?;
    let key = config
        .auth
        .api_key
        .ok_or_else(|| Error::new(Code::Config, "the configuration has no auth.apiKey").hint("Make one with: loopsy key generate"))?;
    let address = Address::new(&running.address.ip().to_string(), running.address.port())?;
    Ok(Link::new(network, address).key(key).own())
}
