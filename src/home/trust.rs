//! Who may call, with which key and which permissions; live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::config::Config;
use super::fleet::{Fleet, Roster};
use super::settings::Settings;
use crate::api::Permission;
use crate::api::caller::Role;
use crate::base::kin::{self, machine_of};
use crate::base::secret::{Digest, Secret};
use crate::base::sync::lock;
use crate::base::{Code, Error, Fingerprint, Result};

/// The name of a caller that holds the owner's key and calls from elsewhere, as old Node pairs do.
pub const LEGACY: &str = "legacy";

/// Tells callers apart by their keys. Clones are the same; a change of the settings, or of the registry of this machine's
/// daemons, holds at once.
#[derive(Clone)]
pub struct Trust {
    settings: Settings,
    kin: Option<Kin>,
    table: Arc<Mutex<Arc<Table>>>,
}

/// This machine's daemons, and what it is called before the slash of their names.
#[derive(Clone)]
struct Kin {
    fleet: Fleet,
    machine: Arc<str>,
    /// The certificate that all of them show.
    shown: Arc<Mutex<Option<Fingerprint>>>,
}

impl Kin {
    /// The name of one of this machine's daemons without the machine's, where a peer is one.
    fn own<'a>(&self, peer: &'a str) -> Option<&'a str> {
        kin::session_at(peer, &self.machine)
    }
}

/// The keys of one configuration, by digest: what is looked up tells nothing about a key that is almost right.
struct Table {
    made_from: Arc<Config>,
    roster: Option<Arc<Roster>>,
    owner: Option<Digest>,
    peers: HashMap<Digest, Role>,
    /// This machine's other daemons, which call over loopback alone.
    kin: HashMap<Digest, Role>,
}

impl Trust {
    /// Reads keys and permissions off these settings, whenever they change.
    pub fn new(settings: Settings) -> Self {
        let table = Arc::new(Mutex::new(Arc::new(Table::of(settings.get(), None, None))));
        Self { settings, kin: None, table }
    }
    /// Knows this machine's other daemons as well, by `machine`, a slash and their own names.
    pub fn with_kin(mut self, fleet: Fleet, machine: &str) -> Self {
        self.kin = Some(Kin { fleet, machine: machine.into(), shown: Arc::default() });
        self
    }
    /// Notes which certificate this machine's daemons show now: only who has it gets the keys that they call each other with.
    pub fn shows(&self, fingerprint: Fingerprint) {
        self.kin.iter().for_each(|kin| *lock(&kin.shown) = Some(fingerprint));
    }
    /// Whether a peer is one of this machine's other daemons.
    pub fn is_kin(&self, peer: &str) -> bool {
        self.kin.as_ref().is_some_and(|kin| kin.own(peer).is_some())
    }
    /// Who presents this key. No key: a stranger. A key that is not known: [`Code::AuthInvalidKey`]. The owner's key makes
    /// an owner over loopback only; from elsewhere it makes the peer [`LEGACY`].
    pub fn authenticate(&self, presented: Option<&str>, loopback: bool) -> Result<Role> {
        let Some(key) = presented else { return Ok(Role::Stranger) };
        let digest = Digest::of(key);
        if loopback && self.table().owner == Some(digest) {
            return Ok(Role::Owner);
        }
        let kin = || if loopback { self.kin_of(&digest) } else { None };
        if let Some(peer) = self.role_of(&digest).or_else(kin) {
            return Ok(peer);
        }
        Err(Error::new(Code::AuthInvalidKey, "the key is not one that this daemon accepts")
            .hint("If the pairing was ended or the key renewed, pair the two machines again: loopsy pair"))
    }
    /// The key with which a peer is called. The sessions of another machine have that machine's.
    pub fn key_for(&self, peer: &str) -> Option<Secret> {
        if let Some(kin) = &self.kin
            && let Some(own) = kin.own(peer)
        {
            let roster = kin.fleet.roster().filter(|roster| roster.members.contains_key(own))?;
            return Some(roster.key(kin.fleet.me(), own));
        }
        self.settings.get().auth.allowed_keys.get(machine_of(peer)).cloned()
    }
    /// The certificate that a peer must have, if one is pinned. The sessions of a machine have that machine's.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where the pin can't be read: it then fits no certificate.
    pub fn pin_of(&self, peer: &str) -> Result<Option<Fingerprint>> {
        if let Some(kin) = self.kin.as_ref().filter(|kin| kin.own(peer).is_some()) {
            return Ok(*lock(&kin.shown));
        }
        let (config, peer) = (self.settings.get(), machine_of(peer));
        let pin = config.tls.pinned_certs.get(peer).map(|pin| pin.parse::<Fingerprint>());
        pin.transpose().map_err(|error| {
            Error::new(Code::Config, format!("tls.pinnedCerts.{peer}: {error}")).hint(format!("Pair with it again: loopsy pair {peer}"))
        })
    }
    /// Whether what a key once proved still holds: the same caller, who may do no less than then.
    pub fn still(&self, key: &Digest, proved: &Role) -> bool {
        match (self.role_of(key).or_else(|| self.kin_of(key)), proved) {
            (Some(Role::Peer { name, permissions, .. }), Role::Peer { name: then, permissions: had, .. }) => {
                name == *then && had.iter().all(|permission| permissions.contains(permission))
            }
            (now, then) => now.as_ref() == Some(then),
        }
    }
    /// What a peer may do here: all, unless `auth.permissions` has its name.
    pub fn permissions_of(&self, peer: &str) -> Vec<Permission> {
        if self.is_kin(peer) {
            return Permission::ALL.to_vec();
        }
        permissions(&self.settings.get(), peer)
    }
    /// Whether a peer is one that this daemon knows, and may do this.
    pub fn permits(&self, peer: &str, permission: Permission) -> bool {
        let is_known = self.is_kin(peer) || self.settings.get().auth.allowed_keys.contains_key(machine_of(peer));
        is_known && self.permissions_of(peer).contains(&permission)
    }
    /// The daemon of this machine that a key makes of a caller over loopback. Of one that has just begun it is learnt here.
    fn kin_of(&self, key: &Digest) -> Option<Role> {
        let fleet = &self.kin.as_ref()?.fleet;
        let known = || self.table().kin.get(key).cloned();
        known().or_else(|| if fleet.refresh() { known() } else { None })
    }
    /// The peer that a key makes of a caller from elsewhere.
    fn role_of(&self, key: &Digest) -> Option<Role> {
        let table = self.table();
        let legacy = || (table.owner == Some(*key)).then(|| role(&table.made_from, LEGACY, true));
        table.peers.get(key).cloned().or_else(legacy)
    }
    fn table(&self) -> Arc<Table> {
        let (config, roster) = (self.settings.get(), self.kin.as_ref().and_then(|kin| kin.fleet.roster()));
        let mut table = lock(&self.table);
        let same_roster = table.roster.as_ref().map(Arc::as_ptr) == roster.as_ref().map(Arc::as_ptr);
        if !(same_roster && Arc::ptr_eq(&table.made_from, &config)) {
            *table = Arc::new(Table::of(config, roster, self.kin.as_ref()));
        }
        table.clone()
    }
}

impl Table {
    fn of(config: Arc<Config>, roster: Option<Arc<Roster>>, kin: Option<&Kin>) -> Self {
        let usable = |key: &&Secret| !key.expose().is_empty();
        let owner = config.auth.api_key.as_ref().filter(usable).map(Secret::digest);
        let peers = config.auth.allowed_keys.iter().filter(|(name, key)| usable(key) && kin::session_of(name).is_none());
        let peers = peers.map(|(name, key)| (key.digest(), role(&config, name, false))).collect();
        let mut own = HashMap::new();
        if let (Some(roster), Some(kin)) = (&roster, kin) {
            for name in roster.members.keys().filter(|name| *name != kin.fleet.me()) {
                let label = kin::label(&kin.machine, name);
                let role = Role::Peer { name: label, permissions: Permission::ALL.to_vec(), legacy: false };
                own.insert(roster.key(name, kin.fleet.me()).digest(), role);
            }
        }
        Self { owner, peers, kin: own, made_from: config, roster }
    }
}

fn role(config: &Config, name: &str, legacy: bool) -> Role {
    Role::Peer { name: name.into(), permissions: permissions(config, name), legacy }
}

fn permissions(config: &Config, name: &str) -> Vec<Permission> {
    config.auth.permissions.get(machine_of(name)).cloned().unwrap_or_else(|| Permission::ALL.to_vec())
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
    /// The sessions of a machine are trusted as far as the machine is.
    #[test]
    fn a_session_of_another_machine_has_that_machines_key_pin_and_permissions() {
        let pin = "ab".repeat(32);
        let text = format!(
            "auth: {{apiKey: own, allowedKeys: {{kai: k1}}, permissions: {{kai: [context]}}}}\ntls: {{pinnedCerts: {{kai: {pin}}}}}"
        );
        let trust = Trust::new(Settings::new(config(&text)));
        assert_eq!(trust.key_for("kai/worker-1").unwrap().expose(), "k1");
        assert_eq!(trust.pin_of("kai/worker-1").unwrap(), trust.pin_of("kai").unwrap());
        assert_eq!(trust.permissions_of("kai/worker-1"), [Permission::Context]);
        assert!(trust.key_for("leo/worker-1").is_none() && trust.key_for("/worker-1").is_none());
    }

    #[test]
    fn a_machines_daemons_know_each_other_over_loopback_alone() {
        let dir = tempfile::tempdir().unwrap();
        let main = crate::home::Home::at(dir.path());
        crate::platform::files::write_private(&main.config(), b"").unwrap();
        let session = main.of_session(&"worker-1".parse().unwrap());
        session.create().unwrap();
        let [there, here] = [&main, &session].map(|home| {
            let fleet = Fleet::open(home);
            (fleet.clone(), Trust::new(Settings::new(config("auth: {apiKey: own, permissions: {kai: [context]}}"))).with_kin(fleet, "kai"))
        });
        let member = |port| crate::home::fleet::Member { node_id: format!("id-{port}"), hostname: "kai".into(), port, running: None };
        here.0.enter(&member(2)).unwrap();
        assert!(there.0.refresh() && there.1.is_kin("kai/worker-1") && !there.1.is_kin("leo/worker-1"));
        there.0.enter(&member(1)).unwrap();
        let key = there.1.key_for("kai/worker-1").unwrap();
        assert_eq!(name(&here.1, key.expose(), true).as_deref(), Some("kai/main"), "learnt by the call");
        assert_eq!(name(&here.1, key.expose(), false), None, "from elsewhere it is no key");
        assert_eq!(name(&there.1, key.expose(), true), None, "it is not for the caller itself");
        let Ok(Role::Peer { permissions, .. }) = here.1.authenticate(Some(key.expose()), true) else { panic!() };
        assert_eq!(permissions, Permission::ALL);
        assert!(there.1.permits("kai/worker-1", Permission::Terminal) && !there.1.permits("leo/worker-1", Permission::Terminal));
        assert!(there.1.key_for("kai/worker-9").is_none());
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
