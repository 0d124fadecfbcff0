//! Commands on this machine.

use std::collections::VecDeque;

use futures_util::stream;

use super::Daemon;
use crate::api::execute::{
    Cancelled, Execute, ExecuteCancel, ExecuteEvent, ExecuteEventType, ExecuteSocket, ExecuteStream, Executed, JobList, Jobs,
};
use crate::api::{Caller, Events};
use crate::base::{Result, clock};
use crate::http::websocket::Socket;
use crate::http::{Serve, ServeSocket};
use crate::service::jobs::{Decoder, Ended, Input, JobHandle, Output, PIECE};

impl Serve<Execute> for Daemon {
    async fn serve(&self, caller: &Caller, op: Execute) -> Result<Executed> {
        self.jobs.run(caller, op.0).await
    }
}

impl Serve<ExecuteStream> for Daemon {
    async fn serve(&self, caller: &Caller, op: ExecuteStream) -> Result<Events<ExecuteEvent>> {
        let job = self.jobs.start(caller, op.0, Input::Given).await?;
        Ok(events(job))
    }
}

impl ServeSocket<ExecuteSocket> for Daemon {
    async fn serve_socket(&self, caller: Caller, _: ExecuteSocket, socket: Socket) {
        super::execute_socket::serve(&self.jobs, &caller, socket).await;
    }
}

impl Serve<ExecuteCancel> for Daemon {
    async fn serve(&self, caller: &Caller, op: ExecuteCancel) -> Result<Cancelled> {
        self.jobs.cancel(caller, &op.job_id)?;
        Ok(Cancelled { success: true, job_id: op.job_id })
    }
}

impl Serve<JobList> for Daemon {
    async fn serve(&self, caller: &Caller, _: JobList) -> Result<Jobs> {
        Ok(Jobs { jobs: self.jobs.list(caller) })
    }
}

/// A job's output as events of text. The job is asked for more only when the reader wants the next event, and is
/// cancelled when the stream is dropped.
fn events(job: JobHandle) -> Events<ExecuteEvent> {
    let texts = Texts { job, stdout: Decoder::default(), stderr: Decoder::default(), ready: VecDeque::new() };
    Box::pin(stream::unfold(texts, |mut texts| async move {
        let event = texts.next().await?;
        Some((Ok(event), texts))
    }))
}

struct Texts {
    job: JobHandle,
    stdout: Decoder,
    stderr: Decoder,
    /// Events that are to go out before more is read.
    ready: VecDeque<ExecuteEvent>,
}

impl Texts {
    async fn next(&mut self) -> Option<ExecuteEvent> {
        while self.ready.is_empty() {
            match self.job.next().await? {
                Output::Stdout(bytes) => {
                    let text = self.stdout.push(&bytes);
                    self.text(ExecuteEventType::Stdout, &text);
                }
                Output::Stderr(bytes) => {
                    let text = self.stderr.push(&bytes);
                    self.text(ExecuteEventType::Stderr, &text);
                }
                Output::Ended(ended) => {
                    let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
                    self.text(ExecuteEventType::Stdout, &stdout);
                    self.text(ExecuteEventType::Stderr, &stderr);
                    self.exit(ended);
                }
            }
        }
        self.ready.pop_front()
    }

    fn text(&mut self, kind: ExecuteEventType, mut text: &str) {
        // Bytes that are no text grow three-fold when they are marked, so one piece may be too much for one event.
        while !text.is_empty() {
            let (event, rest) = text.split_at(text.floor_char_boundary(PIECE));
            self.push(kind, event.into(), Ended::default());
            text = rest;
        }
    }

    fn exit(&mut self, ended: Ended) {
        let code = ended.exit_code.map(|code| code.to_string()).unwrap_or_default();
        self.push(ExecuteEventType::Exit, code, ended);
    }

    fn push(&mut self, kind: ExecuteEventType, data: String, ended: Ended) {
        let timed_out = (kind == ExecuteEventType::Exit).then_some(ended.timed_out);
        let job_id = self.job.id().to_owned();
        let Ended { exit_code, signal, .. } = ended;
        self.ready.push_back(ExecuteEvent { kind, data, job_id, timestamp: clock::now(), exit_code, signal, timed_out });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::service::jobs::testing::{jobs, owner, sh};

    async fn stream_of(script: &str) -> Vec<ExecuteEvent> {
        let jobs = jobs();
        let job = jobs.start(&owner(), sh(script), Input::Given).await.unwrap();
        events(job).map(Result::unwrap).collect().await
    }

    /// known fault 44
    #[tokio::test]
    async fn characters_stay_whole_and_events_small() {
        let events = stream_of("printf '\\342\\202'; sleep 0.1; printf '\\254x\\377'; head -c 200000 /dev/zero | tr '\\0' '\\200'").await;
        assert!(events.iter().all(|event| event.data.len() <= PIECE));
        let text: String = events.iter().filter(|event| event.kind == ExecuteEventType::Stdout).map(|event| event.data.as_str()).collect();
        assert_eq!(text, format!("€x\u{fffd}{}", "\u{fffd}".repeat(200_000)));
        let last = events.last().unwrap();
        assert_eq!((last.data.as_str(), last.exit_code, last.timed_out), ("0", Some(0), Some(false)));
    }
    /// known fault 52
    #[tokio::test]
    async fn a_signalled_command_is_never_reported_as_zero() {
        let events = stream_of("kill -9 $$").await;
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].kind, events[0].data.as_str(), events[0].exit_code), (ExecuteEventType::Exit, "", None));
        assert_eq!(events[0].signal.as_deref(), Some("SIGKILL"));
    }
}
