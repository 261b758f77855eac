//! A file that is here as a whole, taken portion after portion.

use std::io::Cursor;

use liaison_core::crm::{Kind, Source};

use super::ImportError;
use super::dry::DryRun;
use super::reading::{ImportReport, Reading};
use super::taking::take;
use crate::accounts::{AccountBook, By};
use crate::records::{RecordBook, RecordBy};

impl AccountBook {
    /// Imports a CSV file of accounts with their contacts.
    ///
    /// A row is taken whole or not at all; every row that is not is in the report. With `dry_run`
    /// the report is the same and nothing is written.
    ///
    /// # Errors
    /// [`ImportError`] when the file as a whole cannot be used; rows of earlier commits are in then.
    pub async fn import_csv(
        &self,
        bytes: &[u8],
        dry_run: bool,
        by: &By,
    ) -> Result<ImportReport, ImportError> {
        let by = RecordBy {
            source: Source::Import,
            ..by.record_by()
        };
        let records = RecordBook::over(self.books().clone(), self.clone());
        let mut reading = Reading::open(Cursor::new(bytes), Kind::Account, None, dry_run)?;
        let dry = dry_run.then(|| DryRun::new(self.books()));
        while reading.portion(&mut |_, _| {})? {
            let taken = take(&records, reading.rows(), (&by, dry.as_ref())).await?;
            reading.took(taken, &mut |_, _| {});
        }
        Ok(reading.finish())
    }
}
