//! Privacy by access lists.
#![expect(unsafe_code, reason = "access lists have no safe wrappers")]

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW,
    SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetFileSecurityW, GetTokenInformation, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
    SECURITY_ATTRIBUTES, SetFileSecurityW, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ADD_FILE, FILE_ATTRIBUTE_NORMAL, FILE_FLAG_BACKUP_SEMANTICS, FILE_GENERIC_READ,
    FILE_GENERIC_WRITE, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::sddl;
use crate::platform::files;

/// Opens a file, made for its owner alone if it is not there.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match create_private(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    options.open(path)
}

/// Makes a file for its owner alone, for writing; there must be nothing of that name.
pub fn create_private(path: &Path) -> io::Result<File> {
    let list = List::private(false)?;
    let path = wide(path)?;
    let (access, share) = (FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    let attributes = list.attributes();
    // SAFETY: path and list outlive the call, and the path ends with a zero.
    let handle = unsafe { CreateFileW(path.as_ptr(), access, share, &attributes, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, null_mut()) };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and nobody else has it.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// Makes a folder and the missing ones above it, for their owner alone; what is put into them is so, too.
pub fn make_private_dirs(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_private_dirs(above)?;
    }
    let list = List::private(true)?;
    let (name, attributes) = (wide(path)?, list.attributes());
    // SAFETY: path and list outlive the call, and the path ends with a zero.
    match check(unsafe { CreateDirectoryW(name.as_ptr(), &attributes) }) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Gives a folder that is there to its owner alone.
pub fn make_private(path: &Path) -> io::Result<()> {
    tighten(path).map(drop)
}

/// Takes the access of others than the owner away from a file or directory; says whether they had any. Nothing is done to
/// a link.
pub fn tighten(path: &Path) -> io::Result<bool> {
    let meta = std::fs::symlink_metadata(path)?;
    if !is_open(path)? {
        return Ok(false);
    }
    let list = List::private(meta.is_dir())?;
    let name = wide(path)?;
    // SAFETY: path and list outlive the call, and the path ends with a zero.
    check(unsafe { SetFileSecurityW(name.as_ptr(), DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, list.0) })?;
    Ok(true)
}

/// Whether others than the owner, the system and its administrators have any access to a file or directory; never so of a
/// link, nor where the system does not tell.
pub fn is_open_to_others(path: &Path) -> bool {
    is_open(path).unwrap_or(false)
}

fn is_open(path: &Path) -> io::Result<bool> {
    if path.is_symlink() {
        return Ok(false);
    }
    // In the words that the system has for this user.
    let own = List::private(false)?.to_text()?;
    let owner = sddl::first_named(&own).unwrap_or_default();
    Ok(sddl::lets_others_in(&list_of(path)?, &owner))
}

/// Fails as making a file in this folder would, and makes none.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    OpenOptions::new().access_mode(FILE_ADD_FILE).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(folder).map(drop)
}

/// Tells one file from another that has taken its name.
pub fn file_id(file: &File) -> io::Result<(u64, u64)> {
    files::id(file)
}

/// As [`file_id`], of the file that has a name now.
pub fn path_id(path: &Path) -> io::Result<(u64, u64)> {
    file_id(&File::open(path)?)
}

/// A security descriptor with an access list, in the system's memory.
struct List(PSECURITY_DESCRIPTOR);

impl List {
    /// For this user alone; that of a folder is handed on to what is put into it.
    fn private(is_folder: bool) -> io::Result<Self> {
        let inherit = if is_folder { "OICI" } else { "" };
        let text: Vec<u16> = format!("D:P(A;{inherit};FA;;;{})\0", user()?).encode_utf16().collect();
        let mut list = null_mut();
        // SAFETY: the text ends with a zero; what comes back is freed when this is dropped.
        check(unsafe { ConvertStringSecurityDescriptorToSecurityDescriptorW(text.as_ptr(), SDDL_REVISION_1, &mut list, null_mut()) })?;
        Ok(Self(list))
    }

    fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES { nLength: size_of::<SECURITY_ATTRIBUTES>() as u32, lpSecurityDescriptor: self.0, bInheritHandle: 0 }
    }

    fn to_text(&self) -> io::Result<String> {
        list_text(self.0)
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: it came from a function that says that this frees it.
        unsafe { LocalFree(self.0) };
    }
}

/// The access list of a file or folder, as text.
fn list_of(path: &Path) -> io::Result<String> {
    let name = wide(path)?;
    let mut size = 0;
    // SAFETY: the path ends with a zero; no memory is written to but the size.
    unsafe { GetFileSecurityW(name.as_ptr(), DACL_SECURITY_INFORMATION, null_mut(), 0, &mut size) };
    // Of numbers as wide as pointers, for their alignment.
    let mut room = vec![0_usize; (size as usize).div_ceil(size_of::<usize>()).max(1)];
    let list: PSECURITY_DESCRIPTOR = room.as_mut_ptr().cast();
    // SAFETY: the room is at least as large as said.
    check(unsafe { GetFileSecurityW(name.as_ptr(), DACL_SECURITY_INFORMATION, list, size, &mut size) })?;
    list_text(list)
}

fn list_text(list: PSECURITY_DESCRIPTOR) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: the descriptor is a whole one; what comes back is read as text and freed.
    unsafe {
        check(ConvertSecurityDescriptorToStringSecurityDescriptorW(
            list,
            SDDL_REVISION_1,
            DACL_SECURITY_INFORMATION,
            &mut text,
            null_mut(),
        ))?;
        Ok(taken(text))
    }
}

/// This process's user, as text.
fn user() -> io::Result<String> {
    let mut token = null_mut();
    // SAFETY: the handle that is opened is owned at once.
    let token = unsafe {
        check(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token))?;
        OwnedHandle::from_raw_handle(token)
    };
    let mut room = [0_usize; 64];
    let mut size = size_of_val(&room) as u32;
    let mut text = null_mut();
    // SAFETY: the room is as large as said and aligned for pointers; the user's id in it is whole when the call succeeds.
    unsafe {
        check(GetTokenInformation(token.as_raw_handle(), TokenUser, room.as_mut_ptr().cast(), size, &mut size))?;
        let found = &*room.as_ptr().cast::<TOKEN_USER>();
        check(ConvertSidToStringSidW(found.User.Sid, &mut text))?;
        Ok(taken(text))
    }
}

/// Reads a text that the system has made, and frees it.
///
/// # Safety
/// It ends with a zero, and is the caller's to free.
unsafe fn taken(text: *mut u16) -> String {
    // SAFETY: the caller's promise.
    unsafe {
        let length = (0..).take_while(|index| *text.add(*index) != 0).count();
        let read = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        read
    }
}

fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let wide: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    if wide[..wide.len() - 1].contains(&0) { Err(ErrorKind::InvalidInput.into()) } else { Ok(wide) }
}

fn check(success: i32) -> io::Result<()> {
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
