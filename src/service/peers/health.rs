//! Health checks: every peer is asked again and again, a silent one less often, and never given up.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::Peers;
use crate::api::node::{HealthGet, Identity, StatusGet, check_protocol};
use crate::api::peers::{Load, Peer, PeerHandshake, PeerState};
use crate::base::kin::machine_of;
use crate::base::sync::lock;
use crate::base::{Code, Error, Fingerprint, Result, clock, id};
use crate::client::connector::Security;
use crate::net::Address;

/// How often a peer is asked.
const EVERY: Duration = Duration::from_secs(15);
/// How seldom an offline one is.
const SELDOM: Duration = Duration::from_secs(300);
/// How soon one is asked again when it is said to have come or gone.
const LEAST: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A call with a time limit.
pub(super) async fn limited<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::PeerUnreachable, format!("it did not answer within {} s", PATIENCE.as_secs()))))
}

/// How long until a peer with so many failures in a row is asked again.
fn pause(failures: u32) -> Duration {
    let doubled = EVERY.saturating_mul(1u32.checked_shl(failures.saturating_sub(2)).unwrap_or(u32::MAX));
    let base = doubled.min(SELDOM);
    // Up to a fifth less, so that a fleet that starts together does not ask together.
    let mut random = [0u8; 1];
    let spread = if SystemRandom::new().fill(&mut random).is_ok() { u32::from(random[0]) } else { 0 };
    base - base * spread / (5 * 255)
}

/// When an address is asked.
struct Turn {
    next: Instant,
    asked: Option<Instant>,
    /// Whether somebody hurried since it was last asked.
    hurried: bool,
    /// Whether it is asked again and again; else only where somebody hurries.
    is_watched: bool,
}

impl Turn {
    fn is_due(&self) -> bool {
        self.is_watched || self.hurried
    }
}

/// Asks the peers, each at its time, until dropped.
pub(super) async fn run(peers: Peers) {
    let mut turns: HashMap<Address, Turn> = HashMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        let known = peers.addresses();
        turns.retain(|address, _| known.iter().any(|(known, _)| known == address));
        for (address, is_watched) in known {
            turns.entry(address).or_insert(Turn { next: now, asked: None, hurried: false, is_watched }).is_watched = is_watched;
        }
        for address in std::mem::take(&mut *lock(&peers.0.hurried)) {
            if let Some(turn) = turns.get_mut(&address) {
                // What anybody may say on the network makes no more than one request a second.
                turn.next = turn.asked.map_or(now, |asked| now.max(asked + LEAST));
                turn.hurried = true;
            }
        }
        for (address, turn) in &mut turns {
            if turn.next <= now && turn.is_due() {
                // Not asked again before the answer is here; `PATIENCE` bounds that.
                *turn = Turn { next: now + PATIENCE * 3, asked: Some(now), hurried: false, ..*turn };
                let (peers, address) = (peers.clone(), address.clone());
                running.push(async move {
                    let mut result = peers.check(&address).await;
                    if result.is_err() && peers.look_elsewhere(&address).await.is_ok_and(|found| found) {
                        result = Ok(());
                    }
                    (address, result)
                });
            }
        }
        let next = turns.values().filter(|turn| turn.is_due()).map(|turn| turn.next).min().unwrap_or(now + SELDOM);
        tokio::select! {
            Some((address, result)) = running.next(), if !running.is_empty() => {
                if let Err(error) = &result {
                    tracing::debug!(%address, %error, "a peer did not answer as it should");
                }
                let failures = peers.failures(&address);
                if let Some(turn) = turns.get_mut(&address).filter(|turn| !turn.hurried) {
                    // From question to question, so that a silent peer is noticed no later for its silence.
                    turn.next = Instant::now().max(turn.asked.unwrap_or(now) + pause(failures));
                }
            }
            () = tokio::time::sleep_until(next) => {}
            () = peers.0.check.notified() => {}
        }
    }
}

impl Peers {
    fn failures(&self, address: &Address) -> u32 {
        lock(&self.0.registry).at(address).map_or(0, |peer| peer.failure_count)
    }

    /// Asks the daemon at an address whether it is there, and who it is where that is not known yet.
    pub(super) async fn check(&self, address: &Address) -> Result<()> {
        let asked = Instant::now();
        let name = lock(&self.0.registry).at(address).and_then(|peer| peer.name.clone());
        let line = self.line(name.as_deref(), address)?;
        let answer = limited(line.call(&HealthGet {})).await;
        let latency = asked.elapsed().as_secs_f64() * 1000.0;
        let acquainted = lock(&self.0.registry).at(address).is_some_and(|peer| peer.status == PeerState::Online && peer.is_described());
        let recognised = answer.and_then(|health| self.recognise(address, &health.node_id, &health.version, None));
        let changed = lock(&self.0.registry).checked(address, recognised.is_ok().then(|| (clock::now(), latency)));
        if changed {
            self.save().await?;
        }
        recognised?;
        if let (Some(name), Security::Pinned(pin), Some(shown)) = (name, line.security(), line.certificate()) {
            self.handed_over(&name, pin, shown).await?;
        }
        let known = if acquainted { Ok(()) } else { self.introduce(address).await };
        if changed {
            self.0.presence.send_replace(());
        }
        if self.0.news.is_followed() {
            self.ask_load(address).await;
        }
        known
    }

    /// Asks a peer what it is busy with. One that does not tell is there all the same.
    async fn ask_load(&self, address: &Address) {
        let Some(mut peer) = lock(&self.0.registry).at(address).cloned() else { return };
        self.complete(&mut peer);
        let Ok(link) = self.link(&peer) else { return };
        let load = limited(link.call(&StatusGet {})).await.ok().map(|status| Load {
            jobs: status.jobs.active,
            tasks: status.ai_tasks.map_or(0, |tasks| tasks.active),
            terminals: status.terminals,
        });
        let mut registry = lock(&self.0.registry);
        if let Some(row) = registry.at(address).filter(|row| row.load != load) {
            row.load = load;
            self.0.news.tell(&registry);
        }
    }

    /// The two tell each other who they are; the peer as it is known then.
    ///
    /// # Errors
    /// That it can't be reached, or does not want to.
    pub async fn introduced(&self, peer: &Peer) -> Result<Peer> {
        self.introduce(&Address::new(&peer.address, peer.port)?).await?;
        self.trusted(peer.label(), &peer.node_id)
    }

    /// Pins the certificate that a peer's pinned one was handed over to; the line took no other. Where another is pinned by
    /// now, or none, what the line saw is of the past.
    async fn handed_over(&self, name: &str, pin: Fingerprint, shown: Fingerprint) -> Result<()> {
        if pin == shown || self.0.trust.is_kin(name) || self.0.trust.pin_of(name)? != Some(pin) {
            return Ok(());
        }
        tracing::info!(peer = name, %shown, "the peer renewed its certificate");
        let path = machine_of(name).to_owned();
        self.edit(move |document| {
            let path = ["tls", "pinnedCerts", &path];
            let is_still = |text: &str| text.parse::<Fingerprint>().is_ok_and(|now| now == pin);
            if document.text_at(&path).is_some_and(is_still) { document.set(&path, shown) } else { Ok(()) }
        })
        .await
    }

    fn recognise(&self, address: &Address, node_id: &str, version: &str, identity: Option<&Identity>) -> Result<()> {
        if !id::is_node_id(node_id) {
            return Err(Error::new(Code::PeerHandshakeFailed, format!("{address} gives a node id that is none")));
        }
        if node_id == self.0.identity.node_id {
            return Err(Error::invalid(format!("{address} is this machine itself")).hint("Remove the entry: loopsy peers remove"));
        }
        check_protocol(&address.to_string(), version)?;
        lock(&self.0.registry).recognise(address, node_id, identity)
    }

    /// The two tell each other who they are, where one of them is new or was away.
    pub(super) async fn introduce(&self, address: &Address) -> Result<()> {
        let Some(mut peer) = lock(&self.0.registry).at(address).cloned() else { return Ok(()) };
        self.complete(&mut peer);
        if !peer.trusted {
            return Ok(());
        }
        let theirs = limited(self.link(&peer)?.call(&PeerHandshake(self.identity()))).await?;
        self.recognise(address, &theirs.node_id, &theirs.version, Some(&theirs))?;
        peer.name.iter().for_each(|name| self.hear_of_sessions(name, &theirs));
        self.save().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_asked_less_often_but_always_again() {
        for (failures, most) in [(0, 15), (2, 15), (3, 30), (5, 120), (9, 300), (200, 300)] {
            let pause = pause(failures).as_secs_f64();
            assert!(pause <= f64::from(most) && pause >= f64::from(most) * 0.79, "{failures}: {pause}");
        }
    }
}
