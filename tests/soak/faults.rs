//! What goes wrong, one thing after the other.

use std::process::Command;
use std::time::Duration;

use loopsy::api::context::ContextSet;
use loopsy::base::clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use super::load::World;
use super::machine::{Machine, can_move_clocks};
use super::support::dice::Dice;
use super::support::disk::Disk;
use super::support::netns::Lan;
use super::support::process::skipped;
use super::support::sim::OWNER;

/// All that can go wrong.
pub const ALL: [&str; 9] = ["kill", "disk", "descriptors", "clock", "freeze", "slow", "partition", "oneway", "strangers"];
/// Connections of those who want to do harm.
const CROWD: usize = 150;
/// Descriptors that are left to a daemon which is to run out of them.
const FEW: u64 = 40;

/// Who makes things go wrong.
pub struct Faults<'a> {
    pub world: &'a World,
    pub lan: Option<&'a Lan>,
    /// Threads of a machine that nobody knows.
    pub outside: &'a Runtime,
    pub dice: Dice,
}

/// Those of the wanted faults that can be made here; says which can't.
pub fn possible(wanted: &[String], has_disks: bool, has_lan: bool) -> Vec<&'static str> {
    let can = |fault: &&&str| match **fault {
        "disk" if !has_disks => Err("no disks of their own"),
        "partition" | "oneway" if !has_lan => Err("no namespaces"),
        "clock" if !can_move_clocks() => Err("libfaketime is not here"),
        _ => Ok(()),
    };
    let wanted = ALL.iter().filter(|fault| wanted.is_empty() || wanted.iter().any(|name| name == *fault));
    wanted.filter(|fault| can(fault).inspect_err(|why| skipped(&format!("{fault}: {why}"))).is_ok()).copied().collect()
}

impl Faults<'_> {
    /// Makes one thing go wrong for some seconds.
    pub async fn strike(&mut self, fault: &'static str) {
        let world = self.world;
        let victim = if fault == "clock" { 2 } else { self.dice.below(world.machines.len() as u64) as usize };
        let other = (victim + 1 + self.dice.below(world.machines.len() as u64 - 1) as usize) % world.machines.len();
        let (machine, length) = (&world.machines[victim], Duration::from_millis(2500 + self.dice.below(3500)));
        world.tally.fault(fault, format!("{fault} {}", machine.name));
        match fault {
            "kill" => {
                machine.kill();
                sleep(Duration::from_millis(self.dice.below(1500))).await;
                machine.start();
            }
            "disk" => {
                machine.disk(Disk::fill);
                sleep(length).await;
                machine.disk(Disk::free);
            }
            "descriptors" => self.take_descriptors(machine, length).await,
            "clock" => {
                let seconds = self.dice.below(14_400) as i64 - 7200;
                machine.move_clock(seconds);
                sleep(length).await;
                self.see_clock(machine, seconds).await;
                if self.dice.below(2) == 0 {
                    machine.move_clock(0);
                    sleep(Duration::from_secs(2)).await;
                }
            }
            "freeze" => {
                let Some(process) = machine.process() else { return };
                process.signal("STOP");
                sleep(length).await;
                process.signal("CONT");
            }
            "slow" => self.crowd(machine, machine.runtime(), length, Manner::Slow).await,
            "strangers" => self.crowd(machine, self.outside, length, Manner::Hostile).await,
            "partition" => {
                let Some(lan) = self.lan else { return };
                lan.unplug(victim);
                sleep(length).await;
                lan.plug_in(victim);
            }
            "oneway" => {
                let Some(lan) = self.lan else { return };
                // Everything for the other goes to a plug that nobody has; what comes from there still comes.
                let (from, to) = (&lan.hosts[victim], Lan::v4(other));
                from.ip(&["neigh", "replace", &to, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"]);
                sleep(length).await;
                from.ip(&["neigh", "del", &to, "dev", "eth0"]);
            }
            _ => unreachable!("{fault}"),
        }
    }

    /// Whether the daemon goes by the clock that it was given.
    async fn see_clock(&self, machine: &Machine, seconds: i64) {
        let link = machine.link();
        let set = ContextSet { key: "clock".into(), value: "now".into(), ttl: None, if_match: None, if_none_match: None };
        if let Ok(Ok(entry)) = machine.runtime().spawn(async move { link.call(&set).await }).await {
            let off = entry.updated_at as i64 - clock::now() as i64 - seconds * 1000;
            if off.abs() > 60_000 {
                self.world.tally.violation(format!("the clock of {} is {off} ms from where it was moved", machine.name));
            }
        }
    }

    /// Leaves a daemon few descriptors, and takes those.
    async fn take_descriptors(&self, machine: &Machine, length: Duration) {
        let (Some(process), Some(usage)) = (machine.process(), machine.usage()) else { return };
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.pid)).unwrap_or_default();
        let before = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<u64>().ok());
        let Some(before) = before else { return };
        let soft = |most: u64| {
            let set = Command::new("prlimit").args(["--pid", &process.pid.to_string(), &format!("--nofile={most}:")]).status();
            if !set.is_ok_and(|status| status.success()) && machine.process().is_some() {
                self.world.tally.violation(format!("the descriptors of {} can't be taken", machine.name));
            }
        };
        soft(usage.descriptors + FEW);
        self.crowd(machine, machine.runtime(), length, Manner::Silent).await;
        soft(before);
    }

    /// Many connections at once, which are closed in the end.
    async fn crowd(&self, machine: &Machine, runtime: &Runtime, length: Duration, manner: Manner) {
        let address = match manner {
            Manner::Hostile => (machine.address.host.clone(), machine.address.port),
            _ => ("127.0.0.1".to_owned(), machine.address.port),
        };
        let visits: Vec<_> = (0..CROWD)
            .map(|at| {
                let address = address.clone();
                runtime.spawn(async move { timeout(length, visit(address, manner, at)).await })
            })
            .collect();
        for visit in visits {
            let _ = visit.await;
        }
    }
}

/// How somebody behaves who is connected.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Silent,
    Slow,
    Hostile,
}

/// One connection; it ends when this is dropped.
async fn visit(address: (String, u16), manner: Manner, at: usize) {
    let Ok(Ok(mut stream)) = timeout(Duration::from_secs(3), TcpStream::connect(address)).await else { return };
    let mut byte = [0];
    match (manner, at % 5) {
        (Manner::Silent, _) | (Manner::Slow | Manner::Hostile, 0) => {
            let _ = stream.read(&mut byte).await;
        }
        (Manner::Slow, _) => {
            let path = if at.is_multiple_of(2) { "/api/v1/context" } else { "/api/v1/events" };
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OWNER}\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).await;
            while stream.read_exact(&mut byte).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        }
        (Manner::Hostile, 1) => {
            // The beginning of a TLS handshake, and no end.
            let _ = stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
            let _ = stream.read(&mut byte).await;
        }
        (Manner::Hostile, 2) => {
            let _ = stream.write_all(b"GET /api/v1/status HTTP/1.1\r\n").await;
            while stream.write_all(b"x-more: and more and more and more\r\n").await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        (Manner::Hostile, 3) => while stream.write_all(&[at as u8; 4096]).await.is_ok() {},
        (Manner::Hostile, _) => {
            // A body that is promised and never comes.
            let _ = stream.write_all(b"POST /api/v1/pair/initiate HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{").await;
            let _ = stream.read(&mut byte).await;
        }
    }
}

/// What each machine must do before a fault is over: keep a value, and have a command run by each of the others.
pub async fn recovered(world: &World, within: Duration) -> Result<(), String> {
    use super::caller::{Asked, Outcome};
    use http::Method;
    let asked = async |here: usize, method: Method, target: &str, there: usize, body: &str, wanted: &str| {
        let (machine, via) = (&world.machines[here], (here != there).then(|| world.machines[there].name));
        let (caller, target, body, headers) =
            (machine.caller.clone(), target.to_owned(), body.to_owned(), [("content-type", "application/json")]);
        let asked = machine.runtime().spawn(async move {
            caller.attempt(Asked { kind: "probe", method, target: &target, via, headers: &headers, body: body.into() }).await
        });
        match asked.await.map_err(|cause| cause.to_string())? {
            Outcome::Done(answer) if String::from_utf8_lossy(&answer.body).contains(wanted) => Ok(()),
            outcome => Err(format!("{} asks {}: {outcome}", machine.name, world.machines[there].name)),
        }
    };
    let all = async {
        for here in 0..world.machines.len() {
            asked(here, Method::PUT, "/api/v1/context/probe", here, r#"{"value":"here"}"#, "here").await?;
            asked(here, Method::GET, "/api/v1/context/probe", here, "", "here").await?;
            for there in (0..world.machines.len()).filter(|there| *there != here) {
                asked(here, Method::POST, "/api/v1/execute", there, r#"{"command":"echo","args":["there"]}"#, "there").await?;
            }
        }
        Ok(())
    };
    timeout(within, all).await.unwrap_or_else(|_| Err("no answer in time".into()))
}

/// Compares what is in each store, and each file, with what must be there.
pub async fn compare(world: &World) {
    for (machine, truth) in world.machines.iter().zip(&world.truths) {
        let _nobody_writes = truth.writing.write().await;
        let (link, tally) = (machine.link(), &world.tally);
        let stored = machine.runtime().spawn(async move {
            let list = link.call(&loopsy::api::context::ContextList { prefix: Some("w-".into()), ..Default::default() }).await?;
            futures_util::TryStreamExt::try_collect::<Vec<_>>(list).await
        });
        let stored = match stored.await {
            Ok(Ok(stored)) => stored,
            failed => {
                tally.violation(format!("the entries of {} can't be listed: {failed:?}", machine.name));
                continue;
            }
        };
        let mut stored: std::collections::HashMap<_, _> = stored.into_iter().map(|entry| (entry.key, entry.value)).collect();
        for (key, may) in truth.entries() {
            let found = if key.starts_with("files/") {
                std::fs::read(machine.folder.join(&key)).ok().map(|content| super::load::sum(&content))
            } else {
                stored.remove(&key).flatten()
            };
            if !may.contains(&found) {
                let short = |value: &Option<String>| value.as_ref().map(|value| value.chars().take(20).collect::<String>());
                let may: Vec<_> = may.iter().map(short).collect();
                tally.violation(format!("{key} on {} holds {:?} where it must be one of {may:?}", machine.name, short(&found)));
            }
        }
        if let Some(key) = stored.keys().next() {
            tally.violation(format!("{} has {key}, which nobody wrote", machine.name));
        }
    }
}

/// No line of an audit log goes on where half of another was left. Half of one is all that a kill may leave.
pub fn read_logs(world: &World) {
    for machine in &world.machines {
        for log in std::fs::read_dir(machine.folder.join(".loopsy/logs")).unwrap().flatten() {
            if !log.file_name().to_string_lossy().starts_with("audit") {
                continue;
            }
            let content = std::fs::read(log.path()).unwrap();
            let text = String::from_utf8_lossy(&content);
            let is_glued = |line: &&str| line.ends_with('}') && serde_json::from_str::<serde_json::Value>(line).is_err();
            if let Some(line) = text.lines().find(is_glued) {
                world.tally.violation(format!("{} of {} has a line that is none: {line}", log.file_name().display(), machine.name));
            }
        }
    }
}
