//! A folder that leaves: one tar stream, written while the folder is read.
//!
//! The format is GNU tar with one PAX record in front of a file or folder, its time of change to the nanosecond: without
//! that, what was just transferred would look changed the next time.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use tar::{Builder, EntryType, Header};

use super::flow::{Outflow, spring};
use super::leave::{CHUNK, changed};
use super::walk::{Found, Walk, shown, there};
use crate::api::{Piece, Pieces};
use crate::base::Result;
use crate::base::hash::Sha256;
use crate::base::workers::blocking;
use crate::platform::files::{self, Dir, Kind, Stat};

/// The files, folders and links below a folder as a tar stream, then the stream's checksum.
///
/// `only` are paths as a manifest gives them; what is not there any more is left out. `keep` says which relative paths
/// may be seen. The stream ends in an error if a file is changed while it is read.
pub fn send(root: Dir, only: Option<HashSet<String>>, keep: impl Fn(&Path) -> bool + Send + 'static) -> Pieces {
    spring(move |to| async move { blocking(move || pack(&root, only.as_ref(), &keep, to)).await? })
}

fn pack(root: &Dir, only: Option<&HashSet<String>>, keep: &dyn Fn(&Path) -> bool, to: Outflow) -> Result<()> {
    let mut builder = Builder::new(Hashed { to, hash: Sha256::default(), buffer: BytesMut::with_capacity(CHUNK) });
    let mut unsteady: Option<String> = None;
    let mut visit = |found: &Found<'_>| {
        if only.is_none_or(|only| only.contains(&*files::wire(found.path))) && !append(&mut builder, found)? {
            unsteady.get_or_insert_with(|| shown(found.path));
        }
        Ok(())
    };
    Walk::new(keep, &mut visit).run(root)?;
    let ended = builder.into_inner().and_then(Hashed::end);
    match unsteady {
        Some(path) => Err(changed(&path)),
        None => ended.map_err(|error| super::failed("the folder", &error)),
    }
}

/// Appends one entry; answers false if it was changed meanwhile.
fn append(builder: &mut Builder<Hashed>, found: &Found<'_>) -> Result<bool> {
    let failed = |error: io::Error| super::failed(&shown(found.path), &error);
    match found.stat.kind {
        Kind::Directory => {
            let mut header = header(EntryType::Directory, 0, found.stat);
            stamp(builder, found.stat).and_then(|()| builder.append_data(&mut header, found.path, io::empty())).map_err(failed)?;
        }
        Kind::Symlink => {
            let Some(target) = there(found.dir.read_link(found.name)).map_err(failed)? else { return Ok(true) };
            let mut header = header(EntryType::Symlink, 0, found.stat);
            // The other way would tidy the target up, and the link would differ from then on.
            let appended = match header.set_link_name_literal(target.as_encoded_bytes()) {
                Ok(()) => builder.append_data(&mut header, found.path, io::empty()),
                Err(_) => builder.append_link(&mut header, found.path, target),
            };
            appended.map_err(failed)?;
        }
        _ => {
            let Some((file, stat)) = there(found.dir.file(found.name)).map_err(failed)? else { return Ok(true) };
            let mut header = header(EntryType::Regular, stat.size, &stat);
            stamp(builder, &stat).map_err(failed)?;
            let mut content = (&file).take(stat.size);
            builder.append_data(&mut header, found.path, &mut content).map_err(failed)?;
            if content.limit() > 0 {
                // The header has promised more: whatever follows could not be read.
                return Err(changed(&shown(found.path)));
            }
            return Ok(files::stat(&file).map_err(failed)?.same_content(&stat));
        }
    }
    Ok(true)
}

fn header(kind: EntryType, size: u64, stat: &Stat) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(stat.mode);
    header.set_mtime(stat.modified_ns.div_euclid(1_000_000_000).max(0) as u64);
    header
}

fn stamp(builder: &mut Builder<Hashed>, stat: &Stat) -> io::Result<()> {
    let time = write_time(stat.modified_ns);
    builder.append_pax_extensions([("mtime", time.as_bytes())])
}

/// Nanoseconds since the epoch as PAX writes a time: decimal seconds.
fn write_time(nanoseconds: i128) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let nanoseconds = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

/// Reads what [`write_time`] and other tar programs write.
pub(super) fn read_time(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let time = i128::from(seconds.parse::<u64>().ok()?) * 1_000_000_000 + fraction.parse::<i128>().ok()?;
    Some(if negative { -time } else { time })
}

/// Gathers what is written into pieces, and hashes it.
struct Hashed {
    to: Outflow,
    hash: Sha256,
    buffer: BytesMut,
}

impl Hashed {
    fn pass(&mut self) -> io::Result<()> {
        let piece: Bytes = self.buffer.split().freeze();
        self.hash.update(&piece);
        self.buffer.reserve(CHUNK);
        self.to.send(Piece::Data(piece))
    }
    fn end(mut self) -> io::Result<()> {
        self.flush()?;
        self.to.send(Piece::Checksum(self.hash.finish()))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == CHUNK {
            self.pass()?;
        }
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.pass() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_and_nonsense_is_refused() {
        for time in [0, 1, -1, 1_700_000_000_123_456_789, -1_500_000_000] {
            assert_eq!(read_time(&write_time(time)), Some(time));
        }
        assert_eq!(read_time("12"), Some(12_000_000_000));
        assert_eq!(read_time("12.5"), Some(12_500_000_000));
        for bad in ["", "x", "1.-5", "--1", "1.2.3", "99999999999999999999"] {
            assert_eq!(read_time(bad), None, "{bad}");
        }
    }
}
