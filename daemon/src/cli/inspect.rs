//! `inspect`: what the program sees in a file, whatever its bytes.

use std::fmt::Write;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use liaison_core::time::{DAY_MS, Timestamp, Window};
use serde_json::Value;

use super::args::Inspect;
use super::display::{at, facts, items, safe, safe_lines, table};
use super::{Done, Failure, USAGE, read_file};

/// Length of a window of which only the start is given.
const WINDOW_MS: i64 = 366 * DAY_MS;

pub(super) fn run(args: &Inspect, as_json: bool) -> Result<Done, Failure> {
    let zone = liaison_core::zones::zone(&args.zone).ok_or_else(|| {
        let message = format!("`{}` is no IANA zone, like Europe/Berlin", args.zone);
        Failure::new(USAGE, message)
    })?;
    let window = window(args, &zone)?;
    let bytes = read_file(&args.file)?;
    let extension = args
        .file
        .extension()
        .and_then(|extension| extension.to_str());
    let value = inspect(&bytes, extension, window, &zone);
    Ok(match as_json {
        true => Done::json(&value),
        false => Done::text(text(&value)),
    })
}

fn window(args: &Inspect, zone: &TimeZone) -> Result<Option<Window>, Failure> {
    let instant = |text: &Option<String>| match text {
        Some(text) => instant(text, zone).map(Some),
        None => Ok(None),
    };
    let Some(start) = instant(&args.from)? else {
        return Ok(None);
    };
    let end = instant(&args.to)?.unwrap_or(start.plus_millis(WINDOW_MS));
    if end <= start {
        return Err(Failure::new(USAGE, "--to must be later than --from"));
    }
    Ok(Some(Window { start, end }))
}

fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Ok(date) = text.parse::<Date>()
        && !text.contains('T')
    {
        let midnight = zone.to_ambiguous_zoned(date.at(0, 0, 0, 0)).compatible();
        return midnight
            .map(|zoned| Timestamp::from_jiff(zoned.timestamp()))
            .map_err(|error| Failure::new(USAGE, format!("{text}: {error}")));
    }
    text.parse()
        .map_err(|error: liaison_core::time::TimestampError| Failure::new(USAGE, error.to_string()))
}

/// What the program sees in `bytes`: a calendar when the extension says `ics` or the content
/// begins so, else a message. Any bytes give a value; `problems` tells what was wrong.
#[must_use]
pub fn inspect(
    bytes: &[u8],
    extension: Option<&str>,
    window: Option<Window>,
    zone: &TimeZone,
) -> Value {
    if is_calendar(bytes, extension) {
        liaison_core::calendar::inspect::inspect_json(bytes, window, zone)
    } else {
        liaison_core::mail::inspect::inspect_json(bytes)
    }
}

fn is_calendar(bytes: &[u8], extension: Option<&str>) -> bool {
    let is = |wanted: &str| extension.is_some_and(|found| found.eq_ignore_ascii_case(wanted));
    if is("ics") || is("eml") {
        return is("ics");
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let start = bytes.trim_ascii_start().get(..15).unwrap_or_default();
    start.eq_ignore_ascii_case(b"BEGIN:VCALENDAR")
}

/// The value for people.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut out = match value.get("instances") {
        Some(_) => calendar(value),
        None => message(value),
    };
    let problems = items(value, "/problems");
    if !problems.is_empty() {
        out.push_str("\nProblems\n");
        for problem in problems {
            let said = ["/detail", "/text", "/said", "/what"];
            let said = said
                .iter()
                .find_map(|pointer| problem.pointer(pointer)?.as_str());
            let said = said.map_or_else(|| safe(&problem.to_string()), safe);
            let _ = writeln!(out, "  {said}");
        }
    }
    out
}

fn calendar(value: &Value) -> String {
    let head = facts(
        value,
        &[("Method", "/method"), ("Components", "/components")],
    );
    let rows = items(value, "/instances");
    let columns = [
        ("START", "/start"),
        ("END", "/end"),
        ("ALL DAY", "/all_day"),
        ("STATUS", "/status"),
        ("SUMMARY", "/summary"),
    ];
    format!(
        "{head}\n{} instances\n{}",
        rows.len(),
        table(rows, &columns)
    )
}

fn message(value: &Value) -> String {
    let mut out = String::new();
    for (label, pointer) in [
        ("From", "/from"),
        ("Reply-To", "/reply_to"),
        ("To", "/to"),
        ("Cc", "/cc"),
    ] {
        let people: Vec<String> = items(value, pointer).iter().map(person).collect();
        if !people.is_empty() {
            let _ = writeln!(out, "{:<13}{}", format!("{label}:"), people.join(", "));
        }
    }
    out.push_str(&facts(
        value,
        &[
            ("Subject", "/subject"),
            ("Date", "/date"),
            ("Message-ID", "/message_id"),
            ("In-Reply-To", "/in_reply_to"),
            ("Class", "/class"),
            ("Because", "/class_evidence"),
        ],
    ));
    let warnings = items(value, "/warnings");
    if !warnings.is_empty() {
        out.push_str("\nWarnings\n");
        for warning in warnings {
            let _ = writeln!(out, "  {}: {}", at(warning, "/kind"), at(warning, "/text"));
        }
    }
    for (title, pointer) in [
        ("Reply", "/reply"),
        ("Quoted", "/quoted"),
        ("Signature", "/signature"),
    ] {
        if let Some(text) = value.pointer(pointer).and_then(Value::as_str)
            && !text.trim().is_empty()
        {
            let _ = write!(out, "\n{title}\n{}", safe_lines(text, "  "));
        }
    }
    let attachments = items(value, "/attachments");
    if !attachments.is_empty() {
        let _ = writeln!(out, "\n{} attachments", attachments.len());
        for attachment in attachments {
            let _ = writeln!(out, "  {}", safe(&attachment.to_string()));
        }
    }
    out
}

fn person(value: &Value) -> String {
    let address = at(value, "/address");
    match at(value, "/name").as_str() {
        "-" => address,
        name => format!("{name} <{address}>"),
    }
}
