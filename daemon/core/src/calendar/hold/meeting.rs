//! The meeting that a hold becomes: the same object, firm and without what marks a hold.
//!
//! Only the lines that say so are written anew. What else lies in the object (an alarm, a colour,
//! what a server added) is somebody's, and stays byte for byte.

use super::{
    HOLD_CATEGORY, HoldSpec, MAX_MARKER_CHARS, MAX_SUMMARY_CHARS, clean_line, read_calendar,
    utc_text,
};
use crate::time::Timestamp;

/// Longest line without its end, in bytes (RFC 5545 section 3.1).
const LINE_BYTES_MAX: usize = 75;

/// The object of a placed hold as a meeting: same UID and time, `STATUS:CONFIRMED`, the next
/// SEQUENCE, the title without prefix.
///
/// Nobody is invited by it: whoever sends invitations adds ORGANIZER and ATTENDEE here, with
/// `SCHEDULE-AGENT=CLIENT` on each, because a server that finds them invites by itself.
///
/// `None` when `current` does not hold the event of `spec`, or is no text.
#[must_use]
pub fn meeting_of(current: &[u8], spec: &HoldSpec, title: &str, now: Timestamp) -> Option<String> {
    let uid = clean_line(&spec.uid, MAX_MARKER_CHARS);
    let object = read_calendar(current);
    let event = object.events.iter().find(|event| event.uid == uid)?;
    let stamp = utc_text(now);
    let summary = escaped(&clean_line(title, MAX_SUMMARY_CHARS));
    let sequence = event.sequence.saturating_add(1).to_string();
    let categories = event
        .categories
        .iter()
        .filter(|category| *category != HOLD_CATEGORY)
        .map(|category| escaped(&clean_line(category, MAX_MARKER_CHARS)))
        .collect::<Vec<_>>()
        .join(",");
    let set = [
        ("DTSTAMP", Some(stamp.as_str())),
        ("LAST-MODIFIED", Some(stamp.as_str())),
        ("SEQUENCE", Some(sequence.as_str())),
        ("SUMMARY", Some(summary.as_str())),
        ("STATUS", Some("CONFIRMED")),
        (
            "CATEGORIES",
            Some(categories.as_str()).filter(|all| !all.is_empty()),
        ),
        ("X-MICROSOFT-CDO-BUSYSTATUS", Some("BUSY")),
        ("X-LIAISON-EXPIRES", None),
    ];
    edited(std::str::from_utf8(current).ok()?, &uid, &set)
}

/// TEXT as it stands in a file (RFC 5545 section 3.3.11).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

/// One content line with its folds and line ends, as it stands in the file.
struct Line<'a> {
    raw: &'a str,
    /// In upper case, without parameters.
    name: String,
    value: String,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines: Vec<(usize, usize)> = Vec::new();
    let mut from = 0_usize;
    for physical in text.split_inclusive('\n') {
        let to = from.saturating_add(physical.len());
        match lines.last_mut() {
            Some(line) if physical.starts_with([' ', '\t']) => line.1 = to,
            _ => lines.push((from, to)),
        }
        from = to;
    }
    let line = |(from, to): (usize, usize)| {
        let raw = text.get(from..to)?;
        let mut whole = String::with_capacity(raw.len());
        for (index, physical) in raw.split('\n').enumerate() {
            let physical = physical.strip_suffix('\r').unwrap_or(physical);
            // The one character of the fold goes, all others belong to the value.
            let cut = usize::from(index > 0);
            whole.push_str(physical.get(cut..).unwrap_or_default());
        }
        let end = whole.find([':', ';']).unwrap_or(whole.len());
        let name = whole.get(..end).unwrap_or_default().trim();
        let value = whole.split_once(':').map_or("", |(_, value)| value);
        Some(Line {
            raw,
            name: name.to_ascii_uppercase(),
            value: value.trim().to_owned(),
        })
    };
    lines.into_iter().filter_map(line).collect()
}

/// Sets properties of the VEVENT with this UID; `None` as a value removes them. Every other byte
/// stays. `None` when there is no such event.
fn edited(text: &str, uid: &str, set: &[(&'static str, Option<&str>)]) -> Option<String> {
    let lines = lines(text);
    let (first, last) = event_of(&lines, uid)?;
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = String::with_capacity(text.len());
    let mut written: Vec<&str> = Vec::with_capacity(set.len());
    let mut put = |out: &mut String, (name, value): (&'static str, Option<&str>)| {
        if let Some(value) = value
            && !written.contains(&name)
        {
            folded(out, name, value, end);
        }
        written.push(name);
    };
    let mut is_complete = false;
    let mut depth = 0_usize;
    for (index, line) in lines.iter().enumerate() {
        let inside = index > first && index < last;
        match line.name.as_str() {
            "BEGIN" if inside => depth = depth.saturating_add(1),
            "END" if inside => depth = depth.saturating_sub(1),
            _ => {}
        }
        // What is new comes before the first part of the event, or at its end.
        if !is_complete && (index == last || (inside && depth > 0)) {
            set.iter().for_each(|property| put(&mut out, *property));
            is_complete = true;
        }
        let own = inside && depth == 0 && line.name != "END";
        match set.iter().find(|(name, _)| own && *name == line.name) {
            Some(property) => put(&mut out, *property),
            None => out.push_str(line.raw),
        }
    }
    Some(out)
}

/// The lines where the event begins and ends.
fn event_of(lines: &[Line<'_>], uid: &str) -> Option<(usize, usize)> {
    let mut open: Vec<(usize, String, bool)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match line.name.as_str() {
            "BEGIN" => open.push((index, line.value.to_ascii_uppercase(), false)),
            "UID" => {
                if let Some(component) = open.last_mut() {
                    component.2 |= line.value == uid;
                }
            }
            "END" => match open.pop() {
                Some((first, name, true)) if name == "VEVENT" => return Some((first, index)),
                _ => {}
            },
            _ => {}
        }
    }
    None
}

fn folded(out: &mut String, name: &str, value: &str, end: &str) {
    let mut width = 0_usize;
    for c in format!("{name}:{value}").chars() {
        if width.saturating_add(c.len_utf8()) > LINE_BYTES_MAX {
            out.push_str(end);
            out.push(' ');
            width = 1;
        }
        out.push(c);
        width = width.saturating_add(c.len_utf8());
    }
    out.push_str(end);
}
