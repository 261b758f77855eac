//! Several commits as one: a store in front of the store.
//!
//! What is committed to a [`Chunk`] is seen by whoever reads through it, and by nobody else until
//! [`Chunk::drain`] hands all of it out as one batch. What was read from the store behind and
//! expected to stay as it was is expected by that batch too; what the chunk itself wrote is
//! checked here. So code that reads, decides and commits once per message works unchanged on many
//! messages, each of which sees the ones before it.
//!
//! While one chunk is being committed the next may be filled in front of it: [`Chunk::seal`] hands
//! out the batch and keeps the rows for readers, [`Chunk::settle`] tells the next one, once the
//! commit is through, which versions those rows have got.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::store::{
    Batch, CommitError, CommitId, Dir, Expect, Key, Ns, PAGE_ROWS_MAX, Page, Range, ReadError,
    Store, StoreHealth, Versioned,
};

/// Set in the versions of rows that only the chunk knows; no store counts that far.
const STAGED: u64 = 1 << 63;

/// See the module.
#[derive(Debug)]
pub(crate) struct Chunk {
    // Short locks without await.
    base: Mutex<Arc<dyn Store>>,
    /// Never handed out: that the store behind changed meanwhile conflicts with nothing.
    is_overlay: bool,
    staged: Mutex<Staged>,
    /// What was read ahead of the store behind. A row that others change meanwhile is found out by
    /// the expectations, as if it had been read then.
    known: Mutex<Known>,
}

/// What the store behind held when it was asked.
#[derive(Debug, Default)]
struct Known {
    rows: HashMap<Key, Option<Versioned>>,
    /// Whole ranges.
    ranges: HashMap<(Ns, Bytes, Option<Bytes>), Page>,
}

#[derive(Debug, Default)]
struct Staged {
    /// What the store behind must still hold.
    expect: BTreeMap<Key, Expect>,
    /// Rows as they will be; `None`: removed.
    rows: BTreeMap<Key, Option<Versioned>>,
    /// Of all keys and values put so far, overwritten ones included.
    bytes: usize,
    commits: u64,
}

/// How much a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkSize {
    /// Expectations, puts and removals.
    pub rows: usize,
    /// Keys and values that were put, overwritten ones included.
    pub bytes: usize,
}

impl Chunk {
    /// An empty chunk in front of `base`.
    pub(crate) fn new(base: Arc<dyn Store>) -> Chunk {
        Chunk {
            base: Mutex::new(base),
            is_overlay: false,
            staged: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// One for what is never written: rows that it holds hide those behind, and of the others it
    /// always shows what is there now. Audit rows, which no decision reads, are not kept.
    pub(crate) fn overlay(base: Arc<dyn Store>) -> Chunk {
        Chunk {
            is_overlay: true,
            ..Chunk::new(base)
        }
    }

    /// Reads rows and short ranges of the store behind at once, for those who will ask for them one
    /// by one.
    pub(crate) async fn ahead(&self, keys: Vec<Key>, ranges: Vec<Range>) -> Result<(), ReadError> {
        let base = self.base();
        let rows = base.get(&keys).await?;
        let pages = base.scan_many(&ranges).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.rows.extend(keys.into_iter().zip(rows));
        for (range, page) in ranges.into_iter().zip(pages) {
            if page.next.is_none() {
                known
                    .ranges
                    .insert((range.ns, range.start, range.end), page);
            }
        }
        Ok(())
    }

    fn base(&self) -> Arc<dyn Store> {
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        base.clone()
    }

    fn known_row(&self, key: &Key) -> Option<Option<Versioned>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.rows.get(key).cloned()
    }

    fn known_range(&self, range: &Range) -> Option<Page> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (range.ns, range.start.clone(), range.end.clone());
        known.ranges.get(&key).cloned()
    }

    /// How much it holds now.
    pub(crate) fn size(&self) -> ChunkSize {
        let staged = self.lock();
        ChunkSize {
            rows: staged.expect.len().saturating_add(staged.rows.len()),
            bytes: staged.bytes,
        }
    }

    /// Everything as a batch, as [`Self::drain`] hands it out; the rows stay for who reads through
    /// the chunk.
    pub(crate) fn seal(&self, batch: &mut Batch) {
        let staged = self.lock();
        for (key, expect) in &staged.expect {
            batch.expect(key.clone(), expect.clone());
        }
        for (key, row) in &staged.rows {
            match row {
                Some(row) => batch.put(key.clone(), row.value.clone()),
                None => batch.del(key.clone()),
            };
        }
    }

    /// The sealed chunk that this one was filled in front of was committed as `id`, to `base`:
    /// from here this one stands in front of that, and expects its rows as they are there.
    pub(crate) fn settle(&self, sealed: &Chunk, id: CommitId, base: Arc<dyn Store>) {
        let theirs = sealed.lock();
        let version = |key: &Key| {
            let row = theirs.rows.get(key);
            row.map(|row| row.as_ref().map(|_| id.0))
        };
        let mut staged = self.lock();
        for (key, expect) in &mut staged.expect {
            match version(key) {
                Some(Some(version)) => *expect = Expect::Version(version),
                Some(None) => *expect = Expect::Absent,
                None => {}
            }
        }
        drop(staged);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { rows, ranges } = &mut *known;
        let rows = rows.iter_mut();
        let rows = rows.filter_map(|(key, row)| Some((key.clone(), row.as_mut()?)));
        let ranged = ranges.iter_mut().flat_map(|((ns, ..), page)| {
            let items = page.items.iter_mut();
            items.map(|(k, row)| (Key::new(*ns, k.clone()), row))
        });
        for (key, row) in rows.chain(ranged) {
            if let Some(Some(version)) = version(&key) {
                row.version = version;
            }
        }
        drop(known);
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = base;
    }

    /// Moves everything into `batch`; the chunk is empty afterwards.
    pub(crate) fn drain(&self, batch: &mut Batch) {
        let staged = std::mem::take(&mut *self.lock());
        for (key, expect) in staged.expect {
            batch.expect(key, expect);
        }
        for (key, row) in staged.rows {
            match row {
                Some(row) => batch.put(key, row.value),
                None => batch.del(key),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of the store behind with the staged rows of the same stretch worked in.
    fn merged(&self, range: &Range, dir: Dir, after: Option<&Bytes>, page: Page) -> Page {
        let beyond = |key: &Bytes, mark: &Bytes| match dir {
            Dir::Forward => key > mark,
            Dir::Reverse => key < mark,
        };
        let covered = |key: &Bytes| {
            *key >= range.start
                && range.end.as_ref().is_none_or(|end| key < end)
                && after.is_none_or(|after| beyond(key, after))
                && page.next.as_ref().is_none_or(|next| !beyond(key, next))
        };
        let mut rows: BTreeMap<Bytes, Versioned> = page.items.into_iter().collect();
        let first = Key {
            ns: range.ns,
            k: range.start.clone(),
        };
        for (key, row) in self.lock().rows.range(first..) {
            if key.ns != range.ns {
                break;
            }
            if covered(&key.k) {
                match row {
                    Some(row) => rows.insert(key.k.clone(), row.clone()),
                    None => rows.remove(&key.k),
                };
            }
        }
        let items = match dir {
            Dir::Forward => rows.into_iter().collect(),
            Dir::Reverse => rows.into_iter().rev().collect(),
        };
        Page {
            items,
            next: page.next,
        }
    }
}

impl Staged {
    fn take(&mut self, batch: Batch) -> Result<CommitId, CommitError> {
        batch.check()?;
        for (key, expect) in &batch.expect {
            let holds = match (self.rows.get(key), self.expect.get(key)) {
                (Some(row), _) => expect.holds(row.as_ref()),
                // Read twice, and differently: the store behind moved on.
                (None, Some(before)) => before == expect,
                (None, None) => true,
            };
            if !holds {
                return Err(CommitError::Conflict(key.clone()));
            }
        }
        for (key, expect) in batch.expect {
            if !self.rows.contains_key(&key) {
                self.expect.insert(key, expect);
            }
        }
        self.commits = self.commits.saturating_add(1);
        let version = STAGED | self.commits;
        for key in batch.dels {
            self.rows.insert(key, None);
        }
        for (key, value) in batch.puts {
            let bytes = key.k.len().saturating_add(value.len());
            self.bytes = self.bytes.saturating_add(bytes);
            self.rows.insert(key, Some(Versioned { version, value }));
        }
        Ok(CommitId(version))
    }
}

impl Store for Chunk {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        Box::pin(async move {
            let staged: Vec<Option<Option<Versioned>>> = {
                let own = self.lock();
                let own = keys.iter().map(|key| own.rows.get(key).cloned());
                own.collect()
            };
            let staged: Vec<Option<Option<Versioned>>> = keys
                .iter()
                .zip(staged)
                .map(|(key, row)| row.or_else(|| self.known_row(key)))
                .collect();
            let ask: Vec<Key> = keys
                .iter()
                .zip(&staged)
                .filter(|(_, row)| row.is_none())
                .map(|(key, _)| key.clone())
                .collect();
            let mut behind = if ask.is_empty() {
                Vec::new()
            } else {
                self.base().get(&ask).await?
            }
            .into_iter();
            let row = |row: Option<Option<Versioned>>| match row {
                Some(own) => own,
                None => behind.next().flatten(),
            };
            Ok(staged.into_iter().map(row).collect())
        })
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            let limit = limit.clamp(1, PAGE_ROWS_MAX);
            let known = match after {
                None => self
                    .known_range(&range)
                    .filter(|page| page.items.len() <= limit),
                Some(_) => None,
            };
            let page = match known {
                Some(mut page) => {
                    if dir == Dir::Reverse {
                        page.items.reverse();
                    }
                    page
                }
                None => {
                    let base = self.base();
                    base.scan(range.clone(), dir, limit, after.clone()).await?
                }
            };
            let mut page = self.merged(&range, dir, after.as_ref(), page);
            if page.items.len() > limit {
                page.items.truncate(limit);
                page.next = page.items.last().map(|(key, _)| key.clone());
            }
            Ok(page)
        })
    }

    fn scan_many<'a>(&'a self, ranges: &'a [Range]) -> BoxFuture<'a, Result<Vec<Page>, ReadError>> {
        Box::pin(async move {
            let known: Vec<Option<Page>> = ranges.iter().map(|one| self.known_range(one)).collect();
            let unknown = ranges.iter().zip(&known).filter(|(_, page)| page.is_none());
            let ask: Vec<Range> = unknown.map(|(range, _)| range.clone()).collect();
            let mut behind = self.base().scan_many(&ask).await?.into_iter();
            let mut pages = Vec::with_capacity(ranges.len());
            for (range, page) in ranges.iter().zip(known) {
                let page = page.or_else(|| behind.next()).unwrap_or_default();
                pages.push(self.merged(range, Dir::Forward, None, page));
            }
            Ok(pages)
        })
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        if self.is_overlay {
            batch.puts.retain(|(key, _)| key.ns != Ns::Audit);
        }
        let mut staged = self.lock();
        let taken = staged.take(batch);
        if self.is_overlay {
            staged.expect.clear();
        }
        drop(staged);
        Box::pin(async move { taken })
    }

    fn health(&self) -> StoreHealth {
        self.base().health()
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        let base = self.base();
        Box::pin(async move { base.failed().await })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        let base = self.base();
        Box::pin(async move { base.close().await })
    }
}

#[cfg(test)]
mod tests;
