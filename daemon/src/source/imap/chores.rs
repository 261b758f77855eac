//! What is done beside watching, on the work connection: sent mail, messages asked for again, the
//! daily compare, history, and backfill when all of that is done.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use liaison_core::time::{MINUTE_MS, Timestamp};
use tokio::sync::Mutex;

use super::board::Notes;
use super::connection::Connection;
use super::folders::examine;
use super::suspects::Link;
use super::sync::Folder;
use super::watch::backoff;
use super::{ImapSource, SyncError, WatchError};
use crate::dial::connections;
use crate::source::backfill::Left;
use crate::source::{Cursor, FolderRole};
use crate::supervisor::{Stop, Waited};

/// Failed tries to open a work connection, one after the other, until the work is done on the
/// connection that watches, which the server does allow.
const OPEN_FAILURES_MAX: u32 = 3;
/// How long a mailbox for sent mail that cannot be opened is left alone.
const BARRED_MS: i64 = 15 * MINUTE_MS;
/// When the inbox is tried again that the watch has to open anew first.
const INBOX_AGAIN_MS: i64 = MINUTE_MS / 2;
/// How long a backfill waits for the plugins, or for the inbox.
const BACKFILL_AGAIN_MS: i64 = 2_000;
/// Shortest wait before something that is due again is done.
const AGAIN_MIN_MS: i64 = 1_000;
/// Longest wait without a look at what is due.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// The folders as the work knows them; they outlive connections.
pub(super) struct Chores {
    inbox: Folder,
    sent: Option<Folder>,
    /// Sent cannot be opened; it is tried again then.
    barred: Option<Timestamp>,
}

impl ImapSource {
    pub(super) fn new_chores(&self) -> Mutex<Chores> {
        Mutex::new(Chores {
            inbox: self.folder(FolderRole::Inbox, &self.settings.inbox),
            sent: None,
            barred: None,
        })
    }

    /// Works whenever there is something to do, until `stop`. A lost connection is none of the
    /// watch's.
    pub(super) async fn working(&self, chores: &Mutex<Chores>, stop: &Stop) {
        let mut failures: u32 = 0;
        loop {
            let wait = self.until_work();
            tokio::select! {
                biased;
                () = stop.stopped() => break,
                () = self.work.wanted.notified() => {}
                _ = stop.sleep(wait) => {}
            }
            if self.is_alone() {
                self.work.close().await;
                // Due by time, so that the watch may not know.
                if self.board.notes().wants_work(self.clock.now()) {
                    self.poke();
                }
                failures = 0;
            } else if self.work_until_done(chores, stop, &mut failures).await == Waited::Stopped {
                break;
            }
        }
        self.work.drop_connection();
    }

    /// Turn after turn while there is something to do. Fails only into a wait.
    async fn work_until_done(
        &self,
        chores: &Mutex<Chores>,
        stop: &Stop,
        failures: &mut u32,
    ) -> Waited {
        while self.board.notes().wants_work(self.clock.now()) && !self.is_alone() {
            let turn = AssertUnwindSafe(Box::pin(self.work_turn(chores))).catch_unwind();
            let end = tokio::select! {
                biased;
                () = stop.stopped() => {
                    self.suspects.forget_running(Link::Work);
                    return Waited::Stopped;
                }
                end = turn => end.unwrap_or(Err(WatchError::Panicked)),
            };
            let Err(error) = end else {
                *failures = 0;
                self.work.close_if_wanted().await;
                continue;
            };
            let wait = self.after_work_failure(&error, *failures);
            *failures = failures.saturating_add(1);
            if stop.sleep(wait).await == Waited::Stopped {
                return Waited::Stopped;
            }
        }
        self.work.close_unused().await;
        if self.is_alone() {
            // Refused meanwhile: what is left is the watch's.
            self.poke();
        }
        Waited::Elapsed
    }

    async fn work_turn(&self, chores: &Mutex<Chores>) -> Result<(), WatchError> {
        let mut chores = chores.lock().await;
        let mut held = self.lease().await?;
        match held.as_mut() {
            Some(held) => Ok(self.turn(&mut held.connection, &mut chores).await?),
            None => Ok(()),
        }
    }

    /// Tells of the failure and gives the wait until the next try.
    fn after_work_failure(&self, error: &WatchError, failures: u32) -> Duration {
        let settings = &self.settings;
        self.suspects.failed(Link::Work, &error.in_words());
        if let WatchError::Open(open) = error
            && (open.parks() || failures.saturating_add(1) >= OPEN_FAILURES_MAX)
        {
            connections::lower(&settings.host, &settings.user);
        }
        let wait = backoff(&format!("{} work", settings.place()), failures);
        tracing::warn!(
            mailbox = %self.mailbox, retry_in_s = wait.as_secs(),
            "the work beside watching {} stopped: {}", settings.place(), error.in_words()
        );
        if let WatchError::Sync(error) = error {
            let words = format!("{}: {error}", settings.place());
            self.intake
                .trouble(&self.mailbox, error.folder(), words, error.needs_person());
        }
        wait
    }

    /// Time until something is due, or the connection is to be closed.
    fn until_work(&self) -> Duration {
        let due = self.board.notes().next().map(|at| self.until(at));
        let close = self.work.closes_at();
        let close = close.map(|at| at.saturating_duration_since(tokio::time::Instant::now()));
        due.into_iter()
            .chain(close)
            .min()
            .unwrap_or(WAIT_MAX)
            .clamp(Duration::from_millis(10), WAIT_MAX)
    }

    /// Does some of what is to be done, the most urgent first. Leaves any mailbox open.
    pub(super) async fn turn(
        &self,
        connection: &mut Connection,
        chores: &mut Chores,
    ) -> Result<(), SyncError> {
        let (sent_changed, unread_found) = {
            let mut notes = self.board.notes();
            self.meet(chores, &notes);
            (
                std::mem::take(&mut notes.sent_changed),
                std::mem::take(&mut notes.unread_found),
            )
        };
        let result = self
            .do_some(connection, chores, (sent_changed, unread_found))
            .await;
        let mut notes = self.board.notes();
        match &result {
            Ok(()) => {
                let soonest = self.clock.now().plus_millis(AGAIN_MIN_MS);
                notes.due = chores.due().map(|due| due.max(soonest));
                notes.sent_barred = chores.barred;
                notes.more = chores.history_waits();
            }
            Err(_) => {
                notes.sent_changed |= sent_changed;
                notes.unread_found |= unread_found;
                notes.more = true;
            }
        }
        result
    }

    /// The Sent that was last found.
    fn meet(&self, chores: &mut Chores, notes: &Notes) {
        let known = chores.sent.as_ref();
        let known = known.map(|sent| sent.reference.folder.as_str());
        if known != notes.names.sent.as_deref() {
            let name = notes.names.sent.as_deref();
            chores.sent = name.map(|name| self.folder(FolderRole::Sent, name));
            chores.barred = None;
        }
        if notes.sent_barred.is_none() {
            chores.barred = None;
        }
    }

    async fn do_some(
        &self,
        connection: &mut Connection,
        chores: &mut Chores,
        (sent_changed, unread_found): (bool, bool),
    ) -> Result<(), SyncError> {
        let now = self.clock.now();
        let barred = chores.barred.is_some_and(|until| now < until);
        if let Some(sent) = chores.sent.as_mut().filter(|_| !barred)
            && (sent_changed || unread_found || sent.wants_work(now))
        {
            chores.barred = None;
            match self.work_on_sent(connection, sent).await {
                // The inbox is worked on all the same.
                Err(error @ SyncError::Folder { .. }) => {
                    chores.barred = Some(now.plus_millis(BARRED_MS));
                    let words = format!("{}: {error}", self.settings.place());
                    self.intake
                        .trouble(&self.mailbox, error.folder(), words, error.needs_person());
                }
                other => other?,
            }
        }
        if unread_found || chores.inbox.wants_work(now) {
            self.work_on_inbox(connection, &mut chores.inbox).await?;
        }
        if chores.history_waits() || !self.board.notes().backfill_due(now) {
            return Ok(());
        }
        let left = self.backfill_some(connection, chores).await?;
        let mut notes = self.board.notes();
        notes.backfill = left != Left::Nothing;
        let later = self.clock.now().plus_millis(BACKFILL_AGAIN_MS);
        notes.backfill_at = (left == Left::Later).then_some(later);
        Ok(())
    }

    async fn work_on_sent(
        &self,
        connection: &mut Connection,
        sent: &mut Folder,
    ) -> Result<(), SyncError> {
        self.visit(connection, sent).await?;
        self.board.notes().sent_seen = sent.seen;
        self.read_again(connection, sent).await?;
        self.reconcile(connection, sent).await?;
        self.record_history(connection, sent).await
    }

    async fn work_on_inbox(
        &self,
        connection: &mut Connection,
        inbox: &mut Folder,
    ) -> Result<(), SyncError> {
        if !self.open_inbox(connection, inbox).await? {
            inbox.wait_until(self.clock.now().plus_millis(INBOX_AGAIN_MS));
            self.board.notes().revisit = true;
            self.poke();
            return Ok(());
        }
        self.read_again(connection, inbox).await?;
        self.reconcile(connection, inbox).await?;
        self.record_history(connection, inbox).await
    }

    /// Opens the inbox as far as the watch has taken it; false when its UIDs mean something else
    /// than the durable cursor says, which is the watch's to mend.
    pub(super) async fn open_inbox(
        &self,
        connection: &mut Connection,
        inbox: &mut Folder,
    ) -> Result<bool, SyncError> {
        let name = inbox.reference.folder.clone();
        let opened = examine(connection, &name)
            .await?
            .map_err(|text| SyncError::Folder { name, text })?;
        connection.news = false;
        inbox.opened_as(opened, self.clock.now());
        Ok(match self.intake.cursor(&inbox.reference).await? {
            Some(Cursor::Imap {
                uid_validity,
                next_uid,
            }) if uid_validity == opened.uid_validity
                && opened.uid_next.is_none_or(|next| next >= next_uid) =>
            {
                inbox.follow(uid_validity, next_uid);
                true
            }
            _ => false,
        })
    }
}

impl Chores {
    /// The folders that can be worked on.
    pub(super) fn open_folders(&mut self) -> impl Iterator<Item = &mut Folder> {
        let sent = self.sent.iter_mut().filter(|_| self.barred.is_none());
        std::iter::once(&mut self.inbox).chain(sent)
    }

    /// When there is something to do next; history that waits is due at once.
    fn due(&self) -> Option<Timestamp> {
        let sent = self.sent.as_ref().and_then(Folder::due);
        let sent = sent.map(|due| self.barred.map_or(due, |until| until.max(due)));
        self.inbox.due().into_iter().chain(sent).min()
    }

    fn history_waits(&self) -> bool {
        let sent = self.sent.as_ref().filter(|_| self.barred.is_none());
        self.inbox.history_waits() || sent.is_some_and(Folder::history_waits)
    }
}
