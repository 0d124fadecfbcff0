//! Two machines that pair, driven by their owners' lines.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use loopsy::api::pairing::{PairConfirm, PairConnect, PairPhase, PairStart, PairState, PairStatus};
use loopsy::base::secret::Secret;
use loopsy::base::{Error, Result};
use loopsy::client::Link;
use loopsy::net::Address;
use serde_json::{Value, json};

use super::node::Node;
use super::program::Program;

/// A yes without more.
pub fn yes() -> PairConfirm {
    PairConfirm { confirmed: true, ..PairConfirm::default() }
}

/// Makes the waiting side show a code.
pub async fn begin(waiting: &Link) -> Secret {
    waiting.call(&PairStart { replace: true }).await.unwrap().invite_code
}

/// The first two steps from the other side.
pub async fn connect(calling: &Link, to: &Address, code: &Secret) -> Result<PairState> {
    calling.call(&PairConnect { address: to.host.clone(), port: to.port, code: code.clone() }).await
}

pub async fn state(link: &Link) -> PairState {
    link.call(&PairStatus::default()).await.unwrap()
}

/// Waits until a side's pairing is as wanted.
pub async fn until(link: &Link, what: &str, wanted: impl Fn(&PairState) -> bool) -> PairState {
    let mut known = state(link).await;
    let waiting = async {
        while !wanted(&known) {
            known = link.call(&PairStatus { wait: Some(60), since: Some(known.revision), ..PairStatus::default() }).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(400), waiting).await.unwrap_or_else(|_| panic!("it never came to: {what}"));
    known
}

pub async fn end(link: &Link) -> PairState {
    until(link, "the end", |state| state.state.is_some_and(PairPhase::is_end)).await
}

/// Pairs with these answers on both sides; how it ended on each.
pub async fn pair(waiting: &Link, calling: &Link, to: &Address, answers: [PairConfirm; 2]) -> [PairState; 2] {
    let code = begin(waiting).await;
    let there = connect(calling, to, &code).await.unwrap();
    let here = state(waiting).await;
    assert_eq!((here.state, there.state), (Some(PairPhase::KeyExchanged), Some(PairPhase::KeyExchanged)));
    assert!(here.sas.is_some() && here.sas == there.sas, "{here:?} {there:?}");
    let [answer_here, answer_there] = answers;
    waiting.call(&answer_here).await.unwrap();
    calling.call(&answer_there).await.unwrap();
    [end(waiting).await, end(calling).await]
}

/// What an answer failed with.
pub fn failure<T>(result: Result<T>) -> Error {
    result.err().unwrap()
}

/// The same by `loopsy pair` on either machine, as scripts do it; `place` is where the waiting one is, as it is typed.
pub fn by_program(waiting: &Program, calling: &Program, place: &str) {
    let mut shown = waiting.command(&["pair", "--yes", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(shown.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    calling.ok(&["pair", place, "--code", told["inviteCode"].as_str().unwrap(), "--yes"]);
    assert!(shown.wait().unwrap().success());
}

/// Two daemons that were paired by their owners: leo, whose people are the testers, and kai.
pub struct Paired {
    pub kai: Node,
    pub leo: Node,
}

impl Paired {
    pub fn start() -> Self {
        Self::with(json!({}))
    }
    /// `more` is laid over kai's configuration.
    pub fn with(more: Value) -> Self {
        let (kai, leo) = (Node::start("kai", more), Node::start("leo", json!({})));
        by_program(&kai.program, &leo.program, &kai.address().to_string());
        Self { kai, leo }
    }
}
