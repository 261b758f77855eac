//! The store as a map in memory: what every other store must behave like.
//!
//! It serves tests and commands that need no memory of their own (`plugin test`).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{
    Batch, CommitError, CommitId, Dir, Expect, Key, Page, Range, ReadError, Store, StoreHealth,
    StoreState, Versioned, page_rows,
};

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryStore {
    // Held for a few lines without an await; a panic under it leaves whole rows only.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<Key, Versioned>,
    epoch: u64,
    commits: u64,
    closed: bool,
}

impl MemoryStore {
    /// An empty store in epoch 0.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// The epoch under which fences are valid now.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// What a restart or another owner does: older fences are void; a closed store opens again.
    pub fn take_over(&self) -> u64 {
        let mut inner = self.lock();
        inner.epoch = inner.epoch.saturating_add(1);
        inner.closed = false;
        inner.epoch
    }

    /// Takes a row as an export has it, with its version.
    #[cfg(test)]
    pub(super) fn take_row(&self, key: Key, row: Option<Versioned>) {
        let mut inner = self.lock();
        match row {
            Some(row) => {
                inner.commits = inner.commits.max(row.version);
                inner.rows.insert(key, row);
            }
            None => {
                inner.rows.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn open(&self) -> Result<(), String> {
        if self.closed {
            Err("it was closed".to_owned())
        } else {
            Ok(())
        }
    }

    fn get(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, ReadError> {
        self.open().map_err(ReadError::Gone)?;
        Ok(keys.iter().map(|key| self.rows.get(key).cloned()).collect())
    }

    fn scan(
        &self,
        range: &Range,
        dir: Dir,
        limit: usize,
        after: Option<&Bytes>,
    ) -> Result<Page, ReadError> {
        self.open().map_err(ReadError::Gone)?;
        let inside = |key: &Key| {
            key.ns == range.ns
                && key.k >= range.start
                && range.end.as_ref().is_none_or(|end| key.k < *end)
                && after.is_none_or(|after| match dir {
                    Dir::Forward => key.k > *after,
                    Dir::Reverse => key.k < *after,
                })
        };
        let from = Key::new(range.ns, range.start.clone());
        let to = range.end.clone().map(|end| Key::new(range.ns, end));
        // A range that ends before it begins is empty, and no panic of the map.
        let to = match to.map(|to| to.max(from.clone())) {
            Some(to) => Bound::Excluded(to),
            None => Bound::Unbounded,
        };
        let rows = self.rows.range((Bound::Included(from), to));
        let rows = rows.filter(|(key, _)| inside(key));
        let row = |(key, row): (&Key, &Versioned)| (key.k.clone(), row.clone());
        let wanted = page_rows(limit).saturating_add(1);
        let items = match dir {
            Dir::Forward => rows.map(row).take(wanted).collect(),
            Dir::Reverse => rows.rev().map(row).take(wanted).collect(),
        };
        Ok(Page::of(items, limit))
    }

    fn commit(&mut self, batch: Batch) -> Result<CommitId, CommitError> {
        self.open().map_err(CommitError::Gone)?;
        batch.check()?;
        if batch.fence.is_some_and(|fence| fence.epoch != self.epoch) {
            return Err(CommitError::Fenced);
        }
        for (key, expect) in &batch.expect {
            let as_expected = match (expect, self.rows.get(key)) {
                (Expect::Absent, row) => row.is_none(),
                (Expect::Version(version), row) => row.is_some_and(|row| row.version == *version),
                (Expect::ValueHash(hash), row) => {
                    row.is_some_and(|row| super::value_hash(&row.value) == *hash)
                }
            };
            if !as_expected {
                return Err(CommitError::Conflict(key.clone()));
            }
        }
        self.commits = self.commits.saturating_add(1);
        let version = self.commits;
        for key in batch.dels {
            self.rows.remove(&key);
        }
        for (key, value) in batch.puts {
            self.rows.insert(key, Versioned { version, value });
        }
        Ok(CommitId(version))
    }
}

impl Store for MemoryStore {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        Box::pin(async move { self.lock().get(keys) })
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move { self.lock().scan(&range, dir, limit, after.as_ref()) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        Box::pin(async move { self.lock().commit(batch) })
    }

    fn health(&self) -> StoreHealth {
        let inner = self.lock();
        let state = if inner.closed {
            StoreState::Closed
        } else {
            StoreState::Open
        };
        StoreHealth {
            state,
            commits: inner.commits,
            queued: 0,
            disk_bytes: None,
        }
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        Box::pin(std::future::pending())
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            self.lock().closed = true;
            Ok(())
        })
    }
}
