//! `loopsy message`: what machines, and the agents on them, tell one another.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use crate::api::messages::{
    Acks, ENVELOPE_BYTES, EVERYBODY, Inbox, LONGEST_WAIT, MessageAck, MessageAcks, MessageInbox, MessageOutbox, MessageSend, MessageSent,
    MessageState, Received, Sent,
};
use crate::base::text::{one_line, printable};
use crate::base::units::{self, parse_duration};
use crate::base::{Code, Error, Result, clock};
use crate::cli::Session;
use crate::cli::app::Message;
use crate::cli::console::Colour;
use crate::cli::input;
use crate::client::Link;

/// Characters of a body that the outbox shows.
const SHOWN: usize = 60;

/// Carries out the command.
pub fn run(session: &Session, action: Message) -> Result<ExitCode> {
    session.wait(async {
        let link = session.link()?;
        match action {
            Message::Send { to, body, kind, subject, reply_to, ttl, wait } => {
                let body = text_of(body)?;
                let ttl = ttl.map(|ttl| parse_duration(&ttl).map(|ttl| ttl.as_secs_f64())).transpose()?;
                let wait = wait.as_deref().map(parse_duration).transpose()?;
                if wait.is_some() && to.trim() == EVERYBODY {
                    return Err(
                        Error::invalid("--wait is for a message to one peer").hint("See who has acknowledged: loopsy message outbox")
                    );
                }
                send(session, &link, MessageSend { to, kind, body, reply_to, subject, ttl }, wait).await
            }
            Message::Inbox { follow: true, .. } => follow(session, &link).await,
            Message::Inbox { wait, limit, .. } => inbox(session, &link, wait.as_deref().map(parse_duration).transpose()?, limit).await,
            Message::Ack { ids } => ack(session, &link, ids).await,
            Message::Outbox { limit } => outbox(session, &link, limit).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn text_of(body: Option<String>) -> Result<String> {
    match body {
        Some(body) if body != "-" => Ok(body),
        None if std::io::stdin().is_terminal() => {
            Err(Error::invalid("the message is missing").hint("Give it after the peer, or - to type it."))
        }
        _ => input::text(std::io::stdin().lock(), "standard input", ENVELOPE_BYTES as u64 + 1),
    }
}

async fn send(session: &Session, link: &Link, message: MessageSend, wait: Option<Duration>) -> Result<()> {
    let sent = link.call(&message).await?;
    let names: Vec<_> = sent.to.iter().map(|to| printable(&to.peer)).collect();
    if session.console.wants_json() {
        session.console.json(&sent)?;
    } else {
        session.console.line(&sent.id)?;
        session.console.note(format!("Taken for {}; see where it is with: loopsy message outbox", names.join(", ")));
    }
    let Some(wait) = wait else { return Ok(()) };
    let acks = acknowledged(link, &sent, wait).await?;
    match acks.state {
        Some(MessageState::Acked) => {
            session.console.note(format!("{} acknowledged it", names.join(", ")));
            Ok(())
        }
        state => Err(Error::new(Code::Internal, format!("it is not acknowledged; it is {}", state.map_or("unknown", MessageState::name)))
            .hint("It stays on its way; see where it is with: loopsy message outbox")),
    }
}

/// Waits until a message is acknowledged, has failed or expired, or the time is over.
async fn acknowledged(link: &Link, sent: &MessageSent, wait: Duration) -> Result<Acks> {
    let peer = sent.to.first().map(|to| to.peer.clone()).unwrap_or_default();
    let mut asking = MessageAcks { peer, id: Some(sent.id.clone()), wait: None };
    for wait in portions(wait) {
        asking.wait = Some(wait);
        let acks = link.call(&asking).await?;
        if !matches!(acks.state, Some(MessageState::Queued | MessageState::Delivered)) {
            return Ok(acks);
        }
    }
    asking.wait = None;
    link.call(&asking).await
}

/// A long wait as several that a daemon grants.
fn portions(wait: Duration) -> impl Iterator<Item = u64> {
    let all = wait.as_secs_f64().ceil() as u64;
    (0..all.div_ceil(LONGEST_WAIT).max(1)).map(move |portion| (all - portion * LONGEST_WAIT).min(LONGEST_WAIT))
}

async fn inbox(session: &Session, link: &Link, wait: Option<Duration>, limit: Option<u64>) -> Result<()> {
    let mut found = Inbox::default();
    let mut asking = MessageInbox { wait: None, since: None, limit };
    for wait in wait.map(|wait| portions(wait).collect()).unwrap_or_else(|| vec![0]) {
        asking.wait = Some(wait);
        found = link.call(&asking).await?;
        if !found.messages.is_empty() {
            break;
        }
    }
    let more = found.more;
    if session.console.wants_json() {
        return session.console.json(&found);
    }
    let is_empty = found.messages.is_empty();
    for message in &found.messages {
        show(session, message)?;
    }
    if is_empty {
        session.console.note("No messages");
    } else if more {
        session.console.note("There are more: acknowledge these, or ask for more with --limit");
    }
    Ok(())
}

async fn follow(session: &Session, link: &Link) -> Result<()> {
    let mut since = 0;
    loop {
        let found = link.call(&MessageInbox { wait: Some(LONGEST_WAIT), since: Some(since), limit: None }).await?;
        since = found.cursor;
        for message in &found.messages {
            if session.console.wants_json() { session.console.json_line(message)? } else { show(session, message)? }
        }
    }
}

/// A message for people: a line that says what it is, then what it says. For a pipe, one line with tabs.
fn show(session: &Session, message: &Received) -> Result<()> {
    let envelope = &message.envelope;
    let subject = envelope.subject.as_deref().unwrap_or_default();
    if !session.console.is_terminal() {
        let kind = if message.malformed.is_some() { "malformed" } else { &envelope.kind };
        let cells = [&envelope.id, &message.sender, kind, subject, &envelope.body].map(printable);
        return session.console.line(cells.join("\t"));
    }
    let age = units::duration(Duration::from_millis(clock::now().saturating_sub(message.received_at)));
    let about = if subject.is_empty() { String::new() } else { format!(": {}", printable(subject)) };
    let head = format!("{}  {} from {}, {age} ago{about}", printable(&envelope.id), printable(&envelope.kind), printable(&message.sender));
    session.console.line(session.console.paint(Colour::Faint, &head))?;
    if let Some(why) = &message.malformed {
        session.console.line(format!("  (not a message as it should be: {}; key {})", printable(why), printable(&message.key)))?;
    }
    for line in envelope.body.lines() {
        session.console.line(format!("  {}", printable(line)))?;
    }
    Ok(())
}

async fn ack(session: &Session, link: &Link, ids: Vec<String>) -> Result<()> {
    let mut failed = None;
    for id in ids {
        match link.call(&MessageAck { id }).await {
            Ok(done) => {
                let words = if done.already { "was acknowledged before" } else { "acknowledged" };
                session.console.done(&done, format!("{} {words}", printable(&done.id)))?;
            }
            // The others can be acknowledged all the same; the first failure is told at the end.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn outbox(session: &Session, link: &Link, limit: Option<u64>) -> Result<()> {
    let outbox = link.call(&MessageOutbox { limit, before: None }).await?;
    if session.console.wants_json() {
        return session.console.json(&outbox);
    }
    let rows: Vec<_> = outbox.messages.iter().flat_map(rows).collect();
    session.console.table(&["ID", "TO", "STATE", "MESSAGE", "WHY"], &rows)
}

fn rows(sent: &Sent) -> Vec<Vec<String>> {
    let shown = one_line(sent.subject.as_ref().unwrap_or(&sent.preview), SHOWN);
    let row = |to: &crate::api::messages::Recipient| {
        vec![sent.id.clone(), to.peer.clone(), to.state.name().to_owned(), shown.clone(), to.reason.clone().unwrap_or_default()]
    };
    sent.to.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_cut_into_pieces_that_are_granted() {
        let cut = |seconds| portions(Duration::from_secs(seconds)).collect::<Vec<_>>();
        assert_eq!(cut(0), [0], "it is asked once at least");
        assert_eq!(cut(5), [5]);
        assert_eq!(cut(LONGEST_WAIT * 2 + 1), [LONGEST_WAIT, LONGEST_WAIT, 1]);
        assert_eq!(portions(Duration::from_millis(1)).collect::<Vec<_>>(), [1]);
    }
}
