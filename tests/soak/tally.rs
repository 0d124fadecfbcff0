//! What is counted, and what went wrong.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use loopsy::base::Code;
use loopsy::base::sync::lock;

/// How long after a fault an answer may still be one of bad weather.
const CLEARING: Duration = Duration::from_secs(1);

/// What came of the operations of one kind.
#[derive(Default, Clone, Copy)]
struct Count {
    done: u64,
    refused: u64,
    lost: u64,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    Refused,
    Lost,
}

#[derive(Default)]
struct State {
    operations: BTreeMap<&'static str, Count>,
    /// How often each code came.
    refusals: BTreeMap<u16, u64>,
    faults: BTreeMap<&'static str, u64>,
    recoveries: BTreeMap<&'static str, Vec<Duration>>,
    violations: Vec<String>,
    /// Since when there has been no fault; nothing during one.
    calm_since: Option<Instant>,
    fault: String,
}

/// Everything that is told at the end.
pub struct Tally {
    begun: Instant,
    state: Mutex<State>,
}

impl Tally {
    pub fn new() -> Self {
        let state = State { calm_since: Some(Instant::now()), ..State::default() };
        Self { begun: Instant::now(), state: Mutex::new(state) }
    }
    /// Counts an operation.
    pub fn count(&self, kind: &'static str, ended: Ended) {
        let mut state = lock(&self.state);
        let count = state.operations.entry(kind).or_default();
        match ended {
            Ended::Done => count.done += 1,
            Ended::Refused => count.refused += 1,
            Ended::Lost => count.lost += 1,
        }
    }
    /// Counts what a refusal said.
    pub fn refusal(&self, code: Code) {
        *lock(&self.state).refusals.entry(code.number()).or_default() += 1;
    }
    /// A fault begins.
    pub fn fault(&self, kind: &'static str, what: String) {
        self.say(&what);
        let mut state = lock(&self.state);
        *state.faults.entry(kind).or_default() += 1;
        state.calm_since = None;
        state.fault = what;
    }
    /// Everything answered again so long after a fault had ended.
    pub fn recovered(&self, kind: &'static str, after: Duration) {
        let mut state = lock(&self.state);
        state.recoveries.entry(kind).or_default().push(after);
        state.calm_since = Some(Instant::now());
    }
    /// Whether there has been no fault since a time, nor shortly before it.
    pub fn is_calm_since(&self, time: Instant) -> bool {
        lock(&self.state).calm_since.is_some_and(|calm| calm + CLEARING < time)
    }
    /// Something that must never be.
    pub fn violation(&self, what: impl Into<String>) {
        let mut state = lock(&self.state);
        let weather = state.calm_since.map_or("during", |_| "after");
        let line = format!("{:7.1} s, {weather} {:?}: {}", self.begun.elapsed().as_secs_f64(), state.fault, what.into());
        eprintln!("VIOLATION {line}");
        state.violations.push(line);
    }
    /// Something to look back at when something went wrong.
    pub fn say(&self, what: &str) {
        eprintln!("{:7.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }
    pub fn violations(&self) -> usize {
        lock(&self.state).violations.len()
    }
    /// All of it, for people.
    pub fn table(&self) -> String {
        let state = lock(&self.state);
        let mut text = format!("{:<24}{:>10}{:>10}{:>10}\n", "operation", "done", "refused", "lost");
        let mut all = Count::default();
        for (kind, Count { done, refused, lost }) in &state.operations {
            let _ = writeln!(text, "{kind:<24}{done:>10}{refused:>10}{lost:>10}");
            all = Count { done: all.done + done, refused: all.refused + refused, lost: all.lost + lost };
        }
        let _ = writeln!(text, "{:<24}{:>10}{:>10}{:>10}", "all", all.done, all.refused, all.lost);
        let refusals = state.refusals.iter().map(|(number, times)| {
            let name = Code::from_number(*number).map_or("", Code::name);
            format!("{times} {name}")
        });
        let _ = writeln!(text, "refused: {}\n", refusals.collect::<Vec<_>>().join(", "));
        let _ = writeln!(text, "{:<24}{:>10}{:>10}{:>14}{:>14}", "fault", "times", "recovered", "median s", "slowest s");
        for (kind, times) in &state.faults {
            let mut after = state.recoveries.get(kind).cloned().unwrap_or_default();
            after.sort();
            let middle = after.get(after.len() / 2).copied().unwrap_or_default().as_secs_f64();
            let slowest = after.last().copied().unwrap_or_default().as_secs_f64();
            let _ = writeln!(text, "{kind:<24}{times:>10}{:>10}{middle:>14.1}{slowest:>14.1}", after.len());
        }
        let _ = writeln!(text, "\nkills {}, violations {}", state.faults.get("kill").unwrap_or(&0), state.violations.len());
        state.violations.iter().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
        text
    }
}
