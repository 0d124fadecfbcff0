//! Sending the page's requests on to a daemon of this machine, and through it to peers.
//!
//! The daemon gets the owner's key, which the page never sees, and nothing of what the browser says about who asks.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::cuttable::cuttable;
use super::daemons::Daemons;
use super::logins::Login;
use crate::api::BASE;
use crate::api::wire::{NODE_ID, PEER};
use crate::base::{Code, Error, Result};
use crate::http::Body;

/// Header with the page's token.
pub const TOKEN: &str = "x-loopsy-token";
/// Header with the peer that a request is for, encoded as JavaScript's `encodeURIComponent` does: pages can't send all letters.
pub const PEER_URI: &str = "x-loopsy-peer-uri";
/// Headers that are for the dashboard, and what a page could say that is for the daemon to know otherwise.
const OWN: [&str; 6] = [TOKEN, PEER, PEER_URI, NODE_ID, "referer", "forwarded"];
/// Headers of answers that are passed back.
const KEPT: [HeaderName; 14] = [
    header::ACCEPT_RANGES,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    header::UPGRADE,
    HeaderName::from_static("x-request-id"),
];
/// What comes before the daemon's name.
const PREFIX: &str = "/d/";

/// Which daemon a path is for, and the path and query there.
///
/// # Errors
/// `NOT_FOUND` for what is no operation of a daemon.
pub fn split(target: &str) -> Result<(&str, &str)> {
    let found = target.strip_prefix(PREFIX).and_then(|rest| {
        let (daemon, operation) = rest.split_at(rest.find('/')?);
        operation.strip_prefix(BASE).filter(|rest| rest.starts_with('/')).map(|_| (daemon, operation))
    });
    found.ok_or_else(|| Error::new(Code::NotFound, "there is no such path").hint("Operations are below /d/main/api/v1/."))
}

/// The peer that a request is for, if it is for one.
///
/// # Errors
/// `INVALID_REQUEST` where several are named, or what can't be a name.
pub fn peer(headers: &HeaderMap) -> Result<Option<String>> {
    let plain = headers.get_all(PEER).iter().map(|value| std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned));
    let encoded =
        headers.get_all(PEER_URI).iter().map(|value| Some(percent_decode_str(value.to_str().ok()?).decode_utf8().ok()?.into_owned()));
    let named: Vec<Option<String>> = plain.chain(encoded).collect();
    match <[Option<String>; 1]>::try_from(named) {
        Ok([Some(name)]) if is_name(&name) => Ok(Some(name)),
        Err(named) if named.is_empty() => Ok(None),
        _ => Err(Error::invalid("the headers do not name one peer")),
    }
}

/// Whether a text can stand in a header as a peer's name.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Has a daemon answer a request. What comes back ends with the login.
///
/// # Errors
/// `NOT_FOUND`, `SESSION_NOT_FOUND`, `NOT_RUNNING`, and what breaks on the way.
pub async fn forward(
    daemons: &Daemons,
    login: &Arc<Login>,
    target: &str,
    peer: Option<&str>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>> {
    let (daemon, operation) = split(target)?;
    *request.uri_mut() = operation.parse::<Uri>().map_err(|_| Error::invalid("the path can't be sent on"))?;
    strip(request.headers_mut());
    let link = daemons.line(daemon).await?;
    let link = peer.map_or_else(|| link.clone(), |peer| link.via(peer));
    let ended = login.workers().stopping();
    let response = tokio::select! {
        response = link.forward(request, login.workers()) => response?,
        () = ended.cancelled() => return Err(super::routes::logged_out()),
    };
    if response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED {
        return Err(Error::new(Code::PeerHandshakeFailed, "the answer leads elsewhere, as no daemon's does"));
    }
    let mut response = response.map(|body| cuttable(body, login));
    keep(response.headers_mut());
    Ok(response)
}

/// Leaves of an answer's headers those that an answer of a daemon needs: others speak to the browser, for this whole origin.
fn keep(headers: &mut HeaderMap) {
    let is_kept =
        |name: &HeaderName| KEPT.contains(name) || name.as_str().starts_with("x-loopsy-") || name.as_str().starts_with("sec-websocket-");
    let unwanted: Vec<HeaderName> = headers.keys().filter(|name| !is_kept(name)).cloned().collect();
    unwanted.iter().for_each(|name| drop(headers.remove(name)));
}

fn strip(headers: &mut HeaderMap) {
    let is_own = |name: &HeaderName| {
        OWN.contains(&name.as_str()) || name.as_str().starts_with("sec-fetch-") || name.as_str().starts_with("x-forwarded-")
    };
    let unwanted: Vec<HeaderName> = headers.keys().filter(|name| is_own(name)).cloned().collect();
    unwanted.iter().for_each(|name| drop(headers.remove(name)));
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// known fault 63: the query goes along.
    #[test]
    fn a_path_is_taken_apart_and_stays_what_it_is() {
        assert_eq!(split("/d/main/api/v1/context?prefix=a%2F%20b").unwrap(), ("main", "/api/v1/context?prefix=a%2F%20b"));
        assert_eq!(split("/d/worker-1/api/v1/a/../b").unwrap(), ("worker-1", "/api/v1/a/../b"));
        for wrong in
            ["/d/main", "/d/main/", "/d/main/api/v1", "/d/main/api/v10/x", "/d/main/x", "/d//", "/x/main/api/v1/a", "d/main/api/v1/a"]
        {
            assert_eq!(split(wrong).unwrap_err().code, Code::NotFound, "{wrong}");
        }
    }

    #[test]
    fn one_peer_is_named_in_one_way() {
        let named = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            peer(&headers)
        };
        assert_eq!(named(&[]).unwrap(), None);
        assert_eq!(named(&[(PEER, "kai/worker-1")]).unwrap().as_deref(), Some("kai/worker-1"));
        assert_eq!(named(&[(PEER_URI, "%D0%BA%20%F0%9F%90%B1")]).unwrap().as_deref(), Some("к 🐱"));
        for wrong in [
            &[(PEER, "a"), (PEER, "b")][..],
            &[(PEER, "a"), (PEER_URI, "a")],
            &[(PEER, "")],
            &[(PEER_URI, "%ff")],
            &[(PEER_URI, "a%0d%0ax: y")],
            &[(PEER_URI, "%00")],
        ] {
            assert!(named(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn nothing_of_an_answer_speaks_to_the_browser() {
        let all = [
            "clear-site-data",
            "set-cookie",
            "refresh",
            "link",
            "location",
            "strict-transport-security",
            "service-worker-allowed",
            "alt-svc",
        ];
        let kept = ["content-type", "etag", "x-loopsy-error", "sec-websocket-accept", "upgrade"];
        let header = |name: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static("x"));
        let mut headers: HeaderMap = all.iter().chain(&kept).map(header).collect();
        keep(&mut headers);
        assert_eq!(headers, kept.iter().map(header).collect());
    }

    #[test]
    fn nothing_of_the_browsers_reaches_the_daemon() {
        let mut headers: HeaderMap =
            [TOKEN, PEER, PEER_URI, NODE_ID, "referer", "sec-fetch-site", "x-forwarded-for", "if-match", "last-event-id"]
                .into_iter()
                .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x")))
                .collect();
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["if-match", "last-event-id"]);
    }
}
