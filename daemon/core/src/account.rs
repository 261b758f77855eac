//! Whom the firm looks after: accounts, their contacts, and our own people.

pub mod free_mail;
pub mod lookalike;
pub mod matching;
pub mod warnings;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ContactId, derive};
use crate::proposal::Fields;
use crate::time::Timestamp;

/// Where an account stands with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// No business yet.
    Prospect,
    /// A customer.
    #[default]
    Active,
    /// A former customer.
    Past,
    /// Lost to us.
    Lost,
}

impl ContactStatus {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ContactStatus::Active => "active",
            ContactStatus::Left => "left",
        }
    }
}

impl Lifecycle {
    /// All words, for messages that say what is allowed.
    pub const WORDS: [&'static str; 4] = ["prospect", "active", "past", "lost"];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Lifecycle::Prospect => "prospect",
            Lifecycle::Active => "active",
            Lifecycle::Past => "past",
            Lifecycle::Lost => "lost",
        }
    }

    /// Reads the word, whatever its case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Lifecycle> {
        match word.trim().to_lowercase().as_str() {
            "prospect" => Some(Lifecycle::Prospect),
            "active" => Some(Lifecycle::Active),
            "past" => Some(Lifecycle::Past),
            "lost" => Some(Lifecycle::Lost),
            _ => None,
        }
    }
}

/// What is known of an account or a contact beyond what each message is matched against.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Details {
    /// Values by field (see [`crate::crm::kinds`]).
    pub fields: Fields,
    /// Fields that a person set: nobody else overwrites them.
    pub by_person: Vec<String>,
    /// Grows with every change.
    pub revision: u64,
    /// The record that has taken its place.
    pub merged_into: Option<String>,
}

/// A customer organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Derived from the external id, else from the folded name: a repeated import finds it again.
    pub id: AccountId,
    /// Name as people write it.
    pub name: String,
    /// Domains whose mail belongs to it, A-labels; sub-domains count too.
    pub domains: Vec<String>,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// Address of our person who looks after it.
    pub owner: Option<String>,
    /// No automatic mail to anybody there.
    pub do_not_contact: bool,
    /// Id in the system it was imported from.
    pub external_id: Option<String>,
    /// First recorded.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Everything else.
    pub details: Details,
}

/// Whether a contact is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactStatus {
    /// Reachable.
    #[default]
    Active,
    /// Left the company: never mailed again.
    Left,
}

/// A person at an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Derived from account and first address.
    pub id: ContactId,
    /// Where the person works.
    pub account: AccountId,
    /// Name.
    pub name: Option<String>,
    /// Addresses in lookup form (see `Address::key`), the preferred one first.
    pub addresses: Vec<String>,
    /// Role or title.
    pub role: Option<String>,
    /// Still there?
    pub status: ContactStatus,
    /// No automatic mail.
    pub do_not_contact: bool,
    /// First recorded.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Everything else.
    pub details: Details,
}

/// The id of an account known by `external_id`, else by its name without case and spacing.
#[must_use]
pub fn account_id(external_id: Option<&str>, name: &str) -> AccountId {
    let hash = match external_id.map(str::trim).filter(|id| !id.is_empty()) {
        Some(id) => derive("liaison account external 1", &[id.as_bytes()]),
        None => derive("liaison account name 1", &[fold(name).as_bytes()]),
    };
    AccountId(format!("acc-{}", short(&hash)))
}

/// The id of the contact at `account` whose first recorded address was `address`.
#[must_use]
pub fn contact_id(account: &AccountId, address: &str) -> ContactId {
    let hash = derive(
        "liaison contact 1",
        &[account.0.as_bytes(), address.as_bytes()],
    );
    ContactId(format!("con-{}", short(&hash)))
}

/// A name without case, spacing and punctuation, for comparing.
#[must_use]
pub fn fold(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect::<String>();
    kept.split_whitespace()
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Ids that people type: 64 bits are plenty for the accounts and contacts of one firm.
fn short(hash: &str) -> String {
    hash.chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_company_gets_the_same_id_however_it_is_spelt() {
        assert_eq!(
            account_id(None, "Acme  GmbH"),
            account_id(Some(" "), "ACME, gmbh")
        );
        assert_ne!(
            account_id(Some("17"), "Acme"),
            account_id(Some("18"), "Acme")
        );
        assert_eq!(
            account_id(Some("17"), "Acme"),
            account_id(Some("17"), "Acme Renamed")
        );
    }
}
