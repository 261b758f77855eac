//! What callers, readers and the threads of the store know of one another.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::engine::{Engine, Failure};
use super::recover::REBUILD_MARKER;
use super::{APPLY_PAUSE, Compacted};
use crate::store::journal::Position;
use crate::store::sums::Sums;

/// The rows as they are after a frame of the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Applied {
    pub(super) frame: u64,
    pub(super) sums: Sums,
}

/// How far the journal and what depends on it are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalHealth {
    /// Where it stands.
    pub position: Position,
    /// The frame up to which sled was flushed: a start repeats what comes later.
    pub flushed: u64,
    /// Bytes appended since the last export: what a rebuild repeats.
    pub since_export: u64,
}

/// What callers, readers and the writer know of one another.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) phase: watch::Sender<Phase>,
    pub(super) commits: AtomicU64,
    pub(super) closing: AtomicBool,
    /// The last frame of which rows may be in sled: set before the first of them.
    pub(super) appended: AtomicU64,
    // Both held for a few lines.
    pub(super) journal: Mutex<JournalHealth>,
    pub(super) applied: Mutex<Applied>,
    pub(super) export_after_bytes: u64,
    pub(super) dir: PathBuf,
    /// The rows as everybody reads them; `None` when it closes.
    pub(super) engine: Mutex<Option<Arc<Engine>>>,
    /// Smaller files are left as they are.
    pub(super) compact_bytes: u64,
    /// Files of so many times what they hold are written anew.
    pub(super) compact_parts: AtomicU64,
    /// The last time that they were.
    pub(super) compacted: Mutex<Option<Compacted>>,
}

#[derive(Debug, Clone)]
pub(super) enum Phase {
    Open,
    Closed,
    Failed(Failure),
}

impl Shared {
    /// A frame is durable and its rows can be read; tells whether an export is due.
    pub(super) fn applied_to(&self, position: Position, bytes: u64, sums: &Sums) -> bool {
        *lock(&self.applied) = Applied {
            frame: position.frame,
            sums: sums.clone(),
        };
        let mut journal = lock(&self.journal);
        journal.position = position;
        journal.since_export = journal.since_export.saturating_add(bytes);
        journal.since_export >= self.export_after_bytes
    }

    pub(super) fn export_is_due(&self) -> bool {
        lock(&self.journal).since_export >= self.export_after_bytes
    }

    /// The last frame whose rows sled has on disk.
    pub(super) fn flushed_to(&self) -> u64 {
        lock(&self.journal).flushed
    }

    pub(super) fn flushed(&self, frame: u64) {
        lock(&self.journal).flushed = frame;
    }

    /// The keeper wrote an export, or tried to: the next one comes after as much again.
    pub(super) fn exported(&self) {
        lock(&self.journal).since_export = 0;
    }

    pub(super) fn applied(&self) -> Applied {
        lock(&self.applied).clone()
    }

    /// The rows as they are when no frame is half applied; `None` when the store is closed first.
    pub(super) fn settled(&self) -> Option<Applied> {
        loop {
            let appended = self.appended.load(Ordering::SeqCst);
            let applied = self.applied();
            if applied.frame >= appended {
                return Some(applied);
            }
            if self.is_closing() {
                return None;
            }
            std::thread::sleep(APPLY_PAUSE);
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed) || !self.is_open()
    }

    /// The first failure is kept: later ones follow from it. After damage the next start makes the
    /// rows anew, since it need not meet the same page again.
    pub(super) fn fail(&self, failure: Failure) {
        if let (Failure::Corrupt(reason), true) = (&failure, self.is_open()) {
            let marker = self.dir.join(REBUILD_MARKER);
            if let Err(error) = std::fs::write(&marker, reason.as_bytes()) {
                tracing::error!(%error, marker = %marker.display(), "cannot be written");
            }
        }
        self.phase.send_if_modified(|phase| {
            let first = matches!(phase, Phase::Open);
            if first {
                *phase = Phase::Failed(failure);
            }
            first
        });
    }

    /// After a failure it stays failed.
    pub(super) fn close(&self) {
        self.phase.send_if_modified(|phase| {
            let open = matches!(phase, Phase::Open);
            if open {
                *phase = Phase::Closed;
            }
            open
        });
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Open)
    }

    /// Ends when the writer was given up.
    pub(super) async fn stuck(&self) {
        if !matches!(self.ended().await, Failure::Stuck(_)) {
            std::future::pending().await
        }
    }

    /// Ends when the store is no longer open.
    pub(super) async fn ended(&self) -> Failure {
        let mut phase = self.phase.subscribe();
        // The sender is `self`: it cannot go away meanwhile.
        let ended = phase.wait_for(|phase| !matches!(phase, Phase::Open)).await;
        match ended.as_deref() {
            Ok(Phase::Failed(failure)) => failure.clone(),
            _ => Failure::Closed,
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
