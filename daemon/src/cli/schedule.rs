//! `explain-schedule` as people read it.

use serde_json::Value;

use super::display::{at, facts, items, safe, wrapped};

/// Columns before the text of what it depends on.
const INDENT: usize = 2;

/// The answer as text: the time first, then each wait, then what has a say.
pub(super) fn text(value: &Value) -> String {
    let mut out = facts(
        value,
        &[
            ("Mail", "/mail/id"),
            ("To", "/mail/recipient"),
            ("Subject", "/mail/subject"),
            ("State", "/mail/state_text"),
            ("Mode", "/mail/mode"),
            ("Leaves", "/text"),
            ("For us", "/times/ours"),
            ("For them", "/times/theirs"),
            ("Their zone", "/recipient_zone/places"),
            ("Because", "/recipient_zone/why"),
            ("How sure", "/recipient_zone/confidence"),
        ],
    );
    let waits = items(value, "/waits");
    if !waits.is_empty() {
        out.push_str("\nIt waits\n");
    }
    for wait in waits {
        let line = format!("until {}: {}", at(wait, "/until"), at(wait, "/why"));
        out.push_str(&wrapped(&line, INDENT));
        for reason in items(wait, "/reasons") {
            let reason = reason.as_str().unwrap_or_default();
            out.push_str(&wrapped(&safe(reason), INDENT + 2));
        }
    }
    let depends = items(value, "/depends");
    if !depends.is_empty() {
        out.push_str("\nIt depends on\n");
    }
    for one in depends {
        let line = format!("{}: {}", at(one, "/name"), at(one, "/text"));
        out.push_str(&wrapped(&line, INDENT));
    }
    out
}
