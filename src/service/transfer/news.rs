//! What the journal hears of files that come and go.

use std::path::Path;

use futures_util::StreamExt;

use super::Transfer;
use super::running::Passage;
use crate::api::events::{Notice, NoticeType};
use crate::api::transfer::Direction;
use crate::api::{Caller, Download, Piece};
use crate::base::Result;
use crate::service::journal::Journal;

impl Transfer {
    /// Tells what came of something that arrived: where it is and how many bytes, or what was asked for and why it is not there.
    pub(super) fn tell_arrival<T>(&self, caller: &Caller, asked: &str, result: &Result<T>, facts: impl Fn(&T) -> (&str, u64)) {
        let told = |action, path: &str| Notice::new(NoticeType::Transfer, action, path).peer(caller.peer());
        self.journal.push(match result.as_ref().map(facts) {
            Ok((path, bytes)) => told("received", path).detail("bytes", bytes),
            Err(error) => told("failed", asked).detail("code", error.code.number()),
        });
    }
    /// Tells of something that leaves once it has, or once nobody wants it any more.
    pub(super) fn tell_departure(&self, caller: &Caller, path: &Path, download: Download) -> Download {
        let path = path.display().to_string();
        let passage = self.running.begin(Direction::Out, &path, caller.peer(), download.offset, download.size);
        let notice = Notice::new(NoticeType::Transfer, "failed", path).peer(caller.peer());
        let left = download.size.map(|size| size - download.offset);
        let mut departure = Departure { journal: self.journal.clone(), notice, passage, left, passed: 0, is_whole: false };
        let body = download.body.inspect(move |piece| departure.saw(piece));
        Download { body: Box::pin(body), ..download }
    }
}

/// Something on its way out; told when it is dropped.
struct Departure {
    journal: Journal,
    notice: Notice,
    passage: Passage,
    /// Bytes that are to leave, where that is known before.
    left: Option<u64>,
    passed: u64,
    is_whole: bool,
}

impl Departure {
    fn saw(&mut self, piece: &Result<Piece>) {
        match piece {
            Ok(Piece::Data(bytes)) => {
                self.passed += bytes.len() as u64;
                self.passage.add(bytes.len());
            }
            Ok(Piece::Checksum(_)) => self.is_whole = true,
            Err(_) => {}
        }
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        // Whoever wants no checksum does not wait for it.
        let is_whole = self.is_whole || self.left == Some(self.passed);
        let action = if is_whole { "sent" } else { "failed" };
        self.journal.push(Notice { action: action.into(), ..self.notice.clone() }.detail("bytes", self.passed));
    }
}
