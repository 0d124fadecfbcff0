//! The one order of a request: id, origin, caller, host, transport, forwarding, route, permission, budget; then the operation;
//! then one audit line.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::audit::Audit;
use super::body::Body;
use super::hosts;
use super::limits::Limits;
use super::open::Entry;
use super::routes::{Exchange, Forward, Outcome, Routes};
use crate::api::audit::AuditRecord;
use crate::api::caller::{Role, Told};
use crate::api::wire::{self, NODE_ID, PEER};
use crate::api::{Access, Caller, Payload, Quota};
use crate::base::secret::Digest;
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result, clock, id};
use crate::home::settings::Settings;
use crate::home::trust::Trust;

/// Header with the request's id.
pub const REQUEST_ID: &str = "x-request-id";
/// Longest path kept in the audit log, characters.
const PATH_KEPT: usize = 512;

/// Whether a connection is protected by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// It is not.
    Plain,
    /// It is.
    Tls,
}

/// The other end of a connection.
#[derive(Clone)]
pub struct Remote {
    /// Its address.
    pub address: SocketAddr,
    /// How it speaks.
    pub transport: Transport,
    /// Where it is noted who proved himself on it.
    pub entry: Arc<Entry>,
}

/// Tells the node id of a peer of a name, which claims to have the one that comes second.
pub type NodeOf = Box<dyn Fn(&str, Option<&str>) -> Option<String> + Send + Sync>;

/// Hears of each call of a peer that came as it should, and of the key's digest.
pub type Heard = Box<dyn Fn(&str, &Digest) + Send + Sync>;

/// What the gate asks before an operation is reached.
pub struct Gate {
    /// The configuration.
    pub settings: Settings,
    /// Who may call.
    pub trust: Trust,
    /// Budgets.
    pub limits: Limits,
    /// Where requests are written down.
    pub audit: Audit,
    /// Names of this machine and daemon.
    pub names: Vec<String>,
    /// This node's id.
    pub node_id: String,
    /// Whether this daemon is a session.
    pub is_session: bool,
    /// The node id of the peer that calls.
    pub node_of: NodeOf,
    /// Told of the calls of peers.
    pub heard: Heard,
    /// Where sockets run on.
    pub workers: Workers,
}

/// A request's way through the gate.
struct Passage {
    request_id: String,
    caller: Option<Caller>,
    operation: Option<&'static str>,
    told: Option<mpsc::UnboundedReceiver<Told>>,
}

impl Gate {
    /// Answers one request. Never fails: a failure is an answer.
    pub async fn answer<S: Forward>(
        &self,
        routes: &Routes<S>,
        service: &Arc<S>,
        remote: &Remote,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let started = Instant::now();
        let method = request.method().to_string();
        let path: String = request.uri().path().chars().take(PATH_KEPT).collect();
        let bytes = text(request.headers(), header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        let request_id = text(request.headers(), REQUEST_ID).filter(|id| id::is_token(id)).map_or_else(id::request, str::to_owned);
        let mut passage = Passage { request_id, caller: None, operation: None, told: None };
        let passing = AssertUnwindSafe(self.pass(routes, service, remote, request, &mut passage)).catch_unwind().await;
        let mut outcome = match passing {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::failed(&error),
            Err(_) => Outcome::failed(&Error::internal("the request failed inside the daemon", "a panic; the log has its place")),
        };
        if let Ok(value) = HeaderValue::from_str(&passage.request_id) {
            outcome.response.headers_mut().insert(REQUEST_ID, value);
        }
        let caller = passage.caller.as_ref();
        let has_key = caller.is_some_and(|caller| caller.role != Role::Stranger);
        let denied = outcome.error.is_some_and(is_denial);
        let record = AuditRecord {
            request_id: passage.request_id,
            method,
            path,
            from_ip: remote.address.ip(),
            status_code: outcome.response.status().as_u16(),
            duration: started.elapsed().as_micros() as f64 / 1000.0,
            error: outcome.error.map(Code::number),
            timestamp: clock::now(),
            caller: caller.map_or("stranger", Caller::name).to_owned(),
            operation: passage.operation.map(Into::into),
            target: outcome.target.map(|target| target.chars().take(PATH_KEPT).collect()),
            answer: outcome.answer.map(Into::into),
            job_id: caller.and_then(|caller| caller.job.get().cloned()),
            bytes,
            decision: decision(denied),
        };
        if let Some(told) = passage.told.filter(|_| outcome.error.is_none()) {
            self.workers.spawn("audit of a socket", listen(self.audit.clone(), record.clone(), told));
        }
        self.audit.record(has_key, record).await;
        outcome.response
    }

    async fn pass<S: Forward>(
        &self,
        routes: &Routes<S>,
        service: &Arc<S>,
        remote: &Remote,
        request: Request<Incoming>,
        passage: &mut Passage,
    ) -> Result<Outcome> {
        let headers = request.headers();
        if headers.contains_key(header::ORIGIN) {
            return Err(Error::new(Code::AuthForbidden, "the daemon does not answer web pages")
                .hint("Call it from a program, without an Origin header."));
        }
        let identified = self.identify(headers, remote).await;
        passage.caller = identified.as_ref().ok().cloned();
        if passage.caller.as_ref().is_none_or(|caller| caller.role == Role::Stranger) {
            self.check_host(&request)?;
        }
        let found = routes.find(request.method(), request.uri().path());
        let is_sent_on = headers.contains_key(PEER);
        let is_open = !is_sent_on && found.as_ref().is_ok_and(|(route, _)| route.spec().access == Access::Open);
        self.check_transport(is_open, passage.caller.as_ref(), remote)?;
        let mut caller = identified?;
        if let (Some(name), Some(key)) = (caller.peer(), presented(headers)) {
            (self.heard)(name, &Digest::of(key));
        }
        if is_sent_on {
            caller.may(Access::Owner, false)?;
            passage.operation = Some("forward");
            return self.send_on(service, request, &passage.request_id).await;
        }
        let (route, params) = found?;
        let spec = route.spec();
        passage.operation = Some(spec.name);
        // What can't be read is refused where the operation is decoded.
        let first = params.first().and_then(|(name, raw)| wire::path_text(name, raw).ok());
        let (access, quota) = spec.terms(first.as_deref());
        caller.may(access, spec.compat)?;
        if spec.of_main && self.is_session {
            return Err(Error::invalid("a session shares its peers with the main daemon of this machine")
                .hint("Do it there, without --session: it holds for all sessions."));
        }
        // A resumed transfer is the same transfer.
        if quota != Quota::Transfer || !resumes(headers) {
            self.limits.draw(&caller, quota, &self.settings.get().rate_limits)?;
        }
        if matches!(spec.payload, Payload::WebSocket(_)) {
            passage.told = Some(caller.listen());
        }
        Ok(route.handle(service.clone(), Exchange { caller, params, request, workers: self.workers.clone() }).await)
    }

    /// Has a peer answer, under the same request id.
    async fn send_on<S: Forward>(&self, service: &Arc<S>, mut request: Request<Incoming>, request_id: &str) -> Result<Outcome> {
        let peer = addressee(request.headers())?;
        let target = Some(format!("{peer}: {} {}", request.method(), request.uri().path()));
        if let Ok(value) = HeaderValue::from_str(request_id) {
            request.headers_mut().insert(REQUEST_ID, value);
        }
        Ok(match service.forward(&peer, request).await {
            Ok(response) => Outcome { response, target, answer: None, error: None },
            Err(error) => Outcome { target, ..Outcome::failed(&error) },
        })
    }

    /// Finds out who calls.
    async fn identify(&self, headers: &HeaderMap, remote: &Remote) -> Result<Caller> {
        let address: IpAddr = remote.address.ip().to_canonical();
        let presented = presented(headers);
        let role = match self.trust.authenticate(presented, address.is_loopback()) {
            Ok(role) => role,
            Err(error) => {
                if let Some(penalty) = self.limits.penalty(address) {
                    tokio::time::sleep(penalty).await;
                }
                return Err(error);
            }
        };
        if let (Role::Peer { .. }, Some(key)) = (&role, presented) {
            let digest = Digest::of(key);
            remote.entry.proved(digest, &role);
            // Trust that ended in between found nothing on this connection to cut it off for.
            if !self.trust.still(&digest, &role) {
                return Err(Error::new(Code::AuthInvalidKey, "the key has just been withdrawn"));
            }
        }
        let claimed = text(headers, NODE_ID).filter(|id| id::is_token(id));
        let node_id = match &role {
            Role::Owner => self.node_id.clone(),
            Role::Peer { name, .. } => (self.node_of)(name, claimed).unwrap_or_default(),
            Role::Stranger => String::new(),
        };
        Ok(Caller::new(role, node_id, address))
    }

    /// Whatever host a request names must be this machine; one that names none could come from anywhere.
    fn check_host(&self, request: &Request<Incoming>) -> Result<()> {
        let config = self.settings.get();
        let in_headers = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
        let mut named = in_headers.chain(request.uri().authority().map(|authority| authority.as_str())).peekable();
        if named.peek().is_some() && named.all(|host| hosts::is_ours(host, &self.names, &config.server.allowed_hosts)) {
            return Ok(());
        }
        Err(Error::new(Code::AuthForbidden, "the request names a host that is not this machine")
            .hint("Use the machine's address or name, or add the name to server.allowedHosts."))
    }

    /// Plaintext from elsewhere is refused where the configuration asks for TLS, and of peers that are known to speak it.
    /// What is refused says nothing about a key that came along.
    fn check_transport(&self, is_open: bool, caller: Option<&Caller>, remote: &Remote) -> Result<()> {
        let address = remote.address.ip().to_canonical();
        if remote.transport == Transport::Tls || address.is_loopback() {
            return Ok(());
        }
        let config = self.settings.get();
        let peer = caller.and_then(Caller::peer);
        if let Some(name) = peer.filter(|name| config.tls.pinned_certs.contains_key(*name)) {
            tracing::warn!(peer = name, from = %address, "a peer's key came in plaintext, where it may have been read");
            return Err(Error::new(Code::AuthTlsRequired, format!("the key of {name} came in plaintext, but {name} speaks TLS"))
                .hint(format!("Somebody may have read it: pair with {name} again, which makes a new one.")));
        }
        let excused = peer.is_some_and(|name| config.tls.allows_plaintext(name));
        if config.tls.enabled && !is_open && !excused {
            return Err(Error::new(Code::AuthTlsRequired, "this daemon wants TLS from other machines")
                .hint("Pair the two machines: loopsy pair. For a Node daemon, on the machine that was asked: loopsy connect."));
        }
        Ok(())
    }
}

/// Whether a failure says that the caller may not, or may not now.
fn is_denial(code: Code) -> bool {
    matches!(code.status(), 401 | 403 | 426 | 429)
}

fn decision(denied: bool) -> Cow<'static, str> {
    Cow::Borrowed(if denied { "denied" } else { "allowed" })
}

/// Writes down what is asked over a socket, each with the id of the request that opened it.
async fn listen(audit: Audit, opened: AuditRecord, mut told: mpsc::UnboundedReceiver<Told>) {
    while let Some(Told { target, outcome }) = told.recv().await {
        let error = outcome.as_ref().err().copied();
        let record = AuditRecord {
            target: Some(target.chars().take(PATH_KEPT).collect()),
            error: error.map(Code::number),
            decision: decision(error.is_some_and(is_denial)),
            job_id: outcome.ok(),
            timestamp: clock::now(),
            ..opened.clone()
        };
        audit.record(true, record).await;
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a request goes on with a transfer: it names a part that does not start at the beginning.
fn resumes(headers: &HeaderMap) -> bool {
    [(header::CONTENT_RANGE, "bytes "), (header::RANGE, "bytes=")].iter().any(|(name, unit)| {
        let first = text(headers, name.as_str()).and_then(|range| range.strip_prefix(unit)?.split('-').next()?.parse::<u64>().ok());
        first.is_some_and(|first| first > 0)
    })
}

/// The key that is presented; empty, which nobody's is, where it is not presented as it should be or there are several.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let first = all.next()?;
    Some(bearer(first).filter(|_| all.next().is_none()).unwrap_or_default())
}

/// The one peer that a request is to be sent on to. A name may have letters that a header's text usually has not.
fn addressee(headers: &HeaderMap) -> Result<String> {
    let mut all = headers.get_all(PEER).iter();
    match (all.next().map(|value| std::str::from_utf8(value.as_bytes())), all.next()) {
        (Some(Ok(peer)), None) => Ok(peer.to_owned()),
        _ => Err(Error::invalid(format!("{PEER}: it does not name one peer"))),
    }
}

/// The key of an `Authorization: Bearer` header; the scheme's case does not matter.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_part_from_the_middle_goes_on_with_a_transfer() {
        let told = |name: header::HeaderName, value: &str| resumes(&HeaderMap::from_iter([(name, value.parse().unwrap())]));
        assert!(told(header::RANGE, "bytes=5-") && told(header::CONTENT_RANGE, "bytes 5-9/10"));
        for whole in ["bytes=0-", "bytes=-5", "bytes", "x=5-"] {
            assert!(!told(header::RANGE, whole), "{whole}");
        }
    }

    /// known fault 36: a key without its scheme is no key.
    #[test]
    fn only_a_bearer_key_is_a_key() {
        let read = |text: &str| bearer(&HeaderValue::from_str(text).unwrap()).map(str::to_owned);
        assert_eq!(read("bEaReR abc").as_deref(), Some("abc"));
        assert_eq!(read("abc"), None);
        assert_eq!(read("Basic abc"), None);
        assert_eq!(bearer(&HeaderValue::from_bytes(b"Bearer \xff").unwrap()), None);
    }
}
