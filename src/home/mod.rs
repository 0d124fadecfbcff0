//! The data directory: where everything of one daemon lives.

pub mod certificate;
pub mod config;
pub mod config_file;
pub mod fleet;
pub mod identity;
pub mod instance;
pub mod json_file;
pub mod log_file;
pub mod newest;
pub mod paths;
pub mod reload;
pub mod settings;
pub mod stamp;
pub mod trust;

use std::path::{Path, PathBuf};

use crate::base::error::io_words;
use crate::base::kin::SessionName;
use crate::base::{Code, Error, Result};
use crate::platform::{files, host, modes};

/// One daemon's data directory, and the names of what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    /// Whose session it is, and which.
    session: Option<(PathBuf, SessionName)>,
}

impl Home {
    /// The data directory at this path, whether it exists or not. Below the `sessions` of another that is configured, it is
    /// that one's session.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let session = session_at(&root);
        Self { root, session }
    }
    /// The data directory of a session of this machine's main daemon.
    pub fn of_session(&self, name: &SessionName) -> Self {
        let main = self.main();
        Self { root: main.sessions().join(name.as_str()), session: Some((main.root, name.clone())) }
    }
    /// The data directory of the main daemon: this one, unless it is a session's.
    pub fn main(&self) -> Self {
        self.session.as_ref().map_or_else(|| self.clone(), |(main, _)| Self { root: main.clone(), session: None })
    }
    /// The name of the session that it belongs to.
    pub fn session(&self) -> Option<&SessionName> {
        self.session.as_ref().map(|(_, name)| name)
    }
    /// The folder of what a session shares with the main daemon.
    fn shared(&self) -> &Path {
        self.session.as_ref().map_or(&self.root, |(main, _)| main)
    }
    /// The directory that was asked for, else `.loopsy` in the user's home folder. Relative paths are made absolute, so
    /// that a daemon that changes its working directory keeps its home.
    pub fn locate(given: Option<&Path>) -> Result<Self> {
        let no_home = || {
            Error::new(Code::Config, "this user has no home folder")
                .hint("Say where the data directory is: --data-dir DIR, or LOOPSY_DATA_DIR.")
        };
        match given.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => std::path::absolute(path)
                .map(Self::at)
                .map_err(|error| Error::new(Code::Config, format!("{}: {}", path.display(), io_words(&error)))),
            None => Ok(Self::at(std::env::home_dir().filter(|home| home.is_absolute()).ok_or_else(no_home)?.join(".loopsy"))),
        }
    }
    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }
    /// The lock that whoever changes the configuration holds.
    pub fn config_lock(&self) -> PathBuf {
        self.root.join("config.lock")
    }
    /// The context store's database.
    pub fn context(&self) -> PathBuf {
        self.root.join("context.redb")
    }
    /// What the context store's database has not written down yet.
    pub fn context_log(&self) -> PathBuf {
        self.root.join("context.wal")
    }
    /// The Node version's context store.
    pub fn node_context(&self) -> PathBuf {
        self.root.join("context.json")
    }
    /// The peer registry.
    pub fn peers(&self) -> PathBuf {
        self.root.join("peers.json")
    }
    /// The node id.
    pub fn identity(&self) -> PathBuf {
        self.root.join("identity.json")
    }
    /// The folder of the certificate, which a machine's daemons share.
    pub fn tls(&self) -> PathBuf {
        self.shared().join("tls")
    }
    /// This machine's certificate, in PEM, and the one that it took over from.
    pub fn certificate(&self) -> PathBuf {
        self.tls().join("cert.pem")
    }
    /// The certificate's key, in PEM.
    pub fn certificate_key(&self) -> PathBuf {
        self.tls().join("key.pem")
    }
    /// A key and its certificate on their way to their places.
    pub fn new_certificate(&self) -> PathBuf {
        self.tls().join("new.pem")
    }
    /// The lock of whoever makes or renews the certificate.
    pub fn certificate_lock(&self) -> PathBuf {
        self.tls().join("lock")
    }
    /// The folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
    /// The audit log: requests with a key.
    pub fn audit_log(&self) -> PathBuf {
        self.logs().join("audit.jsonl")
    }
    /// The audit log of requests without a key, apart so that a flood of them can't push evidence out.
    pub fn keyless_log(&self) -> PathBuf {
        self.logs().join("audit-keyless.jsonl")
    }
    /// The daemon's own log, unless `logging.file` names another.
    pub fn daemon_log(&self, configured: Option<&str>) -> PathBuf {
        configured.filter(|name| !name.is_empty()).map_or_else(|| self.logs().join("daemon.log"), |name| self.root.join(name))
    }
    /// Who runs and where it listens.
    pub fn pid_file(&self) -> PathBuf {
        self.root.join("daemon.pid")
    }
    /// The lock that the running daemon holds for life.
    pub fn daemon_lock(&self) -> PathBuf {
        self.root.join("daemon.lock")
    }
    /// The tasks of agents, a folder each.
    pub fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }
    /// The data directories of the machine's sessions.
    pub fn sessions(&self) -> PathBuf {
        self.shared().join("sessions")
    }
    /// The registry of the machine's daemons.
    pub fn fleet(&self) -> PathBuf {
        self.sessions().join("fleet.json")
    }
    /// The lock of whoever changes that registry, or makes a session.
    pub fn fleet_lock(&self) -> PathBuf {
        self.sessions().join("fleet.lock")
    }
    /// The lock of the daemon that looks after the others' entries.
    pub fn keeper_lock(&self) -> PathBuf {
        self.sessions().join("keeper.lock")
    }
    /// Where the dashboard listens, and the secret for who asks it for a link.
    pub fn dashboard(&self) -> PathBuf {
        self.root.join("dashboard.json")
    }
    /// The lock that the running dashboard holds for life.
    pub fn dashboard_lock(&self) -> PathBuf {
        self.root.join("dashboard.lock")
    }
    /// The page that takes a browser to the dashboard, so that no list of processes shows the link.
    pub fn dashboard_door(&self) -> PathBuf {
        self.root.join("dashboard.html")
    }

    /// The command that does something with the daemon of this home, for hints: `start`, `stop` or `restart`.
    pub fn command(&self, verb: &str) -> String {
        match self.session() {
            Some(name) if verb == "restart" => format!("loopsy --session {name} restart"),
            Some(name) => format!("loopsy session {verb} {name}"),
            None => format!("loopsy {verb}"),
        }
    }

    /// Every data directory that is known here: this daemon's, the one whose session it may be, and the usual one.
    pub fn data_directories(&self) -> Vec<PathBuf> {
        vec![self.root.clone(), self.shared().to_owned(), host::home_dir().join(".loopsy")]
    }

    /// Whether the directory is Loopsy's: it is not there yet, is empty, or holds something of Loopsy's.
    pub fn is_ours(&self) -> bool {
        // Many programs have a config.yaml, and folders for logs and certificates.
        let own = [
            self.identity(),
            self.context(),
            self.daemon_lock(),
            self.pid_file(),
            self.audit_log(),
            self.dashboard_lock(),
            self.root.join("tls/lock"),
        ];
        own.iter().any(|path| path.symlink_metadata().is_ok())
            || std::fs::read(self.config()).is_ok_and(|text| is_configuration(&String::from_utf8_lossy(&text)))
            || std::fs::read_dir(&self.root).map_or_else(|_| !self.root.exists(), |mut entries| entries.next().is_none())
    }

    /// Makes the directory and those in it, 0700, and tightens what is there already and open to others; answers a
    /// warning for each thing that was tightened.
    pub fn create(&self) -> Result<Vec<String>> {
        let failed = |path: &Path, error: &std::io::Error| {
            Error::new(Code::Config, format!("{}: {}", path.display(), io_words(error)))
                .hint("Loopsy needs a data directory of its own that it may write; choose another with --data-dir.")
        };
        if self.root.is_dir() && !self.is_ours() {
            return Err(Error::new(Code::Config, format!("{} holds other things than Loopsy's", self.root.display()))
                .hint("Loopsy needs a data directory of its own; choose another with --data-dir."));
        }
        let mut warnings = Vec::new();
        for folder in [self.root.clone(), self.logs(), self.tls()] {
            if folder.is_dir() {
                self.tighten(&folder, &mut warnings).map_err(|error| failed(&folder, &error))?;
            } else {
                files::create_private_dir(&folder).map_err(|error| failed(&folder, &error))?;
            }
            for entry in std::fs::read_dir(&folder).map_err(|error| failed(&folder, &error))?.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir()) {
                    match self.tighten(&entry.path(), &mut warnings) {
                        // Who works here at the same time makes and takes away files.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        tightened => tightened.map_err(|error| failed(&entry.path(), &error))?,
                    }
                }
            }
        }
        Ok(warnings)
    }
    fn tighten(&self, path: &Path, warnings: &mut Vec<String>) -> std::io::Result<()> {
        if modes::tighten(path)? {
            warnings.push(format!("{} could be read by others; its mode was tightened", path.display()));
        }
        Ok(())
    }
}

/// Whose session a path belongs to, and which, wherever links on the way lead.
fn session_at(root: &Path) -> Option<(PathBuf, SessionName)> {
    let real = root.canonicalize();
    let root = real.as_deref().unwrap_or(root);
    let sessions = root.parent().filter(|parent| parent.ends_with("sessions"))?;
    let is_main = |main: &&Path| ["config.yaml", "identity.json"].iter().all(|file| main.join(file).exists());
    let main = sessions.parent().filter(is_main)?;
    let name = root.file_name()?.to_str()?.parse().ok()?;
    Some((main.to_owned(), name))
}

/// Whether a text is a configuration of Loopsy's, of whatever age, or nothing yet.
fn is_configuration(text: &str) -> bool {
    let sections = ["server", "auth", "tls", "execution", "transfer", "discovery", "rateLimits", "aiTasks"];
    let begins = |line: &str| sections.iter().any(|section| line.strip_prefix(section).is_some_and(|rest| rest.starts_with(':')));
    text.trim().is_empty() || text.contains("\"auth\"") || text.lines().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::modes::testing::{mode, set_mode};

    /// known fault 33
    #[test]
    fn the_home_is_private_and_wider_modes_are_tightened_with_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("deep/.loopsy"));
        assert!(home.create().unwrap().is_empty());
        assert_eq!((mode(home.root()), mode(&home.logs())), (0o700, 0o700));

        files::write_private(&home.config(), b"").unwrap();
        for (path, wide) in [(home.root().to_path_buf(), 0o755), (home.config(), 0o644)] {
            set_mode(&path, wide);
        }
        let warnings = home.create().unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert_eq!((mode(home.root()), mode(&home.config())), (0o700, 0o600));
        assert!(home.create().unwrap().is_empty());
    }
    #[test]
    fn what_another_program_is_configured_with_is_not_loopsys() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        files::create_private_dir(&home.logs()).unwrap();
        for (text, ours) in [("database: prod\n", false), ("", true), ("# ours\nserver:\n  port: 1\n", true), ("{\"auth\": {}}", true)] {
            files::write_private(&home.config(), text.as_bytes()).unwrap();
            assert_eq!(home.is_ours(), ours, "{text}");
        }
    }
    #[test]
    fn what_is_not_loopsys_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let thesis = dir.path().join("thesis.txt");
        files::write_private(&thesis, b"").unwrap();
        for path in [dir.path(), thesis.as_path()] {
            set_mode(path, 0o755);
        }
        assert_eq!(Home::at(dir.path()).create().unwrap_err().code, Code::Config);
        assert_eq!((mode(dir.path()), mode(&thesis)), (0o755, 0o755));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
    #[test]
    fn a_home_that_cannot_be_made_is_an_error_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        files::write_private(&file, b"").unwrap();
        let error = Home::at(file.join("home")).create().unwrap_err();
        assert_eq!(error.code, Code::Config);
        assert!(error.hint.is_some());
    }
    #[test]
    fn a_session_is_known_by_where_it_is_and_shares_the_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let main = Home::at(dir.path());
        let path = dir.path().join("sessions/worker-1");
        assert_eq!(Home::at(&path).session(), None, "nothing is configured above it");
        files::write_private(&main.config(), b"").unwrap();
        assert_eq!(Home::at(&path).session(), None, "that could be any program's");
        identity::load_or_create(&main).unwrap();
        let name: SessionName = "worker-1".parse().unwrap();
        let session = Home::at(&path);
        assert_eq!((session.session(), session.main()), (Some(&name), main.clone()));
        assert_eq!((main.of_session(&name), session.of_session(&name)), (session.clone(), session.clone()));
        assert_eq!((session.certificate(), session.fleet()), (main.certificate(), main.fleet()));
        assert!(session.config() != main.config() && session.data_directories().contains(&dir.path().to_owned()));
        assert_eq!(Home::at(dir.path().join("sessions/Not a name")).session(), None);
    }
    #[test]
    fn a_relative_home_becomes_absolute() {
        assert!(Home::locate(Some(Path::new("somewhere"))).unwrap().root().is_absolute());
    }
}
