//! Where effects go: the contracts of mail transports, own folders and calendars.
//!
//! Sinks carry out, they decide nothing. Each says exactly what is known of the result, because
//! the outbox turns "not known" into a state that a person sees.

pub mod caldav;
pub(crate) mod collection;
pub mod feed;
pub mod mailbox;
pub mod maildir;
pub mod own_mail;
mod rest;
pub mod vdir;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison_core::outbox::Refusal;

pub use self::own_mail::{OwnMail, Sighting};

pub mod imap_folders;
pub mod imap_mailbox;
pub mod smtp;

/// One mail for one recipient, rendered once and never changed.
#[derive(Debug, Clone)]
pub struct OutgoingMail {
    /// Message-ID without brackets.
    pub message_id: String,
    /// Return path: one of our own addresses.
    pub from: String,
    /// The one recipient of this transaction.
    pub recipient: String,
    /// The message, CRLF line ends.
    pub bytes: Bytes,
}

/// What is known after an attempt (RFC 5321 section 4.2, RFC 3463).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The server took it; its reply, which may name a rewritten Message-ID.
    Accepted {
        /// Reply text.
        reply: String,
    },
    /// The server refused it. Definite, before or after the dot.
    Refused {
        /// Reply code.
        code: u16,
        /// Enhanced status code, when given.
        enhanced: Option<String>,
        /// Reply text.
        text: String,
        /// What that means for the mail.
        refusal: Refusal,
    },
    /// Nothing was handed over: no connection, no login, or lost before the final dot.
    NotSent {
        /// What happened.
        why: String,
        /// Waiting will not mend it (a refused login, a bad certificate).
        needs_person: bool,
    },
    /// The dot was or may have been sent and no verdict arrived.
    Unknown {
        /// What happened.
        why: String,
    },
}

/// Makes the phase durable: called once after `354` and before the first byte of the body.
pub trait PhaseLog: Send {
    /// Returns when "after the dot from here on" is durable. On `Err` the attempt must stop
    /// without sending a byte of the body.
    fn entering_body(&mut self) -> BoxFuture<'_, Result<(), String>>;
}

/// A way to send mail.
pub trait MailTransport: std::fmt::Debug + Send + Sync + 'static {
    /// Tries once. Never retries; never cancels safely, so it is always awaited to its end.
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
        phase: &'a mut dyn PhaseLog,
    ) -> BoxFuture<'a, SendOutcome>;

    /// How many mails it takes at the same time.
    fn mails_at_once(&self) -> usize {
        1
    }

    /// Closes what was kept open for a next mail that did not come; to be called now and then.
    fn close_unused(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Closes all that was kept open.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Logs in and out again (`liaison check --online`).
    fn probe(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// A folder of ours into which we put copies (RFC 6154).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnFolder {
    /// Unsent drafts.
    Drafts,
    /// Copies of sent mail.
    Sent,
}

/// A look or an append could not be done; the world is as unknown as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct FolderError {
    /// What was tried, with the mailbox.
    pub what: String,
    /// What the server said.
    pub why: String,
    /// Waiting will not mend it.
    pub needs_person: bool,
    /// There is no such folder.
    pub no_folder: bool,
}

/// Most messages that [`OwnFolders::to_recipient`] gives.
pub(crate) const TO_RECIPIENT_MAX: usize = 20;
/// Most bytes of each of them: the words of a draft stand before what is quoted and attached.
pub(crate) const TO_RECIPIENT_BYTES_MAX: usize = 64 * 1024;

/// The owner's Drafts and Sent mailboxes.
pub trait OwnFolders: std::fmt::Debug + Send + Sync + 'static {
    /// Looks for the mail in the folder, by its Message-ID and by our stamp; what is not in Sent is
    /// looked for among all messages, too, where there is such a mailbox. `Ok(None)` is a definite
    /// no; "could not look" is an error.
    fn find<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Option<Sighting>, FolderError>>;

    /// The newest messages of the folder that may go to the recipient of the mail, each cut to a
    /// bound: by their words a draft is known again of which nothing else is left.
    fn to_recipient<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Vec<Bytes>, FolderError>>;

    /// Puts the mail there (`\Draft` for drafts, `\Seen` for sent), unless it lies there already,
    /// under whatever Message-ID. Idempotent.
    fn place<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<(), FolderError>>;

    /// Removes our own draft with this Message-ID while it still has exactly these bytes;
    /// `Ok(false)` when it is not there any more, or its owner changed it.
    fn remove_draft<'a>(
        &'a self,
        message_id: &'a str,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, FolderError>>;
}

/// One object of a calendar collection (RFC 4791 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFile {
    /// Path on the server, or file name in the vdir.
    pub href: String,
    /// Opaque version.
    pub etag: String,
    /// The iCalendar object.
    pub data: Bytes,
}

/// What became of a conditional create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is there now, as read back: servers rewrite what they are given.
    New(CalendarFile),
    /// Something with that name was there before and is untouched.
    Exists(CalendarFile),
}

/// What became of a conditional replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated {
    /// It has the new content; as read back.
    Done(CalendarFile),
    /// Changed since `etag`; untouched. What lies there now.
    Changed(CalendarFile),
    /// It is not there any more, and was not made again.
    Gone,
}

/// What became of a conditional delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// Gone, by us or before.
    Gone,
    /// Changed since `etag`; untouched.
    Changed(CalendarFile),
}

/// A calendar could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct CalendarError {
    /// What was tried, with the calendar.
    pub what: String,
    /// What the server or the system said.
    pub why: String,
    /// The request is wrong and will stay wrong (refused object, no such collection, login).
    pub permanent: bool,
    /// A write may have been carried out; look before anything else.
    pub unknown: bool,
}

/// What changed in a collection since the last look.
#[derive(Debug, Clone, Default)]
pub struct CalendarChanges {
    /// New or changed objects.
    pub changed: Vec<CalendarFile>,
    /// Objects that are gone.
    pub removed: Vec<String>,
    /// Objects that could not be read: href and what was wrong. They keep their last good copy.
    pub unreadable: Vec<(String, String)>,
}

/// How soon a calendar is worth another look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A hold of ours stands in it, or a meeting with others is due within a day.
    Near,
    /// Nothing is about to happen.
    Usual,
    /// The same, while its owner sleeps.
    Night,
}

/// Says the pace when it is asked for: to find out costs a look at every event.
pub type PaceOf<'a> = dyn Fn() -> Pace + Send + Sync + 'a;

/// One calendar collection of ours.
pub trait CalendarStore: std::fmt::Debug + Send + Sync + 'static {
    /// By what it is known what differs, after a look: in words, for `status`.
    fn read_by(&self) -> &'static str {
        "collection compared"
    }

    /// Everything that differs from `known` (href -> etag). The first call gives all.
    fn changes<'a>(
        &'a self,
        known: &'a std::collections::BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<CalendarChanges, CalendarError>>;

    /// Reads one object; `None` when it is not there.
    fn fetch<'a>(
        &'a self,
        href: &'a str,
    ) -> BoxFuture<'a, Result<Option<CalendarFile>, CalendarError>>;

    /// Creates `<uid>.ics` unless it exists (`If-None-Match: *`), and reads it back. Idempotent
    /// by its name.
    fn create<'a>(
        &'a self,
        uid: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Created, CalendarError>>;

    /// Replaces an object if it is still as `etag` says (`If-Match`), and reads it back. Never
    /// makes one.
    fn update<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Updated, CalendarError>>;

    /// Deletes an object if it is still as `etag` says (`If-Match`).
    fn delete<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, CalendarError>>;

    /// Completes when a change is likely (inotify) or after the poll interval. Cancel-safe.
    fn wait<'a>(&'a self, pace: &'a PaceOf<'a>) -> BoxFuture<'a, ()>;

    /// Logs in and looks (`liaison check --online`).
    fn probe(&self) -> BoxFuture<'_, Result<(), String>>;
}
