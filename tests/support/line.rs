//! A connection that carries exactly the bytes a test writes, and what comes back, as it comes.

use loopsy::net::Stream;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::sim::Machine;

/// One connection to a daemon.
pub struct Line(BufReader<Stream>);

/// Status line and headers of a response.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

/// A whole response.
#[derive(Debug)]
pub struct Whole {
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
    fn length(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }
    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }
}

impl Whole {
    pub fn status(&self) -> u16 {
        self.head.status
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
    pub fn trailer(&self, name: &str) -> Option<&str> {
        find(&self.trailers, name)
    }
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }
    /// Status, and the number in the envelope, which must have a message and nothing but what the envelope may have.
    pub fn failure(&self) -> (u16, u64) {
        let json = self.json();
        let error = json["error"].as_object().unwrap_or_else(|| panic!("no envelope: {json}"));
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        assert!(error.keys().all(|name| ["code", "message", "details", "hint"].contains(&name.as_str())), "{json}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        (self.status(), error["code"].as_u64().unwrap())
    }
}

impl Line {
    /// A connection from a machine to its own daemon.
    pub async fn to(machine: &Machine) -> Self {
        Self::over(machine.network().dial(&machine.address()).await.unwrap())
    }
    pub fn over(stream: Stream) -> Self {
        Self(BufReader::new(stream))
    }
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }
    /// Writes where the daemon may have closed already; whether it had not.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }
    /// Sends no more.
    pub async fn end(&mut self) {
        let _ = self.0.shutdown().await;
    }
    /// The next bytes, fewer at the end.
    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match self.0.read(&mut bytes[filled..]).await {
                Ok(0) | Err(_) => break,
                Ok(more) => filled += more,
            }
        }
        bytes.truncate(filled);
        bytes
    }
    async fn text_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let count = self.0.read_until(b'\n', &mut line).await.unwrap_or(0);
        (count > 0).then(|| String::from_utf8(line).unwrap().trim_end_matches(['\r', '\n']).to_owned())
    }
    async fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(line) = self.text_line().await.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            fields.push((name.to_lowercase(), value.trim().to_owned()));
        }
        fields
    }
    /// Status and headers; none when the connection was closed without an answer.
    pub async fn head(&mut self) -> Option<Head> {
        let line = self.text_line().await?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_else(|| panic!("no status line: {line}"));
        Some(Head { status: status.parse().unwrap(), headers: self.fields().await })
    }
    /// The next piece of a chunked body; none after the last.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.text_line().await.unwrap(), 16).unwrap();
        if size == 0 {
            return None;
        }
        let chunk = self.read(size + 2).await;
        Some(chunk[..size].to_vec())
    }
    /// The next event of a stream of events, as text without the empty line that ends it; none at the end.
    pub async fn event(&mut self) -> Option<String> {
        let chunk = String::from_utf8(self.chunk().await?).unwrap();
        // One event, or one comment, travels as one chunk.
        Some(chunk.strip_suffix("\n\n").unwrap_or_else(|| panic!("half an event: {chunk:?}")).to_owned())
    }
    /// A whole response to a request of this method.
    pub async fn whole(&mut self, method: &str) -> Whole {
        let head = self.head().await.expect("the connection was closed without an answer");
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        if head.is_chunked() {
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
            trailers = self.fields().await;
        } else if method != "HEAD" && head.status != 101 {
            body = self.read(head.length().unwrap_or(0)).await;
        }
        Whole { head, body, trailers }
    }
}
