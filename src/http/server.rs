//! Taking connections: one worker each, HTTP/1.1 or HTTP/2 by what the client says first.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;

use super::activity::Activity;
use super::body::Body;
use super::crowd::Crowd;
use super::gate::{Gate, Remote, Transport};
use super::open::Open;
use super::routes::{Forward, Routes};
use crate::base::workers::Workers;
use crate::net::{Listener, Stream, tls};

/// A connection that says nothing for this long, does not get through its TLS handshake, or asks nothing then, is closed.
const SILENCE: Duration = Duration::from_secs(10);
/// A connection on which nothing is under way must be used again within this.
const IDLE: Duration = Duration::from_secs(60);
/// A request's head must arrive within this.
const HEAD_LIMIT: Duration = Duration::from_secs(60);
/// Largest head, bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// How long to wait when the system has no descriptors left.
const BREATHER: Duration = Duration::from_millis(100);

/// What answers the requests that come over connections.
pub trait Answer: Send + Sync + 'static {
    /// Answers one request. Never fails: a failure is an answer.
    fn answer(&self, remote: &Remote, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

/// Operations behind the gate.
pub struct Gated<S> {
    /// What is asked first.
    pub gate: Gate,
    /// What can be asked.
    pub routes: Routes<S>,
    /// Who carries it out.
    pub service: Arc<S>,
}

impl<S: Forward> Answer for Gated<S> {
    async fn answer(&self, remote: &Remote, request: Request<Incoming>) -> Response<Body> {
        self.gate.answer(&self.routes, &self.service, remote, request).await
    }
}

/// Everything that takes connections.
pub struct Server<A> {
    /// What answers.
    pub answers: A,
    /// Where connections run.
    pub connections: Workers,
    /// What is shown to those who begin with a TLS handshake; without it there is no TLS.
    pub tls: Option<tls::Server>,
    /// Those that are open.
    pub open: Open,
    /// Those that came from elsewhere.
    pub crowd: Crowd,
}

impl<A: Answer> Server<A> {
    /// Takes connections until the group of workers that this runs in stops.
    pub async fn run(self: Arc<Self>, mut listener: Listener) {
        loop {
            match listener.accept().await {
                Ok((mut stream, address)) => {
                    let ip = address.ip().to_canonical();
                    if !ip.is_loopback() {
                        let Some(place) = self.crowd.enter(ip) else {
                            tracing::debug!(from = %address, "a connection is one too many");
                            continue;
                        };
                        stream.keep(place);
                    }
                    let server = self.clone();
                    self.connections.spawn("connection", async move { server.connection(stream, address).await });
                }
                Err(cause) => {
                    tracing::warn!(%cause, "a connection could not be taken");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }

    /// The stream as requests come over it: inside of TLS where the client begins so.
    async fn welcome(&self, mut stream: Stream) -> std::io::Result<(Stream, Transport)> {
        match (stream.peek().await?, &self.tls) {
            (TLS_HANDSHAKE, Some(tls)) => Ok((tls.accept(stream).await?, Transport::Tls)),
            _ => Ok((stream, Transport::Plain)),
        }
    }

    async fn connection(self: Arc<Self>, stream: Stream, address: SocketAddr) {
        let stopping = self.connections.stopping();
        let welcome = tokio::select! {
            welcome = tokio::time::timeout(SILENCE, self.welcome(stream)) => welcome,
            () = stopping.cancelled() => return,
        };
        let (stream, transport) = match welcome {
            Ok(Ok(welcomed)) => welcomed,
            Ok(Err(cause)) => {
                tracing::debug!(%cause, from = %address, "a connection ended before its first request");
                return;
            }
            Err(_) => return,
        };
        let (cut, activity) = (stream.cut().clone(), Activity::default());
        let remote = Remote { address, transport, entry: self.open.enter(stream.cut()) };
        let (server, asked) = (self.clone(), activity.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (server, remote, under_way) = (server.clone(), remote.clone(), asked.begin());
            async move {
                let answer = server.answers.answer(&remote, request).await;
                Ok::<_, Infallible>(answer.map(|body| under_way.sending(body)))
            }
        });
        let connection = builder().serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        tokio::pin!(connection);
        let mut ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            // Who reads no more, because enough is under way, would not notice.
            () = cut.done() => return,
            () = activity.quiet(SILENCE, IDLE) => None,
            () = stopping.cancelled() => None,
        };
        if ended.is_none() && (activity.was_asked() || stopping.is_cancelled()) {
            connection.as_mut().graceful_shutdown();
            let farewell = async {
                tokio::time::sleep(SILENCE).await;
                activity.quiet(SILENCE, IDLE).await;
            };
            ended = tokio::select! {
                ended = connection => Some(ended),
                () = cut.done() => None,
                () = farewell => None,
            };
        }
        if let Some(Err(cause)) = ended {
            tracing::debug!(%cause, from = %address, "a connection ended early");
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(1024 * 1024).keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(256)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024);
    builder
}
