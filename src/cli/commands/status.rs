//! `loopsy status`: how the daemon is, in a few lines.

use std::process::ExitCode;
use std::time::Duration;

use crate::api::node::{Status, StatusGet};
use crate::base::text::printable;
use crate::base::{Result, units};
use crate::cli::Session;
use crate::cli::console::Colour;
use crate::client::local;
use crate::home::Home;
use crate::home::instance::{Instance, Running};
use crate::net::Network;

/// Prints the summary, or with `--json` the API's own object.
pub fn run(session: &Session) -> Result<ExitCode> {
    of(session, &session.home)
}

/// The same of the daemon of another home.
pub fn of(session: &Session, home: &Home) -> Result<ExitCode> {
    let link = local::link(home, &Network::Sockets)?;
    let status = session.wait(async { link.call(&StatusGet {}).await })?;
    if session.console.wants_json() {
        session.console.json(&status)?;
        return Ok(ExitCode::SUCCESS);
    }
    let running = Instance::running(home);
    let up = session.console.paint(Colour::Green, "running");
    for (name, text) in summary(&status, running.as_ref(), &up) {
        session.console.line(format!("{name:<10}{text}"))?;
    }
    status.warnings.iter().for_each(|warning| session.console.warn(warning));
    Ok(ExitCode::SUCCESS)
}

fn summary(status: &Status, running: Option<&Running>, up: &str) -> Vec<(&'static str, String)> {
    let place = running.map_or_else(String::new, |running| format!(", process {}, port {}", running.pid, running.address.port()));
    let uptime = units::duration(Duration::from_millis(status.uptime));
    let build = status.build.as_deref().unwrap_or(&status.version);
    let plain = if status.tls { "required of other machines" } else { "offered; plaintext from other machines is taken too" };
    let mut lines = vec![
        ("Daemon", format!("{up}{place}, up {uptime}")),
        ("Machine", printable(&format!("{} ({}), node {}", status.hostname, status.platform, status.node_id))),
        ("Version", printable(build)),
        ("Peers", format!("{} online, {} offline", status.peers.online, status.peers.offline)),
        ("Jobs", format!("{} running, {} since the start", status.jobs.active, status.jobs.total)),
        ("Context", format!("{} entries", status.context.entries)),
        ("TLS", plain.to_owned()),
    ];
    if let Some(session) = &status.session {
        lines.insert(1, ("Session", printable(session)));
    }
    if let Some(messages) = &status.messages {
        lines.push(("Messages", format!("{} unread, {} on their way", messages.unread, messages.queued)));
    }
    if let Some(certificate) = &status.certificate {
        lines.push(("Shows", format!("certificate {}", printable(&certificate.fingerprint))));
    }
    if !status.restart_needed.is_empty() {
        lines.push(("Restart", format!("needed for {}", status.restart_needed.join(", "))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::node::{ContextCounts, JobCounts, MessageCounts, PeerCounts};

    #[test]
    fn the_summary_is_short_and_names_what_needs_a_restart() {
        let status = Status {
            node_id: "1-2".into(),
            hostname: "leo".into(),
            session: None,
            platform: "linux".into(),
            version: "1.0.0".into(),
            uptime: 200_000,
            peers: PeerCounts { total: 3, online: 2, offline: 1 },
            jobs: JobCounts { active: 1, total: 7 },
            context: ContextCounts { entries: 5 },
            ai_tasks: None,
            terminals: 0,
            messages: Some(MessageCounts { unread: 2, queued: 0 }),
            build: None,
            tls: true,
            certificate: None,
            restart_needed: vec!["server.port".into()],
            warnings: Vec::new(),
        };
        let running = Running { pid: 42, started: None, address: ([127, 0, 0, 1], 19532).into() };
        let lines = summary(&status, Some(&running), "running");
        assert_eq!(lines[0].1, "running, process 42, port 19532, up 3 m 20 s");
        assert_eq!(lines[3].1, "2 online, 1 offline");
        assert_eq!(lines.last().unwrap().1, "needed for server.port");
    }
}
