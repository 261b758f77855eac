//! The thread that writes exports and lets go of what they make needless.
//!
//! An export is written whenever the journal has grown by as much as a rebuild should have to
//! repeat. Two are kept, and the segments since the older one: if the newer turns out bad, the
//! older with its journal says the same.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::compact::{Compacted, OLD_STORE_DIR};
use super::engine::{Engine, Failure};
use super::recover::JOURNAL_DIR;
use super::verify::Verified;
use super::writer::Request;
use crate::clock::Clock;
use crate::store::export::{Begin, EXPORT_DIR, ExportError, Exports, Found, Row, Writer};
use crate::store::files::{has_room, sync_dir};
use crate::store::journal::{Group, JournalError, Segments};
use crate::store::planted::{self, Bug};
use crate::store::{Ns, SCHEMA};

/// Exports kept: the newest, and one in case that is bad.
const EXPORTS_KEPT: usize = 2;
/// Bytes of an export for a byte of keys and values, about.
const TEXT_PARTS: u64 = 2;
/// Bytes of an export for each row besides, about.
const LINE_BYTES: u64 = 128;

/// Why an export was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file could not be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The rows could not be read.
    #[error("the store cannot be read: {0}")]
    Store(Arc<str>),
    /// The store was closed meanwhile.
    #[error("the store was closed meanwhile")]
    Closed,
}

impl From<Failure> for SaveError {
    fn from(failure: Failure) -> SaveError {
        SaveError::Store(failure.reason())
    }
}

/// What the keeper is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// An export in its usual place, because the journal has grown.
    Keep,
    /// An export in another folder.
    Save(PathBuf, oneshot::Sender<Result<Found, SaveError>>),
    /// The rows into new files: because the writer saw that it is due, or because somebody asked.
    Compact(Option<oneshot::Sender<Result<Compacted, SaveError>>>),
    /// An export in its usual place, and nothing older beside it.
    Forget(oneshot::Sender<Result<(), SaveError>>),
    /// A look at everything.
    Verify(oneshot::Sender<Result<Verified, SaveError>>),
}

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) dir: PathBuf,
    pub(super) engine: Arc<Engine>,
    pub(super) shared: Arc<Shared>,
    pub(super) store_id: u128,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the start has summed all rows.
    pub(super) checked: bool,
    /// To the writer, which does not wait for us to end.
    pub(super) queue: mpsc::WeakSender<Request>,
    pub(super) cache_bytes: u64,
}

impl Keeper {
    /// Ends when the last sender is gone; sled panics over some broken files.
    pub(super) fn run(self, orders: &Receiver<Order>) {
        let shared = Arc::clone(&self.shared);
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(orders)));
        if let Err(panic) = served {
            shared.fail(Failure::panicked("keeping", panic));
        }
    }

    fn serve(mut self, orders: &Receiver<Order>) {
        if !self.checked {
            self.check();
        }
        self.keep_first();
        self.compact_if_due();
        while let Ok(order) = orders.recv() {
            match order {
                Order::Keep => self.keep(),
                Order::Save(folder, answer) => {
                    // Who dropped the future does not want to know.
                    let _ = answer.send(self.save(&folder));
                }
                Order::Compact(None) => self.compact_if_due(),
                Order::Compact(Some(answer)) => {
                    // As above.
                    let _ = answer.send(self.compact());
                }
                Order::Forget(answer) => {
                    // As above.
                    let _ = answer.send(self.forget());
                }
                Order::Verify(answer) => {
                    // As above.
                    let _ = answer.send(self.verify());
                }
            }
        }
    }

    /// Sums all rows once. When some were lost or altered nothing may be decided on them any more:
    /// the store fails, and the next start makes them anew.
    fn check(&self) {
        let altered = match self.altered() {
            Ok(altered) if altered.is_empty() => return,
            Ok(altered) => altered,
            Err(SaveError::Closed) => return,
            // Rows that cannot be read are as good as lost.
            Err(SaveError::Store(reason)) => return self.shared.fail(Failure::Corrupt(reason)),
            Err(error) => return tracing::error!(%error, "the rows could not be looked over"),
        };
        let names: Vec<&str> = altered.iter().map(|ns| ns.name()).collect();
        let reason = format!("rows of {} were lost or altered", names.join(", "));
        self.shared.fail(Failure::Corrupt(reason.into()));
    }

    fn keep(&self) {
        // Asked for again while the last one was being written.
        if self.shared.export_is_due() {
            self.export();
        }
    }

    /// Rows that came from a backup or an import are in no export and in no journal of this store
    /// yet: without one of its own they could not be made anew.
    fn keep_first(&self) {
        let alone = || -> Result<bool, SaveError> {
            let none = Exports::find(&self.dir)?.newest().is_none();
            let first = Segments::list(&self.dir.join(JOURNAL_DIR))?.first();
            Ok(none && first.is_some_and(|first| first > 1))
        };
        match alone() {
            Ok(true) => self.export(),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the exports cannot be looked for"),
        }
    }

    fn export(&self) {
        let sums = self.shared.applied().sums;
        let lines = sums.rows().saturating_mul(LINE_BYTES);
        let bytes = sums
            .bytes()
            .saturating_mul(TEXT_PARTS)
            .saturating_add(lines);
        if !has_room(&self.dir, bytes) {
            self.shared.exported();
            return tracing::error!(
                "no room on the disk for an export; the journal is kept, and grows"
            );
        }
        let kept = self.save(&self.dir.join(EXPORT_DIR)).and_then(|export| {
            tracing::info!(path = %export.path.display(), bytes = export.bytes, "exported");
            self.let_go(EXPORTS_KEPT)
        });
        match kept {
            Ok(()) | Err(SaveError::Closed) => {}
            // Nothing is lost by it: the journal is kept for as long as there is no export.
            Err(error) => tracing::error!(%error, "no export was written; the journal is kept"),
        }
        self.shared.exported();
    }

    /// Writes all rows, then what changed while they were written.
    fn save(&self, folder: &Path) -> Result<Found, SaveError> {
        let begin = Begin {
            store: self.store_id,
            schema: SCHEMA,
            at_ms: self.clock.now().0,
            frame: self.shared.applied().frame,
        };
        let mut writer = Writer::begin(folder, begin)?;
        for ns in Ns::ALL.iter().filter(|ns| **ns != Ns::Meta) {
            self.engine.each(*ns, |key, row| {
                if self.shared.is_closing() {
                    return Err(SaveError::Closed);
                }
                let row = Some((row.version, &*row.value));
                Ok(writer.row(Row { ns: *ns, key, row })?)
            })?;
        }
        // Rows of a frame that is being applied may have been read already.
        let end = self.shared.settled().ok_or(SaveError::Closed)?;
        self.changes(begin.frame, end.frame, &mut |row| Ok(writer.row(row)?))?;
        Ok(writer.finish(end.frame, &end.sums.all())?)
    }

    /// Gives what the frames after `after` up to `last` wrote and removed to `give`, in order.
    pub(super) fn changes(
        &self,
        after: u64,
        last: u64,
        give: &mut dyn FnMut(Row<'_>) -> Result<(), SaveError>,
    ) -> Result<(), SaveError> {
        if after == last {
            return Ok(());
        }
        let mut reached = after;
        let mut take = |frame: u64, group: &Group<'_>| -> Result<(), SaveError> {
            if frame > last || frame != reached.saturating_add(1) {
                return Ok(());
            }
            reached = frame;
            for change in &group.changes {
                let dels = change.dels.iter().map(|(ns, key)| (*ns, key, None));
                let puts = change
                    .puts
                    .iter()
                    .map(|(ns, key, value)| (*ns, key, Some((change.commit, &*value.0))));
                for (ns, key, row) in dels.chain(puts) {
                    let Some(ns) = Ns::from_id(ns) else { continue };
                    give(Row {
                        ns,
                        key: &key.0,
                        row,
                    })?;
                }
            }
            Ok(())
        };
        let segments = Segments::list(&self.dir.join(JOURNAL_DIR))?;
        segments.read(Some(self.store_id), after, &mut take)?;
        if reached == last {
            return Ok(());
        }
        let text = format!("the journal has no frame {}", reached.saturating_add(1));
        Err(SaveError::Store(text.into()))
    }

    /// The rows in new files, one export, and nothing older beside them, not even what was never
    /// finished.
    fn forget(&mut self) -> Result<(), SaveError> {
        self.compact()?;
        let old = self.dir.join(OLD_STORE_DIR);
        if old.exists() {
            let text = format!("{} cannot be removed", old.display());
            return Err(SaveError::Store(text.into()));
        }
        let folder = self.dir.join(EXPORT_DIR);
        let export = self.save(&folder)?;
        let failed = |source| ExportError::Io {
            doing: "read the folder",
            path: folder.clone(),
            source,
        };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path != export.path {
                remove(&path)?;
            }
        }
        self.let_go(1)
    }

    /// Removes all but the newest `kept` exports, then segments that none of these needs.
    fn let_go(&self, kept: usize) -> Result<(), SaveError> {
        let exports = Exports::find(&self.dir)?.newest_first();
        let folder = self.dir.join(EXPORT_DIR);
        for export in exports.iter().skip(kept) {
            remove(&export.path)?;
        }
        let oldest = exports.get(kept.saturating_sub(1));
        let needed = match oldest {
            _ if planted::is(Bug::DropSegments) => u64::MAX,
            // What sled has not on disk yet is repeated from the journal, not from an export.
            Some(export) => export.frame.min(self.shared.flushed_to()),
            None => return Ok(()),
        };
        let segments = Segments::list(&self.dir.join(JOURNAL_DIR))?;
        for (file, next) in segments.files().iter().zip(segments.files().iter().skip(1)) {
            if next.0.saturating_sub(1) <= needed {
                remove(&file.1)?;
            }
        }
        for folder in [&folder, &self.dir.join(JOURNAL_DIR)] {
            sync_dir(folder).map_err(|source| ExportError::Io {
                doing: "sync the folder",
                path: folder.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), ExportError> {
    fs::remove_file(path).map_err(|source| ExportError::Io {
        doing: "remove",
        path: path.to_owned(),
        source,
    })
}
