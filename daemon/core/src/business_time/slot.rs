//! When a mail may leave: in our working hours, and not in the recipient's night.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::{BusinessCalendar, BusinessTimeError, DAY_MINUTES, WorkInterval};
use crate::time::{DAY_MS, Timestamp};
use crate::whereabouts::Place;

/// How far ahead an instant is looked for at which all are open: beyond every list of holidays that
/// means something.
const MEET_MS_MAX: i64 = 400 * DAY_MS;
/// Working hours and days are said by the week; a day more for a change of the clock in it.
const WEEK_MS: i64 = 8 * DAY_MS;
/// How much longer than it has to a mail waits until our hours meet their day: over a weekend.
const PATIENCE_MS: i64 = 4 * DAY_MS;
/// The same with holidays in between.
const HOLIDAYS_MS_MAX: i64 = 31 * DAY_MS;
/// Most rounds of one search: each goes on to the next opening of somebody.
const ROUNDS_MAX: usize = 4_000;
const FIRST_PLACE: &str =
    "it is never day at once in all places where the recipient may be: the first one decides";
const THEIR_DAY: &str = "our working hours hardly ever fall into the recipient's day: on a working \
                         day of ours the recipient's day decides";
const NO_DAY: &str = "the recipient's quiet hours leave no time at all: our working hours decide";
/// Most sentences of one explanation.
const REASONS_MAX: usize = 12;

/// A stretch of each night, in minutes after midnight; it may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    from: u16,
    to: u16,
}

impl FromStr for Night {
    type Err = BusinessTimeError;

    /// Reads `20:00-08:00`.
    fn from_str(text: &str) -> Result<Night, BusinessTimeError> {
        let wrong = || BusinessTimeError::Night {
            text: text.to_owned(),
        };
        // Each half is the end of an interval that begins at midnight.
        let minute = |part: &str| -> Option<u16> {
            let part = part.trim();
            if part == "00:00" {
                return Some(0);
            }
            let interval: WorkInterval = format!("00:00-{part}").parse().ok()?;
            Some(interval.to)
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (
            minute(from).ok_or_else(wrong)?,
            minute(to).ok_or_else(wrong)?,
        );
        let whole_day = from % DAY_MINUTES == to % DAY_MINUTES;
        if whole_day || from == DAY_MINUTES {
            return Err(wrong());
        }
        Ok(Night { from, to })
    }
}

impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |minute: u16| (minute.div_euclid(60), minute.rem_euclid(60));
        let ((h1, m1), (h2, m2)) = (part(self.from), part(self.to));
        write!(f, "{h1:02}:{m1:02}-{h2:02}:{m2:02}")
    }
}

impl Night {
    /// What of a day it leaves.
    fn day(self) -> Vec<WorkInterval> {
        let parts = if self.from < self.to {
            vec![(0, self.from), (self.to, DAY_MINUTES)]
        } else {
            vec![(self.to, self.from)]
        };
        let parts = parts.into_iter().filter(|(from, to)| from < to);
        parts.map(|(from, to)| WorkInterval { from, to }).collect()
    }
}

/// When mail of ours does not reach people, reckoned where they are (`[quiet_hours]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// Not at this time of any day.
    pub night: Option<Night>,
    /// Not on the days that are weekend there.
    pub weekends: bool,
    /// Holds for what a person approved, too.
    pub approved: bool,
    /// Holidays by IANA zone of the recipient.
    pub holidays: BTreeMap<String, BTreeMap<Date, String>>,
}

impl Default for QuietHours {
    /// From 20:00 to 08:00 and on weekends; what a person approved leaves all the same.
    fn default() -> QuietHours {
        QuietHours {
            night: Some(Night {
                from: 20 * 60,
                to: 8 * 60,
            }),
            weekends: true,
            approved: false,
            holidays: BTreeMap::new(),
        }
    }
}

impl QuietHours {
    /// None at all.
    #[must_use]
    pub fn none() -> QuietHours {
        QuietHours {
            night: None,
            weekends: false,
            ..QuietHours::default()
        }
    }

    /// Whether nobody is ever left in peace, so that nobody has to ask where they are.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.night.is_none() && !self.weekends && self.holidays.is_empty()
    }

    /// When somebody at a place may be written to; `None` when that is always.
    #[must_use]
    pub fn calendar(&self, place: &Place) -> Option<BusinessCalendar> {
        let name = place.to_string();
        let holidays = self.holidays.get(&name);
        if self.night.is_none() && !self.weekends && holidays.is_none() {
            return None;
        }
        let whole = || {
            vec![WorkInterval {
                from: 0,
                to: DAY_MINUTES,
            }]
        };
        let day = self.night.map_or_else(whole, Night::day);
        let weekend: &[Weekday] = if self.weekends { weekend(&name) } else { &[] };
        let hours = std::array::from_fn(|index| {
            let weekday = i8::try_from(index)
                .ok()
                .and_then(|index| Weekday::from_monday_zero_offset(index).ok());
            if weekday.is_some_and(|day| weekend.contains(&day)) {
                Vec::new()
            } else {
                day.clone()
            }
        });
        Some(BusinessCalendar {
            zone: place.zone()?,
            zone_name: name,
            hours,
            holidays: holidays.cloned().unwrap_or_default(),
        })
    }
}

/// The days of rest where a zone is: by zone, since that is all that is known.
fn weekend(zone: &str) -> &'static [Weekday] {
    match zone {
        "Africa/Algiers" | "Africa/Cairo" | "Africa/Khartoum" | "Africa/Tripoli" | "Asia/Aden"
        | "Asia/Amman" | "Asia/Baghdad" | "Asia/Bahrain" | "Asia/Damascus" | "Asia/Dhaka"
        | "Asia/Gaza" | "Asia/Hebron" | "Asia/Jerusalem" | "Asia/Kuwait" | "Asia/Muscat"
        | "Asia/Qatar" | "Asia/Riyadh" | "Asia/Tel_Aviv" | "Egypt" | "Indian/Maldives"
        | "Israel" | "Libya" => &[Weekday::Friday, Weekday::Saturday],
        "Asia/Kabul" | "Asia/Tehran" | "Iran" => &[Weekday::Thursday, Weekday::Friday],
        "Asia/Kathmandu" | "Asia/Katmandu" => &[Weekday::Saturday],
        _ => &[Weekday::Saturday, Weekday::Sunday],
    }
}

/// When something may leave, and why not sooner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The first instant, not before the one asked for.
    pub at: Timestamp,
    /// In a few words, without times; empty when there is no wait.
    pub brief: String,
    /// Every wait in order, with the local times; never empty.
    pub reasons: Vec<String>,
}

/// The first instant at or after `t` at which we work (`None`: we are not asked) and at which it is
/// day for everybody in `theirs`.
///
/// Where our working hours and their day hardly ever meet (an office in Berlin, a recipient in Auckland),
/// their day wins, on a working day of ours: a mail must not wait for ever, and one at three in the
/// morning is what this is against. Several recipients' places are places where one recipient may
/// be; where these never have day together, the first one counts.
#[must_use]
pub fn next_slot(
    ours: Option<&BusinessCalendar>,
    theirs: &[BusinessCalendar],
    t: Timestamp,
) -> Slot {
    let days = ours.map(BusinessCalendar::whole_days);
    let first = theirs.get(..1).unwrap_or_default();
    for (theirs, note) in [(theirs, ""), (first, FIRST_PLACE)] {
        let together = match (ours, &days) {
            (Some(ours), Some(days)) => meet_usually(ours, days, theirs, t),
            _ => all_open(&all(None, theirs), t, t.plus_millis(MEET_MS_MAX)),
        };
        if let Some(at) = together {
            return explained(ours, theirs, (t, at), note);
        }
        let by_day = all(days.as_ref(), theirs);
        if let Some(at) = all_open(&by_day, t, t.plus_millis(MEET_MS_MAX)) {
            return explained(days.as_ref(), theirs, (t, at), THEIR_DAY);
        }
    }
    match ours.and_then(|ours| all_open(&[ours], t, t.plus_millis(MEET_MS_MAX))) {
        Some(at) => explained(ours, &[], (t, at), NO_DAY),
        None => Slot {
            at: t,
            brief: String::new(),
            reasons: vec!["no working hours within sight: no wait".to_owned()],
        },
    }
}

fn all<'a>(
    ours: Option<&'a BusinessCalendar>,
    theirs: &'a [BusinessCalendar],
) -> Vec<&'a BusinessCalendar> {
    ours.into_iter().chain(theirs).collect()
}

/// When our hours meet their day; `None` where they do so by chance only, such as in the weeks when
/// one of two clocks has changed already.
///
/// `days` are our working days without their hours: how long it takes until one of them meets their
/// day, and until we work again, is how long the wait has to be anyway.
fn meet_usually(
    ours: &BusinessCalendar,
    days: &BusinessCalendar,
    theirs: &[BusinessCalendar],
    t: Timestamp,
) -> Option<Timestamp> {
    let weekly: Vec<BusinessCalendar> = theirs.iter().map(|one| one.without_holidays()).collect();
    let (our_week, our_days) = (ours.without_holidays(), days.without_holidays());
    let by_day = all_open(&all(Some(&our_days), &weekly), t, t.plus_millis(WEEK_MS))?;
    let until = by_day.max(our_week.next_slot(t)).plus_millis(PATIENCE_MS);
    all_open(&all(Some(&our_week), &weekly), t, until)?;
    let by_day = all_open(&all(Some(days), theirs), t, t.plus_millis(MEET_MS_MAX))?;
    let until = by_day.max(ours.next_slot(t)).plus_millis(HOLIDAYS_MS_MAX);
    all_open(&all(Some(ours), theirs), t, until)
}

/// The first instant in `t..until` at which all of them are open.
fn all_open(all: &[&BusinessCalendar], t: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let mut at = t;
    for _ in 0..ROUNDS_MAX {
        let mut next = at;
        for calendar in all {
            next = calendar.next_window(next)?.start;
        }
        if next == at {
            return Some(at);
        }
        if next >= until {
            return None;
        }
        at = next;
    }
    None
}

fn explained(
    ours: Option<&BusinessCalendar>,
    theirs: &[BusinessCalendar],
    (t, at): (Timestamp, Timestamp),
    note: &str,
) -> Slot {
    let mut reasons = Vec::new();
    let mut brief: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !brief.contains(&text) {
            brief.push(text);
        }
    };
    if !note.is_empty() {
        reasons.push(note.to_owned());
    }
    let mut now = t;
    while now < at && reasons.len() < REASONS_MAX {
        let before = now;
        if let Some(ours) = ours {
            let (next, why) = ours.explain_next_slot(now);
            if next > now {
                add("outside business hours".to_owned());
                reasons.extend(why);
                now = next;
            }
        }
        for place in theirs {
            let next = place.next_slot(now);
            if next > now && now < at {
                add(format!(
                    "night, weekend or holiday of the recipient ({})",
                    place.zone_name
                ));
                reasons.push(place.rest(now, next));
                now = next;
            }
        }
        if now == before {
            break;
        }
    }
    reasons.truncate(REASONS_MAX);
    if at == t {
        let ours = ours.map(|ours| format!("{} is inside working hours", ours.shown(t)));
        reasons.extend(ours);
        let day = theirs.iter();
        reasons.extend(day.map(|one| format!("for the recipient it is day: {}", one.shown(t))));
    }
    Slot {
        at,
        brief: brief.join("; "),
        reasons,
    }
}

impl BusinessCalendar {
    fn without_holidays(&self) -> BusinessCalendar {
        BusinessCalendar {
            holidays: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// The same working days, from midnight to midnight.
    fn whole_days(&self) -> BusinessCalendar {
        let whole = |day: &Vec<WorkInterval>| match day.is_empty() {
            true => Vec::new(),
            false => vec![WorkInterval {
                from: 0,
                to: DAY_MINUTES,
            }],
        };
        BusinessCalendar {
            hours: self.hours.each_ref().map(whole),
            ..self.clone()
        }
    }

    /// Why nobody is written to between two instants, in the words of a recipient's calendar.
    fn rest(&self, from: Timestamp, to: Timestamp) -> String {
        let (first, last) = (self.date_of(from), self.date_of(to));
        let mut kinds: Vec<String> = Vec::new();
        let days = first.series(1.day()).take_while(|date| *date <= last);
        for date in days.take(REASONS_MAX) {
            let kind = match self.holiday(date) {
                Some(name) => format!("a holiday there ({name})"),
                None if self.intervals(date).is_empty() => "weekend".to_owned(),
                None => "night".to_owned(),
            };
            if !kinds.contains(&kind) && (date < last || kinds.is_empty()) {
                kinds.push(kind);
            }
        }
        format!(
            "for the recipient it is {}: {} until {}",
            self.shown(from),
            kinds.join(", then "),
            self.shown(to)
        )
    }
}

#[cfg(test)]
mod tests;
