//! Entries of paired machines that have not called yet: what confirms them, and what comes back where nothing does.

use super::Peers;
use super::former::Pending;
use super::registry::Registry;
use crate::api::peers::Peer;
use crate::base::Result;
use crate::base::clock::{self, Millis};
use crate::base::secret::Digest;
use crate::base::sync::lock;

impl Registry {
    /// Forgets what would come back for entries that stand, or are gone.
    pub(super) fn settle(&mut self) {
        let Self { peers, pending } = self;
        pending.retain(|node_id, _| peers.iter().any(|peer| peer.node_id == *node_id && peer.unconfirmed_until.is_some()));
    }

    /// Takes the row of an entry out, and those that it had taken the place of in again.
    fn put_back(&mut self, node_id: &str, name: &str, rows: Vec<Peer>) {
        self.peers.retain(|peer| peer.node_id != node_id);
        for mut row in rows {
            row.name = row.name.map(|_| name.to_owned());
            let is_there = |peer: &Peer| peer.node_id == row.node_id || peer.name.is_some() && peer.name == row.name;
            if !self.peers.iter().any(is_there) {
                self.peers.push(row);
            }
        }
    }

    fn heard(&mut self, name: &str, key: &Digest) -> bool {
        let Self { peers, pending } = self;
        let waiting = |peer: &&mut Peer| peer.name.as_deref() == Some(name) && peer.unconfirmed_until.is_some();
        let Some(row) = peers.iter_mut().find(waiting) else { return false };
        let is_new_key = pending.get(&row.node_id).is_some_and(|pending| pending.key.digest() == *key);
        if is_new_key {
            row.unconfirmed_until = None;
        }
        is_new_key
    }
}

impl Peers {
    /// A peer of this name has called with this key. Says whether that confirms its entry, which is then to be saved: the key
    /// of a former pairing does not.
    pub fn heard(&self, name: &str, key: &Digest) -> bool {
        lock(&self.0.registry).heard(name, key)
    }

    /// Takes back an entry whose machine has not called yet. Says whether there was one.
    pub async fn withdraw(&self, node_id: &str) -> Result<bool> {
        let is_unconfirmed = lock(&self.0.registry).by_id(node_id).is_some_and(|peer| peer.unconfirmed_until.is_some());
        if is_unconfirmed {
            self.take_back(node_id).await?;
        }
        Ok(is_unconfirmed)
    }

    /// Drops the entries whose machines have not called in time. Answers when the next is due.
    pub async fn drop_unconfirmed(&self) -> Result<Option<Millis>> {
        let now = clock::now();
        let waiting: Vec<(String, Millis)> =
            lock(&self.0.registry).peers.iter().filter_map(|peer| Some((peer.node_id.clone(), peer.unconfirmed_until?))).collect();
        for (node_id, _) in waiting.iter().filter(|(_, until)| *until <= now) {
            tracing::info!(%node_id, "a paired machine has not called in time; its entry is dropped");
            self.take_back(node_id).await?;
        }
        Ok(waiting.iter().map(|(_, until)| *until).filter(|until| *until > now).min())
    }

    /// Makes all as it was before an entry. What the owner changed since then stays.
    async fn take_back(&self, node_id: &str) -> Result<()> {
        let (pending, name) = {
            let mut registry = lock(&self.0.registry);
            (registry.pending.get(node_id).cloned(), registry.by_id(node_id).and_then(|peer| peer.name.clone()))
        };
        let (Some(Pending { key, before }), Some(name)) = (pending, name) else {
            return self.remove(node_id).await.map(drop);
        };
        let (entry, rows) = (name.clone(), before.rows.clone());
        self.edit(move |document| {
            let is_its_own = document.text_at(&["auth", "allowedKeys", &entry]) == Some(key.expose());
            if is_its_own { before.restore(document, &entry) } else { Ok(()) }
        })
        .await?;
        lock(&self.0.registry).put_back(node_id, &name, rows);
        self.save().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::former::Before;
    use super::*;
    use crate::base::secret::Secret;
    use crate::home::config::Config;

    /// Between the row's change and the configuration's, the key of the former pairing is still good; it confirms nothing.
    #[test]
    fn only_the_new_key_confirms_an_entry() {
        let row = Peer { node_id: "id-leo".into(), name: Some("leo".into()), unconfirmed_until: Some(5), ..Peer::unknown("10.0.0.9", 1) };
        let before = Before::of(&Config::default(), "leo", vec![]);
        let pending = Pending { key: Secret::new("new"), before };
        let mut registry = Registry { peers: vec![row], pending: [("id-leo".to_owned(), pending)].into() };
        for (name, key) in [("leo", "old"), ("leo", ""), ("kai", "new")] {
            assert!(!registry.heard(name, &Digest::of(key)), "{name} {key}");
        }
        registry.settle();
        assert_eq!(registry.pending.len(), 1);
        assert!(registry.heard("leo", &Digest::of("new")) && !registry.heard("leo", &Digest::of("new")));
        registry.settle();
        assert!(registry.pending.is_empty());
    }
}
