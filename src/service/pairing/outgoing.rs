//! A pairing in which this machine calls: how far it is.

use std::sync::Arc;

use tokio::time::Instant;

use super::agreement::Agreement;
use super::waiting::{End, LIFETIME};
use crate::api::pairing::{PairCancel, PairEnder};
use crate::base::{Error, Fingerprint};
use crate::client::Link;
use crate::net::Address;

/// What the other machine is told when this one ends it.
pub(super) type Farewell = (Link, PairCancel);

/// A pairing in which this machine calls.
pub(super) struct Outgoing {
    pub(super) address: Address,
    pub(super) expires: Instant,
    pub(super) agreed: Option<Arc<Agreed>>,
    pub(super) is_confirmed: bool,
    pub(super) is_writing: bool,
    pub(super) end: Option<End>,
}

/// The other machine has proved that it knows the code.
pub(super) struct Agreed {
    pub(super) agreement: Agreement,
    pub(super) link: Link,
    /// The certificate that it showed on its connection.
    pub(super) seen: Option<Fingerprint>,
}

impl Outgoing {
    pub(super) fn new(address: Address, now: Instant) -> Self {
        Self { address, expires: now + LIFETIME, agreed: None, is_confirmed: false, is_writing: false, end: None }
    }
    pub(super) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_deref()
    }
    pub(super) fn tick(&mut self, now: Instant) {
        if self.end.is_none() && now >= self.expires && !self.is_writing {
            self.end = Some(End::Expired);
        }
    }
    /// Ends it, unless it has ended or is being written down.
    pub(super) fn end(&mut self, error: Error, by: Option<PairEnder>) -> Option<Farewell> {
        if self.end.is_some() || self.is_writing {
            return None;
        }
        self.end = Some(End::Failed(error, by));
        self.agreed.as_ref().map(|agreed| agreed.farewell())
    }
}

impl Agreed {
    pub(super) fn farewell(&self) -> Farewell {
        (self.link.clone(), self.agreement.cancel())
    }
}
