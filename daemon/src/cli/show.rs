//! Answers of the API as text.

use std::fmt::Write;

use serde_json::Value;

use super::display::{at, facts, items, safe, safe_lines, table, wrapped};
use super::wording::Wording;
use super::{agenda, free, records, schedule, why, work};

/// Characters of a long id in a table: `liaison why` needs six.
const ID_CHARS: usize = 12;

/// The text of an answer to `command`, reworded already.
pub(super) fn answer(command: &str, value: &Value, wording: &Wording) -> String {
    match command {
        "why" => why::text(value),
        "explain-schedule" => schedule::text(value),
        "free" => free::text(value),
        "agenda" => agenda::text(value),
        "status" => status(value),
        // Ours, and escaped already.
        "metrics" => value
            .get("text")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        "match" => matched(value),
        "review-show" => review(value, wording),
        "review-rules" => rules(value, wording),
        "addresses-show" => address(value),
        "import" | "accounts-import" => imported(value),
        "accounts-show" => account(value),
        "outbox-show" => mail(value, wording),
        "holds-show" => hold(value),
        "cases-show" => work::case(value),
        "tasks-show" => work::task(value),
        "cases-fields" | "tasks-fields" => work::fields(value),
        "cases-list" => records::table_of(value, "cases"),
        "tasks-list" => records::table_of(value, "tasks"),
        "timeline" => timeline(value),
        "records-list" => records::list(value),
        "records-show" => records::one(value),
        "proposals-list" => records::proposals(value),
        "verify" => verified(value),
        "store-stats" => sizes(value),
        _ => match list_of(command) {
            Some((name, columns)) => list(value, name, columns),
            None => changed(value),
        },
    }
}

fn verified(value: &Value) -> String {
    let mut out = format!(
        "{} rows, {} frames of the journal, {} exports and {} contents were read.\n",
        at(value, "/rows"),
        at(value, "/frames"),
        at(value, "/exports"),
        at(value, "/contents"),
    );
    let faults = value.get("faults").and_then(Value::as_object);
    for (kind, faults) in faults.into_iter().flatten() {
        let _ = writeln!(out, "{kind}: {}", at(faults, "/count"));
        for first in items(faults, "/first") {
            out.push_str(&wrapped(&safe(first.as_str().unwrap_or_default()), 2));
        }
    }
    out.push_str(match value.get("clean").and_then(Value::as_bool) {
        Some(true) => "Everything is as it should be.\n",
        _ => {
            "Keep a copy of the state directory. `liaison store rebuild --indexes` mends indexes; \
              `liaison store rebuild` makes all rows anew from the newest export and the journal.\n"
        }
    });
    out
}

fn sizes(value: &Value) -> String {
    format!(
        "Rows:     {} of {} bytes, {} bytes on disk\n\
         Files:    {}\n\
         Journal:  at frame {}, {} bytes since the last export\n\
         Content:  {} in {} packs of {} bytes\n",
        at(value, "/rows"),
        at(value, "/row_bytes"),
        at(value, "/disk_bytes"),
        match value.get("compacted").is_some_and(|done| !done.is_null()) {
            true => format!(
                "written anew at {}: {} bytes before, {} after",
                at(value, "/compacted/at"),
                at(value, "/compacted/before"),
                at(value, "/compacted/after")
            ),
            false => "never written anew; it is done when they have four times the rows".to_owned(),
        },
        at(value, "/journal_frame"),
        at(value, "/bytes_since_export"),
        at(value, "/packed"),
        at(value, "/packs"),
        at(value, "/pack_bytes"),
    )
}

type Columns = &'static [(&'static str, &'static str)];

fn list_of(command: &str) -> Option<(&'static str, Columns)> {
    let columns: (&str, Columns) = match command {
        "accounts-list" => (
            "accounts",
            &[
                ("ID", "/id"),
                ("NAME", "/name"),
                ("DOMAINS", "/domains"),
                ("LIFECYCLE", "/lifecycle"),
                ("DO NOT CONTACT", "/do_not_contact"),
            ],
        ),
        "review-list" => (
            "reviews",
            &[
                ("ID", "/id"),
                ("STATE", "/state"),
                ("LAST", "/last"),
                ("MESSAGES", "/count"),
                ("ADDRESS", "/address"),
                ("IT MAY BE", "/candidates/0/name"),
                ("OR", "/candidates/1/name"),
            ],
        ),
        "addresses-list" => (
            "addresses",
            &[
                ("ADDRESS", "/address"),
                ("STATE", "/state"),
                ("SINCE", "/since"),
                ("CAME BACK", "/returned"),
                ("LAST REPORT", "/last/at"),
                ("IT SAID", "/last/said"),
            ],
        ),
        "unsubscribe-list" => (
            "unsubscribed",
            &[
                ("ADDRESS", "/address"),
                ("STATE", "/state"),
                ("SINCE", "/at"),
                ("HOW", "/why"),
                ("ALLOWED BY", "/allowed/who"),
            ],
        ),
        "outbox-list" => (
            "mails",
            &[
                ("ID", "/id"),
                ("STATE", "/state"),
                ("SINCE", "/since"),
                ("TO", "/recipient"),
                ("SUBJECT", "/subject"),
            ],
        ),
        "outbox-changes" => (
            "changes",
            &[
                ("ID", "/id"),
                ("STATE", "/state"),
                ("SINCE", "/since"),
                ("MAILBOX", "/mailbox"),
                ("CHANGE", "/change"),
                ("WHY", "/why"),
            ],
        ),
        "holds-list" => (
            "holds",
            &[
                ("ID", "/id"),
                ("STATE", "/state"),
                ("START", "/start"),
                ("EXPIRES", "/expires"),
                ("GROUP", "/group_state"),
                ("CALENDAR", "/calendar"),
                ("TITLE", "/title"),
                ("WHY", "/why"),
            ],
        ),
        "plugin-parked" => (
            "parked",
            &[
                ("EVENT", "/event"),
                ("PLUGIN", "/plugin"),
                ("SINCE", "/at"),
                ("WHY", "/why"),
            ],
        ),
        "backfill-list" => (
            "backfills",
            &[
                ("MAILBOX", "/mailbox"),
                ("SINCE", "/since"),
                ("STATE", "/state"),
                ("DONE", "/progress"),
                ("REHEARSED", "/rehearsed"),
                ("ASKED", "/asked"),
            ],
        ),
        "timers-list" => (
            "timers",
            &[
                ("ID", "/id"),
                ("DUE", "/due"),
                ("PLUGIN", "/plugin"),
                ("REASON", "/reason"),
            ],
        ),
        _ => return None,
    };
    Some(columns)
}

fn list(value: &Value, name: &str, columns: Columns) -> String {
    let rows = items(value, &format!("/{name}"));
    if rows.is_empty() {
        return match name {
            "parked" => "nothing is set aside\n".to_owned(),
            "unsubscribed" => "nobody asked not to get further mail\n".to_owned(),
            name => format!("no {name}\n"),
        };
    }
    let mut out = table(rows, columns);
    if value.get("more") == Some(&Value::Bool(true)) {
        let _ = writeln!(
            out,
            "... {} of {} shown{}",
            rows.len(),
            at(value, "/count"),
            narrow(name)
        );
    }
    out
}

/// How to see what a cut list leaves out.
fn narrow(name: &str) -> &'static str {
    match name {
        "mails" | "holds" | "changes" => "; see others with --state STATE",
        _ => "",
    }
}

/// What a change did, and how to take it back.
fn changed(value: &Value) -> String {
    format!(
        "{}{}",
        wrapped(&at(value, "/changed"), 0),
        wrapped(&format!("Undo: {}", at(value, "/undo")), 0)
    )
}

fn matched(value: &Value) -> String {
    let mut out = facts(
        value,
        &[
            ("Address", "/address"),
            ("From", "/from"),
            ("Outcome", "/outcome"),
            ("Account", "/account/name"),
            ("Account id", "/account/id"),
            ("Contact", "/contact/name"),
            ("Confidence", "/confidence"),
            ("Class", "/class"),
            ("Authenticity", "/authenticity/verdict"),
            ("Because", "/authenticity/detail"),
        ],
    );
    out.push_str("Evidence:\n");
    for evidence in items(value, "/evidence") {
        let line = format!("{}: {}", at(evidence, "/kind"), at(evidence, "/text"));
        out.push_str(&wrapped(&line, 2));
    }
    for candidate in items(value, "/candidates") {
        let (name, id) = (at(candidate, "/name"), at(candidate, "/id"));
        let _ = writeln!(out, "  it may be {name} ({id})");
    }
    if let Some(review) = value.get("review").filter(|id| id.is_string()) {
        let id = at(review, "");
        let text = format!("It waits for a person: liaison review resolve {id} ACCOUNT");
        out.push_str(&wrapped(&text, 0));
    }
    if value.get("note").is_some() {
        out.push_str(&wrapped(&at(value, "/note"), 0));
    }
    out
}

fn address(value: &Value) -> String {
    let mut out = facts(
        value,
        &[
            ("Address", "/address/address"),
            ("State", "/address/state"),
            ("Why", "/address/why"),
            ("Came back", "/address/returned"),
            ("Last report", "/address/last/at"),
            ("About mail to", "/address/last/recipient"),
            ("It means", "/address/last/what"),
            ("It said", "/address/last/said"),
            ("Report", "/address/last/report"),
            ("Allowed at", "/address/allowed/at"),
            ("By", "/address/allowed/who"),
        ],
    );
    out.push_str(&audit(value));
    out
}

/// What delivery reports said of a mail; `at_depth` spaces before each line.
pub(super) fn returned(value: &Value, at_depth: usize) -> String {
    let mut out = String::new();
    for report in items(value, "/returned/reports") {
        let (when, what, said) = (at(report, "/at"), at(report, "/what"), at(report, "/said"));
        let id = at(report, "/report");
        let line = format!("Report of {when}: {what} ({said})  [{id}]");
        out.push_str(&wrapped(&line, at_depth));
    }
    out
}

fn review(value: &Value, wording: &Wording) -> String {
    let mut out = facts(
        value,
        &[
            ("Review", "/review/id"),
            ("State", "/review/state"),
            ("Address", "/review/address"),
            ("Messages", "/review/count"),
            ("First", "/review/first"),
            ("Last", "/review/last"),
            ("Belongs to", "/review/decided/account"),
            ("Decided for", "/review/decided/subject"),
            ("By", "/review/decided/who"),
        ],
    );
    for evidence in items(value, "/review/evidence") {
        let line = format!("{}: {}", at(evidence, "/kind"), at(evidence, "/text"));
        out.push_str(&wrapped(&line, 2));
    }
    for candidate in items(value, "/review/candidates") {
        let (name, id) = (at(candidate, "/name"), at(candidate, "/id"));
        let _ = writeln!(out, "  it may be {name} ({id})");
    }
    let messages = items(value, "/messages");
    if !messages.is_empty() {
        out.push('\n');
        out.push_str(&table(
            messages,
            &[
                ("RECEIVED", "/received"),
                ("SUBJECT", "/subject"),
                ("ID", "/id"),
            ],
        ));
    }
    out.push_str(&audit(value));
    let id = at(value, "/review/id");
    let ways: &[&str] = match value.pointer("/review/state").and_then(Value::as_str) {
        Some("open" | "stale") => &["resolve ID ACCOUNT", "dismiss ID"],
        _ => &["reopen ID"],
    };
    out.push('\n');
    for way in ways {
        let command = format!("liaison review {}", way.replace("ID", &id));
        let _ = writeln!(out, "  {}", wording.commands(&command));
    }
    out
}

fn rules(value: &Value, wording: &Wording) -> String {
    let columns: Columns = &[
        ("MAIL FROM", "/subject"),
        ("IS OF", "/account/name"),
        ("SINCE", "/at"),
        ("BY", "/who"),
        ("WHY", "/why"),
        ("ASKED BECAUSE", "/evidence/0/text"),
        ("REVIEW", "/review"),
    ];
    let mut out = list(value, "rules", columns);
    if !items(value, "/rules").is_empty() {
        let command = wording.commands("liaison review reopen REVIEW");
        let _ = writeln!(out, "Take one back with {command}");
    }
    out
}

fn imported(value: &Value) -> String {
    let count = |pointer: &str| at(value, pointer);
    let mut out = String::new();
    let kinds = value.get("kinds").and_then(Value::as_object);
    for (kind, counts) in kinds.into_iter().flatten() {
        let number = |name: &str| at(counts, name);
        let _ = write!(
            out,
            "{kind}: {} created, {} updated, {} unchanged",
            number("/created"),
            number("/updated"),
            number("/unchanged"),
        );
        match number("/proposed").as_str() {
            "0" => out.push('\n'),
            waiting => {
                let _ = writeln!(out, ", {waiting} wait for a person's yes");
            }
        }
    }
    if count("/proposals") != "0" {
        let text = format!(
            "{} values would overwrite what a person set: `liaison proposals list` shows them",
            count("/proposals")
        );
        out.push_str(&wrapped(&text, 0));
    }
    let rejected = items(value, "/rejected");
    if !rejected.is_empty() {
        let _ = writeln!(out, "{} lines not taken:", count("/rejected_count"));
        for line in rejected {
            let (number, column) = (at(line, "/line"), at(line, "/column"));
            let (held, reason) = (at(line, "/value"), at(line, "/reason"));
            let place = match column.as_str() {
                "-" => format!("line {number}"),
                column => format!("line {number}, {column} `{held}`"),
            };
            out.push_str(&wrapped(&format!("{place}: {reason}"), 2));
        }
    }
    let notes = items(value, "/notes");
    if !notes.is_empty() {
        out.push_str("to note:\n");
        for note in notes {
            let text = at(note, "/text");
            let line = match at(note, "/line").as_str() {
                "-" => text,
                line => format!("line {line}: {text}"),
            };
            out.push_str(&wrapped(&line, 2));
        }
    }
    out.push_str(&format!("changed: {}\n", count("/changed")));
    out.push_str(&wrapped(&format!("undo: {}", count("/undo")), 0));
    out
}

fn account(value: &Value) -> String {
    let mut out = facts(
        value,
        &[
            ("Account", "/account/name"),
            ("Id", "/account/id"),
            ("External id", "/account/external_id"),
            ("Domains", "/account/domains"),
            ("Lifecycle", "/account/lifecycle"),
            ("Owner", "/account/owner"),
            ("Do not contact", "/account/do_not_contact"),
        ],
    );
    out.push_str(&last_contact(value));
    let contacts = items(value, "/contacts");
    if !contacts.is_empty() {
        out.push('\n');
        out.push_str(&table(
            contacts,
            &[
                ("CONTACT", "/name"),
                ("ADDRESSES", "/addresses"),
                ("ROLE", "/role"),
                ("STATUS", "/status"),
            ],
        ));
    }
    out.push_str(&audit(value));
    out
}

/// When there was contact last, how, and between whom.
fn last_contact(value: &Value) -> String {
    let Some(last) = value.get("last_contact").filter(|last| !last.is_null()) else {
        return "Last contact:   none is recorded\n".to_owned();
    };
    let mut said = format!("{}, {}", at(last, "/at"), at(last, "/way"));
    let (who, with) = (at(last, "/who"), at(last, "/contacts"));
    if who != "-" {
        said.push_str(&format!(", {who}"));
    }
    if with != "-" {
        said.push_str(&format!(" with {with}"));
    }
    format!("Last contact:   {said}\n")
}

/// The steps of something, oldest first.
pub(super) fn audit(value: &Value) -> String {
    let rows = items(value, "/audit");
    if rows.is_empty() {
        return String::new();
    }
    let mut out = "\nSteps\n".to_owned();
    for row in rows {
        out.push_str(&wrapped(&step(row), 2));
    }
    out
}

pub(super) fn step(row: &Value) -> String {
    let why = match at(row, "/why").as_str() {
        "-" => String::new(),
        why => format!(" ({why})"),
    };
    let (when, what, who) = (at(row, "/at"), at(row, "/what"), at(row, "/who"));
    format!("{when}  {what}, by {who}{why}")
}

fn mail(value: &Value, wording: &Wording) -> String {
    let mut out = facts(
        value,
        &[
            ("Mail", "/mail/id"),
            ("State", "/mail/state_text"),
            ("Since", "/mail/since"),
            ("From", "/mail/from"),
            ("To", "/mail/recipient"),
            ("Subject", "/mail/subject"),
            ("Message-ID", "/mail/message_id"),
            ("Answers", "/content/in_reply_to"),
            ("Plugin", "/mail/plugin"),
            ("Reason", "/mail/reason"),
            ("Rule", "/mail/rule"),
            ("Not before", "/mail/not_before"),
            ("Attempts", "/mail/attempts"),
            ("Last answer", "/mail/last_reply"),
            ("Note", "/thread_closed"),
            ("Note", "/recipient_asked"),
        ],
    );
    out.push_str(&returned(value, 0));
    if let Some(text) = value.pointer("/content/text").and_then(Value::as_str) {
        let _ = write!(out, "\n{}", safe_lines(text, "  | "));
    }
    for attachment in items(value, "/content/attachments") {
        let _ = writeln!(out, "  attached: {}", safe(&attachment.to_string()));
    }
    out.push_str(&audit(value));
    let ways: &[&str] = match value.pointer("/mail/state").and_then(Value::as_str) {
        Some("held") => &["approve", "edit", "reject"],
        Some("uncertain") => &["resolve ID sent", "resolve ID not-sent", "retry"],
        Some("failed") => &["retry", "resolve ID not-sent"],
        _ => &[],
    };
    if !ways.is_empty() {
        out.push_str("\nIt waits for a person:\n");
    }
    let id = at(value, "/mail/id");
    for way in ways {
        let words = match way.contains("ID") {
            true => way.replace("ID", &id),
            false => format!("{way} {id}"),
        };
        let command = wording.commands(&format!("liaison outbox {words}"));
        let _ = writeln!(out, "  {command}");
    }
    out
}

fn hold(value: &Value) -> String {
    let mut out = facts(
        value,
        &[
            ("Hold", "/hold/id"),
            ("State", "/hold/state"),
            ("Why", "/hold/why"),
            ("Title", "/hold/title"),
            ("Start", "/hold/start"),
            ("End", "/hold/end"),
            ("Zone", "/hold/zone"),
            ("Expires", "/hold/expires"),
            ("Group", "/hold/group_name"),
            ("Group is", "/hold/group_state"),
            ("Offer", "/hold/generation"),
            ("Chosen", "/hold/chosen/hold"),
            ("Chosen by", "/hold/chosen/who"),
            ("Chosen at", "/hold/chosen/at"),
            ("Calendar", "/hold/calendar"),
            ("UID", "/hold/uid"),
            ("Plugin", "/hold/plugin"),
            ("Reason", "/hold/reason"),
            ("Rule", "/hold/rule"),
            ("Offered in", "/offered_in"),
            ("Trouble", "/hold/last_trouble"),
        ],
    );
    let others = items(value, "/alternatives");
    if !others.is_empty() {
        out.push_str("\nAlternatives\n");
        out.push_str(&table(
            others,
            &[
                ("ID", "/id"),
                ("STATE", "/state"),
                ("START", "/start"),
                ("WHY", "/why"),
            ],
        ));
    }
    out.push_str(&audit(value));
    out
}

fn timeline(value: &Value) -> String {
    let rows = items(value, "/timeline");
    let name = at(value, "/account/name");
    let columns = [
        ("WHEN", "/at"),
        ("WHAT", "/kind"),
        ("WHO", "/between"),
        ("TEXT", "/text"),
        ("ID", "/id"),
    ];
    let shown: Vec<Value> = rows.iter().map(timeline_row).collect();
    format!(
        "{name}: {} entries\n{}",
        rows.len(),
        table(&shown, &columns)
    )
}

/// A row with who of us and which contacts in one cell; of ids that `why` takes, enough of them.
fn timeline_row(row: &Value) -> Value {
    let who = row.get("who").and_then(Value::as_str);
    let contacts = items(row, "/contacts").iter().filter_map(Value::as_str);
    let between: Vec<&str> = who.into_iter().chain(contacts).collect();
    let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
    let id = match id.contains('-') {
        true => id.to_owned(),
        false => id.chars().take(ID_CHARS).collect(),
    };
    serde_json::json!({
        "at": row.get("at"),
        "kind": row.get("kind"),
        "between": between,
        "text": row.get("text"),
        "id": id,
    })
}

fn status(value: &Value) -> String {
    if let Some(step) = value.get("starting") {
        let (what, done) = (at(step, "/what"), at(step, "/done"));
        return format!("liaison is starting: {what}, {done} done so far\n");
    }
    let running = value.get("running") == Some(&Value::Bool(true));
    let mut out = match running {
        true => "liaison is running\n".to_owned(),
        false => "liaison is not running (read from the store)\n".to_owned(),
    };
    let sources = items(value, "/daemon/sources");
    if !sources.is_empty() {
        out.push('\n');
        out.push_str(&table(
            sources,
            &[
                ("SOURCE", "/source"),
                ("FOLDER", "/folder"),
                ("UP TO DATE AT", "/fresh_at"),
                ("TROUBLE", "/trouble"),
            ],
        ));
    }
    let logins = items(value, "/oauth");
    if !logins.is_empty() {
        out.push('\n');
        out.push_str(&table(logins, super::auth::COLUMNS));
    }
    let counts = |pointer: &str| {
        let states = value.pointer(pointer).and_then(Value::as_object);
        let texts = states.into_iter().flatten();
        let texts: Vec<String> = texts
            .map(|(state, n)| format!("{n} {}", safe(state)))
            .collect();
        match texts.is_empty() {
            true => "none".to_owned(),
            false => texts.join(", "),
        }
    };
    let _ = write!(
        out,
        "\nEvents:  {} known, {} open, {} waiting\nMails:   {}\nHolds:   {}\nChanges: {}\n\
         Tasks:   {} open, {} urgent\nTimers:  {} waiting, next {}\nStore:   {}, journal at frame {}\n",
        at(value, "/events/known"),
        at(value, "/events/open"),
        at(value, "/events/waiting"),
        counts("/mails"),
        counts("/holds"),
        counts("/changes"),
        at(value, "/tasks/open"),
        at(value, "/tasks/urgent"),
        at(value, "/timers/waiting"),
        at(value, "/timers/next"),
        at(value, "/store/state"),
        at(value, "/store/journal/frame"),
    );
    let _ = writeln!(
        out,
        "Zones:   tzdb {}, {}{}",
        at(value, "/tzdb/version"),
        at(value, "/tzdb/from"),
        match value.pointer("/tzdb/old") {
            Some(Value::Bool(true)) => ": old, update the system's zone files (tzdata)",
            _ => "",
        },
    );
    let reviews = (at(value, "/reviews/open"), at(value, "/reviews/stale"));
    if reviews != ("0".to_owned(), "0".to_owned()) {
        let _ = writeln!(out, "Reviews: {} open, {} stale", reviews.0, reviews.1);
    }
    let stopped = (
        at(value, "/addresses/undeliverable"),
        at(value, "/addresses/domains"),
    );
    if stopped != ("0".to_owned(), "0".to_owned()) {
        let (addresses, domains) = stopped;
        let _ = writeln!(
            out,
            "Stopped: {addresses} undeliverable addresses, {domains} domains"
        );
    }
    if let Some(free) = value
        .pointer("/daemon/disk/free_bytes")
        .and_then(Value::as_u64)
    {
        let _ = writeln!(out, "Disk:    {} MiB free", free >> 20);
    }
    for folder in items(value, "/unread") {
        let text = format!(
            "Unread:  {} of {} {} cannot be read yet ({}); tried {} times since {}, next {}",
            at(folder, "/count"),
            at(folder, "/mailbox"),
            at(folder, "/folder"),
            at(folder, "/reason"),
            at(folder, "/tries"),
            at(folder, "/since"),
            at(folder, "/next"),
        );
        out.push_str(&wrapped(&text, 0));
    }
    if let Some(looked) = value.get("looked_over").filter(|row| row.is_object()) {
        let found = match looked.get("clean") == Some(&Value::Bool(true)) {
            true => "everything is as it should be",
            false => "NOT everything is as it should be",
        };
        let _ = writeln!(out, "Checked: {}, {found}", at(looked, "/at"));
    }
    for told in items(value, "/renumbered") {
        let (when, what, why) = (at(told, "/at"), at(told, "/what"), at(told, "/why"));
        out.push_str(&wrapped(&format!("{when}  {what}: {why}"), 0));
    }
    let attention = items(value, "/needs_person");
    if attention.is_empty() {
        out.push_str("\nNothing needs a person.\n");
    } else {
        let need = if attention.len() == 1 {
            "needs"
        } else {
            "need"
        };
        let _ = writeln!(out, "\n{} {need} a person:", attention.len());
        for item in attention {
            let text = match (at(item, "/text"), at(item, "/id").as_str()) {
                (text, "-") => text,
                (text, id) => format!("{text}  [{id}]"),
            };
            out.push_str(&wrapped(&text, 2));
        }
    }
    out
}
