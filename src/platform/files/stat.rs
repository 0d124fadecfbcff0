//! What a name in a folder stands for.

use std::io;

use rustix::fs::{self, FileType};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file with content.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
}

impl Kind {
    /// With its article, for a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Kind::File => "a file",
            Kind::Directory => "a directory",
            Kind::Symlink => "a symbolic link",
            Kind::Fifo => "a FIFO",
            Kind::Socket => "a socket",
            Kind::Device => "a device",
        }
    }
}

/// The facts of a file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Permission bits, without set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Time of the last change of the content, nanoseconds since the epoch.
    pub modified_ns: i128,
    /// When anything about it was last changed, milliseconds since the epoch; nobody can set this.
    pub touched: i64,
    /// Number of the file in its file system.
    pub inode: u64,
    /// Its owner.
    pub owner: u32,
}

impl Stat {
    /// Time of the last change of the content, milliseconds since the epoch.
    pub fn modified(&self) -> i64 {
        self.modified_ns.div_euclid(1_000_000) as i64
    }
    /// Whether it is the same content as far as size and time can tell.
    pub fn same_content(&self, other: &Stat) -> bool {
        (self.inode, self.size, self.modified_ns) == (other.inode, other.size, other.modified_ns)
    }
    /// This, or an error that says what it is instead of a file.
    pub fn file(self) -> io::Result<Stat> {
        if self.kind == Kind::File {
            return Ok(self);
        }
        let kind = if self.kind == Kind::Directory { io::ErrorKind::IsADirectory } else { io::ErrorKind::InvalidInput };
        Err(io::Error::new(kind, format!("it is {}", self.kind.words())))
    }
}

#[expect(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the widths of these fields differ between systems")]
impl From<fs::Stat> for Stat {
    fn from(stat: fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::RegularFile => Kind::File,
            _ => Kind::Device,
        };
        Self {
            kind,
            size: stat.st_size.max(0) as u64,
            mode: u32::from(stat.st_mode) & 0o777,
            modified_ns: i128::from(stat.st_mtime) * 1_000_000_000 + stat.st_mtime_nsec as i128,
            touched: (stat.st_ctime as i64).saturating_mul(1000) + stat.st_ctime_nsec as i64 / 1_000_000,
            inode: stat.st_ino as u64,
            owner: stat.st_uid,
        }
    }
}
