//! Bringing all rows to the versions that this program writes, and telling of later ones.
//!
//! A record of an older version is read as the latest, and written back so by the next change of
//! it. What nobody changes, the [`Sweeper`] rewrites in the background, in small commits, until no
//! row of an older version is left; only then may a reader of that version be removed. A row of a
//! later version, after a return to an earlier release, is never touched.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::indexes::walk::add_missing;
use super::registry::{Age, Registry, has_records};
use super::rows::VersionsRow;
use super::{Books, BooksError, chain, keys, replace};
use crate::store::{Dir, Expect, Key, Ns, Range, Versioned};
use crate::supervisor::{Stop, Waited};

/// Rows looked at, and at most rewritten, in one commit.
const SWEEP_ROWS: usize = 200;
/// Between two commits: others come first.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// Before another try after the store refused.
const SWEEP_RETRY: Duration = Duration::from_secs(60);
/// Passes of one run: the second meets what others held up, and what they wrote meanwhile.
const PASSES_MAX: usize = 4;
/// How often the row of the versions is written against others.
const TRIES_MAX: usize = 8;

fn versions_key() -> Key {
    keys::setting("record versions")
}

/// How many records there are, by how their version stands to this program.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Census {
    /// Records in the version that this program writes.
    pub current: u64,
    /// In an earlier one.
    pub older: u64,
    /// Written by a later release: left alone.
    pub newer: u64,
    /// Families with newer ones.
    pub newer_in: BTreeMap<&'static str, u64>,
}

impl Census {
    /// Counts one value of a family of records.
    pub fn add(&mut self, registry: Registry, ns: Ns, value: &[u8]) {
        match registry.age(value) {
            Age::None => {}
            Age::Current(_) => self.current = self.current.saturating_add(1),
            Age::Older(..) => self.older = self.older.saturating_add(1),
            Age::Newer(..) => {
                self.newer = self.newer.saturating_add(1);
                let family = self.newer_in.entry(ns.name()).or_default();
                *family = family.saturating_add(1);
            }
        }
    }
}

/// Counts all records, a page at a time.
///
/// # Errors
/// As the store.
pub async fn census(books: &Books, registry: Registry) -> Result<Census, BooksError> {
    let mut census = Census::default();
    for ns in Ns::ALL.iter().copied().filter(|ns| has_records(*ns)) {
        let each = |_, row: Versioned| {
            census.add(registry, ns, &row.value);
            Ok(ControlFlow::Continue(()))
        };
        books.each_row(Range::all(ns), Dir::Forward, each).await?;
    }
    Ok(census)
}

/// Says that this program writes to the store, before it does: a later release that wrote here is
/// remembered, and rows that this one writes in earlier versions are swept by a later one.
///
/// # Errors
/// As the store.
pub async fn announce(books: &Books, registry: Registry) -> Result<(), BooksError> {
    change(books, |row| {
        for kind in registry.kinds() {
            let seen = version_of(&row.seen, kind.number).unwrap_or_default();
            set(&mut row.seen, kind.number, seen.max(kind.version));
            if version_of(&row.swept, kind.number).is_some_and(|swept| swept > kind.version) {
                set(&mut row.swept, kind.number, kind.version);
            }
        }
    })
    .await
}

/// Records that a later release wrote: none without a look, where none ever opened the store.
///
/// # Errors
/// As the store.
pub async fn newer(books: &Books, registry: Registry) -> Result<Census, BooksError> {
    let row = match books.get::<VersionsRow>(versions_key()).await {
        Err(error) if error.is_newer() => None,
        row => Some(row?.map(|stored| stored.record).unwrap_or_default()),
    };
    let later = |(number, version): &(u8, u16)| {
        registry
            .kind(*number)
            .is_none_or(|kind| kind.version < *version)
    };
    if row.is_some_and(|row| !row.seen.iter().any(later)) {
        return Ok(Census::default());
    }
    census(books, registry).await
}

fn version_of(list: &[(u8, u16)], number: u8) -> Option<u16> {
    let found = list.iter().find(|(of, _)| *of == number);
    found.map(|(_, version)| *version)
}

fn set(list: &mut Vec<(u8, u16)>, number: u8, version: u16) {
    list.retain(|(of, _)| *of != number);
    list.push((number, version));
    list.sort_unstable();
}

async fn change(books: &Books, make: impl Fn(&mut VersionsRow)) -> Result<(), BooksError> {
    let mut tries = 0;
    loop {
        let stored = match books.get::<VersionsRow>(versions_key()).await {
            // A later release keeps it in its own way; it looks at all rows anyhow.
            Err(error) if error.is_newer() => return Ok(()),
            stored => stored?,
        };
        let before = stored.as_ref().map(|row| row.record.clone());
        let mut row = before.clone().unwrap_or_default();
        make(&mut row);
        if before.as_ref() == Some(&row) {
            return Ok(());
        }
        let mut batch = books.batch();
        replace(
            &mut batch,
            versions_key(),
            stored.map(|row| row.version),
            &row,
        )?;
        match books.commit(batch).await {
            Err(error) if error.is_conflict() && tries < TRIES_MAX => tries += 1,
            result => return result,
        }
    }
}

/// How far a sweep is.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// It is at work.
    pub running: bool,
    /// Rows rewritten since the start.
    pub rewritten: u64,
    /// Rows of older versions that the last pass left.
    pub left: u64,
    /// All rows are in the versions of this program.
    pub done: bool,
    /// Why rows were left.
    pub trouble: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Sweeper {
    books: Books,
    registry: Registry,
    // Held for a few lines without an await.
    progress: Mutex<Progress>,
}

impl Sweeper {
    /// One that has done nothing yet.
    #[must_use]
    pub fn new(books: Books, registry: Registry) -> Sweeper {
        Sweeper {
            books,
            registry,
            progress: Mutex::default(),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sweeps until nothing of an older version is left, or nothing more can be done.
    pub async fn run(&self, stop: &Stop) {
        loop {
            match self.sweep(stop).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the sweep stopped; it tries again");
                    self.lock().trouble = Some(chain(&error));
                    if stop.sleep(SWEEP_RETRY).await == Waited::Stopped {
                        break;
                    }
                }
            }
        }
        self.lock().running = false;
    }

    async fn sweep(&self, stop: &Stop) -> Result<(), BooksError> {
        if self.is_swept().await? {
            self.lock().done = true;
            return Ok(());
        }
        self.lock().running = true;
        // Earlier releases kept no skeletons of domains, found contacts by address alone, kept no
        // ledger of who spoke with whom, and never looked at a draft again.
        for ns in [Ns::Account, Ns::Contact, Ns::Message, Ns::Effect] {
            let indexed = add_missing(&self.books, ns).await?;
            tracing::debug!(%ns, added = indexed.added, "the indexes are whole");
        }
        for _ in 0..PASSES_MAX {
            let left = self.pass(stop).await?;
            if stop.is_set() {
                return Ok(());
            }
            if left == 0 {
                change(&self.books, |row| {
                    for kind in self.registry.kinds() {
                        set(&mut row.swept, kind.number, kind.version);
                    }
                })
                .await?;
                let mut progress = self.lock();
                (progress.done, progress.trouble) = (true, None);
                tracing::info!(
                    rewritten = progress.rewritten,
                    "no row of an older version is left"
                );
                return Ok(());
            }
        }
        Ok(())
    }

    async fn is_swept(&self) -> Result<bool, BooksError> {
        let row = match self.books.get::<VersionsRow>(versions_key()).await {
            Err(error) if error.is_newer() => return Ok(true),
            row => row?.map(|stored| stored.record).unwrap_or_default(),
        };
        let swept = |number| version_of(&row.swept, number);
        let kinds = self.registry.kinds();
        Ok(kinds
            .iter()
            .all(|kind| swept(kind.number) == Some(kind.version)))
    }

    /// Goes through all rows once; returns how many of older versions it left.
    async fn pass(&self, stop: &Stop) -> Result<u64, BooksError> {
        let mut left = 0_u64;
        self.lock().trouble = None;
        for ns in Ns::ALL.iter().copied().filter(|ns| has_records(*ns)) {
            let mut after = None;
            loop {
                if stop.is_set() {
                    return Ok(left);
                }
                let store = &self.books.store;
                let page = store
                    .scan(Range::all(ns), Dir::Forward, SWEEP_ROWS, after)
                    .await?;
                let (older, wrote) = self.rewrite(ns, page.items).await?;
                left = left.saturating_add(older);
                if wrote {
                    // A stop is seen above.
                    let _ = stop.sleep(SWEEP_PAUSE).await;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        self.lock().left = left;
        Ok(left)
    }

    /// Rewrites what is older in one commit; one row at a time when that does not fit or others
    /// write meanwhile. Returns how many are left.
    async fn rewrite(
        &self,
        ns: Ns,
        rows: Vec<(Bytes, Versioned)>,
    ) -> Result<(u64, bool), BooksError> {
        let mut older = Vec::new();
        let mut left = 0_u64;
        for (key, row) in rows {
            if !matches!(self.registry.age(&row.value), Age::Older(..)) {
                continue;
            }
            let key = Key::new(ns, key);
            match self.registry.renew(&row.value) {
                Ok(value) => older.push((key, row.version, value)),
                Err(error) => {
                    left = left.saturating_add(1);
                    self.lock().trouble = Some(format!("{key}: {error}"));
                }
            }
        }
        if older.is_empty() {
            return Ok((left, false));
        }
        match self.write(&older).await {
            Ok(()) => return Ok((left, true)),
            Err(error) if error.is_conflict() || error.is_unfit() => {}
            Err(error) => return Err(error),
        }
        for row in &older {
            match self.write(std::slice::from_ref(row)).await {
                Ok(()) => {}
                Err(error) if error.is_conflict() => left = left.saturating_add(1),
                Err(error) if error.is_unfit() => {
                    left = left.saturating_add(1);
                    self.lock().trouble = Some(format!("{}: {}", row.0, chain(&error)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((left, true))
    }

    async fn write(&self, rows: &[(Key, u64, Vec<u8>)]) -> Result<(), BooksError> {
        let mut batch = self.books.batch();
        for (key, version, value) in rows {
            batch.expect(key.clone(), Expect::Version(*version));
            batch.put(key.clone(), value.clone());
        }
        self.books.commit(batch).await?;
        let mut progress = self.lock();
        progress.rewritten = progress.rewritten.saturating_add(rows.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
