//! The grammar of `loopsy context`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::straight::Straight;

// Whose store is meant.
#[derive(Debug, Clone, Args)]
pub struct Store {
    /// Use the store of this peer instead of one's own.
    #[arg(long, value_name = "PEER")]
    pub peer: Option<String>,
    /// How a machine that is not in the configuration is called.
    #[command(flatten)]
    pub straight: Straight,
}

/// Use the context store.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Context {
    /// Store a value under a key.
    Set {
        /// Key, 1 to 256 characters.
        key: String,
        /// Value; `-` reads it from standard input.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Forget it after this time: plain seconds, or 30s, 5m, 2h, 1d.
        #[arg(long, value_name = "TIME")]
        ttl: Option<String>,
        /// Whose store.
        #[command(flatten)]
        store: Store,
    },
    /// Print the value of a key.
    Get {
        /// Key.
        key: String,
        /// Whose store.
        #[command(flatten)]
        store: Store,
    },
    /// List entries in the order of their keys.
    List {
        /// Only keys that begin with this.
        prefix: Option<String>,
        /// Whose store.
        #[command(flatten)]
        store: Store,
    },
    /// Delete an entry.
    Delete {
        /// Key.
        key: String,
        /// Whose store.
        #[command(flatten)]
        store: Store,
    },
    /// Write all entries as JSON.
    Export {
        /// File; standard output unless given.
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// Whose store.
        #[command(flatten)]
        store: Store,
    },
    /// Take in entries from an export, or from the Node version's context.json.
    Import {
        /// File; `-` for standard input.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Whose store.
        #[command(flatten)]
        store: Store,
    },
    /// Print changes as they happen.
    Watch {
        /// Only keys that begin with this.
        prefix: Option<String>,
        /// Whose store.
        #[command(flatten)]
        store: Store,
    },
}
