//! The loop: open, look, wait, and begin again when the connection is lost.

use std::sync::Arc;
use std::time::Duration;

use liaison_core::time::Timestamp;
use tokio::time::Instant;

use super::answer::Untagged;
use super::connection::{COMMAND_LIMIT, Connection, IdleEnd};
use super::folders::find;
use super::open::{OpenError, mended, open};
use super::sync::Folder;
use super::wire::Command;
use super::{ImapSource, SyncError, WatchError};
use crate::sink::OwnFolder;
use crate::source::{FolderRef, FolderRole};
use crate::supervisor::{Stop, Waited};

/// First wait after a lost connection.
const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// Longest wait after lost connections.
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);
/// Wait after a refused login; more often would lock accounts.
const PARKED_WAIT: Duration = Duration::from_secs(60 * 60);
/// How long a connection must have worked to count as good. Shorter, and a server that drops us
/// after each look would be dialled without end.
const SURVIVED: Duration = Duration::from_secs(60);

/// How often a mailbox for sent mail is looked for where there was none: LIST may have failed, or
/// somebody makes one.
const SENT_SOUGHT_EVERY: Duration = Duration::from_secs(15 * 60);
/// Looks one after the other because each look brought news; behind that IDLE sets the pace.
const NEWS_IN_A_ROW_MAX: u32 = 50;
/// Shortest wait before messages that could not be read are asked for again.
const AGAIN_MIN: Duration = Duration::from_secs(1);

/// The folders of one source while it runs; they outlive connections.
pub(super) struct Folders {
    inbox: Folder,
    sent: Option<Folder>,
}

/// A session as it goes on.
struct Session<'a> {
    source: &'a ImapSource,
    connection: Connection,
    inbox_open: bool,
    idle_works: bool,
    /// There is no mailbox for sent mail, or it cannot be opened.
    sent_missing: bool,
    /// When it was last looked for.
    sent_sought: Instant,
}

impl ImapSource {
    /// Watches until `stop`. A panic in it is a lost connection: the supervisor runs it again,
    /// on the same `ImapSource`, which remembers what it was reading.
    pub async fn run(self: Arc<Self>, stop: Stop) {
        // Still running from the last time: that ended in a panic.
        self.suspects.failed("its answer cannot be parsed");
        let mut folders = self.new_folders();
        let mut attempt: u32 = 0;
        while !stop.is_set() {
            let (began, mut looked) = (Instant::now(), false);
            let end = tokio::select! {
                biased;
                () = stop.stopped() => {
                    self.suspects.forget_running();
                    return;
                }
                end = Box::pin(self.session(&mut folders, &stop, &mut looked)) => end,
            };
            let Err(error) = end else { return };
            if looked && began.elapsed() >= SURVIVED {
                attempt = 0;
            }
            let wait = self.after_failure(&error, attempt);
            attempt = attempt.saturating_add(1);
            let waited = match error.parked() {
                Some(error) => self.wait_parked(error, &stop).await,
                None => stop.sleep(wait).await,
            };
            if waited == Waited::Stopped {
                return;
            }
        }
    }

    /// Waits out [`PARKED_WAIT`], or until somebody mended it.
    async fn wait_parked(&self, error: &OpenError, stop: &Stop) -> Waited {
        tokio::select! {
            waited = stop.sleep(PARKED_WAIT) => waited,
            () = mended(&self.settings, error, stop) => match stop.is_set() {
                true => Waited::Stopped,
                false => Waited::Elapsed,
            },
        }
    }

    /// Tells of the failure and gives the wait until the next try.
    fn after_failure(&self, error: &WatchError, attempt: u32) -> Duration {
        self.suspects.failed(&error.in_words());
        let wait = error
            .wait()
            .unwrap_or_else(|| backoff(&self.settings.place(), attempt));
        let words = self.words(error);
        tracing::warn!(mailbox = %self.mailbox, retry_in_s = wait.as_secs(), "{words}");
        self.intake
            .trouble(&self.mailbox, error.folder(), words, error.needs_person());
        wait
    }

    /// One connection from login to loss; `Ok` when it was told to stop.
    async fn session(
        &self,
        folders: &mut Folders,
        stop: &Stop,
        looked: &mut bool,
    ) -> Result<(), WatchError> {
        let connection = open(&self.settings).await?;
        self.watch(connection, folders, stop, looked).await
    }

    pub(super) async fn watch(
        &self,
        mut connection: Connection,
        folders: &mut Folders,
        stop: &Stop,
        looked: &mut bool,
    ) -> Result<(), WatchError> {
        self.find_sent(&mut connection, folders).await?;
        let mut session = Session {
            source: self,
            idle_works: connection.can("IDLE"),
            connection,
            inbox_open: false,
            sent_missing: folders.sent.is_none(),
            sent_sought: Instant::now(),
        };
        let mut news_in_a_row: u32 = 0;
        loop {
            if session.sent_missing && session.sent_sought.elapsed() >= SENT_SOUGHT_EVERY {
                session.sent_sought = Instant::now();
                self.find_sent(&mut session.connection, folders).await?;
            }
            session.look(folders).await?;
            *looked = true;
            news_in_a_row = match session.connection.news {
                true => news_in_a_row.saturating_add(1),
                false => 0,
            };
            let busy = (1..NEWS_IN_A_ROW_MAX).contains(&news_in_a_row)
                || folders.inbox.history_waits()
                || folders.sent.as_ref().is_some_and(Folder::history_waits);
            let again = folders.again().map(|at| self.until(at));
            if !busy && session.wait(stop, again).await? == Waited::Stopped {
                session.connection.log_out().await;
                return Ok(());
            }
        }
    }

    async fn find_sent(
        &self,
        connection: &mut Connection,
        folders: &mut Folders,
    ) -> Result<(), WatchError> {
        let configured = self.settings.sent.as_deref();
        let name = find(connection, OwnFolder::Sent, configured).await?;
        match name {
            Some(name)
                if folders
                    .sent
                    .as_ref()
                    .is_some_and(|sent| sent.reference.folder == name) => {}
            Some(name) => folders.sent = Some(self.folder(FolderRole::Sent, &name)),
            None => {
                tracing::warn!(
                    mailbox = %self.mailbox,
                    "no mailbox for sent mail found; set `sent`, or replies by hand stay unseen"
                );
                folders.sent = None;
            }
        }
        let sent = folders.sent.iter();
        let names: Vec<&str> = std::iter::once(&folders.inbox)
            .chain(sent)
            .map(|folder| folder.reference.folder.as_str())
            .collect();
        self.intake.watches(&self.mailbox, &names);
        Ok(())
    }

    /// Time until `at`, at least [`AGAIN_MIN`].
    fn until(&self, at: Timestamp) -> Duration {
        let millis = u64::try_from(at.since(self.clock.now())).unwrap_or(0);
        Duration::from_millis(millis).max(AGAIN_MIN)
    }

    pub(super) fn folder(&self, role: FolderRole, name: &str) -> Folder {
        Folder::new(FolderRef {
            mailbox: self.mailbox.clone(),
            folder: name.to_owned(),
            role,
        })
    }

    pub(super) fn new_folders(&self) -> Folders {
        Folders {
            inbox: self.folder(FolderRole::Inbox, &self.settings.inbox),
            sent: None,
        }
    }
}

impl Folders {
    /// When a message that could not be read is asked for again.
    fn again(&self) -> Option<Timestamp> {
        let sent = self.sent.as_ref().and_then(|sent| sent.again);
        self.inbox.again.into_iter().chain(sent).min()
    }
}

impl Session<'_> {
    /// Looks at both folders and leaves the inbox open.
    async fn look(&mut self, folders: &mut Folders) -> Result<(), SyncError> {
        self.look_at_inbox(&mut folders.inbox).await?;
        self.sent_missing = folders.sent.is_none();
        if let Some(sent) = &mut folders.sent {
            match self.look_at_sent(sent).await {
                // The inbox is watched all the same.
                Err(error @ SyncError::Folder { .. }) => {
                    self.inbox_open = false;
                    self.sent_missing = true;
                    self.tell(&error);
                }
                other => other?,
            }
        }
        if !self.inbox_open {
            self.look_at_inbox(&mut folders.inbox).await?;
        }
        let inbox = &mut folders.inbox;
        self.source.read_again(&mut self.connection, inbox).await?;
        self.source.reconcile(&mut self.connection, inbox).await?;
        self.source
            .record_history(&mut self.connection, inbox)
            .await
    }

    fn tell(&self, error: &SyncError) {
        let source = self.source;
        let words = format!("{}: {error}", source.settings.place());
        let (folder, person) = (error.folder(), error.needs_person());
        source
            .intake
            .trouble(&source.mailbox, folder, words, person);
    }

    async fn look_at_inbox(&mut self, inbox: &mut Folder) -> Result<(), SyncError> {
        if self.inbox_open {
            let news = self.connection.news;
            let found = self.source.catch_up(&mut self.connection, inbox).await?;
            if found || !news {
                return Ok(());
            }
            // More messages and no new UID: what we know of the mailbox is not true any more.
        }
        self.source.visit(&mut self.connection, inbox).await?;
        self.inbox_open = true;
        Ok(())
    }

    async fn look_at_sent(&mut self, sent: &mut Folder) -> Result<(), SyncError> {
        let name = &sent.reference.folder;
        let now = status(&mut self.connection, name).await?;
        let clock = self.source.clock.now();
        let due = sent.again.is_some_and(|at| at <= clock)
            || sent.relist_due(clock)
            || sent.is_to_reconcile(clock);
        if now.is_some() && now == sent.seen && !sent.history_left() && !due {
            self.source
                .intake
                .proven_fresh(&sent.reference, "UIDNEXT compared");
            return Ok(());
        }
        self.inbox_open = false;
        self.source.visit(&mut self.connection, sent).await?;
        self.source.read_again(&mut self.connection, sent).await?;
        self.source.reconcile(&mut self.connection, sent).await?;
        self.source.record_history(&mut self.connection, sent).await
    }

    /// Waits for news, the next poll, a message that is due again, a poke or the stop.
    async fn wait(&mut self, stop: &Stop, again: Option<Duration>) -> Result<Waited, SyncError> {
        let settings = &self.source.settings;
        let at_most = |usual: Duration| again.map_or(usual, |again| usual.min(again));
        if self.idle_works {
            let wake = async {
                tokio::select! {
                    () = self.source.poked.notified() => {}
                    () = stop.stopped() => {}
                }
            };
            let end = self
                .connection
                .idle(at_most(settings.idle_length()), wake)
                .await?;
            self.idle_works = end != IdleEnd::Refused;
        } else {
            tokio::select! {
                _ = stop.sleep(at_most(settings.poll_interval())) => {}
                () = self.source.poked.notified() => {}
            }
        }
        Ok(match stop.is_set() {
            true => Waited::Stopped,
            false => Waited::Elapsed,
        })
    }
}

/// UIDVALIDITY and UIDNEXT of a mailbox that is not open; `None` where the server tells neither.
async fn status(connection: &mut Connection, name: &str) -> Result<Option<(u32, u32)>, SyncError> {
    let command = Command::new("STATUS")
        .mailbox(name)
        .text(" (UIDNEXT UIDVALIDITY)");
    let mut found = None;
    let answer = connection
        .exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Status {
                uid_next: Some(uid_next),
                uid_validity: Some(uid_validity),
            } = answer
            {
                found = Some((uid_validity, uid_next));
            }
        })
        .await?;
    // A refusal is left to EXAMINE, which says it in words that name the mailbox.
    Ok(found.filter(|_| answer.is_ok()))
}

/// Doubles from [`BACKOFF_FIRST`] to [`BACKOFF_MAX`], the upper half spread by a hash, so that
/// mailboxes of one server do not all come back at once.
fn backoff(place: &str, attempt: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempt.min(16));
    let full = BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_MAX);
    let mut hasher = blake3::Hasher::new();
    hasher.update(place.as_bytes());
    hasher.update(&attempt.to_be_bytes());
    let spread = hasher.finalize().as_bytes().first().copied().unwrap_or(0);
    full.mul_f64(0.5 + f64::from(spread) / 512.0)
}

impl WatchError {
    /// What only a person can mend of the login.
    fn parked(&self) -> Option<&OpenError> {
        match self {
            WatchError::Open(error) if error.parks() => Some(error),
            _ => None,
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            WatchError::Open(_) if self.parked().is_some() => Some(PARKED_WAIT),
            WatchError::Open(error) => error.wait(),
            WatchError::Sync(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_minutes_and_differ_between_mailboxes() {
        let waits: Vec<u64> = (0..12)
            .map(|n| backoff("alice", n).as_millis() as u64)
            .collect();
        assert!((1_000..=2_000).contains(&waits[0]), "{waits:?}");
        assert!((150_000..=300_000).contains(&waits[11]), "{waits:?}");
        assert_ne!(backoff("alice", 5), backoff("bob", 5));
    }
}
