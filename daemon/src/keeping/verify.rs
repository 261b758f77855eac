//! Looking everything over: files, rows, indexes both ways, content.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::records::{CaseRecord, TimerRecord};
use serde::Serialize;

use super::KeepingError;
use super::backup::named;
use crate::books::rows::{EventRow, OutcomeRow};
use crate::books::{Books, keys};
use crate::outbox::due_of;
use crate::store::content::ContentError;
use crate::store::{Dir, Ns, Range};

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

    fn fault(&mut self, kind: &'static str, text: impl Into<String>) {
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
    outbox(books, &mut looked).await?;
    timers(books, &mut looked).await?;
    events(books, &mut looked).await?;
    cases(books, &mut looked).await?;
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
        looked.fault("changed during every look", ns.name());
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

/// Every mail that waits for its time is in the index of due effects, and the other way round.
async fn outbox(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let mails: Vec<MailEffect> = books.every(Range::all(Ns::Effect)).await?;
    let holds: Vec<HoldEffect> = books.every(Range::all(Ns::Hold)).await?;
    let due = books.every_key(Range::all(Ns::EffectDue)).await?;
    let mut indexed = BTreeSet::new();
    for key in &due {
        let Some((_, _, id)) = keys::due_effect(key) else {
            looked.fault(
                "index without record",
                format!("effect_due/{}", key.escape_ascii()),
            );
            continue;
        };
        let known =
            mails.iter().any(|mail| mail.id == id) || holds.iter().any(|hold| hold.id == id);
        if !known && books.mail(&id).await?.is_none() {
            looked.fault("index without record", format!("effect_due of {id}"));
        }
        indexed.insert(id);
    }
    for mail in mails.iter().filter(|mail| due_of(mail).is_some()) {
        if !indexed.contains(&mail.id) {
            let now = books.mail(&mail.id).await?;
            if now.as_ref().is_some_and(|now| now.state == mail.state) {
                looked.fault(
                    "record without index",
                    format!("mail {} is never due", mail.id),
                );
            }
        }
    }
    Ok(())
}

async fn timers(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let due = books.every_key(Range::all(Ns::TimerDue)).await?;
    let mut indexed = BTreeSet::new();
    for key in &due {
        let Some((_, id)) = keys::due_timer(key) else {
            looked.fault(
                "index without record",
                format!("timer_due/{}", key.escape_ascii()),
            );
            continue;
        };
        if books.get::<TimerRecord>(keys::timer(&id)).await?.is_none() {
            looked.fault("index without record", format!("timer_due of {id}"));
        }
        indexed.insert(id);
    }
    let timers: Vec<TimerRecord> = books.every(Range::all(Ns::Timer)).await?;
    for timer in timers.iter().filter(|timer| !indexed.contains(&timer.id)) {
        if books
            .get::<TimerRecord>(keys::timer(&timer.id))
            .await?
            .is_some()
        {
            looked.fault(
                "record without index",
                format!("timer {} never fires", timer.id),
            );
        }
    }
    Ok(())
}

/// Every event has its gate and its outcome.
async fn events(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let events: Vec<EventRow> = books.every(Range::all(Ns::Event)).await?;
    for event in &events {
        let key = keys::event_seen(&event.key);
        if books
            .store
            .get_one(key)
            .await
            .map_err(crate::books::BooksError::from)?
            .is_none()
        {
            looked.fault(
                "record without index",
                format!("event {} has no gate", event.key),
            );
        }
        if books
            .get::<OutcomeRow>(keys::outcome(&event.key))
            .await?
            .is_none()
        {
            looked.fault("event without outcome", event.key.clone());
        }
    }
    Ok(())
}

async fn cases(books: &Books, looked: &mut Looked) -> Result<(), KeepingError> {
    let mut indexed = BTreeSet::new();
    let each = |key: bytes::Bytes, _| {
        indexed.extend(keys::indexed_case(&key));
        Ok(ControlFlow::Continue(()))
    };
    let range = Range::all(Ns::CaseByKind);
    books.each_row(range, Dir::Forward, each).await?;
    let cases: Vec<CaseRecord> = books.every(Range::all(Ns::CaseRecord)).await?;
    let known: BTreeSet<_> = cases.iter().map(|case| case.id.clone()).collect();
    for case in known.difference(&indexed) {
        looked.fault("record without index", format!("case {case}"));
    }
    for id in &indexed {
        if !known.contains(id) && books.case(id).await?.is_none() {
            looked.fault("index without record", format!("case {id}"));
        }
    }
    Ok(())
}
