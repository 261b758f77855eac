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

pub mod codec;
pub mod content;
pub mod keys;
pub mod lease;
pub mod memory;
mod namespace;
pub mod sled;
mod sync_override;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use lease::{AllShards, Fence, LeaseError, LeaseView, Leases, Owned, ShardId};
pub use namespace::Ns;

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

/// What must hold of a key for a batch to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// There is no such row.
    Absent,
    /// The row is there in this version.
    Version(u64),
    /// The row is there and its value has this [`value_hash`].
    ValueHash([u8; 16]),
}

impl Expect {
    /// What was read must still be so: the version of `seen`, or absence.
    #[must_use]
    pub fn unchanged(seen: Option<&Versioned>) -> Expect {
        seen.map_or(Expect::Absent, |row| Expect::Version(row.version))
    }

    /// Whether `row` is as expected.
    #[must_use]
    pub fn holds(&self, row: Option<&Versioned>) -> bool {
        match (self, row) {
            (Expect::Absent, None) => true,
            (Expect::Version(version), Some(row)) => *version == row.version,
            (Expect::ValueHash(hash), Some(row)) => *hash == value_hash(&row.value),
            _ => false,
        }
    }
}

/// The hash that [`Expect::ValueHash`] compares: the first 128 bits of BLAKE3.
#[must_use]
pub fn value_hash(value: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    let full = blake3::hash(value);
    for (to, from) in short.iter_mut().zip(full.as_bytes()) {
        *to = *from;
    }
    short
}

/// Writes that happen together or not at all, if everything expected holds.
///
/// A key may be put once or deleted once, not both; it may be expected and written.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The ownership under which this is written; `None` only for families without a shard.
    pub fence: Option<Fence>,
    /// Checked in this order; the first that fails is named in [`CommitError::Conflict`].
    pub expect: Vec<(Key, Expect)>,
    /// Rows to write.
    pub puts: Vec<(Key, Bytes)>,
    /// Rows to remove; removing what is not there is no error.
    pub dels: Vec<Key>,
}

impl Batch {
    /// An empty batch for families without a shard.
    #[must_use]
    pub fn new() -> Batch {
        Batch::default()
    }

    /// An empty batch under `fence`.
    #[must_use]
    pub fn fenced(fence: Fence) -> Batch {
        Batch {
            fence: Some(fence),
            ..Batch::default()
        }
    }

    /// Adds an expectation.
    pub fn expect(&mut self, key: Key, expect: Expect) -> &mut Batch {
        self.expect.push((key, expect));
        self
    }

    /// Adds a write.
    pub fn put(&mut self, key: Key, value: impl Into<Bytes>) -> &mut Batch {
        self.puts.push((key, value.into()));
        self
    }

    /// Adds a write of a row that must not be there yet.
    pub fn insert(&mut self, key: Key, value: impl Into<Bytes>) -> &mut Batch {
        self.expect(key.clone(), Expect::Absent).put(key, value)
    }

    /// Adds a removal.
    pub fn del(&mut self, key: Key) -> &mut Batch {
        self.dels.push(key);
        self
    }

    /// Number of expectations, puts and deletes.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.expect
            .len()
            .saturating_add(self.puts.len())
            .saturating_add(self.dels.len())
    }

    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.dels.is_empty()
    }

    /// Checks what every store refuses before it looks at any row.
    ///
    /// # Errors
    /// [`CommitError::TooLarge`], [`CommitError::TooMany`], [`CommitError::Repeated`].
    pub fn check(&self) -> Result<(), CommitError> {
        if self.rows() > BATCH_ROWS_MAX {
            return Err(CommitError::TooMany { rows: self.rows() });
        }
        let written = self.puts.iter().map(|(key, _)| key).chain(&self.dels);
        for key in self
            .expect
            .iter()
            .map(|(key, _)| key)
            .chain(written.clone())
        {
            if key.k.len() > KEY_BYTES_MAX {
                let bytes = key.k.len();
                return Err(CommitError::TooLarge {
                    key: key.clone(),
                    part: Part::Key,
                    bytes,
                });
            }
        }
        for (key, value) in &self.puts {
            if value.len() > VALUE_BYTES_MAX {
                let bytes = value.len();
                return Err(CommitError::TooLarge {
                    key: key.clone(),
                    part: Part::Value,
                    bytes,
                });
            }
        }
        let mut seen = std::collections::HashSet::new();
        match written.into_iter().find(|key| !seen.insert(*key)) {
            Some(twice) => Err(CommitError::Repeated(twice.clone())),
            None => Ok(()),
        }
    }
}

/// Which half of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key, bounded by [`KEY_BYTES_MAX`].
    Key,
    /// The value, bounded by [`VALUE_BYTES_MAX`].
    Value,
}

impl Part {
    /// Most bytes of it.
    #[must_use]
    pub fn bytes_max(self) -> usize {
        match self {
            Part::Key => KEY_BYTES_MAX,
            Part::Value => VALUE_BYTES_MAX,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Key => "key",
            Part::Value => "value",
        })
    }
}

/// The place of a commit in the order of all commits of one store; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub u64);

/// Why a batch was not taken. Nothing of it was written, except after `Full`, `Corrupt` and
/// `Gone`: there it may have been, wholly, and the next start shows which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A row is not as expected: read again and decide again.
    #[error("{0} changed meanwhile: read it again and decide again")]
    Conflict(Key),
    /// The shard belongs to a later epoch: drop all work on it.
    #[error("this shard was taken over by a later owner: work on it stops here")]
    Fenced,
    /// A row is over its bound; larger content goes to [`content`].
    #[error("the {part} of {key} has {bytes} bytes, at most {} are stored", part.bytes_max())]
    TooLarge {
        /// The row.
        key: Key,
        /// Its key or its value.
        part: Part,
        /// How long it is.
        bytes: usize,
    },
    /// The batch has more than [`BATCH_ROWS_MAX`] rows.
    #[error("the batch has {rows} rows, at most {BATCH_ROWS_MAX} fit: split it")]
    TooMany {
        /// Puts, deletes and expectations.
        rows: usize,
    },
    /// The batch writes this key twice.
    #[error("the batch writes {0} twice")]
    Repeated(Key),
    /// Too much is waiting, or the server lost a race: the same batch may be tried again.
    #[error("the store is busy: try again")]
    Busy,
    /// No space is left; the store has failed and the daemon should end.
    #[error("the disk of the store is full: free some space and start again")]
    Full,
    /// Stored bytes make no sense; the store has failed and the daemon should end.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The store has failed or was closed.
    #[error("the store is not available: {0}")]
    Gone(String),
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
    /// Each row is read on its own: what must fit together is checked by [`Batch::expect`].
    /// Cancel-safe.
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
