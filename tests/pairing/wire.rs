//! What crosses the wire in plaintext: who listens learns nothing, and who changes a byte gets nothing.

use std::sync::{Arc, Mutex};

use loopsy::api::pairing::{PairConfirm, PairExchange, PairFinish, PairInitiate, PairPhase};
use loopsy::base::sync::lock;
use loopsy::base::workers::Workers;
use loopsy::base::{Code, base64url};
use loopsy::home::config::Config;
use loopsy::home::config_file;
use loopsy::net::Address;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::node::Node;
use crate::support::pairing::{begin, connect, end, pair, state, yes};

/// Changes what goes by; says nothing to what may pass.
type Hand = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// A wire that writes down what passes, with a hand in it. It lets no TLS through, as one would who wants to read along.
pub struct Tapped {
    port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
    hand: Arc<Mutex<Hand>>,
    workers: Workers,
}

impl Tapped {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let workers = Workers::default();
        let hand: Hand = Arc::new(|_: &mut Vec<u8>| {});
        let tapped = Self { port: own, seen: Arc::default(), hand: Arc::new(Mutex::new(hand)), workers: workers.clone() };
        let (seen, hand) = (tapped.seen.clone(), tapped.hand.clone());
        workers.clone().spawn_until_stop("tapped wire", async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut first = [0];
                if near.peek(&mut first).await.unwrap_or(0) == 0 || first[0] == 0x16 {
                    continue;
                }
                let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (seen, hand) = (seen.clone(), hand.clone());
                workers.spawn_until_stop("tapped connection", async move {
                    let [mut up, mut down] = [vec![0; 64 * 1024], vec![0; 64 * 1024]];
                    loop {
                        let (bytes, to) = tokio::select! {
                            read = near.read(&mut up) => (up[..read.unwrap_or(0)].to_vec(), &mut far),
                            read = far.read(&mut down) => (down[..read.unwrap_or(0)].to_vec(), &mut near),
                        };
                        lock(&seen).extend_from_slice(&bytes);
                        let (mut bytes, hand) = (bytes, lock(&hand).clone());
                        hand(&mut bytes);
                        if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        tapped
    }
    pub fn address(&self) -> Address {
        Address::new("127.0.0.1", self.port).unwrap()
    }
    pub fn meddle(&self, hand: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) {
        *lock(&self.hand) = Arc::new(hand);
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.workers.stopping().cancel();
    }
}

fn config(node: &Node) -> Config {
    config_file::load(&node.program.home()).unwrap().config
}
fn has(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}
/// Whether digits are there, not as part of a longer number.
fn stands_alone(hay: &[u8], digits: &str) -> bool {
    let found = hay.windows(digits.len()).enumerate().filter(|(_, window)| *window == digits.as_bytes());
    let is_digit = |at: Option<usize>| at.and_then(|at| hay.get(at)).is_some_and(u8::is_ascii_digit);
    found.map(|(at, _)| at).any(|at| !is_digit(at.checked_sub(1)) && !is_digit(Some(at + digits.len())))
}
fn bytes_of(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// known fault 27: whoever listens to the whole of a pairing in plaintext has no code, no key, and no part of one.
#[tokio::test]
async fn a_capture_of_a_pairing_holds_no_secret() {
    let (kai, leo) = (Node::start("kai", json!({})), Node::start("leo", json!({})));
    let wire = Tapped::to(kai.ready.port).await;
    let code = begin(&kai.link()).await;
    let there = connect(&leo.link(), &wire.address(), &code).await.unwrap();
    kai.link().call(&yes()).await.unwrap();
    leo.link().call(&yes()).await.unwrap();
    assert_eq!(end(&leo.link()).await.state, Some(PairPhase::Completed));
    let (kais, leos) = (config(&kai), config(&leo));
    let key = &kais.auth.allowed_keys["leo"];
    assert_eq!(key.expose(), leos.auth.allowed_keys["kai"].expose());
    let seen = lock(&wire.seen).clone();
    // Only the steps: what follows the answer to the last is a call with the key, over whatever the configuration asks for.
    let find = |from: usize, what: &[u8]| seen[from..].windows(what.len()).position(|window| window == what).map(|at| from + at);
    let finish = find(0, b"/pair/finish").expect("the wire was not tapped");
    let answer = find(finish, b"HTTP/1.1 200").unwrap();
    let box_at = find(answer, b"\"sealed\":").unwrap();
    let steps = &seen[..find(box_at, b"}").unwrap()];
    assert!(stands_alone(b"{492817}", "492817") && !stands_alone(b"4928170", "492817"));
    for name in ["/pair/initiate", "/pair/exchange", "/pair/finish"] {
        assert!(has(steps, name.as_bytes()), "the wire was not tapped: {name}");
    }
    let raw = bytes_of(key.expose());
    for secret in [&kais.auth.api_key, &leos.auth.api_key].into_iter().flatten().chain([key]) {
        for part in secret.expose().as_bytes().chunks(16) {
            assert!(!has(steps, part), "a part of a key");
        }
    }
    for part in raw.chunks(8) {
        assert!(!has(steps, part));
        for skipped in 0..3 {
            assert!(!has(steps, base64url::encode(&part[skipped..]).as_bytes()));
        }
    }
    let digits = there.sas.unwrap();
    for told in [code.expose(), &digits] {
        let spaced = format!("{} {}", &told[..3], &told[3..]);
        let dashed = spaced.replace(' ', "-");
        assert!(![told, &spaced, &dashed].iter().any(|written| stands_alone(steps, written)), "{told}");
        assert!(!has(steps, base64url::encode(told.as_bytes()).as_bytes()), "{told}");
    }
    for pin in kais.tls.pinned_certs.values().chain(leos.tls.pinned_certs.values()) {
        assert!(!has(steps, pin.to_string().as_bytes()), "even fingerprints are sealed");
    }
}

/// Puts another letter at the beginning of a field's value, wherever it goes by.
fn change(field: &'static str) -> impl Fn(&mut Vec<u8>) + Send + Sync {
    move |bytes| {
        let name = format!("\"{field}\":\"");
        if let Some(at) = bytes.windows(name.len()).position(|window| window == name.as_bytes()) {
            let value = &mut bytes[at + name.len()];
            *value = if *value == b'A' { b'B' } else { b'A' };
        }
    }
}

/// known fault 27: whatever is changed on the way, nobody is paired with anybody, and nothing is written.
#[tokio::test]
async fn whoever_changes_a_field_on_the_way_gets_nothing() {
    let (kai, leo) = (Node::start("kai", json!({})), Node::start("leo", json!({})));
    let wire = Tapped::to(kai.ready.port).await;
    let before = [kai.program.config(), leo.program.config()];
    for field in ["commitment", "publicKey", "nonce", "pake", "confirm", "hostname", "nodeId", "sealed"] {
        let code = begin(&kai.link()).await;
        wire.meddle(change(field));
        let connected = connect(&leo.link(), &wire.address(), &code).await;
        assert_eq!(connected.is_ok(), field == "sealed", "{field}: {connected:?}");
        if connected.is_ok() {
            kai.link().call(&yes()).await.unwrap();
            leo.link().call(&yes()).await.unwrap();
            assert_eq!(end(&leo.link()).await.state, Some(PairPhase::Failed), "{field}");
            assert_eq!(end(&kai.link()).await.state, Some(PairPhase::Failed), "{field}");
        } else {
            assert!(state(&kai.link()).await.sas.is_none(), "{field}: nothing is shown");
        }
        assert_eq!([kai.program.config(), leo.program.config()], before, "{field}");
    }
}

/// known fault 29: what strangers send to the open routes is refused in the one envelope, and raises no prompt.
#[tokio::test]
async fn hostile_bodies_on_the_open_routes_are_refused() {
    let kai = Node::start("kai", json!({}));
    let raw = kai.raw();
    let send = async |path: &str, body: Value| {
        let headers = [("content-type", "application/json")];
        let answer = raw.send(http::Method::POST, &format!("/api/v1/pair/{path}"), &headers, body.to_string()).await;
        (answer.status.as_u16(), answer.code())
    };
    let initiate = |change: Value| {
        let mut body =
            serde_json::to_value(PairInitiate { hostname: "eve".into(), ..<PairInitiate as loopsy::api::Operation>::example() }).unwrap();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    assert_eq!(send("initiate", initiate(json!({}))).await, (404, 7003));
    begin(&kai.link()).await;
    let huge = "x".repeat(10_000);
    for bad in [
        json!({ "version": 1 }),
        json!({ "version": -1 }),
        json!({ "version": "2" }),
        json!({ "nodeId": "a\0b" }),
        json!({ "nodeId": huge }),
        json!({ "hostname": "\u{1b}[2J" }),
        json!({ "hostname": null }),
        json!({ "commitment": "****" }),
    ] {
        assert_eq!(send("initiate", initiate(bad.clone())).await, (400, 9003), "{bad}");
    }
    assert_eq!(send("initiate", initiate(json!({ "hostname": "x".repeat(20_000) }))).await, (413, 9006));
    let exchange = <PairExchange as loopsy::api::Operation>::example();
    assert_eq!(send("exchange", serde_json::to_value(&exchange).unwrap()).await, (404, 7003));
    let finish = PairFinish { session_id: "\0".into(), sealed: huge.clone() };
    assert_eq!(send("finish", serde_json::to_value(&finish).unwrap()).await, (404, 7003));
    for cancel in [json!({}), json!({ "sessionId": huge, "mac": "AAAA" }), json!({ "sessionId": "s", "mac": "\0" })] {
        assert_eq!(send("cancel", cancel).await, (404, 7003));
    }
    let told = state(&kai.link()).await;
    assert_eq!((told.state, told.attempts_left, told.sas), (Some(PairPhase::Waiting), Some(3), None));
    // A flood from one address ends at its budget.
    let mut last = (0, 0);
    for _ in 0..80 {
        last = send("cancel", json!({})).await;
    }
    assert_eq!(last, (429, u64::from(Code::RateLimited.number())));
    kai.answers().await;
}

/// known fault 29: a newcomer of a known machine's name gets another one, and a known id with other papers gets nothing.
#[tokio::test]
async fn a_newcomer_takes_no_known_machines_place() {
    let (kai, leo) = (Node::start("kai", json!({})), Node::start("leo", json!({})));
    pair(&kai.link(), &leo.link(), &kai.address(), [yes(), yes()]).await;
    let known = config(&kai);
    let other = Node::start("leo", json!({}));
    let [here, there] = pair(&kai.link(), &other.link(), &kai.address(), [yes(), yes()]).await;
    assert_eq!((here.name.as_deref(), there.name.as_deref()), (Some("leo-2"), Some("kai")));
    let mut eve = Node::start("leo", json!({}));
    eve.kill();
    std::fs::copy(leo.program.home().identity(), eve.program.home().identity()).unwrap();
    eve.again();
    let before = [kai.program.config(), eve.program.config()];
    let [here, there] = pair(&kai.link(), &eve.link(), &kai.address(), [yes(), yes()]).await;
    assert_eq!([here.error_code, there.error_code], [Some(Code::PairRejected.number()); 2], "{here:?} {there:?}");
    assert!(here.error.unwrap().contains("claims to be leo"));
    assert_eq!([kai.program.config(), eve.program.config()], before);
    assert_eq!(config(&kai).auth.allowed_keys["leo"].expose(), known.auth.allowed_keys["leo"].expose());
    // Unless kai's user agrees.
    let code = begin(&kai.link()).await;
    connect(&eve.link(), &kai.address(), &code).await.unwrap();
    assert_eq!(state(&kai.link()).await.replaces.as_deref(), Some("leo"));
    kai.link().call(&PairConfirm { replace: Some("leo".into()), ..yes() }).await.unwrap();
    eve.link().call(&yes()).await.unwrap();
    assert_eq!(end(&kai.link()).await.name.as_deref(), Some("leo"));
    assert_ne!(config(&kai).auth.allowed_keys["leo"].expose(), known.auth.allowed_keys["leo"].expose());
}
