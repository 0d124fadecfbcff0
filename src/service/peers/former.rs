//! What was where a newly paired machine's entry is: kept until the machine has called, and put back where it does not.

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use crate::api::Permission;
use crate::api::peers::Peer;
use crate::base::Result;
use crate::base::secret::Secret;
use crate::home::config::Config;
use crate::home::config_file::Document;

/// The list of the configuration that may name a peer.
pub(super) const ALLOW_PLAINTEXT: [&str; 2] = ["tls", "allowPlaintext"];

/// An entry whose machine has not called with its new key yet. Kept in the registry's private file alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// The key that it must call with.
    pub(super) key: Secret,
    /// What comes back unless it does.
    pub(super) before: Before,
}

/// What was where an entry is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) rows: Vec<Peer>,
    key: Option<Secret>,
    pin: Option<String>,
    permissions: Option<Vec<Permission>>,
    plaintext: bool,
}

impl Before {
    /// What the configuration says of a name, and the rows that give way.
    pub(super) fn of(config: &Config, name: &str, rows: Vec<Peer>) -> Self {
        Self {
            rows,
            key: config.auth.allowed_keys.get(name).cloned(),
            pin: config.tls.pinned_certs.get(name).cloned(),
            permissions: config.auth.permissions.get(name).cloned(),
            plaintext: config.tls.allows_plaintext(name),
        }
    }

    /// Makes the configuration say of a name again what it said.
    pub(super) fn restore(self, document: &mut Document, name: &str) -> Result<()> {
        put_back(document, &["auth", "allowedKeys", name], self.key.as_ref().map(Secret::expose))?;
        put_back(document, &["tls", "pinnedCerts", name], self.pin)?;
        put_back(document, &["auth", "permissions", name], self.permissions)?;
        if !self.plaintext {
            return Ok(());
        }
        let mut allowed = document.get(&ALLOW_PLAINTEXT).and_then(Value::as_sequence).cloned().unwrap_or_default();
        allowed.push(name.into());
        document.set(&ALLOW_PLAINTEXT, allowed)
    }
}

fn put_back(document: &mut Document, path: &[&str], value: Option<impl Serialize>) -> Result<()> {
    match value {
        Some(value) => document.set(path, value),
        None => document.remove(path).map(drop),
    }
}
