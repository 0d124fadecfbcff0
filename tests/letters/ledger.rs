//! What the people know of their messages, and what the machines have to say about them in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use loopsy::api::messages::{Inbox, MessageInbox, MessageOutbox, MessageState, Outbox, Received};
use loopsy::base::Result;
use loopsy::client::Link;

/// Most that is asked for at once.
const PAGE: u64 = 1000;

/// A message that a machine has taken.
#[derive(Debug)]
pub struct Letter {
    pub from: usize,
    pub to: usize,
    pub body: String,
    /// Whether its time may be over before it is read.
    pub is_short_lived: bool,
}

/// What is known.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Those that were taken, by id.
    pub taken: BTreeMap<String, Letter>,
    /// Those whose reader was told that the acknowledgement is on the disk.
    pub acked: BTreeSet<String>,
    /// Those whose acknowledgement was tried at least.
    pub may_be_acked: BTreeSet<String>,
}

/// All messages in an inbox.
///
/// # Errors
/// Where the daemon can't be asked.
pub async fn inbox(link: &Link) -> Result<Vec<Received>> {
    let (mut all, mut since) = (Vec::new(), None);
    loop {
        let Inbox { messages, cursor, more } = link.call(&MessageInbox { since, limit: Some(PAGE), ..MessageInbox::default() }).await?;
        all.extend(messages);
        since = Some(cursor);
        if !more {
            return Ok(all);
        }
    }
}

/// The states of all messages that a machine has sent, by id; each goes to one recipient.
///
/// # Errors
/// Where the daemon can't be asked.
pub async fn outbox(link: &Link) -> Result<HashMap<String, MessageState>> {
    let (mut all, mut before) = (HashMap::new(), None);
    loop {
        let Outbox { messages, more } = link.call(&MessageOutbox { limit: Some(PAGE), before: before.take() }).await?;
        before = messages.last().map(|message| message.id.clone());
        for message in messages {
            let [recipient] = &message.to[..] else { panic!("not one recipient: {message:?}") };
            assert!(all.insert(message.id.clone(), recipient.state).is_none(), "{} is in the outbox twice", message.id);
        }
        if !more {
            return Ok(all);
        }
    }
}

impl Ledger {
    /// Judges an inbox in the middle of it all; `acked` is what had been acknowledged for sure before it was asked for.
    pub fn look(&self, names: &[&str], reader: usize, inbox: &[Received], acked: &BTreeSet<String>) {
        let mut seen = BTreeSet::new();
        for message in inbox {
            let id = &message.envelope.id;
            assert!(seen.insert(id), "{id} is in the inbox of {} twice", names[reader]);
            assert!(!acked.contains(id), "{id} was acknowledged and came back to {}", names[reader]);
            assert_eq!((&message.malformed, message.envelope.to.as_str()), (&None, names[reader]), "{message:?}");
            if let Some(letter) = self.taken.get(id) {
                assert_eq!((message.sender.as_str(), &message.envelope.body), (names[letter.from], &letter.body), "{message:?}");
            }
        }
    }
    /// Judges all inboxes and outboxes when everything has come to rest; what is wrong, one line each.
    pub fn judge(&self, names: &[&str], inboxes: &[Vec<Received>], outboxes: &[HashMap<String, MessageState>]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (reader, inbox) in inboxes.iter().enumerate() {
            self.look(names, reader, inbox, &self.acked);
        }
        let waiting: BTreeMap<&str, usize> =
            (0..).zip(inboxes).flat_map(|(at, inbox)| inbox.iter().map(move |message| (message.envelope.id.as_str(), at))).collect();
        for (id, letter) in &self.taken {
            let state = outboxes[letter.from].get(id);
            let is_there = waiting.get(id.as_str()) == Some(&letter.to);
            let is_right = match state {
                Some(MessageState::Acked) => self.may_be_acked.contains(id) && !is_there,
                Some(MessageState::Delivered) => is_there && !self.acked.contains(id),
                Some(MessageState::Expired) => letter.is_short_lived && !is_there,
                Some(MessageState::Queued | MessageState::Failed) | None => false,
            };
            if !is_right {
                let acked = if self.acked.contains(id) { "acknowledged" } else { "not known to be acknowledged" };
                let place = if is_there { "in the inbox" } else { "not in the inbox" };
                wrong.push(format!("{id} from {} to {}: {state:?}, {place}, {acked}, {letter:?}", names[letter.from], names[letter.to]));
            }
        }
        // What was written, but whose writer was not told so, may have come; then its machine knows of it.
        for (at, inbox) in inboxes.iter().enumerate() {
            for message in inbox.iter().filter(|message| !self.taken.contains_key(&message.envelope.id)) {
                let is_known = outboxes.iter().any(|outbox| outbox.contains_key(&message.envelope.id));
                if !is_known {
                    wrong.push(format!("{} in the inbox of {} comes from nowhere", message.envelope.id, names[at]));
                }
            }
        }
        wrong
    }
}
