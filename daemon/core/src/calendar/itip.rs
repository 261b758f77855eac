//! What a message with an invitation says (RFC 5546 in mail, RFC 6047): the method, the one event,
//! and its times as instants.
//!
//! Reading only. Whether it may be believed, and what follows, is [`crate::meeting`]'s.

mod write;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::event::{Attendee, CalendarEvent, EventStatus, PartStat, PeriodEnd};
use super::gate::gate;
use super::recurrence::first_instances;
use super::rule::Budget;
use super::value::EventTime;
use super::zones::EventZone;
use super::{CalendarObject, read_calendar};
use crate::ids::derive;
use crate::mail::CalendarPart;
use crate::mail::address::Address;
use crate::message::{Person, cut_text};
use crate::time::{Timestamp, Window};

pub use write::Statement;

/// Longest UID of a meeting that is followed, in bytes; those of all known programs are shorter.
pub const UID_BYTES_MAX: usize = 300;
/// Times of one series that one message may speak of.
pub const PARTS_MAX: usize = 50;
/// People of one event that are kept: a record stays below what the store takes.
pub const PEOPLE_MAX: usize = 24;
/// Longest title kept, in characters.
pub const TITLE_CHARS_MAX: usize = 120;
/// Longest address kept, in bytes (RFC 5321 section 4.5.3.1).
const EMAIL_BYTES_MAX: usize = 254;
/// Longest name kept, in characters.
const NAME_CHARS_MAX: usize = 40;

/// METHOD of a message about a meeting (RFC 5546 section 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The organizer invites, or tells what changed.
    Request,
    /// The organizer adds times to a series.
    Add,
    /// The organizer calls it off, or somebody's part in it.
    Cancel,
    /// The organizer will not have the time that somebody proposed.
    DeclineCounter,
    /// An attendee answers.
    Reply,
    /// An attendee proposes another time.
    Counter,
    /// An attendee asks for the invitation again.
    Refresh,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 7] = [
        Method::Request,
        Method::Add,
        Method::Cancel,
        Method::DeclineCounter,
        Method::Reply,
        Method::Counter,
        Method::Refresh,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Request => "REQUEST",
            Method::Add => "ADD",
            Method::Cancel => "CANCEL",
            Method::DeclineCounter => "DECLINECOUNTER",
            Method::Reply => "REPLY",
            Method::Counter => "COUNTER",
            Method::Refresh => "REFRESH",
        }
    }

    /// The method of this word; PUBLISH and what nobody knows is none.
    #[must_use]
    pub fn of(word: &str) -> Option<Method> {
        let word = word.trim();
        let mut all = Method::ALL.into_iter();
        all.find(|method| method.as_str().eq_ignore_ascii_case(word))
    }

    /// Whether it presumes that the meeting is known here.
    #[must_use]
    pub fn is_answer_to_us(self) -> bool {
        !matches!(self, Method::Request | Method::Add)
    }

    /// Whether only the organizer may say it; the others are for an attendee to say.
    #[must_use]
    pub fn is_of_organizer(self) -> bool {
        matches!(
            self,
            Method::Request | Method::Add | Method::Cancel | Method::DeclineCounter
        )
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of two messages about the same is newer: SEQUENCE, then DTSTAMP (RFC 5546 section 2.1.5).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mark {
    /// SEQUENCE; 0 when missing.
    pub sequence: i64,
    /// DTSTAMP; the beginning of 1970 when missing.
    pub stamp: Timestamp,
}

/// Somebody at a meeting, and what they said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attending {
    /// Who.
    pub person: Person,
    /// Their answer.
    pub answer: PartStat,
    /// Need not come.
    pub optional: bool,
    /// Of the newest answer of theirs that came by mail; `None` when it is the organizer's word.
    pub answered: Option<Mark>,
}

/// One VEVENT of such a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardPart {
    /// RECURRENCE-ID as an instant; `None` for the whole meeting.
    pub at: Option<Timestamp>,
    /// When it takes place; of a series the first time. `None` where DTSTART is missing.
    pub when: Option<Window>,
    /// A matter of days.
    pub all_day: bool,
    /// Digest of what makes it a series: rules, dates, exceptions. Empty for a single meeting.
    pub rule: String,
    /// How new it is.
    pub mark: Mark,
    /// STATUS:CANCELLED.
    pub cancelled: bool,
    /// ATTENDEEs, at most [`PEOPLE_MAX`].
    pub people: Vec<Attending>,
    /// ATTENDEEs left out.
    pub left_out: usize,
}

/// What a message about a meeting says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it is for.
    pub method: Method,
    /// Which meeting.
    pub uid: String,
    /// SUMMARY, cut.
    pub title: String,
    /// ORGANIZER.
    pub organizer: Option<Person>,
    /// SENT-BY of the organizer and of the attendees: who may speak for them, as the object says.
    pub sent_by: Option<String>,
    /// The whole meeting first, then times of it; at least one.
    pub parts: Vec<HeardPart>,
}

/// The id under which a meeting is kept.
#[must_use]
pub fn meeting_id(uid: &str) -> String {
    derive("liaison meeting 1", &[uid.as_bytes()])
}

/// Reads the calendar objects of a message as one statement about one meeting. `Ok(None)` where
/// there is none: no object, or one that is merely published.
///
/// # Errors
/// Why nothing can be made of it, in words.
pub fn hear(parts: &[CalendarPart], zone: &TimeZone) -> Result<Option<Heard>, String> {
    let mut heard: Option<Heard> = None;
    for part in parts {
        let Some(next) = hear_part(part, zone)? else {
            continue;
        };
        match &heard {
            None => heard = Some(next),
            // The same as alternative and as file: one message.
            Some(first) if first.uid == next.uid && first.method == next.method => {}
            Some(first) => {
                return Err(format!(
                    "it carries two statements, {} of {} and {} of {}",
                    first.method,
                    shown(&first.uid),
                    next.method,
                    shown(&next.uid)
                ));
            }
        }
    }
    Ok(heard)
}

fn hear_part(part: &CalendarPart, zone: &TimeZone) -> Result<Option<Heard>, String> {
    let object = read_calendar(part.text.as_bytes());
    let method = match (&object.method, &part.method) {
        // RFC 6047 section 2.4: they must be the same.
        (Some(inside), Some(outside)) if !inside.eq_ignore_ascii_case(outside.trim()) => {
            return Err(format!(
                "its METHOD is {} and its Content-Type says {}",
                shown(inside),
                shown(outside)
            ));
        }
        (Some(inside), _) => Method::of(inside),
        // Without METHOD it is no scheduling message, whatever the header says.
        (None, _) => None,
    };
    let Some(method) = method else {
        return Ok(None);
    };
    let calendars = gate(part.text.as_bytes()).calendars.len();
    if calendars != 1 {
        return Err(format!("it has {calendars} VCALENDARs in one part"));
    }
    heard(&object, method, zone).map(Some)
}

/// What an object of one of our calendars says of the meeting `uid`, as its organizer would.
#[must_use]
pub fn seen_in_calendar(object: &CalendarObject, uid: &str, zone: &TimeZone) -> Option<Heard> {
    let only = CalendarObject {
        events: of_uid(object, uid),
        zones: object.zones.clone(),
        ..CalendarObject::default()
    };
    heard(&only, Method::Request, zone).ok()
}

fn of_uid(object: &CalendarObject, uid: &str) -> Vec<CalendarEvent> {
    let events = object.events.iter();
    events.filter(|event| event.uid == uid).cloned().collect()
}

fn heard(object: &CalendarObject, method: Method, zone: &TimeZone) -> Result<Heard, String> {
    let uids: BTreeSet<&str> = object.events.iter().map(|e| e.uid.as_str()).collect();
    let uid = match (uids.len(), uids.first()) {
        (0, _) => return Err("it has no readable event".to_owned()),
        (1, Some(&"")) => return Err("its event has no UID".to_owned()),
        (1, Some(uid)) if uid.len() > UID_BYTES_MAX => {
            return Err(format!("its UID is longer than {UID_BYTES_MAX} bytes"));
        }
        (1, Some(uid)) => (*uid).to_owned(),
        (more, _) => return Err(format!("it speaks of {more} meetings at once")),
    };
    if object.events.len() > PARTS_MAX {
        return Err(format!("it speaks of more than {PARTS_MAX} times"));
    }
    let organizer = object.events.iter().find_map(|e| e.organizer.as_ref());
    let people = object.events.iter().flat_map(|event| &event.attendees);
    let acting = match method.is_of_organizer() {
        true => organizer.and_then(|organizer| organizer.sent_by.clone()),
        false => people.filter_map(|one| one.sent_by.clone()).next(),
    };
    let title = object.events.iter().find_map(|e| e.summary.as_deref());
    // One for all of them: zones of their own are evaluated in a bounded number of steps.
    let budget = RefCell::new(Budget::default());
    let mut parts: Vec<HeardPart> = object
        .events
        .iter()
        .map(|event| part(object, event, (zone, &budget)))
        .collect();
    parts.sort_by_key(|part| part.at);
    Ok(Heard {
        method,
        uid,
        title: cut_text(title.unwrap_or_default().trim(), TITLE_CHARS_MAX),
        organizer: organizer.map(person),
        sent_by: acting.as_deref().map(lookup_form),
        parts,
    })
}

fn part(
    object: &CalendarObject,
    event: &CalendarEvent,
    (zone, budget): (&TimeZone, &RefCell<Budget>),
) -> HeardPart {
    let instant = |time: &EventTime| instant(object, time, (zone, &mut budget.borrow_mut()));
    let stamp = event.dtstamp.as_ref().map(instant).unwrap_or_default();
    let placed = placed(object, event, zone);
    let people = event
        .attendees
        .iter()
        .take(PEOPLE_MAX)
        .map(|one| Attending {
            person: person(one),
            answer: one.partstat,
            optional: one.optional(),
            answered: None,
        });
    HeardPart {
        at: event.recurrence_id.as_ref().map(instant),
        when: placed.map(|(when, _)| when),
        all_day: placed.is_some_and(|(_, all_day)| all_day),
        rule: rule(event, &instant),
        mark: Mark {
            sequence: event.sequence,
            stamp,
        },
        cancelled: event.status == Some(EventStatus::Cancelled),
        people: people.collect(),
        left_out: event.attendees.len().saturating_sub(PEOPLE_MAX),
    }
}

/// When the event takes place, or first does.
fn placed(
    object: &CalendarObject,
    event: &CalendarEvent,
    zone: &TimeZone,
) -> Option<(Window, bool)> {
    let once = CalendarEvent {
        recurrence_id: None,
        rrules: Vec::new(),
        exrules: Vec::new(),
        rdates: Vec::new(),
        exdates: Vec::new(),
        attendees: Vec::new(),
        ..event.clone()
    };
    let object = CalendarObject {
        events: vec![once],
        zones: object.zones.clone(),
        ..CalendarObject::default()
    };
    let first = first_instances(&object, zone, 1).instances.pop()?;
    let (start, end) = (first.start, first.end);
    Some((Window { start, end }, first.all_day))
}

/// An instant, so that a zone with another name is no other time.
fn instant(
    object: &CalendarObject,
    time: &EventTime,
    (zone, budget): (&TimeZone, &mut Budget),
) -> Timestamp {
    let of = match time {
        EventTime::Utc(_) => EventZone::Named(TimeZone::UTC),
        EventTime::Zoned { tzid, .. } => object.zones.resolve(tzid, zone, budget).0,
        EventTime::Date(_) | EventTime::Floating(_) => EventZone::Named(zone.clone()),
    };
    of.instant(time.wall())
}

/// What makes a series of it, the same however it is written down.
fn rule(event: &CalendarEvent, instant: &dyn Fn(&EventTime) -> Timestamp) -> String {
    if !event.is_recurring() {
        return String::new();
    }
    let sorted = |rule: &String| {
        let mut parts: Vec<String> = rule.split(';').map(|p| p.trim().to_uppercase()).collect();
        parts.sort();
        parts.join(";")
    };
    let mut all: BTreeSet<String> = BTreeSet::new();
    all.extend(event.rrules.iter().map(|rule| format!("r{}", sorted(rule))));
    all.extend(
        event
            .exrules
            .iter()
            .map(|rule| format!("e{}", sorted(rule))),
    );
    all.extend(event.exdates.iter().map(|at| format!("x{}", instant(at).0)));
    all.extend(event.rdates.iter().map(|date| {
        let end = match &date.end {
            Some(PeriodEnd::At(end)) => format!("-{}", instant(end).0),
            Some(PeriodEnd::After(length)) => format!("+{}.{}", length.days, length.seconds),
            None => String::new(),
        };
        format!("d{}{end}", instant(&date.start).0)
    }));
    let parts: Vec<&[u8]> = all.iter().map(String::as_bytes).collect();
    derive("liaison series 1", &parts)
}

fn person(attendee: &Attendee) -> Person {
    let name = attendee.name.as_deref().map(str::trim);
    Person {
        name: name
            .filter(|name| !name.is_empty())
            .map(|name| cut_text(name, NAME_CHARS_MAX)),
        email: lookup_form(&attendee.address),
    }
}

/// An address as all others are compared; what is none is kept in lower case, to be shown.
fn lookup_form(address: &str) -> String {
    let address = match address.trim().split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto:") => rest,
        _ => address,
    };
    let form = Address::parse(address.trim())
        .map_or_else(|_| address.trim().to_lowercase(), |address| address.key());
    let end = form.floor_char_boundary(EMAIL_BYTES_MAX);
    form.get(..end).unwrap_or_default().to_owned()
}

/// A word from outside, fit for a line.
fn shown(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("`{}`", cut_text(&clean, 60))
}

#[cfg(test)]
mod tests;
