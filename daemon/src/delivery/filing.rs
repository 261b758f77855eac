//! Whether what is done in folders of ours works.

use liaison_core::ids::MailboxId;

use super::Delivery;
use crate::sink::FolderError;

/// What is done in folders of ours: each may be refused where the others are not.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Drafts,
    Copies,
    Search,
    Changes,
}

impl Work {
    fn as_str(self) -> &'static str {
        match self {
            Work::Drafts => "Drafts",
            Work::Copies => "copies in Sent",
            Work::Search => "search in Sent",
            Work::Changes => "changes of messages",
        }
    }
}

impl Delivery {
    /// Shows what waits for a person in a folder of ours; logs it when it is news.
    pub(super) fn trouble_in(&self, mailbox: &MailboxId, work: Work, error: &FolderError) {
        let what = error.to_string();
        let freshness = &self.parts.freshness;
        if error.needs_person && freshness.filing_trouble(mailbox, work.as_str(), what.clone()) {
            tracing::warn!(%mailbox, work = work.as_str(), %what, "filing in trouble");
        }
    }

    pub(super) fn works_in(&self, mailbox: &MailboxId, work: Work) {
        if self.parts.freshness.filing_works(mailbox, work.as_str()) {
            tracing::info!(%mailbox, work = work.as_str(), "filing works again");
        }
    }
}
