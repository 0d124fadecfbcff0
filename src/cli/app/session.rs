//! The grammar of `loopsy session`.

use clap::Subcommand;

/// Run further daemons on this machine.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Session {
    /// Start a session, made where there is none of this name; returns when it answers.
    Start {
        /// Name: 1 to 32 lower-case letters, digits, '-' or '_'.
        name: String,
    },
    /// Start worker-1, worker-2 and so on, those that do not run yet; returns when all answer.
    StartFleet {
        /// How many, 1 to 256.
        #[arg(long, short, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::api::fleet::MOST)))]
        count: u32,
    },
    /// Stop a session; its data stays.
    Stop {
        /// Name.
        name: String,
    },
    /// Stop all sessions; their data stays, and the main daemon goes on.
    StopAll,
    /// List the sessions, running or not.
    List,
    /// Show how a session is.
    Status {
        /// Name.
        name: String,
    },
}
