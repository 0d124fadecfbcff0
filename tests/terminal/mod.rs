//! Terminals on real daemons: as their owner has them, and as a peer has them through its own daemon.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use loopsy::api::terminal::{Terminal, TerminalCreate, TerminalGet, TerminalReply, TerminalRequest, TerminalSocket};
use loopsy::client::Link;
use loopsy::client::socket::Socket;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

mod endings;
mod hostile;
mod people;
mod screens;
mod volume;

pub const PATIENCE: Duration = Duration::from_secs(15);
pub const COLS: u16 = 80;
pub const ROWS: u16 = 24;

/// A terminal in which a program runs.
pub async fn open(link: &Link, program: &str, args: &[&str]) -> Terminal {
    let args = Some(args.iter().map(ToString::to_string).collect());
    // Nothing that the machine of the tests has set for its own programs.
    let env = Some([("LESS", ""), ("VIMINIT", ""), ("HISTFILE", "")].map(|(name, value)| (name.into(), value.into())).into());
    link.call(&TerminalCreate { command: Some(program.into()), args, env, ..TerminalCreate::default() }).await.unwrap()
}

pub async fn get(link: &Link, terminal: &Terminal) -> Terminal {
    link.call(&TerminalGet { terminal_id: terminal.terminal_id.clone() }).await.unwrap()
}

/// Somebody who looks at a terminal.
pub struct Viewer {
    pub socket: Socket,
    pub screen: vt100::Parser,
    /// The size of the terminal.
    pub size: (u16, u16),
    /// Control messages that came, but for sizes.
    pub said: Vec<TerminalReply>,
    /// Bytes that came.
    pub bytes: u64,
}

impl Viewer {
    /// Attaches, with a size or without.
    pub async fn attach(link: &Link, terminal: &Terminal, size: Option<(u16, u16)>) -> Self {
        let terminal_id = terminal.terminal_id.clone();
        let op = TerminalSocket { terminal_id, cols: size.map(|(cols, _)| cols), rows: size.map(|(_, rows)| rows) };
        let socket = link.socket(&op).await.unwrap();
        let (cols, rows) = size.unwrap_or((COLS, ROWS));
        let mut viewer = Self { socket, screen: vt100::Parser::new(rows, cols, 2000), size: (0, 0), said: Vec::new(), bytes: 0 };
        assert!(viewer.step().await);
        assert!(matches!(&viewer.said[..], [TerminalReply::Attached { .. }]), "{:?}", viewer.said);
        viewer
    }
    /// Takes the next message in; false at the end.
    pub async fn step(&mut self) -> bool {
        let message = timeout(PATIENCE, self.socket.next()).await.expect("something comes in time");
        match message {
            Some(Ok(Message::Binary(bytes))) => {
                self.bytes += bytes.len() as u64;
                self.screen.process(&bytes);
            }
            Some(Ok(Message::Text(text))) => self.hear(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(_) | Err(_)) | None => return false,
        }
        true
    }
    fn hear(&mut self, reply: TerminalReply) {
        if let TerminalReply::Attached { cols, rows, .. } | TerminalReply::Resize { cols, rows } = reply {
            self.size = (cols, rows);
            self.screen.screen_mut().set_size(rows, cols);
        }
        if !matches!(reply, TerminalReply::Resize { .. }) {
            self.said.push(reply);
        }
    }
    /// Looks until something holds.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let looking = async {
            while !holds(self) {
                assert!(self.step().await, "it ended before {what}");
            }
        };
        let found = timeout(PATIENCE, looking).await.is_ok();
        assert!(found, "waited in vain for {what}: {}", self.text());
    }
    pub async fn until_text(&mut self, text: &str) {
        self.until(text, |viewer| viewer.text().contains(text)).await;
    }
    /// Looks until the end; answers exit code and signal.
    pub async fn end(&mut self) -> (Option<i32>, Option<String>) {
        loop {
            if let Some(TerminalReply::Exit { exit_code, signal }) = self.said.last() {
                return (*exit_code, signal.clone());
            }
            assert!(self.step().await, "it ended without an exit: {:?}", self.said);
        }
    }
    pub fn text(&self) -> String {
        self.screen.screen().contents()
    }
    pub async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }
    pub async fn types(&mut self, text: &str) {
        self.send(Message::binary(text.as_bytes().to_vec())).await;
    }
    pub async fn resize(&mut self, cols: u16, rows: u16) {
        self.send(Message::text(serde_json::to_string(&TerminalRequest::Resize { cols, rows }).unwrap())).await;
    }
    /// The same screen, cursor and modes as another has.
    pub fn assert_same(&self, other: &Self) {
        let (ours, theirs) = (self.screen.screen(), other.screen.screen());
        assert_eq!(ours.contents(), theirs.contents());
        assert_eq!(ours.state_formatted(), theirs.state_formatted());
        assert_eq!(ours.alternate_screen(), theirs.alternate_screen());
    }
}
