//! Sending a request on to another daemon as it is, bodies and upgrades streaming both ways.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio_io_timeout::TimeoutReader;

use super::connector::Body;
use super::link::Link;
use crate::api::wire::{NODE_ID, PEER, reads_trailers};
use crate::base::Result;
use crate::base::workers::Workers;

/// How long the other daemon may say nothing on a socket. Its terminals and commands give a sign of life every five seconds; of
/// a machine that vanished there is nothing else to be noticed.
const SILENCE: Duration = Duration::from_secs(30);

/// Headers that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];
/// Headers that say who asks this daemon, and are nobody else's business.
const PRIVATE: [HeaderName; 6] =
    [header::AUTHORIZATION, header::COOKIE, header::ORIGIN, header::HOST, HeaderName::from_static(PEER), HeaderName::from_static(NODE_ID)];

fn without(headers: &HeaderMap, left_out: &[&[HeaderName]]) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
    headers
        .iter()
        .filter(|(name, _)| !left_out.iter().any(|list| list.contains(name)) && !named.iter().any(|named| named == name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether a header of an answer speaks to browsers, which this daemon does not answer.
fn is_for_browsers(name: &HeaderName) -> bool {
    *name == header::SET_COOKIE || name.as_str().starts_with("access-control-")
}

/// What of an answer's headers is passed back.
fn back(headers: &HeaderMap) -> HeaderMap {
    let mut kept = without(headers, &[&HOP_BY_HOP]);
    let unwanted: Vec<_> = kept.keys().filter(|name| is_for_browsers(name)).cloned().collect();
    unwanted.iter().for_each(|name| drop(kept.remove(name)));
    kept
}

impl Link {
    /// Sends a request on. An upgraded connection is carried by `workers` until either side ends it.
    pub async fn forward<B>(&self, mut request: Request<B>, workers: &Workers) -> Result<Response<Body>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let upgrade = request.headers().get(header::UPGRADE).cloned();
        let coming = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut onward = self.request(parts.method, target, &[], body.map_err(Into::into).boxed_unsync())?;
        let mut headers = without(&parts.headers, &[&HOP_BY_HOP, &PRIVATE]);
        headers.remove(header::TE);
        if reads_trailers(&parts.headers) {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        self.identify(&mut headers)?;
        if let Some(protocol) = upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol);
        }
        *onward.headers_mut() = headers;
        let mut response = self.exchange(onward).await?;
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(coming)) = (response.status(), coming) {
            let going = hyper::upgrade::on(&mut response);
            workers.spawn_until_stop("forwarded socket", async move {
                if let (Ok(here), Ok(there)) = tokio::join!(coming, going) {
                    let mut here = TokioIo::new(here);
                    let mut there = Box::pin(TimeoutReader::new(TokioIo::new(there)));
                    there.as_mut().set_timeout_pinned(Some(SILENCE));
                    // An end that goes away is how a forwarded socket ends.
                    let _ = tokio::io::copy_bidirectional_with_sizes(&mut here, &mut there, 64 * 1024, 64 * 1024).await;
                }
            });
            let (mut parts, _) = response.into_parts();
            let protocol = parts.headers.get(header::UPGRADE).cloned();
            parts.headers = back(&parts.headers);
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            if let Some(protocol) = protocol {
                parts.headers.insert(header::UPGRADE, protocol);
            }
            return Ok(Response::from_parts(parts, http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()));
        }
        let (mut parts, body) = response.into_parts();
        parts.headers = back(&parts.headers);
        Ok(Response::from_parts(parts, body.map_err(Into::into).boxed_unsync()))
    }
}
