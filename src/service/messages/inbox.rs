//! What comes here: letters of peers, taken once each; reading them, waiting for them, acknowledging them.

use ring::digest::{SHA256, digest};

use super::Messages;
use super::courier::Freight;
use super::ledger::{self, Ledger, Owed, Party};
use super::{letter, limit_of, seen};
use crate::api::Caller;
use crate::api::context::{ContextEntry, ContextSet};
use crate::api::messages::{Acknowledged, Inbox, MessageAck, MessageInbox};
use crate::base::clock;
use crate::base::id::is_reserved;
use crate::base::text::printable;
use crate::base::{Code, Error, Result};
use crate::service::context::batch::New;
use crate::service::context::letters::{self, Letter};
use crate::service::context::rules;

/// Bytes of letters after which an answer takes no more.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

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
            return self.take_letter(caller, op).await;
        }
        if let Some(by) = op.key.strip_prefix("ack:").filter(|_| !caller.is_owner()) {
            let peer = caller.peer().unwrap_or_default();
            if !self.0.peers.is_called(peer, by) {
                return Err(for_peer("an acknowledgement of another machine"));
            }
            let by = Party { name: peer.to_owned(), node_id: caller.node_id.clone() };
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
        let shown: String = printable(hostname).chars().take(64).collect();
        recipient.eq_ignore_ascii_case(hostname) || recipient.eq_ignore_ascii_case(&shown)
    }

    async fn take_letter(&self, caller: &Caller, op: ContextSet) -> Result<ContextEntry> {
        let when = rules::check(&op)?;
        let (sender, from_node_id) = (caller.name().to_owned(), caller.node_id.clone());
        let taken_id = letter::parts(&op.key).map(|(_, id)| id.to_owned());
        let done = self
            .0
            .context
            .change(op.key.len() + op.value.len(), move |batch| {
                let new = New { key: &op.key, value: &op.value, ttl: op.ttl, from_node_id: &from_node_id, sender: &sender };
                let Some((_, id)) = letter::parts(&op.key) else { return Ok(batch.set(&new, when)?.map(|entry| (entry, false))) };
                let digest = digest(&SHA256, op.value.as_bytes());
                match seen::find(batch.around(), id)? {
                    Some(seen) if seen.digest == digest.as_ref() => {
                        let now = batch.now();
                        let as_taken = || ContextEntry { key: op.key.clone(), updated_at: now, ..ContextEntry::default() };
                        return Ok(Ok((batch.get(&seen.key)?.unwrap_or_else(as_taken), false)));
                    }
                    Some(_) => {
                        let what = format!("another message with the id {id} came already");
                        return Ok(Err(Error::new(Code::ContextConflict, what).hint("Send it under an id of its own.")));
                    }
                    None => {}
                }
                let set = batch.set(&new, when)?;
                if let Ok(entry) = &set {
                    let now = batch.now();
                    seen::remember(batch.beside(), id, digest.as_ref(), &op.key, entry.expires_at, now)?;
                }
                // Who may put a letter in may not learn from a conflict what lies there.
                Ok(set.map(|entry| (entry, true)).map_err(|error| Error { details: None, ..error }))
            })
            .await;
        let (entry, is_new) = done?;
        taken_id.iter().filter(|_| is_new).for_each(|id| self.tell("received", id, caller.peer()));
        Ok(entry)
    }

    async fn take_ack(&self, op: ContextSet, by: Party) -> Result<ContextEntry> {
        let when = rules::check(&op)?;
        let (id, peer) = (op.value.trim().to_owned(), by.name.clone());
        let done = self
            .0
            .context
            .change(op.key.len() + op.value.len(), move |batch| {
                let new = New { key: &op.key, value: &op.value, ttl: op.ttl, from_node_id: &by.node_id, sender: "" };
                let set = batch.set(&new, when)?;
                let mut is_news = false;
                if set.is_ok() && letter::is_id(op.value.trim()) {
                    let now = batch.now();
                    is_news = Ledger::open(batch.beside())?.acked(op.value.trim(), &by, now)?;
                }
                Ok(set.map(|entry| (entry, is_news)).map_err(|error| Error { details: None, ..error }))
            })
            .await;
        let (entry, is_news) = done?;
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
        let (id, kept) = (op.id.clone(), self.kept());
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
                ledger::owe(txn, &id, &Owed { to: to.clone(), until: now + kept })?;
            }
            Ok(Ok(Done::Now(Some(to).filter(|_| is_peer))))
        });
        let done = done.await?;
        let already = matches!(done, Done::Before);
        if let Done::Now(to) = &done {
            self.tell("acknowledged", &op.id, to.as_ref().map(|to| to.name.as_str()));
        }
        if let Done::Now(Some(to)) = done {
            self.carry(Freight::Acks, op.id.clone(), to);
        }
        Ok(Acknowledged { success: true, id: op.id, already })
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
