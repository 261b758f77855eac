//! One change of a record, planned as a batch.

use liaison_core::account::{Account, Contact, account_id, contact_id, fold};
use liaison_core::crm::change::{FieldChange, Problem, is_id, new_id, plan, unknown_field};
use liaison_core::crm::sheet::SheetType;
use liaison_core::crm::{CrmRecord, Edit, FieldType, Kind, Planned, Sheet, Source};
use liaison_core::ids::AccountId;
use liaison_core::mail::address::Address;
use liaison_core::proposal::Value;

use super::{MERGES_MAX, Put, RecordBook, RecordBy, RecordsError, Saved};
use crate::accounts::audit;
use crate::books::indexes::crm::EXTERNAL;
use crate::books::indexes::{self, Entry};
use crate::books::rows::AuditRow;
use crate::books::{BooksError, keys, replace};
use crate::privacy::Tombstones;
use crate::store::codec::{self, Record};
use crate::store::{Batch, Key, Stored, VALUE_BYTES_MAX};

/// Longest external id, in bytes: it is part of a key.
const EXTERNAL_ID_BYTES_MAX: usize = 200;
/// Longest text of an audit row, in characters: a row fits into 4 KiB whatever the letters.
const AUDIT_CHARS_MAX: usize = 700;

impl RecordBook {
    /// What a put comes to; without a batch where nothing is to be written.
    pub(super) async fn plan(
        &self,
        put: &Put,
        by: &RecordBy,
    ) -> Result<(Saved, Option<Batch>), RecordsError> {
        let currency = put.fields.iter().find(|(field, _)| field == "currency");
        let mut currency = currency.map(|(_, code)| code.trim().to_uppercase());
        let named = match &put.which {
            Some(text) => match self.find(put.kind, text).await {
                Err(RecordsError::Unknown { .. }) if is_elsewhere(put, by) => None,
                found => Some(found?),
            },
            None => None,
        };
        if currency.is_none() {
            let kept = named.as_ref().and_then(|record| record.text("currency"));
            currency = kept.map(str::to_owned);
        }
        let edits = self.edits(put, currency.as_deref()).await?;
        let (seen, instead) = match &named {
            Some(record) => {
                let given = put.which.as_deref().map(str::trim);
                let instead = given
                    .is_some_and(|given| is_id(put.kind, given) && given != record.id.as_str());
                (self.stored(put.kind, &record.id).await?, instead)
            }
            None => self.meant(put.kind, &edits, by).await?,
        };
        if let (true, Some(seen), Some(_), Some(given)) = (instead, &seen, put.expect, &put.which) {
            return Err(RecordsError::Refused(format!(
                "{given} was merged into {}: look at that one",
                seen.record.id
            )));
        }
        if let Some(seen) = seen.as_ref().filter(|_| put.only_new) {
            return Err(RecordsError::Exists {
                kind: put.kind,
                id: seen.record.id.clone(),
            });
        }
        let edits = match &seen {
            Some(seen) if instead && by.source == Source::Import => filling(&seen.record, edits),
            _ => edits,
        };
        let edits = match &seen {
            Some(seen) => self.under_known_names(&seen.record, edits).await?,
            None => edits,
        };
        self.change(put, seen, &edits, by).await
    }

    async fn change(
        &self,
        put: &Put,
        seen: Option<Stored<CrmRecord>>,
        edits: &[Edit],
        by: &RecordBy,
    ) -> Result<(Saved, Option<Batch>), RecordsError> {
        let before = match &seen {
            Some(seen) => seen.record.clone(),
            None => CrmRecord::new(put.kind, String::new(), by.now),
        };
        if let Some(expected) = put.expect
            && expected != before.revision
        {
            return Err(RecordsError::Revision {
                id: before.id,
                expected,
                found: before.revision,
            });
        }
        let edits = joined(&before, edits, put.join || by.source != Source::Person);
        let mut planned = plan(&before, &edits, by.change()).map_err(RecordsError::Fields)?;
        self.check(&before, &planned, by).await?;
        if seen.is_none() {
            planned.record.id = match &put.which {
                Some(id) => id.clone(),
                None => self.free_id(&planned.record).await?,
            };
        }
        let saved = |planned: Planned| Saved {
            record: planned.record,
            created: seen.is_none(),
            changed: planned.changed,
            proposed: planned.proposed,
        };
        let claimed = planned.record.by_person != before.by_person;
        if planned.changed.is_empty() && planned.proposed.is_empty() && !claimed {
            return Ok((saved(planned), None));
        }
        let mut batch = self.books.batch();
        if !planned.changed.is_empty() || claimed {
            let version = seen.as_ref().map(|seen| seen.version);
            self.stage(
                &mut batch,
                seen.as_ref().map(|_| &before),
                &planned.record,
                version,
            )
            .await?;
        }
        if !planned.changed.is_empty() {
            let row = AuditRow {
                at: by.now,
                who: by.who.clone(),
                what: said(seen.is_none(), &planned),
                why: by.why.clone(),
            };
            self.note(&mut batch, &planned.record.id, seen.is_none(), &row)
                .await?;
        }
        planned.proposed = self.propose(&mut batch, &planned, by).await?;
        let batch = Some(batch).filter(|batch| !batch.is_empty());
        Ok((saved(planned), batch))
    }

    /// The first audit row of a new record needs no look at what is there.
    async fn note(
        &self,
        batch: &mut Batch,
        id: &str,
        new: bool,
        row: &AuditRow,
    ) -> Result<(), BooksError> {
        match new {
            true => replace(batch, keys::audit(id, row.at, 0), None, row),
            false => audit(&self.books, batch, id, row).await,
        }
    }

    /// Puts a record and its index rows into a batch.
    pub(super) async fn stage(
        &self,
        batch: &mut Batch,
        before: Option<&CrmRecord>,
        after: &CrmRecord,
        version: Option<u64>,
    ) -> Result<(), RecordsError> {
        self.stage_record(batch, after, version)?;
        let old = before.map(entries).unwrap_or_default();
        self.stage_entries(batch, &old, &entries(after)).await
    }

    pub(super) fn stage_record(
        &self,
        batch: &mut Batch,
        after: &CrmRecord,
        version: Option<u64>,
    ) -> Result<(), RecordsError> {
        let key = keys::record(after.kind, &after.id);
        match after.kind {
            Kind::Account => fitting(batch, key, version, &Account::from(after)),
            Kind::Contact => fitting(batch, key, version, &Contact::from(after)),
            _ => fitting(batch, key, version, after),
        }
    }

    pub(super) async fn stage_entries(
        &self,
        batch: &mut Batch,
        old: &[Entry],
        new: &[Entry],
    ) -> Result<(), RecordsError> {
        let crowded = indexes::stage(&self.books, batch, old, new).await?;
        match crowded.first() {
            None => Ok(()),
            Some(key) => Err(RecordsError::Refused(format!(
                "more than {} records would share {key}",
                crate::accounts::SHARED_MAX
            ))),
        }
    }

    /// The values, with links looked up.
    async fn edits(&self, put: &Put, currency: Option<&str>) -> Result<Vec<Edit>, RecordsError> {
        let spec = put.kind.spec();
        let mut problems = Vec::new();
        let mut edits: Vec<Edit> = Vec::new();
        for (name, text) in &put.fields {
            let Some(field) = spec.field(name) else {
                problems.push(unknown_field(spec, name));
                continue;
            };
            let problem = |reason: String| Problem {
                field: name.clone(),
                value: liaison_core::message::cut_text(text, 80),
                reason,
            };
            if edits.iter().any(|edit| edit.field == *name) {
                problems.push(problem("it is given twice".to_owned()));
                continue;
            }
            let value = match field.kind.parse(text, currency) {
                Ok(value) => value,
                Err(reason) => {
                    problems.push(problem(reason));
                    continue;
                }
            };
            match self.linked_to(field.kind, value).await {
                Ok(value) => edits.push(Edit {
                    field: name.clone(),
                    value,
                }),
                Err(RecordsError::Books(error)) => return Err(error.into()),
                Err(error) => problems.push(problem(error.to_string())),
            }
        }
        match problems.is_empty() {
            true => Ok(edits),
            false => Err(RecordsError::Fields(problems)),
        }
    }

    /// Values of a sheet with their links looked up, and our people checked.
    ///
    /// # Errors
    /// All that is wrong with them as [`RecordsError::Fields`]; as the store.
    pub(crate) async fn linked_edits(
        &self,
        sheet: &Sheet,
        edits: Vec<Edit>,
    ) -> Result<Vec<Edit>, RecordsError> {
        let mut problems = Vec::new();
        let mut linked = Vec::new();
        for edit in edits {
            let Some(SheetType::Core(kind)) = sheet.field(&edit.field).map(|field| &field.kind)
            else {
                linked.push(edit);
                continue;
            };
            let found = match (kind, &edit.value) {
                (FieldType::Person, Value::Text(email)) => self.one_of_us(&edit.field, email),
                _ => Ok(()),
            };
            let found = match found {
                Ok(()) => self.linked_to(*kind, edit.value.clone()).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(value) => linked.push(Edit { value, ..edit }),
                Err(RecordsError::Fields(more)) => problems.extend(more),
                Err(RecordsError::Books(error)) => return Err(error.into()),
                Err(error) => problems.push(Problem {
                    field: edit.field,
                    value: String::new(),
                    reason: error.to_string(),
                }),
            }
        }
        match problems.is_empty() {
            true => Ok(linked),
            false => Err(RecordsError::Fields(problems)),
        }
    }

    fn one_of_us(&self, field: &str, email: &str) -> Result<(), RecordsError> {
        let refused = |reason: String| RecordsError::field(field, email, reason);
        let person = Address::parse(email).map_err(|error| refused(error.to_string()))?;
        self.accounts
            .rules()
            .account_owner(&person)
            .map_err(refused)
    }

    async fn linked_to(&self, field: FieldType, value: Value) -> Result<Value, RecordsError> {
        Ok(match (field, value) {
            (FieldType::Link(kind), Value::Text(text)) => {
                Value::Text(self.find(kind, &text).await?.id)
            }
            (FieldType::Links(kind), Value::Texts(texts)) => {
                let mut ids = Vec::new();
                for text in texts {
                    let id = self.find(kind, &text).await?.id;
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                Value::Texts(ids)
            }
            (_, value) => value,
        })
    }

    /// An id that no other record has: one that was renamed since keeps its own.
    async fn free_id(&self, record: &CrmRecord) -> Result<String, RecordsError> {
        let first = match record.kind {
            Kind::Account => {
                account_id(
                    record.text(EXTERNAL),
                    record.text("name").unwrap_or_default(),
                )
                .0
            }
            Kind::Contact => {
                let account = AccountId::from(record.text("account").unwrap_or_default());
                let known = record.texts("emails").first().map(String::as_str);
                let name = record.text("name").map(fold).unwrap_or_default();
                contact_id(&account, known.unwrap_or(&name)).0
            }
            _ => new_id(record),
        };
        let mut id = first.clone();
        for nth in 0..MERGES_MAX {
            if self.get(record.kind, &id).await?.is_none() {
                return Ok(id);
            }
            let hash = liaison_core::ids::derive(
                "liaison record again 1",
                &[first.as_bytes(), nth.to_string().as_bytes()],
            );
            let short: String = hash.chars().take(16).collect();
            id = format!("{}-{short}", record.kind.spec().prefix);
        }
        Err(RecordsError::Refused(format!(
            "{MERGES_MAX} records had its id before: give it another external_id or name"
        )))
    }

    /// What only the records and the configuration know to be wrong.
    async fn check(
        &self,
        before: &CrmRecord,
        planned: &Planned,
        by: &RecordBy,
    ) -> Result<(), RecordsError> {
        let rules = self.accounts.rules();
        let record = &planned.record;
        let changes = |field: &str| planned.changed.iter().any(|change| change.field == field);
        if let Some(id) = record.text(EXTERNAL)
            && id.len() > EXTERNAL_ID_BYTES_MAX
        {
            let reason = format!("longer than {EXTERNAL_ID_BYTES_MAX} bytes");
            return Err(RecordsError::field(EXTERNAL, id, reason));
        }
        match record.kind {
            Kind::Account => {
                if fold(record.text("name").unwrap_or_default()).is_empty() {
                    let reason = "an account needs a name with letters or digits";
                    return Err(RecordsError::field("name", "", reason));
                }
                for domain in record.texts("domains") {
                    if changes("domains") && !before.texts("domains").contains(domain) {
                        let refused = |reason| RecordsError::field("domains", domain, reason);
                        rules.account_domain(domain).map_err(refused)?;
                    }
                }
                if changes("parent") {
                    self.no_circle(record, "parent", &[record]).await?;
                }
            }
            Kind::Contact => self.check_contact(before, record).await?,
            Kind::Unit if changes("parent") => {
                self.no_circle(record, "parent", &[record]).await?;
            }
            _ => {}
        }
        for field in record.kind.spec().fields {
            if field.kind == FieldType::Person
                && changes(field.name)
                && by.source == Source::Person
                && let Some(Ok(person)) = record.text(field.name).map(Address::parse)
            {
                let refused = |reason| RecordsError::field(field.name, &person.to_string(), reason);
                rules.account_owner(&person).map_err(refused)?;
            }
        }
        Ok(())
    }

    async fn check_contact(
        &self,
        before: &CrmRecord,
        record: &CrmRecord,
    ) -> Result<(), RecordsError> {
        if record.texts("emails").is_empty() && record.text("name").is_none() {
            let reason = "a contact needs a name or an address";
            return Err(RecordsError::field("name", "", reason));
        }
        for email in record.texts("emails") {
            if before.texts("emails").contains(email) {
                continue;
            }
            let refused = |reason: String| RecordsError::field("emails", email, reason);
            let address = Address::parse(email).map_err(|error| refused(error.to_string()))?;
            self.accounts
                .rules()
                .contact_address(&address)
                .map_err(refused)?;
            let tombstones = Tombstones::read(&self.books).await?;
            if let Some(erasure) = tombstones.of(&self.books, email).await? {
                return Err(refused(format!(
                    "the data of this person was erased (asked for at {}), and is not taken in \
                     again",
                    erasure.asked
                )));
            }
        }
        Ok(())
    }

    /// Nothing is a part of itself, under whatever name, once these records are as `planned`.
    pub(super) async fn no_circle(
        &self,
        record: &CrmRecord,
        field: &str,
        planned: &[&CrmRecord],
    ) -> Result<(), RecordsError> {
        let mut above = record.text(field).map(str::to_owned);
        for _ in 0..MERGES_MAX {
            let Some(id) = above else { return Ok(()) };
            let Some(next) = self.planned(record.kind, &id, planned).await? else {
                return Ok(());
            };
            if next.id == record.id {
                let reason = format!("{} would be a part of itself", record.kind.with_article());
                return Err(RecordsError::field(field, &id, reason));
            }
            above = next.text(field).map(str::to_owned);
        }
        let reason = format!("more than {MERGES_MAX} levels");
        Err(RecordsError::field(field, "", reason))
    }

    /// The record that stands for `id` once these are as planned.
    async fn planned(
        &self,
        kind: Kind,
        id: &str,
        planned: &[&CrmRecord],
    ) -> Result<Option<CrmRecord>, RecordsError> {
        let mut id = id.to_owned();
        for _ in 0..MERGES_MAX {
            let record = match planned.iter().find(|record| record.id == id) {
                Some(record) => Some((*record).clone()),
                None => self.get(kind, &id).await?,
            };
            match record {
                Some(CrmRecord {
                    merged_into: Some(into),
                    ..
                }) => id = into,
                record => return Ok(record),
            }
        }
        Ok(None)
    }
}

/// What an import says of a record that another took the place of: that other keeps what it has,
/// or two rows of one file would change it to and fro.
fn filling(before: &CrmRecord, edits: Vec<Edit>) -> Vec<Edit> {
    let adds = |edit: &Edit| {
        edit.field != EXTERNAL
            && (before.get(&edit.field).is_none()
                || matches!(edit.field.as_str(), "emails" | "domains"))
    };
    edits.into_iter().filter(adds).collect()
}

/// Whether a put names a record by the id that it had where it was exported.
fn is_elsewhere(put: &Put, by: &RecordBy) -> bool {
    let named = put.which.as_ref();
    by.source == Source::Import && named.is_some_and(|id| is_id(put.kind, id))
}

/// Values that are added to what others said, where an import or a plugin says them: the
/// addresses and domains of one system are seldom all there are.
fn joined(before: &CrmRecord, edits: &[Edit], join: bool) -> Vec<Edit> {
    let mut edits = edits.to_vec();
    if !join {
        return edits;
    }
    for edit in &mut edits {
        let adds = matches!(edit.field.as_str(), "emails" | "domains");
        if let (true, Value::Texts(new)) = (adds, &edit.value) {
            let mut all = before.texts(&edit.field).to_vec();
            let more = new
                .iter()
                .filter(|one| !before.texts(&edit.field).contains(one));
            all.extend(more.cloned());
            edit.value = Value::Texts(all);
        }
    }
    edits
}

pub(super) fn entries(record: &CrmRecord) -> Vec<Entry> {
    match record.kind {
        Kind::Account => indexes::of_account(&record.into()),
        Kind::Contact => indexes::of_contact(&record.into()),
        _ => indexes::crm::of_record(record),
    }
}

/// Puts a record that is not too large for a row.
fn fitting<T: Record>(
    batch: &mut Batch,
    key: Key,
    version: Option<u64>,
    record: &T,
) -> Result<(), RecordsError> {
    let bytes = codec::encode(record)?.len();
    if bytes > VALUE_BYTES_MAX {
        return Err(RecordsError::Refused(format!(
            "the record takes {bytes} bytes, and {VALUE_BYTES_MAX} is the most: shorten its notes \
             or other long texts"
        )));
    }
    Ok(replace(batch, key, version, record)?)
}

/// `created: name = X; ...` or `changed: name: X -> Y; ...`.
fn said(created: bool, planned: &Planned) -> String {
    let word = if created { "created" } else { "changed" };
    let spec = planned.record.kind.spec();
    let currency = planned.record.text("currency");
    let one = |change: &FieldChange| {
        let field = spec.field(&change.field);
        let shown = |value: &Value| match (field, value) {
            (_, Value::Null) | (None, _) => "(none)".to_owned(),
            // Private matters are told by name only.
            (Some(field), _) if field.personal => "(private)".to_owned(),
            (Some(field), value) => field.kind.write(value, currency),
        };
        match created {
            true => format!("{}: {}", change.field, shown(&change.new)),
            false => format!(
                "{}: {} -> {}",
                change.field,
                shown(&change.old),
                shown(&change.new)
            ),
        }
    };
    let all: Vec<String> = planned.changed.iter().map(one).collect();
    let text = format!("{} {word}: {}", spec.word, all.join("; "));
    liaison_core::message::cut_text(&text, AUDIT_CHARS_MAX)
}
