//! Starting a daemon as a process of its own, and hearing from it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;

use crate::base::error::io_words;
use crate::base::{Code, Error, Failure, Result};
use crate::home::Home;
use crate::home::instance::Ready;
use crate::platform::{host, modes, process, terminal};

/// How long a daemon has to say that it listens.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest first line of a daemon.
const LINE: u64 = 1 << 20;

/// The one line that a daemon prints.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Ready(Ready),
    Failed(Failure),
}

/// What a daemon has to do with whoever starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// Nothing: it leaves the terminal and goes on alone.
    Cut,
    /// It ends with Ctrl-C, too.
    Kept,
}

/// Starts a home's daemon and waits for its line. What it says on standard error goes to its log.
pub fn daemon(home: &Home, ties: Ties) -> Result<(Child, Ready)> {
    let failed = |error: std::io::Error| Error::internal(&format!("the daemon can't be started: {}", io_words(&error)), error);
    home.create()?;
    let log = modes::open_append(&home.daemon_log(None)).map_err(failed)?;
    let mut command = Command::new(host::own_program().map_err(failed)?);
    command.arg("daemon").arg("--data-dir").arg(home.root()).current_dir(home.root());
    if ties == Ties::Cut {
        command.arg("--detached");
        terminal::set_apart(&mut command);
    }
    process::keep_handles();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().map_err(failed)?;
    let (sender, line) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || sender.send(first_line(stdout)));
    }
    match line.recv_timeout(PATIENCE) {
        Ok(line) => match heard(&line) {
            Ok(ready) => Ok((child, ready)),
            Err(error) => {
                // It is about to end, and whoever tries again at once must not find what it still holds.
                let _ = child.wait();
                Err(error)
            }
        },
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
