//! Comparing indexes with their records, both ways.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Entry, INDEXES, Member, SOURCES, changed, entries, has, outlives_its_reason, sources};
use crate::books::registry::Registry;
use crate::books::{Books, BooksError};
use crate::store::codec::CodecError;
use crate::store::{Dir, Expect, Key, Ns, PAGE_ROWS_MAX, Range, Versioned};

/// How often a row that others write meanwhile is looked at again.
const LOOKS_MAX: usize = 8;

/// What is wrong between an index and its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A record is not found under this key.
    Missing {
        /// The record.
        record: Key,
        /// The index row that should tell of it.
        index: Key,
    },
    /// An index row tells of what is not so.
    Surplus {
        /// The index row.
        index: Key,
    },
    /// A record, or an index row, cannot be read.
    Unreadable {
        /// Which.
        key: Key,
        /// Why not.
        reason: String,
    },
}

/// What is done about faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are told.
    Look,
    /// Index rows are written and removed as the records say; what cannot be read is told.
    Mend,
}

/// What a walk did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Walked {
    /// Records that were read.
    pub records: u64,
    /// Index rows that were read.
    pub indexes: u64,
    /// Index rows that were added.
    pub added: u64,
    /// Index rows that were removed.
    pub removed: u64,
}

/// Compares all indexes with their records, a page at a time, while others read and write; each
/// fault is looked at again before it is told or mended.
///
/// # Errors
/// As the store.
pub async fn walk(
    books: &Books,
    mode: Mode,
    tell: &mut (dyn FnMut(Fault) + Send + Sync),
) -> Result<Walked, BooksError> {
    let mut walk = Walk {
        books,
        mode,
        tell,
        walked: Walked::default(),
    };
    for ns in SOURCES {
        walk.records(ns).await?;
    }
    for ns in INDEXES.into_iter().filter(|ns| *ns != Ns::EventSeen) {
        walk.indexes(ns).await?;
    }
    Ok(walk.walked)
}

/// Adds what is missing in the indexes of one family of records: what a release that did not know
/// an index could not write.
///
/// # Errors
/// As the store.
pub async fn add_missing(books: &Books, ns: Ns) -> Result<Walked, BooksError> {
    mend(books, ns, &[]).await
}

/// Makes the indexes of one family of records as the records say: those of `indexes` lose what is
/// not so, too.
///
/// # Errors
/// As the store.
pub async fn mend(books: &Books, ns: Ns, indexes: &[Ns]) -> Result<Walked, BooksError> {
    let mut tell = |fault: Fault| tracing::warn!(?fault, "a record or its index cannot be read");
    let mut walk = Walk {
        books,
        mode: Mode::Mend,
        tell: &mut tell,
        walked: Walked::default(),
    };
    walk.records(ns).await?;
    for ns in indexes {
        walk.indexes(*ns).await?;
    }
    Ok(walk.walked)
}

struct Walk<'a> {
    books: &'a Books,
    mode: Mode,
    tell: &'a mut (dyn FnMut(Fault) + Send + Sync),
    walked: Walked,
}

type Rows = Vec<(Bytes, Versioned)>;

impl Walk<'_> {
    async fn page(
        &self,
        ns: Ns,
        after: Option<Bytes>,
    ) -> Result<(Rows, Option<Bytes>), BooksError> {
        let store = &self.books.store;
        let page = store
            .scan(Range::all(ns), Dir::Forward, PAGE_ROWS_MAX, after)
            .await?;
        Ok((page.items, page.next))
    }

    async fn values(&self, keys: Vec<Key>) -> Result<BTreeMap<Key, Versioned>, BooksError> {
        let rows = self.books.store.get(&keys).await?;
        let rows = keys.into_iter().zip(rows);
        Ok(rows.filter_map(|(key, row)| Some((key, row?))).collect())
    }

    async fn one(&self, key: &Key) -> Result<Option<Versioned>, BooksError> {
        Ok(self.books.store.get_one(key.clone()).await?)
    }

    async fn records(&mut self, ns: Ns) -> Result<(), BooksError> {
        let mut after = None;
        loop {
            let (rows, next) = self.page(ns, after).await?;
            self.walked.records = self.walked.records.saturating_add(rows.len() as u64);
            let mut wanted = Vec::new();
            for (key, row) in rows {
                let key = Key::new(ns, key);
                match entries(&key, &row.value) {
                    Ok(entries) => wanted.extend(entries.into_iter().map(|e| (key.clone(), e))),
                    Err(error) => self.unreadable(&key, &error),
                }
            }
            let keys = wanted.iter().map(|(_, entry)| entry.key.clone()).collect();
            let found = self.values(keys).await?;
            for (record, entry) in wanted {
                let there = found.get(&entry.key);
                let right = there.is_some_and(|row| has(entry.key.ns, &row.value, &entry.member));
                if !right {
                    self.missing(&record, &entry).await?;
                }
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn unreadable(&mut self, key: &Key, error: &CodecError) {
        // What a later release wrote is kept as it is, with its index rows.
        if !matches!(error, CodecError::Newer { .. }) {
            (self.tell)(Fault::Unreadable {
                key: key.clone(),
                reason: error.to_string(),
            });
        }
    }

    /// Looks again: the record first, its index row after it.
    async fn missing(&mut self, record: &Key, entry: &Entry) -> Result<(), BooksError> {
        for _ in 0..LOOKS_MAX {
            let Some(row) = self.one(record).await? else {
                return Ok(());
            };
            if !entries(record, &row.value).is_ok_and(|all| all.contains(entry)) {
                return Ok(());
            }
            let index = self.one(&entry.key).await?;
            let value = index.as_ref().map(|row| &*row.value);
            if value.is_some_and(|value| has(entry.key.ns, value, &entry.member)) {
                return Ok(());
            }
            if self.mode == Mode::Look {
                let still = self.one(record).await?;
                if still.is_none_or(|still| still.version != row.version) {
                    continue;
                }
                (self.tell)(Fault::Missing {
                    record: record.clone(),
                    index: entry.key.clone(),
                });
                return Ok(());
            }
            let Ok(Some(value)) = changed(entry.key.ns, value, &entry.member, true) else {
                return Ok(());
            };
            let mut batch = self.books.batch();
            batch.expect(record.clone(), Expect::Version(row.version));
            batch.expect(entry.key.clone(), Expect::unchanged(index.as_ref()));
            batch.put(entry.key.clone(), value);
            match self.books.commit(batch).await {
                Ok(()) => {
                    self.walked.added = self.walked.added.saturating_add(1);
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn indexes(&mut self, ns: Ns) -> Result<(), BooksError> {
        let mut after = None;
        loop {
            let (rows, next) = self.page(ns, after).await?;
            self.walked.indexes = self.walked.indexes.saturating_add(rows.len() as u64);
            let mut wanted = Vec::new();
            for (key, row) in rows {
                let key = Key::new(ns, key);
                match sources(&key, &row.value) {
                    Some(told) => {
                        wanted.extend(told.into_iter().map(|(m, from)| (key.clone(), m, from)));
                    }
                    None => self.senseless(&key, &row).await?,
                }
            }
            let keys = wanted.iter().flat_map(|(_, _, from)| from.clone());
            let found = self.values(keys.collect()).await?;
            for (index, member, from) in wanted {
                let rows = from.iter().map(|key| (key, found.get(key)));
                if !stands(&index, &member, rows) {
                    self.surplus(&index, &member).await?;
                }
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// An index row that nobody can read, or whose key makes no sense.
    async fn senseless(&mut self, key: &Key, row: &Versioned) -> Result<(), BooksError> {
        if Registry::own().is_newer(&row.value) {
            return Ok(());
        }
        if self.mode == Mode::Look {
            (self.tell)(Fault::Surplus { index: key.clone() });
            return Ok(());
        }
        let mut batch = self.books.batch();
        batch.expect(key.clone(), Expect::Version(row.version));
        batch.del(key.clone());
        match self.books.commit(batch).await {
            Ok(()) => self.walked.removed = self.walked.removed.saturating_add(1),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Looks again: the index row first, the records after it.
    async fn surplus(&mut self, index: &Key, member: &Member) -> Result<(), BooksError> {
        for _ in 0..LOOKS_MAX {
            let Some(row) = self.one(index).await? else {
                return Ok(());
            };
            let told = sources(index, &row.value).unwrap_or_default();
            let Some((_, from)) = told.into_iter().find(|(other, _)| other == member) else {
                return Ok(());
            };
            let found = self.values(from.clone()).await?;
            let rows = from.iter().map(|key| (key, found.get(key)));
            if stands(index, member, rows) {
                return Ok(());
            }
            if self.mode == Mode::Look {
                let still = self.one(index).await?;
                if still.is_none_or(|still| still.version != row.version) {
                    continue;
                }
                (self.tell)(Fault::Surplus {
                    index: index.clone(),
                });
                return Ok(());
            }
            let Ok(left) = changed(index.ns, Some(&row.value), member, false) else {
                return Ok(());
            };
            let mut batch = self.books.batch();
            for key in &from {
                batch.expect(key.clone(), Expect::unchanged(found.get(key)));
            }
            batch.expect(index.clone(), Expect::Version(row.version));
            match left {
                Some(value) => batch.put(index.clone(), value),
                None => batch.del(index.clone()),
            };
            match self.books.commit(batch).await {
                Ok(()) => {
                    self.walked.removed = self.walked.removed.saturating_add(1);
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether one of the records says what the index row says. One that cannot be read may.
fn stands<'a>(
    index: &Key,
    member: &Member,
    rows: impl Iterator<Item = (&'a Key, Option<&'a Versioned>)>,
) -> bool {
    let entry = Entry {
        key: index.clone(),
        member: member.clone(),
    };
    for (key, row) in rows {
        let Some(row) = row else { continue };
        match entries(key, &row.value) {
            Ok(_) if outlives_its_reason(index.ns, &row.value) => return true,
            Ok(entries) if entries.contains(&entry) => return true,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
    false
}
