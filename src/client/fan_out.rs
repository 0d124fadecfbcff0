//! The same call over many lines, side by side.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::base::Result;

/// Asks all at once; answers what came of each, by name.
pub async fn fan_out<N: Ord, T, F: Future<Output = Result<T>>>(asks: impl IntoIterator<Item = (N, F)>) -> BTreeMap<N, Result<T>> {
    let running: FuturesUnordered<_> = asks.into_iter().map(|(name, ask)| async move { (name, ask.await) }).collect();
    running.collect().await
}
