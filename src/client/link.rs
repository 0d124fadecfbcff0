//! A line to one daemon: every operation is called the same way.

use std::sync::Arc;

use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};

use super::connector::{Body, Pool, Security};
use super::receive::{self, Receive};
use crate::api::transfer::CHECKSUM;
use crate::api::wire::{self, Encoded, NODE_ID, PEER};
use crate::api::{Operation, Output, Piece, Pieces};
use crate::base::error::io_words;
use crate::base::secret::Secret;
use crate::base::{Code, Error, Fingerprint, Result};
use crate::net::{Address, Network};

/// There is no daemon, and how to start one.
pub fn not_running() -> Error {
    Error::new(Code::NotRunning, "Daemon is not running").hint("Start it with: loopsy start")
}

/// A line to a daemon, or through one's own daemon to a peer. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Link {
    pool: Pool,
    target: Address,
    key: Option<Secret>,
    node_id: Option<Arc<str>>,
    via: Option<Arc<str>>,
    own: bool,
}

impl Link {
    /// A line to a daemon of this machine.
    pub fn new(network: &Network, target: Address) -> Self {
        Self::over(Pool::loopback(network), target)
    }
    /// A line to the daemon at an address.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` where TLS is wanted and can't be set up.
    pub fn secured(network: &Network, target: Address, security: Security) -> Result<Self> {
        Ok(Self::over(Pool::new(network, security)?, target))
    }
    /// The same over connections that other lines use too.
    pub fn over(pool: Pool, target: Address) -> Self {
        Self { pool, target, key: None, node_id: None, via: None, own: false }
    }
    /// Presents this key, where [`Pool::may_carry_key`]; calls fail elsewhere.
    pub fn key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }
    /// Says which node calls.
    pub fn node_id(mut self, id: &str) -> Self {
        self.node_id = Some(id.into());
        self
    }
    /// This is the daemon of this machine: where it does not answer, it is not running.
    pub fn own(mut self) -> Self {
        self.own = true;
        self
    }
    /// The same line, on to a peer through the daemon at its end.
    pub fn via(&self, peer: &str) -> Self {
        Self { via: Some(peer.into()), ..self.clone() }
    }
    /// Whose daemon answers in the end, for telling lines apart.
    pub fn whose(&self) -> String {
        match &self.via {
            Some(peer) => format!("{peer} via {}", self.target),
            None => self.target.to_string(),
        }
    }
    /// What protects the line.
    pub fn security(&self) -> Security {
        self.pool.security()
    }
    /// The certificate that the other end showed last.
    pub fn certificate(&self) -> Option<Fingerprint> {
        self.pool.certificate()
    }
    /// Whether a key may be sent over this line; see [`Pool::may_carry_key`].
    pub fn may_carry_key(&self) -> Result<()> {
        self.pool.may_carry_key(&self.target)
    }
    #[cfg(test)]
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
    pub(super) fn answer_limit(&self) -> usize {
        self.pool.answer_limit()
    }
    /// Where the line goes.
    pub fn target(&self) -> &Address {
        &self.target
    }

    /// Calls an operation.
    pub async fn call<O: Operation>(&self, op: &O) -> Result<Output<O>>
    where
        O::Reply: Receive,
    {
        let Encoded { target, headers, body } = wire::encode(op)?;
        let has_body = body.is_some();
        let body = match body {
            Some(body) => Full::new(body.into()).map_err(|never| match never {}).boxed_unsync(),
            None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        };
        let mut request = self.request(O::SPEC.method, &target, &headers, body)?;
        if has_body {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        O::Reply::receive(self.send(request).await?, self.answer_limit()).await
    }

    /// Calls an operation whose body is bytes; a checksum among the pieces travels as a trailer.
    pub async fn upload<O: Operation>(&self, op: &O, pieces: Pieces) -> Result<Output<O>>
    where
        O::Reply: Receive,
    {
        self.upload_as(op, "application/octet-stream", pieces).await
    }

    /// The same with another content type, such as a form's.
    pub async fn upload_as<O: Operation>(&self, op: &O, content_type: &str, pieces: Pieces) -> Result<Output<O>>
    where
        O::Reply: Receive,
    {
        let Encoded { target, headers, .. } = wire::encode(op)?;
        let frames = pieces.map(|piece| match piece? {
            Piece::Data(bytes) => Ok(Frame::data(bytes)),
            Piece::Checksum(sum) => {
                let mut trailers = HeaderMap::new();
                trailers.insert(CHECKSUM, HeaderValue::from_str(&sum)?);
                Ok(Frame::trailers(trailers))
            }
        });
        let mut request = self.request(O::SPEC.method, &target, &headers, StreamBody::new(frames).boxed_unsync())?;
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).map_err(|cause| Error::internal("a content type", cause))?);
        request.headers_mut().insert(header::TRAILER, HeaderValue::from_static(CHECKSUM));
        O::Reply::receive(self.send(request).await?, self.answer_limit()).await
    }

    /// A request to the daemon, with everything that goes with each.
    pub(super) fn request(
        &self,
        method: http::Method,
        target: &str,
        headers: &[(&'static str, String)],
        body: Body,
    ) -> Result<Request<Body>> {
        let unwritable = |cause: &dyn std::fmt::Display| Error::invalid(format!("the request can't be written: {cause}"));
        let uri = Uri::try_from(format!("http://{}{target}", self.target)).map_err(|cause| unwritable(&cause))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let map = request.headers_mut();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).map_err(|cause| unwritable(&cause))?);
        }
        // Without this a server leaves the trailers out.
        map.insert(header::TE, HeaderValue::from_static("trailers"));
        self.identify(map)?;
        Ok(request)
    }

    /// Says who calls, and for whom.
    pub(super) fn identify(&self, map: &mut HeaderMap) -> Result<()> {
        let value = |text: &str| {
            HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Error::invalid("a header value has characters that are not allowed"))
        };
        if let Some(key) = &self.key {
            self.may_carry_key()?;
            let mut bearer = value(&format!("Bearer {}", key.expose()))?;
            bearer.set_sensitive(true);
            map.insert(header::AUTHORIZATION, bearer);
        }
        if let Some(node_id) = &self.node_id {
            map.insert(NODE_ID, value(node_id)?);
        }
        if let Some(via) = &self.via {
            map.insert(PEER, value(via)?);
        }
        Ok(())
    }

    /// Sends a request; a failure that the daemon answers is an error.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        let response = self.exchange(request).await?;
        if response.status().is_success() || response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        Err(receive::failure(response, self.answer_limit()).await)
    }

    /// Sends a request and answers whatever comes back.
    pub(super) async fn exchange(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        self.pool.request(request).await.map_err(|cause| self.lost(&cause))
    }

    fn lost(&self, cause: &hyper_util::client::legacy::Error) -> Error {
        let mut source = std::error::Error::source(cause);
        let mut words = None;
        while let Some(inner) = source {
            if let Some(own) = inner.downcast_ref::<Error>() {
                // What broke the request was our own: a file that could not be read.
                return own.clone();
            }
            if let Some(io) = inner.downcast_ref::<std::io::Error>() {
                words = Some(io_words(io));
            }
            source = inner.source();
        }
        if self.own && cause.is_connect() {
            return not_running();
        }
        let words = words.unwrap_or_else(|| "the connection broke".into());
        let who = if self.own { "the daemon".to_owned() } else { self.target.to_string() };
        let error = Error::new(Code::PeerUnreachable, format!("{who} does not answer: {words}"));
        if self.own {
            error.hint("See why with: loopsy logs --daemon")
        } else {
            error.hint("Check that Loopsy runs there and that no firewall is in between.")
        }
    }
}
