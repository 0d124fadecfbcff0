//! People who write, read and acknowledge messages all the time, whatever happens to their machines.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use loopsy::api::messages::{MessageAck, MessageSend, Received};
use loopsy::base::sync::lock;
use loopsy::base::{Code, Result};
use loopsy::client::Link;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::ledger::{Ledger, Letter, inbox, outbox};
use crate::support::dice::Dice;

/// How long a message with a short life lives, seconds.
const SHORT: f64 = 5.0;
/// How its body begins.
const HASTE: &str = "in haste";
/// How often people look whether everything has come to rest.
const LOOK: Duration = Duration::from_millis(250);

/// Everybody, and the lines to their machines, which change when those are started again.
pub struct People {
    names: [&'static str; 3],
    lines: [watch::Receiver<Link>; 3],
    /// How many messages are to be taken.
    count: usize,
    /// How long a writer may rest between two.
    rest: Duration,
    ledger: Mutex<Ledger>,
}

/// What a machine that may be killed at any moment answers; a failure is that it is not there, and nothing worse.
fn unless_killed<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.code == Code::PeerUnreachable => None,
        Err(error) => panic!("{error}"),
    }
}

impl People {
    pub fn new(names: [&'static str; 3], lines: [watch::Receiver<Link>; 3], count: usize, rest: Duration) -> Self {
        Self { names, lines, count, rest, ledger: Mutex::default() }
    }
    fn line(&self, at: usize) -> Link {
        self.lines[at].borrow().clone()
    }
    pub fn all_written(&self) -> bool {
        lock(&self.ledger).taken.len() >= self.count
    }
    async fn pause(&self, dice: &mut Dice) {
        sleep(Duration::from_millis(dice.below(self.rest.as_millis() as u64))).await;
    }
    /// Writes to the others until enough is taken.
    pub async fn write(&self, from: usize, mut dice: Dice) {
        for number in 1.. {
            if self.all_written() {
                return;
            }
            let to = (from + 1 + dice.below(2) as usize) % 3;
            let is_short_lived = dice.below(20) == 0;
            let (body, ttl) =
                if is_short_lived { (format!("{HASTE} {from}/{number}"), Some(SHORT)) } else { (format!("letter {from}/{number}"), None) };
            let send = MessageSend { to: self.names[to].into(), body: body.clone(), ttl, ..MessageSend::default() };
            if let Some(sent) = unless_killed(self.line(from).call(&send).await) {
                let letter = Letter { from, to, body, is_short_lived };
                assert!(lock(&self.ledger).taken.insert(sent.id.clone(), letter).is_none(), "the id {} was given twice", sent.id);
            }
            self.pause(&mut dice).await;
        }
    }
    /// Reads, and acknowledges about half of it, until everything is written.
    pub async fn read(&self, reader: usize, mut dice: Dice) {
        while !self.all_written() {
            self.pause(&mut dice).await;
            let acked = lock(&self.ledger).acked.clone();
            let Some(messages) = unless_killed(inbox(&self.line(reader)).await) else { continue };
            lock(&self.ledger).look(&self.names, reader, &messages, &acked);
            for message in messages {
                if dice.below(2) == 0 {
                    self.acknowledge(reader, &message).await;
                }
            }
        }
    }
    async fn acknowledge(&self, reader: usize, message: &Received) {
        let id = &message.envelope.id;
        lock(&self.ledger).may_be_acked.insert(id.clone());
        let result = self.line(reader).call(&MessageAck { id: id.clone() }).await;
        if result.as_ref().is_err_and(|error| error.code == Code::ContextKeyNotFound) && message.envelope.body.starts_with(HASTE) {
            // Its time was over before it was acknowledged.
        } else if unless_killed(result).is_some() {
            lock(&self.ledger).acked.insert(id.clone());
        }
    }
    /// Acknowledges all that is left.
    pub async fn read_the_rest(&self) {
        for reader in 0..3 {
            for message in inbox(&self.line(reader)).await.unwrap() {
                self.acknowledge(reader, &message).await;
            }
        }
    }
    /// Waits until the machines, which all run now, have told each other everything; then everything has to be right.
    pub async fn settle(&self, limit: Duration) {
        let began = Instant::now();
        loop {
            let wrong = self.wrong().await;
            if wrong.is_empty() {
                return;
            }
            assert!(began.elapsed() < limit, "{} of {} are wrong:\n{}", wrong.len(), self.count, wrong.join("\n"));
            sleep(LOOK).await;
        }
    }
    async fn wrong(&self) -> Vec<String> {
        let (mut inboxes, mut outboxes) = (Vec::new(), Vec::new());
        for at in 0..3 {
            outboxes.push(outbox(&self.line(at)).await.unwrap());
            inboxes.push(inbox(&self.line(at)).await.unwrap());
        }
        lock(&self.ledger).judge(&self.names, &inboxes, &outboxes)
    }
    /// The whole life of the messages: written and read while fate has its way, settled when it has come to rest.
    pub async fn live(&self, dice: &mut Dice, mut is_calm: watch::Receiver<bool>, patience: Duration) {
        let writers = (0..9).map(|writer| self.write(writer % 3, dice.another())).collect::<Vec<_>>();
        let readers = (0..3).map(|reader| self.read(reader, dice.another())).collect::<Vec<_>>();
        tokio::join!(join_all(writers), join_all(readers));
        is_calm.wait_for(|calm| *calm).await.unwrap();
        self.settle(patience).await;
        self.read_the_rest().await;
        self.settle(patience).await;
        // What has come to rest stays as it is.
        sleep(patience / 10).await;
        self.settle(Duration::ZERO).await;
    }
}
