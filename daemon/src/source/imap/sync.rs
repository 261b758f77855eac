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
use crate::source::listed::Listed;
use crate::source::{BATCH_MESSAGES_MAX, Batch, BatchMode, Cursor, FolderRef, FolderRole, Unread};

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
    pub(super) place: Place,
    pub(super) next_uid: u32,
    /// Old messages not yet recorded, ascending; `None` until they were listed.
    history: Option<Vec<Row>>,
    /// When old messages are listed again, since not all were; and how often they were.
    relist: Option<Timestamp>,
    relisted: u32,
    /// UIDVALIDITY and UIDNEXT at the last complete look.
    pub(super) seen: Option<(u32, u32)>,
    /// When the next message that could not be read is asked for again.
    again: Option<Timestamp>,
    /// When everything from the line on is looked at next; `None` until the first visit.
    reconcile: Option<Timestamp>,
    /// It cannot be worked on before.
    waits: Option<Timestamp>,
    /// As it was when it was opened last, ...
    opened: Option<Changes>,
    /// ... and when all of it was compared last and nothing was missing.
    compared: Option<Changes>,
}

/// What differs whenever something was changed in a folder (RFC 7162).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Changes {
    uid_validity: u32,
    mod_seq: u64,
    exists: u32,
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
            waits: None,
            opened: None,
            compared: None,
        }
    }

    /// When something is to be done in it next; `None` also before the first look.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let known = [self.again, self.relist, self.reconcile, self.waits];
        let due = known.into_iter().flatten().min();
        // Until then nothing can be done in it.
        self.waits.or(due)
    }

    /// Whether there is something to do in it by `now`.
    pub(super) fn wants_work(&self, now: Timestamp) -> bool {
        match self.waits {
            Some(until) => until <= now,
            None => {
                self.history.as_ref().is_none_or(|rows| !rows.is_empty())
                    || self.due().is_some_and(|due| due <= now)
            }
        }
    }

    /// Nothing can be done in it before.
    pub(super) fn wait_until(&mut self, until: Timestamp) {
        self.waits = Some(until);
    }

    /// Notes how it is now. A server that went back says nothing by it any more: all is compared.
    pub(super) fn opened_as(&mut self, opened: Opened, now: Timestamp) {
        self.opened = opened.mod_seq.map(|mod_seq| Changes {
            uid_validity: opened.uid_validity,
            mod_seq,
            exists: opened.exists,
        });
        let back = |(now, then): (Changes, Changes)| {
            now.uid_validity == then.uid_validity && now.mod_seq < then.mod_seq
        };
        if self.opened.zip(self.compared).is_some_and(back) {
            self.compared = None;
            self.reconcile = Some(now);
        }
    }

    /// Takes over how far another connection has come.
    pub(super) fn follow(&mut self, uid_validity: u32, next_uid: u32) {
        if self.place.uid_validity != uid_validity || next_uid < self.next_uid {
            self.history = None;
        }
        self.place.uid_validity = uid_validity;
        self.next_uid = next_uid;
        self.waits = None;
    }

    /// Whether old messages are to be listed again by `now`.
    fn relist_due(&self, now: Timestamp) -> bool {
        self.relist.is_some_and(|at| at <= now)
    }

    /// Whether there is history to record that was listed already.
    pub(super) fn history_waits(&self) -> bool {
        self.waits.is_none() && self.history.as_ref().is_some_and(|rows| !rows.is_empty())
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
        folder.opened_as(opened, self.clock.now());
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
                self.take_gone(connection, folder).await?;
            }
            Some(old) => self.rebind(connection, folder, opened, old).await?,
        }
        self.catch_up(connection, folder).await?;
        folder.seen = opened
            .uid_next
            .map(|uid_next| (opened.uid_validity, uid_next));
        Ok(())
    }

    /// What was listed before the connection or the program ended, and is gone since, gets its
    /// outcome.
    async fn take_gone(
        &self,
        connection: &mut Connection,
        folder: &Folder,
    ) -> Result<(), SyncError> {
        let listed = self.intake.listed(&folder.reference).await?;
        let validity = folder.place.uid_validity;
        let Some(listed) = listed.filter(|listed| listed.uid_validity == validity) else {
            return Ok(());
        };
        let left: Vec<u32> = listed.from(folder.next_uid).take(ROWS_MAX).collect();
        for some in left.chunks(BATCH_MESSAGES_MAX) {
            let mut gone = some.to_vec();
            // Twice: a server in trouble lists less than it has.
            for _ in 0..2 {
                if !gone.is_empty() {
                    let there = uid_set(&gone);
                    let there = discover(connection, &there, Keep::Oldest(gone.len())).await?;
                    gone.retain(|uid| !there.iter().any(|row| row.uid == *uid));
                }
            }
            if !gone.is_empty() {
                let fetcher = self.fetcher(connection, &folder.place);
                let batch = Batch {
                    folder: folder.reference.clone(),
                    mode: BatchMode::Live,
                    arrived: gone.iter().map(|uid| fetcher.vanished(*uid)).collect(),
                    cursor: None,
                };
                self.intake.take(batch).await?;
            }
        }
        Ok(())
    }

    /// Draws the line of a folder that was never visited, so that what comes from now on is new
    /// whenever it is read; true when the folder is open for that. A refusal is left to the visit.
    pub(super) async fn draw_first_line(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
    ) -> Result<bool, SyncError> {
        if self.intake.cursor(&folder.reference).await?.is_some() {
            return Ok(false);
        }
        if let Ok(opened) = examine(connection, &folder.reference.folder).await? {
            folder.place.uid_validity = opened.uid_validity;
            self.draw_line(connection, folder, opened).await?;
        }
        Ok(true)
    }

    async fn draw_line(
        &self,
        connection: &mut Connection,
        folder: &mut Folder,
        opened: Opened,
    ) -> Result<(), SyncError> {
        folder.next_uid = line(connection, opened).await?;
        self.set_cursor(folder, BatchMode::History).await
    }

    async fn set_cursor(&self, folder: &Folder, mode: BatchMode) -> Result<(), SyncError> {
        let batch = Batch {
            folder: folder.reference.clone(),
            mode,
            arrived: Vec::new(),
            cursor: Some(folder.cursor()),
        };
        self.intake.take(batch).await?;
        Ok(())
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
            if rows.len() > BATCH_MESSAGES_MAX {
                let uids = rows.iter().map(|row| row.uid);
                let listed = Listed::of(folder.place.uid_validity, uids);
                self.intake.keep_listed(&folder.reference, listed).await?;
            }
            let after = |place: &Place, rows: &[Row]| {
                Some(Cursor::Imap {
                    uid_validity: place.uid_validity,
                    next_uid: rows.last().map_or(1, |row| row.uid.saturating_add(1)),
                })
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
    /// before is made durable. `after` gives the cursor after a batch, if it moves.
    pub(super) async fn carry(
        &self,
        connection: &mut Connection,
        folder: &Folder,
        rows: &[Row],
        mode: BatchMode,
        after: impl Fn(&Place, &[Row]) -> Option<Cursor> + Send,
    ) -> Result<(), SyncError> {
        let mut unread: usize = 0;
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
                    unread = unread.saturating_add(taken?.unread);
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
            unread = unread.saturating_add(self.intake.take(batch).await?.unread);
        }
        if unread > 0 {
            // When they are asked for again is known to the intake.
            self.board.notes().unread_found = true;
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
            let batch = Batch {
                folder: folder.reference.clone(),
                mode: place.mode,
                arrived,
                cursor: None,
            };
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
        if folder.opened.is_some() && folder.opened == folder.compared {
            folder.reconcile = Some(now.plus_millis(RECONCILE_EVERY_MS));
            self.intake
                .proven_fresh(&folder.reference, "HIGHESTMODSEQ compared");
            return Ok(());
        }
        let missed = self.missed(connection, folder).await?;
        if !missed.is_empty() {
            tracing::warn!(
                mailbox = %folder.reference.mailbox, folder = %folder.reference.folder,
                count = missed.len(), "messages below the cursor were not known; they are taken now"
            );
            self.carry(connection, folder, &missed, BatchMode::Live, |_, _| None)
                .await?;
        }
        folder.compared = folder.opened.filter(|_| missed.is_empty());
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
                unknown
                    .filter(|row| (from..to).contains(&row.uid))
                    .filter(|row| !unread.contains(&locator(validity, row.uid))),
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
            self.carry(connection, folder, &newest, BatchMode::History, |_, _| None)
                .await?;
            if let Some(rows) = folder.history.as_mut() {
                rows.truncate(from);
            }
            match folder.reference.role {
                FolderRole::Sent if connection.news => {
                    self.catch_up(connection, folder).await?;
                }
                // New mail is the watch's, which may wait for this connection.
                FolderRole::Inbox if connection.news => return Ok(()),
                FolderRole::Sent | FolderRole::Inbox => {}
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
        let listed = with_new(connection, folder.next_uid, old).await?;
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
    pub(super) async fn unknown(
        &self,
        folder: &Folder,
        rows: Vec<Row>,
    ) -> Result<Vec<Row>, SyncError> {
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
        let mut whole = true;
        while let Some(last) = below {
            let set = format!("1:{last}");
            let (rows, count) =
                discover_and_count(connection, &set, Keep::Newest(ROWS_MAX)).await?;
            if std::mem::take(&mut whole) {
                // What is not listed now would be below the cursor, and unknown, for ever.
                let listed = with_new(connection, line, count).await?;
                if listed < connection.exists {
                    let exists = connection.exists;
                    return Err(SyncError::Refused {
                        what: "listing all messages",
                        text: format!("only {listed} of {exists} were listed"),
                    });
                }
            }
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
                    Some(old)
                })
                .await?;
            }
        }
        folder.next_uid = line;
        folder.history = None;
        self.set_cursor(folder, BatchMode::Rebind).await
    }
}

/// How many messages are listed: `old` below the UID `from`, and those from there on.
async fn with_new(connection: &mut Connection, from: u32, old: u32) -> Result<u32, SyncError> {
    if old >= connection.exists {
        return Ok(old);
    }
    let new = discover(connection, &format!("{from}:*"), Keep::Oldest(ROWS_MAX)).await?;
    let new = new.iter().filter(|row| row.uid >= from).count();
    Ok(old.saturating_add(u32::try_from(new).unwrap_or(u32::MAX)))
}

/// The smallest UID that no message has yet: UIDNEXT, unless there are messages beyond it.
async fn line(connection: &mut Connection, opened: Opened) -> Result<u32, SyncError> {
    let last = discover(connection, "*", Keep::Newest(1)).await?;
    let behind = last.last().map_or(1, |row| row.uid.saturating_add(1));
    Ok(opened.uid_next.map_or(behind, |next| next.max(behind)))
}
