//! From what a crash, a full disk or a bad disk left to a store that has every commit.
//!
//! | found | done |
//! |---|---|
//! | nothing | a new store |
//! | sled behind the journal | what it lacks is applied |
//! | an unfinished frame at the end of the journal | cut off: it was never acknowledged |
//! | sled ahead of the journal (its end was damaged) | the journal goes on in a new segment |
//! | rows that are not those that the journal told | made anew, as below |
//! | sled missing or unreadable | moved aside, made anew from the newest export and the journal |
//! | frames missing that nothing else has | refused: acknowledged commits would be lost unseen |

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SledOptions;
use super::compact::OLD_STORE_DIR;
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
use crate::store::progress::Progress;
use crate::store::sums::Sums;

/// The journal, in the directory of the store.
pub const JOURNAL_DIR: &str = "journal";
/// Rows up to which all are read and summed before the store opens: a fifth of a second's work.
/// Of more the keeper does it, while the store is open.
const CHECKED_ROWS_MAX: u64 = 200_000;
/// Left by the keeper when rows were lost or altered: the next start makes them anew.
pub(super) const REBUILD_MARKER: &str = "rebuild";
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
    /// The rows can be read, are not those that the journal told, and could not be made anew.
    pub doubtful: bool,
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
    (clock, progress): (&dyn Clock, &Arc<Progress>),
) -> Result<Opened, OpenError> {
    let place = Place {
        dir,
        options,
        segments: Segments::find(&dir.join(JOURNAL_DIR))?,
        progress,
    };
    let mut recovery = Recovery::default();
    let Sound {
        tail,
        mut database,
        sums,
        checked,
    } = place.sound(&mut recovery)?;
    database.engine.lock = Some(Arc::new(lock));
    let journal_options = JournalOptions {
        store: database.store_id,
        segment_bytes: options.segment_bytes,
    };
    let applied = applied(dir, &database.engine)?;
    let folder = dir.join(JOURNAL_DIR);
    // Sums that do not fit are told anew, in a segment that begins with all of them.
    let goes_on =
        is_current(&tail, applied) && !tail.ended && !recovery.doubtful && !options.fresh_segment;
    let journal = if goes_on {
        Journal::resume(&folder, journal_options, &tail)?
    } else {
        recovery.journal_behind = applied.saturating_sub(tail.position.frame);
        Journal::begin(&folder, journal_options, applied, clock.now().0)?
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
        checked,
        recovery,
    })
}

/// A database whose rows are those of the journal.
struct Sound {
    tail: Tail,
    database: Database,
    sums: Sums,
    /// Whether all rows were read and summed; else that is still to be done.
    checked: bool,
}

/// Whether the journal goes as far as the rows do.
fn is_current(tail: &Tail, applied: u64) -> bool {
    tail.position.segment != 0 && tail.position.frame >= applied
}

fn applied(dir: &Path, engine: &Engine) -> Result<u64, OpenError> {
    let applied = open::caught(|| engine.applied());
    applied.map_err(|failure| failed(&dir.join(STORE_DIR), failure))
}

fn scan(dir: &Path, engine: &Engine) -> Result<Sums, OpenError> {
    let sums = open::caught(|| engine.sums());
    sums.map_err(|failure| failed(&dir.join(STORE_DIR), failure))
}

impl Recovery {
    /// One sentence for each thing that was not as after an orderly end.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.replayed > 0 {
            words.push(format!(
                "{} frames of the journal were repeated",
                self.replayed
            ));
        }
        if self.cut_bytes > 0 {
            let bytes = self.cut_bytes;
            words.push(format!(
                "an unfinished commit of {bytes} bytes was cut off the journal"
            ));
        }
        if self.journal_behind > 0 {
            let frames = self.journal_behind;
            words.push(format!(
                "the last {frames} frames of the journal are gone, the rows are not"
            ));
        }
        for damage in &self.damage {
            words.push(format!(
                "the journal cannot be read in {}, byte {} ({})",
                damage.path.display(),
                damage.offset,
                damage.reason
            ));
        }
        if self.doubtful {
            let text = "the rows are not those that the journal told, and could not be made anew: \
                        compare with a backup";
            words.push(text.to_owned());
        }
        if let Some(rebuilt) = &self.rebuilt {
            let aside = rebuilt.aside.as_ref();
            let aside = aside.map_or_else(String::new, |path| {
                format!("; the old ones lie in {}", path.display())
            });
            words.push(format!(
                "the rows were made anew from {} rows of an export and {} frames of the journal, \
                 because {}{aside}",
                rebuilt.rows, rebuilt.frames, rebuilt.reason
            ));
        }
        words
    }

    /// Whether files were damaged: a disk that does that once does it again.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        self.journal_behind > 0
            || self.doubtful
            || !self.damage.is_empty()
            || self.rebuilt.is_some()
    }

    /// Into the log.
    fn tell(&self) {
        for words in self.words() {
            match self.needs_person() {
                true => tracing::error!("at the start of the store: {words}"),
                false => tracing::info!("at the start of the store: {words}"),
            }
        }
    }
}

struct Place<'a> {
    dir: &'a Path,
    options: SledOptions,
    segments: Segments,
    progress: &'a Arc<Progress>,
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

    /// The rows, caught up with the journal; made anew when they cannot be read, or are not those
    /// that the journal told.
    fn sound(&self, recovery: &mut Recovery) -> Result<Sound, OpenError> {
        let error = match self.look(recovery, true) {
            Err(error @ OpenError::Corrupt { .. }) if recovery.rebuilt.is_none() => error,
            found => return found,
        };
        let rebuilt = self.rebuild(error, recovery);
        match rebuilt.and_then(|()| self.look(recovery, true)) {
            // Rows that can be read are better than none: they are used, and a person is asked.
            Err(OpenError::Corrupt { .. }) => {
                recovery.doubtful = true;
                self.look(recovery, false)
            }
            found => found,
        }
    }

    fn look(&self, recovery: &mut Recovery, strict: bool) -> Result<Sound, OpenError> {
        let database = self.database(recovery)?;
        let (tail, database) = self.replay(database, recovery)?;
        let current = is_current(&tail, applied(self.dir, &database.engine)?);
        let told = Sums::of(&tail.families);
        if current && told.rows() > CHECKED_ROWS_MAX {
            return Ok(Sound {
                tail,
                database,
                sums: told,
                checked: false,
            });
        }
        self.progress.begin("reading all rows", None);
        let sums = scan(self.dir, &database.engine)?;
        // Rows that came from an export, and nothing was committed since: the export was compared.
        let untold = tail.families.is_empty() && tail.damage.is_empty() && tail.cut_bytes == 0;
        let same = sums == told || untold || planted::is(Bug::SkipChecks);
        if current && !same && strict && !self.options.accept_loss {
            let store = self.dir.join(STORE_DIR);
            let reason = "its rows are not those that the journal told".to_owned();
            return Err(open::corrupt(&store, reason));
        }
        Ok(Sound {
            tail,
            database,
            sums,
            checked: true,
        })
    }

    /// The rows as sled has them, or made anew.
    fn database(&self, recovery: &mut Recovery) -> Result<Database, OpenError> {
        self.finish_compacting()?;
        let store = self.dir.join(STORE_DIR);
        let there = store.try_exists().map_err(io_error("look for", &store))?;
        open::remove_unfinished_store(self.dir)?;
        let exports = Exports::find(self.dir)?;
        if !there && self.segments.first().is_none() && exports.newest().is_none() {
            open::create(self.dir, self.options, random_id()?, |_| Ok((0, ())))?;
            open::move_in(self.dir)?;
            return existing(self.dir, self.options);
        }
        let marker = self.dir.join(REBUILD_MARKER);
        let marked = marker.try_exists().map_err(io_error("look for", &marker))?;
        let wanted = (self.options.rebuild || marked) && recovery.rebuilt.is_none();
        let refused = match (there && !wanted).then(|| existing(self.dir, self.options)) {
            Some(Ok(database)) => return Ok(database),
            Some(Err(error @ (OpenError::Corrupt { .. } | OpenError::Blobs { .. }))) => error,
            Some(Err(error)) => return Err(error),
            None => OpenError::Corrupt {
                dir: store,
                reason: match there {
                    true if marked => "rows of it were lost or altered".to_owned(),
                    true => "a person wants it made anew".to_owned(),
                    false => "it is missing".to_owned(),
                },
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
        self.progress.begin("repeating the journal", None);
        let mut take = |frame: u64, group: &Group<'_>| -> Result<(), OpenError> {
            self.progress.done(frame.saturating_sub(before));
            let next = frame == applied.saturating_add(1) || self.options.accept_loss;
            if !next || planted::is(Bug::SkipReplay) {
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
        for damage in &tail.damage {
            if !recovery.damage.contains(damage) {
                recovery.damage.push(damage.clone());
            }
        }
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
        self.progress.begin("making the rows anew", None);
        let exports = Exports::find(self.dir)?;
        let mut sources: Vec<Option<Found>> =
            exports.newest_first().into_iter().map(Some).collect();
        sources.push(None);
        for source in sources {
            let after = source.as_ref().map_or(0, |export| export.frame);
            // Frames between the export and the oldest segment are nowhere.
            let first = self.segments.first();
            let gap = first.is_some_and(|first| first > after.saturating_add(1));
            let nothing = source.is_none() && first.is_none();
            if nothing || (gap && !self.options.accept_loss) {
                continue;
            }
            match self.make(source.as_ref()) {
                Ok(made) => {
                    let aside = self.move_aside()?;
                    open::move_in(self.dir)?;
                    self.remove_marker()?;
                    recovery.damage.extend(made.damage);
                    recovery.rebuilt = Some(Rebuilt {
                        reason: crate::books::chain(&reason),
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

    fn remove_marker(&self) -> Result<(), OpenError> {
        let marker = self.dir.join(REBUILD_MARKER);
        match fs::remove_file(&marker) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error("remove", &marker)(error))
            }
            _ => Ok(()),
        }
    }

    fn make(&self, source: Option<&Found>) -> Result<Made, OpenError> {
        let known = source.map(|export| export.store);
        let store_id = match known.or_else(|| self.segments.store()) {
            Some(store) => store,
            None => random_id()?,
        };
        let filling = Filling {
            place: self.dir.join(open::NEW_STORE_DIR),
            source: source.map(|export| export.path.clone()),
            segments: self.segments.clone(),
            store_id,
            accept_loss: self.options.accept_loss,
            epoch: 0,
            made: Made::default(),
            progress: Arc::clone(self.progress),
        };
        open::create(self.dir, self.options, store_id, move |engine| {
            filling.run(engine)
        })
    }

    /// After a crash while the rows got new files: either the old rows get their name back, or they go.
    fn finish_compacting(&self) -> Result<(), OpenError> {
        let (store, old) = (self.dir.join(STORE_DIR), self.dir.join(OLD_STORE_DIR));
        if !old.try_exists().map_err(io_error("look for", &old))? {
            return Ok(());
        }
        if store.try_exists().map_err(io_error("look for", &store))? {
            return fs::remove_dir_all(&old).map_err(io_error("remove", &old));
        }
        fs::rename(&old, &store).map_err(io_error("move back", &old))?;
        sync_dir(self.dir)
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
    accept_loss: bool,
    epoch: u64,
    made: Made,
    progress: Arc<Progress>,
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
        let (store, accept_loss) = (Some(self.store_id), self.accept_loss);
        let mut last = after;
        let mut take = |frame: u64, group: &Group<'_>| -> Result<(), OpenError> {
            if frame != last.saturating_add(1) && !accept_loss {
                return Ok(());
            }
            for change in &group.changes {
                self.committed(change.commit);
            }
            apply(engine, frame, group).map_err(|failure| failed(&self.place, failure))?;
            self.made.frames = self.made.frames.saturating_add(1);
            self.progress
                .done(self.made.rows.saturating_add(self.made.frames));
            last = frame;
            Ok(())
        };
        let tail = segments.read(store, after, &mut take)?;
        if last < tail.position.frame && !accept_loss {
            return Err(lost(&self.place, last.saturating_add(1), &tail.damage));
        }
        self.made.damage = tail.damage;
        Ok((self.epoch, self.made))
    }

    /// Loads an export, and checks that its rows are those that the journal told.
    fn load(&mut self, engine: &Engine, path: &Path) -> Result<u64, OpenError> {
        let mut take = |row: Row<'_>| -> Result<(), OpenError> {
            self.committed(row.row.map_or(0, |(version, _)| version));
            self.made.rows = self.made.rows.saturating_add(1);
            self.progress.done(self.made.rows);
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
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    rows: u64,
    frames: u64,
    damage: Vec<Damage>,
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

/// Makes a store in `dir` of the rows of an export, under an identity of its own: the journal of
/// the store that was exported does not belong to it.
pub(super) fn load(dir: &Path, options: SledOptions, export: &Path) -> Result<u64, OpenError> {
    let progress = Arc::default();
    let place = Place {
        dir,
        options,
        segments: Segments::find(&dir.join(JOURNAL_DIR))?,
        progress: &progress,
    };
    let store = dir.join(STORE_DIR);
    let there = store.try_exists().map_err(io_error("look for", &store))?;
    if there || place.segments.first().is_some() {
        return Err(OpenError::NotEmpty {
            dir: dir.to_owned(),
        });
    }
    let filling = Filling {
        place: dir.join(open::NEW_STORE_DIR),
        source: Some(export.to_owned()),
        segments: place.segments.clone(),
        store_id: random_id()?,
        accept_loss: false,
        epoch: 0,
        made: Made::default(),
        progress: Arc::default(),
    };
    let made = open::create(dir, options, filling.store_id, move |engine| {
        filling.run(engine)
    })?;
    open::move_in(dir)?;
    Ok(made.rows)
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
