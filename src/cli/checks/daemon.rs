//! The daemon of this home: does it run, can it, and is its store in order.

use super::discovery::is_about;
use super::scene::Port;
use super::{Finding, Scene};
use crate::base::Code;
use crate::daemon::BUILD;
use crate::home::instance::Instance;
use crate::platform::holder;
use crate::service::context::look::{Condition, look};

/// Runs, answers, and holds what is on disk.
pub fn daemon(scene: &Scene) -> Vec<Finding> {
    match (&scene.running, &scene.status) {
        (Some(running), Ok(status)) => {
            let mut found = vec![Finding::ok(format!("running (process {}, port {})", running.pid, running.address.port()))];
            if status.build.as_deref().is_some_and(|build| build != BUILD) {
                let build = status.build.as_deref().unwrap_or_default();
                found.push(Finding::warn(format!("it is version {build}, this program {BUILD}"), "loopsy restart"));
            }
            if !status.restart_needed.is_empty() {
                found.push(Finding::warn(format!("it does not know the new {}", status.restart_needed.join(", ")), "loopsy restart"));
            }
            let warnings = status.warnings.iter().filter(|warning| !is_about(warning));
            found.extend(warnings.map(|warning| Finding::warn(warning.clone(), "See also: loopsy logs --daemon")));
            found
        }
        (Some(running), Err(error)) if error.code == Code::Config => {
            vec![Finding::warn(format!("process {} runs, but can't be asked: {error}", running.pid), "Correct the configuration first")]
        }
        (Some(_), Err(error)) if error.code == Code::AuthInvalidKey => {
            vec![Finding::fail("it runs with another auth.apiKey than the configuration has", "loopsy config check, then: loopsy restart")]
        }
        (Some(running), Err(error)) => {
            vec![Finding::fail(format!("process {} does not answer: {error}", running.pid), "loopsy restart; why: loopsy logs --daemon")]
        }
        (None, _) => not_running(scene),
    }
}

fn not_running(scene: &Scene) -> Vec<Finding> {
    let home = &scene.home;
    if let Some(holder) = holder::of_lock(&home.daemon_lock()) {
        let message = format!("{holder} holds daemon.lock, but says nothing of where it listens");
        return vec![Finding::fail(message, "If it is a daemon that starts, wait; else end that process")];
    }
    let mut found = vec![Finding::fail("it is not running", "loopsy start")];
    if Instance::has_left_traces(home) {
        let cleared = home.clone();
        found.push(Finding::warn("it ended without being stopped and left daemon.pid", "loopsy start, or: loopsy doctor --fix").repair(
            move || {
                Instance::clear(&cleared)?;
                Ok("removed daemon.pid".into())
            },
        ));
    }
    found
}

/// Is free for a daemon that does not run.
pub fn port(scene: &Scene) -> Vec<Finding> {
    let number = scene.listens_on();
    let choose = "loopsy config set server.port <port>";
    let finding = match &scene.port {
        Port::NotAsked => return Vec::new(),
        Port::Free if number == 0 => Finding::ok("any free one"),
        Port::Free => Finding::ok(format!("{number} is free")),
        Port::Loopsy(node) => Finding::fail(
            format!("{number} is taken by another Loopsy daemon (node {node})"),
            format!("Stop that one, or choose another port: {choose}"),
        ),
        Port::Taken(Some(holder)) => {
            Finding::fail(format!("{number} is taken by {holder}"), format!("End that program, or choose another port: {choose}"))
        }
        Port::Taken(None) => {
            Finding::fail(format!("{number} is taken by another program"), format!("End it, or choose another port: {choose}"))
        }
        Port::Refused(why) => {
            Finding::fail(format!("{number} can't be listened on: {why}"), "Check server.host and server.port: loopsy config get server")
        }
    };
    vec![finding]
}

/// Can be opened by the daemon. What a running one found odd is among its warnings.
pub fn store(scene: &Scene) -> Vec<Finding> {
    if scene.running.is_some() {
        return match &scene.status {
            Ok(status) => vec![Finding::ok(format!("{} entries", status.context.entries))],
            Err(_) => Vec::new(),
        };
    }
    let path = scene.home.context();
    let shown = path.display();
    let finding = match look(&path) {
        Condition::Missing => return Vec::new(),
        Condition::Sound => Finding::ok(shown.to_string()),
        Condition::NotClosed => Finding::ok(format!("{shown} was not closed in order; the next start checks it")),
        Condition::InUse => {
            let who = holder::of_lock(&path).map_or_else(|| "another process".into(), |holder| holder.to_string());
            Finding::fail(format!("{shown} is in use by {who}"), "End that process; no daemon can start meanwhile")
        }
        Condition::Damaged(why) => Finding::fail(
            format!("{shown} is damaged ({why})"),
            "loopsy start sets it aside and begins an empty one; bring an export back with: loopsy context import",
        ),
        Condition::Unreadable(why) => {
            Finding::fail(format!("{shown} can't be read: {why}"), "Make it readable for the user that runs Loopsy")
        }
    };
    vec![finding]
}
