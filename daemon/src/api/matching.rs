//! `match`: whom an address or a message belongs to.

use base64::Engine as _;
use bytes::Bytes;
use liaison_core::account::matching::{Match, Sender, ThreadAffinity, match_sender};
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::mail::address::{Address, NamedAddress};
use liaison_core::mail::{MessageView, ThreadEvidence, judged, thread_candidates};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, with};
use crate::ingest::Known;
use crate::reader;

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
    let found = context.accounts.lookups(address).await?;
    let sender = Sender {
        address: Some(address),
        from_count: 1,
        own: context.office.owns(address),
        automatic: None,
    };
    let matched = match_sender(&sender, &found, &context.office.free_mail);
    let known = Known {
        office: &context.office,
        found: &found,
    };
    let named = NamedAddress::new(None, address.clone());
    let matched = matched.warned(context.books.sender_warnings(&named, &known).await?);
    let answer = match_json(context, &matched).await?;
    let more = json!({ "address": address, "authenticity": null });
    Ok(with(answer, more))
}

async fn of_message(context: &ApiContext, bytes: Vec<u8>) -> Result<Value, ApiError> {
    let bytes = Bytes::from(bytes);
    let view = reader::read(bytes.clone()).await?;
    let address = view.from.first().map(|named| &named.address);
    let mut found = match address {
        Some(address) => context.accounts.lookups(address).await?,
        None => Default::default(),
    };
    if let Some(address) = address {
        found.thread = thread_affinity(context, &view, address).await?;
    }
    let automatic = view.class.class.is_automatic();
    let sender = Sender {
        address,
        from_count: view.from.len().max(view.from_field_count),
        own: address.is_some_and(|address| context.office.owns(address)),
        automatic: automatic.then(|| {
            let why = view.class.evidence.first().map_or("", String::as_str);
            format!("class {}: {why}", view.class.class.as_str())
        }),
    };
    let matched = match_sender(&sender, &found, &context.office.free_mail);
    let dkim = match &context.office.dkim {
        Some(verifier) => {
            let now = context.clock.now();
            Some(verifier.check(&view, Some(&bytes), now).await)
        }
        None => None,
    };
    let known = Known {
        office: &context.office,
        found: &found,
    };
    let warnings = context.books.warnings(&view, &known, dkim.as_ref()).await?;
    let matched = matched.warned(warnings);
    let told = judged(&view, &context.office.authserv_ids, dkim.as_ref());
    let answer = match_json(context, &matched).await?;
    let more = json!({
        "address": address,
        "class": view.class.class,
        "authenticity": { "verdict": told.verdict, "detail": told.detail },
    });
    Ok(with(answer, more))
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
        "evidence": matched.evidence,
        "candidates": candidates,
    }))
}

async fn account_ref(context: &ApiContext, id: &AccountId) -> Result<Value, ApiError> {
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
