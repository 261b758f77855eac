//! A mail with other words takes the place of the one that a person changed.
//!
//! Both in one commit: the old one is superseded, the new one stands where it stood, with the same
//! cause, thread, times and holds, so that whatever finds the one by these finds the other.

use liaison_core::account::matching::FreeMail;
use liaison_core::effect::{MailEffect, MailMode, RESENDS_MAX};
use liaison_core::ids::{edited_effect_id, outgoing_message_id};
use liaison_core::message::cut_text;
use liaison_core::outbox::Input;
use liaison_core::time::Timestamp;

use super::ledger::stage_ledgers;
use super::{Step, StepError, WHY_CHARS_MAX, stage_audit, stage_mail, stage_new_mail};
use crate::books::Books;
use crate::books::rows::AuditRow;
use crate::store::{Batch, Stored};

/// Who changed a mail, when, and what for the ledgers must be known.
#[derive(Debug)]
pub struct EditBy<'a> {
    /// A person.
    pub who: &'a str,
    /// Why, where they said so.
    pub why: Option<&'a str>,
    /// When.
    pub now: Timestamp,
    /// Free-mail providers.
    pub free_mail: &'a FreeMail,
}

/// The mail that takes the place of `old`, without its content: what a person wrote is not
/// automatic.
#[must_use]
pub fn successor(
    old: &MailEffect,
    subject: &str,
    sending_domain: &str,
    now: Timestamp,
) -> MailEffect {
    let id = edited_effect_id(&old.id);
    MailEffect {
        message_id: outgoing_message_id(&id, sending_domain),
        id,
        subject_line: subject.to_owned(),
        content: String::new(),
        mode: match old.mode {
            MailMode::Send => MailMode::Approve,
            mode => mode,
        },
        since: now,
        // Nothing of this one was tried.
        attempts: 0,
        looks: 0,
        known_as: Vec::new(),
        resends_left: RESENDS_MAX,
        missing_since: None,
        ..old.clone()
    }
}

/// Stages the change from `old` to `new`.
///
/// # Errors
/// When the old one is past being changed, or the books cannot be read; then nothing was staged.
pub async fn stage_edited(
    books: &Books,
    writes: &mut Batch,
    (old, new): (&Stored<MailEffect>, &MailEffect),
    by: &EditBy<'_>,
) -> Result<(), StepError> {
    let said = by.why.map_or_else(String::new, |why| format!(": {why}"));
    let step = Step {
        input: Input::Supersede,
        who: by.who,
        why: format!("edited by {}, as the mail {}{said}", by.who, new.id),
        not_before: None,
        found_as: None,
    };
    stage_mail(books, writes, old, step, by.now).await?;
    stage_new_mail(writes, new)?;
    let row = AuditRow {
        at: by.now,
        who: by.who.to_owned(),
        what: format!("edited: {}", new.state),
        why: cut_text(
            &format!("in the place of the mail {}{said}", old.record.id),
            WHY_CHARS_MAX,
        ),
    };
    stage_audit(writes, new.id.as_str(), by.now, row)?;
    let at = new.not_before.max(by.now);
    stage_ledgers(books, writes, new, (at, by.free_mail)).await?;
    Ok(())
}
