//! `loopsy start` and `restart`: a daemon of its own process, started and heard of.

use std::process::ExitCode;
use std::time::Duration;

use super::daemon;
use crate::api::node::{Health, HealthGet, StatusGet};
use crate::base::{Code, Error, Result};
use crate::cli::autostart::{self, Service};
use crate::cli::{Session, app};
use crate::client::Link;
use crate::fleet::{launch, stop};
use crate::home::instance::{Instance, Ready};
use crate::home::{certificate, config_file};
use crate::net::{Address, Network};
use crate::platform::holder;

/// How long whoever has the port has to say who it is.
const WHO: Duration = Duration::from_secs(1);
/// Starts the daemon; with `--foreground` becomes it.
pub fn run(session: &Session, args: &app::Start) -> Result<ExitCode> {
    if args.foreground { daemon::run(session, &app::Daemon { detached: false }) } else { start(session) }
}

/// Stops the daemon if it runs, and starts it.
pub fn restart(session: &Session) -> Result<ExitCode> {
    // With a wrong configuration or certificate the old daemon is better than none.
    config_file::load(&session.home)?;
    certificate::load(&session.home)?;
    if let Some(running) = Instance::running(&session.home) {
        stop::end(&session.home, &running)?;
    }
    start(session)
}

fn start(session: &Session) -> Result<ExitCode> {
    let Session { home, console, .. } = session;
    let port = config_file::load(home)?.config.server.port;
    if let Some(running) = Instance::running(home) {
        console.note(format!("Daemon is running already (process {}, port {})", running.pid, running.address.port()));
        return Ok(ExitCode::SUCCESS);
    }
    home.create()?.iter().for_each(|warning| console.warn(warning));
    let ready = begin(session).map_err(|error| name_the_holder(session, port, error))?;
    ready.warnings.iter().for_each(|warning| console.warn(warning));
    if console.wants_json() {
        console.json(&ready)?;
    } else {
        console.note(format!("Daemon is running (process {}, port {})", ready.pid, ready.port));
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts it through the manager of services where it has a service, and else as a process of its own.
fn begin(session: &Session) -> Result<Ready> {
    let Some((service, state)) = Service::enabled(&session.home) else {
        return launch::daemon(&session.home, launch::Ties::Cut).map(|(_, ready)| ready);
    };
    if let Err(error) = state.told {
        session.console.warn(format!("{error}; the daemon is started without it"));
        return launch::daemon(&session.home, launch::Ties::Cut).map(|(_, ready)| ready);
    }
    let running = autostart::start(session, &service)?;
    let link = session.link()?;
    let status = session.wait(async { link.call(&StatusGet {}).await })?;
    let (pid, port) = (running.pid, running.address.port());
    Ok(Ready { event: "ready".into(), pid, port, node_id: status.node_id, warnings: status.warnings })
}

/// If the port is taken, and by a Loopsy, says by which.
fn name_the_holder(session: &Session, port: u16, error: Error) -> Error {
    if !error.message.contains("in use") {
        return error;
    }
    let health = session.wait(async {
        let link = Link::new(&Network::Sockets, Address::new("127.0.0.1", port)?);
        let answer = tokio::time::timeout(WHO, link.call(&HealthGet {})).await;
        answer.unwrap_or_else(|_| Err(Error::new(Code::PeerUnreachable, "no answer")))
    });
    match health {
        Ok(Health { node_id, .. }) => {
            let message = format!("{}, by another Loopsy daemon (node {node_id})", error.message);
            Error { message, ..error }.hint("Stop that one, or choose another port: loopsy config set server.port <port>")
        }
        Err(_) => match holder::of_port(port) {
            Some(holder) => Error { message: format!("{}, by {holder}", error.message), ..error },
            None => error,
        },
    }
}
