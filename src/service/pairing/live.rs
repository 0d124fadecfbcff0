//! The one pairing that is live, seen from outside.

use tokio::time::Instant;

use super::outgoing::{Farewell, Outgoing};
use super::waiting::{End, LIFETIME, Waiting};
use crate::api::Permission;
use crate::api::pairing::{PairEnder, PairPeer, PairPhase, PairState};
use crate::base::clock::{self, Millis};
use crate::base::secret::Digest;
use crate::base::{Code, Error, Fingerprint, Result};

/// What this side's user allows with the yes.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
    pub(super) allow: Option<Vec<Permission>>,
    /// The entry whose place the other machine may take.
    pub(super) replace: Option<String>,
}

/// A pairing, by the side that this machine is on.
pub(super) enum Session {
    Waiting(Box<Waiting>),
    Calling(Box<Outgoing>),
}

/// The pairing that is live, or was last.
#[derive(Default)]
pub(super) struct Live {
    pub(super) session: Option<Session>,
    /// Tells one session from the next.
    pub(super) serial: u64,
    pub(super) choices: Choices,
    /// How often a screen has asked how it stands.
    pub(super) screens: u64,
    /// Tries in a row with one code that failed, whatever the machine was called.
    pub(super) failures: Option<(Digest, u32)>,
    expires_at: Millis,
}

/// The machine at the other end.
pub(super) struct Met {
    pub(super) node_id: String,
    pub(super) hostname: String,
    /// The certificate that it showed on its connection.
    pub(super) seen: Option<Fingerprint>,
}

fn another() -> Error {
    Error::new(Code::PairNoSession, "that pairing is over").hint("Another one was begun since: loopsy api pair.status")
}

impl Session {
    fn end(&self) -> Option<&End> {
        match self {
            Session::Waiting(waiting) => waiting.end(),
            Session::Calling(outgoing) => outgoing.end.as_ref(),
        }
    }
}

impl Live {
    /// Makes another session live.
    ///
    /// # Errors
    /// `PAIR_ALREADY_ACTIVE`, unless the present one has ended or may be replaced.
    pub(super) fn take_up(&mut self, session: Session, replace: bool, now: Instant) -> Result<Option<Farewell>> {
        self.tick(now);
        if self.is_active() && !replace {
            return Err(Error::new(Code::PairActive, "a pairing is under way").hint("Finish it, or end it: loopsy api pair.cancel '{}'"));
        }
        let farewell = self.end(Error::new(Code::PairRejected, "another pairing was begun"), PairEnder::Here);
        self.session = Some(session);
        self.serial += 1;
        self.choices = Choices::default();
        self.expires_at = clock::now() + LIFETIME.as_millis() as Millis;
        Ok(farewell)
    }

    /// Lets time pass; answers when there is something to do next.
    pub(super) fn tick(&mut self, now: Instant) -> Instant {
        match &mut self.session {
            Some(Session::Waiting(waiting)) => waiting.tick(now),
            Some(Session::Calling(outgoing)) => outgoing.tick(now),
            None => {}
        }
        match &self.session {
            Some(session) if session.end().is_none() => match session {
                Session::Waiting(waiting) => waiting.next_tick().max(now),
                Session::Calling(outgoing) => outgoing.expires.max(now),
            },
            _ => now + LIFETIME,
        }
    }

    /// Whether there is one that has not ended.
    pub(super) fn is_active(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.end().is_none())
    }

    /// Ends what is live; answers what is to be told to the other machine.
    pub(super) fn end(&mut self, error: Error, by: PairEnder) -> Option<Farewell> {
        match &mut self.session {
            Some(Session::Waiting(waiting)) => {
                waiting.fail(error, Some(by));
                None
            }
            Some(Session::Calling(outgoing)) => outgoing.end(error, Some(by)),
            None => None,
        }
    }

    /// Checks that somebody who names digits means those that are compared now.
    ///
    /// # Errors
    /// `PAIR_NO_SESSION`.
    pub(super) fn check_digits(&self, digits: Option<&str>) -> Result<()> {
        let Some(digits) = digits else { return Ok(()) };
        if self.view().1.sas.as_deref() == Some(digits) { Ok(()) } else { Err(another()) }
    }

    /// Checks that somebody who names a session means the one that is live.
    ///
    /// # Errors
    /// `PAIR_NO_SESSION`.
    pub(super) fn check_session(&self, session: Option<u64>) -> Result<()> {
        if session.is_none_or(|session| session == self.serial) { Ok(()) } else { Err(another()) }
    }

    /// The calling session of this number.
    pub(super) fn outgoing(&mut self, serial: u64) -> Option<&mut Outgoing> {
        match &mut self.session {
            Some(Session::Calling(outgoing)) if self.serial == serial => Some(outgoing),
            _ => None,
        }
    }

    /// Counts a failure of a code; it is forgotten when all goes well.
    pub(super) fn failed_with(&mut self, attempt: Digest) {
        let before = self.failures.filter(|(failed, _)| *failed == attempt).map_or(0, |(_, count)| count);
        self.failures = Some((attempt, before + 1));
    }

    /// The other machine, once it has proved that it knows the code.
    pub(super) fn met(&self) -> Option<Met> {
        let (agreement, seen) = match self.session.as_ref()? {
            Session::Waiting(waiting) => (waiting.agreed()?.0, None),
            Session::Calling(outgoing) => outgoing.agreed().map(|agreed| (&agreed.agreement, agreed.seen))?,
        };
        let peer = agreement.peer();
        Some(Met { node_id: peer.node_id.clone(), hostname: peer.hostname.clone(), seen })
    }

    /// What is told of it; the number tells sessions apart that look the same.
    pub(super) fn view(&self) -> (u64, PairState) {
        let Some(session) = &self.session else { return (self.serial, PairState::default()) };
        let mut state = PairState { session: Some(self.serial), expires_at: Some(self.expires_at), ..PairState::default() };
        let (agreement, address, is_confirmed) = match session {
            Session::Waiting(waiting) => {
                state.attempts_left = Some(waiting.attempts_left());
                let agreed = waiting.agreed();
                (agreed.map(|(agreement, _)| agreement), agreed.map(|(_, from)| from.to_string()), waiting.is_confirmed())
            }
            Session::Calling(outgoing) => {
                (outgoing.agreed().map(|agreed| &agreed.agreement), Some(outgoing.address.to_string()), outgoing.is_confirmed)
            }
        };
        if let (Some(agreement), Some(address)) = (agreement, address) {
            state.peer = Some(PairPeer { hostname: agreement.peer().hostname.clone(), address });
        }
        let phase = match (agreement, is_confirmed) {
            (None, _) => PairPhase::Waiting,
            (Some(_), false) => PairPhase::KeyExchanged,
            (Some(_), true) => PairPhase::Confirmed,
        };
        state.state = Some(phase);
        state.active = session.end().is_none();
        match session.end() {
            None => state.sas = agreement.map(|agreement| agreement.digits().to_owned()),
            Some(End::Completed(name)) => {
                state.state = Some(PairPhase::Completed);
                state.name = Some(name.clone());
            }
            Some(End::Expired) => {
                state.state = Some(PairPhase::Expired);
                state.error = Some("the time for pairing is over".into());
                state.error_code = Some(Code::PairExpired.number());
            }
            Some(End::Failed(error, by)) => {
                state.state = Some(PairPhase::Failed);
                state.error = Some(error.message.clone());
                state.error_code = Some(error.code.number());
                state.ended_by = *by;
            }
        }
        (self.serial, state)
    }
}
