//! Open connections by the keys that were presented on them, so that a peer that is let go is cut off.

use std::sync::{Arc, Mutex, Weak};

use crate::api::caller::Role;
use crate::base::secret::Digest;
use crate::base::sync::lock;
use crate::home::trust::Trust;
use crate::net::cut::Cut;

/// Every connection that may be cut off.
#[derive(Clone, Default)]
pub struct Open(Arc<Mutex<Vec<Arc<Entry>>>>);

/// One connection.
pub struct Entry {
    /// Lives as long as the stream does, whoever holds it: a connection that became a WebSocket is still this one.
    cut: Weak<Cut>,
    proved: Mutex<Vec<(Digest, Role)>>,
}

impl Entry {
    /// Notes that a peer proved itself on this connection.
    pub fn proved(&self, key: Digest, role: &Role) {
        let mut proved = lock(&self.proved);
        if !proved.iter().any(|(known, then)| *known == key && then == role) {
            proved.push((key, role.clone()));
        }
    }
    fn is_trusted(&self, trust: &Trust) -> bool {
        lock(&self.proved).iter().all(|(key, role)| trust.still(key, role))
    }
}

impl Open {
    /// One more connection.
    pub fn enter(&self, cut: &Arc<Cut>) -> Arc<Entry> {
        let entry = Arc::new(Entry { cut: Arc::downgrade(cut), proved: Mutex::default() });
        let mut all = lock(&self.0);
        // Looked through each time that it has doubled, so that entering stays cheap.
        if all.len() == all.capacity() {
            all.retain(|entry| entry.cut.strong_count() > 0);
        }
        all.push(entry.clone());
        entry
    }
    /// Cuts off whom these keys do not make a caller any more, or one who may do less.
    pub fn sweep(&self, trust: &Trust) {
        lock(&self.0).retain(|entry| {
            let Some(cut) = entry.cut.upgrade() else { return false };
            let trusted = entry.is_trusted(trust);
            if !trusted {
                cut.cut();
            }
            trusted
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::config_file::parse;
    use crate::home::settings::Settings;

    #[test]
    fn only_who_lost_something_is_cut_off() {
        let config = |text: &str| parse(text).unwrap().config;
        let settings = Settings::new(config("auth: {apiKey: own, allowedKeys: {kai: k1, leo: k2}}"));
        let trust = Trust::new(settings.clone());
        let open = Open::default();
        let connect = |key: &str| {
            let cut = Arc::<Cut>::default();
            let role = trust.authenticate(Some(key), false).unwrap();
            open.enter(&cut).proved(Digest::of(key), &role);
            cut
        };
        let (kai, leo, _legacy) = (connect("k1"), connect("k2"), connect("own"));
        let gone = connect("k1");
        drop(gone);
        let left = |open: &Open| {
            open.sweep(&trust);
            lock(&open.0).len()
        };
        assert_eq!(left(&open), 3);
        settings.set(config("auth: {apiKey: own, allowedKeys: {kai: k1, leo: k2}, permissions: {kai: [context]}}"));
        assert_eq!(left(&open), 2);
        settings.set(config("auth: {apiKey: new, allowedKeys: {leo: k2}}"));
        assert_eq!(left(&open), 1);
        settings.set(config("auth: {apiKey: new, allowedKeys: {leo: k3}}"));
        assert_eq!(left(&open), 0);
        drop((kai, leo));
    }
}
