//! Room on the disk.

use std::io;
use std::path::Path;

/// How much room a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// The room where a file or folder lies.
#[cfg(unix)]
pub fn space(path: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(path)?;
    let unit = if stat.f_frsize == 0 { stat.f_bsize } else { stat.f_frsize };
    Ok(Space { free: stat.f_bavail.saturating_mul(unit), total: stat.f_blocks.saturating_mul(unit) })
}

/// The room where a file or folder lies.
#[cfg(windows)]
#[expect(unsafe_code, reason = "the system's function has no safe wrapper")]
pub fn space(path: &Path) -> io::Result<Space> {
    use std::os::windows::ffi::OsStrExt;
    use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
    // It asks for a folder, of those that are there.
    let folder = if std::fs::metadata(path)?.is_dir() { path } else { path.parent().unwrap_or(path) };
    let name: Vec<u16> = folder.as_os_str().encode_wide().chain([0]).collect();
    let mut space = Space { free: 0, total: 0 };
    // SAFETY: the name ends with a zero, and both numbers outlive the call.
    if unsafe { GetDiskFreeSpaceExW(name.as_ptr(), &mut space.free, &mut space.total, std::ptr::null_mut()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(space)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_no_more_free_than_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path()).unwrap();
        assert!(space.total > 0 && space.free <= space.total);
        assert!(super::space(&dir.path().join("missing")).is_err());
    }
}
