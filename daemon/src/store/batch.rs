//! What is committed together, and why it may not be.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;

use super::codec::{self, CodecError, Record};
use super::{BATCH_ROWS_MAX, Fence, KEY_BYTES_MAX, Key, VALUE_BYTES_MAX, Versioned};

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

    /// Adds a write of a record.
    ///
    /// # Errors
    /// [`CodecError::Payload`] when the type uses what the codec cannot write.
    pub fn put_record<T: Record>(
        &mut self,
        key: Key,
        record: &T,
    ) -> Result<&mut Batch, CodecError> {
        let value = codec::encode(record)?;
        Ok(self.put(key, value))
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
        let mut seen = HashSet::new();
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
    /// A row is over its bound; larger content goes to [`super::content`].
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
    /// No space is left. Where the journal had no room nothing was written, and the store goes on
    /// once there is some; where the tree had none the store has failed.
    #[error("the disk of the store is full: free some space")]
    Full,
    /// Stored bytes make no sense; the store has failed and the daemon should end.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The store has failed or was closed.
    #[error("the store is not available: {0}")]
    Gone(String),
}
