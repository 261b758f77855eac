//! `agenda` as people read it.

use std::fmt::Write;

use serde_json::Value;

use super::display::{at, items, safe, wrapped};

/// Columns before an entry, and before what is said of it.
const INDENT: (usize, usize) = (2, 17);

/// The answer as text: person by person, day by day.
pub(super) fn text(value: &Value) -> String {
    let people = items(value, "/people");
    if people.is_empty() {
        return "None of our people has a calendar: give a [[calendar]] with `owner`.\n".to_owned();
    }
    let shown: Vec<String> = people.iter().map(person).collect();
    shown.join("\n")
}

fn person(value: &Value) -> String {
    let mut out = format!("{} <{}>\n", at(value, "/name"), at(value, "/email"));
    for day in items(value, "/days") {
        let _ = write!(out, "\n{} {}", at(day, "/weekday"), at(day, "/date"));
        let _ = write!(out, ", {}", at(day, "/zone"));
        if !day["holiday"].is_null() {
            let _ = write!(out, ", holiday: {}", at(day, "/holiday"));
        }
        out.push('\n');
        let entries = items(day, "/entries");
        if entries.is_empty() {
            out.push_str("  nothing\n");
        }
        for entry in entries {
            out.push_str(&entry_text(entry));
        }
    }
    if let Some(more @ 1..) = value["left_out"].as_u64() {
        let _ = writeln!(out, "\n{more} more are not shown: ask for fewer days");
    }
    out.push('\n');
    for calendar in items(value, "/calendars") {
        let name = at(calendar, "/calendar");
        let line = match calendar["up_to_date_as_of"].is_null() {
            true => format!("Calendar {name} has not been read yet: `liaison status` says why"),
            false => format!(
                "Calendar {name}: up to date as of {}",
                at(calendar, "/up_to_date_as_of")
            ),
        };
        out.push_str(&wrapped(&line, 0));
        if !calendar["unread"].is_null() {
            out.push_str(&wrapped(&at(calendar, "/unread"), INDENT.0));
        }
    }
    out
}

fn entry_text(entry: &Value) -> String {
    let (first, further) = INDENT;
    let mark = match entry["kind"].as_str() {
        Some("event") | None => String::new(),
        Some(kind) => format!(" [{}]", safe(kind)),
    };
    let account = match entry["account_name"].is_null() {
        true => String::new(),
        false => format!(", {}", at(entry, "/account_name")),
    };
    let place = match entry["location"].is_null() {
        true => String::new(),
        false => format!(", {}", at(entry, "/location")),
    };
    let head = format!("{}{mark}{account}{place}", at(entry, "/title"));
    let time = at(entry, "/time");
    let width = further.saturating_sub(first);
    let body = wrapped(&head, further);
    let mut out = format!("{:first$}{time:width$}{}", "", body.trim_start());
    let clashes = items(entry, "/conflicts").iter().map(|other| {
        format!(
            "CONFLICT with {} ({})",
            at(other, "/title"),
            at(other, "/time")
        )
    });
    let notes = items(entry, "/notes")
        .iter()
        .filter_map(Value::as_str)
        .map(safe);
    let people: Vec<String> = items(entry, "/people")
        .iter()
        .map(|one| format!("{} {}", at(one, "/email"), at(one, "/did")))
        .collect();
    let people = (!people.is_empty()).then(|| people.join(", "));
    for line in clashes.chain(notes).chain(people) {
        out.push_str(&wrapped(&line, further));
    }
    if at(entry, "/hold/state") == "placed" {
        let id = at(entry, "/hold/id");
        let line = format!("`liaison holds confirm {id}` or `liaison holds release {id}`");
        out.push_str(&wrapped(&line, further));
    }
    out
}
