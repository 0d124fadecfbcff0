//! `loopsy exec`: a command on a peer, or on several, as if it ran here.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use crate::api::execute::{
    Command, Execute, ExecuteEventType, ExecuteSocket, ExecuteStream, STDERR, STDIN, STDOUT, SocketReply, SocketRequest,
};
use crate::api::peers::{PeerList, PeerState};
use crate::base::units::parse_duration;
use crate::base::{Code, Error, Result};
use crate::cli::app::Exec;
use crate::cli::{Session, reach};
use crate::client::Link;
use crate::platform::process::signal_number;

/// Bytes of input sent at a time.
const INPUT: usize = 64 * 1024;
/// How long a cancelled command gets to say how it ended.
const FAREWELL: Duration = Duration::from_secs(5);
/// Exit status of a command that ran out of time, as of `timeout`.
const TIMED_OUT: u8 = 124;
/// Exit status after Ctrl-C, as of every shell.
const INTERRUPTED: u8 = 130;

/// Where output goes: a stream's number and its bytes.
type Sink<'a> = dyn FnMut(u8, &[u8]) -> Result<()> + 'a;

/// Runs the command.
pub fn run(session: &Session, args: &Exec) -> Result<ExitCode> {
    let (peers, command) = split(args)?;
    session.wait(async {
        let peers = match peers {
            Some(peers) => peers,
            None => online(session).await?,
        };
        match peers.as_slice() {
            [peer] if !args.all => one(session, args, peer, command).await,
            _ => several(session, args, &peers, command).await,
        }
    })
}

/// Takes the words apart: which peers (none for all), and what to run.
fn split(args: &Exec) -> Result<(Option<Vec<String>>, Command)> {
    let usage = |what: &str| Error::invalid(what.to_owned()).hint("Usage: loopsy exec [OPTIONS] <PEER> <COMMAND>…");
    let mut words = args.words.iter().cloned().peekable();
    let peers = if args.all {
        None
    } else {
        let first = words.next().unwrap_or_default();
        let names: Vec<String> = first.split(',').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err(usage(&format!("{first:?} is not a list of peers")));
        }
        Some(names)
    };
    if words.peek().is_some_and(|word| word == "--") {
        words.next();
    }
    let words: Vec<String> = words.collect();
    let Some((program, rest)) = words.split_first() else { return Err(usage("there is no command to run")) };
    let timeout = args.timeout.as_deref().map(parse_duration).transpose()?;
    let mut command = Command {
        command: program.clone(),
        args: Some(rest.to_vec()),
        cwd: args.cwd.clone(),
        env: variables(&args.env)?,
        timeout: timeout.map(|timeout| timeout.as_millis() as u64),
        ..Command::default()
    };
    if args.shell {
        command.command = words.join(" ");
        command.args = None;
        command.shell = Some(true);
    }
    Ok((peers, command))
}

/// The variables that `--env` gives, if any.
pub fn variables(pairs: &[String]) -> Result<Option<BTreeMap<String, String>>> {
    let pair = |pair: &String| match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(format!("--env {pair}: it is not NAME=VALUE")).hint("For example: --env LANG=C")),
    };
    let all = pairs.iter().map(pair).collect::<Result<BTreeMap<_, _>>>()?;
    Ok((!all.is_empty()).then_some(all))
}

async fn online(session: &Session) -> Result<Vec<String>> {
    let known = session.link()?.call(&PeerList {}).await?.peers;
    let names: Vec<String> = known
        .into_iter()
        .filter(|peer| peer.trusted && peer.status == PeerState::Online)
        .map(|peer| peer.name.unwrap_or(peer.node_id))
        .collect();
    if names.is_empty() {
        return Err(Error::new(Code::PeerOffline, "no peer is online").hint("See them with: loopsy peers"));
    }
    Ok(names)
}

/// How a command ended.
struct End {
    exit_code: Option<i32>,
    signal: Option<String>,
    timed_out: bool,
}

impl End {
    fn status(&self) -> u8 {
        if self.timed_out {
            return TIMED_OUT;
        }
        match (self.exit_code, self.signal.as_deref().and_then(signal_number)) {
            (Some(code), _) => u8::try_from(code & 0xff).unwrap_or(1),
            (None, Some(number)) => 128 + number,
            (None, None) => 1,
        }
    }
    /// What a person would not see from the output alone.
    fn words(&self) -> Option<String> {
        match (self.timed_out, &self.signal) {
            (true, _) => Some("the command ran out of time and was ended".into()),
            (false, Some(signal)) => Some(format!("the command was ended by {signal}")),
            _ => None,
        }
    }
}

async fn one(session: &Session, args: &Exec, peer: &str, command: Command) -> Result<ExitCode> {
    let link = reach::line(session, peer, &args.straight).await?;
    if session.console.wants_json() {
        let done = link.call(&Execute(command)).await?;
        session.console.json(&done)?;
        let end = End { exit_code: done.exit_code, signal: done.signal, timed_out: done.timed_out };
        return Ok(ExitCode::from(end.status()));
    }
    let mut sink =
        |stream: u8, bytes: &[u8]| if stream == STDERR { session.console.error_bytes(bytes) } else { session.console.bytes(bytes) };
    let input = !std::io::stdin().is_terminal();
    let Some(end) = stream(&link, command, input, &mut sink).await? else { return Ok(ExitCode::from(INTERRUPTED)) };
    if let Some(words) = end.words() {
        session.console.note(words);
    }
    Ok(ExitCode::from(end.status()))
}

/// Runs a command and hands its output on as it comes; none when the user interrupted it.
async fn stream(link: &Link, command: Command, input: bool, sink: &mut Sink<'_>) -> Result<Option<End>> {
    match link.socket(&ExecuteSocket {}).await {
        Ok(socket) => over_socket(socket, command, input, sink).await,
        // A Node peer has no such route.
        Err(error) if error.code == Code::NotFound || error.code == Code::PeerHandshakeFailed => over_events(link, command, sink).await,
        Err(error) => Err(error),
    }
}

async fn over_socket(socket: crate::client::socket::Socket, command: Command, input: bool, sink: &mut Sink<'_>) -> Result<Option<End>> {
    let (mut out, mut events) = socket.split();
    let start = control(&SocketRequest::Start { command, open_stdin: input })?;
    out.send(start).await.map_err(broken)?;
    let (cancel, mut cancelled) = tokio::sync::mpsc::channel::<()>(1);
    // Whether input waits for room on the way, which a cancel would wait for as well.
    let stuck = Cell::new(false);
    let feed = async {
        let mut stdin = tokio::io::stdin();
        let mut open = input;
        let mut buffer = vec![STDIN; INPUT + 1];
        loop {
            tokio::select! {
                read = stdin.read(&mut buffer[1..]), if open => {
                    // Input that can't be read ends, as it does for a local command.
                    let length = read.unwrap_or(0);
                    open = length > 0;
                    stuck.set(true);
                    out.send(Message::Binary(Bytes::copy_from_slice(&buffer[..=length]))).await.map_err(broken)?;
                    stuck.set(false);
                }
                Some(()) = cancelled.recv() => out.send(control(&SocketRequest::Cancel)?).await.map_err(broken)?,
            }
        }
        #[expect(unreachable_code, reason = "it gives the block its type; the reader decides when all ends")]
        Ok::<(), Error>(())
    };
    let read = async {
        while let Some(message) = events.next().await {
            match message.map_err(broken)? {
                Message::Binary(bytes) => {
                    if let Some((stream @ (&STDOUT | &STDERR), data)) = bytes.split_first() {
                        sink(*stream, data)?;
                    }
                }
                Message::Text(text) => {
                    match serde_json::from_str::<SocketReply>(&text).map_err(|cause| Error::internal("a strange control frame", cause))? {
                        SocketReply::Started { .. } => {}
                        SocketReply::Exit { exit_code, signal, timed_out, .. } => return Ok(End { exit_code, signal, timed_out }),
                        SocketReply::Error { error } => return Err(error),
                    }
                }
                _ => {}
            }
        }
        Err(Error::new(Code::PeerUnreachable, "the connection broke before the command ended").hint("The command was ended there."))
    };
    tokio::pin!(feed, read);
    let mut interrupted = false;
    let mut feeding = true;
    let deadline = tokio::time::sleep(FAREWELL);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            end = read.as_mut() => return if interrupted { Ok(None) } else { end.map(Some) },
            // Its error is the reader's too, which says it better.
            _ = feed.as_mut(), if feeding => feeding = false,
            _ = tokio::signal::ctrl_c() => {
                // Going away ends the command as well.
                if std::mem::replace(&mut interrupted, true) || stuck.get() || cancel.try_send(()).is_err() {
                    return Ok(None);
                }
                deadline.as_mut().reset(tokio::time::Instant::now() + FAREWELL);
            }
            () = deadline.as_mut(), if interrupted => return Ok(None),
        }
    }
}

/// The Node version's way: text events.
async fn over_events(link: &Link, command: Command, sink: &mut Sink<'_>) -> Result<Option<End>> {
    let mut events = link.call(&ExecuteStream(command)).await?;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = tokio::signal::ctrl_c() => return Ok(None),
        };
        let Some(event) = event else { return Err(Error::new(Code::PeerUnreachable, "the connection broke before the command ended")) };
        let event = event?;
        match event.kind {
            ExecuteEventType::Stdout => sink(STDOUT, event.data.as_bytes())?,
            ExecuteEventType::Stderr => sink(STDERR, event.data.as_bytes())?,
            ExecuteEventType::Exit => {
                let exit_code = event.exit_code.or_else(|| event.data.parse().ok());
                return Ok(Some(End { exit_code, signal: event.signal, timed_out: event.timed_out.unwrap_or(false) }));
            }
            ExecuteEventType::Error => return Err(Error::new(Code::ExecFailed, event.data)),
        }
    }
}

fn control(request: &SocketRequest) -> Result<Message> {
    serde_json::to_string(request).map(Message::text).map_err(|cause| Error::internal("a control frame can't be written", cause))
}

fn broken(cause: tokio_tungstenite::tungstenite::Error) -> Error {
    tracing::debug!(%cause, "the socket broke");
    Error::new(Code::PeerUnreachable, "the connection broke").hint("Try again; the command was ended there.")
}

/// Runs a command on several peers side by side, each line under the name of its peer.
async fn several(session: &Session, args: &Exec, peers: &[String], command: Command) -> Result<ExitCode> {
    let width = peers.iter().map(|peer| peer.chars().count()).max().unwrap_or(0);
    let runs = peers.iter().map(|peer| {
        let command = command.clone();
        let work = async move {
            let link = reach::line(session, peer, &args.straight).await?;
            let mut lines = Lines { session, head: format!("{peer:width$} | "), rest: [Vec::new(), Vec::new()] };
            let end = stream(&link, command, false, &mut |stream, bytes| lines.take(stream, bytes)).await;
            lines.finish()?;
            end
        };
        (peer.clone(), work)
    });
    let ended = crate::client::fan_out::fan_out(runs).await;
    let mut worst = 0;
    for (peer, end) in ended {
        match end {
            Ok(Some(end)) => {
                if end.status() != 0 {
                    session.console.note(format!("{peer}: {}", end.words().unwrap_or_else(|| format!("exit status {}", end.status()))));
                }
                worst = worst.max(end.status());
            }
            Ok(None) => return Ok(ExitCode::from(INTERRUPTED)),
            Err(error) => {
                session.console.note(format!("{peer}:"));
                session.console.failure(&error);
                worst = worst.max(error.code.exit() as u8);
            }
        }
    }
    Ok(ExitCode::from(worst))
}

/// Output cut into whole lines, each with the peer's name.
struct Lines<'a> {
    session: &'a Session,
    head: String,
    rest: [Vec<u8>; 2],
}

impl Lines<'_> {
    fn take(&mut self, stream: u8, bytes: &[u8]) -> Result<()> {
        let at = usize::from(stream == STDERR);
        self.rest[at].extend_from_slice(bytes);
        while let Some(end) = self.rest[at].iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest[at].drain(..=end).collect();
            self.print(at, &line)?;
        }
        Ok(())
    }
    fn print(&self, at: usize, line: &[u8]) -> Result<()> {
        let whole = [self.head.as_bytes(), line].concat();
        if at == 1 { self.session.console.error_bytes(&whole) } else { self.session.console.bytes(&whole) }
    }
    fn finish(&mut self) -> Result<()> {
        for at in 0..2 {
            let mut line = std::mem::take(&mut self.rest[at]);
            if !line.is_empty() {
                line.push(b'\n');
                self.print(at, &line)?;
            }
        }
        Ok(())
    }
}
