//! Cases: records of kinds that plugins declare, changed by plugins and by people.
//!
//! Every write of a case goes through [`stage`]: case, index rows and timeline are one batch, which
//! expects that the kind is indexed as it was read to be. So every case of a kind is found by each
//! field that `case_index` names, at every moment.

pub mod fill;
mod propose;

use std::collections::{BTreeMap, BTreeSet};

use liaison_core::crm::sheet::SheetField;
use liaison_core::crm::{Edit, FieldChange, FieldType, Problem, Sheet};
use liaison_core::happening::Subject;
use liaison_core::ids::{CaseId, PluginName, derive};
use liaison_core::manifest::{CaseKind, Manifest};
use liaison_core::message::cut_text;
use liaison_core::proposal::{Fields, Value};
use liaison_core::records::{CaseRecord, index_words};

use crate::accounts::audit;
use crate::books::rows::{AuditRow, CaseIndexRow, TimelineRow};
use crate::books::{Books, BooksError, indexes, keys, replace};
use crate::records::{RecordBook, RecordBy, RecordsError};
use crate::store::{Batch, Expect, Stored, VALUE_BYTES_MAX, codec};

pub(crate) use propose::stage_proposals;

/// How often a change that lost a race is decided again.
const TRIES_MAX: u32 = 8;
/// Most cases that are read because they have a value in a field.
const FOUND_MAX: usize = 1_000;
/// Longest text of an audit row, in characters: a row fits into 4 KiB whatever the letters.
const AUDIT_CHARS_MAX: usize = 700;
/// Longest line of a timeline, in characters.
const LINE_CHARS_MAX: usize = 300;
/// What changes with every write, and is not told.
const UNTOLD: [&str; 5] = ["created", "updated", "kind", "plugin", "thread"];

/// A kind of cases and whose it is.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The plugin that declares it.
    pub plugin: PluginName,
    /// As the manifest has it.
    pub kind: CaseKind,
    /// Its fields.
    pub sheet: Sheet,
}

/// The kinds of cases that the configured plugins declare, enabled or not.
#[derive(Debug, Clone, Default)]
pub struct CaseKinds(BTreeMap<String, Declared>);

impl CaseKinds {
    /// The kinds of these manifests; of two that declare one kind the first has it.
    #[must_use]
    pub fn of(manifests: impl IntoIterator<Item = Manifest>) -> CaseKinds {
        let mut kinds = BTreeMap::new();
        for manifest in manifests {
            for kind in manifest.cases {
                let declared = Declared {
                    plugin: PluginName(manifest.plugin.name.clone()),
                    sheet: Sheet::of_case_kind(&kind),
                    kind,
                };
                kinds.entry(declared.kind.kind.clone()).or_insert(declared);
            }
        }
        CaseKinds(kinds)
    }

    /// A kind by its name.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<&Declared> {
        self.0.get(kind)
    }

    /// The names of all.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }
}

/// What is to be known of a case.
#[derive(Debug, Clone)]
pub struct CasePut {
    /// Its kind.
    pub kind: String,
    /// Which; `None`: a new one.
    pub which: Option<CaseId>,
    /// Fields as people write them; an empty text takes the value away.
    pub fields: Vec<(String, String)>,
    /// The revision that the change was thought up for.
    pub expect: Option<u64>,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseSaved {
    /// The case after it.
    pub case: CaseRecord,
    /// It is new.
    pub created: bool,
    /// What changed.
    pub changed: Vec<FieldChange>,
}

/// The cases of all kinds. Cheap to make.
#[derive(Debug, Clone, Copy)]
pub struct CaseBook<'a> {
    /// Where they are.
    pub books: &'a Books,
    /// What their links lead to.
    pub records: &'a RecordBook,
    /// Their kinds.
    pub kinds: &'a CaseKinds,
}

impl CaseBook<'_> {
    /// Makes or changes a case, as a person: what they set no plugin overwrites.
    ///
    /// # Errors
    /// [`RecordsError`]; nothing was written then.
    pub async fn put(&self, put: &CasePut, by: &RecordBy) -> Result<CaseSaved, RecordsError> {
        let declared = self.declared(&put.kind)?;
        let edits = declared.sheet.edits(&put.fields);
        let edits = edits.map_err(RecordsError::Fields)?;
        let edits = self.records.linked_edits(&declared.sheet, edits).await?;
        for _ in 0..TRIES_MAX {
            let seen = self.seen(put).await?;
            let (saved, batch) = self.change(declared, seen, &edits, by).await?;
            let Some(batch) = batch else {
                return Ok(saved);
            };
            match self.books.commit(batch).await.map_err(RecordsError::from) {
                Err(error) if error.is_conflict() => {}
                done => return done.map(|()| saved),
            }
        }
        Err(RecordsError::Contended)
    }

    fn declared(&self, kind: &str) -> Result<&Declared, RecordsError> {
        self.kinds.get(kind).ok_or_else(|| {
            RecordsError::Refused(format!(
                "no configured plugin declares cases of the kind `{kind}`: what there is of them \
                 can be looked at, and not changed"
            ))
        })
    }

    async fn seen(&self, put: &CasePut) -> Result<Option<Stored<CaseRecord>>, RecordsError> {
        let Some(id) = &put.which else {
            return Ok(None);
        };
        let seen = self.books.get::<CaseRecord>(keys::case(id)).await?;
        let seen = seen.ok_or_else(|| RecordsError::Refused(format!("there is no case {id}")))?;
        let case = &seen.record;
        if case.kind != put.kind {
            return Err(RecordsError::Refused(format!(
                "{id} is a {}: `liaison cases {} set {id} ...` changes it",
                case.kind, case.kind
            )));
        }
        match put.expect {
            Some(expected) if expected != case.revision => Err(RecordsError::Revision {
                id: id.0.clone(),
                expected,
                found: case.revision,
            }),
            _ => Ok(Some(seen)),
        }
    }

    /// What these values make of a case; without a batch where nothing is to be written.
    async fn change(
        &self,
        declared: &Declared,
        seen: Option<Stored<CaseRecord>>,
        edits: &[Edit],
        by: &RecordBy,
    ) -> Result<(CaseSaved, Option<Batch>), RecordsError> {
        let before = seen.as_ref().map(|seen| seen.record.clone());
        let values = before.as_ref().map(CaseRecord::values);
        let planned = declared.sheet.plan(values.as_ref(), edits, by.force);
        let planned = planned.map_err(RecordsError::Fields)?;
        check(declared, &planned.changed)?;
        let mut case = match &before {
            Some(before) => before.clone(),
            None => new_case(declared, edits, by),
        };
        let own = |name: &str| declared.kind.fields.iter().any(|field| field.name == name);
        for change in &planned.changed {
            case.put(&change.field, &change.new, own(&change.field));
        }
        // Also where the person took a value away.
        let changes = |field: &str| planned.changed.iter().any(|one| one.field == field);
        for edit in edits {
            if edit.value != Value::Null || changes(&edit.field) {
                case.claim(&edit.field);
            }
        }
        let saved = |case| CaseSaved {
            case,
            created: before.is_none(),
            changed: planned.changed.clone(),
        };
        if before.as_ref() == Some(&case) {
            return Ok((saved(case), None));
        }
        case.revision = case.revision.saturating_add(1);
        case.updated = by.now;
        if before.as_ref().map(|before| &before.state) != Some(&case.state) {
            case.note_step(by.now, &by.why);
        }
        let mut batch = self.books.batch();
        let indexes = declared.kind.indexes();
        let case = stage(self.books, &mut batch, seen.as_ref(), (case, &indexes)).await?;
        let bytes = codec::encode(&case)?.len();
        if bytes > VALUE_BYTES_MAX {
            return Err(RecordsError::Refused(format!(
                "the case takes {bytes} bytes, and {VALUE_BYTES_MAX} is the most: shorten its long \
                 texts"
            )));
        }
        if !planned.changed.is_empty() {
            let row = AuditRow {
                at: by.now,
                who: by.who.clone(),
                what: told(&case.kind, before.is_none(), &planned.changed),
                why: by.why.clone(),
            };
            audit(self.books, &mut batch, case.id.as_str(), &row).await?;
        }
        Ok((saved(case), Some(batch)))
    }
}

/// The cases of a kind with one of these values in a field, and maybe others: whoever asks looks at
/// them. `None` where not all cases of the kind are found by the field.
///
/// # Errors
/// As the store.
pub async fn found(
    books: &Books,
    (kind, field): (&str, &str),
    values: &[Value],
) -> Result<Option<Vec<CaseRecord>>, BooksError> {
    let row = books.get::<CaseIndexRow>(keys::case_index(kind)).await?;
    let promised = row.map(|row| row.record.fields).unwrap_or_default();
    if !promised.iter().any(|one| one == field) {
        return Ok(None);
    }
    let mut ids = BTreeSet::new();
    for value in values {
        // Whoever asks for several texts in one field has to have the first.
        let Some(word) = index_words(value).into_iter().next() else {
            return Ok(None);
        };
        let range = keys::cases_by(kind, field, &word);
        let keys = books.keys_under(range, FOUND_MAX.saturating_add(1)).await?;
        ids.extend(keys.iter().filter_map(|key| keys::case_found(key)));
        if ids.len() > FOUND_MAX {
            // Half of all cases: going through them newest first ends sooner.
            return Ok(None);
        }
    }
    let mut cases = Vec::new();
    for id in ids {
        cases.extend(books.case(&id).await?);
    }
    Ok(Some(cases))
}

/// What the manifest says of values that did not come from its own plugin.
fn check(declared: &Declared, changed: &[FieldChange]) -> Result<(), RecordsError> {
    let fields = declared.kind.fields.iter();
    let own: Fields = fields
        .filter_map(|field| changed.iter().find(|change| change.field == field.name))
        .map(|change| (change.field.clone(), change.new.clone()))
        .collect();
    let problems = declared.kind.check(&own, None, None);
    let problem = |problem: liaison_core::manifest::Problem| Problem {
        field: problem.at,
        value: String::new(),
        reason: problem.said,
    };
    match problems.is_empty() {
        true => Ok(()),
        false => Err(RecordsError::Fields(
            problems.into_iter().map(problem).collect(),
        )),
    }
}

/// A case that nothing is known of yet. Its id follows from what is said of it, and when and by
/// whom: the same again is another case.
fn new_case(declared: &Declared, edits: &[Edit], by: &RecordBy) -> CaseRecord {
    let kind = &declared.kind.kind;
    let mut parts: Vec<String> = vec![kind.clone(), by.who.clone(), by.now.to_string()];
    parts.extend(
        edits
            .iter()
            .map(|edit| format!("{}={:?}", edit.field, edit.value)),
    );
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let short: String = derive("liaison case by hand 1", &parts)
        .chars()
        .take(16)
        .collect();
    CaseRecord {
        id: CaseId(format!("{kind}-{short}")),
        plugin: declared.plugin.clone(),
        kind: kind.clone(),
        title: String::new(),
        state: String::new(),
        fields: Fields::new(),
        account: None,
        subject: Subject::default(),
        revision: 0,
        steps: Vec::new(),
        created: by.now,
        updated: by.now,
        by_person: Vec::new(),
        indexed: Vec::new(),
    }
}

/// Puts a case, its index rows and its line of the timeline into a batch: it is found by the fields
/// that `declared` names, and by those by which all cases of its kind are found. Returns the case
/// as it is stored.
///
/// # Errors
/// As the store.
pub(crate) async fn stage(
    books: &Books,
    batch: &mut Batch,
    seen: Option<&Stored<CaseRecord>>,
    (case, declared): (CaseRecord, &[String]),
) -> Result<CaseRecord, BooksError> {
    let key = keys::case_index(&case.kind);
    let whole = books.get::<CaseIndexRow>(key.clone()).await?;
    let version = whole.as_ref().map(|row| row.version);
    batch.expect(key, version.map_or(Expect::Absent, Expect::Version));
    let mut indexed: Vec<String> = declared.to_vec();
    indexed.extend(whole.into_iter().flat_map(|row| row.record.fields));
    indexed.sort();
    indexed.dedup();
    let case = fitted(CaseRecord { indexed, ..case })?;
    let old = seen.map(|seen| indexes::of_case(&seen.record));
    let new = indexes::of_case(&case);
    replace(
        batch,
        keys::case(&case.id),
        seen.map(|seen| seen.version),
        &case,
    )?;
    indexes::stage(books, batch, &old.unwrap_or_default(), &new).await?;
    if let Some(account) = &case.account {
        let text = match case.state.is_empty() {
            true => format!("{}: {}", case.kind, case.title),
            false => format!("{}: {} ({})", case.kind, case.title, case.state),
        };
        let row = TimelineRow {
            at: case.updated,
            kind: "case".to_owned(),
            text: cut_text(&text, LINE_CHARS_MAX),
            id: case.id.0.clone(),
        };
        batch.put_record(
            keys::timeline(account, case.updated, case.id.as_str()),
            &row,
        )?;
    }
    Ok(case)
}

/// A case that the store takes: of its history the beginning and the latest step stay longest.
fn fitted(mut case: CaseRecord) -> Result<CaseRecord, BooksError> {
    while case.steps.len() > 2 && codec::encode(&case)?.len() > VALUE_BYTES_MAX {
        case.steps.remove(1);
    }
    Ok(case)
}

/// What differs between two states of a case, as an audit tells it.
#[must_use]
pub(crate) fn differences(before: Option<&CaseRecord>, after: &CaseRecord) -> Vec<FieldChange> {
    let old = before.map(CaseRecord::values).unwrap_or_default();
    let new = after.values();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let names = names
        .into_iter()
        .filter(|name| !UNTOLD.contains(&name.as_str()));
    let value = |of: &Fields, name: &str| of.get(name).cloned().unwrap_or(Value::Null);
    names
        .map(|name| FieldChange {
            field: name.clone(),
            old: value(&old, name),
            new: value(&new, name),
        })
        .filter(|change| change.old != change.new)
        .collect()
}

/// `lead created: title: X; ...` or `lead changed: state: X -> Y; ...`.
#[must_use]
pub(crate) fn told(what: &str, created: bool, changed: &[FieldChange]) -> String {
    let one = |change: &FieldChange| match created {
        true => format!("{}: {}", change.field, shown(None, &change.new)),
        false => format!(
            "{}: {} -> {}",
            change.field,
            shown(None, &change.old),
            shown(None, &change.new)
        ),
    };
    let all: Vec<String> = changed.iter().map(one).collect();
    let word = if created { "created" } else { "changed" };
    cut_text(
        &format!("{what} {word}: {}", all.join("; ")),
        AUDIT_CHARS_MAX,
    )
}

/// A value as people write it.
#[must_use]
pub(crate) fn shown(field: Option<&SheetField>, value: &Value) -> String {
    match (field, value) {
        (_, Value::Null) => "(none)".to_owned(),
        (Some(field), value) => field.kind.write(value, None),
        (None, value) => FieldType::Line.write(value, None),
    }
}

#[cfg(test)]
mod tests;
