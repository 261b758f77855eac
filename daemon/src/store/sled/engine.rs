//! The open database: rows in trees, and what its errors mean.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use sled::{Db, IVec, Tree};

use super::open::LockFile;
use crate::books::chain;
use crate::store::journal::JournalError;
use crate::store::planted::{self, Bug};
use crate::store::sums::Sums;
use crate::store::{CommitError, Dir, Key, Ns, Page, Range, ReadError, Versioned, page_rows};

/// The last frame of the journal whose rows are all there.
pub(super) const META_APPLIED: &[u8] = b"applied";

/// Fields are dropped in this order: the lock of the state directory goes last.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) trees: BTreeMap<Ns, Tree>,
    pub(super) db: Db,
    /// Held for writing while the rows of a group are applied one by one, and for reading by each
    /// question of a reader, so that nobody sees half of a commit.
    pub(super) whole: parking_lot::RwLock<()>,
    /// Also held by the files that these are being replaced by.
    pub(super) lock: Option<Arc<LockFile>>,
}

impl Engine {
    /// All trees of `db`, made where missing.
    pub(super) fn open(db: Db) -> Result<Engine, Failure> {
        let open = |ns: &Ns| Ok((*ns, db.open_tree(ns.name())?));
        let trees = Ns::ALL.iter().map(open).collect::<Result<_, Failure>>()?;
        Ok(Engine {
            trees,
            db,
            whole: parking_lot::RwLock::new(()),
            lock: None,
        })
    }

    pub(super) fn write(
        &self,
        ns: Ns,
        key: &[u8],
        version: u64,
        value: &[u8],
    ) -> Result<(), Failure> {
        self.tree(ns)?.insert(key, pack(version, value))?;
        Ok(())
    }

    pub(super) fn remove(&self, ns: Ns, key: &[u8]) -> Result<(), Failure> {
        self.tree(ns)?.remove(key)?;
        Ok(())
    }

    /// Gives all rows of a family to `take`, by key.
    pub(super) fn each<E: From<Failure>>(
        &self,
        ns: Ns,
        mut take: impl FnMut(&[u8], &Versioned) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in self.tree(ns)?.iter() {
            let (key, stored) = row.map_err(Failure::from)?;
            take(&key, &unpack(ns, &key, &stored)?)?;
        }
        Ok(())
    }

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

    /// Writes rows that the journal has under `frame`, one after the other.
    ///
    /// Not as one transaction of sled, which syncs its log twice: what a crash leaves half-done is
    /// done again from the journal, since the number of the frame is written last.
    pub(super) fn apply<'a>(
        &self,
        frame: u64,
        rows: impl IntoIterator<Item = (Ns, &'a [u8], Option<(u64, &'a [u8])>)>,
    ) -> Result<(), Failure> {
        let _whole = self.whole.write();
        for (ns, key, row) in rows {
            let tree = self.tree(ns)?;
            match row {
                Some((version, value)) => tree.insert(key, pack(version, value))?,
                None if planted::is(Bug::SkipDeletes) => continue,
                None => tree.remove(key)?,
            };
        }
        self.set_applied(frame)
    }

    /// Number of the frame up to which the rows are those of the journal; 0: none.
    pub(super) fn applied(&self) -> Result<u64, Failure> {
        let stored = self.tree(Ns::Meta)?.get(META_APPLIED)?;
        let Some(stored) = stored else {
            return Ok(0);
        };
        let number = stored
            .first_chunk::<8>()
            .map(|bytes| u64::from_be_bytes(*bytes));
        number.ok_or_else(|| Failure::Corrupt("meta/applied is no number".into()))
    }

    pub(super) fn set_applied(&self, frame: u64) -> Result<(), Failure> {
        let meta = self.tree(Ns::Meta)?;
        meta.insert(META_APPLIED, &frame.to_be_bytes())?;
        Ok(())
    }

    /// The sums of all rows, by a full scan.
    pub(super) fn sums(&self) -> Result<Sums, Failure> {
        let mut sums = Sums::default();
        for ns in Ns::ALL.iter().filter(|ns| **ns != Ns::Meta) {
            for row in self.tree(*ns)?.iter() {
                let (key, stored) = row?;
                sums.add(*ns, &key, &unpack(*ns, &key, &stored)?);
            }
        }
        Ok(sums)
    }

    pub(super) fn flush(&self) -> Result<(), Failure> {
        self.db.flush()?;
        Ok(())
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
            // Only this version of sled ever wrote here: what it does not know is damage.
            sled::Error::Corruption { .. }
            | sled::Error::ReportableBug(_)
            | sled::Error::Unsupported(_) => Failure::Corrupt(error.to_string().into()),
            _ => Failure::Gone(error.to_string().into()),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        if error.is_full() {
            return Failure::Full;
        }
        Failure::Gone(chain(&error).into())
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
