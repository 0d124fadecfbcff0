//! Pairing: two machines that never met come to trust each other.
//!
//! One pairing is live at a time, whichever side this machine is on. What both sides say to each other is the pure part
//! ([`waiting`], [`calling`]); here are its clock, its lock, and what it leads to in the registry.

pub mod agreement;
pub mod calling;
mod connect;
pub mod crypto;
mod live;
mod outgoing;
pub mod papers;
mod strangers;
#[cfg(test)]
mod tests;
pub mod waiting;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::agreement::Card;
use self::live::{Choices, Live, Session};
use self::papers::Papers;
use self::strangers::Strangers;
use self::waiting::{Finish, ToWrite, Waiting};
use crate::api::Caller;
use crate::api::node::Identity;
use crate::api::pairing::{
    LONGEST_WAIT, PairCancel, PairCancelled, PairConfirm, PairEnder, PairExchange, PairExchanged, PairFinish, PairFinished, PairInitiate,
    PairInitiated, PairStart, PairStarted, PairState, PairStatus,
};
use crate::base::clock::{self, Millis};
use crate::base::secret::Digest;
use crate::base::sync::lock;
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result};
use crate::net::{Address, Network};
use crate::service::certificate::Certificate;
use crate::service::peers::{Enrolment, Peers};

/// How long an entry stands whose machine has not called yet.
const UNCONFIRMED: Duration = Duration::from_secs(600);
/// How often entries that were not confirmed are looked for, where nothing says when one is due.
const LOOK: Duration = Duration::from_secs(60);
/// How long a screen has to ask again.
const SCREEN_GONE: Duration = Duration::from_secs(5);

/// The pairing service. Clones are the same.
#[derive(Clone)]
pub struct Pairing(Arc<Inner>);

struct Inner {
    certificate: Certificate,
    network: Network,
    identity: Identity,
    peers: Peers,
    workers: Workers,
    live: Mutex<Live>,
    changed: watch::Sender<u64>,
    strangers: Strangers,
}

pub(crate) fn no_session() -> Error {
    Error::new(Code::PairNoSession, "no pairing is under way").hint("Begin one on the machine that is to show a code: loopsy pair")
}

impl Pairing {
    /// Starts the service: nothing is under way. Entries that were never confirmed are dropped from here.
    pub fn start(certificate: Certificate, network: Network, identity: Identity, peers: Peers, workers: &Workers) -> Self {
        let pairing = Self(Arc::new(Inner {
            certificate,
            network,
            identity,
            peers,
            workers: workers.clone(),
            live: Mutex::default(),
            changed: watch::Sender::new(0),
            strangers: Strangers::default(),
        }));
        workers.spawn_until_stop("pairing clock", pairing.clone().keep_time());
        workers.spawn_until_stop("unconfirmed peers", pairing.clone().drop_unconfirmed());
        pairing
    }

    /// Changes what is live, and wakes whoever waits if that is to be seen.
    fn change<T>(&self, change: impl FnOnce(&mut Live) -> T) -> T {
        let mut live = lock(&self.0.live);
        let before = live.view();
        let result = change(&mut live);
        let is_changed = live.view() != before;
        drop(live);
        if is_changed {
            self.0.changed.send_modify(|revision| *revision += 1);
        }
        result
    }

    /// The waiting side, if that is what is live.
    fn waiting<T>(&self, work: impl FnOnce(&mut Waiting) -> Result<T>) -> Result<T> {
        self.change(|live| match &mut live.session {
            Some(Session::Waiting(waiting)) => work(waiting),
            _ => Err(no_session()),
        })
    }

    async fn keep_time(self) {
        let mut changed = self.0.changed.subscribe();
        loop {
            let next = self.change(|live| live.tick(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                _ = changed.changed() => {}
            }
        }
    }

    async fn drop_unconfirmed(self) {
        let mut changed = self.0.changed.subscribe();
        loop {
            let due = self.0.peers.drop_unconfirmed().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "an unconfirmed entry could not be dropped");
                None
            });
            let pause = due.map_or(LOOK, |due| Duration::from_millis(due.saturating_sub(clock::now())).min(LOOK));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = changed.changed() => {}
            }
        }
    }

    /// Who this machine is, and its papers.
    fn me(&self) -> Result<(Card, Papers)> {
        // What is on disk may be another than what is shown, and this is compared with that.
        let papers = Papers::of(&self.0.certificate.shown())?;
        let identity = self.0.identity.clone();
        let card = Card {
            node_id: identity.node_id,
            hostname: identity.hostname,
            port: identity.port,
            platform: identity.platform,
            cert_fingerprint: papers.fingerprint,
            capabilities: identity.capabilities,
            certificate: None,
            proof: None,
        };
        Ok((card, papers))
    }

    /// This machine waits for another.
    ///
    /// # Errors
    /// `PAIR_ALREADY_ACTIVE`, unless the one that is under way may be replaced.
    pub async fn begin(&self, op: PairStart) -> Result<PairStarted> {
        let (card, papers) = self.me()?;
        let now = Instant::now();
        let waiting = Waiting::start(card, papers, now)?;
        let invite_code = waiting.code().clone();
        let (replaced, (session, state)) = self.change(|live| {
            let replaced = live.take_up(Session::Waiting(Box::new(waiting)), op.replace, now)?;
            Ok::<_, Error>((replaced, live.view()))
        })?;
        self.farewell(replaced);
        Ok(PairStarted { invite_code, expires_at: state.expires_at.unwrap_or_default(), session })
    }

    /// First step of a machine that calls.
    pub fn initiate(&self, caller: &Caller, op: &PairInitiate) -> Result<PairInitiated> {
        self.0.strangers.admit(caller)?;
        self.waiting(|waiting| waiting.initiate(Instant::now(), op))
    }

    /// Second step of a machine that calls.
    pub fn exchange(&self, caller: &Caller, op: &PairExchange) -> Result<PairExchanged> {
        self.0.strangers.admit(caller)?;
        self.waiting(|waiting| waiting.exchange(Instant::now(), caller.address, op))
    }

    /// This side's user has compared the digits.
    pub async fn confirm(&self, op: PairConfirm) -> Result<PairState> {
        let is_calling = matches!(lock(&self.0.live).session, Some(Session::Calling(_)));
        if is_calling {
            self.confirm_calling(op)?;
        } else {
            self.change(|live| {
                live.check_digits(op.sas.as_deref())?;
                let Some(Session::Waiting(waiting)) = &mut live.session else { return Err(no_session()) };
                waiting.confirm(Instant::now(), op.confirmed)?;
                live.choices = Choices { allow: op.allow, replace: op.replace };
                Ok(())
            })?;
            self.write_if_agreed();
        }
        Ok(self.state())
    }

    /// Last step of a machine that calls; waits for this side's user.
    pub async fn finish(&self, caller: &Caller, op: &PairFinish) -> Result<PairFinished> {
        self.0.strangers.admit(caller)?;
        let (mut changed, stopping) = (self.0.changed.subscribe(), self.0.workers.stopping());
        loop {
            changed.borrow_and_update();
            match self.waiting(|waiting| waiting.finish(Instant::now(), &op.session_id, &op.sealed))? {
                Finish::Reply(sealed) => return Ok(PairFinished { sealed }),
                Finish::Wait => self.write_if_agreed(),
            }
            tokio::select! {
                // Fails only when the service is gone, and this with it.
                _ = changed.changed() => {}
                () = stopping.cancelled() => return Err(Error::new(Code::ShuttingDown, "the daemon is shutting down")),
            }
        }
    }

    /// Both users have said yes: the other machine becomes a peer.
    fn write_if_agreed(&self) {
        let (to_write, serial, choices) = self.change(|live| match &mut live.session {
            Some(Session::Waiting(waiting)) => (waiting.to_write(), live.serial, live.choices.clone()),
            _ => (None, 0, Choices::default()),
        });
        let Some(ToWrite { card, from, key, is_proved }) = to_write else { return };
        let pairing = self.clone();
        // Not dropped with the request that it answers.
        self.0.workers.spawn("enrolment", async move {
            let node_id = card.node_id.clone();
            let confirm_by = Some(clock::now() + UNCONFIRMED.as_millis() as Millis);
            let outcome = match enrolment(card, &from.to_string(), key, is_proved, confirm_by) {
                Ok(new) => pairing.0.peers.enrol(new, choices.allow, choices.replace.as_deref()).await,
                Err(error) => Err(error),
            };
            let is_written = outcome.is_ok();
            let name = outcome.map(|peer| peer.label().to_owned());
            let take_back = pairing.change(|live| match &mut live.session {
                Some(Session::Waiting(waiting)) if live.serial == serial => waiting.written(name),
                _ => is_written,
            });
            if take_back {
                pairing.withdraw(&node_id).await;
            }
        });
    }

    async fn withdraw(&self, node_id: &str) {
        if let Err(error) = self.0.peers.withdraw(node_id).await {
            tracing::warn!(%error, "an entry could not be taken back; it is dropped when it is not confirmed in time");
        }
    }

    /// Ends it: this machine's owner, or the other machine with its proof.
    pub async fn cancel(&self, caller: &Caller, op: &PairCancel) -> Result<PairCancelled> {
        if caller.is_owner() && op.mac.is_none() {
            let error = Error::new(Code::PairRejected, "the pairing was ended here");
            let ended = self.change(|live| {
                live.check_session(op.session)?;
                Ok::<_, Error>(live.end(error, PairEnder::Here))
            })?;
            self.farewell(ended);
            return Ok(PairCancelled { success: true });
        }
        self.0.strangers.admit(caller)?;
        let (session_id, mac) = (op.session_id.as_deref().unwrap_or_default(), op.mac.as_deref().unwrap_or_default());
        let written = self.waiting(|waiting| {
            let is_written = waiting.cancelled(Instant::now(), session_id, mac)?;
            Ok(waiting.agreed().filter(|_| is_written).map(|(agreement, _)| agreement.peer().node_id.clone()))
        })?;
        if let Some(node_id) = written {
            self.withdraw(&node_id).await;
        }
        Ok(PairCancelled { success: true })
    }

    /// How it stands; with `wait` at the next change.
    pub async fn status(&self, op: &PairStatus) -> PairState {
        let mut changed = self.0.changed.subscribe();
        let _watched = op.screen.then(|| Screen::of(self));
        if let Some(wait) = op.wait {
            let known = op.since.unwrap_or(*changed.borrow_and_update());
            let stopping = self.0.workers.stopping();
            tokio::select! {
                _ = changed.wait_for(|revision| *revision != known) => {}
                () = tokio::time::sleep(Duration::from_secs(wait.min(LONGEST_WAIT))) => {}
                () = stopping.cancelled() => {}
            }
        }
        self.state()
    }

    fn state(&self) -> PairState {
        let (state, met) = self.change(|live| {
            live.tick(Instant::now());
            (live.view().1, live.met())
        });
        let revision = *self.0.changed.borrow();
        let replaces = met.and_then(|met| self.0.peers.namesake(&met.node_id, &met.hostname, met.seen));
        PairState { replaces: replaces.filter(|_| state.active), revision, ..state }
    }

    /// A peer has called with this key.
    pub fn heard(&self, name: &str, key: &Digest) {
        if self.0.peers.heard(name, key) {
            self.0.changed.send_modify(|revision| *revision += 1);
            if self.0.workers.stopping().is_cancelled() {
                // Nobody would wait for the write. The peer's next call after the start confirms it as well.
                return;
            }
            let peers = self.0.peers.clone();
            self.0.workers.spawn("peer confirmed", async move {
                if let Err(error) = peers.keep().await {
                    tracing::warn!(%error, "the registry could not be written");
                }
            });
        }
    }
}

/// A screen that shows a pairing while it waits for the next change. One that does not come back, answered or gone away
/// meanwhile, as a program does that is killed, ends the pairing: nobody is there to compare digits.
struct Screen<'a> {
    pairing: &'a Pairing,
    serial: u64,
    asked: u64,
}

impl<'a> Screen<'a> {
    fn of(pairing: &'a Pairing) -> Self {
        let mut live = lock(&pairing.0.live);
        live.screens += 1;
        Self { pairing, serial: live.serial, asked: live.screens }
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        let (pairing, serial, asked) = (self.pairing.clone(), self.serial, self.asked);
        self.pairing.0.workers.spawn_until_stop("pairing screen", async move {
            tokio::time::sleep(SCREEN_GONE).await;
            let error = Error::new(Code::PairRejected, "the pairing was ended: the program that showed it is gone");
            let farewell = pairing.change(|live| {
                let is_gone = live.is_active() && live.serial == serial && live.screens == asked;
                is_gone.then(|| live.end(error, PairEnder::Here)).flatten()
            });
            pairing.farewell(farewell);
        });
    }
}

/// What the registry is told of a machine that was paired with.
fn enrolment(card: Card, host: &str, key: crate::base::secret::Secret, is_proved: bool, confirm_by: Option<Millis>) -> Result<Enrolment> {
    Ok(Enrolment {
        address: Address::new(host, card.port)?,
        node_id: card.node_id,
        hostname: card.hostname,
        platform: card.platform,
        capabilities: card.capabilities,
        fingerprint: card.cert_fingerprint,
        is_proved,
        key,
        confirm_by,
    })
}
