//! Large content: a file each, named by its hash.
//!
//! A file is written, synced, renamed into `ab/cd/<hash>` and its folders synced before it counts
//! as kept.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{CONTENT_BYTES_MAX, ContentError, ContentHash, io_error, list, make_dir, sync_dir};
use crate::store::files::FILE_MODE;

/// Ends the name of a file that is being written.
const UNFINISHED: &str = "part";

/// Files under one folder.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    unfinished: AtomicU64,
    /// Folders whose own entries this process has synced; at most 256 * 257.
    synced: Mutex<HashSet<PathBuf>>,
}

impl Files {
    pub(super) fn new(root: &Path) -> Files {
        Files {
            root: root.to_owned(),
            unfinished: AtomicU64::new(0),
            synced: Mutex::new(HashSet::new()),
        }
    }

    /// Removes what a crash left half-written.
    pub(super) fn sweep_unfinished(&self) -> Result<usize, ContentError> {
        let mut removed = 0_usize;
        for entry in list(&self.root)? {
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

    /// Removes the file of that name, if there is one; tells its length.
    pub(super) fn remove(&self, hash: ContentHash) -> Result<Option<u64>, ContentError> {
        let (_, inner, path) = self.place(hash);
        let Some(length) = self.length(hash)? else {
            return Ok(None);
        };
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
        sync_dir(&inner)?;
        Ok(Some(length))
    }

    /// The second since 1970 in which the content was put last; `None` when there is none.
    pub(super) fn written(&self, hash: ContentHash) -> Result<Option<u64>, ContentError> {
        let (_, _, path) = self.place(hash);
        let Some(found) = self.look_at(hash)? else {
            return Ok(None);
        };
        let changed = found.modified().map_err(io_error("look at", &path))?;
        Ok(Some(seconds(changed)))
    }

    pub(super) fn length(&self, hash: ContentHash) -> Result<Option<u64>, ContentError> {
        Ok(self.look_at(hash)?.map(|found| found.len()))
    }

    fn look_at(&self, hash: ContentHash) -> Result<Option<fs::Metadata>, ContentError> {
        let (_, _, path) = self.place(hash);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("look at", &path)(error)),
        }
    }

    /// The files, each with its name and the second since 1970 in which it was put last.
    pub(super) fn all(&self) -> Result<Vec<(ContentHash, u64)>, ContentError> {
        let mut found = Vec::new();
        for outer in folders(&self.root)? {
            for inner in folders(&outer)? {
                for entry in list(&inner)? {
                    let path = entry.path();
                    let name = path.file_name().and_then(|name| name.to_str());
                    let Some(hash) = name.and_then(|name| name.parse().ok()) else {
                        continue;
                    };
                    let changed = entry.metadata().and_then(|found| found.modified());
                    let changed = changed.map_err(io_error("look at", &path))?;
                    found.push((hash, seconds(changed)));
                }
            }
        }
        Ok(found)
    }

    /// `ab/`, `ab/cd/` and `ab/cd/<hash>`.
    fn place(&self, hash: ContentHash) -> (PathBuf, PathBuf, PathBuf) {
        let [first, second, ..] = *hash.as_bytes();
        let outer = self.root.join(format!("{first:02x}"));
        let inner = outer.join(format!("{second:02x}"));
        let file = inner.join(hash.to_string());
        (outer, inner, file)
    }

    pub(super) fn read(&self, hash: ContentHash) -> Result<Option<Bytes>, ContentError> {
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

    pub(super) fn write(&self, bytes: &[u8], now: u64) -> Result<ContentHash, ContentError> {
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
        } else {
            // It counts as put now: a sweep must not take it before its new row is there.
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now);
            File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(at))
                .map_err(io_error("touch", &path))?;
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

fn seconds(at: std::time::SystemTime) -> u64 {
    let since = at.duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// The two-digit folders in `folder`.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, ContentError> {
    let entries = list(folder)?.into_iter().map(|entry| entry.path());
    let named = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    Ok(entries.filter(named).collect())
}
