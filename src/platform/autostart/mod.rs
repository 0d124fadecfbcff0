//! Starting a daemon at every login: what each system's manager of services is told, as plain values.
//!
//! For each of the three systems there are functions from a [`Subject`] to a [`Plan`], on every system; only which
//! manager this machine has, and running what a plan says, depends on where the program runs.

mod here;
mod launchd;
mod record;
mod systemd;
mod task_scheduler;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use here::{command, lingers, manager};
pub use record::{Found, Record};

use crate::base::{Error, Result};

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name of the service: letters, digits, `-` and `_`.
    pub name: String,
    /// Absolute path of the program.
    pub program: String,
    /// Absolute path of the data directory.
    pub data_dir: String,
    /// The folders in which the daemon and its commands look for programs, as the variable PATH holds them.
    pub search_path: String,
}

impl Subject {
    /// Checks what can be written down for every manager. Folders of the search path that can't be are left out, and so
    /// are those that are not absolute.
    ///
    /// # Errors
    /// When a path is not UTF-8 or has control characters in it.
    pub fn new(name: &str, program: &Path, data_dir: &Path, search_path: &OsStr) -> Result<Self> {
        let folders = std::env::split_paths(search_path).filter(|folder| folder.is_absolute());
        let folders: Vec<PathBuf> = folders.filter(|folder| text(folder).is_ok()).collect();
        let search_path = std::env::join_paths(folders).unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name: name.into(), program: text(program)?, data_dir: text(data_dir)?, search_path })
    }
}

fn text(path: &Path) -> Result<String> {
    let is_odd = |c: char| c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c);
    match path.to_str() {
        Some(text) if !text.contains(is_odd) => Ok(text.to_owned()),
        _ => Err(Error::invalid(format!("{} can't be written into a service", path.display()))
            .hint("Move it to a path of printable UTF-8 text.")),
    }
}

/// A program that manages services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// The user's instance of systemd.
    Systemd,
    /// macOS, an agent of the user's graphical session.
    Launchd,
    /// Windows, a task at the user's logon.
    TaskScheduler,
}

/// The manager of one user's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// Which program it is.
    pub system: System,
    /// The folder in which the file of a service lies.
    pub folder: PathBuf,
    /// Who the user is: for launchd the number, for the Task Scheduler `DOMAIN\name`.
    pub user: String,
}

/// A file that describes a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it lies.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
    /// Whether it is UTF-16 on disk; else UTF-8.
    pub is_wide: bool,
}

impl File {
    /// What is on disk.
    pub fn bytes(&self) -> Vec<u8> {
        if !self.is_wide {
            return self.text.clone().into_bytes();
        }
        std::iter::once(0xfeff).chain(self.text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    }
    /// Text out of what is on disk, in either form.
    pub fn text_of(bytes: &[u8]) -> String {
        match bytes.strip_prefix(&[0xff, 0xfe]) {
            None => String::from_utf8_lossy(bytes).into_owned(),
            Some(wide) => {
                let units = wide.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
                char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write a file, in the place of what is there.
    Write(File),
    /// Remove a file, if it is there.
    Remove(PathBuf),
    /// Run a command, which has to succeed.
    Run(Vec<String>),
    /// Run a command that fails where there is nothing to do.
    Try(Vec<String>),
}

/// What to do, in this order.
pub type Plan = Vec<Step>;

/// What a manager tells of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether it starts it at the next login.
    pub is_enabled: bool,
    /// The process that it runs for it.
    pub pid: Option<u32>,
    /// Whether the process ended by itself, with a failure.
    pub has_failed: bool,
}

impl Manager {
    /// The file of a service.
    pub fn file(&self, name: &str) -> PathBuf {
        match self.system {
            System::Systemd => self.folder.join(systemd::unit(name)),
            System::Launchd => self.folder.join(format!("{}.plist", launchd::label(name))),
            System::TaskScheduler => self.folder.join("service.xml"),
        }
    }
    /// What describes a subject to this manager.
    ///
    /// # Errors
    /// When this manager can't start a program of that path.
    pub fn describe(&self, subject: &Subject) -> Result<File> {
        let text = match self.system {
            System::Systemd => systemd::text(subject)?,
            System::Launchd => launchd::text(subject),
            System::TaskScheduler => task_scheduler::text(subject, &self.user)?,
        };
        Ok(File { path: self.file(&subject.name), text, is_wide: self.system == System::TaskScheduler })
    }
    /// Has a subject started at every login from the next one on.
    ///
    /// # Errors
    /// As [`Manager::describe`].
    pub fn register(&self, subject: &Subject) -> Result<Plan> {
        let file = self.describe(subject)?;
        let commands = match self.system {
            System::Systemd => systemd::register(&subject.name),
            System::Launchd => launchd::register(&subject.name, &self.user),
            System::TaskScheduler => task_scheduler::register(&subject.name, &self.user, &file.path),
        };
        Ok(std::iter::once(Step::Write(file)).chain(commands).collect())
    }
    /// Starts a registered service whose daemon does not run.
    pub fn start(&self, name: &str) -> Plan {
        match self.system {
            System::Systemd => systemd::start(name),
            System::Launchd => launchd::start(name, &self.user, &self.file(name)),
            System::TaskScheduler => task_scheduler::start(name, &self.user),
        }
    }
    /// Ends a service and forgets it; what of it is not there is passed over.
    pub fn unregister(&self, name: &str) -> Plan {
        let file = self.file(name);
        match self.system {
            System::Systemd => systemd::unregister(name, &self.folder, file),
            System::Launchd => launchd::unregister(name, &self.user, file),
            System::TaskScheduler => task_scheduler::unregister(name, &self.user, file),
        }
    }
    /// The command that asks how a service is.
    pub fn query(&self, name: &str) -> Vec<String> {
        match self.system {
            System::Systemd => systemd::query(name),
            System::Launchd => launchd::query(name, &self.user),
            System::TaskScheduler => task_scheduler::query(name, &self.user),
        }
    }
    /// Whether the answer to that names the process.
    pub fn tells_process(&self) -> bool {
        self.system != System::TaskScheduler
    }
    /// What the answer to that says: whether the command succeeded, and what it printed.
    pub fn heard(&self, success: bool, printed: &str) -> Told {
        match self.system {
            System::Systemd => systemd::heard(printed),
            System::Launchd => launchd::heard(success, printed),
            System::TaskScheduler => task_scheduler::heard(success, printed),
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Text as it stands between two tags, or between quotes, of XML.
fn xml(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
