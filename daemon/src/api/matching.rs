//! `match`: whom an address or a message belongs to.

use base64::Engine as _;
use bytes::Bytes;
use liaison_core::account::matching::sender::Senders;
use liaison_core::account::matching::{Match, Sender, ThreadAffinity};
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::mail::address::{Address, NamedAddress};
use liaison_core::mail::{MessageView, ThreadEvidence, judged, thread_candidates};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, with};
use crate::accounts::whose::{Asked, Whose, senders_of};
use crate::books::keys;
use crate::books::rows::ReviewRow;
use crate::ingest::Inbound;
use crate::reader;
use crate::review::review_id;

/// What `match` takes: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    #[serde(default)]
    address: Option<String>,
    /// Bytes of a message in base64.
    #[serde(default)]
    message: Option<String>,
}

pub(super) async fn of(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Of,
) -> Result<Value, ApiError> {
    match (arguments.address, arguments.message) {
        (Some(text), None) => {
            let address = Address::parse(without_name(&text))
                .map_err(|error| ApiError::Arguments(error.to_string()))?;
            of_address(context, &address).await
        }
        (None, Some(message)) => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(&message)
                .map_err(|error| ApiError::Arguments(format!("message: no base64 ({error})")))?;
            of_message(context, bytes).await
        }
        _ => Err(ApiError::Arguments(
            "match takes an address or a message".to_owned(),
        )),
    }
}

/// The address of `Name <address>`, as mail programs copy it.
fn without_name(text: &str) -> &str {
    let inner = text.trim().strip_suffix('>').and_then(|text| {
        let (_, address) = text.rsplit_once('<')?;
        Some(address)
    });
    inner.unwrap_or(text)
}

async fn of_address(context: &ApiContext, address: &Address) -> Result<Value, ApiError> {
    let sender = Sender::of(address.clone(), context.office.owns(address));
    let asked = Asked {
        senders: &Senders::one(sender),
        thread: None,
        event: None,
        free_mail: &context.office.free_mail,
    };
    let named = NamedAddress::new(None, address.clone());
    let warnings = context
        .books
        .sender_warnings(&named, &context.office, None)
        .await?;
    let whose = context.books.whose(asked).await?.warned(warnings);
    let answer = match_json(context, &whose.matched).await?;
    let review = review_of(context, &whose).await?;
    let more = json!({ "address": address, "authenticity": null, "review": review });
    Ok(with(answer, more))
}

async fn of_message(context: &ApiContext, bytes: Vec<u8>) -> Result<Value, ApiError> {
    let bytes = Bytes::from(bytes);
    let view = reader::read(bytes.clone()).await?;
    let from = view.from.first().map(|named| &named.address);
    let thread = match from {
        Some(from) => thread_affinity(context, &view, from).await?,
        None => None,
    };
    let asked = Asked {
        senders: &senders_of(&view, &context.office),
        thread: thread.clone(),
        event: context.books.event_of_ours(&view).await?,
        free_mail: &context.office.free_mail,
    };
    let whose = context.books.whose(asked).await?;
    let dkim = match &context.office.dkim {
        Some(verifier) => {
            let now = context.clock.now();
            Some(verifier.check(&view, Some(&bytes), now).await)
        }
        None => None,
    };
    let told = judged(&view, &context.office.authserv_ids, dkim.as_ref());
    let inbound = Inbound {
        office: &context.office,
        view: &view,
        thread,
        dkim: dkim.as_ref(),
    };
    let whose = context.books.warned(whose, inbound).await?;
    let answer = match_json(context, &whose.matched).await?;
    let more = json!({
        "address": whose.address,
        "from": from,
        "class": view.class.class,
        "authenticity": { "verdict": told.verdict, "detail": told.detail },
        "review": review_of(context, &whose).await?,
    });
    Ok(with(answer, more))
}

/// The question that is kept about this address and these candidates.
async fn review_of(context: &ApiContext, whose: &Whose) -> Result<Value, ApiError> {
    let (Some(address), false) = (&whose.address, whose.matched.candidates.is_empty()) else {
        return Ok(Value::Null);
    };
    let id = review_id(&address.key(), &whose.matched.candidates);
    let row = context.books.get::<ReviewRow>(keys::review(&id)).await?;
    Ok(row.map_or(Value::Null, |row| json!(row.record.id)))
}

/// The thread that the message answers into, and what its sender is to it.
async fn thread_affinity(
    context: &ApiContext,
    view: &MessageView,
    address: &Address,
) -> Result<Option<ThreadAffinity>, ApiError> {
    for evidence in thread_candidates(view) {
        let (ThreadEvidence::InReplyTo(id) | ThreadEvidence::Reference(id)) = evidence else {
            continue;
        };
        let Some(message) = context.books.message_by_id(&id).await? else {
            continue;
        };
        let free_mail = &context.office.free_mail;
        let affinity = context.books.affinity(&message.thread, address, free_mail);
        return Ok(affinity.await?);
    }
    Ok(None)
}

pub(super) async fn match_json(context: &ApiContext, matched: &Match) -> Result<Value, ApiError> {
    let mut candidates = Vec::new();
    for id in &matched.candidates {
        candidates.push(account_ref(context, id).await?);
    }
    let account = match &matched.account {
        Some(id) => account_ref(context, id).await?,
        None => Value::Null,
    };
    let contact = match &matched.contact {
        Some(id) => contact_ref(context, id).await?,
        None => Value::Null,
    };
    Ok(json!({
        "outcome": matched.outcome.as_str(),
        "account": account,
        "contact": contact,
        "confidence": matched.confidence,
        "firm": matched.is_firm(),
        "evidence": matched.evidence,
        "candidates": candidates,
    }))
}

pub(super) async fn account_ref(context: &ApiContext, id: &AccountId) -> Result<Value, ApiError> {
    let account = context.books.account(id).await?;
    Ok(json!({ "id": id, "name": account.map(|account| account.name) }))
}

async fn contact_ref(context: &ApiContext, id: &ContactId) -> Result<Value, ApiError> {
    let contact = context.books.contact(id).await?;
    let (name, email) = match contact {
        Some(contact) => (contact.name, contact.addresses.into_iter().next()),
        None => (None, None),
    };
    Ok(json!({ "id": id, "name": name, "email": email }))
}
