//! The service that starts a data directory's daemon at every login: what it is to be, what there is of it, and the way
//! from one to the other.

mod carry;
mod hand;

use std::path::{Path, PathBuf};

pub use carry::{carry_out, register};
pub use hand::{Handed, hand_over, start};

use crate::base::error::io_words;
use crate::base::hash::Sha256;
use crate::base::kin::SessionName;
use crate::base::{Code, Error, Result};
use crate::home::Home;
use crate::platform::autostart::{self, File, Found, Manager, Record, Subject, Told};
use crate::platform::host;
use crate::platform::process::which;

/// The service of one data directory.
#[derive(Debug, Clone)]
pub struct Service {
    /// Who manages it.
    pub manager: Manager,
    /// What it starts.
    pub subject: Subject,
    /// The data directory.
    pub home: Home,
}

/// What there is of a service on this machine.
#[derive(Debug)]
pub struct State {
    /// Where its file is, or would be.
    pub file: PathBuf,
    /// Its file; nothing where there is none.
    pub found: Option<Found>,
    /// Whether the file is what it is to be.
    pub is_current: bool,
    /// What the manager says of it.
    pub told: Result<Told>,
}

impl Service {
    /// The service of a data directory, which starts this very program.
    ///
    /// # Errors
    /// On a system without a known manager, and where a path can't be written into a service.
    pub fn of(home: &Home) -> Result<Self> {
        let unknown = || {
            Error::new(Code::Internal, "there is no known manager of services on this system")
                .hint("Have it start this at login: loopsy daemon")
        };
        let root = home.root().canonicalize().unwrap_or_else(|_| home.root().to_owned());
        let manager = autostart::manager(&root).ok_or_else(unknown)?;
        let subject = Subject::new(&name(&root), &own_program()?, &root, &host::search_path())?;
        Ok(Self { manager, subject, home: home.clone() })
    }
    /// The service of a data directory, where it is enabled.
    pub fn enabled(home: &Home) -> Option<(Self, State)> {
        let service = Self::of(home).ok()?;
        let state = service.look().ok()?;
        state.is_enabled().then_some((service, state))
    }
    /// Looks for it. The manager is asked only where there is a file.
    ///
    /// # Errors
    /// When the file is there and can't be read, or this system can't start such a program.
    pub fn look(&self) -> Result<State> {
        let file = self.manager.describe(&self.subject)?;
        let found = match std::fs::read(&file.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            read => Some(read.map_err(|error| unreadable(&file.path, &error))?),
        };
        let is_current = found.as_ref().is_some_and(|bytes| *bytes == file.bytes());
        let told = if found.is_some() { carry::ask(self) } else { Ok(Told::default()) };
        let found = found.map(|bytes| Found::read(&File::text_of(&bytes)));
        Ok(State { file: file.path, found, is_current, told })
    }
}

impl State {
    /// Whether the daemon is started at every login.
    pub fn is_enabled(&self) -> bool {
        self.found.is_some() && self.told.as_ref().map_or(true, |told| told.is_enabled)
    }
    /// Whether somebody else wrote a file of its name.
    pub fn is_foreign(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.record.is_none())
    }
    /// Fails where somebody else wrote a file of its name: it is neither replaced nor removed.
    pub fn check_ours(&self) -> Result<()> {
        if !self.is_foreign() {
            return Ok(());
        }
        Err(Error::new(Code::Config, format!("{} was not written by Loopsy", self.file.display())).hint("Move it away, then try again."))
    }
    /// What the file says of itself.
    pub fn record(&self) -> Option<&Record> {
        self.found.as_ref()?.record.as_ref()
    }
    /// The process that the manager runs for it, where it tells.
    pub fn pid(&self) -> Option<u32> {
        self.told.as_ref().ok()?.pid
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::Config, format!("{} can't be read: {}", file.display(), io_words(error)))
        .hint("The service manager reads that file; make it readable for this user.")
}

/// This program, by a path that outlives an update where there is one: a link on the PATH rather than what it points to.
fn own_program() -> Result<PathBuf> {
    let failed = |error: std::io::Error| Error::new(Code::Internal, format!("this program's own place is not known: {}", io_words(&error)));
    let own = host::own_program().map_err(failed)?;
    let real = own.canonicalize().map_err(|_| {
        Error::new(Code::Config, format!("this program is not at {} any more", own.display()))
            .hint("Install it where it stays, and run that one.")
    })?;
    let installed = which("loopsy").filter(|found| found.is_absolute() && found.canonicalize().is_ok_and(|found| found == real));
    Ok(installed.unwrap_or(own))
}

/// Whether a program lies where things do not stay.
pub fn is_passing(program: &Path) -> bool {
    [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()].iter().any(|folder| program.starts_with(folder))
}

/// The name of a data directory's service: `loopsy`, `loopsy-<session>`, or one with a hash of its path, so that no two
/// data directories have the same.
fn name(root: &Path) -> String {
    let usual = host::home_dir().join(".loopsy");
    let usual = usual.canonicalize().unwrap_or(usual);
    if root == usual {
        return "loopsy".into();
    }
    let session = root.strip_prefix(usual.join("sessions")).ok().and_then(Path::to_str);
    if let Some(session) = session.filter(|name| !name.starts_with("at-") && name.parse::<SessionName>().is_ok()) {
        return format!("loopsy-{session}");
    }
    let mut hash = Sha256::default();
    hash.update(root.as_os_str().as_encoded_bytes());
    format!("loopsy-at-{}", &hash.finish()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_data_directories_have_the_same_name_and_every_name_is_plain() {
        let usual = host::home_dir().join(".loopsy");
        let usual = usual.canonicalize().unwrap_or(usual);
        let sessions = usual.join("sessions");
        assert_eq!((name(&usual), name(&sessions.join("worker-1"))), ("loopsy".into(), "loopsy-worker-1".into()));
        let long = "x".repeat(300);
        let odd = [
            sessions.join("W"),
            sessions.join("at-0123456789ab"),
            sessions.join("a b"),
            sessions.join("ä"),
            sessions.join(long),
            sessions.join("a/b"),
            sessions.clone(),
            "/srv/.loopsy".into(),
            "/srv/sessions/worker-1".into(),
            "/".into(),
        ];
        let names: std::collections::BTreeSet<String> = odd.iter().map(|root| name(root)).collect();
        assert_eq!(names.len(), odd.len());
        for name in &names {
            let hash = name.strip_prefix("loopsy-at-").unwrap();
            assert!(hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        }
    }
    #[test]
    fn a_temporary_folder_is_no_place_for_a_program() {
        assert!(is_passing(&std::env::temp_dir().join("loopsy")) && is_passing(Path::new("/tmp/x/loopsy")));
        assert!(!is_passing(Path::new("/usr/local/bin/loopsy")) && !is_passing(Path::new("/tmpfiles/loopsy")));
    }
}
