//! Working hours: when an office is open, and what "three business days later" means.
//!
//! Everything is reckoned by civil date in the zone of the office; no offset is carried from one
//! day to another, so a clock change moves nothing.

mod slot;
mod work_time;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp, Window};
use crate::zones::zone;

pub use slot::{Night, QuietHours, Slot, next_slot};
pub use work_time::{Trip, WORK_DAYS_MAX, WorkTime};

/// Minutes of a civil day.
const DAY_MINUTES: u16 = 24 * 60;
/// Days searched for an open hour: ten years, longer than any list of holidays.
const MAX_SEARCH_DAYS: usize = 3660;
/// More than any zone is away from UTC, in milliseconds.
const OFFSET_MS_MAX: i64 = 26 * HOUR_MS;
/// Changes of the clock looked at around one day: no zone had more than one.
const CHANGES_MAX: usize = 8;
/// The largest number in a [`BusinessDuration`]; whoever waits longer means "never".
pub const MAX_DURATION_COUNT: u32 = 100_000;

/// Working time inside one civil day, in minutes after midnight; `to` is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkInterval {
    /// First minute, 0 to 1439.
    pub from: u16,
    /// First minute after it, up to 1440 (midnight).
    pub to: u16,
}

impl FromStr for WorkInterval {
    type Err = BusinessTimeError;

    /// Reads `09:00-17:30`; the end may be `24:00`.
    fn from_str(text: &str) -> Result<WorkInterval, BusinessTimeError> {
        let wrong = || BusinessTimeError::Interval {
            text: text.to_owned(),
        };
        let minute = |part: &str| -> Option<u16> {
            let (hour, minute) = part.trim().split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            let total = hour.saturating_mul(60).saturating_add(minute);
            (minute < 60 && total <= DAY_MINUTES).then_some(total)
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (
            minute(from).ok_or_else(wrong)?,
            minute(to).ok_or_else(wrong)?,
        );
        if from < to {
            Ok(WorkInterval { from, to })
        } else {
            Err(wrong())
        }
    }
}

/// Why working time could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusinessTimeError {
    /// Not a stretch of a day.
    #[error("`{text}` is no working time: write it like 09:00-17:30, the end after the start")]
    Interval {
        /// What was given.
        text: String,
    },
    /// Not a duration.
    #[error(
        "`{text}` is no duration: write it like 3 business days, 4 business hours, 2 weeks, \
         7 days, 12 hours or 90 minutes"
    )]
    Duration {
        /// What was given.
        text: String,
    },
    /// No such zone.
    #[error("`{name}` is no IANA zone: write it like Europe/Berlin")]
    Zone {
        /// What was given.
        name: String,
    },
    /// Not a stretch of the night.
    #[error("`{text}` is no night: write it like 20:00-08:00, at least a minute of the day left")]
    Night {
        /// What was given.
        text: String,
    },
    /// Never open.
    #[error("no weekday has working hours: give at least one, like 09:00-17:00")]
    NeverOpen,
}

/// When one office works.
#[derive(Debug, Clone)]
pub struct BusinessCalendar {
    zone: TimeZone,
    zone_name: String,
    /// By weekday, Monday first; sorted, without overlaps.
    hours: [Vec<WorkInterval>; 7],
    holidays: BTreeMap<Date, String>,
}

impl BusinessCalendar {
    /// An office in an IANA zone with working time by weekday (Monday first) and named holidays.
    ///
    /// Overlapping intervals of a day are joined.
    ///
    /// # Errors
    /// When the zone is unknown, an interval is empty or reversed, or no weekday has any.
    pub fn new(
        zone_name: &str,
        hours: [Vec<WorkInterval>; 7],
        holidays: BTreeMap<Date, String>,
    ) -> Result<BusinessCalendar, BusinessTimeError> {
        let zone = zone(zone_name).ok_or_else(|| BusinessTimeError::Zone {
            name: zone_name.to_owned(),
        })?;
        for interval in hours.iter().flatten() {
            if interval.from >= interval.to || interval.to > DAY_MINUTES {
                let text = format!("minute {} to {}", interval.from, interval.to);
                return Err(BusinessTimeError::Interval { text });
            }
        }
        if hours.iter().all(Vec::is_empty) {
            return Err(BusinessTimeError::NeverOpen);
        }
        let hours = hours.map(joined);
        Ok(BusinessCalendar {
            zone,
            zone_name: zone_name.trim().to_owned(),
            hours,
            holidays,
        })
    }

    /// Monday to Friday, the same hours each day, no holidays.
    ///
    /// # Errors
    /// As [`BusinessCalendar::new`].
    pub fn weekdays(
        zone_name: &str,
        interval: WorkInterval,
    ) -> Result<BusinessCalendar, BusinessTimeError> {
        let day = || vec![interval];
        let hours = [day(), day(), day(), day(), day(), Vec::new(), Vec::new()];
        BusinessCalendar::new(zone_name, hours, BTreeMap::new())
    }

    /// The zone of the office.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Its IANA name as configured.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// The civil date at an instant.
    #[must_use]
    pub fn date_of(&self, t: Timestamp) -> Date {
        self.zone.to_datetime(t.to_jiff()).date()
    }

    /// The first instant of a civil date.
    #[must_use]
    pub fn start_of(&self, date: Date) -> Timestamp {
        let ambiguous = self
            .zone
            .to_ambiguous_timestamp(date.to_datetime(Time::midnight()));
        let found = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => ambiguous.earlier().map(|before| {
                let change = self.zone.following(before).next();
                change.map_or(before, |change| change.timestamp())
            }),
            _ => ambiguous.compatible(),
        };
        found.map_or(Timestamp(i64::MAX), Timestamp::from_jiff)
    }

    /// The same office with more holidays; a day that has a name keeps it.
    #[must_use]
    pub fn with_holidays(mut self, more: &BTreeMap<Date, String>) -> BusinessCalendar {
        for (date, name) in more {
            let known = self.holidays.entry(*date);
            known.or_insert_with(|| name.clone());
        }
        self
    }

    /// The same hours and holidays in another zone.
    ///
    /// # Errors
    /// When the zone is unknown.
    pub fn in_zone(mut self, name: &str) -> Result<BusinessCalendar, BusinessTimeError> {
        self.zone = zone(name).ok_or_else(|| BusinessTimeError::Zone {
            name: name.to_owned(),
        })?;
        name.trim().clone_into(&mut self.zone_name);
        Ok(self)
    }

    /// The same zone and holidays with other hours.
    ///
    /// # Errors
    /// As [`BusinessCalendar::new`].
    pub fn with_hours(
        self,
        hours: [Vec<WorkInterval>; 7],
    ) -> Result<BusinessCalendar, BusinessTimeError> {
        BusinessCalendar::new(&self.zone_name, hours, self.holidays)
    }

    /// The name of the holiday on a date.
    #[must_use]
    pub fn holiday(&self, date: Date) -> Option<&str> {
        self.holidays.get(&date).map(String::as_str)
    }

    /// Whether the date has working hours and is no holiday.
    #[must_use]
    pub fn is_working_day(&self, date: Date) -> bool {
        !self.intervals(date).is_empty()
    }

    fn intervals(&self, date: Date) -> &[WorkInterval] {
        if self.holidays.contains_key(&date) {
            return &[];
        }
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        self.hours.get(day).map_or(&[], Vec::as_slice)
    }

    /// The working intervals of a date with the instants they cover: those at which the wall clock
    /// shows a time inside the interval. An hour that the clock skips shortens them; one that it
    /// repeats lengthens them, or makes two of one where only a part of it is repeated.
    #[must_use]
    pub fn open_on(&self, date: Date) -> Vec<(WorkInterval, Window)> {
        let intervals = self.intervals(date);
        if intervals.is_empty() {
            return Vec::new();
        }
        let stretches = self.stretches(date);
        let mut out: Vec<(WorkInterval, Window)> = Vec::with_capacity(intervals.len());
        for interval in intervals {
            let from = utc(wall(date, interval.from));
            let to = utc(wall(date, interval.to));
            for (stretch, offset_ms) in &stretches {
                let start = from.minus_millis(*offset_ms).max(stretch.start);
                let end = to.minus_millis(*offset_ms).min(stretch.end);
                match out.last_mut() {
                    _ if start >= end => {}
                    Some((last, window)) if last == interval && window.end == start => {
                        window.end = end;
                    }
                    _ => out.push((*interval, Window { start, end })),
                }
            }
        }
        out
    }

    /// The instants around a date, cut where the clock changes, each part with its offset in
    /// milliseconds.
    fn stretches(&self, date: Date) -> Vec<(Window, i64)> {
        let midnight = utc(date.to_datetime(Time::midnight()));
        let mut start = midnight.minus_millis(OFFSET_MS_MAX);
        let last = midnight.plus_millis(DAY_MS + OFFSET_MS_MAX);
        let mut offset = self.zone.to_offset(start.to_jiff());
        let mut out = Vec::new();
        for change in self.zone.following(start.to_jiff()).take(CHANGES_MAX) {
            let at = Timestamp::from_jiff(change.timestamp());
            if at >= last {
                break;
            }
            out.push((Window { start, end: at }, offset_ms(offset)));
            (start, offset) = (at, change.offset());
        }
        out.push((Window { start, end: last }, offset_ms(offset)));
        out
    }

    /// The instant of a minute of a date; `None` when the clock skips it. Of a repeated hour the
    /// first pass.
    #[must_use]
    pub fn unrepeated_instant(&self, date: Date, minute: u16) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall(date, minute));
        if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            return None;
        }
        ambiguous.earlier().ok().map(Timestamp::from_jiff)
    }

    /// Whether the clock shows this time for the second time, because it was set back.
    #[must_use]
    pub fn is_repeat(&self, t: Timestamp) -> bool {
        let local = self.zone.to_datetime(t.to_jiff());
        let first = self.zone.to_ambiguous_timestamp(local).earlier();
        first.is_ok_and(|first| Timestamp::from_jiff(first) < t)
    }

    /// Whether somebody works at this instant.
    #[must_use]
    pub fn is_open(&self, t: Timestamp) -> bool {
        let date = self.date_of(t);
        self.open_on(date)
            .iter()
            .any(|(_, window)| window.start <= t && t < window.end)
    }

    /// The first instant at or after `t` inside working hours.
    ///
    /// `t` itself when there is none within ten years, which only a list of holidays without a gap
    /// can cause.
    #[must_use]
    pub fn next_slot(&self, t: Timestamp) -> Timestamp {
        self.next_window(t).map_or(t, |window| window.start)
    }

    /// What is left at `t` of the working interval around or after it.
    fn next_window(&self, t: Timestamp) -> Option<Window> {
        let days = self.date_of(t).series(1.day()).take(MAX_SEARCH_DAYS);
        for date in days {
            for (_, window) in self.open_on(date) {
                if window.end > t {
                    return Some(Window {
                        start: window.start.max(t),
                        end: window.end,
                    });
                }
            }
        }
        None
    }

    /// [`Self::next_slot`] with the reasons for each wait, in order, for `liaison why`.
    #[must_use]
    pub fn explain_next_slot(&self, t: Timestamp) -> (Timestamp, Vec<String>) {
        let slot = self.next_slot(t);
        if self.is_open(t) {
            return (
                slot,
                vec![format!("{} is inside working hours", self.shown(t))],
            );
        }
        let mut reasons = Vec::new();
        let last = self.date_of(slot);
        for date in self
            .date_of(t)
            .series(1.day())
            .take_while(|date| *date <= last)
            .take(40)
        {
            let day = format!("{} {date}", weekday_name(date.weekday()));
            let open = self.open_on(date);
            if let Some(name) = self.holiday(date) {
                reasons.push(format!("{day} is a holiday: {name}"));
            } else if open.is_empty() {
                reasons.push(format!("{day} is no working day"));
            } else if open.iter().all(|(_, window)| window.end <= t) {
                reasons.push(format!(
                    "{day}: working hours are over ({})",
                    hours_text(&open)
                ));
            } else if date == self.date_of(t) && open.iter().any(|(_, window)| window.end <= t) {
                reasons.push(format!(
                    "{day}: between working hours ({})",
                    hours_text(&open)
                ));
            } else if date == self.date_of(t) {
                reasons.push(format!(
                    "{day}: before working hours ({})",
                    hours_text(&open)
                ));
            }
        }
        if slot == t {
            reasons.push("no working hours within ten years: no wait".to_owned());
        } else {
            reasons.push(format!("the next working hour begins {}", self.shown(slot)));
        }
        (slot, reasons)
    }

    /// `2026-03-02 09:00 Europe/Berlin (+01:00)`.
    #[must_use]
    pub fn shown(&self, t: Timestamp) -> String {
        shown_in(&self.zone, &self.zone_name, t)
    }

    /// The same wall-clock time `days` working days later, moved into working hours.
    ///
    /// The day of `t` does not count, whatever it is. A time before or between working hours moves
    /// to their next start, a time after them to the next working day, so the wait is never
    /// shorter than asked for. `days` = 0 is [`Self::next_slot`].
    #[must_use]
    pub fn add_business_days(&self, t: Timestamp, days: u32) -> Timestamp {
        let local = self.zone.to_datetime(t.to_jiff());
        let Some(wanted) = usize::try_from(days)
            .ok()
            .and_then(|days| days.checked_sub(1))
        else {
            return self.next_slot(t);
        };
        let later = local.date().saturating_add(1.day());
        let reach = MAX_SEARCH_DAYS.saturating_add(wanted.saturating_mul(7));
        let mut working = later
            .series(1.day())
            .take(reach)
            .filter(|date| self.is_working_day(*date));
        let Some(date) = working.nth(wanted) else {
            return t;
        };
        let same = self
            .zone
            .to_ambiguous_timestamp(date.to_datetime(local.time()))
            .compatible();
        self.next_slot(same.map_or(t, Timestamp::from_jiff))
    }

    /// The instant when `hours` of working time have passed since `t`.
    #[must_use]
    pub fn add_business_hours(&self, t: Timestamp, hours: u32) -> Timestamp {
        let mut left = i64::from(hours).saturating_mul(HOUR_MS);
        let mut at = t;
        for _ in 0..MAX_SEARCH_DAYS {
            let Some(open) = self.next_window(at) else {
                return at;
            };
            if left <= open.millis() && (left > 0 || open.start >= at) {
                return open.start.plus_millis(left);
            }
            left = left.saturating_sub(open.millis());
            at = open.end;
        }
        at
    }
}

fn joined(mut day: Vec<WorkInterval>) -> Vec<WorkInterval> {
    day.sort();
    let mut out: Vec<WorkInterval> = Vec::with_capacity(day.len());
    for interval in day {
        match out.last_mut() {
            Some(last) if interval.from <= last.to => last.to = last.to.max(interval.to),
            _ => out.push(interval),
        }
    }
    out
}

fn wall(date: Date, minute: u16) -> DateTime {
    date.to_datetime(Time::midnight())
        .saturating_add(Span::new().minutes(i64::from(minute)))
}

/// `2026-03-02 09:00 Europe/Berlin (+01:00)`: nobody has to guess whose clock is meant.
pub(crate) fn shown_in(zone: &TimeZone, name: &str, t: Timestamp) -> String {
    let zoned = t.to_jiff().to_zoned(zone.clone());
    format!(
        "{} {name} ({})",
        zoned.strftime("%Y-%m-%d %H:%M"),
        zoned.strftime("%:z")
    )
}

/// A wall clock as if it stood in UTC.
fn utc(wall: DateTime) -> Timestamp {
    let instant = TimeZone::UTC.to_timestamp(wall);
    instant.map_or(Timestamp(i64::MAX), Timestamp::from_jiff)
}

fn offset_ms(offset: Offset) -> i64 {
    i64::from(offset.seconds()).saturating_mul(1000)
}

fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

fn hours_text(open: &[(WorkInterval, Window)]) -> String {
    let texts: Vec<String> = open
        .iter()
        .map(|(interval, _)| interval.to_string())
        .collect();
    texts.join(", ")
}

impl fmt::Display for WorkInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |minute: u16| (minute.div_euclid(60), minute.rem_euclid(60));
        let ((h1, m1), (h2, m2)) = (part(self.from), part(self.to));
        write!(f, "{h1:02}:{m1:02}-{h2:02}:{m2:02}")
    }
}

/// A wait as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BusinessDuration {
    /// Working days.
    BusinessDays(u32),
    /// Hours of working time.
    BusinessHours(u32),
    /// Calendar weeks.
    Weeks(u32),
    /// Calendar days, at the same wall-clock time.
    Days(u32),
    /// Exact hours.
    Hours(u32),
    /// Exact minutes.
    Minutes(u32),
}

impl BusinessDuration {
    /// The instant this long after `t`.
    ///
    /// Days and weeks keep the wall clock of the office; only the business units look at its
    /// hours.
    #[must_use]
    pub fn after(self, t: Timestamp, calendar: &BusinessCalendar) -> Timestamp {
        let civil = |days: u32| {
            let local = calendar.zone.to_datetime(t.to_jiff());
            let later = local.saturating_add(Span::new().days(i64::from(days)));
            let instant = calendar.zone.to_ambiguous_timestamp(later).compatible();
            instant.map_or(Timestamp(i64::MAX), Timestamp::from_jiff)
        };
        match self {
            BusinessDuration::BusinessDays(days) => calendar.add_business_days(t, days),
            BusinessDuration::BusinessHours(hours) => calendar.add_business_hours(t, hours),
            BusinessDuration::Weeks(weeks) => civil(weeks.saturating_mul(7)),
            BusinessDuration::Days(days) => civil(days),
            BusinessDuration::Hours(hours) => {
                t.plus_millis(i64::from(hours).saturating_mul(HOUR_MS))
            }
            BusinessDuration::Minutes(minutes) => {
                t.plus_millis(i64::from(minutes).saturating_mul(MINUTE_MS))
            }
        }
    }
}

impl FromStr for BusinessDuration {
    type Err = BusinessTimeError;

    fn from_str(text: &str) -> Result<BusinessDuration, BusinessTimeError> {
        let wrong = || BusinessTimeError::Duration {
            text: text.to_owned(),
        };
        let lower = text.trim().to_ascii_lowercase();
        let at = lower
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(wrong)?;
        let (number, unit) = lower.split_at_checked(at).ok_or_else(wrong)?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        if number > MAX_DURATION_COUNT {
            return Err(wrong());
        }
        let words: Vec<&str> = unit
            .split([' ', '-', '_'])
            .filter(|word| !word.is_empty())
            .collect();
        let make = match words.as_slice() {
            ["business" | "working" | "work", "day" | "days"] => BusinessDuration::BusinessDays,
            ["business" | "working" | "work", "hour" | "hours"] => BusinessDuration::BusinessHours,
            ["w" | "week" | "weeks"] => BusinessDuration::Weeks,
            ["d" | "day" | "days"] => BusinessDuration::Days,
            ["h" | "hour" | "hours"] => BusinessDuration::Hours,
            ["m" | "min" | "minute" | "minutes"] => BusinessDuration::Minutes,
            _ => return Err(wrong()),
        };
        Ok(make(number))
    }
}

impl fmt::Display for BusinessDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match *self {
            BusinessDuration::BusinessDays(number) => (number, "business day"),
            BusinessDuration::BusinessHours(number) => (number, "business hour"),
            BusinessDuration::Weeks(number) => (number, "week"),
            BusinessDuration::Days(number) => (number, "day"),
            BusinessDuration::Hours(number) => (number, "hour"),
            BusinessDuration::Minutes(number) => (number, "minute"),
        };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

impl Serialize for BusinessDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BusinessDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BusinessDuration, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod every_zone;
#[cfg(test)]
mod tests;
