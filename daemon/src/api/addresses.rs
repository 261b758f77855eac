//! `addresses`: where mail does not arrive, as delivery reports tell.

use std::cmp::Reverse;

use liaison_core::crm::{CrmRecord, Kind};
use liaison_core::ids::MessageKey;
use liaison_core::mail::Address;
use liaison_core::mail::address::Domain;
use liaison_core::proposal::Value as FieldValue;
use liaison_core::reach::{Reach, Reported};
use serde::Deserialize;
use serde_json::{Value, json};

use super::status::item;
use super::{ApiContext, ApiError, Caller, Shown, TRIES_MAX, Wake};
use crate::books::{BooksError, keys};
use crate::outbox::reach::stage_allowed;
use crate::store::{Ns, Range, Stored};

/// Where to look for addresses.
const LIST: &str = "liaison addresses list --all";
/// Longest reason kept, in characters.
const WHY_CHARS_MAX: usize = 400;

/// What `addresses-list` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Those to which mail may go, too.
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("addresses");
    let each = |reach: Reach| {
        if arguments.all || reach.stopped.is_some() {
            let order = (
                reach.stopped.is_none(),
                !reach.is_domain(),
                Reverse(reach.last.at),
            );
            shown.offer(order, || reach_json(&reach));
        }
    };
    context.books.each(Range::all(Ns::Reach), each).await?;
    Ok(shown.answer())
}

/// An address, or a domain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    address: String,
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Which,
) -> Result<Value, ApiError> {
    let reach = find(context, &arguments.address).await?.record;
    let audit = context.books.audit_of(&reach.subject).await?;
    Ok(json!({ "address": reach_json(&reach), "audit": audit }))
}

/// What `addresses-allow` takes.
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
    let why = arguments.why.unwrap_or_default();
    let why = liaison_core::message::cut_text(&why, WHY_CHARS_MAX);
    for _ in 0..TRIES_MAX {
        let before = find(context, &arguments.address).await?;
        let subject = &before.record.subject;
        if before.record.stopped.is_none() {
            return Err(ApiError::NotNow(format!(
                "mail to {subject} is not stopped: there is nothing to allow"
            )));
        }
        let mut batch = context.books.batch();
        let by = (caller.who.as_str(), why.as_str(), context.now());
        let after = stage_allowed(&context.books, &mut batch, &before, by).await?;
        match context.books.commit(batch).await {
            Err(error) if error.is_conflict() => continue,
            done => done?,
        }
        context.wake(Wake::Mail);
        let changed = match after.is_domain() {
            true => format!(
                "mail leaves for {} by itself again; what is held already waits for its yes",
                subject.trim_start_matches('@')
            ),
            false => format!("mail may go to {subject} again; what was called off stays so"),
        };
        return Ok(json!({
            "address": reach_json(&after),
            "changed": changed,
            "undo": "cannot be undone: a report that mail comes back stops it again",
        }));
    }
    Err(ApiError::NotNow(
        "reports came meanwhile: look at it again".to_owned(),
    ))
}

/// By an address, or by `@` and a domain.
async fn find(context: &ApiContext, asked: &str) -> Result<Stored<Reach>, ApiError> {
    let asked = asked.trim();
    let name = match asked.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).map(|domain| format!("@{domain}")),
        None => Address::parse(asked).map(|address| address.key()),
    };
    let name = name.map_err(|error| {
        ApiError::Arguments(format!(
            "{error}: write an address, or @ and a domain such as @example.com"
        ))
    })?;
    let reach = context.books.get(keys::reach(&name)).await?;
    reach.ok_or_else(|| ApiError::NotFound {
        id: name,
        hint: format!("no delivery report is about it; see `{LIST}`"),
    })
}

fn reach_json(reach: &Reach) -> Value {
    let state = match (&reach.stopped, reach.is_domain()) {
        (None, _) => "open",
        (Some(_), true) => "stopped",
        (Some(_), false) => "undeliverable",
    };
    let by = reach.stopped.as_ref().map(|stop| &stop.by);
    json!({
        "address": reach.subject,
        "state": state,
        "since": reach.stopped.as_ref().map(|stop| stop.since),
        "why": reach.refusal(),
        "by": by.map(reported_json),
        "returned": reach.returned,
        "recent": reach.recent.len(),
        "last": reported_json(&reach.last),
        "allowed": reach.allowed,
    })
}

fn reported_json(reported: &Reported) -> Value {
    json!({
        "at": reported.at,
        "report": reported.report,
        "recipient": reported.recipient,
        "what": reported.meaning.words(),
        "came_back": reported.meaning.came_back(),
        "status": reported.status,
        "said": reported.said(),
    })
}

/// What delivery reports said of a mail; null when there is none.
pub(super) async fn returned(context: &ApiContext, id: &str) -> Result<Value, BooksError> {
    let row = context.books.returned(id).await?;
    Ok(row.map_or(Value::Null, |row| {
        let reports: Vec<Value> = row.reports.iter().map(reported_json).collect();
        json!({ "count": row.count, "reports": reports })
    }))
}

/// What became of a delivery report; null for any other message.
pub(super) async fn report(context: &ApiContext, key: &MessageKey) -> Result<Value, BooksError> {
    let row = context.books.report(key).await?;
    Ok(row.map_or(Value::Null, |row| {
        let copies = row.copies.iter().map(|copy| {
            json!({
                "recipient": copy.recipient,
                "status": copy.status,
                "what": copy.meaning.words(),
            })
        });
        json!({
            "mail": row.mail,
            "message": row.message,
            "recipients": copies.collect::<Vec<_>>(),
            "left": row.left,
        })
    }))
}

/// Why mail does not arrive at the addresses of a contact.
pub(super) async fn of_contact(
    context: &ApiContext,
    record: &CrmRecord,
) -> Result<Vec<Value>, BooksError> {
    let mut stopped = Vec::new();
    if record.kind != Kind::Contact {
        return Ok(stopped);
    }
    let addresses: &[String] = match record.get("emails") {
        Some(FieldValue::Texts(all)) => all,
        Some(FieldValue::Text(one)) => std::slice::from_ref(one),
        _ => &[],
    };
    for address in addresses {
        let reach = context.books.reach(address).await?;
        let why = reach.and_then(|reach| reach.refusal());
        stopped.extend(why.map(|why| json!({ "address": address, "why": why })));
    }
    Ok(stopped)
}

/// What the counts of `status` say.
#[derive(Debug, Default)]
pub(super) struct Reaches {
    /// Addresses to which no mail arrives.
    pub addresses: u64,
    /// Domains for which nothing leaves by itself.
    pub domains: u64,
    /// Those domains wait for a person.
    pub attention: Vec<Value>,
}

impl Reaches {
    pub(super) async fn read(context: &ApiContext) -> Result<Reaches, ApiError> {
        let mut reaches = Reaches::default();
        let each = |reach: Reach| match reach.refusal() {
            Some(why) if reach.is_domain() => {
                reaches.domains = reaches.domains.saturating_add(1);
                reaches.attention.push(item("domain", "", why));
            }
            Some(_) => reaches.addresses = reaches.addresses.saturating_add(1),
            None => {}
        };
        context.books.each(Range::all(Ns::Reach), each).await?;
        Ok(reaches)
    }
}
