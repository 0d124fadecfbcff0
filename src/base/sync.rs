//! The one way to lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose holders never leave it half changed: a panic elsewhere does not spread.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
