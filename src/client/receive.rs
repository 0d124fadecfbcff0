//! How each shape of reply is read from a response.

use std::future::Future;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::api::transfer::{CHECKSUM, FILE_SIZE, MODE, MTIME, OFFSET};
use crate::api::{Data, Download, Event, Events, File, Listed, Listing, Many, One, Piece, Reply, sse, wire};
use crate::base::{Code, Error, Failure, Result};

/// Largest failure that is read, bytes: it may hold the value that it is about.
const FAILURE_LIMIT: usize = 8 * 1024 * 1024;

/// A shape of reply that can be asked for.
pub trait Receive: Reply {
    /// Reads the response. What is held in memory as a whole has at most `limit` bytes; see [`Pool::answer_limit`].
    ///
    /// [`Pool::answer_limit`]: super::connector::Pool::answer_limit
    fn receive(response: Response<Incoming>, limit: usize) -> impl Future<Output = Result<Self::Value>> + Send;
}

fn broken(cause: impl std::fmt::Display) -> Error {
    tracing::debug!(%cause, "an answer broke off");
    Error::new(Code::PeerUnreachable, "the connection broke before the answer was complete").hint("Try again.")
}

fn strange(cause: impl std::fmt::Display) -> Error {
    Error::new(Code::PeerHandshakeFailed, format!("the answer is not Loopsy's: {cause}"))
        .hint("Check that the address and port are a Loopsy daemon's.")
}

async fn whole(body: Incoming, limit: usize) -> Result<Bytes> {
    Limited::new(body, limit).collect().await.map(|body| body.to_bytes()).map_err(broken)
}

async fn json<T: DeserializeOwned>(body: Incoming, limit: usize) -> Result<T> {
    serde_json::from_slice(&whole(body, limit).await?).map_err(strange)
}

/// The failure that an answer holds.
pub(super) async fn failure(response: Response<Incoming>, limit: usize) -> Error {
    let status = response.status();
    let code = number(response.headers(), wire::ERROR).and_then(|code| Code::from_number(code.try_into().ok()?));
    let Ok(body) = whole(response.into_body(), FAILURE_LIMIT.min(limit)).await else { return broken(status) };
    match serde_json::from_slice::<Failure>(&body) {
        Ok(failure) => failure.error,
        // The answer to HEAD has no body, and what is not Loopsy has other envelopes.
        Err(_) => match code.filter(|_| body.is_empty()) {
            Some(code) => Error::new(code, code.meaning().trim_end_matches('.').to_lowercase()),
            None => strange(format!("status {status}")),
        },
    }
}

impl<T: Data> Receive for One<T> {
    async fn receive(response: Response<Incoming>, limit: usize) -> Result<T> {
        let (parts, body) = response.into_parts();
        let bytes = whole(body, limit).await?;
        if bytes.is_empty() {
            // The answer to HEAD: what there is to say is in a header.
            let offset = number(&parts.headers, OFFSET).unwrap_or(0);
            return serde_json::from_value(serde_json::json!({ "offset": offset })).map_err(strange);
        }
        serde_json::from_slice(&bytes).map_err(strange)
    }
}

impl<T: Event> Receive for Many<T> {
    async fn receive(response: Response<Incoming>, _: usize) -> Result<Events<T>> {
        let body = response.into_body().into_data_stream();
        let state = (body, sse::Reader::default(), Vec::new().into_iter(), false);
        Ok(Box::pin(stream::unfold(state, |(mut body, mut reader, mut ready, ended)| async move {
            loop {
                let received: Option<sse::Received> = ready.next();
                if let Some(received) = received {
                    let event = event::<T>(&received);
                    let ends = ended || event.as_ref().map_or(true, Event::ends);
                    return Some((event, (body, reader, ready, ends)));
                }
                if ended {
                    return None;
                }
                let chunk = match body.next().await {
                    Some(Ok(chunk)) => chunk,
                    Some(Err(cause)) => return Some((Err(broken(cause)), (body, reader, ready, true))),
                    None => return None,
                };
                match reader.feed(&chunk) {
                    Ok(events) => ready = events.into_iter(),
                    Err(error) => return Some((Err(error), (body, reader, ready, true))),
                }
            }
        })))
    }
}

fn event<T: DeserializeOwned>(received: &sse::Received) -> Result<T> {
    if received.event == "failure" {
        return Err(serde_json::from_slice::<Failure>(&received.data).map_or_else(strange, |failure| failure.error));
    }
    serde_json::from_slice(&received.data).map_err(strange)
}

impl<T: Listed> Receive for Listing<T> {
    async fn receive(response: Response<Incoming>, limit: usize) -> Result<Events<T>> {
        let mut object: Map<String, Value> = json(response.into_body(), limit).await?;
        let items: Vec<T> = serde_json::from_value(object.remove(T::FIELD).unwrap_or_default()).map_err(strange)?;
        Ok(Box::pin(stream::iter(items.into_iter().map(Ok))))
    }
}

impl Receive for File {
    async fn receive(response: Response<Incoming>, _: usize) -> Result<Download> {
        let (parts, body) = response.into_parts();
        let headers = parts.headers;
        let range = header(&headers, "content-range").and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
        let body = stream::unfold(body, |mut body| async move {
            loop {
                let piece = match body.frame().await? {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => Ok(Piece::Data(data)),
                        Err(frame) => match frame.trailers_ref().and_then(|trailers| header(trailers, CHECKSUM)) {
                            Some(sum) => Ok(Piece::Checksum(sum.to_owned())),
                            None => continue,
                        },
                    },
                    Err(cause) => Err(broken(cause)),
                };
                return Some((piece, body));
            }
        });
        Ok(Download {
            name: String::new(),
            size: number(&headers, FILE_SIZE),
            offset: if parts.status == StatusCode::PARTIAL_CONTENT { range.unwrap_or(0) } else { 0 },
            etag: header(&headers, "etag").map(str::to_owned),
            mode: header(&headers, MODE).and_then(|mode| u32::from_str_radix(mode, 8).ok()),
            modified: header(&headers, MTIME).and_then(|mtime| mtime.parse().ok()),
            body: Box::pin(body),
        })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    header(headers, name)?.parse().ok()
}
