//! `outbox edit`: a mail with the words of a person takes the place of a decided one.
//!
//! The caller opens the editor; here come only texts, with a word for the mail as it was seen
//! (`seen`): what changed since then is not overwritten.

use liaison_core::effect::MailEffect;
use liaison_core::ids::{derive, edited_effect_id};
use liaison_core::outbox::MailState;
use liaison_core::outbox::words::Words;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ways_out::no_way;
use super::{mail_by, mail_json};
use crate::api::{ApiContext, ApiError, Caller, Wake};
use crate::books::chain;
use crate::compose::edited::{EditError, Known, with_words, words_of};
use crate::outbox::edited::{EditBy, stage_edited, successor};
use crate::store::Stored;

/// What `outbox-edit` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Edit {
    id: String,
    /// `edit.seen` of `outbox-show`: the mail for which the words were written.
    seen: String,
    subject: String,
    text: String,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

/// Changes the words of a mail that waits.
pub(in crate::api) async fn edit(
    context: &ApiContext,
    caller: &Caller,
    arguments: Edit,
) -> Result<Value, ApiError> {
    let words = Words::tidy(&arguments.subject, &arguments.text);
    let stored = mail_by(context, &arguments.id).await?;
    let mail = &stored.record;
    if mail.state == MailState::Superseded {
        return superseded(context, mail, &words).await;
    }
    let now_says = editable(context, mail).await?;
    if seen(mail) != arguments.seen {
        return Err(changed(context, mail).await?);
    }
    if now_says == words {
        return Ok(json!({
            "mail": mail_json(mail),
            "changed": "nothing: subject and text are as they were",
            "undo": "nothing is to be undone",
        }));
    }
    let faults = words.faults();
    if !faults.is_empty() {
        return Err(ApiError::Arguments(format!(
            "the mail cannot go out like this: {}",
            faults.join("; ")
        )));
    }
    match replaced(context, caller, &stored, (&words, arguments.why.as_deref())).await {
        // Only what was seen is changed: somebody else was faster.
        Err(error) if error.is_conflict() => {
            let mail = mail_by(context, &arguments.id).await?.record;
            match mail.state {
                MailState::Superseded => superseded(context, &mail, &words).await,
                _ => Err(changed(context, &mail).await?),
            }
        }
        Err(error) => Err(error),
        Ok(new) => {
            context.wake(Wake::Mail);
            Ok(answer(&new, &mail.id))
        }
    }
}

fn answer(new: &MailEffect, old: &liaison_core::ids::EffectId) -> Value {
    let id = &new.id;
    let next = match new.state {
        MailState::Held => format!("it waits for a yes: `liaison outbox approve {id}`"),
        _ => format!("it is {} as the old one was", new.state),
    };
    json!({
        "mail": mail_json(new),
        "replaces": old,
        "changed": format!(
            "the mail to {} says what you wrote; it is the mail {id} now, and {next}",
            new.recipient
        ),
        "undo": format!("`liaison outbox edit {id}` again; the old words are under `liaison \
                         outbox show {old}`"),
    })
}

async fn replaced(
    context: &ApiContext,
    caller: &Caller,
    old: &Stored<MailEffect>,
    (words, why): (&Words, Option<&str>),
) -> Result<MailEffect, ApiError> {
    let (books, office, now) = (&context.books, &context.office, context.now());
    let domain = &office.firm.sending_domain;
    let mut new = successor(&old.record, &words.subject, domain, now);
    let bytes = books.bytes(&old.record.content).await?;
    let bytes = bytes.ok_or_else(|| gone(&old.record))?;
    let known = Known {
        id: &new.id,
        message_id: &new.message_id,
        now,
    };
    let rendered = with_words(&bytes, words, &known).map_err(|error| unfit(&old.record, &error))?;
    new.content = books.keep(rendered).await?;
    let mut batch = books.batch();
    let by = EditBy {
        who: &caller.who,
        why,
        now,
        free_mail: &office.free_mail,
    };
    stage_edited(books, &mut batch, (old, &new), &by).await?;
    books.commit(batch).await?;
    Ok(new)
}

/// The words of a mail that a person may change, else why they may not.
pub(super) async fn editable(context: &ApiContext, mail: &MailEffect) -> Result<Words, ApiError> {
    let id = &mail.id;
    if mail.state == MailState::Drafted || (mail.is_draft() && mail.state.can_be_moved()) {
        let from = &mail.from;
        let lies = match mail.state {
            MailState::Drafted => "lies",
            _ => "will lie",
        };
        return Err(ApiError::NotNow(format!(
            "this mail {lies} in the Drafts of {from}: change it there, in your mail program, and \
             send it from there"
        )));
    }
    if !mail.state.can_be_moved() {
        return Err(no_way(mail));
    }
    // Under a new Message-ID nobody would find out that both went out.
    let audit = context.books.audit_of(id.as_str()).await?;
    if audit.iter().any(|row| row.what.starts_with("uncertain ->")) {
        return Err(ApiError::NotNow(format!(
            "this mail was in doubt and may have been sent: an edited one could be a second one. \
             `liaison outbox approve {id}` sends it again as it is; else `liaison outbox resolve \
             {id} sent` when it arrived, or `reject {id}`, and write to them yourself"
        )));
    }
    let bytes = context.books.bytes(&mail.content).await?;
    let bytes = bytes.ok_or_else(|| gone(mail))?;
    words_of(&bytes).await.map_err(|error| unfit(mail, &error))
}

pub(super) fn words_json(mail: &MailEffect, words: &Words) -> Value {
    json!({
        "subject": words.subject,
        "text": words.text,
        "seen": seen(mail),
    })
}

/// A word for what of a mail must not change while it is edited.
fn seen(mail: &MailEffect) -> String {
    let parts = [
        mail.state.as_str().as_bytes(),
        &mail.since.0.to_be_bytes(),
        mail.content.as_bytes(),
    ];
    derive("liaison seen 1", &parts)
}

fn gone(mail: &MailEffect) -> ApiError {
    let id = &mail.id;
    ApiError::NotNow(format!(
        "the rendered message of {id} is gone, so it cannot be changed: `liaison outbox cancel \
         {id}`, and write to them yourself"
    ))
}

fn unfit(mail: &MailEffect, error: &EditError) -> ApiError {
    let (id, why) = (&mail.id, chain(error));
    ApiError::NotNow(format!(
        "the mail {id} cannot be changed: {why}; `liaison outbox cancel {id}`, and write to them \
         yourself"
    ))
}

/// Says who changed a mail since it was looked at, and how.
async fn changed(context: &ApiContext, mail: &MailEffect) -> Result<ApiError, ApiError> {
    let audit = context.books.audit_of(mail.id.as_str()).await?;
    let last = audit.last().map_or_else(String::new, |row| {
        format!(": {}, by {} at {}", row.what, row.who, row.at)
    });
    Ok(ApiError::NotNow(format!(
        "the mail {} changed since you began to edit it{last}; it is `{}` now, and nothing of \
         yours was taken over: look at it, then edit it again",
        mail.id, mail.state
    )))
}

/// Of a mail that was edited before: the same words again change nothing.
async fn superseded(
    context: &ApiContext,
    mail: &MailEffect,
    words: &Words,
) -> Result<Value, ApiError> {
    let Some(new) = context.books.mail(&edited_effect_id(&mail.id)).await? else {
        return Err(no_way(mail));
    };
    if let Some(bytes) = context.books.bytes(&new.content).await?
        && words_of(&bytes).await.is_ok_and(|now| now == *words)
    {
        return Ok(answer(&new, &mail.id));
    }
    let audit = context.books.audit_of(mail.id.as_str()).await?;
    let by = audit
        .iter()
        .rev()
        .find(|row| row.what.ends_with("-> superseded"));
    let by = by.map_or_else(String::new, |row| {
        format!(" (edited by {} at {})", row.who, row.at)
    });
    let id = &new.id;
    Err(ApiError::NotNow(format!(
        "the mail {} took its place{by}, and is `{}`: `liaison outbox show {id}`",
        id, new.state
    )))
}
