//! Tickets: a browser can't send headers with a WebSocket, so it shows one of these, once.

use std::sync::Mutex;

use crate::base::clock::{self, Millis};
use crate::base::secret::{Digest, Secret};
use crate::base::sync::lock;
use crate::base::{Code, Error, Result};

/// How long a ticket can be used.
const LIFE: Millis = 30 * 1000;
/// Tickets that wait to be used; one more ends the oldest.
const MOST: usize = 256;

/// What a ticket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// Whose login it is.
    pub login: String,
    /// Where the socket is.
    pub path: String,
    /// The peer that the daemon there is to send it on to.
    pub peer: Option<String>,
}

struct Ticket {
    digest: Digest,
    until: Millis,
    journey: Journey,
}

/// The tickets that are out.
#[derive(Default)]
pub struct Tickets(Mutex<Vec<Ticket>>);

impl Tickets {
    /// Hands one out.
    pub fn give(&self, journey: Journey) -> Result<Secret> {
        let (secret, now) = (Secret::generate()?, clock::now());
        let mut all = lock(&self.0);
        all.retain(|ticket| now < ticket.until);
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push(Ticket { digest: secret.digest(), until: now + LIFE, journey });
        Ok(secret)
    }
    /// Takes one back, and says what it is for.
    ///
    /// # Errors
    /// `AUTH_FORBIDDEN` for one that was used, is too old or never was.
    pub fn take(&self, ticket: &str) -> Result<Journey> {
        let (given, now) = (Digest::of(ticket), clock::now());
        let mut all = lock(&self.0);
        all.retain(|ticket| now < ticket.until);
        let at = all.iter().position(|ticket| ticket.digest == given);
        at.map(|at| all.remove(at).journey)
            .ok_or_else(|| Error::new(Code::AuthForbidden, "the ticket was used already, or is too old").hint("Ask for another one."))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn journey() -> Journey {
        Journey { login: "l".into(), path: "/d/main/api/v1/x".into(), peer: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_good_once_and_for_half_a_minute() {
        clock::follow_runtime();
        let tickets = Tickets::default();
        let ticket = tickets.give(journey()).unwrap();
        assert_eq!(tickets.take(ticket.expose()).unwrap(), journey());
        assert!(tickets.take(ticket.expose()).is_err() && tickets.take("").is_err());
        let late = tickets.give(journey()).unwrap();
        tokio::time::advance(Duration::from_millis(LIFE)).await;
        assert!(tickets.take(late.expose()).is_err());
    }

    #[test]
    fn tickets_are_bounded() {
        let tickets = Tickets::default();
        let first = tickets.give(journey()).unwrap();
        (0..MOST).for_each(|_| drop(tickets.give(journey()).unwrap()));
        assert!(tickets.take(first.expose()).is_err());
        assert_eq!(lock(&tickets.0).len(), MOST);
    }
}
