//! Two records that are one: the second stays, and points to the first.
//!
//! Nothing that belongs to the record that goes is rewritten: its contacts, mails and history are
//! found through the pointer, so that taking it back is one commit, too.

use liaison_core::crm::{CrmRecord, FieldChange, Kind};
use liaison_core::proposal::Value;

use super::{RecordBook, RecordBy, RecordsError};
use crate::accounts::audit;
use crate::books::rows::{AuditRow, MergeRow};
use crate::books::{keys, replace};
use crate::store::{Batch, Stored};

impl RecordBook {
    /// Has `into` take the place of `from`: fields that `into` does not have are taken over,
    /// addresses and domains joined.
    ///
    /// # Errors
    /// [`RecordsError`]; nothing was written then.
    pub async fn merge(
        &self,
        kind: Kind,
        from: &str,
        into: &str,
        by: &RecordBy,
    ) -> Result<MergeRow, RecordsError> {
        let from = self.pair(kind, from).await?;
        let into = self.pair(kind, into).await?;
        if from.record.id == into.record.id {
            return Err(RecordsError::Refused(format!(
                "{} is the same record already",
                into.record.id
            )));
        }
        let mut gone = from.record.clone();
        gone.merged_into = Some(into.record.id.clone());
        let taken = taken(&from.record, &into.record);
        let mut after = into.record.clone();
        for change in &taken {
            after
                .fields
                .insert(change.field.clone(), change.new.clone());
        }
        let row = MergeRow {
            kind,
            from: gone.id.clone(),
            into: after.id.clone(),
            taken,
            at: by.now,
            who: by.who.clone(),
        };
        let mut batch = self.books.batch();
        let key = keys::merge(kind, &gone.id);
        let seen = self.books.get::<MergeRow>(key.clone()).await?;
        replace(&mut batch, key, seen.map(|seen| seen.version), &row)?;
        let what = format!("{} took the place of {}", after.id, gone.id);
        self.both(&mut batch, [(&from, gone), (&into, after)], &what, by)
            .await?;
        self.books.commit(batch).await?;
        Ok(row)
    }

    /// Takes a merge back: `from` stands for itself again, and what the other got by it and still
    /// has as it was, goes.
    ///
    /// # Errors
    /// [`RecordsError`]; nothing was written then.
    pub async fn unmerge(
        &self,
        kind: Kind,
        from: &str,
        by: &RecordBy,
    ) -> Result<MergeRow, RecordsError> {
        let key = keys::merge(kind, from);
        let Some(merge) = self.books.get::<MergeRow>(key.clone()).await? else {
            return Err(RecordsError::Refused(format!(
                "{from} was not merged: give the id of the record that went"
            )));
        };
        let row = merge.record;
        let (Some(from), Some(into)) = (
            self.stored(kind, &row.from).await?,
            self.stored(kind, &row.into).await?,
        ) else {
            return Err(RecordsError::Unknown {
                kind,
                text: row.from,
            });
        };
        let mut back = from.record.clone();
        back.merged_into = None;
        let mut after = into.record.clone();
        for change in &row.taken {
            give_back(&mut after, change);
        }
        let mut batch = self.books.batch();
        batch.expect(key.clone(), crate::store::Expect::Version(merge.version));
        batch.del(key);
        let what = format!("{} stands for itself again, beside {}", back.id, after.id);
        // What was joined leaves the one before it comes back to the other.
        self.both(&mut batch, [(&into, after), (&from, back)], &what, by)
            .await?;
        self.books.commit(batch).await?;
        Ok(row)
    }

    async fn pair(&self, kind: Kind, text: &str) -> Result<Stored<CrmRecord>, RecordsError> {
        let found = self.find(kind, text).await?;
        let unknown = || RecordsError::Unknown {
            kind,
            text: text.to_owned(),
        };
        self.stored(kind, &found.id).await?.ok_or_else(unknown)
    }

    async fn both(
        &self,
        batch: &mut Batch,
        pair: [(&Stored<CrmRecord>, CrmRecord); 2],
        what: &str,
        by: &RecordBy,
    ) -> Result<(), RecordsError> {
        let mut old = Vec::new();
        let mut new = Vec::new();
        for (seen, mut after) in pair {
            after.revision = after.revision.saturating_add(1);
            after.updated = by.now;
            let row = AuditRow {
                at: by.now,
                who: by.who.clone(),
                what: what.to_owned(),
                why: by.why.clone(),
            };
            audit(&self.books, batch, &after.id, &row).await?;
            self.stage_record(batch, &after, Some(seen.version))?;
            old.extend(super::write::entries(&seen.record));
            new.extend(super::write::entries(&after));
        }
        // One row may lose the one and win the other: both are staged together.
        self.stage_entries(batch, &old, &new).await
    }
}

/// What `into` gets of `from`.
fn taken(from: &CrmRecord, into: &CrmRecord) -> Vec<FieldChange> {
    let mut taken = Vec::new();
    for (field, value) in &from.fields {
        let old = into.get(field).cloned().unwrap_or(Value::Null);
        let new = match (&old, value) {
            (Value::Null, Value::Null) => continue,
            // Two systems have two ids for it; the one that stays keeps its own.
            (Value::Null, _) => value.clone(),
            (Value::Texts(ours), Value::Texts(theirs)) => {
                let mut all = ours.clone();
                all.extend(theirs.iter().filter(|one| !ours.contains(one)).cloned());
                all.truncate(liaison_core::crm::fields::VALUES_MAX);
                Value::Texts(all)
            }
            (Value::Flag(false), Value::Flag(true)) if field == "do_not_contact" => {
                Value::Flag(true)
            }
            _ => continue,
        };
        if new != old {
            taken.push(FieldChange {
                field: field.clone(),
                old,
                new,
            });
        }
    }
    taken
}

/// What came by a merge goes, unless it was changed since.
fn give_back(record: &mut CrmRecord, change: &FieldChange) {
    let now = record.get(&change.field).cloned().unwrap_or(Value::Null);
    let after = match (&now, &change.old, &change.new) {
        (Value::Texts(now), old, Value::Texts(new)) => {
            let old: &[String] = match old {
                Value::Texts(old) => old,
                _ => &[],
            };
            let came = |one: &&String| new.contains(one) && !old.contains(one);
            let kept: Vec<String> = now.iter().filter(|one| !came(one)).cloned().collect();
            match kept.is_empty() {
                true => Value::Null,
                false => Value::Texts(kept),
            }
        }
        _ if now == change.new => change.old.clone(),
        _ => return,
    };
    match after {
        Value::Null => record.fields.remove(&change.field),
        after => record.fields.insert(change.field.clone(), after),
    };
}
