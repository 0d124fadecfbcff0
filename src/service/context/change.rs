//! A change of the store that waits for its turn, and for its answer.

use tokio::sync::oneshot;

use super::batch::Batch;
use super::tables::Step;
use crate::base::{Error, Result};

/// What the writer does for somebody: several are made in one transaction.
pub(super) trait Change: Send {
    /// Bytes that it adds to a batch.
    fn weight(&self) -> usize;
    /// Makes it. A failure of the database is one of the whole batch; what the change itself refuses is part of its answer.
    fn make(&mut self, batch: &mut Batch<'_>) -> Step<()>;
    /// Tells who asked for it: what came of it once it is durable, or why the batch failed.
    fn answer(self: Box<Self>, failed: Option<&Error>);
}

/// A change that is made by a function, which refuses before it writes anything.
pub(super) struct Asked<T, F> {
    /// Bytes that it adds to a batch.
    pub weight: usize,
    /// What makes it.
    pub make: Option<F>,
    /// What came of it.
    pub made: Option<Result<T>>,
    /// Who asked.
    pub answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&mut Batch<'_>) -> Step<Result<T>> + Send> Change for Asked<T, F> {
    fn weight(&self) -> usize {
        self.weight
    }
    fn make(&mut self, batch: &mut Batch<'_>) -> Step<()> {
        if let Some(make) = self.make.take() {
            self.made = Some(make(batch)?);
        }
        Ok(())
    }
    fn answer(self: Box<Self>, failed: Option<&Error>) {
        let Self { made, answer, .. } = *self;
        if let Some(made) = failed.map_or(made, |error| Some(Err(error.clone()))) {
            // A caller that went away does not undo its change.
            let _ = answer.send(made);
        }
    }
}
