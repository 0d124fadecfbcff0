//! A daemon of a machine of which nothing may be touched but a folder, and what it answers.

use std::sync::LazyLock;
use std::time::Duration;

use loopsy::daemon::run::{self, Running};
use loopsy::home::Home;
use loopsy::net::memory::Memory;
use loopsy::net::{Address, Network, Stream};
use loopsy::platform::files::write_private;
use loopsy::platform::process::Guard;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::RUNTIME;
use crate::scene::{Scene, folder};

const OWNER: &str = "owner-key-0123456789abcdef";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// A machine with a daemon, from the first request until the process ends.
pub struct Machine {
    pub scene: Scene,
    network: Network,
    _dir: TempDir,
    _running: Running,
}

pub static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
    let (dir, scene) = (folder(), Scene::default());
    let inside = scene.inside();
    let config = format!(
        "server:\n  hostname: kai\nauth:\n  apiKey: {OWNER}\nexecution:\n  allowlist: [cat]\ntransfer:\n  allowedPaths: [{}]\n  deniedPaths: [{}]\n",
        inside.display(),
        inside.join("denied").display()
    );
    write_private(&dir.path().join("config.yaml"), config.as_bytes()).unwrap();
    let network = Network::Memory(Memory::default().host("kai"));
    let start = async { run::start(Home::at(dir.path()), network.clone(), Guard::start().unwrap()).await };
    let running = RUNTIME.block_on(start).unwrap();
    Machine { scene, network, _dir: dir, _running: running }
});

impl Machine {
    pub async fn dial(&self) -> Stream {
        self.network.dial(&Address::new("127.0.0.1", 19532).unwrap()).await.unwrap()
    }

    /// Sends a request of the owner's, its first line and its headers as they are given, and checks that the answer is one: no
    /// failure of the daemon's own, and each failure in the one shape.
    pub fn ask(&self, first: &str, headers: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "{first} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OWNER}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        let exchange = self.exchange([head.as_bytes(), body].concat());
        let answer =
            RUNTIME.block_on(async { tokio::time::timeout(PATIENCE, exchange).await }).unwrap_or_else(|_| panic!("no answer to {first}"));
        let said = String::from_utf8_lossy(&answer);
        let status: u16 = said.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {said}"));
        assert!(status != 500, "{said}");
        let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(&[][..], |at| &answer[at + 4..]);
        // Hyper refuses by itself what is no HTTP at all, with an empty body.
        if status >= 400 && !body.is_empty() {
            let failure: Value = serde_json::from_slice(body).unwrap_or_else(|cause| panic!("{cause}: {said}"));
            assert!(failure["error"]["code"].is_u64() && failure["error"]["message"].is_string(), "{failure}");
        }
    }

    async fn exchange(&self, sent: Vec<u8>) -> Vec<u8> {
        let mut stream = self.dial().await;
        // A daemon that refuses early may close before all is sent; what it said counts.
        let _ = stream.write_all(&sent).await;
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut chunk).await.unwrap_or(0);
            answer.extend_from_slice(&chunk[..count]);
            // An endless stream has answered with its head.
            if count == 0 || answer.windows(17).any(|window| window == b"text/event-stream") {
                return answer;
            }
        }
    }

    /// Asks for a command over a WebSocket, sends these bytes once it runs, and reads until the daemon closes.
    pub fn run(&self, command: &str, frames: &[u8]) -> Vec<u8> {
        let head = format!(
            "GET /api/v1/execute/ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OWNER}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let start = frame(1, command.as_bytes());
        let exchange = async {
            let mut stream = self.dial().await;
            stream.write_all(&[head.as_bytes(), &start, frames, &frame(8, b"")].concat()).await.unwrap();
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said).await;
            said
        };
        RUNTIME.block_on(async { tokio::time::timeout(PATIENCE, exchange).await }).expect("the daemon closes")
    }
}

/// A whole message of a client: its kind, its length, a mask of zeros, its content.
pub fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut bytes = vec![0x80 | kind & 15];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        _ => bytes.extend([&[0xfe][..], &length.to_be_bytes()].concat()),
    }
    [&bytes[..], &[0; 4], content].concat()
}
