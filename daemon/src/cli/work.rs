//! Cases and tasks: what people type about them, and how they look.

use std::fmt::Write;

use serde_json::{Value, json};

use super::args::{Added, Cases, Filter, Set, Tasks};
use super::display::{at, cell, facts, items, safe, wrapped};
use super::show::audit;
use super::{Asked, Failure, asks};

pub(super) fn cases(kind: &str, command: Cases) -> Result<Asked, Failure> {
    // What is asked for by its id need not be of the kind that is named.
    let named = Some(kind).filter(|kind| *kind != "all");
    match command {
        Cases::List(filter) => asks("cases-list", with(listed(filter), "kind", json!(named))),
        Cases::Show { id } | Cases::History { id } => {
            asks("cases-show", json!({ "kind": named, "id": id }))
        }
        Cases::Add(added) => asks("cases-put", put_of(Some(kind), added.into())),
        Cases::Set(set) => asks("cases-put", put_of(Some(kind), set.into())),
        Cases::Fields => asks("cases-fields", json!({ "kind": kind })),
    }
}

pub(super) fn tasks(command: Tasks) -> Result<Asked, Failure> {
    match command {
        Tasks::List { all, filter } => asks("tasks-list", with(listed(filter), "all", json!(all))),
        Tasks::Show { id } | Tasks::History { id } => asks("tasks-show", json!({ "id": id })),
        Tasks::Add(added) => asks("tasks-put", put_of(None, added.into())),
        Tasks::Set(set) => asks("tasks-put", put_of(None, set.into())),
        Tasks::Done { id, reopen } => asks("tasks-done", json!({ "id": id, "reopen": reopen })),
        Tasks::Fields => asks("tasks-fields", json!({})),
    }
}

fn listed(filter: Filter) -> Value {
    json!({ "filters": filter.filters, "fields": filter.fields, "sort": filter.sort })
}

struct Put {
    which: Option<String>,
    values: Vec<(String, String)>,
    revision: Option<u64>,
    force: bool,
    why: Option<String>,
}

impl From<Added> for Put {
    fn from(added: Added) -> Put {
        Put {
            which: None,
            values: added.values,
            revision: None,
            force: false,
            why: added.why,
        }
    }
}

impl From<Set> for Put {
    fn from(set: Set) -> Put {
        Put {
            which: Some(set.id),
            values: set.values,
            revision: set.revision,
            force: set.force,
            why: set.why,
        }
    }
}

fn put_of(kind: Option<&str>, put: Put) -> Value {
    let arguments = json!({
        "which": put.which,
        "fields": put.values,
        "revision": put.revision,
        "force": put.force,
        "why": put.why,
    });
    match kind {
        Some(kind) => with(arguments, "kind", json!(kind)),
        None => arguments,
    }
}

/// Arguments with one more.
fn with(mut arguments: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = arguments.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    arguments
}

/// Which fields a kind of case, or a task, has.
pub(super) fn fields(value: &Value) -> String {
    let mut out = format!("{}\n\n", at(value, "/doc"));
    for field in items(value, "/fields") {
        let is = |name: &str| field[name] == Value::Bool(true);
        let marks = [
            ("needed", is("required")),
            ("indexed", is("indexed")),
            ("never set by a command", !is("settable")),
        ];
        let marks: Vec<&str> = marks
            .into_iter()
            .filter_map(|(mark, holds)| holds.then_some(mark))
            .collect();
        let marks = match marks.is_empty() {
            true => String::new(),
            false => format!(" ({})", marks.join(", ")),
        };
        let _ = writeln!(out, "{}{marks}", at(field, "/field"));
        let said = format!("{}: {}", at(field, "/doc"), at(field, "/allowed"));
        out.push_str(&wrapped(&said, 4));
    }
    let steps = items(value, "/states/steps");
    if !steps.is_empty() {
        let _ = writeln!(
            out,
            "\nWhat may follow what ({}):",
            at(value, "/states/field")
        );
    }
    for step in steps {
        let said = format!("{} -> {}", at(step, "/from"), cell(step.get("to")));
        out.push_str(&wrapped(&said, 4));
    }
    out
}

/// An id by the name of its record.
fn named(value: &Value, pointer: &str) -> Value {
    let id = value.pointer(pointer).unwrap_or(&Value::Null);
    let names = value.get("names").unwrap_or(&Value::Null);
    let name = id.as_str().and_then(|id| names.get(id));
    name.unwrap_or(id).clone()
}

/// The value with names in the place of the account and contact of what lies under `what`.
fn with_names(value: &Value, what: &str) -> Value {
    let mut shown = value.clone();
    for link in ["account", "contact"] {
        let pointer = format!("/{what}/{link}");
        let name = named(value, &pointer);
        if let Some(place) = shown.pointer_mut(&pointer) {
            *place = name;
        }
    }
    shown
}

fn waiting(value: &Value) -> String {
    let mut out = String::new();
    for waiting in items(value, "/proposals") {
        let said = format!(
            "waits: {} {} -> {} ({}); `liaison proposals accept {}`",
            at(waiting, "/field"),
            cell(waiting.get("old")),
            cell(waiting.get("new")),
            at(waiting, "/who"),
            at(waiting, "/id")
        );
        out.push_str(&wrapped(&said, 0));
    }
    out
}

pub(super) fn case(value: &Value) -> String {
    let shown = with_names(value, "case");
    let mut out = facts(
        &shown,
        &[
            ("Case", "/case/id"),
            ("Kind", "/case/kind"),
            ("Title", "/case/title"),
            ("State", "/case/state"),
            ("Account", "/case/account"),
            ("Contact", "/case/contact"),
            ("Plugin", "/case/plugin"),
            ("Created", "/case/created"),
            ("Updated", "/case/updated"),
            ("Revision", "/case/revision"),
        ],
    );
    let theirs = items(value, "/case/by_person");
    if let Some(fields) = value.pointer("/case/fields").and_then(Value::as_object) {
        out.push_str("\nFields\n");
        for (name, field) in fields {
            let text = match field {
                Value::String(text) if text.is_empty() => "-".to_owned(),
                Value::String(text) => text.clone(),
                Value::Array(items) if items.is_empty() => "-".to_owned(),
                Value::Array(items) => {
                    let words = items.iter().filter_map(Value::as_str);
                    words.collect::<Vec<_>>().join(", ")
                }
                other => other.to_string(),
            };
            let by = match theirs.iter().any(|field| field.as_str() == Some(name)) {
                true => " (set by a person)",
                false => "",
            };
            out.push_str(&wrapped(&format!("{}: {}{by}", safe(name), safe(&text)), 2));
        }
    }
    for change in items(value, "/case/steps") {
        let (when, state, why) = (at(change, "/at"), at(change, "/state"), at(change, "/why"));
        out.push_str(&wrapped(&format!("{when}  -> {state} ({why})"), 2));
    }
    out.push_str(&waiting(value));
    out.push_str(&audit(value));
    out
}

pub(super) fn task(value: &Value) -> String {
    let shown = with_names(value, "task");
    let mut out = facts(
        &shown,
        &[
            ("Task", "/task/id"),
            ("Title", "/task/title"),
            ("State", "/task/state"),
            ("Declined", "/task/declined/why"),
            ("Due", "/task/due"),
            ("Owner", "/task/owner"),
            ("Priority", "/task/priority"),
            ("Urgent", "/task/urgent"),
            ("Account", "/task/account"),
            ("Contact", "/task/contact"),
            ("About", "/task/about"),
            ("Plugin", "/task/plugin"),
            ("Reason", "/task/reason"),
            ("Created", "/task/created"),
            ("Updated", "/task/updated"),
            ("Revision", "/task/revision"),
        ],
    );
    let body = value.pointer("/task/body").and_then(Value::as_str);
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        out.push('\n');
        for line in body.lines() {
            out.push_str(&wrapped(&safe(line), 2));
        }
    }
    for point in items(value, "/task/checklist") {
        out.push_str(&wrapped(&format!("[ ] {}", cell(Some(point))), 2));
    }
    out.push_str(&audit(value));
    out
}
