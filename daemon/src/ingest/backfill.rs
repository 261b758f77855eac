//! Recorded messages become events that only rehearse.
//!
//! Such an event is an ordinary one of a message that is history; the pipeline sees by that what
//! it is. Its outcome is the message's one outcome, opened again.

use std::collections::{BTreeMap, BTreeSet};

use liaison_core::ids::{MailboxId, MessageKey};
use liaison_core::message::{MessageRecord, gone_why};

use super::{CONFLICTS_MAX, EVENT_NEXT, Ingest, RECORDED_ONLY};
use crate::books::rows::{BackfillRow, BackfillState, CounterRow, EventBody, EventRow, OutcomeRow};
use crate::books::{BooksError, keys, replace};
use crate::pipeline::POSITION;
use crate::source::backfill::{Backfill, Rehearsal};
use crate::store::{Batch as Writes, Expect, Key, Stored};

/// Events that the plugins may be behind before a backfill waits for them: news must not stand
/// behind more.
const BEHIND_MAX: u64 = 200;

/// What one message means for the step.
struct Shown {
    key: MessageKey,
    outcome: Stored<OutcomeRow>,
}

impl Ingest {
    /// What is asked for in the mailbox, if anything is.
    pub(super) async fn backfill_of(
        &self,
        mailbox: &MailboxId,
    ) -> Result<Option<Backfill>, BooksError> {
        let row = self
            .books
            .get::<BackfillRow>(keys::backfill(mailbox))
            .await?;
        let Some(row) = row.map(|row| row.record).filter(BackfillRow::runs) else {
            return Ok(None);
        };
        let next = self.counter(EVENT_NEXT).await?;
        let behind = next.saturating_sub(self.counter(POSITION).await?);
        Ok(Some(Backfill {
            since: row.since,
            folders: row.folders,
            rest: behind > BEHIND_MAX,
        }))
    }

    async fn counter(&self, name: &str) -> Result<u64, BooksError> {
        let row = self.books.get::<CounterRow>(keys::setting(name)).await?;
        Ok(row.map_or(0, |row| row.record.next))
    }

    /// Makes events of the messages of a step, and notes how far the backfill is. Nothing happens
    /// when it was cancelled meanwhile.
    pub(super) async fn rehearse_step(&self, step: &Rehearsal) -> Result<(), BooksError> {
        let _turn = self.turn.lock().await;
        let mut conflicts = 0;
        loop {
            match self.try_step(step).await {
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => conflicts += 1,
                Ok(true) => {
                    self.events.notify_one();
                    return Ok(());
                }
                other => return other.map(|_| ()),
            }
        }
    }

    async fn try_step(&self, step: &Rehearsal) -> Result<bool, BooksError> {
        let key = keys::backfill(&step.folder.mailbox);
        let Some(seen) = self.books.get::<BackfillRow>(key.clone()).await? else {
            return Ok(false);
        };
        let mut row = seen.record;
        if !row.runs() {
            return Ok(false);
        }
        let shown = self.to_show(step, &row).await?;
        let mut writes = self.books.batch();
        self.stage_shown(&mut writes, &shown).await?;
        let count = u64::try_from(shown.len()).unwrap_or(u64::MAX);
        row.rehearsed = row.rehearsed.saturating_add(count);
        row.folders
            .retain(|known| known.folder != step.progress.folder);
        row.folders.push(step.progress.clone());
        if step.ends {
            row.state = BackfillState::Done;
            row.ended = Some(self.clock.now());
        }
        replace(&mut writes, key, Some(seen.version), &row)?;
        self.books.commit(writes).await?;
        Ok(!shown.is_empty())
    }

    /// Those of the step that no plugin was ever asked about.
    async fn to_show(&self, step: &Rehearsal, row: &BackfillRow) -> Result<Vec<Shown>, BooksError> {
        let place = |locator: &String| keys::locator(&step.folder, locator);
        let places: Vec<Key> = step.locators.iter().map(place).collect();
        let known = self.books.store.get(&places).await?;
        let (mut shown, mut done) = (Vec::new(), BTreeSet::new());
        for value in known.into_iter().flatten() {
            let key = MessageKey(String::from_utf8_lossy(&value.value).into_owned());
            let Some(message) = self.books.message(&key).await? else {
                continue;
            };
            if message.received < row.since || !is_readable_history(&message) {
                continue;
            }
            let outcome = keys::outcome(key.as_str());
            let outcome = self.books.get::<OutcomeRow>(outcome).await?;
            if let Some(outcome) = outcome.filter(|outcome| outcome.record.seq.is_none())
                && done.insert(key.clone())
            {
                shown.push(Shown { key, outcome });
            }
        }
        Ok(shown)
    }

    async fn stage_shown(&self, writes: &mut Writes, shown: &[Shown]) -> Result<(), BooksError> {
        if shown.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(shown.len()).unwrap_or(u64::MAX);
        let first = self.move_counter(writes, EVENT_NEXT, |next| next.saturating_add(count));
        let first = first.await?;
        // They were counted as what never becomes an event.
        self.move_counter(writes, RECORDED_ONLY, |next| next.saturating_sub(count))
            .await?;
        let now = self.clock.now();
        for (seq, shown) in (first..).zip(shown) {
            let seen = keys::event_seen(shown.key.as_str());
            writes
                .expect(seen.clone(), Expect::Absent)
                .put(seen, seq.to_be_bytes().to_vec());
            let outcome = OutcomeRow {
                seq: Some(seq),
                summary: "open".to_owned(),
                closed: None,
                ..shown.outcome.record.clone()
            };
            let key = keys::outcome(shown.key.as_str());
            replace(writes, key, Some(shown.outcome.version), &outcome)?;
            let event = EventRow {
                seq,
                key: shown.key.0.clone(),
                at: now,
                body: EventBody::Message(shown.key.clone()),
            };
            replace(writes, keys::event(&seq), None, &event)?;
        }
        Ok(())
    }

    /// Moves a counter and gives where it stood.
    async fn move_counter(
        &self,
        writes: &mut Writes,
        name: &str,
        to: impl FnOnce(u64) -> u64,
    ) -> Result<u64, BooksError> {
        let key = keys::setting(name);
        let seen = self.books.get::<CounterRow>(key.clone()).await?;
        let version = seen.as_ref().map(|row| row.version);
        let before = seen.map_or(0, |row| row.record.next);
        replace(writes, key, version, &CounterRow { next: to(before) })?;
        Ok(before)
    }
}

/// History of which there is something to show: neither erased nor unreadable.
fn is_readable_history(message: &MessageRecord) -> bool {
    message.historical && message.size > 0 && gone_why(&message.content).is_none()
}

/// Rows by mailbox, for lists.
pub(crate) async fn all(
    books: &crate::books::Books,
) -> Result<BTreeMap<MailboxId, BackfillRow>, BooksError> {
    let range = keys::backfills();
    let ns = range.ns;
    let mut rows = BTreeMap::new();
    books
        .each_row(range, crate::store::Dir::Forward, |key, row| {
            let row = row.record::<BackfillRow>(&Key::new(ns, key))?;
            rows.insert(row.record.mailbox.clone(), row.record);
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .await?;
    Ok(rows)
}
