//! `accounts` and `timeline`.

use base64::Engine as _;
use liaison_core::account::{Account, Contact, Lifecycle};
use liaison_core::crm::Kind;
use liaison_core::crm::Source;
use liaison_core::mail::address::Address;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Id, Nothing, Shown};
use crate::accounts::{AccountDraft, By, Change, ContactDraft};
use crate::store::{Ns, Range};

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("accounts");
    let each = |account: Account| {
        shown.offer(account.name.to_lowercase(), || account_json(&account));
    };
    context.books.each(Range::all(Ns::Account), each).await?;
    Ok(shown.answer())
}

pub(super) fn account_json(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "external_id": account.external_id,
        "domains": account.domains,
        "lifecycle": account.lifecycle.as_str(),
        "owner": account.owner,
        "do_not_contact": account.do_not_contact,
        "created": account.created,
        "updated": account.updated,
    })
}

pub(super) fn contact_json(contact: &Contact) -> Value {
    json!({
        "id": contact.id,
        "account": contact.account,
        "name": contact.name,
        "addresses": contact.addresses,
        "role": contact.role,
        "status": contact.status,
        "do_not_contact": contact.do_not_contact,
        "created": contact.created,
        "updated": contact.updated,
    })
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let account = context.accounts.find(&arguments.id).await?;
    let contacts = context.accounts.contacts(&account.id).await?;
    let audit = context.books.audit_of(account.id.as_str()).await?;
    Ok(json!({
        "account": account_json(&account),
        "contacts": contacts.iter().map(contact_json).collect::<Vec<_>>(),
        "audit": audit,
    }))
}

/// What `accounts-add` takes; only `name` is needed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    name: String,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    only_these_domains: bool,
    #[serde(default)]
    lifecycle: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    do_not_contact: Option<bool>,
    #[serde(default)]
    contact_email: Option<String>,
    #[serde(default)]
    contact_name: Option<String>,
    #[serde(default)]
    contact_role: Option<String>,
}

pub(super) async fn add(
    context: &ApiContext,
    caller: &Caller,
    arguments: Add,
) -> Result<Value, ApiError> {
    let by = context.by(caller, "accounts add");
    let contact = contact_draft(&arguments)?;
    let draft = account_draft(context, arguments)?;
    let (account, change) = context.accounts.upsert_account(&draft, &by).await?;
    let mut changed = vec![said("account", &account.name, &change)];
    let mut contact_after = None;
    if let Some(contact) = contact {
        let (after, change) = context
            .accounts
            .add_contact(&account.id, &contact, &by)
            .await?;
        changed.push(said("contact", &contact.email.key(), &change));
        contact_after = Some(contact_json(&after));
    }
    Ok(json!({
        "account": account_json(&account),
        "contact": contact_after,
        "changed": changed.join("; "),
        "undo": undo(&change),
    }))
}

fn undo(change: &Change) -> &'static str {
    match change {
        Change::Created => {
            "a recorded account stays; `accounts add NAME --only-these-domains` takes its domains \
             away, so that no new mail matches it by domain"
        }
        Change::Updated(_) => {
            "run `accounts add` again with the old values shown above \
             (domains: with --only-these-domains)"
        }
        Change::Unchanged => "nothing changed",
    }
}

fn said(what: &str, name: &str, change: &Change) -> String {
    match change {
        Change::Updated(changes) => format!("{what} {name} changed: {}", changes.join("; ")),
        other => format!("{what} {name} {}", other.as_str()),
    }
}

fn contact_draft(arguments: &Add) -> Result<Option<ContactDraft>, ApiError> {
    let Some(email) = &arguments.contact_email else {
        return match arguments
            .contact_name
            .as_ref()
            .or(arguments.contact_role.as_ref())
        {
            Some(_) => Err(wrong("contact_email", "a contact needs an address")),
            None => Ok(None),
        };
    };
    let email =
        Address::parse(email).map_err(|error| wrong("contact_email", &error.to_string()))?;
    Ok(Some(ContactDraft {
        email,
        name: arguments.contact_name.clone(),
        role: arguments.contact_role.clone(),
        do_not_contact: None,
    }))
}

fn account_draft(context: &ApiContext, arguments: Add) -> Result<AccountDraft, ApiError> {
    let mut domains = Vec::new();
    for text in &arguments.domains {
        let domain = context.accounts.rules().account_domain(text);
        domains.push(domain.map_err(|reason| wrong("domains", &format!("{text}: {reason}")))?);
    }
    let lifecycle = match &arguments.lifecycle {
        Some(word) => Some(Lifecycle::parse(word).ok_or_else(|| {
            wrong(
                "lifecycle",
                &format!("write one of {}", Lifecycle::WORDS.join(", ")),
            )
        })?),
        None => None,
    };
    let owner = match &arguments.owner {
        Some(owner) => {
            Some(Address::parse(owner).map_err(|error| wrong("owner", &error.to_string()))?)
        }
        None => None,
    };
    Ok(AccountDraft {
        name: arguments.name,
        external_id: arguments.external_id,
        domains,
        only_these_domains: arguments.only_these_domains,
        lifecycle,
        owner,
        do_not_contact: arguments.do_not_contact,
    })
}

fn wrong(field: &str, reason: &str) -> ApiError {
    ApiError::Arguments(format!("{field}: {reason}"))
}

/// What `accounts-import` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    /// The file's bytes in base64: they need not be UTF-8.
    csv: String,
    #[serde(default)]
    dry_run: bool,
    /// Name of the file, for the audit.
    #[serde(default)]
    file: String,
}

pub(super) async fn import(
    context: &ApiContext,
    caller: &Caller,
    arguments: Import,
) -> Result<Value, ApiError> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(&arguments.csv)
        .map_err(|error| wrong("csv", &format!("this is no base64 ({error})")))?;
    let by = By {
        source: Source::Import,
        ..context.by(caller, format!("import of {}", arguments.file))
    };
    let report = context
        .accounts
        .import_csv(&bytes, arguments.dry_run, &by)
        .await?;
    Ok(report.answer(Kind::Account))
}

pub(super) async fn timeline(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let account = context.accounts.find(&arguments.id).await?;
    let rows = context.books.timeline(&account.id).await?;
    Ok(json!({
        "account": { "id": account.id, "name": account.name },
        "timeline": rows,
    }))
}
