//! `loopsy connect`: sets up a machine that still runs the Node version, which can't pair.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use serde_yaml::Value;

use super::key;
use crate::api::peers::{DEFAULT_PORT, PeerCheck, PeerFind, PeerFindings};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::{Error, Result, id};
use crate::cli::app::Connect;
use crate::cli::{Session, ask};
use crate::home::config::{Config, ManualPeer};
use crate::home::config_file::{self, Document};
use crate::net::socket::own_address_towards;
use crate::net::tls;
use crate::net::{Address, Network};
use crate::platform::host;

/// How long the other machine has to show what it speaks.
const LOOK: Duration = Duration::from_secs(3);
/// What plaintext means.
const PLAINTEXT: &str = "\
The Node version speaks plaintext only: whoever can listen on the network between the two machines can read the key, the
commands and the files, and can change them. Do this only on a network that you trust as you trust your own cable.";

/// Which machine is set up, and what it is called here.
struct Plan {
    address: Address,
    name: String,
}

/// Makes a key for the two machines, stores it here, and says what to enter on the other.
pub fn run(session: &Session, args: &Connect) -> Result<ExitCode> {
    let config = config_file::load(&session.home)?.config;
    let Some(plan) = session.wait(plan(session, args, &config))? else {
        session.console.note("Nothing was changed.");
        return Ok(ExitCode::FAILURE);
    };
    let key = Secret::generate()?;
    let before = session.link().ok();
    let loaded = config_file::edit_shared(&session.home, |document| enter(document, &plan, &key))?;
    loaded.warnings.iter().for_each(|warning| session.console.warn(warning));
    let has_daemon = before.is_some();
    key::take_up(session, before)?;
    tell(session, &config, &plan, &key)?;
    let untested = args.yes || session.console.wants_json();
    if untested || !has_daemon {
        let start = if has_daemon { "" } else { "loopsy start, then: " };
        session.console.note(format!("When that is done: {start}loopsy peers ping {}", plan.name));
        return Ok(ExitCode::SUCCESS);
    }
    session.wait(test(session, &plan))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for what was not given; none where the user does not want to go on.
async fn plan(session: &Session, args: &Connect, config: &Config) -> Result<Option<Plan>> {
    let console = &session.console;
    let text = match &args.address {
        Some(address) => address.clone(),
        None => ask::line(console, "Address of the other machine: ").await?,
    };
    let address = Address::parse(&text, DEFAULT_PORT)?;
    refuse_announced(session, &text).await?;
    refuse_pairable(&address).await?;
    let usual = usual_name(&address);
    let name = match &args.name {
        Some(name) => name.clone(),
        None if args.yes => usual,
        None => Some(ask::line(console, &format!("Name for it here [{usual}]: ")).await?).filter(|name| !name.is_empty()).unwrap_or(usual),
    };
    id::check_name("name", &name)?;
    if config.tls.pinned_certs.contains_key(&name) {
        return Err(Error::invalid(format!("{name} is paired already, which is better"))
            .hint("Choose another name with --name, or remove that peer first: loopsy peers remove"));
    }
    if args.yes {
        return Ok(Some(Plan { address, name }));
    }
    if config.auth.allowed_keys.contains_key(&name) && !ask::yes(console, &format!("{name} has a key already. Replace it?")).await? {
        return Ok(None);
    }
    console.note(PLAINTEXT);
    let agreed = ask::yes(console, &format!("Speak plaintext with {name}?")).await?;
    Ok(agreed.then_some(Plan { address, name }))
}

/// A machine that is announced under this name, and says that it speaks TLS, is to be paired.
async fn refuse_announced(session: &Session, name: &str) -> Result<()> {
    let Ok(link) = session.link() else { return Ok(()) };
    match link.call(&PeerFind { node_id: name.to_owned() }).await {
        Ok(peer) if !peer.trusted && !peer.manually_added && peer.tls == Some(true) => {
            Err(pairable(name, &Address::new(&peer.address, peer.port)?))
        }
        _ => Ok(()),
    }
}

/// A machine that speaks TLS runs this program, and is to be paired. One that does not answer yet may be anything.
async fn refuse_pairable(address: &Address) -> Result<()> {
    let greeting = async {
        let stream = Network::Sockets.dial(address).await.ok()?;
        tls::Client::new(None).ok()?.connect(stream).await.ok()
    };
    match tokio::time::timeout(LOOK, greeting).await {
        Ok(Some(_)) => Err(pairable(&address.to_string(), address)),
        _ => Ok(()),
    }
}

fn pairable(name: &str, address: &Address) -> Error {
    Error::invalid(format!("{name} does not run the Node version: it can be paired, which is better"))
        .hint(format!("loopsy pair {address}"))
}

/// What the machine is called unless somebody says otherwise: its host name, or its address.
fn usual_name(address: &Address) -> String {
    let host = address.host.as_str();
    let name = if address.ip().is_some() { host } else { host.split('.').next().unwrap_or(host) };
    id::to_name(name)
}

/// All that makes it a peer, in one change.
fn enter(document: &mut Document, plan: &Plan, key: &Secret) -> Result<()> {
    let Plan { address, name } = plan;
    document.set(&["auth", "allowedKeys", name], key.expose())?;
    let mut plain: Vec<String> = list(document, &["tls", "allowPlaintext"])?;
    if !plain.contains(name) {
        plain.push(name.clone());
        document.set(&["tls", "allowPlaintext"], plain)?;
    }
    let mut manual: Vec<ManualPeer> = list(document, &["discovery", "manualPeers"])?;
    let is_same = |peer: &ManualPeer| peer.hostname.as_ref() == Some(name) || (&peer.address, peer.port) == (&address.host, address.port);
    manual.retain(|peer| !is_same(peer));
    manual.push(ManualPeer { address: address.host.clone(), port: address.port, hostname: Some(name.clone()) });
    document.set(&["discovery", "manualPeers"], manual)
}

fn list<T: serde::de::DeserializeOwned>(document: &Document, path: &[&str]) -> Result<Vec<T>> {
    let value = document.get(path).cloned().unwrap_or(Value::Null);
    let list: Option<Vec<T>> =
        serde_yaml::from_value(value).map_err(|error| Error::internal("a list of the configuration can't be read", error))?;
    Ok(list.unwrap_or_default())
}

/// Says what to enter on the other machine: the one time that the key is shown.
fn tell(session: &Session, config: &Config, plan: &Plan, key: &Secret) -> Result<()> {
    let Plan { address, name } = plan;
    let here = config.server.hostname.clone().unwrap_or_else(host::hostname);
    let port = crate::home::instance::Instance::running(&session.home).map_or(config.server.port, |running| running.address.port());
    let own = own_address_towards(address).map(|ip| ip.to_string());
    if session.console.wants_json() {
        let there = json!({ "name": here, "address": own, "port": port });
        return session
            .console
            .json(&json!({ "name": name, "address": address.host, "port": address.port, "key": key.expose(), "there": there }));
    }
    let own = own.unwrap_or_else(|| "<address of this machine>".into());
    session.console.line(format!(
        "{name} is set up here. On {host}, enter this in ~/.loopsy/config.yaml and restart Loopsy:\n
auth:
  allowedKeys:
    {here:?}: \"{key}\"
discovery:
  manualPeers:
    - address: {own}
      port: {port}
      hostname: {here:?}\n",
        host = printable(&address.host),
        key = key.expose(),
    ))
}

/// Tests the connection when the other side is ready, again and again until it stands or the user leaves it.
async fn test(session: &Session, plan: &Plan) -> Result<()> {
    let name = &plan.name;
    let later = || session.console.note(format!("Test it later with: loopsy peers ping {name}"));
    let mut failed = None;
    loop {
        let again = if failed.is_none() { "Press Enter when that is done, to test it" } else { "Press Enter to try again" };
        match (ask::line(&session.console, &format!("{again}, or type skip: ")).await, failed) {
            (Ok(answer), _) if answer.is_empty() => {}
            (Ok(_), _) | (Err(_), None) => {
                later();
                return Ok(());
            }
            // Nobody is there to mend it.
            (Err(_), Some(error)) => return Err(error),
        }
        let findings = session.link()?.call(&PeerCheck { node_id: name.clone() }).await?;
        match judge(plan, &findings) {
            Ok(words) => {
                session.console.note(words);
                return Ok(());
            }
            Err(error) => {
                session.console.failure(&error);
                failed = Some(error);
            }
        }
    }
}

/// Whether the connection stands; if not, what stands in its way.
fn judge(Plan { address, name }: &Plan, findings: &PeerFindings) -> Result<String> {
    match &findings.error {
        Some(error) if findings.key_accepted == Some(false) => Err(Error::new(error.code, format!("{name} does not accept the key yet"))
            .hint("Check auth.allowedKeys in its config.yaml, and restart Loopsy there: the Node version reads it at the start only.")),
        Some(error) => Err(error.clone()),
        None if findings.capabilities.iter().any(|capability| capability == "exec-v2") => Err(pairable(name, address)),
        None => {
            let latency = findings.latency_ms.unwrap_or_default();
            Ok(format!("{name} answers in {latency:.1} ms and accepts the key. Try: loopsy exec {name} uname -a"))
        }
    }
}
