//! `cases` and `tasks`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use liaison_core::ids::TaskId;
use liaison_core::proposal::{Fields, Value as FieldValue};
use liaison_core::records::{CaseRecord, TaskRecord};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ANSWER_ROWS_MAX, ApiContext, ApiError, Caller, Id, Shown, TRIES_MAX, no_such, why};
use crate::accounts::audit;
use crate::books::rows::AuditRow;
use crate::books::{keys, replace};
use crate::store::{Dir, Ns, Range};

/// What `cases-list` takes; without a kind: all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(default)]
    kind: Option<String>,
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    if let Some(kind) = &arguments.kind {
        known_kind(context, kind).await?;
    }
    let range = match &arguments.kind {
        Some(kind) => keys::cases_of_kind(kind),
        None => Range::all(Ns::CaseByKind),
    };
    let mut count: u64 = 0;
    let mut newest = Vec::new();
    let each = |key: bytes::Bytes, _| {
        if let Some(id) = keys::indexed_case(&key) {
            count = count.saturating_add(1);
            if newest.len() < ANSWER_ROWS_MAX {
                newest.push(id);
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    context.books.each_row(range, Dir::Reverse, each).await?;
    let mut cases = Vec::new();
    for id in newest {
        if let Some(case) = context.books.case(&id).await? {
            cases.push(case_json(&case));
        }
    }
    let more = count > cases.len() as u64;
    Ok(json!({ "cases": cases, "count": count, "more": more }))
}

/// Kinds of cases that the configured plugins declare, enabled or not. A manifest that cannot be
/// read declares none: `check` and `status` name it.
#[must_use]
pub fn case_kinds(config: &crate::config::Config) -> Arc<BTreeSet<String>> {
    let manifests = config.plugins.iter().filter_map(|plugin| {
        let file = config.plugin_folder(plugin).join("plugin.toml");
        let text = std::fs::read_to_string(&file).ok()?;
        crate::plugin::parse_manifest(&text, &file).ok()
    });
    Arc::new(
        manifests
            .flat_map(|manifest| manifest.cases)
            .map(|case| case.kind)
            .collect(),
    )
}

/// Refuses a kind that no plugin declares and no case has: an empty list would look like an answer.
async fn known_kind(context: &ApiContext, kind: &str) -> Result<(), ApiError> {
    if context.case_kinds.contains(kind) {
        return Ok(());
    }
    let mut known: BTreeSet<String> = context.case_kinds.as_ref().clone();
    // Cases of plugins that are gone from the configuration stay.
    let cases: Vec<CaseRecord> = context.books.all(Ns::CaseRecord).await?;
    known.extend(cases.into_iter().map(|case| case.kind));
    if known.contains(kind) {
        return Ok(());
    }
    known.insert("all".to_owned());
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(ApiError::Arguments(no_such("kind of case", kind, &known)))
}

pub(super) fn case_json(case: &CaseRecord) -> Value {
    let steps: Vec<Value> = case
        .steps
        .iter()
        .map(|(at, state, why)| json!({ "at": at, "state": state, "why": why }))
        .collect();
    json!({
        "id": case.id,
        "plugin": case.plugin,
        "kind": case.kind,
        "title": case.title,
        "state": case.state,
        "fields": plain(&case.fields),
        "account": case.account,
        "subject": case.subject,
        "revision": case.revision,
        "steps": steps,
        "created": case.created,
        "updated": case.updated,
    })
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let id = why::resolve(
        context,
        Ns::CaseRecord,
        &arguments.id,
        "liaison cases all list",
    )
    .await?;
    let Some(case) = context.books.case(&id.as_str().into()).await? else {
        return Err(gone(&id, "liaison cases all list"));
    };
    let audit = context.books.audit_of(case.id.as_str()).await?;
    Ok(json!({ "case": case_json(&case), "audit": audit }))
}

pub(super) fn gone(id: &str, list: &str) -> ApiError {
    ApiError::NotFound {
        id: id.to_owned(),
        hint: format!("see `{list}`"),
    }
}

/// What `tasks-list` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tasks {
    /// Those that are done, too.
    #[serde(default)]
    all: bool,
}

pub(super) async fn tasks(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Tasks,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("tasks");
    let each = |task: TaskRecord| {
        if arguments.all || task.done.is_none() {
            let order = (task.done.is_some(), !task.urgent, task.due, task.created);
            shown.offer(order, || task_json(&task));
        }
    };
    context.books.each(Range::all(Ns::Task), each).await?;
    Ok(shown.answer())
}

pub(super) fn task_json(task: &TaskRecord) -> Value {
    json!({
        "id": task.id,
        "title": task.title,
        "body": task.body,
        "checklist": task.checklist,
        "notification": task.notification,
        "urgent": task.urgent,
        "due": task.due,
        "owner": task.owner,
        "done": task.done.as_ref().map(|(at, by)| json!({ "at": at, "by": by })),
        "plugin": task.cause.plugin,
        "reason": task.cause.reason,
        "rule": task.cause.rule,
        "subject": task.cause.subject,
        "created": task.created,
    })
}

/// What `tasks-done` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    id: String,
    /// It is open again after all.
    #[serde(default)]
    reopen: bool,
}

pub(super) async fn task_done(
    context: &ApiContext,
    caller: &Caller,
    arguments: Done,
) -> Result<Value, ApiError> {
    let id = why::resolve(context, Ns::Task, &arguments.id, "liaison tasks list").await?;
    for _ in 0..TRIES_MAX {
        match mark(context, caller, &id.as_str().into(), arguments.reopen).await {
            Err(error) if error.is_conflict() => {}
            done => return done,
        }
    }
    Err(ApiError::NotNow(
        "others changed the same task meanwhile: try again".to_owned(),
    ))
}

async fn mark(
    context: &ApiContext,
    caller: &Caller,
    id: &TaskId,
    reopen: bool,
) -> Result<Value, ApiError> {
    let Some(stored) = context.books.get::<TaskRecord>(keys::task(id)).await? else {
        return Err(gone(id.as_str(), "liaison tasks list"));
    };
    let mut task = stored.record;
    match (&task.done, reopen) {
        (Some((at, by)), false) => {
            return Err(ApiError::NotNow(format!("{by} has done it already, {at}")));
        }
        (None, true) => return Err(ApiError::NotNow("this task is open".to_owned())),
        _ => {}
    }
    let now = context.now();
    task.done = (!reopen).then(|| (now, caller.who.clone()));
    let what = if reopen { "open again" } else { "done" };
    let mut batch = context.books.batch();
    replace(&mut batch, keys::task(id), Some(stored.version), &task)?;
    let row = AuditRow {
        at: now,
        who: caller.who.clone(),
        what: what.to_owned(),
        why: "tasks done".to_owned(),
    };
    audit(&context.books, &mut batch, id.as_str(), &row).await?;
    context.books.commit(batch).await?;
    let undo = match reopen {
        true => format!("liaison tasks done {id}"),
        false => format!("liaison tasks done {id} --reopen"),
    };
    Ok(json!({
        "task": task_json(&task),
        "changed": format!("task `{}` is {what}", task.title),
        "undo": undo,
    }))
}

/// Fields as programs and people expect them: plain JSON values, instants as RFC 3339.
fn plain(fields: &Fields) -> Value {
    let plain = |value: &FieldValue| match value {
        FieldValue::Null => Value::Null,
        FieldValue::Flag(flag) => json!(flag),
        FieldValue::Integer(number) => json!(number),
        FieldValue::Text(text) => json!(text),
        FieldValue::At(at) => json!(at),
        FieldValue::Texts(texts) => json!(texts),
    };
    fields
        .iter()
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
