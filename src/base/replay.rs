//! A numbered, bounded event log that can be followed from any point.
//!
//! A follower never misses an event, never gets one twice, and is told when the point it asked for is no longer kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::sync::lock;

/// What a follower is handed.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<T> {
    /// The next event and its number.
    Event(u64, Arc<T>),
    /// Events up to this number are no longer kept; the next event has a higher one.
    Skipped(u64),
}

struct Log<T> {
    events: VecDeque<(u64, Arc<T>, usize)>,
    /// Highest number that is not in `events` any more.
    forgotten: u64,
    last: u64,
    weight: usize,
}

/// The log. Numbers are given by the writer and only grow; gaps are allowed.
pub struct Replay<T> {
    log: Mutex<Log<T>>,
    last: watch::Sender<u64>,
    max_events: usize,
    max_weight: usize,
}

impl<T> Replay<T> {
    /// A log that keeps at most `max_events` events of `max_weight` in all, and whose history starts after `start`.
    pub fn new(start: u64, max_events: usize, max_weight: usize) -> Self {
        let log = Log { events: VecDeque::new(), forgotten: start, last: start, weight: 0 };
        Self { log: Mutex::new(log), last: watch::Sender::new(start), max_events, max_weight }
    }
    /// Appends an event. `number` must be greater than the last one; an event that is not is dropped.
    pub fn push(&self, number: u64, event: T, weight: usize) {
        let mut log = lock(&self.log);
        if number > log.last {
            self.append(&mut log, number, event, weight);
        }
    }
    fn append(&self, log: &mut Log<T>, number: u64, event: T, weight: usize) {
        log.last = number;
        log.weight += weight;
        log.events.push_back((number, Arc::new(event), weight));
        while log.events.len() > self.max_events || (log.weight > self.max_weight && log.events.len() > 1) {
            if let Some((old, _, weight)) = log.events.pop_front() {
                log.forgotten = old;
                log.weight -= weight;
            }
        }
        self.last.send_replace(number);
    }
    /// Appends an event that `make` makes with its number, the next one, which is answered.
    pub fn push_next(&self, weight: usize, make: impl FnOnce(u64) -> T) -> u64 {
        let mut log = lock(&self.log);
        let number = log.last + 1;
        self.append(&mut log, number, make(number), weight);
        number
    }
    /// The events that are kept after a number.
    pub fn kept(&self, since: u64) -> Vec<Arc<T>> {
        let log = lock(&self.log);
        let at = log.events.partition_point(|(number, _, _)| *number <= since);
        log.events.range(at..).map(|(_, event, _)| event.clone()).collect()
    }
    /// The number of the last kept event before the first one that is `beyond`; events are in an order in which none that is
    /// comes before one that is not.
    pub fn before(&self, beyond: impl Fn(&T) -> bool) -> u64 {
        let log = lock(&self.log);
        let at = log.events.partition_point(|(_, event, _)| !beyond(event));
        at.checked_sub(1).and_then(|at| log.events.get(at)).map_or(log.forgotten, |(number, ..)| *number)
    }
    /// The number of the newest event.
    pub fn last(&self) -> u64 {
        lock(&self.log).last
    }
    /// Follows the log from after `since`.
    pub fn follow(self: &Arc<Self>, since: u64) -> Follower<T> {
        Follower { replay: self.clone(), seen: since, changed: self.last.subscribe() }
    }
    fn after(&self, seen: u64) -> Option<Step<T>> {
        let log = lock(&self.log);
        if seen < log.forgotten || seen > log.last {
            // A number from the future belongs to a history that is gone, such as a store that was set aside.
            let skipped = if seen > log.last { log.last } else { log.forgotten };
            return Some(Step::Skipped(skipped));
        }
        let at = log.events.partition_point(|(number, _, _)| *number <= seen);
        log.events.get(at).map(|(number, event, _)| Step::Event(*number, event.clone()))
    }
}

/// One reader of a [`Replay`].
pub struct Follower<T> {
    replay: Arc<Replay<T>>,
    seen: u64,
    changed: watch::Receiver<u64>,
}

impl<T> Follower<T> {
    /// Waits for the next step. Safe to drop and call again.
    pub async fn next(&mut self) -> Step<T> {
        loop {
            self.changed.mark_unchanged();
            if let Some(step) = self.replay.after(self.seen) {
                match &step {
                    Step::Event(number, _) | Step::Skipped(number) => self.seen = *number,
                }
                return step;
            }
            if self.changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_follower_sees_each_event_once_in_order_and_hears_of_gaps() {
        let replay = Arc::new(Replay::new(0, 3, 1000));
        for n in 1..=5 {
            replay.push(n, n * 10, 1);
        }
        let mut follower = replay.follow(0);
        assert_eq!(follower.next().await, Step::Skipped(2));
        for n in 3..=5 {
            assert_eq!(follower.next().await, Step::Event(n, Arc::new(n * 10)));
        }
        let waiting = follower.next();
        replay.push(9, 90, 1);
        assert_eq!(waiting.await, Step::Event(9, Arc::new(90)));
        let mut lost = replay.follow(77);
        assert_eq!(lost.next().await, Step::Skipped(9));
    }
    #[test]
    fn weight_bounds_the_log_but_the_newest_stays() {
        let replay = Replay::new(0, 100, 10);
        replay.push(1, "a", 8);
        replay.push(2, "b", 8);
        replay.push(3, "huge", 80);
        assert_eq!(lock(&replay.log).events.len(), 1);
        assert_eq!(lock(&replay.log).forgotten, 2);
    }
}
