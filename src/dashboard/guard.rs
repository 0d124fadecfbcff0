//! What every request must hold to before anything is looked up: it comes from the dashboard's own page, by the dashboard's own
//! name. And what every answer forbids the page.

use http::header::{self, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{HeaderMap, Method, Request};

use crate::base::{Code, Error, Result};
use crate::http::gate::{Remote, Transport};
use crate::http::hosts;

/// What goes with every answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), \
         midi=(), payment=(), usb=()",
    ),
];

/// Adds what goes with every answer, in place of what it says of its own.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Only the page's files are kept by browsers.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Where the dashboard is, as browsers name it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The port.
    pub port: u16,
    /// Whether it listens on all addresses, and then speaks TLS alone.
    pub lan: bool,
    /// Names of this machine.
    pub names: Vec<String>,
    /// Further names that the configuration allows.
    pub allowed: Vec<String>,
}

/// What a request is for, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// One of the page's files, which anybody may have.
    File,
    /// A WebSocket: browsers let every page open one, so that its origin must be told.
    Socket,
    /// A call of this program itself, which is no page and has no origin.
    Program,
    /// Everything else.
    Call,
}

impl Place {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.lan { "https" } else { "http" }
    }
    /// What the cookie is called: one of each port, which cookies take no notice of.
    pub fn cookie(&self) -> String {
        format!("loopsy-{}", self.port)
    }
    /// The values of this dashboard's cookies that came along.
    pub fn cookies<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        let name = self.cookie();
        let said = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        said.filter_map(|pair| pair.trim().split_once('=')).filter(|(known, _)| *known == name).map(|(_, value)| value).collect()
    }

    /// Checks that a request comes from the dashboard's own page; answers the page's origin.
    ///
    /// # Errors
    /// `AUTH_TLS_REQUIRED` for plaintext where TLS alone is spoken; `AUTH_FORBIDDEN` for what comes from elsewhere.
    pub fn check<B>(&self, remote: &Remote, request: &Request<B>, purpose: Purpose) -> Result<String> {
        if self.lan && remote.transport != Transport::Tls {
            return Err(
                Error::new(Code::AuthTlsRequired, "this dashboard speaks TLS alone").hint("Use the link as it was shown, with https.")
            );
        }
        let origin = self.origin(request)?;
        let is_harmless = matches!(*request.method(), Method::GET | Method::HEAD);
        check_origin(request.headers(), &origin, purpose, is_harmless)?;
        check_site(request.headers(), purpose == Purpose::File && is_harmless)?;
        Ok(origin)
    }

    /// The origin of a page of this host, which must be this machine and port.
    fn origin<B>(&self, request: &Request<B>) -> Result<String> {
        let in_headers = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
        let hosts: Vec<&str> = in_headers.chain(request.uri().authority().map(Authority::as_str)).collect();
        let usual = if self.lan { 443 } else { 80 };
        let is_own = |host: &str| {
            let authority = host.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'));
            let port = authority.map(|authority| authority.port().map_or(Some(usual), |port| port.as_str().parse().ok()));
            port == Some(Some(self.port)) && hosts::is_ours(host, &self.names, &self.allowed)
        };
        match hosts.first() {
            Some(first) if hosts.iter().all(|host| host == first && is_own(host)) => {
                Ok(format!("{}://{}", self.scheme(), first.to_ascii_lowercase()))
            }
            _ => Err(forbidden("the request names a host that is not this dashboard").hint("Use the link as it was shown.")),
        }
    }
}

fn forbidden(message: &str) -> Error {
    Error::new(Code::AuthForbidden, message)
}

/// An origin that is told must be the page's own, and whatever could change something must tell it.
fn check_origin(headers: &HeaderMap, own: &str, purpose: Purpose, is_harmless: bool) -> Result<()> {
    let mut told = headers.get_all(header::ORIGIN).iter();
    let is_fine = match (told.next(), told.next(), purpose) {
        (None, _, Purpose::Program) => true,
        (None, _, Purpose::Socket) => false,
        (None, _, _) => is_harmless,
        (Some(origin), None, Purpose::File | Purpose::Socket | Purpose::Call) => origin == own,
        (Some(_), _, _) => false,
    };
    if is_fine { Ok(()) } else { Err(forbidden("the dashboard answers its own page alone").hint("Open it with: loopsy dashboard")) }
}

/// What a browser says about where a request comes from. Anybody may lead somebody to the page, which is no more than a link.
fn check_site(headers: &HeaderMap, is_file: bool) -> Result<()> {
    let is = |name: &str, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    let is_led_here = || is("sec-fetch-site", "none") || (is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document"));
    if !headers.contains_key("sec-fetch-site") || is("sec-fetch-site", "same-origin") || (is_file && is_led_here()) {
        return Ok(());
    }
    Err(forbidden("the request comes from another page"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::http::open::Open;
    use crate::net::cut::Cut;

    fn remote(transport: Transport) -> Remote {
        Remote { address: ([127, 0, 0, 1], 1).into(), transport, entry: Open::default().enter(&Arc::<Cut>::default()) }
    }
    fn place(lan: bool) -> Place {
        Place { port: 19540, lan, names: vec!["kai".into()], allowed: Vec::new() }
    }
    fn asks(method: Method, purpose: Purpose, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).header("host", "127.0.0.1:19540");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        place(false).check(&remote(Transport::Plain), &request.body(()).unwrap(), purpose).is_ok()
    }

    /// known fault 21: a rebound name, or another port's page, is refused.
    #[test]
    fn a_host_is_this_machine_and_this_port() {
        let fits = |lan, hosts: &[&str]| {
            let request = hosts.iter().fold(Request::builder(), |request, host| request.header("host", *host)).body(()).unwrap();
            place(lan).check(&remote(Transport::Tls), &request, Purpose::Call).is_ok()
        };
        for host in ["127.0.0.1:19540", "localhost:19540", "[::1]:19540", "kai:19540", "kai.local:19540"] {
            assert!(fits(false, &[host]) && fits(true, &[host]), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:19541",
            "evil.example:19540",
            "127.0.0.1.evil.example:19540",
            "",
            ":19540",
            "a@kai:19540",
        ] {
            assert!(!fits(false, &[host]), "{host}");
        }
        assert!(!fits(false, &[]) && !fits(false, &["kai:19540", "localhost:19540"]));
        let plain = Request::builder().header("host", "kai:19540").body(()).unwrap();
        assert_eq!(place(true).check(&remote(Transport::Plain), &plain, Purpose::File).unwrap_err().code, Code::AuthTlsRequired);
    }

    /// known fault 20: what a foreign page sends is refused, and so is what does not tell where it comes from.
    #[test]
    fn only_the_own_page_is_answered() {
        let own = ("origin", "http://127.0.0.1:19540");
        assert!(asks(Method::POST, Purpose::Call, &[own]) && asks(Method::GET, Purpose::Call, &[]));
        assert!(!asks(Method::POST, Purpose::Call, &[]) && !asks(Method::DELETE, Purpose::File, &[]));
        assert!(!asks(Method::GET, Purpose::Socket, &[]) && asks(Method::GET, Purpose::Socket, &[own]));
        assert!(asks(Method::POST, Purpose::Program, &[]) && !asks(Method::POST, Purpose::Program, &[own]));
        for foreign in ["null", "", "http://evil.example", "http://127.0.0.1:19541", "https://127.0.0.1:19540", "http://localhost:19540"] {
            for method in [Method::GET, Method::POST] {
                assert!(!asks(method, Purpose::Call, &[("origin", foreign)]), "{foreign}");
            }
        }
        assert!(!asks(Method::POST, Purpose::Call, &[own, ("origin", "http://evil.example")]));
    }

    #[test]
    fn a_page_may_lead_here_and_nothing_else() {
        let from = |purpose, site, mode, dest| {
            asks(Method::GET, purpose, &[("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)])
        };
        assert!(from(Purpose::Call, "same-origin", "cors", "empty"));
        assert!(from(Purpose::File, "none", "navigate", "document") && from(Purpose::File, "cross-site", "navigate", "document"));
        for site in ["cross-site", "same-site"] {
            assert!(!from(Purpose::File, site, "no-cors", "image") && !from(Purpose::File, site, "navigate", "iframe"));
            assert!(!from(Purpose::Call, site, "navigate", "document"));
        }
        assert!(!from(Purpose::Call, "none", "navigate", "document"));
    }

    #[test]
    fn cookies_of_other_ports_are_others() {
        let headers: HeaderMap = [(header::COOKIE, "a=1; loopsy-19540=x;loopsy-19541=y"), (header::COOKIE, "loopsy-19540=z")]
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .into_iter()
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            });
        assert_eq!(place(false).cookies(&headers), ["x", "z"]);
    }
}
