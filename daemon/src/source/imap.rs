//! Watches an IMAP mailbox (RFC 9051, RFC 3501, RFC 2177).
//!
//! One connection per mailbox stays: the inbox is open on it read-only and watched by IDLE, the
//! owner's other folders are polled by STATUS. What takes longer than that (sent mail, history,
//! the daily compare, messages asked for again, backfill) runs on a second one, opened on demand
//! ([`work`]). What the server announces is a hint; each look compares all UIDs from the cursor
//! on. Flags are never changed.

use std::fmt;
use std::sync::Arc;

use liaison_core::ids::MailboxId;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::dial::in_words;
use crate::sink::OwnFolder;
use crate::source::{Intake, IntakeError};

pub(crate) mod answer;
mod backfill;
mod board;
mod bounds;
mod chores;
pub(crate) mod connection;
mod fetch;
pub(crate) mod folders;
pub(crate) mod open;
pub mod provider;
mod settings;
mod suspects;
mod sync;
#[cfg(test)]
mod tests;
mod watch;
pub(crate) mod wire;
pub(crate) mod work;

pub use settings::ImapSettings;

use connection::ConnectionError;
use open::OpenError;
use suspects::Suspects;

/// What [`read_answers`] read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadAnswers {
    /// Whole answers.
    pub answers: usize,
    /// Bytes of messages in them.
    pub body_bytes: usize,
    /// Why it went no further.
    pub end: String,
}

/// Reads bytes as a connection reads what a server says, up to their end or to what it does not
/// take. For the tests of reading; never panics.
#[must_use]
pub fn read_answers(bytes: &[u8]) -> ReadAnswers {
    let mut read = ReadAnswers::default();
    let end = connection::read_to_end(bytes, |answer| {
        read.answers = read.answers.saturating_add(1);
        if let answer::Answer::Untagged(answer::Untagged::Fetch(row)) = answer {
            let length = row.body.map_or(0, |body| body.len());
            read.body_bytes = read.body_bytes.saturating_add(length);
        }
    });
    read.end = in_words(&end);
    read
}

/// One watched IMAP mailbox: its inbox and its sent mail.
pub struct ImapSource {
    mailbox: MailboxId,
    settings: ImapSettings,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    poked: Notify,
    suspects: Suspects,
    board: board::Board,
    work: work::WorkLine,
}

impl fmt::Debug for ImapSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapSource")
            .field("mailbox", &self.mailbox)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A folder could not be brought up to date.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("{what} was refused: {text}")]
    Refused { what: &'static str, text: String },
    #[error("the mailbox `{name}` cannot be opened ({text}): check its name and the access to it")]
    Folder { name: String, text: String },
}

impl SyncError {
    /// The folder that is in trouble, where the others are not.
    fn folder(&self) -> Option<&str> {
        match self {
            SyncError::Folder { name, .. } => Some(name),
            SyncError::Connection(_) | SyncError::Intake(_) | SyncError::Refused { .. } => None,
        }
    }

    fn needs_person(&self) -> bool {
        match self {
            SyncError::Folder { text, .. } => !open::is_throttle(None, text),
            SyncError::Connection(_) | SyncError::Intake(_) | SyncError::Refused { .. } => false,
        }
    }
}

/// Watching ended for now.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error("{PANICKED}")]
    Panicked,
}

/// What is said of an answer on which the reading panicked.
const PANICKED: &str = "its answer cannot be parsed";

impl From<ConnectionError> for WatchError {
    fn from(error: ConnectionError) -> WatchError {
        WatchError::Sync(SyncError::Connection(error))
    }
}

impl WatchError {
    fn folder(&self) -> Option<&str> {
        match self {
            WatchError::Sync(error) => error.folder(),
            WatchError::Open(_) | WatchError::Panicked => None,
        }
    }

    fn needs_person(&self) -> bool {
        match self {
            WatchError::Open(error) => error.needs_person(),
            WatchError::Sync(error) => error.needs_person(),
            WatchError::Panicked => false,
        }
    }

    fn in_words(&self) -> String {
        in_words(self)
    }
}

impl ImapSource {
    /// What to call the mailbox in messages.
    pub(crate) fn place(&self) -> String {
        self.settings.place()
    }

    /// A source that does nothing until [`ImapSource::run`].
    #[must_use]
    pub fn new(
        mailbox: MailboxId,
        settings: ImapSettings,
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
    ) -> ImapSource {
        ImapSource {
            mailbox,
            settings,
            intake,
            clock,
            poked: Notify::new(),
            suspects: Suspects::default(),
            board: board::Board::default(),
            work: work::WorkLine::default(),
        }
    }

    /// Asks for a look at all folders now: something of ours was sent or placed there.
    pub fn poke(&self) {
        self.poked.notify_one();
    }

    /// Logs in, looks at the folders and logs out (`liaison check --online`).
    ///
    /// # Errors
    /// In words that name the server, the user, the mailbox and what to do.
    pub async fn probe(&self) -> Result<(), String> {
        self.try_probe().await.map_err(|error| self.words(&error))
    }

    async fn try_probe(&self) -> Result<(), WatchError> {
        let mut connection = open::open(&self.settings).await?;
        let configured = self.settings.sent.as_deref();
        let sent = folders::find(&mut connection, OwnFolder::Sent, configured).await?;
        for name in [Some(self.settings.inbox.clone()), sent]
            .into_iter()
            .flatten()
        {
            folders::examine(&mut connection, &name)
                .await?
                .map_err(|text| SyncError::Folder { name, text })?;
        }
        connection.log_out().await;
        Ok(())
    }

    fn words(&self, error: &WatchError) -> String {
        format!(
            "cannot watch {}: {}",
            self.settings.place(),
            error.in_words()
        )
    }
}
