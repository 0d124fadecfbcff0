//! Who may call, with which key and which permissions; live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::config::Config;
use super::settings::Settings;
use crate::api::Permission;
use crate::api::caller::Role;
use crate::base::secret::{Digest, Secret};
use crate::base::sync::lock;
use crate::base::{Code, Error, Fingerprint, Result};

/// The name of a caller that holds the owner's key and calls from elsewhere, as old Node pairs do.
pub const LEGACY: &str = "legacy";

/// Tells callers apart by their keys. Clones are the same; a change of the settings holds at once.
#[derive(Clone)]
pub struct Trust {
    settings: Settings,
    table: Arc<Mutex<Arc<Table>>>,
}

/// The keys of one configuration, by digest: what is looked up tells nothing about a key that is almost right.
struct Table {
    made_from: Arc<Config>,
    owner: Option<Digest>,
    peers: HashMap<Digest, Role>,
}

impl Trust {
    /// Reads keys and permissions off these settings, whenever they change.
    pub fn new(settings: Settings) -> Self {
        let table = Arc::new(Mutex::new(Arc::new(Table::of(settings.get()))));
        Self { settings, table }
    }
    /// Who presents this key. No key: a stranger. A key that is not known: [`Code::AuthInvalidKey`]. The owner's key makes
    /// an owner over loopback only; from elsewhere it makes the peer [`LEGACY`].
    pub fn authenticate(&self, presented: Option<&str>, loopback: bool) -> Result<Role> {
        let Some(key) = presented else { return Ok(Role::Stranger) };
        let digest = Digest::of(key);
        if loopback && self.table().owner == Some(digest) {
            return Ok(Role::Owner);
        }
        if let Some(peer) = self.role_of(&digest) {
            return Ok(peer);
        }
        Err(Error::new(Code::AuthInvalidKey, "the key is not one that this daemon accepts")
            .hint("If the pairing was ended or the key renewed, pair the two machines again: loopsy pair"))
    }
    /// The key that this machine and a peer share, by the peer's name in `auth.allowedKeys`.
    pub fn key_for(&self, peer: &str) -> Option<Secret> {
        self.settings.get().auth.allowed_keys.get(peer).cloned()
    }
    /// The certificate that a peer must have, if one is pinned.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where the pin can't be read: it then fits no certificate.
    pub fn pin_of(&self, peer: &str) -> Result<Option<Fingerprint>> {
        let config = self.settings.get();
        let pin = config.tls.pinned_certs.get(peer).map(|pin| pin.parse::<Fingerprint>());
        pin.transpose().map_err(|error| {
            Error::new(Code::Config, format!("tls.pinnedCerts.{peer}: {error}")).hint(format!("Pair with it again: loopsy pair {peer}"))
        })
    }
    /// Whether what a key once proved still holds: the same caller, who may do no less than then.
    pub fn still(&self, key: &Digest, proved: &Role) -> bool {
        match (self.role_of(key), proved) {
            (Some(Role::Peer { name, permissions, .. }), Role::Peer { name: then, permissions: had, .. }) => {
                name == *then && had.iter().all(|permission| permissions.contains(permission))
            }
            (now, then) => now.as_ref() == Some(then),
        }
    }
    /// What a peer may do here: all, unless `auth.permissions` has its name.
    pub fn permissions_of(&self, peer: &str) -> Vec<Permission> {
        permissions(&self.settings.get(), peer)
    }
    /// The peer that a key makes of a caller from elsewhere.
    fn role_of(&self, key: &Digest) -> Option<Role> {
        let table = self.table();
        let legacy = || (table.owner == Some(*key)).then(|| role(&table.made_from, LEGACY, true));
        table.peers.get(key).cloned().or_else(legacy)
    }
    fn table(&self) -> Arc<Table> {
        let config = self.settings.get();
        let mut table = lock(&self.table);
        if !Arc::ptr_eq(&table.made_from, &config) {
            *table = Arc::new(Table::of(config));
        }
        table.clone()
    }
}

impl Table {
    fn of(config: Arc<Config>) -> Self {
        let usable = |key: &&Secret| !key.expose().is_empty();
        let owner = config.auth.api_key.as_ref().filter(usable).map(Secret::digest);
        let peers = config.auth.allowed_keys.iter().filter(|(_, key)| usable(key));
        let peers = peers.map(|(name, key)| (key.digest(), role(&config, name, false))).collect();
        Self { owner, peers, made_from: config }
    }
}

fn role(config: &Config, name: &str, legacy: bool) -> Role {
    Role::Peer { name: name.into(), permissions: permissions(config, name), legacy }
}

fn permissions(config: &Config, name: &str) -> Vec<Permission> {
    config.auth.permissions.get(name).cloned().unwrap_or_else(|| Permission::ALL.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::config_file::parse;

    fn config(text: &str) -> Config {
        parse(text).unwrap().config
    }
    fn name(trust: &Trust, key: &str, loopback: bool) -> Option<String> {
        match trust.authenticate(Some(key), loopback) {
            Ok(Role::Owner) => Some("owner".into()),
            Ok(Role::Peer { name, legacy, .. }) => Some(if legacy { format!("{name}!") } else { name }),
            Ok(Role::Stranger) => Some("stranger".into()),
            Err(error) => {
                assert_eq!(error.code, Code::AuthInvalidKey);
                None
            }
        }
    }

    #[test]
    fn each_key_makes_its_own_caller() {
        let trust =
            Trust::new(Settings::new(config("auth: {apiKey: own, allowedKeys: {kai: k1, leo: k2}, permissions: {leo: [context]}}")));
        assert_eq!(name(&trust, "own", true).as_deref(), Some("owner"));
        assert_eq!(name(&trust, "own", false).as_deref(), Some("legacy!"));
        assert_eq!(name(&trust, "k1", true).as_deref(), Some("kai"));
        assert_eq!(name(&trust, "k2", false).as_deref(), Some("leo"));
        for wrong in ["", "OWN", "own ", "k", "k11", "\0"] {
            assert_eq!(name(&trust, wrong, true), None, "{wrong:?}");
        }
        assert_eq!(trust.authenticate(None, true).unwrap(), Role::Stranger);
        assert_eq!(trust.permissions_of("leo"), [Permission::Context]);
        assert_eq!(trust.permissions_of("kai"), Permission::ALL);
        assert_eq!(trust.key_for("kai").unwrap().expose(), "k1");
        assert!(trust.key_for("zoe").is_none());
    }
    #[test]
    fn without_a_key_of_its_own_the_machine_has_no_owner() {
        let trust = Trust::new(Settings::new(Config::default()));
        for key in ["", "null", "undefined"] {
            assert_eq!(name(&trust, key, true), None);
        }
    }
    /// known fault 62
    #[test]
    fn a_changed_key_holds_at_once_and_the_old_one_stops() {
        let settings = Settings::new(config("auth: {apiKey: old}"));
        let trust = Trust::new(settings.clone());
        assert!(name(&trust, "old", true).is_some());
        settings.set(config("auth: {apiKey: new, allowedKeys: {kai: k1}}"));
        assert_eq!(name(&trust, "old", true), None);
        assert_eq!(name(&trust, "new", true).as_deref(), Some("owner"));
        assert_eq!(name(&trust, "k1", false).as_deref(), Some("kai"));
    }
}
