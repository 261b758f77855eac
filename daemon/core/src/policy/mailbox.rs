//! Judging changes of the message of the event where it lies.

use super::{Desk, Plan, Resolved, VerdictResult};
use crate::effect::RecordMode;
use crate::mailbox::{MailboxChange, MailboxEffect, MailboxGrants, MailboxState};

impl Desk<'_> {
    pub(super) fn judge_mailbox(
        &mut self,
        item: &Resolved,
        change: MailboxChange,
    ) -> Result<VerdictResult, String> {
        let mode = self.rules.modes.mailbox;
        if mode == RecordMode::Off {
            return Err("changes in mailboxes are off for this plugin (mode.mailbox)".to_owned());
        }
        if let Some(problem) = change.problem() {
            return Err(problem);
        }
        let message = self.facts.trigger.or(self.facts.origin);
        let message = message.ok_or("the event is about no message that could be changed")?;
        if message.historical {
            return Err("mail from before the first start is never changed".to_owned());
        }
        self.is_granted(&change)?;
        self.has_room(&change)?;
        if mode == RecordMode::Rehearse {
            return Ok(VerdictResult::Rehearsed);
        }
        let now = self.facts.now;
        let effect = MailboxEffect {
            id: item.id.clone(),
            cause: self.cause_of(&item.proposal),
            message: message.key.clone(),
            mailbox: message.mailbox.clone(),
            change,
            state: MailboxState::Planned,
            since: now,
            attempts: 0,
            declined: 0,
            not_before: now,
            last_trouble: None,
            created: now,
        };
        self.decision.plans.push(Plan::Mailbox(Box::new(effect)));
        Ok(VerdictResult::Effect(item.id.clone()))
    }

    fn is_granted(&self, change: &MailboxChange) -> Result<(), String> {
        if self.rules.mailbox.permit(change) {
            return Ok(());
        }
        let plugin = &self.facts.cause.plugin;
        Err(format!(
            "not granted: `mailbox` of [[plugin]] {plugin} would have to name `{}`",
            MailboxGrants::word_for(change)
        ))
    }

    /// The cap per message, and one place for it to go.
    fn has_room(&self, change: &MailboxChange) -> Result<(), String> {
        let planned = self.decision.plans.iter().filter_map(|plan| match plan {
            Plan::Mailbox(effect) => Some(&effect.change),
            _ => None,
        });
        let of_this_answer = u32::try_from(planned.clone().count()).unwrap_or(u32::MAX);
        let limit = self.rules.limits.mailbox_changes_per_message;
        if self.facts.mailbox_changes.saturating_add(of_this_answer) >= limit {
            return Err(format!(
                "{limit} changes of this message were decided already \
                 (limits.mailbox_changes_per_message)"
            ));
        }
        let mut moves = planned.filter(|planned| planned.is_move());
        match moves.next().filter(|_| change.is_move()) {
            Some(first) => Err(format!("another proposal of this answer is to {first}")),
            None => Ok(()),
        }
    }
}
