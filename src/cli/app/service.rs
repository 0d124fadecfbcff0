//! Arguments of the commands that have the daemon started at every login.

use clap::Args;

#[derive(Debug, Clone, Copy, Args)]
pub struct Planned {
    /// Print what would be done, with the content of files, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct Uninstall {
    /// Remove the data directory too: configuration, keys, pairings, store, logs, and the sessions' data. There is no way back.
    #[arg(long)]
    pub data: bool,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}
