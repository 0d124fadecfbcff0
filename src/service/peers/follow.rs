//! Following a peer to a new address: its pinned certificate proves that it is the one.

use super::Peers;
use super::health::limited;
use crate::api::node::HealthGet;
use crate::base::Result;
use crate::base::id::MANUAL;
use crate::base::sync::lock;
use crate::net::Address;

/// Addresses that are tried at most for one hint.
const CANDIDATES: usize = 8;

impl Peers {
    /// Looks for a pinned peer at these addresses, where it does not answer at the one that is known. Others are not followed:
    /// whoever announces their node id could be anybody. Whether its address is another now.
    pub async fn follow(&self, name: &str, candidates: &[Address]) -> Result<bool> {
        let Some(row) = lock(&self.0.registry).by_name(name).cloned() else { return Ok(false) };
        if self.0.trust.pin_of(name)?.is_none() {
            return Ok(false);
        }
        let known = Address::new(&row.address, row.port)?;
        if candidates.contains(&known) || self.is_at(name, &row.node_id, &known).await {
            return Ok(false);
        }
        for address in candidates.iter().take(CANDIDATES) {
            if self.is_at(name, &row.node_id, address).await {
                tracing::info!(peer = name, %address, "the peer moved");
                if let Some(row) = lock(&self.0.registry).by_name(name) {
                    row.address.clone_from(&address.host);
                    row.port = address.port;
                }
                lock(&self.0.registry).moved(name, &address.host);
                self.save().await?;
                self.0.check.notify_one();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this peer answers at an address, with its certificate and its node id.
    async fn is_at(&self, name: &str, node_id: &str, address: &Address) -> bool {
        let Ok(line) = self.line(Some(name), address) else { return false };
        limited(line.call(&HealthGet {})).await.is_ok_and(|health| health.node_id == node_id || node_id.starts_with(MANUAL))
    }
}
