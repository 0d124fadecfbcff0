//! What comes here: letters of peers, taken once each; reading them, waiting for them, acknowledging them.

use ring::digest::{SHA256, digest};

use super::Messages;
use super::courier::Freight;
use super::ledger::{self, Ledger, Owed, Party};
use super::{letter, limit_of, seen};
use crate::api::Caller;
use crate::api::context::{ContextEntry, ContextSet};
use crate::api::messages::{Acknowledged, Inbox, MessageAck, MessageInbox};
use crate::base::clock::{self, Millis};
use crate::base::id::is_reserved;
use crate::base::text::claimed_name;
use crate::base::{Code, Error, Result};
use crate::service::context::batch::New;
use crate::service::context::letters::{self, Letter};
use crate::service::context::rules;

/// Bytes of letters after which an answer takes no more.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
const DAY: Millis = 24 * 3600 * 1000;
const WEEK: Millis = 7 * DAY;

impl Messages {
    /// Writes an entry whose key begins with one of the reserved words: a letter, or an acknowledgement. The owner may write
    /// any; a peer may put letters for this machine, and acknowledge in its own name.
    pub async fn take(&self, caller: &Caller, op: ContextSet) -> Result<ContextEntry> {
        let for_peer = |what: &str| {
            Error::new(Code::AuthForbidden, format!("{} may not write {what}", caller.name()))
                .hint("A peer may write 'inbox:<this machine>:<id>' and 'ack:<itself>'; use other keys for shared state.")
        };
        if op.key.starts_with(letters::INBOX) {
            let parts = letter::parts(&op.key);
            if !caller.is_owner() && parts.is_none() {
                return Err(Error::invalid("the key is not 'inbox:<recipient>:<id of a message>'"));
            }
            if !caller.is_owner() && parts.is_none_or(|(to, _)| !self.is_me(to)) {
                return Err(for_peer("the inbox of another machine"));
            }
            let writer = parts.and_then(|(_, id)| letter::pieces(id)).map_or("", |(_, writer, _)| writer);
            if caller.peer().is_some_and(|peer| self.0.peers.is_another(peer, writer)) {
                return Err(for_peer("a message with the id of another machine's"));
            }
            return self.take_letter(caller, op).await;
        }
        if let Some(by) = op.key.strip_prefix("ack:").filter(|_| !caller.is_owner()) {
            let peer = caller.peer().unwrap_or_default();
            if !self.0.peers.is_called(peer, by) {
                return Err(for_peer("an acknowledgement of another machine"));
            }
            letter::check_id("value", op.value.trim())?;
            let by = Party { name: self.0.peers.speaker(caller), node_id: caller.node_id.clone() };
            return self.take_ack(op, by).await;
        }
        if !caller.is_owner() {
            return Err(for_peer("this machine's outbox"));
        }
        self.0.context.set(caller, op).await
    }

    /// Whether a recipient is this machine.
    fn is_me(&self, recipient: &str) -> bool {
        let hostname = &self.0.identity.hostname;
        // Others know the name as it is fit to be shown.
        recipient.eq_ignore_ascii_case(hostname) || recipient.eq_ignore_ascii_case(&claimed_name(hostname))
    }

    async fn take_letter(&self, caller: &Caller, op: ContextSet) -> Result<ContextEntry> {
        let when = rules::check(&op)?;
        let (sender, from_node_id) = (self.0.peers.speaker(caller), caller.node_id.clone());
        let (taken_id, is_owner) = (letter::parts(&op.key).map(|(_, id)| id.to_owned()), caller.is_owner());
        let done = self.0.context.change(op.key.len() + op.value.len(), move |batch| {
            let new = New { key: &op.key, value: &op.value, ttl: op.ttl, from_node_id: &from_node_id, sender: &sender };
            let Some((_, id)) = letter::parts(&op.key) else { return Ok(batch.set(&new, when)?.map(|entry| (entry, false))) };
            let digest = digest(&SHA256, op.value.as_bytes());
            let lies_there = batch.get(&op.key)?;
            let known = match seen::find(batch.around(), id)? {
                Some(seen) => Some(seen.digest == digest.as_ref()),
                // Letters from before there was a memory of them.
                None if !is_owner => lies_there.map(|entry| entry.value.as_ref() == Some(&op.value)),
                None => None,
            };
            let now = batch.now();
            match known {
                Some(true) => return Ok(Ok((receipt(&new, now), false))),
                Some(false) => {
                    let what = format!("another message with the id {id} came already");
                    return Ok(Err(Error::new(Code::ContextConflict, what).hint("Send it under an id of its own.")));
                }
                None => {}
            }
            // What a peer may ask for depends on nothing that it could learn by asking.
            let when = if is_owner { when } else { rules::Precondition::NONE };
            let set = batch.set(&new, when)?;
            if let Ok(entry) = &set {
                seen::remember(batch.beside(), id, digest.as_ref(), &op.key, entry.expires_at, now)?;
            }
            Ok(set.map(|_| (receipt(&new, now), true)))
        });
        let (entry, is_new) = done.await?;
        taken_id.iter().filter(|_| is_new).for_each(|id| self.tell("received", id, caller.peer()));
        Ok(entry)
    }

    async fn take_ack(&self, op: ContextSet, by: Party) -> Result<ContextEntry> {
        rules::check(&op)?;
        let (id, peer) = (op.value.trim().to_owned(), by.name.clone());
        let done = self.0.context.change(op.key.len() + op.value.len(), move |batch| {
            let new = New { key: &op.key, value: op.value.trim(), ttl: op.ttl, from_node_id: &by.node_id, sender: "" };
            if let Err(error) = batch.set(&new, rules::Precondition::NONE)? {
                return Ok(Err(error));
            }
            let now = batch.now();
            let is_news = Ledger::open(batch.beside())?.acked(new.value, &by, now)?;
            Ok(Ok((receipt(&new, now), is_news)))
        });
        let (entry, is_news) = done.await?;
        if is_news {
            self.tell("acked", &id, Some(&peer));
        }
        Ok(entry)
    }

    /// The letters that lie here, in order of receipt; waits for one where that is asked for and there is none.
    pub async fn inbox(&self, op: &MessageInbox) -> Result<Inbox> {
        let (limit, since) = (limit_of(op.limit)?, op.since.unwrap_or(0));
        self.waited(op.wait, || {
            let page = self.0.context.read(|txn| letters::after(txn, since, limit, PAGE_BYTES, clock::now()))?;
            let cursor = page.found.last().map_or(since, |letter| letter.entry.version);
            let messages: Vec<_> = page.found.into_iter().map(|Letter { entry, sender }| letter::read(entry, sender)).collect();
            let is_enough = !messages.is_empty();
            Ok((Inbox { messages, cursor, more: page.more }, is_enough))
        })
        .await
    }

    /// Takes a letter out of the inbox for good, and has its sender told.
    pub async fn acknowledge(&self, op: MessageAck) -> Result<Acknowledged> {
        letter::check_id("id", &op.id)?;
        let id = op.id.clone();
        let usual_key = letter::inbox_key(&self.0.identity.hostname, &id);
        let done = self.0.context.change(id.len(), move |batch| {
            let known = seen::find(batch.around(), &id)?;
            let key = known.as_ref().map_or(usual_key, |seen| seen.key.clone());
            let Some(entry) = batch.get(&key)? else {
                return Ok(match known {
                    Some(seen) if seen.acked => Ok(Done::Before),
                    _ => Err(no_letter(&id)),
                });
            };
            let to = Party { name: letters::sender(batch.around(), entry.version)?, node_id: entry.from_node_id.clone() };
            if let Err(error) = batch.delete(&key, rules::Precondition::NONE)? {
                return Ok(Err(error));
            }
            let now = batch.now();
            let txn = batch.beside();
            if known.is_none() {
                seen::remember(txn, &id, &[], &key, entry.expires_at, now)?;
            }
            seen::acknowledge(txn, &id)?;
            // The owner need not be told, and who calls with an old key of the owner's can't be.
            let is_peer = !to.name.is_empty() && !is_reserved(&to.name);
            if is_peer {
                // As long as its sender may still wonder.
                let until = entry.expires_at.unwrap_or(now + WEEK).max(now) + DAY;
                ledger::owe(txn, &id, &Owed { to: to.clone(), until })?;
            }
            Ok(Ok(Done::Now(Some(to).filter(|_| is_peer))))
        });
        let (messages, id) = (self.clone(), op.id);
        // Whoever asked may go away meanwhile, and the sender is to be told all the same.
        self.to_its_end("acknowledge message", async move {
            let done = done.await?;
            let already = matches!(done, Done::Before);
            if let Done::Now(to) = done {
                messages.tell("acknowledged", &id, to.as_ref().map(|to| to.name.as_str()));
                if let Some(to) = to {
                    messages.carry(Freight::Acks, id.clone(), to);
                }
            }
            Ok(Acknowledged { success: true, id, already })
        })
        .await
    }
}

/// What a peer is told of an entry that it wrote: the same whether it lies there, was read, or came before.
fn receipt(new: &New<'_>, now: Millis) -> ContextEntry {
    ContextEntry {
        key: new.key.to_owned(),
        value: Some(new.value.to_owned()),
        from_node_id: new.from_node_id.to_owned(),
        created_at: now,
        updated_at: now,
        ttl: new.ttl,
        expires_at: rules::end(now, new.ttl),
        version: 0,
    }
}

/// What acknowledging came to.
enum Done {
    /// It had been acknowledged.
    Before,
    /// It is now, and this peer is to be told.
    Now(Option<Party>),
}

fn no_letter(id: &str) -> Error {
    Error::new(Code::ContextKeyNotFound, format!("there is no message {id} in the inbox")).hint("List them with: loopsy message inbox")
}
