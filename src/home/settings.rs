//! The configuration that holds now, shared by everything that obeys it.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::config::Config;
use crate::base::sync::lock;

/// A live view of the configuration: clones see a change at once.
#[derive(Clone)]
pub struct Settings {
    current: Arc<Mutex<Arc<Config>>>,
    changed: watch::Sender<()>,
}

impl Settings {
    /// Starts with this configuration.
    pub fn new(config: Config) -> Self {
        Self { current: Arc::new(Mutex::new(Arc::new(config))), changed: watch::Sender::new(()) }
    }
    /// What holds now.
    pub fn get(&self) -> Arc<Config> {
        lock(&self.current).clone()
    }
    /// Makes another configuration hold.
    pub fn set(&self, config: Config) {
        *lock(&self.current) = Arc::new(config);
        self.changed.send_replace(());
    }
    /// Wakes at every change.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
