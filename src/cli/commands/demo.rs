//! `loopsy demo`: two daemons in throw-away homes show each other what Loopsy does.

use std::path::PathBuf;
use std::process::{Child, ExitCode};
use std::time::Instant;

use crate::api::context::{ContextGet, ContextSet};
use crate::api::execute::{self, Execute};
use crate::api::messages::{MessageAck, MessageAcks, MessageInbox, MessageSend, MessageState, Received};
use crate::api::node::{DaemonStop, IdentityGet};
use crate::api::pairing::{PairConfirm, PairConnect, PairPhase, PairStart, PairStatus};
use crate::base::secret::Secret;
use crate::base::{Code, Error, Result, units};
use crate::cli::Session;
use crate::client::files::Files;
use crate::client::{Link, local};
use crate::fleet::launch;
use crate::home::Home;
use crate::net::Network;
use crate::platform::files;

/// Bytes of the file that travels.
const FILE: usize = 8 * 1024 * 1024;

/// Shows it.
pub fn run(session: &Session) -> Result<ExitCode> {
    let stage = Stage::build()?;
    session.wait(async {
        let mut steps = Steps { session, last: Instant::now() };
        let (leo, kai) = (stage.machine("leo")?, stage.machine("kai")?);
        steps.done("two daemons, leo and kai, started on this machine");
        let result = tokio::select! {
            result = show(&mut steps, &stage, &leo, &kai) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::new(Code::Internal, "interrupted; nothing is left behind")),
        };
        let stopped = futures_util::future::join(leo.stop(), kai.stop()).await;
        result?;
        stopped.0?;
        stopped.1?;
        steps.done("both stopped; nothing is left behind");
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn show(steps: &mut Steps<'_>, stage: &Stage, leo: &Machine, kai: &Machine) -> Result<()> {
    let (leo_link, kai_link) = (leo.link()?, kai.link()?);
    let code = leo_link.call(&PairStart::default()).await?.invite_code;
    let connect = PairConnect { address: "127.0.0.1".into(), port: leo.port, code };
    let digits = kai_link.call(&connect).await?.sas;
    expect(digits.is_some() && digits == leo_link.call(&PairStatus::default()).await?.sas, "the two screens show different digits")?;
    for link in [&leo_link, &kai_link] {
        link.call(&PairConfirm { confirmed: true, ..PairConfirm::default() }).await?;
    }
    for link in [&leo_link, &kai_link] {
        paired(link).await?;
    }
    steps.done(&format!("leo and kai are paired: both showed {}, and each has pinned the other", digits.unwrap_or_default()));

    let to_kai = leo_link.via("kai");
    let ran = to_kai.call(&Execute(execute::Command { command: "hostname".into(), ..Default::default() })).await?;
    expect(ran.exit_code == Some(0) && !ran.stdout.is_empty(), "the command failed")?;
    steps.done(&format!("leo ran a command on kai: hostname said {:?}", ran.stdout.trim()));

    let content: Vec<u8> = (0..FILE).map(|at| (at * 31 % 251) as u8).collect();
    let (source, there, back) = (stage.dir.join("film.bin"), kai.folder.join("film.bin"), stage.dir.join("back.bin"));
    files::write_private(&source, &content).map_err(|cause| Error::internal("the demo's file can't be written", cause))?;
    let transfer = Files::new(to_kai.clone(), &to_kai.call(&IdentityGet {}).await?.capabilities, std::sync::Arc::new(|_| {}));
    let sent = transfer.push(&source, &there.display().to_string()).await?;
    steps.done(&format!("leo sent kai a file of {}, SHA-256 {}… on both ends", units::size(sent.size), &sent.checksum[..12]));
    transfer.pull(&there.display().to_string(), &back).await?;
    expect(std::fs::read(&back).is_ok_and(|read| read == content), "the file came back changed")?;
    steps.done("leo pulled it back: the same, byte for byte");

    let set =
        ContextSet { key: "demo/greeting".into(), value: "hello from kai".into(), ttl: Some(60.0), if_match: None, if_none_match: None };
    kai_link.via("leo").call(&set).await?;
    let got = leo_link.call(&ContextGet { key: set.key }).await?;
    expect(got.value.as_deref() == Some("hello from kai"), "the value did not arrive")?;
    steps.done("kai shared a value, and leo read it: hello from kai");

    let ask = MessageSend { to: "kai".into(), body: "Is the film good?".into(), ..MessageSend::default() };
    let asked = leo_link.call(&ask).await?.id;
    let letter = first_message(&kai_link).await?;
    expect(letter.envelope.id == asked && letter.envelope.body == ask.body && letter.sender == "leo", "the message came changed")?;
    steps.done(&format!("leo wrote to kai, who was waiting: {:?}", letter.envelope.body));
    kai_link.call(&MessageAck { id: asked.clone() }).await?;
    let acks = leo_link.call(&MessageAcks { peer: "kai".into(), id: Some(asked), wait: Some(10) }).await?;
    expect(acks.state == Some(MessageState::Acked), "the acknowledgement did not come")?;
    steps.done("kai acknowledged the message, and leo knows");
    Ok(())
}

/// The first message of an inbox, as soon as there is one.
async fn first_message(link: &Link) -> Result<Received> {
    let inbox = link.call(&MessageInbox { wait: Some(10), ..MessageInbox::default() }).await?;
    inbox.messages.into_iter().next().ok_or_else(|| Error::new(Code::Internal, "the demo failed: the message did not come"))
}

/// Waits until a machine has its peer.
async fn paired(link: &Link) -> Result<()> {
    let mut state = link.call(&PairStatus::default()).await?;
    while state.active {
        state = link.call(&PairStatus { wait: Some(5), since: Some(state.revision), ..PairStatus::default() }).await?;
    }
    expect(state.state == Some(PairPhase::Completed), state.error.as_deref().unwrap_or("the two could not be paired"))
}

fn expect(held: bool, otherwise: &str) -> Result<()> {
    if held { Ok(()) } else { Err(Error::new(Code::Internal, format!("the demo failed: {otherwise}"))) }
}

/// Says what was done and how long it took.
struct Steps<'a> {
    session: &'a Session,
    last: Instant,
}

impl Steps<'_> {
    fn done(&mut self, what: &str) {
        let took = self.last.elapsed();
        self.last = Instant::now();
        // A reader that has gone away does not spoil the rest.
        let _ = self.session.console.line(format!("{:>8.1} ms  {what}", took.as_secs_f64() * 1000.0));
    }
}

/// A folder that is gone when the demo is, however it ends.
struct Stage {
    dir: PathBuf,
}

impl Stage {
    fn build() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("loopsy-demo-{}", crate::base::id::request()));
        files::create_private_dir(&dir).map_err(|cause| Error::internal("the demo has no place for its files", cause))?;
        Ok(Self { dir })
    }

    /// Starts a daemon in a home of its own.
    fn machine(&self, name: &str) -> Result<Machine> {
        let (root, folder) = (self.dir.join(name), self.dir.join(format!("{name}-files")));
        let unwritable = |cause: std::io::Error| Error::internal("the demo's files can't be written", cause);
        files::create_private_dir(&folder).map_err(unwritable)?;
        let config = serde_json::json!({
            "server": { "host": "127.0.0.1", "port": 0, "hostname": name },
            "auth": { "apiKey": Secret::generate()? },
            "transfer": { "allowedPaths": [folder] },
            "discovery": { "enabled": false },
        });
        files::write_private(&root.join("config.yaml"), config.to_string().as_bytes()).map_err(unwritable)?;
        let home = Home::at(root);
        let (child, ready) = launch::daemon(&home, launch::Ties::Kept)?;
        Ok(Machine { child: Some(child), home, folder, port: ready.port })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What can't be removed is in the system's own folder for such things.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

struct Machine {
    child: Option<Child>,
    home: Home,
    folder: PathBuf,
    port: u16,
}

impl Machine {
    fn link(&self) -> Result<Link> {
        local::link(&self.home, &Network::Sockets)
    }
    async fn stop(mut self) -> Result<()> {
        self.link()?.call(&DaemonStop {}).await?;
        if let Some(mut child) = self.child.take() {
            let ended = crate::base::workers::blocking(move || child.wait()).await?;
            expect(ended.is_ok_and(|status| status.success()), "a daemon did not end well")?;
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
