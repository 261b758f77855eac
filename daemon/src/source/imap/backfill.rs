//! Old messages that a person wants shown to the plugins: found by date, oldest first, some at a
//! turn, when nothing else is to be done.

use liaison_core::time::{DAY_MS, Timestamp};

use super::answer::Untagged;
use super::chores::Chores;
use super::connection::{COMMAND_LIMIT, Connection};
use super::fetch::{Keep, discover, locator};
use super::sync::Folder;
use super::wire::{Command, search_date, uid_set};
use super::{ImapSource, SyncError};
use crate::source::backfill::{Backfill, BackfillFolder, Left, Rehearsal, STEP_MESSAGES_MAX};
use crate::source::{BatchMode, FolderRole};

/// Fewest UIDs of one search; the answer to it is one line of at most 1 MiB.
const SEARCH_UIDS_MIN: u32 = 20_000;
/// Most searches until the end of a mailbox is reached.
const SEARCHES_MAX: u32 = 64;

impl ImapSource {
    /// Asks for a look at what is to be shown to the plugins.
    pub fn backfill(&self) {
        self.board.notes().backfill = true;
        self.work.wanted.notify_one();
        self.poke();
    }

    /// Does one step of the backfill that is asked for.
    pub(super) async fn backfill_some(
        &self,
        connection: &mut Connection,
        chores: &mut Chores,
    ) -> Result<Left, SyncError> {
        let Some(job) = self.intake.backfill(&self.mailbox).await? else {
            return Ok(Left::Nothing);
        };
        if job.rest {
            return Ok(Left::Later);
        }
        let mut last = None;
        for folder in chores.open_folders() {
            let progress = job.of(&folder.reference.folder);
            if progress.finished {
                last = Some((folder.reference.clone(), progress));
                continue;
            }
            let open = match folder.reference.role {
                FolderRole::Inbox => self.open_inbox(connection, folder).await?,
                FolderRole::Sent => self.visit(connection, folder).await.map(|()| true)?,
            };
            if !open {
                return Ok(Left::Later);
            }
            return self
                .backfill_step(connection, folder, (&job, progress))
                .await;
        }
        if let Some((folder, progress)) = last {
            self.intake
                .rehearse(Rehearsal::end(folder, progress))
                .await?;
        }
        Ok(Left::Nothing)
    }

    async fn backfill_step(
        &self,
        connection: &mut Connection,
        folder: &Folder,
        (job, mut progress): (&Backfill, BackfillFolder),
    ) -> Result<Left, SyncError> {
        let validity = folder.place.uid_validity;
        if progress.uid_validity != validity || progress.after.is_empty() {
            progress = BackfillFolder {
                folder: progress.folder,
                uid_validity: validity,
                after: "0".to_owned(),
                ..BackfillFolder::default()
            };
            let all = since(connection, job.since, (1, folder.next_uid), usize::MAX).await?;
            progress.total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        }
        let after: u32 = progress.after.parse().unwrap_or_default();
        let from = (after.saturating_add(1), folder.next_uid);
        let uids = since(connection, job.since, from, STEP_MESSAGES_MAX).await?;
        self.record_missing(connection, folder, &uids).await?;
        match uids.last() {
            Some(last) => progress.after = last.to_string(),
            None => progress.finished = true,
        }
        let count = u64::try_from(uids.len()).unwrap_or(u64::MAX);
        progress.done = progress.done.saturating_add(count);
        progress.total = progress.total.max(progress.done);
        let step = Rehearsal {
            folder: folder.reference.clone(),
            locators: uids.iter().map(|uid| locator(validity, *uid)).collect(),
            progress,
            ends: false,
        };
        self.intake.rehearse(step).await?;
        Ok(Left::More)
    }

    /// Records as history what of `uids` never was.
    async fn record_missing(
        &self,
        connection: &mut Connection,
        folder: &Folder,
        uids: &[u32],
    ) -> Result<(), SyncError> {
        if uids.is_empty() {
            return Ok(());
        }
        let mut there = discover(connection, &uid_set(uids), Keep::Oldest(uids.len())).await?;
        if let Some(line) = self.intake.line(&folder.reference).await? {
            // What came since and was missed is new: the daily compare takes it.
            there.retain(|row| row.uid < line);
        }
        let unknown = self.unknown(folder, there).await?;
        self.carry(connection, folder, &unknown, BatchMode::History, |_, _| {
            None
        })
        .await
    }
}

/// The first `most` UIDs from the first of `range` to before the second that came on the day of
/// `since` or later (RFC 9051 section 6.4.4), ascending. The day before counts, too: which day it
/// is is the server's to say.
async fn since(
    connection: &mut Connection,
    since: Timestamp,
    (mut from, end): (u32, u32),
    most: usize,
) -> Result<Vec<u32>, SyncError> {
    let day = search_date(since.plus_millis(-DAY_MS));
    let length = end.saturating_sub(from).checked_div(SEARCHES_MAX);
    let length = length.unwrap_or_default().max(SEARCH_UIDS_MIN);
    let mut uids = Vec::new();
    // Some servers refuse any set on an empty mailbox.
    while from < end && uids.len() < most && connection.exists > 0 {
        let last = from.saturating_add(length).min(end).saturating_sub(1);
        let command = Command::new(format!("UID SEARCH UID {from}:{last} SINCE {day}"));
        let answer = connection
            .exec(command, COMMAND_LIMIT, |answer| {
                if let Untagged::Search(found) = answer {
                    uids.extend(found.into_iter().filter(|uid| (from..=last).contains(uid)));
                }
            })
            .await?;
        if !answer.is_ok() {
            return Err(SyncError::Refused {
                what: "searching for old messages",
                text: answer.words(),
            });
        }
        from = last.saturating_add(1);
    }
    uids.sort_unstable();
    uids.dedup();
    uids.truncate(most);
    Ok(uids)
}
