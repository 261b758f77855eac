//! Accounts and contacts as records with fields by name, and back.

use super::kinds::Kind;
use super::record::CrmRecord;
use crate::account::{Account, Contact, ContactStatus, Details, Lifecycle};
use crate::ids::{AccountId, ContactId};
use crate::proposal::{Fields, Value};
use crate::time::Timestamp;

/// What a field holds that says nothing: not kept.
fn text(fields: &mut Fields, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        fields.insert(name.to_owned(), Value::Text(value.to_owned()));
    }
}

fn texts(fields: &mut Fields, name: &str, values: &[String]) {
    if !values.is_empty() {
        fields.insert(name.to_owned(), Value::Texts(values.to_vec()));
    }
}

fn flag(fields: &mut Fields, name: &str, value: bool) {
    if value {
        fields.insert(name.to_owned(), Value::Flag(true));
    }
}

struct Whole {
    kind: Kind,
    id: String,
    created: Timestamp,
    updated: Timestamp,
}

impl Whole {
    fn record(self, fields: Fields, details: &Details) -> CrmRecord {
        CrmRecord {
            kind: self.kind,
            id: self.id,
            fields,
            by_person: details.by_person.clone(),
            // An account that was stored before there were revisions has one all the same.
            revision: details.revision.max(1),
            merged_into: details.merged_into.clone(),
            steps: Vec::new(),
            created: self.created,
            updated: self.updated,
        }
    }
}

fn take_text(fields: &mut Fields, name: &str) -> Option<String> {
    match fields.remove(name)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn take_texts(fields: &mut Fields, name: &str) -> Vec<String> {
    match fields.remove(name) {
        Some(Value::Texts(texts)) => texts,
        _ => Vec::new(),
    }
}

fn take_flag(fields: &mut Fields, name: &str) -> bool {
    fields.remove(name) == Some(Value::Flag(true))
}

fn details(record: &CrmRecord, fields: Fields) -> Details {
    Details {
        fields,
        by_person: record.by_person.clone(),
        revision: record.revision,
        merged_into: record.merged_into.clone(),
    }
}

impl From<&Account> for CrmRecord {
    fn from(account: &Account) -> CrmRecord {
        let mut fields = account.details.fields.clone();
        text(&mut fields, "name", Some(&account.name));
        texts(&mut fields, "domains", &account.domains);
        text(&mut fields, "lifecycle", Some(account.lifecycle.as_str()));
        text(&mut fields, "owner", account.owner.as_deref());
        flag(&mut fields, "do_not_contact", account.do_not_contact);
        text(&mut fields, "external_id", account.external_id.as_deref());
        let whole = Whole {
            kind: Kind::Account,
            id: account.id.0.clone(),
            created: account.created,
            updated: account.updated,
        };
        whole.record(fields, &account.details)
    }
}

impl From<&Contact> for CrmRecord {
    fn from(contact: &Contact) -> CrmRecord {
        let mut fields = contact.details.fields.clone();
        text(&mut fields, "account", Some(contact.account.as_str()));
        text(&mut fields, "name", contact.name.as_deref());
        texts(&mut fields, "emails", &contact.addresses);
        text(&mut fields, "role", contact.role.as_deref());
        text(&mut fields, "status", Some(contact.status.as_str()));
        flag(&mut fields, "do_not_contact", contact.do_not_contact);
        let whole = Whole {
            kind: Kind::Contact,
            id: contact.id.0.clone(),
            created: contact.created,
            updated: contact.updated,
        };
        whole.record(fields, &contact.details)
    }
}

impl From<&CrmRecord> for Account {
    fn from(record: &CrmRecord) -> Account {
        let mut fields = record.fields.clone();
        let lifecycle = take_text(&mut fields, "lifecycle");
        Account {
            id: AccountId(record.id.clone()),
            name: take_text(&mut fields, "name").unwrap_or_default(),
            domains: take_texts(&mut fields, "domains"),
            lifecycle: lifecycle
                .and_then(|word| Lifecycle::parse(&word))
                .unwrap_or_default(),
            owner: take_text(&mut fields, "owner"),
            do_not_contact: take_flag(&mut fields, "do_not_contact"),
            external_id: take_text(&mut fields, "external_id"),
            created: record.created,
            updated: record.updated,
            details: details(record, fields),
        }
    }
}

impl From<&CrmRecord> for Contact {
    fn from(record: &CrmRecord) -> Contact {
        let mut fields = record.fields.clone();
        let status = match take_text(&mut fields, "status").as_deref() {
            Some("left") => ContactStatus::Left,
            _ => ContactStatus::Active,
        };
        Contact {
            id: ContactId(record.id.clone()),
            account: AccountId(take_text(&mut fields, "account").unwrap_or_default()),
            name: take_text(&mut fields, "name"),
            addresses: take_texts(&mut fields, "emails"),
            role: take_text(&mut fields, "role"),
            status,
            do_not_contact: take_flag(&mut fields, "do_not_contact"),
            created: record.created,
            updated: record.updated,
            details: details(record, fields),
        }
    }
}
