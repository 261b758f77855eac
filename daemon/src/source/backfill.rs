//! Old messages shown to the plugins because a person asked for it: what a source and the intake
//! tell each other about it.
//!
//! A source that finds nothing more urgent takes the next messages in the order of their places,
//! hands in as history what was never recorded, and then names them in [`Rehearsal`]. How far it
//! has come is durable in the same commit as the events, so that a crash repeats nothing.

use liaison_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::FolderRef;

/// Messages of one step.
pub const STEP_MESSAGES_MAX: usize = super::BATCH_MESSAGES_MAX;

/// What is asked for in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// Messages received since.
    pub since: Timestamp,
    /// How far each folder is; one that was not begun is missing.
    pub folders: Vec<BackfillFolder>,
    /// The plugins are still busy with earlier ones: go on later.
    pub rest: bool,
}

impl Backfill {
    /// How far a folder is.
    #[must_use]
    pub fn of(&self, folder: &str) -> BackfillFolder {
        let known = self.folders.iter().find(|known| known.folder == folder);
        known.cloned().unwrap_or_else(|| BackfillFolder {
            folder: folder.to_owned(),
            ..BackfillFolder::default()
        })
    }
}

/// How far one folder is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillFolder {
    /// Its name.
    pub folder: String,
    /// UIDVALIDITY under which `after` holds; 0 for a Maildir.
    pub uid_validity: u32,
    /// The last place that is done: a UID, or a file's unique name.
    pub after: String,
    /// Messages that are done.
    pub done: u64,
    /// Messages in all, as of the last step.
    pub total: u64,
    /// Nothing is left.
    pub finished: bool,
}

/// A step: all messages at these places were recorded, as far as they can be had.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Where.
    pub folder: FolderRef,
    /// Places, as in [`super::Arrived::locator`]; at most [`STEP_MESSAGES_MAX`].
    pub locators: Vec<String>,
    /// How far the folder is after it.
    pub progress: BackfillFolder,
    /// No folder has anything left.
    pub ends: bool,
}

impl Rehearsal {
    /// The last one: nothing is left in any folder, of which this is one.
    #[must_use]
    pub fn end(folder: FolderRef, progress: BackfillFolder) -> Rehearsal {
        Rehearsal {
            folder,
            locators: Vec::new(),
            progress,
            ends: true,
        }
    }
}

/// What a source's turn at the backfill leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing is asked for.
    Nothing,
    /// There may be more at once.
    More,
    /// The plugins or the inbox have to come after first.
    Later,
}
