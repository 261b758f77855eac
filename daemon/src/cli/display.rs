//! Text for terminals: escaping, tables, times.

use std::fmt::Write;

use liaison_core::time::Timestamp;
use serde_json::Value;

/// Widest line that is made on purpose.
pub(super) const COLUMNS: usize = 100;
/// Widest cell of a table, in characters.
const CELL_MAX: usize = 44;

/// Text from outside on one line: what could move the cursor, hide or reorder text is written as
/// an escape (`\u{1b}`), so that it can be seen and does nothing.
#[must_use]
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_dangerous(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The same for text of several lines: line breaks stay, everything else is escaped.
#[must_use]
pub fn safe_lines(text: &str, indent: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let _ = writeln!(out, "{indent}{}", safe(line));
    }
    out
}

/// Controls, bidirectional marks and overrides, invisible separators, and tag characters.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

/// `text` broken between words at [`COLUMNS`], each line indented; already escaped text only. A
/// command in backquotes stays on one line where it fits, so that it can be copied.
#[must_use]
pub fn wrapped(text: &str, indent: usize) -> String {
    let room = COLUMNS.saturating_sub(indent).max(20);
    let (mut out, mut line) = (String::new(), String::new());
    let pad = " ".repeat(indent);
    for word in chunks(text, room) {
        let long = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && long > room {
            let _ = writeln!(out, "{pad}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    let _ = writeln!(out, "{pad}{line}");
    out
}

/// Words, and what stands between two backquotes as one of them while it fits into a line.
fn chunks(text: &str, room: usize) -> Vec<String> {
    let (mut chunks, mut open) = (Vec::<String>::new(), false);
    for word in text.split(' ') {
        match chunks.last_mut() {
            Some(last) if open && last.chars().count() + 1 + word.chars().count() <= room => {
                last.push(' ');
                last.push_str(word);
            }
            _ => chunks.push(word.to_owned()),
        }
        open ^= word.matches('`').count() % 2 == 1;
    }
    chunks
}

/// A value as one escaped line: text as it is, nothing as `-`, lists joined, times shortened.
#[must_use]
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(flag)) => if *flag { "yes" } else { "no" }.to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => match is_instant(text) {
            true => instant(text),
            false => safe(text),
        },
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| cell(Some(item))).collect();
            items.join(", ")
        }
        Some(other) => safe(&other.to_string()),
    }
}

fn is_instant(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.parse::<Timestamp>().is_ok()
}

/// `2026-03-02T09:00:00Z` as `2026-03-02 09:00:00 UTC`.
fn instant(text: &str) -> String {
    let text = text.trim_end_matches('Z').replacen('T', " ", 1);
    format!("{text} UTC")
}

/// The value at a JSON pointer as [`cell`].
#[must_use]
pub fn at(value: &Value, pointer: &str) -> String {
    cell(value.pointer(pointer))
}

/// The items of a list at a JSON pointer.
#[must_use]
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Rows in aligned columns; `columns` are titles with JSON pointers. Long cells are cut.
#[must_use]
pub fn table(rows: &[Value], columns: &[(&str, &str)]) -> String {
    let mut lines = vec![
        columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect(),
    ];
    for row in rows {
        let cells = columns.iter().map(|(_, pointer)| cut(&at(row, pointer)));
        lines.push(cells.collect::<Vec<String>>());
    }
    aligned(&lines)
}

fn cut(text: &str) -> String {
    liaison_core::message::cut_text(text, CELL_MAX)
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", text.trim_end());
    }
    out
}

/// `label: value` lines of an object, labels aligned; values that are not there are left out.
#[must_use]
pub fn facts(value: &Value, labels: &[(&str, &str)]) -> String {
    let width = labels
        .iter()
        .map(|(label, _)| label.len())
        .max()
        .unwrap_or(0)
        + 1;
    let mut out = String::new();
    for (label, pointer) in labels {
        let text = at(value, pointer);
        if text != "-" {
            let label = format!("{label}:");
            let body = wrapped(&text, width + 1);
            let _ = write!(out, "{label:width$} {}", body.trim_start());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal() {
        for (text, shown) in [
            ("Grüße, 世界", "Grüße, 世界"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{1b}]52;c;aGk=\u{7}", "\\u{1b}]52;c;aGk=\\u{7}"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{202E}fdp.exe", "\\u{202e}fdp.exe"),
            (
                "\u{9b}31m\u{2066}x\u{200b}",
                "\\u{9b}31m\\u{2066}x\\u{200b}",
            ),
        ] {
            assert_eq!(safe(text), shown);
            assert!(
                !safe_lines(text, "")
                    .chars()
                    .any(|c| c != '\n' && is_dangerous(c))
            );
            let table = table(&[json!({ "a": text })], &[("A", "/a")]);
            assert!(
                !table.chars().any(|c| c != '\n' && is_dangerous(c)),
                "{table:?}"
            );
        }
    }

    #[test]
    fn tables_align_and_say_the_zone() {
        let rows = [
            json!({ "a": "x", "t": "2026-03-02T09:00:00Z", "l": ["p", "q"] }),
            json!({ "a": "longer", "t": null, "l": [] }),
        ];
        let text = table(&rows, &[("A", "/a"), ("WHEN", "/t"), ("L", "/l")]);
        assert_eq!(
            text,
            "A       WHEN                     L\n\
             x       2026-03-02 09:00:00 UTC  p, q\n\
             longer  -                        -\n"
        );
    }

    #[test]
    fn a_command_is_not_torn_apart() {
        let command = "`liaison --config /etc/liaison/liaison.toml plugin resume lead-triage`";
        for before in 0..40 {
            let text = format!(
                "{}{command} and more words behind it",
                "word ".repeat(before)
            );
            let text = wrapped(&text, 2);
            assert!(text.contains(command), "{text}");
            assert!(
                text.lines().all(|line| line.chars().count() <= COLUMNS),
                "{text}"
            );
        }
        let lost = wrapped(&format!("a ` {}", "word ".repeat(60)), 2);
        assert!(
            lost.lines().all(|line| line.chars().count() <= COLUMNS),
            "{lost}"
        );
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = wrapped(&"word ".repeat(60), 4);
        assert!(text.lines().count() > 2);
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= COLUMNS && line.starts_with("    "))
        );
    }
}
