//! Calling an operation that is known by its description only.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyDataStream, BodyExt, Empty, Full};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use super::link::Link;
use crate::api::sse;
use crate::api::wire::{self, Encoded};
use crate::api::{Payload, Spec};
use crate::base::{Code, Error, Failure, Result};

/// A call: which operation, and its fields.
pub struct Call<'a> {
    /// The operation.
    pub spec: &'a Spec,
    /// Its fields, by their names.
    pub fields: Map<String, Value>,
}

/// A piece of what came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The whole answer.
    Json(Value),
    /// The next event.
    Event(Value),
    /// The next bytes of a file.
    Bytes(Bytes),
}

enum Kind {
    Json,
    Events(sse::Reader),
    Bytes,
}

/// What comes back.
pub struct Answers {
    body: BodyDataStream<Incoming>,
    kind: Kind,
    /// Largest JSON answer, bytes.
    limit: usize,
    ready: std::vec::IntoIter<sse::Received>,
}

impl Link {
    /// Calls an operation by its description.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an operation whose body is not JSON.
    pub async fn raw(&self, call: &Call<'_>) -> Result<Answers> {
        if !matches!(call.spec.payload, Payload::Json(_)) {
            return Err(Error::invalid(format!("{} does not take JSON", call.spec.name))
                .hint("Use the command made for it: loopsy send, loopsy exec."));
        }
        let Encoded { target, headers, body } = wire::encode_fields(call.spec, call.fields.clone())?;
        let is_json = body.is_some();
        let body = match body {
            Some(body) => Full::new(body.into()).map_err(|never| match never {}).boxed_unsync(),
            None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        };
        let mut request = self.request(call.spec.method.clone(), &target, &headers, body)?;
        if is_json {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Answers::of(self.send(request).await?, self.answer_limit()))
    }
}

impl Answers {
    fn of(response: Response<Incoming>, limit: usize) -> Self {
        let kind = match response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) {
            Some("text/event-stream") => Kind::Events(sse::Reader::default()),
            Some("application/json") => Kind::Json,
            _ => Kind::Bytes,
        };
        Self { body: response.into_body().into_data_stream(), kind, limit, ready: Vec::new().into_iter() }
    }

    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Answer>> {
        let broken = |_| Error::new(Code::PeerUnreachable, "the connection broke before the answer was complete").hint("Try again.");
        let strange = |cause: serde_json::Error| Error::new(Code::PeerHandshakeFailed, format!("the answer is not Loopsy's: {cause}"));
        match &mut self.kind {
            Kind::Bytes => Ok(self.body.next().await.transpose().map_err(broken)?.map(Answer::Bytes)),
            Kind::Json => {
                let mut whole = Vec::new();
                while let Some(chunk) = self.body.next().await {
                    let chunk = chunk.map_err(broken)?;
                    if whole.len() + chunk.len() > self.limit {
                        return Err(Error::new(Code::PeerHandshakeFailed, format!("the answer has more than {} bytes", self.limit)));
                    }
                    whole.extend_from_slice(&chunk);
                }
                if whole.is_empty() {
                    Ok(None)
                } else {
                    serde_json::from_slice(&whole).map(|value| Some(Answer::Json(value))).map_err(strange)
                }
            }
            Kind::Events(reader) => loop {
                if let Some(received) = self.ready.next() {
                    if received.event == "failure" {
                        return Err(serde_json::from_slice::<Failure>(&received.data).map_or_else(strange, |failure| failure.error));
                    }
                    return serde_json::from_slice(&received.data).map(|value| Some(Answer::Event(value))).map_err(strange);
                }
                match self.body.next().await {
                    Some(chunk) => self.ready = reader.feed(&chunk.map_err(broken)?)?.into_iter(),
                    None => return Ok(None),
                }
            },
        }
    }
}
