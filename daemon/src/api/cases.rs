//! `cases`: records of the kinds that plugins declare.

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::Arc;

use liaison_core::crm::sheet::SheetField;
use liaison_core::crm::{FieldChange, Sheet};
use liaison_core::ids::CaseId;
use liaison_core::proposal::Value as FieldValue;
use liaison_core::records::CaseRecord;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::filter::{Condition, Sort, columns, conditions, name_links, plain_value};
use super::proposals::waiting_json;
use super::records::record_by;
use super::{ANSWER_ROWS_MAX, ApiContext, ApiError, Caller, Shown, no_such, records, why, with};
use crate::books::keys;
use crate::cases::{CaseBook, CaseKinds, CasePut, CaseSaved, found, shown};
use crate::records::RecordBook;
use crate::store::{Dir, Ns, Range};

/// What a list of cases shows where nothing else is asked for.
const USUAL: [&str; 4] = ["kind", "state", "created", "title"];
/// What stands for every kind.
const ALL: &str = "all";
/// Where cases are listed.
const LIST: &str = "liaison cases all list";

pub(super) fn book<'a>(context: &'a ApiContext, records: &'a RecordBook) -> CaseBook<'a> {
    CaseBook {
        books: &context.books,
        records,
        kinds: &context.case_kinds,
    }
}

/// Kinds of cases that the configured plugins declare, enabled or not. A manifest that cannot be
/// read declares none: `check` and `status` name it.
#[must_use]
pub fn case_kinds(config: &crate::config::Config) -> Arc<CaseKinds> {
    let manifests = config.plugins.iter().filter_map(|plugin| {
        let file = config.plugin_folder(plugin).join("plugin.toml");
        let text = std::fs::read_to_string(&file).ok()?;
        crate::plugin::parse_manifest(&text, &file).ok()
    });
    Arc::new(CaseKinds::of(manifests))
}

/// The fields of a kind. Cases of plugins that are gone from the configuration stay, with what all
/// cases have. A kind that no plugin declares and no case has is refused: an empty list would look
/// like an answer.
async fn sheet_of(context: &ApiContext, kind: &str) -> Result<Sheet, ApiError> {
    if let Some(declared) = context.case_kinds.get(kind) {
        return Ok(declared.sheet.clone());
    }
    let mut known = context.case_kinds.names();
    let mut is_kept = false;
    let each = |case: CaseRecord| {
        is_kept |= case.kind == kind;
        known.insert(case.kind);
    };
    context.books.each(Range::all(Ns::CaseRecord), each).await?;
    if is_kept {
        return Ok(Sheet::of_cases());
    }
    known.insert(ALL.to_owned());
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(ApiError::Arguments(no_such("kind of case", kind, &known)))
}

/// What `cases-list` takes; without a kind: all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(default)]
    kind: Option<String>,
    /// As those of `records-list`.
    #[serde(default)]
    filters: Vec<String>,
    /// The fields that are shown.
    #[serde(default)]
    fields: Vec<String>,
    /// The field by which cases are sorted; the newest first when left out.
    #[serde(default)]
    sort: Option<String>,
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    let sheet = match &arguments.kind {
        Some(kind) => sheet_of(context, kind).await?,
        None => Sheet::of_cases(),
    };
    let records = records::book(context);
    let conditions = conditions(&records, &sheet, &arguments.filters).await?;
    let columns = columns(&sheet, &arguments.fields, &USUAL)?;
    let sort = Sort::by(&sheet, arguments.sort.as_deref())?;
    if let Some(kind) = &arguments.kind
        && conditions.is_empty()
        && arguments.sort.is_none()
    {
        let mut answer = newest(context, kind).await?;
        name_links(&records, &sheet, "cases", &mut answer).await?;
        return Ok(with(answer, json!({ "kind": kind, "columns": columns })));
    }
    let mut shown = Shown::new("cases");
    let mut offer = |case: CaseRecord| {
        let values = case.values();
        if conditions.iter().all(|one| one.holds(&values)) {
            let newest = Reverse((case.created, case.id.clone()));
            shown.offer((sort.key(&values), newest), || case_json(&case));
        }
    };
    match indexed(context, arguments.kind.as_deref(), &conditions).await? {
        Some(found) => found.into_iter().for_each(&mut offer),
        None => match &arguments.kind {
            Some(kind) => each_of_kind(context, kind, offer).await?,
            None => {
                let all = Range::all(Ns::CaseRecord);
                context.books.each(all, offer).await?;
            }
        },
    }
    let mut answer = shown.answer();
    name_links(&records, &sheet, "cases", &mut answer).await?;
    let more = json!({ "kind": arguments.kind, "columns": columns });
    Ok(with(answer, more))
}

/// The cases that an index gives for one of the conditions.
async fn indexed(
    context: &ApiContext,
    kind: Option<&str>,
    conditions: &[Condition],
) -> Result<Option<Vec<CaseRecord>>, ApiError> {
    let Some(kind) = kind else { return Ok(None) };
    let indexed = conditions.iter().filter(|one| one.is_indexed());
    for (field, values) in indexed.filter_map(Condition::equals) {
        let found = found(&context.books, (kind, field), &values).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The newest cases of a kind; of the others no more is read than how many there are.
async fn newest(context: &ApiContext, kind: &str) -> Result<Value, ApiError> {
    let mut count: u64 = 0;
    let mut ids = Vec::new();
    let each = |key: bytes::Bytes, _| {
        if let Some(id) = keys::indexed_case(&key) {
            count = count.saturating_add(1);
            if ids.len() < ANSWER_ROWS_MAX {
                ids.push(id);
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    let range = keys::cases_of_kind(kind);
    context.books.each_row(range, Dir::Reverse, each).await?;
    let mut cases = Vec::new();
    for id in ids {
        if let Some(case) = context.books.case(&id).await? {
            cases.push(case_json(&case));
        }
    }
    let more = count > cases.len() as u64;
    Ok(json!({ "cases": cases, "count": count, "more": more }))
}

async fn each_of_kind(
    context: &ApiContext,
    kind: &str,
    mut offer: impl FnMut(CaseRecord) + Send,
) -> Result<(), ApiError> {
    let mut ids: Vec<CaseId> = Vec::new();
    let each = |key: bytes::Bytes, _| {
        ids.extend(keys::indexed_case(&key));
        Ok(ControlFlow::Continue(()))
    };
    let range = keys::cases_of_kind(kind);
    context.books.each_row(range, Dir::Reverse, each).await?;
    for id in ids {
        if let Some(case) = context.books.case(&id).await? {
            offer(case);
        }
    }
    Ok(())
}

pub(super) fn case_json(case: &CaseRecord) -> Value {
    let steps: Vec<Value> = case
        .steps
        .iter()
        .map(|(at, state, why)| json!({ "at": at, "state": state, "why": why }))
        .collect();
    let fields: Map<String, Value> = case
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), plain_value(value)))
        .collect();
    json!({
        "id": case.id,
        "plugin": case.plugin,
        "kind": case.kind,
        "title": case.title,
        "state": case.state,
        "fields": fields,
        "account": case.account,
        "contact": case.subject.contact,
        "subject": case.subject,
        "by_person": case.by_person,
        "revision": case.revision,
        "steps": steps,
        "created": case.created,
        "updated": case.updated,
    })
}

/// One case; `kind` is checked where it is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    kind: Option<String>,
    id: String,
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Which,
) -> Result<Value, ApiError> {
    if let Some(kind) = &arguments.kind {
        sheet_of(context, kind).await?;
    }
    let id = why::resolve(context, Ns::CaseRecord, &arguments.id, LIST).await?;
    let Some(case) = context.books.case(&id.as_str().into()).await? else {
        return Err(gone(&id, LIST));
    };
    let records = records::book(context);
    let waiting: Vec<Value> = records
        .changes(false)
        .await?
        .iter()
        .filter(|row| row.record == id)
        .map(waiting_json)
        .collect();
    let sheet = match context.case_kinds.get(&case.kind) {
        Some(declared) => declared.sheet.clone(),
        None => Sheet::of_cases(),
    };
    let mut answer = json!({ "cases": [case_json(&case)] });
    name_links(&records, &sheet, "cases", &mut answer).await?;
    Ok(json!({
        "case": case_json(&case),
        "names": answer.get("names"),
        "proposals": waiting,
        "audit": context.books.audit_of(case.id.as_str()).await?,
    }))
}

pub(super) fn gone(id: &str, list: &str) -> ApiError {
    ApiError::NotFound {
        id: id.to_owned(),
        hint: format!("see `{list}`"),
    }
}

/// What `cases-put` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    kind: String,
    /// Its id; a new case when left out.
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
    let which = match &arguments.which {
        Some(id) => {
            let id = why::resolve(context, Ns::CaseRecord, id, LIST).await?;
            Some(CaseId(id))
        }
        None => None,
    };
    // A case that is named has a kind.
    let named = match (&which, arguments.kind == ALL) {
        (Some(id), true) => context.books.case(id).await?.map(|case| case.kind),
        _ => None,
    };
    let kind = named.unwrap_or(arguments.kind);
    sheet_of(context, &kind).await?;
    let put = CasePut {
        kind,
        which,
        fields: arguments.fields,
        expect: arguments.revision,
    };
    let by = record_by(context, caller, arguments.why, arguments.force);
    let records = records::book(context);
    let saved = book(context, &records).put(&put, &by).await?;
    Ok(saved_json(context, &saved))
}

pub(super) fn saved_json(context: &ApiContext, saved: &CaseSaved) -> Value {
    let case = &saved.case;
    let sheet = context.case_kinds.get(&case.kind);
    let name = format!("{} {} ({})", case.kind, case.title, case.id);
    let told = Told {
        name: &name,
        set: &format!("cases {} set {}", case.kind, case.id),
        created: saved.created,
        changed: &saved.changed,
    };
    let answer = told.json(sheet.map(|declared| &declared.sheet));
    with(answer, json!({ "case": case_json(case) }))
}

/// A change of a case or a task, for people.
pub(super) struct Told<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The command that sets its fields.
    pub set: &'a str,
    pub created: bool,
    pub changed: &'a [FieldChange],
}

impl Told<'_> {
    pub(super) fn json(&self, sheet: Option<&Sheet>) -> Value {
        let name = self.name;
        let (changed, undo) = match (self.created, self.changed.is_empty()) {
            (true, _) => (
                format!("{name} created"),
                format!(
                    "a record once made stays; `liaison {} FIELD=VALUE` changes it",
                    self.set
                ),
            ),
            (false, true) => (
                "nothing: everything was so already".to_owned(),
                "nothing to undo".to_owned(),
            ),
            (false, false) => (
                format!("{name} changed: {}", self.words(sheet)),
                self.undo(sheet),
            ),
        };
        let changes: Vec<Value> = self
            .changed
            .iter()
            .map(|change| {
                let (old, new) = (plain_value(&change.old), plain_value(&change.new));
                json!({ "field": change.field, "old": old, "new": new })
            })
            .collect();
        json!({
            "created": self.created,
            "changes": changes,
            "changed": changed,
            "undo": undo,
        })
    }

    fn words(&self, sheet: Option<&Sheet>) -> String {
        let one = |change: &FieldChange| {
            let field = sheet.and_then(|sheet| sheet.field(&change.field));
            let (old, new) = (shown(field, &change.old), shown(field, &change.new));
            format!("{}: {old} -> {new}", change.field)
        };
        self.changed.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// The command that sets everything back.
    fn undo(&self, sheet: Option<&Sheet>) -> String {
        let mut command = format!("`liaison {}", self.set);
        let state = sheet.and_then(|sheet| sheet.state.as_ref());
        let mut is_step = false;
        for change in self.changed {
            let field = sheet.and_then(|sheet| sheet.field(&change.field));
            let old = match &change.old {
                FieldValue::Null => String::new(),
                old => shown(field, old),
            };
            let pair = format!("{}={old}", change.field);
            command.push(' ');
            command.push_str(&crate::cli::shell_word(pair.as_ref()));
            is_step |= state.is_some_and(|state| state.field == change.field);
        }
        if is_step {
            command.push_str(" --force");
        }
        command.push('`');
        command
    }
}

/// One kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfKind {
    kind: String,
}

pub(super) async fn fields(
    context: &ApiContext,
    _caller: &Caller,
    arguments: OfKind,
) -> Result<Value, ApiError> {
    let sheet = sheet_of(context, &arguments.kind).await?;
    let declared = context.case_kinds.get(&arguments.kind);
    let doc = match declared {
        Some(declared) => format!(
            "{}, kept by the plugin {}",
            declared.kind.title, declared.plugin
        ),
        None => "no configured plugin declares this kind any more".to_owned(),
    };
    Ok(fields_json(&arguments.kind, &doc, &sheet))
}

/// Which fields there are, in the shape of `fields` of the core kinds.
pub(super) fn fields_json(kind: &str, doc: &str, sheet: &Sheet) -> Value {
    let field = |field: &SheetField| {
        json!({
            "field": field.name,
            "required": field.required,
            "settable": !field.fixed,
            "indexed": field.indexed,
            "allowed": field.kind.allowed(),
            "doc": field.doc,
        })
    };
    let fields: Vec<Value> = sheet.fields.iter().map(field).collect();
    let states = sheet.state.as_ref().map(|state| {
        let steps: Vec<Value> = state
            .states
            .iter()
            .map(|from| json!({ "from": from, "to": state.after(from) }))
            .collect();
        json!({ "field": state.field, "steps": steps })
    });
    json!({ "kind": kind, "doc": doc, "fields": fields, "states": states })
}
