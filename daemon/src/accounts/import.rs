//! Accounts from a CSV file: what fits is taken, what does not is listed with its place.
//!
//! The header row names the columns, in any order. Rows of one account (same external id, else
//! same name) are taken together. A second import of the same file changes nothing.

mod columns;
mod rows;
mod shared;
mod split;

use std::borrow::Cow;

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
/// Most rejected lines, and most notes, that are listed; all rejected lines are counted.
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
    /// The first line is broken.
    #[error("line 1 must name the columns, and it holds a quote that is not closed")]
    NoHeader,
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

/// Something that was taken, and that somebody may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Line of the file, from 1; `None` for the file as a whole.
    pub line: Option<u64>,
    /// What to know.
    pub text: String,
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
    /// What was taken and may surprise: shared domains and addresses, a guessed encoding.
    pub notes: Vec<Note>,
}

impl ImportReport {
    fn note(&mut self, line: Option<u64>, text: String) {
        if self.notes.len() < REJECTED_MAX {
            self.notes.push(Note { line, text });
        }
    }

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
        let mut seen = shared::Seen::default();
        for group in self.read_csv(bytes, &mut report)?.into_groups() {
            self.import_group(&group, by, &mut report).await?;
            self.note_shared(&group, &mut seen, &mut report).await?;
        }
        report.rejected.sort_by_key(|rejected| rejected.line);
        report.notes.sort_by_key(|note| note.line);
        Ok(report)
    }

    fn read_csv(&self, bytes: &[u8], report: &mut ImportReport) -> Result<Groups, ImportError> {
        let bytes = text_bytes(bytes)?;
        let bytes = decoded(bytes, report);
        let delimiter = columns::delimiter(&bytes);
        let split = split::split(&bytes, delimiter);
        let first = split
            .segments
            .first()
            .map_or(u64::MAX, |segment| segment.line);
        if split.unclosed.first().is_some_and(|line| *line < first) {
            return Err(ImportError::NoHeader);
        }
        for line in &split.unclosed {
            let reason = "a quote opens here and is not closed: close it, or double it (\"\") where \
                          it belongs to the text";
            report.reject(whole_line(*line, reason.to_owned()));
        }
        let mut columns: Option<Columns> = None;
        let mut groups = Groups::default();
        let mut rows: usize = 0;
        for segment in &split.segments {
            let mut reader = csv::ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(false)
                .flexible(true)
                .trim(csv::Trim::All)
                .from_reader(bytes.get(segment.bytes.clone()).unwrap_or_default());
            let text = bytes.get(segment.bytes.clone()).unwrap_or_default();
            let mut lines = split::Lines::of(text, segment.line);
            for record in reader.byte_records() {
                let Some(columns) = &columns else {
                    columns = Some(Columns::read(&record.map_err(ImportError::Header)?)?);
                    continue;
                };
                rows = rows.saturating_add(1);
                let position = match &record {
                    Ok(record) => record.position(),
                    Err(error) => error.position(),
                };
                // The reader's own count is one behind where lines end with CR and LF.
                let line = lines.at(position.map_or(0, csv::Position::byte));
                if rows > IMPORT_ROWS_MAX {
                    let reason = format!("only {IMPORT_ROWS_MAX} rows are read: split the file");
                    report.reject(whole_line(line, reason));
                    return Ok(groups);
                }
                let taken = match record {
                    Ok(record) => rows::read(columns, &record, line, self.rules()),
                    Err(error) => Err(whole_line(line, error.to_string())),
                };
                if let Err(rejected) = taken.and_then(|taken| groups.add(taken)) {
                    report.reject(rejected);
                }
            }
        }
        match columns {
            Some(_) => Ok(groups),
            None => Err(ImportError::NoHeader),
        }
    }

    async fn import_group(
        &self,
        group: &Group,
        by: &By,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        // A group knows nothing of the others: each has a trial of its own.
        let book = match report.dry_run {
            true => &self.trial(),
            false => self,
        };
        let saved = book.upsert_account(&group.draft, by).await;
        let account = match saved {
            Ok((account, change)) => {
                report.accounts.add(&change);
                account
            }
            Err(error) => return refuse(group.line, error, report),
        };
        for Taken { line, contact, .. } in &group.contacts {
            let Some(contact) = contact else { continue };
            let saved = book.add_contact(&account.id, contact, by).await;
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
            column: Some(column),
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

/// The file as UTF-8: one without a single letter beyond ASCII that is UTF-8 is what Windows and
/// its spreadsheets write.
fn decoded<'b>(bytes: &'b [u8], report: &mut ImportReport) -> Cow<'b, [u8]> {
    let is_utf8 = std::str::from_utf8(bytes).is_ok();
    let some_utf8 = bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
    if is_utf8 || some_utf8 {
        return Cow::Borrowed(bytes);
    }
    let text = "the file is not UTF-8 and was read as Windows-1252 (Western European): look at \
                the letters with accents, or save it as CSV UTF-8";
    report.note(None, text.to_owned());
    let text: String = bytes.iter().copied().map(windows_1252).collect();
    Cow::Owned(text.into_bytes())
}

/// A character of Windows-1252; it differs from Latin-1 in 0x80 to 0x9F.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let high = byte
        .checked_sub(0x80)
        .and_then(|at| HIGH.get(usize::from(at)));
    high.copied().unwrap_or(char::from(byte))
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
