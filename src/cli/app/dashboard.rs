//! Arguments of the dashboard.

use clap::Args;

#[derive(Debug, Clone, Copy, Args)]
pub struct Dashboard {
    /// Port to listen on; 19540 unless given, 0 for any that is free.
    #[arg(long, short, value_name = "PORT")]
    pub port: Option<u16>,
    /// Open the link in this user's browser.
    #[arg(long)]
    pub open: bool,
    /// Let other machines and phones reach it, over TLS.
    #[arg(long)]
    pub lan: bool,
}
