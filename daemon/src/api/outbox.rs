//! `outbox`: looking, and the steps that only a person takes.

mod edit;
mod many;
mod moving;
mod ways_out;

#[cfg(test)]
mod tests;

pub(super) use edit::edit;
pub(super) use many::{decide_many, select};
pub(super) use moving::{instant, reschedule};
pub(super) use ways_out::{cancel, resolve, retry};

use liaison_core::effect::{Audience, MailEffect};
use liaison_core::ids::{EffectId, edited_effect_id};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::outbox::{Input, MailState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::gone;
use super::{ApiContext, ApiError, Caller, Id, Shown, TRIES_MAX, Wake, addresses, no_such, why};
use crate::books::keys;
use crate::outbox::reach::Stopped;
use crate::outbox::{Step, stage_mail};
use crate::reader;
use crate::store::{Ns, Range, Stored};
use crate::unsubscribe::opted_out;

const OUTBOX_LIST: &str = "liaison outbox list";

/// Which rows to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Only those in this state.
    #[serde(default)]
    pub(super) state: Option<String>,
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
impl List {
    /// Refuses a state that there is not: an empty list would look like an answer.
    pub(super) fn check(&self, known: &[&str]) -> Result<(), ApiError> {
        match &self.state {
            Some(state) if !known.contains(&state.as_str()) => {
                Err(ApiError::Arguments(no_such("state", state, known)))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wants(&self, state: &str) -> bool {
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

pub(super) fn changed_meanwhile(what: &str) -> ApiError {
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
