//! The one thread that writes.
//!
//! A group is what arrived while the previous one was made durable; nobody waits for company. Its
//! steps, in order:
//!
//! 1. **admit**: fence and expectations of each batch, against the rows and the batches admitted
//!    before it in this group;
//! 2. the commit journal appends the admitted batches here, as one synced frame (to come);
//! 3. **apply**: one sled transaction with the outcome of the group (sled syncs its log twice for
//!    each transaction, so one for each batch costs 600 syncs for 300 batches);
//! 4. **flush**;
//! 5. answer everybody.
//!
//! An error in 2 to 4 fails the store: after it no state in memory can be trusted.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::engine::{Engine, Failure};
use crate::store::{BATCH_ROWS_MAX, Batch, CommitError, CommitId, Key, Versioned};

/// Batches in a group: bounds how long the first waits for the last. Rows are bounded as well: a
/// group that has [`BATCH_ROWS_MAX`] takes no further batch.
const GROUP_BATCHES_MAX: usize = 100;
/// Bits of a commit id below the boot epoch: 9 years of 3 600 commits a second in one boot.
///
/// With the epoch above, ids (which are the versions of rows) never repeat, without a counter on
/// disk.
pub(super) const SEQUENCE_BITS: u32 = 40;

/// A batch and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Result<CommitId, CommitError>>,
}

/// Rows as they will be after the batches admitted so far; `None`: deleted.
pub(super) type Pending = HashMap<Key, Option<Versioned>>;

#[derive(Debug)]
pub(super) struct Writer {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    epoch: u64,
    last: CommitId,
    requests: mpsc::Receiver<Request>,
}

impl Writer {
    pub(super) fn new(
        engine: Arc<Engine>,
        shared: Arc<Shared>,
        epoch: u64,
        requests: mpsc::Receiver<Request>,
    ) -> Writer {
        Writer {
            engine,
            shared,
            epoch,
            last: CommitId(epoch << SEQUENCE_BITS),
            requests,
        }
    }

    /// Starts the thread and its watchdog, which fails the store when a group takes over `limit`.
    pub(super) fn start(self, limit: Duration) -> io::Result<JoinHandle<()>> {
        let (pulse, pulses) = sync_channel(1);
        let shared = Arc::clone(&self.shared);
        let stalled = move || {
            let reason = format!("a commit took over {} s", limit.as_secs());
            shared.fail(Failure::Stuck(reason.into()));
        };
        Builder::new()
            .name("store-watchdog".to_owned())
            .spawn(move || watch(&pulses, limit, stalled))?;
        Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || self.run(&pulse))
    }

    fn run(mut self, pulse: &SyncSender<()>) {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(pulse)));
        match served {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => self.shared.fail(failure),
            Err(panic) => self.shared.fail(Failure::panicked("writing", panic)),
        }
    }

    /// Ends when the last sender is gone and the queue is empty.
    fn serve(&mut self, pulse: &SyncSender<()>) -> Result<(), Failure> {
        while let Some(first) = self.requests.blocking_recv() {
            let mut rows = first.batch.rows();
            let (mut batches, mut answers) = (vec![first.batch], vec![first.answer]);
            while batches.len() < GROUP_BATCHES_MAX
                && rows < BATCH_ROWS_MAX
                && let Ok(next) = self.requests.try_recv()
            {
                rows = rows.saturating_add(next.batch.rows());
                batches.push(next.batch);
                answers.push(next.answer);
            }
            // After a failure seen by others (a reader, the watchdog) nothing is written any more.
            if !self.shared.is_open() || pulse.send(()).is_err() {
                return Ok(());
            }
            let results = self.commit_group(&batches)?;
            for (answer, result) in answers.into_iter().zip(results) {
                // Who dropped the future does not want to know.
                let _ = answer.send(result);
            }
            if pulse.send(()).is_err() {
                return Ok(());
            }
        }
        self.engine.flush()
    }

    fn commit_group(
        &mut self,
        batches: &[Batch],
    ) -> Result<Vec<Result<CommitId, CommitError>>, Failure> {
        let mut pending = Pending::new();
        let mut results = Vec::new();
        for batch in batches {
            let result = self.admit(batch, &pending)?;
            if let Ok(id) = result {
                note(&mut pending, id, batch);
            }
            results.push(result);
        }
        if !pending.is_empty() {
            self.engine.apply(&pending)?;
            self.engine.flush()?;
        }
        let taken = results.iter().filter(|result| result.is_ok()).count();
        self.shared
            .commits
            .fetch_add(taken as u64, Ordering::Relaxed);
        Ok(results)
    }

    fn admit(
        &mut self,
        batch: &Batch,
        pending: &Pending,
    ) -> Result<Result<CommitId, CommitError>, Failure> {
        if batch.fence.is_some_and(|fence| fence.epoch != self.epoch) {
            return Ok(Err(CommitError::Fenced));
        }
        for (key, expect) in &batch.expect {
            let holds = match pending.get(key) {
                Some(row) => expect.holds(row.as_ref()),
                None => expect.holds(self.engine.get(key)?.as_ref()),
            };
            if !holds {
                return Ok(Err(CommitError::Conflict(key.clone())));
            }
        }
        self.last = CommitId(self.last.0.saturating_add(1));
        Ok(Ok(self.last))
    }
}

fn note(pending: &mut Pending, id: CommitId, batch: &Batch) {
    for key in &batch.dels {
        pending.insert(key.clone(), None);
    }
    for (key, value) in &batch.puts {
        let row = Versioned {
            version: id.0,
            value: value.clone(),
        };
        pending.insert(key.clone(), Some(row));
    }
}

/// Pulses come in pairs, before and after a group; calls `stalled` when the second is overdue.
fn watch(pulses: &Receiver<()>, limit: Duration, stalled: impl FnOnce()) {
    while pulses.recv().is_ok() {
        match pulses.recv_timeout(limit) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => return stalled(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_tells_a_stall_from_an_end() {
        for (pulses_sent, keep_open, stalls) in [
            (0, false, false),
            (1, true, true),
            (1, false, false),
            (2, false, false),
        ] {
            let (pulse, pulses) = sync_channel(2);
            for _ in 0..pulses_sent {
                pulse.send(()).unwrap();
            }
            let kept = keep_open.then_some(pulse);
            let mut stalled = false;
            watch(&pulses, Duration::from_millis(1), || stalled = true);
            assert_eq!(
                stalled,
                stalls,
                "{pulses_sent} pulses, open: {}",
                kept.is_some()
            );
        }
    }
}
