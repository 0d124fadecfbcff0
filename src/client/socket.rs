//! The client's half of a WebSocket upgrade (RFC 6455, section 4.1).

use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::link::Link;
use crate::api::wire::{self, MESSAGE_LIMIT};
use crate::api::{Operation, Upgrade};
use crate::base::{Code, Error, Result};

/// A WebSocket with a daemon.
pub type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

impl Link {
    /// Opens the WebSocket of an operation.
    pub async fn socket<O: Operation<Reply = Upgrade>>(&self, op: &O) -> Result<Socket> {
        let encoded = wire::encode(op)?;
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let mut request = self.request(O::SPEC.method, &encoded.target, &encoded.headers, body)?;
        let key = generate_key();
        let headers = request.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(
            header::SEC_WEBSOCKET_KEY,
            HeaderValue::from_str(&key).map_err(|cause| Error::internal("the handshake failed", cause))?,
        );
        let response = self.send(request).await?;
        let accepted =
            response.headers().get(header::SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept == derive_accept_key(key.as_bytes()).as_str());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS || !accepted {
            return Err(Error::new(Code::PeerHandshakeFailed, "the other side did not open a WebSocket"));
        }
        let stream = hyper::upgrade::on(response).await.map_err(|cause| {
            tracing::debug!(%cause, "an upgrade failed");
            Error::new(Code::PeerUnreachable, "the connection broke while it was opened")
        })?;
        let config =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT)).write_buffer_size(0);
        Ok(WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, Some(config)).await)
    }
}
