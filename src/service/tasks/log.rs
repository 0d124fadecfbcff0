//! What a task did: numbered, bounded, on disk, and followed by any number of readers.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::cut::fitting;
use crate::api::Events;
use crate::api::tasks::{SINCE_IS_A_TIME, TaskEvent, TaskEventType};
use crate::base::clock;
use crate::base::replay::{Follower, Replay, Step};
use crate::base::sync::lock;
use crate::home::config::AiTasks;
use crate::home::log_file::{Rotating, rotated};

/// Pieces of text are gathered to events of about this many bytes.
const GATHER: usize = 2 * 1024;
/// The file of a task's newest events, in the task's folder; one older one is kept beside it.
const FILE: &str = "events.jsonl";
/// While a task goes on.
const OPEN: u64 = u64::MAX;

/// The events of one task.
pub(super) struct Log {
    task_id: String,
    replay: Arc<Replay<TaskEvent>>,
    writing: Mutex<Writing>,
    /// Number of the event with which the task ended; [`OPEN`] while it has not.
    end: AtomicU64,
}

/// What is on its way into the log.
#[derive(Default)]
struct Writing {
    /// Nothing where the log is only read, or can't be written any more.
    file: Option<Rotating>,
    /// Text that becomes an event when there is more of it, or something else follows.
    text: String,
    thinking: bool,
    /// Whether the newest event is text.
    amid_text: bool,
    /// Whether text that follows text begins a new paragraph.
    paragraph: bool,
}

impl Log {
    /// The log of a task, with the events that are in its folder already.
    pub(super) fn open(folder: &Path, task_id: &str, limits: &AiTasks, is_written: bool) -> Self {
        let path = folder.join(FILE);
        let replay = replay(limits);
        for part in [rotated(&path, 1), path.clone()] {
            let bytes = std::fs::read(part).unwrap_or_default();
            // The end of a file may be half a line: the daemon was killed while it wrote.
            for line in bytes.split(|byte| *byte == b'\n') {
                if let Ok(event) = serde_json::from_slice::<TaskEvent>(line) {
                    replay.push(event.seq, event, line.len());
                }
            }
        }
        let file = is_written.then(|| appending(&path, limits)).flatten();
        let end = AtomicU64::new(if is_written { OPEN } else { replay.last() });
        Self { task_id: task_id.into(), replay: Arc::new(replay), writing: Mutex::new(Writing { file, ..Writing::default() }), end }
    }
    /// A log that is kept nowhere.
    pub(super) fn fleeting(task_id: &str, limits: &AiTasks) -> Self {
        let replay = Arc::new(replay(limits));
        Self { task_id: task_id.into(), replay, writing: Mutex::default(), end: AtomicU64::new(OPEN) }
    }
    /// Adds an event after the text that came before it.
    pub(super) fn push(&self, kind: TaskEventType, data: Value) {
        let mut writing = lock(&self.writing);
        self.flush_text(&mut writing);
        (writing.amid_text, writing.paragraph) = (false, false);
        self.write(&mut writing, kind, data);
    }
    /// Adds the event with which the task ends, for now.
    pub(super) fn close(&self, data: Value) {
        let mut writing = lock(&self.writing);
        self.flush_text(&mut writing);
        // Before the event is there, so that whoever gets it knows that it is the last.
        self.end.store(self.replay.last() + 1, Ordering::SeqCst);
        self.write(&mut writing, TaskEventType::Exit, data);
        writing.file = None;
    }
    /// Adds a piece of text, which becomes an event with what follows it; [`Log::flush`] does not let it wait.
    pub(super) fn text(&self, piece: &str, thinking: bool) {
        let mut writing = lock(&self.writing);
        if writing.thinking != thinking {
            self.flush_text(&mut writing);
            (writing.thinking, writing.paragraph, writing.amid_text) = (thinking, false, false);
        }
        if std::mem::take(&mut writing.paragraph) && writing.amid_text {
            writing.text.push_str("\n\n");
        }
        writing.text.push_str(piece);
        writing.amid_text = true;
        if writing.text.len() >= GATHER {
            self.flush_text(&mut writing);
        }
    }
    /// The text is at the end of a paragraph.
    pub(super) fn paragraph(&self) {
        lock(&self.writing).paragraph = true;
    }
    /// Whether text waits to become an event.
    pub(super) fn has_text(&self) -> bool {
        !lock(&self.writing).text.is_empty()
    }
    /// Makes an event of the text that waits.
    pub(super) fn flush(&self) {
        self.flush_text(&mut lock(&self.writing));
    }
    fn flush_text(&self, writing: &mut Writing) {
        let text = std::mem::take(&mut writing.text);
        if !text.is_empty() {
            let kind = if writing.thinking { TaskEventType::Thinking } else { TaskEventType::Text };
            self.write(writing, kind, text.into());
        }
    }
    fn write(&self, writing: &mut Writing, kind: TaskEventType, data: Value) {
        let event =
            TaskEvent { kind, task_id: self.task_id.clone(), timestamp: clock::now(), data: fitting(data), seq: self.replay.last() + 1 };
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        if let Some(Err(cause)) = writing.file.as_mut().map(|file| file.append(&line)) {
            // Readers still get what happens now.
            tracing::warn!("the events of task {} can't be written: {cause}", self.task_id);
            writing.file = None;
        }
        self.replay.push(event.seq, event, line.len());
    }
    /// Adds the end to a log that was read and has none: the daemon was killed before it was written.
    pub(super) fn close_unless_closed(&self, data: impl FnOnce() -> Value) {
        let newest = self.replay.kept(self.last().saturating_sub(1));
        if newest.last().is_none_or(|event| event.kind != TaskEventType::Exit) {
            self.close(data());
        }
    }
    /// The task's id.
    pub(super) fn task_id(&self) -> &str {
        &self.task_id
    }
    /// Number of the newest event.
    pub(super) fn last(&self) -> u64 {
        self.replay.last()
    }
    /// What is kept after an event, and unless the task has ended what comes. Ends with the task, or with `stopping`.
    pub(super) fn follow(self: &Arc<Self>, since: Option<u64>, stopping: CancellationToken) -> Events<TaskEvent> {
        let seen = self.number(since);
        let reader = Reader { follower: self.replay.follow(seen), seen, log: self.clone(), stopping };
        Box::pin(stream::unfold(reader, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        }))
    }
    /// What is kept after an event.
    pub(super) fn kept(&self, since: Option<u64>) -> Vec<TaskEvent> {
        let seen = self.number(since);
        self.replay.kept(seen).into_iter().map(|event| TaskEvent::clone(&event)).collect()
    }
    fn number(&self, since: Option<u64>) -> u64 {
        match since.unwrap_or_default() {
            time if time > SINCE_IS_A_TIME => self.replay.before(|event| event.timestamp > time),
            number => number,
        }
    }
}

fn replay(limits: &AiTasks) -> Replay<TaskEvent> {
    Replay::new(0, limits.max_events.max(1) as usize, usize::try_from(limits.max_event_bytes).unwrap_or(usize::MAX))
}

/// The file, for appending; nothing where it can't be had.
fn appending(path: &Path, limits: &AiTasks) -> Option<Rotating> {
    Rotating::open(path, (limits.max_event_bytes / 2).max(1), 1)
        .inspect_err(|cause| tracing::warn!("{} can't be written: {cause}", path.display()))
        .ok()
}

/// One reader of a log.
struct Reader {
    follower: Follower<TaskEvent>,
    seen: u64,
    log: Arc<Log>,
    stopping: CancellationToken,
}

impl Reader {
    async fn next(&mut self) -> Option<TaskEvent> {
        if self.seen == self.log.end.load(Ordering::SeqCst) {
            return None;
        }
        let step = tokio::select! {
            biased;
            // First what there is: at the daemon's end the end of its tasks.
            step = self.follower.next() => step,
            () = self.stopping.cancelled() => return None,
        };
        let event = match step {
            Step::Event(_, event) => TaskEvent::clone(&event),
            Step::Skipped(up_to) => TaskEvent {
                kind: TaskEventType::System,
                task_id: self.log.task_id.clone(),
                timestamp: clock::now(),
                data: json!({ "subtype": "skipped", "upTo": up_to }),
                seq: up_to,
            },
        };
        self.seen = event.seq;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn log(folder: &Path, max_events: u32, is_written: bool) -> Arc<Log> {
        let limits = AiTasks { max_events, ..AiTasks::default() };
        Arc::new(Log::open(folder, "t", &limits, is_written))
    }
    async fn all(log: &Arc<Log>, since: Option<u64>) -> Vec<TaskEvent> {
        log.follow(since, CancellationToken::new()).map(Result::unwrap).collect().await
    }

    #[tokio::test]
    async fn text_is_gathered_in_order_with_what_else_happens() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), 100, true);
        ["Hel", "lo"].iter().for_each(|piece| log.text(piece, false));
        log.paragraph();
        log.text("Next", false);
        log.text("hm", true);
        log.push(TaskEventType::ToolUse, json!({ "name": "Bash" }));
        log.text("end", false);
        assert!(log.has_text());
        log.close(json!({ "status": "completed" }));
        let told: Vec<_> = all(&log, None).await.into_iter().map(|event| (event.seq, event.kind, event.data)).collect();
        assert_eq!(told[0], (1, TaskEventType::Text, json!("Hello\n\nNext")));
        assert_eq!(told[1], (2, TaskEventType::Thinking, json!("hm")));
        assert_eq!(told[3], (4, TaskEventType::Text, json!("end")));
        assert_eq!((told.len(), told[4].1), (5, TaskEventType::Exit));
    }
    #[tokio::test]
    async fn what_is_written_is_there_again_and_goes_on_with_higher_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let first = log(folder.path(), 100, true);
        first.text("one", false);
        first.close(json!({}));
        // As a killed daemon leaves it.
        let mut bytes = std::fs::read(folder.path().join(FILE)).unwrap();
        bytes.extend_from_slice(b"{\"type\":\"te");
        crate::platform::files::write_private(&folder.path().join(FILE), &bytes).unwrap();
        assert_eq!(all(&log(folder.path(), 100, false), None).await.len(), 2);
        let again = log(folder.path(), 100, true);
        let mut live = again.follow(Some(2), CancellationToken::new());
        again.text("two", false);
        again.close(json!({}));
        assert_eq!(live.next().await.unwrap().unwrap().seq, 3);
        let seen: Vec<u64> = all(&log(folder.path(), 100, false), Some(1)).await.into_iter().map(|event| event.seq).collect();
        assert_eq!(seen, [2, 3, 4]);
    }
    #[tokio::test]
    async fn a_reader_that_fell_behind_is_told_so_and_an_empty_log_ends() {
        let folder = tempfile::tempdir().unwrap();
        let flooded = log(folder.path(), 3, true);
        (0..10).for_each(|n| flooded.push(TaskEventType::System, json!(n)));
        flooded.close(json!({}));
        let told = all(&flooded, None).await;
        assert_eq!((told[0].data["subtype"].as_str(), told[0].seq, told.len()), (Some("skipped"), 8, 4));
        assert_eq!(all(&flooded, Some(11)).await, []);
        assert_eq!(all(&flooded, Some(99)).await.len(), 1, "a number of another life");
        assert_eq!(all(&flooded, Some(SINCE_IS_A_TIME * 9)).await, []);
        assert_eq!(all(&flooded, Some(SINCE_IS_A_TIME + 1)).await.len(), 3);
        assert_eq!(all(&log(tempfile::tempdir().unwrap().path(), 3, false), None).await, []);
    }
}
