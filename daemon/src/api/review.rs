//! `review`: senders who may belong to several accounts.

use std::cmp::Reverse;

use liaison_core::ids::AccountId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::matching::account_ref;
use super::{ApiContext, ApiError, Caller, Id, Nothing, Shown, TRIES_MAX, Wake, why, with};
use crate::books::keys;
use crate::books::rows::{MatchRuleRow, ReviewRow, ReviewState};
use crate::review::decide::{self, DecideError, Decided, state_word};
use crate::review::is_stale;
use crate::store::{Ns, Range};

/// Where to look for ids.
const LIST: &str = "liaison review list --all";

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> ApiError {
        match error {
            DecideError::Books(error) => ApiError::Books(error),
            DecideError::Unknown(id) => ApiError::NotFound {
                id,
                hint: format!("see `{LIST}`"),
            },
            DecideError::NotOpen { .. } | DecideError::Open(_) => {
                ApiError::NotNow(error.to_string())
            }
            DecideError::Domain { .. } => ApiError::Arguments(error.to_string()),
        }
    }
}

/// What `review-list` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Those that were decided, too.
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("reviews");
    let (days, now) = (context.office.review_days, context.now());
    let each = |row: ReviewRow| {
        let closed = row.state != ReviewState::Open;
        if closed && !arguments.all {
            return;
        }
        let order = (closed, is_stale(&row, days, now), Reverse(row.last));
        shown.offer(order, || review_json(&row, days, now));
    };
    context.books.each(Range::all(Ns::Review), each).await?;
    let mut answer = shown.answer();
    let rows = answer.get_mut("reviews").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        let named = named(context, row).await?;
        *row = with(std::mem::take(row), json!({ "candidates": named }));
    }
    Ok(answer)
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let id = why::resolve(context, Ns::Review, &arguments.id, LIST).await?;
    let row = find(context, &id).await?;
    let (days, now) = (context.office.review_days, context.now());
    let mut review = review_json(&row, days, now);
    let candidates = named(context, &review).await?;
    review = with(review, json!({ "candidates": candidates }));
    let mut messages = Vec::new();
    for key in row.messages.iter().rev() {
        if let Some(message) = context.books.message(key).await? {
            messages.push(json!({
                "id": key,
                "received": message.received,
                "subject": message.subject,
                "account": message.account,
            }));
        }
    }
    let audit = context.books.audit_of(&row.id).await?;
    Ok(json!({ "review": review, "messages": messages, "audit": audit }))
}

/// What people's answers taught: whose mail from an address or a domain is from then on.
pub(super) async fn rules(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("rules");
    let each = |row: MatchRuleRow| {
        shown.offer((Reverse(row.at), row.subject.clone()), || json!(row));
    };
    context.books.each(Range::all(Ns::MatchRule), each).await?;
    let mut answer = shown.answer();
    let rows = answer.get_mut("rules").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let (id, account) = (text("review").to_owned(), text("account").to_owned());
        let review = context.books.get::<ReviewRow>(keys::review(&id)).await?;
        let review = review.map(|review| review.record);
        let undo = match review.as_ref().map(|review| &review.state) {
            Some(ReviewState::Resolved { .. }) => format!("liaison review reopen {id}"),
            // Mail came that it does not cover: the next answer takes its place.
            Some(_) => format!("liaison review resolve {id} ACCOUNT"),
            None => "its review is not there: the next one of that sender replaces it".to_owned(),
        };
        let account = AccountId::from(account.as_str());
        let account = match context.books.account(&account).await? {
            Some(account) => context.books.standing_account(account).await?.id,
            None => account,
        };
        let more = json!({
            "account": account_ref(context, &account).await?,
            "address": review.as_ref().map(|review| &review.address),
            "evidence": review.as_ref().map(|review| &review.evidence),
            "undo": undo,
        });
        *row = with(std::mem::take(row), more);
    }
    Ok(answer)
}

/// What `review-resolve` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolve {
    id: String,
    /// Id, name, external id, domain or address of a contact.
    account: String,
    /// The whole domain is the account's.
    #[serde(default)]
    domain: bool,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn resolve(
    context: &ApiContext,
    caller: &Caller,
    arguments: Resolve,
) -> Result<Value, ApiError> {
    let id = why::resolve(context, Ns::Review, &arguments.id, LIST).await?;
    let account = context.accounts.find(&arguments.account).await?;
    let by = context.by(caller, arguments.why.unwrap_or_default());
    let rules = arguments.domain.then(|| context.accounts.rules());
    let mut tries = 0;
    let done = loop {
        match decide::resolve(&context.books, &id, &account.id, rules, &by).await {
            Err(error) if again(&error, &mut tries) => {}
            done => break done?,
        }
    };
    context.wake(Wake::Events);
    let subject = match &done.row.state {
        ReviewState::Resolved { subject, .. } => subject.clone(),
        _ => done.row.address.clone(),
    };
    let named = match done.row.candidates.contains(&account.id) {
        true => "",
        false => " (it was none of the candidates)",
    };
    let changed = format!(
        "mail from {subject} belongs to {}{named}; {}",
        account.name,
        messages(&done)
    );
    Ok(answer(
        &done,
        changed,
        &format!("liaison review reopen {id}"),
    ))
}

/// What `review-dismiss` and `review-reopen` take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Say {
    id: String,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn dismiss(
    context: &ApiContext,
    caller: &Caller,
    arguments: Say,
) -> Result<Value, ApiError> {
    let id = why::resolve(context, Ns::Review, &arguments.id, LIST).await?;
    let by = context.by(caller, arguments.why.unwrap_or_default());
    let mut tries = 0;
    let done = loop {
        match decide::dismiss(&context.books, &id, &by).await {
            Err(error) if again(&error, &mut tries) => {}
            done => break done?,
        }
    };
    let changed = format!("whose {} is need not be decided", done.row.address);
    Ok(answer(
        &done,
        changed,
        &format!("liaison review reopen {id}"),
    ))
}

pub(super) async fn reopen(
    context: &ApiContext,
    caller: &Caller,
    arguments: Say,
) -> Result<Value, ApiError> {
    let id = why::resolve(context, Ns::Review, &arguments.id, LIST).await?;
    let before = find(context, &id).await?;
    let by = context.by(caller, arguments.why.unwrap_or_default());
    let mut tries = 0;
    let done = loop {
        match decide::reopen(&context.books, &id, &by).await {
            Err(error) if again(&error, &mut tries) => {}
            done => break done?,
        }
    };
    let (changed, undo) = match before.state {
        ReviewState::Resolved {
            account, subject, ..
        } => {
            let whole = if subject.contains('@') {
                ""
            } else {
                " --domain"
            };
            let count = done.messages;
            (
                format!("mail from {subject} is decided by nobody; {count} message(s) lost it"),
                format!("liaison review resolve {id} {account}{whole}"),
            )
        }
        _ => (
            format!("whose {} is is to be decided", done.row.address),
            format!("liaison review dismiss {id}"),
        ),
    };
    Ok(answer(&done, changed, &undo))
}

/// What the counts of `status` say.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    /// To be decided, with suggestions that are still fresh.
    pub open: u64,
    /// To be decided, without a message for some days.
    pub stale: u64,
}

impl Reviews {
    pub(super) async fn read(context: &ApiContext) -> Result<Reviews, ApiError> {
        let mut reviews = Reviews::default();
        let (days, now) = (context.office.review_days, context.now());
        let each = |row: ReviewRow| {
            let stale = is_stale(&row, days, now);
            let open = row.state == ReviewState::Open && !stale;
            reviews.open = reviews.open.saturating_add(u64::from(open));
            reviews.stale = reviews.stale.saturating_add(u64::from(stale));
        };
        context.books.each(Range::all(Ns::Review), each).await?;
        Ok(reviews)
    }
}

fn messages(done: &Decided) -> String {
    match (done.messages, done.open) {
        (0, _) => "no message waited".to_owned(),
        (count, 0) => format!("{count} message(s) got it, and plugins are not asked again"),
        (count, open) => format!("{count} message(s) got it, {open} before plugins are asked"),
    }
}

fn answer(done: &Decided, changed: String, undo: &str) -> Value {
    json!({
        "id": done.row.id,
        "state": state_word(&done.row.state),
        "messages": done.messages,
        "changed": changed,
        "undo": undo,
    })
}

/// Whether somebody else changed a row in between, and it may be tried once more.
fn again(error: &DecideError, tries: &mut u32) -> bool {
    *tries = tries.saturating_add(1);
    matches!(error, DecideError::Books(error) if error.is_conflict()) && *tries < TRIES_MAX
}

async fn find(context: &ApiContext, id: &str) -> Result<ReviewRow, ApiError> {
    let row = context.books.get::<ReviewRow>(keys::review(id)).await?;
    row.map(|row| row.record)
        .ok_or_else(|| super::cases::gone(id, LIST))
}

fn review_json(row: &ReviewRow, days: u32, now: liaison_core::time::Timestamp) -> Value {
    let decided = match &row.state {
        ReviewState::Open => Value::Null,
        ReviewState::Resolved {
            account,
            subject,
            at,
            who,
        } => json!({ "account": account, "subject": subject, "at": at, "who": who }),
        ReviewState::Dismissed { at, who } => json!({ "at": at, "who": who }),
    };
    json!({
        "id": row.id,
        "address": row.address,
        "state": if is_stale(row, days, now) { "stale" } else { state_word(&row.state) },
        "candidates": row.candidates,
        "evidence": row.evidence,
        "first": row.first,
        "last": row.last,
        "count": row.count,
        "decided": decided,
    })
}

/// The candidates of a review with their names.
async fn named(context: &ApiContext, review: &Value) -> Result<Vec<Value>, ApiError> {
    let ids = review.get("candidates").and_then(Value::as_array);
    let mut named = Vec::new();
    for id in ids.into_iter().flatten().filter_map(Value::as_str) {
        named.push(account_ref(context, &id.into()).await?);
    }
    Ok(named)
}
