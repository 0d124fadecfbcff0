//! What clients do, each in a loop of its own on its machine, and what they must see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use http::Method;
use loopsy::api::context::{ContextChangeType, ContextWatch};
use loopsy::api::transfer::CHECKSUM;
use loopsy::base::Code;
use loopsy::base::sync::lock;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::caller::{Asked, Caller, Outcome};
use super::machine::Machine;
use super::support::dice::Dice;
use super::tally::{Ended, Tally};
use super::truth::{Truth, letter};

/// Keys that a writer of the store uses at a time.
const KEYS: u64 = 8;
/// Files that somebody who sends uses at a time.
const FILES: u64 = 4;
/// The key of the counter that several add to.
pub const COUNTER: &str = "counter";

/// All machines, and what is known of them.
pub struct World {
    pub machines: Vec<Arc<Machine>>,
    pub truths: Vec<Truth>,
    pub tally: Arc<Tally>,
    /// Nothing new is begun any more.
    pub is_over: AtomicBool,
}

/// One client.
pub struct Client {
    world: Arc<World>,
    /// The machine that it is on.
    here: usize,
    /// The machine on which things are done.
    there: usize,
    name: String,
    dice: Dice,
    count: u64,
}

impl Client {
    pub fn new(world: &Arc<World>, here: usize, there: usize, what: &str, dice: Dice) -> Self {
        let name = format!("{}-{what}-{}", world.machines[here].name, world.machines[there].name);
        Self { world: world.clone(), here, there, name, dice, count: 0 }
    }
    fn is_over(&self) -> bool {
        self.world.is_over.load(Ordering::SeqCst)
    }
    fn caller(&self) -> &Caller {
        &self.world.machines[self.here].caller
    }
    fn truth(&self) -> &Truth {
        &self.world.truths[self.there]
    }
    /// The peer, where it is one.
    fn via(&self) -> Option<&'static str> {
        (self.here != self.there).then(|| self.world.machines[self.there].name)
    }
    fn tally(&self) -> &Tally {
        &self.world.tally
    }
    fn wrong(&self, what: String) {
        self.tally().violation(format!("{}: {what}", self.name));
    }
    async fn json(&self, kind: &'static str, method: Method, target: &str, body: &Value) -> Outcome {
        self.caller().json(kind, method, target, self.via(), body).await
    }
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
    /// A word that is nobody else's.
    fn token(&mut self) -> String {
        let number = self.next();
        format!("{}-{number}", self.name)
    }
    /// People do not ask without a pause.
    async fn rest(&mut self, most: u64) {
        sleep(Duration::from_millis(1 + self.dice.below(most))).await;
    }

    /// Writes, reads and deletes entries that are nobody else's.
    pub async fn write(mut self) {
        let mut keys: Vec<String> = (0..KEYS).map(|at| format!("w-{}-{at}", self.name)).collect();
        while !self.is_over() {
            self.rest(60).await;
            let at = self.dice.below(KEYS) as usize;
            let (key, number) = (keys[at].clone(), self.next());
            let target = format!("/api/v1/context/{key}");
            let (world, there) = (self.world.clone(), self.there);
            let _writing = world.truths[there].writing.read().await;
            let turn = self.dice.below(10);
            let is_known = match turn {
                0..6 => {
                    let value = format!("{number} {}", "x".repeat(self.dice.below(2000) as usize));
                    self.truth().begin(&key, Some(value.clone()));
                    let outcome = self.json("context put", Method::PUT, &target, &json!({ "value": value })).await;
                    self.settle(&key, &outcome)
                }
                6 => {
                    self.truth().begin(&key, None);
                    let outcome = self.json("context delete", Method::DELETE, &target, &Value::Null).await;
                    self.settle(&key, &outcome)
                }
                _ => {
                    let found = match self.json("context get", Method::GET, &target, &Value::Null).await {
                        Outcome::Done(answer) => Some(answer.json()["value"].as_str().map(str::to_owned)),
                        Outcome::Refused(Code::ContextKeyNotFound, _) => Some(None),
                        _ => None,
                    };
                    if let Some(value) = found.filter(|value| !self.truth().may_hold(&key, value)) {
                        self.wrong(format!("{key} holds {:.60}", value.unwrap_or("nothing".into())));
                    }
                    true
                }
            };
            if !is_known {
                // What was lost may still come to be, at any time: the key is left to it.
                keys[at] = format!("w-{}-{number}-{at}", self.name);
            }
        }
    }
    /// Takes down what came of the newest write of a key; whether that is known.
    fn settle(&self, key: &str, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Done(answer) => self.truth().done(key, answer.json()["version"].as_u64()),
            // It was not there to be deleted.
            Outcome::Refused(Code::ContextKeyNotFound, _) => self.truth().done(key, None),
            Outcome::Refused(code, _) if code.status() < 500 => self.truth().refused(key),
            _ => return false,
        }
        true
    }

    /// Adds to a counter that others add to as well, by its version.
    pub async fn add(mut self) {
        let target = format!("/api/v1/context/{COUNTER}");
        while !self.is_over() {
            self.rest(200).await;
            let (world, there) = (self.world.clone(), self.there);
            let _writing = world.truths[there].writing.read().await;
            let (value, condition) = match self.json("counter get", Method::GET, &target, &Value::Null).await {
                Outcome::Done(answer) => {
                    let entry = answer.json();
                    let value: u64 = entry["value"].as_str().and_then(|value| value.parse().ok()).unwrap_or_default();
                    (value, ("if-match", format!("\"{}\"", entry["version"])))
                }
                Outcome::Refused(Code::ContextKeyNotFound, _) => (0, ("if-none-match", "*".to_owned())),
                _ => continue,
            };
            let body = json!({ "value": (value + 1).to_string() }).to_string();
            let headers = [("content-type", "application/json"), (condition.0, condition.1.as_str())];
            let put =
                Asked { kind: "counter add", method: Method::PUT, target: &target, via: self.via(), headers: &headers, body: body.into() };
            match self.caller().ask(put).await {
                Outcome::Done(_) => self.truth().add(true),
                Outcome::Refused(code, _) if code.status() < 500 => {}
                _ => self.truth().add(false),
            }
        }
    }

    /// Follows the changes of a store: in order, and none that was acknowledged left out.
    pub async fn watch(mut self) {
        let machine = self.world.machines[self.here].clone();
        let link = self.via().map_or_else(|| machine.link(), |peer| machine.link().via(peer));
        let (mut since, mut seen, mut gaps) = (None::<u64>, std::collections::BTreeSet::new(), Vec::new());
        while !self.is_over() {
            self.rest(200).await;
            let from = since;
            let Ok(mut changes) = link.call(&ContextWatch { prefix: Some("w-".into()), since }).await else {
                self.tally().count("watch", Ended::Lost);
                continue;
            };
            self.tally().count("watch", Ended::Done);
            loop {
                let next = tokio::select! {
                    next = changes.next() => next,
                    () = sleep(Duration::from_secs(1)) => if self.is_over() && self.is_quiet(&seen, since) { break } else { continue },
                };
                let Some(Ok(change)) = next else { break };
                self.tally().count("change seen", Ended::Done);
                let newest = since.unwrap_or_default();
                if change.kind == ContextChangeType::Reset {
                    gaps.push((from.unwrap_or_default().min(newest), change.version));
                } else if since.is_some() && change.version <= newest {
                    self.wrong(format!("change {} came after {newest}", change.version));
                }
                if since.is_none() {
                    gaps.push((0, change.version - 1));
                }
                seen.insert(change.version);
                since = Some(change.version.max(newest));
            }
        }
        let Some(newest) = since else {
            if !self.truth().versions().is_empty() {
                self.wrong("no change was ever told".into());
            }
            return;
        };
        let missed =
            |version: &u64| *version <= newest && !seen.contains(version) && !gaps.iter().any(|(from, to)| (from..=to).contains(&version));
        let missed: Vec<u64> = self.truth().versions().into_iter().filter(missed).collect();
        if !missed.is_empty() {
            self.wrong(format!("{} changes were not told: {:?}; gaps {gaps:?}", missed.len(), &missed[..missed.len().min(5)]));
        }
    }
    /// Whether all was seen that is to come.
    fn is_quiet(&self, seen: &std::collections::BTreeSet<u64>, since: Option<u64>) -> bool {
        self.truth().versions().last().is_none_or(|last| seen.contains(last) || since.is_some_and(|since| since >= *last))
    }

    /// Runs commands whose output is known.
    pub async fn run(mut self) {
        while !self.is_over() {
            self.rest(250).await;
            let token = self.token();
            let line = format!("printf %s \"$0\"; printf %s \"$0\" >&2; exit {}", self.count % 7);
            let body = json!({ "command": "sh", "args": ["-c", line, token], "timeout": 30_000 });
            if self.dice.below(12) == 0 {
                // Whoever leaves takes the command along.
                let body = json!({ "command": "sh", "args": ["-c", "sleep 3600 & sleep 3600"], "timeout": 0 });
                let left =
                    tokio::time::timeout(Duration::from_millis(150), self.json("exec", Method::POST, "/api/v1/execute", &body)).await;
                self.tally().count("exec left alone", left.map_or(Ended::Done, |_| Ended::Refused));
                continue;
            }
            if let Some(answer) = self.json("exec", Method::POST, "/api/v1/execute", &body).await.done() {
                let ran = answer.json();
                let is_right = ran["stdout"] == *token && ran["stderr"] == *token && ran["exitCode"] == self.count % 7;
                if !is_right && ran["killed"] != true {
                    self.wrong(format!("{token}: {ran}"));
                }
            }
        }
    }

    /// Sends files, and fetches them again.
    pub async fn send(mut self) {
        let mut names: Vec<String> = (0..FILES).map(|at| format!("files/{}-{at}", self.name)).collect();
        while !self.is_over() {
            self.rest(600).await;
            let (at, number) = (self.dice.below(FILES) as usize, self.next());
            let name = names[at].clone();
            let (world, there) = (self.world.clone(), self.there);
            let _writing = world.truths[there].writing.read().await;
            if self.dice.below(3) == 0 {
                let pull = self.json("file pull", Method::POST, "/api/v1/transfer/pull", &json!({ "sourcePath": name })).await;
                let found = match pull {
                    Outcome::Done(answer) => Some(sum(&answer.body)),
                    Outcome::Refused(Code::TransferFileNotFound, _) => None,
                    _ => continue,
                };
                if !self.truth().may_hold(&name, &found) {
                    self.wrong(format!("{name} came as {found:?}"));
                }
                continue;
            }
            let size = self.dice.below(200_000) as usize;
            let content: Vec<u8> = number.to_le_bytes().iter().chain(self.name.as_bytes()).copied().cycle().take(size).collect();
            let checksum = sum(&content);
            self.truth().begin(&name, Some(checksum.clone()));
            let headers = [("content-type", "application/octet-stream"), (CHECKSUM, checksum.as_str())];
            let target = format!("/api/v1/transfer/file?path={}", name.replace('/', "%2F"));
            let put =
                Asked { kind: "file put", method: Method::PUT, target: &target, via: self.via(), headers: &headers, body: content.into() };
            match self.caller().ask(put).await {
                Outcome::Done(answer) if answer.json()["checksum"] == *checksum => self.truth().done(&name, None),
                Outcome::Done(answer) => self.wrong(format!("{name}: {}", answer.json())),
                Outcome::Refused(code, _) if code.status() < 500 => self.truth().refused(&name),
                // A full disk leaves the file as it was; of all others nobody knows.
                Outcome::Refused(Code::TransferDiskFull, _) => self.truth().refused(&name),
                _ => names[at] = format!("files/{}-{number}-{at}", self.name),
            }
        }
    }

    /// Sends messages.
    pub async fn write_letters(mut self) {
        let to = self.world.machines[self.there].name;
        while !self.is_over() {
            self.rest(300).await;
            let number = self.next();
            let body = letter(&self.name, number);
            lock(&self.truth().letters).sending(&body);
            // It is one's own daemon that keeps it until it is delivered.
            let sent = self.caller().json("message send", Method::POST, "/api/v1/messages", None, &json!({ "to": to, "body": body })).await;
            if sent.done().is_some() {
                lock(&self.truth().letters).sent(&body);
            }
        }
    }

    /// Reads the inbox and acknowledges what is in it; goes on after the end until all has come.
    pub async fn read_letters(mut self) {
        let ended = |client: &Self, over: Option<Instant>| {
            let nothing_is_missing = lock(&client.truth().letters).missing().is_empty();
            over.is_some_and(|over| {
                over.elapsed() > Duration::from_secs(2) && (nothing_is_missing || over.elapsed() > Duration::from_secs(30))
            })
        };
        let mut over = None;
        while !ended(&self, over) {
            if over.is_none() && self.is_over() {
                over = Some(Instant::now());
            }
            self.rest(100).await;
            let before = lock(&self.truth().letters).all_acked();
            let asked = self.json("inbox", Method::GET, "/api/v1/messages/inbox?wait=1", &Value::Null).await;
            let Some(answer) = asked.done() else { continue };
            let inbox = answer.json();
            for message in inbox["messages"].as_array().into_iter().flatten() {
                let (Some(id), Some(body), Some(sender)) = (message["id"].as_str(), message["body"].as_str(), message["sender"].as_str())
                else {
                    self.wrong(format!("a message that is none: {message}"));
                    continue;
                };
                let what_is_wrong = lock(&self.truth().letters).came(body, id, sender);
                what_is_wrong.into_iter().for_each(|what| self.wrong(what));
                if before.contains(id) {
                    self.wrong(format!("the message {body:?} ({id}) was acknowledged and came back"));
                }
                let target = format!("/api/v1/messages/{id}/ack");
                if self.json("message ack", Method::POST, &target, &Value::Null).await.done().is_some() {
                    lock(&self.truth().letters).acked(id);
                }
            }
        }
        let missing = lock(&self.truth().letters).missing();
        if !missing.is_empty() {
            self.wrong(format!("{} messages never came: {:?}", missing.len(), &missing[..missing.len().min(5)]));
        }
    }

    /// Puts agents to work, and opens terminals.
    pub async fn employ(mut self) {
        while !self.is_over() {
            self.rest(1500).await;
            let begun = Instant::now();
            let token = self.token();
            if self.count.is_multiple_of(2) {
                self.terminal(&token).await;
                continue;
            }
            let steps = json!([{ "tool": "Bash", "input": { "command": format!("echo {token}") }, "free": true }, { "text": token }]);
            let task = json!({ "prompt": format!("<fake>{steps}</fake>"), "queue": true });
            let Some(answer) = self.json("task create", Method::POST, "/api/v1/ai-tasks", &task).await.done() else { continue };
            let target = format!("/api/v1/ai-tasks/{}", answer.json()["taskId"].as_str().unwrap_or_default());
            let mut has_ended = false;
            while !has_ended && begun.elapsed() < Duration::from_secs(90) {
                self.rest(300).await;
                match self.json("task get", Method::GET, &target, &Value::Null).await {
                    Outcome::Done(answer) => {
                        let task = answer.json();
                        let status = task["status"].as_str().unwrap_or_default();
                        has_ended = !["pending", "running", "waiting_approval"].contains(&status);
                        let is_right = status == "completed" && task["result"] == *token;
                        if has_ended && !is_right && self.tally().is_calm_since(begun) {
                            self.wrong(format!("{token}: {task}"));
                        }
                    }
                    Outcome::Refused(Code::AiTaskNotFound, _) => {
                        self.wrong(format!("the task of {token} is gone"));
                        break;
                    }
                    _ => {}
                }
            }
            if has_ended {
                self.json("task delete", Method::DELETE, &target, &Value::Null).await;
            } else if self.tally().is_calm_since(begun) {
                self.wrong(format!("the task of {token} does not end"));
            }
        }
    }
    async fn terminal(&mut self, token: &str) {
        let open = json!({ "command": "sh", "args": ["-c", "echo $0; sleep 20", token], "name": token });
        let Some(answer) = self.json("terminal open", Method::POST, "/api/v1/terminals", &open).await.done() else { return };
        let target = format!("/api/v1/terminals/{}", answer.json()["terminalId"].as_str().unwrap_or_default());
        self.rest(500).await;
        self.json("terminal get", Method::GET, &target, &Value::Null).await;
        self.json("terminal end", Method::DELETE, &target, &Value::Null).await;
    }

    /// Uses the program as people do.
    pub async fn type_commands(mut self) {
        while !self.is_over() {
            self.rest(3000).await;
            let (begun, token) = (Instant::now(), self.token());
            let (machine, peer) = (self.world.machines[self.here].clone(), self.world.machines[self.there].name);
            let mut command = machine.command(&["exec", peer, "echo", &token]);
            let Ok(Ok(output)) = tokio::task::spawn_blocking(move || command.output()).await else { continue };
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let is_done = output.status.success();
            self.tally().count("program", if is_done { Ended::Done } else { Ended::Refused });
            let is_right = if is_done { out == format!("{token}\n") } else { !err.is_empty() && !err.contains("panicked") };
            if !is_right || !is_done && self.tally().is_calm_since(begun) {
                self.wrong(format!("{token}: {out:?} {err:?}"));
            }
        }
    }
}

/// What a content is known by.
pub fn sum(content: &[u8]) -> String {
    digest(&SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
