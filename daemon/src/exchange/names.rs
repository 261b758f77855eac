//! Columns that are called like fields, or as people call them.

use liaison_core::crm::Kind;
use liaison_core::manifest::nearest;

use super::ID_COLUMN;
use super::mapping::{folded, in_one_row};

/// What columns of an accounts file are called that belong to its contacts.
const OF_CONTACTS: &[(&str, &str)] = &[
    ("contact_name", "contact.name"),
    ("contact_email", "contact.emails"),
    ("contact_role", "contact.role"),
];

/// What else the columns of an accounts file are called.
const OF_ACCOUNTS: &[(&str, &str)] = &[
    ("account", "name"),
    ("account_name", "name"),
    ("company", "name"),
    ("company_name", "name"),
    ("organization", "name"),
    ("organisation", "name"),
    ("customer", "name"),
    ("customer_name", "name"),
    ("client", "name"),
    ("client_name", "name"),
    ("id", "external_id"),
    ("account_id", "external_id"),
    ("crm_id", "external_id"),
    ("customer_id", "external_id"),
    ("domain", "domains"),
    ("website_domain", "domains"),
    ("domain_name", "domains"),
    ("email_domain", "domains"),
    ("stage", "lifecycle"),
    ("status", "lifecycle"),
    ("account_owner", "owner"),
    ("account_manager", "owner"),
    ("owner_email", "owner"),
    ("dnc", "do_not_contact"),
    ("contact", "contact.name"),
    ("contact_person", "contact.name"),
    ("full_name", "contact.name"),
    ("email", "contact.emails"),
    ("contact_mail", "contact.emails"),
    ("e_mail", "contact.emails"),
    ("email_address", "contact.emails"),
    ("contact_e_mail", "contact.emails"),
    ("role", "contact.role"),
    ("title", "contact.role"),
    ("job_title", "contact.role"),
    ("position", "contact.role"),
];

/// What else the columns of a contacts file are called.
const OF_PEOPLE: &[(&str, &str)] = &[
    ("full_name", "name"),
    ("email", "emails"),
    ("e_mail", "emails"),
    ("email_address", "emails"),
    ("title", "role"),
    ("job_title", "role"),
    ("position", "role"),
    ("phone", "phones"),
    ("company", "account.name"),
    ("company_name", "account.name"),
    ("account_name", "account.name"),
];

fn synonyms(kind: Kind) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let lists: [&'static [(&str, &str)]; 2] = match kind {
        Kind::Account => [OF_CONTACTS, OF_ACCOUNTS],
        Kind::Contact => [OF_PEOPLE, &[]],
        _ => [&[], &[]],
    };
    lists.into_iter().flatten()
}

/// All fields that a row of this kind of file may tell of, the usual ones first.
fn fields(kind: Kind) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    if kind == Kind::Account {
        let usual = ["name", "external_id", "domains", "lifecycle", "owner"];
        names.extend(usual.map(str::to_owned));
        names.push("do_not_contact".to_owned());
        names.extend(OF_CONTACTS.iter().map(|(column, _)| (*column).to_owned()));
    }
    let of = [kind, Kind::Account, Kind::Contact];
    for (nth, one) in of.into_iter().enumerate() {
        if (nth > 0 && one == kind) || !in_one_row(kind, one) {
            continue;
        }
        for field in one.spec().fields {
            let name = match one == kind {
                true => field.name.to_owned(),
                false => format!("{}.{}", one.word(), field.name),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.push(ID_COLUMN.to_owned());
    names
}

/// The field that a column names.
pub(super) fn field_of_column(kind: Kind, column: &str) -> Option<String> {
    let column = folded(column);
    let own = fields(kind)
        .into_iter()
        .find(|field| folded(field) == column)
        .map(
            |field| match synonyms(kind).find(|(name, _)| *name == field) {
                Some((_, of)) => (*of).to_owned(),
                None => field,
            },
        );
    own.or_else(|| {
        let synonym = synonyms(kind).find(|(name, _)| folded(name) == column);
        synonym.map(|(_, field)| (*field).to_owned())
    })
}

/// What the column of a field is usually called.
pub(super) fn column_of_field(kind: Kind, field: &str) -> String {
    let usual = match kind {
        Kind::Account => OF_CONTACTS.iter().find(|(_, of)| *of == field),
        _ => None,
    };
    usual.map_or(field, |(column, _)| column).to_owned()
}

/// That there is no such column, with the name that may be meant.
pub(super) fn no_column(kind: Kind, column: &str) -> String {
    let shown = liaison_core::mail::address::clean_text(column);
    let shown = liaison_core::message::cut_text(&shown, 60);
    let fields = fields(kind);
    let plain = shown.to_lowercase().replace([' ', '-'], "_");
    let words = fields
        .iter()
        .map(String::as_str)
        .chain(synonyms(kind).map(|(name, _)| *name));
    let near = nearest(&plain, words)
        .and_then(|near| field_of_column(kind, near))
        .map(|field| column_of_field(kind, &field))
        .map_or(String::new(), |near| format!(", did you mean `{near}`?"));
    format!(
        "there is no column `{shown}`{near}; the columns are {} (a file of another program is read \
         with --preset or --mapping)",
        fields.join(", ")
    )
}
