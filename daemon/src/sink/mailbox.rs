//! Writing into watched mailboxes: flags, keywords, labels and the folder of one message.
//!
//! Every change can be made again: what is so already is left alone, and a change counts as made
//! only when the mailbox was looked at afterwards.

use futures_util::future::BoxFuture;
use liaison_core::mailbox::MailboxChange;

use super::FolderError;

/// Where a message lies, as its source names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// IMAP mailbox name, or folder name within the Maildir.
    pub folder: String,
    /// `UIDVALIDITY/UID`, or a Maildir file's unique name.
    pub locator: String,
}

/// One change to be made.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub change: MailboxChange,
    /// Where the message was seen last.
    pub place: Place,
    /// Its Message-ID without brackets: by it a message is found whose place has another name now.
    pub message_id: Option<String>,
    /// A try before this one may have been carried out in part.
    pub again: bool,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The mailbox was seen to be as it should.
    Done {
        /// In words, for the history of the change.
        how: String,
        /// Where the message lies now, when that is another place and known.
        place: Option<Place>,
    },
    /// This mailbox cannot do it.
    Refused(String),
    /// The message is not there.
    Gone(String),
    /// The server said no, or said yes and did nothing.
    Declined(String),
}

impl Changed {
    /// Done, with the message where it was.
    pub(crate) fn done(how: &str) -> Changed {
        Changed::Done {
            how: how.to_owned(),
            place: None,
        }
    }
}

/// One session of work on a mailbox. After an error it is of no use any more.
pub trait MailboxJob: Send {
    /// Makes one change, and looks whether it is made. Idempotent.
    fn change<'a>(&'a mut self, order: &'a Order) -> BoxFuture<'a, Result<Changed, FolderError>>;
}

/// A mailbox whose messages can be changed.
pub trait MailboxWriter: std::fmt::Debug + Send + Sync + 'static {
    /// Begins a session: nothing is changed by that.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn MailboxJob>, FolderError>>;
}
