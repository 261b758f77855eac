//! Instances of events inside a window: rules, dates, exceptions and overrides together.
//!
//! Rules run in the wall-clock time of the series and are localised one by one, so a meeting at
//! nine stays at nine across a change of the clock. Overrides find their instance by instant.
//! An instance that an override cancels is listed with the status `cancelled`, because the file
//! says so; one that EXDATE removes is not listed.

mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use self::place::{Length, Placed, Until};
use super::event::{CalendarEvent, EventStatus, PeriodEnd, Transparency};
use super::rule::{Budget, Rule, WallRange, expand, read_rule};
use super::value::EventTime;
use super::zones::EventZone;
use super::{CalendarObject, Problem, note};
use crate::time::{Timestamp, Window};

/// Instances listed of one object for one window; a year of a busy team has fewer.
pub const MAX_INSTANCES: usize = 50_000;

/// The years 1 to 9998: all that RFC 5545 can write, with room on both sides to calculate.
const ALWAYS: Window = Window {
    start: Timestamp(-62_135_510_400_000),
    end: Timestamp(253_339_142_400_000),
};
/// The longest event looked for before a window: about two thousand years.
const MAX_REACH_SECONDS: i64 = 730_000 * 86_400;

/// Which instance of a series: by its original start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecurrenceId {
    /// Original day of a series of whole days.
    Date(Date),
    /// Original instant.
    Instant(Timestamp),
}

impl fmt::Display for RecurrenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecurrenceId::Date(date) => fmt::Display::fmt(date, f),
            RecurrenceId::Instant(instant) => fmt::Display::fmt(instant, f),
        }
    }
}

impl Serialize for RecurrenceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One time that an event takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// UID of the event; empty when the file has none.
    pub uid: String,
    /// Original start; `None` for an event that does not repeat.
    pub recurrence_id: Option<RecurrenceId>,
    /// First instant.
    pub start: Timestamp,
    /// First instant after it; equal to `start` for an event without length.
    pub end: Timestamp,
    /// Whether it is a matter of days; then `start` and `end` are midnights of the default zone.
    pub all_day: bool,
    /// SUMMARY.
    pub summary: Option<String>,
    /// STATUS, confirmed where it is missing.
    pub status: EventStatus,
    /// TRANSP.
    pub transparency: Transparency,
    /// Place in [`CalendarObject::events`] of the component that describes this instance.
    pub event: usize,
}

impl Instance {
    /// Whether it shares any instant with the window; one without length counts where it begins.
    #[must_use]
    pub fn is_in(&self, window: &Window) -> bool {
        let ends = self.end.max(self.start.plus_millis(1));
        self.start < window.end && window.start < ends
    }
}

/// The instances found, and what stood in the way of finding them.
#[derive(Debug, Clone, Default)]
pub struct Instances {
    /// Sorted by start, end, UID.
    pub instances: Vec<Instance>,
    /// Rules not understood, zones guessed, lists cut short. The problems of reading the file are
    /// in [`CalendarObject::problems`].
    pub problems: Vec<Problem>,
}

/// The instances of all events that overlap the half-open window.
///
/// `default_zone` places whole days and floating times, and stands in for unknown zones.
#[must_use]
pub fn instances(object: &CalendarObject, window: Window, default_zone: &TimeZone) -> Instances {
    expand_object(object, window, default_zone, usize::MAX)
}

/// As [`instances`] without a window: every single event, and the first `limit` instances of each
/// series.
#[must_use]
pub fn first_instances(
    object: &CalendarObject,
    default_zone: &TimeZone,
    limit: usize,
) -> Instances {
    expand_object(object, ALWAYS, default_zone, limit)
}

fn expand_object(
    object: &CalendarObject,
    window: Window,
    default_zone: &TimeZone,
    limit: usize,
) -> Instances {
    let window = Window {
        start: window.start.max(ALWAYS.start),
        end: window.end.min(ALWAYS.end),
    };
    let mut expander = Expander {
        object,
        window,
        default: EventZone::Named(default_zone.clone()),
        default_zone,
        limit,
        zones: BTreeMap::new(),
        budget: Budget::default(),
        out: Instances::default(),
    };
    let mut series: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for (index, event) in object.events.iter().enumerate() {
        // Events without a UID are no series with each other.
        let key = if event.uid.is_empty() {
            ("", index)
        } else {
            (event.uid.as_str(), 0)
        };
        series.entry(key).or_default().push(index);
    }
    for members in series.values() {
        expander.series(members);
    }
    let mut out = expander.out;
    out.instances
        .sort_by(|a, b| (a.start, a.end, &a.uid).cmp(&(b.start, b.end, &b.uid)));
    if out.instances.len() > MAX_INSTANCES {
        out.instances.truncate(MAX_INSTANCES);
        let what = format!("more than {MAX_INSTANCES} instances: the rest was left out");
        note(&mut out.problems, Problem::general(what));
    }
    out
}

/// Everything about one UID.
struct Series {
    master: Option<(usize, Placed)>,
    overrides: BTreeMap<RecurrenceId, (usize, Placed)>,
    /// Removed starts.
    excluded: BTreeSet<RecurrenceId>,
    excluded_days: BTreeSet<Date>,
}

struct Expander<'a> {
    object: &'a CalendarObject,
    window: Window,
    default: EventZone,
    default_zone: &'a TimeZone,
    limit: usize,
    zones: BTreeMap<&'a str, EventZone>,
    budget: Budget,
    out: Instances,
}

impl<'a> Expander<'a> {
    fn problem(&mut self, line: usize, what: impl Into<String>) {
        note(&mut self.out.problems, Problem::at(line, what));
    }

    fn named(&mut self, tzid: &'a str, line: usize) -> EventZone {
        if let Some(known) = self.zones.get(tzid) {
            return known.clone();
        }
        let (zone, problem) = self.object.zones.resolve(tzid, self.default_zone);
        if let Some(what) = problem {
            self.problem(line, what);
        }
        self.zones.insert(tzid, zone.clone());
        zone
    }

    fn zone_of(&mut self, time: &'a EventTime, event: &'a CalendarEvent) -> EventZone {
        match time {
            EventTime::Date(_) => self.default.clone(),
            EventTime::Zoned { tzid, .. } => self.named(tzid, event.line),
            EventTime::Floating(_) => match &event.calendar_zone {
                Some(tzid) => self.named(tzid, event.line),
                None => self.default.clone(),
            },
            EventTime::Utc(_) => EventZone::Named(TimeZone::UTC),
        }
    }

    fn instant(&mut self, time: &'a EventTime, event: &'a CalendarEvent) -> Timestamp {
        self.zone_of(time, event).instant(time.wall())
    }

    fn series(&mut self, members: &[usize]) {
        let series = self.gather(members);
        if let Some((index, placed)) = &series.master {
            self.master(*index, placed, &series);
        }
        for (key, (index, placed)) in &series.overrides {
            // EXDATE with a day removes what the rule puts on that day; an override of a timed
            // instance is there because somebody moved it.
            let gone = match key {
                RecurrenceId::Date(date) => series.excluded_days.contains(date),
                RecurrenceId::Instant(_) => series.excluded.contains(key),
            };
            if !gone {
                let span = placed.span(placed.wall, placed.length);
                self.push(*index, Some(*key), span, placed.all_day);
            }
        }
    }

    /// Sorts the components of one UID; of several for the same start the highest SEQUENCE counts,
    /// and of equals the first in the file.
    fn gather(&mut self, members: &[usize]) -> Series {
        let object = self.object;
        let event_at = |index: usize| object.events.get(index);
        let mut best: Option<(usize, &CalendarEvent)> = None;
        for (index, event) in members.iter().filter_map(|i| Some((*i, event_at(*i)?))) {
            if event.recurrence_id.is_some() {
                continue;
            }
            if best.is_some() {
                let what = "two events have the same UID: the one with the higher SEQUENCE counts";
                self.problem(event.line, what);
            }
            if best.is_none_or(|(_, known)| event.sequence > known.sequence) {
                best = Some((index, event));
            }
        }
        let master = best.and_then(|(index, event)| Some((index, self.place(event)?)));
        let mut series = Series {
            master,
            overrides: BTreeMap::new(),
            excluded: BTreeSet::new(),
            excluded_days: BTreeSet::new(),
        };
        if let Some((_, event)) = best {
            self.exclusions(event, &mut series);
        }
        for (index, event) in members.iter().filter_map(|i| Some((*i, event_at(*i)?))) {
            let Some(original) = &event.recurrence_id else {
                continue;
            };
            let Some(placed) = self.place(event) else {
                continue;
            };
            let key = self.key_of(original, event, &series, &placed);
            let sequence = |index: usize| event_at(index).map_or(0, |event| event.sequence);
            let known = series
                .overrides
                .get(&key)
                .map(|(known, _)| sequence(*known));
            if known.is_none_or(|known| event.sequence > known) {
                series.overrides.insert(key, (index, placed));
            }
        }
        series
    }

    /// The start that a RECURRENCE-ID or EXDATE names, in the form its series uses.
    fn key_of(
        &mut self,
        time: &'a EventTime,
        event: &'a CalendarEvent,
        series: &Series,
        own: &Placed,
    ) -> RecurrenceId {
        let master = series.master.as_ref().map_or(own, |(_, placed)| placed);
        match (time, master.all_day) {
            (EventTime::Date(date), true) => RecurrenceId::Date(*date),
            // A day that names a timed instance: the one at the usual time of that day.
            (EventTime::Date(date), false) if series.master.is_some() => {
                master.key(date.to_datetime(master.wall.time()))
            }
            (EventTime::Date(date), false) => RecurrenceId::Date(*date),
            (EventTime::Floating(wall), false) => RecurrenceId::Instant(master.zone.instant(*wall)),
            (_, false) => RecurrenceId::Instant(self.instant(time, event)),
            (_, true) if time.wall().time() == Time::midnight() => {
                RecurrenceId::Date(time.wall().date())
            }
            (_, true) => {
                let instant = self.instant(time, event);
                RecurrenceId::Date(self.default.wall(instant).date())
            }
        }
    }

    fn exclusions(&mut self, event: &'a CalendarEvent, series: &mut Series) {
        let Some((_, placed)) = series.master.clone() else {
            return;
        };
        for exdate in &event.exdates {
            if let EventTime::Date(date) = exdate {
                series.excluded_days.insert(*date);
                continue;
            }
            let key = self.key_of(exdate, event, series, &placed);
            series.excluded.insert(key);
        }
    }

    /// The stretch of wall-clock time in which starts may lie that show up in the window.
    ///
    /// A clock change moves a start by a day at most (Samoa, 2011). Rules that fire every minute
    /// get an hour only: a day of their instances would use up the bound on them.
    fn wall_range(&self, event: &CalendarEvent, placed: &Placed, series: &Series) -> WallRange {
        let mut seconds = placed.length.seconds_at_most();
        for (key, (_, moved)) in &series.overrides {
            let RecurrenceId::Instant(original) = key else {
                continue;
            };
            let shift = moved
                .zone
                .instant(moved.wall)
                .since(*original)
                .saturating_abs();
            let reach = shift
                .div_euclid(1000)
                .saturating_add(moved.length.seconds_at_most());
            seconds = seconds.max(reach);
        }
        let dense = event.rrules.iter().any(|rule| {
            let rule = rule.to_ascii_uppercase();
            rule.contains("SECONDLY") || rule.contains("MINUTELY")
        });
        let margin = if dense { 3_600 } else { 2 * 86_400 };
        let reach = seconds.saturating_add(margin).clamp(0, MAX_REACH_SECONDS);
        let reach = SignedDuration::from_secs(reach);
        WallRange {
            from: placed.zone.wall(self.window.start).saturating_sub(reach),
            to: placed.zone.wall(self.window.end).saturating_add(reach),
        }
    }

    fn master(&mut self, index: usize, placed: &Placed, series: &Series) {
        let Some(event) = self.object.events.get(index) else {
            return;
        };
        let range = self.wall_range(event, placed, series);
        let (starts, ends) = self.starts(event, placed, range);
        let recurring = event.is_recurring();
        let mut listed = 0_usize;
        let mut seen = BTreeSet::new();
        for wall in starts {
            let key = placed.key(wall);
            let gone = series.excluded.contains(&key)
                || series.excluded_days.contains(&wall.date())
                || series.overrides.contains_key(&key);
            if gone || !seen.insert(key) {
                continue;
            }
            if recurring && listed >= self.limit {
                break;
            }
            let before = self.out.instances.len();
            match self.following(key, series) {
                Some((changed, moved, moved_wall)) => {
                    let span = moved.span(moved_wall, moved.length);
                    self.push(changed, Some(key), span, moved.all_day);
                }
                None => {
                    let own_end = ends.get(&wall).copied();
                    let span = match own_end {
                        Some(length) => placed.span(wall, length),
                        None => placed.span(wall, placed.length),
                    };
                    self.push(index, recurring.then_some(key), span, placed.all_day);
                }
            }
            if self.out.instances.len() > before {
                listed = listed.saturating_add(1);
            }
        }
    }

    /// The last THISANDFUTURE override before `key`, and where it puts this start.
    fn following<'s>(
        &self,
        key: RecurrenceId,
        series: &'s Series,
    ) -> Option<(usize, &'s Placed, DateTime)> {
        let marked = |index: usize| {
            self.object
                .events
                .get(index)
                .is_some_and(|event| event.this_and_future)
        };
        let (changed_key, (index, moved)) = series
            .overrides
            .range(..key)
            .rev()
            .find(|(_, (index, _))| marked(*index))?;
        let wall_of = |key: &RecurrenceId| match key {
            RecurrenceId::Date(date) => date.to_datetime(Time::midnight()),
            RecurrenceId::Instant(instant) => moved.zone.wall(*instant),
        };
        let shift = moved.wall.duration_since(wall_of(changed_key));
        Some((*index, moved, wall_of(&key).saturating_add(shift)))
    }

    /// All starts of a series in the range, and the lengths of those that bring their own.
    fn starts(
        &mut self,
        event: &'a CalendarEvent,
        placed: &Placed,
        range: WallRange,
    ) -> (BTreeSet<DateTime>, BTreeMap<DateTime, Length>) {
        let mut starts = BTreeSet::new();
        let mut last_untils = Vec::new();
        for text in &event.rrules {
            let Some((found, until)) = self.rule_starts(text, event, placed, range) else {
                continue;
            };
            last_untils.push(until);
            starts.extend(found);
        }
        // DTSTART is an instance even where the rule does not say so, but not when every rule
        // ended before it.
        let over = !last_untils.is_empty()
            && last_untils
                .iter()
                .all(|until| until.is_some_and(|until| until < placed.wall));
        if !over {
            starts.insert(placed.wall);
        }
        let mut ends = BTreeMap::new();
        for rdate in &event.rdates {
            let wall = self.wall_in(&rdate.start, event, placed);
            starts.insert(wall);
            if let Some(end) = &rdate.end {
                let length = match end {
                    PeriodEnd::After(length) => Length::Nominal(*length),
                    PeriodEnd::At(end) => {
                        let end = self.wall_in(end, event, placed);
                        Length::Exact(placed.zone.instant(end).since(placed.zone.instant(wall)))
                    }
                };
                ends.insert(wall, length);
            }
        }
        for text in &event.exrules {
            let Some((removed, _)) = self.rule_starts(text, event, placed, range) else {
                continue;
            };
            let removed: BTreeSet<DateTime> = removed.into_iter().collect();
            starts.retain(|start| !removed.contains(start));
        }
        (starts, ends)
    }

    /// The starts one rule gives, and its UNTIL; `None` when the rule cannot be used.
    fn rule_starts(
        &mut self,
        text: &str,
        event: &'a CalendarEvent,
        placed: &Placed,
        range: WallRange,
    ) -> Option<(Vec<DateTime>, Option<DateTime>)> {
        let (rule, until) = self.rule(text, event, placed)?;
        // Exceptions and overrides take starts away again, so a few more than wanted are made.
        let limit = self.limit.saturating_mul(2);
        let last = until.map(|until| until.last);
        let (mut found, problem) = expand(&rule, placed.wall, last, range, &mut self.budget, limit);
        if let Some(what) = problem {
            self.problem(event.line, what);
        }
        if let Some(instant) = until.and_then(|until| until.instant) {
            found.retain(|wall| placed.zone.instant(*wall) <= instant);
        }
        Some((found, last))
    }

    fn rule(
        &mut self,
        text: &str,
        event: &'a CalendarEvent,
        placed: &Placed,
    ) -> Option<(Rule, Option<Until>)> {
        let (rule, ignored) = match read_rule(text) {
            Ok(read) => read,
            Err(what) => {
                let what = format!("the recurrence rule was left out: {what}");
                self.problem(event.line, what);
                return None;
            }
        };
        for what in ignored {
            self.problem(event.line, what);
        }
        if let (Some(EventTime::Date(_)), false) = (&rule.until, placed.all_day) {
            let what = "UNTIL is a day in a series of times: it ends as that day begins";
            self.problem(event.line, what);
        }
        let until = rule.until.as_ref().map(|until| placed.until(until));
        Some((rule, until))
    }

    /// A listed date in the wall clock of the series.
    fn wall_in(
        &mut self,
        time: &'a EventTime,
        event: &'a CalendarEvent,
        placed: &Placed,
    ) -> DateTime {
        match time {
            EventTime::Date(date) if placed.all_day => date.to_datetime(Time::midnight()),
            EventTime::Date(date) => date.to_datetime(placed.wall.time()),
            EventTime::Floating(wall) if !placed.all_day => *wall,
            _ if placed.all_day => time.wall().date().to_datetime(Time::midnight()),
            _ => {
                let instant = self.instant(time, event);
                placed.zone.wall(instant)
            }
        }
    }

    fn push(
        &mut self,
        index: usize,
        recurrence_id: Option<RecurrenceId>,
        (start, end): (Timestamp, Timestamp),
        all_day: bool,
    ) {
        let Some(event) = self.object.events.get(index) else {
            return;
        };
        let instance = Instance {
            uid: event.uid.clone(),
            recurrence_id,
            start,
            end,
            all_day,
            summary: event.summary.clone(),
            status: event.effective_status(),
            transparency: event.transparency,
            event: index,
        };
        if instance.is_in(&self.window) && self.out.instances.len() <= MAX_INSTANCES {
            self.out.instances.push(instance);
        }
    }
}

#[cfg(test)]
mod tests;
