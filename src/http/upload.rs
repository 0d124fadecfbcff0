//! A raw body on its way in.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::sync::oneshot;

use crate::api::transfer::CHECKSUM;
use crate::api::{Piece, Pieces};
use crate::base::{Code, Error, Result};

/// How long the rest of a refused upload is read and thrown away. HTTP/1.1 clients look at the answer when they have sent
/// all, and lose it when the connection is closed on them before that.
const DRAIN: Duration = Duration::from_secs(10);

/// A request whose body the handler reads as it comes.
pub struct Upload {
    headers: HeaderMap,
    body: Lent,
}

/// A body that is given back when its reader is done with it.
struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
}

impl Lent {
    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        self.body.as_mut()?.frame().await
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits for it after a success.
            let _ = back.send(body);
        }
    }
}

/// What a handler has left of an upload.
pub(super) struct Rest(oneshot::Receiver<Incoming>);

impl Rest {
    /// Reads it to its end and throws it away, within a time limit.
    pub(super) async fn drain(self) {
        let read = async {
            let Ok(mut body) = self.0.await else { return };
            while let Some(Ok(_)) = body.frame().await {}
        };
        let _ = tokio::time::timeout(DRAIN, read).await;
    }
}

impl Upload {
    pub(super) fn new(headers: HeaderMap, body: Incoming) -> (Self, Rest) {
        let (back, rest) = oneshot::channel();
        (Self { headers, body: Lent { body: Some(body), back: Some(back) } }, Rest(rest))
    }
    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
    /// The next bytes, without trailers; `None` at the end.
    pub async fn data(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
    /// The content, and the checksum where a trailer brings it.
    pub fn into_pieces(self) -> Pieces {
        Box::pin(stream::unfold(self.body, |mut body| async move {
            loop {
                let piece = match body.frame().await? {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => Ok(Piece::Data(data)),
                        Err(frame) => match frame.trailers_ref().and_then(|trailers| trailers.get(CHECKSUM)?.to_str().ok()) {
                            Some(sum) => Ok(Piece::Checksum(sum.to_owned())),
                            None => continue,
                        },
                    },
                    Err(cause) => Err(broken(cause)),
                };
                return Some((piece, body));
            }
        }))
    }
}

fn broken(cause: hyper::Error) -> Error {
    tracing::debug!(%cause, "an upload broke off");
    Error::new(Code::TransferFailed, "the connection broke before the content was complete")
        .hint("Send it again; what arrived is kept where it can be resumed.")
}
