//! A close look at one peer, for `loopsy doctor` and `loopsy connect`.
//!
//! Whether the peer can call this machine is not asked: no route makes a peer call back, and none should. What is known of
//! that is in this machine's audit log.

use super::{Peers, health};
use crate::api::node::{IdentityGet, check_protocol};
use crate::api::peers::{Peer, PeerFindings};
use crate::base::{Code, Result};
use crate::client::Link;
use crate::net::Address;

/// What a daemon tells without a key. `name` is what people call it.
pub async fn from_outside(link: &Link, name: &str) -> PeerFindings {
    let seen = match health::limited(link.probe()).await {
        Ok(seen) => seen,
        Err(error) => {
            let shown = error.details.as_ref().and_then(|details| details["shown"].as_str()).map(str::to_owned);
            return PeerFindings { fingerprint: shown, error: Some(error), ..PeerFindings::default() };
        }
    };
    let error = check_protocol(name, &seen.health.version).err();
    PeerFindings {
        reachable: true,
        latency_ms: Some(seen.latency_ms),
        skew_ms: seen.skew_ms,
        version: Some(seen.health.version),
        fingerprint: link.certificate().map(|shown| shown.to_string()),
        error,
        ..PeerFindings::default()
    }
}

impl Peers {
    /// Looks at a peer: reachable, key, time, protocol. Takes ten seconds at most.
    ///
    /// # Errors
    /// `PEER_NOT_FOUND` and `INVALID_REQUEST`, for a name that is nobody's or several peers'; `CONFIG_INVALID` for a pin that is
    /// no fingerprint.
    pub async fn look_at(&self, reference: &str) -> Result<PeerFindings> {
        let peer = self.resolve(reference)?;
        let name = peer.label().to_owned();
        let line = self.line(peer.name.as_deref(), &Address::new(&peer.address, peer.port)?)?;
        let mut findings = from_outside(&line, &name).await;
        if findings.error.is_none() && peer.trusted {
            self.present_key(&peer, &mut findings).await;
        }
        Ok(findings)
    }

    async fn present_key(&self, peer: &Peer, findings: &mut PeerFindings) {
        let asked = match self.link(peer) {
            Ok(link) => health::limited(link.call(&IdentityGet {})).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(identity) => {
                findings.key_accepted = Some(true);
                findings.capabilities = identity.capabilities;
            }
            Err(error) => {
                let refused = matches!(error.code, Code::AuthInvalidKey | Code::AuthMissingKey | Code::AuthExpiredKey);
                findings.key_accepted = refused.then_some(false);
                findings.error = Some(error);
            }
        }
    }
}
