//! Message-IDs and stamps of files that were read before: a file of a Maildir never changes its content, so
//! each header is read once and not again for each copy that is looked for.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sink::OwnMail;

/// Most files remembered, 24 bytes each; beyond it all is read again.
const FILES_MAX: usize = 200_000;

/// What is remembered of the folders of one Maildir: of each file a hash of its unique name and of
/// its Message-ID, and of our stamp where it has one.
#[derive(Debug, Default)]
pub(super) struct KnownIds {
    // A short lock without I/O.
    files: Mutex<HashMap<u64, (u64, u64)>>,
}

impl KnownIds {
    /// Whether the file may be this mail; `None` when it was not read yet.
    pub(super) fn may_be(&self, folder: &Path, unique: &str, mail: &OwnMail) -> Option<bool> {
        let (id, stamp) = self.lock().get(&hash(&(folder, unique))).copied()?;
        Some(id == hash(&mail.message_id.as_str()) || stamp == hash(&mail.stamp.as_str()))
    }

    /// Remembers the Message-ID and the stamp of a file.
    pub(super) fn remember(&self, folder: &Path, unique: &str, (id, stamp): (&str, &str)) {
        let mut files = self.lock();
        if files.len() >= FILES_MAX {
            files.clear();
        }
        files.insert(hash(&(folder, unique)), (hash(&id), hash(&stamp)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (u64, u64)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
