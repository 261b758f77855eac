//! Dry runs: what earlier portions of a file would have made is seen by the later ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::books::Books;
use crate::books::chunk::Chunk;
use crate::store::Store;

/// Bytes of keys and values that one dry run remembers, some 50,000 contacts: with the map around
/// them at most twice that in memory. Rows behind see what is remembered and their own portion.
const RUN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Dry runs that are remembered at the same time; a further one takes the place of the one of
/// which nothing was heard for longest.
const RUNS_MAX: usize = 2;
/// How long a dry run is remembered of which nothing is heard: its command was killed.
const IDLE: Duration = Duration::from_secs(600);

/// What the rows of one file would have written so far: nobody else sees it.
#[derive(Debug, Clone)]
pub struct DryRun {
    chunk: Arc<Chunk>,
    bytes_max: usize,
}

impl DryRun {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(books: &Books) -> DryRun {
        DryRun::with_room(books, RUN_BYTES_MAX)
    }

    pub(super) fn with_room(books: &Books, bytes_max: usize) -> DryRun {
        DryRun {
            chunk: Arc::new(Chunk::overlay(books.store.clone())),
            bytes_max,
        }
    }

    /// Whether it remembers no more: what comes is not seen by the portions behind it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.chunk.size().bytes >= self.bytes_max
    }

    /// Where a portion writes to.
    pub(super) fn layer(&self) -> Arc<dyn Store> {
        match self.is_full() {
            true => Arc::new(Chunk::overlay(self.chunk.clone())),
            false => self.chunk.clone(),
        }
    }
}

#[derive(Debug)]
struct Remembered {
    name: String,
    run: DryRun,
    last: Duration,
}

/// The dry runs whose portions come one request at a time. Times are monotonic.
#[derive(Debug, Default)]
pub struct DryRuns {
    // A short lock without await.
    runs: Mutex<(u64, Vec<Remembered>)>,
}

impl DryRuns {
    fn lock(&self, now: Duration) -> MutexGuard<'_, (u64, Vec<Remembered>)> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.1.retain(|one| now.saturating_sub(one.last) < IDLE);
        runs
    }

    /// Begins a dry run; its name is for the portions behind the first.
    pub fn begin(&self, books: &Books, now: Duration) -> (String, DryRun) {
        let mut runs = self.lock(now);
        if runs.1.len() >= RUNS_MAX {
            let idle = runs.1.iter().enumerate().min_by_key(|(_, one)| one.last);
            if let Some((idle, _)) = idle {
                runs.1.remove(idle);
            }
        }
        runs.0 = runs.0.saturating_add(1);
        // Not the name of one before the daemon was started anew.
        let name = format!("{}-{}", now.as_nanos(), runs.0);
        let run = DryRun::new(books);
        runs.1.push(Remembered {
            name: name.clone(),
            run: run.clone(),
            last: now,
        });
        (name, run)
    }

    /// Goes on with a dry run; `None` when it is not known (any more).
    pub fn again(&self, name: &str, now: Duration) -> Option<DryRun> {
        let mut runs = self.lock(now);
        let found = runs.1.iter_mut().find(|one| one.name == name)?;
        found.last = now;
        Some(found.run.clone())
    }

    /// Forgets a dry run.
    pub fn end(&self, name: &str, now: Duration) {
        self.lock(now).1.retain(|one| one.name != name);
    }
}
