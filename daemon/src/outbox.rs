//! Moving mails and holds from state to state: record, due index, audit and the event that tells
//! the plugin, in one commit.

pub(crate) mod drafts;
pub mod edited;
mod hold;
pub mod ledger;
pub mod mailbox;
pub mod reach;
mod sent;
mod told;
pub mod whereabouts;

use std::sync::atomic::{AtomicU32, Ordering};

pub use hold::{
    HoldStep, overtaken, stage_give_up, stage_hold, stage_hold_record, stage_new_hold,
    stage_new_holds,
};
use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::happening::SettledOutcome;
use liaison_core::hold::{GroupRefusal, IllegalHoldStep};
use liaison_core::ids::EffectId;
use liaison_core::mail::thread::server_ids;
use liaison_core::message::cut_text;
use liaison_core::outbox::{APPROVAL_MS, DRAFT_LOOK_MS, IllegalStep, Input, MailState};
use liaison_core::time::Timestamp;

use crate::books::indexes::{known_as_keys, mail_keys};
use crate::books::keys::{self, DueKind};
use crate::books::rows::{AuditRow, EventBody};
use crate::books::{Books, BooksError, replace};
use crate::ingest::{NewEvent, append_event};
use crate::store::{Batch, Stored};

/// Longest reason kept, in characters.
const WHY_CHARS_MAX: usize = 400;
/// Longest account kept of what was found in Sent, with what its owner changed, in characters.
const CHANGES_CHARS_MAX: usize = 4_500;

/// How the audit begins when a person gave a mail another time.
pub const RESCHEDULED: &str = "rescheduled";

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The state has no such step.
    #[error(transparent)]
    Illegal(#[from] IllegalStep),
    /// The state of a hold has no such step.
    #[error(transparent)]
    IllegalHold(#[from] IllegalHoldStep),
    /// The group of the hold was decided otherwise.
    #[error(transparent)]
    Group(#[from] GroupRefusal),
    /// The books could not be read or written.
    #[error(transparent)]
    Books(#[from] BooksError),
}

impl From<crate::store::codec::CodecError> for StepError {
    fn from(error: crate::store::codec::CodecError) -> StepError {
        StepError::Books(error.into())
    }
}

/// A step with its author and reason.
#[derive(Debug)]
pub struct Step<'a> {
    /// What happens.
    pub input: Input,
    /// A person, a plugin, or a part of the daemon.
    pub who: &'a str,
    /// Why, or the server's words.
    pub why: String,
    /// When it is looked at next; `None` keeps the present time.
    pub not_before: Option<Timestamp>,
    /// The Message-ID under which it was found, where that is another one.
    pub found_as: Option<String>,
}

/// Stages a step of a mail; returns the mail after it.
///
/// # Errors
/// When the state has no such step; then nothing was staged.
pub async fn stage_mail(
    books: &Books,
    writes: &mut Batch,
    mail: &Stored<MailEffect>,
    step: Step<'_>,
    now: Timestamp,
) -> Result<MailEffect, StepError> {
    let before = &mail.record;
    let mut after = before.clone();
    after.state = before.state.step(step.input.clone())?;
    after.since = now;
    after.not_before = step.not_before.unwrap_or(match after.state {
        MailState::Drafted => now.plus_millis(DRAFT_LOOK_MS),
        _ => before.not_before,
    });
    after.missing_since = None;
    match &step.input {
        Input::Accepted => after.learn(server_ids(&step.why)),
        Input::Resend => after.resends_left = before.resends_left.saturating_sub(1),
        // What a backup knows may have happened since: nothing of it is sent again by itself.
        Input::Restored => after.resends_left = 0,
        _ => {}
    }
    if step.input == Input::FoundInSent {
        after.learn(step.found_as.clone());
    }
    if let MailState::Leased(liaison_core::outbox::Phase::BeforeDot) = after.state {
        after.attempts = after.attempts.saturating_add(1);
    }
    // What the owner of a draft changed in it is for the audit.
    let (brief, audit_chars) = match &step.input {
        Input::FoundInSent => (
            step.why.lines().next().unwrap_or_default(),
            CHANGES_CHARS_MAX,
        ),
        _ => (step.why.as_str(), WHY_CHARS_MAX),
    };
    if !brief.is_empty() {
        after.last_reply = Some(cut_text(brief, WHY_CHARS_MAX));
    }
    let change = format!("{} -> {}", before.state, after.state);
    stage_mail_record(writes, mail, &after)?;
    stage_audit(
        writes,
        before.id.as_str(),
        now,
        AuditRow {
            at: now,
            who: step.who.to_owned(),
            what: change,
            why: cut_text(&step.why, audit_chars),
        },
    )?;
    if after.state.went_out() && !before.state.went_out() {
        sent::stage_went_out(books, writes, (before, &after), now).await?;
    }
    match (&before.state, &after.state) {
        (MailState::Held, MailState::Held) => {}
        (MailState::Held, _) => {
            told::stage_told_is_over(books, writes, before, (step.who, now)).await?;
        }
        (_, MailState::Held) => stage_held(writes, &after),
        _ => {}
    }
    if after.state.came_to_nothing() {
        if before.state == MailState::Drafted {
            let entry = keys::effect_due(now, DueKind::StaleDraft, &after.id);
            writes.put(entry, Vec::new());
        }
        // A draft may have been sent by its owner, and a person may want a failed mail tried again:
        // what they offer stays until it expires, or until somebody says that it did not go out.
        // The mail that takes its place offers the same.
        let offered_on = matches!(after.state, MailState::Failed | MailState::Superseded);
        if before.state != MailState::Drafted && !offered_on {
            stage_free(books, writes, &after, now).await?;
        }
    }
    // That it failed was told when it failed.
    let told =
        before.state == MailState::Failed && after.state == (MailState::Resolved { sent: false });
    if let Some(outcome) = settled(&after).filter(|_| !told) {
        let body = EventBody::Settled {
            effect: after.id.clone(),
            plugin: after.cause.plugin.clone(),
            label: after.cause.label.clone(),
            outcome,
            subject: after.cause.subject.clone(),
        };
        let key = format!("settled {} {}", after.id, after.state.as_str());
        stage_event(books, writes, key, body, now).await?;
    }
    Ok(after)
}

/// Gives up the holds that only this mail offered: nobody will ever hear of these times.
async fn stage_free(
    books: &Books,
    writes: &mut Batch,
    mail: &MailEffect,
    now: Timestamp,
) -> Result<(), BooksError> {
    let why = format!(
        "the mail {} that was to offer it is {}",
        mail.id, mail.state
    );
    for id in &mail.requires {
        let Some(hold) = books.get::<HoldEffect>(keys::hold(id)).await? else {
            continue;
        };
        if !hold.record.state.is_open() || is_offered_besides(books, id, mail).await? {
            continue;
        }
        stage_give_up(books, writes, &hold, ("liaison", &why), now).await?;
    }
    Ok(())
}

async fn is_offered_besides(
    books: &Books,
    hold: &EffectId,
    mail: &MailEffect,
) -> Result<bool, BooksError> {
    for id in books.mails_requiring(hold).await? {
        let other = books.mail(&id).await?.filter(|other| other.id != mail.id);
        if other.is_some_and(|other| other.state.counts_as_contact()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When the index of due effects wants a mail looked at: when it is to be carried out, or when
/// nobody has decided about it for [`APPROVAL_MS`]. One of which something was tried, and so may be
/// with its recipient, waits for a person without end.
#[must_use]
pub fn due_of(mail: &MailEffect) -> Option<Timestamp> {
    if mail.state.is_watched() {
        return Some(mail.not_before);
    }
    let expires = mail.state == MailState::Held && mail.attempts == 0;
    expires.then(|| mail.since.plus_millis(APPROVAL_MS))
}

/// Replaces a mail and keeps its due entry right; no step, no audit.
///
/// # Errors
/// When the record cannot be encoded.
pub fn stage_mail_record(
    writes: &mut Batch,
    before: &Stored<MailEffect>,
    after: &MailEffect,
) -> Result<(), BooksError> {
    let due =
        |mail: &MailEffect| due_of(mail).map(|at| keys::effect_due(at, DueKind::Mail, &mail.id));
    stage_due(writes, due(&before.record), due(after));
    let fresh: Vec<_> = known_as_keys(after).collect();
    for gone in known_as_keys(&before.record).filter(|key| !fresh.contains(key)) {
        writes.del(gone);
    }
    for key in fresh {
        writes.put(key, Vec::new());
    }
    replace(writes, keys::mail(&after.id), Some(before.version), after)
}

fn stage_due(
    writes: &mut Batch,
    before: Option<crate::store::Key>,
    after: Option<crate::store::Key>,
) {
    if let Some(before) = before.filter(|before| Some(before) != after.as_ref()) {
        writes.del(before);
    }
    if let Some(after) = after {
        writes.put(after, Vec::new());
    }
}

/// What a plugin is told of a mail's end; of one that was superseded the end of the new one tells.
fn settled(mail: &MailEffect) -> Option<SettledOutcome> {
    let why = || mail.last_reply.clone().unwrap_or_default();
    match &mail.state {
        MailState::Sent | MailState::Resolved { sent: true } => Some(SettledOutcome::Done),
        MailState::Drafted => Some(SettledOutcome::Drafted),
        MailState::Rejected => Some(SettledOutcome::Rejected(why())),
        MailState::Cancelled { why, .. } => Some(SettledOutcome::Cancelled(why.clone())),
        MailState::Expired => Some(SettledOutcome::Cancelled(why())),
        MailState::Failed | MailState::Resolved { sent: false } => {
            Some(SettledOutcome::Failed(why()))
        }
        _ => None,
    }
}

/// From now on it is looked after that somebody decides.
fn stage_held(writes: &mut Batch, mail: &MailEffect) {
    let entry = keys::effect_due(mail.since, DueKind::Approval, &mail.id);
    writes.put(entry, Vec::new());
}

/// Stages a new mail with its index entries.
///
/// # Errors
/// When the record cannot be encoded.
pub fn stage_new_mail(writes: &mut Batch, mail: &MailEffect) -> Result<(), BooksError> {
    if let Some(at) = due_of(mail) {
        writes.put(keys::effect_due(at, DueKind::Mail, &mail.id), Vec::new());
    }
    if mail.state == MailState::Held {
        stage_held(writes, mail);
    }
    for key in mail_keys(mail) {
        writes.put(key, Vec::new());
    }
    replace(writes, keys::mail(&mail.id), None, mail)
}

/// Stages a step in the life of something.
///
/// # Errors
/// When the record cannot be encoded.
pub fn stage_audit(
    writes: &mut Batch,
    subject: &str,
    now: Timestamp,
    row: AuditRow,
) -> Result<(), BooksError> {
    // Steps of one thing in one millisecond keep their order, and none takes another's place.
    static ORDER: AtomicU32 = AtomicU32::new(0);
    // The low bits are left to rows that are numbered after what is there.
    let nth = u64::from(ORDER.fetch_add(1, Ordering::Relaxed)) << 16;
    writes.put_record(keys::audit(subject, now, nth), &row)?;
    Ok(())
}

/// An event that is there already (a state reached twice) is left as it is.
async fn stage_event(
    books: &Books,
    writes: &mut Batch,
    key: String,
    body: EventBody,
    now: Timestamp,
) -> Result<(), BooksError> {
    if books.outcome(&key).await?.is_some() {
        return Ok(());
    }
    append_event(
        books,
        writes,
        NewEvent {
            key,
            body,
            message: None,
            matched: None,
        },
        now,
    )
    .await
}
