//! Accounts that another took the place of: what is found of them belongs to that one.

use std::collections::{BTreeMap, BTreeSet};

use liaison_core::account::matching::Lookups;
use liaison_core::account::{Account, fold};
use liaison_core::crm::Kind;
use liaison_core::ids::AccountId;

use super::SHARED_MAX;
use super::whose::Unmerged;
use crate::books::indexes::crm::{EXTERNAL, MERGED, NAME, was};
use crate::books::{Books, BooksError, keys};
use crate::store::Key;

/// Accounts that took the place of one another, one behind the other.
const MERGES_MAX: usize = 16;

impl Books {
    /// Names, in what was found, the accounts that stand for those now: one read more for one
    /// account that was never merged, none for those of which that is known.
    ///
    /// # Errors
    /// As the store.
    pub(super) async fn follow_merges(
        &self,
        found: &mut Lookups,
        unmerged: &Unmerged,
    ) -> Result<(), BooksError> {
        let hits = found.addresses.iter().flat_map(|(_, hits)| hits);
        let mut ids: BTreeSet<AccountId> = hits.map(|hit| hit.account.clone()).collect();
        // The longest domain that anybody has decides; the others are not looked at.
        let mut domains = found.domains.iter().map(|(_, ids)| ids);
        ids.extend(
            domains
                .find(|ids| !ids.is_empty())
                .into_iter()
                .flatten()
                .cloned(),
        );
        ids.extend(found.decided.values().cloned());
        ids.extend(
            found
                .thread
                .as_ref()
                .and_then(|thread| thread.account.clone()),
        );
        ids.extend(found.event.as_ref().map(|event| event.account.clone()));
        ids.retain(|id| !unmerged.contains(id));
        let moved = self.moved(&ids).await?;
        if moved.is_empty() {
            return Ok(());
        }
        let follow = |id: &mut AccountId| {
            if let Some(into) = moved.get(id) {
                *id = into.clone();
            }
        };
        for (_, hits) in &mut found.addresses {
            hits.iter_mut().for_each(|hit| follow(&mut hit.account));
            let mut seen = Vec::new();
            hits.retain(|hit| {
                let new = !seen.contains(hit);
                seen.push(hit.clone());
                new
            });
        }
        for (_, ids) in &mut found.domains {
            ids.iter_mut().for_each(follow);
            ids.sort();
            ids.dedup();
        }
        found.decided.values_mut().for_each(follow);
        if let Some(account) = found
            .thread
            .as_mut()
            .and_then(|thread| thread.account.as_mut())
        {
            follow(account);
        }
        if let Some(event) = &mut found.event {
            follow(&mut event.account);
        }
        Ok(())
    }

    /// Of these accounts, those that another took the place of, and which: one read where there
    /// is none.
    async fn moved(
        &self,
        ids: &BTreeSet<AccountId>,
    ) -> Result<BTreeMap<AccountId, AccountId>, BooksError> {
        let asked: Vec<Key> = ids
            .iter()
            .map(|id| keys::merge(Kind::Account, id.as_str()))
            .collect();
        let mut moved = BTreeMap::new();
        if asked.is_empty() {
            return Ok(moved);
        }
        let rows = self.store.get(&asked).await?;
        for (id, row) in ids.iter().zip(rows) {
            if row.is_some()
                && let Some(account) = self.account(id).await?
            {
                let standing = self.standing_account(account).await?;
                moved.insert(id.clone(), standing.id);
            }
        }
        Ok(moved)
    }

    /// The id and the ids of all records that it took the place of.
    ///
    /// # Errors
    /// As the store.
    pub async fn all_names_of(&self, id: &str) -> Result<Vec<String>, BooksError> {
        let mut all = vec![id.to_owned()];
        let Some(kind) = Kind::of_id(id) else {
            return Ok(all);
        };
        let mut next = 0;
        while let Some(one) = all.get(next).cloned() {
            let range = keys::records_by(kind, MERGED, &one);
            for key in self.every_key(range).await? {
                if let Some((_, merged)) = keys::indexed_record(&key)
                    && !all.contains(&merged)
                {
                    all.push(merged);
                }
            }
            next = next.saturating_add(1);
        }
        Ok(all)
    }

    /// Records that another took the place of, by the external id or the name that they had.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn once_known_as(
        &self,
        kind: Kind,
        text: &str,
    ) -> Result<Vec<String>, BooksError> {
        for (field, value) in [(EXTERNAL, text.to_owned()), (NAME, fold(text))] {
            let range = keys::records_by(kind, &was(field), &value);
            let keys = self.keys_under(range, SHARED_MAX).await?;
            if !keys.is_empty() {
                let ids = keys.iter().filter_map(|key| keys::indexed_record(key));
                return Ok(ids.map(|(_, id)| id).collect());
            }
        }
        Ok(Vec::new())
    }

    /// The id of the account that stands for this one now.
    ///
    /// # Errors
    /// As the store.
    pub async fn standing_id(&self, id: &AccountId) -> Result<AccountId, BooksError> {
        Ok(match self.account(id).await? {
            Some(account) => self.standing_account(account).await?.id,
            None => id.clone(),
        })
    }

    /// The account that stands for this one now.
    ///
    /// # Errors
    /// As the store.
    pub async fn standing_account(&self, account: Account) -> Result<Account, BooksError> {
        let mut account = account;
        for _ in 0..MERGES_MAX {
            let Some(into) = &account.details.merged_into else {
                break;
            };
            match self.account(&AccountId::from(into.as_str())).await? {
                Some(next) => account = next,
                None => break,
            }
        }
        Ok(account)
    }
}
