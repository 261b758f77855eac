//! Shapes of records as earlier versions wrote them. They never change.

use liaison_core::account::matching::AddressHit;
use liaison_core::ids::AccountId;
use serde::{Deserialize, Serialize};

use super::rows::{ByAddrRow, ByDomainRow};

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
