//! What goes from here: sending, listing what was sent and where it is, and who acknowledged what.

use ring::rand::{SecureRandom, SystemRandom};

use super::courier::Freight;
use super::ledger::{self, Entry, Ledger, Outcome, Party};
use super::{Messages, letter, limit_of};
use crate::api::context::VALUE_BYTES;
use crate::api::messages::{
    Acks, ENVELOPE_BYTES, EVERYBODY, Envelope, MOST, MessageAcks, MessageOutbox, MessageSend, MessageSent, MessageState, MessageType,
    Outbox, Recipient, Sent,
};
use crate::api::peers::Peer;
use crate::base::clock::{self, Millis};
use crate::base::sync::lock;
use crate::base::{Code, Error, Result};
use crate::service::context::batch::New;
use crate::service::context::rules;
use crate::service::context::tables::Step;

/// Characters of a body that a listing shows.
const PREVIEW: usize = 200;
/// Longest subject, characters.
const SUBJECT: usize = 1024;

/// Seconds that an acknowledgement lies at a Node peer.
const ACK_TTL: f64 = 7.0 * 86_400.0;

/// What is put into a peer's store.
pub(super) struct Packed {
    /// The value.
    pub text: String,
    /// Seconds that it lives there.
    pub ttl: f64,
}

const _: () = assert!(ENVELOPE_BYTES <= VALUE_BYTES, "an envelope is a value of the store");

impl Messages {
    /// Takes a message; it is on the disk when this answers, and travels on its own from then on.
    ///
    /// # Errors
    /// `PEER_NOT_FOUND` where there is nobody to send it to; `CONTEXT_VALUE_TOO_LARGE` above 1 MiB; `INVALID_REQUEST`.
    pub async fn send(&self, op: MessageSend) -> Result<MessageSent> {
        let ttl = op.ttl.unwrap_or(self.0.settings.get().messages.ttl);
        rules::check_ttl(ttl)?;
        op.reply_to.as_deref().map_or(Ok(()), |id| letter::check_id("replyTo", id))?;
        if op.subject.as_ref().is_some_and(|subject| subject.chars().count() > SUBJECT) {
            return Err(Error::invalid(format!("subject: it has more than {SUBJECT} characters")).hint("Put the rest into the body."));
        }
        let (to, meant) = self.meant(&op.to)?;
        let kind = op.kind.unwrap_or(if op.to.trim() == EVERYBODY { MessageType::Broadcast } else { MessageType::Chat });
        let from = self.0.identity.hostname.clone();
        let (node_id, first, messages) = (self.0.identity.node_id.clone(), random()? / 16, self.clone());
        let done = self.0.context.change(op.body.len() + 512, move |batch| {
            let now = batch.now();
            let id = messages.new_id(&Ledger::open(batch.around())?, now, first)?;
            let MessageSend { body, reply_to, subject, .. } = op;
            let preview = body.chars().take(PREVIEW).collect();
            let envelope = Envelope {
                from,
                to,
                ts: now,
                id: id.clone(),
                kind: kind.name().to_owned(),
                body,
                reply_to: reply_to.clone(),
                subject: subject.clone(),
            };
            let text = match serde_json::to_string(&envelope) {
                Ok(text) if text.len() <= ENVELOPE_BYTES => text,
                Ok(text) => return Ok(Err(too_large(text.len()))),
                Err(cause) => return Ok(Err(Error::internal("the message can't be written", cause))),
            };
            let key = format!("outbox:{id}");
            let new = New { key: &key, value: &text, ttl: Some(ttl), from_node_id: &node_id, sender: "" };
            let kept = match batch.set(&new, rules::Precondition::NONE)? {
                Ok(kept) => kept,
                Err(error) => return Ok(Err(error)),
            };
            let recipient = |(peer, hostname): (&Party, &String)| Recipient {
                peer: peer.name.clone(),
                state: MessageState::Queued,
                inbox_key: letter::inbox_key(hostname, &id),
                reason: None,
                since: now,
            };
            let expires_at = kept.expires_at.unwrap_or(Millis::MAX);
            let to = meant.iter().map(|(party, hostname)| recipient((party, hostname))).collect();
            let sent = Sent { id: id.clone(), ts: now, kind: envelope.kind, subject, reply_to, preview, expires_at, to };
            let entry = Entry { sent, nodes: meant.into_iter().map(|(party, _)| party.node_id).collect(), ended: false };
            Ledger::open(batch.beside())?.enter(&entry)?;
            Ok(Ok(entry))
        });
        let messages = self.clone();
        // Whoever asked may go away while the message is being written, and it is to travel all the same.
        self.to_its_end("send message", async move {
            let entry = done.await?;
            messages.0.sooner.notify_one();
            for (recipient, party) in entry.recipients() {
                messages.tell("queued", &entry.sent.id, Some(&recipient.peer));
                messages.carry(Freight::Letters, entry.sent.id.clone(), party);
            }
            Ok(MessageSent { id: entry.sent.id, to: entry.sent.to })
        })
        .await
    }

    /// An id that no message has: one may, from before a restart, where the clock was set back.
    fn new_id(&self, book: &Ledger<'_>, now: Millis, first: u16) -> Step<String> {
        let mut ids = lock(&self.0.ids);
        if let Some(last) = book.last_id()?.filter(|_| ids.is_new()) {
            ids.after(&last);
        }
        loop {
            let id = ids.next(now, first, &self.0.identity.hostname);
            if !book.knows(&id)? {
                return Ok(id);
            }
        }
    }

    /// Whom a reference means: how an envelope names them, and each with its name for itself.
    fn meant(&self, reference: &str) -> Result<(String, Vec<(Party, String)>)> {
        let party = |peer: &Peer| (Party { name: peer.label().to_owned(), node_id: peer.node_id.clone() }, peer.hostname.clone());
        if reference.trim() == EVERYBODY {
            let everybody: Vec<_> = self.0.peers.list().iter().filter(|peer| peer.trusted).map(party).collect();
            if everybody.is_empty() {
                return Err(Error::new(Code::PeerNotFound, "no machine is paired with this one").hint("Pair with one: loopsy pair"));
            }
            return Ok((EVERYBODY.to_owned(), everybody));
        }
        let peer = self.0.peers.resolve(reference)?;
        if !peer.trusted {
            return Err(Error::new(Code::PeerNotFound, format!("{} is not paired with this machine", peer.label()))
                .hint(format!("Pair with it: loopsy pair {}", peer.address)));
        }
        Ok((peer.hostname.clone(), vec![party(&peer)]))
    }

    /// What was sent, newest first.
    pub fn outbox(&self, op: &MessageOutbox) -> Result<Outbox> {
        let limit = limit_of(op.limit)?;
        op.before.as_deref().map_or(Ok(()), |id| letter::check_id("before", id))?;
        let mut outbox = Outbox::default();
        self.0.context.read(|txn| {
            ledger::each_sent(txn, op.before.as_deref(), |entry| {
                outbox.more = outbox.messages.len() == limit;
                if !outbox.more {
                    outbox.messages.push(entry.sent);
                }
                !outbox.more
            })
        })?;
        let lanes = lock(&self.0.lanes);
        for recipient in outbox.messages.iter_mut().flat_map(|sent| &mut sent.to).filter(|to| to.state == MessageState::Queued) {
            recipient.reason = lanes.trouble(&recipient.peer);
        }
        Ok(outbox)
    }

    /// What a peer has acknowledged; waits for one message's acknowledgement where that is asked for.
    pub async fn acks(&self, op: &MessageAcks) -> Result<Acks> {
        op.id.as_deref().map_or(Ok(()), |id| letter::check_id("id", id))?;
        if op.wait.is_some() && op.id.is_none() {
            return Err(Error::invalid("wait: it waits for one message").hint("Give its id as well."));
        }
        let peer = self.0.peers.resolve(&op.peer)?;
        let asked = Party { name: peer.label().to_owned(), node_id: peer.node_id.clone() };
        let state = self.waited(op.wait, || {
            let Some(id) = &op.id else { return Ok((None, true)) };
            let state = self.state_of(id, &asked)?.ok_or_else(|| not_sent(id, peer.label()))?;
            Ok((Some(state), !matches!(state, MessageState::Queued | MessageState::Delivered)))
        });
        let state = state.await?;
        let mut acked: Vec<(Millis, String)> = Vec::new();
        self.0.context.read(|txn| {
            ledger::each_sent(txn, None, |entry| {
                let of_peer = entry.recipients().find(|(_, party)| party.is(&asked)).map(|(recipient, _)| recipient);
                acked.extend(of_peer.filter(|to| to.state == MessageState::Acked).map(|to| (to.since, entry.sent.id.clone())));
                acked.len() < MOST as usize
            })
        })?;
        let newest = self.newest_ack(&peer, acked.iter().max());
        Ok(Acks { peer: peer.label().to_owned(), acked: acked.into_iter().map(|(_, id)| id).collect(), newest, state })
    }

    /// The newest of what the book knows and what the peer left under its name.
    fn newest_ack(&self, peer: &Peer, known: Option<&(Millis, String)>) -> Option<String> {
        let left = self.0.context.entry(&format!("ack:{}", peer.hostname)).ok().flatten();
        let left = left.filter(|entry| entry.from_node_id == peer.node_id).and_then(|entry| Some((entry.updated_at, entry.value?)));
        left.iter().chain(known).max().map(|(_, id)| id.clone())
    }

    fn state_of(&self, id: &str, peer: &Party) -> Result<Option<MessageState>> {
        let entry = self.0.context.read(|txn| ledger::find(txn, id))?;
        let of_peer = |entry: Entry| entry.recipients().find(|(_, party)| party.is(peer)).map(|(to, _)| to.state);
        Ok(entry.and_then(of_peer))
    }

    /// Ends the messages whose time has come; when the next one does.
    pub(super) async fn lapse(&self) -> Result<Option<Millis>> {
        loop {
            let next = self.0.context.read(ledger::next_end)?;
            if next.is_none_or(|next| next > clock::now()) {
                return Ok(next);
            }
            let lapse = self.0.context.change(0, |batch| {
                let now = batch.now();
                Ok(Ok(Ledger::open(batch.beside())?.lapse(now)?))
            });
            lapse.await?.iter().for_each(|id| self.tell("expired", id, None));
            self.0.moved.send_replace(());
        }
    }

    /// A message as its recipient is to have it; nothing where none waits for it any more.
    ///
    /// # Errors
    /// `CONTEXT_KEY_NOT_FOUND` where its text was deleted.
    pub(super) fn letter_for(&self, id: &str, to: &Party) -> Result<Option<Packed>> {
        let entry = self.0.context.read(|txn| ledger::find(txn, id))?;
        let waits = |entry: &Entry| entry.recipients().any(|(recipient, party)| party.is(to) && recipient.state == MessageState::Queued);
        let Some(entry) = entry.filter(waits) else { return Ok(None) };
        let left = entry.sent.expires_at.saturating_sub(clock::now());
        if left == 0 {
            return Ok(None);
        }
        let text = self.0.context.entry(&format!("outbox:{id}"))?.and_then(|kept| kept.value);
        let text = text.ok_or_else(|| Error::new(Code::ContextKeyNotFound, "its text was deleted from the outbox"))?;
        Ok(Some(Packed { text, ttl: left as f64 / 1000.0 }))
    }

    /// The acknowledgement of a message; nothing where it has been told.
    ///
    /// # Errors
    /// `CONTEXT_KEY_NOT_FOUND` where it was tried long enough.
    pub(super) fn ack_for(&self, id: &str) -> Result<Option<Packed>> {
        let Some(owed) = self.0.context.read(|txn| ledger::owed(txn, id))? else { return Ok(None) };
        if owed.until <= clock::now() {
            return Err(Error::new(Code::ContextKeyNotFound, "its sender did not come back in time"));
        }
        Ok(Some(Packed { text: id.to_owned(), ttl: ACK_TTL }))
    }

    /// The key under which a peer keeps it.
    pub(super) fn key_at(&self, freight: Freight, id: &str, peer: &Peer) -> String {
        match freight {
            Freight::Letters => letter::inbox_key(&peer.hostname, id),
            Freight::Acks => format!("ack:{}", self.0.identity.hostname),
        }
    }

    /// What was carried to a peer is there, or never will be.
    pub(super) async fn settle(&self, freight: Freight, id: &str, to: &Party, outcome: Outcome) -> Result<()> {
        let action = if matches!(outcome, Outcome::Delivered(_)) { "delivered" } else { "failed" };
        let (carried, by) = (id.to_owned(), to.clone());
        let settle = self.0.context.change(0, move |batch| {
            let (now, txn) = (batch.now(), batch.beside());
            Ok(Ok(match freight {
                Freight::Letters => Ledger::open(txn)?.settle(&carried, &by, &outcome, now)?,
                Freight::Acks => {
                    ledger::told(txn, &carried)?;
                    false
                }
            }))
        });
        if settle.await? {
            self.tell(action, id, Some(&to.name));
            self.0.moved.send_replace(());
        }
        Ok(())
    }
}

fn random() -> Result<u16> {
    let mut bytes = [0; 2];
    SystemRandom::new().fill(&mut bytes).map_err(|cause| Error::internal("the system has no random numbers", cause))?;
    Ok(u16::from_le_bytes(bytes))
}

fn too_large(bytes: usize) -> Error {
    Error::new(Code::ContextValueTooLarge, format!("the message has {bytes} bytes; at most {ENVELOPE_BYTES} are allowed"))
        .hint("Send large data as a file: loopsy send.")
}

fn not_sent(id: &str, peer: &str) -> Error {
    Error::new(Code::ContextKeyNotFound, format!("no message {id} was sent to {peer}")).hint("List them with: loopsy message outbox")
}
