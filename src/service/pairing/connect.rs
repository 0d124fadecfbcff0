//! The side that calls: the steps of [`super::calling`] over a connection, and what follows from them here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::agreement::{Card, Sealed};
use super::calling::Calling;
use super::crypto::Introduction;
use super::live::{Choices, Session};
use super::outgoing::{Agreed, Farewell, Outgoing};
use super::waiting::{End, WRONG_CODES};
use super::{Pairing, enrolment, no_session};
use crate::api::pairing::{PairConfirm, PairConnect, PairEnder, PairState};
use crate::api::{Operation, Output};
use crate::base::secret::{Digest, Secret};
use crate::base::{Code, Error, Result};
use crate::client::Link;
use crate::client::connector::Security;
use crate::client::receive::Receive;
use crate::net::Address;

/// How long the waiting machine may take to answer a step.
const STEP: Duration = Duration::from_secs(10);
/// How long after a break the last step is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// After so many failures in a row it is not.
const GIVE_UP: u32 = 3;

/// Ends what was begun when whoever asked for it goes away.
struct Dialling<'a> {
    pairing: &'a Pairing,
    serial: u64,
    farewell: Option<Farewell>,
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        let error = Error::new(Code::PairRejected, "the pairing was ended here");
        self.pairing.change(|live| {
            if let Some(outgoing) = live.outgoing(self.serial).filter(|outgoing| outgoing.agreed.is_none()) {
                outgoing.end(error, Some(PairEnder::Here));
            }
        });
        self.pairing.farewell(self.farewell.take());
    }
}

/// A code as it was typed: spaces and dashes do not matter.
///
/// # Errors
/// `INVALID_REQUEST` for what is not six digits.
pub fn typed_code(code: &Secret) -> Result<Secret> {
    let digits: String = code.expose().chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Secret::new(digits));
    }
    Err(Error::invalid("code: it is not six digits").hint("Type the code that the other machine shows, like 492 817."))
}

/// A step with its time limit.
async fn step<O: Operation>(link: &Link, op: &O) -> Result<Output<O>>
where
    O::Reply: Receive,
{
    timeout(STEP, link.call(op))
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::PeerUnreachable, format!("{} does not answer in time", link.target()))))
}

/// Whether an answer was lost, so that asking again makes sense.
fn is_lost(error: &Error) -> bool {
    matches!(error.code, Code::PeerUnreachable | Code::ShuttingDown | Code::RateLimited)
}

impl Pairing {
    /// Tells the other machine that it is over, as well as can be.
    pub(super) fn farewell(&self, farewell: Option<Farewell>) {
        if let Some((link, cancel)) = farewell {
            self.0.workers.spawn_until_stop("pairing farewell", async move {
                if let Err(error) = step(&link, &cancel).await {
                    tracing::debug!(%error, "the other machine was not told that the pairing is over");
                }
            });
        }
    }

    /// Takes the first two steps with a machine that waits. Then the users compare digits: [`Pairing::confirm`].
    ///
    /// # Errors
    /// `PAIR_ALREADY_ACTIVE`; what the other machine answers; `PAIR_EXPIRED` after three failures with the same code.
    pub async fn connect(&self, op: PairConnect) -> Result<PairState> {
        let (code, address) = (typed_code(&op.code)?, Address::new(&op.address, op.port)?);
        let attempt = code.digest();
        let now = Instant::now();
        let serial = self.change(|live| {
            if live.failures.is_some_and(|(failed, count)| failed == attempt && count >= WRONG_CODES) {
                return Err(Error::new(Code::PairExpired, format!("{WRONG_CODES} tries with this code came to nothing"))
                    .hint("Make a new code on the other machine with: loopsy pair"));
            }
            live.take_up(Session::Calling(Box::new(Outgoing::new(address.clone(), now))), false, now).map(|_| live.serial)
        })?;
        let mut dialling = Dialling { pairing: self, serial, farewell: None };
        let met = self.meet(&address, &code, &mut dialling, attempt).await;
        self.change(|live| {
            let outgoing = live.outgoing(serial).filter(|outgoing| outgoing.end.is_none()).ok_or_else(no_session)?;
            let agreed = met.inspect_err(|error| drop(outgoing.end(error.clone(), None)))?;
            outgoing.agreed = Some(Arc::new(agreed));
            Ok::<_, Error>(())
        })?;
        Ok(self.state())
    }

    async fn meet(&self, address: &Address, code: &Secret, dialling: &mut Dialling<'_>, attempt: Digest) -> Result<Agreed> {
        let link = Link::secured(&self.0.network, address.clone(), Security::Unproven)?;
        let me = Introduction { node_id: self.0.identity.node_id.clone(), hostname: self.0.identity.hostname.clone() };
        let (calling, initiate) = Calling::begin(me, code)?;
        let (proving, exchange) = calling.initiated(&step(&link, &initiate).await?)?;
        // From here on the other side may have had its one guess, and may believe that all is well.
        self.change(|live| live.failed_with(attempt));
        dialling.farewell = Some((link.clone(), proving.cancel()));
        let reply = step(&link, &exchange).await.inspect_err(|error| {
            if !is_lost(error) {
                dialling.farewell = None;
            }
        })?;
        let agreement = proving.exchanged(&reply)?;
        dialling.farewell = None;
        self.change(|live| live.failures = None);
        let seen = link.certificate();
        Ok(Agreed { agreement, link, seen })
    }

    /// This side's user has compared the digits, where this side calls.
    pub(super) fn confirm_calling(&self, op: PairConfirm) -> Result<()> {
        let (serial, agreed, is_repeated) = self.change(|live| {
            live.check_digits(op.sas.as_deref())?;
            let serial = live.serial;
            let outgoing = live.outgoing(serial).filter(|outgoing| outgoing.end.is_none()).ok_or_else(no_session)?;
            let agreed = outgoing.agreed.clone().ok_or_else(no_session)?;
            let is_repeated = std::mem::replace(&mut outgoing.is_confirmed, op.confirmed);
            Ok::<_, Error>((serial, agreed, is_repeated && op.confirmed))
        })?;
        let refused = if op.confirmed {
            let peer = agreed.agreement.peer();
            self.0.peers.may_enrol(&peer.node_id, &peer.hostname, agreed.seen, op.replace.as_deref()).err()
        } else {
            Some(Error::new(Code::PairRejected, "the digits were not confirmed here"))
        };
        if let Some(error) = refused {
            let by = if op.confirmed { None } else { Some(PairEnder::Here) };
            let farewell = self.change(|live| live.outgoing(serial).and_then(|outgoing| outgoing.end(error, by)));
            self.farewell(farewell);
        } else if !is_repeated {
            let (pairing, choices) = (self.clone(), Choices { allow: op.allow, replace: op.replace });
            self.0.workers.spawn_until_stop("pairing", async move { pairing.conclude(serial, &agreed, choices).await });
        }
        Ok(())
    }

    /// The last step, and what follows from the other side's yes.
    async fn conclude(&self, serial: u64, agreed: &Agreed, choices: Choices) {
        let outcome = tokio::select! {
            outcome = self.last_step(serial, agreed) => outcome,
            () = self.over(serial) => return,
        };
        let card = match outcome {
            Ok(card) => card,
            Err((error, by)) => return self.give_up(serial, error, by),
        };
        let is_here = self.change(|live| {
            live.outgoing(serial).filter(|outgoing| outgoing.end.is_none()).map(|outgoing| outgoing.is_writing = true).is_some()
        });
        if !is_here {
            return self.farewell(Some(agreed.farewell()));
        }
        let is_proved = agreed.seen == Some(card.cert_fingerprint) || agreed.agreement.is_proved(&card);
        let host = &agreed.link.target().host;
        let enrolled = match enrolment(card, host, agreed.agreement.pair_key(), is_proved, None) {
            Ok(mut new) => {
                new.address.port = agreed.link.target().port;
                self.0.peers.enrol(new, choices.allow, choices.replace.as_deref()).await
            }
            Err(error) => Err(error),
        };
        match enrolled {
            Ok(peer) => {
                // The other side's entry stands from the first call on; the next health check makes it if this one fails.
                if let Err(error) = self.0.peers.greet(&peer).await {
                    tracing::warn!(%error, "the first call to a newly paired machine failed");
                }
                let name = peer.label().to_owned();
                self.change(|live| live.outgoing(serial).map(|outgoing| outgoing.end = Some(End::Completed(name))));
            }
            Err(error) => {
                self.change(|live| live.outgoing(serial).map(|outgoing| outgoing.is_writing = false));
                self.give_up(serial, error, None);
            }
        }
    }

    fn give_up(&self, serial: u64, error: Error, by: Option<PairEnder>) {
        let farewell = self.change(|live| live.outgoing(serial).and_then(|outgoing| outgoing.end(error, by)));
        self.farewell(farewell);
    }

    /// Tells who this machine is, and hears who the other is when its user has said yes.
    async fn last_step(&self, serial: u64, agreed: &Agreed) -> std::result::Result<Card, (Error, Option<PairEnder>)> {
        let failed = |error: Error| (error, None);
        let expires = self.change(|live| live.outgoing(serial).map(|outgoing| outgoing.expires)).unwrap_or_else(Instant::now);
        let (card, papers) = self.me().map_err(failed)?;
        let finish = agreed.agreement.finish(&agreed.agreement.signed(card, &papers)).map_err(failed)?;
        let mut failures = 0;
        let reply = loop {
            match timeout_at(expires, agreed.link.call(&finish)).await {
                Ok(Ok(reply)) => break reply,
                Ok(Err(error)) if is_lost(&error) && failures + 1 < GIVE_UP => {
                    failures += 1;
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => return Err(failed(Error::new(Code::PairExpired, "the other side's user has not answered in time"))),
            }
        };
        let peer = &agreed.agreement.peer().hostname;
        match agreed.agreement.open(&reply.sealed).map_err(failed)? {
            Sealed::Rejected { .. } => Err((Error::new(Code::PairRejected, format!("{peer} said no")), Some(PairEnder::There))),
            Sealed::Card(card) if agreed.seen.is_some_and(|seen| seen != card.cert_fingerprint) => Err(failed(
                Error::new(Code::PairInvalid, format!("{peer} has another certificate than the one that was shown on the way to it"))
                    .hint("Somebody may be in between. Nothing was changed here."),
            )),
            Sealed::Card(card) => Ok(*card),
        }
    }

    /// Waits until a session has ended.
    async fn over(&self, serial: u64) {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let is_live = self.change(|live| live.outgoing(serial).is_some_and(|outgoing| outgoing.end.is_none()));
            if !is_live || changed.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        for typed in ["492817", "492 817", " 492-817 ", "4 9 2 8 1 7"] {
            assert_eq!(typed_code(&Secret::new(typed)).unwrap().expose(), "492817");
        }
        for wrong in ["", "49281", "4928170", "49281a", "４９２８１７", "492\0817"] {
            assert!(typed_code(&Secret::new(wrong)).is_err(), "{wrong:?}");
        }
    }
}
