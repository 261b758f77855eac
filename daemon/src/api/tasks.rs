//! `tasks`: work laid before people.

use liaison_core::crm::Sheet;
use liaison_core::ids::TaskId;
use liaison_core::records::TaskRecord;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::{Told, fields_json, gone};
use super::filter::{Sort, columns, conditions, name_links};
use super::records::record_by;
use super::{ApiContext, ApiError, Caller, Id, Nothing, Shown, records, why, with};
use crate::records::RecordBook;
use crate::store::{Ns, Range};
use crate::tasks::{TaskBook, TaskPut, TaskSaved};

/// What a list of tasks shows where nothing else is asked for.
const USUAL: [&str; 4] = ["urgent", "due", "owner", "title"];
/// Where tasks are listed.
const LIST: &str = "liaison tasks list";

fn book<'a>(context: &'a ApiContext, records: &'a RecordBook) -> TaskBook<'a> {
    TaskBook {
        books: &context.books,
        records,
    }
}

/// What `tasks-list` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Those that are done or declined, too; a condition on the state says it as well.
    #[serde(default)]
    all: bool,
    /// As those of `records-list`.
    #[serde(default)]
    filters: Vec<String>,
    /// The fields that are shown.
    #[serde(default)]
    fields: Vec<String>,
    /// The field by which tasks are sorted; the urgent and those that are due first when left out.
    #[serde(default)]
    sort: Option<String>,
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    let sheet = Sheet::of_tasks();
    let records = records::book(context);
    let conditions = conditions(&records, &sheet, &arguments.filters).await?;
    let columns = columns(&sheet, &arguments.fields, &USUAL)?;
    let sort = Sort::by(&sheet, arguments.sort.as_deref())?;
    let all = arguments.all || conditions.iter().any(|one| one.is_on("state"));
    let mut shown = Shown::new("tasks");
    let each = |task: TaskRecord| {
        if !all && !task.is_open() {
            return;
        }
        let values = task.values();
        if conditions.iter().all(|one| one.holds(&values)) {
            let order = (!task.is_open(), !task.urgent, task.due, task.created);
            shown.offer((sort.key(&values), order), || task_json(&task));
        }
    };
    context.books.each(Range::all(Ns::Task), each).await?;
    let mut answer = shown.answer();
    name_links(&records, &sheet, "tasks", &mut answer).await?;
    Ok(with(answer, json!({ "columns": columns })))
}

pub(super) fn task_json(task: &TaskRecord) -> Value {
    let plugin = Some(&task.cause.plugin).filter(|plugin| !plugin.as_str().is_empty());
    let declined = task.declined.as_ref();
    json!({
        "id": task.id,
        "title": task.title,
        "body": task.body,
        "checklist": task.checklist,
        "notification": task.notification,
        "urgent": task.urgent,
        "due": task.due,
        "owner": task.owner,
        "state": task.state(),
        "done": task.done.as_ref().map(|(at, by)| json!({ "at": at, "by": by })),
        "declined": declined.map(|(at, by, why)| json!({ "at": at, "by": by, "why": why })),
        "priority": task.priority,
        "account": task.account,
        "contact": task.contact,
        "about": task.about,
        "plugin": plugin,
        "reason": task.cause.reason,
        "rule": task.cause.rule,
        "subject": task.cause.subject,
        "revision": task.revision,
        "created": task.created,
        "updated": task.updated,
    })
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let id = why::resolve(context, Ns::Task, &arguments.id, LIST).await?;
    let Some(task) = context.books.task(&id.as_str().into()).await? else {
        return Err(gone(&id, LIST));
    };
    let mut answer = json!({ "tasks": [task_json(&task)] });
    name_links(
        &records::book(context),
        &Sheet::of_tasks(),
        "tasks",
        &mut answer,
    )
    .await?;
    Ok(json!({
        "task": task_json(&task),
        "names": answer.get("names"),
        "audit": context.books.audit_of(task.id.as_str()).await?,
    }))
}

/// What `tasks-put` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Its id; a new task when left out.
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
        Some(id) => Some(TaskId(why::resolve(context, Ns::Task, id, LIST).await?)),
        None => None,
    };
    let put = TaskPut {
        which,
        fields: arguments.fields,
        expect: arguments.revision,
        why: arguments.why.clone(),
    };
    let by = record_by(context, caller, arguments.why, arguments.force);
    let saved = book(context, &records::book(context))
        .put(&put, &by)
        .await?;
    Ok(saved_json(&saved))
}

fn saved_json(saved: &TaskSaved) -> Value {
    let task = &saved.task;
    let told = Told {
        name: &format!("task `{}` ({})", task.title, task.id),
        set: &format!("tasks set {}", task.id),
        created: saved.created,
        changed: &saved.changed,
    };
    let answer = told.json(Some(&Sheet::of_tasks()));
    with(answer, json!({ "task": task_json(task) }))
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

pub(super) async fn done(
    context: &ApiContext,
    caller: &Caller,
    arguments: Done,
) -> Result<Value, ApiError> {
    let id = TaskId(why::resolve(context, Ns::Task, &arguments.id, LIST).await?);
    let Some(task) = context.books.task(&id).await? else {
        return Err(gone(id.as_str(), LIST));
    };
    match (&task.done, &task.declined, arguments.reopen) {
        (Some((at, by)), _, false) => {
            return Err(ApiError::NotNow(format!("{by} has done it already, {at}")));
        }
        (_, Some((at, by, why)), false) => {
            let said = format!("{by} declined it, {at} ({why}): --reopen opens it again");
            return Err(ApiError::NotNow(said));
        }
        (None, None, true) => return Err(ApiError::NotNow("this task is open".to_owned())),
        _ => {}
    }
    let (state, what, undo) = match arguments.reopen {
        true => ("open", "open again", format!("liaison tasks done {id}")),
        false => ("done", "done", format!("liaison tasks done {id} --reopen")),
    };
    let put = TaskPut {
        which: Some(id),
        fields: vec![("state".to_owned(), state.to_owned())],
        // Whoever decides meanwhile is not overruled.
        expect: Some(task.revision),
        why: None,
    };
    let by = record_by(context, caller, Some("tasks done".to_owned()), false);
    let saved = book(context, &records::book(context))
        .put(&put, &by)
        .await?;
    Ok(json!({
        "task": task_json(&saved.task),
        "changed": format!("task `{}` is {what}", saved.task.title),
        "undo": undo,
    }))
}

pub(super) async fn fields(
    _context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    Ok(fields_json(
        "task",
        "Work laid before people",
        &Sheet::of_tasks(),
    ))
}
