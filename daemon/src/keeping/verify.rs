//! Looking everything over: files, rows, indexes both ways, content.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::KeepingError;
use super::backup::named;
use crate::books::indexes::shown;
use crate::books::indexes::walk::{Fault, Mode, walk};
use crate::books::registry::{Registry, has_records};
use crate::books::rows::EventRow;
use crate::books::sweep::Census;
use crate::books::{Books, BooksError, keys};
use crate::store::codec::CodecError;
use crate::store::content::ContentError;
use crate::store::{Dir, Key, Ns, PAGE_ROWS_MAX, Range, Versioned};

/// Families that were written all the while, so that nothing is known of them.
pub(super) const BUSY: &str = "changed during every look";
/// Faults of one kind that are named; the others are counted.
const NAMED_MAX: usize = 20;

/// What a look at everything found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Rows that were read.
    pub rows: u64,
    /// Frames of the journal that were read.
    pub frames: u64,
    /// Contents that were read.
    pub contents: u64,
    /// Exports that are good.
    pub exports: u64,
    /// Records by how their version stands to this program; newer ones are no fault.
    pub census: Census,
    /// Faults by kind: how many, and the first of them.
    pub faults: BTreeMap<&'static str, Faults>,
}

/// Faults of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// How many.
    pub count: u64,
    /// The first.
    pub first: Vec<String>,
}

impl Looked {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn fault(&mut self, kind: &'static str, text: impl Into<String>) {
        let faults = self.faults.entry(kind).or_default();
        faults.count += 1;
        if faults.first.len() < NAMED_MAX {
            faults.first.push(text.into());
        }
    }
}

/// Looks everything over, while others read and write; what changes meanwhile is looked at again
/// before it is called a fault.
///
/// # Errors
/// When the look could not be finished; what it found is no error.
pub async fn verify(books: &Books) -> Result<Looked, KeepingError> {
    let mut looked = Looked::default();
    files(books, &mut looked).await?;
    records(books, &mut looked).await?;
    indexes(books, &mut looked).await?;
    outcomes(books, &mut looked).await?;
    for hash in named(books).await? {
        match books.content.get(hash).await {
            Ok(Some(_)) => looked.contents += 1,
            Ok(None) => looked.fault("content missing", hash.to_string()),
            Err(ContentError::Damaged { hash }) => {
                looked.fault("content damaged", hash.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(looked)
}

async fn files(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let Some(local) = &books.local else {
        return Ok(());
    };
    let found = local.verify().await?;
    looked.rows = found.rows;
    looked.frames = found.frames;
    looked.exports = found.exports.len() as u64;
    for ns in &found.altered {
        looked.fault("rows lost or altered", ns.name());
    }
    for ns in &found.busy {
        looked.fault(BUSY, ns.name());
    }
    for text in &found.bad {
        looked.fault("unreadable", text);
    }
    for damage in &found.damage {
        let segment = damage.path.display();
        looked.fault(
            "journal damaged",
            format!("{segment}, byte {}: {}", damage.offset, damage.reason),
        );
    }
    for text in &found.bad_exports {
        looked.fault("export damaged", text);
    }
    Ok(())
}

/// Every index row that follows from a record is there, and tells of nothing else.
async fn indexes(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let mut tell = |fault: Fault| match fault {
        Fault::Missing { record, index } => looked.fault(
            "record without index",
            format!("{} is not under {}", shown(&record), shown(&index)),
        ),
        Fault::Surplus { index } => looked.fault("index without record", shown(&index)),
        Fault::Unreadable { key, reason } => {
            looked.fault("unreadable", format!("{}: {reason}", shown(&key)));
        }
    };
    walk(books, Mode::Look, &mut tell).await?;
    Ok(())
}

/// Every event has its outcome.
async fn outcomes(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let mut after = None;
    loop {
        let range = Range::all(Ns::Event);
        let page = books
            .store
            .scan(range, Dir::Forward, PAGE_ROWS_MAX, after)
            .await
            .map_err(BooksError::from)?;
        let mut events = Vec::new();
        for (key, row) in page.items {
            let key = Key::new(Ns::Event, key);
            if let Ok(stored) = row.record::<EventRow>(&key) {
                events.push((key, keys::outcome(&stored.record.key)));
            }
        }
        let wanted: Vec<Key> = events.iter().map(|(_, outcome)| outcome.clone()).collect();
        let found = books.store.get(&wanted).await.map_err(BooksError::from)?;
        for ((event, outcome), row) in events.into_iter().zip(found) {
            // Removed together meanwhile, or not there at all.
            if row.is_none() && is_there(books, &event).await? && !is_there(books, &outcome).await?
            {
                looked.fault("event without outcome", shown(&outcome));
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn is_there(books: &Books, key: &Key) -> Result<bool, BooksError> {
    Ok(books.store.get_one(key.clone()).await?.is_some())
}

/// Every record can be read, or was written by a later release.
async fn records(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let registry = Registry::own();
    for ns in Ns::ALL.iter().copied().filter(|ns| has_records(*ns)) {
        let each = |key, row: Versioned| {
            looked.census.add(registry, ns, &row.value);
            // No envelope at all is told with the files.
            if let Err(error @ (CodecError::Payload { .. } | CodecError::Unknown { .. })) =
                registry.renew(&row.value)
            {
                let key = Key::new(ns, key);
                looked.fault("unreadable", format!("{}: {error}", shown(&key)));
            }
            Ok(ControlFlow::Continue(()))
        };
        books.each_row(Range::all(ns), Dir::Forward, each).await?;
    }
    Ok(())
}
