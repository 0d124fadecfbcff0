//! Carrying letters and acknowledgements to peers: in order, again and again, each peer in its own time.
//!
//! What is due lies in the store; a lane holds the ids that wait for one peer, and a worker that ends when none do. A peer
//! that does not answer is looked for every second and a half, so that it has its letters within two seconds of its return;
//! after an hour less often, since whoever comes back calls, is announced, or is asked by the health checks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::Messages;
use super::ledger::{Outcome, Party};
use crate::api::context::ContextSet;
use crate::api::node::HealthGet;
use crate::api::peers::Peer;
use crate::base::sync::lock;
use crate::base::text::one_line;
use crate::base::{Code, Error, Result};
use crate::client::Link;

/// Longest pause between two tries at a peer that has not been away for long.
const SOON: Duration = Duration::from_millis(1500);
/// The same for one that has been away for [`LONG`], or that answers and refuses.
const SELDOM: Duration = Duration::from_secs(15);
/// First pause; each is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(100);
/// How long a peer may be away until it is looked for less often.
const LONG: Duration = Duration::from_secs(3600);
/// Shortest time between two tries, whoever says that the peer is there.
const LEAST: Duration = Duration::from_millis(100);
/// How long a peer that was away may take to say that it is there.
const LOOK: Duration = Duration::from_millis(1400);
/// The same, every few tries, for those at the end of a slow line.
const LONG_LOOK: Duration = Duration::from_secs(5);
/// Every how many tries.
const PATIENT: u32 = 20;
/// How often in a row a peer must refuse something, or not be found among the paired ones, until it is given up: a name that
/// is being changed, or a body that broke off, is no refusal.
const REFUSALS: u32 = 5;
/// Characters kept of what a peer says of its failure.
const SAID: usize = 300;
/// How long a letter may take at first: a connection that broke unnoticed is not waited for. Twice as long after each failure,
/// up to [`DOUBLED`] times, for a peer that is slow.
const CARRY: Duration = Duration::from_secs(2);
const DOUBLED: u32 = 4;
/// How many more of its bytes a second at least.
const SLOWEST: u64 = 32 * 1024;

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Freight {
    /// Messages of this machine.
    Letters,
    /// Acknowledgements of messages that came here.
    Acks,
}

/// What waits for one peer.
#[derive(Default)]
struct Lane {
    due: VecDeque<(String, Party)>,
    wake: Arc<Notify>,
    /// Why the first of them is not delivered yet.
    trouble: Option<String>,
}

/// All lanes, by the peer's name and by what is carried.
#[derive(Default)]
pub(super) struct Lanes(HashMap<String, HashMap<Freight, Lane>>);

impl Lanes {
    fn of(&mut self, peer: &str, freight: Freight) -> Option<&mut Lane> {
        self.0.get_mut(peer)?.get_mut(&freight)
    }
    /// Messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.values().filter_map(|lanes| lanes.get(&Freight::Letters)).map(|lane| lane.due.len()).sum()
    }
    /// Why a peer has not got its letters yet.
    pub(super) fn trouble(&self, peer: &str) -> Option<String> {
        self.0.get(peer)?.get(&Freight::Letters)?.trouble.clone()
    }
}

/// What came of a try.
enum Tried {
    /// Nothing more is to be done.
    Settled,
    /// Again later: why, and how soon at most.
    Later(Error, Duration),
    /// It is given up where this is said again and again.
    Refused(Error),
}

/// Whether a failure says that the peer does not take this.
fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidRequest
            | Code::PayloadTooLarge
            | Code::ContextValueTooLarge
            | Code::AuthForbidden
            | Code::ContextConflict
            | Code::UnsupportedMediaType
            | Code::NotFound
            | Code::ContextKeyNotFound
            | Code::PeerNotFound
    )
}

/// Whether a failure says that the peer can't be reached, rather than that it does not want to.
fn is_away(code: Code) -> bool {
    matches!(code, Code::PeerUnreachable | Code::PeerOffline | Code::ShuttingDown)
}

impl Messages {
    /// Has something carried to a peer, after all that waits for it already.
    pub(super) fn carry(&self, freight: Freight, id: String, to: Party) {
        let lane = to.name.clone();
        let mut lanes = lock(&self.0.lanes);
        let mut is_new = false;
        let entry = lanes.0.entry(lane.clone()).or_default().entry(freight).or_insert_with(|| {
            is_new = true;
            Lane::default()
        });
        // Ids are in the order of sending, which callers may come out of.
        let at = entry.due.iter().rposition(|(known, _)| *known <= id);
        match at {
            Some(at) if entry.due[at].0 == id => {}
            Some(at) => entry.due.insert(at + 1, (id, to)),
            None => entry.due.push_front((id, to)),
        }
        drop(lanes);
        if is_new {
            self.0.workers.spawn_until_stop("courier", self.clone().run(lane, freight));
        }
    }

    /// A peer called, so it can be reached.
    pub fn heard(&self, peer: &str) {
        let lanes = lock(&self.0.lanes);
        for lane in lanes.0.get(peer).into_iter().flat_map(HashMap::values).filter(|lane| lane.trouble.is_some()) {
            lane.wake.notify_one();
        }
    }

    /// Works until nothing waits for the peer.
    async fn run(self, peer: String, freight: Freight) {
        let mut presence = self.0.peers.presence();
        let (mut failures, mut refusals) = (0, 0);
        let mut away_since = Instant::now();
        while let Some((id, to, wake)) = self.first(&peer, freight) {
            let tried = Instant::now();
            let (error, most) = match self.attempt(freight, &id, &to, failures).await {
                Tried::Refused(error) if refusals + 1 < REFUSALS => {
                    refusals += 1;
                    (error, SELDOM)
                }
                Tried::Later(error, most) => (error, most),
                Tried::Refused(error) => match self.give_up(freight, &id, &to, &error).await {
                    Ok(()) => {
                        (failures, refusals) = (0, 0);
                        self.done(&peer, freight, &id);
                        continue;
                    }
                    Err(error) => (error, SELDOM),
                },
                Tried::Settled => {
                    (failures, refusals) = (0, 0);
                    self.done(&peer, freight, &id);
                    continue;
                }
            };
            if failures == 0 {
                away_since = tried;
                tracing::debug!(%peer, error = said(&error), "a message has to wait");
            }
            failures += 1;
            if let Some(lane) = lock(&self.0.lanes).of(&peer, freight) {
                lane.trouble = Some(said(&error));
            }
            let most = if away_since.elapsed() > LONG { SELDOM } else { most };
            let pause = FIRST.saturating_mul(1 << failures.min(10)).min(most).saturating_sub(tried.elapsed());
            tokio::select! {
                () = sleep(pause.max(LEAST)) => {}
                () = wake.notified() => sleep(LEAST.saturating_sub(tried.elapsed())).await,
                _ = presence.changed() => sleep(LEAST.saturating_sub(tried.elapsed())).await,
            }
        }
    }

    /// Nothing more is to be done about one that waited.
    fn done(&self, peer: &str, freight: Freight, id: &str) {
        if let Some(lane) = lock(&self.0.lanes).of(peer, freight) {
            match lane.due.front() {
                Some((first, _)) if first == id => _ = lane.due.pop_front(),
                // One that was sent before came after it.
                _ => lane.due.retain(|(known, _)| known != id),
            }
            lane.trouble = None;
        }
    }

    /// What waits longest; the lane goes where nothing does.
    fn first(&self, peer: &str, freight: Freight) -> Option<(String, Party, Arc<Notify>)> {
        let mut lanes = lock(&self.0.lanes);
        let lane = lanes.of(peer, freight)?;
        if let Some((id, to)) = lane.due.front() {
            return Some((id.clone(), to.clone(), lane.wake.clone()));
        }
        if let Some(of_peer) = lanes.0.get_mut(peer) {
            of_peer.remove(&freight);
            if of_peer.is_empty() {
                lanes.0.remove(peer);
            }
        }
        None
    }

    async fn attempt(&self, freight: Freight, id: &str, to: &Party, failures: u32) -> Tried {
        let packed = match freight {
            Freight::Letters => self.letter_for(id, to),
            Freight::Acks => self.ack_for(id),
        };
        let value = match packed {
            Ok(Some(value)) => value,
            // It ended, was settled otherwise, or its owner took it back.
            Ok(None) => return Tried::Settled,
            Err(error) => return not_carried(error),
        };
        let peer = match self.0.peers.trusted(&to.name, &to.node_id) {
            // Where it keeps its letters goes by its own name.
            Ok(peer) if !peer.is_described() => match self.0.peers.introduced(&peer).await {
                Ok(peer) => peer,
                Err(error) => return Tried::Later(error, SOON),
            },
            Ok(peer) => peer,
            Err(error) => return not_carried(error),
        };
        let (key, ttl) = (self.key_at(freight, id, &peer), Some(value.ttl));
        let set = ContextSet { key, value: value.text, ttl, if_match: None, if_none_match: None };
        let Err(error) = self.hand_over(&peer, &set, failures).await else {
            return self.settle(freight, id, to, Outcome::Delivered(set.key)).await.map_or_else(not_carried, |()| Tried::Settled);
        };
        if error.code == Code::AuthForbidden {
            // One of the two may have another name since they told each other.
            let _ = self.0.peers.introduced(&peer).await;
        }
        if failures == 0 {
            self.0.peers.suspect(&peer, error.code);
        }
        not_carried(error)
    }

    /// Puts it into the peer's store. A peer that failed before is asked first whether it is there, which is told sooner.
    async fn hand_over(&self, peer: &Peer, set: &ContextSet, failures: u32) -> Result<()> {
        let link: Link = self.0.peers.link(peer)?;
        let silent = |limit: Duration| {
            let what = format!("{} did not answer within {} s", peer.label(), limit.as_secs());
            move |_| Error::new(Code::PeerUnreachable, what)
        };
        if failures > 0 {
            let limit = if failures.is_multiple_of(PATIENT) { LONG_LOOK } else { LOOK };
            timeout(limit, link.call(&HealthGet {})).await.map_err(silent(limit))??;
        }
        let limit = CARRY * (1 << failures.min(DOUBLED)) + Duration::from_secs(set.value.len() as u64 / SLOWEST);
        timeout(limit, link.call(set)).await.map_err(silent(limit))??;
        Ok(())
    }

    async fn give_up(&self, freight: Freight, id: &str, to: &Party, error: &Error) -> Result<()> {
        let reason = said(error);
        tracing::warn!(peer = to.name, id, reason, "given up: {freight:?}");
        self.settle(freight, id, to, Outcome::Failed(reason)).await
    }
}

/// What follows from a failure. Where an end could not be written down it is tried again: a peer takes what it has already once.
fn not_carried(error: Error) -> Tried {
    match error.code {
        code if is_refusal(code) => Tried::Refused(error),
        code if is_away(code) => Tried::Later(error, SOON),
        _ => Tried::Later(error, SELDOM),
    }
}

/// What is kept of a failure: a peer may say anything, at any length.
fn said(error: &Error) -> String {
    one_line(&error.message, SAID)
}
