//! A command over a WebSocket: bytes untouched both ways, and control messages between them.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, SimplexStream, WriteHalf};

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::api::Caller;
use crate::api::execute::{STDERR, STDIN, STDOUT, SocketReply, SocketRequest};
use crate::base::{Error, Result};
use crate::platform::process::{self, signal_number};
use crate::service::jobs::{Ended, Input, JobHandle, Jobs, Output, PIECE, Remote};

/// How long a client may take to say what to run.
const FIRST: Duration = Duration::from_secs(10);

/// How often a client is asked for a sign of life; one that is gone is noticed then even while nothing is read from it.
const PING: Duration = Duration::from_secs(5);

/// How often it is asked while there is no room for its input: nothing is read then that would tell that it left.
const PING_FULL: Duration = Duration::from_millis(250);

/// How long a client may take to accept the last message.
const LAST: Duration = Duration::from_secs(5);

/// Input that is taken in while the command does not read; beyond it the client has to wait.
const AHEAD: usize = 1024 * 1024;

/// Signals that a client may send.
const SIGNALS: [&str; 7] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL"];

/// Where messages to a client go.
pub(super) type Sink<S> = SplitSink<WebSocketStream<S>, Message>;

/// Speaks with one client until its command has ended or the client is gone, which cancels the command.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(jobs: &Jobs, caller: &Caller, socket: WebSocketStream<S>) {
    let (mut sink, mut stream) = socket.split();
    let mut job = match begin(jobs, caller, &mut stream).await {
        Ok(Some(job)) => job,
        Ok(None) => return,
        Err(error) => return finish(&mut sink, &mut stream, &SocketReply::Error { error }).await,
    };
    if sink.send(control(&SocketReply::Started { job_id: job.id().to_owned() })).await.is_err() {
        return;
    }
    let (ahead, input) = tokio::io::simplex(AHEAD);
    let (stdin, remote, full) = (job.stdin(), job.remote(), Notify::new());
    let ended = tokio::select! {
        ended = send_output(&mut job, &mut sink, &full) => ended,
        () = receive(&mut stream, input, remote, &full) => None,
        () = feed(ahead, stdin) => None,
    };
    if let Some(Ended { exit_code, signal, timed_out, killed, duration }) = ended {
        let duration = duration.as_millis() as u64;
        finish(&mut sink, &mut stream, &SocketReply::Exit { exit_code, signal, timed_out, killed, duration }).await;
    }
}

/// Starts what the first message asks for; nothing when the client left without a word.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    jobs: &Jobs,
    caller: &Caller,
    stream: &mut SplitStream<WebSocketStream<S>>,
) -> Result<Option<JobHandle>> {
    let first = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return other,
            }
        }
    };
    let text = match timeout(FIRST, first).await {
        Err(_) => return Err(Error::invalid("the first message, 'start', did not come")),
        Ok(Some(Ok(Message::Text(text)))) => text,
        Ok(Some(Ok(Message::Binary(_)))) => return Err(Error::invalid("the first message must be 'start'")),
        Ok(_) => return Ok(None),
    };
    match serde_json::from_str(&text).map_err(|cause| Error::invalid(format!("the first message is not understood: {cause}")))? {
        SocketRequest::Start { command, open_stdin } => {
            let input = if open_stdin { Input::Open } else { Input::Given };
            jobs.start(caller, command, input).await.map(Some)
        }
        SocketRequest::Signal { .. } | SocketRequest::Cancel => Err(Error::invalid("the first message must be 'start'")),
    }
}

/// Passes output on until the command has ended; nothing when the client is gone. `full` asks for a sign of life.
async fn send_output<S: AsyncRead + AsyncWrite + Unpin>(job: &mut JobHandle, sink: &mut Sink<S>, full: &Notify) -> Option<Ended> {
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            output = job.next() => match output? {
                Output::Stdout(bytes) => framed(STDOUT, &bytes),
                Output::Stderr(bytes) => framed(STDERR, &bytes),
                Output::Ended(ended) => return Some(ended),
            },
            _ = ping.tick() => Message::Ping(Bytes::new()),
            () = full.notified() => Message::Ping(Bytes::new()),
        };
        sink.send(message).await.ok()?;
    }
}

/// Takes in what the client sends until the client is gone.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    input: WriteHalf<SimplexStream>,
    remote: Remote,
    full: &Notify,
) {
    let mut input = Some(input);
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) if bytes.first() == Some(&STDIN) => take_input(&mut input, &bytes[1..], full).await,
            Message::Text(text) => obey(&text, &remote),
            Message::Close(_) => return,
            _ => {}
        }
    }
}

/// An empty piece is the end of the input.
async fn take_input(input: &mut Option<WriteHalf<SimplexStream>>, bytes: &[u8], full: &Notify) {
    let Some(open) = input else { return };
    if bytes.is_empty() {
        let _ = open.shutdown().await;
        *input = None;
        return;
    }
    let write = open.write_all(bytes);
    tokio::pin!(write);
    while timeout(PING_FULL, write.as_mut()).await.is_err() {
        full.notify_one();
    }
}

fn obey(text: &str, remote: &Remote) {
    match serde_json::from_str(text) {
        Ok(SocketRequest::Signal { signal }) if SIGNALS.contains(&signal.as_str()) => {
            if let Some(number) = signal_number(&signal) {
                remote.signal(number);
            }
        }
        Ok(SocketRequest::Cancel) => remote.cancel(),
        _ => tracing::debug!("a control message was not understood"),
    }
}

/// Writes input to the command, and never ends: the command's end is told by its output.
async fn feed(ahead: ReadHalf<SimplexStream>, stdin: Option<process::Input>) {
    let mut ahead = BufReader::with_capacity(PIECE, ahead);
    if let Some(mut stdin) = stdin {
        let _ = tokio::io::copy_buf(&mut ahead, &mut stdin).await;
    }
    // Once the command reads no more, or never did, the rest is taken in for nothing, so that the client can go on.
    let _ = tokio::io::copy_buf(&mut ahead, &mut tokio::io::sink()).await;
    std::future::pending().await
}

fn framed(channel: u8, bytes: &[u8]) -> Message {
    let mut frame = BytesMut::with_capacity(bytes.len() + 1);
    frame.put_u8(channel);
    frame.put_slice(bytes);
    Message::Binary(frame.freeze())
}

/// A control message.
pub(super) fn control(reply: &impl Serialize) -> Message {
    Message::text(serde_json::to_string(reply).unwrap_or_default())
}

/// Sends the last message and waits until the client has closed its side: to hang up on what is still on its way from
/// there would take the last message away from it, too.
pub(super) async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut Sink<S>,
    stream: &mut SplitStream<WebSocketStream<S>>,
    reply: &impl Serialize,
) {
    let last = async {
        sink.send(control(reply)).await?;
        sink.send(Message::Close(None)).await?;
        while stream.next().await.transpose()?.is_some() {}
        sink.close().await
    };
    let _ = timeout(LAST, last).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::service::jobs::testing::{jobs, owner};

    type Client = WebSocketStream<DuplexStream>;

    /// Runs a conversation against a server of its own; fails when either takes too long.
    async fn with_client<T>(talk: impl AsyncFnOnce(Client) -> T) -> T {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let jobs = jobs();
        let server = async {
            let socket = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
            serve(&jobs, &owner(), socket).await;
        };
        let client = async { talk(WebSocketStream::from_raw_socket(near, Role::Client, None).await).await };
        let (_, answer) = timeout(Duration::from_secs(10), async { tokio::join!(server, client) }).await.unwrap();
        jobs.stop().await;
        answer
    }

    fn start(program: &str, args: &[&str], open_stdin: bool) -> Message {
        Message::text(serde_json::json!({"type": "start", "command": program, "args": args, "openStdin": open_stdin}).to_string())
    }

    /// Everything until the last control message: output of one channel, and that message.
    async fn rest(client: &mut Client, channel: u8) -> (Vec<u8>, SocketReply) {
        let mut output = Vec::new();
        loop {
            match client.next().await.unwrap().unwrap() {
                Message::Binary(bytes) if bytes[0] == channel => output.extend_from_slice(&bytes[1..]),
                Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                    SocketReply::Started { .. } => {}
                    last => return (output, last),
                },
                _ => {}
            }
        }
    }

    fn exit_code(reply: SocketReply) -> Option<i32> {
        match reply {
            SocketReply::Exit { exit_code, .. } => exit_code,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn bytes_pass_untouched_both_ways_more_than_any_buffer_holds() {
        let sent: Vec<u8> = (0..5_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let expected = sent.clone();
        let (got, reply) = with_client(async |mut client| {
            client.send(start("cat", &[], true)).await.unwrap();
            let (mut sink, stream) = client.split();
            let send = async {
                for piece in sent.chunks(100_000) {
                    sink.send(framed(STDIN, piece)).await.unwrap();
                }
                sink.send(framed(STDIN, b"")).await.unwrap();
                sink
            };
            let receive = async {
                let mut stream = stream;
                let mut got = Vec::new();
                loop {
                    match stream.next().await.unwrap().unwrap() {
                        Message::Binary(bytes) if bytes[0] == STDOUT => got.extend_from_slice(&bytes[1..]),
                        Message::Text(text) if text.contains("exit") => return (got, serde_json::from_str(&text).unwrap()),
                        _ => {}
                    }
                }
            };
            tokio::join!(send, receive).1
        })
        .await;
        assert!(got == expected);
        assert_eq!(exit_code(reply), Some(0));
    }

    #[tokio::test]
    async fn errors_exit_codes_and_both_channels_come_back() {
        let (err, reply) = with_client(async |mut client| {
            client.send(start("sh", &["-c", "echo x >&2; exit 3"], false)).await.unwrap();
            rest(&mut client, STDERR).await
        })
        .await;
        assert_eq!((err.as_slice(), exit_code(reply)), (&b"x\n"[..], Some(3)));
        let wrong = [start("no-such-program", &[], false), Message::text("{}"), Message::text(r#"{"type":"cancel"}"#), framed(STDIN, b"x")];
        for first in wrong {
            let (_, reply) = with_client(async |mut client| {
                client.send(first).await.unwrap();
                rest(&mut client, STDOUT).await
            })
            .await;
            assert!(matches!(reply, SocketReply::Error { .. }), "{reply:?}");
        }
    }

    #[tokio::test]
    async fn the_end_is_told_to_a_client_that_is_still_sending() {
        let (_, reply) = with_client(async |mut client| {
            client.send(start("true", &[], true)).await.unwrap();
            for _ in 0..100 {
                client.send(framed(STDIN, &[0; 50_000])).await.unwrap();
            }
            rest(&mut client, STDOUT).await
        })
        .await;
        assert_eq!(exit_code(reply), Some(0));
    }

    #[tokio::test]
    async fn signals_and_cancel_reach_a_command_that_does_not_read() {
        for (order, name) in [(r#"{"type":"signal","signal":"SIGINT"}"#, "SIGINT"), (r#"{"type":"cancel"}"#, "SIGTERM")] {
            let (_, reply) = with_client(async |mut client| {
                client.send(start("sleep", &["60"], true)).await.unwrap();
                client.send(framed(STDIN, &[0; 500_000])).await.unwrap();
                client.send(Message::text(r#"{"type":"signal","signal":"SIGNOPE"}"#)).await.unwrap();
                client.send(Message::text("nonsense")).await.unwrap();
                client.send(Message::text(order)).await.unwrap();
                rest(&mut client, STDOUT).await
            })
            .await;
            assert!(matches!(reply, SocketReply::Exit { signal: Some(signal), exit_code: None, .. } if signal == name));
        }
    }

    /// known fault 49
    #[tokio::test]
    async fn a_client_that_leaves_ends_its_command() {
        with_client(async |mut client| {
            client.send(start("sleep", &["60"], true)).await.unwrap();
            assert!(client.next().await.unwrap().unwrap().is_text());
        })
        .await;
    }
}
