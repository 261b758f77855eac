//! `free` as people read it.

use serde_json::Value;

use super::display::{at, items, safe, wrapped};

/// Columns before what is listed.
const INDENT: usize = 2;

/// The answer as text: the slots, then each day that has none, with the reason.
pub(super) fn text(value: &Value) -> String {
    let slots = items(value, "/slots");
    let minutes = at(value, "/minutes");
    let mut out = match slots.len() {
        0 => format!("No time for {minutes} minutes together.\n"),
        _ => format!("Time for {minutes} minutes together\n"),
    };
    for slot in slots {
        let theirs: Vec<&str> = items(slot, "/for_them")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let line = match theirs.is_empty() {
            true => at(slot, "/for_us"),
            false => format!(
                "{}; for them {}",
                at(slot, "/for_us"),
                safe(&theirs.join(" or "))
            ),
        };
        out.push_str(&wrapped(&line, INDENT));
    }
    let none = items(value, "/days").iter();
    let none: Vec<&Value> = none.filter(|day| !day["why"].is_null()).collect();
    if !none.is_empty() {
        out.push_str("\nNo time on\n");
    }
    for day in none {
        let line = format!("{}: {}", at(day, "/date"), at(day, "/why"));
        out.push_str(&wrapped(&line, INDENT));
    }
    out
}
