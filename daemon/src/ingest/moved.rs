//! Messages that we moved ourselves.

use liaison_core::mailbox::MailboxState;
use liaison_core::message::MessageRecord;

use super::Taking;
use crate::books::BooksError;

impl Taking<'_> {
    /// Whether a change of ours brought the message into the folder in which it is found now: then
    /// its being there says nothing about whose it is.
    pub(super) async fn was_moved_here(&self, message: &MessageRecord) -> Result<bool, BooksError> {
        let folder = &self.batch.folder;
        let changes = self.books.mailbox_effects_of(&message.key).await?;
        Ok(changes.iter().any(|effect| {
            // One that was refused, or never tried, moved nothing.
            let may_be = match effect.state {
                MailboxState::Done => true,
                MailboxState::Planned => effect.attempts > 0,
                _ => false,
            };
            may_be && effect.mailbox == folder.mailbox && effect.change.leads_to(&folder.folder)
        }))
    }
}
