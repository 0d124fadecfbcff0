//! The side that shows the code: whom it answers, and what it makes of what they say. Pure: messages and instants in,
//! messages out; no clock, no network, no disk.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::agreement::{Agreement, CONFIRM, Card, Sealed, binary};
use super::crypto::{Half, Introduction, Part, Side, Transcript, commitment, invite_code, random};
use super::papers::Papers;
use crate::api::pairing::{PAIRING_VERSION, PairEnder, PairExchange, PairExchanged, PairInitiate, PairInitiated};
use crate::base::secret::Secret;
use crate::base::{Code, Error, Result, base64url};

/// How long a code is good for.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// How long a try may take from its first step to its second.
pub const TRY: Duration = Duration::from_secs(10);
/// Wrong codes after which the code is void.
pub const WRONG_CODES: u32 = 3;
/// First steps that are answered for one code, whoever asks.
pub const TRIES: u32 = 10;

/// A try that has taken its first step.
struct Try {
    session_id: String,
    since: Instant,
    caller: Introduction,
    commitment: Vec<u8>,
    half: Half,
    part: Part,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The two trust each other; the other one has this name.
    Completed(String),
    /// It came to nothing, by this person's will if it was one's.
    Failed(Error, Option<PairEnder>),
    /// It took too long.
    Expired,
}

/// What is to be done about the last step.
#[derive(Debug, PartialEq)]
pub enum Finish {
    /// This is the answer.
    Reply(String),
    /// The answer is not known yet.
    Wait,
}

/// Whom to write into the configuration.
pub struct ToWrite {
    /// Who it is.
    pub card: Card,
    /// Where it calls from.
    pub from: IpAddr,
    /// The key of this pair.
    pub key: Secret,
    /// Whether it proved that the certificate is its own.
    pub is_proved: bool,
}

/// A code that is shown, and all that came of it.
pub struct Waiting {
    me: Card,
    papers: Papers,
    code: Secret,
    expires: Instant,
    answered: u32,
    /// Where the wrong codes came from.
    wrong: Vec<IpAddr>,
    tries: Vec<Try>,
    agreed: Option<Agreed>,
    end: Option<End>,
}

/// Who knew the code.
struct Agreed {
    agreement: Agreement,
    from: IpAddr,
    card: Option<Card>,
    yes: bool,
    writing: bool,
    reply: Option<String>,
}

fn no_session() -> Error {
    Error::new(Code::PairNoSession, "no pairing is under way").hint("Begin on the other machine with: loopsy pair")
}

fn void() -> Error {
    Error::new(Code::PairExpired, "the code has expired or is void").hint("Make a new one there with: loopsy pair")
}

fn busy() -> Error {
    Error::new(Code::PairActive, "another machine was quicker").hint("Begin anew on both machines.")
}

impl Waiting {
    /// Begins to wait, with a fresh code.
    pub fn start(me: Card, papers: Papers, now: Instant) -> Result<Self> {
        let code = invite_code()?;
        Ok(Self { me, papers, code, expires: now + LIFETIME, answered: 0, wrong: Vec::new(), tries: Vec::new(), agreed: None, end: None })
    }
    /// The code to show.
    pub fn code(&self) -> &Secret {
        &self.code
    }
    /// When it ends.
    pub fn expires(&self) -> Instant {
        self.expires
    }
    /// How it ended.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }
    /// Wrong codes until this one is void.
    pub fn attempts_left(&self) -> u32 {
        WRONG_CODES.saturating_sub(self.wrong.len() as u32)
    }
    /// The machine that knew the code, and where it calls from.
    pub fn agreed(&self) -> Option<(&Agreement, IpAddr)> {
        self.agreed.as_ref().map(|agreed| (&agreed.agreement, agreed.from))
    }
    /// Whether this side's user said yes.
    pub fn is_confirmed(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.yes)
    }

    /// Lets time pass: old tries are forgotten, and the code ends.
    pub fn tick(&mut self, now: Instant) {
        self.tries.retain(|made| now < made.since + TRY);
        if self.end.is_some() {
            return;
        }
        if now >= self.expires && !self.agreed.as_ref().is_some_and(|agreed| agreed.writing) {
            self.end = Some(End::Expired);
        } else if self.answered >= TRIES && self.tries.is_empty() && self.agreed.is_none() {
            let error = Error::new(Code::PairExpired, format!("{TRIES} tries that came to nothing; this code is void"));
            self.end = Some(End::Failed(error, None));
        }
    }

    /// When [`Waiting::tick`] has something to do next.
    pub fn next_tick(&self) -> Instant {
        let tries = self.tries.iter().map(|made| made.since + TRY);
        tries.chain([self.expires]).min().unwrap_or(self.expires)
    }

    /// First step of a caller: this side shows its part, fresh for each.
    ///
    /// # Errors
    /// `INVALID_REQUEST`; `PAIR_EXPIRED` where the code is no longer good; `PAIR_ALREADY_ACTIVE` where somebody knew it.
    pub fn initiate(&mut self, now: Instant, request: &PairInitiate) -> Result<PairInitiated> {
        self.tick(now);
        if self.end.is_some() {
            return Err(void());
        }
        if self.agreed.is_some() {
            return Err(busy());
        }
        if request.version != PAIRING_VERSION {
            return Err(Error::invalid(format!("version: this machine pairs by version {PAIRING_VERSION}"))
                .hint("Install the same version of Loopsy on both machines."));
        }
        let caller = Introduction::checked(&request.node_id, &request.hostname)?;
        if caller.node_id == self.me.node_id {
            return Err(Error::invalid("nodeId: it is this machine's own"));
        }
        let commitment = binary("commitment", &request.commitment)?;
        if commitment.len() != 32 {
            return Err(Error::invalid("commitment: it must have 32 bytes"));
        }
        if self.answered >= TRIES {
            return Err(void());
        }
        let (half, part) = Half::new(Side::Waiting, &self.code)?;
        let reply = PairInitiated {
            session_id: base64url::encode(&random::<16>()?),
            node_id: self.me.node_id.clone(),
            hostname: self.me.hostname.clone(),
            public_key: base64url::encode(&part.public_key),
            nonce: base64url::encode(&part.nonce),
            pake: base64url::encode(&part.pake),
        };
        self.answered += 1;
        self.tries.push(Try { session_id: reply.session_id.clone(), since: now, caller, commitment, half, part });
        Ok(reply)
    }

    /// Second step of a caller: what it committed itself to, and proof that it knows the code. Whatever comes of it, the
    /// try is used up.
    ///
    /// # Errors
    /// `PAIR_NO_SESSION`; `PAIR_INVALID`; `PAIR_WRONG_CODE` with the attempts left; as [`Waiting::initiate`].
    pub fn exchange(&mut self, now: Instant, from: IpAddr, request: &PairExchange) -> Result<PairExchanged> {
        self.tick(now);
        let found = self.tries.iter().position(|made| made.session_id == request.session_id);
        let Some(Try { session_id, caller, commitment: promised, half, part, .. }) = found.map(|at| self.tries.remove(at)) else {
            return Err(if self.end.is_some() { void() } else { no_session() });
        };
        if self.end.is_some() {
            return Err(void());
        }
        if self.agreed.is_some() {
            return Err(busy());
        }
        let invalid = |error: Error| Error { code: Code::PairInvalid, ..error };
        let theirs = Part {
            public_key: binary("publicKey", &request.public_key).map_err(invalid)?,
            nonce: binary("nonce", &request.nonce).map_err(invalid)?,
            pake: binary("pake", &request.pake).map_err(invalid)?,
        };
        if commitment(&theirs, &caller)[..] != promised[..] {
            return Err(Error::new(Code::PairInvalid, "this is not what was committed to"));
        }
        let me = Introduction { node_id: self.me.node_id.clone(), hostname: self.me.hostname.clone() };
        let transcript = Transcript {
            version: PAIRING_VERSION,
            calling: &caller,
            commitment: &promised,
            session_id: &session_id,
            waiting: &me,
            waiting_part: &part,
            calling_part: &theirs,
        };
        let keys = half.agree(&theirs, &transcript)?;
        if !keys.is_mac(Side::Calling, CONFIRM, &base64url::decode(&request.confirm).unwrap_or_default()) {
            return Err(self.wrong_code(from));
        }
        let reply = PairExchanged { confirm: base64url::encode(&keys.mac(Side::Waiting, CONFIRM)) };
        let agreement = Agreement { side: Side::Waiting, session_id, peer: caller, keys };
        self.agreed = Some(Agreed { agreement, from, card: None, yes: false, writing: false, reply: None });
        self.tries.clear();
        Ok(reply)
    }

    fn wrong_code(&mut self, from: IpAddr) -> Error {
        self.wrong.push(from);
        if self.attempts_left() == 0 {
            let mut from: Vec<String> = self.wrong.iter().map(IpAddr::to_string).collect();
            from.sort();
            from.dedup();
            let from = from.join(", ");
            let error = Error::new(Code::PairExpired, format!("{WRONG_CODES} wrong codes from {from}; this code is void"));
            self.end = Some(End::Failed(error, None));
            self.tries.clear();
        }
        let left = self.attempts_left();
        let hint = if left == 0 {
            "It is void now. Make a new one there with: loopsy pair"
        } else {
            "Type the code that the other machine shows."
        };
        Error::new(Code::PairWrongCode, "wrong code").hint(hint).details(json!({ "attemptsLeft": left }))
    }

    /// This side's user has compared the digits. A no stands; a yes can still be taken back.
    ///
    /// # Errors
    /// `PAIR_NO_SESSION` where there is nothing to confirm.
    pub fn confirm(&mut self, now: Instant, yes: bool) -> Result<()> {
        self.tick(now);
        let agreed = self.agreed.as_mut().filter(|_| self.end.is_none()).ok_or_else(no_session)?;
        if yes {
            agreed.yes = true;
        } else if !agreed.writing {
            self.fail(Error::new(Code::PairRejected, "the digits were not confirmed here"), Some(PairEnder::Here));
        }
        Ok(())
    }

    /// Ends it, unless it has ended.
    pub fn fail(&mut self, error: Error, by: Option<PairEnder>) {
        if self.end.is_none() {
            self.end = Some(End::Failed(error, by));
        }
        self.tries.clear();
    }

    /// The other machine ends it. Says whether an entry that was written for it is to be taken back.
    ///
    /// # Errors
    /// `PAIR_NO_SESSION`, `PAIR_INVALID` for whoever is not the other machine.
    pub fn cancelled(&mut self, now: Instant, session_id: &str, mac: &str) -> Result<bool> {
        self.tick(now);
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.agreement.session_id == session_id).ok_or_else(no_session)?;
        if !agreed.agreement.is_cancel(&base64url::decode(mac).unwrap_or_default()) {
            return Err(Error::new(Code::PairInvalid, "the MAC is wrong"));
        }
        let error = Error::new(Code::PairRejected, format!("{} ended the pairing", agreed.agreement.peer().hostname));
        let is_written = matches!(self.end, Some(End::Completed(_)));
        if is_written {
            self.end = None;
        }
        self.fail(error, Some(PairEnder::There));
        Ok(is_written)
    }

    /// Last step of the other machine: who it is. The same answer as often as it asks, until the code expires.
    ///
    /// # Errors
    /// `PAIR_NO_SESSION`, `PAIR_EXPIRED`; `PAIR_INVALID` for a box that does not open or does not fit.
    pub fn finish(&mut self, now: Instant, session_id: &str, sealed: &str) -> Result<Finish> {
        self.tick(now);
        let Some(agreed) = self.agreed.as_mut().filter(|agreed| agreed.agreement.session_id == session_id) else {
            return Err(if self.end.is_some() { void() } else { no_session() });
        };
        let opened = agreed.agreement.open(sealed)?;
        if now >= self.expires && !agreed.writing || self.end == Some(End::Expired) {
            return Err(void());
        }
        if let Some(reply) = &agreed.reply {
            return Ok(Finish::Reply(reply.clone()));
        }
        match opened {
            Sealed::Card(card) => {
                agreed.card.get_or_insert(*card);
            }
            Sealed::Rejected { .. } => {
                let error = Error::new(Code::PairRejected, format!("{} said no", agreed.agreement.peer().hostname));
                self.fail(error, Some(PairEnder::There));
            }
        }
        if !matches!(self.end, Some(End::Failed(..))) {
            return Ok(Finish::Wait);
        }
        self.reply(false).map(Finish::Reply)
    }

    /// The answer to the last step, which stands from now on.
    fn reply(&mut self, yes: bool) -> Result<String> {
        let agreed = self.agreed.as_mut().ok_or_else(no_session)?;
        let content = if yes { agreed.agreement.signed(self.me.clone(), &self.papers) } else { Sealed::Rejected { rejected: true } };
        let sealed = agreed.agreement.seal(&content)?;
        agreed.reply = Some(sealed.clone());
        Ok(sealed)
    }

    /// Whom to write into the configuration now: once, when both users have said yes. [`Waiting::written`] follows.
    pub fn to_write(&mut self) -> Option<ToWrite> {
        let agreed = self.agreed.as_mut().filter(|agreed| self.end.is_none() && agreed.yes && !agreed.writing)?;
        let card = agreed.card.clone()?;
        agreed.writing = true;
        let is_proved = agreed.agreement.is_proved(&card);
        Some(ToWrite { card, from: agreed.from, key: agreed.agreement.pair_key(), is_proved })
    }

    /// What came of writing: the name of the entry. Says whether the entry is to be taken back, because all ended meanwhile.
    pub fn written(&mut self, outcome: Result<String>) -> bool {
        if let Some(agreed) = &mut self.agreed {
            agreed.writing = false;
        }
        let name = match outcome {
            Ok(_) if self.end.is_some() => return true,
            Ok(name) => name,
            Err(error) => {
                self.fail(error, None);
                return false;
            }
        };
        match self.reply(true) {
            Ok(_) => self.end = Some(End::Completed(name)),
            Err(error) => self.fail(error, None),
        }
        !matches!(self.end, Some(End::Completed(_)))
    }
}
