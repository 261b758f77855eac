//! The core records: one set of commands for all kinds.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use liaison_core::account::fold;
use liaison_core::crm::change::unknown_field;
use liaison_core::crm::{CrmRecord, FieldChange, FieldSpec, FieldType, Kind};
use liaison_core::proposal::Value as FieldValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, Shown, no_such, with};
use crate::books::rows::{ChangeRow, MergeRow};
use crate::records::{Put, RecordBook, RecordBy, RecordsError, Saved, Verdict};

/// Most conditions of one list.
const CONDITIONS_MAX: usize = 16;
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

fn record_by(context: &ApiContext, caller: &Caller, why: Option<String>, force: bool) -> RecordBy {
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
        (_, FieldValue::Null) => Value::Null,
        (_, FieldValue::Flag(flag)) => json!(flag),
        (_, FieldValue::Integer(number)) => json!(number),
        (_, FieldValue::Text(text)) => json!(text),
        (_, FieldValue::At(at)) => json!(at),
        (_, FieldValue::Texts(texts)) => json!(texts),
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

fn change_json(kind: Kind, change: &FieldChange) -> Value {
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
    let conditions = conditions(&book, kind, &arguments.filters).await?;
    let columns = columns(kind, &arguments.fields)?;
    let sort = match &arguments.sort {
        Some(name) => Some(known(kind, name)?),
        None => None,
    };
    let mut shown = Shown::new("records");
    let mut offer = |record: CrmRecord| {
        if conditions.iter().all(|condition| condition.holds(&record)) {
            let key = (sort_key(sort, &record), fold(&record.name()));
            shown.offer(key, || record_json(&record));
        }
    };
    // An index, where a condition has one.
    match conditions.iter().find_map(Condition::indexed) {
        Some((field, value)) => {
            let found = book.linked(kind, field, value).await?;
            found.into_iter().for_each(&mut offer);
        }
        None => book.each(kind, offer).await?,
    }
    let mut answer = shown.answer();
    name_links(&book, kind, &mut answer).await?;
    Ok(with(
        answer,
        json!({ "kind": kind.word(), "columns": columns }),
    ))
}

/// Sorts numbers as numbers, and what has no value last.
fn sort_key(sort: Option<&'static FieldSpec>, record: &CrmRecord) -> (bool, i64, String) {
    let Some(field) = sort else {
        return (false, 0, String::new());
    };
    match record.get(field.name) {
        None => (true, 0, String::new()),
        Some(FieldValue::Integer(number)) => (false, *number, String::new()),
        Some(FieldValue::At(at)) => (false, at.0, String::new()),
        Some(value) => (false, 0, fold(&field.kind.write(value, None))),
    }
}

/// `_names`: what the records are called that the rows link to.
async fn name_links(book: &RecordBook, kind: Kind, answer: &mut Value) -> Result<(), ApiError> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let rows = answer.get("records").and_then(Value::as_array);
    for row in rows.into_iter().flatten() {
        for (field, target) in kind.spec().links() {
            let linked = row.get("fields").and_then(|fields| fields.get(field.name));
            let ids: Vec<&str> = match linked {
                Some(Value::String(id)) => vec![id],
                Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_str).collect(),
                _ => continue,
            };
            for id in ids {
                if !names.contains_key(id)
                    && let Some(record) = book.get(target, id).await?
                {
                    let record = book.standing(record).await?;
                    names.insert(id.to_owned(), record.name());
                }
            }
        }
    }
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("names".to_owned(), json!(names));
    }
    Ok(())
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Is,
    IsNot,
    Has,
    Less,
    AtMost,
    More,
    AtLeast,
}

struct Condition {
    field: &'static FieldSpec,
    compare: Compare,
    value: FieldValue,
    /// What `~` looks for.
    part: String,
}

async fn conditions(
    book: &RecordBook,
    kind: Kind,
    filters: &[String],
) -> Result<Vec<Condition>, ApiError> {
    if filters.len() > CONDITIONS_MAX {
        let said = format!("more than {CONDITIONS_MAX} conditions");
        return Err(ApiError::Arguments(said));
    }
    let mut conditions = Vec::new();
    for filter in filters {
        conditions.push(condition(book, kind, filter).await?);
    }
    Ok(conditions)
}

async fn condition(book: &RecordBook, kind: Kind, filter: &str) -> Result<Condition, ApiError> {
    // The longer signs first.
    let signs = [
        ("!=", Compare::IsNot),
        ("<=", Compare::AtMost),
        (">=", Compare::AtLeast),
        ("=", Compare::Is),
        ("<", Compare::Less),
        (">", Compare::More),
        ("~", Compare::Has),
    ];
    let first = filter.find(['!', '<', '>', '=', '~']);
    let split = first.and_then(|at| filter.split_at_checked(at));
    let found = split.and_then(|(name, rest)| {
        let of = |(sign, compare): &(&str, Compare)| Some((rest.strip_prefix(sign)?, *compare));
        signs
            .iter()
            .find_map(of)
            .map(|(text, compare)| (name, compare, text))
    });
    let Some((name, compare, text)) = found else {
        return Err(ApiError::Arguments(format!(
            "`{filter}` is no condition: write FIELD=VALUE, FIELD!=VALUE, FIELD~PART, or with \
             <, <=, > or >=; FIELD= asks for those without one"
        )));
    };
    let field = known(kind, name.trim())?;
    let mut value = match compare {
        Compare::Has => FieldValue::Null,
        _ => field
            .kind
            .parse(text, None)
            .map_err(|reason| ApiError::Arguments(format!("{name} `{text}`: {reason}")))?,
    };
    if let (FieldType::Link(target) | FieldType::Links(target), text) = (field.kind, &value)
        && *text != FieldValue::Null
    {
        let text = field.kind.write(text, None);
        value = FieldValue::Text(book.find(target, &text).await?.id);
    }
    let part = text.trim().to_lowercase();
    Ok(Condition {
        field,
        compare,
        value,
        part,
    })
}

impl Condition {
    /// The index that has all records for which this holds.
    fn indexed(&self) -> Option<(&'static str, &str)> {
        let linked = matches!(
            self.field.kind,
            FieldType::Link(_) | FieldType::Links(_) | FieldType::Person
        );
        match &self.value {
            FieldValue::Text(text) if linked && self.compare == Compare::Is => {
                Some((self.field.name, text))
            }
            _ => None,
        }
    }

    fn holds(&self, record: &CrmRecord) -> bool {
        // Whoever was merged into the record asked for is found by the index already.
        if self.indexed().is_some() {
            return true;
        }
        let own = record.get(self.field.name);
        if self.compare == Compare::Has {
            let text = own.map(|own| self.field.kind.write(own, record.text("currency")));
            return text.is_some_and(|text| text.to_lowercase().contains(&self.part));
        }
        if self.value == FieldValue::Null {
            return own.is_none() == (self.compare == Compare::Is);
        }
        let equal = match (own, &self.value) {
            (Some(FieldValue::Texts(own)), FieldValue::Texts(asked)) => {
                asked.iter().all(|one| own.contains(one))
            }
            (Some(FieldValue::Texts(own)), FieldValue::Text(asked)) => own.contains(asked),
            (Some(FieldValue::Text(own)), FieldValue::Text(asked)) => fold(own) == fold(asked),
            // What nobody said yes to is a no.
            (None, FieldValue::Flag(asked)) => !asked,
            (own, asked) => own == Some(asked),
        };
        let order = own.and_then(|own| ordered(own, &self.value));
        match self.compare {
            Compare::Is | Compare::Has => equal,
            Compare::IsNot => !equal,
            Compare::Less => order == Some(Ordering::Less),
            Compare::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Compare::More => order == Some(Ordering::Greater),
            Compare::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

fn ordered(own: &FieldValue, asked: &FieldValue) -> Option<Ordering> {
    match (own, asked) {
        (FieldValue::Integer(own), FieldValue::Integer(asked)) => Some(own.cmp(asked)),
        (FieldValue::Text(own), FieldValue::Text(asked)) => Some(own.cmp(asked)),
        (FieldValue::At(own), FieldValue::At(asked)) => Some(own.cmp(asked)),
        _ => None,
    }
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
    name_links(&book, kind, &mut answer).await?;
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

fn saved_json(saved: &Saved) -> Value {
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

fn waiting_json(row: &ChangeRow) -> Value {
    let change = FieldChange {
        field: row.field.clone(),
        old: row.old.clone(),
        new: row.new.clone(),
    };
    with(
        change_json(row.kind, &change),
        json!({
            "id": row.id,
            "kind": row.kind.word(),
            "record": row.record,
            "source": row.source,
            "who": row.who,
            "why": row.why,
            "at": row.at,
            "decided": row.decided,
        }),
    )
}

pub(super) async fn proposals(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let book = book(context);
    let rows = book.changes(false).await?;
    let mut shown = Shown::new("proposals");
    for row in &rows {
        let record = book.get(row.kind, &row.record).await?;
        let name = record.map(|record| record.name());
        let json = with(waiting_json(row), json!({ "name": name }));
        shown.offer((row.at, row.id.clone()), || json);
    }
    Ok(shown.answer())
}

/// What `proposals-decide` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideChange {
    id: String,
    accept: bool,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn decide(
    context: &ApiContext,
    caller: &Caller,
    arguments: DecideChange,
) -> Result<Value, ApiError> {
    let book = book(context);
    let rows = book.changes(true).await?;
    let matching: Vec<&ChangeRow> = rows
        .iter()
        .filter(|row| row.id.starts_with(&arguments.id) || row.id.ends_with(&arguments.id))
        .collect();
    let id = match matching.as_slice() {
        [one] => one.id.clone(),
        [] => {
            return Err(ApiError::NotFound {
                id: arguments.id,
                hint: "see `liaison proposals list`".to_owned(),
            });
        }
        several => {
            return Err(ApiError::NotUnique {
                id: arguments.id,
                candidates: several.iter().map(|row| row.id.clone()).collect(),
            });
        }
    };
    let by = record_by(context, caller, arguments.why, false);
    let verdict = match arguments.accept {
        true => Verdict::Accept,
        false => Verdict::Reject,
    };
    let (row, saved) = book.decide(&id, verdict, &by).await?;
    match saved {
        Some(saved) => Ok(with(
            saved_json(&saved),
            json!({ "proposal": waiting_json(&row) }),
        )),
        None => Ok(json!({
            "proposal": waiting_json(&row),
            "changed": format!("{} of {} stays as it is", row.field, row.record),
            "undo": format!(
                "`liaison {} set {} {}=VALUE`", row.kind.plural(), row.record, row.field
            ),
        })),
    }
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
