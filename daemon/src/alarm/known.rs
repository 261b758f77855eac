//! What is known of the sources from one look to the next, and over restarts.
//!
//! The rows are read at the start; from then on what is known here is true, and the rows follow as
//! soon as the store takes them. An alarm is therefore told once also while nothing can be written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;
use liaison_core::time::Timestamp;

use super::Source;
use super::decide::{NoticeKind, record};
use crate::books::rows::{AlarmState, WatchRow};
use crate::books::{Books, BooksError, chain, keys, replace};
use crate::freshness::{Fault, SourceKind};
use crate::store::codec::CodecError;
use crate::store::{Dir, Key, ReadError, Versioned};

/// Proofs are written down when the written ones are older, so that an idle service writes little.
const PROOFS_EVERY_MS: i64 = 10 * 60_000;
/// Longest pause between two tries.
const AGAIN_MAX_MS: i64 = 10 * 60_000;
/// First pause between two tries.
const AGAIN_FIRST_MS: i64 = 15_000;

/// All sources of which something is known.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<Source, Kept>);

/// One source.
#[derive(Debug, Default)]
pub(super) struct Kept {
    row: WatchRow,
    /// The written row is older.
    unwritten: bool,
    /// Its alarm reached nobody.
    tell: Option<Again>,
    /// The store did not take it.
    write: Option<Again>,
}

/// What failed is tried again.
#[derive(Debug, Clone, Copy)]
struct Again {
    tries: u32,
    due: Timestamp,
}

impl Again {
    fn after(before: Option<Again>, now: Timestamp) -> Again {
        let tries = before.map_or(0, |again| again.tries);
        let factor = 2_i64.saturating_pow(tries.min(16));
        let wait = AGAIN_FIRST_MS.saturating_mul(factor).min(AGAIN_MAX_MS);
        Again {
            tries: tries.saturating_add(1),
            due: now.plus_millis(wait),
        }
    }

    /// Not while a clock that was ahead says so.
    fn waits(self, now: Timestamp) -> bool {
        let wait = self.due.since(now);
        wait > 0 && wait <= AGAIN_MAX_MS
    }
}

impl Known {
    /// Reads all rows; one that cannot be read is told of and counts as none.
    pub(super) async fn read(books: &Books) -> Result<Known, BooksError> {
        let mut known = Known::default();
        let range = keys::all_watched();
        let ns = range.ns;
        let each = |key: Bytes, row: Versioned| {
            let named = keys::watched_source(&key);
            let source = named.and_then(|(kind, name)| Some((SourceKind::parse(&kind)?, name)));
            match (source, row.record::<WatchRow>(&Key::new(ns, key))) {
                (Some(source), Ok(stored)) => known.of(&source).row = stored.record,
                (None, Ok(_)) => {}
                (_, Err(error)) => {
                    tracing::error!(error = %chain(&error), "what was known of a source is lost");
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        books.each_row(range, Dir::Forward, each).await?;
        Ok(known)
    }

    pub(super) fn of(&mut self, source: &Source) -> &mut Kept {
        self.0.entry(source.clone()).or_default()
    }

    pub(super) fn proven(&self, source: &Source) -> &[(String, Timestamp)] {
        let kept = self.0.get(source);
        kept.map_or(&[], |kept| kept.row.proven.as_slice())
    }

    /// Sources with something that goes on: an alarm, or a try to tell or to write one.
    pub(super) fn open(&self) -> impl Iterator<Item = Source> {
        let open = |kept: &Kept| {
            let alarm = kept.alarm().is_some_and(|alarm| alarm.open);
            alarm || kept.tell.is_some() || kept.unwritten
        };
        let sources = self.0.iter().filter(move |(_, kept)| open(kept));
        sources.map(|(source, _)| source.clone())
    }
}

impl Kept {
    pub(super) fn alarm(&self) -> Option<&AlarmState> {
        self.row.alarm.as_ref()
    }

    /// Whether its alarm reached nobody a moment ago.
    pub(super) fn waits(&self, now: Timestamp) -> bool {
        self.tell.is_some_and(|again| again.waits(now))
    }

    pub(super) fn nothing_to_tell(&mut self) {
        self.tell = None;
    }

    pub(super) fn told(&mut self, kind: NoticeKind, fault: Option<&Fault>, now: Timestamp) {
        self.row.alarm = record(self.row.alarm.as_ref(), kind, fault, now);
        self.unwritten = true;
        self.tell = None;
    }

    pub(super) fn not_told(&mut self, now: Timestamp) {
        self.tell = Some(Again::after(self.tell, now));
    }

    /// Takes over the proofs when those it has are old.
    pub(super) fn proven(&mut self, proven: Vec<(String, Timestamp)>) {
        if self.row.is_older(&proven, PROOFS_EVERY_MS) {
            self.row.proven = proven;
            self.unwritten = true;
        }
    }

    /// Writes the row if it changed. A store that refuses is told of, and asked again later.
    pub(super) async fn write(&mut self, books: &Books, source: &Source, now: Timestamp) {
        if !self.unwritten || self.write.is_some_and(|again| again.waits(now)) {
            return;
        }
        match write(books, source, &self.row).await {
            Ok(()) => {
                self.unwritten = false;
                self.write = None;
            }
            Err(error) => {
                let source = &source.1;
                tracing::error!(%source, error = %chain(&error), "an alarm cannot be written down");
                self.write = Some(Again::after(self.write, now));
            }
        }
    }
}

async fn write(books: &Books, source: &Source, row: &WatchRow) -> Result<(), BooksError> {
    let key = keys::watched(source.0.as_str(), &source.1);
    let mut batch = books.batch();
    match books.get::<WatchRow>(key.clone()).await {
        Ok(stored) => replace(&mut batch, key, stored.map(|stored| stored.version), row)?,
        Err(BooksError::Read(ReadError::Record { source, .. }))
            if !matches!(source, CodecError::Newer { .. }) =>
        {
            batch.put_record(key, row)?;
        }
        Err(error) => return Err(error),
    }
    books.commit(batch).await
}

impl WatchRow {
    /// Whether `proven` says something else, or is so much younger; or older, where these are of a
    /// clock that was ahead.
    fn is_older(&self, proven: &[(String, Timestamp)], by_ms: i64) -> bool {
        let folders = |list: &[(String, Timestamp)]| -> BTreeSet<String> {
            list.iter().map(|(folder, _)| folder.clone()).collect()
        };
        let newest = |list: &[(String, Timestamp)]| list.iter().map(|(_, at)| *at).max();
        match (newest(&self.proven), newest(proven)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                new.since(old).abs() >= by_ms || folders(&self.proven) != folders(proven)
            }
        }
    }
}
