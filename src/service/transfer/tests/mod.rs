//! What must hold when callers, connections and files are hostile.
#![expect(clippy::disallowed_methods, reason = "tests put files of other programs in place")]

mod files;
mod resume;
mod trees;

use std::fs;
use std::net::Ipv4Addr;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::*;
use crate::api::caller::Role;
use crate::api::{Permission, Piece};
use crate::home::config::Config;

struct House {
    _keep: tempfile::TempDir,
    home: PathBuf,
    transfer: Transfer,
}

/// A home in a folder of its own, which is also the only one that is allowed.
fn house() -> House {
    house_with(|_| {})
}

fn house_with(change: impl FnOnce(&mut Config)) -> House {
    let keep = tempfile::tempdir().unwrap();
    let home = keep.path().canonicalize().unwrap().join("ann");
    fs::create_dir_all(home.join(".loopsy")).unwrap();
    let mut config = Config::default();
    change(&mut config);
    let settings = Settings::new(config);
    let paths = Paths::new(settings.clone(), home.clone(), vec![home.join(".loopsy")]);
    House { _keep: keep, transfer: Transfer::new(paths, settings, Journal::default()), home }
}

fn kai() -> Caller {
    let role = Role::Peer { name: "kai".into(), permissions: Permission::ALL.to_vec(), legacy: false };
    Caller::new(role, "kai".into(), Ipv4Addr::LOCALHOST.into())
}

fn sha(content: &[u8]) -> String {
    let mut hash = Sha256::default();
    hash.update(content);
    hash.finish()
}

/// A body that arrives in pieces of odd sizes.
fn body(content: &[u8]) -> Pieces {
    let pieces: Vec<_> = content.chunks(100_003).map(|chunk| Ok(Piece::Data(Bytes::copy_from_slice(chunk)))).collect();
    Box::pin(stream::iter(pieces))
}

/// A body that breaks off behind `content`.
fn broken(content: &[u8]) -> Pieces {
    Box::pin(body(content).chain(stream::iter([Err(Error::new(Code::TransferFailed, "the connection broke"))])))
}

fn put(path: &str) -> Put {
    Put { path: path.into(), ..Put::default() }
}

/// Content that differs everywhere.
fn content(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

async fn read(mut body: Pieces) -> Result<(Vec<u8>, Option<String>)> {
    let (mut content, mut checksum) = (Vec::new(), None);
    while let Some(piece) = body.next().await {
        match piece? {
            Piece::Data(bytes) => content.extend_from_slice(&bytes),
            Piece::Checksum(sum) => checksum = Some(sum),
        }
    }
    Ok((content, checksum))
}

impl House {
    async fn receive(&self, put: Put, body: Pieces) -> Result<Received> {
        self.transfer.receive(&kai(), put, body).await
    }
    async fn code(&self, put: Put, body: Pieces) -> Option<Code> {
        self.receive(put, body).await.err().map(|error| error.code)
    }
    async fn pull(&self, path: &str, offset: u64) -> Result<(Vec<u8>, Option<String>)> {
        read(self.transfer.send(&kai(), path, Part { offset, etag: None }).await?.body).await
    }
    /// Names in a folder of the home, hidden ones too.
    fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.home.join(folder)).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names.retain(|name| name != ".loopsy");
        names
    }
    fn fifo(&self, name: &str) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, self.home.join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }
}
