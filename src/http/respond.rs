//! How each shape of reply becomes a response.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::body::{self, Body, Broken};
use crate::api::transfer::{CHECKSUM, FILE_SIZE, MODE, MTIME};
use crate::api::{Data, Download, Event, Events, File, Listed, Listing, Many, One, Piece, Reply, sse};
use crate::base::{Error, Result};

/// How often a quiet event stream says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Items of a listing are gathered to pieces of about this many bytes.
const GATHER: usize = 32 * 1024;

/// A shape of reply that can be served.
pub trait Respond: Reply {
    /// Writes the response.
    fn respond(value: Self::Value) -> Result<Response<Body>>;
}

impl<T: Data> Respond for One<T> {
    fn respond(value: T) -> Result<Response<Body>> {
        Ok(body::json(StatusCode::OK, &value))
    }
}

fn streaming<S>(content_type: &'static str, frames: S) -> Response<Body>
where
    S: Stream<Item = Result<Frame<Bytes>, Broken>> + Send + 'static,
{
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl<T: Event> Respond for Many<T> {
    fn respond(events: Events<T>) -> Result<Response<Body>> {
        let frames = stream::unfold(Some(events), |state| async move {
            let mut events = state?;
            let Ok(next) = tokio::time::timeout(KEEP_ALIVE, events.next()).await else {
                return Some((Bytes::from_static(sse::KEEP_ALIVE), Some(events)));
            };
            match next? {
                Ok(event) => {
                    let ends = event.ends();
                    match sse::write(&event) {
                        Ok(bytes) => Some((bytes, (!ends).then_some(events))),
                        Err(error) => Some((sse::write_failure(&error), None)),
                    }
                }
                Err(error) => Some((sse::write_failure(&error), None)),
            }
        });
        let mut response = streaming(Self::CONTENT_TYPE, frames.map(|bytes| Ok(Frame::data(bytes))));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

impl<T: Listed> Respond for Listing<T> {
    fn respond(items: Events<T>) -> Result<Response<Body>> {
        enum State<T> {
            Start(Events<T>),
            Items(Events<T>),
            End,
        }
        let frames = stream::unfold(State::Start(items), |state| async move {
            let mut chunk = BytesMut::new();
            let (mut items, mut first) = match state {
                State::Start(items) => {
                    chunk.put_slice(format!("{{\"{}\":[", T::FIELD).as_bytes());
                    (items, true)
                }
                State::Items(items) => (items, false),
                State::End => return None,
            };
            while chunk.len() < GATHER {
                match items.next().await {
                    Some(Ok(item)) => {
                        if !std::mem::take(&mut first) {
                            chunk.put_u8(b',');
                        }
                        if let Err(cause) = serde_json::to_writer((&mut chunk).writer(), &item) {
                            return Some((Err(Broken::from(cause)), State::End));
                        }
                    }
                    // The status is long gone: breaking the body off is the only honest way to fail.
                    Some(Err(error)) => return Some((Err(Broken::from(error)), State::End)),
                    None => {
                        chunk.put_slice(b"]}");
                        return Some((Ok(Frame::data(chunk.freeze())), State::End));
                    }
                }
            }
            Some((Ok(Frame::data(chunk.freeze())), State::Items(items)))
        });
        Ok(streaming(Self::CONTENT_TYPE, frames))
    }
}

impl Respond for File {
    fn respond(file: Download) -> Result<Response<Body>> {
        let Download { name, size, offset, etag, mode, modified, body } = file;
        let frames = body.map(|piece| match piece {
            Ok(Piece::Data(bytes)) => Ok(Frame::data(bytes)),
            Ok(Piece::Checksum(sum)) => {
                let mut trailers = HeaderMap::new();
                trailers.insert(CHECKSUM, HeaderValue::from_str(&sum)?);
                Ok(Frame::trailers(trailers))
            }
            Err(error) => Err(Broken::from(error)),
        });
        let mut response = streaming(Self::CONTENT_TYPE, frames);
        let mut set = |name: &'static str, value: String| -> Result<()> {
            let value = HeaderValue::from_str(&value).map_err(|cause| Error::internal("a header could not be written", cause))?;
            response.headers_mut().insert(HeaderName::from_static(name), value);
            Ok(())
        };
        set("content-disposition", disposition(&name))?;
        set("trailer", CHECKSUM.to_owned())?;
        if let Some(size) = size {
            set(FILE_SIZE, size.to_string())?;
            set("content-length", size.saturating_sub(offset).to_string())?;
            set("accept-ranges", "bytes".to_owned())?;
            if offset > 0 {
                set("content-range", format!("bytes {offset}-{}/{size}", size.saturating_sub(1)))?;
            }
        }
        if let Some(etag) = etag {
            set("etag", etag)?;
        }
        if let Some(mode) = mode {
            set(MODE, format!("{:o}", mode & 0o7777))?;
        }
        if let Some(modified) = modified {
            set(MTIME, modified.to_string())?;
        }
        if offset > 0 {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    }
}

/// `Content-Disposition` for any file name: RFC 6266, with the exact name by RFC 8187 where plain ASCII can't hold it.
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect();
    let quoted = plain.replace('\\', "\\\\").replace('"', "\\\"");
    if plain == name {
        format!("attachment; filename=\"{quoted}\"")
    } else {
        format!("attachment; filename=\"{quoted}\"; filename*=UTF-8''{}", crate::api::wire::segment(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// known fault 45: any file name can be pulled.
    #[test]
    fn every_name_fits_into_a_header() {
        assert_eq!(disposition("a \"b\".txt"), "attachment; filename=\"a \\\"b\\\".txt\"");
        let odd = disposition("я\n.txt");
        assert_eq!(odd, "attachment; filename=\"__.txt\"; filename*=UTF-8''%D1%8F%0A.txt");
        assert!(HeaderValue::from_str(&odd).is_ok());
    }
}
