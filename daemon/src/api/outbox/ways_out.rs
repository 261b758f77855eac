//! `outbox resolve`, `retry` and `cancel`: the steps by which a person gets a mail out of a state
//! that it does not leave by itself.

use liaison_core::effect::MailEffect;
use liaison_core::ids::edited_effect_id;
use liaison_core::outbox::{Input, MailState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Decide, changed_meanwhile, decide_once, mail_by, mail_json, when};
use crate::api::{ApiContext, ApiError, Caller, TRIES_MAX, Wake};
use crate::books::rows::AuditRow;
use crate::outbox::ledger::stage_moved_ledgers;
use crate::outbox::{stage_audit, stage_mail_record};
use crate::store::Stored;

/// What `outbox-resolve` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Resolve {
    id: String,
    /// Whether it went out.
    sent: bool,
    /// How they know, for the audit.
    #[serde(default)]
    why: Option<String>,
}

/// Records what a person found out about a mail in doubt. What did not go out is sent; of what did
/// the copy is filed where the provider does not.
pub(in crate::api) async fn resolve(
    context: &ApiContext,
    caller: &Caller,
    arguments: Resolve,
) -> Result<Value, ApiError> {
    let sent = arguments.sent;
    let decide = Decide {
        id: arguments.id,
        why: arguments.why,
    };
    let input = |mail: &MailEffect| {
        // It waits since a try of which nobody knew the end: a yes to another one.
        let again = !sent && mail.state == MailState::Held && mail.attempts > 0;
        Some(match again {
            true => Input::Approve,
            false => Input::Resolve { sent },
        })
    };
    let mail = step(context, caller, &decide, input).await?;
    context.wake(Wake::Mail);
    context.wake(Wake::Events);
    context.wake(Wake::Holds);
    let (recipient, id) = (&mail.recipient, &mail.id);
    let (changed, undo) = match &mail.state {
        MailState::Approved => (
            format!(
                "the mail to {recipient} is recorded as not sent, and goes out {} with the \
                 Message-ID that it had",
                when(context, &mail).await?
            ),
            format!("`liaison outbox cancel {id}` until then"),
        ),
        state => {
            let word = if state.went_out() { "sent" } else { "not sent" };
            (
                format!(
                    "the mail to {recipient} is recorded as {word}; liaison leaves it alone from \
                     here on"
                ),
                "cannot be undone: the mail itself stays under `liaison outbox show`".to_owned(),
            )
        }
    };
    Ok(json!({ "mail": mail_json(&mail), "changed": changed, "undo": undo }))
}

/// Calls a mail off.
pub(in crate::api) async fn cancel(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let was_drafted = mail_by(context, &arguments.id).await?.record.state == MailState::Drafted;
    let why = arguments.why.clone();
    let input = |_: &MailEffect| {
        Some(Input::Cancel {
            by: caller.who.clone(),
            why: why.clone().unwrap_or_else(|| "a person said so".to_owned()),
        })
    };
    let mail = step(context, caller, &arguments, input).await?;
    context.wake(Wake::Events);
    context.wake(Wake::Holds);
    let draft = match was_drafted {
        true => "; its draft is taken out of Drafts, unless somebody changed it",
        false => "",
    };
    Ok(json!({
        "mail": mail_json(&mail),
        "changed": format!("the mail to {} will not go out{draft}", mail.recipient),
        "undo": "cannot be undone: write to them yourself",
    }))
}

/// Has a mail tried again: one that waits goes at once, one that failed gets another try, one in
/// doubt is laid before a person for approval.
pub(in crate::api) async fn retry(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    for _ in 0..TRIES_MAX {
        let seen = mail_by(context, &arguments.id).await?;
        if !seen.record.state.is_due_work() {
            break;
        }
        match due_now(context, caller, &arguments, &seen).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
            Ok(mail) => return Ok(retried(context, &mail)),
        }
    }
    let mail = step(context, caller, &arguments, |mail| match mail.state {
        MailState::Failed => Some(Input::TryAgain),
        MailState::Uncertain => Some(Input::NotFound),
        _ => None,
    })
    .await?;
    Ok(retried(context, &mail))
}

fn retried(context: &ApiContext, mail: &MailEffect) -> Value {
    context.wake(Wake::Mail);
    let when = match context.live {
        Some(_) => "now",
        None => "when `liaison run` runs",
    };
    let (changed, undo) = match mail.state {
        MailState::Held => (
            format!(
                "the mail to {} waits for a yes: `liaison outbox approve {}` sends it, with the \
                 Message-ID that it had",
                mail.recipient, mail.id
            ),
            format!(
                "`liaison outbox resolve {} sent` when it did go out",
                mail.id
            ),
        ),
        _ => (
            format!(
                "the mail to {} is tried {when}, within the rules for time and frequency",
                mail.recipient
            ),
            format!(
                "`liaison outbox cancel {}` until it is handed over",
                mail.id
            ),
        ),
    };
    json!({ "mail": mail_json(mail), "changed": changed, "undo": undo })
}

async fn due_now(
    context: &ApiContext,
    caller: &Caller,
    arguments: &Decide,
    seen: &Stored<MailEffect>,
) -> Result<MailEffect, ApiError> {
    let now = context.now();
    let after = MailEffect {
        not_before: now,
        ..seen.record.clone()
    };
    let mut batch = context.books.batch();
    stage_mail_record(&mut batch, seen, &after)?;
    let row = AuditRow {
        at: now,
        who: caller.who.clone(),
        what: format!("{}, to be tried at once", after.state),
        why: arguments.why.clone().unwrap_or_default(),
    };
    stage_audit(&mut batch, after.id.as_str(), now, row)?;
    if seen.record.not_before > now {
        let free_mail = &context.office.free_mail;
        stage_moved_ledgers(&context.books, &mut batch, &after, (now, free_mail)).await?;
    }
    context.books.commit(batch).await?;
    Ok(after)
}

/// Takes the step that `input` names for the present state.
async fn step(
    context: &ApiContext,
    caller: &Caller,
    arguments: &Decide,
    input: impl Fn(&MailEffect) -> Option<Input>,
) -> Result<MailEffect, ApiError> {
    for _ in 0..TRIES_MAX {
        let mail = mail_by(context, &arguments.id).await?;
        let state = &mail.record.state;
        let Some(input) = input(&mail.record).filter(|input| state.step(input.clone()).is_ok())
        else {
            return Err(no_way(&mail.record));
        };
        match decide_once(context, caller, arguments, &mail, input).await {
            Err(error) if error.is_conflict() => {}
            done => return done,
        }
    }
    Err(changed_meanwhile("mail"))
}

/// Why a mail does not take the step, and which it does take.
pub(super) fn no_way(mail: &MailEffect) -> ApiError {
    let id = &mail.id;
    let instead = match &mail.state {
        MailState::Held => format!(
            "`liaison outbox approve {id}`, `edit {id}`, `reschedule {id}`, `reject {id}`, \
             `cancel {id}` or `resolve {id} sent|not-sent`"
        ),
        MailState::Uncertain => {
            format!("`liaison outbox resolve {id} sent|not-sent`, or `retry {id}`")
        }
        MailState::Failed => format!("`liaison outbox retry {id}`, or `resolve {id} not-sent`"),
        MailState::Superseded => {
            let new = edited_effect_id(id);
            format!("nothing; it was edited, and `liaison outbox show {new}` took its place")
        }
        MailState::Leased(_) => "it is being handed over: look again in a minute".to_owned(),
        state if state.is_due_work() => {
            format!("`liaison outbox edit {id}`, `reschedule {id}`, `retry {id}` or `cancel {id}`")
        }
        state if state.can_be_cancelled() => format!("`liaison outbox cancel {id}`"),
        _ => "nothing more happens to it".to_owned(),
    };
    ApiError::NotNow(format!(
        "this mail is `{}` since {}; what it takes: {instead}",
        mail.state, mail.since
    ))
}
