//! Message bytes and attachments: files named by their hash.
//!
//! A file is written, synced, renamed into `ab/cd/<hash>` and its directories synced before
//! [`ContentStore::put`] returns, so a row committed afterwards never names content that is not
//! there. The hash is checked at every read.
//!
//! Small content will go to append-only pack files; `Inner::read` and `Inner::write` are the
//! two places that know where content lies.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest content: above the message limits of common servers (25 to 50 MB, a third more in
/// Base64), and held in memory once.
pub const CONTENT_BYTES_MAX: usize = 72 << 20;
/// State is for the daemon's user alone.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Ends the name of a file that is being written.
const UNFINISHED: &str = "part";

/// The name of content: its BLAKE3, 64 hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The name of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> ContentHash {
        ContentHash(*blake3::hash(bytes).as_bytes())
    }

    /// The hash itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no content hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no content hash: 64 hex digits are")]
pub struct ContentHashError {
    /// What was given.
    pub text: String,
}

impl FromStr for ContentHash {
    type Err = ContentHashError;

    fn from_str(text: &str) -> Result<ContentHash, ContentHashError> {
        match blake3::Hash::from_hex(text) {
            Ok(hash) => Ok(ContentHash(*hash.as_bytes())),
            Err(_) => Err(ContentHashError {
                text: text.to_owned(),
            }),
        }
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ContentHash, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(ContentHash)
        }
    }
}

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
    root: PathBuf,
    unfinished: AtomicU64,
    /// Folders whose own entries this process has synced; at most 256 * 257.
    synced: Mutex<HashSet<PathBuf>>,
}

impl ContentStore {
    /// Content in `root`, which is made when missing.
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
            root: root.to_owned(),
            unfinished: AtomicU64::new(0),
            synced: Mutex::new(HashSet::new()),
        };
        Ok(ContentStore {
            inner: Arc::new(inner),
        })
    }

    /// Keeps `bytes`, durably; the same content is kept once.
    ///
    /// # Errors
    /// [`ContentError::TooLarge`], [`ContentError::Io`], [`ContentError::Thread`].
    pub async fn put(&self, bytes: Bytes) -> Result<ContentHash, ContentError> {
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(ContentError::TooLarge {
                bytes: bytes.len() as u64,
            });
        }
        self.blocking(move |inner| inner.write(&bytes)).await
    }

    /// The content of that name; `None` when it is not (or no longer) kept.
    ///
    /// # Errors
    /// All of [`ContentError`].
    pub async fn get(&self, hash: ContentHash) -> Result<Option<Bytes>, ContentError> {
        self.blocking(move |inner| inner.read(hash)).await
    }

    /// Removes what a crash left half-written; only for the process that holds the store's lock,
    /// before it puts anything. Tells how many files there were.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn sweep_unfinished(&self) -> Result<usize, ContentError> {
        let mut removed = 0_usize;
        for entry in list(&self.inner.root)? {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == UNFINISHED)
            {
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
                removed = removed.saturating_add(1);
            }
        }
        Ok(removed)
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
    /// `ab/`, `ab/cd/` and `ab/cd/<hash>`.
    fn place(&self, hash: ContentHash) -> (PathBuf, PathBuf, PathBuf) {
        let [first, second, ..] = hash.0;
        let outer = self.root.join(format!("{first:02x}"));
        let inner = outer.join(format!("{second:02x}"));
        let file = inner.join(hash.to_string());
        (outer, inner, file)
    }

    fn read(&self, hash: ContentHash) -> Result<Option<Bytes>, ContentError> {
        let (_, _, path) = self.place(hash);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let length = file.metadata().map_err(io_error("look at", &path))?.len();
        if length > CONTENT_BYTES_MAX as u64 {
            return Err(ContentError::TooLarge { bytes: length });
        }
        let mut bytes = Vec::new();
        file.take(CONTENT_BYTES_MAX as u64)
            .read_to_end(&mut bytes)
            .map_err(io_error("read", &path))?;
        if ContentHash::of(&bytes) != hash {
            return Err(ContentError::Damaged { hash });
        }
        Ok(Some(Bytes::from(bytes)))
    }

    fn write(&self, bytes: &[u8]) -> Result<ContentHash, ContentError> {
        let hash = ContentHash::of(bytes);
        let (outer, inner, path) = self.place(hash);
        let kept = match self.read(hash) {
            Ok(kept) => kept.is_some(),
            Err(ContentError::Damaged { .. } | ContentError::TooLarge { .. }) => false,
            Err(error) => return Err(error),
        };
        if !kept {
            make_dir(&inner)?;
            let unfinished = self.write_unfinished(hash, bytes)?;
            fs::rename(&unfinished, &path).map_err(io_error("move into place", &unfinished))?;
        }
        // Also for content that was there: who wrote it may not have come this far.
        sync_dir(&inner)?;
        self.sync_entry(&inner, &outer)?;
        self.sync_entry(&outer, &self.root)?;
        Ok(hash)
    }

    /// Makes the entry of `folder` in `parent` durable, once in this process.
    fn sync_entry(&self, folder: &Path, parent: &Path) -> Result<(), ContentError> {
        let synced = || self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if synced().contains(folder) {
            return Ok(());
        }
        sync_dir(parent)?;
        synced().insert(folder.to_owned());
        Ok(())
    }

    fn write_unfinished(&self, hash: ContentHash, bytes: &[u8]) -> Result<PathBuf, ContentError> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let path = self
            .root
            .join(format!("{hash}.{process}-{number}.{UNFINISHED}"));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        match written {
            Ok(()) => Ok(path),
            Err(error) => {
                // The first error is the one to tell; the sweep takes what is left.
                let _ = fs::remove_file(&path);
                Err(io_error("write", &path)(error))
            }
        }
    }
}

fn make_dir(dir: &Path) -> Result<(), ContentError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(io_error("create the directory", dir))
}

fn sync_dir(dir: &Path) -> Result<(), ContentError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync the directory", dir))
}

fn list(dir: &Path) -> Result<Vec<fs::DirEntry>, ContentError> {
    fs::read_dir(dir)
        .and_then(Iterator::collect)
        .map_err(io_error("read the directory", dir))
}

#[cfg(test)]
mod tests;
