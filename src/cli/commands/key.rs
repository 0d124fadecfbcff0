//! `loopsy key`: this machine's own key.

use std::process::ExitCode;

use futures_util::future::join_all;
use serde_json::json;

use crate::api::node::ConfigReload;
use crate::base::secret::Secret;
use crate::base::{Code, Error, Result};
use crate::cli::Session;
use crate::cli::app::Key as Action;
use crate::client::{Link, local};
use crate::fleet;
use crate::home::config_file;
use crate::net::Network;

/// Prints the key, or makes a new one.
pub fn run(session: &Session, action: Action) -> Result<ExitCode> {
    let key = match action {
        Action::Show => show(session)?,
        Action::Generate { print: true } => Secret::generate()?,
        Action::Generate { print: false } => generate(session)?,
    };
    if session.console.wants_json() {
        session.console.json(&json!({ "apiKey": key.expose() }))?;
    } else {
        session.console.line(key.expose())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(session: &Session) -> Result<Secret> {
    let key = config_file::load(&session.home)?.config.auth.api_key;
    key.ok_or_else(|| Error::new(Code::Config, "the configuration has no auth.apiKey").hint("Make one with: loopsy key generate"))
}

fn generate(session: &Session) -> Result<Secret> {
    let key = Secret::generate()?;
    // The daemon knows the old key until it has read the new one.
    let before = session.link().ok();
    let others = others(session);
    config_file::edit_shared(&session.home, |document| document.set(&["auth", "apiKey"], key.expose()))?;
    take_up(session, before)?;
    // One that has seen the change by itself takes the old key no longer.
    session.wait(async { Ok(join_all(others.iter().map(|link| link.call(&ConfigReload {}))).await) })?;
    session.console.note("The old key has stopped working.");
    Ok(key)
}

/// The lines to this machine's other daemons that run, made with the key that they know now.
fn others(session: &Session) -> Vec<Link> {
    let found = fleet::survey(&session.home).unwrap_or_default();
    let sessions = found.iter().filter_map(|found| fleet::named(&session.home, &found.name).ok());
    let others = sessions.chain([session.home.main()]).filter(|home| *home != session.home);
    others.filter_map(|home| local::link(&home, &Network::Sockets).ok()).collect()
}

/// Has a running daemon read the configuration now: over a line that was made before the change, or, if the daemon has
/// seen the change by itself, over one that is made after it. Says what needs a restart.
pub fn take_up(session: &Session, before: Option<Link>) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let reloaded = session.wait(async {
        match before.call(&ConfigReload {}).await {
            Err(error) if error.code == Code::AuthInvalidKey => session.link()?.call(&ConfigReload {}).await,
            other => other,
        }
    });
    match reloaded {
        Ok(reloaded) if !reloaded.restart_needed.is_empty() => {
            session.console.warn(format!("{} will hold after: loopsy restart", reloaded.restart_needed.join(", ")));
            Ok(())
        }
        Err(error) if error.code != Code::NotRunning => Err(error),
        _ => Ok(()),
    }
}
