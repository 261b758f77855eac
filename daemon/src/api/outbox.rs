//! `outbox` and `holds`: looking, and the steps that only a person takes.

mod edit;
mod many;
mod moving;
mod ways_out;

#[cfg(test)]
mod tests;

pub(super) use edit::edit;
pub(super) use many::{decide_many, select};
pub(super) use moving::reschedule;
pub(super) use ways_out::{cancel, resolve, retry};

use liaison_core::effect::{Audience, HoldEffect, HoldState, MailEffect};
use liaison_core::ids::{EffectId, edited_effect_id};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::outbox::{Input, MailState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::gone;
use super::{ApiContext, ApiError, Caller, Id, Shown, TRIES_MAX, Wake, addresses, no_such, why};
use crate::books::keys;
use crate::outbox::reach::Stopped;
use crate::outbox::{Step, stage_hold, stage_mail};
use crate::reader;
use crate::store::{Ns, Range, Stored};
use crate::unsubscribe::opted_out;

const OUTBOX_LIST: &str = "liaison outbox list";
const HOLDS_LIST: &str = "liaison holds list";

/// Which rows to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Only those in this state.
    #[serde(default)]
    state: Option<String>,
}

/// The words of a mail's states, for `outbox list --state`.
const MAIL_STATES: [&str; 15] = [
    "proposed",
    "held",
    "drafted",
    "approved",
    "scheduled",
    "leased",
    "sent",
    "deferred",
    "failed",
    "uncertain",
    "resolved",
    "rejected",
    "cancelled",
    "superseded",
    "expired",
];
/// The words of a hold's states, for `holds list --state`.
const HOLD_STATES: [&str; 8] = [
    "planned",
    "placed",
    "releasing",
    "confirmed",
    "released",
    "expired",
    "adopted",
    "lost",
];

impl List {
    /// Refuses a state that there is not: an empty list would look like an answer.
    fn check(&self, known: &[&str]) -> Result<(), ApiError> {
        match &self.state {
            Some(state) if !known.contains(&state.as_str()) => {
                Err(ApiError::Arguments(no_such("state", state, known)))
            }
            _ => Ok(()),
        }
    }

    fn wants(&self, state: &str) -> bool {
        self.state.as_ref().is_none_or(|wanted| wanted == state)
    }
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    arguments.check(&MAIL_STATES)?;
    let mut shown = Shown::new("mails");
    let each = |mail: MailEffect| {
        if arguments.wants(mail.state.as_str()) {
            let order = (!needs_person(&mail.state), std::cmp::Reverse(mail.created));
            shown.offer(order, || mail_json(&mail));
        }
    };
    context.books.each(Range::all(Ns::Effect), each).await?;
    Ok(shown.answer())
}

/// Whether a mail waits for somebody to decide or to find out.
pub(super) fn needs_person(state: &MailState) -> bool {
    matches!(
        state,
        MailState::Held | MailState::Uncertain | MailState::Failed
    )
}

pub(super) fn mail_json(mail: &MailEffect) -> Value {
    json!({
        "id": mail.id,
        "state": mail.state.as_str(),
        "state_text": mail.state.to_string(),
        "since": mail.since,
        "mode": mail.mode.as_str(),
        "audience": mail.audience,
        "from": mail.from,
        "recipient": mail.recipient,
        "subject": mail.subject_line,
        "message_id": mail.message_id,
        "known_as": mail.known_as,
        "resends_left": mail.resends_left,
        "transport": mail.transport,
        "plugin": mail.cause.plugin,
        "plugin_version": mail.cause.plugin_version,
        "label": mail.cause.label,
        "reason": mail.cause.reason,
        "rule": mail.cause.rule,
        "account": mail.cause.subject.account,
        "thread": mail.cause.subject.thread,
        "answers": mail.answers,
        "requires": mail.requires,
        "attempts": mail.attempts,
        "not_before": mail.not_before,
        "last_reply": mail.last_reply,
        "created": mail.created,
    })
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let mail = mail_by(context, &arguments.id).await?.record;
    let audit = context.books.audit_of(mail.id.as_str()).await?;
    let editable = match edit::editable(context, &mail).await {
        Ok(words) => edit::words_json(&mail, &words),
        Err(error) => json!({ "refused": error.to_string() }),
    };
    let content = match context.books.bytes(&mail.content).await? {
        Some(bytes) => {
            let size = bytes.len();
            let view = reader::read(bytes).await?;
            json!({
                "size": size,
                "in_reply_to": view.in_reply_to,
                "text": view.text,
                "attachments": view.attachments,
            })
        }
        None => Value::Null,
    };
    let thread = match &mail.cause.subject.thread {
        Some(thread) => context.books.thread(thread).await?,
        None => None,
    };
    let closed = thread.and_then(|thread| thread.closed);
    let closed = closed.map(|closed| format!("the conversation was {closed}"));
    Ok(json!({
        "mail": mail_json(&mail),
        "thread_closed": closed,
        "recipient_asked": opted_out(&context.books, &mail.recipient).await?,
        "content": content,
        "edit": editable,
        "content_gone": liaison_core::message::gone_why(&mail.content),
        "returned": addresses::returned(context, mail.id.as_str()).await?,
        "audit": audit,
    }))
}

pub(super) async fn mail_by(
    context: &ApiContext,
    id: &str,
) -> Result<Stored<MailEffect>, ApiError> {
    let id = why::resolve(context, Ns::Effect, id, OUTBOX_LIST).await?;
    let key = keys::mail(&EffectId::from(id.as_str()));
    let mail = context.books.get(key).await?;
    mail.ok_or_else(|| gone(&id, OUTBOX_LIST))
}

/// What steps that only need a reason take: `outbox-approve`, `outbox-cancel`, `holds-release` ...
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    id: String,
    /// Why, for the audit.
    #[serde(default)]
    pub(super) why: Option<String>,
}

impl Decide {
    /// The same as a person would ask for it.
    pub(super) fn of(id: &str, why: &str) -> Decide {
        Decide {
            id: id.to_owned(),
            why: Some(why.to_owned()),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

pub(super) async fn approve(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let mail = decide(context, caller, &arguments, Input::Approve).await?;
    context.wake(Wake::Mail);
    let when = when(context, &mail).await?;
    Ok(json!({
        "mail": mail_json(&mail),
        "changed": format!("the mail to {} is approved and goes out {when}", mail.recipient),
        "undo": format!(
            "`liaison outbox cancel {}` until then; what was handed to the server cannot be undone",
            mail.id
        ),
    }))
}

/// When a mail goes out to which a person said yes, in words.
async fn when(context: &ApiContext, mail: &MailEffect) -> Result<String, ApiError> {
    Ok(match (context.books.panic().await?, &context.live) {
        (Some(_), _) => "after `liaison panic off`".to_owned(),
        _ if mail.not_before > context.now() => format!("at {}", mail.not_before),
        (None, Some(_)) => "now".to_owned(),
        (None, None) => "when `liaison run` runs".to_owned(),
    })
}

pub(super) async fn reject(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let mail = decide(context, caller, &arguments, Input::Reject).await?;
    context.wake(Wake::Events);
    let mut held = "";
    if !mail.requires.is_empty() {
        context.wake(Wake::Holds);
        held = "; times that only it offered leave the calendar";
    }
    Ok(json!({
        "mail": mail_json(&mail),
        "changed": format!("the mail to {} is rejected and will not go out{held}", mail.recipient),
        "undo": "cannot be undone: write to them yourself",
    }))
}

async fn decide(
    context: &ApiContext,
    caller: &Caller,
    arguments: &Decide,
    input: Input,
) -> Result<MailEffect, ApiError> {
    for _ in 0..TRIES_MAX {
        let mail = mail_by(context, &arguments.id).await?;
        if mail.record.state != MailState::Held {
            return Err(not_held(context, &mail.record).await?);
        }
        match decide_once(context, caller, arguments, &mail, input.clone()).await {
            Err(error) if error.is_conflict() => {}
            done => return done,
        }
    }
    Err(changed_meanwhile("mail"))
}

async fn decide_once(
    context: &ApiContext,
    caller: &Caller,
    arguments: &Decide,
    mail: &Stored<MailEffect>,
    input: Input,
) -> Result<MailEffect, ApiError> {
    let now = context.now();
    let resolved_again =
        input == (Input::Resolve { sent: false }) && mail.record.state == MailState::Uncertain;
    if resolved_again || matches!(input, Input::Approve | Input::TryAgain) {
        not_to_the_dead(context, &mail.record).await?;
    }
    let word = match &input {
        Input::Approve => "approved",
        Input::Reject => "rejected",
        Input::Resolve { sent: true } => "resolved as sent",
        Input::Resolve { sent: false } => "resolved as not sent",
        Input::Cancel { .. } => "cancelled",
        _ => "tried again",
    };
    let why = match &arguments.why {
        Some(why) => format!("{word} by {}: {why}", caller.who),
        None => format!("{word} by {}", caller.who),
    };
    // A yes does not undo the time that a plugin or a person gave it, and can be taken back for a
    // while.
    let soonest = now.plus_millis(context.office.firm.send_delay_ms);
    let not_before = match &input {
        Input::Approve => soonest.max(mail.record.not_before),
        _ if resolved_again => soonest,
        _ => now,
    };
    let step = Step {
        input,
        who: &caller.who,
        why,
        not_before: Some(not_before),
        found_as: None,
    };
    let mut batch = context.books.batch();
    let after = stage_mail(&context.books, &mut batch, mail, step, now).await?;
    context.books.commit(batch).await?;
    Ok(after)
}

/// A yes to a mail that would be called off at the last look: the person hears of it now.
async fn not_to_the_dead(context: &ApiContext, mail: &MailEffect) -> Result<(), ApiError> {
    if mail.audience == Audience::Staff {
        return Ok(());
    }
    let stopped = Stopped::of(&context.books, &mail.recipient).await?;
    stopped
        .address
        .map_or(Ok(()), |why| Err(ApiError::NotNow(why)))
}

fn changed_meanwhile(what: &str) -> ApiError {
    ApiError::NotNow(format!(
        "others changed the same {what} meanwhile: look at it again"
    ))
}

/// Says who took the mail out of `held`, and when.
async fn not_held(context: &ApiContext, mail: &MailEffect) -> Result<ApiError, ApiError> {
    let audit = context.books.audit_of(mail.id.as_str()).await?;
    let left = audit
        .iter()
        .rev()
        .find(|row| row.what.starts_with("held -> "));
    let text = match left {
        Some(row) if mail.state == MailState::Superseded => format!(
            "this mail is `{}`: {} edited it at {}, the mail {} took its place",
            mail.state,
            row.who,
            row.at,
            edited_effect_id(&mail.id)
        ),
        Some(row) => format!(
            "this mail is `{}`: {} decided on it at {} ({})",
            mail.state, row.who, row.at, row.what
        ),
        None => format!(
            "this mail is `{}` since {} and waits for nobody's yes",
            mail.state, mail.since
        ),
    };
    Ok(ApiError::NotNow(text))
}

pub(super) async fn holds(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    arguments.check(&HOLD_STATES)?;
    let mut shown = Shown::new("holds");
    let each = |hold: HoldEffect| {
        if arguments.wants(hold.state.as_str()) {
            // Open ones by when they are; of the others the newest first.
            let (start, is_final) = (hold.when.start.0, hold.state.is_final());
            let order = (
                is_final,
                if is_final {
                    start.saturating_neg()
                } else {
                    start
                },
            );
            shown.offer(order, || hold_json(&hold));
        }
    };
    context.books.each(Range::all(Ns::Hold), each).await?;
    Ok(shown.answer())
}

pub(super) fn hold_json(hold: &HoldEffect) -> Value {
    json!({
        "id": hold.id,
        "state": hold.state.as_str(),
        "why": hold.state.why(),
        "since": hold.since,
        "uid": hold.uid,
        "title": hold.title,
        "note": hold.note,
        "start": hold.when.start,
        "end": hold.when.end,
        "zone": hold.zone,
        "expires": hold.expires,
        "calendar": hold.calendar,
        "group": hold.group,
        "href": hold.href,
        "plugin": hold.cause.plugin,
        "plugin_version": hold.cause.plugin_version,
        "label": hold.cause.label,
        "reason": hold.cause.reason,
        "rule": hold.cause.rule,
        "account": hold.cause.subject.account,
        "thread": hold.cause.subject.thread,
        "attempts": hold.attempts,
        "not_before": hold.not_before,
        "last_trouble": hold.last_trouble,
        "created": hold.created,
    })
}

/// The words of the states of a change in a mailbox, for `outbox changes --state`.
const CHANGE_STATES: [&str; 5] = ["planned", "done", "refused", "gone", "failed"];

pub(super) async fn changes(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    arguments.check(&CHANGE_STATES)?;
    let mut shown = Shown::new("changes");
    let each = |effect: MailboxEffect| {
        if arguments.wants(effect.state.as_str()) {
            let order = (
                effect.state.is_final(),
                std::cmp::Reverse((effect.created, effect.id.clone())),
            );
            shown.offer(order, || change_json(&effect));
        }
    };
    context
        .books
        .each(Range::all(Ns::MailboxEffect), each)
        .await?;
    Ok(shown.answer())
}

pub(super) fn change_json(effect: &MailboxEffect) -> Value {
    json!({
        "id": effect.id,
        "state": effect.state.as_str(),
        "why": effect.state.why(),
        "since": effect.since,
        "change": effect.change.to_string(),
        "mailbox": effect.mailbox,
        "message": effect.message,
        "plugin": effect.cause.plugin,
        "plugin_version": effect.cause.plugin_version,
        "label": effect.cause.label,
        "reason": effect.cause.reason,
        "rule": effect.cause.rule,
        "account": effect.cause.subject.account,
        "thread": effect.cause.subject.thread,
        "attempts": effect.attempts,
        "not_before": effect.not_before,
        "last_trouble": effect.last_trouble,
        "created": effect.created,
    })
}

async fn hold_by(context: &ApiContext, id: &str) -> Result<Stored<HoldEffect>, ApiError> {
    let id = why::resolve(context, Ns::Hold, id, HOLDS_LIST).await?;
    let key = keys::hold(&EffectId::from(id.as_str()));
    let hold = context.books.get(key).await?;
    hold.ok_or_else(|| gone(&id, HOLDS_LIST))
}

pub(super) async fn hold_show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let hold = hold_by(context, &arguments.id).await?.record;
    let audit = context.books.audit_of(hold.id.as_str()).await?;
    let mails = context.books.mails_requiring(&hold.id).await?;
    let mut alternatives: Vec<Value> = Vec::new();
    for other in context.books.holds_of_group(&hold.group).await? {
        if other.record.id != hold.id {
            alternatives.push(hold_json(&other.record));
        }
    }
    Ok(json!({
        "hold": hold_json(&hold),
        "alternatives": alternatives,
        "offered_in": mails,
        "audit": audit,
    }))
}

pub(super) async fn hold_release(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let why = arguments
        .why
        .clone()
        .unwrap_or_else(|| format!("released by {}", caller.who));
    for _ in 0..TRIES_MAX {
        let hold = hold_by(context, &arguments.id).await?;
        match release_once(context, caller, &hold, &why).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
            Ok(after) => {
                context.wake(Wake::Holds);
                let mails = context.books.mails_requiring(&after.id).await?;
                return Ok(json!({
                    "hold": hold_json(&after),
                    "offered_in": mails,
                    "changed": format!("the hold `{}` leaves the calendar", after.title),
                    "undo": "cannot be undone: enter the time by hand if you want to keep it",
                }));
            }
        }
    }
    Err(changed_meanwhile("hold"))
}

async fn release_once(
    context: &ApiContext,
    caller: &Caller,
    hold: &Stored<HoldEffect>,
    why: &str,
) -> Result<HoldEffect, ApiError> {
    let before = &hold.record;
    if !matches!(before.state, HoldState::Planned | HoldState::Placed) {
        let reason = before.state.why().map(|why| format!(" ({why})"));
        return Err(ApiError::NotNow(format!(
            "this hold is `{}`{} since {}",
            before.state.as_str(),
            reason.unwrap_or_default(),
            before.since
        )));
    }
    let now = context.now();
    let after = HoldEffect {
        state: HoldState::Releasing(liaison_core::message::cut_text(why, WHY_CHARS_MAX)),
        since: now,
        not_before: now,
        ..before.clone()
    };
    let mut batch = context.books.batch();
    let author = (caller.who.as_str(), why);
    stage_hold(&context.books, &mut batch, hold, after.clone(), author, now).await?;
    context.books.commit(batch).await?;
    Ok(after)
}

/// Longest reason kept in a hold's state, in characters.
const WHY_CHARS_MAX: usize = 300;
