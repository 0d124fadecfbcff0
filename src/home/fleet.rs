//! The daemons of one machine: the main one and its sessions, as the registry that they share tells of them.
//!
//! Each enters itself when it listens and takes its mark away when it ends. One of them, whoever holds a lock, looks after
//! the marks of those that were killed. Nobody asks another over the network whether it is there.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use ring::hmac;
use serde::{Deserialize, Serialize};

use super::instance::{Instance, Running};
use super::stamp::Stamp;
use super::{Home, json_file};
use crate::base::error::io_words;
use crate::base::kin::{MAIN, SessionName};
use crate::base::secret::Secret;
use crate::base::sync::lock;
use crate::base::{Code, Error, Result, hash};
use crate::platform::{files, modes};

const VERSION: u32 = 1;
/// How long whoever changes the registry may keep others waiting.
const PATIENCE: Duration = Duration::from_secs(3);

/// One of a machine's daemons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its node id.
    pub node_id: String,
    /// Its name among peers.
    pub hostname: String,
    /// Its port, now or when it last ran.
    pub port: u16,
    /// Its process, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
}

/// The registry: the daemons of a machine, by the names of sessions, and [`MAIN`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Roster {
    /// What the keys are made of that they know each other by.
    secret: Secret,
    /// The daemons that ever ran here.
    pub members: BTreeMap<String, Member>,
}

impl Roster {
    /// The key with which one daemon of this machine calls another. It is told to nobody: each makes it by itself.
    pub fn key(&self, from: &str, to: &str) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes());
        // No name has a slash in it.
        Secret::new(hash::hex(hmac::sign(&key, format!("loopsy fleet/{from}/{to}").as_bytes()).as_ref()))
    }
}

/// A daemon's view of its machine's registry. Clones are the same.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    home: Home,
    me: String,
    seen: Mutex<Seen>,
    /// Held by the one that looks after the others' marks.
    keeper: Mutex<Option<File>>,
}

#[derive(Default)]
struct Seen {
    stamp: Stamp,
    roster: Option<Arc<Roster>>,
    /// Whether the file is there and can't be read: the next change makes a new one.
    is_broken: bool,
}

impl Fleet {
    /// The registry of the machine whose daemon this home belongs to, as it is now.
    pub fn open(home: &Home) -> Self {
        let me = home.session().map_or(MAIN, SessionName::as_str).to_owned();
        let fleet = Self(Arc::new(Inner { home: home.clone(), me, seen: Mutex::default(), keeper: Mutex::default() }));
        fleet.refresh();
        fleet
    }
    /// What this daemon is called here.
    pub fn me(&self) -> &str {
        &self.0.me
    }
    /// Whether this daemon is a session.
    pub fn is_session(&self) -> bool {
        self.0.home.session().is_some()
    }
    /// The registry as it was when it was last looked at; none where there has never been a session.
    pub fn roster(&self) -> Option<Arc<Roster>> {
        lock(&self.0.seen).roster.clone()
    }
    /// Whether the main daemon runs, as the registry knows it.
    pub fn main_runs(&self) -> bool {
        self.roster().is_some_and(|roster| roster.members.get(MAIN).is_some_and(|main| main.running.is_some()))
    }
    /// Reads the registry where it was changed; says whether it was. One that can't be read leaves what is known.
    pub fn refresh(&self) -> bool {
        let mut seen = lock(&self.0.seen);
        let path = self.0.home.fleet();
        let stamp = Stamp::of(&path);
        if seen.stamp == stamp {
            return false;
        }
        match peek(&path) {
            Ok(roster) => *seen = Seen { stamp, roster: roster.map(Arc::new), is_broken: false },
            Err(error) => {
                tracing::warn!(%error, "the registry of the sessions can't be read");
                (seen.stamp, seen.is_broken) = (stamp, true);
            }
        }
        true
    }
    /// Whether the registry lacks what is true of this daemon. A main daemon without sessions needs none.
    pub fn lacks(&self, member: &Member) -> bool {
        let seen = lock(&self.0.seen);
        match &seen.roster {
            _ if seen.is_broken => true,
            Some(roster) => roster.members.get(self.me()) != Some(member),
            None => self.is_session(),
        }
    }
    /// Enters this daemon, where the registry lacks it.
    pub fn enter(&self, member: &Member) -> Result<()> {
        if !self.lacks(member) {
            return Ok(());
        }
        self.change(|members| {
            members.insert(self.0.me.clone(), member.clone());
        })
    }
    /// Makes the registry where there is none, with this daemon in it.
    pub fn found(&self, member: &Member) -> Result<()> {
        if self.roster().is_some() {
            return Ok(());
        }
        self.change(|members| {
            members.entry(self.0.me.clone()).or_insert_with(|| member.clone());
        })
    }
    /// Marks this daemon as gone.
    pub fn leave(&self) -> Result<()> {
        if !self.roster().is_some_and(|roster| roster.members.contains_key(self.me())) {
            return Ok(());
        }
        self.change(|members| {
            members.get_mut(self.me()).into_iter().for_each(|member| member.running = None);
        })
    }
    /// Whether a daemon has ended without taking its mark away, or its data directory was. Only one of the daemons looks, and
    /// goes on until it ends; for the others the answer is no.
    pub fn has_dead(&self) -> Result<bool> {
        let Some(roster) = self.roster() else { return Ok(false) };
        Ok(self.is_keeper()? && roster.members.iter().any(|(name, member)| self.is_gone(name) || self.is_dead(name, member)))
    }
    /// Takes away the marks of the dead, and those whose data directory is gone.
    pub fn bury(&self) -> Result<()> {
        self.change(|members| {
            members.retain(|name, _| !self.is_gone(name));
            let dead = members.iter_mut().filter(|(name, member)| self.is_dead(name, member));
            dead.for_each(|(_, member)| member.running = None);
        })
    }
    fn home_of(&self, name: &str) -> Home {
        name.parse().map_or_else(|_| self.0.home.main(), |name| self.0.home.of_session(&name))
    }
    fn is_gone(&self, name: &str) -> bool {
        name != self.me() && !self.home_of(name).config().exists()
    }
    fn is_dead(&self, name: &str, member: &Member) -> bool {
        name != self.me() && member.running.is_some() && Instance::running(&self.home_of(name)) != member.running
    }
    /// Becomes the one that looks after the others' marks, unless there is one.
    fn is_keeper(&self) -> Result<bool> {
        let mut keeper = lock(&self.0.keeper);
        if keeper.is_none() {
            let file = modes::open_lock(&self.0.home.keeper_lock()).map_err(|error| unusable(&self.0.home, &error))?;
            *keeper = file.try_lock().is_ok().then_some(file);
        }
        Ok(keeper.is_some())
    }
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Member>)) -> Result<()> {
        let _lock = hold(&self.0.home)?;
        let path = self.0.home.fleet();
        let stored = json_file::read::<Roster>(&path, VERSION)?;
        let mut roster = match stored.content {
            Some(roster) => roster,
            None => Roster { secret: Secret::generate()?, members: BTreeMap::new() },
        };
        change(&mut roster.members);
        json_file::write(&path, VERSION, &roster)?;
        *lock(&self.0.seen) = Seen { stamp: Stamp::of(&path), roster: Some(Arc::new(roster)), is_broken: false };
        Ok(())
    }
}

/// The right to change the registry and to make sessions, held until it is dropped. Blocks while another process has it, for
/// some seconds at most.
pub fn hold(home: &Home) -> Result<File> {
    let failed = |error: std::io::Error| unusable(home, &error);
    files::create_private_dir(&home.sessions()).map_err(failed)?;
    let lock = modes::open_lock(&home.fleet_lock()).map_err(failed)?;
    if lock.try_lock().is_ok() {
        return Ok(lock);
    }
    let (sender, held) = mpsc::channel();
    // A lock can only be waited for by blocking; a thread that still does lets go of it at once.
    std::thread::spawn(move || sender.send(lock.lock().map(|()| lock)));
    held.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(failed)
}

fn unusable(home: &Home, error: &std::io::Error) -> Error {
    Error::new(Code::Config, format!("{} can't be used: {}", home.sessions().display(), io_words(error)))
        .hint("Make it writable for the user that runs Loopsy.")
}

/// Reads the registry without the lock: what is broken is left to whoever changes it.
fn peek(path: &Path) -> Result<Option<Roster>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|cause| Error::internal("it is broken", cause)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::internal(&io_words(&error), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::modes::testing::mode;

    struct Machine {
        _dir: tempfile::TempDir,
        main: Home,
    }

    fn machine() -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let main = Home::at(dir.path());
        files::write_private(&main.config(), b"auth: {apiKey: k}\n").unwrap();
        Machine { _dir: dir, main }
    }
    impl Machine {
        fn session(&self, name: &str) -> Home {
            let home = self.main.of_session(&name.parse().unwrap());
            home.create().unwrap();
            files::write_private(&home.config(), b"server: {port: 0}\n").unwrap();
            home
        }
    }
    fn member(port: u16, running: Option<Running>) -> Member {
        Member { node_id: format!("id-{port}"), hostname: "kai".into(), port, running }
    }
    fn running() -> Running {
        Instance::this(([127, 0, 0, 1], 1).into())
    }

    #[test]
    fn without_sessions_there_is_no_registry() {
        let machine = machine();
        let main = Fleet::open(&machine.main);
        main.enter(&member(1, Some(running()))).unwrap();
        main.leave().unwrap();
        assert!(!main.has_dead().unwrap() && main.roster().is_none() && !machine.main.sessions().exists());
    }

    #[test]
    fn who_enters_is_seen_by_the_others_and_their_keys_agree() {
        let machine = machine();
        let (main, worker) = (Fleet::open(&machine.main), Fleet::open(&machine.session("worker-1")));
        worker.enter(&member(2, Some(running()))).unwrap();
        assert!(main.refresh() && !main.refresh());
        assert_eq!(mode(&machine.main.fleet()), 0o600);
        main.enter(&member(1, Some(running()))).unwrap();
        assert!(worker.refresh() && worker.main_runs());
        let key = |fleet: &Fleet, from: &str, to: &str| fleet.roster().unwrap().key(from, to).expose().to_owned();
        assert_eq!(key(&main, MAIN, "worker-1"), key(&worker, MAIN, "worker-1"));
        assert_ne!(key(&main, MAIN, "worker-1"), key(&main, "worker-1", MAIN));
        main.leave().unwrap();
        assert!(worker.refresh() && !worker.main_runs());
        assert_eq!(worker.roster().unwrap().members.len(), 2, "who is gone is still known");
    }

    /// known fault 60: a mark in the registry makes nobody run.
    #[test]
    fn the_marks_of_the_dead_are_taken_away_by_one_of_them() {
        let machine = machine();
        let homes = ["worker-1", "worker-2", "worker-3"].map(|name| machine.session(name));
        let fleets = homes.clone().map(|home| Fleet::open(&home));
        let instances = [&homes[0], &homes[2]].map(|home| {
            let instance = Instance::acquire(home).unwrap();
            instance.announce(&running()).unwrap();
            instance
        });
        fleets.iter().for_each(|fleet| fleet.enter(&member(2, Some(running()))).unwrap());
        assert!(fleets[0].refresh() && fleets[1].refresh());
        assert!(fleets[0].has_dead().unwrap() && !fleets[2].has_dead().unwrap());
        fleets[0].bury().unwrap();
        assert!(!fleets[0].has_dead().unwrap());
        let marked = |fleet: &Fleet| {
            let roster = fleet.roster().unwrap();
            let running = roster.members.iter().filter(|(_, member)| member.running.is_some());
            running.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(marked(&fleets[0]), ["worker-1", "worker-3"], "worker-2 holds no lock, whatever its mark says");
        drop(fleets);
        drop(instances);
        assert!(Fleet::open(&homes[1]).has_dead().unwrap(), "the keeper is gone, and so are the others");
    }

    #[test]
    fn a_broken_registry_is_set_aside_by_whoever_changes_it() {
        let machine = machine();
        let worker = Fleet::open(&machine.session("worker-1"));
        worker.enter(&member(2, None)).unwrap();
        for broken in [&b"{"[..], b"[]", b"", b"{\"version\":1,\"members\":{}}"] {
            files::write_private(&machine.main.fleet(), broken).unwrap();
            assert!(worker.refresh() && worker.roster().is_some() && worker.lacks(&member(2, None)), "what was known is known");
        }
        worker.enter(&member(3, None)).unwrap();
        assert_eq!(worker.roster().unwrap().members["worker-1"].port, 3);
        let beside = std::fs::read_dir(machine.main.sessions()).unwrap().flatten();
        assert!(beside.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("broken")));
    }
}
