//! The store of one machine: sled 0.34.7, with what it takes to rely on it.
//!
//! A commit is durable when the journal has it ([`super::journal`]); sled has the rows in order,
//! and can be made anew from the newest export and the journal after it. One thread writes, in
//! groups (see `writer`), one writes exports (`keeper`). Short reads are done by who asks, longer
//! ones and those that meet a commit on a bounded number of blocking threads. Any storage error is final: the store fails, every later call says so, and
//! the next start recovers (`recover`). Nothing outside this module names sled.
//!
//! Files in the state directory:
//!
//! | name | what |
//! |---|---|
//! | `store.lock` | locked while the store is open; names the process |
//! | `journal/` | every commit since the older of the exports, the point of durability |
//! | `exports/` | all rows at two moments |
//! | `sled/` | the rows |
//! | `sled.new/` | rows being made; removed at the next start |
//! | `sled.old/` | rows that were written into new files (`compact`); removed at the next start |
//! | `sled.damaged-1/` | rows that could not be read; never deleted by us |

mod compact;
mod engine;
mod keeper;
mod open;
mod recover;
mod shared;
mod verify;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::export::Found;
use super::journal::SEGMENT_BYTES;
use super::progress::Progress;
use super::{
    AllShards, Batch, CommitError, CommitId, Dir, Key, Page, Range, ReadError, SHORT_RANGE_ROWS,
    Store, StoreHealth, StoreState, Versioned,
};
use crate::clock::{Clock, SystemClock};
use compact::COMPACT_PARTS;
pub use compact::Compacted;
use engine::{Engine, Failure};
pub use keeper::SaveError;
use keeper::{Keeper, Order};
pub use open::{OpenError, schema_of};
pub use recover::{Rebuilt, Recovery};
pub use shared::JournalHealth;
use shared::{Applied, Phase, Shared, lock};
pub use verify::Verified;
use writer::{Parts, Request, Waiting, Writer};

/// Batches that wait to be committed before callers wait for a place: a few groups.
const QUEUE_BATCHES_MAX: usize = 512;
/// Between two looks at whether a frame was applied, which takes about so long.
const APPLY_PAUSE: Duration = Duration::from_millis(1);
/// Exports that wait to be written: the automatic one, and one that was asked for.
const ORDERS_MAX: usize = 2;
/// Reads at one time: more threads only wait for one another on one disk.
const READERS_MAX: u32 = 8;
/// Rows read by who asks for them, instead of on a blocking thread: a tenth of a millisecond.
const SHORT_READ_ROWS: usize = 64;
/// How long such a read waits for a commit that is being applied: for most of them.
const SHORT_WAIT: Duration = Duration::from_millis(2);
/// Short ranges that are read likewise.
const SHORT_READ_RANGES: usize = 8;
/// A group that takes longer will not end: deadlocks of sled under load were reported, and
/// recovery is cheap and tested.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);
/// Journal after which sled is flushed: what a start repeats at most, about a second's work.
const CHECKPOINT_BYTES: u64 = 16 << 20;
/// Journal after which an export is written: what a rebuild repeats at most, about ten seconds'
/// work. An export that is larger itself is waited for.
const EXPORT_AFTER_BYTES: u64 = 256 << 20;

/// Smaller files of sled are left as they are, however little they hold.
const COMPACT_BYTES: u64 = 256 << 20;

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct SledOptions {
    /// Bytes of sled's page cache; the process needs about 2.5 times that.
    pub cache_bytes: u64,
    /// Bytes of a segment of the journal.
    pub segment_bytes: u64,
    /// Bytes of journal after which sled is flushed.
    pub checkpoint_bytes: u64,
    /// Bytes of journal after which an export is written.
    pub export_after_bytes: u64,
    /// Bytes of the files of sled from which they are written anew when they are four times what
    /// they hold.
    pub compact_bytes: u64,
    /// Begin a segment of the journal of its own at this start, so that the older ones can go.
    pub fresh_segment: bool,
    /// Make the rows anew at this start, from the newest export and the journal.
    pub rebuild: bool,
    /// Go on without commits that are in no file any more.
    pub accept_loss: bool,
}

impl Default for SledOptions {
    fn default() -> SledOptions {
        SledOptions {
            cache_bytes: 64 << 20,
            segment_bytes: SEGMENT_BYTES,
            checkpoint_bytes: CHECKPOINT_BYTES,
            export_after_bytes: EXPORT_AFTER_BYTES,
            compact_bytes: COMPACT_BYTES,
            fresh_segment: false,
            rebuild: false,
            accept_loss: false,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct SledStore {
    shared: Arc<Shared>,
    // Locks of a few lines without an await.
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    threads: Mutex<Option<Threads>>,
    readers: Arc<Semaphore>,
    boot_epoch: u64,
    store_id: u128,
    recovery: Recovery,
}

#[derive(Debug)]
struct Threads {
    writer: JoinHandle<()>,
    keeper: JoinHandle<()>,
    orders: SyncSender<Order>,
}

/// Closing in order: queue, writer, readers, then the database with its lock.
struct Closing {
    engine: Arc<Engine>,
    threads: Threads,
    readers: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Closing {
    fn run(self, runtime: &Handle) {
        // The writer catches its panics and says so in the phase.
        let _ = self.threads.writer.join();
        drop(self.threads.orders);
        // An export that is not finished is written again another time.
        let _ = self.threads.keeper.join();
        // Never closed: with all permits nobody reads, and nobody will.
        let readers = runtime.block_on(self.readers.acquire_many(READERS_MAX));
        drop(self.engine);
        drop(readers);
        self.shared.close();
    }
}

impl SledStore {
    /// Opens the store in the state directory `dir`, or makes it when there is none.
    ///
    /// Blocks for about 1.4 s per million rows. To open it again in this process, await
    /// [`Store::close`] first: a dropped store is let go only when its threads have ended. On return the boot epoch is one higher, durably.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do next.
    pub fn open(dir: &Path, options: SledOptions) -> Result<SledStore, OpenError> {
        SledStore::open_telling(dir, options, &Arc::default())
    }

    /// The same, telling `progress` how far it is.
    ///
    /// # Errors
    /// As [`SledStore::open`].
    pub fn open_telling(
        dir: &Path,
        options: SledOptions,
        progress: &Arc<Progress>,
    ) -> Result<SledStore, OpenError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let opened = open::open(dir, options, &*clock, progress)?;
        let engine = Arc::new(opened.engine);
        let (orders, ordered) = sync_channel(ORDERS_MAX);
        let position = opened.journal.position();
        let shared = Arc::new(Shared {
            phase: watch::Sender::new(Phase::Open),
            commits: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            appended: AtomicU64::new(position.frame),
            journal: Mutex::new(JournalHealth {
                position,
                flushed: position.frame,
                since_export: opened.since_export,
            }),
            applied: Mutex::new(Applied {
                frame: position.frame,
                sums: opened.sums.clone(),
            }),
            export_after_bytes: options.export_after_bytes,
            dir: dir.to_owned(),
            engine: Mutex::new(Some(Arc::clone(&engine))),
            compact_bytes: options.compact_bytes,
            compact_parts: AtomicU64::new(COMPACT_PARTS),
            compacted: Mutex::new(compact::remembered(&engine)),
        });
        let (queue, requests) = mpsc::channel(QUEUE_BATCHES_MAX);
        let keeper = Keeper {
            dir: dir.to_owned(),
            engine: Arc::clone(&engine),
            shared: Arc::clone(&shared),
            store_id: opened.store_id,
            clock: Arc::clone(&clock),
            checked: opened.checked,
            queue: queue.downgrade(),
            cache_bytes: options.cache_bytes,
        };
        let keeper = Builder::new()
            .name("store-keeper".to_owned())
            .spawn(move || keeper.run(&ordered))
            .map_err(OpenError::Thread)?;
        let parts = Parts {
            engine,
            shared: Arc::clone(&shared),
            journal: opened.journal,
            sums: opened.sums,
            epoch: opened.boot_epoch,
            checkpoint_bytes: options.checkpoint_bytes,
            orders: orders.clone(),
            clock,
        };
        let writer = Writer::new(parts, requests).start(COMMIT_TIMEOUT);
        Ok(SledStore {
            shared,
            queue: Mutex::new(Some(queue)),
            threads: Mutex::new(Some(Threads {
                writer: writer.map_err(OpenError::Thread)?,
                keeper,
                orders,
            })),
            readers: Arc::new(Semaphore::new(READERS_MAX as usize)),
            boot_epoch: opened.boot_epoch,
            store_id: opened.store_id,
            recovery: opened.recovery,
        })
    }

    /// What this start found and did.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Bytes of keys and values of all rows, and how many rows there are.
    #[must_use]
    pub fn live(&self) -> (u64, u64) {
        let sums = self.shared.applied().sums;
        (sums.bytes(), sums.rows())
    }

    /// How far the journal is.
    #[must_use]
    pub fn journal(&self) -> JournalHealth {
        *lock(&self.shared.journal)
    }

    /// Writes an export of all rows into `folder`, while others read and write.
    ///
    /// # Errors
    /// [`SaveError`]; nothing is left in `folder` but an unfinished file.
    pub async fn save(&self, folder: &Path) -> Result<Found, SaveError> {
        let folder = folder.to_owned();
        self.order(|answer| Order::Save(folder, answer)).await
    }

    /// Writes the rows into new files and an export, and removes every other export and the
    /// segments of the journal before it: what is in no row any more is in no file any more. For a
    /// store that was opened with [`SledOptions::fresh_segment`].
    ///
    /// # Errors
    /// [`SaveError`]; it can be asked for again.
    pub async fn forget_files(&self) -> Result<(), SaveError> {
        self.order(Order::Forget).await
    }

    /// Looks at all rows, the journal and the exports, while others read and write.
    ///
    /// # Errors
    /// [`SaveError`], when the look could not be finished; what it found is no error.
    pub async fn verify(&self) -> Result<Verified, SaveError> {
        self.order(Order::Verify).await
    }

    /// Writes the rows into new files, while others read and write.
    ///
    /// # Errors
    /// [`SaveError`]; the old files are in use then, as before.
    pub async fn compact(&self) -> Result<Compacted, SaveError> {
        self.order(|answer| Order::Compact(Some(answer))).await
    }

    /// The last time that the rows were written into new files.
    #[must_use]
    pub fn compacted(&self) -> Option<Compacted> {
        *lock(&self.shared.compacted)
    }

    async fn order<T: Send + 'static>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, SaveError>>) -> Order,
    ) -> Result<T, SaveError> {
        let orders = lock(&self.threads)
            .as_ref()
            .map(|threads| threads.orders.clone());
        let Some(orders) = orders else {
            return Err(SaveError::Closed);
        };
        let (answer, answered) = oneshot::channel();
        let order = order(answer);
        // Not through the supervisor: the task is awaited right here. It waits for a place in the
        // queue, which is taken while an export is being written.
        let asked = tokio::task::spawn_blocking(move || orders.send(order));
        match asked.await {
            Ok(Ok(())) => answered.await.unwrap_or(Err(SaveError::Closed)),
            _ => Err(SaveError::Closed),
        }
    }

    /// Makes a store in `dir`, where there is none, of the rows of the export in `file`; tells how
    /// many lines it had. Blocks.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left under the name of a store then.
    pub fn load(dir: &Path, options: SledOptions, file: &Path) -> Result<u64, OpenError> {
        open::load(dir, options, file)
    }

    /// The epoch under which fences are valid until the process ends.
    #[must_use]
    pub fn boot_epoch(&self) -> u64 {
        self.boot_epoch
    }

    /// The identity of this store, given when it was made: 32 hex digits.
    #[must_use]
    pub fn store_id(&self) -> String {
        format!("{:032x}", self.store_id)
    }

    /// The lease that goes with it.
    #[must_use]
    pub fn leases(&self) -> AllShards {
        AllShards::new(self.boot_epoch)
    }

    /// What `short` reads, right here: most rows are in memory, and handing them from thread to
    /// thread takes longer than reading them. `None` while a long commit is being applied, and
    /// where `short` finds that there is too much to read.
    fn read_at_once<T>(
        &self,
        short: impl FnOnce(&Engine) -> Result<Option<T>, Failure>,
    ) -> Option<Result<T, Failure>> {
        // Dropped in the opposite order: `close` waits for all permits, then nobody else has it.
        let _permit = self.readers.try_acquire().ok()?;
        let engine = lock(&self.shared.engine).clone()?;
        let _whole = engine.whole.try_read_for(SHORT_WAIT)?;
        let caught = catch_unwind(AssertUnwindSafe(|| short(&engine)));
        let read = caught.unwrap_or_else(|panic| Err(Failure::panicked("reading", panic)));
        read.transpose()
    }

    /// Runs `short` right here where that is possible, else `work` on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        short: impl FnOnce(&Engine) -> Result<Option<T>, Failure>,
        work: impl FnOnce(&Engine) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, ReadError> {
        // Who reads row after row lets others have their turn, as if it had waited.
        tokio::task::coop::consume_budget().await;
        if self.shared.is_open()
            && let Some(result) = self.read_at_once(short)
        {
            return result.map_err(|failure| {
                self.shared.fail(failure.clone());
                failure.into()
            });
        }
        let read = async {
            let permit = Arc::clone(&self.readers).acquire_owned().await;
            // Taken after the permit: `close` waits for all permits, then nobody else has it.
            let (Ok(permit), Some(engine)) = (permit, lock(&self.shared.engine).clone()) else {
                return Err(self.shared.ended().await);
            };
            // Not through the supervisor: the task is awaited right here.
            let task = tokio::task::spawn_blocking(move || {
                let whole = engine.whole.read();
                let result = work(&engine);
                drop(whole);
                drop(engine);
                drop(permit);
                result
            });
            task.await
                .unwrap_or_else(|panic| Err(Failure::panicked("reading", panic)))
        };
        let result = tokio::select! {
            biased;
            failure = self.shared.ended() => Err(failure),
            result = read => result,
        };
        result.map_err(|failure| {
            self.shared.fail(failure.clone());
            failure.into()
        })
    }

    async fn enqueue(&self, batch: Batch) -> Result<CommitId, CommitError> {
        batch.check()?;
        if !self.shared.is_open() {
            return Err(self.shared.ended().await.into());
        }
        let commit = async {
            // None while it closes.
            let queue = lock(&self.queue).clone()?;
            let (answer, answered) = oneshot::channel();
            let request = Request::Commit(Waiting { batch, answer });
            queue.send(request).await.ok()?;
            // While a sender is left the writer does not end.
            drop(queue);
            answered.await.ok()
        };
        tokio::select! {
            // An answer counts, also when the store was closed right after it.
            biased;
            answer = commit => match answer {
                Some(result) => result,
                None => Err(self.shared.ended().await.into()),
            },
            failure = self.shared.ended() => Err(failure.into()),
        }
    }

    async fn shut(&self) -> Result<(), CommitError> {
        drop(lock(&self.queue).take());
        let engine = lock(&self.shared.engine).take();
        let threads = lock(&self.threads).take();
        self.shared.closing.store(true, Ordering::Relaxed);
        let (Some(engine), Some(threads)) = (engine, threads) else {
            return match self.shared.ended().await {
                Failure::Closed => Ok(()),
                failure => Err(failure.into()),
            };
        };
        let (done, finished) = oneshot::channel();
        let closing = Closing {
            engine,
            threads,
            readers: Arc::clone(&self.readers),
            shared: Arc::clone(&self.shared),
        };
        let runtime = Handle::current();
        // A thread of its own: it goes on when this future is dropped, and a stuck writer keeps
        // it, but neither the runtime nor the process, from ending.
        let thread = Builder::new()
            .name("store-close".to_owned())
            .spawn(move || {
                closing.run(&runtime);
                // Who dropped the future does not want to know.
                let _ = done.send(());
            });
        if let Err(error) = thread {
            self.shared.fail(Failure::Gone(
                format!("no thread to close it: {error}").into(),
            ));
        }
        tokio::select! {
            _ = finished => {}
            () = self.shared.stuck() => {}
        }
        match self.shared.ended().await {
            Failure::Closed => Ok(()),
            failure => Err(failure.into()),
        }
    }
}

impl Store for SledStore {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        let get = |engine: &Engine, keys: &[Key]| {
            keys.iter()
                .map(|key| engine.get(key))
                .collect::<Result<Vec<_>, _>>()
        };
        let short = move |engine: &Engine| match keys.len() <= SHORT_READ_ROWS {
            true => get(engine, keys).map(Some),
            false => Ok(None),
        };
        let all = keys.to_vec();
        Box::pin(self.read(short, move |engine| get(engine, &all)))
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        let (whole, from) = (range.clone(), after.clone());
        let short = move |engine: &Engine| {
            let page = engine.scan(&range, dir, limit.min(SHORT_READ_ROWS), after)?;
            // A page is one look: what is longer is read again in one piece.
            Ok(Some(page).filter(|page| limit <= SHORT_READ_ROWS || page.next.is_none()))
        };
        Box::pin(self.read(short, move |engine| engine.scan(&whole, dir, limit, from)))
    }

    fn scan_many<'a>(&'a self, ranges: &'a [Range]) -> BoxFuture<'a, Result<Vec<Page>, ReadError>> {
        let scan = |engine: &Engine, ranges: &[Range]| {
            let page = |range| engine.scan(range, Dir::Forward, SHORT_RANGE_ROWS, None);
            ranges.iter().map(page).collect::<Result<Vec<_>, _>>()
        };
        let short = move |engine: &Engine| match ranges.len() <= SHORT_READ_RANGES {
            true => scan(engine, ranges).map(Some),
            false => Ok(None),
        };
        let all = ranges.to_vec();
        Box::pin(self.read(short, move |engine| scan(engine, &all)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        Box::pin(self.enqueue(batch))
    }

    fn health(&self) -> StoreHealth {
        let state = match &*self.shared.phase.borrow() {
            Phase::Open => StoreState::Open,
            Phase::Closed => StoreState::Closed,
            Phase::Failed(failure) => StoreState::Failed(failure.reason()),
        };
        let queued = lock(&self.queue).as_ref().map_or(0, |queue| {
            queue.max_capacity().saturating_sub(queue.capacity())
        });
        let disk_bytes = compact::disk_bytes(&self.shared.dir);
        let commits = self.shared.commits.load(Ordering::Relaxed);
        StoreHealth {
            state,
            commits,
            queued,
            disk_bytes,
        }
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        Box::pin(async {
            match self.shared.ended().await {
                Failure::Closed => std::future::pending().await,
                failure => failure.reason(),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(self.shut())
    }
}

#[cfg(test)]
mod tests;
