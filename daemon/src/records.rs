//! The core records: one way to read and change all kinds of them.
//!
//! Every change is decided by [`liaison_core::crm::plan`], and writes the record, its index rows,
//! its audit row and what waits for a person's yes in one batch that expects what was read; a lost
//! race is decided again from the first read.

pub(crate) mod ahead;
mod find;
mod meant;
mod merge;
mod page;
mod proposals;
mod standing;
mod write;

use liaison_core::crm::{CrmRecord, FieldChange, Kind, Problem, Source};
use liaison_core::time::Timestamp;

use crate::accounts::{AccountBook, AccountsError, DomainRules};
use crate::books::{Books, BooksError};
use crate::store::ReadError;

pub use proposals::Verdict;
pub(crate) use proposals::{change_id, is_asked, undecided};
pub use standing::StandingIds;

/// How often a change that lost a race is decided again.
const TRIES_MAX: u32 = 8;
/// Records that took the place of one another, one behind the other.
const MERGES_MAX: usize = 16;
/// Records that one record may be linked from, as they are listed.
pub const LINKED_MAX: usize = 100_000;

/// Why a core record was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The records could not be used.
    #[error("the records cannot be used")]
    Books(#[from] BooksError),
    /// Fields hold what they may not; all of it is told.
    #[error("{}", told(.0))]
    Fields(Vec<Problem>),
    /// There is no such record.
    #[error("there is no {} `{text}`: see `liaison {} list`", .kind.word(), .kind.plural())]
    Unknown {
        /// The kind.
        kind: Kind,
        /// What was asked for.
        text: String,
    },
    /// Several records answer to it.
    #[error("{} {} answer to `{text}`: give one of {}", .ids.len(), .kind.plural(), .ids.join(", "))]
    Several {
        /// The kind.
        kind: Kind,
        /// What was asked for.
        text: String,
        /// Some of them.
        ids: Vec<String>,
    },
    /// It is there already.
    #[error("it is there already, as {id}: change it with `liaison {} set {id} FIELD=VALUE`", .kind.plural())]
    Exists {
        /// The kind.
        kind: Kind,
        /// Which.
        id: String,
    },
    /// Somebody changed it since it was read.
    #[error("{id} was changed meanwhile (revision {found}, not {expected}): look at it again")]
    Revision {
        /// Which.
        id: String,
        /// The revision that was expected.
        expected: u64,
        /// The one that is there.
        found: u64,
    },
    /// It cannot be done with these records.
    #[error("{0}")]
    Refused(String),
    /// The row was changed by others each time.
    #[error("others changed the same record {TRIES_MAX} times meanwhile: try again")]
    Contended,
}

fn told(problems: &[Problem]) -> String {
    let told = problems
        .iter()
        .map(|problem| match problem.value.is_empty() {
            true => format!("{}: {}", problem.field, problem.reason),
            false => format!("{} `{}`: {}", problem.field, problem.value, problem.reason),
        });
    told.collect::<Vec<_>>().join("; ")
}

impl From<ReadError> for RecordsError {
    fn from(error: ReadError) -> RecordsError {
        RecordsError::Books(error.into())
    }
}

impl From<crate::store::codec::CodecError> for RecordsError {
    fn from(error: crate::store::codec::CodecError) -> RecordsError {
        RecordsError::Books(error.into())
    }
}

impl From<AccountsError> for RecordsError {
    fn from(error: AccountsError) -> RecordsError {
        let kind = Kind::Account;
        match error {
            AccountsError::Books(error) => RecordsError::Books(error),
            AccountsError::Unknown(text) => RecordsError::Unknown { kind, text },
            AccountsError::SeveralNamed { name, ids } => RecordsError::Several {
                kind,
                text: name,
                ids: ids.into_iter().map(|id| id.0).collect(),
            },
            AccountsError::Contended => RecordsError::Contended,
            AccountsError::Field {
                column,
                value,
                reason,
            } => RecordsError::Fields(vec![Problem {
                field: column,
                value,
                reason,
            }]),
        }
    }
}

impl RecordsError {
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, RecordsError::Books(error) if error.is_conflict())
    }

    pub(crate) fn field(field: &str, value: &str, reason: impl Into<String>) -> RecordsError {
        RecordsError::Fields(vec![Problem {
            field: field.to_owned(),
            value: liaison_core::message::cut_text(value, 80),
            reason: reason.into(),
        }])
    }
}

/// Who changes a record, why and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBy {
    /// Who, in words: for the audit.
    pub who: String,
    /// Why.
    pub why: String,
    /// What may be overwritten follows from it.
    pub source: Source,
    /// A person insists on a change of state that is no step.
    pub force: bool,
    /// When.
    pub now: Timestamp,
}

impl RecordBy {
    fn change(&self) -> liaison_core::crm::change::By {
        liaison_core::crm::change::By {
            source: self.source,
            force: self.force,
            now: self.now,
        }
    }
}

/// What is to be known of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its kind.
    pub kind: Kind,
    /// Which (id, external id or name); `None`: the one that these fields mean, else a new one. For
    /// an import an id that is not there is that of the store from which a file was exported: a
    /// new record gets it.
    pub which: Option<String>,
    /// It must not be there yet.
    pub only_new: bool,
    /// Addresses and domains join those that are there; an import's and a plugin's always do.
    pub join: bool,
    /// Fields as people write them; an empty text takes the value away.
    pub fields: Vec<(String, String)>,
    /// The revision that the change was thought up for.
    pub expect: Option<u64>,
}

impl Put {
    /// A record that is made, or changed where it is there.
    #[must_use]
    pub fn upsert(kind: Kind, fields: &[(&str, &str)]) -> Put {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Put {
            kind,
            which: None,
            only_new: false,
            join: false,
            fields: fields.iter().map(text).collect(),
            expect: None,
        }
    }
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The record after it.
    pub record: CrmRecord,
    /// It is new.
    pub created: bool,
    /// What changed.
    pub changed: Vec<FieldChange>,
    /// What waits for a person's yes.
    pub proposed: Vec<FieldChange>,
}

/// The core records of all kinds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RecordBook {
    books: Books,
    accounts: AccountBook,
}

impl RecordBook {
    /// The book over `books`.
    #[must_use]
    pub fn new(books: Books, rules: DomainRules) -> RecordBook {
        let accounts = AccountBook::new(books.clone(), rules);
        RecordBook { books, accounts }
    }

    /// The book over `books`, with the account book over the same.
    #[must_use]
    pub(crate) fn over(books: Books, accounts: AccountBook) -> RecordBook {
        RecordBook { books, accounts }
    }

    /// The same book over other books: a store in front of the store.
    pub(crate) fn through(&self, books: Books) -> RecordBook {
        let accounts = self.accounts.through(books.clone());
        RecordBook { books, accounts }
    }

    /// What cannot belong to an account, and who can own one.
    pub(crate) fn rules(&self) -> &DomainRules {
        self.accounts.rules()
    }

    /// The books that it writes to.
    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Makes or changes a record.
    ///
    /// # Errors
    /// [`RecordsError`]; nothing was written then.
    pub async fn put(&self, put: &Put, by: &RecordBy) -> Result<Saved, RecordsError> {
        for _ in 0..TRIES_MAX {
            let (saved, batch) = self.plan(put, by).await?;
            let Some(batch) = batch else {
                return Ok(saved);
            };
            match self.books.commit(batch).await.map_err(RecordsError::from) {
                Err(error) if error.is_conflict() => {}
                done => return done.map(|_| saved),
            }
        }
        Err(RecordsError::Contended)
    }

    /// What [`Self::put`] would do, without doing it.
    ///
    /// # Errors
    /// As there.
    pub async fn preview(&self, put: &Put, by: &RecordBy) -> Result<Saved, RecordsError> {
        self.plan(put, by).await.map(|(saved, _)| saved)
    }

    /// What happened to a record, oldest first.
    ///
    /// # Errors
    /// As the store.
    pub async fn history(
        &self,
        id: &str,
    ) -> Result<Vec<crate::books::rows::AuditRow>, RecordsError> {
        Ok(self.books.audit_of(id).await?)
    }
}

#[cfg(test)]
mod tests;
