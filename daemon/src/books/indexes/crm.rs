//! What core records are found by.

use std::borrow::Cow;

use liaison_core::account::fold;
use liaison_core::crm::{CrmRecord, FieldType, Kind, change};
use liaison_core::ids::derive;
use liaison_core::proposal::Value;
use liaison_core::touch::touch_of;

use super::Entry;
use crate::books::keys;

/// "Field" of the folded name.
pub const NAME: &str = "name";
/// "Field" of what a record is known by where it has no external id.
pub const KNOWN: &str = "known";
/// Field of the record that has taken a record's place.
pub const MERGED: &str = "merged_into";
/// Field of the id in another system.
pub const EXTERNAL: &str = "external_id";

/// "Field" under which a record that another took the place of is still found by those who know it
/// from elsewhere: an import of the system that it came from.
#[must_use]
pub fn was(field: &str) -> String {
    format!("was_{field}")
}

/// The entries of a record: external id, name, what it is known by, its state, who of us looks
/// after it, the records that it links to, and the contact with a customer that it tells of.
pub(crate) fn of_record(record: &CrmRecord) -> Vec<Entry> {
    let mut found: Vec<(Cow<'_, str>, String)> = Vec::new();
    let names = by_name(record).into_iter();
    if let Some(into) = &record.merged_into {
        found.push((MERGED.into(), into.clone()));
        found.extend(names.map(|(field, value)| (was(field).into(), value)));
        let emails = record.texts("emails").iter();
        let emails = emails.filter(|_| record.kind == Kind::Contact);
        found.extend(emails.map(|email| (was("emails").into(), email.clone())));
    } else if record.kind != Kind::Account {
        // Accounts are found by name and external id in a family of their own.
        found.extend(names.map(|(field, value)| (field.into(), value)));
    }
    let spec = record.kind.spec();
    for field in spec.fields {
        let state = spec.state.is_some_and(|state| state.field == field.name);
        let indexed = state
            || matches!(
                field.kind,
                FieldType::Link(_) | FieldType::Links(_) | FieldType::Person
            );
        // Contacts of an account have a family of their own.
        let elsewhere = record.kind == Kind::Contact && field.name == "account";
        if !indexed || elsewhere {
            continue;
        }
        match record.get(field.name) {
            Some(Value::Text(text)) => found.push((field.name.into(), text.clone())),
            Some(Value::Texts(texts)) => {
                found.extend(texts.iter().map(|text| (field.name.into(), text.clone())));
            }
            _ => {}
        }
    }
    let mut entries = super::of_touch(touch_of(record).as_ref());
    let found = found.into_iter();
    entries.extend(found.map(|(field, value)| {
        Entry::bare(keys::record_by(record.kind, &field, &value, &record.id))
    }));
    entries
}

fn by_name(record: &CrmRecord) -> Vec<(&'static str, String)> {
    let external = record.text(EXTERNAL);
    let name = record.text(record.kind.spec().name).map(fold);
    let known = known(record).filter(|_| external.is_none());
    let external = external.map(|id| (EXTERNAL, id.to_owned()));
    let name = name.filter(|name| !name.is_empty());
    let name = name.map(|name| (NAME, name));
    let known = known.map(|known| (KNOWN, known));
    [external, name, known].into_iter().flatten().collect()
}

/// What a record is known by, as one word; contacts are known by their addresses.
#[must_use]
pub fn known(record: &CrmRecord) -> Option<String> {
    if record.kind == Kind::Contact && !record.texts("emails").is_empty() {
        return None;
    }
    let parts = match record.kind {
        Kind::Contact => vec![
            record.text("account").unwrap_or_default().to_owned(),
            fold(record.text("name").unwrap_or_default()),
        ],
        _ => change::known_by(record),
    };
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    Some(derive("liaison record known 1", &parts))
}
