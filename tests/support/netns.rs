//! Machines of a network that a test makes for itself: network namespaces, joined by virtual cables.
//!
//! All of it goes away when it is dropped; what still runs in a namespace keeps that alive until it ends.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::process::skipped;

/// Whether this user may make namespaces here; says so where not.
pub fn possible() -> bool {
    let name = unique();
    let made = try_ip(&["netns", "add", &name]).and_then(|()| try_ip(&["netns", "del", &name]));
    if let Err(why) = &made {
        skipped(&format!("no namespaces: {why}"));
    }
    made.is_ok()
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("lt{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn try_ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

fn ip(args: &[&str]) {
    try_ip(args).unwrap_or_else(|why| panic!("ip {args:?}: {why}"));
}

/// One machine: a namespace with nothing but loopback in it.
pub struct Space {
    name: String,
}

impl Space {
    pub fn new() -> Self {
        let space = Self { name: unique() };
        ip(&["netns", "add", &space.name]);
        space.up("lo");
        space
    }
    /// A program of this machine, to be started. Its process is the program itself.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
    /// The file by which a thread gets into the namespace.
    #[allow(dead_code, reason = "tests/soak has threads")]
    pub fn file(&self) -> std::path::PathBuf {
        std::path::Path::new("/run/netns").join(&self.name)
    }
    /// Changes the machine's network with `ip`.
    pub fn ip(&self, args: &[&str]) {
        ip(&[&["-n", &self.name], args].concat());
    }
    pub fn up(&self, device: &str) {
        self.ip(&["link", "set", device, "up"]);
    }
    pub fn down(&self, device: &str) {
        self.ip(&["link", "set", device, "down"]);
    }
    /// A cable to another machine, with a plug of this name on either end.
    pub fn cable(&self, device: &str, other: &Space, others_device: &str) {
        self.ip(&["link", "add", device, "type", "veth", "peer", "name", others_device, "netns", &other.name]);
        self.up(device);
        other.up(others_device);
    }
    /// Gives a device an address: `10.0.0.1/24`.
    pub fn address(&self, device: &str, address: &str) {
        let at_once: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        self.ip(&[&["addr", "add", address, "dev", device], at_once].concat());
    }
    /// A device with an address that leads out of the machine nowhere, as those of containers and virtual machines do.
    pub fn inside_network(&self, device: &str, address: &str) {
        self.cable(device, self, &format!("{device}-in"));
        self.address(device, address);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // It is a test's end, possibly of one that failed: what can't be removed is left.
        let _ = try_ip(&["netns", "del", &self.name]);
    }
}

/// Machines at one switch. Each has a plug `eth0` with the addresses `10.99.0.<n>/24` and `fd99::<n>/64`, counted from 1.
pub struct Lan {
    switch: Space,
    pub hosts: Vec<Space>,
}

impl Lan {
    pub fn of(count: usize) -> Self {
        let switch = Space::new();
        // A switch that hears nobody ask for multicast would soon keep it from everybody.
        switch.ip(&["link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
        switch.up("br0");
        let hosts: Vec<Space> = (0..count).map(|_| Space::new()).collect();
        for (at, host) in hosts.iter().enumerate() {
            let port = Self::port(at);
            switch.cable(&port, host, "eth0");
            switch.ip(&["link", "set", &port, "master", "br0"]);
            host.address("eth0", &format!("{}/24", Self::v4(at)));
            host.address("eth0", &format!("fd99::{}/64", at + 1));
        }
        Self { switch, hosts }
    }
    /// The address of a host.
    pub fn v4(at: usize) -> String {
        format!("10.99.0.{}", at + 1)
    }
    /// Pulls a host's plug; the others' stay.
    pub fn unplug(&self, at: usize) {
        self.switch.down(&Self::port(at));
    }
    pub fn plug_in(&self, at: usize) {
        self.switch.up(&Self::port(at));
    }
    fn port(at: usize) -> String {
        format!("port{at}")
    }
}
