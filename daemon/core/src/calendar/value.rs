//! Dates, times, durations and offsets of RFC 5545 section 3.3.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span};

use super::property::Property;

/// A point in a calendar as the file writes it; an instant only together with a zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventTime {
    /// A whole day (`VALUE=DATE`).
    Date(Date),
    /// UTC (`…Z`).
    Utc(DateTime),
    /// Wall clock wherever the reader is: no zone given.
    Floating(DateTime),
    /// Wall clock in a named zone.
    Zoned {
        /// The wall clock.
        local: DateTime,
        /// TZID as written; resolved by [`super::zones::ZoneTable::resolve`].
        tzid: String,
    },
}

impl EventTime {
    /// The wall clock as written; midnight for a date.
    #[must_use]
    pub fn wall(&self) -> DateTime {
        match self {
            EventTime::Date(date) => date.to_datetime(Time::midnight()),
            EventTime::Utc(local) | EventTime::Floating(local) | EventTime::Zoned { local, .. } => {
                *local
            }
        }
    }

    /// Whether this is a day and not a time.
    #[must_use]
    pub fn is_date(&self) -> bool {
        matches!(self, EventTime::Date(_))
    }
}

/// A DURATION (RFC 5545 section 3.3.6): days follow the calendar, seconds the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EventDuration {
    /// Nominal days, weeks included; negative where the duration is.
    pub days: i64,
    /// Exact seconds; negative where the duration is.
    pub seconds: i64,
}

impl EventDuration {
    /// The nominal part for calendar arithmetic, clamped to what a calendar can hold.
    #[must_use]
    pub fn days_span(&self) -> Span {
        Span::new().days(self.days.clamp(-MAX_DAYS, MAX_DAYS))
    }
}

/// About two thousand years: a longer event is a slip of the pen.
const MAX_DAYS: i64 = 730_000;

/// Reads `20260302` or `20260302T090000[Z]`, also with dashes and colons as some writers do, with a
/// UTC offset, parts of seconds, or 24:00; [`oddity`] says which of the latter it was.
#[must_use]
pub fn read_time(text: &str, tzid: Option<&str>) -> Option<EventTime> {
    let text = text.trim();
    let (body, utc) = match text.strip_suffix(['Z', 'z']) {
        Some(body) => (body, true),
        None => (text, false),
    };
    let (date, time) = match body.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time.trim())),
        None => (body, None),
    };
    let bare =
        |text: &str| -> String { text.chars().filter(|c| !matches!(c, '-' | ':')).collect() };
    let date = read_date(&bare(date))?;
    let Some(time) = time else {
        return Some(EventTime::Date(date));
    };
    let (clock, offset) = match time.find(['+', '-']) {
        Some(at) => {
            let (clock, offset) = time.split_at_checked(at)?;
            (clock, Some(read_offset(offset)?))
        }
        None => (time, None),
    };
    let clock = bare(clock.split(['.', ',']).next()?);
    // The end of a day, which ISO 8601 knows and RFC 5545 does not.
    let midnight = matches!(clock.as_str(), "240000" | "2400");
    let clock = if midnight { "000000" } else { &clock };
    let mut local = date.to_datetime(read_clock(clock)?);
    if midnight {
        local = local.checked_add(Span::new().days(1)).ok()?;
    }
    if let Some(offset) = offset.filter(|_| !utc) {
        let offset = SignedDuration::from_secs(i64::from(offset));
        return Some(EventTime::Utc(local.checked_sub(offset).ok()?));
    }
    Some(match tzid {
        _ if utc => EventTime::Utc(local),
        Some(tzid) if !tzid.trim().is_empty() => EventTime::Zoned {
            local,
            tzid: tzid.to_owned(),
        },
        _ => EventTime::Floating(local),
    })
}

/// What a time that [`read_time`] reads has that RFC 5545 does not allow, and how it was read.
#[must_use]
pub fn oddity(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let digits: String = time.chars().filter(char::is_ascii_digit).take(4).collect();
    if time.contains(['+', '-']) {
        Some("has a UTC offset: read as that instant")
    } else if digits == "2400" {
        Some("is the 24th hour: read as midnight of the next day")
    } else if time.contains(['.', ',']) {
        Some("has parts of seconds: they were left out")
    } else if date.contains('-') || time.contains(':') {
        Some("is written as in ISO 8601")
    } else {
        None
    }
}

fn read_date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = text.get(..4)?.parse().ok()?;
    Date::new(
        year,
        text.get(4..6)?.parse().ok()?,
        text.get(6..8)?.parse().ok()?,
    )
    .ok()
}

fn read_clock(text: &str) -> Option<Time> {
    if !(text.len() == 6 || text.len() == 4) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let second: i8 = text.get(4..6).map_or(Some(0), |s| s.parse().ok())?;
    // A leap second (RFC 5545 section 3.3.12) is read as the second before it.
    let second = if second == 60 { 59 } else { second };
    Time::new(
        text.get(..2)?.parse().ok()?,
        text.get(2..4)?.parse().ok()?,
        second,
        0,
    )
    .ok()
}

/// The value of a date or date-time property with its TZID; midnight is a day where `VALUE=DATE`
/// says so.
#[must_use]
pub fn property_time(property: &Property) -> Option<EventTime> {
    let read = read_time(&property.value, property.param("TZID"))?;
    let is_day = property
        .param("VALUE")
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("DATE"));
    let wall = read.wall();
    Some(if is_day && wall.time() == Time::midnight() {
        EventTime::Date(wall.date())
    } else {
        read
    })
}

/// Reads `P1DT2H`, `-PT15M`, `P2W`; also `P1DT` and lower case.
#[must_use]
pub fn read_duration(text: &str) -> Option<EventDuration> {
    let text = text.trim().to_ascii_uppercase();
    let (sign, body) = match text.strip_prefix('-') {
        Some(rest) => (-1_i64, rest),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let body = body.strip_prefix('P')?;
    let mut out = EventDuration::default();
    let mut number = String::new();
    let mut parts = 0_usize;
    for c in body.chars() {
        match c {
            '0'..='9' if number.len() < 10 => number.push(c),
            'T' if number.is_empty() => {}
            'W' | 'D' | 'H' | 'M' | 'S' => {
                let value: i64 = number.parse().ok()?;
                number.clear();
                parts = parts.saturating_add(1);
                let value = value.saturating_mul(sign);
                match c {
                    'W' => out.days = out.days.saturating_add(value.saturating_mul(7)),
                    'D' => out.days = out.days.saturating_add(value),
                    'H' => out.seconds = out.seconds.saturating_add(value.saturating_mul(3600)),
                    'M' => out.seconds = out.seconds.saturating_add(value.saturating_mul(60)),
                    _ => out.seconds = out.seconds.saturating_add(value),
                }
            }
            _ => return None,
        }
    }
    (parts > 0 && number.is_empty()).then_some(out)
}

/// Reads a UTC offset such as `+0200`, `-03:30`, `+023000` in seconds.
#[must_use]
pub fn read_offset(text: &str) -> Option<i32> {
    let text = text.trim();
    let (sign, digits) = match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => (-1_i32, rest),
        (None, Some(rest)) => (1, rest),
        (None, None) => (1, text),
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 1 | 2 | 4 | 6) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = if digits.len() == 1 {
        format!("0{digits}")
    } else {
        digits
    };
    let part = |range| {
        digits
            .get(range)
            .map_or(Some(0), |s: &str| s.parse::<i32>().ok())
    };
    let (hours, minutes, seconds) = (part(0..2)?, part(2..4)?, part(4..6)?);
    if hours > 25 || minutes > 59 || seconds > 59 {
        return None;
    }
    let total = hours
        .saturating_mul(3600)
        .saturating_add(minutes.saturating_mul(60));
    Some(total.saturating_add(seconds).saturating_mul(sign))
}
