//! What the daemon and a job's supervisor say to each other over the job's control socket.
//!
//! Daemon: one request (its length as four bytes, then texts that each end in a NUL byte), then two-byte orders.
//! Supervisor: eight-byte reports. End of file on either side means that the other is gone.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::{Launch, SpawnError};

/// Longest request, bytes. Linux takes at most a few MiB of arguments and environment.
pub(super) const REQUEST_LIMIT: usize = 32 * 1024 * 1024;

/// Writes a request.
///
/// # Errors
/// [`SpawnError::Nul`] and [`SpawnError::TooLarge`]: such a text can't be given to a program.
pub(super) fn encode(launch: &Launch) -> Result<Vec<u8>, SpawnError> {
    let mut out = vec![0; 4];
    let mut text = |what: &'static str, text: &OsStr| {
        if text.as_bytes().contains(&0) {
            return Err(SpawnError::Nul(what));
        }
        out.extend_from_slice(text.as_bytes());
        out.push(0);
        Ok(())
    };
    text("program", &launch.program)?;
    text("cwd", launch.cwd.as_os_str())?;
    text("args", OsStr::new(&launch.args.len().to_string()))?;
    for arg in &launch.args {
        text("args", arg)?;
    }
    text("unset", OsStr::new(&launch.unset.len().to_string()))?;
    for name in &launch.unset {
        text("unset", name)?;
    }
    for (name, value) in &launch.env {
        text("env", name)?;
        text("env", value)?;
    }
    let length = out.len() - 4;
    if length > REQUEST_LIMIT {
        return Err(SpawnError::TooLarge);
    }
    out[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(out)
}

/// Reads a request, without its length.
pub(super) fn decode(bytes: &[u8]) -> Option<Launch> {
    let mut texts = bytes.strip_suffix(&[0])?.split(|byte| *byte == 0).map(|text| OsString::from_vec(text.to_vec()));
    let (program, cwd) = (texts.next()?, texts.next()?);
    let count = texts.next()?.to_str()?.parse().ok()?;
    let args: Vec<_> = texts.by_ref().take(count).collect();
    let named = texts.next()?.to_str()?.parse().ok()?;
    let unset: Vec<_> = texts.by_ref().take(named).collect();
    let mut env = Vec::new();
    while let Some(name) = texts.next() {
        env.push((name, texts.next()?));
    }
    (args.len() == count && unset.len() == named).then(|| Launch { program, args, cwd: cwd.into(), env, unset, open_stdin: false })
}

/// An order to a supervisor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// End the tree: ask, then after a while force.
    Terminate,
    /// End the tree by force.
    Kill,
    /// Send this signal to the job's process group.
    Signal(u8),
}

impl Order {
    /// As it travels.
    pub(super) fn to_bytes(self) -> [u8; 2] {
        match self {
            Order::Terminate => [b't', 0],
            Order::Kill => [b'k', 0],
            Order::Signal(number) => [b's', number],
        }
    }
    /// As it arrived.
    pub(super) fn from_bytes(bytes: [u8; 2]) -> Option<Self> {
        match bytes {
            [b't', _] => Some(Order::Terminate),
            [b'k', _] => Some(Order::Kill),
            [b's', number] => Some(Order::Signal(number)),
            _ => None,
        }
    }
}

/// Failures by the number under which they travel.
const FAILURES: [SpawnError; 6] = [
    SpawnError::System(0),
    SpawnError::NoProgram,
    SpawnError::NotExecutable,
    SpawnError::NoFolder,
    SpawnError::NotAFolder,
    SpawnError::TooLarge,
];

/// Bytes of a report.
pub(super) const REPORT: usize = 8;

/// A report of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Report {
    /// The program runs, with this process id.
    Started(i32),
    /// It could not be started.
    Failed(SpawnError),
    /// It left with this code.
    Exited {
        /// Exit code.
        code: i32,
        /// Whether anything that it started still runs.
        left: bool,
    },
    /// This signal ended it.
    Signaled {
        /// Signal number.
        signal: i32,
        /// Whether anything that it started still runs.
        left: bool,
    },
}

impl Report {
    /// As it travels.
    pub(super) fn to_bytes(self) -> [u8; REPORT] {
        let (tag, detail, value) = match self {
            Report::Started(pid) => (b'r', 0, pid),
            Report::Failed(SpawnError::System(errno)) => (b'f', 0, errno),
            Report::Failed(error) => (b'f', FAILURES.iter().position(|known| *known == error).unwrap_or_default() as u8, 0),
            Report::Exited { code, left } => (b'x', u8::from(left), code),
            Report::Signaled { signal, left } => (b's', u8::from(left), signal),
        };
        let mut bytes = [tag, detail, 0, 0, 0, 0, 0, 0];
        bytes[4..].copy_from_slice(&value.to_le_bytes());
        bytes
    }
    /// As it arrived.
    pub(super) fn from_bytes(bytes: [u8; REPORT]) -> io::Result<Self> {
        let [tag, detail, _, _, value @ ..] = bytes;
        let (left, value) = (detail != 0, i32::from_le_bytes(value));
        match tag {
            b'r' => Ok(Report::Started(value)),
            b'f' => Ok(Report::Failed(match FAILURES.get(usize::from(detail)) {
                None | Some(SpawnError::System(_)) => SpawnError::System(value),
                Some(error) => *error,
            })),
            b'x' => Ok(Report::Exited { code: value, left }),
            b's' => Ok(Report::Signaled { signal: value, left }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            program: "/bin/x".into(),
            args: vec!["".into(), "a b".into(), OsString::from_vec(vec![0xff])],
            cwd: "/".into(),
            env: vec![("A".into(), "".into()), ("B".into(), "c=d".into())],
            unset: vec!["C".into()],
            open_stdin: false,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = encode(&launch()).unwrap();
        assert_eq!(u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len() - 4);
        assert_eq!(decode(&bytes[4..]), Some(launch()));
        let reports = [
            Report::Started(7),
            Report::Failed(SpawnError::System(2)),
            Report::Failed(SpawnError::NoFolder),
            Report::Exited { code: -1, left: true },
            Report::Signaled { signal: 9, left: false },
        ];
        for report in reports {
            assert_eq!(Report::from_bytes(report.to_bytes()).unwrap(), report);
        }
        for order in [Order::Terminate, Order::Kill, Order::Signal(2)] {
            assert_eq!(Order::from_bytes(order.to_bytes()), Some(order));
        }
    }
    #[test]
    fn broken_requests_are_refused() {
        let bytes = encode(&launch()).unwrap();
        for end in 0..bytes.len() - 4 {
            let _ = decode(&bytes[4..4 + end]);
        }
        assert_eq!(decode(b""), None);
        assert_eq!(decode(b"/bin/x\0/\x0099999999999\0a\0"), None);
    }
    #[test]
    fn a_nul_byte_is_refused_and_named() {
        let with_arg = Launch { args: vec!["a\0b".into()], ..launch() };
        assert_eq!(encode(&with_arg), Err(SpawnError::Nul("args")));
        let with_env = Launch { env: vec![("A".into(), "\0".into())], ..launch() };
        assert_eq!(encode(&with_env), Err(SpawnError::Nul("env")));
    }
}
