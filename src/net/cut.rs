//! Ending a stream from outside, whoever holds it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// The means to end one stream: at its next read or write, under way or to come, it is broken.
#[derive(Debug, Default)]
pub struct Cut {
    done: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    others: Notify,
}

/// Which half of a stream waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Half {
    Read,
    Write,
}

impl Cut {
    /// Ends the stream.
    pub fn cut(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.reader.wake();
        self.writer.wake();
        self.others.notify_waiters();
    }
    /// Waits until the stream is ended, for who neither reads nor writes meanwhile.
    pub async fn done(&self) {
        // It hears from here on, so that nothing is missed between the two.
        let told = self.others.notified();
        if !self.done.load(Ordering::SeqCst) {
            told.await;
        }
    }

    /// A step of the stream, unless it has been ended.
    pub(super) fn guard<T>(
        &self,
        half: Half,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let ended = || Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        if self.done.load(Ordering::Relaxed) {
            return ended();
        }
        let polled = step(cx);
        if polled.is_pending() {
            match half {
                Half::Read => self.reader.register(cx.waker()),
                Half::Write => self.writer.register(cx.waker()),
            }
            // It may have been ended before the waker was in its place.
            if self.done.load(Ordering::SeqCst) {
                return ended();
            }
        }
        polled
    }
}

/// Streams that are ended together, and none is opened any more then. Those that are gone already cost nothing.
#[derive(Debug, Default)]
pub struct Cuts {
    streams: Vec<Weak<Cut>>,
    ended: bool,
}

impl Cuts {
    /// One more stream; where the others were ended, it is too.
    pub fn add(&mut self, cut: &Arc<Cut>) {
        if self.ended {
            return cut.cut();
        }
        // Looked through each time that it has doubled, so that adding stays cheap.
        if self.streams.len() == self.streams.capacity() {
            self.streams.retain(|known| known.strong_count() > 0);
        }
        self.streams.push(Arc::downgrade(cut));
    }
    /// Ends them.
    pub fn cut(&mut self) {
        self.ended = true;
        self.streams.drain(..).filter_map(|cut| cut.upgrade()).for_each(|cut| cut.cut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_the_end_hears_of_it_before_and_after() {
        let cut = Cut::default();
        let mut waiting = Box::pin(cut.done());
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        cut.cut();
        waiting.await;
        cut.done().await;
    }

    #[test]
    fn a_stream_that_comes_too_late_is_ended_with_the_others() {
        let (mut cuts, [first, late]) = (Cuts::default(), [Arc::<Cut>::default(), Arc::default()]);
        cuts.add(&first);
        assert!(!first.done.load(Ordering::SeqCst));
        cuts.cut();
        cuts.add(&late);
        assert!([first, late].iter().all(|cut| cut.done.load(Ordering::SeqCst)));
    }
}
