//! A folder held open, and what can be done to the names in it. Nothing here follows a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::{fs, io::Errno};

use super::stat::{Kind, Stat};

/// A folder that is held open: renaming or replacing what leads to it does not lead anywhere else.
///
/// Names given to its methods must be single components; [`Dir::open`] alone takes a path.
#[derive(Debug)]
pub struct Dir(OwnedFd);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// Never blocks on a FIFO that was put in the place of a file.
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Folders on the way are only passed through, which needs less permission than reading them.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = FOLDER;

impl Dir {
    /// Opens a folder by an absolute path without links, one component after the other: a link that is put into the
    /// path after it was resolved makes this fail. With `make`, missing folders are made, and are on disk afterwards.
    pub fn open(path: &Path, make: bool) -> io::Result<Dir> {
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir => {}
                Component::Normal(name) => names.push(name),
                _ => return Err(Errno::INVAL.into()),
            }
        }
        let Some((last, passed)) = names.split_last() else { return Ok(Dir(fs::open("/", FOLDER, Mode::empty())?)) };
        let mut here = Dir(fs::open("/", PASS, Mode::empty())?);
        for name in passed {
            here = here.step(name, PASS, make)?;
        }
        here.step(last, FOLDER, make)
    }

    fn step(&self, name: &OsStr, flags: OFlags, make: bool) -> io::Result<Dir> {
        match fs::openat(&self.0, name, flags, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                self.make_dir(name, 0o777)?;
                // This handle may be for passing through only, which can't be synced.
                Dir(fs::openat(&self.0, ".", FOLDER, Mode::empty())?).sync()?;
                Ok(Dir(fs::openat(&self.0, name, flags, Mode::empty())?))
            }
            opened => Ok(Dir(opened?)),
        }
    }

    /// Opens a folder in it.
    pub fn dir(&self, name: &OsStr) -> io::Result<Dir> {
        Ok(Dir(fs::openat(&self.0, name, FOLDER, Mode::empty())?))
    }

    /// Opens a file in it for reading.
    ///
    /// # Errors
    /// `InvalidInput` or `IsADirectory`, in words, if it is something else than a file; it is then never opened.
    pub fn file(&self, name: &OsStr) -> io::Result<(File, Stat)> {
        // A look first: opening a device can already do something.
        self.stat(name)?.file()?;
        let file = File::from(fs::openat(&self.0, name, FILE | OFlags::RDONLY, Mode::empty())?);
        let stat = stat(&file)?.file()?;
        Ok((file, stat))
    }

    /// Makes a file for writing and reading; there must be nothing of that name.
    pub fn create(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = FILE | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(fs::openat(&self.0, name, flags, bits(mode))?.into())
    }

    /// Opens a file of ours for writing and reading, as [`Dir::create`] left it.
    pub fn reopen(&self, name: &OsStr) -> io::Result<(File, Stat)> {
        self.stat(name)?.file()?;
        let file = File::from(fs::openat(&self.0, name, FILE | OFlags::RDWR, Mode::empty())?);
        let stat = stat(&file)?.file()?;
        // Somebody else's could still be changed by them after it was checked.
        if stat.owner != rustix::process::geteuid().as_raw() {
            return Err(Errno::PERM.into());
        }
        Ok((file, stat))
    }

    /// The facts of a name; of a link itself, not of where it points.
    pub fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?.into())
    }

    /// The names in it, sorted by their bytes.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where a link points, as it is written.
    pub fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        Ok(OsString::from_vec(fs::readlinkat(&self.0, name, Vec::new())?.into_bytes()))
    }

    /// Makes a link.
    pub fn make_link(&self, name: &OsStr, target: &OsStr) -> io::Result<()> {
        Ok(fs::symlinkat(target, &self.0, name)?)
    }

    /// Makes a folder; one that is there is fine.
    pub fn make_dir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        match fs::mkdirat(&self.0, name, bits(mode)) {
            Err(Errno::EXIST) => Ok(()),
            made => Ok(made?),
        }
    }

    /// Gives a file or link of this folder another name in it; a file or link of that name is replaced.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Removes a file or link.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Sets its own permission bits.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(fs::fchmod(&self.0, bits(mode))?)
    }

    /// Sets its own time of the last change, nanoseconds since the epoch.
    pub fn set_modified(&self, nanoseconds: i128) -> io::Result<()> {
        Ok(fs::futimens(&self.0, &times(nanoseconds))?)
    }

    /// Brings its names to disk.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0)?)
    }

    /// Brings everything that was written to its file system to disk.
    pub fn sync_all(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        fs::syncfs(&self.0)?;
        #[cfg(not(target_os = "linux"))]
        fs::sync();
        Ok(())
    }
}

/// The facts of an open file.
pub fn stat(file: &File) -> io::Result<Stat> {
    Ok(fs::fstat(file)?.into())
}

/// Sets a file's permission bits.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(fs::fchmod(file, bits(mode))?)
}

/// Sets a file's time of the last change, nanoseconds since the epoch.
pub fn set_modified(file: &File, nanoseconds: i128) -> io::Result<()> {
    Ok(fs::futimens(file, &times(nanoseconds))?)
}

/// Reads at a position; fewer bytes than asked for only at the end.
pub fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match rustix::io::pread(file, &mut buffer[read..], position + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(read)
}

/// Lets the disk begin with a part of a file that was just written, so that syncing the whole at the end is short.
#[cfg_attr(target_os = "linux", expect(unsafe_code, reason = "sync_file_range has no safe wrapper; it takes only numbers"))]
pub fn begin_sync(file: &File, position: u64, length: u64) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        // SAFETY: the descriptor is open as long as `file` is borrowed, and no memory is passed. A failure is not told: this
        // promises nothing, and the sync at the end tells all.
        unsafe { libc::sync_file_range(file.as_raw_fd(), position as i64, length as i64, libc::SYNC_FILE_RANGE_WRITE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, position, length);
}

/// Brings a file to disk that is one of many: [`Dir::sync_all`] does it for all of them here.
pub fn sync_one(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Locks a file against others that lock it so; `WouldBlock` where somebody does. Its content can still be read.
pub fn try_lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    })
}

/// The same file for reading with [`read_at`] on another thread, while its bytes are read or written in order here.
pub fn second_reader(file: &File) -> io::Result<File> {
    file.try_clone()
}

/// A name from its bytes in an archive.
///
/// # Errors
/// `InvalidInput` for what is no name of a file on this system.
pub fn name_of(bytes: &[u8]) -> io::Result<OsString> {
    Ok(OsStr::from_bytes(bytes).to_owned())
}

/// Where a link points, from its bytes in an archive.
pub fn target_of(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}

/// A path that a caller gave, in this system's form.
pub fn local(given: &str) -> PathBuf {
    given.into()
}

/// Fails where a path means something else than a file or folder, by its words alone: never on this system.
pub fn check_form(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Where a path begins that stands in `folder`; nothing where that is no place for files.
pub(super) fn start_of(path: &Path, folder: PathBuf) -> Option<PathBuf> {
    Some(if path.has_root() { "/".into() } else { folder })
}

/// A path without links in the one form in which it is compared: here there is but one.
pub(super) fn settled(path: PathBuf) -> io::Result<PathBuf> {
    Ok(path)
}

fn times(nanoseconds: i128) -> Timestamps {
    let seconds = nanoseconds.div_euclid(1_000_000_000).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.rem_euclid(1_000_000_000) as _ },
    }
}

fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o777) as _)
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
