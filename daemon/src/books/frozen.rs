//! Shapes that earlier releases stored. They never change again.

use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Account, Contact, ContactStatus, Details, Lifecycle};
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::{ByAddrRow, ByDomainRow};

/// [`Account`] before it had details.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountV1 {
    id: AccountId,
    name: String,
    domains: Vec<String>,
    lifecycle: Lifecycle,
    owner: Option<String>,
    do_not_contact: bool,
    external_id: Option<String>,
    created: Timestamp,
    updated: Timestamp,
}

impl From<AccountV1> for Account {
    fn from(old: AccountV1) -> Account {
        Account {
            id: old.id,
            name: old.name,
            domains: old.domains,
            lifecycle: old.lifecycle,
            owner: old.owner,
            do_not_contact: old.do_not_contact,
            external_id: old.external_id,
            created: old.created,
            updated: old.updated,
            details: Details::default(),
        }
    }
}

/// [`Contact`] before it had details.
#[derive(Debug, Serialize, Deserialize)]
pub struct ContactV1 {
    id: ContactId,
    account: AccountId,
    name: Option<String>,
    addresses: Vec<String>,
    role: Option<String>,
    status: ContactStatus,
    do_not_contact: bool,
    created: Timestamp,
    updated: Timestamp,
}

impl From<ContactV1> for Contact {
    fn from(old: ContactV1) -> Contact {
        Contact {
            id: old.id,
            account: old.account,
            name: old.name,
            addresses: old.addresses,
            role: old.role,
            status: old.status,
            do_not_contact: old.do_not_contact,
            created: old.created,
            updated: old.updated,
            details: Details::default(),
        }
    }
}

/// [`ByAddrRow`] before people could decide whose an address is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByAddrRowV1 {
    hits: Vec<AddressHit>,
}

impl From<ByAddrRowV1> for ByAddrRow {
    fn from(row: ByAddrRowV1) -> ByAddrRow {
        ByAddrRow {
            hits: row.hits,
            decided: None,
        }
    }
}

/// [`ByDomainRow`] before people could decide whose a domain is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByDomainRowV1 {
    accounts: Vec<AccountId>,
}

impl From<ByDomainRowV1> for ByDomainRow {
    fn from(row: ByDomainRowV1) -> ByDomainRow {
        ByDomainRow {
            accounts: row.accounts,
            decided: None,
        }
    }
}
