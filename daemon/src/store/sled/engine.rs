//! The open database: rows in trees, and what its errors mean.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use sled::transaction::{TransactionError, Transactional};
use sled::{Db, IVec, Tree};

use super::open::LockFile;
use super::writer::Pending;
use crate::store::{CommitError, Dir, Key, Ns, Page, Range, ReadError, Versioned, page_rows};

/// Fields are dropped in this order: the lock goes last.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) trees: BTreeMap<Ns, Tree>,
    pub(super) db: Db,
    pub(super) _lock: LockFile,
}

impl Engine {
    fn tree(&self, ns: Ns) -> Result<&Tree, Failure> {
        // All of `Ns::ALL` were opened at start.
        self.trees
            .get(&ns)
            .ok_or_else(|| Failure::Corrupt(format!("no tree for {ns}").into()))
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Versioned>, Failure> {
        match self.tree(key.ns)?.get(&key.k)? {
            Some(stored) => Ok(Some(unpack(key.ns, &key.k, &stored)?)),
            None => Ok(None),
        }
    }

    pub(super) fn scan(
        &self,
        range: &Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> Result<Page, Failure> {
        let Some(bounds) = range.bounds(dir, after) else {
            return Ok(Page::default());
        };
        let rows = self.tree(range.ns)?.range::<Bytes, _>(bounds);
        let row = |row: sled::Result<(IVec, IVec)>| {
            let (key, stored) = row?;
            let versioned = unpack(range.ns, &key, &stored)?;
            Ok((Bytes::copy_from_slice(&key), versioned))
        };
        let wanted = page_rows(limit).saturating_add(1);
        let items: Result<Vec<_>, Failure> = match dir {
            Dir::Forward => rows.map(row).take(wanted).collect(),
            Dir::Reverse => rows.rev().map(row).take(wanted).collect(),
        };
        Ok(Page::of(items?, limit))
    }

    /// Writes rows, all or none of them; durable after the next [`Engine::flush`].
    pub(super) fn apply(&self, rows: &Pending) -> Result<(), Failure> {
        let mut writes: BTreeMap<Ns, sled::Batch> = BTreeMap::new();
        for (key, row) in rows {
            let write = writes.entry(key.ns).or_default();
            match row {
                Some(row) => write.insert(&*key.k, pack(row.version, &row.value)),
                None => write.remove(&*key.k),
            }
        }
        let trees = writes
            .keys()
            .map(|ns| self.tree(*ns))
            .collect::<Result<Vec<&Tree>, Failure>>()?;
        if let ([tree], Some((_, write))) = (trees.as_slice(), writes.first_key_value()) {
            return Ok(tree.apply_batch(write.clone())?);
        }
        if trees.is_empty() {
            return Ok(());
        }
        let written = trees.as_slice().transaction(|views| {
            for (view, write) in views.iter().zip(writes.values()) {
                view.apply_batch(write)?;
            }
            Ok(())
        });
        written.map_err(|error: TransactionError<()>| match error {
            TransactionError::Storage(error) => Failure::from(error),
            TransactionError::Abort(()) => Failure::Gone("a transaction ended itself".into()),
        })
    }

    pub(super) fn flush(&self) -> Result<(), Failure> {
        self.db.flush()?;
        Ok(())
    }

    pub(super) fn disk_bytes(&self) -> Option<u64> {
        self.db.size_on_disk().ok()
    }
}

/// A stored value: the version (8 bytes, big-endian), then the value.
pub(super) fn pack(version: u64, value: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes(), value].concat()
}

pub(super) fn unpack(ns: Ns, key: &[u8], stored: &[u8]) -> Result<Versioned, Failure> {
    let Some((version, value)) = stored.split_first_chunk::<8>() else {
        let key = Key::new(ns, Bytes::copy_from_slice(key));
        return Err(Failure::Corrupt(format!("{key} has no version").into()));
    };
    Ok(Versioned {
        version: u64::from_be_bytes(*version),
        value: Bytes::copy_from_slice(value),
    })
}

/// Why the store takes no calls any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Stored bytes make no sense, or sled panicked over them.
    Corrupt(Arc<str>),
    /// No space left.
    Full,
    /// The file system refused.
    Gone(Arc<str>),
    /// A commit did not end; its thread is given up.
    Stuck(Arc<str>),
    /// Closed in order.
    Closed,
}

impl Failure {
    pub(super) fn panicked(doing: &str, panic: impl PanicText) -> Failure {
        Failure::Corrupt(format!("{doing} panicked: {}", panic.text()).into())
    }

    pub(super) fn reason(&self) -> Arc<str> {
        match self {
            Failure::Corrupt(reason) | Failure::Gone(reason) | Failure::Stuck(reason) => {
                Arc::clone(reason)
            }
            Failure::Full => "the disk is full: free some space and start again".into(),
            Failure::Closed => "it was closed".into(),
        }
    }
}

/// Whether an I/O error tells of the bytes rather than of the file system.
fn damaged(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    )
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Failure {
        match &error {
            sled::Error::Io(io) if io.kind() == io::ErrorKind::StorageFull => Failure::Full,
            sled::Error::Io(io) if damaged(io.kind()) => Failure::Corrupt(error.to_string().into()),
            sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => {
                Failure::Corrupt(error.to_string().into())
            }
            _ => Failure::Gone(error.to_string().into()),
        }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> CommitError {
        match failure {
            Failure::Corrupt(reason) => CommitError::Corrupt(reason.to_string()),
            Failure::Full => CommitError::Full,
            other => CommitError::Gone(other.reason().to_string()),
        }
    }
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> ReadError {
        match failure {
            Failure::Corrupt(reason) => ReadError::Corrupt(reason.to_string()),
            other => ReadError::Gone(other.reason().to_string()),
        }
    }
}

/// What a panic said.
pub(super) trait PanicText {
    fn text(self) -> String;
}

impl PanicText for Box<dyn Any + Send> {
    fn text(self) -> String {
        match self.downcast::<String>() {
            Ok(text) => *text,
            Err(other) => match other.downcast::<&'static str>() {
                Ok(text) => (*text).to_owned(),
                Err(_) => "no text".to_owned(),
            },
        }
    }
}

impl PanicText for tokio::task::JoinError {
    fn text(self) -> String {
        match self.try_into_panic() {
            Ok(panic) => panic.text(),
            Err(cancelled) => cancelled.to_string(),
        }
    }
}
