//! The server's half of a WebSocket upgrade (RFC 6455, section 4.2).

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::body::{self, Body};
use crate::base::{Error, Result};

/// A WebSocket with a client.
pub type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// The limits of a socket on which messages of at most so many bytes come.
fn config(longest: usize) -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(longest)).max_frame_size(Some(longest)).write_buffer_size(0)
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}

/// Checks that a request asks for a WebSocket; answers the response that accepts it.
pub(super) fn accept(request: &Request<Incoming>) -> Result<Response<Body>> {
    let headers = request.headers();
    if !has_token(headers, header::CONNECTION, "upgrade") || !has_token(headers, header::UPGRADE, "websocket") {
        return Err(Error::invalid("this route is a WebSocket").hint("Connect with 'Upgrade: websocket'."));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| Error::invalid("the WebSocket handshake has no key"))?;
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Error::invalid("only version 13 of WebSocket is spoken"));
    }
    let accept =
        HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|cause| Error::internal("the handshake failed", cause))?;
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The socket, once the response is out. Its client sends messages of at most `longest` bytes.
pub(super) async fn upgraded(request: &mut Request<Incoming>, longest: usize) -> Option<Socket> {
    let stream = hyper::upgrade::on(request).await.map_err(|cause| tracing::debug!(%cause, "an upgrade was not completed")).ok()?;
    Some(WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(config(longest))).await)
}
