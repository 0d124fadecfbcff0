//! The list of all that the dashboard answers, and how.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::cuttable::cuttable;
use super::daemons::Daemons;
use super::guard::{Place, Purpose, protect};
use super::instance::Invitation;
use super::logins::{Entered, Login, Logins};
use super::proxy::TOKEN;
use super::qr::Picture;
use super::tickets::{Journey, Tickets};
use super::{assets, live, proxy};
use crate::api::Payload;
use crate::base::secret::Digest;
use crate::base::{Code, Error, Fingerprint, Result};
use crate::http::Body;
use crate::http::body;
use crate::http::gate::Remote;
use crate::http::limits::Limits;
use crate::http::routes::read;
use crate::http::server::Answer;
use crate::net::interfaces;

/// Largest body of what is not sent on, bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// What proves who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// A one-time link, in the body.
    Link,
    /// The cookie, and the token in a header.
    Login,
    /// The cookie, and a ticket in the query.
    Ticket,
    /// The secret in this dashboard's private file.
    Secret,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Enter,
    Leave,
    Me,
    Logins,
    EndLogin,
    Links,
    Tickets,
    Socket,
    Live,
    Forward,
    Invite,
}

/// The list: method (any, where there is none), path (all below it, where it ends with a slash), what proves who asks.
/// Everything else is one of the page's files, or nothing.
const LIST: [(Option<Method>, &str, Proof, Route); 11] = [
    (Some(Method::POST), "/login", Proof::Link, Route::Enter),
    (Some(Method::POST), "/logout", Proof::Login, Route::Leave),
    (Some(Method::GET), "/me", Proof::Login, Route::Me),
    (Some(Method::GET), "/logins", Proof::Login, Route::Logins),
    (Some(Method::DELETE), "/logins/", Proof::Login, Route::EndLogin),
    (Some(Method::POST), "/links", Proof::Login, Route::Links),
    (Some(Method::POST), "/tickets", Proof::Login, Route::Tickets),
    (Some(Method::GET), "/socket", Proof::Ticket, Route::Socket),
    (Some(Method::GET), "/live", Proof::Login, Route::Live),
    (None, "/d/", Proof::Login, Route::Forward),
    (Some(Method::POST), "/api/v1/invite", Proof::Secret, Route::Invite),
];

/// What a path leads to.
fn find(method: &Method, path: &str) -> Result<Option<(Proof, Route)>> {
    let fits = |listed: &str| if listed.ends_with('/') { path.starts_with(listed) } else { path == listed };
    let found: Vec<_> = LIST.iter().filter(|(_, listed, _, _)| fits(listed)).collect();
    if let Some((_, _, proof, route)) = found.iter().find(|(listed, _, _, _)| listed.as_ref().is_none_or(|listed| listed == method)) {
        return Ok(Some((*proof, *route)));
    }
    let allow = |methods: &str| {
        Err(Error::new(Code::MethodNotAllowed, format!("this path does not take {method}")).details(json!({ "allow": methods })))
    };
    match found.first() {
        Some((Some(listed), _, _, _)) => allow(listed.as_str()),
        _ if assets::is_there(path) && !matches!(*method, Method::GET | Method::HEAD) => allow("GET, HEAD"),
        _ => Ok(None),
    }
}

/// Nobody is logged in with this cookie and this token.
pub fn logged_out() -> Error {
    Error::new(Code::AuthMissingKey, "this page is not logged in").hint("Get a link with: loopsy dashboard")
}

/// The page has no service worker. One that asks for its script was left by another program that had this port before: what
/// it gets instead has it leave.
const FAREWELL: &str = "addEventListener('install', () => skipWaiting());\n\
    addEventListener('activate', (event) => event.waitUntil(registration.unregister().then(() => clients.matchAll())\n\
    .then((all) => all.map((client) => client.navigate(client.url)))));\n";

fn farewell() -> Response<Body> {
    let mut response = Response::new(body::full(FAREWELL));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript"));
    response
}

/// What answers the requests of browsers.
pub struct Site {
    /// Where it is.
    pub place: Place,
    /// The daemons of this machine.
    pub daemons: Daemons,
    /// Who is logged in.
    pub logins: Logins,
    /// Tickets that are out.
    pub tickets: Tickets,
    /// Patience with who guesses.
    pub limits: Limits,
    /// What a second call of the program presents.
    pub secret: Digest,
    /// The certificate that is shown, where TLS is spoken.
    pub fingerprint: Option<Fingerprint>,
    /// The program's version.
    pub version: &'static str,
    /// What the machine is called.
    pub hostname: String,
}

impl Answer for Site {
    async fn answer(&self, remote: &Remote, request: Request<Incoming>) -> Response<Body> {
        let answering = AssertUnwindSafe(self.pass(remote, request)).catch_unwind().await;
        let answered =
            answering.unwrap_or_else(|_| Err(Error::internal("the request failed inside the dashboard", "a panic; the log has its place")));
        let mut response = answered.unwrap_or_else(|error| body::failure(&error));
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
        protect(response.headers_mut());
        response
    }
}

/// A request that is let through.
struct Asked<'a> {
    request: Request<Incoming>,
    from: IpAddr,
    /// The origin of the page.
    origin: &'a str,
}

#[derive(Deserialize)]
struct Enter {
    link: String,
}

#[derive(Deserialize)]
struct Wish {
    path: String,
    #[serde(default)]
    peer: Option<String>,
}

impl Site {
    async fn pass(&self, remote: &Remote, request: Request<Incoming>) -> Result<Response<Body>> {
        let found = find(request.method(), request.uri().path());
        let purpose = match &found {
            Ok(Some((Proof::Ticket, _))) => Purpose::Socket,
            Ok(Some((Proof::Secret, _))) => Purpose::Program,
            Ok(None) => Purpose::File,
            _ => Purpose::Call,
        };
        let origin = self.place.check(remote, &request, purpose)?;
        let Some((proof, route)) = found? else {
            if request.headers().contains_key("service-worker") {
                return Ok(farewell());
            }
            let answer = assets::answer(request.method(), request.uri().path(), request.headers());
            return answer
                .unwrap_or_else(|| Err(Error::new(Code::NotFound, "there is no such page").hint("Open it with: loopsy dashboard")));
        };
        let from = remote.address.ip().to_canonical();
        let asked = Asked { request, from, origin: &origin };
        let cookies = self.place.cookies(asked.request.headers());
        match proof {
            Proof::Link => self.enter(asked).await,
            Proof::Login => match self.logins.of(&cookies, text(asked.request.headers(), TOKEN)) {
                Some(login) => self.serve(route, &login, asked).await,
                // What is not shown is not guessed.
                None if text(asked.request.headers(), TOKEN).is_empty() => Err(logged_out()),
                None => Err(self.slowly(from, logged_out()).await),
            },
            Proof::Ticket => self.socket(asked).await,
            Proof::Secret if from.is_loopback() && self.has_secret(asked.request.headers()) => {
                Ok(body::json(StatusCode::OK, &self.invite(&format!("{}://127.0.0.1:{}", self.place.scheme(), self.place.port))?))
            }
            Proof::Secret => Err(self.slowly(from, Error::new(Code::AuthForbidden, "the secret is wrong")).await),
        }
    }

    /// What is said to who proved nothing, later the more often it is tried.
    async fn slowly(&self, from: IpAddr, error: Error) -> Error {
        if let Some(penalty) = self.limits.penalty(from) {
            tokio::time::sleep(penalty).await;
        }
        error
    }
    fn has_secret(&self, headers: &HeaderMap) -> bool {
        text(headers, header::AUTHORIZATION.as_str()).strip_prefix("Bearer ").is_some_and(|secret| Digest::of(secret) == self.secret)
    }

    async fn serve(&self, route: Route, login: &Arc<Login>, asked: Asked<'_>) -> Result<Response<Body>> {
        match route {
            Route::Me => self.me(login).await,
            Route::Logins => Ok(body::json(StatusCode::OK, &json!({ "logins": self.logins.rows(&login.id) }))),
            Route::EndLogin => self.end(asked.request.uri().path().rsplit('/').next().unwrap_or_default()),
            Route::Leave => self.end(&login.id),
            Route::Links => self.links(asked.origin),
            Route::Tickets => self.ticket(login, asked.request).await,
            Route::Live => Ok(live::answer(&self.daemons, login.workers()).map(|body| cuttable(body, login))),
            Route::Forward => {
                let target = asked.request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                let peer = proxy::peer(asked.request.headers())?;
                proxy::forward(&self.daemons, login, &target, peer.as_deref(), asked.request).await
            }
            // These are proved in other ways.
            Route::Enter | Route::Socket | Route::Invite => Err(logged_out()),
        }
    }

    async fn enter(&self, asked: Asked<'_>) -> Result<Response<Body>> {
        let (headers, given): (_, Enter) = taken(asked.request).await?;
        let cookies = self.place.cookies(&headers);
        let entered = self.logins.enter(&given.link, &cookies, asked.from, text(&headers, header::USER_AGENT.as_str()));
        let Entered { login, token, cookie } = match entered {
            Ok(entered) => entered,
            Err(error) => return Err(self.slowly(asked.from, error).await),
        };
        tracing::info!(login = login.id, from = %asked.from, "a browser logged in");
        let mut response = body::json(StatusCode::OK, &json!({ "token": token.expose(), "loginId": login.id }));
        if let Some(cookie) = cookie {
            let secure = if self.place.lan { "; Secure" } else { "" };
            let value = format!("{}={}; HttpOnly; SameSite=Strict; Path=/{secure}", self.place.cookie(), cookie.expose());
            let value = HeaderValue::from_str(&value).map_err(|cause| Error::internal("the cookie could not be written", cause))?;
            response.headers_mut().insert(header::SET_COOKIE, value);
        }
        Ok(response)
    }

    async fn me(&self, login: &Login) -> Result<Response<Body>> {
        let daemons = self.daemons.rows().await?;
        let me = json!({
            "version": self.version,
            "hostname": self.hostname,
            "port": self.place.port,
            "lan": self.place.lan,
            "loginId": login.id,
            "daemons": daemons,
        });
        Ok(body::json(StatusCode::OK, &me))
    }

    fn end(&self, id: &str) -> Result<Response<Body>> {
        if self.logins.end(id) {
            return Ok(body::json(StatusCode::OK, &json!({ "success": true, "loginId": id })));
        }
        Err(Error::new(Code::NotFound, "there is no such login"))
    }

    fn links(&self, origin: &str) -> Result<Response<Body>> {
        let Invitation { url, lan, expires_at, .. } = self.invite(origin)?;
        let (url, qr) = match lan.into_iter().next() {
            Some(url) => (url.clone(), Picture::of(&url)),
            None => (url, None),
        };
        Ok(body::json(StatusCode::OK, &json!({ "url": url, "qr": qr, "expiresAt": expires_at })))
    }

    /// A one-time link, as it leads here from this machine and from others.
    pub fn invite(&self, origin: &str) -> Result<Invitation> {
        let (secret, expires_at) = self.logins.link()?;
        let at = |origin: &str| format!("{origin}/#link={}", secret.expose());
        let addresses = if self.place.lan { interfaces::callable() } else { Vec::new() };
        let origins = addresses.into_iter().map(|ip| format!("https://{}", std::net::SocketAddr::new(ip, self.place.port)));
        Ok(Invitation {
            url: at(origin),
            lan: origins.map(|origin| at(&origin)).collect(),
            fingerprint: self.fingerprint.map(|fingerprint| fingerprint.to_string()),
            expires_at,
            port: self.place.port,
            pid: std::process::id(),
        })
    }

    async fn ticket(&self, login: &Login, request: Request<Incoming>) -> Result<Response<Body>> {
        let (_, Wish { path, peer }): (_, Wish) = taken(request).await?;
        proxy::split(&path)?;
        if peer.as_deref().is_some_and(|peer| !proxy::is_name(peer)) {
            return Err(Error::invalid("peer: it can't be a name"));
        }
        let ticket = self.tickets.give(Journey { login: login.id.clone(), path, peer })?;
        Ok(body::json(StatusCode::OK, &json!({ "ticket": ticket.expose() })))
    }

    async fn socket(&self, asked: Asked<'_>) -> Result<Response<Body>> {
        let query = asked.request.uri().query().unwrap_or_default();
        let ticket = query.strip_prefix("ticket=").unwrap_or_default();
        let journey = match self.tickets.take(ticket) {
            Ok(journey) => journey,
            Err(error) => return Err(self.slowly(asked.from, error).await),
        };
        let login = self.logins.of_id(&self.place.cookies(asked.request.headers()), &journey.login).ok_or_else(logged_out)?;
        if !asked.request.headers().contains_key(header::UPGRADE) {
            return Err(Error::invalid("this path is a WebSocket").hint("Connect with 'Upgrade: websocket'."));
        }
        proxy::forward(&self.daemons, &login, &journey.path, journey.peer.as_deref(), asked.request).await
    }
}

/// The headers of a request, and its JSON body.
async fn taken<T: DeserializeOwned>(request: Request<Incoming>) -> Result<(HeaderMap, T)> {
    let (parts, incoming) = request.into_parts();
    let bytes = read(&parts, incoming, Payload::Json(BODY_LIMIT)).await?;
    let value = serde_json::from_slice(&bytes).map_err(|cause| Error::invalid(format!("the body is not what it should be: {cause}")))?;
    Ok((parts.headers, value))
}

/// A header's text; empty where there is none, or what is no text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// known fault 19: nothing but the page's files is there for who proves nothing.
    #[test]
    fn every_path_but_those_of_files_asks_who_is_there() {
        let route = |method: Method, path: &str| find(&method, path).map(|found| found.map(|(_, route)| route)).map_err(|error| error.code);
        assert_eq!(route(Method::GET, "/me"), Ok(Some(Route::Me)));
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::OPTIONS] {
            assert_eq!(route(method, "/d/main/api/v1/status"), Ok(Some(Route::Forward)));
        }
        assert_eq!(route(Method::DELETE, "/logins/abc"), Ok(Some(Route::EndLogin)));
        for (method, path) in [(Method::GET, "/login"), (Method::HEAD, "/me"), (Method::POST, "/"), (Method::PUT, "/index.html")] {
            assert_eq!(route(method, path), Err(Code::MethodNotAllowed), "{path}");
        }
        for path in ["/", "/index.html", "/nothing", "/me/", "/ME", "/login/x", "/d", "//d/main/api/v1/status"] {
            assert_eq!(route(Method::GET, path), Ok(None), "{path}");
        }
    }
}
