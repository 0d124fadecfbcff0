//! A folder held open, and what can be done to the names in it. Nothing here follows a link.
//!
//! Every folder on the way is held open without leave to rename or remove it, so that the path stays the way to the same
//! folder as long as it is used. Names that would mean something else than a file in that folder never reach the system.
#![expect(unsafe_code, reason = "file ids, locks beyond a file's end and second handles have no safe wrappers")]

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem::zeroed;
use std::os::windows::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, symlink_dir, symlink_file};
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use windows_sys::Win32::Foundation::{ERROR_LOCK_VIOLATION, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_GENERIC_READ, FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TRAVERSE, FILE_WRITE_ATTRIBUTES,
    GetFileInformationByHandle, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, ReOpenFile,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::drive_path;
use super::stat::{Kind, Stat};

const SHARED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
/// Who holds a folder so does not let it be renamed or removed.
const PINNED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE;
const NOT_THROUGH_LINKS: u32 = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;

/// A folder that is held open: renaming or replacing what leads to it does not lead anywhere else.
///
/// Names given to its methods must be single components; [`Dir::open`] alone takes a path.
#[derive(Debug)]
pub struct Dir {
    path: PathBuf,
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    _here: File,
    _above: Option<Arc<Held>>,
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

fn text(path: &OsStr) -> io::Result<&str> {
    path.to_str().ok_or_else(|| refused("a name in it is not Unicode"))
}

fn open(path: &Path, access: u32, share: u32) -> io::Result<File> {
    OpenOptions::new().access_mode(access).share_mode(share).custom_flags(NOT_THROUGH_LINKS).open(path)
}

impl Dir {
    /// Opens a folder by an absolute path without links, one component after the other: a link that is put into the
    /// path after it was resolved makes this fail. With `make`, missing folders are made.
    pub fn open(path: &Path, make: bool) -> io::Result<Dir> {
        let mut here: Option<Dir> = None;
        let names: Vec<_> = path.components().collect();
        let [Component::Prefix(_), Component::RootDir, names @ ..] = &names[..] else { return Err(ErrorKind::InvalidInput.into()) };
        let root: PathBuf = path.components().take(2).collect();
        let passed = if names.is_empty() { FILE_LIST_DIRECTORY } else { FILE_TRAVERSE };
        here.replace(Dir::held(root, passed, None)?);
        for (index, name) in names.iter().enumerate() {
            let (Some(above), Component::Normal(name)) = (&here, name) else { return Err(ErrorKind::InvalidInput.into()) };
            let access = if index + 1 == names.len() { FILE_LIST_DIRECTORY } else { FILE_TRAVERSE };
            let next = match above.step(name, access) {
                Err(error) if make && error.kind() == ErrorKind::NotFound => {
                    above.make_dir(name, 0o777)?;
                    above.step(name, access)?
                }
                opened => opened?,
            };
            here = Some(next);
        }
        here.ok_or_else(|| ErrorKind::InvalidInput.into())
    }

    fn held(path: PathBuf, access: u32, above: Option<Arc<Held>>) -> io::Result<Dir> {
        let here = open(&path, access | FILE_READ_ATTRIBUTES, PINNED)?;
        if kind(&here.metadata()?) != Kind::Directory {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Dir { path, held: Arc::new(Held { _here: here, _above: above }) })
    }

    fn step(&self, name: &OsStr, access: u32) -> io::Result<Dir> {
        Self::held(self.at(name)?, access, Some(self.held.clone()))
    }

    fn at(&self, name: &OsStr) -> io::Result<PathBuf> {
        drive_path::check_name(text(name)?).map_err(refused)?;
        Ok(self.path.join(name))
    }

    /// Opens a folder in it.
    pub fn dir(&self, name: &OsStr) -> io::Result<Dir> {
        if name == "." {
            return Ok(Dir { path: self.path.clone(), held: self.held.clone() });
        }
        self.step(name, FILE_LIST_DIRECTORY)
    }

    /// Opens a file in it for reading.
    ///
    /// # Errors
    /// `InvalidInput` or `IsADirectory`, in words, if it is something else than a file; it is then never opened.
    pub fn file(&self, name: &OsStr) -> io::Result<(File, Stat)> {
        self.stat(name)?.file()?;
        let file = open(&self.at(name)?, FILE_GENERIC_READ, SHARED)?;
        let stat = stat(&file)?.file()?;
        Ok((file, stat))
    }

    /// Makes a file for writing and reading; there must be nothing of that name. There are no modes on this system.
    pub fn create(&self, name: &OsStr, _mode: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.at(name)?)
    }

    /// Opens a file of ours for writing and reading, as [`Dir::create`] left it. Whose it is, is not asked on this system.
    pub fn reopen(&self, name: &OsStr) -> io::Result<(File, Stat)> {
        self.stat(name)?.file()?;
        let file = OpenOptions::new().read(true).write(true).custom_flags(NOT_THROUGH_LINKS).open(self.at(name)?)?;
        let stat = stat(&file)?.file()?;
        Ok((file, stat))
    }

    /// The facts of a name; of a link itself, not of where it points.
    pub fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        stat(&open(&self.at(name)?, FILE_READ_ATTRIBUTES, SHARED)?)
    }

    /// The names in it, sorted by their bytes.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = std::fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Where a link points, with `/` between names.
    pub fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let target = std::fs::read_link(self.at(name)?)?.into_os_string();
        Ok(text(&target)?.replace('\\', "/").into())
    }

    /// Makes a link, which this system grants to developers and administrators alone. It is one to a folder where there
    /// is a folder at its end now.
    pub fn make_link(&self, name: &OsStr, target: &OsStr) -> io::Result<()> {
        let link = self.at(name)?;
        let target = local(text(target)?);
        if self.path.join(&target).is_dir() { symlink_dir(target, link) } else { symlink_file(target, link) }
    }

    /// Makes a folder; one that is there is fine.
    pub fn make_dir(&self, name: &OsStr, _mode: u32) -> io::Result<()> {
        match std::fs::create_dir(self.at(name)?) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Gives a file or link of this folder another name in it; a file or link of that name is replaced.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        std::fs::rename(self.at(from)?, self.at(to)?)
    }

    /// Removes a file or link.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        let path = self.at(name)?;
        if std::fs::symlink_metadata(&path)?.file_type().is_symlink_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) }
    }

    /// Nothing to do: there are no modes on this system.
    pub fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    /// Sets its own time of the last change, nanoseconds since the epoch.
    pub fn set_modified(&self, nanoseconds: i128) -> io::Result<()> {
        set_modified(&open(&self.path, FILE_WRITE_ATTRIBUTES, SHARED)?, nanoseconds)
    }

    /// Nothing to do: the system keeps a journal of names, and tells nobody when it is on disk.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Nothing to do: a whole file system is synced for administrators alone, so [`sync_one`] does it file by file.
    pub fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}

fn kind(meta: &Metadata) -> Kind {
    let kind = meta.file_type();
    if kind.is_symlink() {
        Kind::Symlink
    } else if kind.is_dir() {
        Kind::Directory
    } else {
        Kind::File
    }
}

/// The facts of an open file.
pub fn stat(file: &File) -> io::Result<Stat> {
    /// 1601 to 1970, in units of 100 nanoseconds.
    const EPOCH: i128 = 116_444_736_000_000_000;
    let meta = file.metadata()?;
    let kind = kind(&meta);
    let nanoseconds = |time: u64| (i128::from(time) - EPOCH) * 100;
    let touched = nanoseconds(meta.last_write_time().max(meta.creation_time()));
    Ok(Stat {
        kind,
        size: meta.file_size(),
        mode: if kind == Kind::File { 0o644 } else { 0o755 },
        modified_ns: nanoseconds(meta.last_write_time()),
        touched: touched.div_euclid(1_000_000) as i64,
        inode: id(file)?.1,
        owner: 0,
    })
}

/// The volume and the number in it that tell one file from another.
pub(in crate::platform) fn id(file: &File) -> io::Result<(u64, u64)> {
    // SAFETY: all zeros are a value of this structure of numbers.
    let mut facts: BY_HANDLE_FILE_INFORMATION = unsafe { zeroed() };
    // SAFETY: the handle is open as long as `file` is borrowed, and the structure is the one that is asked for.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut facts) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((facts.dwVolumeSerialNumber.into(), (u64::from(facts.nFileIndexHigh) << 32) | u64::from(facts.nFileIndexLow)))
}

/// Nothing to do: there are no modes on this system.
pub fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Sets a file's time of the last change, nanoseconds since the epoch.
pub fn set_modified(file: &File, nanoseconds: i128) -> io::Result<()> {
    let distance = Duration::from_nanos(u64::try_from(nanoseconds.unsigned_abs()).unwrap_or(u64::MAX));
    let time = if nanoseconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    let time: SystemTime = time.ok_or(ErrorKind::InvalidInput)?;
    file.set_times(FileTimes::new().set_modified(time))
}

/// Reads at a position; fewer bytes than asked for only at the end. Moves the place where the file is read in order.
pub fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.seek_read(&mut buffer[read..], position + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Nothing to do: the system can't be told to begin.
pub fn begin_sync(_file: &File, _position: u64, _length: u64) {}

/// Brings a file to disk that is one of many, which [`Dir::sync_all`] does not do here.
pub fn sync_one(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Locks a file against others that lock it so; `WouldBlock` where somebody does. Its content can still be read.
pub fn try_lock(file: &File) -> io::Result<()> {
    // What is locked nobody else can read: a byte that no file has.
    // SAFETY: all zeros are a value of this structure of numbers, and a handle may be null.
    let mut place: OVERLAPPED = unsafe { zeroed() };
    place.Anonymous.Anonymous.Offset = u32::MAX;
    place.Anonymous.Anonymous.OffsetHigh = i32::MAX as u32;
    // SAFETY: the handle is open as long as `file` is borrowed; it is not overlapped, so the structure is used in the call alone.
    let locked = unsafe { LockFileEx(file.as_raw_handle(), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &mut place) };
    if locked != 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(if error.raw_os_error() == Some(ERROR_LOCK_VIOLATION as i32) { ErrorKind::WouldBlock.into() } else { error })
}

/// The same file for reading with [`read_at`] on another thread, while its bytes are read or written in order here.
pub fn second_reader(file: &File) -> io::Result<File> {
    // A duplicate would share the place with the first.
    // SAFETY: the handle is open as long as `file` is borrowed.
    let handle = unsafe { ReOpenFile(file.as_raw_handle(), FILE_GENERIC_READ, SHARED, 0) };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and nobody else has it.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// A name from its bytes in an archive.
///
/// # Errors
/// `InvalidInput` for what is no name of a file on this system.
pub fn name_of(bytes: &[u8]) -> io::Result<OsString> {
    let name = std::str::from_utf8(bytes).map_err(|_| refused("a name in it is not Unicode"))?;
    drive_path::check_name(name).map_err(refused)?;
    Ok(name.into())
}

/// Where a link points, from its bytes in an archive.
pub fn target_of(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// A path that a caller gave, in this system's form.
pub fn local(given: &str) -> PathBuf {
    drive_path::from_posix(given).into()
}

/// Fails where a path means something else than a file or folder, by its words alone: a device, a stream inside of a
/// file, another machine.
pub fn check_form(path: &Path) -> io::Result<()> {
    drive_path::check(text(path.as_os_str())?).map_err(refused)
}

/// Where a path begins that stands in `folder`; nothing where that is no place for files.
pub(super) fn start_of(path: &Path, folder: PathBuf) -> Option<PathBuf> {
    let written = path.to_str()?;
    if let Some(plain) = drive_path::from_verbatim(written) {
        return Some(format!("{}\\", plain[..2].to_uppercase()).into());
    }
    let is_elsewhere = drive_path::check(written).is_err();
    if path.has_root() {
        folder.ancestors().last().map(Path::to_owned).filter(|_| !is_elsewhere)
    } else {
        Some(folder).filter(|_| !is_elsewhere)
    }
}

/// A path without links in the one form in which it is compared: with long names, which short ones stand for.
pub(super) fn settled(path: PathBuf) -> io::Result<PathBuf> {
    for there in path.ancestors() {
        let Ok(canonical) = std::fs::canonicalize(there) else { continue };
        let plain =
            drive_path::from_verbatim(text(canonical.as_os_str())?).ok_or_else(|| refused("the path leads to no drive of this machine"))?;
        return Ok(match path.strip_prefix(there) {
            Ok(rest) if !rest.as_os_str().is_empty() => Path::new(plain).join(rest),
            _ => plain.into(),
        });
    }
    Err(refused("the path leads to no drive of this machine"))
}
