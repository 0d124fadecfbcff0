//! The configuration that holds now, shared by everything that obeys it.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::config::Config;
use super::config_file::Loaded;
use crate::base::Result;
use crate::base::sync::lock;

/// A live view of the configuration: clones see a change at once.
#[derive(Clone)]
pub struct Settings {
    current: Arc<Mutex<Arc<Config>>>,
    /// Held from reading a file until what it says holds, so that an older content never follows a newer one.
    taking_up: Arc<Mutex<()>>,
    changed: watch::Sender<()>,
}

impl Settings {
    /// Starts with this configuration.
    pub fn new(config: Config) -> Self {
        Self { current: Arc::new(Mutex::new(Arc::new(config))), taking_up: Arc::default(), changed: watch::Sender::new(()) }
    }
    /// What holds now.
    pub fn get(&self) -> Arc<Config> {
        lock(&self.current).clone()
    }
    /// Makes hold what `read` answers, a configuration file that is read or changed.
    pub fn take_up(&self, read: impl FnOnce() -> Result<Loaded>) -> Result<Loaded> {
        let _one = lock(&self.taking_up);
        let loaded = read()?;
        self.set(loaded.config.clone());
        Ok(loaded)
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
