//! Where messages come from, and the contract every mail source keeps.
//!
//! A source finds messages, hands them to [`Intake::take`] and moves on only when that returned:
//! then message, identity, event and cursor are durable in one step (commit C1). It never writes
//! to the mailbox; it may hand in a message twice, because identity is content.

pub mod backfill;
pub mod listed;
pub mod maildir;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison_core::ids::MailboxId;
use liaison_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use backfill::{Backfill, Rehearsal};
use listed::Listed;

pub mod imap;

/// What a folder of a mailbox is for (RFC 6154 words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderRole {
    /// Mail that reaches us.
    Inbox,
    /// Mail of ours.
    Sent,
}

/// One watched folder: an IMAP mailbox or a Maildir.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderRef {
    /// Name of the `[[mailbox]]` section.
    pub mailbox: MailboxId,
    /// IMAP mailbox name, or folder name within the Maildir (`INBOX`, `.Sent`).
    pub folder: String,
    /// What it is for.
    pub role: FolderRole,
}

/// How far a folder is known. Present from the first visit on: its absence means "first start".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    /// RFC 9051 section 2.3.1.1.
    Imap {
        /// UIDVALIDITY under which `next_uid` holds.
        uid_validity: u32,
        /// All smaller UIDs are known.
        next_uid: u32,
    },
    /// Files are known by name; the line was drawn at this time.
    Maildir {
        /// First visit.
        drawn_at: Timestamp,
    },
}

/// What was found at one place.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Where: `UIDVALIDITY/UID`, or a Maildir file's unique name.
    pub locator: String,
    /// INTERNALDATE, or the file's modification time.
    pub received_at: Timestamp,
    /// IMAP flags or Maildir info letters, as found.
    pub flags: Vec<String>,
    /// The bytes, or why they cannot be had.
    pub content: Content,
}

/// Bytes of a message.
#[derive(Debug, Clone)]
pub enum Content {
    /// The whole message.
    Message(Bytes),
    /// Over the size cap: its header only.
    HeaderOnly {
        /// The header section.
        header: Bytes,
        /// Size of the whole in bytes.
        size: u64,
    },
    /// It cannot be had now; the intake keeps the place and has it asked for again.
    NotNow {
        /// What the server or file system said.
        reason: String,
    },
    /// It was moved or deleted before it could be read.
    Vanished,
    /// It can never be had.
    Unfetchable {
        /// What the server or file system said.
        reason: String,
    },
}

/// How the messages of a batch are to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchMode {
    /// New: react.
    Live,
    /// From before the first start: record, never react.
    History,
    /// UIDVALIDITY changed: known identities get their new place; of the rest, what is newer than
    /// the last good look is live, the others history.
    Rebind,
}

/// Messages of one folder and where the cursor stands after them. Taken whole or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Where.
    pub folder: FolderRef,
    /// How.
    pub mode: BatchMode,
    /// What; at most [`BATCH_MESSAGES_MAX`].
    pub arrived: Vec<Arrived>,
    /// The cursor after this batch; `None` leaves it where it stands.
    pub cursor: Option<Cursor>,
}

/// Most messages in one batch.
pub const BATCH_MESSAGES_MAX: usize = 100;

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Messages seen for the first time anywhere.
    pub new: usize,
    /// Copies of, or new places for, messages already known.
    pub known: usize,
    /// Messages that are asked for again.
    pub unread: usize,
}

/// A message that could not be read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Where it is, as [`Arrived::locator`].
    pub locator: String,
    /// How it is to be handed in.
    pub mode: BatchMode,
    /// When it is to be asked for again.
    pub due: Timestamp,
}

/// Why a batch was not taken. Nothing of it is durable; the same batch may be handed in again.
#[derive(Debug, thiserror::Error)]
#[error("mail of {mailbox} could not be recorded: {why}")]
pub struct IntakeError {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// What happened.
    pub why: String,
}

/// Takes what sources find. Implemented by the ingest; a table in tests of sources.
pub trait Intake: Send + Sync + 'static {
    /// How far the folder is known; `None` on the first visit.
    fn cursor<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Cursor>, IntakeError>>;

    /// The UID from which on, up to the cursor, every message was taken: one that is there and was
    /// not was missed. `None` where that is not known.
    fn line<'a>(&'a self, folder: &'a FolderRef)
    -> BoxFuture<'a, Result<Option<u32>, IntakeError>>;

    /// Those of `locators` that were never taken in this folder, in the given order.
    fn unknown<'a>(
        &'a self,
        folder: &'a FolderRef,
        locators: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, IntakeError>>;

    /// Messages of the folder that were handed in as [`Content::NotNow`] and are not read yet, by
    /// locator. Those that are due are to be handed in again, as whatever they are by then.
    fn unread<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Vec<Unread>, IntakeError>>;

    /// Records a batch and its cursor: durable when it returns `Ok`. Idempotent.
    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, IntakeError>>;

    /// The folders that the source watches now; what was known of others is not waited for.
    fn watches(&self, mailbox: &MailboxId, folders: &[&str]);

    /// The folder was just proven up to date, by `proof` ("UIDNEXT compared", "rescan").
    fn proven_fresh(&self, folder: &FolderRef, proof: &'static str);

    /// The source cannot work now, or only `folder` of it; shown by `status` until that folder,
    /// or else the inbox, is proven fresh again. `needs_person` for what waiting will not mend (a
    /// refused password, a bad certificate).
    fn trouble(&self, mailbox: &MailboxId, folder: Option<&str>, what: String, needs_person: bool);

    /// Keeps what was listed and is going to be read, in place of the listing before: durable when
    /// it returns `Ok`.
    fn keep_listed<'a>(
        &'a self,
        folder: &'a FolderRef,
        listed: Listed,
    ) -> BoxFuture<'a, Result<(), IntakeError>>;

    /// What was listed last; all of it may have been read since.
    fn listed<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Listed>, IntakeError>>;

    /// What of its old messages is to be shown to the plugins, if anything is.
    fn backfill<'a>(
        &'a self,
        mailbox: &'a MailboxId,
    ) -> BoxFuture<'a, Result<Option<Backfill>, IntakeError>>;

    /// Shows recorded old messages to the plugins, which only rehearse, and notes how far that is:
    /// durable when it returns `Ok`. Idempotent.
    fn rehearse(&self, step: Rehearsal) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// The server answered how Drafts are. Nothing in them is an event.
    fn drafts_compared(&self, mailbox: &MailboxId, folder: &str);
}
