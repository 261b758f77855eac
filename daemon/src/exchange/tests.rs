mod cards;
mod contended;
mod dry;
mod everything;
mod files;
mod others;
mod suggestions;

use std::io::Cursor;

use liaison_core::crm::{CrmRecord, Kind, Source};
use liaison_core::time::Timestamp;

use super::dry::DryRun;
use super::mapping::Mapping;
use super::reading::{Counts, ImportReport, Reading};
use super::taking::take;
use super::{ImportError, Rejected};
use crate::accounts::tests::empty_books;
use crate::accounts::{AccountBook, DomainRules};
use crate::books::Books;
use crate::records::{Put, RecordBook, RecordBy};

/// Records in memory.
struct Desk {
    _dir: tempfile::TempDir,
    books: Books,
    records: RecordBook,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let books = empty_books(dir.path());
        let rules = DomainRules {
            own: ["ourfirm.example".to_owned()].into(),
            ..DomainRules::default()
        };
        Desk {
            _dir: dir,
            records: RecordBook::new(books.clone(), rules),
            books,
        }
    }

    fn accounts(&self) -> AccountBook {
        AccountBook::new(self.books.clone(), DomainRules::default())
    }

    async fn import(&self, kind: Kind, file: &str) -> ImportReport {
        self.import_as(kind, file, None).await.unwrap()
    }

    async fn import_as(
        &self,
        kind: Kind,
        file: &str,
        mapping: Option<&Mapping>,
    ) -> Result<ImportReport, ImportError> {
        self.rejecting(kind, file, mapping, &mut Vec::new()).await
    }

    async fn rejecting(
        &self,
        kind: Kind,
        file: &str,
        mapping: Option<&Mapping>,
        rejects: &mut Vec<(Rejected, String)>,
    ) -> Result<ImportReport, ImportError> {
        let reading = Reading::open(Cursor::new(file.as_bytes()), kind, mapping, false)?;
        self.all(reading, rejects).await
    }

    async fn all(
        &self,
        mut reading: Reading<Cursor<&[u8]>>,
        rejects: &mut Vec<(Rejected, String)>,
    ) -> Result<ImportReport, ImportError> {
        let dry = reading.report().dry_run.then(|| DryRun::new(&self.books));
        let mut reject = |line: &Rejected, raw: &str| rejects.push((line.clone(), raw.to_owned()));
        while reading.portion(&mut reject)? {
            let taken = take(
                &self.records,
                reading.rows(),
                (&by(Source::Import), dry.as_ref()),
            )
            .await?;
            reading.took(taken, &mut reject);
        }
        Ok(reading.finish())
    }

    async fn put(&self, kind: Kind, fields: &[(&str, &str)]) -> CrmRecord {
        let put = Put::upsert(kind, fields);
        let saved = self.records.put(&put, &by(Source::Person)).await.unwrap();
        saved.record
    }

    async fn find(&self, kind: Kind, text: &str) -> CrmRecord {
        self.records.find(kind, text).await.unwrap()
    }
}

fn by(source: Source) -> RecordBy {
    RecordBy {
        who: "alice".to_owned(),
        why: "test".to_owned(),
        source,
        force: false,
        now: Timestamp(1_772_442_000_000),
    }
}

fn counts(created: u64, updated: u64, unchanged: u64) -> Counts {
    Counts {
        created,
        updated,
        unchanged,
        proposed: 0,
    }
}
