//! The life of the data: backups, looking everything over, and coming back from a backup.
//!
//! A backup is a folder: one export of all rows ([`crate::store::export`]), the content that they
//! name, and a line that says what it is. It is made while the daemon works. What was on its way
//! when it was made may have gone out since: [`restore`] makes that uncertain, so that nothing
//! goes out twice.

mod backup;
mod forget;
mod migrate;
pub mod night;
mod restore;
pub mod retention;
mod reviews;
pub mod sweep;
mod transfer;
mod verify;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::books::BooksError;
use crate::store::content::ContentError;
use crate::store::export::ExportError;
use crate::store::sled::{OpenError, SaveError};

pub use backup::backup;
pub use migrate::{Checked, check_export, check_store};
pub use restore::{Restored, restore};
pub use transfer::{FamilySum, Transferred, export_rows, import_rows, settle_imported};
pub use verify::{Looked, verify};

/// What a backup says of itself.
pub const MANIFEST: &str = "backup.json";
/// The shape of a backup.
const FORMAT: u32 = 1;
/// The folder of the content in a backup, and in the state directory.
const CONTENT: &str = "content";

/// A backup as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Shape of the folder.
    pub liaison_backup: u32,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// Name of the export in the folder.
    pub export: String,
    /// The frame of the journal whose rows it has.
    pub frame: u64,
    /// Contents that it has.
    pub contents: u64,
    /// Contents that rows name and that were not there any more.
    pub missing: u64,
}

/// Why a backup could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeepingError {
    /// The store has no files of its own.
    #[error("this store keeps no files: there is nothing to back up")]
    NoFiles,
    /// The target is in use.
    #[error("{} is not empty: name a folder that is, or does not exist", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The file is there already.
    #[error("{} exists: name a file that does not, or a folder", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to look at.
    #[error("{} does not exist: there is no store yet", path.display())]
    NoStore {
        /// The directory of the store.
        path: PathBuf,
    },
    /// The folder is no backup.
    #[error("{} is no backup of liaison ({reason})", path.display())]
    NoBackup {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The rows could not be exported.
    #[error("the rows cannot be exported")]
    Save(#[from] SaveError),
    /// The export cannot be read.
    #[error("the rows in the file cannot be used")]
    Export(#[from] ExportError),
    /// The store could not be made.
    #[error("the store cannot be made from the file")]
    Open(#[from] OpenError),
    /// The journal cannot be read.
    #[error("the journal of the store cannot be read")]
    Journal(#[from] crate::store::journal::JournalError),
    /// Content could not be copied.
    #[error("content cannot be copied")]
    Content(#[from] ContentError),
    /// The records could not be read or written.
    #[error("the records cannot be worked on")]
    Books(#[from] BooksError),
    /// A mail could not be made uncertain.
    #[error("a mail cannot be made uncertain")]
    Step(#[from] crate::outbox::StepError),
    /// The daemon's parts could not be opened.
    #[error("what was restored cannot be opened")]
    Start(#[source] Box<crate::app::StartError>),
    /// A thread did not finish.
    #[error("{0}")]
    Broken(String),
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeepingError {
    let path = path.to_owned();
    move |source| KeepingError::Io {
        doing,
        path,
        source,
    }
}
