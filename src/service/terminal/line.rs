//! What is on its way from a terminal to one of its clients: bounded, however slow the client is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::Ended;
use crate::base::sync::lock;
use crate::platform::pty::Size;

/// Bytes on their way to a client above which the program has to wait.
const FULL: usize = 256 * 1024;
/// Bytes that travel as one piece, where they are there.
const PIECE: usize = 32 * 1024;

/// What a client is told.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// It looks at the terminal from now on, which has this size. Comes first.
    Attached(Size),
    /// Bytes that the terminal shows.
    Shown(Vec<u8>),
    /// The terminal has another size.
    Resized(Size),
    /// The program has ended; nothing follows.
    Ended(Ended),
}

/// The line between a terminal and a client.
pub(super) struct Line {
    state: Mutex<State>,
    /// There is something for the client.
    ready: Notify,
    /// There is something for the terminal's worker: room, or the client is gone. All lines of a terminal share it.
    moved: Arc<Notify>,
}

#[derive(Default)]
struct State {
    news: VecDeque<News>,
    /// Bytes that have not been passed on, what the client is taking right now included.
    bytes: usize,
    /// Of these, what the client is taking right now.
    taken: usize,
    /// Bytes of the last picture, for which the program need not wait.
    picture: usize,
    /// Whether the client has missed something and is to be shown a picture.
    is_behind: bool,
    /// Whether the client has taken all and waits for more.
    is_waiting: bool,
    is_gone: bool,
    is_over: bool,
}

impl Line {
    pub(super) fn new(moved: Arc<Notify>) -> Self {
        Self { state: Mutex::default(), ready: Notify::new(), moved }
    }

    /// Sends bytes on; for nothing where the client has missed some already.
    pub(super) fn show(&self, bytes: &[u8]) {
        let mut state = lock(&self.state);
        if state.is_behind || bytes.is_empty() {
            return;
        }
        state.bytes += bytes.len();
        for part in bytes.chunks(PIECE) {
            match state.news.back_mut() {
                Some(News::Shown(piece)) if piece.len() + part.len() <= PIECE => piece.extend_from_slice(part),
                _ => state.news.push_back(News::Shown(part.to_vec())),
            }
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Tells something else; of several sizes in a row, the last.
    pub(super) fn tell(&self, news: News) {
        let mut state = lock(&self.state);
        if matches!((state.news.back(), &news), (Some(News::Resized(_)), News::Resized(_))) {
            state.news.pop_back();
        }
        state.news.push_back(news);
        drop(state);
        self.ready.notify_one();
    }

    /// Nothing more will come.
    pub(super) fn finish(&self) {
        lock(&self.state).is_over = true;
        self.ready.notify_one();
    }

    /// Whether so much is on its way that the program has to wait.
    pub(super) fn is_full(&self) -> bool {
        let state = lock(&self.state);
        state.bytes > FULL + state.picture
    }

    /// Lets the client miss what it was too slow for.
    pub(super) fn leave_behind(&self) {
        let mut state = lock(&self.state);
        state.is_behind = true;
        state.bytes = state.taken;
        state.news.retain(|news| !matches!(news, News::Shown(_)));
    }

    /// Whether the client has missed something.
    pub(super) fn is_behind(&self) -> bool {
        lock(&self.state).is_behind
    }

    /// Whether a client that has missed something has taken all that was on its way, and can be shown a picture. One that is
    /// stuck has not, and keeps the program waiting once.
    pub(super) fn wants_picture(&self) -> bool {
        let state = lock(&self.state);
        state.is_behind && state.is_waiting && state.news.is_empty()
    }

    /// Shows a picture, after which it has missed nothing.
    pub(super) fn catch_up(&self, picture: &[u8]) {
        let mut state = lock(&self.state);
        (state.is_behind, state.is_waiting) = (false, false);
        state.picture = picture.len();
        drop(state);
        self.show(picture);
    }

    /// Whether the client has left.
    pub(super) fn is_gone(&self) -> bool {
        lock(&self.state).is_gone
    }

    /// The client leaves.
    pub(super) fn leave(&self) {
        lock(&self.state).is_gone = true;
        self.moved.notify_one();
    }

    /// What comes next; nothing at the end. Can be dropped and called again without loss.
    pub(super) async fn next(&self) -> Option<News> {
        loop {
            let (taken, is_over) = self.take();
            self.moved.notify_one();
            if taken.is_some() || is_over {
                return taken;
            }
            let _waiting = Waiting(self);
            self.ready.notified().await;
        }
    }

    /// What comes next if it is there, after what was taken before has been passed on; and whether nothing more will come.
    fn take(&self) -> (Option<News>, bool) {
        let mut state = lock(&self.state);
        let taken = state.news.pop_front();
        state.is_waiting = taken.is_none();
        state.bytes -= state.taken.min(state.bytes);
        state.taken = if let Some(News::Shown(bytes)) = &taken { bytes.len() } else { 0 };
        if taken.is_none() {
            state.picture = 0;
        }
        (taken, state.is_over)
    }
}

/// A client that waits for what comes next, until it is dropped.
struct Waiting<'a>(&'a Line);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).is_waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn line() -> Line {
        Line::new(Arc::default())
    }

    #[tokio::test]
    async fn pieces_that_wait_travel_together_and_in_order() {
        let line = line();
        line.show(b"a");
        line.show(b"b");
        line.tell(News::Resized(Size { cols: 1, rows: 1 }));
        line.tell(News::Resized(Size { cols: 2, rows: 2 }));
        line.show(b"c");
        line.finish();
        let mut all = Vec::new();
        while let Some(news) = line.next().await {
            all.push(news);
        }
        assert_eq!(all, [News::Shown(b"ab".into()), News::Resized(Size { cols: 2, rows: 2 }), News::Shown(b"c".into())]);
    }
    #[tokio::test]
    async fn who_is_too_slow_gets_a_picture_once_it_has_taken_what_was_on_its_way() {
        let line = line();
        while !line.is_full() {
            line.show(&[b'x'; 1000]);
        }
        line.tell(News::Resized(Size { cols: 2, rows: 2 }));
        line.leave_behind();
        line.show(b"missed");
        assert!(!line.is_full() && !line.wants_picture());
        assert!(matches!(line.next().await, Some(News::Resized(_))));
        assert!(!line.wants_picture(), "it may be stuck with what it has taken");
        let mut waiting = Box::pin(line.next());
        assert!((&mut waiting).now_or_never().is_none());
        assert!(line.wants_picture());
        line.catch_up(b"picture");
        line.show(b"more");
        assert_eq!(waiting.await, Some(News::Shown(b"picturemore".into())));
    }
    #[tokio::test]
    async fn who_is_stuck_with_anything_gets_no_picture() {
        let line = line();
        line.leave_behind();
        // Such as a sign of life that was asked for meanwhile.
        assert!(line.next().now_or_never().is_none());
        assert!(!line.wants_picture());
    }
    #[tokio::test]
    async fn much_at_once_comes_in_pieces_and_a_picture_never_makes_the_program_wait() {
        let line = line();
        let picture: Vec<u8> = (0..=255).cycle().take(3 * FULL + 1).collect();
        line.catch_up(&picture);
        assert!(!line.is_full());
        let mut all = Vec::new();
        while let Some(Some(News::Shown(piece))) = line.next().now_or_never() {
            assert!(piece.len() <= PIECE);
            all.extend(piece);
        }
        assert_eq!(all, picture);
        line.show(&vec![0; FULL + 1]);
        assert!(line.is_full());
    }
    #[tokio::test]
    async fn what_is_being_taken_counts_until_it_was_passed_on() {
        let line = line();
        line.show(&vec![0; FULL + 1]);
        line.next().await;
        assert!(line.is_full());
        line.next().await;
        assert!(!line.is_full());
        line.leave_behind();
        assert_eq!(lock(&line.state).bytes, PIECE);
    }
}
