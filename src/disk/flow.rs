//! Between streams of pieces and blocking work: bounded channels, so that memory stays flat whoever is slower.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{Piece, Pieces};
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result};

/// Pieces that may wait on the way in; each is what one read from the network gave, at most a few hundred KiB.
const WAITING_IN: usize = 8;
/// Pieces that may wait on the way out, of [`super::leave::CHUNK`] each.
const WAITING_OUT: usize = 2;

enum Arrival {
    Piece(Piece),
    End,
}

/// A stream as blocking work reads it.
pub struct Inflow {
    from: mpsc::Receiver<Arrival>,
    taken: Vec<Arrival>,
    waiting: VecDeque<Arrival>,
    rest: Bytes,
    ended: bool,
    checksum: Option<String>,
}

impl Inflow {
    fn new(from: mpsc::Receiver<Arrival>) -> Self {
        Self { from, taken: Vec::new(), waiting: VecDeque::new(), rest: Bytes::new(), ended: false, checksum: None }
    }

    /// The next content, never empty; `None` at its proper end.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stream broke off before its end.
    pub fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        if self.rest.has_remaining() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        while !self.ended {
            if self.waiting.is_empty() {
                self.from.blocking_recv_many(&mut self.taken, WAITING_IN);
                self.waiting.extend(self.taken.drain(..));
            }
            match self.waiting.pop_front() {
                Some(Arrival::Piece(Piece::Data(bytes))) if bytes.is_empty() => {}
                Some(Arrival::Piece(Piece::Data(bytes))) => return Ok(Some(bytes)),
                Some(Arrival::Piece(Piece::Checksum(sum))) => self.checksum = Some(sum),
                Some(Arrival::End) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(None)
    }

    /// The checksum that came with the content; known at the end.
    pub fn checksum(&self) -> Option<&str> {
        self.checksum.as_deref()
    }
}

impl Read for Inflow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut chunk) = self.next_chunk()? else { return Ok(0) };
        let count = chunk.len().min(buffer.len());
        chunk.copy_to_slice(&mut buffer[..count]);
        self.rest = chunk;
        Ok(count)
    }
}

/// Gives a stream to blocking work and answers its result. Cancelling `stop`, or dropping the future, breaks the
/// stream off for the work, which then cleans up by itself.
///
/// # Errors
/// The work's; the stream's own if that is why the work could not go on.
pub async fn pour<T: Send + 'static>(
    mut body: Pieces,
    stop: &CancellationToken,
    work: impl FnOnce(Inflow) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (to, from) = mpsc::channel(WAITING_IN);
    let pump = async move {
        loop {
            let piece = tokio::select! {
                () = stop.cancelled() => return Err(Error::new(Code::TransferFailed, "a newer transfer of the same file took over")),
                piece = body.next() => piece,
            };
            let arrival = match piece {
                Some(piece) => Arrival::Piece(piece?),
                None => Arrival::End,
            };
            let last = matches!(arrival, Arrival::End);
            // A closed channel means that the work is done, and its result says why.
            if to.send(arrival).await.is_err() || last {
                return Ok(());
            }
        }
    };
    let (pumped, done) = tokio::join!(pump, blocking(move || work(Inflow::new(from))));
    match (pumped, done?) {
        (Err(broken), Err(_)) => Err(broken),
        (_, done) => done,
    }
}

/// Where blocking work puts the pieces that it makes.
#[derive(Clone)]
pub struct Outflow(mpsc::Sender<Result<Piece>>);

impl Outflow {
    /// Hands a piece on, waiting for the reader.
    ///
    /// # Errors
    /// `BrokenPipe` when nobody reads any more.
    pub fn send(&self, piece: Piece) -> io::Result<()> {
        self.0.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// A stream that `work` fills. It begins when the stream is first read, and finds the stream closed when that is dropped.
pub fn spring<F>(work: impl FnOnce(Outflow) -> F) -> Pieces
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (to, mut from) = mpsc::channel(WAITING_OUT);
    let worked = work(Outflow(to));
    let pieces = stream::poll_fn(move |context| from.poll_recv(context));
    let failures = stream::once(worked).filter_map(|done| async { done.err().map(Err) });
    Box::pin(stream::select(pieces, failures))
}
