//! Changes of messages in their mailboxes.

use liaison_core::ids::MessageKey;
use liaison_core::mailbox::MailboxEffect;

use super::indexes::CHANGED_MESSAGE;
use super::{Books, BooksError, keys};

impl Books {
    /// Changes of a message in its mailboxes, made or planned.
    ///
    /// # Errors
    /// As the store.
    pub async fn mailbox_effects_of(
        &self,
        message: &MessageKey,
    ) -> Result<Vec<MailboxEffect>, BooksError> {
        let range = keys::effects_by(CHANGED_MESSAGE, message.as_str());
        let mut effects = Vec::new();
        for id in self.effect_ids(range).await? {
            match self.mailbox_effect(&id).await {
                Ok(effect) => effects.extend(effect),
                // What a later release wrote is nothing that this one waits for.
                Err(error) if error.is_newer() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(effects)
    }
}
