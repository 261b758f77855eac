//! Domains and addresses that several accounts have: taken as they are, and told.

use std::collections::{BTreeMap, BTreeSet};

use liaison_core::account::fold;
use liaison_core::ids::AccountId;

use super::rows::Group;
use super::{ImportError, ImportReport};
use crate::accounts::AccountBook;
use crate::books::rows::{ByAddrRow, ByDomainRow};
use crate::books::{BooksError, keys};

/// Who of this file has which domain or address: in a dry run the books do not know.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<String, BTreeSet<String>>);

impl Seen {
    /// Other accounts of the file with the same; notes this one.
    fn others(&mut self, what: &str, account: &str) -> BTreeSet<String> {
        let all = self.0.entry(what.to_owned()).or_default();
        let others = all.iter().filter(|other| fold(other) != fold(account));
        let others = others.cloned().collect();
        all.insert(account.to_owned());
        others
    }
}

impl AccountBook {
    /// Tells which domains and addresses of the group belong to other accounts, too.
    pub(super) async fn note_shared(
        &self,
        group: &Group,
        seen: &mut Seen,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        let name = &group.draft.name;
        let mut told = BTreeSet::new();
        for (domain, line) in &group.domains {
            let row = self
                .books
                .get::<ByDomainRow>(keys::by_domain(domain))
                .await?;
            let ids = row.map(|row| row.record.accounts).unwrap_or_default();
            let mut others = self.names_of_others(ids, name).await?;
            others.extend(seen.others(domain, name));
            if !others.is_empty() && told.insert(domain.clone()) {
                let others = listed(&others);
                let text = format!(
                    "the domain {domain} of {name} also belongs to {others}: mail from it is \
                     ambiguous, except from addresses that only one of them has"
                );
                report.note(Some(*line), text);
            }
        }
        for taken in &group.contacts {
            let Some(contact) = &taken.contact else {
                continue;
            };
            let address = contact.email.key();
            let row = self.books.get::<ByAddrRow>(keys::by_addr(&address)).await?;
            let hits = row.map(|row| row.record.hits).unwrap_or_default();
            let ids = hits.into_iter().map(|hit| hit.account).collect();
            let mut others = self.names_of_others(ids, name).await?;
            others.extend(seen.others(&address, name));
            if !others.is_empty() && told.insert(address.clone()) {
                let others = listed(&others);
                let text = format!(
                    "the address {address} of {name} is also a contact of {others}: mail from it \
                     is ambiguous"
                );
                report.note(Some(taken.line), text);
            }
        }
        Ok(())
    }

    async fn names_of_others(
        &self,
        ids: Vec<AccountId>,
        name: &str,
    ) -> Result<BTreeSet<String>, BooksError> {
        let mut names = BTreeSet::new();
        for id in ids {
            if let Some(account) = self.books.account(&id).await?
                && fold(&account.name) != fold(name)
            {
                names.insert(account.name);
            }
        }
        Ok(names)
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
