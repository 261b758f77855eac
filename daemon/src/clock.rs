//! The one home of time. Everything else is given `now` or a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use liaison_core::time::Timestamp;

/// Tells the time. Decisions never see one: they get `now` as an argument.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The wall clock. It can jump in either direction.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start; never goes back. For measuring and deadlines.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
        let now = std::time::SystemTime::now();
        let since = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        process_uptime()
    }
}

fn process_uptime() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the monotonic clock"
    )]
    let start = START.get_or_init(std::time::Instant::now);
    start.elapsed()
}

/// A clock that stands where it was put: the demo's, which begins days ago and jumps.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock standing at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> ManualClock {
        ManualClock {
            now: Arc::new(AtomicI64::new(now.0)),
        }
    }

    /// Moves the clock; all clones move with it.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        process_uptime()
    }
}
