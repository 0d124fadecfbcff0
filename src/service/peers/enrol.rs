//! Taking a newly paired machine into configuration and registry: under which name, and in whose place.

use super::Peers;
use super::former::{ALLOW_PLAINTEXT, Before, Pending};
use super::registry::Registry;
use crate::api::Permission;
use crate::api::node::PROTOCOL_VERSION;
use crate::api::peers::Peer;
use crate::base::clock::Millis;
use crate::base::secret::Secret;
use crate::base::sync::lock;
use crate::base::{Code, Error, Fingerprint, Result, id};
use crate::home::config::Config;
use crate::net::Address;

/// A machine that was paired with.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Node id.
    pub node_id: String,
    /// Its name for itself.
    pub hostname: String,
    /// `linux`, `darwin` or `win32`.
    pub platform: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Where it is.
    pub address: Address,
    /// What its certificate is known by.
    pub fingerprint: Fingerprint,
    /// Whether it proved that the certificate is its own.
    pub is_proved: bool,
    /// The key of the pair.
    pub key: Secret,
    /// Until when it must have called with the key, milliseconds since the epoch; else it is dropped.
    pub confirm_by: Option<Millis>,
}

/// The entry that a newcomer gets.
#[derive(Debug, PartialEq)]
struct Slot {
    name: String,
    /// Whether there is such an entry already.
    is_taken: bool,
}

impl Peers {
    /// Makes the machine a trusted peer: key, pin and permissions in one change of the configuration, and its row.
    ///
    /// # Errors
    /// `PAIR_REJECTED` where it claims to be a machine that is known and does not prove it, unless that is the entry that the
    /// user agreed to `replace`; where it names a known machine's certificate without proof, or two known machines; what a
    /// change of the configuration fails with. Nothing is changed then.
    pub async fn enrol(&self, new: Enrolment, allow: Option<Vec<Permission>>, replace: Option<&str>) -> Result<Peer> {
        // The row first: it tells until when the key is good, should the daemon end before the other machine has called.
        let (Slot { name, is_taken }, before) = {
            let (config, mut registry) = (self.0.settings.get(), lock(&self.0.registry));
            let slot = slot(&config, &registry, &self.0.identity.hostname, &new, replace)?;
            let before = registry.clone();
            put(&mut registry, &config, &new, &slot.name);
            (slot, before)
        };
        let written = match self.save().await {
            Ok(()) => self.write(&new, &name, is_taken, allow).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            *lock(&self.0.registry) = before;
            self.save().await?;
            return Err(error);
        }
        self.0.check.notify_one();
        self.row(&new.node_id)
    }

    async fn write(&self, new: &Enrolment, name: &str, was_taken: bool, allow: Option<Vec<Permission>>) -> Result<()> {
        let (name, key, fingerprint) = (name.to_owned(), new.key.clone(), new.fingerprint);
        self.edit(move |document| {
            if document.get(&["auth", "allowedKeys", &name]).is_some() && !was_taken {
                return Err(Error::new(Code::PairRejected, format!("{name} was taken meanwhile")).hint("Pair again."));
            }
            document.set(&["auth", "allowedKeys", &name], key.expose())?;
            document.set(&["tls", "pinnedCerts", &name], fingerprint)?;
            match allow {
                Some(permissions) => document.set(&["auth", "permissions", &name], permissions)?,
                None => drop(document.remove(&["auth", "permissions", &name])?),
            }
            document.exchange(&ALLOW_PLAINTEXT, &name, None)
        })
        .await
    }

    /// Whether a machine can become a peer, as far as is known before it tells its certificate for good.
    ///
    /// # Errors
    /// As [`Peers::enrol`].
    pub fn may_enrol(&self, node_id: &str, hostname: &str, fingerprint: Option<Fingerprint>, replace: Option<&str>) -> Result<()> {
        let config = self.0.settings.get();
        let Some(fingerprint) = fingerprint else { return Ok(()) };
        let pinned = pinned(&config, &fingerprint);
        match known(&config, &lock(&self.0.registry), node_id) {
            Some(name) if pinned.as_deref().or(replace) != Some(&name) => Err(refused(hostname, &name)),
            _ => Ok(()),
        }
    }

    /// The entry that a newcomer would replace, or whose name it bears; none where its certificate is that entry's.
    pub fn namesake(&self, node_id: &str, hostname: &str, fingerprint: Option<Fingerprint>) -> Option<String> {
        let config = self.0.settings.get();
        if fingerprint.is_some_and(|fingerprint| pinned(&config, &fingerprint).is_some()) {
            return None;
        }
        let registry = lock(&self.0.registry);
        let base = id::to_name(hostname);
        known(&config, &registry, node_id).or_else(|| bearer(&config, &registry, &base))
    }

    /// Writes the registry down.
    pub async fn keep(&self) -> Result<()> {
        self.save().await
    }

    /// Calls a newly paired machine for the first time.
    pub async fn greet(&self, peer: &Peer) -> Result<()> {
        self.check(&Address::new(&peer.address, peer.port)?).await
    }
}

/// The name under which a certificate is pinned.
fn pinned(config: &Config, fingerprint: &Fingerprint) -> Option<String> {
    let is = |text: &str| text.parse::<Fingerprint>().is_ok_and(|pinned| pinned == *fingerprint);
    config.tls.pinned_certs.iter().find(|(_, pin)| is(pin)).map(|(name, _)| name.clone())
}

/// The trusted entry of a node id.
fn known(config: &Config, registry: &Registry, node_id: &str) -> Option<String> {
    let name = registry.peers.iter().find(|peer| peer.node_id == node_id)?.name.as_ref()?;
    let is_trusted = config.auth.allowed_keys.contains_key(name) || config.tls.pinned_certs.contains_key(name);
    is_trusted.then(|| name.clone())
}

/// The entry that has a name, in any case of letters.
fn bearer(config: &Config, registry: &Registry, name: &str) -> Option<String> {
    let rows = registry.peers.iter().filter_map(|peer| peer.name.as_ref());
    let mut names = config.auth.allowed_keys.keys().chain(config.tls.pinned_certs.keys()).chain(rows);
    names.find(|taken| taken.eq_ignore_ascii_case(name)).cloned()
}

fn refused(hostname: &str, name: &str) -> Error {
    Error::new(Code::PairRejected, format!("{hostname} claims to be {name}, and does not prove it"))
        .hint(format!("If that is right, pair with --replace, or first: loopsy peers remove {name}"))
}

/// A certificate that is not proved, and a node id and certificate of two machines, nobody can agree to: what the user was
/// shown says nothing of them.
fn impossible(hostname: &str, name: &str) -> Error {
    Error::new(Code::PairRejected, format!("{hostname} claims to be {name}, and does not prove it"))
        .hint(format!("Somebody may pretend to be {name}. If that is not so, first: loopsy peers remove {name}"))
}

/// The entry for a newcomer. Whoever proves a pinned certificate has that entry; any other entry that is there is taken only
/// where it is the one of this name that the user agreed to `replace`.
fn slot(config: &Config, registry: &Registry, own: &str, new: &Enrolment, replace: Option<&str>) -> Result<Slot> {
    let is_agreed = |name: &str| replace == Some(name);
    match (pinned(config, &new.fingerprint), known(config, registry, &new.node_id)) {
        (Some(pinned), _) if !new.is_proved => return Err(impossible(&new.hostname, &pinned)),
        (Some(pinned), Some(known)) if pinned != known => return Err(impossible(&new.hostname, &known)),
        (Some(name), _) => return Ok(Slot { name, is_taken: true }),
        (None, Some(name)) if is_agreed(&name) => return Ok(Slot { name, is_taken: true }),
        (None, Some(name)) => return Err(refused(&new.hostname, &name)),
        (None, None) => {}
    }
    let base = id::to_name(&new.hostname);
    let is_ours = |name: &str| id::is_reserved(name) || name.eq_ignore_ascii_case(&id::to_name(own));
    match bearer(config, registry, &base) {
        None if !is_ours(&base) => return Ok(Slot { name: base, is_taken: false }),
        Some(name) if is_agreed(&name) => return Ok(Slot { name, is_taken: true }),
        _ => {}
    }
    let stem: String = base.chars().take(58).collect();
    let free = (2..10_000).map(|number| format!("{stem}-{number}")).find(|name| bearer(config, registry, name).is_none() && !is_ours(name));
    let name = free.ok_or_else(|| Error::invalid(format!("there are too many machines called {base}")))?;
    Ok(Slot { name, is_taken: false })
}

/// The row of the newcomer, in place of its own older ones. Where it has yet to call, what was there is kept until then.
fn put(registry: &mut Registry, config: &Config, new: &Enrolment, name: &str) {
    let at = |peer: &Peer| peer.address.eq_ignore_ascii_case(&new.address.host) && peer.port == new.address.port;
    let gives_way = |peer: &Peer| peer.node_id == new.node_id || peer.name.as_deref() == Some(name) || peer.name.is_none() && at(peer);
    let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut registry.peers).into_iter().partition(gives_way);
    registry.peers = kept;
    if new.confirm_by.is_some() {
        // An entry that was never confirmed is nothing to come back to.
        let unconfirmed = gone.iter().filter(|peer| peer.name.as_deref() == Some(name) && peer.unconfirmed_until.is_some());
        let earlier = unconfirmed.filter_map(|peer| registry.pending.get(&peer.node_id)).map(|pending| pending.before.clone()).next();
        let before = earlier.unwrap_or_else(|| Before::of(config, name, gone));
        registry.pending.insert(new.node_id.clone(), Pending { key: new.key.clone(), before });
    }
    let row = Peer {
        node_id: new.node_id.clone(),
        hostname: new.hostname.clone(),
        platform: new.platform.clone(),
        version: PROTOCOL_VERSION.into(),
        capabilities: new.capabilities.clone(),
        trusted: true,
        manually_added: false,
        name: Some(name.to_owned()),
        unconfirmed_until: new.confirm_by,
        ..Peer::unknown(&new.address.host, new.address.port)
    };
    // The first at its address: another row there is of a machine that has moved.
    registry.peers.insert(0, row);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::config_file::parse;

    fn newcomer(node_id: &str, hostname: &str, certificate: &str) -> Enrolment {
        Enrolment {
            node_id: node_id.into(),
            hostname: hostname.into(),
            platform: "linux".into(),
            capabilities: vec![],
            address: Address::new("10.0.0.9", 19532).unwrap(),
            fingerprint: Fingerprint::of(certificate.as_bytes()),
            is_proved: true,
            key: Secret::new("0123456789abcdef"),
            confirm_by: None,
        }
    }
    /// A machine called own that knows kai and leo.
    fn known() -> (Config, Registry) {
        let [kai, leo] = ["kai's", "leo's"].map(|certificate| Fingerprint::of(certificate.as_bytes()));
        let keys = "{kai: 0123456789abcdef, leo: fedcba9876543210}";
        let text = format!("auth: {{allowedKeys: {keys}}}\ntls: {{pinnedCerts: {{kai: {kai}, leo: {leo}}}}}\n");
        let mut registry = Registry::default();
        put(&mut registry, &Config::default(), &newcomer("id-leo", "leo", "leo's"), "leo");
        put(&mut registry, &Config::default(), &newcomer("id-kai", "kai", "kai's"), "kai");
        (parse(&text).unwrap().config, registry)
    }
    fn name(new: &Enrolment, replace: Option<&str>) -> Result<(String, bool)> {
        let (config, registry) = known();
        slot(&config, &registry, "own", new, replace).map(|slot| (slot.name, slot.is_taken))
    }

    /// known fault 29: whoever claims a known machine's id, certificate or name gets nothing that is that machine's.
    #[test]
    fn a_newcomer_gets_no_known_machines_entry() {
        for claim in [newcomer("id-kai", "kai", "eve's"), newcomer("id-kai", "eve", "eve's")] {
            for agreed in [None, Some("leo"), Some("eve")] {
                assert_eq!(name(&claim, agreed).unwrap_err().code, Code::PairRejected, "{claim:?}");
            }
            assert_eq!(name(&claim, Some("kai")).unwrap(), ("kai".into(), true));
        }
        for (hostname, given) in
            [("kai", "kai-2"), ("KAI", "KAI-2"), ("own", "own-2"), ("owner", "owner-2"), ("legacy", "legacy-2"), ("zoe", "zoe")]
        {
            for agreed in [None, Some("leo")] {
                assert_eq!(name(&newcomer("id-eve", hostname, "eve's"), agreed).unwrap(), (given.into(), false));
            }
        }
        assert_eq!(name(&newcomer("id-new", "kai", "new"), Some("kai")).unwrap(), ("kai".into(), true));
        assert_eq!(name(&newcomer("id-new", "own", "new"), Some("own")).unwrap(), ("own-2".into(), false));
        let long = name(&newcomer("id-new", &"ä/".repeat(100), "new"), None).unwrap().0;
        id::check_name("name", &long).unwrap();
    }

    /// known fault 29: anybody can read a certificate off the wire; without its key it opens no entry, whatever was agreed to.
    #[test]
    fn a_certificate_that_is_not_proved_takes_nothing_whatever_the_user_agreed_to() {
        for (node_id, hostname) in [("id-kai", "kai"), ("id-eve", "eve"), ("id-eve", "leo"), ("id-leo", "leo")] {
            let claim = Enrolment { is_proved: false, ..newcomer(node_id, hostname, "kai's") };
            for agreed in [None, Some("kai"), Some("leo")] {
                assert_eq!(name(&claim, agreed).unwrap_err().code, Code::PairRejected, "{claim:?} {agreed:?}");
            }
        }
    }

    /// known fault 29: kai with leo's node id, or the other way, loses neither of the two entries.
    #[test]
    fn a_machine_that_is_two_known_ones_is_neither() {
        for (node_id, certificate) in [("id-leo", "kai's"), ("id-kai", "leo's")] {
            for agreed in [None, Some("kai"), Some("leo")] {
                assert_eq!(name(&newcomer(node_id, "kai", certificate), agreed).unwrap_err().code, Code::PairRejected);
            }
        }
    }

    #[test]
    fn a_machine_that_proves_its_certificate_renews_its_own_entry() {
        assert_eq!(name(&newcomer("id-kai", "kai", "kai's"), None).unwrap(), ("kai".into(), true));
        assert_eq!(name(&newcomer("id-other", "renamed", "kai's"), None).unwrap(), ("kai".into(), true));
    }

    #[test]
    fn a_row_is_put_beside_other_machines_and_in_place_of_its_own() {
        let (_, mut registry) = known();
        put(&mut registry, &Config::default(), &newcomer("id-leo", "leo", "leo's"), "leo");
        put(&mut registry, &Config::default(), &newcomer("id-leo", "leo", "leo's"), "leo");
        let rows: Vec<_> = registry.peers.iter().map(|peer| (peer.node_id.as_str(), peer.name.as_deref())).collect();
        assert_eq!(rows, [("id-leo", Some("leo")), ("id-kai", Some("kai"))]);
    }
}
