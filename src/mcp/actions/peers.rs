//! Machines: which there are, and how one is.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::node::{self, StatusGet};
use crate::api::peers::{self, Peer, PeerList, PeerState};
use crate::base::units::duration;
use crate::base::{Result, clock};
use crate::mcp::answer::count;
use crate::mcp::call::Call;
use crate::mcp::tool::Action;

/// `loopsy_list_peers`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Peers {}

impl Action for Peers {
    type Answer = peers::Peers;

    async fn act(self, call: &Call) -> Result<peers::Peers> {
        call.own.link()?.call(&PeerList {}).await
    }
    fn tell(answer: &peers::Peers, _: &Call) -> String {
        if answer.peers.is_empty() {
            return "No other machine is known. The user can pair one: loopsy pair".into();
        }
        let lines: Vec<String> = answer.peers.iter().map(line).collect();
        lines.join("\n")
    }
}

fn line(peer: &Peer) -> String {
    let state = match peer.status {
        PeerState::Online => "online".to_owned(),
        PeerState::Unknown => "not asked yet".into(),
        PeerState::Offline if peer.last_seen == 0 => "offline, never seen".into(),
        PeerState::Offline => {
            let ago = std::time::Duration::from_millis(clock::now().saturating_sub(peer.last_seen));
            format!("offline, last seen {} ago", duration(ago))
        }
    };
    let trust = if peer.trusted { "" } else { ", not paired: it can't be used" };
    format!("{}: {state}{trust}, {}, {}:{}, {}", peer.label(), peer.platform, peer.address, peer.port, peer.capabilities.join(" "))
}

/// `loopsy_peer_status`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Status {}

impl Action for Status {
    type Answer = node::Status;

    async fn act(self, call: &Call) -> Result<node::Status> {
        call.line()?.call(&StatusGet {}).await
    }
    fn tell(status: &node::Status, _: &Call) -> String {
        let mut text = format!(
            "{} ({}) is up since {}: {} running, {} of {} online, {}.",
            status.hostname,
            status.platform,
            duration(std::time::Duration::from_millis(status.uptime)),
            count(status.jobs.active as usize, "job", "jobs"),
            status.peers.online,
            count(status.peers.total as usize, "peer", "peers"),
            count(status.context.entries as usize, "context entry", "context entries"),
        );
        for warning in &status.warnings {
            text.push_str("\nwarning: ");
            text.push_str(warning);
        }
        text
    }
}
