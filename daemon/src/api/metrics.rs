//! `metrics`: the figures of `status` in the Prometheus text format 0.0.4.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, status};

/// Name, kind, meaning, and where `status` has the figure.
const SINGLE: [(&str, &str, &str, &str); 24] = [
    (
        "running",
        "gauge",
        "Whether the daemon answered (1) or its store was read (0).",
        "/running",
    ),
    (
        "panic",
        "gauge",
        "Whether everything outgoing is stopped by hand.",
        "/panic",
    ),
    (
        "events_known",
        "counter",
        "Events that were recorded.",
        "/events/known",
    ),
    (
        "events_open",
        "gauge",
        "Events without a final outcome.",
        "/events/open",
    ),
    (
        "events_waiting",
        "gauge",
        "Events that wait for a second try.",
        "/events/waiting",
    ),
    (
        "tasks_open",
        "gauge",
        "Tasks that are not done.",
        "/tasks/open",
    ),
    (
        "timers_waiting",
        "gauge",
        "Timers that are set.",
        "/timers/waiting",
    ),
    (
        "addresses_undeliverable",
        "gauge",
        "Addresses to which no mail arrives, as delivery reports tell.",
        "/addresses/undeliverable",
    ),
    (
        "domains_stopped",
        "gauge",
        "Domains for which nothing leaves by itself, because mails came back.",
        "/addresses/domains",
    ),
    (
        "needs_person",
        "gauge",
        "Things that need a person.",
        "/needs_person",
    ),
    (
        "store_commits",
        "counter",
        "Commits since the start.",
        "/store/commits",
    ),
    (
        "store_queued",
        "gauge",
        "Batches that wait to be committed.",
        "/store/queued",
    ),
    ("store_rows", "gauge", "Rows.", "/store/rows"),
    (
        "store_row_bytes",
        "gauge",
        "Bytes of their keys and values.",
        "/store/row_bytes",
    ),
    (
        "store_disk_bytes",
        "gauge",
        "Bytes of the files of the rows.",
        "/store/disk_bytes",
    ),
    (
        "journal_frame",
        "counter",
        "Number of the last durable frame.",
        "/store/journal/frame",
    ),
    (
        "journal_segment",
        "counter",
        "First frame of the segment that is written.",
        "/store/journal/segment",
    ),
    (
        "journal_offset_bytes",
        "gauge",
        "Where in the segment the next frame goes.",
        "/store/journal/offset",
    ),
    (
        "journal_applied_on_disk",
        "counter",
        "Frame from which a start repeats.",
        "/store/journal/applied_on_disk",
    ),
    (
        "journal_since_export_bytes",
        "gauge",
        "What a rebuild repeats.",
        "/store/journal/bytes_since_export",
    ),
    (
        "disk_free_bytes",
        "gauge",
        "Free bytes where the state lies.",
        "/daemon/disk/free_bytes",
    ),
    (
        "disk_ample_bytes",
        "gauge",
        "Free bytes from which everything goes on.",
        "/daemon/disk/ample_bytes",
    ),
    (
        "disk_ballast",
        "gauge",
        "Whether the ballast is in place.",
        "/daemon/disk/ballast",
    ),
    (
        "disk_paused_stages",
        "gauge",
        "Stages that stand still for want of disk (of 3).",
        "/daemon/disk/paused",
    ),
];

/// The same by state.
const BY_STATE: [(&str, &str, &str); 3] = [
    ("mails", "Mails by state.", "/mails"),
    ("holds", "Holds by state.", "/holds"),
    (
        "mailbox_changes",
        "Changes of messages in their mailboxes by state.",
        "/changes",
    ),
];

pub(super) async fn metrics(
    context: &ApiContext,
    caller: &Caller,
    arguments: Nothing,
) -> Result<Value, ApiError> {
    let status = Box::pin(status::status(context, caller, arguments)).await?;
    Ok(json!({ "text": text(&status) }))
}

fn text(status: &Value) -> String {
    let mut out = String::new();
    for (name, kind, help, pointer) in SINGLE {
        if let Some(figure) = status.pointer(pointer).and_then(figure) {
            head(&mut out, name, kind, help);
            let _ = writeln!(out, "liaison_{name} {figure}");
        }
    }
    for (name, help, pointer) in BY_STATE {
        let states = status.pointer(pointer).and_then(Value::as_object);
        head(&mut out, name, "gauge", help);
        for (state, count) in states.into_iter().flatten() {
            let _ = writeln!(out, "liaison_{name}{{state=\"{}\"}} {count}", label(state));
        }
    }
    sources(&mut out, status);
    oauth(&mut out, status);
    out
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(
        out,
        "# HELP liaison_{name} {help}\n# TYPE liaison_{name} {kind}"
    );
}

/// Numbers as they are, switches as 0 and 1, lists by their length; what is not there is no figure.
fn figure(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::Bool(on) => Some(u64::from(*on)),
        Value::Array(list) => Some(list.len() as u64),
        Value::Object(_) => Some(1),
        Value::Null => Some(0),
        Value::String(_) => None,
    }
}

fn sources(out: &mut String, status: &Value) {
    let rows = status
        .pointer("/daemon/sources")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let of = |row: &Value| {
        let text = |key: &str| label(row.get(key).and_then(Value::as_str).unwrap_or_default());
        format!(
            "source=\"{}\",kind=\"{}\",folder=\"{}\"",
            text("source"),
            text("kind"),
            text("folder")
        )
    };
    let help = "Seconds since the folder or calendar was proven up to date.";
    head(out, "source_age_seconds", "gauge", help);
    for row in rows {
        if let Some(age) = row.get("fresh_seconds_ago").and_then(Value::as_i64) {
            let _ = writeln!(out, "liaison_source_age_seconds{{{}}} {age}", of(row));
        }
    }
    let help = "Whether it is not proven up to date within its limit.";
    head(out, "source_stale", "gauge", help);
    for row in rows {
        let stale = u8::from(row.get("stale") == Some(&json!(true)));
        let _ = writeln!(out, "liaison_source_stale{{{}}} {stale}", of(row));
    }
    let help = "Whether something is wrong with it now.";
    head(out, "source_trouble", "gauge", help);
    for row in rows {
        let trouble = u8::from(row.get("trouble").is_some_and(Value::is_string));
        let _ = writeln!(out, "liaison_source_trouble{{{}}} {trouble}", of(row));
    }
}

/// Figures of logins: name, meaning, and the field in `status`.
const OAUTH: [(&str, &str, &str, &str); 4] = [
    (
        "oauth_token_age_seconds",
        "gauge",
        "Age of the access token.",
        "/token_age_seconds",
    ),
    (
        "oauth_token_ends_in_seconds",
        "gauge",
        "Life that the access token has left; negative when it is over.",
        "/token_ends_in_seconds",
    ),
    (
        "oauth_refreshes",
        "counter",
        "Access tokens that were got since the start.",
        "/refreshes",
    ),
    (
        "oauth_failures",
        "counter",
        "Tries that gave none since the start.",
        "/failures",
    ),
];

fn oauth(out: &mut String, status: &Value) {
    let rows = status
        .pointer("/oauth")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let name = |row: &Value| label(row.get("name").and_then(Value::as_str).unwrap_or_default());
    for (metric, kind, help, pointer) in OAUTH {
        head(out, metric, kind, help);
        for row in rows {
            if let Some(figure) = row.pointer(pointer).and_then(Value::as_i64) {
                let _ = writeln!(out, "liaison_{metric}{{login=\"{}\"}} {figure}", name(row));
            }
        }
    }
    let help = "Whether the login stands so now.";
    head(out, "oauth_state", "gauge", help);
    for row in rows {
        let now = row.get("state").and_then(Value::as_str);
        for state in ["ready", "waiting", "needs-consent", "refused"] {
            let is = u8::from(now == Some(state));
            let _ = writeln!(
                out,
                "liaison_oauth_state{{login=\"{}\",state=\"{state}\"}} {is}",
                name(row)
            );
        }
    }
}

/// A label's value, escaped as the format asks.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_lists_and_labels() {
        let status = json!({
            "running": true,
            "panic": null,
            "mails": { "held": 2, "sent": 7 },
            "store": { "journal": { "frame": 41 } },
            "needs_person": [1, 2],
            "daemon": {
                "disk": { "paused": ["intake"], "free_bytes": 12 },
                "sources": [{
                    "source": "a \"b\"", "kind": "mail", "folder": "INBOX",
                    "fresh_seconds_ago": 3, "trouble": "away", "stale": true,
                }],
            },
            "oauth": [{
                "name": "work", "state": "needs-consent", "token_age_seconds": null,
                "token_ends_in_seconds": -5, "refreshes": 2, "failures": 1,
            }],
        });
        let text = text(&status);
        for line in [
            "# TYPE liaison_journal_frame counter",
            "liaison_journal_frame 41",
            "liaison_running 1",
            "liaison_panic 0",
            "liaison_needs_person 2",
            "liaison_disk_paused_stages 1",
            "liaison_oauth_token_ends_in_seconds{login=\"work\"} -5",
            "liaison_oauth_failures{login=\"work\"} 1",
            "liaison_oauth_state{login=\"work\",state=\"needs-consent\"} 1",
            "liaison_oauth_state{login=\"work\",state=\"ready\"} 0",
            "liaison_mails{state=\"held\"} 2",
            "liaison_source_age_seconds{source=\"a \\\"b\\\"\",kind=\"mail\",folder=\"INBOX\"} 3",
            "liaison_source_stale{source=\"a \\\"b\\\"\",kind=\"mail\",folder=\"INBOX\"} 1",
            "liaison_source_trouble{source=\"a \\\"b\\\"\",kind=\"mail\",folder=\"INBOX\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(
            !text.contains("store_rows"),
            "what is not there is no figure"
        );
    }
}
