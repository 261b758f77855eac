//! One row of the file, and the rows of one account together.

use std::collections::BTreeMap;

use csv::ByteRecord;
use liaison_core::account::{Lifecycle, fold};
use liaison_core::mail::address::{Address, clean_text};
use liaison_core::message::cut_text;

use super::columns::Columns;
use super::{FIELD_BYTES_MAX, Rejected};
use crate::accounts::{AccountDraft, ContactDraft, DomainRules};
use liaison_core::crm::fields::LINE_CHARS_MAX;

/// A row that can be taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// Where.
    pub line: u64,
    /// What it says of the account.
    pub draft: AccountDraft,
    /// What it says of a person there.
    pub contact: Option<ContactDraft>,
}

/// Reads a row; the first field that is wrong rejects it.
pub(super) fn read(
    columns: &Columns,
    record: &ByteRecord,
    line: u64,
    rules: &DomainRules,
) -> Result<Taken, Rejected> {
    let reject = |column: Option<&str>, value: &str, reason: String| Rejected {
        line,
        column: column.map(str::to_owned),
        value: cut_text(&clean_text(value), 80),
        reason,
    };
    if record.len() > columns.len() {
        let reason = format!(
            "the line has {} fields, the header {}: put quotes around fields that hold separators",
            record.len(),
            columns.len()
        );
        return Err(reject(None, "", reason));
    }
    let mut fields = Fields::default();
    for (index, bytes) in record.iter().enumerate() {
        let column = columns.name(index).unwrap_or("name");
        let lossy = String::from_utf8_lossy(bytes);
        let value = std::str::from_utf8(bytes)
            .map_err(|_| "this is not UTF-8: save the file as CSV UTF-8".to_owned())
            .and_then(bounded)
            .and_then(|value| fields.take(column, value, rules));
        value.map_err(|reason| reject(Some(column), &lossy, reason))?;
    }
    fields
        .finish(line)
        .map_err(|(column, value, reason)| reject(Some(column), &value, reason))
}

fn bounded(value: &str) -> Result<&str, String> {
    match value.len() > FIELD_BYTES_MAX {
        true => Err(format!("longer than {FIELD_BYTES_MAX} bytes")),
        false => Ok(value),
    }
}

#[derive(Debug, Default)]
struct Fields {
    draft: AccountDraft,
    email: Option<Address>,
    contact_name: Option<String>,
    contact_role: Option<String>,
}

impl Fields {
    fn take(&mut self, column: &str, value: &str, rules: &DomainRules) -> Result<(), String> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        let draft = &mut self.draft;
        match column {
            "name" => draft.name = text(value)?,
            "external_id" => draft.external_id = Some(text(value)?),
            "domains" => {
                for domain in value.split([';', ',', ' ']).filter(|part| !part.is_empty()) {
                    let parsed = rules.account_domain(domain);
                    draft
                        .domains
                        .push(parsed.map_err(|reason| format!("{domain}: {reason}"))?);
                }
            }
            "lifecycle" => {
                let words = Lifecycle::WORDS.join(", ");
                let parsed = Lifecycle::parse(value);
                draft.lifecycle = Some(parsed.ok_or_else(|| format!("write one of {words}"))?);
            }
            "owner" => {
                let owner = Address::parse(value).map_err(|e| e.to_string())?;
                rules.account_owner(&owner)?;
                draft.owner = Some(owner);
            }
            "do_not_contact" => draft.do_not_contact = Some(yes_or_no(value)?),
            "contact_name" => self.contact_name = Some(text(value)?),
            "contact_email" => {
                let email = Address::parse(value).map_err(|e| e.to_string())?;
                rules.contact_address(&email)?;
                self.email = Some(email);
            }
            _ => self.contact_role = Some(text(value)?),
        }
        Ok(())
    }

    fn finish(self, line: u64) -> Result<Taken, (&'static str, String, String)> {
        if fold(&self.draft.name).is_empty() {
            let reason = "an account needs a name with letters or digits".to_owned();
            return Err(("name", self.draft.name, reason));
        }
        let contact = match self.email {
            Some(email) => Some(ContactDraft {
                email,
                name: self.contact_name,
                role: self.contact_role,
                do_not_contact: None,
            }),
            None => match self.contact_name.or(self.contact_role) {
                Some(said) => {
                    let reason = format!("`{said}` needs an address");
                    return Err(("contact_email", String::new(), reason));
                }
                None => None,
            },
        };
        Ok(Taken {
            line,
            draft: self.draft,
            contact,
        })
    }
}

fn text(value: &str) -> Result<String, String> {
    let value = clean_text(value);
    match value.chars().count() > LINE_CHARS_MAX {
        true => Err(format!("longer than {LINE_CHARS_MAX} characters")),
        false => Ok(value),
    }
}

fn yes_or_no(value: &str) -> Result<bool, String> {
    match value.to_lowercase().as_str() {
        "yes" | "true" | "1" | "y" | "x" => Ok(true),
        "no" | "false" | "0" | "n" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

/// All rows of one account.
#[derive(Debug)]
pub(super) struct Group {
    /// Its first line.
    pub line: u64,
    /// What they say together.
    pub draft: AccountDraft,
    /// Rows with a contact.
    pub contacts: Vec<Taken>,
    /// Each domain with the line that says so.
    pub domains: Vec<(String, u64)>,
}

/// The accounts of a file, in its order.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    by_id: BTreeMap<String, usize>,
    by_name: BTreeMap<String, Vec<usize>>,
}

impl Groups {
    /// Puts a row to those of its account; one that contradicts them is rejected.
    pub(super) fn add(&mut self, taken: Taken) -> Result<(), Rejected> {
        let name = fold(&taken.draft.name);
        let external = taken.draft.external_id.clone();
        let index = match self.index_of(external.as_deref(), &name, &taken)? {
            Some(index) => index,
            None => {
                self.groups.push(Group {
                    line: taken.line,
                    draft: AccountDraft::default(),
                    contacts: Vec::new(),
                    domains: Vec::new(),
                });
                self.groups.len() - 1
            }
        };
        let Some(group) = self.groups.get_mut(index) else {
            return Ok(());
        };
        join(&mut group.draft, &taken, group.line)?;
        let domains = taken.draft.domains.iter();
        let said = domains.map(|domain| (domain.as_str().to_owned(), taken.line));
        group.domains.extend(said);
        if let Some(external) = external {
            self.by_id.insert(external, index);
        }
        let named = self.by_name.entry(name).or_default();
        if !named.contains(&index) {
            named.push(index);
        }
        if taken.contact.is_some() {
            group.contacts.push(taken);
        }
        Ok(())
    }

    fn index_of(
        &self,
        external: Option<&str>,
        name: &str,
        taken: &Taken,
    ) -> Result<Option<usize>, Rejected> {
        if let Some(index) = external.and_then(|id| self.by_id.get(id)) {
            return Ok(Some(*index));
        }
        let named = self
            .by_name
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let without_id = |index: &&usize| {
            let group = self.groups.get(**index);
            group.is_some_and(|group| group.draft.external_id.is_none())
        };
        match (external, named) {
            (Some(_), named) => Ok(named.iter().find(without_id).copied()),
            (None, []) => Ok(None),
            (None, [one]) => Ok(Some(*one)),
            (None, several) => Err(Rejected {
                line: taken.line,
                column: Some("external_id".to_owned()),
                value: String::new(),
                reason: format!(
                    "{} accounts of this file are called `{}`: say which",
                    several.len(),
                    taken.draft.name
                ),
            }),
        }
    }

    /// The accounts.
    pub(super) fn into_groups(self) -> Vec<Group> {
        self.groups
    }
}

fn join(all: &mut AccountDraft, taken: &Taken, first: u64) -> Result<(), Rejected> {
    let row = &taken.draft;
    let contradiction = |column: &str, value: String, known: &str| Rejected {
        line: taken.line,
        column: Some(column.to_owned()),
        value,
        reason: format!("an earlier line of this account (from line {first}) says `{known}`"),
    };
    if !all.name.is_empty() && fold(&all.name) != fold(&row.name) {
        return Err(contradiction("name", row.name.clone(), &all.name));
    }
    if let (Some(known), Some(new)) = (all.lifecycle, row.lifecycle)
        && known != new
    {
        let value = new.as_str().to_owned();
        return Err(contradiction("lifecycle", value, known.as_str()));
    }
    if let (Some(known), Some(new)) = (&all.owner, &row.owner)
        && known.key() != new.key()
    {
        return Err(contradiction("owner", new.key(), &known.key()));
    }
    if let (Some(known), Some(new)) = (all.do_not_contact, row.do_not_contact)
        && known != new
    {
        let word = |flag| if flag { "yes" } else { "no" };
        return Err(contradiction(
            "do_not_contact",
            word(new).to_owned(),
            word(known),
        ));
    }
    if all.name.is_empty() {
        all.name.clone_from(&row.name);
    }
    all.external_id = all.external_id.take().or_else(|| row.external_id.clone());
    all.lifecycle = all.lifecycle.or(row.lifecycle);
    all.owner = all.owner.take().or_else(|| row.owner.clone());
    all.do_not_contact = all.do_not_contact.or(row.do_not_contact);
    for domain in &row.domains {
        if !all.domains.contains(domain) {
            all.domains.push(domain.clone());
        }
    }
    Ok(())
}
