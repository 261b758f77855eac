//! The account book: customer organisations, their people, and the indexes that find them.
//!
//! Every change writes the record, its indexes and its audit row in one batch that expects what
//! was read; a lost race is decided again from the first read.

mod change;
mod merged;
pub mod whose;

use std::collections::BTreeSet;

use liaison_core::account::matching::{AddressHit, FreeMail, Lookups, domain_keys};
use liaison_core::account::{Account, Contact, ContactStatus, Lifecycle};
use liaison_core::crm::{Kind, Source};
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::mail::address::{Address, AddressError, Domain};
use liaison_core::time::Timestamp;

use crate::books::chunk::Chunk;
use crate::books::rows::ByDomainRow;
use crate::books::{Books, BooksError, indexes, keys};
use crate::records::{RecordBook, RecordBy, RecordsError};
use crate::store::ReadError;
use crate::unsubscribe::opted_out;

pub(crate) use change::audit;

/// Most accounts or contacts under one address, domain or name.
pub const SHARED_MAX: usize = 32;

/// Why the account book did not take a change.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The records could not be used.
    #[error("the account book cannot be used")]
    Books(#[from] BooksError),
    /// A field holds what it may not.
    #[error("{column} `{value}`: {reason}")]
    Field {
        /// Name of the field, as in the CSV.
        column: String,
        /// What was given.
        value: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// There is no such account.
    #[error("there is no account `{0}`: see `liaison accounts list`")]
    Unknown(String),
    /// Several accounts answer to the name.
    #[error("{} accounts are called `{name}`: give the external id or one of {}",
        .ids.len(), ids.iter().map(AccountId::as_str).collect::<Vec<_>>().join(", "))]
    SeveralNamed {
        /// The name.
        name: String,
        /// All that have it.
        ids: Vec<AccountId>,
    },
    /// The row was changed by others each time.
    #[error("others changed the same account again and again meanwhile: try again")]
    Contended,
}

/// A refusal of the core records in the words of the account book.
fn refusal(prefix: &'static str) -> impl Fn(RecordsError) -> AccountsError {
    move |error| match error {
        RecordsError::Books(error) => AccountsError::Books(error),
        RecordsError::Contended => AccountsError::Contended,
        RecordsError::Several {
            kind: Kind::Account,
            text,
            ids,
        } => AccountsError::SeveralNamed {
            name: text,
            ids: ids.into_iter().map(AccountId).collect(),
        },
        RecordsError::Fields(mut problems) if !problems.is_empty() => {
            let problem = problems.swap_remove(0);
            let column = match problem.field.as_str() {
                "emails" => "contact_email".to_owned(),
                other => format!("{prefix}{other}"),
            };
            AccountsError::Field {
                column,
                value: problem.value,
                reason: problem.reason,
            }
        }
        other => AccountsError::Field {
            column: format!("{prefix}name"),
            value: String::new(),
            reason: other.to_string(),
        },
    }
}

impl From<ReadError> for AccountsError {
    fn from(error: ReadError) -> AccountsError {
        AccountsError::Books(error.into())
    }
}

impl From<crate::store::codec::CodecError> for AccountsError {
    fn from(error: crate::store::codec::CodecError) -> AccountsError {
        AccountsError::Books(error.into())
    }
}

/// Who changes something, when and why: the audit row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// A person, or the import.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub now: Timestamp,
    /// A person, or an import: what may be overwritten follows from it.
    pub source: Source,
}

impl By {
    /// The same, for the core records.
    #[must_use]
    pub fn record_by(&self) -> RecordBy {
        RecordBy {
            who: self.who.clone(),
            why: self.why.clone(),
            source: self.source,
            force: false,
            now: self.now,
        }
    }
}

/// What is to be known of an account; `None` leaves what is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountDraft {
    /// Name as people write it; finds the account when there is no external id.
    pub name: String,
    /// Id in the system it comes from.
    pub external_id: Option<String>,
    /// Domains.
    pub domains: Vec<Domain>,
    /// The domains replace the recorded ones instead of joining them.
    pub only_these_domains: bool,
    /// Where it stands.
    pub lifecycle: Option<Lifecycle>,
    /// Address of our person.
    pub owner: Option<Address>,
    /// No automatic mail.
    pub do_not_contact: Option<bool>,
}

/// What is to be known of a contact; `None` leaves what is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactDraft {
    /// Address; finds the contact within the account.
    pub email: Address,
    /// Name.
    pub name: Option<String>,
    /// Role or title.
    pub role: Option<String>,
    /// No automatic mail.
    pub do_not_contact: Option<bool>,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The record is new.
    Created,
    /// These fields changed: `field: old -> new`.
    Updated(Vec<String>),
    /// Everything was so already.
    Unchanged,
}

impl Change {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Change::Created => "created",
            Change::Updated(_) => "updated",
            Change::Unchanged => "unchanged",
        }
    }
}

/// What is recorded of an address, for gates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressFacts {
    /// Why no automatic mail may go there.
    pub do_not_contact: Option<String>,
    /// The person left the company.
    pub left: bool,
    /// Accounts with a contact of this address.
    pub accounts: Vec<AccountId>,
    /// The contacts.
    pub contacts: Vec<ContactId>,
}

/// What cannot belong to an account, and who can own one.
#[derive(Debug, Clone, Default)]
pub struct DomainRules {
    /// Free-mail providers beyond the built-in list.
    pub free_mail: FreeMail,
    /// Our own domains.
    pub own: BTreeSet<String>,
    /// Our own addresses, in lookup form.
    pub own_addresses: BTreeSet<String>,
    /// Addresses of our people, in lookup form; empty when none are configured, and then anybody
    /// can own an account.
    pub people: BTreeSet<String>,
}

impl DomainRules {
    /// The rules of a firm.
    #[must_use]
    pub fn of(office: &crate::office::Office) -> DomainRules {
        DomainRules {
            free_mail: office.free_mail.clone(),
            own: office.firm.own_domains.clone(),
            own_addresses: office.firm.own_addresses.clone(),
            people: office.people.keys().cloned().collect(),
        }
    }

    /// Refuses an address of ours: a contact is somebody at a customer's.
    ///
    /// # Errors
    /// A sentence that says why.
    pub fn contact_address(&self, address: &Address) -> Result<(), String> {
        let ours = self.own.contains(address.domain().as_str())
            || self.own_addresses.contains(&address.key())
            || self.people.contains(&address.key());
        match ours {
            true => Err(
                "this is one of our own addresses: a contact is a person at the \
                         customer's"
                    .to_owned(),
            ),
            false => Ok(()),
        }
    }

    /// Refuses an owner who is none of our people.
    ///
    /// # Errors
    /// A sentence that says so, with the person who may be meant.
    pub fn account_owner(&self, owner: &Address) -> Result<(), String> {
        let key = owner.key();
        if self.people.is_empty() || self.people.contains(&key) {
            return Ok(());
        }
        let people = || self.people.iter().map(String::as_str);
        let local = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
        let near = liaison_core::manifest::nearest(&key, people())
            .or_else(|| people().find(|one| local(one) == local(&key)));
        let hint = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "add a [[user]] with this address to the configuration".to_owned(),
        };
        Err(format!("this is none of our people: {hint}"))
    }

    /// Reads a domain that is to belong to an account.
    ///
    /// # Errors
    /// A sentence that says why it cannot.
    pub fn account_domain(&self, text: &str) -> Result<Domain, String> {
        let bare = text.trim().trim_start_matches('@');
        if bare.contains("://") || bare.contains('/') || bare.contains('@') {
            return Err("write the domain alone, like example.com".to_owned());
        }
        let domain = Domain::parse(bare).map_err(|error: AddressError| error.to_string())?;
        let name = domain.as_str();
        if name.starts_with('[') || !name.contains('.') {
            return Err("this is no public domain name, like example.com".to_owned());
        }
        if self.own.iter().any(|own| own == name) {
            return Err("this is one of our own domains".to_owned());
        }
        if liaison_core::account::matching::registrable(name).is_none() {
            return Err("this is a public suffix, shared by unrelated companies".to_owned());
        }
        if domain_keys(&domain, &self.free_mail).is_empty() {
            return Err(
                "this is a free-mail provider, shared by unrelated people: record the addresses \
                 of the contacts instead"
                    .to_owned(),
            );
        }
        Ok(domain)
    }
}

/// Accounts, contacts and their indexes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccountBook {
    books: Books,
    rules: std::sync::Arc<DomainRules>,
}

impl AccountBook {
    /// The book over `books`.
    #[must_use]
    pub fn new(books: Books, rules: DomainRules) -> AccountBook {
        AccountBook {
            books,
            rules: std::sync::Arc::new(rules),
        }
    }

    /// The same book over other books: a store in front of the store.
    #[must_use]
    pub(crate) fn through(&self, books: Books) -> AccountBook {
        AccountBook {
            books,
            rules: std::sync::Arc::clone(&self.rules),
        }
    }

    /// The books that it writes to.
    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Which domains cannot belong to an account.
    #[must_use]
    pub fn rules(&self) -> &DomainRules {
        &self.rules
    }

    fn records(&self) -> RecordBook {
        RecordBook::over(self.books.clone(), self.clone())
    }

    /// The same book, whose changes are seen through it and never written.
    #[must_use]
    pub fn trial(&self) -> AccountBook {
        let chunk = std::sync::Arc::new(Chunk::new(self.books.store.clone()));
        AccountBook {
            books: self.books.through(chunk),
            rules: self.rules.clone(),
        }
    }

    /// Creates or changes an account, with its indexes and audit row.
    ///
    /// # Errors
    /// [`AccountsError`]; nothing was written then.
    pub async fn upsert_account(
        &self,
        draft: &AccountDraft,
        by: &By,
    ) -> Result<(Account, Change), AccountsError> {
        let put = change::account_put(draft);
        let saved = self.records().put(&put, &by.record_by()).await;
        Ok(change::account_of(&saved.map_err(refusal(""))?))
    }

    /// Creates or changes a contact of an account, with its indexes and audit row.
    ///
    /// # Errors
    /// [`AccountsError`]; nothing was written then.
    pub async fn add_contact(
        &self,
        account: &AccountId,
        draft: &ContactDraft,
        by: &By,
    ) -> Result<(Contact, Change), AccountsError> {
        if self.books.account(account).await?.is_none() {
            return Err(AccountsError::Unknown(account.to_string()));
        }
        let put = change::contact_put(account, draft);
        let saved = self.records().put(&put, &by.record_by()).await;
        Ok(change::contact_of(&saved.map_err(refusal("contact_"))?))
    }

    /// What is recorded under the keys of an address.
    ///
    /// # Errors
    /// As the store.
    pub async fn lookups(&self, address: &Address) -> Result<Lookups, BooksError> {
        self.books.lookups(address, &self.rules.free_mail).await
    }

    /// Why no automatic mail may go to an address; `None` when nothing speaks against it.
    ///
    /// # Errors
    /// As the store.
    pub async fn do_not_contact(&self, address: &Address) -> Result<Option<String>, BooksError> {
        Ok(self.address_facts(address).await?.do_not_contact)
    }

    /// What gates need to know of an address: marks of the contacts with it, and of the accounts
    /// that it belongs to by contact or domain.
    ///
    /// # Errors
    /// As the store.
    pub async fn address_facts(&self, address: &Address) -> Result<AddressFacts, BooksError> {
        let found = self.lookups(address).await?;
        let mut facts = AddressFacts {
            do_not_contact: opted_out(&self.books, &address.key()).await?,
            ..AddressFacts::default()
        };
        let hits: Vec<&AddressHit> = found.addresses.iter().flat_map(|(_, hits)| hits).collect();
        for id in hits.iter().filter_map(|hit| hit.contact.as_ref()) {
            let Some(contact) = self.books.contact(id).await? else {
                continue;
            };
            facts.left |= contact.status == ContactStatus::Left;
            if contact.do_not_contact && facts.do_not_contact.is_none() {
                facts.do_not_contact = Some(format!("the contact {address} is marked so"));
            }
            facts.contacts.push(contact.id);
        }
        let mut accounts: BTreeSet<AccountId> =
            hits.iter().map(|hit| hit.account.clone()).collect();
        accounts.extend(found.decided.values().cloned());
        facts.accounts = accounts.iter().cloned().collect();
        accounts.extend(found.domains.into_iter().flat_map(|(_, accounts)| accounts));
        for id in accounts {
            if let Some(account) = self.books.account(&id).await?
                && account.do_not_contact
                && facts.do_not_contact.is_none()
            {
                let reason = format!("the account {} ({id}) is marked so", account.name);
                facts.do_not_contact = Some(reason);
            }
        }
        Ok(facts)
    }

    /// Contacts of an account.
    ///
    /// # Errors
    /// As the store.
    pub async fn contacts(&self, account: &AccountId) -> Result<Vec<Contact>, BooksError> {
        let linked = self
            .records()
            .linked(Kind::Contact, "account", account.as_str())
            .await;
        match linked {
            Ok(records) => Ok(records.iter().map(Contact::from).collect()),
            Err(RecordsError::Books(error)) => Err(error),
            // Nothing else can be wrong with a read.
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The account that people mean: its id, external id, name, one of its domains, or the
    /// address of one of its contacts.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`], [`AccountsError::SeveralNamed`], and as the store.
    pub async fn find(&self, text: &str) -> Result<Account, AccountsError> {
        let text = text.trim();
        if let Some(account) = self.books.account(&AccountId::from(text)).await? {
            return Ok(self.books.standing_account(account).await?);
        }
        let mut ids = Vec::new();
        for key in [
            keys::account_ext(indexes::EXTERNAL, text),
            keys::account_ext(indexes::NAME, &liaison_core::account::fold(text)),
        ] {
            if let Some(row) = self.books.get::<ByDomainRow>(key).await? {
                ids.extend(row.record.accounts);
            }
        }
        if ids.is_empty() {
            ids = self.found_by_mail(text).await?;
        }
        if ids.is_empty() {
            for id in self.books.once_known_as(Kind::Account, text).await? {
                ids.push(self.books.standing_id(&AccountId(id)).await?);
            }
        }
        ids.sort();
        ids.dedup();
        match ids.as_slice() {
            [] => Err(AccountsError::Unknown(text.to_owned())),
            [id] => self
                .books
                .account(id)
                .await?
                .ok_or_else(|| AccountsError::Unknown(text.to_owned())),
            _ => Err(AccountsError::SeveralNamed {
                name: text.to_owned(),
                ids,
            }),
        }
    }

    async fn found_by_mail(&self, text: &str) -> Result<Vec<AccountId>, AccountsError> {
        if let Ok(address) = Address::parse(text) {
            return Ok(self.address_facts(&address).await?.accounts);
        }
        let Ok(domain) = Domain::parse(text) else {
            return Ok(Vec::new());
        };
        let row = self
            .books
            .get::<ByDomainRow>(keys::by_domain(domain.as_str()))
            .await?;
        Ok(row.map(|row| row.record.accounts).unwrap_or_default())
    }
}

#[cfg(test)]
pub(crate) mod tests;
