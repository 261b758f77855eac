//! The core records: what people type about them, and how they look.

use std::fmt::Write;

use liaison_core::crm::Kind;
use serde_json::{Map, Value, json};

use super::args::{Accounts, Command, Contacts, Filter, Link, Proposals, RecordChange, Records};
use super::display::{at, cell, items, safe, table, wrapped};
use super::show::audit;
use super::{Asked, Done, Failure, asks};

/// The command as one about a kind of record; any other comes back.
#[expect(
    clippy::result_large_err,
    reason = "once a run, and the other is no error but a command"
)]
pub(super) fn of(command: Command) -> Result<(Kind, Records), Command> {
    Ok(match command {
        Command::Contacts(Contacts::Records(command)) => (Kind::Contact, command),
        Command::Units(command) => (Kind::Unit, command),
        Command::Products(command) => (Kind::Product, command),
        Command::Footprints(command) => (Kind::Footprint, command),
        Command::Exposures(command) => (Kind::Exposure, command),
        Command::Opportunities(command) => (Kind::Opportunity, command),
        Command::Agreements(command) => (Kind::Agreement, command),
        Command::Projects(command) => (Kind::Project, command),
        Command::Bookings(command) => (Kind::Booking, command),
        Command::Activities(command) => (Kind::Activity, command),
        Command::Invoices(command) => (Kind::Invoice, command),
        Command::Quotas(command) => (Kind::Quota, command),
        Command::References(command) => (Kind::Reference, command),
        Command::Forecasts(command) => (Kind::Forecast, command),
        other => return Err(other),
    })
}

/// The kind whose fields are asked for: that needs neither daemon nor store.
pub(super) fn asks_fields(command: &Command) -> Option<Kind> {
    match file_of(command) {
        Some((kind, RecordChange::Fields)) => Some(kind),
        _ => None,
    }
}

/// The kind and what is done with records of it, for what is more than one request.
pub(super) fn file_of(command: &Command) -> Option<(Kind, &RecordChange)> {
    let (kind, records) = match command {
        Command::Accounts(Accounts::Change(change)) => return Some((Kind::Account, change)),
        Command::Contacts(Contacts::Records(records)) => (Kind::Contact, records),
        Command::Units(records) => (Kind::Unit, records),
        Command::Products(records) => (Kind::Product, records),
        Command::Footprints(records) => (Kind::Footprint, records),
        Command::Exposures(records) => (Kind::Exposure, records),
        Command::Opportunities(records) => (Kind::Opportunity, records),
        Command::Agreements(records) => (Kind::Agreement, records),
        Command::Projects(records) => (Kind::Project, records),
        Command::Bookings(records) => (Kind::Booking, records),
        Command::Activities(records) => (Kind::Activity, records),
        Command::Invoices(records) => (Kind::Invoice, records),
        Command::Quotas(records) => (Kind::Quota, records),
        Command::References(records) => (Kind::Reference, records),
        Command::Forecasts(records) => (Kind::Forecast, records),
        _ => return None,
    };
    match records {
        Records::Change(change) => Some((kind, change)),
        _ => None,
    }
}

pub(super) fn asked(kind: Kind, command: Records) -> Result<Asked, Failure> {
    match command {
        Records::List(filter) => list_of(kind, filter),
        Records::Show { which } => show_of(kind, &which),
        Records::Add { values, why } => asks(
            "records-put",
            json!({ "kind": kind.word(), "fields": values, "why": why }),
        ),
        Records::Change(command) => change(kind, command),
    }
}

fn show_of(kind: Kind, which: &str) -> Result<Asked, Failure> {
    asks(
        "records-show",
        json!({ "kind": kind.word(), "which": which }),
    )
}

pub(super) fn list_of(kind: Kind, filter: Filter) -> Result<Asked, Failure> {
    asks(
        "records-list",
        json!({
            "kind": kind.word(),
            "filters": filter.filters,
            "fields": filter.fields,
            "sort": filter.sort,
        }),
    )
}

pub(super) fn change(kind: Kind, command: RecordChange) -> Result<Asked, Failure> {
    let word = kind.word();
    match command {
        RecordChange::Set {
            which,
            values,
            revision,
            force,
            why,
        } => asks(
            "records-put",
            json!({
                "kind": word,
                "which": which,
                "fields": values,
                "revision": revision,
                "force": force,
                "why": why,
            }),
        ),
        RecordChange::Link(link) => asks("records-link", link_of(kind, link, false)),
        RecordChange::Unlink(link) => asks("records-link", link_of(kind, link, true)),
        RecordChange::Merge {
            from, into, why, ..
        } => asks(
            "records-merge",
            json!({ "kind": word, "from": from, "into": into, "why": why }),
        ),
        RecordChange::History { which } => show_of(kind, &which),
        // Answered without asking anybody, and carried out with a file in hand.
        RecordChange::Fields | RecordChange::Import(_) | RecordChange::Export(_) => {
            show_of(kind, "")
        }
    }
}

fn link_of(kind: Kind, link: Link, unlink: bool) -> Value {
    json!({
        "kind": kind.word(),
        "which": link.which,
        "to": link.to,
        "other": link.other,
        "unlink": unlink,
        "why": link.why,
    })
}

pub(super) fn proposals_of(command: Proposals) -> Result<Asked, Failure> {
    let decide = |on: super::Decide, accept| {
        asks(
            "proposals-decide",
            json!({ "id": on.id, "accept": accept, "why": on.why }),
        )
    };
    match command {
        Proposals::List => asks("proposals-list", json!({})),
        Proposals::Accept(on) => decide(on, true),
        Proposals::Reject(on) => decide(on, false),
    }
}

/// Which fields a kind has.
pub(super) fn fields(kind: Kind, as_json: bool) -> Done {
    let spec = kind.spec();
    let rows: Vec<Value> = spec
        .fields
        .iter()
        .map(|field| {
            json!({
                "field": field.name,
                "required": field.required,
                "personal": field.personal,
                "allowed": field.kind.allowed(),
                "doc": field.doc,
            })
        })
        .collect();
    if as_json {
        let states = spec.state.map(|state| {
            let steps: Map<String, Value> = state
                .states
                .iter()
                .map(|from| ((*from).to_owned(), json!(state.after(from))))
                .collect();
            json!({ "field": state.field, "steps": steps })
        });
        return Done::json(&json!({ "kind": spec.word, "fields": rows, "states": states }));
    }
    let mut out = format!("{}\n\n", spec.doc);
    for field in spec.fields {
        let needed = if field.required { " (needed)" } else { "" };
        let _ = writeln!(out, "{}{needed}", field.name);
        let said = format!("{}: {}", field.doc, field.kind.allowed());
        out.push_str(&wrapped(&said, 4));
    }
    if let Some(state) = spec.state {
        let _ = writeln!(out, "\nWhat may follow what ({}):", state.field);
        for from in state.states {
            let said = format!("{from} -> {}", state.after(from).join(", "));
            out.push_str(&wrapped(&said, 4));
        }
    }
    Done::text(out)
}

/// What a value is called: links by the name of their record.
fn shown(value: Option<&Value>, names: &Value) -> String {
    let name = |id: &Value| {
        let known = id.as_str().and_then(|id| names.get(id));
        cell(Some(known.unwrap_or(id)))
    };
    match value {
        Some(Value::Array(all)) => all.iter().map(name).collect::<Vec<_>>().join(", "),
        Some(value) => name(value),
        None => String::new(),
    }
}

pub(super) fn list(value: &Value) -> String {
    let plural = Kind::from_word(&at(value, "/kind")).map_or("records", Kind::plural);
    listed(value, "records", plural).unwrap_or_else(|| format!("No {plural}.\n"))
}

/// A list of cases or tasks.
pub(super) fn table_of(value: &Value, name: &str) -> String {
    listed(value, name, name).unwrap_or_else(|| format!("no {name}\n"))
}

/// The rows under `name` by the answer's columns: fields, else what a row has beside them.
fn listed(value: &Value, name: &str, plural: &str) -> Option<String> {
    let columns: Vec<&str> = items(value, "/columns")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let names = value.get("names").unwrap_or(&Value::Null);
    let rows: Vec<Value> = items(value, &format!("/{name}"))
        .iter()
        .map(|record| {
            let mut row = Map::new();
            row.insert("id".to_owned(), record["id"].clone());
            for column in &columns {
                let fields = record.get("fields").and_then(|fields| fields.get(column));
                let field = fields.or_else(|| record.get(column));
                row.insert((*column).to_owned(), json!(shown(field, names)));
            }
            Value::Object(row)
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let titles: Vec<(String, String)> = std::iter::once(&"id")
        .chain(&columns)
        .map(|column| {
            (
                column.to_uppercase().replace('_', " "),
                format!("/{column}"),
            )
        })
        .collect();
    let titles: Vec<(&str, &str)> = titles
        .iter()
        .map(|(title, pointer)| (title.as_str(), pointer.as_str()))
        .collect();
    let mut out = table(&rows, &titles);
    if value.get("more") == Some(&Value::Bool(true)) {
        let _ = writeln!(
            out,
            "{} of {} {plural}: give conditions to see the others.",
            rows.len(),
            at(value, "/count")
        );
    }
    Some(out)
}

pub(super) fn one(value: &Value) -> String {
    let record = value.get("record").unwrap_or(&Value::Null);
    let names = value.get("names").unwrap_or(&Value::Null);
    let mut out = format!(
        "{}  {}  (revision {})\n",
        at(record, "/id"),
        at(record, "/name"),
        at(record, "/revision")
    );
    for field in items(value, "/fields") {
        let name = field["name"].as_str().unwrap_or_default();
        let Some(value) = record.pointer(&format!("/fields/{name}")) else {
            continue;
        };
        let text = shown(Some(value), names);
        let line = format!("{:<18} {text}", format!("{}:", name.replace('_', " ")));
        out.push_str(&wrapped(&line, 2));
    }
    for stopped in items(value, "/stopped") {
        out.push_str(&wrapped(&at(stopped, "/why"), 2));
    }
    for merged in items(value, "/merged") {
        let _ = writeln!(out, "  took the place of {}", cell(Some(merged)));
    }
    let linked = value.get("linked_from").and_then(Value::as_object);
    for (name, linked) in linked.into_iter().flatten() {
        let _ = writeln!(out, "{} {}:", at(linked, "/count"), safe(name));
        for one in items(linked, "/first") {
            let state = one["state"]
                .as_str()
                .map(|state| format!("  {}", safe(state)));
            let _ = writeln!(
                out,
                "  {}  {}{}",
                at(one, "/id"),
                at(one, "/name"),
                state.unwrap_or_default()
            );
        }
    }
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
    out.push_str(&audit(&json!({ "audit": value["history"] })));
    out
}

pub(super) fn proposals(value: &Value) -> String {
    let rows = items(value, "/proposals");
    if rows.is_empty() {
        return "Nothing waits.\n".to_owned();
    }
    table(
        rows,
        &[
            ("ID", "/id"),
            ("KIND", "/kind"),
            ("RECORD", "/name"),
            ("FIELD", "/field"),
            ("IS", "/old"),
            ("PROPOSED", "/new"),
            ("BY", "/source"),
        ],
    )
}
