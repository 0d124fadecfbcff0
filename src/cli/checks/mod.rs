//! What `loopsy doctor` looks at: first a look at everything, then a table of checks that judge it.
//!
//! A check is a name and a function from the [`Scene`] to findings. To add one, write the function in the file of its
//! noun and give it a line in [`CHECKS`].

mod agents;
mod config;
mod daemon;
mod discovery;
mod evidence;
mod machine;
mod peers;
mod scene;
mod service;
mod sessions;
mod tls;

use serde::Serialize;

pub use scene::Scene;

use crate::base::{Error, Result};

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be, or of no concern.
    Ok,
    /// It works, but somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
}

/// What makes something right; answers what was done.
type Repair = Box<dyn FnOnce() -> Result<String>>;

/// What a check found.
pub struct Finding {
    health: Health,
    message: String,
    fix: Option<String>,
    repair: Option<Repair>,
}

impl Finding {
    fn ok(message: impl Into<String>) -> Self {
        Self { health: Health::Ok, message: message.into(), fix: None, repair: None }
    }
    fn warn(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { health: Health::Warn, message: message.into(), fix: Some(fix.into()), repair: None }
    }
    fn fail(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { health: Health::Fail, message: message.into(), fix: Some(fix.into()), repair: None }
    }
    /// A failure in its own words.
    fn error(error: &Error, fix: impl Into<String>) -> Self {
        Self::fail(error.message.clone(), error.hint.clone().unwrap_or_else(|| fix.into()))
    }
    /// Can be made right without harm to anything.
    fn repair(mut self, repair: impl FnOnce() -> Result<String> + 'static) -> Self {
        self.repair = Some(Box::new(repair));
        self
    }
}

/// One check.
struct Check {
    /// What it is about, as it is shown.
    name: &'static str,
    /// Looks at the scene; several findings where it is about several things, none where it does not apply.
    look: fn(&Scene) -> Vec<Finding>,
}

/// THE LIST of checks, in the order in which they are told: what the later ones need comes first.
const CHECKS: &[Check] = &[
    Check { name: "data directory", look: config::home },
    Check { name: "config", look: config::file },
    Check { name: "permissions", look: config::modes },
    Check { name: "owner's key", look: config::owner_key },
    Check { name: "logs", look: machine::logs },
    Check { name: "disk space", look: machine::space },
    Check { name: "daemon", look: daemon::daemon },
    Check { name: "port", look: daemon::port },
    Check { name: "service", look: service::service },
    Check { name: "context store", look: daemon::store },
    Check { name: "certificate", look: tls::certificate },
    Check { name: "MCP", look: agents::registrations },
    Check { name: "discovery", look: discovery::discovery },
    Check { name: "firewall", look: machine::firewall },
    Check { name: "sessions", look: sessions::sessions },
    Check { name: "peer", look: peers::each },
    Check { name: "plaintext", look: peers::plaintext },
    Check { name: "legacy key", look: peers::legacy },
];

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Name of the check.
    pub check: &'static str,
    /// How well it is; after a repair, `ok`.
    pub status: Health,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What was done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
}

/// Judges everything; where `fix` is wanted, makes right what can be made right without harm.
pub fn report(scene: &Scene, fix: bool) -> Vec<Line> {
    let found = CHECKS.iter().flat_map(|check| (check.look)(scene).into_iter().map(|finding| line(check.name, finding, fix)));
    found.collect()
}

fn line(check: &'static str, finding: Finding, fix: bool) -> Line {
    let Finding { health, message, fix: advice, repair } = finding;
    let plain = Line { check, status: health, message, fix: advice, fixed: None };
    match repair.filter(|_| fix).map(|repair| repair()) {
        None => plain,
        Some(Ok(done)) => Line { status: Health::Ok, fix: None, fixed: Some(done), ..plain },
        Some(Err(error)) => Line { message: format!("{}; it could not be repaired: {error}", plain.message), ..plain },
    }
}

/// The report where not even the data directory is known.
pub fn homeless(error: &Error) -> Vec<Line> {
    vec![line("data directory", Finding::error(error, "Say where it is: --data-dir DIR"), false)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_repaired_is_and_only_when_it_is_wanted() {
        let broken = || Finding::fail("broken", "mend it").repair(|| Ok("mended".into()));
        let untouched = line("x", broken(), false);
        assert_eq!((untouched.status, untouched.fix.as_deref(), untouched.fixed), (Health::Fail, Some("mend it"), None));
        let mended = line("x", broken(), true);
        assert_eq!((mended.status, mended.fix, mended.fixed.as_deref()), (Health::Ok, None, Some("mended")));
        let stubborn = line("x", Finding::warn("odd", "look").repair(|| Err(Error::invalid("no"))), true);
        assert_eq!((stubborn.status, stubborn.message.as_str()), (Health::Warn, "odd; it could not be repaired: no"));
    }
    #[test]
    fn every_check_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len());
    }
}
