//! Two records that are one: the second stays, and points to the first.
//!
//! Nothing that belongs to the record that goes is rewritten: its contacts, mails and history are
//! found through the pointer, so that taking it back is one commit, too.

use liaison_core::crm::change::is_id;
use liaison_core::crm::{CrmRecord, FieldChange, FieldType, Kind};
use liaison_core::proposal::Value;

use super::{RecordBook, RecordBy, RecordsError};
use crate::accounts::audit;
use crate::books::rows::{AuditRow, MergeRow};
use crate::books::{keys, replace};
use crate::store::{Batch, Stored};

/// Field that says what a record is a part of.
const PARENT: &str = "parent";
/// Field that a merge only ever sets.
const DO_NOT_CONTACT: &str = "do_not_contact";

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
        let given = from.trim();
        let from = self.pair(kind, given).await?;
        if is_id(kind, given) && given != from.record.id.as_str() {
            return Err(RecordsError::Refused(format!(
                "{given} was merged into {} already",
                from.record.id
            )));
        }
        let into = self.pair(kind, into).await?;
        if from.record.id == into.record.id {
            return Err(RecordsError::Refused(format!(
                "{} is the same record already",
                into.record.id
            )));
        }
        let mut gone = from.record.clone();
        gone.merged_into = Some(into.record.id.clone());
        let mut own = self.books.all_names_of(&gone.id).await?;
        own.extend(self.books.all_names_of(&into.record.id).await?);
        let taken = taken(&from.record, &into.record, &own);
        let mut after = into.record.clone();
        for change in &taken {
            after
                .fields
                .insert(change.field.clone(), change.new.clone());
            if change.new == Value::Null {
                after.fields.remove(&change.field);
            }
        }
        claim(&mut after, &from.record, &taken);
        if kind.spec().field(PARENT).is_some() {
            self.no_circle(&after, PARENT, &[&after, &gone]).await?;
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
        if let Some(later) = &into.record.merged_into {
            return Err(RecordsError::Refused(format!(
                "{} was merged into {later} since: take that back first, with `liaison {} merge \
                 --undo {}`",
                row.into,
                kind.plural(),
                row.into
            )));
        }
        let mut back = from.record.clone();
        back.merged_into = None;
        let mut after = into.record.clone();
        for change in &row.taken {
            give_back(&mut after, &from.record, change);
        }
        if kind.spec().field(PARENT).is_some() {
            for one in [&back, &after] {
                self.no_circle(one, PARENT, &[&back, &after]).await?;
            }
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

/// What changes of `into`: what it gets of `from`, and that it does not link to itself under one of
/// its `own` names.
fn taken(from: &CrmRecord, into: &CrmRecord, own: &[String]) -> Vec<FieldChange> {
    let mut taken = Vec::new();
    for field in from.kind.spec().fields {
        let linked = matches!(field.kind, FieldType::Link(_) | FieldType::Links(_));
        let value = |record: &CrmRecord| {
            let value = record.get(field.name).cloned().unwrap_or(Value::Null);
            if linked { without(value, own) } else { value }
        };
        let old = into.get(field.name).cloned().unwrap_or(Value::Null);
        let emptied = old == Value::Null && into.by_person.iter().any(|known| known == field.name);
        let new = match (value(into), value(from)) {
            // A person took it away.
            (ours, _) if emptied => ours,
            // Two systems have two ids for it; the one that stays keeps its own.
            (Value::Null, theirs) => theirs,
            (Value::Texts(ours), Value::Texts(theirs)) => {
                let mut all = ours.clone();
                all.extend(theirs.iter().filter(|one| !ours.contains(one)).cloned());
                all.truncate(liaison_core::crm::fields::VALUES_MAX);
                Value::Texts(all)
            }
            (Value::Flag(false), Value::Flag(true)) if field.name == DO_NOT_CONTACT => {
                Value::Flag(true)
            }
            (ours, _) => ours,
        };
        if new != old {
            taken.push(FieldChange {
                field: field.name.to_owned(),
                old,
                new,
            });
        }
    }
    taken
}

/// A link, or links, without those to one of these.
fn without(value: Value, own: &[String]) -> Value {
    match value {
        Value::Text(id) if own.contains(&id) => Value::Null,
        Value::Texts(mut ids) => {
            ids.retain(|id| !own.contains(id));
            match ids.is_empty() {
                true => Value::Null,
                false => Value::Texts(ids),
            }
        }
        value => value,
    }
}

/// What a person said of the one is their word of the other, where that has it from there.
fn claim(after: &mut CrmRecord, from: &CrmRecord, taken: &[FieldChange]) {
    for change in taken {
        let said = |record: &CrmRecord| record.by_person.contains(&change.field);
        if said(from) && !said(after) {
            after.by_person.push(change.field.clone());
        }
    }
    after.by_person.sort();
}

/// What came by a merge goes, unless it was changed since. That somebody is not to be contacted
/// stays: a person says so when they may be.
fn give_back(record: &mut CrmRecord, from: &CrmRecord, change: &FieldChange) {
    if change.field == DO_NOT_CONTACT {
        return;
    }
    let now = record.get(&change.field).cloned().unwrap_or(Value::Null);
    let after = match (&now, &change.old, &change.new) {
        _ if now == change.new => change.old.clone(),
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
        _ => return,
    };
    if change.old == Value::Null && after == Value::Null && from.by_person.contains(&change.field) {
        record.by_person.retain(|field| *field != change.field);
    }
    match after {
        Value::Null => record.fields.remove(&change.field),
        after => record.fields.insert(change.field.clone(), after),
    };
}
