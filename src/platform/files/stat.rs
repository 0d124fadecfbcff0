//! What a name in a folder stands for.

use std::io;

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
    /// Permission bits, without set-user-id, set-group-id and sticky; the usual ones where the system has none.
    pub mode: u32,
    /// Time of the last change of the content, nanoseconds since the epoch.
    pub modified_ns: i128,
    /// When anything about it was last changed, milliseconds since the epoch; on Unix nobody can set this.
    pub touched: i64,
    /// Number of the file in its file system.
    pub inode: u64,
    /// Its owner; 0 where the system has no number for that.
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
