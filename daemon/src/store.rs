//! What the daemon remembers: an ordered key-value map with atomic conditional batches.
//!
//! The cut is "ordered KV + fenced conditional batch": no interactive transactions (a lock would
//! be held across an await), pages instead of iterators (nothing lives across an await), and `Ok`
//! from [`Store::commit`] means durable. Ownership of a shard is the only way to exclude others;
//! its epoch travels in every batch as a [`Fence`].
//!
//! **Visible is not durable.** A reader may see a batch shortly before it is on disk. So nothing
//! outside may happen because of a row that was only read: first commit a row of your own (such as
//! `sending`), and act when that is acknowledged. Commits become durable in order.

mod batch;
pub mod codec;
pub mod content;
pub mod export;
mod files;
pub mod journal;
pub mod keys;
pub mod lease;
pub mod memory;
mod namespace;
pub mod planted;
pub mod progress;
pub mod sled;
pub mod sums;
mod sync_override;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod watched;

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use codec::{CodecError, Record};

pub use batch::{Batch, CommitError, CommitId, Expect, Part, value_hash};
pub use lease::{AllShards, Fence, LeaseError, LeaseView, Leases, Owned, ShardId};
pub use namespace::Ns;

/// The shape of the keyspace, raised when an older release must not touch a store at all: another
/// key or meaning of a family, or a new version of a counter or cursor. A new version of any other
/// record needs no new schema: an older release leaves it alone.
pub const SCHEMA: u64 = 1;
/// Longest value: 16 of them (a leaf of sled before it splits) are half the page size from which
/// sled 0.34.7 writes separate files that it never syncs.
pub const VALUE_BYTES_MAX: usize = 4_096;
/// Longest key: a tuple of a few ids and one address; keys are held in memory by the index.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Most puts, deletes and expectations in one batch: a transaction of this size takes well under
/// a second, and nobody else commits meanwhile.
pub const BATCH_ROWS_MAX: usize = 2_000;
/// Most rows in one page of a scan: 4 MiB of values at the worst.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Rows that [`Store::scan_many`] reads of each range at most: it is for ranges of one or a few.
pub const SHORT_RANGE_ROWS: usize = 32;

/// The name of one row: a family and the encoded tuple within it (see [`keys`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The family.
    pub ns: Ns,
    /// The encoded tuple, at most [`KEY_BYTES_MAX`] bytes; may be empty.
    pub k: Bytes,
}

impl Key {
    /// A key of `ns`.
    #[must_use]
    pub fn new(ns: Ns, k: impl Into<Bytes>) -> Key {
        Key { ns, k: k.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ns.name(), self.k.escape_ascii())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value and the version under which it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Grows with every write of the key and is never used twice for it, not even after a delete.
    pub version: u64,
    /// The value.
    pub value: Bytes,
}

impl Versioned {
    /// Decodes the value; `key` is where it was read.
    ///
    /// # Errors
    /// [`ReadError::Record`].
    pub fn record<T: Record>(&self, key: &Key) -> Result<Stored<T>, ReadError> {
        match codec::decode(&self.value) {
            Ok(record) => Ok(Stored {
                version: self.version,
                record,
            }),
            Err(source) => Err(ReadError::Record {
                key: key.clone(),
                source,
            }),
        }
    }
}

/// Why rows could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Stored bytes make no sense; the store has failed and the daemon should end.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The store has failed or was closed.
    #[error("the store is not available: {0}")]
    Gone(String),
    /// A row is no record of the type that belongs there.
    #[error("the record {key} cannot be read")]
    Record {
        /// The row.
        key: Key,
        /// Why not.
        #[source]
        source: CodecError,
    },
    /// A scan that must be complete met its bound.
    #[error("more than {rows_max} rows of {ns} under one prefix: {bound} is its bound")]
    TooMany {
        /// The family.
        ns: Ns,
        /// Name of the bound.
        bound: &'static str,
        /// Its value.
        rows_max: usize,
    },
}

/// A decoded row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    /// See [`Versioned::version`].
    pub version: u64,
    /// The record.
    pub record: T,
}

/// The keys of one family from `start` (inside) to `end` (outside; `None`: to the last).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The family.
    pub ns: Ns,
    /// First key inside.
    pub start: Bytes,
    /// First key after it.
    pub end: Option<Bytes>,
}

impl Range {
    /// The whole family.
    #[must_use]
    pub fn all(ns: Ns) -> Range {
        Range {
            ns,
            start: Bytes::new(),
            end: None,
        }
    }

    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(ns: Ns, prefix: &[u8]) -> Range {
        let end = keys::prefix_end(prefix).map(Bytes::from);
        Range {
            ns,
            start: Bytes::copy_from_slice(prefix),
            end,
        }
    }

    /// Keys from `start` (inside) to `end` (outside).
    #[must_use]
    pub fn between(ns: Ns, start: impl Into<Bytes>, end: impl Into<Bytes>) -> Range {
        Range {
            ns,
            start: start.into(),
            end: Some(end.into()),
        }
    }

    /// What is left of the range beyond `after` in the order of `dir`; `None`: nothing.
    fn bounds(&self, dir: Dir, after: Option<Bytes>) -> Option<(Bound<Bytes>, Bound<Bytes>)> {
        let (from, to) = match (dir, after) {
            (_, None) => (Bound::Included(self.start.clone()), self.end.clone()),
            (Dir::Forward, Some(after)) if after >= self.start => {
                (Bound::Excluded(after), self.end.clone())
            }
            (Dir::Forward, Some(_)) => (Bound::Included(self.start.clone()), self.end.clone()),
            (Dir::Reverse, Some(after)) => {
                let end = self.end.clone().map_or(after.clone(), |end| end.min(after));
                (Bound::Included(self.start.clone()), Some(end))
            }
        };
        let (Bound::Included(first) | Bound::Excluded(first)) = &from else {
            return None;
        };
        if to.as_ref().is_some_and(|to| first >= to) {
            return None;
        }
        Some((from, to.map_or(Bound::Unbounded, Bound::Excluded)))
    }
}

/// The order in which a scan goes through its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dir {
    /// Smallest key first.
    Forward,
    /// Greatest key first.
    Reverse,
}

/// Some rows of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys (without the family) and values in the order of the scan.
    pub items: Vec<(Bytes, Versioned)>,
    /// Where to go on (`after` of the next call); `None`: the range is finished.
    pub next: Option<Bytes>,
}

impl Page {
    /// A page of `limit` rows from rows of which one more than that was read, if there is one.
    fn of(mut items: Vec<(Bytes, Versioned)>, limit: usize) -> Page {
        let rows = page_rows(limit);
        let more = items.len() > rows;
        items.truncate(rows);
        let next = if more {
            items.last().map(|(key, _)| key.clone())
        } else {
            None
        };
        Page { items, next }
    }
}

/// Rows of a page when `limit` are asked for.
fn page_rows(limit: usize) -> usize {
    limit.clamp(1, PAGE_ROWS_MAX)
}

/// How the store is, for `status` and the health endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// Whether it takes commits.
    pub state: StoreState,
    /// Commits since it was opened.
    pub commits: u64,
    /// Batches that wait to be committed now.
    pub queued: usize,
    /// Size on disk, where there is one.
    pub disk_bytes: Option<u64>,
}

/// Whether a store takes commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// It does.
    Open,
    /// It does not, and never will until the next start: the reason.
    Failed(Arc<str>),
    /// It was closed in order.
    Closed,
}

/// The verbs of every store; `Arc<dyn Store>` is how the daemon holds it.
///
/// Futures are boxed because `async fn` in a trait is not dyn-safe yet; one allocation is nothing
/// beside a commit.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads rows, in the order of `keys`.
    ///
    /// One call sees a commit whole or not at all, and so does every later one: who found an event
    /// finds all that was written with it. Between two calls rows may change: what must fit
    /// together is checked by [`Batch::expect`]. Cancel-safe.
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>>;

    /// Reads the next page of `range`, at most `limit` rows (1 to [`PAGE_ROWS_MAX`], others are
    /// clamped) beyond the key `after`.
    ///
    /// Under concurrent writes each unchanged row is seen exactly once over all pages. Cancel-safe.
    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>>;

    /// The first page of each of several short ranges, forwards; fewer rows than
    /// [`PAGE_ROWS_MAX`] in all of them.
    ///
    /// # Errors
    /// As [`Store::scan`].
    fn scan_many<'a>(&'a self, ranges: &'a [Range]) -> BoxFuture<'a, Result<Vec<Page>, ReadError>> {
        Box::pin(async move {
            let mut pages = Vec::with_capacity(ranges.len());
            for range in ranges {
                let page = self.scan(range.clone(), Dir::Forward, SHORT_RANGE_ROWS, None);
                pages.push(page.await?);
            }
            Ok(pages)
        })
    }

    /// Writes a batch, atomically and durably, if all it expects holds.
    ///
    /// Dropping the future leaves open whether the batch was written, never half of it.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>>;

    /// How the store is; never blocks.
    fn health(&self) -> StoreHealth;

    /// Ends when the store has failed, with the reason: the daemon then stops in order, since
    /// recovery at the next start is the tested path. Never ends otherwise.
    fn failed(&self) -> BoxFuture<'_, Arc<str>>;

    /// Finishes what is queued, makes it durable and closes; later calls get `Gone`. Idempotent.
    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>>;
}

impl dyn Store {
    /// Reads one row.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_one(&self, key: Key) -> Result<Option<Versioned>, ReadError> {
        Ok(self.get(&[key]).await?.into_iter().next().flatten())
    }

    /// Reads one record.
    ///
    /// # Errors
    /// [`ReadError::Record`], and as [`Store::get`].
    pub async fn get_record<T: Record>(&self, key: Key) -> Result<Option<Stored<T>>, ReadError> {
        match self.get_one(key.clone()).await? {
            Some(row) => row.record(&key).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the first `limit` rows under `prefix`, over as many pages as that takes.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn scan_prefix(
        &self,
        ns: Ns,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Versioned)>, ReadError> {
        self.scan_range(Range::prefix(ns, prefix), Dir::Forward, limit)
            .await
    }

    /// Reads the first `limit` rows of `range` in the order of `dir`.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn scan_range(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
    ) -> Result<Vec<(Bytes, Versioned)>, ReadError> {
        let mut rows = Vec::new();
        let mut after = None;
        while rows.len() < limit {
            let missing = limit.saturating_sub(rows.len());
            let page = self.scan(range.clone(), dir, missing, after).await?;
            rows.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Reads all rows under `prefix`; more than `rows_max` (called `bound`) is an error, so that
    /// a part is never taken for the whole.
    ///
    /// # Errors
    /// [`ReadError::TooMany`], and as [`Store::scan`].
    pub async fn scan_all_prefix(
        &self,
        ns: Ns,
        prefix: &[u8],
        bound: &'static str,
        rows_max: usize,
    ) -> Result<Vec<(Bytes, Versioned)>, ReadError> {
        let rows = self
            .scan_prefix(ns, prefix, rows_max.saturating_add(1))
            .await?;
        if rows.len() > rows_max {
            return Err(ReadError::TooMany {
                ns,
                bound,
                rows_max,
            });
        }
        Ok(rows)
    }
}
