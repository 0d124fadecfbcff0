//! A folder that arrives as a tar stream: each file is written beside its place and renamed into it whole, and
//! everything is brought to disk once, at the end.
//!
//! Entries are read raw, because the `tar` crate would read a long name of any length into memory.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType, Header, PaxExtensions};
use tokio_util::sync::CancellationToken;

use super::arrive::{mismatch, too_large};
use super::flow::{Inflow, pour};
use super::part::Part;
use super::tree_out::read_time;
use super::walk::{DEEPEST, MOST_ENTRIES};
use crate::api::Pieces;
use crate::api::transfer::TreeReceived;
use crate::base::error::io_words;
use crate::base::hash::Sha256;
use crate::base::{Code, Error, Result, id};
use crate::platform::files::{self, Dir, Kind, part_name};

/// Bytes of the longest record in front of an entry: a path of 4096 bytes and some more.
const LONGEST_RECORD: u64 = 64 * 1024;
const CHUNK: usize = 256 * 1024;

/// What may be written below a folder.
pub trait Gate: Send + 'static {
    /// Whether a file or folder may be put at this relative path.
    fn may_write(&self, path: &Path) -> Result<()>;
    /// Whether a link to `target`, as it is written, may be put at this relative path.
    fn may_link(&self, path: &Path, target: &Path) -> Result<()>;
}

/// Receives a folder into one that is there. `limit` is the most bytes of a file.
///
/// # Errors
/// What arrived before the failure stays, each file whole.
pub async fn receive(
    root: Dir,
    checksum: Option<String>,
    limit: u64,
    gate: impl Gate,
    body: Pieces,
    stop: &CancellationToken,
) -> Result<TreeReceived> {
    pour(body, stop, move |inflow| {
        let mut arrival = TreeArrival { root: &root, gate: &gate, limit, done: TreeReceived::default(), folders: Vec::new(), here: None };
        arrival.take(inflow, checksum)?;
        Ok(arrival.done)
    })
    .await
}

struct TreeArrival<'a> {
    root: &'a Dir,
    gate: &'a dyn Gate,
    limit: u64,
    done: TreeReceived,
    /// Folders whose mode and time are set at the end, when nothing is put into them any more.
    folders: Vec<(PathBuf, Facts)>,
    /// The folder that was used last.
    here: Option<(PathBuf, Dir)>,
}

#[derive(Clone, Copy)]
struct Facts {
    mode: u32,
    modified_ns: i128,
}

impl TreeArrival<'_> {
    fn take(&mut self, inflow: Inflow, checksum: Option<String>) -> Result<()> {
        let mut archive = Archive::new(Hashed { inflow, hash: Sha256::default() });
        let mut records = Records::default();
        let mut buffer = vec![0; CHUNK];
        for entry in archive.entries().map_err(unreadable)?.raw(true) {
            let mut entry = entry.map_err(unreadable)?;
            let kind = entry.header().entry_type();
            if records.take(kind, &mut entry)? {
                continue;
            }
            let records = std::mem::take(&mut records);
            if self.done.files + self.done.directories + self.done.links >= MOST_ENTRIES as u64 {
                return Err(Error::new(Code::TransferTooLarge, format!("there are more than {MOST_ENTRIES} files")));
            }
            let header = entry.header().clone();
            self.entry(kind, &header, records, &mut entry, &mut buffer)?;
        }
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(unreadable)?;
        self.done.checksum = rest.hash.finish();
        for expected in checksum.as_deref().into_iter().chain(rest.inflow.checksum()) {
            if !expected.eq_ignore_ascii_case(&self.done.checksum) {
                return Err(mismatch("the folder"));
            }
        }
        self.finish_folders()?;
        self.root.sync_all().map_err(|error| super::failed("the folder", &error))
    }

    fn entry(&mut self, kind: EntryType, header: &Header, records: Records, content: &mut dyn Read, buffer: &mut [u8]) -> Result<()> {
        let bytes = records.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let path = relative(&bytes)?;
        let shown = path.display().to_string();
        let failed = |error: io::Error| super::failed(&shown, &error);
        let facts = Facts {
            mode: header.mode().map_err(unreadable)? & 0o777,
            modified_ns: match records.modified_ns {
                Some(time) => time,
                None => i128::from(header.mtime().map_err(unreadable)?) * 1_000_000_000,
            },
        };
        let Some(name) = path.file_name() else { return Ok(()) };
        self.gate.may_write(&path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let kind = if kind.is_file() && bytes.ends_with(b"/") { EntryType::Directory } else { kind };
        match kind {
            EntryType::Directory => {
                let parent = self.folder(folder)?;
                if parent.stat(name).is_err() {
                    parent.make_dir(name, facts.mode | 0o700).map_err(failed)?;
                    self.done.directories += 1;
                }
                self.folder(&path)?;
                self.folders.push((path, facts));
            }
            EntryType::Regular | EntryType::Continuous => {
                let size = header.entry_size().map_err(unreadable)?;
                if size > self.limit {
                    return Err(too_large(&shown, self.limit));
                }
                if records.size.is_some_and(|announced| announced != size) {
                    return Err(refused(&shown, "has two sizes"));
                }
                write_file(self.folder(folder)?, name, (size, facts), content, buffer).map_err(failed)?;
                self.done.files += 1;
                self.done.size += size;
            }
            EntryType::Symlink => {
                let target = records.link.or_else(|| header.link_name_bytes().map(|name| name.into_owned())).unwrap_or_default();
                let target = files::target_of(&target);
                self.gate.may_link(&path, Path::new(&target))?;
                write_link(self.folder(folder)?, name, &target).map_err(failed)?;
                self.done.links += 1;
            }
            EntryType::Link => return Err(refused(&shown, "is a hard link")),
            EntryType::Fifo => return Err(refused(&shown, "is a FIFO")),
            EntryType::Block | EntryType::Char => return Err(refused(&shown, "is a device")),
            _ => return Err(refused(&shown, "is of a kind that is not known here")),
        }
        Ok(())
    }

    /// The folder at a relative path, made if it is missing; never through a link.
    fn folder(&mut self, path: &Path) -> Result<&Dir> {
        if self.here.as_ref().is_none_or(|(here, _)| here != path) {
            let failed = |error: io::Error| super::failed(&path.display().to_string(), &error);
            let mut dir = self.root.dir(OsStr::new(".")).map_err(failed)?;
            for name in path {
                dir = match dir.dir(name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        self.done.directories += 1;
                        dir.make_dir(name, 0o777).and_then(|()| dir.dir(name))
                    }
                    Err(_) if dir.stat(name).is_ok_and(|stat| stat.kind == Kind::Symlink) => {
                        return Err(refused(&path.display().to_string(), "leads through a link"));
                    }
                    opened => opened,
                }
                .map_err(failed)?;
            }
            self.here = Some((path.to_owned(), dir));
        }
        match &self.here {
            Some((_, dir)) => Ok(dir),
            None => Ok(self.root),
        }
    }

    fn finish_folders(&mut self) -> Result<()> {
        while let Some((path, facts)) = self.folders.pop() {
            let dir = self.folder(&path)?;
            dir.set_mode(facts.mode)
                .and_then(|()| dir.set_modified(facts.modified_ns))
                .map_err(|error| super::failed(&path.display().to_string(), &error))?;
        }
        Ok(())
    }
}

fn write_file(dir: &Dir, name: &OsStr, (size, facts): (u64, Facts), content: &mut dyn Read, buffer: &mut [u8]) -> io::Result<()> {
    match dir.stat(name) {
        Ok(stat) if stat.kind != Kind::Symlink => stat.file().map(|_| ())?,
        _ => {}
    }
    let part = Part::new(dir, facts.mode)?;
    let mut left = size;
    while left > 0 {
        match content.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                (&part.file).write_all(&buffer[..count])?;
                left -= count as u64;
            }
        }
    }
    files::set_mode(&part.file, facts.mode)?;
    files::set_modified(&part.file, facts.modified_ns)?;
    files::sync_one(&part.file)?;
    part.finish(name)
}

fn write_link(dir: &Dir, name: &OsStr, target: &OsStr) -> io::Result<()> {
    let part = OsString::from(part_name(&id::request()));
    dir.make_link(&part, target)?;
    let renamed = dir.rename(&part, name);
    if renamed.is_err() {
        let _ = dir.remove(&part);
    }
    renamed
}

/// What stands in front of an entry because its header has no room for it.
#[derive(Default)]
struct Records {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    modified_ns: Option<i128>,
    size: Option<u64>,
}

impl Records {
    /// Takes a record in; answers false if it is none, but an entry.
    fn take(&mut self, kind: EntryType, content: &mut impl Read) -> Result<bool> {
        match kind {
            EntryType::GNULongName => self.path = Some(text(content)?),
            EntryType::GNULongLink => self.link = Some(text(content)?),
            EntryType::XHeader => {
                let record = read_record(content)?;
                let mut fields = HashMap::new();
                for field in PaxExtensions::new(&record) {
                    let field = field.map_err(unreadable)?;
                    fields.insert(field.key_bytes().to_vec(), field.value_bytes().to_vec());
                }
                let number = |key: &str| fields.get(key.as_bytes()).and_then(|value| std::str::from_utf8(value).ok());
                self.modified_ns = number("mtime").and_then(read_time);
                self.size = number("size").and_then(|size| size.parse().ok());
                self.path = fields.remove(b"path".as_slice()).or(self.path.take());
                self.link = fields.remove(b"linkpath".as_slice()).or(self.link.take());
            }
            EntryType::XGlobalHeader => drop(read_record(content)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn text(content: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = read_record(content)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn read_record(content: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.take(LONGEST_RECORD + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST_RECORD {
        return Err(Error::invalid("a name in the tar stream is too long"));
    }
    Ok(bytes)
}

/// A path of an entry, if it stays below the folder by its words alone.
fn relative(bytes: &[u8]) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    for (index, part) in bytes.split(|byte| *byte == b'/').enumerate() {
        match part {
            b"" if index == 0 => return Err(refused(&shown(), "is not a relative path")),
            b"" | b"." => {}
            b".." => return Err(refused(&shown(), "leads out of the folder")),
            part if part.contains(&0) => return Err(refused(&shown(), "has a zero byte in its name")),
            part => {
                path.push(files::name_of(part).map_err(|error| refused(&shown(), &format!("can't be put here: {}", io_words(&error))))?)
            }
        }
    }
    if path.components().count() > DEEPEST + 1 {
        return Err(refused(&shown(), "is too deep"));
    }
    Ok(path)
}

fn refused(shown: &str, why: &str) -> Error {
    Error::invalid(format!("the tar stream's entry {shown:?} {why}"))
}

fn unreadable(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return super::failed("the tar stream", &error);
    }
    Error::invalid(format!("the tar stream can't be read: {error}"))
}

/// Hashes what is read.
struct Hashed {
    inflow: Inflow,
    hash: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inflow.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
