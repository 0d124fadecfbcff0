//! Commands on another machine.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::Events;
use crate::api::execute::{Command, ExecuteEvent, ExecuteEventType, ExecuteStream, Executed};
use crate::base::{Code, Error, Result};
use crate::mcp::answer::{cut, gap};
use crate::mcp::call::Call;
use crate::mcp::tool::Action;

/// Bytes of standard output and of standard error that are shown.
const OUT_SHOWN: usize = 32 * 1024;
const ERR_SHOWN: usize = 16 * 1024;
/// Bytes of output in one progress message.
const PROGRESS_SHOWN: usize = 4 * 1024;
/// Shortest time between two progress messages: a flood of lines is told in bundles.
const PACE: Duration = Duration::from_millis(50);

/// `loopsy_execute`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Run {
    /// Program; with shell, a whole line such as "ls | wc -l".
    command: String,
    /// Its arguments, one each.
    args: Option<Vec<String>>,
    /// Folder to run it in; the home folder unless given.
    cwd: Option<String>,
    /// Environment variables to add.
    env: Option<BTreeMap<String, String>>,
    /// Text for its standard input.
    stdin: Option<String>,
    /// Milliseconds until it is ended; 0 for no limit.
    timeout: Option<u64>,
    /// Have the user's shell run command.
    shell: Option<bool>,
}

impl Action for Run {
    type Answer = Executed;

    async fn act(self, call: &Call) -> Result<Executed> {
        let command = Command {
            command: self.command,
            args: self.args,
            cwd: self.cwd,
            env: self.env,
            timeout: self.timeout,
            stdin: self.stdin,
            shell: self.shell,
            ..Command::default()
        };
        let began = Instant::now();
        let events = call.line()?.call(&ExecuteStream(command)).await?;
        let mut done = Reading::new(call).read(events).await?;
        done.duration = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(done)
    }
    fn tell(done: &Executed, call: &Call) -> String {
        let end = match (done.timed_out, &done.signal, done.exit_code) {
            (true, ..) => "It ran out of time and was ended".to_owned(),
            (_, Some(signal), _) => format!("It was ended by {signal}"),
            (.., Some(code)) => format!("Exit code {code}"),
            _ => "It ended without an exit code".into(),
        };
        let mut text = format!("{end} after {} ms on {}.", done.duration, call.place());
        for (name, output) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
            if !output.is_empty() {
                text.push_str(&format!("\n{name}:\n{output}"));
            }
        }
        text
    }
}

/// Output of which the head and the tail are kept.
#[derive(Debug)]
struct Kept {
    head: String,
    tail: String,
    most: usize,
    total: usize,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self { head: String::new(), tail: String::new(), most, total: 0 }
    }
    fn push(&mut self, text: &str) {
        self.total += text.len();
        let room = (self.most / 2).saturating_sub(self.head.len());
        // Once something went to the tail, all does.
        let (head, tail) = if self.tail.is_empty() { text.split_at(text.floor_char_boundary(room)) } else { ("", text) };
        self.head.push_str(head);
        self.tail.push_str(tail);
        if self.tail.len() > 2 * self.most {
            self.trim();
        }
    }
    fn trim(&mut self) {
        let from = self.tail.ceil_char_boundary(self.tail.len().saturating_sub(self.most / 2));
        self.tail.drain(..from);
    }
    /// The output, and whether something was left out.
    fn finish(mut self) -> (String, bool) {
        if self.total > self.most {
            self.trim();
        }
        let left_out = self.total - self.head.len() - self.tail.len();
        if left_out == 0 {
            return (self.head + &self.tail, false);
        }
        let note = gap(left_out, "For all of it, have the command write to a file there and read parts of that.");
        (self.head + &note + &self.tail, true)
    }
}

/// The output of a command on its way.
struct Reading<'a> {
    call: &'a Call,
    streams: [Kept; 2],
    /// Beginnings of lines of each stream.
    unfinished: [String; 2],
    /// Whole lines that have not been told yet.
    untold: String,
    told: Instant,
}

impl<'a> Reading<'a> {
    fn new(call: &'a Call) -> Self {
        let streams = [Kept::new(OUT_SHOWN), Kept::new(ERR_SHOWN)];
        Self { call, streams, unfinished: Default::default(), untold: String::new(), told: Instant::now() - PACE }
    }

    async fn read(mut self, mut events: Events<ExecuteEvent>) -> Result<Executed> {
        loop {
            let due = self.told + PACE;
            let event = tokio::select! {
                event = events.next() => event,
                () = tokio::time::sleep_until(due), if !self.untold.is_empty() => {
                    self.tell().await;
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(Error::new(Code::PeerUnreachable, "the connection broke before the command ended").hint("It was ended there."));
            };
            let event = event?;
            match event.kind {
                ExecuteEventType::Stdout => self.output(0, &event.data),
                ExecuteEventType::Stderr => self.output(1, &event.data),
                ExecuteEventType::Error => return Err(Error::new(Code::ExecFailed, event.data)),
                ExecuteEventType::Exit => return Ok(self.end(event).await),
            }
        }
    }

    fn output(&mut self, stream: usize, text: &str) {
        self.streams[stream].push(text);
        if !self.call.is_watched() {
            return;
        }
        let line = &mut self.unfinished[stream];
        line.push_str(text);
        if let Some(end) = line.rfind('\n') {
            self.untold.extend(line.drain(..=end));
        }
        // A line without an end is told in pieces.
        if line.len() > PROGRESS_SHOWN {
            self.untold.push_str(&std::mem::take(line));
        }
    }

    /// Tells what has come since the last time.
    async fn tell(&mut self) {
        let text = std::mem::take(&mut self.untold);
        // The beginning of a line is told, and counted, with its end: the count has to grow each time.
        let came: usize = self.streams.iter().map(|stream| stream.total).sum();
        let done = came - self.unfinished.iter().map(String::len).sum::<usize>();
        let shown = cut(text.trim_end_matches('\n'), PROGRESS_SHOWN, "The result has more of it.").into_owned();
        self.call.tell(done as f64, None, Some(shown)).await;
        self.told = Instant::now();
    }

    async fn end(mut self, event: ExecuteEvent) -> Executed {
        for line in &mut self.unfinished {
            self.untold.push_str(&std::mem::take(line));
        }
        if !self.untold.is_empty() {
            self.tell().await;
        }
        let [(stdout, out_cut), (stderr, err_cut)] = self.streams.map(Kept::finish);
        let timed_out = event.timed_out.unwrap_or(false);
        Executed {
            job_id: event.job_id,
            exit_code: event.exit_code.or_else(|| event.data.parse().ok()),
            stdout,
            stderr,
            duration: 0,
            killed: timed_out,
            timed_out,
            signal: event.signal,
            truncated: out_cut || err_cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(most: usize, pieces: &[&str]) -> (String, bool) {
        let mut kept = Kept::new(most);
        for piece in pieces {
            kept.push(piece);
        }
        kept.finish()
    }

    #[test]
    fn short_output_is_whole_and_long_output_keeps_both_ends() {
        assert_eq!(kept(10, &["ab", "cd", "efgh", "ij"]), ("abcdefghij".into(), false));
        let (text, truncated) = kept(10, &["abcdefgh", &"x".repeat(1000), "yz"]);
        assert!(truncated && text.starts_with("abcde\n[… 1000 bytes") && text.ends_with("]\nxxxyz"), "{text}");
        let (text, _) = kept(9, &[&"ö".repeat(500)]);
        assert!(text.starts_with("öö\n") && text.ends_with("\nöö"), "{text}");
    }
    #[test]
    fn a_flood_takes_no_more_memory_than_is_shown() {
        let mut flood = Kept::new(1000);
        for _ in 0..10_000 {
            flood.push(&"z".repeat(500));
        }
        assert!(flood.head.len() + flood.tail.len() < 4000);
        let (text, _) = flood.finish();
        assert!(text.contains("4999000 bytes"), "{text}");
    }
}
