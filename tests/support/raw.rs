//! Requests as anybody could send them, outside of the typed client.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use loopsy::api::wire::ERROR;
use loopsy::client::connector::{Body, Pool, Security};
use loopsy::net::{Address, Network};
use serde_json::Value;

/// A client that sends what it is told.
pub struct Raw {
    pool: Pool,
    address: Address,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
    /// The number in the error envelope; every failure must have one, with a message.
    pub fn code(&self) -> u64 {
        let json = self.json();
        assert!(!json["error"]["message"].as_str().unwrap_or_default().is_empty(), "no message: {json}");
        json["error"]["code"].as_u64().unwrap_or_else(|| panic!("no code: {json}"))
    }
    /// The number that a failure has, told in a header too; an answer to HEAD has no envelope.
    pub fn failure(&self) -> Option<u64> {
        self.header(ERROR).map(|number| number.parse().unwrap())
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Raw {
    pub fn new(network: &Network, address: Address) -> Self {
        Self { pool: Pool::loopback(network), address }
    }
    /// The same over TLS, whoever answers.
    pub fn secured(network: &Network, address: Address) -> Self {
        Self { pool: Pool::new(network, Security::Insecure).unwrap(), address }
    }
    pub async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.exchange(self.written(method, target, headers, body)).await
    }
    /// The same; what breaks is an error, also in the middle of the answer.
    #[allow(dead_code, reason = "tests/soak breaks connections")]
    pub async fn try_send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let (parts, body) = self.pool.request(self.written(method, target, headers, body)).await?.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
    }
    fn written(&self, method: Method, target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Body> {
        let uri = format!("http://{}{target}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()).unwrap()
    }
    /// Without a body, with headers that may be no text.
    pub async fn send_raw(&self, method: Method, target: &str, headers: [(&str, &HeaderValue); 2]) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{target}", self.address));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.exchange(request.body(Full::default().map_err(|never| match never {}).boxed_unsync()).unwrap()).await
    }
    async fn exchange(&self, request: Request<Body>) -> Answer {
        let response = self.pool.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        if parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            // A stream has no end to wait for; whoever wants its events uses the typed client.
            return Answer { status: parts.status, headers: parts.headers, body: Bytes::new() };
        }
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }
    pub async fn get(&self, target: &str, key: Option<&str>) -> Answer {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.send(Method::GET, target, &headers, Bytes::new()).await
    }
    pub async fn json(&self, method: Method, target: &str, key: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        self.send(method, target, &[("authorization", &bearer), ("content-type", "application/json")], body.to_string()).await
    }
}
