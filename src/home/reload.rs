//! Taking up a changed configuration without a restart.

use std::sync::{Arc, Mutex};

use serde_yaml::Value;

use super::config::Config;
use super::config_file::Loaded;
use super::settings::Settings;
use super::stamp::Stamp;
use super::{Home, config_file};
use crate::api::node::Reloaded;
use crate::base::Result;
use crate::base::sync::lock;

/// Settings that a running daemon can't take up: what it listens on and is called, and where it logs.
const FIXED: &[(&str, &[&str])] = &[("server", &["port", "host", "hostname"]), ("logging", &["level", "file", "maxSize", "maxFiles"])];

/// What the files that a configuration is made of looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen([Stamp; 2]);

impl Seen {
    /// As they look now.
    pub fn of(home: &Home) -> Self {
        Self([Stamp::of(&home.config()), home.session().map_or_else(Stamp::default, |_| Stamp::of(&home.main().config()))])
    }
}

/// Reads the configuration again and makes it hold.
pub struct Reloader {
    home: Home,
    settings: Settings,
    /// What the daemon started with.
    started: Arc<Config>,
    seen: Mutex<Seen>,
}

impl Reloader {
    /// Begins with what `settings` hold now as what the daemon started with: read after the file looked as `seen`, so that no
    /// change in between is missed.
    pub fn new(home: Home, settings: Settings, seen: Seen) -> Self {
        Self { started: settings.get(), home, settings, seen: Mutex::new(seen) }
    }
    /// Reads the file and makes it hold. On an error the last good configuration stays, but for what a session shares with the
    /// main daemon: whose trust ended there has none here, whatever is wrong with the session's own file.
    pub fn reload(&self) -> Result<Reloaded> {
        *lock(&self.seen) = Seen::of(&self.home);
        let loaded = self.settings.take_up(|| config_file::load(&self.home)).inspect_err(|_| self.share())?;
        let restart_needed = differing(&self.started, &loaded.config);
        Ok(Reloaded { restart_needed, warnings: loaded.warnings })
    }
    fn share(&self) {
        let Some(main) = self.home.session().and_then(|_| config_file::load(&self.home.main()).ok()) else { return };
        let taken_up = self.settings.take_up(|| {
            let Config { auth, tls, discovery, .. } = main.config;
            Ok(Loaded { config: Config { auth, tls, discovery, ..Config::clone(&self.settings.get()) }, warnings: Vec::new() })
        });
        drop(taken_up);
    }
    /// Reloads if the file looks different from when it was last read; cheap enough to ask every second.
    pub fn reload_if_changed(&self) -> Option<Result<Reloaded>> {
        let changed = *lock(&self.seen) != Seen::of(&self.home);
        changed.then(|| self.reload())
    }
}

/// The fixed settings that differ, as dotted names.
fn differing(started: &Config, now: &Config) -> Vec<String> {
    let (started, now) = (value(started), value(now));
    let leaves = FIXED.iter().flat_map(|(section, keys)| keys.iter().map(move |key| (*section, *key)));
    leaves.filter(|(section, key)| started[section][key] != now[section][key]).map(|(section, key)| format!("{section}.{key}")).collect()
}

fn value(config: &Config) -> Value {
    serde_yaml::to_value(config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Code;
    use crate::platform::files;

    fn start(text: &str) -> (tempfile::TempDir, Home, Settings, Reloader) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        files::write_private(&home.config(), text.as_bytes()).unwrap();
        let seen = Seen::of(&home);
        let settings = Settings::new(config_file::load(&home).unwrap().config);
        let reloader = Reloader::new(home.clone(), settings.clone(), seen);
        (dir, home, settings, reloader)
    }

    #[test]
    fn a_change_is_taken_up_and_what_needs_a_restart_is_named() {
        let (_dir, home, settings, reloader) = start("server: {port: 1000}\nrateLimits: {execute: 1}\n");
        assert!(reloader.reload_if_changed().is_none());
        files::write_private(&home.config(), b"server: {port: 2000}\nrateLimits: {execute: 2}\nlogging: {level: debug}\n").unwrap();
        let reloaded = reloader.reload_if_changed().unwrap().unwrap();
        assert_eq!(reloaded.restart_needed, ["server.port", "logging.level"]);
        assert_eq!(settings.get().rate_limits.execute, 2);
        assert!(reloader.reload_if_changed().is_none());
        files::write_private(&home.config(), b"server: {port: 1000}\n").unwrap();
        assert!(reloader.reload().unwrap().restart_needed.is_empty());
    }
    /// known fault 31
    #[test]
    fn a_broken_file_leaves_the_last_good_configuration() {
        let (_dir, home, settings, reloader) = start("auth: {apiKey: a}\n");
        for broken in ["auth: {apiKey: ", "server: {port: abc}", "auth: {apiKey: ''}", "[1]"] {
            files::write_private(&home.config(), broken.as_bytes()).unwrap();
            assert_eq!(reloader.reload().unwrap_err().code, Code::Config);
            assert_eq!(settings.get().auth.api_key.as_ref().unwrap().expose(), "a");
        }
        std::fs::remove_file(home.config()).unwrap();
        assert!(reloader.reload_if_changed().unwrap().is_err());
        assert_eq!(settings.get().auth.api_key.as_ref().unwrap().expose(), "a");
    }
}
