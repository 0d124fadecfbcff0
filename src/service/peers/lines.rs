//! Lines to peers: what protects each, and their end when a peer is let go.

use std::collections::HashMap;
use std::sync::Mutex;

use super::Peers;
use crate::api::peers::Peer;
use crate::base::kin::machine_of;
use crate::base::sync::lock;
use crate::base::{Code, Error, Result};
use crate::client::Link;
use crate::client::connector::{Pool, Security};
use crate::net::{Address, Network};

/// The connections to each peer, by its name.
pub(super) struct Lines {
    network: Network,
    /// The one in use is the last. Those before it are of certificates that were handed over: what is open there goes on.
    pools: Mutex<HashMap<String, Vec<Pool>>>,
}

/// Whether connections are protected so: by the certificate that is pinned, or the one that this one took over from.
fn is_protected(pool: &Pool, wanted: Security) -> bool {
    let handed_over = |pin| matches!(pool.security(), Security::Pinned(_)) && pool.certificate() == Some(pin);
    pool.security() == wanted || matches!(wanted, Security::Pinned(pin) if handed_over(pin))
}

impl Lines {
    pub(super) fn new(network: Network) -> Self {
        Self { network, pools: Mutex::default() }
    }

    /// The connections to a peer. Those that were protected otherwise are ended.
    fn pool(&self, name: &str, security: Security) -> Result<Pool> {
        let mut all = lock(&self.pools);
        let pools = all.entry(name.to_owned()).or_default();
        match pools.last() {
            Some(pool) if pool.security() == security => return Ok(pool.clone()),
            Some(pool) if is_protected(pool, security) => {}
            _ => pools.drain(..).for_each(|pool| pool.cut()),
        }
        let pool = Pool::new(&self.network, security)?;
        pools.push(pool.clone());
        Ok(pool)
    }

    /// Ends the connections to those that are not to be kept.
    fn keep(&self, keep: impl Fn(&str, &Pool) -> bool) {
        lock(&self.pools).retain(|name, pools| {
            let kept = pools.last().is_some_and(|pool| keep(name, pool));
            if !kept {
                pools.iter().for_each(Pool::cut);
            }
            kept
        });
    }
}

impl Peers {
    /// A line to a peer, with its key.
    ///
    /// # Errors
    /// `AUTH_FORBIDDEN` where there is no key for it; `AUTH_TLS_REQUIRED` where a key must not travel to where it is.
    pub fn link(&self, peer: &Peer) -> Result<Link> {
        let address = Address::new(&peer.address, peer.port)?;
        // A name that a stranger gives himself is not one under which a key is kept.
        let named = peer.name.as_deref().filter(|_| peer.trusted);
        let keyed = named.and_then(|name| Some((name, self.0.trust.key_for(name)?)));
        let (name, key) = keyed.ok_or_else(|| {
            Error::new(Code::AuthForbidden, format!("there is no key for {}", peer.label()))
                .hint(format!("Pair with it: loopsy pair {address}"))
        })?;
        let link = self.line(Some(name), &address)?;
        link.may_carry_key()?;
        Ok(link.key(key))
    }

    /// A line to a peer of this name, or to a machine that has none, at an address; without a key.
    pub(super) fn line(&self, name: Option<&str>, address: &Address) -> Result<Link> {
        let security = self.security(name, address)?;
        let pool = match name {
            Some(name) => self.0.lines.pool(name, security)?,
            // Nothing is remembered of who can't prove anything.
            None => Pool::new(&self.0.lines.network, security)?,
        };
        Ok(Link::over(pool, address.clone()).node_id(&self.0.identity.node_id))
    }

    /// What protects the connections to a peer: its pin before all else.
    fn security(&self, name: Option<&str>, address: &Address) -> Result<Security> {
        let config = self.0.settings.get();
        if let Some(pin) = name.map(|name| self.0.trust.pin_of(name)).transpose()?.flatten() {
            return Ok(Security::Pinned(pin));
        }
        if let Some(name) = name.filter(|name| self.0.trust.is_kin(name)) {
            return Err(Error::new(Code::PeerOffline, format!("this daemon has no certificate yet by which it would know {name}")));
        }
        if name.is_some_and(|name| config.tls.allows_plaintext(machine_of(name))) {
            return Ok(Security::Plaintext);
        }
        Ok(if address.is_loopback() { Security::Loopback } else { Security::Unproven })
    }

    /// Ends the connections to peers that lost their key, or whose protection is another now, as the settings change.
    pub(super) async fn let_go(self) {
        let mut changes = self.0.settings.changes();
        while changes.changed().await.is_ok() {
            let config = self.0.settings.get();
            self.0.lines.keep(|name, pool| {
                let pin = self.0.trust.pin_of(name).ok().flatten();
                let pinned = pin.is_some_and(|pin| is_protected(pool, Security::Pinned(pin)));
                let plain = !matches!(pool.security(), Security::Pinned(_)) && !config.tls.pinned_certs.contains_key(machine_of(name));
                self.0.trust.key_for(name).is_some() && (pinned || plain)
            });
        }
    }
}
