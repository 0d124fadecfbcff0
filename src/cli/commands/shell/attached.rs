//! One's own terminal, attached to another one.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::escapes::{Escapes, HELP, Typed};
use super::place::Place;
use crate::api::terminal::{TerminalGet, TerminalReply, TerminalRequest, TerminalSocket, TerminalStatus, fitting};
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::cli::Session;
use crate::client::socket::Socket;
use crate::platform::process::signal_number;
use crate::platform::signals::{Asked, Signals};
use crate::platform::terminal::{Raw, Resizes, size};

/// Bytes of input sent at a time.
const INPUT: usize = 16 * 1024;
/// Bytes that are kept of what was typed while the other side takes none.
const KEPT: usize = 1024 * 1024;
/// How long the other side may take nothing of what is kept until what is typed beyond it is dropped. It is looked at all the
/// same: whoever is stuck wants to leave.
const STUCK: Duration = Duration::from_secs(2);
/// How long nothing may come: the other side gives a sign of life every five seconds.
const SILENCE: Duration = Duration::from_secs(20);
/// How often the end of input is told until the program has ended: it is lost where a program has just begun to read keys itself,
/// and ends only the line where one was begun.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the machine is asked what has become of a terminal whose connection broke.
const ASKING: Duration = Duration::from_secs(3);
/// What stands for the end of input, and for an interrupt, in a terminal.
const END: &[u8] = b"\x04";
const INTERRUPT: &[u8] = b"\x03";
/// What a terminal does with keys for which there is no room.
const BELL: &[u8] = b"\x07";
/// Leaves the other screen and switches off what programs switch on, so that what comes next looks as it should.
const RESTORE: &[u8] =
    b"\x18\x1b7\x1b[?1049l\x1b[!p\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?25h\x1b[0m\r\n";

/// How it came to an end.
enum End {
    /// The program has ended.
    Exited { exit_code: Option<i32>, signal: Option<String> },
    /// The user, or who started this, wanted to leave.
    Left,
    /// The connection is gone.
    Lost,
}

/// Stays attached until the program has ended, the user leaves, or the connection breaks.
pub(super) async fn run(session: &Session, place: &Place<'_>) -> Result<ExitCode> {
    let is_typed = std::io::stdin().is_terminal();
    if !is_typed && session.console.errors_are_seen() {
        session.console.note("Standard input is no terminal. For scripts there is: loopsy exec");
    }
    let own = size().filter(|_| is_typed).map(fitting);
    let terminal_id = place.terminal.terminal_id.clone();
    let op = TerminalSocket { terminal_id, cols: own.map(|(cols, _)| cols), rows: own.map(|(_, rows)| rows) };
    let socket = place.link.socket(&op).await?;
    let unusable = |cause| Error::new(Code::Internal, format!("the terminal can't be used: {}", io_words(&cause)));
    let signals = Signals::listen().map_err(unusable)?;
    let resizes = Resizes::listen().map_err(unusable)?;
    let raw = is_typed.then(Raw::begin).transpose().map_err(unusable)?;
    let (out, news) = socket.split();
    let (sender, messages) = mpsc::channel(1);
    let own = Own { session, signals, resizes, sender, escapes: is_typed.then(Escapes::new), kept: Kept::default() };
    let end = tokio::select! {
        end = show(session, news) => end,
        end = own.listen() => end,
        () = send(out, messages) => Ok(End::Lost),
    };
    // Lines end as usual again for what is said below.
    drop(raw);
    if !matches!(end, Ok(End::Exited { signal: None, .. })) && session.console.is_terminal() {
        session.console.bytes(RESTORE)?;
    }
    let (exit_code, signal) = match end? {
        End::Exited { exit_code, signal } => (exit_code, signal),
        End::Left => {
            session.console.note(format!("Left; the terminal lives on. Come back with: {}", place.back()));
            return Ok(ExitCode::SUCCESS);
        }
        End::Lost => after_loss(place).await?,
    };
    if let Some(signal) = &signal {
        session.console.note(format!("Ended by {signal}"));
    }
    Ok(ExitCode::from(status(exit_code, signal.as_deref())))
}

/// Asks what has become of the terminal: exit code and signal of a program that has ended.
///
/// # Errors
/// Else why there is nothing more to see, and how to come back where that may be.
async fn after_loss(place: &Place<'_>) -> Result<(Option<i32>, Option<String>)> {
    let op = TerminalGet { terminal_id: place.terminal.terminal_id.clone() };
    let back = place.back();
    let broke = |words: &str| Error::new(Code::PeerUnreachable, format!("the connection broke{words}"));
    match timeout(ASKING, place.link.call(&op)).await {
        Ok(Ok(terminal)) if terminal.status == TerminalStatus::Exited => Ok((terminal.exit_code, terminal.signal)),
        Ok(Ok(_)) => Err(broke("; the terminal lives on").hint(format!("Come back with: {back}"))),
        Ok(Err(error)) if error.code == Code::ExecJobNotFound => Err(Error::new(error.code, "the terminal has ended")),
        Ok(Err(error)) if matches!(error.code.status(), 401 | 403) => {
            Err(Error::new(error.code, "the connection was cut: this machine may not look at the terminal any more"))
        }
        Ok(Err(_)) | Err(_) => Err(broke("").hint(format!("If {} still runs, come back with: {back}", place.daemon()))),
    }
}

fn status(exit_code: Option<i32>, signal: Option<&str>) -> u8 {
    match (exit_code, signal.and_then(signal_number)) {
        (Some(code), _) => u8::try_from(code & 0xff).unwrap_or(1),
        (None, Some(number)) => 128 + number,
        (None, None) => 1,
    }
}

/// Shows what comes until the end.
async fn show(session: &Session, mut news: SplitStream<Socket>) -> Result<End> {
    while let Ok(Some(Ok(message))) = timeout(SILENCE, news.next()).await {
        let text = match message {
            Message::Binary(bytes) => {
                session.console.bytes(&bytes)?;
                continue;
            }
            Message::Text(text) => text,
            _ => continue,
        };
        match serde_json::from_str(&text).map_err(|cause| Error::internal("a strange control frame", cause))? {
            TerminalReply::Exit { exit_code, signal } => return Ok(End::Exited { exit_code, signal }),
            TerminalReply::Error { error } => return Err(error),
            TerminalReply::Attached { .. } | TerminalReply::Resize { .. } => {}
        }
    }
    Ok(End::Lost)
}

/// Sends what is to be sent. That it can't be is noticed where news are read, which may still tell how it ended.
async fn send(mut out: SplitSink<Socket, Message>, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        if out.send(message).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

/// One's own terminal.
struct Own<'a> {
    session: &'a Session,
    signals: Signals,
    resizes: Resizes,
    sender: mpsc::Sender<Message>,
    /// Where somebody types.
    escapes: Option<Escapes>,
    kept: Kept,
}

/// What waits until the other side takes it.
#[derive(Default)]
struct Kept {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }
    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }
}

impl Own<'_> {
    /// Has sent what is typed, and what else happens here, until somebody wants to leave.
    async fn listen(mut self) -> Result<End> {
        let sender = self.sender.clone();
        let mut stdin = tokio::io::stdin();
        let mut buffer = vec![0; INPUT];
        let (mut is_open, mut is_stuck) = (true, false);
        loop {
            // What is not typed waits where it comes from.
            let is_full = self.kept.bytes >= if self.escapes.is_some() { KEPT } else { 1 };
            tokio::select! {
                read = stdin.read(&mut buffer), if is_open && (is_stuck || !is_full) => {
                    // Input that can't be read ends.
                    let length = read.unwrap_or(0);
                    is_open = length > 0;
                    match self.typed(&buffer[..length])? {
                        None => return Ok(End::Left),
                        Some(_) if is_full => self.session.console.error_bytes(BELL)?,
                        Some(bytes) => self.kept.push(Message::Binary(bytes)),
                    }
                }
                room = sender.reserve(), if !self.kept.messages.is_empty() => {
                    // Nobody is left who could take it.
                    let Ok(room) = room else { std::future::pending().await };
                    if let Some(message) = self.kept.pop() {
                        room.send(message);
                    }
                    is_stuck = false;
                }
                window = self.resizes.next() => {
                    let (cols, rows) = fitting(window);
                    self.kept.push(Message::text(serde_json::to_string(&TerminalRequest::Resize { cols, rows }).unwrap_or_default()));
                }
                asked = self.signals.next() => match asked {
                    Asked::Interrupt if is_open || self.escapes.is_some() => self.kept.push(Message::Binary(Bytes::from_static(INTERRUPT))),
                    _ => return Ok(End::Left),
                },
                () = sleep(STUCK), if is_full && self.escapes.is_some() && !is_stuck => is_stuck = true,
                () = sleep(AGAIN), if !is_open && !is_full => self.kept.push(Message::Binary(Bytes::from_static(END))),
            }
        }
    }

    /// What is to be sent for what was typed; nothing where the user wants to leave. Nothing typed is the end of input.
    fn typed(&mut self, bytes: &[u8]) -> Result<Option<Bytes>> {
        if bytes.is_empty() {
            return Ok(Some(Bytes::from_static(END)));
        }
        let Some(escapes) = &mut self.escapes else { return Ok(Some(Bytes::copy_from_slice(bytes))) };
        let mut out = Vec::new();
        for typed in escapes.take(bytes) {
            match typed {
                Typed::Bytes(bytes) => out.extend(bytes),
                Typed::Leave => return Ok(None),
                Typed::Help => self.session.console.error_bytes(HELP.as_bytes())?,
            }
        }
        Ok(Some(out.into()))
    }
}
