//! `loopsy events`: what happens on the daemon, as it happens.

use std::process::ExitCode;

use futures_util::StreamExt;

use super::log_lines::time;
use crate::api::events::{EventWatch, Notice, NoticeType};
use crate::base::Result;
use crate::base::text::printable;
use crate::cli::{Session, app};

/// Prints events until Ctrl-C, or until the daemon ends.
pub fn run(session: &Session, args: &app::Events) -> Result<ExitCode> {
    let kinds = Some(args.kind.join(",")).filter(|kinds| !kinds.is_empty());
    session.wait(async {
        let mut events = session.link()?.call(&EventWatch { since: args.since, kinds }).await?;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            match event.transpose()? {
                None => return Ok(()),
                Some(event) if session.console.wants_json() => session.console.json_line(&event)?,
                Some(event) if event.kind == NoticeType::Hello => {}
                Some(event) => session.console.line(words(&event))?,
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn words(event: &Notice) -> String {
    if event.kind == NoticeType::Reset {
        return format!("{}  what happened before this is no longer known", time(event.ts));
    }
    let peer = event.peer.iter().map(|peer| format!("peer={peer}"));
    let details =
        event.details.iter().map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    let parts = [event.kind.name().to_owned(), event.action.clone(), event.subject.clone()].into_iter().chain(peer).chain(details);
    printable(&format!("{}  {}", time(event.ts), parts.collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = Notice::new(NoticeType::Job, "ended", "j1\n\u{1b}[2J").peer(Some("kai")).detail("exitCode", 3).detail("signal", "x");
        assert!(words(&event).ends_with("  job ended j1\u{fffd}\u{fffd}[2J peer=kai exitCode=3 signal=x"), "{}", words(&event));
    }
}
