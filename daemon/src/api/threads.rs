//! `thread`: conversations into which nothing more is to be written.

use liaison_core::ids::ThreadId;
use liaison_core::message::{ThreadClosed, ThreadRecord};
use serde_json::{Value, json};

use super::outbox::{Decide, cancel};
use super::why::find::find;
use super::{ApiContext, ApiError, Caller, TRIES_MAX};
use crate::accounts::audit;
use crate::books::rows::AuditRow;
use crate::books::{keys, replace};
use crate::store::Stored;

/// Closes a conversation and calls off what waits in it.
pub(super) async fn close(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let closed = ThreadClosed {
        at: context.now(),
        who: caller.who.clone(),
        why: arguments.why.clone().unwrap_or_default(),
    };
    let (thread, changed) = mark(context, caller, &arguments, Some(closed)).await?;
    let id = &thread.id;
    let mut called_off = Vec::new();
    for effect in context.books.effects_of_thread(id).await? {
        let Some(mail) = context.books.mail(&effect).await? else {
            continue;
        };
        if !mail.state.can_be_cancelled() {
            continue;
        }
        let why = arguments
            .why
            .as_deref()
            .unwrap_or("the conversation was closed");
        let decide = Decide::of(mail.id.as_str(), why);
        match cancel(context, caller, decide).await {
            Ok(_) => called_off.push(mail.id),
            // It moved on meanwhile; what is looked at before sending sees that it is closed.
            Err(ApiError::NotNow(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let what = match changed {
        true => "no mail of ours but a person's own goes into it until somebody outside writes",
        false => "nothing: it was closed before",
    };
    let mails = match called_off.len() {
        0 => String::new(),
        count => format!("; called off: {count} mail(s)"),
    };
    Ok(json!({
        "thread": thread_json(&thread),
        "called_off": called_off,
        "changed": format!("{what}{mails}"),
        "undo": format!("liaison thread reopen {id}"),
    }))
}

/// Opens a conversation again; what was called off stays so.
pub(super) async fn reopen(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let (thread, changed) = mark(context, caller, &arguments, None).await?;
    let what = match changed {
        true => "mail may go into it again; what was called off stays so",
        false => "nothing: it is open",
    };
    Ok(json!({
        "thread": thread_json(&thread),
        "changed": what,
        "undo": format!("liaison thread close {}", thread.id),
    }))
}

/// Closes or opens it; whether that was anything new.
async fn mark(
    context: &ApiContext,
    caller: &Caller,
    arguments: &Decide,
    closed: Option<ThreadClosed>,
) -> Result<(ThreadRecord, bool), ApiError> {
    for _ in 0..TRIES_MAX {
        let seen = thread_by(context, arguments.id()).await?;
        if seen.record.closed.is_some() == closed.is_some() {
            return Ok((seen.record, false));
        }
        let now = context.now();
        let after = ThreadRecord {
            closed: closed.clone(),
            ..seen.record
        };
        let mut batch = context.books.batch();
        replace(
            &mut batch,
            keys::thread(&after.id),
            Some(seen.version),
            &after,
        )?;
        let row = AuditRow {
            at: now,
            who: caller.who.clone(),
            what: match closed {
                Some(_) => "closed".to_owned(),
                None => "reopened".to_owned(),
            },
            why: arguments.why.clone().unwrap_or_default(),
        };
        audit(&context.books, &mut batch, after.id.as_str(), &row).await?;
        match context.books.commit(batch).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok((after, true)),
        }
    }
    Err(ApiError::NotNow(
        "mail arrives in it at this moment: try again".to_owned(),
    ))
}

/// The conversation with this id, or of the message, mail or whatever else has it.
async fn thread_by(context: &ApiContext, id: &str) -> Result<Stored<ThreadRecord>, ApiError> {
    let key = keys::thread(&ThreadId::from(id));
    if let Some(stored) = context.books.get::<ThreadRecord>(key).await? {
        return Ok(stored);
    }
    let found = find(context, id).await?;
    let gone = |hint: String| ApiError::NotFound {
        id: id.to_owned(),
        hint,
    };
    let none = || gone("it belongs to no conversation; name one of its messages".to_owned());
    let thread = found.thread().ok_or_else(none)?;
    let stored = context
        .books
        .get::<ThreadRecord>(keys::thread(thread))
        .await?;
    stored.ok_or_else(|| gone(format!("its conversation {thread} was let go of")))
}

fn thread_json(thread: &ThreadRecord) -> Value {
    json!({
        "id": thread.id,
        "subject": thread.subject,
        "closed": thread.closed.as_ref().map(ToString::to_string),
    })
}
