//! Writing the rows into new files while everybody goes on: sled gives space back slowly.
//!
//! The keeper copies the rows beside their place, as an export does, and applies what was
//! committed meanwhile from the journal. When little is left to apply it stops the writer between
//! two groups, applies the rest, gives the new files the name of the old ones, and lets the writer
//! go on with them. Reads go on with the old ones until then. The old files have another name for
//! a moment; what a crash leaves is put right by the next start (`recover`), and either one is
//! whole: it lacks at most what the journal has.
//!
//! Files of an open database may be moved: sled reads its directory only when it is opened, but
//! for pages over 128 KiB, which we never make ([`crate::store::VALUE_BYTES_MAX`]).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::{Deserialize, Serialize};

use super::engine::{Engine, Failure, META_APPLIED};
use super::keeper::{Keeper, SaveError};
use super::open::{self, NEW_STORE_DIR, STORE_DIR, sync_tree};
use super::writer::Request;
use super::{Shared, lock};
use crate::books::chain;
use crate::store::codec::{self, Record};
use crate::store::files::{has_room, make_dir, sync_dir};
use crate::store::sums::Sums;
use crate::store::{Key, Ns};

/// Rows that are being replaced by the same rows in smaller files.
pub(super) const OLD_STORE_DIR: &str = "sled.old";
/// Files of so many times what they hold are written anew.
pub(super) const COMPACT_PARTS: u64 = 4;
/// Files that were written anew, or could not be, are left until they are so many times as large
/// for what they hold: where small rows need much space by themselves it would never end.
const AGAIN: u64 = 2;
/// New files have at most so many times what they hold.
const NEW_PARTS: u64 = 3;
/// Frames that the writer may have to wait for at most, unless it writes faster than they are
/// applied.
const LEFT_FRAMES: u64 = 50;
/// Turns after which the writer is stopped, however much is left.
const TURNS_MAX: u32 = 8;

/// The rows were written into new files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Bytes of the files before.
    pub before: u64,
    /// Bytes of the files after.
    pub after: u64,
}

impl Record for Compacted {
    const TYPE: u8 = 4;
    const VERSION: u16 = 1;
}

/// Stops the writer until the keeper lets it go on.
#[derive(Debug)]
pub(super) struct Pause {
    /// Told when it has stopped: the last frame, which is applied.
    pub(super) stopped: SyncSender<u64>,
    /// The rows with which it goes on; `None`: those that it has.
    pub(super) go_on: Receiver<Option<Arc<Engine>>>,
}

/// Kept beside the rows, for people.
const META_COMPACTED: &[u8] = b"compacted";

fn remember(engine: &Engine, compacted: &Compacted) -> Result<(), Failure> {
    let value = codec::encode(compacted).unwrap_or_default();
    engine.write(Ns::Meta, META_COMPACTED, 0, &value)
}

/// The last time that these files were written anew; `None` when that is not known.
pub(super) fn remembered(engine: &Engine) -> Option<Compacted> {
    let key = Key::new(Ns::Meta, META_COMPACTED);
    let row = engine.get(&key).ok()??;
    codec::decode(&row.value).ok()
}

/// Bytes of the file of a database; `None` when there is none.
pub(super) fn disk_bytes(dir: &Path) -> Option<u64> {
    let file = fs::metadata(dir.join(STORE_DIR).join("db")).ok()?;
    Some(file.len())
}

impl Shared {
    /// Whether the files are far larger than what they hold.
    pub(super) fn compaction_is_due(&self) -> bool {
        let disk = disk_bytes(&self.dir).unwrap_or(0);
        let parts = self.compact_parts.load(Ordering::Relaxed);
        disk >= self.compact_bytes && disk >= self.applied().sums.bytes().saturating_mul(parts)
    }
}

/// New files with the rows up to a frame.
struct Filled {
    engine: Engine,
    frame: u64,
}

fn failed(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> SaveError {
    let path = path.display().to_string();
    let what = what.to_owned();
    move |error| SaveError::Store(format!("cannot {what} {path}: {error}").into())
}

impl Keeper {
    /// Because the writer saw that it is due; what goes wrong is told in the log, and changes
    /// nothing: the old files are good.
    pub(super) fn compact_if_due(&mut self) {
        if !self.shared.compaction_is_due() {
            return;
        }
        let bytes = self.shared.applied().sums.bytes();
        if !has_room(&self.dir, bytes.saturating_mul(NEW_PARTS)) {
            return tracing::warn!("no room on the disk to write the rows into new files");
        }
        match self.compact() {
            Ok(_) | Err(SaveError::Closed) => {}
            Err(error) => tracing::error!(%error, "the rows were not written into new files"),
        }
    }

    /// Writes the rows into new files, and goes on with them.
    pub(super) fn compact(&mut self) -> Result<Compacted, SaveError> {
        let before = disk_bytes(&self.dir).unwrap_or(0);
        let made = self.fill().and_then(|filled| self.change_to(filled));
        let disk = disk_bytes(&self.dir).unwrap_or(before);
        let live = self.shared.applied().sums.bytes().max(1);
        let parts = disk.saturating_mul(AGAIN).div_ceil(live).max(COMPACT_PARTS);
        self.shared.compact_parts.store(parts, Ordering::Relaxed);
        if made.is_err() {
            // The next start removes it as well.
            let _ = fs::remove_dir_all(self.dir.join(NEW_STORE_DIR));
        }
        made?;
        let compacted = Compacted {
            at_ms: self.clock.now().0,
            before,
            after: disk,
        };
        *lock(&self.shared.compacted) = Some(compacted);
        // Only told to people: when a crash loses it nothing is wrong.
        let _ = remember(&self.engine, &compacted);
        tracing::info!(before, after = disk, "the rows were written into new files");
        Ok(compacted)
    }

    /// All rows in new files, on disk, and looked at once.
    fn fill(&self) -> Result<Filled, SaveError> {
        for name in [NEW_STORE_DIR, OLD_STORE_DIR] {
            let left = self.dir.join(name);
            if left.exists() {
                fs::remove_dir_all(&left).map_err(failed("remove", &left))?;
            }
        }
        let new = self.dir.join(NEW_STORE_DIR);
        make_dir(&new).map_err(failed("make", &new))?;
        let opened = open::fresh(&new, self.cache_bytes);
        let engine = opened.map_err(|error| SaveError::Store(chain(&error).into()))?;
        let begin = self.shared.applied().frame;
        for ns in Ns::ALL {
            self.engine.each(*ns, |key, row| -> Result<(), SaveError> {
                self.go_on()?;
                // Not packed as other rows are, and told below.
                if *ns == Ns::Meta && key == META_APPLIED {
                    return Ok(());
                }
                Ok(engine.write(*ns, key, row.version, &row.value)?)
            })?;
        }
        // Rows of a frame that is being applied may have been read already.
        let mut reached = self.shared.settled().ok_or(SaveError::Closed)?;
        self.catch_up(&engine, begin, reached.frame)?;
        if self.sums_of(&engine)? != reached.sums {
            let text = "its rows are not those that the journal told: look with `liaison verify`";
            return Err(SaveError::Store(text.into()));
        }
        sync_tree(&new).map_err(|error| SaveError::Store(chain(&error).into()))?;
        for _ in 0..TURNS_MAX {
            let now = self.shared.settled().ok_or(SaveError::Closed)?;
            if now.frame.saturating_sub(reached.frame) <= LEFT_FRAMES {
                break;
            }
            self.catch_up(&engine, reached.frame, now.frame)?;
            reached = now;
        }
        let frame = reached.frame;
        Ok(Filled { engine, frame })
    }

    fn sums_of(&self, engine: &Engine) -> Result<Sums, SaveError> {
        let mut sums = Sums::default();
        for ns in Ns::ALL.iter().filter(|ns| **ns != Ns::Meta) {
            engine.each(*ns, |key, row| {
                self.go_on()?;
                sums.add(*ns, key, row);
                Ok::<(), SaveError>(())
            })?;
        }
        Ok(sums)
    }

    /// Closing does not wait for new files.
    fn go_on(&self) -> Result<(), SaveError> {
        match self.shared.is_closing() {
            true => Err(SaveError::Closed),
            false => Ok(()),
        }
    }

    /// Applies the frames after `after` up to `last`, and flushes.
    fn catch_up(&self, engine: &Engine, after: u64, last: u64) -> Result<(), SaveError> {
        self.changes(after, last, &mut |row| {
            match row.row {
                Some((version, value)) => engine.write(row.ns, row.key, version, value)?,
                None => engine.remove(row.ns, row.key)?,
            }
            Ok(())
        })?;
        engine.set_applied(last)?;
        Ok(engine.flush()?)
    }

    /// Stops the writer, and has everybody go on with the new files.
    fn change_to(&mut self, filled: Filled) -> Result<(), SaveError> {
        let (stopped, stopped_at) = sync_channel(1);
        let (go_on, goes_on) = sync_channel(1);
        let queue = self.queue.upgrade().ok_or(SaveError::Closed)?;
        let pause = Pause {
            stopped,
            go_on: goes_on,
        };
        let asked = queue.blocking_send(Request::Pause(pause));
        // While a sender is left the writer does not end.
        drop(queue);
        asked.map_err(|_| SaveError::Closed)?;
        let frame = stopped_at.recv().map_err(|_| SaveError::Closed)?;
        let Filled {
            mut engine,
            frame: reached,
        } = filled;
        if let Err(error) = self.catch_up(&engine, reached, frame) {
            // It goes on as before.
            let _ = go_on.send(None);
            return Err(error);
        }
        if let Err((error, unchanged)) = self.exchange() {
            if unchanged {
                let _ = go_on.send(None);
            }
            // Else nobody knows what the next start finds: without a word the writer fails.
            return Err(error);
        }
        engine.lock.clone_from(&self.engine.lock);
        let engine = Arc::new(engine);
        let mut current = lock(&self.shared.engine);
        if current.is_some() {
            *current = Some(Arc::clone(&engine));
        }
        drop(current);
        self.engine = Arc::clone(&engine);
        self.shared.flushed(frame);
        // A writer that is gone has closed the store.
        let _ = go_on.send(Some(engine));
        let old = self.dir.join(OLD_STORE_DIR);
        if let Err(error) = fs::remove_dir_all(&old).and_then(|()| sync_dir(&self.dir)) {
            tracing::warn!(%error, path = %old.display(), "stays until the next start");
        }
        Ok(())
    }

    /// Gives the new files the name of the old ones; tells on an error whether all is as before.
    fn exchange(&self) -> Result<(), (SaveError, bool)> {
        let [store, new, old] =
            [STORE_DIR, NEW_STORE_DIR, OLD_STORE_DIR].map(|name| self.dir.join(name));
        fs::rename(&store, &old).map_err(|error| (failed("move aside", &store)(error), true))?;
        fs::rename(&new, &store).map_err(|error| {
            let back = fs::rename(&old, &store).is_ok();
            (failed("move into place", &new)(error), back)
        })?;
        sync_dir(&self.dir).map_err(|error| (failed("sync", &self.dir)(error), false))
    }
}

/// What a writer does that is asked to stop.
pub(super) fn wait(pause: Pause, frame: u64) -> Result<Option<Arc<Engine>>, Failure> {
    if pause.stopped.send(frame).is_err() {
        return Ok(None);
    }
    let gone = || Failure::Gone("the change to new files did not end".into());
    pause.go_on.recv().map_err(|_| gone())
}
