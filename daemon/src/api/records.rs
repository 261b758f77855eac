//! The core records: one set of commands for all kinds.

use liaison_core::account::fold;
use liaison_core::crm::change::unknown_field;
use liaison_core::crm::{CrmRecord, FieldChange, FieldSpec, FieldType, Kind, Sheet};
use liaison_core::proposal::Value as FieldValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::filter::{Condition, Sort, conditions, name_links, plain_value};
use super::proposals::waiting_json;
use super::{ApiContext, ApiError, Caller, Shown, addresses, no_such, with};
use crate::books::rows::MergeRow;
use crate::records::{Put, RecordBook, RecordBy, RecordsError, Saved};

/// Most records of each kind that `show` names as linking to a record.
const LINKING_SHOWN: usize = 20;

fn kind_of(word: &str) -> Result<Kind, ApiError> {
    let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
    Kind::from_word(word)
        .ok_or_else(|| ApiError::Arguments(no_such("kind of record", word, &words)))
}

pub(super) fn book(context: &ApiContext) -> RecordBook {
    RecordBook::over(context.books.clone(), context.accounts.clone())
}

pub(super) fn record_by(
    context: &ApiContext,
    caller: &Caller,
    why: Option<String>,
    force: bool,
) -> RecordBy {
    let why = why.unwrap_or_else(|| "by hand".to_owned());
    RecordBy {
        force,
        ..context.by(caller, why).record_by()
    }
}

/// A value as JSON: amounts are decimal numbers in text, so that none is rounded.
fn value_json(field: &FieldSpec, value: &FieldValue, currency: Option<&str>) -> Value {
    match (field.kind, value) {
        (FieldType::Money, value) => json!(field.kind.write(value, currency)),
        (_, value) => plain_value(value),
    }
}

pub(super) fn record_json(record: &CrmRecord) -> Value {
    let spec = record.kind.spec();
    let currency = record.text("currency");
    let mut fields = Map::new();
    for field in spec.fields {
        if let Some(value) = record.get(field.name) {
            fields.insert(field.name.to_owned(), value_json(field, value, currency));
        }
    }
    json!({
        "id": record.id,
        "kind": spec.word,
        "name": record.name(),
        "fields": fields,
        "by_person": record.by_person,
        "revision": record.revision,
        "merged_into": record.merged_into,
        "state_since": spec.state.map(|_| record.state_since()),
        "steps": record.steps,
        "created": record.created,
        "updated": record.updated,
    })
}

pub(super) fn change_json(kind: Kind, change: &FieldChange) -> Value {
    let field = kind.spec().field(&change.field);
    let shown = |value: &FieldValue| match field {
        Some(field) => value_json(field, value, None),
        None => Value::Null,
    };
    json!({ "field": change.field, "old": shown(&change.old), "new": shown(&change.new) })
}

/// What `records-list` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    kind: String,
    /// `field=value`, `field!=value`, `field~part`, and `<`, `<=`, `>`, `>=`; an empty value asks
    /// for records without one.
    #[serde(default)]
    filters: Vec<String>,
    /// The fields that are shown.
    #[serde(default)]
    fields: Vec<String>,
    /// The field by which rows are sorted; by name when left out.
    #[serde(default)]
    sort: Option<String>,
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    let kind = kind_of(&arguments.kind)?;
    let book = book(context);
    let sheet = Sheet::of_core(kind);
    let conditions = conditions(&book, &sheet, &arguments.filters).await?;
    let columns = columns(kind, &arguments.fields)?;
    let sort = Sort::by(&sheet, arguments.sort.as_deref())?;
    let mut shown = Shown::new("records");
    let mut offer = |record: CrmRecord| {
        if conditions.iter().all(|one| one.holds(&record.fields)) {
            let key = (sort.key(&record.fields), fold(&record.name()));
            shown.offer(key, || record_json(&record));
        }
    };
    // An index, where a condition has one.
    match conditions.iter().find_map(Condition::linked) {
        Some((field, value)) => {
            let found = book.linked(kind, field, value).await?;
            found.into_iter().for_each(&mut offer);
        }
        None => book.each(kind, offer).await?,
    }
    let mut answer = shown.answer();
    name_links(&book, &sheet, "records", &mut answer).await?;
    Ok(with(
        answer,
        json!({ "kind": kind.word(), "columns": columns }),
    ))
}

fn known(kind: Kind, name: &str) -> Result<&'static FieldSpec, ApiError> {
    let spec = kind.spec();
    let field = spec.field(name);
    field.ok_or_else(|| {
        let problem = unknown_field(spec, name);
        ApiError::Arguments(format!("{}: {}", problem.field, problem.reason))
    })
}

/// The fields of a list: those asked for, else what names a record, its state and its owner.
fn columns(kind: Kind, asked: &[String]) -> Result<Vec<&'static str>, ApiError> {
    let spec = kind.spec();
    if !asked.is_empty() {
        let names = asked.iter().map(|name| known(kind, name));
        return names.map(|field| field.map(|field| field.name)).collect();
    }
    let mut columns: Vec<&'static str> = Vec::new();
    let state = spec.state.map(|state| state.field);
    let first = [Some(spec.name), state].into_iter().flatten();
    let usual = match kind {
        Kind::Contact => &["emails", "role", "status"][..],
        Kind::Opportunity => &["value", "close_date", "next_step_on", "owner"],
        Kind::Agreement => &["kind", "signed_on", "expires"],
        Kind::Project => &["start", "end", "warranty_end"],
        Kind::Booking => &["to", "place"],
        Kind::Invoice => &["issued", "amount", "currency"],
        Kind::Quota => &["target", "currency"],
        Kind::Product => &["code", "family", "price"],
        Kind::Account => &["lifecycle", "tier", "owner"],
        Kind::Forecast => &["closed", "commit", "best_case"],
        _ => &[],
    };
    let all = first.chain(spec.key.iter().copied());
    for column in all.chain(usual.iter().copied()) {
        let fits = !column.is_empty() && spec.field(column).is_some();
        if fits && !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

/// One record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    kind: String,
    which: String,
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Which,
) -> Result<Value, ApiError> {
    let kind = kind_of(&arguments.kind)?;
    let book = book(context);
    let record = book.find(kind, &arguments.which).await?;
    let mut linking = Map::new();
    for other in Kind::ALL {
        for (field, target) in other.spec().links() {
            if target != kind {
                continue;
            }
            let found = book.linked(*other, field.name, &record.id).await?;
            if found.is_empty() {
                continue;
            }
            let first: Vec<Value> = found
                .iter()
                .take(LINKING_SHOWN)
                .map(|one| json!({ "id": one.id, "name": one.name(), "state": one.state() }))
                .collect();
            let name = match field.name == kind.word() {
                true => other.plural().to_owned(),
                false => format!("{} ({})", other.plural(), field.name),
            };
            linking.insert(name, json!({ "count": found.len(), "first": first }));
        }
    }
    let waiting = book.changes(false).await?;
    let waiting: Vec<Value> = waiting
        .iter()
        .filter(|change| change.record == record.id)
        .map(waiting_json)
        .collect();
    let merged = book.all_names_of(&record.id).await?;
    let mut answer = json!({ "records": [record_json(&record)] });
    name_links(&book, &Sheet::of_core(kind), "records", &mut answer).await?;
    let fields: Vec<Value> = kind
        .spec()
        .fields
        .iter()
        .map(|field| json!({ "name": field.name, "personal": field.personal }))
        .collect();
    Ok(json!({
        "kind": kind.word(),
        "record": record_json(&record),
        "fields": fields,
        "names": answer.get("names"),
        "linked_from": linking,
        "merged": merged.get(1..).unwrap_or_default(),
        "proposals": waiting,
        "stopped": addresses::of_contact(context, &record).await?,
        "history": book.history(&record.id).await?,
    }))
}

/// What `records-put` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    kind: String,
    /// Id, external id or name; a new record when left out.
    #[serde(default)]
    which: Option<String>,
    /// Fields and values as people write them.
    fields: Vec<(String, String)>,
    /// The revision that was looked at.
    #[serde(default)]
    revision: Option<u64>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    force: bool,
}

pub(super) async fn put(
    context: &ApiContext,
    caller: &Caller,
    arguments: Change,
) -> Result<Value, ApiError> {
    let kind = kind_of(&arguments.kind)?;
    let put = Put {
        kind,
        only_new: arguments.which.is_none(),
        which: arguments.which,
        join: false,
        fields: arguments.fields,
        expect: arguments.revision,
    };
    let by = record_by(context, caller, arguments.why, arguments.force);
    let saved = book(context).put(&put, &by).await?;
    Ok(saved_json(&saved))
}

pub(super) fn saved_json(saved: &Saved) -> Value {
    let record = &saved.record;
    let kind = record.kind;
    let changes: Vec<Value> = saved
        .changed
        .iter()
        .map(|change| change_json(kind, change))
        .collect();
    let name = format!("{} {} ({})", kind.word(), record.name(), record.id);
    let (changed, undo) = match (saved.created, changes.is_empty()) {
        (true, _) => (
            format!("{name} created"),
            format!(
                "a record once made stays; merge it into another with `liaison {} merge {} OTHER`",
                kind.plural(),
                record.id
            ),
        ),
        (false, true) => (
            "nothing: everything was so already".to_owned(),
            "nothing to undo".to_owned(),
        ),
        (false, false) => (
            format!("{name} changed: {}", told(kind, record, &saved.changed)),
            undo(record, &saved.changed),
        ),
    };
    json!({
        "record": record_json(record),
        "created": saved.created,
        "changes": changes,
        "changed": changed,
        "undo": undo,
    })
}

fn told(kind: Kind, record: &CrmRecord, changes: &[FieldChange]) -> String {
    let written = |field: &str, value: &FieldValue| match (kind.spec().field(field), value) {
        (_, FieldValue::Null) | (None, _) => "(none)".to_owned(),
        (Some(field), value) => field.kind.write(value, record.text("currency")),
    };
    let one = |change: &FieldChange| {
        let (old, new) = (
            written(&change.field, &change.old),
            written(&change.field, &change.new),
        );
        format!("{}: {old} -> {new}", change.field)
    };
    changes.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The command that sets everything back.
fn undo(record: &CrmRecord, changes: &[FieldChange]) -> String {
    let spec = record.kind.spec();
    let mut command = format!("`liaison {} set {}", spec.plural, record.id);
    for change in changes {
        let old = spec.field(&change.field).map_or(String::new(), |field| {
            field.kind.write(&change.old, record.text("currency"))
        });
        let pair = format!("{}={old}", change.field);
        command.push(' ');
        command.push_str(&crate::cli::shell_word(pair.as_ref()));
    }
    if changes
        .iter()
        .any(|change| spec.state.is_some_and(|state| state.field == change.field))
    {
        command.push_str(" --force");
    }
    command.push('`');
    command
}

/// What `records-link` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    kind: String,
    which: String,
    /// The kind of the other record, or the field that names it.
    to: String,
    other: String,
    /// The link is taken away.
    #[serde(default)]
    unlink: bool,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn link(
    context: &ApiContext,
    caller: &Caller,
    arguments: Link,
) -> Result<Value, ApiError> {
    let kind = kind_of(&arguments.kind)?;
    let book = book(context);
    let record = book.find(kind, &arguments.which).await?;
    let (field, target) = link_field(kind, &arguments.to)?;
    let other = book.find(target, &arguments.other).await?;
    let value = match (field.kind, arguments.unlink) {
        (FieldType::Links(_), unlink) => {
            let mut ids = record.texts(field.name).to_vec();
            ids.retain(|id| *id != other.id);
            if !unlink {
                ids.push(other.id);
            }
            ids.join(";")
        }
        (_, false) => other.id,
        (_, true) if record.text(field.name) == Some(other.id.as_str()) => String::new(),
        (_, true) => {
            let said = format!("{} is not linked to {}", record.id, other.id);
            return Err(ApiError::NotNow(said));
        }
    };
    let put = Put {
        kind,
        which: Some(record.id.clone()),
        only_new: false,
        join: false,
        fields: vec![(field.name.to_owned(), value)],
        expect: Some(record.revision),
    };
    let by = record_by(context, caller, arguments.why, false);
    Ok(saved_json(&book.put(&put, &by).await?))
}

/// The field of `kind` that links to what is called `word`.
fn link_field(kind: Kind, word: &str) -> Result<(&'static FieldSpec, Kind), ApiError> {
    let links: Vec<_> = kind.spec().links().collect();
    if let Some(named) = links.iter().find(|(field, _)| field.name == word) {
        return Ok(*named);
    }
    let asked = Kind::from_word(word);
    let fits: Vec<_> = links
        .iter()
        .filter(|(_, target)| Some(*target) == asked)
        .collect();
    match fits.as_slice() {
        [one] => Ok(**one),
        [] => {
            let words: Vec<&str> = links.iter().map(|(field, _)| field.name).collect();
            let what = format!("link from {}", kind.with_article());
            Err(ApiError::Arguments(no_such(&what, word, &words)))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(field, _)| field.name).collect();
            let said = format!("say which link is meant: {}", names.join(", "));
            Err(ApiError::Arguments(said))
        }
    }
}

/// What `records-merge` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Merge {
    kind: String,
    /// The record that goes.
    from: String,
    /// The record that takes its place; without it an earlier merge is taken back.
    #[serde(default)]
    into: Option<String>,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn merge(
    context: &ApiContext,
    caller: &Caller,
    arguments: Merge,
) -> Result<Value, ApiError> {
    let kind = kind_of(&arguments.kind)?;
    let book = book(context);
    let by = record_by(context, caller, arguments.why, false);
    let Some(into) = &arguments.into else {
        let row = book.unmerge(kind, &arguments.from, &by).await?;
        return Ok(merged(
            &row,
            format!("{} stands for itself again, beside {}", row.from, row.into),
            format!(
                "`liaison {} merge {} {}`",
                kind.plural(),
                row.from,
                row.into
            ),
        ));
    };
    let row = book.merge(kind, &arguments.from, into, &by).await?;
    Ok(merged(
        &row,
        format!("{} took the place of {}", row.into, row.from),
        format!("`liaison {} merge --undo {}`", kind.plural(), row.from),
    ))
}

fn merged(row: &MergeRow, changed: String, undo: String) -> Value {
    let taken: Vec<Value> = row
        .taken
        .iter()
        .map(|change| change_json(row.kind, change))
        .collect();
    json!({ "from": row.from, "into": row.into, "taken": taken, "changed": changed, "undo": undo })
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> ApiError {
        match error {
            RecordsError::Books(error) => ApiError::Books(error),
            RecordsError::Unknown { kind, text } => ApiError::NotFound {
                id: text,
                hint: format!("see `liaison {} list`", kind.plural()),
            },
            RecordsError::Several { text, ids, .. } => ApiError::NotUnique {
                id: text,
                candidates: ids,
            },
            RecordsError::Fields(_) => ApiError::Arguments(error.to_string()),
            RecordsError::Revision { .. } | RecordsError::Contended => {
                ApiError::NotNow(error.to_string())
            }
            other => ApiError::NotNow(other.to_string()),
        }
    }
}
