//! Waiting for a condition, with a limit.

use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks: short beside anything a server does, long beside a look.
const PAUSE: Duration = Duration::from_millis(20);

/// How many lines of a server's log a failing test shows.
const TOLD_LINES: usize = 60;

/// Looks until `look` gives a value, and returns it.
///
/// # Panics
/// With `what` once `limit` has passed.
pub fn eventually<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    eventually_or(what, limit, look, String::new)
}

/// Like [`eventually`], and on failure adds `transcript()`: what the servers and the daemon said.
///
/// # Panics
/// With `what` and the transcript once `limit` has passed.
pub fn eventually_or<T>(
    what: &str,
    limit: Duration,
    look: impl FnMut() -> Option<T>,
    transcript: impl FnOnce() -> String,
) -> T {
    match within(limit, look) {
        Some(found) => found,
        None => panic!("not within {limit:?}: {what}\n{}", transcript()),
    }
}

/// Looks until `look` gives a value or `limit` has passed; looks once more after it.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let last = Instant::now() >= end;
        if let Some(found) = look() {
            return Some(found);
        }
        if last {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Looks for the whole of `span` and returns `Err` with the first thing that `look` gives: for
/// proving that something does *not* happen.
///
/// # Errors
/// What should not have been there.
pub fn never_within<T>(span: Duration, look: impl FnMut() -> Option<T>) -> Result<(), T> {
    within(span, look).map_or(Ok(()), Err)
}

/// Prints what a server said, last lines only, if this thread is failing: for `Drop`.
pub(crate) fn tell_if_failing(who: &str, said: impl FnOnce() -> String) {
    if !thread::panicking() {
        return;
    }
    let said = said();
    let lines: Vec<_> = said.lines().collect();
    let last = &lines[lines.len().saturating_sub(TOLD_LINES)..];
    eprintln!("--- {who} said at last ---\n{}", last.join("\n"));
}
