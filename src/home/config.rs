//! The configuration as the daemon holds it: every key, its meaning and its default.
//!
//! Reading and writing the file is `config_file`'s; this module is the one list of keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::api::Permission;
use crate::api::peers::DEFAULT_PORT;
use crate::base::secret::Secret;
use crate::base::units::MIB;

/// `null` in the file means the default, as for a key that is not there.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section! {
    /// The whole of `config.yaml`.
    Config {
        /// Where the daemon listens and what it is called.
        #[serde(deserialize_with = "or_default")]
        server: Server = Server::default(),
        /// Keys.
        #[serde(deserialize_with = "or_default")]
        auth: Auth = Auth::default(),
        /// Transport security.
        #[serde(deserialize_with = "or_default")]
        tls: Tls = Tls::default(),
        /// Which commands may run.
        #[serde(deserialize_with = "or_default")]
        execution: Execution = Execution::default(),
        /// Which files may travel.
        #[serde(deserialize_with = "or_default")]
        transfer: Transfer = Transfer::default(),
        /// The context store's bounds.
        #[serde(deserialize_with = "or_default")]
        context: Context = Context::default(),
        /// Messages to and from peers.
        #[serde(deserialize_with = "or_default")]
        messages: Messages = Messages::default(),
        /// Agents at work.
        #[serde(deserialize_with = "or_default")]
        ai_tasks: AiTasks = AiTasks::default(),
        /// Terminals.
        #[serde(deserialize_with = "or_default")]
        terminal: Terminal = Terminal::default(),
        /// Requests a minute, of each peer.
        #[serde(deserialize_with = "or_default")]
        rate_limits: RateLimits = RateLimits::default(),
        /// How peers are found.
        #[serde(deserialize_with = "or_default")]
        discovery: Discovery = Discovery::default(),
        /// What is written down.
        #[serde(deserialize_with = "or_default")]
        logging: Logging = Logging::default(),
    }
}

section! {
    /// Where the daemon listens and what it is called. A change needs a restart.
    Server {
        /// Port, 0 for any free one.
        port: u16 = DEFAULT_PORT,
        /// Address to listen on; `0.0.0.0` is every address, of IPv4 and IPv6. Loopback is always served.
        host: String = "0.0.0.0".into(),
        /// This machine's name among its peers; the system's name unless given.
        hostname: Option<String> = None,
        /// Host names under which keyless requests are taken, beside the machine's own.
        #[serde(deserialize_with = "or_default")]
        allowed_hosts: Vec<String> = Vec::new(),
    }
}

section! {
    /// Keys.
    Auth {
        /// The owner's key, for this machine's own programs.
        api_key: Option<Secret> = None,
        /// Each peer's key, by the peer's name. The same key serves in both directions.
        #[serde(deserialize_with = "or_default")]
        allowed_keys: BTreeMap<String, Secret> = BTreeMap::new(),
        /// What each peer may do, by its name; all unless given.
        #[serde(deserialize_with = "or_default")]
        permissions: BTreeMap<String, Vec<Permission>> = BTreeMap::new(),
    }
}

section! {
    /// Transport security.
    Tls {
        /// Whether plaintext from other machines is refused.
        enabled: bool = false,
        /// Certificate fingerprints by peer name, SHA-256 in hexadecimal digits.
        #[serde(deserialize_with = "or_default")]
        pinned_certs: BTreeMap<String, String> = BTreeMap::new(),
        /// Peers (Node version) that may speak plaintext.
        #[serde(deserialize_with = "or_default")]
        allow_plaintext: Vec<String> = Vec::new(),
    }
}

impl Tls {
    /// Whether a peer may speak plaintext.
    pub fn allows_plaintext(&self, peer: &str) -> bool {
        self.allow_plaintext.iter().any(|allowed| allowed == peer)
    }
}

section! {
    /// Which commands may run.
    Execution {
        /// Programs that may not run, by base name. A guard rail against accidents, no sandbox.
        #[serde(deserialize_with = "or_default")]
        denylist: Vec<String> = ["rm", "rmdir", "format", "mkfs", "dd", "shutdown", "reboot"].map(String::from).to_vec(),
        /// If given and not empty, the only programs that may run.
        #[serde(deserialize_with = "or_default")]
        allowlist: Vec<String> = Vec::new(),
        /// Commands at once.
        max_concurrent: u32 = 10,
        /// Milliseconds a command may run unless it says otherwise; 0 for no limit.
        default_timeout: u64 = 300_000,
        /// Bytes of output kept of each stream by the route that answers all at once.
        max_output_bytes: u64 = 10 * MIB,
    }
}

section! {
    /// Which files may travel.
    Transfer {
        /// Folders that peers may read and write; the home folder unless given.
        allowed_paths: Option<Vec<String>> = None,
        /// Folders and files that they may not, even inside of the allowed ones.
        #[serde(deserialize_with = "or_default")]
        denied_paths: Vec<String> = Vec::new(),
        /// Largest file, bytes.
        max_file_size: u64 = 1024 * MIB,
    }
}

section! {
    /// The context store's bounds.
    Context {
        /// Most entries.
        max_entries: u64 = 100_000,
        /// Most bytes of keys and values in all.
        max_bytes: u64 = 1024 * MIB,
    }
}

section! {
    /// Messages to and from peers.
    Messages {
        /// Seconds that a message is kept, here until it is delivered and unread at its recipient, unless it says otherwise.
        ttl: f64 = 7.0 * 86_400.0,
    }
}

section! {
    /// Agents at work.
    AiTasks {
        /// Tasks at once.
        max_concurrent: u32 = 3,
        /// Tasks that may wait for their turn.
        max_queued: u32 = 50,
        /// Milliseconds that a task may work unless it says otherwise, waiting for approvals not counted; 0 for no limit.
        timeout: u64 = 30 * 60_000,
        /// Milliseconds after which what nobody answered is denied.
        approval_timeout: u64 = 30 * 60_000,
        /// Ended tasks that are kept.
        max_tasks: u32 = 200,
        /// Days that they are kept.
        keep_days: u32 = 30,
        /// Events of a task that are kept.
        max_events: u32 = 10_000,
        /// The same in bytes.
        max_event_bytes: u64 = 8 * MIB,
        /// Variables that agents get although such are kept from them: `CLAUDE*`, `ANTHROPIC_*`, `AI_AGENT`, `OTEL_*`.
        #[serde(deserialize_with = "or_default")]
        pass_env: Vec<String> = ["CLAUDE_CONFIG_DIR", "CLAUDE_CODE_GIT_BASH_PATH"].map(String::from).to_vec(),
        /// Peers that may ask for what only the owner may otherwise.
        #[serde(deserialize_with = "or_default")]
        trusted_peers: Vec<String> = Vec::new(),
        /// Whether agents of this machine may answer what agents ask.
        agents_may_approve: bool = false,
        /// Further agents that speak the Agent Client Protocol, by name: program and arguments.
        #[serde(deserialize_with = "or_default")]
        agents: BTreeMap<String, Vec<String>> = BTreeMap::new(),
    }
}

section! {
    /// Terminals.
    Terminal {
        /// Terminals at once whose program runs.
        max_concurrent: u32 = 16,
        /// Milliseconds after which a terminal that nobody looks at, and in which nothing happens, is ended; 0 for never.
        idle_timeout: u64 = 24 * 60 * 60 * 1000,
    }
}

section! {
    /// Requests a minute, of each peer; 0 lets none through.
    RateLimits {
        /// Commands.
        execute: u32 = 30,
        /// Transfers.
        transfer: u32 = 10,
        /// Context store.
        context: u32 = 60,
        /// Messages and acknowledgements that a peer brings.
        messages: u32 = 6000,
    }
}

section! {
    /// How peers are found.
    Discovery {
        /// Whether this machine announces itself and looks for others.
        enabled: bool = true,
        /// Machines entered by hand.
        #[serde(deserialize_with = "or_default")]
        manual_peers: Vec<ManualPeer> = Vec::new(),
    }
}

/// A machine entered by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManualPeer {
    /// IP address or host name.
    pub address: String,
    /// Port of its daemon.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Its name, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

fn default_port() -> u16 {
    DEFAULT_PORT
}

section! {
    /// What is written down.
    Logging {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String = "info".into(),
        /// The daemon's log, relative to the data directory.
        file: Option<String> = None,
        /// Bytes at which a log is rotated.
        max_size: u64 = 10 * MIB,
        /// Old logs kept.
        max_files: u32 = 5,
    }
}
