//! Moving changes in mailboxes from state to state: as for mails and holds, in one commit.

use liaison_core::happening::SettledOutcome;
use liaison_core::mailbox::{MailboxEffect, MailboxState};
use liaison_core::message::cut_text;
use liaison_core::time::Timestamp;

use super::{WHY_CHARS_MAX, stage_audit, stage_due, stage_event};
use crate::books::indexes::{mailbox_effect_due, mailbox_effect_keys};
use crate::books::rows::{AuditRow, EventBody};
use crate::books::{Books, BooksError, keys, replace};
use crate::store::{Batch, Stored};

/// Stages a new change with its index entries.
///
/// # Errors
/// When the record cannot be encoded.
pub fn stage_new_mailbox_effect(
    writes: &mut Batch,
    effect: &MailboxEffect,
) -> Result<(), BooksError> {
    for key in mailbox_effect_keys(effect) {
        writes.put(key, Vec::new());
    }
    if let Some(due) = mailbox_effect_due(effect) {
        writes.put(due, Vec::new());
    }
    replace(writes, keys::mailbox_effect(&effect.id), None, effect)
}

/// Stages a new state of a change; the plugin is told of its end.
///
/// # Errors
/// When the record cannot be encoded, or the books cannot be read.
pub async fn stage_mailbox_effect(
    books: &Books,
    writes: &mut Batch,
    before: &Stored<MailboxEffect>,
    after: &MailboxEffect,
    (who, why): (&str, &str),
    now: Timestamp,
) -> Result<(), BooksError> {
    let (old, new) = (before.record.state.as_str(), after.state.as_str());
    if before.record.state != after.state {
        let row = AuditRow {
            at: now,
            who: who.to_owned(),
            what: format!("{old} -> {new}"),
            why: cut_text(why, WHY_CHARS_MAX),
        };
        stage_audit(writes, after.id.as_str(), now, row)?;
    }
    if let Some(outcome) = settled(&after.state).filter(|_| !before.record.state.is_final()) {
        let body = EventBody::Settled {
            effect: after.id.clone(),
            plugin: after.cause.plugin.clone(),
            label: after.cause.label.clone(),
            outcome,
            subject: after.cause.subject.clone(),
        };
        let key = format!("settled {} {new}", after.id);
        stage_event(books, writes, key, body, now).await?;
    }
    let (old, new) = (
        mailbox_effect_due(&before.record),
        mailbox_effect_due(after),
    );
    stage_due(writes, old, new);
    replace(
        writes,
        keys::mailbox_effect(&after.id),
        Some(before.version),
        after,
    )
}

fn settled(state: &MailboxState) -> Option<SettledOutcome> {
    match state {
        MailboxState::Planned => None,
        MailboxState::Done => Some(SettledOutcome::Done),
        MailboxState::Gone(why) => Some(SettledOutcome::Cancelled(why.clone())),
        MailboxState::Refused(why) | MailboxState::Failed(why) => {
            Some(SettledOutcome::Failed(why.clone()))
        }
    }
}

/// Calls off a change that is not made yet; `false` when it is at its end already.
///
/// # Errors
/// As [`stage_mailbox_effect`].
pub async fn stage_call_off(
    books: &Books,
    writes: &mut Batch,
    effect: &Stored<MailboxEffect>,
    (who, why): (&str, &str),
    now: Timestamp,
) -> Result<bool, BooksError> {
    let refused = liaison_core::mailbox::Tried::Refused(why.to_owned());
    let Some(after) = effect.record.after(refused, now, 0) else {
        return Ok(false);
    };
    stage_mailbox_effect(books, writes, effect, &after, (who, why), now).await?;
    Ok(true)
}
