//! What an announcement says: this machine's own, and what is believed of others'. Pure.

use std::collections::HashMap;

use crate::api::node::Identity;
use crate::base::{id, text};
use crate::net::Address;
use crate::service::peers::Sighting;

/// The type of service under which daemons find each other.
pub(super) const SERVICE: &str = "_loopsy._tcp.local.";
/// Most bytes of one `key=value`.
const LONGEST: usize = 255;

/// The instance as which a node announces itself.
pub(super) fn instance(node_id: &str) -> String {
    format!("loopsy-{}", node_id.get(..8).unwrap_or(node_id))
}

/// The host name of a node's addresses; its own, because several daemons may share a machine and its name.
pub(super) fn host(node_id: &str) -> String {
    format!("loopsy-{node_id}.local.")
}

/// The words that this machine's announcement carries.
pub(super) fn words(identity: &Identity) -> Vec<(&'static str, String)> {
    let room = LONGEST - "capabilities=".len();
    let capabilities = identity.capabilities.iter().fold(String::new(), |all, capability| {
        let longer = if all.is_empty() { capability.clone() } else { format!("{all},{capability}") };
        if longer.len() <= room { longer } else { all }
    });
    vec![
        ("nodeId", identity.node_id.clone()),
        ("version", identity.version.clone()),
        ("platform", identity.platform.clone()),
        ("capabilities", capabilities),
        ("hostname", id::to_name(&identity.hostname)),
        ("tls", "true".into()),
    ]
}

/// Makes a sighting of what was announced; nothing where it can't be a daemon. `hosts` are its addresses, best first.
pub fn read(fullname: &str, host: &str, port: u16, hosts: &[String], words: &HashMap<String, String>) -> Option<Sighting> {
    let word = |name: &str| words.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let node_id = word("nodeId").filter(|claimed| id::is_token(claimed) && claimed.len() >= 8 && !claimed.starts_with("manual-"))?;
    let said = fullname.to_ascii_lowercase();
    if !said.starts_with(&instance(node_id).to_ascii_lowercase()) || said.len() > LONGEST {
        return None;
    }
    let addresses: Vec<Address> = hosts.iter().filter_map(|host| Address::new(host, port).ok()).collect();
    if addresses.is_empty() {
        return None;
    }
    // The Node version tells its name only in that of its host.
    let hostname = word("hostname").filter(|name| !name.is_empty()).unwrap_or_else(|| host.split('.').next().unwrap_or_default());
    Some(Sighting {
        instance: said,
        node_id: node_id.to_owned(),
        hostname: id::to_name(hostname),
        addresses,
        platform: text::claimed_name(word("platform").unwrap_or("unknown")),
        version: text::claimed_name(word("version").unwrap_or_default()),
        capabilities: word("capabilities")
            .into_iter()
            .flat_map(|all| all.split(','))
            .map(text::claimed_name)
            .filter(|word| !word.is_empty())
            .take(64)
            .collect(),
        tls: word("tls").is_some_and(|value| value.eq_ignore_ascii_case("true")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    fn identity() -> Identity {
        Identity {
            node_id: NODE.into(),
            hostname: "kai".into(),
            platform: "linux".into(),
            version: "1.0.0".into(),
            port: 19532,
            capabilities: vec!["execute".into(), "transfer".into()],
            ..Identity::default()
        }
    }
    fn announced(words: &[(&str, &str)]) -> HashMap<String, String> {
        words.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }
    fn sighted(words: &HashMap<String, String>) -> Option<Sighting> {
        read("loopsy-0f8fad5b._loopsy._tcp.local.", "kai-laptop.local.", 19532, &["10.0.0.2".into()], words)
    }

    #[test]
    fn what_is_announced_is_what_is_sighted() {
        let words: HashMap<String, String> = words(&identity()).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let seen = sighted(&words).unwrap();
        assert_eq!((seen.node_id.as_str(), seen.hostname.as_str(), seen.tls), (NODE, "kai", true));
        assert_eq!((seen.platform.as_str(), seen.version.as_str()), ("linux", "1.0.0"));
        assert_eq!((seen.capabilities, seen.addresses[0].to_string()), (identity().capabilities, "10.0.0.2:19532".to_owned()));
    }

    #[test]
    fn a_node_daemon_is_sighted_too() {
        let seen =
            sighted(&announced(&[("nodeId", NODE), ("version", "1.0.0"), ("platform", "darwin"), ("capabilities", "execute")])).unwrap();
        assert_eq!((seen.hostname.as_str(), seen.tls), ("kai-laptop", false));
    }

    #[test]
    fn the_words_fit_into_an_announcement_however_many_there_are() {
        let mut long = identity();
        long.hostname = "ä \u{1b}[2J".repeat(100);
        long.capabilities = (0..200).map(|at| format!("capability-{at}")).collect();
        for (key, value) in words(&long) {
            assert!(key.len() + 1 + value.len() <= LONGEST, "{key}: {}", value.len());
            assert!(!value.ends_with(','));
        }
    }

    /// known fault 37: what comes off the network is judged before it is anything.
    #[test]
    fn nonsense_is_no_sighting_and_what_is_odd_is_made_fit_to_be_shown() {
        for node_id in
            ["", "short", "../../etc/x", "0f8fad5b d9cb", "manual-10.0.0.2:19532", &"x".repeat(65), "0f8fad5b\u{0}", "<img src=x>"]
        {
            assert!(sighted(&announced(&[("nodeId", node_id)])).is_none(), "{node_id:?}");
        }
        assert!(sighted(&HashMap::new()).is_none());
        let words = announced(&[("NODEID", NODE)]);
        let name = "loopsy-0f8fad5b._loopsy._tcp.local.";
        let here = ["10.0.0.2".to_owned()];
        assert!(read(name, "kai.local.", 1, &here, &words).is_some());
        assert!(read(name, "kai.local.", 0, &here, &words).is_none(), "port 0");
        assert!(read(name, "kai.local.", 1, &[], &words).is_none(), "nowhere");
        assert!(read(&format!("loopsy-0f8fad5b{}", "x".repeat(300)), "kai.local.", 1, &here, &words).is_none(), "long");
        assert!(read("loopsy-1f8fad5b._loopsy._tcp.local.", "kai.local.", 1, &here, &words).is_none(), "another's instance");
        let bomb = "a,".repeat(10_000);
        let odd = announced(&[
            ("nodeId", NODE),
            ("hostname", "\u{1b}]0;x\u{7}<script>"),
            ("platform", "\u{1b}[2J"),
            ("version", &bomb),
            ("capabilities", &bomb),
            ("unknown", &bomb),
        ]);
        let seen = sighted(&odd).unwrap();
        assert!(id::check_name("hostname", &seen.hostname).is_ok(), "{}", seen.hostname);
        assert!(!seen.platform.contains('\u{1b}') && seen.version.len() <= 64 && seen.capabilities.len() <= 64);
        for host in ["", ".", "..local.", "\u{0}"] {
            let seen = read(name, host, 1, &here, &words).unwrap();
            assert!(id::check_name("hostname", &seen.hostname).is_ok(), "{host:?}");
        }
    }
}
