//! The one thread that writes.
//!
//! A group is what arrived while the previous one was made durable; nobody waits for company. Its
//! steps, in order:
//!
//! 1. **admit**: fence and expectations of each batch, against the rows and the batches admitted
//!    before it in this group;
//! 2. **append** the admitted batches to the commit journal, as one synced frame: from here on
//!    they are durable;
//! 3. **apply** the outcome of the group to sled, without a sync;
//! 4. answer everybody;
//! 5. when enough was applied since the last time, a **checkpoint**: sled flushes, and a start
//!    has less to repeat.
//!
//! A disk that is full before anything was appended is told to the group, and the store goes on.
//! Any other error in 2 to 5 fails it: after that no state in memory can be trusted.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{Builder, JoinHandle, park_timeout};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::compact::{self, Pause};
use super::engine::{Engine, Failure};
use super::keeper::Order;
use crate::clock::Clock;
use crate::store::journal::{Change, Group, Journal, Raw};
use crate::store::planted::{self, Bug};
use crate::store::sums::Sums;
use crate::store::{BATCH_ROWS_MAX, Batch, CommitError, CommitId, Key, Versioned};

/// Batches in a group: bounds how long the first waits for the last. Rows are bounded as well: a
/// group that has [`BATCH_ROWS_MAX`] takes no further batch.
const GROUP_BATCHES_MAX: usize = 100;
/// Bits of a commit id below the boot epoch: 9 years of 3 600 commits a second in one boot.
///
/// With the epoch above, ids (which are the versions of rows) never repeat, without a counter on
/// disk.
pub(super) const SEQUENCE_BITS: u32 = 40;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Request {
    /// To commit.
    Commit(Waiting),
    /// To stop between two groups.
    Pause(Pause),
}

/// A batch and who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) answer: Answer,
}

/// Rows as they will be after the batches admitted so far; `None`: deleted.
pub(super) type Pending = HashMap<Key, Option<Versioned>>;

/// What the writer works on.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) engine: Arc<Engine>,
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Journal,
    pub(super) sums: Sums,
    pub(super) epoch: u64,
    pub(super) checkpoint_bytes: u64,
    /// To the keeper; it ends when nobody holds one of these.
    pub(super) orders: SyncSender<Order>,
    pub(super) clock: Arc<dyn Clock>,
}

#[derive(Debug)]
pub(super) struct Writer {
    parts: Parts,
    last: CommitId,
    /// Bytes appended since sled was flushed.
    unflushed: u64,
    requests: mpsc::Receiver<Request>,
}

/// A group that was admitted.
#[derive(Default)]
struct Admitted<'a> {
    results: Vec<Result<CommitId, CommitError>>,
    changes: Vec<Change<'a>>,
    pending: Pending,
    sums: Sums,
}

impl Writer {
    pub(super) fn new(parts: Parts, requests: mpsc::Receiver<Request>) -> Writer {
        Writer {
            last: CommitId(parts.epoch << SEQUENCE_BITS),
            parts,
            unflushed: 0,
            requests,
        }
    }

    /// Starts the thread and its watchdog, which fails the store when a group takes over `limit`.
    pub(super) fn start(self, limit: Duration) -> io::Result<JoinHandle<()>> {
        let pulse = Arc::new(Pulse::new(Arc::clone(&self.parts.clock)));
        let shared = Arc::clone(&self.parts.shared);
        let stalled = move || {
            let reason = format!("a commit took over {} s", limit.as_secs());
            shared.fail(Failure::Stuck(reason.into()));
        };
        let watched = Arc::clone(&pulse);
        let watchdog = Builder::new()
            .name("store-watchdog".to_owned())
            .spawn(move || watched.watch(limit, stalled))?;
        Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                self.run(&pulse);
                pulse.end();
                watchdog.thread().unpark();
            })
    }

    fn run(mut self, pulse: &Pulse) {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(pulse)));
        match served {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => self.parts.shared.fail(failure),
            Err(panic) => self.parts.shared.fail(Failure::panicked("writing", panic)),
        }
    }

    /// Ends when the last sender is gone and the queue is empty.
    fn serve(&mut self, pulse: &Pulse) -> Result<(), Failure> {
        while let Some(first) = self.requests.blocking_recv() {
            let (batches, answers, pause) = self.gather(first);
            // After a failure seen by others (a reader, the watchdog) nothing is written any more.
            if !self.parts.shared.is_open() {
                return Ok(());
            }
            pulse.begin();
            if !batches.is_empty() {
                self.commit_group(&batches, answers)?;
            }
            if let Some(pause) = pause {
                self.stop(pause)?;
            }
            pulse.rest();
        }
        self.checkpoint()
    }

    /// What waits, up to the bounds of a group.
    fn gather(&mut self, first: Request) -> (Vec<Batch>, Vec<Answer>, Option<Pause>) {
        let (mut batches, mut answers) = (Vec::new(), Vec::new());
        let (mut next, mut rows) = (Some(first), 0_usize);
        while let Some(request) = next {
            match request {
                Request::Commit(waiting) => {
                    rows = rows.saturating_add(waiting.batch.rows());
                    batches.push(waiting.batch);
                    answers.push(waiting.answer);
                }
                Request::Pause(pause) => return (batches, answers, Some(pause)),
            }
            let more = batches.len() < GROUP_BATCHES_MAX && rows < BATCH_ROWS_MAX;
            next = more.then(|| self.requests.try_recv().ok()).flatten();
        }
        (batches, answers, None)
    }

    /// Waits while the keeper gives the rows new files.
    fn stop(&mut self, pause: Pause) -> Result<(), Failure> {
        let frame = self.parts.journal.position().frame;
        if let Some(engine) = compact::wait(pause, frame)? {
            self.parts.engine = engine;
            self.unflushed = 0;
        }
        Ok(())
    }

    fn commit_group(&mut self, batches: &[Batch], answers: Vec<Answer>) -> Result<(), Failure> {
        let last = self.last;
        let mut admitted = self.admit_all(batches)?;
        let mut answers = Some(answers);
        if planted::is(Bug::EarlyAnswer) {
            answer(answers.take(), &admitted.results);
        }
        if !admitted.changes.is_empty() {
            match self.append(&mut admitted) {
                Ok(bytes) => self.apply(&admitted, bytes)?,
                // Nothing was written: the group is refused and the store goes on.
                Err(Failure::Full) => {
                    self.last = last;
                    let taken = admitted.results.iter_mut().filter(|result| result.is_ok());
                    taken.for_each(|result| *result = Err(CommitError::Full));
                }
                Err(failure) => return Err(failure),
            }
        }
        let taken = admitted.results.iter().filter(|result| result.is_ok());
        let commits = &self.parts.shared.commits;
        commits.fetch_add(taken.count() as u64, Ordering::Relaxed);
        answer(answers, &admitted.results);
        if self.unflushed >= self.parts.checkpoint_bytes {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn admit_all<'a>(&mut self, batches: &'a [Batch]) -> Result<Admitted<'a>, Failure> {
        let mut admitted = Admitted {
            sums: self.parts.sums.clone(),
            ..Admitted::default()
        };
        for batch in batches {
            let result = self.admit(batch, &admitted.pending)?;
            if let Ok(id) = result {
                // A commit that writes nothing has its place in the order and no frame.
                if !batch.is_empty() {
                    self.note(&mut admitted, id, batch)?;
                }
            }
            admitted.results.push(result);
        }
        Ok(admitted)
    }

    fn admit(
        &mut self,
        batch: &Batch,
        pending: &Pending,
    ) -> Result<Result<CommitId, CommitError>, Failure> {
        if batch
            .fence
            .is_some_and(|fence| fence.epoch != self.parts.epoch)
        {
            return Ok(Err(CommitError::Fenced));
        }
        for (key, expect) in &batch.expect {
            let holds = match pending.get(key) {
                Some(row) => expect.holds(row.as_ref()),
                None => expect.holds(self.parts.engine.get(key)?.as_ref()),
            };
            if !holds && !planted::is(Bug::SkipExpect) {
                return Ok(Err(CommitError::Conflict(key.clone())));
            }
        }
        self.last = CommitId(self.last.0.saturating_add(1));
        Ok(Ok(self.last))
    }

    fn note<'a>(
        &self,
        admitted: &mut Admitted<'a>,
        id: CommitId,
        batch: &'a Batch,
    ) -> Result<(), Failure> {
        let mut change = Change {
            commit: id.0,
            ..Change::default()
        };
        for key in &batch.dels {
            self.replace(admitted, key, None)?;
            change.dels.push((key.ns.id(), Raw::from(&*key.k)));
        }
        for (key, value) in &batch.puts {
            let row = Versioned {
                version: id.0,
                value: value.clone(),
            };
            self.replace(admitted, key, Some(row))?;
            let raw = (key.ns.id(), Raw::from(&*key.k), Raw::from(&**value));
            change.puts.push(raw);
        }
        admitted.changes.push(change);
        Ok(())
    }

    fn replace(
        &self,
        admitted: &mut Admitted<'_>,
        key: &Key,
        row: Option<Versioned>,
    ) -> Result<(), Failure> {
        let before = match admitted.pending.get(key) {
            Some(before) => before.clone(),
            None => self.parts.engine.get(key)?,
        };
        if let Some(before) = before {
            admitted.sums.remove(key.ns, &key.k, &before);
        }
        if let Some(row) = &row {
            admitted.sums.add(key.ns, &key.k, row);
        }
        admitted.pending.insert(key.clone(), row);
        Ok(())
    }

    fn append(&mut self, admitted: &mut Admitted<'_>) -> Result<u64, Failure> {
        let parts = &mut self.parts;
        let now_ms = parts.clock.now().0;
        let mut families = admitted.sums.all();
        let touched: BTreeSet<u8> = admitted.pending.keys().map(|key| key.ns.id()).collect();
        let mut group = Group {
            at_ms: now_ms,
            changes: std::mem::take(&mut admitted.changes),
            families: families.clone(),
        };
        if !parts.journal.begins() {
            families.retain(|family| touched.contains(&family.ns));
            group.families = families;
        }
        let before = parts.journal.position();
        let position = parts.journal.append(&group, now_ms)?;
        let bytes = match position.segment == before.segment {
            true => position.offset.saturating_sub(before.offset),
            false => position.offset,
        };
        self.unflushed = self.unflushed.saturating_add(bytes);
        Ok(bytes)
    }

    fn apply(&mut self, admitted: &Admitted<'_>, bytes: u64) -> Result<(), Failure> {
        let rows = admitted.pending.iter().map(|(key, row)| {
            let row = row.as_ref().map(|row| (row.version, &*row.value));
            (key.ns, &*key.k, row)
        });
        let position = self.parts.journal.position();
        let appended = &self.parts.shared.appended;
        appended.store(position.frame, Ordering::SeqCst);
        self.parts.engine.apply(position.frame, rows)?;
        self.parts.sums = admitted.sums.clone();
        let shared = &self.parts.shared;
        if shared.applied_to(position, bytes, &admitted.sums) {
            // Full: one is being written, or waits to be.
            let _ = self.parts.orders.try_send(Order::Keep);
        }
        Ok(())
    }

    /// From here a start repeats only what comes later.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.parts.engine.flush()?;
        self.unflushed = 0;
        let frame = self.parts.journal.position().frame;
        self.parts.shared.flushed(frame);
        if self.parts.shared.compaction_is_due() {
            // Full: it is asked again after the next one.
            let _ = self.parts.orders.try_send(Order::Compact(None));
        }
        Ok(())
    }
}

type Answer = oneshot::Sender<Result<CommitId, CommitError>>;

fn answer(answers: Option<Vec<Answer>>, results: &[Result<CommitId, CommitError>]) {
    for (answer, result) in answers.into_iter().flatten().zip(results) {
        // Who dropped the future does not want to know.
        let _ = answer.send(result.clone());
    }
}

/// Between two looks of the watchdog: it tells of a stall at most so much later than its limit.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// In [`Pulse`]: no group is under way.
const RESTING: u64 = u64::MAX;
/// In [`Pulse`]: the writer has ended.
const ENDED: u64 = u64::MAX - 1;

/// Since when a group is under way. The writer only stores a number: a commit that had to wake
/// another thread each time would take longer than its sync.
#[derive(Debug)]
struct Pulse {
    /// Milliseconds of the monotonic clock, [`RESTING`] or [`ENDED`].
    since: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl Pulse {
    fn new(clock: Arc<dyn Clock>) -> Pulse {
        Pulse {
            since: AtomicU64::new(RESTING),
            clock,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(0)
    }

    fn begin(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    fn rest(&self) {
        self.since.store(RESTING, Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(ENDED, Ordering::Relaxed);
    }

    /// For how long a group is under way; `None`: none ever will be.
    fn busy(&self) -> Option<Duration> {
        match self.since.load(Ordering::Relaxed) {
            ENDED => None,
            RESTING => Some(Duration::ZERO),
            since => Some(Duration::from_millis(self.now().saturating_sub(since))),
        }
    }

    /// Ends with the writer, or calls `stalled` when a group takes over `limit`.
    fn watch(&self, limit: Duration, stalled: impl FnOnce()) {
        while let Some(busy) = self.busy() {
            if busy > limit {
                return stalled();
            }
            park_timeout(WATCH_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use liaison_core::time::Timestamp;

    use super::*;

    /// Its hand is moved by the test.
    #[derive(Debug, Default)]
    struct Hand(Mutex<Duration>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn the_watchdog_tells_a_stall_from_rest_and_from_an_end() {
        let limit = Duration::from_secs(30);
        let hand = Arc::new(Hand::default());
        let move_to = |secs| *hand.0.lock().unwrap() = Duration::from_secs(secs);
        let pulse = Pulse::new(hand.clone());
        let busy = || pulse.busy().map(|busy| busy.as_secs());
        move_to(100);
        assert_eq!(busy(), Some(0), "at rest, however long");
        pulse.begin();
        move_to(130);
        assert_eq!(busy(), Some(30));
        pulse.rest();
        pulse.begin();
        assert_eq!(busy(), Some(0), "the next group begins anew");
        move_to(161);
        let mut told = false;
        pulse.watch(limit, || told = true);
        assert!(told);
        pulse.end();
        pulse.watch(limit, || panic!("nothing is under way"));
    }
}
