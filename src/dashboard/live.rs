//! One stream of everything that happens on the daemons of this machine, and of the transfers there: a browser has few
//! connections.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::daemons::Daemons;
use crate::api::Operation;
use crate::api::events::EventWatch;
use crate::api::fleet::SessionState;
use crate::api::sse::KEEP_ALIVE;
use crate::api::transfer::TransferWatch;
use crate::base::workers::Workers;
use crate::base::{Result, clock};
use crate::client::Link;
use crate::client::raw::{Answer, Call};
use crate::http::Body;

/// How often a quiet stream says that it is still there.
const QUIET: Duration = Duration::from_secs(15);
/// How often it is looked which daemons run.
const LOOK: Duration = Duration::from_secs(1);
/// Events that a slow reader may be behind; then the daemons wait, and say so in the stream when events are lost.
const BEHIND: usize = 256;

/// The stream, as an answer. What fills it runs among `workers`, until nobody reads.
pub fn answer(daemons: &Daemons, workers: &Workers) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(BEHIND);
    let live = Live { daemons: daemons.clone(), workers: workers.clone(), sender };
    workers.spawn_until_stop("live events", live.run());
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let bytes = match tokio::time::timeout(QUIET, receiver.recv()).await {
            Ok(event) => event?,
            Err(_) => Bytes::from_static(KEEP_ALIVE),
        };
        Some((Ok(Frame::data(bytes)), receiver))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

struct Live {
    daemons: Daemons,
    workers: Workers,
    sender: mpsc::Sender<Bytes>,
}

impl Live {
    /// Follows each daemon that runs, and tells which come and go.
    async fn run(self) {
        let (gone, mut going) = mpsc::unbounded_channel::<String>();
        let mut followed = BTreeSet::new();
        let mut known: Option<BTreeMap<String, bool>> = None;
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                Some(name) = going.recv() => { followed.remove(&name); }
                () = self.sender.closed() => return,
            }
            let Ok(rows) = self.daemons.rows().await else { continue };
            let now: BTreeMap<String, bool> = rows.into_iter().map(|row| (row.name, row.status == SessionState::Running)).collect();
            for (name, action) in known.as_ref().map(|before| changes(before, &now)).unwrap_or_default() {
                let event = json!({ "type": "daemon", "action": action, "subject": name, "ts": clock::now() });
                if self.tell(&json!({ "daemon": name, "event": event })).await.is_none() {
                    return;
                }
            }
            for (name, _) in now.iter().filter(|(_, runs)| **runs) {
                if followed.insert(name.clone()) {
                    self.follow(name.clone(), gone.clone());
                }
            }
            known = Some(now);
        }
    }

    /// Passes on what happens on one daemon, for as long as it tells.
    fn follow(&self, name: String, gone: mpsc::UnboundedSender<String>) {
        let live = Self { daemons: self.daemons.clone(), workers: self.workers.clone(), sender: self.sender.clone() };
        self.workers.spawn_until_stop("events of a daemon", async move {
            let listening = async {
                if let Err(error) = live.listen(&name).await {
                    tracing::debug!(%error, daemon = name, "the events of a daemon ended");
                }
            };
            tokio::select! {
                () = listening => {}
                () = live.sender.closed() => {}
            }
            // Nobody waits for it any more where the stream has ended.
            let _ = gone.send(name);
        });
    }

    async fn listen(&self, name: &str) -> Result<()> {
        let link = self.daemons.line(name).await?;
        let transfers = async {
            // A daemon of an older version, which has run since before this one was installed, can't tell.
            let _ = self.pass_on::<TransferWatch>(&link, |list| json!({ "daemon": name, "transfers": list["transfers"] })).await;
            std::future::pending().await
        };
        tokio::select! {
            ended = self.pass_on::<EventWatch>(&link, |event| json!({ "daemon": name, "event": event })) => ended,
            ended = transfers => ended,
        }
    }

    /// Passes a stream of a daemon on, for as long as there are both it and a reader.
    async fn pass_on<O: Operation>(&self, link: &Link, told: impl Fn(Value) -> Value) -> Result<()> {
        let mut answers = link.raw(&Call { spec: &O::SPEC, fields: Map::new() }).await?;
        while let Some(answer) = answers.next().await? {
            if let Answer::Event(event) = answer
                && self.tell(&told(event)).await.is_none()
            {
                break;
            }
        }
        Ok(())
    }

    async fn tell(&self, told: &Value) -> Option<()> {
        self.sender.send(format!("data: {told}\n\n").into()).await.ok()
    }
}

/// Who has come and who has gone since.
fn changes(before: &BTreeMap<String, bool>, now: &BTreeMap<String, bool>) -> Vec<(String, &'static str)> {
    let ran = |all: &BTreeMap<String, bool>, name: &str| all.get(name).copied().unwrap_or(false);
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let change = |name: &String| match (ran(before, name), ran(now, name)) {
        (false, true) => Some((name.clone(), "started")),
        (true, false) => Some((name.clone(), "stopped")),
        _ => None,
    };
    names.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_and_goes_is_told_once() {
        let all = |pairs: &[(&str, bool)]| pairs.iter().map(|(name, runs)| ((*name).to_owned(), *runs)).collect::<BTreeMap<_, _>>();
        let (before, now) = (
            all(&[("main", true), ("a", false), ("b", true), ("c", true)]),
            all(&[("main", true), ("a", true), ("b", false), ("d", false)]),
        );
        let told: Vec<_> = [("a", "started"), ("b", "stopped"), ("c", "stopped")].map(|(name, action)| (name.to_owned(), action)).into();
        assert_eq!(changes(&before, &now), told);
        assert_eq!(changes(&now, &now), []);
    }
}
