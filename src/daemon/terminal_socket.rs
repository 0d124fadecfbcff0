//! A terminal over a WebSocket: its bytes untouched both ways, and control messages between them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::SplitStream;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::execute_socket::{Sink, control, finish};
use crate::api::Caller;
use crate::api::terminal::{TerminalReply, TerminalRequest, TerminalSocket};
use crate::base::{Error, Result};
use crate::platform::pty::Size;
use crate::service::terminal::{Client, Ended, News, Terminals, size};

/// How often a client is asked for a sign of life; one that is gone is noticed then even while nothing is shown.
const PING: Duration = Duration::from_secs(5);

/// How long a client may take nothing before it is let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// Faults of a client that wait to be told; what is beyond is not worth telling.
const FAULTS: usize = 4;

/// Speaks with one client until the program has ended or the client is gone.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    terminals: &Terminals,
    caller: &Caller,
    op: &TerminalSocket,
    socket: WebSocketStream<S>,
) {
    let (mut sink, mut stream) = socket.split();
    let client = match attach(terminals, caller, op).await {
        Ok(client) => client,
        Err(error) => return finish(&mut sink, &mut stream, &TerminalReply::Error { error }).await,
    };
    let (faults, told) = mpsc::channel(FAULTS);
    let ended = tokio::select! {
        ended = send(&client, &op.terminal_id, &mut sink, told) => ended,
        () = receive(&mut stream, &client, faults) => None,
    };
    drop(client);
    if let Some(Ended { exit_code, signal }) = ended {
        finish(&mut sink, &mut stream, &TerminalReply::Exit { exit_code, signal }).await;
    }
}

async fn attach(terminals: &Terminals, caller: &Caller, op: &TerminalSocket) -> Result<Client> {
    let wanted = match (op.cols, op.rows) {
        (Some(cols), Some(rows)) => Some(size(cols, rows)?),
        (None, None) => None,
        _ => return Err(Error::invalid("cols and rows belong together")),
    };
    terminals.attach(caller, &op.terminal_id, wanted).await
}

/// Passes on what is shown until the program has ended; nothing when the client is gone.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    client: &Client,
    id: &str,
    sink: &mut Sink<S>,
    mut faults: mpsc::Receiver<Error>,
) -> Option<Ended> {
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            news = client.next() => match news? {
                News::Attached(Size { cols, rows }) => control(&TerminalReply::Attached { terminal_id: id.to_owned(), cols, rows }),
                News::Shown(bytes) => Message::Binary(bytes.into()),
                News::Resized(Size { cols, rows }) => control(&TerminalReply::Resize { cols, rows }),
                News::Ended(ended) => return Some(ended),
            },
            Some(error) = faults.recv() => control(&TerminalReply::Error { error }),
            _ = ping.tick() => Message::Ping(Bytes::new()),
        };
        timeout(PATIENCE, sink.send(message)).await.ok()?.ok()?;
    }
}

/// Takes in what the client sends until the client is gone.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    client: &Client,
    faults: mpsc::Sender<Error>,
) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) => client.type_in(bytes).await,
            Message::Text(text) => match wanted(&text) {
                Ok(size) => client.resize(size).await,
                Err(error) => drop(faults.try_send(error)),
            },
            Message::Close(_) => return,
            _ => {}
        }
    }
}

fn wanted(text: &str) -> Result<Size> {
    match serde_json::from_str(text) {
        Ok(TerminalRequest::Resize { cols, rows }) => size(cols, rows),
        Err(cause) => Err(Error::invalid(format!("the message is not understood: {cause}"))),
    }
}
