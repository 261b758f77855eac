//! Components to [`CalendarObject`]: lenient, and nothing is dropped without a [`Problem`].

use std::collections::BTreeMap;

use super::event::{
    Attendee, CalendarEvent, Class, EventStatus, PartStat, PeriodEnd, RecurrenceDate, Role,
    Transparency,
};
use super::gate::{Gated, RawComponent, gate};
use super::property::{Property, has_bare_zone, read_property};
use super::value::{oddity, property_time, read_duration, read_time};
use super::{CalendarObject, Problem, note};

/// Dates kept of all EXDATE or RDATE lines of one event; a decade of daily exceptions is fewer.
pub const MAX_LISTED_DATES: usize = 5_000;
/// RRULE or EXRULE lines kept of one event; RFC 5545 allows one.
pub const MAX_RULES: usize = 16;
/// Attendees kept of one event.
pub const MAX_ATTENDEES: usize = 2_000;

/// Reads a calendar file, mail part or CalDAV resource; any bytes give an object.
///
/// Several VCALENDARs in one file are read as one object, with the zones of all of them.
#[must_use]
pub fn read_calendar(bytes: &[u8]) -> CalendarObject {
    read_gated(&gate(bytes))
}

/// As [`read_calendar`], of what the gate let through.
pub(super) fn read_gated(gated: &Gated) -> CalendarObject {
    let mut object = CalendarObject {
        problems: gated.problems.clone(),
        ..CalendarObject::default()
    };
    for calendar in &gated.calendars {
        read_vcalendar(calendar, &mut object);
    }
    object
}

fn read_vcalendar(calendar: &RawComponent, object: &mut CalendarObject) {
    let own = properties(calendar, &mut object.problems);
    let value = |name: &str| own.iter().find(|p| p.name == name).map(|p| p.text());
    if object.method.is_none() {
        object.method = value("METHOD").map(|m| m.trim().to_ascii_uppercase());
    }
    let zone = value("X-WR-TIMEZONE").filter(|zone| !zone.trim().is_empty());
    for child in &calendar.children {
        count(child, &mut object.components);
    }
    // Components nobody knows may hold events; the gate bounds how deep.
    let mut waiting: Vec<&RawComponent> = calendar.children.iter().rev().collect();
    while let Some(child) = waiting.pop() {
        match child.name.as_str() {
            "VEVENT" => {
                let mut event = read_event(child, &mut object.problems);
                event.calendar_zone.clone_from(&zone);
                object.events.push(event);
            }
            "VTIMEZONE" => read_zone(child, object),
            _ => waiting.extend(child.children.iter().rev()),
        }
    }
}

fn read_zone(component: &RawComponent, object: &mut CalendarObject) {
    let lines = properties(component, &mut object.problems);
    let parts = component
        .children
        .iter()
        .map(|part| (part.name.clone(), properties(part, &mut object.problems)))
        .collect();
    object
        .zones
        .define(&lines, parts, component.number, &mut object.problems);
}

fn count(component: &RawComponent, counts: &mut BTreeMap<String, usize>) {
    let mut waiting = vec![component];
    while let Some(next) = waiting.pop() {
        let entry = counts.entry(next.name.clone()).or_default();
        *entry = entry.saturating_add(1);
        waiting.extend(&next.children);
    }
}

/// The lines of one component as properties; lines that are none become problems.
pub(crate) fn properties(component: &RawComponent, problems: &mut Vec<Problem>) -> Vec<Property> {
    let mut out = Vec::with_capacity(component.lines.len());
    for line in &component.lines {
        match read_property(line) {
            Ok(property) => {
                if has_bare_zone(line) {
                    let what = format!(
                        "{} names its zone without quotes, which it needs: it was read",
                        property.name
                    );
                    note(problems, Problem::at(line.number, what));
                }
                out.push(property);
            }
            Err(what) => note(problems, Problem::at(line.number, what)),
        }
    }
    out
}

fn read_event(component: &RawComponent, problems: &mut Vec<Problem>) -> CalendarEvent {
    let lines = properties(component, problems);
    let mut event = CalendarEvent {
        line: component.number,
        ..CalendarEvent::default()
    };
    for property in &lines {
        take_text(property, &mut event);
        take_word(property, &mut event, problems);
        take_time(property, &mut event, problems);
        take_recurrence(property, &mut event, problems);
        take_person(property, &mut event, problems);
    }
    if event.uid.is_empty() {
        note(problems, Problem::at(event.line, "the event has no UID"));
    }
    if event.start.is_none() {
        let what = "the event has no readable DTSTART: it has no instances";
        note(problems, Problem::at(event.line, what));
    }
    if event.end.is_some() && event.duration.is_some() {
        note(
            problems,
            Problem::at(event.line, "both DTEND and DURATION: DTEND was taken"),
        );
    }
    event
}

fn take_text(property: &Property, event: &mut CalendarEvent) {
    let first = |slot: &mut Option<String>| {
        if slot.is_none() {
            *slot = Some(property.text());
        }
    };
    match property.name.as_str() {
        "UID" if event.uid.is_empty() => property.text().trim().clone_into(&mut event.uid),
        "SUMMARY" => first(&mut event.summary),
        "DESCRIPTION" => first(&mut event.description),
        "LOCATION" => first(&mut event.location),
        "CATEGORIES" => event.categories.extend(property.text_list()),
        name if name.starts_with("X-") => {
            event.x_properties.push((name.to_owned(), property.text()));
        }
        _ => {}
    }
}

fn take_word(property: &Property, event: &mut CalendarEvent, problems: &mut Vec<Problem>) {
    let word = property.value.trim().to_ascii_uppercase();
    let mut unknown = |meaning: &str| {
        let shown: String = word.chars().take(40).collect();
        let what = format!("{} `{shown}` is unknown: taken as {meaning}", property.name);
        note(problems, Problem::at(property.line, what));
    };
    match property.name.as_str() {
        "STATUS" => match word.as_str() {
            "TENTATIVE" => event.status = Some(EventStatus::Tentative),
            "CONFIRMED" => event.status = Some(EventStatus::Confirmed),
            "CANCELLED" | "CANCELED" => event.status = Some(EventStatus::Cancelled),
            _ => unknown("confirmed"),
        },
        "TRANSP" => match word.as_str() {
            "TRANSPARENT" => event.transparency = Transparency::Transparent,
            "OPAQUE" => event.transparency = Transparency::Opaque,
            _ => unknown("OPAQUE"),
        },
        "CLASS" => {
            event.class = Some(match word.as_str() {
                "PUBLIC" => Class::Public,
                "CONFIDENTIAL" => Class::Confidential,
                // RFC 5545 section 3.8.1.3: unknown values are treated as PRIVATE.
                _ => Class::Private,
            });
        }
        "SEQUENCE" => match word.parse() {
            Ok(sequence) => event.sequence = sequence,
            Err(_) => unknown("0"),
        },
        _ => {}
    }
}

fn take_time(property: &Property, event: &mut CalendarEvent, problems: &mut Vec<Problem>) {
    let slot = match property.name.as_str() {
        "DTSTART" => &mut event.start,
        "DTEND" => &mut event.end,
        "RECURRENCE-ID" => &mut event.recurrence_id,
        "DTSTAMP" => &mut event.dtstamp,
        "LAST-MODIFIED" => &mut event.last_modified,
        "DURATION" => {
            event.duration = read_duration(&property.value);
            if event.duration.is_none() {
                unreadable(property, problems);
            }
            return;
        }
        _ => return,
    };
    match property_time(property) {
        Some(time) => *slot = Some(time),
        None => unreadable(property, problems),
    }
    note_oddity(property, &property.value, problems);
    if property.name == "RECURRENCE-ID" {
        let range = property.param("RANGE").unwrap_or_default();
        event.this_and_future = range.eq_ignore_ascii_case("THISANDFUTURE");
        if !range.is_empty() && !event.this_and_future {
            let what = "RANGE is not THISANDFUTURE: only the one instance is replaced";
            note(problems, Problem::at(property.line, what));
        }
    }
}

/// Names what was read though RFC 5545 does not allow it.
fn note_oddity(property: &Property, value: &str, problems: &mut Vec<Problem>) {
    let Some(what) = oddity(value).filter(|_| read_time(value, None).is_some()) else {
        return;
    };
    let shown: String = value.chars().take(40).collect();
    let what = format!("{} `{shown}` {what}", property.name);
    note(problems, Problem::at(property.line, what));
}

fn unreadable(property: &Property, problems: &mut Vec<Problem>) {
    let shown: String = property.value.chars().take(40).collect();
    let what = format!("{} `{shown}` cannot be read and was ignored", property.name);
    note(problems, Problem::at(property.line, what));
}

fn take_recurrence(property: &Property, event: &mut CalendarEvent, problems: &mut Vec<Problem>) {
    match property.name.as_str() {
        "RRULE" | "EXRULE" => {
            let rules = if property.name == "RRULE" {
                &mut event.rrules
            } else {
                &mut event.exrules
            };
            if rules.len() < MAX_RULES {
                rules.push(property.value.trim().to_owned());
            } else {
                let what = format!("more than {MAX_RULES} rules: the rest was left out");
                note(problems, Problem::at(property.line, what));
            }
        }
        "EXDATE" | "RDATE" => take_dates(property, event, problems),
        _ => {}
    }
}

fn take_dates(property: &Property, event: &mut CalendarEvent, problems: &mut Vec<Problem>) {
    let tzid = property.param("TZID");
    for item in property
        .value
        .split(',')
        .filter(|item| !item.trim().is_empty())
    {
        let (start_text, end) = match item.split_once('/') {
            Some((start, end)) => (start, Some(end)),
            None => (item, None),
        };
        let Some(start) = read_time(start_text, tzid) else {
            unreadable(property, problems);
            continue;
        };
        note_oddity(property, start_text, problems);
        if event.exdates.len().max(event.rdates.len()) >= MAX_LISTED_DATES {
            let what = format!("more than {MAX_LISTED_DATES} dates: the rest was left out");
            return note(problems, Problem::at(property.line, what));
        }
        if property.name == "EXDATE" {
            event.exdates.push(start);
            continue;
        }
        let end = end.and_then(|end| {
            let after = read_duration(end).map(PeriodEnd::After);
            let end = after.or_else(|| read_time(end, tzid).map(PeriodEnd::At));
            if end.is_none() {
                unreadable(property, problems);
            }
            end
        });
        event.rdates.push(RecurrenceDate { start, end });
    }
}

fn take_person(property: &Property, event: &mut CalendarEvent, problems: &mut Vec<Problem>) {
    match property.name.as_str() {
        "ORGANIZER" if event.organizer.is_none() => event.organizer = Some(person(property)),
        "ATTENDEE" if event.attendees.len() < MAX_ATTENDEES => {
            event.attendees.push(person(property));
        }
        "ATTENDEE" => {
            let what = format!("more than {MAX_ATTENDEES} attendees: the rest was left out");
            note(problems, Problem::at(event.line, what));
        }
        _ => {}
    }
}

fn person(property: &Property) -> Attendee {
    let address = without_scheme(&property.value);
    // Exchange writes an X.500 path as the value and the address into EMAIL (RFC 7986).
    let email = property.param("EMAIL").filter(|_| !address.contains('@'));
    let word = |name: &str| {
        property
            .param(name)
            .unwrap_or_default()
            .to_ascii_uppercase()
    };
    Attendee {
        address: email.unwrap_or(address).to_owned(),
        name: property
            .param("CN")
            .map(str::to_owned)
            .filter(|name| !name.is_empty()),
        partstat: match word("PARTSTAT").as_str() {
            "ACCEPTED" => PartStat::Accepted,
            "DECLINED" => PartStat::Declined,
            "TENTATIVE" => PartStat::Tentative,
            "DELEGATED" => PartStat::Delegated,
            _ => PartStat::NeedsAction,
        },
        role: match word("ROLE").as_str() {
            "CHAIR" => Role::Chair,
            "OPT-PARTICIPANT" => Role::Optional,
            "NON-PARTICIPANT" => Role::Informed,
            _ => Role::Required,
        },
        sent_by: property
            .param("SENT-BY")
            .map(|uri| without_scheme(uri).to_owned()),
    }
}

/// The address of a `mailto:` URI; any other URI is kept whole.
fn without_scheme(uri: &str) -> &str {
    let uri = uri.trim();
    match uri.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto:") => rest.trim(),
        _ => uri,
    }
}

#[cfg(test)]
mod tests;
