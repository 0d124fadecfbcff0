//! Making a process that is in its job from the first moment, with three handles and no others.
#![expect(unsafe_code, reason = "no safe wrapper puts a process into a job before it runs")]

use std::ffi::{OsStr, c_void};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem::zeroed;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_BAD_EXE_FORMAT, HANDLE};
use windows_sys::Win32::System::Console::HPCON;
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT,
    InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

use super::job::Job;
use super::{Found, Launch, PseudoConsole, SpawnError, command_line, environment, find_program, pipe};
use crate::platform::files;

/// What was started.
pub(super) struct Started {
    pub(super) process: OwnedHandle,
    pub(super) pid: u32,
    pub(super) job: Job,
}

/// What a program reads and writes.
pub(super) enum Streams {
    /// Its standard input, output and error.
    Pipes([File; 3]),
    /// A console for all three.
    Console(Arc<PseudoConsole>),
}

/// Starts a program in a job of its own.
pub(super) fn start(launch: &Launch, streams: Streams) -> Result<Started, SpawnError> {
    let folder = folder(&launch.cwd)?;
    let program = match find_program(&launch.program, &launch.search_path(), &folder) {
        Found::Program(program) => program,
        Found::NotExecutable => return Err(SpawnError::NotExecutable),
        Found::Nothing => return Err(SpawnError::NoProgram),
    };
    let args: Vec<Vec<u16>> = launch.args.iter().map(|arg| arg.encode_wide().collect()).collect();
    let name: Vec<u16> = launch.program.encode_wide().collect();
    let path = program.to_str().ok_or(SpawnError::NoProgram)?;
    let command = command_line::of(path, &name, &args)?;
    let program = if command.through_cmd { cmd() } else { program };
    let job = Job::fragile()?;
    let parts = Parts {
        program: ended(program.as_os_str().encode_wide()),
        line: ended(command.line.into_iter()),
        folder: ended(folder.as_os_str().encode_wide()),
        environment: block(launch)?,
    };
    let created = match &streams {
        Streams::Pipes(files) => {
            for file in files {
                pipe::set_inheritable(file, true)?;
            }
            create(parts, Given::Pipes(files.each_ref().map(AsRawHandle::as_raw_handle)), job.handle())
        }
        Streams::Console(console) => create(parts, Given::Console(console.handle()), job.handle()),
    };
    let (process, pid) = created.map_err(words)?;
    Ok(Started { process, pid, job })
}

fn folder(cwd: &Path) -> Result<PathBuf, SpawnError> {
    files::check_form(cwd).map_err(|_| SpawnError::NotAFolder)?;
    match std::fs::metadata(cwd) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Err(SpawnError::NoFolder),
        // With the one separator that all programs know.
        Ok(found) if found.is_dir() => Ok(cwd.components().collect()),
        _ => Err(SpawnError::NotAFolder),
    }
}

/// What runs batch files, wherever a variable says that it is.
fn cmd() -> PathBuf {
    let system = std::env::var_os("SystemRoot").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from);
    system.join("System32").join("cmd.exe")
}

fn words(cause: io::Error) -> SpawnError {
    match cause.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => SpawnError::NotExecutable,
        _ if cause.raw_os_error() == Some(ERROR_BAD_EXE_FORMAT as i32) => SpawnError::NotExecutable,
        _ => cause.into(),
    }
}

fn ended(text: impl Iterator<Item = u16>) -> Vec<u16> {
    text.chain([0]).collect()
}

fn block(launch: &Launch) -> Result<Vec<u16>, SpawnError> {
    let mut block = Vec::new();
    for (name, value) in environment::of(std::env::vars_os(), launch) {
        let has_zero = |text: &OsStr| text.as_encoded_bytes().contains(&0);
        if has_zero(&name) || has_zero(&value) {
            return Err(SpawnError::Nul("env"));
        }
        block.extend(ended(name.encode_wide().chain([u16::from(b'=')]).chain(value.encode_wide())));
    }
    // An empty one has its end alone, which takes two.
    if block.is_empty() {
        block.push(0);
    }
    block.push(0);
    Ok(block)
}

/// Texts in the system's form; each ends with a zero.
struct Parts {
    program: Vec<u16>,
    line: Vec<u16>,
    folder: Vec<u16>,
    environment: Vec<u16>,
}

/// The same as [`Streams`], as the system takes it.
enum Given {
    Pipes([HANDLE; 3]),
    Console(HPCON),
}

fn create(mut parts: Parts, given: Given, job: HANDLE) -> io::Result<(OwnedHandle, u32)> {
    let jobs = [job];
    let mut attributes = Attributes::new()?;
    attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
    // In a console a program gets its streams from there, and no others.
    let (streams, inherits, window) = match &given {
        Given::Pipes(streams) => {
            attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, streams)?;
            (*streams, 1, CREATE_NO_WINDOW)
        }
        Given::Console(console) => {
            attributes.set_console(*console)?;
            ([null_mut(); 3], 0, 0)
        }
    };
    // SAFETY: all zeros are values of these structures of numbers and handles.
    let (mut info, mut made): (STARTUPINFOEXW, PROCESS_INFORMATION) = unsafe { (zeroed(), zeroed()) };
    info.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    info.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    [info.StartupInfo.hStdInput, info.StartupInfo.hStdOutput, info.StartupInfo.hStdError] = streams;
    info.lpAttributeList = attributes.list();
    let flags = EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT | window;
    // SAFETY: every text ends with a zero, the line may be written to, and all that is pointed to outlives the call.
    let success = unsafe {
        CreateProcessW(
            parts.program.as_ptr(),
            parts.line.as_mut_ptr(),
            null(),
            null(),
            inherits,
            flags,
            parts.environment.as_ptr().cast(),
            parts.folder.as_ptr(),
            &info.StartupInfo,
            &mut made,
        )
    };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both handles were just made, and nobody else has them.
    let (process, _thread) = unsafe { (OwnedHandle::from_raw_handle(made.hProcess), OwnedHandle::from_raw_handle(made.hThread)) };
    Ok((process, made.dwProcessId))
}

/// What a process is given beside the usual; borrows what is set.
struct Attributes<'a> {
    /// Of numbers as wide as pointers, for their alignment.
    room: Vec<usize>,
    _set: std::marker::PhantomData<&'a ()>,
}

impl<'a> Attributes<'a> {
    const MOST: u32 = 2;

    fn new() -> io::Result<Self> {
        let mut size = 0;
        // SAFETY: without room, only the size is told.
        unsafe { InitializeProcThreadAttributeList(null_mut(), Self::MOST, 0, &mut size) };
        let mut room = vec![0_usize; size.div_ceil(size_of::<usize>())];
        // SAFETY: the room is as large as was asked for, and does not move from here on.
        if unsafe { InitializeProcThreadAttributeList(room.as_mut_ptr().cast(), Self::MOST, 0, &mut size) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { room, _set: std::marker::PhantomData })
    }

    fn list(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.room.as_mut_ptr().cast::<c_void>().cast()
    }

    fn set(&mut self, which: u32, handles: &'a [HANDLE]) -> io::Result<()> {
        self.update(which, handles.as_ptr().cast(), size_of_val(handles))
    }

    /// This one is the value itself, and no place where it is.
    fn set_console(&mut self, console: HPCON) -> io::Result<()> {
        self.update(PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, console as *const c_void, size_of::<HPCON>())
    }

    fn update(&mut self, which: u32, value: *const c_void, size: usize) -> io::Result<()> {
        // SAFETY: the list is whole, and what is set outlives it.
        let set = unsafe { UpdateProcThreadAttribute(self.list(), 0, which as usize, value, size, null_mut(), null()) };
        if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: the list is whole.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}
