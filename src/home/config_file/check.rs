//! What is wrong or odd about a configuration whose types are right.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::super::config::{Config, ManualPeer};
use super::{patch, wrong};
use crate::base::hash::is_sha256;
use crate::base::secret::Secret;
use crate::base::{Result, id, kin, text};

/// Keys of the Node version that mean nothing here and are no mistake.
const NODE_KEYS: &[&str] = &["server.dataDir", "server.nodeId"];

/// Refuses values that can't be meant, with their line.
pub fn bounds(text: &str, config: &Config) -> Result<()> {
    let refuse = |path: &[&str], what: &str| {
        let line = patch::line_of(text, path).map_or_else(String::new, |line| format!("line {line}"));
        Err(wrong(&line, &format!("{}: {what}", path.join("."))))
    };
    if config.auth.api_key.as_ref().is_some_and(is_blank) {
        return refuse(&["auth", "apiKey"], "the key is empty; make one with: loopsy key generate");
    }
    if let Some((name, _)) = config.auth.allowed_keys.iter().find(|(_, key)| is_blank(key)) {
        return refuse(&["auth", "allowedKeys", name], "the key is empty");
    }
    let level = config.logging.level.as_str();
    if level.parse::<tracing::level_filters::LevelFilter>().is_err() {
        return refuse(&["logging", "level"], &format!("{level:?} is none of error, warn, info, debug, trace"));
    }
    if config.discovery.manual_peers.iter().any(|peer| peer.address.trim().is_empty()) {
        return refuse(&["discovery", "manualPeers"], "an address is empty");
    }
    Ok(())
}

fn is_blank(key: &Secret) -> bool {
    key.expose().trim().is_empty()
}

/// What is odd, one line each.
pub fn warnings(value: &Value, config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    unknown_keys(value, &schema(), "", &mut found);
    for name in config.auth.allowed_keys.keys() {
        if id::is_reserved(name) {
            found.push(format!("auth.allowedKeys.{name}: '{name}' has a meaning of its own; give the peer another name"));
        } else if let Err(error) = id::check_name("peer", name) {
            found.push(format!("auth.allowedKeys: {error}"));
        }
    }
    let of_peers = [
        ("auth.permissions", Vec::from_iter(config.auth.permissions.keys())),
        ("tls.pinnedCerts", config.tls.pinned_certs.keys().collect()),
    ];
    for (map, names) in of_peers {
        let sessions = names.into_iter().filter(|name| kin::session_of(name).is_some());
        found.extend(
            sessions.map(|name| format!("{map}.{name}: has no effect; what is said of {} holds for its sessions", kin::machine_of(name))),
        );
    }
    found.extend(shared_keys(config));
    for (name, pin) in &config.tls.pinned_certs {
        if !is_sha256(pin) {
            found.push(format!("tls.pinnedCerts.{name}: not a SHA-256 fingerprint (64 hexadecimal digits)"));
        }
    }
    found
}

/// Peers that share a key can't be told apart.
fn shared_keys(config: &Config) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let pairs = config.auth.allowed_keys.iter().filter_map(|(name, key)| seen.insert(key.expose(), name).map(|first| (first, name)));
    pairs.map(|(first, second)| format!("auth.allowedKeys: {first} and {second} have the same key and can't be told apart")).collect()
}

/// Every key there is, read off the types: a full example of the configuration as a value. An empty mapping stands for
/// free names, an empty list for free items.
pub fn schema() -> Value {
    let mut sample = Config::default();
    sample.discovery.manual_peers = vec![ManualPeer { address: String::new(), port: 0, hostname: Some(String::new()) }];
    serde_yaml::to_value(sample).unwrap_or_default()
}

fn unknown_keys(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    match (value, schema) {
        (Value::Mapping(given), Value::Mapping(known)) if !known.is_empty() => {
            for (key, value) in given {
                let name = super::document::scalar_text(key).unwrap_or_default();
                let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match known.get(name.as_str()) {
                    Some(schema) => unknown_keys(value, schema, &full, found),
                    None if NODE_KEYS.contains(&full.as_str()) => {}
                    None => found.push(unknown(&full, &name, known)),
                }
            }
        }
        (Value::Sequence(items), Value::Sequence(known)) => {
            let Some(schema) = known.first().filter(|schema| schema.is_mapping()) else { return };
            for (index, item) in items.iter().enumerate() {
                unknown_keys(item, schema, &format!("{path}.{index}"), found);
            }
        }
        _ => {}
    }
}

/// The sentence about an unknown key, with the one that was probably meant.
pub fn unknown(full: &str, name: &str, known: &Mapping) -> String {
    let prefix = full.strip_suffix(name).unwrap_or_default();
    match text::closest(name, known.keys().filter_map(Value::as_str)) {
        Some(meant) => format!("unknown key {full}; did you mean {prefix}{meant}?"),
        None => format!("unknown key {full}"),
    }
}
