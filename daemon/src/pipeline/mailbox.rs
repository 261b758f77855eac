//! Changes in mailboxes: what was decided of a message before, and writing what is decided now.

use liaison_core::ids::EffectId;
use liaison_core::mailbox::MailboxEffect;
use liaison_core::policy::Resolved;
use liaison_core::proposal::Action;
use liaison_core::time::Timestamp;

use super::Pipeline;
use super::apply::decided;
use super::facts::Told;
use crate::books::BooksError;
use crate::outbox::mailbox::stage_new_mailbox_effect;
use crate::outbox::stage_audit;
use crate::store::Batch;

impl Pipeline {
    /// How many changes were decided for the message of the event, where one may be added.
    pub(super) async fn mailbox_changes(
        &self,
        told: &Told,
        resolved: &[Resolved],
    ) -> Result<u32, BooksError> {
        let asks = |item: &Resolved| matches!(item.proposal.action, Action::ChangeMailbox(_));
        let message = told.message.as_ref().or(told.origin.as_ref());
        let Some(message) = message.filter(|_| resolved.iter().any(asks)) else {
            return Ok(0);
        };
        let before = self.books.mailbox_effects_of(&message.key).await?;
        Ok(u32::try_from(before.len()).unwrap_or(u32::MAX))
    }

    pub(super) async fn became_of_change(
        &self,
        id: &EffectId,
    ) -> Result<Option<String>, BooksError> {
        let effect = self.books.mailbox_effect(id).await?;
        Ok(effect.map(|effect| {
            let (change, state) = (&effect.change, effect.state.as_str());
            format!("`{change}` of {} is {state}", effect.created)
        }))
    }
}

/// A change that was decided, with its first step.
pub(super) fn stage_change(
    writes: &mut Batch,
    effect: &MailboxEffect,
    now: Timestamp,
) -> Result<(), BooksError> {
    let row = decided(now, &effect.cause, effect.state.as_str());
    stage_audit(writes, effect.id.as_str(), now, row)?;
    stage_new_mailbox_effect(writes, effect)
}
