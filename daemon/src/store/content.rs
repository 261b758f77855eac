//! Message bytes and attachments, named by their hash.
//!
//! Small content is appended to pack files ([`packs`]), which one `fdatasync` makes durable for
//! all who wait at that moment; larger content gets a file of its own ([`large`]). When
//! [`ContentStore::put`] returns, the content is durable, so a row committed afterwards never
//! names what is not there. The hash is checked at every read.
//!
//! Content that no row names any more goes with [`ContentStore::sweep`].

mod hash;
mod large;
mod packs;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

pub use hash::{ContentHash, ContentHashError};

use super::files;
use crate::clock::{Clock, SystemClock};
use large::Files;
use packs::Packs;

/// Longest content: above the message limits of common servers (25 to 50 MB, a third more in
/// Base64), and held in memory once.
pub const CONTENT_BYTES_MAX: usize = 72 << 20;
/// Longest content in a pack; what is longer costs a file and its syncs once, and no rewriting
/// when a pack is swept.
pub const PACKED_BYTES_MAX: usize = 256 << 10;

/// Why content could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Over [`CONTENT_BYTES_MAX`].
    #[error("content of {bytes} bytes, at most {CONTENT_BYTES_MAX} are kept")]
    TooLarge {
        /// How long it is.
        bytes: u64,
    },
    /// The file is not what its name says; putting the same content again heals it.
    #[error("the content {hash} is damaged: fetch the message again from its mailbox")]
    Damaged {
        /// The name.
        hash: ContentHash,
    },
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An earlier write did not reach the disk; nothing is kept any more until the next start.
    #[error("content can no longer be written: a sync of {} failed before", path.display())]
    Failed {
        /// The folder.
        path: PathBuf,
    },
    /// The blocking thread did not finish.
    #[error("the thread that worked on content ended: {0}")]
    Thread(String),
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ContentError {
    let path = path.to_owned();
    move |source| ContentError::Io {
        doing,
        path,
        source,
    }
}

/// Content under one directory; cheap to clone.
#[derive(Debug, Clone)]
pub struct ContentStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    packs: Packs,
    files: Files,
    clock: Arc<dyn Clock>,
    /// Held shared by who copies what rows name, and alone by who removes content.
    removing: Arc<tokio::sync::RwLock<()>>,
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many contents.
    pub contents: u64,
    /// Their length.
    pub bytes: u64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentStats {
    /// Contents in packs.
    pub packed: u64,
    /// Bytes of the packs.
    pub pack_bytes: u64,
    /// Pack files.
    pub packs: u64,
}

impl ContentStore {
    /// Content in `root`, which is made when missing. One process at a time: the store's lock.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn open(root: &Path) -> Result<ContentStore, ContentError> {
        make_dir(root)?;
        if let Some(parent) = root
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            sync_dir(parent)?;
        }
        let inner = Inner {
            packs: Packs::open(&root.join(packs::FOLDER))?,
            files: Files::new(root),
            clock: Arc::new(SystemClock),
            removing: Arc::default(),
        };
        Ok(ContentStore {
            inner: Arc::new(inner),
        })
    }

    /// Keeps `bytes`, durably; the same content is kept once.
    ///
    /// # Errors
    /// [`ContentError::TooLarge`], [`ContentError::Io`], [`ContentError::Failed`],
    /// [`ContentError::Thread`].
    pub async fn put(&self, bytes: Bytes) -> Result<ContentHash, ContentError> {
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(ContentError::TooLarge {
                bytes: bytes.len() as u64,
            });
        }
        self.blocking(move |inner| inner.write(&bytes)).await
    }

    /// Keeps each of `all`, durably, as [`ContentStore::put`] does; what is small takes one sync
    /// together.
    ///
    /// # Errors
    /// Of each its own; for all of them [`ContentError::Failed`], [`ContentError::Thread`] and an
    /// [`ContentError::Io`] of the sync.
    pub async fn put_all(
        &self,
        all: Vec<Bytes>,
    ) -> Result<Vec<Result<ContentHash, ContentError>>, ContentError> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        self.blocking(move |inner| inner.write_all(&all)).await
    }

    /// The content of that name; `None` when it is not (or no longer) kept.
    ///
    /// # Errors
    /// All of [`ContentError`].
    pub async fn get(&self, hash: ContentHash) -> Result<Option<Bytes>, ContentError> {
        // What was just written is in memory: handing it from thread to thread takes longer.
        if let Some(bytes) = self.inner.packs.read_recent(hash) {
            return Ok(Some(bytes));
        }
        self.blocking(move |inner| inner.read(hash)).await
    }

    /// Removes what `live` does not name and nobody put since the second `before`, so that
    /// content whose row is still being written is not taken for needless.
    ///
    /// # Errors
    /// [`ContentError`]; what was not removed is tried again the next time.
    pub async fn sweep(
        &self,
        live: Arc<HashSet<ContentHash>>,
        before: u64,
    ) -> Result<Swept, ContentError> {
        let _alone = self.inner.removing.write().await;
        self.blocking(move |inner| inner.sweep(&live, before)).await
    }

    /// Removes these contents, whatever else lies in their packs, unless somebody put them since
    /// the second `before`.
    ///
    /// # Errors
    /// [`ContentError`]; what was not removed is still there.
    pub async fn erase(
        &self,
        erased: HashSet<ContentHash>,
        before: u64,
    ) -> Result<Swept, ContentError> {
        let _alone = self.inner.removing.write().await;
        self.blocking(move |inner| inner.erase(&erased, before))
            .await
    }

    /// While the guard lives nothing is removed: what rows name now can be copied.
    pub async fn stays(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        Arc::clone(&self.inner.removing).read_owned().await
    }

    /// How long a content is, without reading it; `None` when it is not kept.
    ///
    /// # Errors
    /// [`ContentError::Io`], [`ContentError::Thread`].
    pub async fn length(&self, hash: ContentHash) -> Result<Option<u64>, ContentError> {
        if let Some(length) = self.inner.packs.length(hash) {
            return Ok(Some(length));
        }
        self.blocking(move |inner| inner.files.length(hash)).await
    }

    /// The names of all content, whether a row names it or not.
    ///
    /// # Errors
    /// [`ContentError::Io`], [`ContentError::Thread`].
    pub async fn names(&self) -> Result<Vec<ContentHash>, ContentError> {
        self.blocking(|inner| {
            let mut names = inner.packs.names();
            names.extend(inner.files.all()?.into_iter().map(|(hash, _)| hash));
            Ok(names)
        })
        .await
    }

    /// How much is kept in packs.
    #[must_use]
    pub fn stats(&self) -> ContentStats {
        self.inner.packs.stats()
    }

    /// Removes what a crash left half-written; only for the process that holds the store's lock,
    /// before it puts anything. Tells how many files there were.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn sweep_unfinished(&self) -> Result<usize, ContentError> {
        self.inner.files.sweep_unfinished()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ContentError> + Send + 'static,
    ) -> Result<T, ContentError> {
        let inner = Arc::clone(&self.inner);
        // Not through the supervisor: the task is awaited right here.
        let task = tokio::task::spawn_blocking(move || work(&inner));
        task.await
            .unwrap_or_else(|error| Err(ContentError::Thread(error.to_string())))
    }
}

impl Inner {
    fn seconds(&self) -> u64 {
        u64::try_from(self.clock.now().0 / 1_000).unwrap_or(0)
    }

    fn read(&self, hash: ContentHash) -> Result<Option<Bytes>, ContentError> {
        match self.packs.read(hash)? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.files.read(hash),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<ContentHash, ContentError> {
        if bytes.len() > PACKED_BYTES_MAX {
            return self.files.write(bytes, self.seconds());
        }
        self.packs.write(bytes, self.seconds())
    }

    fn write_all(
        &self,
        all: &[Bytes],
    ) -> Result<Vec<Result<ContentHash, ContentError>>, ContentError> {
        let now = self.seconds();
        let put = |bytes: &Bytes| match bytes.len() {
            small if small <= PACKED_BYTES_MAX => self.packs.lay(bytes, now),
            large if large <= CONTENT_BYTES_MAX => self.files.write(bytes, now),
            beyond => Err(ContentError::TooLarge {
                bytes: beyond as u64,
            }),
        };
        let put = all.iter().map(put).collect();
        self.packs.sync()?;
        Ok(put)
    }

    fn sweep(&self, live: &HashSet<ContentHash>, before: u64) -> Result<Swept, ContentError> {
        let mut swept = self.packs.sweep(live, before)?;
        for (hash, written) in self.files.all()? {
            if live.contains(&hash) || written >= before {
                continue;
            }
            swept.add(self.files.remove(hash)?);
        }
        Ok(swept)
    }
}

impl Inner {
    fn erase(&self, erased: &HashSet<ContentHash>, before: u64) -> Result<Swept, ContentError> {
        let mut swept = self.packs.erase(erased, before)?;
        for hash in erased {
            if self.files.written(*hash)?.is_some_and(|at| at < before) {
                swept.add(self.files.remove(*hash)?);
            }
        }
        Ok(swept)
    }
}

impl Swept {
    fn add(&mut self, removed: Option<u64>) {
        if let Some(bytes) = removed {
            self.contents = self.contents.saturating_add(1);
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }
}

fn make_dir(dir: &Path) -> Result<(), ContentError> {
    files::make_dir(dir).map_err(io_error("create the directory", dir))
}

fn sync_dir(dir: &Path) -> Result<(), ContentError> {
    files::sync_dir(dir).map_err(io_error("sync the directory", dir))
}

fn list(dir: &Path) -> Result<Vec<fs::DirEntry>, ContentError> {
    fs::read_dir(dir)
        .and_then(Iterator::collect)
        .map_err(io_error("read the directory", dir))
}

#[cfg(test)]
mod tests;
