//! The loop: open, look, wait, and begin again when the connection is lost.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use liaison_core::time::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::Untagged;
use super::board::Seen;
use super::chores::Chores;
use super::connection::{COMMAND_LIMIT, Connection, IdleEnd};
use super::folders::{OwnNames, find_own};
use super::open::{OpenError, mended, open};
use super::suspects::Link;
use super::sync::Folder;
use super::wire::Command;
use super::{ImapSource, PANICKED, SyncError, WatchError};
use crate::source::{FolderRef, FolderRole};
use crate::supervisor::{Stop, Waited};

/// First wait after a lost connection.
const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// Longest wait after lost connections.
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);
/// Wait after a refused login; more often would lock accounts.
const PARKED_WAIT: Duration = Duration::from_secs(60 * 60);
/// How long a connection must have worked for its losses to be forgotten.
const SURVIVED: Duration = Duration::from_secs(10 * 60);
/// How long it must have worked for one of them to be. Shorter, and a server that drops us after
/// each look would be dialled without end.
const SURVIVED_ONCE: Duration = Duration::from_secs(60);

/// How often a mailbox for sent mail is looked for where there was none: LIST may have failed, or
/// somebody makes one.
const SENT_SOUGHT_EVERY: Duration = Duration::from_secs(15 * 60);
/// Looks one after the other because each look brought news; behind that IDLE sets the pace.
const NEWS_IN_A_ROW_MAX: u32 = 50;
/// Shortest wait before something that is due is done.
pub(super) const AGAIN_MIN: Duration = Duration::from_secs(1);

/// A session as it goes on.
struct Session<'a> {
    source: &'a ImapSource,
    connection: Connection,
    inbox_open: bool,
    idle_works: bool,
    /// When the own folders were last looked for.
    sought: Instant,
}

impl ImapSource {
    /// Watches until `stop`, and works beside that. A panic in reading is a lost connection, and
    /// one of the two connections says nothing about the other.
    pub async fn run(self: Arc<Self>, stop: Stop) {
        // Still running from the last time: that ended in a panic.
        for link in [Link::Watch, Link::Work] {
            self.suspects.failed(link, PANICKED);
        }
        let chores = self.new_chores();
        tokio::join!(
            Box::pin(self.watching(&chores, &stop)),
            Box::pin(self.working(&chores, &stop)),
        );
    }

    async fn watching(&self, chores: &Mutex<Chores>, stop: &Stop) {
        let mut inbox = self.new_inbox();
        let mut attempt: u32 = 0;
        while !stop.is_set() {
            let (began, mut looked) = (Instant::now(), false);
            let session = self.session((&mut inbox, chores), stop, &mut looked);
            let session = AssertUnwindSafe(Box::pin(session)).catch_unwind();
            let end = tokio::select! {
                biased;
                () = stop.stopped() => {
                    self.suspects.forget_running(Link::Watch);
                    return;
                }
                end = session => end.unwrap_or(Err(WatchError::Panicked)),
            };
            let Err(error) = end else { return };
            attempt = forgiven(attempt, looked.then(|| began.elapsed()));
            let wait = self.after_failure(&error, attempt);
            attempt = attempt.saturating_add(1);
            let waited = match error.parked() {
                Some(error) => self.wait_parked(error, stop).await,
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
        self.suspects.failed(Link::Watch, &error.in_words());
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
        folders: (&mut Folder, &Mutex<Chores>),
        stop: &Stop,
        looked: &mut bool,
    ) -> Result<(), WatchError> {
        let connection = open(&self.settings).await?;
        self.watch(connection, folders, stop, looked).await
    }

    pub(super) async fn watch(
        &self,
        connection: Connection,
        (inbox, chores): (&mut Folder, &Mutex<Chores>),
        stop: &Stop,
        looked: &mut bool,
    ) -> Result<(), WatchError> {
        let mut session = Session {
            source: self,
            idle_works: connection.can("IDLE"),
            connection,
            inbox_open: false,
            sought: Instant::now(),
        };
        // In boxes of their own, given back before the wait: thousands of mailboxes wait.
        Box::pin(session.seek()).await?;
        let mut news_in_a_row: u32 = 0;
        loop {
            Box::pin(session.seek_again()).await?;
            Box::pin(session.look(inbox)).await?;
            *looked = true;
            let more = Box::pin(session.work_alone(inbox, chores)).await?;
            news_in_a_row = match session.connection.news {
                true => news_in_a_row.saturating_add(1),
                false => 0,
            };
            let busy = more || (1..NEWS_IN_A_ROW_MAX).contains(&news_in_a_row);
            if !busy && session.wait(stop).await? == Waited::Stopped {
                Box::pin(session.connection.log_out()).await;
                return Ok(());
            }
        }
    }

    /// Time until `at`, at least [`AGAIN_MIN`].
    pub(super) fn until(&self, at: Timestamp) -> Duration {
        let millis = u64::try_from(at.since(self.clock.now())).unwrap_or(0);
        Duration::from_millis(millis).max(AGAIN_MIN)
    }

    pub(super) fn folder(&self, role: FolderRole, name: &str) -> Folder {
        Folder::new(self.reference(role, name))
    }

    fn reference(&self, role: FolderRole, name: &str) -> FolderRef {
        FolderRef {
            mailbox: self.mailbox.clone(),
            folder: name.to_owned(),
            role,
        }
    }

    pub(super) fn new_inbox(&self) -> Folder {
        self.folder(FolderRole::Inbox, &self.settings.inbox)
    }
}

impl Session<'_> {
    /// Finds the owner's own folders.
    async fn seek(&mut self) -> Result<(), SyncError> {
        let ImapSource {
            mailbox,
            settings,
            board,
            intake,
            ..
        } = self.source;
        self.sought = Instant::now();
        let configured = OwnNames {
            sent: settings.sent.clone(),
            drafts: settings.drafts.clone(),
        };
        let names = find_own(&mut self.connection, &configured).await?;
        if names.sent.is_none() {
            tracing::warn!(
                %mailbox,
                "no mailbox for sent mail found; set `sent`, or replies by hand stay unseen"
            );
        }
        // Drafts count as soon as the server says how they are, which not every one does.
        let watched: Vec<&str> = std::iter::once(&settings.inbox)
            .chain(names.sent.as_ref())
            .map(String::as_str)
            .collect();
        intake.watches(mailbox, &watched);
        if let Some(name) = &names.sent {
            let mut sent = self.source.folder(FolderRole::Sent, name);
            let connection = &mut self.connection;
            if self.source.draw_first_line(connection, &mut sent).await? {
                self.inbox_open = false;
            }
        }
        let mut notes = board.notes();
        if notes.names != names {
            notes.sent_seen = None;
            notes.names = names;
        }
        Ok(())
    }

    /// Once in a while, where there was no mailbox for sent mail or it could not be opened.
    async fn seek_again(&mut self) -> Result<(), SyncError> {
        let missing = {
            let notes = self.source.board.notes();
            notes.names.sent.is_none() || notes.sent_barred.is_some()
        };
        if missing && self.sought.elapsed() >= SENT_SOUGHT_EVERY {
            self.seek().await?;
        }
        Ok(())
    }

    /// Looks at the inbox and leaves it open, and asks how the own folders are.
    async fn look(&mut self, inbox: &mut Folder) -> Result<(), SyncError> {
        if std::mem::take(&mut self.source.board.notes().revisit) {
            self.inbox_open = false;
        }
        self.look_at_inbox(inbox).await?;
        {
            let mut notes = self.source.board.notes();
            let first = !std::mem::replace(&mut notes.ready, true);
            (notes.more, notes.backfill) = (notes.more || first, notes.backfill || first);
        }
        self.compare_sent().await?;
        self.compare_drafts().await
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

    /// Notes whether Sent is as it was when it was last read.
    async fn compare_sent(&mut self) -> Result<(), SyncError> {
        let source = self.source;
        let (name, clock) = (source.board.notes().names.sent.clone(), source.clock.now());
        let Some(name) = name else { return Ok(()) };
        let now = status(&mut self.connection, &name).await?;
        let mut notes = source.board.notes();
        let same = now.is_some() && now == notes.sent_seen;
        if std::mem::replace(&mut notes.sent_told, now).is_none() && now.is_some() {
            // Somebody made it, or gave us access.
            notes.sent_barred = None;
        }
        let barred = notes.sent_barred.is_some_and(|until| clock < until);
        notes.sent_changed |= !same && !barred;
        drop(notes);
        if same {
            let sent = source.reference(FolderRole::Sent, &name);
            source.intake.proven_fresh(&sent, "UIDNEXT compared");
        }
        Ok(())
    }

    /// Tells the intake how Drafts are; nothing in them is an event.
    async fn compare_drafts(&mut self) -> Result<(), SyncError> {
        let source = self.source;
        let name = source.board.notes().names.drafts.clone();
        let Some(name) = name else { return Ok(()) };
        if status(&mut self.connection, &name).await?.is_some() {
            source.intake.drafts_compared(&source.mailbox, &name);
        }
        Ok(())
    }

    /// What is to be done besides, where there is no other connection for it; true when there is
    /// more. The inbox is open afterwards.
    async fn work_alone(
        &mut self,
        inbox: &mut Folder,
        chores: &Mutex<Chores>,
    ) -> Result<bool, SyncError> {
        let source = self.source;
        let wants_work = source.board.notes().wants_work(source.clock.now());
        if !source.is_alone() {
            if wants_work {
                source.work.wanted.notify_one();
            }
            return Ok(false);
        }
        let mut worked = false;
        while let Some(job) = source.work.next_job() {
            worked = true;
            job(&mut self.connection).await;
        }
        // Held by the other side while it waits for a connection of its own.
        if let Ok(mut chores) = chores.try_lock()
            && wants_work
        {
            worked = true;
            source.turn(&mut self.connection, &mut chores).await?;
        }
        if worked {
            self.inbox_open = false;
            self.look_at_inbox(inbox).await?;
        }
        Ok(source.board.notes().more)
    }

    /// Waits for news, the next poll, work that is due, a poke or the stop.
    async fn wait(&mut self, stop: &Stop) -> Result<Waited, SyncError> {
        let source = self.source;
        let settings = &source.settings;
        let due = source.board.notes().next().filter(|_| source.is_alone());
        let due = due.map(|at| source.until(at));
        let at_most = |usual: Duration| due.map_or(usual, |due| usual.min(due));
        if self.idle_works {
            let wake = async {
                tokio::select! {
                    () = source.poked.notified() => {}
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
                () = source.poked.notified() => {}
            }
        }
        Ok(match stop.is_set() {
            true => Waited::Stopped,
            false => Waited::Elapsed,
        })
    }
}

/// UIDVALIDITY and UIDNEXT of a mailbox that is not open; `None` where the server tells neither.
async fn status(connection: &mut Connection, name: &str) -> Result<Option<Seen>, SyncError> {
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

/// How many of the losses before still count, after a connection that worked for `survived`.
fn forgiven(attempt: u32, survived: Option<Duration>) -> u32 {
    match survived {
        Some(survived) if survived >= SURVIVED => 0,
        Some(survived) if survived >= SURVIVED_ONCE => attempt.saturating_sub(1),
        _ => attempt,
    }
}

/// Doubles from [`BACKOFF_FIRST`] to [`BACKOFF_MAX`], the upper half spread by a hash, so that
/// mailboxes of one server do not all come back at once.
pub(super) fn backoff(place: &str, attempt: u32) -> Duration {
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
            WatchError::Sync(_) | WatchError::Panicked => None,
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

    #[test]
    fn losses_are_forgotten_one_by_one_and_after_ten_minutes_all() {
        let secs = |secs| Some(Duration::from_secs(secs));
        for (survived, left) in [
            (None, 5),
            (secs(59), 5),
            (secs(60), 4),
            (secs(599), 4),
            (secs(600), 0),
        ] {
            assert_eq!(forgiven(5, survived), left, "{survived:?}");
        }
        assert_eq!(forgiven(0, secs(60)), 0);
    }
}
