//! The body of every response.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use serde::Serialize;

use crate::api::wire;
use crate::base::{Code, Error, Failure};

/// What breaks a body off; the connection is closed, so that the reader can't take a part for the whole.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response.
pub type Body = UnsyncBoxBody<Bytes, Broken>;

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A value as a JSON response.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(full(bytes));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            response
        }
        Err(cause) => failure(&Error::internal("the answer could not be written", cause)),
    }
}

/// A failure as a response: the envelope, the status of its code, and the headers that go with it.
pub fn failure(error: &Error) -> Response<Body> {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &Failure { error: error.clone() });
    let headers = response.headers_mut();
    headers.insert(wire::ERROR, error.code.number().into());
    let fixed = match error.code {
        Code::AuthMissingKey => Some((header::WWW_AUTHENTICATE, "Bearer")),
        Code::AuthTlsRequired => Some((header::UPGRADE, "TLS/1.2, HTTP/1.1")),
        _ => None,
    };
    if let Some((name, value)) = fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    let number = |name: &str| error.details.as_ref().and_then(|details| details.get(name)).and_then(serde_json::Value::as_u64);
    if let Some(seconds) = number("retryAfter") {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(allow) = error.details.as_ref().and_then(|details| details.get("allow")?.as_str()?.parse().ok()) {
        headers.insert(header::ALLOW, allow);
    }
    response
}
