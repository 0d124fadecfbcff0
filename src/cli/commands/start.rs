//! `loopsy start` and `restart`: a daemon of its own process, started and heard of.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;

use super::{daemon, stop};
use crate::api::node::{Health, HealthGet};
use crate::base::error::io_words;
use crate::base::{Code, Error, Failure, Result};
use crate::cli::Session;
use crate::cli::app;
use crate::client::Link;
use crate::daemon::run::Ready;
use crate::home::instance::Instance;
use crate::home::{Home, config_file};
use crate::net::{Address, Network};
use crate::platform::{host, modes};

/// How long a daemon has to say that it listens.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long whoever has the port has to say who it is.
const WHO: Duration = Duration::from_secs(1);
/// Longest first line of a daemon.
const LINE: u64 = 1 << 20;

/// The one line that a daemon prints.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Ready(Ready),
    Failed(Failure),
}

/// Starts the daemon; with `--foreground` becomes it.
pub fn run(session: &Session, args: &app::Start) -> Result<ExitCode> {
    if args.foreground { daemon::run(session, &app::Daemon { detached: false }) } else { start(session) }
}

/// Stops the daemon if it runs, and starts it.
pub fn restart(session: &Session) -> Result<ExitCode> {
    // With a wrong configuration the old daemon is better than none.
    config_file::load(&session.home.config())?;
    if let Some(running) = Instance::running(&session.home) {
        stop::end(session, &running)?;
    }
    start(session)
}

fn start(session: &Session) -> Result<ExitCode> {
    let Session { home, console } = session;
    let port = config_file::load(&home.config())?.config.server.port;
    if let Some(running) = Instance::running(home) {
        console.note(format!("Daemon is running already (process {}, port {})", running.pid, running.address.port()));
        return Ok(ExitCode::SUCCESS);
    }
    home.create()?.iter().for_each(|warning| console.warn(warning));
    let ready = launch(home).map_err(|error| name_the_holder(session, port, error))?;
    ready.warnings.iter().for_each(|warning| console.warn(warning));
    if console.wants_json() {
        console.json(&ready)?;
    } else {
        console.note(format!("Daemon is running (process {}, port {})", ready.pid, ready.port));
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the process and waits for its line. What it says on standard error goes to its log.
fn launch(home: &Home) -> Result<Ready> {
    let failed = |error: std::io::Error| Error::internal(&format!("the daemon can't be started: {}", io_words(&error)), error);
    let log = modes::open_append(&home.daemon_log(None)).map_err(failed)?;
    let mut command = Command::new(host::own_program().map_err(failed)?);
    command.arg("daemon").arg("--detached").arg("--data-dir").arg(home.root()).current_dir(home.root());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().map_err(failed)?;
    let (sender, line) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || sender.send(first_line(stdout)));
    }
    match line.recv_timeout(PATIENCE) {
        Ok(line) => heard(&line),
        Err(_) => {
            // It is our child and has not been waited for: the number is certainly its own.
            let _ = child.kill();
            Err(silent(&format!("the daemon did not come up within {} seconds", PATIENCE.as_secs())))
        }
    }
}

fn first_line(stdout: ChildStdout) -> String {
    let mut line = String::new();
    // What could be read before an error is judged like any other line.
    let _ = BufReader::new(stdout.take(LINE)).read_line(&mut line);
    line
}

fn heard(line: &str) -> Result<Ready> {
    match serde_json::from_str(line) {
        Ok(Said::Ready(ready)) => Ok(ready),
        Ok(Said::Failed(failure)) => Err(failure.error),
        Err(_) => Err(silent("the daemon ended before it was ready")),
    }
}

fn silent(what: &str) -> Error {
    Error::new(Code::Internal, what).hint("See why with: loopsy logs --daemon")
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
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_ready_or_why_not() {
        let ready = heard(r#"{"event":"ready","pid":7,"port":9,"nodeId":"n","warnings":[]}"#).unwrap();
        assert_eq!((ready.pid, ready.port), (7, 9));
        let error = heard(r#"{"error":{"code":9902,"message":"config.yaml line 2: no","hint":"h"}}"#).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (Code::Config, "config.yaml line 2: no"));
        for silent in ["", "\n", "thread panicked", "{}"] {
            assert!(heard(silent).unwrap_err().hint.unwrap().contains("logs --daemon"), "{silent:?}");
        }
    }
}
