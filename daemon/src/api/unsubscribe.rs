//! `unsubscribe`: a token that somebody brings, and a person's word that mail may go there again.

use std::cmp::Reverse;
use std::sync::Arc;

use liaison_core::mail::Address;
use liaison_core::optout::{AskedBy, OptOut, bare};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Shown, TRIES_MAX};
use crate::books::chunk::Chunk;
use crate::books::rows::AuditRow;
use crate::books::{BooksError, chain, keys, replace};
use crate::outbox::ledger::Recipient;
use crate::outbox::stage_audit;
use crate::store::{Ns, Range};
use crate::unsubscribe::{Asked, Heeded, heed};

/// What `unsubscribe-take` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Take {
    token: String,
}

/// Heeds a token. The token is the proof: whoever may look may hand one in, so that a web server
/// that took a POST needs no right to approve anything.
pub(super) async fn take(
    context: &ApiContext,
    caller: &Caller,
    arguments: Take,
) -> Result<Value, ApiError> {
    let claim = context.office.unsubscribe.claim(&arguments.token);
    let claim = claim.map_err(|error| ApiError::NotNow(chain(&error)))?;
    let now = context.now();
    let asked = Asked {
        claim: &claim,
        by: AskedBy::HandedIn(caller.who.clone()),
        at: now,
        mailbox: None,
        from: &caller.who,
        passed_on: false,
    };
    for _ in 0..TRIES_MAX {
        let chunk = Arc::new(Chunk::new(context.books.store.clone()));
        let books = context.books.through(chunk.clone());
        let heeded = heed(&books, &context.office, &asked, now).await;
        let heeded = match heeded {
            Err(error) if error.is_conflict() => continue,
            heeded => heeded?,
        };
        let mut batch = context.books.batch();
        chunk.drain(&mut batch);
        if !batch.is_empty() {
            match context.books.commit(batch).await {
                Err(error) if error.is_conflict() => continue,
                done => done?,
            }
        }
        let (wish, task, changed) = match &heeded {
            Heeded::Anew(wish, task) => (
                wish,
                Some(task),
                format!("no further mail goes to {}", wish.address),
            ),
            Heeded::Erased => {
                return Ok(json!({
                    "changed": format!("nothing: {}", crate::privacy::ERASED_WHY),
                }));
            }
            Heeded::Known(wish) => (
                wish,
                None,
                format!("nothing: {} asked for it before", wish.address),
            ),
        };
        return Ok(json!({
            "unsubscribed": wish_json(wish),
            "task": task,
            "changed": changed,
            "undo": format!("liaison unsubscribe allow {}", wish.address),
        }));
    }
    Err(contended())
}

/// What `unsubscribe-list` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Those whom mail may reach again, too.
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("unsubscribed");
    let each = |wish: OptOut| {
        if arguments.all || wish.stands() {
            shown.offer((!wish.stands(), Reverse(wish.at)), || wish_json(&wish));
        }
    };
    context.books.each(Range::all(Ns::OptOut), each).await?;
    Ok(shown.answer())
}

/// What `unsubscribe-allow` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allow {
    address: String,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn allow(
    context: &ApiContext,
    caller: &Caller,
    arguments: Allow,
) -> Result<Value, ApiError> {
    let asked = arguments.address.trim();
    Address::parse(asked).map_err(|error| ApiError::Arguments(error.to_string()))?;
    let address = bare(asked).unwrap_or_default();
    let why = arguments.why.unwrap_or_default();
    for _ in 0..TRIES_MAX {
        let key = keys::opt_out(&address);
        let Some(before) = context.books.get::<OptOut>(key.clone()).await? else {
            return Err(ApiError::NotFound {
                id: address,
                hint: "nobody asked for it; see `liaison unsubscribe list --all`".to_owned(),
            });
        };
        if !before.record.stands() {
            return Err(ApiError::NotNow(format!(
                "mail to {address} is allowed again already"
            )));
        }
        let (now, mut after) = (context.now(), before.record);
        after.allow(&caller.who, &why, now);
        let mut batch = context.books.batch();
        replace(&mut batch, key, Some(before.version), &after)?;
        let row = AuditRow {
            at: now,
            who: caller.who.clone(),
            what: "mail may go there again".to_owned(),
            why: why.clone(),
        };
        stage_audit(&mut batch, &address, now, row)?;
        match context.books.commit(batch).await {
            Err(error) if error.is_conflict() => continue,
            done => done?,
        }
        let marked = still_marked(context, &address).await?;
        return Ok(json!({
            "unsubscribed": wish_json(&after),
            "changed": format!("the wish of {address} holds mail back no longer{marked}"),
            "undo": "cannot be undone by a command: mark the contact do-not-contact",
        }));
    }
    Err(contended())
}

/// The contact keeps its own mark, which a person sets and takes back.
async fn still_marked(context: &ApiContext, address: &str) -> Result<String, BooksError> {
    let free_mail = &context.office.free_mail;
    let people = Recipient::of(&context.books, address, None, free_mail).await?;
    let marked = people.contacts.iter().find(|one| one.do_not_contact);
    Ok(marked.map_or_else(String::new, |contact| {
        format!(
            "; the contact is still marked: `liaison contacts set {} do_not_contact=no`",
            contact.id
        )
    }))
}

fn contended() -> ApiError {
    ApiError::NotNow("others changed the same records meanwhile: try again".to_owned())
}

pub(super) fn wish_json(wish: &OptOut) -> Value {
    json!({
        "address": wish.address,
        "state": if wish.stands() { "stands" } else { "allowed" },
        "at": wish.at,
        "why": wish.how(),
        "mail": wish.mail,
        "task": wish.task_id(),
        "allowed": wish.allowed,
    })
}
