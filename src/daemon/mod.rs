//! The daemon: its services, and one `Serve` for each operation.

mod audit;
mod context;
mod events;
mod execute;
mod execute_socket;
mod fleet;
mod forward;
mod messages;
mod node;
mod pairing;
mod peers;
pub mod routes;
pub mod run;
mod tasks;
mod terminal;
mod terminal_socket;
mod transfer;

pub use node::BUILD;

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::api::node::Identity;
use crate::api::openapi::Description;
use crate::base::workers::Workers;
use crate::home::Home;
use crate::home::fleet::{Fleet, Member};
use crate::home::reload::Reloader;
use crate::home::settings::Settings;
use crate::home::trust::Trust;
use crate::http::audit::Audit;
use crate::service::certificate::Certificate;
use crate::service::context::Context;
use crate::service::discovery::Discovery;
use crate::service::jobs::Jobs;
use crate::service::journal::Journal;
use crate::service::messages::Messages;
use crate::service::pairing::Pairing;
use crate::service::peers::Peers;
use crate::service::tasks::Tasks;
use crate::service::terminal::Terminals;
use crate::service::transfer::Transfer;

/// What a daemon is made of.
pub struct Daemon {
    settings: Settings,
    reloader: Reloader,
    identity: Identity,
    /// The data directory, where what arrives too early is put aside.
    home: Home,
    trust: Trust,
    /// This machine's daemons, and what they are to know of this one.
    fleet: Fleet,
    member: Member,
    certificate: Certificate,
    context: Context,
    jobs: Jobs,
    journal: Journal,
    /// Is cancelled when streams of events end.
    watched: CancellationToken,
    messages: Messages,
    peers: Peers,
    pairing: Pairing,
    tasks: Tasks,
    terminals: Terminals,
    transfer: Transfer,
    /// Simulations have none.
    discovery: Option<Discovery>,
    audit: Audit,
    /// Where forwarded sockets run.
    connections: Workers,
    /// Is cancelled when somebody asks for the end.
    ending: CancellationToken,
    /// What can be asked. The document of it takes more than a mebibyte, and is made for who asks for it.
    operations: Vec<Description>,
    /// What the owner should know: from the start, and from the last look at the configuration.
    warnings: Vec<String>,
    reloaded: Mutex<crate::api::node::Reloaded>,
}

/// A daemon that is shared by its requests.
pub type Shared = Arc<Daemon>;
