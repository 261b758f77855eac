//! From what a crash, a full disk or a bad disk left to a store that has every commit.
//!
//! | found | done |
//! |---|---|
//! | nothing | a new store |
//! | sled behind the journal | what it lacks is applied |
//! | an unfinished frame at the end of the journal | cut off: it was never acknowledged |
//! | sled ahead of the journal (its end was damaged) | the journal goes on in a new segment |
//! | sled missing or unreadable | moved aside, made anew from the newest export and the journal |
//! | frames missing that nothing else has | refused: acknowledged commits would be lost unseen |

use std::fs;
use std::path::{Path, PathBuf};

use super::SledOptions;
use super::engine::{Engine, Failure};
use super::open::{
    self, Database, LockFile, OpenError, Opened, STORE_DIR, existing, failed, io_error,
    raise_epoch, random_id, sync_dir,
};
use super::writer::SEQUENCE_BITS;
use crate::clock::Clock;
use crate::store::Ns;
use crate::store::export::{self, ExportError, Exports, Found, Row};
use crate::store::journal::{Damage, Group, Journal, JournalOptions, Segments, Tail};
use crate::store::planted::{self, Bug};
use crate::store::sums::Sums;

/// The journal, in the directory of the store.
pub const JOURNAL_DIR: &str = "journal";
/// Rebuilds of one store that are kept aside; the oldest are for a person to remove.
const ASIDE_MAX: u32 = 1_000;

/// What the last start found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Frames that sled lacked.
    pub replayed: u64,
    /// Bytes of an unfinished frame that were cut off.
    pub cut_bytes: u64,
    /// Frames that the journal lacked and sled had.
    pub journal_behind: u64,
    /// Places in the journal that cannot be read, and are in sled or in an export.
    pub damage: Vec<Damage>,
    /// Set when the rows were made anew.
    pub rebuilt: Option<Rebuilt>,
}

/// A store that was made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Why.
    pub reason: String,
    /// Where the old one lies; `None` when there was none.
    pub aside: Option<PathBuf>,
    /// The export it began with; `None`: with the first frame of the journal.
    pub export: Option<PathBuf>,
    /// Rows of that export.
    pub rows: u64,
    /// Frames applied after it.
    pub frames: u64,
}

pub(super) fn open(
    dir: &Path,
    options: SledOptions,
    lock: LockFile,
    clock: &dyn Clock,
) -> Result<Opened, OpenError> {
    let place = Place {
        dir,
        options,
        segments: Segments::find(&dir.join(JOURNAL_DIR))?,
    };
    let mut recovery = Recovery::default();
    let database = place.database(&mut recovery)?;
    let (tail, mut database) = place.replay(database, &mut recovery)?;
    database.engine.lock = Some(lock);
    let journal_options = JournalOptions {
        store: database.store_id,
        segment_bytes: options.segment_bytes,
    };
    let applied = applied(dir, &database.engine)?;
    let folder = dir.join(JOURNAL_DIR);
    let current = tail.position.segment != 0 && tail.position.frame >= applied;
    let (journal, sums) = if current {
        let journal = Journal::resume(&folder, journal_options, &tail)?;
        (journal, Sums::of(&tail.families))
    } else {
        recovery.journal_behind = applied.saturating_sub(tail.position.frame);
        let journal = Journal::begin(&folder, journal_options, applied, clock.now().0)?;
        (journal, scan(dir, &database.engine)?)
    };
    let boot_epoch = raise_epoch(&dir.join(STORE_DIR), &database.engine, database.epoch)?;
    sync_dir(&dir.join(STORE_DIR))?;
    sync_dir(dir)?;
    recovery.tell();
    Ok(Opened {
        engine: database.engine,
        journal,
        sums,
        boot_epoch,
        store_id: database.store_id,
        since_export: place.since_export()?,
        recovery,
    })
}

fn applied(dir: &Path, engine: &Engine) -> Result<u64, OpenError> {
    engine
        .applied()
        .map_err(|failure| failed(&dir.join(STORE_DIR), failure))
}

fn scan(dir: &Path, engine: &Engine) -> Result<Sums, OpenError> {
    let sums = open::caught(|| engine.sums());
    sums.map_err(|failure| failed(&dir.join(STORE_DIR), failure))
}

impl Recovery {
    /// One line in the log for each thing that was not as it should be.
    fn tell(&self) {
        if self.replayed > 0 {
            tracing::info!(
                frames = self.replayed,
                "the store caught up with its journal"
            );
        }
        if self.cut_bytes > 0 {
            let bytes = self.cut_bytes;
            tracing::warn!(
                bytes,
                "the journal ended in an unfinished commit, which was cut off"
            );
        }
        if self.journal_behind > 0 {
            let frames = self.journal_behind;
            tracing::error!(
                frames,
                "the end of the journal is gone; the store has its commits"
            );
        }
        for damage in &self.damage {
            tracing::error!(
                segment = %damage.path.display(),
                offset = damage.offset,
                first = damage.first,
                last = damage.last,
                reason = %damage.reason,
                "the journal is damaged; the store has these commits",
            );
        }
        if let Some(rebuilt) = &self.rebuilt {
            tracing::error!(
                reason = rebuilt.reason,
                rows = rebuilt.rows,
                frames = rebuilt.frames,
                aside = ?rebuilt.aside,
                "the store was made anew from its export and its journal",
            );
        }
    }
}

struct Place<'a> {
    dir: &'a Path,
    options: SledOptions,
    segments: Segments,
}

impl Place<'_> {
    /// About how many bytes of journal a rebuild would repeat.
    fn since_export(&self) -> Result<u64, OpenError> {
        let newest = Exports::find(self.dir)?
            .newest()
            .map_or(0, |export| export.frame);
        let files = self.segments.files();
        let later = files.iter().filter(|(first, _)| *first > newest);
        let bytes = later.filter_map(|(_, path)| path.metadata().ok());
        Ok(bytes.fold(0, |sum, file| sum.saturating_add(file.len())))
    }

    /// The rows as sled has them, or made anew.
    fn database(&self, recovery: &mut Recovery) -> Result<Database, OpenError> {
        let store = self.dir.join(STORE_DIR);
        let there = store.try_exists().map_err(io_error("look for", &store))?;
        open::remove_unfinished_store(self.dir)?;
        let exports = Exports::find(self.dir)?;
        if !there && self.segments.first().is_none() && exports.newest().is_none() {
            open::create(self.dir, self.options, random_id()?, |_| Ok((0, ())))?;
            open::move_in(self.dir)?;
            return existing(self.dir, self.options);
        }
        let refused = match there.then(|| existing(self.dir, self.options)) {
            Some(Ok(database)) => return Ok(database),
            Some(Err(error @ (OpenError::Corrupt { .. } | OpenError::Blobs { .. }))) => error,
            Some(Err(error)) => return Err(error),
            None => OpenError::Corrupt {
                dir: store,
                reason: "it is missing".to_owned(),
            },
        };
        self.rebuild(refused, recovery)?;
        existing(self.dir, self.options)
    }

    /// Applies what sled lacks; rebuilds when the journal cannot say it.
    fn replay(
        &self,
        database: Database,
        recovery: &mut Recovery,
    ) -> Result<(Tail, Database), OpenError> {
        let mut applied = applied(self.dir, &database.engine)?;
        let before = applied;
        let store = self.dir.join(STORE_DIR);
        let mut take = |frame: u64, group: &Group<'_>| -> Result<(), OpenError> {
            if frame != applied.saturating_add(1) || planted::is(Bug::SkipReplay) {
                return Ok(());
            }
            apply(&database.engine, frame, group).map_err(|failure| failed(&store, failure))?;
            applied = frame;
            Ok(())
        };
        let tail = self
            .segments
            .read(Some(database.store_id), before, &mut take)?;
        recovery.replayed = recovery
            .replayed
            .saturating_add(applied.saturating_sub(before));
        recovery.cut_bytes = tail.cut_bytes;
        recovery.damage.clone_from(&tail.damage);
        let reached = applied >= tail.position.frame || planted::is(Bug::SkipReplay);
        if reached {
            let flushed = open::caught(|| database.engine.flush());
            flushed.map_err(|failure| failed(&store, failure))?;
            return Ok((tail, database));
        }
        if recovery.rebuilt.is_some() {
            return Err(lost(self.dir, applied.saturating_add(1), &tail.damage));
        }
        drop(database);
        let error = lost(self.dir, applied.saturating_add(1), &tail.damage);
        self.rebuild(error, recovery)?;
        let database = existing(self.dir, self.options)?;
        self.replay(database, recovery)
    }

    /// Makes the rows anew beside their place, from the newest export whose rows and the frames
    /// after them are all there; then moves the old ones aside and the new ones in.
    fn rebuild(&self, reason: OpenError, recovery: &mut Recovery) -> Result<(), OpenError> {
        let exports = Exports::find(self.dir)?;
        let mut sources: Vec<Option<Found>> =
            exports.newest_first().into_iter().map(Some).collect();
        sources.push(None);
        for source in sources {
            let after = source.as_ref().map_or(0, |export| export.frame);
            // Frames between the export and the oldest segment are nowhere.
            if self
                .segments
                .first()
                .is_some_and(|first| first > after.saturating_add(1))
                || (source.is_none() && self.segments.first().is_none())
            {
                continue;
            }
            match self.make(source.as_ref()) {
                Ok(made) => {
                    let aside = self.move_aside()?;
                    open::move_in(self.dir)?;
                    recovery.rebuilt = Some(Rebuilt {
                        reason: reason.to_string(),
                        aside,
                        export: source.map(|export| export.path),
                        rows: made.rows,
                        frames: made.frames,
                    });
                    return Ok(());
                }
                Err(error @ (OpenError::Full { .. } | OpenError::InUse { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(%error, export = ?source.map(|e| e.path), "the store was not made anew from this");
                }
            }
        }
        Err(reason)
    }

    fn make(&self, source: Option<&Found>) -> Result<Made, OpenError> {
        let header = self.segments.newest()?.map(|header| header.store);
        let store_id = match source.map(|export| export.store).or(header) {
            Some(store) => store,
            None => random_id()?,
        };
        let filling = Filling {
            place: self.dir.join(open::NEW_STORE_DIR),
            source: source.map(|export| export.path.clone()),
            segments: self.segments.clone(),
            store_id,
            epoch: 0,
            made: Made::default(),
        };
        open::create(self.dir, self.options, store_id, move |engine| {
            filling.run(engine)
        })
    }

    /// Moves the rows that cannot be used to `sled.damaged-<n>`; never deletes them.
    fn move_aside(&self) -> Result<Option<PathBuf>, OpenError> {
        let store = self.dir.join(STORE_DIR);
        if !store.try_exists().map_err(io_error("look for", &store))? {
            return Ok(None);
        }
        for number in 1..=ASIDE_MAX {
            let aside = self.dir.join(format!("{STORE_DIR}.damaged-{number}"));
            if aside.try_exists().map_err(io_error("look for", &aside))? {
                continue;
            }
            fs::rename(&store, &aside).map_err(io_error("move aside", &store))?;
            sync_dir(self.dir)?;
            return Ok(Some(aside));
        }
        Err(open::corrupt(
            &store,
            format!("{ASIDE_MAX} damaged ones lie beside it already"),
        ))
    }
}

/// Writes the rows of a store that is made anew.
struct Filling {
    place: PathBuf,
    source: Option<PathBuf>,
    segments: Segments,
    store_id: u128,
    epoch: u64,
    made: Made,
}

impl Filling {
    fn run(mut self, engine: &Engine) -> Result<(u64, Made), OpenError> {
        let after = match self.source.clone() {
            Some(path) => self.load(engine, &path)?,
            None => 0,
        };
        engine
            .set_applied(after)
            .map_err(|failure| failed(&self.place, failure))?;
        let segments = self.segments.clone();
        let (store, mut last) = (Some(self.store_id), after);
        let mut take = |frame: u64, group: &Group<'_>| -> Result<(), OpenError> {
            if frame != last.saturating_add(1) {
                return Ok(());
            }
            for change in &group.changes {
                self.committed(change.commit);
            }
            apply(engine, frame, group).map_err(|failure| failed(&self.place, failure))?;
            self.made.frames = self.made.frames.saturating_add(1);
            last = frame;
            Ok(())
        };
        let tail = segments.read(store, after, &mut take)?;
        if last < tail.position.frame {
            return Err(lost(&self.place, last.saturating_add(1), &tail.damage));
        }
        Ok((self.epoch, self.made))
    }

    /// Loads an export, and checks that its rows are those that the journal told.
    fn load(&mut self, engine: &Engine, path: &Path) -> Result<u64, OpenError> {
        let mut take = |row: Row<'_>| -> Result<(), OpenError> {
            self.committed(row.row.map_or(0, |(version, _)| version));
            self.made.rows = self.made.rows.saturating_add(1);
            let written = match row.row {
                Some((version, value)) => engine.write(row.ns, row.key, version, value),
                None => engine.remove(row.ns, row.key),
            };
            written.map_err(|failure| failed(&self.place, failure))
        };
        let ended = export::read(path, &mut take)?;
        let sums = engine
            .sums()
            .map_err(|failure| failed(&self.place, failure))?;
        if sums != Sums::of(&ended.families) {
            let reason = "its rows are not those that the journal told".to_owned();
            let path = path.to_owned();
            return Err(ExportError::Altered { path, reason }.into());
        }
        Ok(ended.frame)
    }

    fn committed(&mut self, commit: u64) {
        self.epoch = self.epoch.max(commit >> SEQUENCE_BITS);
    }
}

/// What a rebuild wrote.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Made {
    rows: u64,
    frames: u64,
}

fn lost(dir: &Path, first: u64, damage: &[Damage]) -> OpenError {
    let found = damage.iter().find(|damage| damage.last >= first);
    OpenError::Lost {
        dir: dir.to_owned(),
        first,
        last: found.map_or(first, |damage| damage.last),
        reason: found.map_or_else(
            || "the journal begins later".to_owned(),
            |damage| {
                let segment = damage.path.display();
                format!("{segment}, byte {}: {}", damage.offset, damage.reason)
            },
        ),
    }
}

/// Writes the rows of a group.
fn apply(engine: &Engine, frame: u64, group: &Group<'_>) -> Result<(), Failure> {
    let family = |id: u8| {
        Ns::from_id(id).ok_or_else(|| {
            Failure::Gone(format!("the journal names a family {id} that this release does not know: start the release that wrote it").into())
        })
    };
    open::caught(|| {
        for change in &group.changes {
            let mut rows = Vec::new();
            for (ns, key) in &change.dels {
                rows.push((family(*ns)?, &*key.0, None));
            }
            for (ns, key, value) in &change.puts {
                rows.push((family(*ns)?, &*key.0, Some((change.commit, &*value.0))));
            }
            engine.apply(frame.saturating_sub(1), rows)?;
        }
        engine.set_applied(frame)
    })
}
