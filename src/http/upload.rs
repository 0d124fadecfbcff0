//! A raw body on its way in.

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::api::transfer::CHECKSUM;
use crate::api::{Piece, Pieces};
use crate::base::{Code, Error, Result};

/// A request whose body the handler reads as it comes.
pub struct Upload {
    headers: HeaderMap,
    body: Incoming,
}

impl Upload {
    pub(super) fn new(headers: HeaderMap, body: Incoming) -> Self {
        Self { headers, body }
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
