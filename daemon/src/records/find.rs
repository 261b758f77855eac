//! Reading core records: by id, by what people call them, by their links.

use bytes::Bytes;
use liaison_core::account::{Account, Contact, fold};
use liaison_core::crm::{CrmRecord, Kind};
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::mail::address::Address;

use super::{LINKED_MAX, MERGES_MAX, RecordBook, RecordsError};
use crate::accounts::SHARED_MAX;
use crate::books::indexes::crm::{EXTERNAL, NAME};
use crate::books::keys;
use crate::store::{Key, Stored};

impl RecordBook {
    /// A record by its id, whether or not another took its place.
    ///
    /// # Errors
    /// As the store.
    pub async fn get(&self, kind: Kind, id: &str) -> Result<Option<CrmRecord>, RecordsError> {
        Ok(self.stored(kind, id).await?.map(|stored| stored.record))
    }

    pub(super) async fn stored(
        &self,
        kind: Kind,
        id: &str,
    ) -> Result<Option<Stored<CrmRecord>>, RecordsError> {
        let key = keys::record(kind, id);
        Ok(match kind {
            Kind::Account => {
                let found = self.books.get::<Account>(key).await?;
                found.map(|found| Stored {
                    version: found.version,
                    record: CrmRecord::from(&found.record),
                })
            }
            Kind::Contact => {
                let found = self.books.get::<Contact>(key).await?;
                found.map(|found| Stored {
                    version: found.version,
                    record: CrmRecord::from(&found.record),
                })
            }
            _ => self.books.get::<CrmRecord>(key).await?,
        })
    }

    /// The record that stands for this one now.
    ///
    /// # Errors
    /// As the store.
    pub async fn standing(&self, record: CrmRecord) -> Result<CrmRecord, RecordsError> {
        let mut record = record;
        for _ in 0..MERGES_MAX {
            let Some(into) = &record.merged_into else {
                break;
            };
            match self.get(record.kind, into).await? {
                Some(next) => record = next,
                None => break,
            }
        }
        Ok(record)
    }

    /// The record that people mean: its id, external id, name, or for people an address. One that
    /// was merged away gives the record in its place.
    ///
    /// # Errors
    /// [`RecordsError::Unknown`], [`RecordsError::Several`], and as the store.
    pub async fn find(&self, kind: Kind, text: &str) -> Result<CrmRecord, RecordsError> {
        let text = text.trim();
        if let Some(record) = self.get(kind, text).await? {
            return self.standing(record).await;
        }
        if kind == Kind::Account {
            let account = self.accounts.find(text).await?;
            return self.standing(CrmRecord::from(&account)).await;
        }
        let mut ids = self.ids_by(kind, EXTERNAL, text).await?;
        if ids.is_empty() {
            ids = self.ids_by(kind, NAME, &fold(text)).await?;
        }
        if ids.is_empty() && kind == Kind::Contact {
            ids = self.ids_by_address(text).await?;
        }
        if ids.is_empty() {
            for id in self.books.once_known_as(kind, text).await? {
                if let Some(record) = self.get(kind, &id).await? {
                    ids.push(self.standing(record).await?.id);
                }
            }
        }
        ids.sort();
        ids.dedup();
        let unknown = || RecordsError::Unknown {
            kind,
            text: text.to_owned(),
        };
        match ids.as_slice() {
            [] => Err(unknown()),
            [id] => {
                let record = self.get(kind, id).await?.ok_or_else(unknown)?;
                self.standing(record).await
            }
            _ => Err(RecordsError::Several {
                kind,
                text: text.to_owned(),
                ids,
            }),
        }
    }

    async fn ids_by_address(&self, text: &str) -> Result<Vec<String>, RecordsError> {
        let Ok(address) = Address::parse(text) else {
            return Ok(Vec::new());
        };
        let facts = self.accounts.address_facts(&address).await?;
        Ok(facts.contacts.into_iter().map(|id| id.0).collect())
    }

    pub(super) async fn ids_by(
        &self,
        kind: Kind,
        field: &str,
        value: &str,
    ) -> Result<Vec<String>, RecordsError> {
        let range = keys::records_by(kind, field, value);
        let keys = self.books.keys_under(range, SHARED_MAX).await?;
        Ok(ids_of(keys))
    }

    /// All records of a kind, page by page, without those that another took the place of.
    ///
    /// # Errors
    /// As the store.
    pub async fn each(
        &self,
        kind: Kind,
        mut each: impl FnMut(CrmRecord) + Send,
    ) -> Result<(), RecordsError> {
        let range = keys::records(kind);
        let mut standing = |record: CrmRecord| {
            if record.merged_into.is_none() {
                each(record);
            }
        };
        match kind {
            Kind::Account => {
                let each = |account: Account| standing(CrmRecord::from(&account));
                self.books.each(range, each).await?;
            }
            Kind::Contact => {
                let each = |contact: Contact| standing(CrmRecord::from(&contact));
                self.books.each(range, each).await?;
            }
            _ => self.books.each(range, standing).await?,
        }
        Ok(())
    }

    /// Records of a kind whose field `field` links to `target`, or to a record that `target` took
    /// the place of; at most [`LINKED_MAX`].
    ///
    /// # Errors
    /// As the store.
    pub async fn linked(
        &self,
        kind: Kind,
        field: &str,
        target: &str,
    ) -> Result<Vec<CrmRecord>, RecordsError> {
        let mut records = Vec::new();
        for target in self.all_names_of(target).await? {
            let ids = if kind == Kind::Contact && field == "account" {
                let range = keys::account_contacts(&AccountId(target));
                let keys = self.books.every_key(range).await?;
                let ids = keys.iter().filter_map(|key| keys::indexed_contact(key));
                ids.map(|ContactId(id)| id).collect()
            } else {
                let range = keys::records_by(kind, field, &target);
                ids_of(self.books.keys_under(range, LINKED_MAX).await?)
            };
            for id in ids {
                let record = self.get(kind, &id).await?;
                let standing = record.filter(|record| record.merged_into.is_none());
                records.extend(standing);
            }
        }
        Ok(records)
    }

    /// The id and the ids of all records that it took the place of.
    ///
    /// # Errors
    /// As the store.
    pub async fn all_names_of(&self, id: &str) -> Result<Vec<String>, RecordsError> {
        Ok(self.books.all_names_of(id).await?)
    }

    pub(super) async fn shared(&self, key: Key) -> Result<Vec<String>, RecordsError> {
        let row = self
            .books
            .get::<crate::books::rows::ByDomainRow>(key)
            .await?;
        let accounts = row.map(|row| row.record.accounts).unwrap_or_default();
        Ok(accounts.into_iter().map(|id| id.0).collect())
    }
}

fn ids_of(keys: Vec<Bytes>) -> Vec<String> {
    let found = keys.iter().filter_map(|key| keys::indexed_record(key));
    found.map(|(_, id)| id).collect()
}
