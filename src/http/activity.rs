//! Whether anything is asked on a connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::body::{Body, Broken};
use crate::base::sync::lock;

/// The requests of one connection, the answers that are still being sent included. Clones are the same.
#[derive(Clone)]
pub struct Activity(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    idle: Notify,
}

struct State {
    under_way: usize,
    /// A request has begun, at any time.
    asked: bool,
    /// Since when nothing has been under way.
    since: Instant,
}

/// A request that is under way until this is dropped.
pub struct UnderWay(Activity);

impl Default for Activity {
    /// A connection that begins now.
    fn default() -> Self {
        let state = State { under_way: 0, asked: false, since: Instant::now() };
        Self(Arc::new(Shared { state: Mutex::new(state), idle: Notify::new() }))
    }
}

impl Activity {
    /// A request begins.
    pub fn begin(&self) -> UnderWay {
        let mut state = lock(&self.0.state);
        state.under_way += 1;
        state.asked = true;
        UnderWay(self.clone())
    }
    /// Whether there has been a request.
    pub fn was_asked(&self) -> bool {
        lock(&self.0.state).asked
    }
    /// Waits until nothing has been under way for this long: before the first request, and after it.
    pub async fn quiet(&self, before: Duration, after: Duration) {
        loop {
            let until = {
                let state = lock(&self.0.state);
                (state.under_way == 0).then(|| state.since + if state.asked { after } else { before })
            };
            match until {
                None => self.0.idle.notified().await,
                Some(until) if until <= Instant::now() => return,
                Some(until) => tokio::time::sleep_until(until).await,
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let shared = &self.0.0;
        let mut state = lock(&shared.state);
        state.under_way -= 1;
        if state.under_way == 0 {
            state.since = Instant::now();
            shared.idle.notify_one();
        }
    }
}

/// The body of an answer, under way until it is sent.
pub struct Sending {
    body: Body,
    _under_way: UnderWay,
}

impl UnderWay {
    /// Goes on for as long as this body is sent.
    pub fn sending(self, body: Body) -> Sending {
        Sending { body, _under_way: self }
    }
}

impl hyper::body::Body for Sending {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Duration = Duration::from_secs(10);
    const AFTER: Duration = Duration::from_secs(60);

    async fn waits(activity: &Activity) -> Duration {
        let began = Instant::now();
        activity.quiet(BEFORE, AFTER).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_quiet_from_its_last_answer_on() {
        let activity = Activity::default();
        assert_eq!(waits(&activity).await.as_secs(), 10);
        let (first, second) = (activity.begin(), activity.begin().sending(crate::http::body::empty()));
        drop(first);
        let long = async {
            tokio::time::sleep(AFTER * 100).await;
            drop(second);
        };
        assert_eq!(tokio::join!(waits(&activity), long).0.as_secs(), 6060);
        drop(activity.begin());
        assert_eq!(waits(&activity).await.as_secs(), 60);
    }
}
