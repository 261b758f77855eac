//! Records from files and into files: CSV and vCard in; CSV, JSON and vCard out.
//!
//! A file is read on the side of whoever has it, in bounded memory ([`reading`]), and becomes
//! typed rows: a row is an account and what belongs to it, or one record. Portions of rows go to
//! where the store is, and are taken there ([`taking`]), a row whole or not at all.

mod columns;
mod csv_rows;
mod dates;
pub mod dry;
pub mod export;
pub mod mapping;
mod names;
pub mod people;
pub mod presets;
pub mod reading;
mod seen;
mod split;
pub mod taking;
pub mod vcard;
mod whole;

use liaison_core::crm::Kind;
use liaison_core::mail::address::clean_text;
use liaison_core::message::cut_text;
use serde::{Deserialize, Serialize};

use mapping::MappingError;

/// Longest field, in bytes.
pub const FIELD_BYTES_MAX: usize = 4_096;
/// Most rows of one portion: a request, and some commits.
pub const PORTION_ROWS_MAX: usize = 2_000;
/// Bytes of a file from which on a portion takes no further row: well within a request
/// ([`crate::control::REQUEST_BYTES_MAX`]) with the names of the fields.
pub const PORTION_BYTES_MAX: usize = 2 << 20;
/// Most rejected lines, and most notes, that are listed; all are counted.
pub const LISTED_MAX: usize = 1_000;
/// The column of an export that says which record a row is.
pub const ID_COLUMN: &str = "liaison_id";

/// Why a file could not be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no text that can be read.
    #[error("the file is UTF-16: save it as CSV UTF-8")]
    Utf16,
    /// There is no first line.
    #[error("the file is empty: its first line must name the columns, at least `name`")]
    Empty,
    /// The first line is broken.
    #[error("line 1 must name the columns, and it holds a quote that is not closed")]
    NoHeader,
    /// The columns do not fit.
    #[error(transparent)]
    Mapping(MappingError),
    /// A needed column is missing.
    #[error("line 1: the column `{0}` is missing")]
    NoColumn(String),
    /// vCards are people.
    #[error(
        "the file holds vCards, which are people: `liaison contacts import` takes them, not \
             `{0} import`"
    )]
    Cards(&'static str),
    /// The records could not be used.
    #[error("the import ended early: run it again, it takes up where it was")]
    Books(#[from] crate::books::BooksError),
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
}

/// One record of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// Its id in this or another store of Liaison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its fields, as people write them.
    pub fields: Vec<(String, String)>,
}

impl Part {
    fn new(kind: Kind) -> Part {
        Part {
            kind,
            id: None,
            fields: Vec::new(),
        }
    }
}

/// A row of a file: taken whole or not at all. What comes behind an account belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Line of the file, from 1.
    pub line: u64,
    /// Its records, an account first.
    pub parts: Vec<Part>,
}

/// A line that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Line of the file, from 1.
    pub line: u64,
    /// Column; `None` when the whole line cannot be taken.
    pub column: Option<String>,
    /// What it holds.
    pub value: String,
    /// Why it was not taken.
    pub reason: String,
}

impl Rejected {
    fn line(line: u64, reason: impl Into<String>) -> Rejected {
        Rejected {
            line,
            column: None,
            value: String::new(),
            reason: reason.into(),
        }
    }

    fn cell(line: u64, column: Option<&str>, value: &str, reason: String) -> Rejected {
        Rejected {
            line,
            column: column.map(str::to_owned),
            value: cut_text(&clean_text(value), 80),
            reason,
        }
    }
}

/// Something that was taken, and that somebody may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Line of the file, from 1; `None` for the file as a whole.
    pub line: Option<u64>,
    /// What to know.
    pub text: String,
}

#[cfg(test)]
mod tests;
