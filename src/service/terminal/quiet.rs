//! Panics that are expected, of a parser that is fed by strangers: caught, and not told to anybody.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether what runs in this thread now panics in silence.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may panic, which is its only failure. What it changes is left as it was then.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = take_hook();
        // Whatever is said of a panic goes to standard error, past the bounds of the log.
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_only_what_is_inside_is_silent() {
        assert_eq!(catch(|| 1), Some(1));
        assert_eq!(catch(|| Vec::<u8>::new()[std::hint::black_box(1)]), None);
        assert!(!QUIET.get());
        assert_eq!(catch(|| (catch(|| 1), QUIET.get())), Some((Some(1), true)));
    }
}
