//! Daemons as processes of their own, and two that know each other.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};

use loopsy::base::secret::Secret;
use loopsy::client::Link;
use loopsy::home::instance::Ready;
use loopsy::net::{Address, Network};
use loopsy::platform::files;
use serde_json::{Value, json};

use super::process::Process;
use super::program::Program;
use super::raw::Raw;
use super::sim::{OWNER, pair_key};

/// A home and its daemon, a child of the test; killed at the latest when this is dropped.
pub struct Node {
    pub program: Program,
    pub ready: Ready,
    daemon: Child,
}

impl Node {
    /// A daemon on loopback and any free port. `more` is laid over its configuration.
    pub fn start(name: &str, more: Value) -> Self {
        let mut config = json!({
            "server": { "host": "127.0.0.1", "port": 0, "hostname": name },
            "auth": { "apiKey": OWNER },
            "discovery": { "enabled": false },
            "rateLimits": { "execute": 100_000, "transfer": 100_000, "context": 100_000 },
        });
        lay_over(&mut config, more);
        let program = Program::bare();
        files::create_private_dir(program.home().root()).unwrap();
        files::write_private(&program.home().config(), config.to_string().as_bytes()).unwrap();
        let (daemon, ready) = launch(&program);
        Self { program, ready, daemon }
    }
    /// Starts it again; it may be on another port.
    pub fn again(&mut self) {
        (self.daemon, self.ready) = launch(&self.program);
    }
    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
    /// How the daemon ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.daemon.try_wait().unwrap()
    }
    pub fn process(&self) -> Process {
        Process::of(self.ready.pid).unwrap()
    }
    pub fn address(&self) -> Address {
        Address::new("127.0.0.1", self.ready.port).unwrap()
    }
    /// The owner's line to the daemon.
    pub fn link(&self) -> Link {
        Link::new(&Network::Sockets, self.address()).key(Secret::new(OWNER))
    }
    pub fn raw(&self) -> Raw {
        Raw::new(&Network::Sockets, self.address())
    }
    /// The daemon still does what it is asked.
    pub async fn answers(&self) {
        assert_eq!(self.raw().get("/api/v1/health", None).await.json()["status"], "ok");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn launch(program: &Program) -> (Child, Ready) {
    let mut daemon = program.command(&["daemon"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the daemon did not start: {line:?}"));
    (daemon, ready)
}

fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// Two daemons: leo, whose people are the testers, and kai, the peer that leo knows.
pub struct Pair {
    pub leo: Node,
    pub kai: Node,
}

impl Pair {
    pub fn start() -> Self {
        Self::with(json!({}))
    }
    /// `more` is laid over kai's configuration.
    pub fn with(more: Value) -> Self {
        let kai = Node::start("kai", knowing("kai", &[("leo", None)], more));
        let leo = Node::start("leo", knowing("leo", &[("kai", Some(kai.ready.port))], json!({})));
        Self { leo, kai }
    }
    /// Both ways to have something done on kai: as its owner, and from leo.
    pub fn links(&self) -> [Link; 2] {
        [self.kai.link(), self.leo.link().via("kai")]
    }
}

/// The configuration of a machine that lets peers in, and of some knows on which port of this machine they are.
pub fn knowing(name: &str, peers: &[(&str, Option<u16>)], more: Value) -> Value {
    let keys: serde_json::Map<_, _> = peers.iter().map(|(peer, _)| ((*peer).to_owned(), pair_key(name, peer).into())).collect();
    let known = peers.iter().filter_map(|(peer, port)| Some(json!({ "address": "127.0.0.1", "port": (*port)?, "hostname": peer })));
    let mut config = json!({
        "auth": { "allowedKeys": keys },
        "discovery": { "manualPeers": known.collect::<Vec<_>>() },
    });
    lay_over(&mut config, more);
    config
}
