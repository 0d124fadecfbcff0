//! Server-sent events, both directions: writing one, and reading a stream of them.
//!
//! Format: the HTML standard's event stream. Only `id`, `event` and one-line `data` are used.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use super::operation::Event;
use crate::base::{Code, Error, Failure, Result};

/// Longest event that a reader takes, bytes.
pub const EVENT_LIMIT: usize = 16 * 1024 * 1024;

/// A comment that keeps a quiet connection open.
pub const KEEP_ALIVE: &[u8] = b": still here\n\n";

/// Writes one event.
pub fn write<T: Event>(event: &T) -> Result<Bytes> {
    match event.id() {
        Some(id) => frame(&format!("id: {id}\ndata: "), event),
        None => frame("data: ", event),
    }
}

/// Writes the failure that ends a stream.
pub fn write_failure(error: &Error) -> Bytes {
    frame("event: failure\ndata: ", &Failure { error: error.clone() }).unwrap_or_default()
}

fn frame<T: Serialize>(head: &str, value: &T) -> Result<Bytes> {
    let mut line = Vec::with_capacity(256);
    // JSON escapes every line break, so one value is one line.
    write!(line, "{head}")
        .and_then(|()| serde_json::to_writer(&mut line, value).map_err(Into::into))
        .map_err(|cause| Error::internal("an event could not be written", cause))?;
    line.extend_from_slice(b"\n\n");
    Ok(line.into())
}

/// One event as it was read.
#[derive(Debug, Default, PartialEq)]
pub struct Received {
    /// The event's number.
    pub id: Option<u64>,
    /// Its kind; the empty text for an ordinary one, `failure` for the failure that ends a stream.
    pub event: String,
    /// Its data.
    pub data: Vec<u8>,
}

/// Cuts a stream of bytes into events, whatever the pieces it comes in.
#[derive(Default)]
pub struct Reader {
    buffer: BytesMut,
    current: Received,
    has_data: bool,
}

impl Reader {
    /// Takes in bytes and answers the events that are complete now.
    ///
    /// # Errors
    /// When an event is longer than [`EVENT_LIMIT`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Received>> {
        let scanned = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut from = scanned;
        while let Some(at) = self.buffer[from..].iter().position(|b| *b == b'\n') {
            let line = self.buffer.split_to(from + at + 1);
            from = 0;
            self.line(line[..line.len() - 1].strip_suffix(b"\r").unwrap_or(&line[..line.len() - 1]), &mut events);
        }
        if self.buffer.len() + self.current.data.len() > EVENT_LIMIT {
            return Err(Error::new(Code::PeerHandshakeFailed, "an event of the stream is too long"));
        }
        Ok(events)
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<Received>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.current);
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return;
        }
        let at = line.iter().position(|b| *b == b':').unwrap_or(line.len());
        let (field, value) = (&line[..at], line.get(at + 1..).unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.current.data.push(b'\n');
                }
                self.current.data.extend_from_slice(value);
            }
            b"id" => self.current.id = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
            b"event" => self.current.event = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_whatever_the_pieces() {
        let text = b": hi\n\nid: 7\ndata: {\"a\":1}\n\nevent: failure\r\ndata: x\r\n\r\ndata: y\n\n".as_slice();
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let found: Vec<_> = text.chunks(size).flat_map(|chunk| reader.feed(chunk).unwrap()).collect();
            assert_eq!(found.len(), 3, "{size}");
            assert_eq!((found[0].id, found[0].data.as_slice()), (Some(7), &b"{\"a\":1}"[..]));
            assert_eq!((found[1].event.as_str(), found[1].data.as_slice()), ("failure", &b"x"[..]));
            assert_eq!((found[2].id, found[2].event.as_str()), (None, ""));
        }
    }
    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = Reader::default();
        let chunk = vec![b'x'; 1024 * 1024];
        assert!((0..20).any(|_| reader.feed(&chunk).is_err()));
    }
}
