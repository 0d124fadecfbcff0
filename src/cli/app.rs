//! The command line's grammar: every command, argument and flag, from which help, completions and man pages are made.

// What a command is for stands once, on its variant: what is said on its arguments' type would take that one's place in the help,
// since arguments are only looked at when the command is given (`defer`), which halves the time that a start takes.
#![expect(missing_docs)]

mod context;
mod dashboard;
mod message;
mod service;
mod session;
mod shell;
mod straight;
mod task;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

pub use self::context::{Context, Store};
pub use self::dashboard::Dashboard;
pub use self::message::Message;
pub use self::service::{Planned, Uninstall};
pub use self::session::Session;
pub use self::shell::Shell;
pub use self::straight::Straight;
pub use self::task::{Approve, Hook, Place, Question, Run, Task, Which};
use crate::daemon::BUILD;

/// Use all of your machines as one: commands, files and shared state across a LAN.
#[derive(Debug, Parser)]
#[command(name = "loopsy", version = BUILD, propagate_version = false, disable_help_subcommand = true, max_term_width = 100)]
pub struct App {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

// What holds for every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Data directory of the daemon; ~/.loopsy unless given.
    #[arg(long, global = true, value_name = "DIR", env = "LOOPSY_DATA_DIR", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// A session of that daemon, by its name.
    #[arg(long, global = true, value_name = "NAME")]
    pub session: Option<String>,
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results and errors only.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tell on standard error what is being done; twice for more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Create the configuration and this machine's key, and register with the coding agents that are installed.
    Init(Init),
    /// Start the daemon; returns when it answers.
    Start(Start),
    /// Stop the daemon; returns when it is gone.
    Stop,
    /// Stop the daemon and start it again.
    Restart,
    /// Show how the daemon is: peers, jobs, entries.
    Status,
    /// Find out what is wrong, and what to do about it.
    Doctor(Doctor),
    /// Run the daemon in the foreground.
    Daemon(Daemon),
    /// Run a command on a peer, or on several.
    Exec(Exec),
    /// Open a terminal on a machine, or go back to one.
    ///
    /// A terminal lives on when the connection ends. Within it, at the beginning of a line: ~. leaves it running, ~? tells
    /// what else there is.
    Shell(Shell),
    /// Copy files to a peer.
    Send(Send),
    /// Copy files from a peer.
    Pull(Pull),
    /// Use the shared store of keys and values.
    #[command(subcommand)]
    Context(Context),
    /// Send messages to other machines, read and acknowledge those that came.
    #[command(subcommand)]
    Message(Message),
    /// Put coding agents to work, watch them, answer what they ask, and stop them.
    #[command(subcommand)]
    Task(Task),
    /// List the machines that this one knows, or change the list.
    Peers(Peers),
    /// Run further daemons on this machine, each a peer of its own.
    #[command(subcommand)]
    Session(Session),
    /// Pair with another machine: without an address this one shows a code, with one it takes the other's.
    Pair(Pair),
    /// Set up a machine that runs the Node version: a key for the two, and plaintext between them.
    Connect(Connect),
    /// Read, change or check the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Show or renew this machine's key.
    #[command(subcommand)]
    Key(Key),
    /// Show all machines in a browser, and act from there.
    ///
    /// Prints a link that works once, for ten minutes, and serves until Ctrl-C. Where a dashboard of this data directory runs
    /// already, that one makes the link.
    Dashboard(Dashboard),
    /// Print what happens on the daemon as it happens: peers, jobs, files, messages, keys of the store, trust.
    Events(Events),
    /// Give coding agents on this machine Loopsy's tools, or take them away.
    #[command(subcommand)]
    Mcp(Mcp),
    /// Answer coding agents that Loopsy did not start, from wherever its people are.
    #[command(subcommand)]
    Hook(Hook),
    /// Show the audit log, or the daemon's own.
    Logs(Logs),
    /// Call an operation of the API by its name.
    Api(Api),
    /// Serve coding agents: the Model Context Protocol on standard input and output.
    ///
    /// An agent starts it by itself once it is registered. LOOPSY_PORT and LOOPSY_API_KEY take the place of the port and
    /// key that the data directory tells.
    McpServe,
    /// Show what Loopsy does, with two throw-away daemons on this machine.
    Demo,
    /// Start the daemon at every login of this user, by the system's own manager of services.
    Enable(Planned),
    /// Start it no longer, and stop the one that the service runs.
    Disable(Planned),
    /// Show whether the daemon is started at every login, and whether it runs.
    ServiceStatus,
    /// Remove the service and the registrations with coding agents; with --data all that is kept as well.
    Uninstall(Uninstall),
    /// Print the completions of a shell.
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder.
    #[command(hide = true)]
    Man {
        /// Folder, made if it is not there.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Init {
    /// Leave the coding agents alone.
    #[arg(long)]
    pub no_mcp: bool,
}

#[derive(Debug, Args)]
pub struct Start {
    /// Stay, and end with Ctrl-C.
    #[arg(long)]
    pub foreground: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Repair what can be repaired without harm: modes of files, missing folders, what a dead daemon left.
    #[arg(long)]
    pub fix: bool,
}

#[derive(Debug, Args)]
pub struct Daemon {
    /// Leave the terminal, and tell a failure as one line of JSON: how `start` runs it.
    #[arg(long, hide = true)]
    pub detached: bool,
}

#[derive(Debug, Args)]
#[command(override_usage = "loopsy exec [OPTIONS] <PEER>[,<PEER>…] <COMMAND>…\n       loopsy exec [OPTIONS] --all <COMMAND>…")]
pub struct Exec {
    /// Run it on every peer that is online; there is then no <PEER>.
    #[arg(long)]
    pub all: bool,
    /// Hand the command to the peer's shell, as one line.
    #[arg(long)]
    pub shell: bool,
    /// Folder on the peer to run it in.
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// A variable for its environment; may be given several times.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// End it after this time: 500ms, 30s, 5m, 2h.
    #[arg(long, short, value_name = "TIME")]
    pub timeout: Option<String>,
    /// How a machine that is not in the configuration is called.
    #[command(flatten)]
    pub straight: Straight,
    /// Peer, command and the command's own arguments; everything after the peer is the command's.
    #[arg(trailing_var_arg = true, required = true, value_name = "PEER COMMAND")]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
#[command(override_usage = "loopsy send [OPTIONS] <PEER> <SRC>… <DEST>")]
pub struct Send {
    /// Name, host name, node id or address of the peer.
    pub peer: String,
    /// What to send, then where to: files or folders, `-` for standard input; a folder as the last means into it.
    #[arg(required = true, num_args = 2.., value_names = ["SRC", "DEST"], value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
    /// How it is done.
    #[command(flatten)]
    pub how: Copying,
}

#[derive(Debug, Args)]
pub struct Pull {
    /// Name, host name, node id or address of the peer.
    pub peer: String,
    /// File or folder on the peer.
    pub src: String,
    /// Where to: a file, a folder, `-` for standard output.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub dest: String,
    /// How it is done.
    #[command(flatten)]
    pub how: Copying,
}

// How files are copied.
#[derive(Debug, Clone, Args)]
pub struct Copying {
    /// Copy folders with all that is in them.
    #[arg(long, short)]
    pub recursive: bool,
    /// Start anew instead of going on where an earlier try broke off.
    #[arg(long)]
    pub no_resume: bool,
    /// How a machine that is not in the configuration is called.
    #[command(flatten)]
    pub straight: Straight,
}

#[derive(Debug, Args)]
pub struct Peers {
    /// What to do; lists them unless given.
    #[command(subcommand)]
    pub action: Option<PeersAction>,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PeersAction {
    /// List them.
    List,
    /// Add a machine by its address.
    Add {
        /// IP address or host name, with or without a port.
        address: String,
        /// Port of its daemon; 19532 unless given.
        port: Option<u16>,
        /// Name that it gets here; its host name unless given.
        #[arg(long)]
        name: Option<String>,
        /// Key that the two machines share; `-` reads it from standard input.
        #[arg(long, short, value_name = "KEY")]
        key: Option<String>,
    },
    /// Remove a machine, with its key and permissions.
    Remove {
        /// Name, host name, node id or address.
        peer: String,
    },
    /// End the trust in a machine, and keep it in the list.
    Revoke {
        /// Name, host name, node id or address.
        peer: String,
    },
    /// Ask a machine whether it answers, and how fast.
    Ping {
        /// Name, host name, node id or address.
        peer: String,
    },
    /// Give a machine another name.
    Rename {
        /// Its name now.
        peer: String,
        /// The new one.
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct Pair {
    /// The machine that shows the code: its address, or its name where it is listed; without it the code is shown here.
    pub machine: Option<String>,
    /// The code that it shows; asked for unless given.
    #[arg(long, value_name = "CODE", requires = "machine")]
    pub code: Option<String>,
    /// Ask nothing: the digits are not compared. Who does not know the code is kept out all the same.
    #[arg(long, short)]
    pub yes: bool,
    /// What the other machine may do here, such as execute,context; all unless given.
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
    pub allow: Option<Vec<String>>,
    /// Let it take the place of a machine that is known by the same name or node id.
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, Args)]
pub struct Connect {
    /// IP address or host name, with or without a port; asked for unless given.
    pub address: Option<String>,
    /// Name that it gets here; its host name or address unless given.
    #[arg(long)]
    pub name: Option<String>,
    /// Ask nothing: plaintext is agreed to, a key that is there is replaced, and the connection is not tested.
    #[arg(long, short)]
    pub yes: bool,
}

/// The configuration.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Config {
    /// Print where the configuration file is.
    Path,
    /// Print a setting, or all of them, with the defaults filled in.
    Get {
        /// Dotted name, such as `server.port`.
        setting: Option<String>,
    },
    /// Change a setting; comments in the file stay.
    Set {
        /// Dotted name, such as `server.port`.
        setting: String,
        /// Value; a list as `[a, b]`; `null` for the default.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Tell what is wrong or odd in the file.
    Check,
}

/// This machine's key.
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(defer = true)]
pub enum Key {
    /// Print it.
    Show,
    /// Make a new one; the old one stops working at once.
    Generate {
        /// Print one that two machines may share, and change nothing.
        #[arg(long)]
        print: bool,
    },
}

#[derive(Debug, Args)]
pub struct Events {
    /// Only these: peer, job, transfer, message, context, task, terminal, trust, config; several with commas.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// Begin after the event with this number, not now.
    #[arg(long, value_name = "NUMBER")]
    pub since: Option<u64>,
}

/// Coding agents and Loopsy's tools.
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(defer = true)]
pub enum Mcp {
    /// Register Loopsy with an agent, for all folders; an earlier registration is replaced.
    Add {
        /// Which one.
        #[arg(long, value_enum, default_value_t = AgentName::Claude)]
        agent: AgentName,
    },
    /// Take the registration away.
    Remove {
        /// Which one.
        #[arg(long, value_enum, default_value_t = AgentName::Claude)]
        agent: AgentName,
    },
    /// Show which agents there are, and what is registered with them.
    Status {
        /// Which one.
        #[arg(long, value_enum, default_value_t = AgentName::All)]
        agent: AgentName,
    },
}

/// A coding agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentName {
    /// Claude Code.
    Claude,
    /// OpenAI's Codex.
    Codex,
    /// Google's Gemini CLI.
    Gemini,
    /// opencode.
    Opencode,
    /// Each of them.
    All,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// Go on with new lines as they come.
    #[arg(long, short)]
    pub follow: bool,
    /// The daemon's own log instead of the audit log.
    #[arg(long, conflicts_with_all = ["peer", "status"])]
    pub daemon: bool,
    /// How many of the newest lines; 0 for all.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 50)]
    pub lines: usize,
    /// Only what happened in this time up to now: 30s, 5m, 2h, 1d.
    #[arg(long, value_name = "TIME", conflicts_with = "daemon")]
    pub since: Option<String>,
    /// Only requests of this caller: a peer's name, `owner`, or an address.
    #[arg(long, value_name = "NAME")]
    pub peer: Option<String>,
    /// Only requests with this status: 403, 4xx, or `failed`.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
}

#[derive(Debug, Args)]
pub struct Api {
    /// Name, such as `context.get`; all names are listed unless given.
    pub name: Option<String>,
    /// The request as JSON, such as '{"key":"build/status"}'.
    pub request: Option<String>,
    /// Call it on this peer.
    #[arg(long, value_name = "PEER")]
    pub peer: Option<String>,
}
