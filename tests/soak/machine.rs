//! A machine: a network namespace, a small disk, a clock, and the daemon on it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use loopsy::base::secret::Secret;
use loopsy::base::sync::lock;
use loopsy::client::Link;
use loopsy::home::instance::Ready;
use loopsy::net::{Address, Network};
use loopsy::platform::files;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::caller::Caller;
use super::support::disk::Disk;
use super::support::netns::Lan;
use super::support::process::Process;
use super::support::sim::OWNER;
use super::tally::Tally;

/// A machine's disk.
const DISK: &str = "size=48m,mode=0700";
/// Where Debian has the library that moves a program's clock.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// What a run can do here.
#[derive(Debug, Clone)]
pub struct Means {
    pub program: PathBuf,
    pub agent: PathBuf,
    /// Whether there may be namespaces and disks of their own.
    pub root: bool,
}

/// One of the machines.
pub struct Machine {
    pub name: &'static str,
    /// Its home folder, and its disk.
    pub folder: PathBuf,
    /// Where others reach it.
    pub address: Address,
    pub caller: Arc<Caller>,
    /// Its own programs run here; nothing where it is this machine's network.
    pub space: Option<PathBuf>,
    /// The threads of its clients.
    runtime: Option<Runtime>,
    disk: Mutex<Option<Disk>>,
    has_clock: bool,
    means: Means,
    daemon: Mutex<Option<Child>>,
}

/// Threads in a network namespace.
pub fn runtime_in(space: Option<PathBuf>) -> Runtime {
    let enter = move || {
        if let Some(space) = &space {
            let file = File::open(space).unwrap();
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        }
    };
    Builder::new_multi_thread().worker_threads(1).on_thread_start(enter).enable_all().build().unwrap()
}

/// Whether programs can be given another clock here.
pub fn can_move_clocks() -> bool {
    Path::new(FAKETIME).exists()
}

fn ran(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Machine {
    /// Makes a machine whose daemon does not run yet.
    pub fn new(name: &'static str, at: usize, folder: PathBuf, means: &Means, lan: Option<&Lan>, tally: &Arc<Tally>) -> Self {
        let disk = if means.root { Disk::mount(&folder, DISK) } else { None };
        files::create_private_dir(&folder).unwrap();
        let space = lan.map(|lan| lan.hosts[at].file());
        let (host, port) = match lan {
            Some(_) => (Lan::v4(at), 19532),
            // Free a moment ago; a daemon that starts again keeps it.
            None => ("127.0.0.1".to_owned(), std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()),
        };
        let listens_on = if space.is_some() { "0.0.0.0" } else { "127.0.0.1" };
        let many = 10_000_000;
        let config = json!({
            "server": { "host": listens_on, "port": port, "hostname": name },
            "auth": { "apiKey": OWNER },
            "tls": { "enabled": true },
            "execution": { "maxConcurrent": 64 },
            "rateLimits": { "execute": many, "transfer": many, "context": many, "messages": many },
            // The logs must fit on the disk.
            "logging": { "maxSize": 1 << 20, "maxFiles": 2 },
        });
        let bin = folder.join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(&means.agent, bin.join("claude")).unwrap();
        std::fs::create_dir(folder.join("files")).unwrap();
        files::create_private_dir(&folder.join(".loopsy")).unwrap();
        files::write_private(&folder.join(".loopsy/config.yaml"), config.to_string().as_bytes()).unwrap();
        files::write_private(&folder.join("clock"), b"+0\n").unwrap();
        Self {
            name,
            address: Address::new(&host, port).unwrap(),
            caller: Arc::new(Caller::new(Address::new("127.0.0.1", port).unwrap(), tally.clone())),
            runtime: Some(runtime_in(space.clone())),
            space,
            folder,
            disk: Mutex::new(disk),
            // One has a clock that moves; the others tell whether it notices.
            has_clock: at == 2 && can_move_clocks(),
            means: means.clone(),
            daemon: Mutex::default(),
        }
    }
    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }
    /// The word by which whatever the daemon started is known, however it is called and whosever child it has become.
    fn mark(&self) -> String {
        format!("LOOPSY_SOAK={}-{}", std::process::id(), self.name)
    }
    /// The program on this machine, to be started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match &self.space {
            Some(space) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec"]).arg(space.file_name().unwrap()).arg(&self.means.program);
                command
            }
            None => Command::new(&self.means.program),
        };
        let path = format!("{}:{}", self.folder.join("bin").display(), std::env::var("PATH").unwrap_or_default());
        command.args(args).env("LOOPSY_DATA_DIR", self.folder.join(".loopsy")).env("HOME", &self.folder).env("PATH", path);
        command.stdin(Stdio::null());
        command
    }
    /// Starts the daemon and waits until it listens.
    pub fn start(&self) {
        let mut command = self.command(&["daemon"]);
        let (name, value) = self.mark().split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        command.env(name, value).stdout(Stdio::piped()).stderr(Stdio::null());
        if self.has_clock {
            command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", self.folder.join("clock"));
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_CACHE_DURATION", "1").env("NO_FAKE_STAT", "1");
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{} did not start: {line:?}", self.name));
        assert_eq!(ready.pid, child.id());
        *lock(&self.daemon) = Some(child);
    }
    /// `kill -9`, and waits until it is gone.
    pub fn kill(&self) {
        if let Some(mut child) = lock(&self.daemon).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    /// The daemon's process; nothing once it has ended.
    pub fn process(&self) -> Option<Process> {
        let mut daemon = lock(&self.daemon);
        let child = daemon.as_mut()?;
        if child.try_wait().unwrap().is_some() { None } else { Process::of(child.id()) }
    }
    /// The owner's line to the daemon, for what streams.
    pub fn link(&self) -> Link {
        Link::new(&Network::Sockets, Address::new("127.0.0.1", self.address.port).unwrap()).key(Secret::new(OWNER))
    }
    /// Moves the clock of the daemon.
    pub fn move_clock(&self, seconds: i64) {
        files::write_private(&self.folder.join("clock"), format!("{seconds:+}\n").as_bytes()).unwrap();
    }
    /// Whether its disk is its own.
    pub fn has_disk(&self) -> bool {
        lock(&self.disk).is_some()
    }
    /// Does something with its disk, where that is its own.
    pub fn disk(&self, of: impl FnMut(&Disk)) {
        lock(&self.disk).as_ref().into_iter().for_each(of);
    }
    /// Processes that its daemon started, and those that they did, whoever is their parent by now.
    pub fn started(&self) -> Vec<u32> {
        let mark = self.mark();
        let own = lock(&self.daemon).as_ref().map(Child::id);
        let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_marked = |pid: &u32| {
            let variables = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            Some(*pid) != own && variables.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        pids.filter(is_marked).collect()
    }
    /// What the daemon uses now.
    pub fn usage(&self) -> Option<Usage> {
        let pid = self.process()?.pid;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Usage {
            memory: field("VmRSS")? * 1024,
            threads: field("Threads")?,
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
            processes: self.started().len() as u64,
        })
    }
    /// Pairs with another machine, as scripts do it.
    pub fn pair(&self, other: &Machine) {
        let mut shown = other.command(&["pair", "--yes", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shown.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        ran(&mut self.command(&["pair", &other.address.to_string(), "--code", told["inviteCode"].as_str().unwrap(), "--yes"]));
        assert!(shown.wait().unwrap().success());
    }
    /// Ends the daemon and gives the disk back.
    pub fn take_down(&self) {
        self.kill();
        lock(&self.disk).take();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// What a daemon holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Bytes of memory.
    pub memory: u64,
    pub threads: u64,
    pub descriptors: u64,
    /// Processes beside its own.
    pub processes: u64,
}
