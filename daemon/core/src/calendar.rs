//! Calendars: what an iCalendar object (RFC 5545) says, in values the rest can rely on.
//!
//! ```text
//! bytes ─► gate (limits, lines, tree) ─► read (CalendarObject) ─► recurrence (Instance)
//!                                                                   ├─► free_busy (BusySpan) ─► slots
//!                                                                   └─► inspect (JSON)
//! bytes of others ─► tree (LineTree) ─► the same bytes with a few lines changed
//! HoldSpec ─► hold (iCalendar text) ─► a server, a person ─► classify_hold
//! ```
//!
//! Every function here is total: any bytes give a value and a list of [`Problem`]s, and a broken
//! line or component never costs another one.

pub mod agenda;
pub mod event;
pub mod feed;
pub mod free_busy;
pub mod gate;
pub mod hold;
pub mod holidays;
pub mod inspect;
pub mod itip;
pub mod property;
pub mod read;
pub mod recurrence;
pub mod rule;
pub mod slots;
pub mod tree;
pub mod value;
pub mod zones;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

pub use event::{
    Attendee, CalendarEvent, Class, EventStatus, PartStat, RecurrenceDate, Role, Transparency,
    answer_of,
};
pub use free_busy::{BusyKind, BusyRules, BusySpan, FreeBusy, Meeting, busy};
pub use hold::{
    HoldMarks, HoldObservation, HoldSpec, KIND_MARK, REV_MARK, build_hold, classify_hold,
    meeting_of, normalised_hash, remarked,
};
pub use inspect::inspect_json;
pub use read::read_calendar;
pub use recurrence::{Instance, Instances, RecurrenceId, instances};
pub use slots::{Attending, FreeDay, FreeTime, NoTime, SlotRequest, SlotRules, free_time};
pub use tree::{Edit, LineTree, NewProperty, TreeError};
pub use value::{EventDuration, EventTime};

/// Something in a calendar object that is wrong, left out or guessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Number of the line (from 1) where the trouble begins, where there is one.
    pub line: Option<usize>,
    /// What is wrong and what was done about it.
    pub what: String,
}

impl Problem {
    /// A problem of the whole object.
    #[must_use]
    pub fn general(what: impl Into<String>) -> Problem {
        Problem {
            line: None,
            what: what.into(),
        }
    }

    /// A problem of the content line that begins at `line`.
    #[must_use]
    pub fn at(line: usize, what: impl Into<String>) -> Problem {
        Problem {
            line: Some(line),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Problems kept for one object; a file of nothing but broken lines needs no more to be understood.
pub const MAX_PROBLEMS: usize = 200;

/// Adds a problem unless it is known already; the last place of [`MAX_PROBLEMS`] says that there
/// are more.
pub(crate) fn note(problems: &mut Vec<Problem>, problem: Problem) {
    if problems.len() >= MAX_PROBLEMS || problems.contains(&problem) {
        return;
    }
    if problems.len().saturating_add(1) == MAX_PROBLEMS {
        problems.push(Problem::general(
            "there are more problems: they are not listed",
        ));
    } else {
        problems.push(problem);
    }
}

/// Everything read from one calendar file, mail part or CalDAV resource.
#[derive(Debug, Clone, Default)]
pub struct CalendarObject {
    /// METHOD in upper case (RFC 5546 section 1.4), of the first VCALENDAR that has one.
    pub method: Option<String>,
    /// The VEVENTs in file order, of all VCALENDARs in the file.
    pub events: Vec<CalendarEvent>,
    /// What was wrong, in the order it was found.
    pub problems: Vec<Problem>,
    /// The zones that the file itself defines (VTIMEZONE).
    pub zones: zones::ZoneTable,
    /// How often each component name occurs below VCALENDAR, children included.
    pub components: BTreeMap<String, usize>,
}

/// The components of an object in words: `2 VEVENT, 1 VTIMEZONE`, or `no components`.
///
/// Sorted by name; STANDARD, DAYLIGHT and VALARM are parts of others and not named.
#[must_use]
pub fn parts_summary(object: &CalendarObject) -> String {
    let parts: Vec<String> = object
        .components
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "STANDARD" | "DAYLIGHT" | "VALARM"))
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if parts.is_empty() {
        "no components".to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
mod hostile;
