//! Messages that cannot be read now: asked for again, and given up only after many tries over a
//! long time.
//!
//! A server that says `NO [UNAVAILABLE]`, a disk that says "I/O error" and a file that may not be
//! opened yet say nothing about the message. Its place is kept with the number of tries, the time
//! of the next and what was said, in the commit that moves the cursor past it; the rest of the
//! mailbox goes on. `liaison status` shows the list.

use std::collections::BTreeMap;

use liaison_core::message::cut_text;
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

use super::{Prepared, TakeError, Taking};
use crate::books::rows::{AuditRow, UnreadRow};
use crate::books::{Books, BooksError, keys, replace};
use crate::outbox::stage_audit;
use crate::source::{BatchMode, Content, FolderRef, Unread};
use crate::store::{Dir, Key, Stored};

/// Wait after the first failed try; it doubles with each further one, ...
const RETRY_FIRST_MS: i64 = MINUTE_MS;
/// ... up to this.
const RETRY_LAST_MS: i64 = 4 * HOUR_MS;
/// A message is given up after at least so many tries ...
pub(super) const TRIES_MIN: u32 = 8;
/// ... over at least this time: a fault that is noticed after a long weekend costs no mail. With
/// the waits above that makes 50 tries; `liaison status` asks for a person meanwhile.
pub(super) const SPAN_MS: i64 = 7 * DAY_MS;
/// Most messages of a folder that are kept for another try. When more fail, it is not the
/// messages that are in trouble: the batch is refused, and the cursor stays before it.
pub(super) const UNREAD_MAX: usize = 1_000;
/// Longest reason kept, in characters.
const REASON_CHARS_MAX: usize = 300;

/// Whether a message is taken now.
pub(super) enum Again {
    /// As it is.
    Now,
    /// It could not be read and is asked for again.
    Later,
    /// It could not be read for so long that this is its outcome, with the reason.
    GivenUp(String),
    /// It is gone, and nobody waited for it.
    Never,
}

/// What of a folder could not be read yet, by locator.
pub(super) struct UnreadList {
    rows: BTreeMap<String, Stored<UnreadRow>>,
}

impl UnreadList {
    pub(super) async fn read(books: &Books, folder: &FolderRef) -> Result<UnreadList, BooksError> {
        let range = keys::unread_in(folder);
        let ns = range.ns;
        let mut rows = BTreeMap::new();
        books
            .each_row(range, Dir::Forward, |key, row| {
                let row = row.record::<UnreadRow>(&Key::new(ns, key))?;
                rows.insert(row.record.locator.clone(), row);
                Ok(std::ops::ControlFlow::Continue(()))
            })
            .await?;
        Ok(UnreadList { rows })
    }

    pub(super) fn places(&self) -> Vec<Unread> {
        let place = |stored: &Stored<UnreadRow>| Unread {
            locator: stored.record.locator.clone(),
            mode: stored.record.mode,
            due: stored.record.due,
        };
        self.rows.values().map(place).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn of(&self, item: &Prepared) -> Option<&Stored<UnreadRow>> {
        self.rows.get(&item.arrived.locator)
    }

    /// The last good look before the message was first tried.
    pub(super) fn last_look(&self, item: &Prepared) -> Option<Timestamp> {
        self.of(item)?.record.last_look
    }

    pub(super) fn again(&self, taking: &Taking<'_>, item: &Prepared) -> Result<Again, TakeError> {
        let known = self.of(item).map(|stored| &stored.record);
        match &item.arrived.content {
            Content::NotNow { reason } => {
                if known.is_none() && self.rows.len() >= UNREAD_MAX {
                    let folder = &taking.batch.folder;
                    return Err(TakeError::TooManyUnread {
                        folder: format!("{} {}", folder.mailbox, folder.folder),
                    });
                }
                let now = taking.ingest.clock.now();
                Ok(match known {
                    Some(row) if is_given_up(row, now) => Again::GivenUp(format!(
                        "tried {} times since {}: {reason}",
                        row.tries.saturating_add(1),
                        row.since
                    )),
                    _ => Again::Later,
                })
            }
            // Old mail that is gone by the time it is recorded is nobody's loss.
            Content::Vanished if known.is_none() && taking.batch.mode != BatchMode::Live => {
                Ok(Again::Never)
            }
            _ => Ok(Again::Now),
        }
    }
}

/// Whether the try that just failed was the last.
fn is_given_up(row: &UnreadRow, now: Timestamp) -> bool {
    row.tries.saturating_add(1) >= TRIES_MIN && now.since(row.since) >= SPAN_MS
}

/// Wait after the `tries`th failed try.
fn wait_ms(tries: u32) -> i64 {
    let doubled = 1_i64.checked_shl(tries.saturating_sub(1).min(32));
    RETRY_FIRST_MS
        .saturating_mul(doubled.unwrap_or(i64::MAX))
        .min(RETRY_LAST_MS)
}

impl Taking<'_> {
    /// Stages another try of a message that could not be read.
    pub(super) async fn keep_for_later(
        &self,
        item: &Prepared,
        unread: &mut UnreadList,
    ) -> Result<(), TakeError> {
        let Content::NotNow { reason } = &item.arrived.content else {
            return Ok(());
        };
        let now = self.ingest.clock.now();
        let before = unread.of(item);
        let tries = before.map_or(1, |row| row.record.tries.saturating_add(1));
        let folder = &self.batch.folder;
        let row = UnreadRow {
            mailbox: folder.mailbox.clone(),
            folder: folder.folder.clone(),
            locator: item.arrived.locator.clone(),
            mode: before.map_or(self.batch.mode, |row| row.record.mode),
            last_look: before.map_or(self.last_look, |row| row.record.last_look),
            since: before.map_or(now, |row| row.record.since),
            tries,
            due: now.plus_millis(wait_ms(tries)),
            reason: cut_text(reason, REASON_CHARS_MAX),
        };
        tracing::warn!(
            mailbox = %row.mailbox, folder = %row.folder, locator = %row.locator, tries,
            again = %row.due, %reason, "message cannot be read now"
        );
        let version = before.map(|row| row.version);
        let key = keys::unread(folder, &row.locator);
        let mut writes = self.books.batch();
        replace(&mut writes, key.clone(), version, &row)?;
        self.books.commit(writes).await?;
        if let Some(stored) = self.books.get(key).await? {
            unread.rows.insert(row.locator, stored);
        }
        Ok(())
    }

    /// The message was taken, or given up: nothing is asked for any more.
    pub(super) async fn forget_unread(
        &self,
        item: &Prepared,
        unread: &mut UnreadList,
    ) -> Result<(), TakeError> {
        if unread.rows.remove(&item.arrived.locator).is_none() {
            return Ok(());
        }
        let mut writes = self.books.batch();
        writes.del(keys::unread(&self.batch.folder, &item.arrived.locator));
        Ok(self.books.commit(writes).await?)
    }

    /// UIDVALIDITY changed: the walk has met every message under its new UID, so places under the
    /// old one mean nothing any more. People are told by an audit row, which `status` shows.
    pub(super) async fn renumbered(
        &self,
        (old, new): (u32, u32),
        unread: &UnreadList,
    ) -> Result<(), TakeError> {
        let folder = &self.batch.folder;
        let mut writes = self.books.batch();
        let current = format!("{new}/");
        for locator in unread.rows.keys() {
            if !locator.starts_with(&current) {
                writes.del(keys::unread(folder, locator));
            }
        }
        let now = self.ingest.clock.now();
        let row = AuditRow {
            at: now,
            who: "liaison".to_owned(),
            what: format!(
                "{} {}: the server gave all messages new UIDs (UIDVALIDITY {old} is now {new})",
                folder.mailbox, folder.folder
            ),
            why: "the folder was walked again: what was known keeps its outcome, and only mail \
                  newer than the last good look was acted on"
                .to_owned(),
        };
        stage_audit(
            &mut writes,
            &keys::mailbox_subject(&folder.mailbox),
            now,
            row,
        )?;
        Ok(self.books.commit(writes).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_four_hours_and_the_span_takes_fifty_tries() {
        let minutes: Vec<i64> = (1..=10).map(|n| wait_ms(n) / MINUTE_MS).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
        assert_eq!(wait_ms(u32::MAX), RETRY_LAST_MS);
        let (mut at, mut tries) = (0, 1);
        while at < SPAN_MS || tries < TRIES_MIN {
            at += wait_ms(tries);
            tries += 1;
        }
        assert_eq!(tries, 50);
    }
}
