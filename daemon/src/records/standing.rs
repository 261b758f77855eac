//! Records that others took the place of, as a whole: for those who go through all records.

use std::collections::HashMap;

use liaison_core::crm::{CrmRecord, FieldType, Kind};
use liaison_core::effect::MailEffect;
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::proposal::Value;
use liaison_core::records::TaskRecord;

use super::{MERGES_MAX, RecordBook, RecordsError};
use crate::books::rows::MergeRow;
use crate::store::{Ns, Range};

/// Which record stands for one that was merged away. Some 150 bytes for each merge that was not
/// taken back, and nothing for other records.
#[derive(Debug, Default)]
pub struct StandingIds {
    into: HashMap<Kind, HashMap<String, String>>,
}

impl RecordBook {
    /// Which records stand for those that were merged away: one pass over the merges.
    ///
    /// # Errors
    /// As the store.
    pub async fn standing_ids(&self) -> Result<StandingIds, RecordsError> {
        let mut into: HashMap<Kind, HashMap<String, String>> = HashMap::new();
        let each = |row: MergeRow| {
            into.entry(row.kind).or_default().insert(row.from, row.into);
        };
        self.books.each(Range::all(Ns::Merge), each).await?;
        Ok(StandingIds { into })
    }
}

impl StandingIds {
    /// The id of the record that stands for this one now; `None`: itself.
    #[must_use]
    pub fn of(&self, kind: Kind, id: &str) -> Option<&str> {
        let into = self.into.get(&kind)?;
        let mut found = into.get(id)?;
        for _ in 0..MERGES_MAX {
            let Some(next) = into.get(found) else {
                break;
            };
            found = next;
        }
        Some(found)
    }

    fn follow(&self, kind: Kind, id: &mut String) {
        if let Some(standing) = self.of(kind, id) {
            *id = standing.to_owned();
        }
    }

    /// Has all links of a record lead to records that stand for themselves.
    pub fn relink(&self, record: &mut CrmRecord) {
        if self.into.is_empty() {
            return;
        }
        for field in record.kind.spec().fields {
            let (FieldType::Link(kind) | FieldType::Links(kind)) = field.kind else {
                continue;
            };
            match record.fields.get_mut(field.name) {
                Some(Value::Text(id)) => self.follow(kind, id),
                Some(Value::Texts(ids)) => {
                    ids.iter_mut().for_each(|id| self.follow(kind, id));
                    let mut seen = Vec::with_capacity(ids.len());
                    for id in ids.drain(..) {
                        if !seen.contains(&id) {
                            seen.push(id);
                        }
                    }
                    *ids = seen;
                }
                _ => {}
            }
        }
    }

    /// Whom a mail of the outbox is about.
    pub fn relink_mail(&self, mail: &mut MailEffect) {
        let subject = &mut mail.cause.subject;
        self.subject(&mut subject.account, &mut subject.contact);
    }

    /// Whom a task is about.
    pub fn relink_task(&self, task: &mut TaskRecord) {
        let subject = &mut task.cause.subject;
        self.subject(&mut subject.account, &mut subject.contact);
        self.subject(&mut task.account, &mut task.contact);
    }

    fn subject(&self, account: &mut Option<AccountId>, contact: &mut Option<ContactId>) {
        if let Some(account) = account {
            self.follow(Kind::Account, &mut account.0);
        }
        if let Some(contact) = contact {
            self.follow(Kind::Contact, &mut contact.0);
        }
    }
}
