//! What is kept of one person: shown, and erased.
//!
//! ```text
//!  address ──► person ──► traces (whose messages, mails, cases ...) ──► each row's fate
//!                                                                     ├──► export: all of them
//!                                                                     └──► erase: removed, or
//!                                                                          rewritten without them
//! ```
//!
//! An erasure is recorded first, with a tombstone: a hash of the address under a random key of
//! this store, so that the person does not come back by the next message or import. The rest is
//! done when the store is opened next (`crate::app::open_books`), before anybody works with it:
//!
//! | step | what | repeated after a crash |
//! |---|---|---|
//! | 1 | rows that name content in which the person occurs let it go | finds the others |
//! | 2 | that content is removed from its files | finds what is left |
//! | 3 | rows, what follows from others first, messages and contacts last | finds the others |
//! | 4 | the address leaves the record of the erasure | |
//! | 5 | rows are written into new files, a new export is made, older exports and journal go | again |
//! | 6 | the erasure is done | |
//!
//! What remains of a message is its key, its place and its times: that nothing is done twice, and
//! that each message has its one outcome.

mod erase;
mod export;
mod fate;
mod find;
mod person;
mod tombstones;

#[cfg(test)]
mod tests;

pub use erase::{Asked, ask, finish, list, open_erasures, rows_and_content};
pub use export::{Exported, export};
pub use fate::remains;
pub use person::Person;
pub use tombstones::Tombstones;

use crate::books::BooksError;
use crate::store::content::ContentError;

/// What stands in a text in place of an address.
pub const ERASED: &str = "(erased)";
/// What is told of a message of an erased person.
pub const ERASED_WHY: &str =
    "it is from or to a person whose data was erased; nothing of it is kept";

/// Why the data of a person could not be shown or erased.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// It is no address.
    #[error("`{text}` is no mail address ({reason})")]
    Address {
        /// What was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// It is one of our own.
    #[error(
        "{0} is an address of yours in the configuration: take it out there and reload, then it can \
         be erased"
    )]
    Own(String),
    /// Something is being carried out this moment.
    #[error("{0}")]
    NotNow(String),
    /// The records could not be used.
    #[error("the records cannot be worked on")]
    Books(#[from] BooksError),
    /// Content could not be used.
    #[error("content cannot be worked on")]
    Content(#[from] ContentError),
    /// A mail could not be called off.
    #[error("a mail cannot be called off")]
    Step(#[from] crate::outbox::StepError),
    /// The files of the store could not be written anew.
    #[error("the files of the store cannot be written anew")]
    Files(#[from] crate::store::sled::SaveError),
    /// A file could not be written or read.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl From<crate::store::ReadError> for PrivacyError {
    fn from(error: crate::store::ReadError) -> PrivacyError {
        PrivacyError::Books(error.into())
    }
}

impl From<crate::store::codec::CodecError> for PrivacyError {
    fn from(error: crate::store::codec::CodecError) -> PrivacyError {
        PrivacyError::Books(error.into())
    }
}
