//! What changes of many records will read, asked for at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use liaison_core::account::{account_id, contact_id, fold};
use liaison_core::crm::Kind;
use liaison_core::ids::AccountId;

use super::RecordBook;
use crate::books::chunk::Chunk;
use crate::books::indexes;
use crate::books::indexes::crm::EXTERNAL;
use crate::books::{BooksError, keys};
use crate::store::{Key, Range};

/// A record that is about to be put.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coming<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its fields, as people write them.
    pub fields: &'a [(String, String)],
    /// Fields of the account in the same row.
    pub account: &'a [(String, String)],
}

impl RecordBook {
    /// Reads into `chunk` what the puts of these records will most likely read. What it does not
    /// foresee is read when it is needed.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn ahead(
        &self,
        chunk: &Arc<Chunk>,
        coming: impl Iterator<Item = Coming<'_>>,
    ) -> Result<(), BooksError> {
        // Whether anybody was ever erased.
        let mut rows = vec![keys::setting(keys::SALT)];
        let mut ranges = Vec::new();
        let mut kinds = BTreeSet::from([Kind::Account]);
        for one in coming {
            kinds.insert(one.kind);
            foresee(one, &mut rows, &mut ranges);
        }
        // Whether any was ever merged.
        ranges.extend(kinds.into_iter().map(keys::merges));
        Ok(chunk.ahead(rows, ranges).await?)
    }
}

fn text<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(field, _)| field == name);
    found.map(|(_, text)| text.trim())
}

fn account_of(fields: &[(String, String)]) -> AccountId {
    account_id(
        text(fields, EXTERNAL),
        text(fields, "name").unwrap_or_default(),
    )
}

fn foresee(one: Coming<'_>, rows: &mut Vec<Key>, ranges: &mut Vec<Range>) {
    let external = text(one.fields, EXTERNAL);
    match one.kind {
        Kind::Account => {
            rows.push(keys::record(Kind::Account, account_of(one.fields).as_str()));
            rows.extend(external.map(|id| keys::account_ext(indexes::EXTERNAL, id)));
            let name = text(one.fields, "name").map(fold);
            rows.extend(name.map(|name| keys::account_ext(indexes::NAME, &name)));
            let domains = text(one.fields, "domains").unwrap_or_default();
            let domains = domains.split(';').filter(|domain| !domain.is_empty());
            rows.extend(domains.map(|domain| keys::by_domain(&domain.trim().to_lowercase())));
        }
        Kind::Contact => {
            let emails = text(one.fields, "emails").unwrap_or_default();
            let emails: Vec<String> = emails
                .split(';')
                .map(|email| email.trim().to_lowercase())
                .filter(|email| !email.is_empty())
                .collect();
            rows.extend(emails.iter().map(|email| keys::by_addr(email)));
            if let (Some(email), false) = (emails.first(), one.account.is_empty()) {
                let id = contact_id(&account_of(one.account), email);
                rows.push(keys::record(Kind::Contact, id.as_str()));
            }
        }
        _ => {}
    }
    if let Some(id) = external.filter(|_| one.kind != Kind::Account) {
        ranges.push(keys::records_by(one.kind, EXTERNAL, id));
    }
}
