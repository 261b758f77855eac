//! Brings one folder up to date: draws the line, catches up, records history, rebinds.
//!
//! **The line.** At the first visit the cursor becomes durable at UIDNEXT before anything is
//! read. What lies below it is history, whatever happens next, and what comes after it is new. A
//! crash in the middle of recording history therefore never makes old mail new: at the next start
//! the newest messages below the cursor that the intake does not know are recorded, as before.
//!
//! **Rebinding.** When UIDs lost their meaning the old cursor stays until the whole folder was
//! handed in, so that a crash starts the walk again instead of taking the rest for history.

use std::collections::BTreeSet;

use futures_util::future::join;
use liaison_core::time::{HOUR_MS, MINUTE_MS, Timestamp};

use super::fetch::{Fetcher, Keep, ROWS_MAX, Row, discover, discover_and_count, locator};
use super::folders::{Opened, examine};
use super::suspects::Place;
use super::wire::{Command, uid_set};
use super::{ImapSource, SyncError};
use crate::source::imap::connection::Connection;
use crate::source::{BATCH_MESSAGES_MAX, Batch, BatchMode, Cursor, FolderRef, Unread};

/// Batches of history until the other folder is looked at again.
const HISTORY_BATCHES_PER_TURN: usize = 10;
/// Between two looks at everything from the line on, whether anything was missed.
const RECONCILE_EVERY_MS: i64 = 24 * HOUR_MS;
/// The first of them comes so long after the start.
const RECONCILE_FIRST_MS: i64 = HOUR_MS;
/// UIDs of one command of it.
const RECONCILE_UIDS: u32 = 20_000;
/// Locators in one question to the intake.
const UNKNOWN_AT_ONCE: usize = 1000;

/// Wait before history is listed again because the server listed less than it has; doubled each
/// time.
const RELIST_FIRST_MS: i64 = 15 * MINUTE_MS;
/// Times that the wait doubles: to 16 hours.
const RELIST_DOUBLINGS_MAX: u32 = 6;

/// What is known of a folder while the source runs.
pub(super) struct Folder {
    pub(super) reference: FolderRef,
    place: Place,
    next_uid: u32,
    /// Old messages not yet recorded, ascending; `None` until they were listed.
    history: Option<Vec<Row>>,
    /// When old messages are listed again, since not all were; and how often they were.
    relist: Option<Timestamp>,
    relisted: u32,
    /// UIDVALIDITY and UIDNEXT at the last complete look.
    pub(super) seen: Option<(u32, u32)>,
    /// When the next message that could not be read is asked for again.
    pub(super) again: Option<Timestamp>,
    /// When everything from the line on is looked at next; `None` until the first visit.
    reconcile: Option<Timestamp>,
}

impl Folder {
    pub(super) fn new(reference: FolderRef) -> Folder {
        Folder {
            place: Place {
                folder: reference.folder.clone(),
                uid_validity: 0,
            },
            reference,
            next_uid: 1,
            history: None,
            relist: None,
            relisted: 0,
            seen: None,
            again: None,
            reconcile: None,
        }
    }

    pub(super) fn is_to_reconcile(&self, now: Timestamp) -> bool {
        self.reconcile.is_some_and(|due| due <= now)
    }

    pub(super) fn history_left(&self) -> bool {
        self.history.as_ref().is_none_or(|rows| !rows.is_empty())
    }

    /// Whether old messages are to be listed again by `now`.
    pub(super) fn relist_due(&self, now: Timestamp) -> bool {
        self.relist.is_some_and(|at| at <= now)
    }

    /// Whether there is history to record that was listed already.
    pub(super) fn history_waits(&self) -> bool {
        self.history.as_ref().is_some_and(|rows| !rows.is_empty())
    }

    fn cursor(&self) -> Cursor {
        Cursor::Imap {
            uid_validity: self.place.uid_validity,
            next_uid: self.next_uid,
        }
    }
}

impl ImapSource {
    /// Opens the folder and brings it up to date.
    pub(super) async fn visit(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
    ) -> Result<(), SyncError> {
        let name = folder.reference.folder.clone();
        let opened = examine(connection, &name)
            .await?
            .map_err(|text| SyncError::Folder { name, text })?;
        connection.news = false;
        folder.place.uid_validity = opened.uid_validity;
        let known = self.intake.cursor(&folder.reference).await?;
        match known {
            None => self.draw_line(connection, folder, opened).await?,
            Some(Cursor::Imap {
                uid_validity,
                next_uid,
            }) if uid_validity == opened.uid_validity
                && opened.uid_next.is_none_or(|next| next >= next_uid) =>
            {
                folder.next_uid = next_uid;
            }
            Some(old) => self.rebind(connection, folder, opened, old).await?,
        }
        self.catch_up(connection, folder).await?;
        folder.seen = opened
            .uid_next
            .map(|uid_next| (opened.uid_validity, uid_next));
        Ok(())
    }

    async fn draw_line(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
        opened: Opened,
    ) -> Result<(), SyncError> {
        folder.next_uid = line(connection, opened).await?;
        let batch = self.batch_of(folder, BatchMode::History, Vec::new());
        self.intake.take(batch).await?;
        Ok(())
    }

    fn batch_of(
        &self,
        folder: &Folder,
        mode: BatchMode,
        arrived: Vec<crate::source::Arrived>,
    ) -> Batch {
        Batch {
            folder: folder.reference.clone(),
            mode,
            arrived,
            cursor: folder.cursor(),
        }
    }

    /// Takes everything from the cursor on, and says whether there was anything. The folder must
    /// be open.
    pub(super) async fn catch_up(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
    ) -> Result<bool, SyncError> {
        let mut found = false;
        if connection.exists == 0 {
            // Nothing can be listed: without this nothing would be asked, and nothing proven.
            connection.plain(Command::new("NOOP")).await?;
        }
        loop {
            connection.news = false;
            let set = format!("{}:*", folder.next_uid);
            let mut rows = discover(connection, &set, Keep::Oldest(ROWS_MAX)).await?;
            // `n:*` names the last message even when n is beyond it (RFC 9051 section 9).
            rows.retain(|row| row.uid >= folder.next_uid);
            let full = rows.len() >= ROWS_MAX;
            found |= !rows.is_empty();
            let after = |place: &Place, rows: &[Row]| Cursor::Imap {
                uid_validity: place.uid_validity,
                next_uid: rows.last().map_or(1, |row| row.uid.saturating_add(1)),
            };
            self.carry(connection, folder, &rows, BatchMode::Live, after)
                .await?;
            if let Some(last) = rows.last() {
                folder.next_uid = last.uid.saturating_add(1);
            }
            if !full {
                break;
            }
        }
        self.intake
            .proven_fresh(&folder.reference, "UIDs from the cursor on compared");
        Ok(found)
    }

    /// Fetches `rows` in their order and hands them in, a batch being fetched while the one
    /// before is made durable. `after` gives the cursor after a batch.
    async fn carry(
        &self,
        connection: &mut Connection,
        folder: &Folder,
        rows: &[Row],
        mode: BatchMode,
        after: impl Fn(&Place, &[Row]) -> Cursor + Send,
    ) -> Result<(), SyncError> {
        let mut fetcher = self.fetcher(connection, &folder.place);
        let mut rest = rows;
        let mut ready: Option<Batch> = None;
        while !rest.is_empty() {
            let count = fetcher.batch_len(rest);
            let (group, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let arrived = match ready.take() {
                Some(batch) => {
                    let (taken, arrived) =
                        join(self.intake.take(batch), fetcher.batch(group)).await;
                    taken?;
                    arrived?
                }
                None => fetcher.batch(group).await?,
            };
            ready = Some(Batch {
                folder: folder.reference.clone(),
                mode,
                arrived,
                cursor: after(&folder.place, group),
            });
            rest = behind;
        }
        if let Some(batch) = ready {
            self.intake.take(batch).await?;
        }
        Ok(())
    }

    fn fetcher<'a>(&'a self, connection: &'a mut Connection, place: &'a Place) -> Fetcher<'a> {
        Fetcher {
            connection,
            place,
            suspects: &self.suspects,
            bytes_max: self.settings.message_bytes_max,
            now: self.clock.now(),
        }
    }

    /// Asks again for messages that could not be read and are due. The folder must be open.
    pub(super) async fn read_again(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
    ) -> Result<(), SyncError> {
        let mut unread = self.intake.unread(&folder.reference).await?;
        let now = self.clock.now();
        unread.retain(|place| place.due <= now);
        unread.truncate(BATCH_MESSAGES_MAX);
        if !unread.is_empty() {
            self.ask_again(connection, folder, &unread).await?;
        }
        let left = self.intake.unread(&folder.reference).await?;
        folder.again = left.iter().map(|place| place.due).min();
        Ok(())
    }

    async fn ask_again(
        &self,
        connection: &mut Connection,
        folder: &Folder,
        unread: &[Unread],
    ) -> Result<(), SyncError> {
        let uid_of = |place: &Unread| {
            let (validity, uid) = place.locator.split_once('/')?;
            let current = validity.parse() == Ok(folder.place.uid_validity);
            uid.parse::<u32>().ok().filter(|_| current)
        };
        let mut uids: Vec<u32> = unread.iter().filter_map(uid_of).collect();
        uids.sort_unstable();
        let there = match uids.is_empty() {
            true => Vec::new(),
            false => discover(connection, &uid_set(&uids), Keep::Oldest(uids.len())).await?,
        };
        let mut fetcher = self.fetcher(connection, &folder.place);
        for place in unread {
            let row = uid_of(place).and_then(|uid| there.iter().find(|row| row.uid == uid));
            let mut arrived = match row {
                Some(row) => fetcher.once_more(*row).await?,
                None => vec![fetcher.vanished(uid_of(place).unwrap_or_default())],
            };
            for arrived in &mut arrived {
                arrived.locator.clone_from(&place.locator);
            }
            let batch = self.batch_of(folder, place.mode, arrived);
            self.intake.take(batch).await?;
        }
        Ok(())
    }

    /// Once a day, looks for messages below the cursor that were never taken, whatever kept them
    /// from us: a server that showed them late, or gave them a UID out of order. The folder must be
    /// open.
    pub(super) async fn reconcile(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
    ) -> Result<(), SyncError> {
        let now = self.clock.now();
        let due = *folder
            .reconcile
            .get_or_insert(now.plus_millis(RECONCILE_FIRST_MS));
        if now < due {
            return Ok(());
        }
        let missed = self.missed(connection, folder).await?;
        if !missed.is_empty() {
            tracing::warn!(
                mailbox = %folder.reference.mailbox, folder = %folder.reference.folder,
                count = missed.len(), "messages below the cursor were not known; they are taken now"
            );
            let cursor = folder.cursor();
            self.carry(connection, folder, &missed, BatchMode::Live, |_, _| cursor)
                .await?;
        }
        folder.reconcile = Some(now.plus_millis(RECONCILE_EVERY_MS));
        self.intake
            .proven_fresh(&folder.reference, "all UIDs compared");
        Ok(())
    }

    /// Messages from the line to the cursor that the intake never took.
    async fn missed(
        &self,
        connection: &mut Connection,
        folder: &Folder,
    ) -> Result<Vec<Row>, SyncError> {
        let Some(mut from) = self.intake.line(&folder.reference).await? else {
            return Ok(Vec::new());
        };
        let unread = self.intake.unread(&folder.reference).await?;
        let unread: BTreeSet<String> = unread.into_iter().map(|place| place.locator).collect();
        let mut missed = Vec::new();
        while from < folder.next_uid && missed.len() < ROWS_MAX {
            let to = from.saturating_add(RECONCILE_UIDS).min(folder.next_uid);
            let set = format!("{from}:{}", to.saturating_sub(1));
            let rows = discover(connection, &set, Keep::Oldest(ROWS_MAX)).await?;
            let validity = folder.place.uid_validity;
            let unknown = self.unknown(folder, rows).await?.into_iter();
            missed.extend(
                unknown.filter(|row| row.uid < to && !unread.contains(&locator(validity, row.uid))),
            );
            from = to;
        }
        Ok(missed)
    }

    /// Records some more old messages, newest first. The folder must be open.
    pub(super) async fn record_history(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
    ) -> Result<(), SyncError> {
        if folder.history.is_none() || folder.relist_due(self.clock.now()) {
            folder.history = Some(self.list_history(connection, folder).await?);
        }
        for _ in 0..HISTORY_BATCHES_PER_TURN {
            let Some(rows) = folder.history.as_ref().filter(|rows| !rows.is_empty()) else {
                return Ok(());
            };
            let from = rows.len().saturating_sub(BATCH_MESSAGES_MAX);
            let newest = rows.get(from..).unwrap_or_default().to_vec();
            let cursor = folder.cursor();
            self.carry(connection, folder, &newest, BatchMode::History, |_, _| {
                cursor
            })
            .await?;
            if let Some(rows) = folder.history.as_mut() {
                rows.truncate(from);
            }
            if connection.news {
                self.catch_up(connection, folder).await?;
            }
        }
        Ok(())
    }

    async fn list_history(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
    ) -> Result<Vec<Row>, SyncError> {
        folder.relist = None;
        let most = self.settings.history_messages_max;
        let Some(last) = folder.next_uid.checked_sub(1).filter(|last| *last > 0) else {
            return Ok(Vec::new());
        };
        if most == 0 {
            return Ok(Vec::new());
        }
        let old = format!("1:{last}");
        let (rows, listed) = discover_and_count(connection, &old, Keep::Newest(most)).await?;
        if listed < connection.exists {
            self.check_listed(connection, folder, listed).await?;
        }
        self.unknown(folder, rows).await
    }

    /// Has history listed again later when old and new messages are fewer than the server counts:
    /// servers give short or empty answers when they are in trouble, with an OK.
    async fn check_listed(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
        old: u32,
    ) -> Result<(), SyncError> {
        let set = format!("{}:*", folder.next_uid);
        let new = discover(connection, &set, Keep::Oldest(ROWS_MAX)).await?;
        let new = new.iter().filter(|row| row.uid >= folder.next_uid).count();
        let listed = old.saturating_add(u32::try_from(new).unwrap_or(u32::MAX));
        if listed < connection.exists {
            let wait = RELIST_FIRST_MS << folder.relisted.min(RELIST_DOUBLINGS_MAX);
            folder.relist = Some(Timestamp(self.clock.now().0.saturating_add(wait)));
            folder.relisted = folder.relisted.saturating_add(1);
            tracing::warn!(
                mailbox = %folder.reference.mailbox, folder = %folder.reference.folder,
                listed, exists = connection.exists, "the server lists less than it has; asking later"
            );
        }
        Ok(())
    }

    /// Those of `rows` that the intake never took.
    async fn unknown(&self, folder: &Folder, rows: Vec<Row>) -> Result<Vec<Row>, SyncError> {
        let mut unknown = Vec::new();
        for some in rows.chunks(UNKNOWN_AT_ONCE) {
            let place = |row: &Row| locator(folder.place.uid_validity, row.uid);
            let locators = some.iter().map(place).collect();
            let left = self.intake.unknown(&folder.reference, locators).await?;
            let left: BTreeSet<String> = left.into_iter().collect();
            unknown.extend(some.iter().filter(|row| left.contains(&place(row))));
        }
        Ok(unknown)
    }

    /// Hands in the whole folder again, newest first, because its UIDs mean something else now.
    async fn rebind(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
        opened: Opened,
        old: Cursor,
    ) -> Result<(), SyncError> {
        tracing::warn!(
            mailbox = %folder.reference.mailbox, folder = %folder.reference.folder,
            uid_validity = opened.uid_validity, ?old, "UIDs changed their meaning; walking the folder"
        );
        let line = line(connection, opened).await?;
        let mut below = line.checked_sub(1).filter(|last| *last > 0);
        // Under the same UIDVALIDITY a known locator may be another message now.
        let renumbered = matches!(old, Cursor::Imap { uid_validity, .. }
            if uid_validity == opened.uid_validity);
        while let Some(last) = below {
            let rows = discover(connection, &format!("1:{last}"), Keep::Newest(ROWS_MAX)).await?;
            below = rows
                .first()
                .and_then(|row| row.uid.checked_sub(1))
                .filter(|last| *last > 0 && rows.len() >= ROWS_MAX);
            let mut rows = match renumbered {
                true => rows,
                false => self.unknown(folder, rows).await?,
            };
            rows.reverse();
            for group in rows.chunks(BATCH_MESSAGES_MAX) {
                let mut ascending = group.to_vec();
                ascending.reverse();
                self.carry(connection, folder, &ascending, BatchMode::Rebind, |_, _| {
                    old
                })
                .await?;
            }
        }
        folder.next_uid = line;
        folder.history = None;
        let batch = self.batch_of(folder, BatchMode::Rebind, Vec::new());
        self.intake.take(batch).await?;
        Ok(())
    }
}

/// The smallest UID that no message has yet: UIDNEXT, unless there are messages beyond it.
async fn line(connection: &mut Connection, opened: Opened) -> Result<u32, SyncError> {
    let last = discover(connection, "*", Keep::Newest(1)).await?;
    let behind = last.last().map_or(1, |row| row.uid.saturating_add(1));
    Ok(opened.uid_next.map_or(behind, |next| next.max(behind)))
}
