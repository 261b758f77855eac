//! Accounts from a CSV file: what fits is taken, what does not is listed with its place.
//!
//! The header row names the columns, in any order. Rows of one account (same external id, else
//! same name) are taken together. A second import of the same file changes nothing.

mod columns;
mod rows;

use serde::Serialize;

use super::{AccountBook, AccountsError, By, Change};
use crate::books::BooksError;
use columns::Columns;
use rows::{Group, Groups, Taken};

/// Largest file: it travels in one request, in base64.
pub const IMPORT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most rows of one file.
pub const IMPORT_ROWS_MAX: usize = 100_000;
/// Longest field, in bytes.
pub const FIELD_BYTES_MAX: usize = 4_096;
/// Most rejected lines that are listed; all are counted.
pub const REJECTED_MAX: usize = 1_000;

/// Why a file could not be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is too large.
    #[error("the file has more than {IMPORT_BYTES_MAX} bytes: split it")]
    TooLarge,
    /// It is no text that can be read.
    #[error("the file is UTF-16: save it as CSV UTF-8")]
    Utf16,
    /// There is no first line.
    #[error("the file is empty: its first line must name the columns, at least `name`")]
    Empty,
    /// A column has a name that is not known.
    #[error("line 1: there is no column `{found}`{}; the columns are {}",
        .nearest.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default(),
        columns::NAMES.join(", "))]
    UnknownColumn {
        /// What the file says.
        found: String,
        /// The known name that is nearest to it.
        nearest: Option<&'static str>,
    },
    /// A column is named twice.
    #[error("line 1: the column `{0}` is there twice")]
    RepeatedColumn(&'static str),
    /// The names of the accounts are missing.
    #[error("line 1: the column `name` is missing")]
    NoName,
    /// The first line cannot be read.
    #[error("line 1 cannot be read as CSV")]
    Header(#[source] csv::Error),
    /// The records could not be used; what the report would have counted so far is kept.
    #[error("the import ended early: run it again, it takes up where it was")]
    Books(#[from] BooksError),
}

/// A line, or a field of it, that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Line of the file, from 1.
    pub line: u64,
    /// Column; `None` when the whole line cannot be read.
    pub column: Option<String>,
    /// What it holds.
    pub value: String,
    /// Why it was not taken.
    pub reason: String,
}

/// How many records became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// New ones.
    pub created: u64,
    /// Changed ones.
    pub updated: u64,
    /// Those that were so already.
    pub unchanged: u64,
}

impl Counts {
    fn add(&mut self, change: &Change) {
        let counter = match change {
            Change::Created => &mut self.created,
            Change::Updated(_) => &mut self.updated,
            Change::Unchanged => &mut self.unchanged,
        };
        *counter = counter.saturating_add(1);
    }
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Nothing was written.
    pub dry_run: bool,
    /// Accounts.
    #[serde(flatten)]
    pub accounts: Counts,
    /// Contacts.
    pub contacts: Counts,
    /// Lines that were not taken, by line; at most [`REJECTED_MAX`].
    pub rejected: Vec<Rejected>,
    /// How many there are.
    pub rejected_count: u64,
}

impl ImportReport {
    fn reject(&mut self, rejected: Rejected) {
        self.rejected_count = self.rejected_count.saturating_add(1);
        if self.rejected.len() < REJECTED_MAX {
            self.rejected.push(rejected);
        }
    }
}

impl AccountBook {
    /// Imports a CSV file.
    ///
    /// A row is taken whole or not at all; every row that is not is in the report. With `dry_run`
    /// the report is the same and nothing is written.
    ///
    /// # Errors
    /// [`ImportError`] when the file as a whole cannot be used.
    pub async fn import_csv(
        &self,
        bytes: &[u8],
        dry_run: bool,
        by: &By,
    ) -> Result<ImportReport, ImportError> {
        let mut report = ImportReport {
            dry_run,
            ..ImportReport::default()
        };
        for group in self.read_csv(bytes, &mut report)?.into_groups() {
            self.import_group(&group, by, &mut report).await?;
        }
        report.rejected.sort_by_key(|rejected| rejected.line);
        Ok(report)
    }

    fn read_csv(&self, bytes: &[u8], report: &mut ImportReport) -> Result<Groups, ImportError> {
        let bytes = text_bytes(bytes)?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(columns::delimiter(bytes))
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let header = reader.byte_headers().map_err(ImportError::Header)?;
        let columns = Columns::read(header)?;
        let mut groups = Groups::default();
        for (index, record) in reader.byte_records().enumerate() {
            if index >= IMPORT_ROWS_MAX {
                let reason = format!("only {IMPORT_ROWS_MAX} rows are read: split the file");
                report.reject(whole_line(u64::try_from(index).unwrap_or(0) + 2, reason));
                break;
            }
            let taken = match record {
                Ok(record) => rows::read(&columns, &record, self.rules()),
                Err(error) => Err(whole_line(
                    error.position().map_or(0, csv::Position::line),
                    error.to_string(),
                )),
            };
            match taken.and_then(|taken| groups.add(taken)) {
                Ok(()) => {}
                Err(rejected) => report.reject(rejected),
            }
        }
        Ok(groups)
    }

    async fn import_group(
        &self,
        group: &Group,
        by: &By,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        let saved = match report.dry_run {
            true => self.plan_account(&group.draft, by).await,
            false => self.upsert_account(&group.draft, by).await,
        };
        let account = match saved {
            Ok((account, change)) => {
                report.accounts.add(&change);
                account
            }
            Err(error) => return refuse(group.line, error, report),
        };
        for Taken { line, contact, .. } in &group.contacts {
            let Some(contact) = contact else { continue };
            let saved = match report.dry_run {
                true => self.plan_contact(&account.id, contact, by).await,
                false => self.add_contact(&account.id, contact, by).await,
            };
            match saved {
                Ok((_, change)) => report.contacts.add(&change),
                Err(error) => refuse(*line, error, report)?,
            }
        }
        Ok(())
    }
}

fn refuse(line: u64, error: AccountsError, report: &mut ImportReport) -> Result<(), ImportError> {
    let rejected = match error {
        AccountsError::Books(error) => return Err(error.into()),
        AccountsError::Field {
            column,
            value,
            reason,
        } => Rejected {
            line,
            column: Some(column.to_owned()),
            value,
            reason,
        },
        other => whole_line(line, other.to_string()),
    };
    report.reject(rejected);
    Ok(())
}

fn whole_line(line: u64, reason: String) -> Rejected {
    Rejected {
        line,
        column: None,
        value: String::new(),
        reason,
    }
}

fn text_bytes(bytes: &[u8]) -> Result<&[u8], ImportError> {
    if bytes.len() > IMPORT_BYTES_MAX {
        return Err(ImportError::TooLarge);
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(ImportError::Utf16);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match bytes.trim_ascii().is_empty() {
        true => Err(ImportError::Empty),
        false => Ok(bytes),
    }
}
