//! A dashboard as a process of its own, and a browser that is logged in to it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use loopsy::dashboard::instance::Invitation;
use loopsy::net::{Address, Network};
use serde_json::{Value, json};

use crate::support::line::Line;
use crate::support::process::Process;
use crate::support::program::Program;
use crate::support::raw::{Answer, Raw};

/// A running dashboard, killed at the latest when this is dropped.
pub struct Board {
    pub first: Invitation,
    child: Child,
    secured: bool,
}

/// What a browser that is logged in sends.
#[derive(Debug, Clone)]
pub struct Login {
    pub cookie: String,
    pub token: String,
    pub id: String,
}

/// The token that a link ends with.
pub fn token(url: &str) -> &str {
    url.split_once("#link=").unwrap().1.split('&').next().unwrap()
}

impl Board {
    /// The dashboard of a data directory, on loopback and any free port.
    pub fn of(program: &Program) -> Self {
        Self::with(program, &[])
    }
    pub fn with(program: &Program, args: &[&str]) -> Self {
        let args = [&["dashboard", "--json", "--port", "0"], args].concat();
        let mut child = program.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let first: Invitation = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no dashboard: {line:?}"));
        Self { secured: first.fingerprint.is_some(), first, child }
    }
    pub fn origin(&self) -> String {
        self.first.url.split_once("/#").unwrap().0.to_owned()
    }
    pub fn address(&self) -> Address {
        Address::new("127.0.0.1", self.first.port).unwrap()
    }
    pub fn raw(&self) -> Raw {
        if self.secured { Raw::secured(&Network::Sockets, self.address()) } else { Raw::new(&Network::Sockets, self.address()) }
    }
    pub async fn line(&self) -> Line {
        Line::over(Network::Sockets.dial(&self.address()).await.unwrap())
    }
    pub fn process(&self) -> Process {
        Process::of(self.child.id()).unwrap()
    }
    /// Asks for the end; answers how it ended, and after how long.
    pub fn stop(&mut self) -> (ExitStatus, Duration) {
        self.process().signal("TERM");
        let begun = Instant::now();
        (self.child.wait().unwrap(), begun.elapsed())
    }
    /// What it said on standard error, once it has ended.
    pub fn said(&mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    /// Asks as a page of this origin would, with these headers as well.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let origin = self.origin();
        let own: &[(&str, &str)] = if method == Method::GET { &[] } else { &[("origin", &origin)] };
        self.raw().send(method, path, &[own, headers].concat(), body).await
    }
    /// Uses a link.
    pub async fn enter(&self, link: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.ask(Method::POST, "/login", &headers, json!({ "link": link }).to_string()).await
    }
    /// Logs a browser in with the first link.
    pub async fn log_in(&self) -> Login {
        self.log_in_with(token(&self.first.url)).await
    }
    pub async fn log_in_with(&self, link: &str) -> Login {
        Login::of(&self.enter(link, &[]).await)
    }
    /// Logs in one more browser, with a link that the first has made.
    pub async fn another(&self, login: &Login) -> Login {
        let made = self.call(login, Method::POST, "/links", &json!({})).await.json();
        self.log_in_with(token(made["url"].as_str().unwrap())).await
    }
    /// What the page of a browser that is logged in asks.
    pub async fn get(&self, login: &Login, path: &str) -> Answer {
        self.ask(Method::GET, path, &login.headers(), "").await
    }
    pub async fn call(&self, login: &Login, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [&login.headers()[..], &[("content-type", "application/json")]].concat();
        self.ask(method, path, &headers, body.to_string()).await
    }
    /// A ticket for a socket.
    pub async fn ticket(&self, login: &Login, path: &str) -> String {
        let given = self.call(login, Method::POST, "/tickets", &json!({ "path": path })).await;
        given.json()["ticket"].as_str().unwrap_or_else(|| panic!("{given:?}")).to_owned()
    }
    /// Begins a stream of events; its head is read.
    pub async fn stream(&self, login: &Login, path: &str) -> Line {
        let mut line = self.line().await;
        line.write(self.head("GET", path, &login.text())).await;
        let head = line.head().await.unwrap();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
        line
    }
    /// The head of a request, as bytes.
    pub fn head(&self, method: &str, path: &str, more: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", self.address())
    }
    /// Asks for a WebSocket.
    pub async fn socket(&self, path: &str, more: &str) -> Line {
        let mut line = self.line().await;
        let upgrade =
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        line.write(self.head("GET", path, &format!("{upgrade}{more}"))).await;
        line
    }
}

impl Login {
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let told = answer.json();
        let cookie = answer.header("set-cookie").unwrap_or_default().split(';').next().unwrap().to_owned();
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Self { cookie, token: text("token"), id: text("loginId") }
    }
    pub fn headers(&self) -> [(&str, &str); 2] {
        [("cookie", &self.cookie), ("x-loopsy-token", &self.token)]
    }
    /// The same as lines of a head.
    pub fn text(&self) -> String {
        format!("Cookie: {}\r\nx-loopsy-token: {}\r\n", self.cookie, self.token)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
