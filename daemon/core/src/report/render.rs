//! A report as text for people, as CSV, as JSON.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Amount, Cell, Column, ColumnKind, Report, Section};
use crate::crm::money;

/// Widest line of the text, in columns of a terminal.
pub const COLUMNS: usize = 100;
/// Between two cells.
const GAP: usize = 2;
/// A cell of words is not made narrower than this.
const CELL_MIN: usize = 10;
/// The title of a column of words keeps so much: units of one account begin alike.
const TITLE_MIN: usize = 16;
/// Most lines of the last cell of a line; other cells have one.
const CELL_LINES_MAX: usize = 4;
/// What stands for a cell that is not known.
const BLANK: &str = "-";

/// The report as text: aligned, at most [`COLUMNS`] wide, without anything that moves a cursor.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    wrap(
        &mut out,
        &format!("{} ({})", report.title, report.asked_on),
        "",
    );
    for section in &report.sections {
        out.push('\n');
        if !section.title.is_empty() {
            wrap(&mut out, &section.title, "");
        }
        table(&mut out, section);
    }
    if !report.notes.is_empty() {
        out.push('\n');
    }
    for note in &report.notes {
        wrap(&mut out, note, "* ");
    }
    out
}

/// The report as CSV (RFC 4180): each section with its title and columns; an empty line between.
///
/// An amount takes two columns, the second one its currency. A text that a spreadsheet would take
/// for a formula gets a `'` in front.
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut out = String::new();
    for (at, section) in report.sections.iter().enumerate() {
        if at > 0 {
            out.push_str("\r\n");
        }
        if report.sections.len() > 1 {
            line(&mut out, &[guarded(&section.title)]);
        }
        let mut titles = Vec::new();
        for column in &section.columns {
            titles.push(guarded(&column.name));
            if column.kind == ColumnKind::Amount {
                titles.push(format!("{} currency", column.name));
            }
        }
        line(&mut out, &titles);
        for row in &section.rows {
            let mut fields = Vec::new();
            for (cell, column) in row.iter().zip(&section.columns) {
                csv_cell(&mut fields, cell, column);
            }
            line(&mut out, &fields);
        }
    }
    out
}

fn csv_cell(fields: &mut Vec<String>, cell: &Cell, column: &Column) {
    let (text, currency) = match cell {
        Cell::Blank => (String::new(), String::new()),
        Cell::Number(number) => (number.to_string(), String::new()),
        Cell::Text(text) => (guarded(text), String::new()),
        Cell::Amount(amount) => (
            money::plain(amount.minor, amount.currency.as_deref()),
            guarded(amount.currency.as_deref().unwrap_or_default()),
        ),
    };
    fields.push(text);
    if column.kind == ColumnKind::Amount {
        fields.push(currency);
    }
}

/// Text from outside that no spreadsheet takes for a formula.
fn guarded(text: &str) -> String {
    let first = text.trim_start().chars().next();
    let is_formula = matches!(
        first,
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
    ) || text.starts_with(['\t', '\r', '\n']);
    match is_formula {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

fn line(out: &mut String, fields: &[String]) {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match field.contains([',', '"', '\n', '\r', ';', '\t']) {
            true => {
                let _ = write!(out, "\"{}\"", field.replace('"', "\"\""));
            }
            false => out.push_str(field),
        }
    }
    out.push_str("\r\n");
}

/// A section as a table; columns that do not fit beside each other come below, with the first one
/// repeated.
fn table(out: &mut String, section: &Section) {
    if section.rows.is_empty() {
        out.push_str("(none)\n");
        return;
    }
    let cells: Vec<Vec<String>> = section
        .rows
        .iter()
        .map(|row| row.iter().zip(&section.columns).map(shown).collect())
        .collect();
    let widths = natural(section, &cells);
    for block in blocks(&widths, section) {
        let fitted = fitted(&widths, &block, section);
        let titles: Vec<String> = section
            .columns
            .iter()
            .map(|column| one_line(&column.name).to_uppercase())
            .collect();
        aligned(out, section, &titles, &fitted);
        for row in &cells {
            aligned(out, section, row, &fitted);
        }
    }
    let more = section.count.saturating_sub(section.rows.len() as u64);
    if more > 0 {
        let _ = writeln!(out, "... and {more} more");
    }
}

fn shown((cell, column): (&Cell, &Column)) -> String {
    match cell {
        Cell::Blank => BLANK.to_owned(),
        Cell::Number(number) if column.kind == ColumnKind::Percent => format!("{number}%"),
        Cell::Number(number) => number.to_string(),
        Cell::Amount(amount) => readable(amount),
        Cell::Text(text) => one_line(text),
    }
}

/// An amount for people: `204,080 EUR`.
#[must_use]
pub fn readable(amount: &Amount) -> String {
    let number = money::readable(amount.minor, amount.currency.as_deref());
    match &amount.currency {
        Some(currency) => format!("{number} {}", one_line(currency)),
        None => number,
    }
}

/// Text from outside on one line: what could move the cursor, hide or reorder text becomes a space
/// or goes.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => out.push(' '),
            '\u{061C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}' => {}
            c => out.push(c),
        }
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    words.join(" ")
}

fn natural(section: &Section, cells: &[Vec<String>]) -> Vec<usize> {
    section
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let title = one_line(&column.name).to_uppercase().width();
            let widest = cells.iter().filter_map(|row| row.get(at));
            let widest = widest.map(|cell| cell.width()).max().unwrap_or(0);
            title.max(widest).min(COLUMNS)
        })
        .collect()
}

/// The narrowest that a column can be: figures and days are not cut.
fn least(width: usize, column: &Column) -> usize {
    match column.kind {
        ColumnKind::Text => {
            let title = one_line(&column.name).to_uppercase().width();
            width.min(CELL_MIN.max(title.min(TITLE_MIN)))
        }
        // Its title may be a product's name.
        ColumnKind::Day => width.min(TITLE_MIN),
        _ => width,
    }
}

/// Which columns stand beside each other.
fn blocks(widths: &[usize], section: &Section) -> Vec<Vec<usize>> {
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut used = 0_usize;
    let lead = least_of(0, widths, section);
    for at in 0..widths.len() {
        let width = least_of(at, widths, section);
        match blocks.last_mut() {
            Some(block) if used.saturating_add(GAP).saturating_add(width) <= COLUMNS => {
                block.push(at);
                used = used.saturating_add(GAP).saturating_add(width);
            }
            Some(_) => {
                blocks.push(vec![0, at]);
                used = lead.saturating_add(GAP).saturating_add(width);
            }
            None => {
                blocks.push(vec![at]);
                used = width;
            }
        }
    }
    blocks
}

fn least_of(at: usize, widths: &[usize], section: &Section) -> usize {
    match (widths.get(at), section.columns.get(at)) {
        (Some(width), Some(column)) => least(*width, column),
        _ => 0,
    }
}

/// Columns with their widths: the widest words give way until the block fits.
fn fitted(widths: &[usize], block: &[usize], section: &Section) -> Vec<(usize, usize)> {
    let mut fitted: Vec<(usize, usize)> = block
        .iter()
        .map(|at| (*at, widths.get(*at).copied().unwrap_or(0)))
        .collect();
    loop {
        let gaps = fitted.len().saturating_sub(1).saturating_mul(GAP);
        let total: usize = fitted.iter().map(|(_, width)| *width).sum();
        if total.saturating_add(gaps) <= COLUMNS {
            return fitted;
        }
        let widest = fitted
            .iter_mut()
            .filter(|(at, width)| *width > least_of(*at, widths, section))
            .max_by_key(|(_, width)| *width);
        match widest {
            Some((_, width)) => *width = width.saturating_sub(1),
            None => return fitted,
        }
    }
}

fn aligned(out: &mut String, section: &Section, cells: &[String], fitted: &[(usize, usize)]) {
    let mut text = String::new();
    let mut below = Vec::new();
    for (place, (at, width)) in fitted.iter().enumerate() {
        if place > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        let kind = section.columns.get(*at).map(|column| column.kind);
        let cell = cells.get(*at).map_or("", String::as_str);
        let last = place.saturating_add(1) == fitted.len();
        let cell = match last && kind == Some(ColumnKind::Text) {
            true => {
                let mut lines = broken(cell, *width);
                if lines.len() > CELL_LINES_MAX {
                    lines.truncate(CELL_LINES_MAX);
                    if let Some(line) = lines.last_mut() {
                        *line = cut(&format!("{line} …"), *width);
                    }
                }
                let mut lines = lines.into_iter();
                let first = lines.next().unwrap_or_default();
                let indent = " ".repeat(text.width());
                below.extend(lines.map(|line| format!("{indent}{line}")));
                first
            }
            false => cut(cell, *width),
        };
        let pad = " ".repeat(width.saturating_sub(cell.width()));
        let left = matches!(kind, Some(ColumnKind::Text | ColumnKind::Day) | None);
        text.push_str(&match left {
            true => format!("{cell}{pad}"),
            false => format!("{pad}{cell}"),
        });
    }
    for line in std::iter::once(text).chain(below) {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Text in at most so many columns; what is cut ends with `…`.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1_usize;
    for c in text.chars() {
        used = used.saturating_add(c.width().unwrap_or(0));
        if used > width {
            break;
        }
        out.push(c);
    }
    format!("{}…", out.trim_end())
}

/// A paragraph with `mark` before its first line.
fn wrap(out: &mut String, text: &str, mark: &str) {
    let room = COLUMNS.saturating_sub(mark.width());
    for (at, line) in broken(&one_line(text), room).iter().enumerate() {
        let lead = match at {
            0 => mark.to_owned(),
            _ => " ".repeat(mark.width()),
        };
        let _ = writeln!(out, "{lead}{line}");
    }
}

/// Text broken between words; words that are too long are broken, too.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word.to_owned();
        while let Some(line) = lines.last_mut() {
            let gap = usize::from(!line.is_empty());
            if line
                .width()
                .saturating_add(gap)
                .saturating_add(rest.width())
                <= room
            {
                line.push_str(if gap == 1 { " " } else { "" });
                line.push_str(&rest);
                break;
            }
            if line.is_empty() {
                let head = fitting(&rest, room);
                rest = rest.chars().skip(head.chars().count()).collect();
                line.push_str(&head);
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The first characters of a text that fit; at least one.
fn fitting(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0_usize;
    for c in text.chars() {
        used = used.saturating_add(c.width().unwrap_or(0));
        if used > width && !out.is_empty() {
            break;
        }
        out.push(c);
    }
    out
}
