//! A Maildir as a source of mail (<https://cr.yp.to/proto/maildir.html>, Maildir++ folders).
//!
//! A message is known by the unique part of its file name, so a move from `new` to `cur` or a
//! changed flag is not news. Files are never changed, moved or renamed. inotify hints when to
//! look; each look lists the folders and is the proof; `rescan_secs` bounds what a lost hint costs.
//!
//! **The line.** The first visit makes the time at which it began durable ([`Cursor::Maildir`])
//! before it reads anything, and takes all that lies there as history: the newest
//! `history_messages_max` are recorded, some at each look, behind new mail. From then on a file that was never
//! taken is judged by its times ([`Times::before_line`]): so a crash in the middle of the history
//! leaves the rest of it history, mail that arrived meanwhile live, and old mail that a person
//! files here later history. This needs a machine clock that agrees with the file system's.
//!
//! A file that cannot be read now is the intake's to remember; it is read again when it is due.

mod backfill;
pub(crate) mod content;
pub(crate) mod listing;
mod settings;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use liaison_core::ids::MailboxId;
use liaison_core::time::{MINUTE_MS, Timestamp};

use self::content::{Fresh, Judged};
use self::listing::{Listed, Subfolders};
pub use self::settings::MaildirSettings;
use crate::clock::Clock;
use crate::hint::FolderHints;
use crate::source::{
    Arrived, Batch, BatchMode, Content, Cursor, FolderRef, FolderRole, Intake, IntakeError, Unread,
};
use crate::supervisor::Stop;

/// Largest message taken whole, in bytes (the parser's limit); of larger ones the header.
pub const MESSAGE_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Most names asked for at once, so that a first visit to a huge folder stays small in memory.
const NAMES_ASKED_MAX: usize = 1000;
/// Wait after a look that failed, and shortest wait for a file that is to be read again.
const RETRY: Duration = Duration::from_secs(5);
/// Of the time, listing takes at most one part in so many: a folder of a hundred thousand files is not listed
/// again for each of the mails that are just being filed there.
const LOOKING_PART: u32 = 20;
/// Portions of history recorded in one look, so that new mail is never far behind.
const HISTORY_PORTIONS_PER_LOOK: usize = 10;
/// A delivery may have begun this long before the line was drawn and still be new mail.
const DELIVERY_MS: i64 = 10 * MINUTE_MS;
/// File times lag behind the clock by up to a kernel tick (10 ms at 100 Hz).
const TICK_MS: i64 = 20;

/// Watches one Maildir and its Sent folder.
pub struct MaildirSource {
    mailbox: MailboxId,
    settings: MaildirSettings,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    hints: Arc<FolderHints>,
}

impl std::fmt::Debug for MaildirSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MaildirSource")
            .field("mailbox", &self.mailbox)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Makes a [`MaildirSource`] look at once.
#[derive(Debug, Clone)]
pub struct Poke(Arc<FolderHints>);

impl Poke {
    /// Asks for a look now; several before it make one.
    pub fn poke(&self) {
        self.0.poke();
    }
}

/// What is remembered of a folder between looks; all of it can be lost.
#[derive(Debug)]
struct Watched {
    folder: FolderRef,
    path: PathBuf,
    line: Option<Timestamp>,
    /// Hashes of names that are known to be taken or wait in `history`, so that a look asks only
    /// for new ones.
    seen: HashSet<[u8; 16]>,
    /// History to be recorded, oldest first.
    history: VecDeque<Fresh>,
    /// How long listing it took at the last look.
    listing_took: Duration,
}

impl Watched {
    /// After a failed look nothing is believed but what the intake says.
    fn forget(&mut self) {
        self.seen.clear();
        self.history.clear();
    }
}

/// What a look leaves to be done.
#[derive(Debug, Default)]
struct Left {
    /// More history than one look records.
    history: bool,
    /// When a file that could not be read is read again.
    again: Option<Timestamp>,
}

/// New names of a look.
struct New {
    fresh: Vec<Fresh>,
    unjudged: Option<String>,
    /// Files to be read again that are not listed any more.
    gone: Vec<Unread>,
}

/// When a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// Last change of its content: the delivery, or older for a message filed from elsewhere.
    pub(crate) modified: Timestamp,
    /// Last change of the file itself, its name included.
    pub(crate) changed: Timestamp,
}

impl Times {
    /// Whether the file belongs to the history before `line`.
    ///
    /// It does if nothing happened to it since, not even a new name; and if its content is
    /// clearly older, because then a person or program renamed or filed an old message. What
    /// was being written when the line was drawn and got its name afterwards is new.
    fn before_line(self, line: Timestamp) -> bool {
        self.changed < line.minus_millis(TICK_MS) || self.modified < line.minus_millis(DELIVERY_MS)
    }
}

#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the Maildir {path} cannot be read ({why}); {remedy}")]
    Folder {
        path: String,
        why: String,
        remedy: &'static str,
        needs_person: bool,
    },
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("reading the Maildir ended early ({0})")]
    Reader(#[from] tokio::task::JoinError),
    #[error("no file of the Maildir can be read now ({0}); raise LimitNOFILE, or free memory")]
    Shortage(std::io::Error),
    #[error("{0}; it is looked at again, the other messages were taken")]
    Unjudged(String),
}

impl LookError {
    fn folder(watched: &Watched, error: &std::io::Error) -> LookError {
        let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
        LookError::Folder {
            path: watched.path.display().to_string(),
            why: error.to_string(),
            remedy: if denied {
                "give the user that Liaison runs as the right to read new and cur"
            } else {
                "is the disk mounted, and does `path` name the folder that holds new and cur?"
            },
            needs_person: denied,
        }
    }

    fn needs_person(&self) -> bool {
        matches!(self, LookError::Folder { needs_person, .. } if *needs_person)
    }
}

impl MaildirSource {
    /// A source for `mailbox`; nothing is touched before [`MaildirSource::run`].
    #[must_use]
    pub fn new(
        mailbox: MailboxId,
        settings: MaildirSettings,
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
    ) -> MaildirSource {
        MaildirSource {
            mailbox,
            settings,
            intake,
            clock,
            hints: Arc::new(FolderHints::new()),
        }
    }

    /// A handle that makes it look at once.
    #[must_use]
    pub fn poke_handle(&self) -> Poke {
        Poke(self.hints.clone())
    }

    /// Watches until the stop. Trouble is reported to the intake, and tried again.
    pub async fn run(self: Arc<Self>, stop: Stop) {
        let mut folders = self.folders();
        let names: Vec<&str> = folders
            .iter()
            .map(|one| one.folder.folder.as_str())
            .collect();
        self.intake.watches(&self.mailbox, &names);
        while !stop.is_set() {
            let mut interval = Duration::from_secs(self.settings.rescan_secs.max(1));
            for watched in &mut folders {
                match self.look(watched, &stop).await {
                    Ok(left) if left.history => interval = Duration::ZERO,
                    Ok(left) => {
                        let wait = left.again.map(|at| self.until(at));
                        interval = wait.map_or(interval, |wait| interval.min(wait));
                    }
                    Err(error) => {
                        watched.forget();
                        let (folder, what) = (&watched.folder.folder, error.to_string());
                        let person = error.needs_person();
                        self.intake
                            .trouble(&self.mailbox, Some(folder), what, person);
                        interval = interval.min(RETRY);
                        break; // Sent is not looked at while the Maildir itself is in trouble.
                    }
                }
            }
            if interval > RETRY {
                interval = self.backfill_after(&mut folders, interval).await;
            }
            if !interval.is_zero() {
                let took: Duration = folders.iter().map(|folder| folder.listing_took).sum();
                let rest = took.saturating_mul(LOOKING_PART).min(interval);
                stop.sleep(rest).await;
                self.hints.wait(interval.saturating_sub(rest), &stop).await;
            }
        }
    }

    /// Some backfill behind looks that left nothing to do; the wait until the next look.
    async fn backfill_after(&self, folders: &mut [Watched], interval: Duration) -> Duration {
        match self.backfill_some(folders).await {
            Ok(crate::source::backfill::Left::Nothing) => interval,
            Ok(crate::source::backfill::Left::More) => Duration::ZERO,
            Ok(crate::source::backfill::Left::Later) => interval.min(RETRY),
            Err(error) => {
                self.intake
                    .trouble(&self.mailbox, None, error.to_string(), error.needs_person());
                interval.min(RETRY)
            }
        }
    }

    /// Time until `at`, at least [`RETRY`].
    fn until(&self, at: Timestamp) -> Duration {
        let millis = u64::try_from(at.since(self.clock.now())).unwrap_or(0);
        Duration::from_millis(millis).max(RETRY)
    }

    fn folders(&self) -> Vec<Watched> {
        let watched = |folder: &str, role, path| Watched {
            folder: FolderRef {
                mailbox: self.mailbox.clone(),
                folder: folder.to_owned(),
                role,
            },
            path,
            line: None,
            seen: HashSet::new(),
            history: VecDeque::new(),
            listing_took: Duration::ZERO,
        };
        let mut folders = vec![watched(
            "INBOX",
            FolderRole::Inbox,
            self.settings.path.clone(),
        )];
        let sent = self.settings.sent.as_str();
        if !sent.is_empty() {
            folders.push(watched(
                sent,
                FolderRole::Sent,
                self.settings.path.join(sent),
            ));
        }
        folders
    }

    /// One look at one folder: everything that was never taken is taken, new mail first, history
    /// in turns, each oldest first.
    async fn look(&self, watched: &mut Watched, stop: &Stop) -> Result<Left, LookError> {
        let cursor = self.intake.cursor(&watched.folder).await?;
        let now = self.clock.now();
        let first_visit = !matches!(cursor, Some(Cursor::Maildir { .. }));
        let first_look = watched.line.is_none();
        let line = match (cursor, watched.line) {
            (Some(Cursor::Maildir { .. }), Some(line)) => line,
            // A line in the future was drawn by a wrong clock and would swallow new mail.
            (Some(Cursor::Maildir { drawn_at }), None) => drawn_at.min(now),
            _ => now,
        };
        let began = self.clock.monotonic();
        let listed = self.list(watched).await?;
        watched.listing_took = self.clock.monotonic().saturating_sub(began);
        if first_visit {
            self.hand_in(watched, BatchMode::History, Vec::new(), line)
                .await?;
        }
        watched.line = Some(line);
        let oldest = match first_look {
            true => self.oldest_recorded(watched, &listed, line).await?,
            false => None,
        };
        let unread = self.unread(watched).await?;
        let new = self.never_taken(watched, listed, &unread, now).await?;
        for gone in new.gone {
            let gone_file = content::vanished(gone.locator, now);
            self.hand_in(watched, gone.mode, vec![gone_file], line)
                .await?;
        }
        let mut live = Vec::new();
        for fresh in new.fresh {
            let mode = unread.get(&fresh.file.locator).map(|unread| unread.mode);
            let old = || first_visit || fresh.times.before_line(line);
            if mode.map_or_else(old, |mode| mode != BatchMode::Live) {
                watched.seen.insert(hash(&fresh.file.locator));
                if oldest.is_none_or(|oldest| fresh.times.modified >= oldest) {
                    watched.history.push_back(fresh);
                }
            } else {
                live.push(fresh);
            }
        }
        for part in content::portions(live) {
            if stop.is_set() {
                return Ok(Left::default());
            }
            self.take(watched, BatchMode::Live, part, line).await?;
        }
        self.record_history(watched, line, stop).await?;
        if let Some(what) = new.unjudged {
            return Err(LookError::Unjudged(what));
        }
        self.intake.proven_fresh(&watched.folder, "rescan");
        let unread = self.unread(watched).await?;
        Ok(Left {
            history: !watched.history.is_empty(),
            again: unread.values().map(|unread| unread.due).min(),
        })
    }

    /// Records the next portions of history.
    async fn record_history(
        &self,
        watched: &mut Watched,
        line: Timestamp,
        stop: &Stop,
    ) -> Result<(), LookError> {
        let most = HISTORY_PORTIONS_PER_LOOK.saturating_mul(crate::source::BATCH_MESSAGES_MAX);
        let turn: Vec<Fresh> = watched
            .history
            .drain(..most.min(watched.history.len()))
            .collect();
        for part in content::portions(turn) {
            if stop.is_set() {
                break;
            }
            self.take(watched, BatchMode::History, part, line).await?;
        }
        Ok(())
    }

    async fn unread(&self, watched: &Watched) -> Result<BTreeMap<String, Unread>, LookError> {
        let unread = self.intake.unread(&watched.folder).await?;
        let named = unread.into_iter().map(|one| (one.locator.clone(), one));
        Ok(named.collect())
    }

    /// The time of the oldest message of the history that is recorded, when there is more of it
    /// than that. Known and unknown files count, so that it is the same after each start.
    async fn oldest_recorded(
        &self,
        watched: &Watched,
        listed: &[Listed],
        line: Timestamp,
    ) -> Result<Option<Timestamp>, LookError> {
        let most = self.settings.history_messages_max;
        if listed.len() <= most {
            return Ok(None);
        }
        let mut history = self.times(watched, listed.to_vec()).await?.fresh;
        history.retain(|fresh| fresh.times.before_line(line));
        let left_out = history.len().saturating_sub(most);
        Ok(match history.get(left_out) {
            _ if left_out == 0 => None,
            Some(oldest) => Some(oldest.times.modified),
            None => Some(Timestamp(i64::MAX)),
        })
    }

    async fn times(&self, watched: &Watched, files: Vec<Listed>) -> Result<Judged, LookError> {
        let path = watched.path.clone();
        tokio::task::spawn_blocking(move || content::with_times(&path, files))
            .await?
            .map_err(|error| LookError::folder(watched, &error))
    }

    /// What lies in the folder; watched from before it is listed, so that nothing falls between.
    async fn list(&self, watched: &Watched) -> Result<Vec<Listed>, LookError> {
        let (path, hints) = (watched.path.clone(), self.hints.clone());
        let needed = match watched.folder.role {
            FolderRole::Inbox => Subfolders::MustExist,
            // Made by the first program that files a sent mail; until then it is empty.
            FolderRole::Sent => Subfolders::MayBeMissing,
        };
        tokio::task::spawn_blocking(move || {
            for subfolder in ["new", "cur"] {
                hints.watch(&path.join(subfolder));
            }
            listing::list(&path, needed)
        })
        .await?
        .map_err(|error| LookError::folder(watched, &error))
    }

    async fn take(
        &self,
        watched: &mut Watched,
        mode: BatchMode,
        part: Vec<Fresh>,
        line: Timestamp,
    ) -> Result<(), LookError> {
        let path = watched.path.clone();
        let arrived = tokio::task::spawn_blocking(move || content::read(&path, part))
            .await?
            .map_err(LookError::Shortage)?;
        self.hand_in(watched, mode, arrived, line).await
    }

    async fn hand_in(
        &self,
        watched: &mut Watched,
        mode: BatchMode,
        arrived: Vec<Arrived>,
        line: Timestamp,
    ) -> Result<(), LookError> {
        let mut names = Vec::with_capacity(arrived.len());
        for one in &arrived {
            let name = hash(&one.locator);
            match one.content {
                Content::NotNow { .. } | Content::Vanished => {
                    watched.seen.remove(&name);
                }
                _ => names.push(name),
            }
        }
        self.intake
            .take(Batch {
                folder: watched.folder.clone(),
                mode,
                arrived,
                cursor: Some(Cursor::Maildir { drawn_at: line }),
            })
            .await?;
        watched.seen.extend(names);
        Ok(())
    }

    /// Of `listed`, what the intake does not know and is not to be read later, with times, oldest
    /// first.
    async fn never_taken(
        &self,
        watched: &mut Watched,
        listed: Vec<Listed>,
        unread: &BTreeMap<String, Unread>,
        now: Timestamp,
    ) -> Result<New, LookError> {
        let waits = |locator: &String| unread.get(locator).is_some_and(|one| one.due > now);
        let mut gone: BTreeMap<&String, &Unread> = unread.iter().collect();
        gone.retain(|locator, _| !waits(locator));
        let seen = std::mem::take(&mut watched.seen);
        let mut unseen = Vec::new();
        for file in listed {
            gone.remove(&file.locator);
            let name = hash(&file.locator);
            if seen.contains(&name) {
                watched.seen.insert(name);
            } else if !waits(&file.locator) {
                unseen.push(file);
            }
        }
        let gone = gone.into_values().cloned().collect();
        let mut fresh = Vec::new();
        while !unseen.is_empty() {
            let asked = unseen.split_off(unseen.len().saturating_sub(NAMES_ASKED_MAX));
            let locators = asked.iter().map(|file| file.locator.clone()).collect();
            let unknown: HashSet<String> = self
                .intake
                .unknown(&watched.folder, locators)
                .await?
                .into_iter()
                .collect();
            for file in asked {
                if unknown.contains(&file.locator) {
                    fresh.push(file);
                } else {
                    watched.seen.insert(hash(&file.locator));
                }
            }
        }
        let judged = self.times(watched, fresh).await?;
        Ok(New {
            fresh: judged.fresh,
            unjudged: judged.unjudged,
            gone,
        })
    }
}

/// 128 bits, so that two names of one folder never meet.
fn hash(locator: &str) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half
        .iter_mut()
        .zip(blake3::hash(locator.as_bytes()).as_bytes())
    {
        *to = *from;
    }
    half
}

#[cfg(test)]
mod tests;
