//! Taking connections: one worker each, HTTP/1.1 or HTTP/2 by what the client says first.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;

use super::activity::Activity;
use super::body::Body;
use super::crowd::Crowd;
use super::gate::{Gate, Remote, Transport};
use super::open::Open;
use super::routes::{Forward, Routes};
use super::version::{Asked, Connection, Version};
use crate::base::workers::Workers;
use crate::net::{Listener, Stream, tls};

/// A connection that says nothing for this long, does not get through its TLS handshake, or asks nothing then, is closed.
const SILENCE: Duration = Duration::from_secs(10);
/// A connection on which nothing is under way must be used again within this.
const IDLE: Duration = Duration::from_secs(60);
/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: &[u8] = &[0x16];
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
    async fn welcome(&self, mut stream: Stream) -> std::io::Result<(Stream, Transport, Version)> {
        let mut transport = Transport::Plain;
        if let Some(tls) = &self.tls
            && stream.begins_with(TLS_HANDSHAKE).await?
        {
            (stream, transport) = (tls.accept(stream).await?, Transport::Tls);
        }
        let version = Version::of(&mut stream).await?;
        Ok((stream, transport, version))
    }

    async fn connection(self: Arc<Self>, stream: Stream, address: SocketAddr) {
        let stopping = self.connections.stopping();
        // On the heap: a handshake takes far more room than what follows, and is over then.
        let welcome = tokio::select! {
            welcome = Box::pin(tokio::time::timeout(SILENCE, self.welcome(stream))) => welcome,
            () = stopping.cancelled() => return,
        };
        let (stream, transport, version) = match welcome {
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
        let asked = Asked(Box::new(move |request| {
            let (server, remote, under_way) = (server.clone(), remote.clone(), asked.begin());
            Box::pin(async move { Ok(server.answers.answer(&remote, request).await.map(|body| under_way.sending(body))) })
        }));
        let mut connection = Connection::over(stream, version, asked);
        let mut ended = tokio::select! {
            ended = &mut connection => Some(ended),
            // Who reads no more, because enough is under way, would not notice.
            () = cut.done() => return,
            () = activity.quiet(SILENCE, IDLE) => None,
            () = stopping.cancelled() => None,
        };
        if ended.is_none() && (activity.was_asked() || stopping.is_cancelled()) {
            connection.end_softly();
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
