//! Many daemons in one process, on a network in memory.

use loopsy::base::secret::Secret;
use loopsy::client::Link;
use loopsy::daemon::run::{self, Running};
use loopsy::home::Home;
use loopsy::net::memory::{Host, Memory};
use loopsy::net::{Address, Network};
use loopsy::platform::files;
use loopsy::platform::process::Guard;

use super::raw::Raw;

/// The owner's key of every machine of a simulation.
pub const OWNER: &str = "owner-key-0123456789abcdef";
/// The key that two machines share, by their names in either order.
pub fn pair_key(a: &str, b: &str) -> String {
    let (first, second) = if a < b { (a, b) } else { (b, a) };
    format!("pair-key-{first}-{second}-0123456789")
}

/// A network with daemons.
#[derive(Default)]
pub struct Sim {
    pub memory: Memory,
}

/// One daemon and the machine it runs on.
pub struct Machine {
    pub host: Host,
    pub running: Option<Running>,
    pub dir: tempfile::TempDir,
}

impl Sim {
    /// A machine that trusts `peers` and knows where they are. `more` is appended to its configuration.
    pub async fn machine(&self, name: &str, peers: &[&str], more: &str) -> Machine {
        let mut machine = self.lay(name, &knowing(name, peers, more));
        machine.start().await;
        machine
    }
    /// A machine with this configuration.
    pub async fn configured(&self, name: &str, config: &str) -> Machine {
        let mut machine = self.lay(name, config);
        machine.start().await;
        machine
    }
    /// A machine whose daemon does not run yet.
    pub fn lay(&self, name: &str, config: &str) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config.to_owned();
        if !config.lines().any(|line| line == "transfer:") {
            // A test leaves the home folder of whoever runs it alone.
            config += &format!("transfer:\n  allowedPaths: [{}]\n", dir.path().join("files").display());
        }
        files::write_private(&dir.path().join("config.yaml"), config.as_bytes()).unwrap();
        Machine { host: self.memory.host(name), running: None, dir }
    }
}

/// The configuration of a machine that trusts `peers` and knows where they are, with `more` behind it.
pub fn knowing(name: &str, peers: &[&str], more: &str) -> String {
    let keys: String = peers.iter().map(|peer| format!("    {peer}: {}\n", pair_key(name, peer))).collect();
    let manual: String = peers.iter().map(|peer| format!("    - {{address: {peer}, port: 19532, hostname: {peer}}}\n")).collect();
    let plain = peers.join(", ");
    let mut config = format!("server:\n  hostname: {name}\nauth:\n  apiKey: {OWNER}\n");
    if !peers.is_empty() {
        config += &format!("  allowedKeys:\n{keys}tls:\n  allowPlaintext: [{plain}]\ndiscovery:\n  manualPeers:\n{manual}");
    }
    config + more
}

/// The address of a host by its name.
pub fn at(name: &str) -> Address {
    Address::new(name, 19532).unwrap()
}

impl Sim {
    /// Plaintext from a host that has no daemon.
    pub fn plain(&self, from: &str, to: &str) -> Raw {
        Raw::new(&Network::Memory(self.memory.host(from)), at(to))
    }
    /// The same over TLS.
    pub fn tls(&self, from: &str, to: &str) -> Raw {
        Raw::secured(&Network::Memory(self.memory.host(from)), at(to))
    }
}

impl Machine {
    pub fn home(&self) -> Home {
        Home::at(self.dir.path())
    }
    pub fn network(&self) -> Network {
        Network::Memory(self.host.clone())
    }
    pub async fn start(&mut self) {
        self.running = Some(run::start(self.home(), self.network(), Guard::start().unwrap()).await.unwrap());
    }
    /// Ends the daemon in good order; nothing may have to be cut off.
    pub async fn stop(&mut self) {
        let left = self.running.take().unwrap().stop().await;
        assert!(left.is_empty(), "still running at the end: {left:?}");
    }
    pub fn address(&self) -> Address {
        Address::new("127.0.0.1", 19532).unwrap()
    }
    /// The owner's line to the daemon.
    pub fn link(&self) -> Link {
        Link::new(&self.network(), self.address()).key(Secret::new(OWNER))
    }
    /// Requests from this machine to its own daemon.
    pub fn raw(&self) -> Raw {
        Raw::new(&self.network(), self.address())
    }
    /// Requests from this machine to the daemon of another.
    pub fn raw_to(&self, other: &str) -> Raw {
        Raw::new(&self.network(), at(other))
    }
}
