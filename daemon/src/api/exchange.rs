//! Imports, exports and suggestions: rows in, pages out.

use std::collections::HashMap;

use liaison_core::crm::{Kind, Source};
use liaison_core::ids::{AccountId, MailboxId};
use liaison_core::mail::address::Address;
use liaison_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, records};
use crate::clock::{Clock, SystemClock};
use crate::exchange::export::{Exported, PAGE_RECORDS_MAX, Page};
use crate::exchange::people::{Where, people};
use crate::exchange::taking::take;
use crate::exchange::{PORTION_ROWS_MAX, Row};
use crate::records::{Put, RecordBy};

/// Days of mail that are looked through where nobody says from when on.
const SUGGEST_DAYS: i64 = 365;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What `records-put-many` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutMany {
    /// Name of the file, for the audit.
    #[serde(default)]
    file: String,
    #[serde(default)]
    dry_run: bool,
    /// Of a dry run's portions behind the first: the name that the answer to the first gave it.
    #[serde(default)]
    run: Option<String>,
    /// It is the last portion of a dry run.
    #[serde(default)]
    ends: bool,
    rows: Vec<Row>,
}

pub(super) fn import_by(context: &ApiContext, caller: &Caller, file: &str) -> RecordBy {
    RecordBy {
        who: caller.who.clone(),
        why: format!("import of {file}"),
        source: Source::Import,
        force: false,
        now: context.now(),
    }
}

pub(super) async fn put_many(
    context: &ApiContext,
    caller: &Caller,
    arguments: PutMany,
) -> Result<Value, ApiError> {
    if arguments.rows.len() > PORTION_ROWS_MAX {
        let text = format!("rows: at most {PORTION_ROWS_MAX} in one request");
        return Err(ApiError::Arguments(text));
    }
    let by = import_by(context, caller, &arguments.file);
    let now = SystemClock.monotonic();
    let run = match (arguments.dry_run, arguments.run) {
        (false, _) => None,
        (true, None) => Some(context.dry_runs.begin(&context.books, now)),
        (true, Some(name)) => match context.dry_runs.again(&name, now) {
            Some(run) => Some((name, run)),
            None => {
                let text = "this dry run is forgotten (the daemon was started anew, or others \
                            began theirs): run it again";
                return Err(ApiError::NotNow(text.to_owned()));
            }
        },
    };
    let (run, dry) = run.unzip();
    let how = (&by, dry.as_ref());
    let mut taken = take(&records::book(context), &arguments.rows, how).await?;
    if let Some(run) = run.as_deref().filter(|_| arguments.ends) {
        context.dry_runs.end(run, now);
    }
    taken.run = run;
    answer(&taken)
}

fn answer(value: &impl serde::Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(value).map_err(|error| ApiError::Arguments(error.to_string()))
}

/// What `records-page` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    kind: Kind,
    /// Where the page before said that this one begins.
    #[serde(default)]
    after: Option<String>,
}

pub(super) async fn page(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Pages,
) -> Result<Value, ApiError> {
    let (kind, after) = (arguments.kind, arguments.after.as_deref());
    let (found, next) = records::book(context)
        .page(kind, after, PAGE_RECORDS_MAX)
        .await?;
    let mut page = Page {
        records: Vec::with_capacity(found.len()),
        next,
    };
    let mut accounts: HashMap<String, (String, String)> = HashMap::new();
    for record in &found {
        let mut exported = Exported::of(record);
        if let Some(id) = record.text("account").filter(|_| kind == Kind::Contact) {
            if !accounts.contains_key(id) {
                let account = context.books.account(&AccountId::from(id)).await?;
                let told = account.map(|account| {
                    let external = account.external_id.unwrap_or_default();
                    (account.name, external)
                });
                accounts.insert(id.to_owned(), told.unwrap_or_default());
            }
            exported.account = accounts.get(id).cloned();
        }
        page.records.push(exported);
    }
    answer(&page)
}

/// What `contacts-suggest` and `contacts-accept` take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suggest {
    #[serde(default)]
    mailbox: Option<String>,
    /// A day.
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    accept: Vec<String>,
    #[serde(default)]
    accept_all: bool,
}

fn wish(context: &ApiContext, arguments: &Suggest) -> Result<Where, ApiError> {
    let since = match &arguments.since {
        None => context.now().minus_millis(SUGGEST_DAYS * DAY_MS),
        Some(day) => {
            let day = liaison_core::crm::dates::parse(day)
                .map_err(|reason| ApiError::Arguments(format!("since: {reason}")))?;
            let begin = format!("{day}T00:00:00Z").parse::<Timestamp>();
            begin.map_err(|_| ApiError::Arguments("since: write a day".to_owned()))?
        }
    };
    let mailbox = arguments.mailbox.as_deref().map(MailboxId::from);
    if let Some(mailbox) = &mailbox
        && !context.office.mailboxes.contains_key(mailbox)
    {
        let known: Vec<&str> = context
            .office
            .mailboxes
            .keys()
            .map(MailboxId::as_str)
            .collect();
        let text = format!(
            "mailbox: there is no mailbox `{mailbox}`; there are {}",
            known.join(", ")
        );
        return Err(ApiError::Arguments(text));
    }
    Ok(Where { mailbox, since })
}

pub(super) async fn suggest(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Suggest,
) -> Result<Value, ApiError> {
    let wish = wish(context, &arguments)?;
    let found = people(&context.books, &context.accounts, &context.office, &wish).await?;
    answer(&found)
}

pub(super) async fn accept(
    context: &ApiContext,
    caller: &Caller,
    arguments: Suggest,
) -> Result<Value, ApiError> {
    let wish = wish(context, &arguments)?;
    let found = people(&context.books, &context.accounts, &context.office, &wish).await?;
    let mut wanted = Vec::new();
    for text in &arguments.accept {
        let address = Address::parse(text)
            .map_err(|error| ApiError::Arguments(format!("accept: `{text}`: {error}")))?;
        let key = address.key();
        let one = found.people.iter().find(|one| one.address == key);
        let one = one.ok_or_else(|| ApiError::NotFound {
            id: key.clone(),
            hint: "see `liaison contacts suggest`".to_owned(),
        })?;
        if one.account_id.is_none() {
            let domain = address.domain().as_str();
            return Err(ApiError::NotNow(format!(
                "{key} belongs to no single account (account: {}): record one with `liaison \
                 accounts add NAME --domain {domain}`, then accept again",
                one.account
            )));
        }
        wanted.push(one);
    }
    if arguments.accept_all {
        wanted = found
            .people
            .iter()
            .filter(|one| one.account_id.is_some())
            .collect();
    }
    let by = RecordBy {
        who: caller.who.clone(),
        why: "contacts suggest --accept".to_owned(),
        source: Source::Person,
        force: false,
        now: context.now(),
    };
    let mut changed = Vec::new();
    for one in &wanted {
        let account = one.account_id.clone().unwrap_or_default();
        let mut fields = vec![
            ("account", account.as_str()),
            ("emails", one.address.as_str()),
        ];
        fields.extend(one.name.as_deref().map(|name| ("name", name)));
        let put = Put::upsert(Kind::Contact, &fields);
        let saved = records::book(context).put(&put, &by).await?;
        let word = if saved.created {
            "created"
        } else {
            "there already"
        };
        changed.push(format!("contact {} of {} {word}", one.address, one.account));
    }
    Ok(json!({
        "changed": changed,
        "accepted": wanted.len(),
        "left": found.people.iter().filter(|one| one.account_id.is_none()).count(),
        "undo": "a recorded contact stays; `liaison contacts set ID status=left` takes it out of use",
    }))
}

#[cfg(test)]
mod tests;
