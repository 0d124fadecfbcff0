//! Operations and who serves them: matching a request to its operation, reading it, answering it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;

use super::body::{self, Body};
use super::respond::Respond;
use super::upload::Upload;
use super::websocket::{self, Socket};
use crate::api::openapi::Description;
use crate::api::wire::{self, Encoded};
use crate::api::{BASE, Caller, Operation, Output, Payload, Spec, Upgrade};
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result};

/// How long a JSON body may take to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// Carries out an operation. A daemon implements this once for each operation that it serves.
pub trait Serve<O: Operation>: Send + Sync + 'static {
    /// Answers a request that has passed the gate. Dropping the future cancels what it does.
    fn serve(&self, caller: &Caller, op: O) -> impl Future<Output = Result<Output<O>>> + Send;
}

/// Carries out an operation whose body is bytes.
pub trait ServeRaw<O: Operation>: Send + Sync + 'static {
    /// Answers a request; reads the body as it comes.
    fn serve_raw(&self, caller: &Caller, op: O, upload: Upload) -> impl Future<Output = Result<Output<O>>> + Send;
}

/// Carries out an operation over a WebSocket.
pub trait ServeSocket<O: Operation<Reply = Upgrade>>: Send + Sync + 'static {
    /// Speaks with the client until one of the two ends it.
    fn serve_socket(&self, caller: Caller, op: O, socket: Socket) -> impl Future<Output = ()> + Send;
}

/// The path fields of a request, still encoded.
pub(super) type Params = Vec<(String, String)>;

/// A request that the gate let through.
pub(super) struct Exchange {
    pub(super) caller: Caller,
    pub(super) params: Params,
    pub(super) request: Request<Incoming>,
    pub(super) workers: Workers,
}

/// What came of it: the response, and what the audit log keeps.
pub(super) struct Outcome {
    pub(super) response: Response<Body>,
    pub(super) target: Option<String>,
    pub(super) answer: Option<&'static str>,
    pub(super) error: Option<Code>,
}

type Handler<S> = Box<dyn Fn(Arc<S>, Exchange) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// An operation that is served.
pub struct Route<S> {
    /// For the documents; its `spec` says all about it but the types.
    pub description: Description,
    /// Its example, as it travels.
    pub example: fn() -> Result<Encoded>,
    /// Reads a request (fields of its path, query, headers, body), and writes it again.
    #[cfg(fuzzing)]
    pub again: fn(&[(&str, &str)], &str, &http::HeaderMap, &[u8]) -> Result<Encoded>,
    handler: Handler<S>,
}

impl<S> Route<S> {
    /// All about the operation but its types.
    pub fn spec(&self) -> &Spec {
        &self.description.spec
    }
    pub(super) fn handle(&self, service: Arc<S>, exchange: Exchange) -> BoxFuture<'static, Outcome> {
        (self.handler)(service, exchange)
    }
}

/// The table of all operations that are served.
pub struct Routes<S> {
    list: Vec<Route<S>>,
    paths: matchit::Router<Vec<usize>>,
}

impl<S: Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { list: Vec::new(), paths: matchit::Router::new() }
    }
}

impl<S: Send + Sync + 'static> Routes<S> {
    /// Serves an operation.
    pub fn serve<O>(self) -> Self
    where
        O: Operation,
        S: Serve<O>,
        O::Reply: Respond,
    {
        self.add::<O>(Box::new(|service, exchange| {
            Box::pin(async move {
                let Exchange { caller, params, request, .. } = exchange;
                let (parts, incoming) = request.into_parts();
                let op = match read(&parts, incoming, O::SPEC.payload).await.and_then(|body| decode::<O>(&params, &parts, &body)) {
                    Ok(op) => op,
                    Err(error) => return Outcome::failed(&error),
                };
                let (target, answer) = (op.target().map(str::to_owned), op.answer());
                let result = service.serve(&caller, op).await.and_then(respond::<O>);
                Outcome { answer, ..Outcome::of(result.map(|response| length_or_trailers(&parts, response)), target) }
            })
        }))
    }

    /// Serves an operation whose body is bytes.
    pub fn raw<O>(self) -> Self
    where
        O: Operation,
        S: ServeRaw<O>,
        O::Reply: Respond,
    {
        self.add::<O>(Box::new(|service, exchange| {
            Box::pin(async move {
                let Exchange { caller, params, request, .. } = exchange;
                let (parts, incoming) = request.into_parts();
                let op = decode::<O>(&params, &parts, &[]);
                let target = op.as_ref().ok().and_then(|op| op.target().map(str::to_owned));
                let (upload, rest) = Upload::new(parts.headers, incoming);
                let result = match op {
                    Ok(op) => service.serve_raw(&caller, op, upload).await.and_then(respond::<O>),
                    Err(error) => {
                        drop(upload);
                        Err(error)
                    }
                };
                if result.is_err() {
                    rest.drain().await;
                }
                Outcome::of(result, target)
            })
        }))
    }

    /// Serves an operation over a WebSocket.
    pub fn socket<O>(self) -> Self
    where
        O: Operation<Reply = Upgrade>,
        S: ServeSocket<O>,
    {
        self.add::<O>(Box::new(|service, exchange| {
            Box::pin(async move {
                let Exchange { caller, params, mut request, workers } = exchange;
                let accepted = websocket::accept(&request).and_then(|response| {
                    let (parts, ()) = request_head(&request).into_parts();
                    Ok((response, decode::<O>(&params, &parts, &[])?))
                });
                let (response, op) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => return Outcome::failed(&error),
                };
                let target = op.target().map(str::to_owned);
                workers.spawn("websocket", async move {
                    if let Some(socket) = websocket::upgraded(&mut request, O::SPEC.longest_message()).await {
                        service.serve_socket(caller, op, socket).await;
                    }
                });
                Outcome { response, target, answer: None, error: None }
            })
        }))
    }

    fn add<O: Operation>(mut self, handler: Handler<S>) -> Self {
        let path = format!("{BASE}{}", O::SPEC.path);
        let index = self.list.len();
        // Templates are compared, not matched: `/peers/handshake` would fit into `/peers/{nodeId}`.
        let known = self.list.iter().any(|route| route.spec().path == O::SPEC.path);
        let listed = match self.paths.at_mut(&path) {
            Ok(found) if known => {
                found.value.push(index);
                Ok(())
            }
            _ => self.paths.insert(path, vec![index]),
        };
        if let Err(cause) = listed {
            tracing::error!(%cause, operation = O::SPEC.name, "two operations claim the same path");
        }
        self.list.push(Route {
            description: Description::of::<O>(),
            example: || wire::encode(&O::example()),
            #[cfg(fuzzing)]
            again: |params, query, headers, body| wire::encode(&wire::decode::<O>(params, query, headers, body)?),
            handler,
        });
        self
    }

    /// Every operation, in the order in which they were listed.
    pub fn list(&self) -> &[Route<S>] {
        &self.list
    }

    /// What the documents need of every operation.
    pub fn descriptions(&self) -> Vec<Description> {
        self.list.iter().map(|route| route.description.clone()).collect()
    }

    /// The operation that a method and path name, with the raw path fields.
    ///
    /// # Errors
    /// `NOT_FOUND`; `METHOD_NOT_ALLOWED` with the methods that there are.
    pub(super) fn find(&self, method: &Method, path: &str) -> Result<(&Route<S>, Params)> {
        let found = self.paths.at(path).map_err(|_| {
            Error::new(Code::NotFound, format!("there is no {method} {}", shortened(path)))
                .hint("GET /api/v1/openapi.json lists every route.")
        })?;
        let routes = || found.value.iter().filter_map(|index| self.list.get(*index));
        if let Some(route) = routes().find(|route| route.spec().method == *method) {
            let params = found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            return Ok((route, params));
        }
        let allow: Vec<_> = routes().map(|route| route.spec().method.as_str()).collect();
        Err(Error::new(Code::MethodNotAllowed, format!("{} does not take {method}", shortened(path)))
            .details(json!({ "allow": allow.join(", ") })))
    }
}

impl Outcome {
    pub(super) fn failed(error: &Error) -> Self {
        Self { response: body::failure(error), target: None, answer: None, error: Some(error.code) }
    }
    fn of(result: Result<Response<Body>>, target: Option<String>) -> Self {
        match result {
            Ok(response) => Self { response, target, answer: None, error: None },
            Err(error) => Self { target, ..Self::failed(&error) },
        }
    }
}

fn request_head(request: &Request<Incoming>) -> Request<()> {
    let mut head = Request::new(());
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    head
}

fn shortened(path: &str) -> String {
    path.chars().take(120).collect()
}

fn decode<O: Operation>(params: &[(String, String)], parts: &Parts, body: &[u8]) -> Result<O> {
    let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    wire::decode::<O>(&params, parts.uri.query().unwrap_or_default(), &parts.headers, body)
}

/// Reads a JSON body within its limits; nothing is read where none is wanted.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE` for what calls itself something else, `INVALID_REQUEST` where it breaks off.
pub async fn read(parts: &Parts, incoming: Incoming, payload: Payload) -> Result<bytes::Bytes> {
    let Payload::Json(limit) = payload else { return Ok(bytes::Bytes::new()) };
    if parts.method != Method::POST && parts.method != Method::PUT {
        return Ok(bytes::Bytes::new());
    }
    let too_large = || Error::new(Code::PayloadTooLarge, format!("the body is larger than {limit} bytes"));
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_LIMIT, Limited::new(incoming, limit).collect());
    let bytes = match collected.await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(cause)) if cause.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => return Err(Error::invalid("the body broke off")),
        Err(_) => return Err(Error::invalid("the body did not arrive in time")),
    };
    let json = match parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) {
        None => true,
        Some(Ok(kind)) => kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")),
        Some(Err(_)) => false,
    };
    if !bytes.is_empty() && !json {
        return Err(
            Error::new(Code::UnsupportedMediaType, "the body is not application/json").hint("Send 'Content-Type: application/json'.")
        );
    }
    Ok(bytes)
}

fn respond<O: Operation>(value: Output<O>) -> Result<Response<Body>>
where
    O::Reply: Respond,
{
    let headers = O::reply_headers(&value);
    let mut response = O::Reply::respond(value)?;
    if O::SPEC.created {
        *response.status_mut() = StatusCode::CREATED;
    }
    if O::SPEC.method == Method::HEAD {
        *response.body_mut() = body::empty();
        *response.status_mut() = StatusCode::OK;
    }
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value).map_err(|cause| Error::internal("a header could not be written", cause))?;
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}

/// HTTP/1.1 has room for the length of a body or for trailers: who says that it reads trailers gets them.
fn length_or_trailers(parts: &Parts, mut response: Response<Body>) -> Response<Body> {
    if response.headers().contains_key(header::TRAILER) && parts.version < Version::HTTP_2 {
        response.headers_mut().remove(if wire::reads_trailers(&parts.headers) { header::CONTENT_LENGTH } else { header::TRAILER });
    }
    response
}

/// Sends a request on to a peer, for the owner.
pub trait Forward: Send + Sync + 'static {
    /// Answers with the peer's response.
    fn forward(&self, peer: &str, request: Request<Incoming>) -> Pin<Box<dyn Future<Output = Result<Response<Body>>> + Send + '_>>;
}
