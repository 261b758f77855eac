//! A page of records of a kind, for exports.

use bytes::Bytes;
use liaison_core::account::{Account, Contact};
use liaison_core::crm::{CrmRecord, Kind};

use super::{RecordBook, RecordsError};
use crate::books::keys;
use crate::store::{Dir, Key};

impl RecordBook {
    /// Records of a kind in the order of their keys, without those that another took the place of,
    /// and where the next page begins. What a later release wrote is passed over.
    ///
    /// # Errors
    /// As the store, and [`RecordsError::Refused`] where `after` is no such place.
    pub async fn page(
        &self,
        kind: Kind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<CrmRecord>, Option<String>), RecordsError> {
        let after = match after {
            None => None,
            Some(place) => Some(Bytes::from(unhex(place).ok_or_else(|| {
                RecordsError::Refused(format!("`{place}` is no place where a page ended"))
            })?)),
        };
        let range = keys::records(kind);
        let ns = range.ns;
        let store = &self.books.store;
        let page = store.scan(range, Dir::Forward, limit, after).await?;
        let mut records = Vec::with_capacity(page.items.len());
        for (key, row) in page.items {
            let key = Key::new(ns, key);
            let read = match kind {
                Kind::Account => row
                    .record::<Account>(&key)
                    .map(|stored| CrmRecord::from(&stored.record)),
                Kind::Contact => row
                    .record::<Contact>(&key)
                    .map(|stored| CrmRecord::from(&stored.record)),
                _ => row.record::<CrmRecord>(&key).map(|stored| stored.record),
            };
            match read.map_err(crate::books::BooksError::from) {
                Ok(record) if record.merged_into.is_none() => records.push(record),
                Ok(_) => {}
                Err(error) if error.is_newer() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((records, page.next.map(|key| hex(&key))))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}
