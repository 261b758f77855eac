//! The view of one VEVENT (RFC 5545 section 3.6.1).

use serde::{Deserialize, Serialize};

use super::value::{EventDuration, EventTime};

/// STATUS of an event (RFC 5545 section 3.8.1.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// Not yet agreed, and blocks time all the same.
    Tentative,
    /// Takes place; also what an event without STATUS is.
    Confirmed,
    /// Does not take place.
    Cancelled,
}

impl EventStatus {
    /// The word in lower case: `tentative`, `confirmed`, `cancelled`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            EventStatus::Tentative => "tentative",
            EventStatus::Confirmed => "confirmed",
            EventStatus::Cancelled => "cancelled",
        }
    }
}

/// TRANSP (RFC 5545 section 3.8.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transparency {
    /// Blocks time; the default.
    #[default]
    Opaque,
    /// Leaves the time free.
    Transparent,
}

/// CLASS (RFC 5545 section 3.8.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Everyone with access may read it; the default.
    #[default]
    Public,
    /// Details are hidden; also what an unknown class means.
    Private,
    /// Details are hidden.
    Confidential,
}

/// PARTSTAT (RFC 5545 section 3.2.12); an unknown value counts as `NeedsAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartStat {
    /// No answer yet; the default.
    #[default]
    NeedsAction,
    /// Comes.
    Accepted,
    /// Does not come.
    Declined,
    /// May come.
    Tentative,
    /// Sends somebody else.
    Delegated,
}

/// ROLE (RFC 5545 section 3.2.16); an unknown value counts as `Required`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Leads the meeting.
    Chair,
    /// Must come; the default.
    #[default]
    Required,
    /// May come.
    Optional,
    /// Is only told.
    Informed,
}

/// ORGANIZER or ATTENDEE.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attendee {
    /// The address without `mailto:`, as written otherwise; any other URI is kept whole.
    pub address: String,
    /// CN.
    pub name: Option<String>,
    /// PARTSTAT.
    pub partstat: PartStat,
    /// ROLE.
    pub role: Role,
    /// SENT-BY: who acts for them, without `mailto:`.
    pub sent_by: Option<String>,
}

/// The word for an answer, as in PARTSTAT, in lower case.
#[must_use]
pub fn answer_of(answer: PartStat) -> &'static str {
    match answer {
        PartStat::NeedsAction => "needs-action",
        PartStat::Accepted => "accepted",
        PartStat::Declined => "declined",
        PartStat::Tentative => "tentative",
        PartStat::Delegated => "delegated",
    }
}

impl Attendee {
    /// Whether the person need not come (`OPT-PARTICIPANT` or `NON-PARTICIPANT`).
    #[must_use]
    pub fn optional(&self) -> bool {
        matches!(self.role, Role::Optional | Role::Informed)
    }
}

/// One value of RDATE; of a period the end is kept too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecurrenceDate {
    /// Start of the additional instance.
    pub start: EventTime,
    /// Own end of the instance (`VALUE=PERIOD`).
    pub end: Option<PeriodEnd>,
}

/// The second half of a PERIOD (RFC 5545 section 3.3.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeriodEnd {
    /// Explicit end.
    At(EventTime),
    /// Length.
    After(EventDuration),
}

/// One VEVENT: the master of a series, one override, or a single event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalendarEvent {
    /// Number of its BEGIN line.
    pub line: usize,
    /// UID; empty when missing, which is a problem.
    pub uid: String,
    /// RECURRENCE-ID: which instance of the series this one replaces.
    pub recurrence_id: Option<EventTime>,
    /// Whether RANGE=THISANDFUTURE stands on the RECURRENCE-ID.
    pub this_and_future: bool,
    /// SEQUENCE; 0 when missing.
    pub sequence: i64,
    /// SUMMARY.
    pub summary: Option<String>,
    /// DESCRIPTION.
    pub description: Option<String>,
    /// LOCATION.
    pub location: Option<String>,
    /// STATUS; `None` when missing or unknown, which means confirmed.
    pub status: Option<EventStatus>,
    /// TRANSP.
    pub transparency: Transparency,
    /// CLASS; `None` when missing.
    pub class: Option<Class>,
    /// ORGANIZER.
    pub organizer: Option<Attendee>,
    /// ATTENDEEs in file order.
    pub attendees: Vec<Attendee>,
    /// DTSTART; without it the event has no instances.
    pub start: Option<EventTime>,
    /// DTEND (exclusive).
    pub end: Option<EventTime>,
    /// DURATION.
    pub duration: Option<EventDuration>,
    /// RRULE values as written.
    pub rrules: Vec<String>,
    /// EXRULE values as written (RFC 2445; deprecated).
    pub exrules: Vec<String>,
    /// RDATE values.
    pub rdates: Vec<RecurrenceDate>,
    /// EXDATE values; a date removes the whole local day.
    pub exdates: Vec<EventTime>,
    /// CATEGORIES of all lines.
    pub categories: Vec<String>,
    /// DTSTAMP.
    pub dtstamp: Option<EventTime>,
    /// LAST-MODIFIED.
    pub last_modified: Option<EventTime>,
    /// Every `X-` property: name in upper case and text.
    pub x_properties: Vec<(String, String)>,
    /// X-WR-TIMEZONE of the VCALENDAR around it: the zone of floating times, and the one in which
    /// a series that starts in UTC recurs (so Google means it).
    pub calendar_zone: Option<String>,
}

impl CalendarEvent {
    /// The first value of an `X-` property; `name` in upper case.
    #[must_use]
    pub fn x_property(&self, name: &str) -> Option<&str> {
        let found = self.x_properties.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the event describes more than one instance.
    #[must_use]
    pub fn is_recurring(&self) -> bool {
        !self.rrules.is_empty() || !self.rdates.is_empty()
    }

    /// STATUS, confirmed where it is missing.
    #[must_use]
    pub fn effective_status(&self) -> EventStatus {
        self.status.unwrap_or(EventStatus::Confirmed)
    }
}
