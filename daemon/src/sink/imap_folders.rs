//! The owner's Drafts and Sent mailboxes on an IMAP server.

use crate::source::imap::ImapSettings;

/// Places and removes our own messages; connects on demand.
#[derive(Debug)]
pub struct ImapFolders {
    settings: ImapSettings,
}

impl ImapFolders {
    /// Own folders of the mailbox that `settings` describe.
    #[must_use]
    pub fn new(settings: ImapSettings) -> ImapFolders {
        ImapFolders { settings }
    }
}
