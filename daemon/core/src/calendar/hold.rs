//! Holds: tentative events that keep a slot free, and what became of them.

mod meeting;

use icalendar::{Calendar, Component, Event, Property};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
pub use meeting::{meeting_of, remarked};
use serde::{Deserialize, Serialize};

use super::event::{CalendarEvent, Class, EventStatus, Transparency};
use super::gate::{RawComponent, gate};
use super::read::properties;
use super::{CalendarObject, read_calendar};
use crate::time::{DAY_MS, Timestamp, Window};
use crate::zones::zone;

/// PRODID of what we write (RFC 5545 section 3.7.3).
pub(super) const PRODID: &str = "-//Liaison//Liaison//EN";
/// The property that says who holds the time: `plugin/label`.
pub const KIND_MARK: &str = "X-LIAISON-KIND";
/// The property that says of which intent the object of a hold is.
pub const REV_MARK: &str = "X-LIAISON-REV";
/// The category by which people find holds.
pub const HOLD_CATEGORY: &str = "Liaison Hold";
/// Characters kept of a summary; the rest of a subject helps nobody in a calendar.
const MAX_SUMMARY_CHARS: usize = 200;
/// Characters kept of a description.
const MAX_DESCRIPTION_CHARS: usize = 4_000;
/// Characters kept of our own markers and of a UID.
const MAX_MARKER_CHARS: usize = 200;

/// What a hold shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldSpec {
    /// UID, derived by the caller from the cause, so that a repeat is refused by the server.
    pub uid: String,
    /// SUMMARY with its prefix (`HOLD: …`).
    pub summary: String,
    /// The time held.
    pub window: Window,
    /// IANA zone of the owner; the times are written in it. Unknown names are written as UTC.
    pub zone: String,
    /// The group of alternatives this hold belongs to.
    pub group: String,
    /// When it lapses by itself.
    pub expires: Option<Timestamp>,
    /// Why it is held, in one word of the policy, such as `intro-call`.
    pub kind: String,
    /// DESCRIPTION.
    pub description: Option<String>,
    /// Whether others see only that the time is taken (CLASS:PRIVATE).
    pub private: bool,
    /// DTSTAMP and CREATED; an argument, because the core has no clock.
    pub created: Timestamp,
}

impl HoldSpec {
    /// Hash of everything but `created`: changes exactly when the intent does.
    #[must_use]
    pub fn intent_hash(&self) -> String {
        let marks = HoldMarks::of(self);
        let parts = [
            self.uid.clone(),
            marks.summary,
            marks.description.unwrap_or_default(),
            self.window.start.0.to_string(),
            self.window.end.0.to_string(),
            self.zone.clone(),
            self.group.clone(),
            self.expires.map_or_else(String::new, |at| at.0.to_string()),
            self.kind.clone(),
            self.private.to_string(),
        ];
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex().chars().take(32).collect()
    }
}

/// TEXT that cannot leave its property: no control characters but line feeds, and bounded.
pub(super) fn clean_text(text: &str, max: usize) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(max)
        .collect()
}

/// As [`clean_text`], on one line.
pub(super) fn clean_line(text: &str, max: usize) -> String {
    let spaced: String = text
        .chars()
        .map(|c| {
            if matches!(c, '\n' | '\r' | '\t') {
                ' '
            } else {
                c
            }
        })
        .collect();
    clean_text(&spaced, max).trim().to_owned()
}

/// A marker: visible ASCII without what iCalendar escapes, so every server keeps it as it is.
fn clean_marker(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| c.is_ascii_graphic() && !matches!(c, '\\' | ';' | ',' | '"'));
    kept.take(MAX_MARKER_CHARS).collect()
}

/// The iCalendar object of a hold: one VEVENT, its VTIMEZONE, CRLF line ends.
///
/// `STATUS:TENTATIVE`, `TRANSP:OPAQUE`, no people, no alarm, no recurrence. Every value from
/// outside is sanitised: nothing in a subject or a name can add a property. The same spec gives the
/// same bytes.
#[must_use]
pub fn build_hold(spec: &HoldSpec) -> String {
    let marks = HoldMarks::of(spec);
    let mut event = Event::new();
    let mut put = |name: &str, value: &str| {
        event.append_property(Property::new(name, value));
    };
    put("UID", &marks.uid);
    let created = utc_text(spec.created);
    for name in ["DTSTAMP", "CREATED", "LAST-MODIFIED"] {
        put(name, &created);
    }
    put("SEQUENCE", "0");
    put("SUMMARY", &marks.summary);
    if let Some(description) = &marks.description {
        put("DESCRIPTION", description);
    }
    put("STATUS", "TENTATIVE");
    put("TRANSP", "OPAQUE");
    if spec.private {
        put("CLASS", "PRIVATE");
    }
    put("CATEGORIES", HOLD_CATEGORY);
    put("X-MICROSOFT-CDO-BUSYSTATUS", "TENTATIVE");
    put(KIND_MARK, &clean_marker(&spec.kind));
    put("X-LIAISON-GROUP", &clean_marker(&spec.group));
    if let Some(expires) = spec.expires {
        put("X-LIAISON-EXPIRES", &utc_text(expires));
    }
    put(REV_MARK, &spec.intent_hash());
    let zone = local_zone(&spec.zone);
    for (name, at) in [("DTSTART", spec.window.start), ("DTEND", spec.window.end)] {
        let mut property = Property::new(name, time_text(at, zone.as_ref()));
        if zone.is_some() {
            property.add_parameter("TZID", spec.zone.trim());
        }
        event.append_property(property);
    }
    let mut calendar = Calendar::empty();
    calendar.append_property(Property::new("VERSION", "2.0"));
    calendar.append_property(Property::new("PRODID", PRODID));
    calendar.append_property(Property::new("CALSCALE", "GREGORIAN"));
    calendar.push(event);
    let text = calendar.to_string();
    match zone {
        // `icalendar` would add a random UID and DTSTAMP to a VTIMEZONE, so it is put in as text.
        Some(zone) => {
            let definition = vtimezone(&zone, spec.zone.trim(), spec.window);
            text.replacen("BEGIN:VEVENT", &format!("{definition}BEGIN:VEVENT"), 1)
        }
        None => text,
    }
}

pub(super) fn local_zone(name: &str) -> Option<TimeZone> {
    zone(name).filter(|zone| *zone != TimeZone::UTC)
}

pub(super) fn utc_text(at: Timestamp) -> String {
    format!("{}Z", wall_text(TimeZone::UTC.to_datetime(at.to_jiff())))
}

fn wall_text(wall: DateTime) -> String {
    wall.strftime("%Y%m%dT%H%M%S").to_string()
}

pub(super) fn time_text(at: Timestamp, zone: Option<&TimeZone>) -> String {
    zone.map_or_else(
        || utc_text(at),
        |zone| wall_text(zone.to_datetime(at.to_jiff())),
    )
}

/// A VTIMEZONE that is right from half a year before the window to half a year after it.
///
/// Fixed observances with the changes the zone database knows for that time; no rule is guessed.
pub(super) fn vtimezone(zone: &TimeZone, name: &str, window: Window) -> String {
    let margin = DAY_MS.saturating_mul(200);
    let from = window.start.minus_millis(margin).to_jiff();
    let to = window.end.plus_millis(margin).to_jiff();
    let mut lines = vec!["BEGIN:VTIMEZONE".to_owned(), format!("TZID:{name}")];
    let first = zone.to_offset_info(from);
    let mut before = first.offset();
    let label = first.abbreviation().to_owned();
    let start = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    lines.extend(observance(
        start,
        before,
        before,
        first.dst().is_dst(),
        &label,
    ));
    for change in zone
        .following(from)
        .take_while(|change| change.timestamp() <= to)
    {
        let local = before.to_datetime(change.timestamp());
        let dst = change.dst().is_dst();
        lines.extend(observance(
            local,
            before,
            change.offset(),
            dst,
            change.abbreviation(),
        ));
        before = change.offset();
    }
    lines.push("END:VTIMEZONE\r\n".to_owned());
    lines.join("\r\n")
}

fn observance(start: DateTime, from: Offset, to: Offset, dst: bool, label: &str) -> [String; 6] {
    let kind = if dst { "DAYLIGHT" } else { "STANDARD" };
    [
        format!("BEGIN:{kind}"),
        format!("DTSTART:{}", wall_text(start)),
        format!("TZOFFSETFROM:{}", offset_text(from)),
        format!("TZOFFSETTO:{}", offset_text(to)),
        format!("TZNAME:{}", clean_marker(label)),
        format!("END:{kind}"),
    ]
}

fn offset_text(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let total = seconds.unsigned_abs();
    let (hours, minutes) = (total.div_euclid(3600), total.div_euclid(60).rem_euclid(60));
    match total.rem_euclid(60) {
        0 => format!("{sign}{hours:02}{minutes:02}"),
        rest => format!("{sign}{hours:02}{minutes:02}{rest:02}"),
    }
}

/// What of a placed hold is ours to compare; kept beside its href and etag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldMarks {
    /// UID as written.
    pub uid: String,
    /// SUMMARY as written.
    pub summary: String,
    /// DESCRIPTION as written.
    pub description: Option<String>,
    /// The time held.
    pub window: Window,
    /// Zone of the owner.
    pub zone: String,
    /// Whether CLASS:PRIVATE was written.
    pub private: bool,
}

impl HoldMarks {
    /// The marks of what [`build_hold`] writes.
    #[must_use]
    pub fn of(spec: &HoldSpec) -> HoldMarks {
        let description = spec.description.as_deref();
        HoldMarks {
            uid: clean_line(&spec.uid, MAX_MARKER_CHARS),
            summary: clean_line(&spec.summary, MAX_SUMMARY_CHARS),
            description: description.map(|text| clean_text(text, MAX_DESCRIPTION_CHARS)),
            window: whole_seconds(spec.window),
            zone: spec.zone.clone(),
            private: spec.private,
        }
    }
}

/// iCalendar has no parts of a second.
pub(super) fn whole_seconds(window: Window) -> Window {
    let cut = |at: Timestamp| Timestamp(at.0.div_euclid(1000).saturating_mul(1000));
    Window {
        start: cut(window.start),
        end: cut(window.end),
    }
}

/// What became of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldObservation {
    /// As we placed it, whatever the server reordered or left out.
    Unchanged,
    /// A person changed it; what, in words. It is theirs now.
    Adopted(Vec<String>),
    /// It is gone, or a person cancelled it.
    Released,
    /// A person made a firm event of it at the same time.
    Confirmed,
}

/// Compares a placed hold with what the calendar holds now; `None` means it is gone.
///
/// Only what we own counts: time, summary, description, status, transparency, class, and that it
/// has no people, place or recurrence. A property that a server dropped is no change by a person;
/// an object that cannot be read, or is another event, is `Adopted`. Made definite at the same time
/// it is `Confirmed`, whatever else was changed: that is how people choose in their calendar.
#[must_use]
pub fn classify_hold(placed: &HoldMarks, current: Option<&[u8]>) -> HoldObservation {
    let Some(bytes) = current else {
        return HoldObservation::Released;
    };
    let object = read_calendar(bytes);
    let Some(event) = object.events.iter().find(|event| event.uid == placed.uid) else {
        let what = "the calendar has another object, or an unreadable one, in its place";
        return HoldObservation::Adopted(vec![what.to_owned()]);
    };
    if event.status == Some(EventStatus::Cancelled) {
        return HoldObservation::Released;
    }
    let stays = current_window(placed, &object) == Some(placed.window) && !event.is_recurring();
    if event.status == Some(EventStatus::Confirmed) && stays {
        return HoldObservation::Confirmed;
    }
    let changes = changes(placed, event, &object);
    if !changes.is_empty() {
        return HoldObservation::Adopted(changes);
    }
    HoldObservation::Unchanged
}

fn changes(placed: &HoldMarks, event: &CalendarEvent, object: &CalendarObject) -> Vec<String> {
    let mut changes = Vec::new();
    let window = current_window(placed, object);
    if window != Some(placed.window) {
        let now = window.map_or_else(
            || "no readable time".to_owned(),
            |window| format!("{} to {}", window.start, window.end),
        );
        changes.push(format!(
            "the time is {now}, not {} to {}",
            placed.window.start, placed.window.end
        ));
    }
    let summary = clean_line(
        event.summary.as_deref().unwrap_or_default(),
        MAX_SUMMARY_CHARS,
    );
    if !same_words(&summary, &placed.summary) {
        changes.push(format!("the title is `{summary}`"));
    }
    let ours = placed.description.as_deref().unwrap_or_default();
    let described = event.description.as_deref().unwrap_or_default();
    if !described.trim().is_empty() && !same_words(described, ours) {
        changes.push("the description was rewritten".to_owned());
    }
    if event.transparency == Transparency::Transparent {
        changes.push("it no longer blocks the time".to_owned());
    }
    let class = event.class.unwrap_or(if placed.private {
        Class::Private
    } else {
        Class::Public
    });
    if (class != Class::Public) != placed.private {
        changes.push("its visibility was changed".to_owned());
    }
    if !event.attendees.is_empty() {
        changes.push(format!("{} people were invited", event.attendees.len()));
    }
    if event
        .location
        .as_deref()
        .is_some_and(|place| !place.trim().is_empty())
    {
        changes.push("a place was added".to_owned());
    }
    if event.is_recurring() {
        changes.push("it repeats now".to_owned());
    }
    changes
}

/// Servers fold, trim and re-escape white space; people change words.
fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

fn current_window(placed: &HoldMarks, object: &CalendarObject) -> Option<Window> {
    let zone = zone(&placed.zone).unwrap_or(TimeZone::UTC);
    let found = super::recurrence::first_instances(object, &zone, 1);
    let own = found
        .instances
        .iter()
        .find(|instance| instance.uid == placed.uid)?;
    Some(Window {
        start: own.start,
        end: own.end,
    })
}

/// Properties that change without anybody changing the event.
const VOLATILE: [&str; 4] = ["DTSTAMP", "LAST-MODIFIED", "CREATED", "PRODID"];

/// Hash of what an object says, in hexadecimal: equal for the same object from different servers.
///
/// DTSTAMP, LAST-MODIFIED, CREATED and PRODID do not count, nor do the order of lines, components,
/// parameters and rule parts, the case of names, folds and line ends.
#[must_use]
pub fn normalised_hash(bytes: &[u8]) -> String {
    let gated = gate(bytes);
    let mut calendars: Vec<String> = gated.calendars.iter().map(normalised).collect();
    calendars.sort();
    let mut hasher = blake3::Hasher::new();
    for calendar in &calendars {
        hasher.update(calendar.as_bytes());
    }
    if calendars.is_empty() {
        hasher.update(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

/// The gate bounds the depth, and so the recursion here.
fn normalised(component: &RawComponent) -> String {
    let mut problems = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for property in properties(component, &mut problems) {
        if VOLATILE.contains(&property.name.as_str()) {
            continue;
        }
        let mut params: Vec<String> = property
            .params
            .iter()
            .map(|(key, values)| format!(";{key}={}", values.join(",")))
            .collect();
        params.sort();
        let value = if matches!(property.name.as_str(), "RRULE" | "EXRULE") {
            let upper = property.value.to_ascii_uppercase();
            let mut parts: Vec<&str> = upper.split(';').map(str::trim).collect();
            parts.sort_unstable();
            parts.join(";")
        } else {
            property.text()
        };
        lines.push(format!("{}{}:{value}\n", property.name, params.concat()));
    }
    // A line that cannot be read still tells two objects apart.
    lines.extend(
        problems
            .into_iter()
            .map(|problem| format!("?{}\n", problem.what)),
    );
    lines.extend(component.children.iter().map(normalised));
    lines.sort();
    format!(
        "BEGIN:{}\n{}END:{}\n",
        component.name,
        lines.concat(),
        component.name
    )
}

#[cfg(test)]
mod tests;
