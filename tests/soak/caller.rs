//! Requests of a machine's owner, whose answers are judged by their form.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use loopsy::api::wire::{ERROR, PEER};
use loopsy::base::Code;
use loopsy::net::{Address, Network};
use serde_json::Value;

use super::support::raw::{Answer, Raw};
use super::support::sim::OWNER;
use super::tally::{Ended, Tally};

/// Longer than any fault lasts, so that whoever was stopped or cut off can still answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Refusals that have nothing to do with a fault.
const USUAL: [Code; 6] = [
    Code::ContextConflict,
    Code::ContextKeyNotFound,
    Code::ExecMaxConcurrent,
    Code::AiTaskMaxConcurrent,
    Code::AiTaskNotFound,
    Code::TransferFileNotFound,
];

/// What came of a request.
pub enum Outcome {
    Done(Answer),
    /// Refused, with the code in the answer.
    Refused(Code, String),
    /// Nobody knows whether it was done.
    Lost(String),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done(answer) => write!(f, "{} {:.200}", answer.status, String::from_utf8_lossy(&answer.body)),
            Self::Refused(code, message) => write!(f, "{code:?}, {message}"),
            Self::Lost(why) => write!(f, "no whole answer, {why}"),
        }
    }
}

impl Outcome {
    /// The answer to what was done.
    pub fn done(self) -> Option<Answer> {
        if let Self::Done(answer) = self { Some(answer) } else { None }
    }
}

/// One request.
pub struct Asked<'a> {
    pub kind: &'static str,
    pub method: Method,
    pub target: &'a str,
    /// The peer whom one's own daemon is to ask.
    pub via: Option<&'a str>,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Bytes,
}

/// A client of the daemon of its own machine.
pub struct Caller {
    raw: Raw,
    tally: Arc<Tally>,
}

impl Caller {
    pub fn new(address: Address, tally: Arc<Tally>) -> Self {
        Self { raw: Raw::new(&Network::Sockets, address), tally }
    }
    /// Sends JSON.
    pub async fn json(&self, kind: &'static str, method: Method, target: &str, via: Option<&str>, body: &Value) -> Outcome {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.ask(Asked { kind, method, target, via, headers: &[("content-type", "application/json")], body }).await
    }
    /// Sends a request. In calm weather it must be answered, and with nothing but what is usual.
    pub async fn ask(&self, asked: Asked<'_>) -> Outcome {
        let begun = Instant::now();
        let (kind, target) = (asked.kind, format!("{} {} {}", asked.method, asked.target, asked.via.unwrap_or_default()));
        let outcome = self.attempt(asked).await;
        let ended = match &outcome {
            Outcome::Done(_) => Ended::Done,
            Outcome::Refused(code, _) => {
                self.tally.refusal(*code);
                Ended::Refused
            }
            Outcome::Lost(_) => Ended::Lost,
        };
        self.tally.count(kind, ended);
        let is_usual = match &outcome {
            Outcome::Done(_) => true,
            Outcome::Refused(code, _) => USUAL.contains(code),
            Outcome::Lost(_) => false,
        };
        if !is_usual && self.tally.is_calm_since(begun) {
            self.tally.violation(format!("{target} after {:.1} s: {outcome}", begun.elapsed().as_secs_f64()));
        }
        outcome
    }
    /// The same, uncounted: whatever comes is right as long as it has the right form.
    pub async fn attempt(&self, asked: Asked<'_>) -> Outcome {
        let Asked { method, target, via, headers, body, .. } = asked;
        let bearer = format!("Bearer {OWNER}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        all.extend(via.map(|peer| (PEER, peer)));
        let told = format!("{method} {target} {}", via.unwrap_or_default());
        match tokio::time::timeout(PATIENCE, self.raw.try_send(method, target, &all, body)).await {
            Ok(Ok(answer)) => self.judge(&told, answer),
            Ok(Err(cause)) => Outcome::Lost(cause.to_string()),
            Err(_) => Outcome::Lost("no answer in time".into()),
        }
    }
    fn judge(&self, told: &str, answer: Answer) -> Outcome {
        if answer.status.is_success() {
            let is_json = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
            if is_json && serde_json::from_slice::<Value>(&answer.body).is_err() {
                self.tally.violation(format!("{told}: not JSON: {answer:?}"));
            }
            return Outcome::Done(answer);
        }
        match failure(&answer) {
            // There is nothing that the daemon could do about that, and it says so in words.
            Ok((Code::Internal, message)) if !message.ends_with("too many open files") => {
                self.tally.violation(format!("{told}: an internal error: {message}"));
                Outcome::Refused(Code::Internal, message)
            }
            Ok((code, message)) => Outcome::Refused(code, message),
            Err(why) => {
                self.tally.violation(format!("{told}: {why}: {answer:?}"));
                Outcome::Lost(why.into())
            }
        }
    }
}

/// The code and the message of a failure, which has the form that the API promises.
fn failure(answer: &Answer) -> Result<(Code, String), &'static str> {
    let body: Value = serde_json::from_slice(&answer.body).map_err(|_| "a failure that is not JSON")?;
    let number = body["error"]["code"].as_u64().and_then(|number| u16::try_from(number).ok()).ok_or("a failure without a code")?;
    let code = Code::from_number(number).ok_or("a code that is in no table")?;
    let message = body["error"]["message"].as_str().unwrap_or_default();
    if message.is_empty() || message.contains('\n') || message.contains("os error") || message.contains("panicked") {
        return Err("a message that is none for people");
    }
    if code.status() != answer.status.as_u16() {
        return Err("a status that is not the code's");
    }
    if answer.header(ERROR).is_some_and(|told| told != number.to_string()) {
        return Err("a header that is not the code's");
    }
    Ok((code, message.to_owned()))
}
