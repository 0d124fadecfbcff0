//! The options of commands that may call a machine past the own daemon.

use clap::Args;

use crate::base::Fingerprint;

// Calling a machine straight at its address.
#[derive(Debug, Clone, Default, Args)]
pub struct Straight {
    /// Key to present, for a peer that is not in the configuration.
    #[arg(id = "straight_key", long = "key", short = 'k', value_name = "KEY")]
    pub key: Option<String>,
    /// SHA-256 of the certificate that it must show.
    #[arg(long, value_name = "SHA256", requires = "straight_key")]
    pub fingerprint: Option<Fingerprint>,
    /// Send the key to whoever answers there, whatever certificate is shown.
    #[arg(long, requires = "straight_key", conflicts_with = "fingerprint")]
    pub insecure: bool,
}
