//! Which zone a TZID means, and wall clocks to instants in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp as JiffTimestamp};

use super::property::Property;
use super::rule::{Budget, MAX_RULE_INSTANCES, WallRange, expand, read_rule};
use super::value::{EventTime, property_time, read_offset};
use super::{Problem, note};
use crate::time::Timestamp;
use crate::zones::zone;

/// VTIMEZONEs kept of one object; more than the world has zones is no calendar.
pub const MAX_ZONES: usize = 500;
/// Observances (STANDARD or DAYLIGHT) kept of one VTIMEZONE; a full history of a zone has fewer.
pub const MAX_OBSERVANCES: usize = 500;
/// Years for which the rules of a VTIMEZONE are evaluated; outside, the nearest offset holds.
const EVALUATED: WallRange = WallRange {
    from: DateTime::constant(1969, 1, 1, 0, 0, 0, 0),
    to: DateTime::constant(2100, 12, 31, 0, 0, 0, 0),
};

/// The zones that a calendar file defines, by TZID.
#[derive(Debug, Clone, Default)]
pub struct ZoneTable {
    definitions: BTreeMap<String, Definition>,
}

#[derive(Debug, Clone, Default)]
struct Definition {
    location: Option<String>,
    observances: Vec<Observance>,
}

#[derive(Debug, Clone)]
struct Observance {
    start: DateTime,
    from: i32,
    to: i32,
    rules: Vec<String>,
    dates: Vec<EventTime>,
}

impl ZoneTable {
    /// The TZIDs defined, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }

    /// Adds one VTIMEZONE; of two with the same TZID the first counts.
    pub(crate) fn define(
        &mut self,
        lines: &[Property],
        parts: Vec<(String, Vec<Property>)>,
        number: usize,
        problems: &mut Vec<Problem>,
    ) {
        let value = |name: &str| lines.iter().find(|p| p.name == name).map(Property::text);
        let Some(tzid) = value("TZID").filter(|tzid| !tzid.trim().is_empty()) else {
            return note(problems, Problem::at(number, "the VTIMEZONE has no TZID"));
        };
        if self.definitions.len() >= MAX_ZONES {
            let what = format!("more than {MAX_ZONES} VTIMEZONEs: the rest was left out");
            return note(problems, Problem::at(number, what));
        }
        let mut definition = Definition {
            location: value("X-LIC-LOCATION"),
            ..Definition::default()
        };
        for (name, lines) in parts.iter().take(MAX_OBSERVANCES) {
            if !matches!(name.as_str(), "STANDARD" | "DAYLIGHT") {
                continue;
            }
            match observance(lines) {
                Some(observance) => definition.observances.push(observance),
                None => {
                    let what = format!("a {name} of the zone `{tzid}` cannot be read");
                    note(problems, Problem::at(number, what));
                }
            }
        }
        self.definitions
            .entry(tzid.trim().to_owned())
            .or_insert(definition);
    }

    /// The zone that `tzid` means, and what had to be guessed to say so.
    ///
    /// In this order: IANA name; the same trimmed; the last segments of a path, as in
    /// `/mozilla.org/20050126_1/Europe/Berlin`; Windows and Outlook names; `X-LIC-LOCATION` of the
    /// file's VTIMEZONE; that VTIMEZONE evaluated; an offset like `GMT+0200`; `default`. Labels
    /// like `(UTC+01:00) Amsterdam, Berlin` are looked up in the file first.
    ///
    /// `budget` bounds the work for the zones of one object together.
    #[must_use]
    pub fn resolve(
        &self,
        tzid: &str,
        default: &TimeZone,
        budget: &mut Budget,
    ) -> (EventZone, Option<String>) {
        let definition = self
            .definitions
            .get(tzid.trim())
            .or_else(|| self.definitions.get(tzid.trim().trim_matches('"')));
        // "(UTC+02:00) Athens, Bucharest" changes its meaning with the years; the file knows better.
        let is_label = tzid.trim().starts_with('(');
        let labelled = definition
            .filter(|_| is_label)
            .and_then(|d| evaluate(&d.observances, budget));
        if let Some(evaluated) = labelled {
            return defined(evaluated, tzid, budget);
        }
        if let Some(known) = named_zone(tzid) {
            return (EventZone::Named(known), None);
        }
        if let Some(definition) = definition {
            if let Some(known) = definition.location.as_deref().and_then(named_zone) {
                return (EventZone::Named(known), None);
            }
            if let Some(evaluated) = evaluate(&definition.observances, budget) {
                return defined(evaluated, tzid, budget);
            }
        }
        if let Some(offset) = offset_zone(tzid) {
            return (EventZone::Named(offset), None);
        }
        let shown = shown(tzid);
        let instead = default.iana_name().unwrap_or("the default zone");
        let what = format!("the zone `{shown}` is unknown: its times are read in {instead}");
        (EventZone::Named(default.clone()), Some(what))
    }
}

fn defined(zone: DefinedZone, tzid: &str, budget: &Budget) -> (EventZone, Option<String>) {
    let problem = budget.is_spent().then(|| {
        let shown = shown(tzid);
        format!("the zone `{shown}` needs too much work: its offsets were read in part")
    });
    (EventZone::Defined(Arc::new(zone)), problem)
}

fn shown(tzid: &str) -> String {
    tzid.chars().take(60).collect()
}

/// The zone of a name that needs no definition: IANA, a path that ends in one, Windows, Outlook.
#[must_use]
pub fn named_zone(tzid: &str) -> Option<TimeZone> {
    let name = tzid.trim().trim_matches('"').trim();
    if name.is_empty() {
        return None;
    }
    zone(name)
        .or_else(|| zone_of_path(name))
        .or_else(|| windows_zone(name))
}

fn zone_of_path(name: &str) -> Option<TimeZone> {
    let segments: Vec<&str> = name
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    for kept in [3, 2] {
        let first = segments.len().saturating_sub(kept);
        let found = segments.get(first..).and_then(|tail| zone(&tail.join("/")));
        if segments.len() > kept && found.is_some() {
            return found;
        }
    }
    // `tzone://Microsoft/Utc`; other single words (`/foo/EST`) would be guessing.
    let last = segments.last()?.to_ascii_uppercase();
    matches!(last.as_str(), "UTC" | "GMT" | "Z" | "ETC-UTC").then_some(TimeZone::UTC)
}

fn windows_zone(name: &str) -> Option<TimeZone> {
    // CLDR moved the first two to other cities when theirs changed their offset.
    match name {
        "Central Asia Standard Time" => return zone("Asia/Bishkek"),
        "Mountain Standard Time (Mexico)" => return zone("America/Mazatlan"),
        "South Sudan Standard Time" => return zone("Africa/Juba"),
        "Western/Central Europe" => return zone("Europe/Berlin"),
        _ => {}
    }
    match name.parse::<calcard::common::timezone::Tz>() {
        // Only the name is taken: that crate carries an older zone database.
        Ok(calcard::common::timezone::Tz::Tz(found)) => zone(found.name()),
        _ => None,
    }
}

fn offset_zone(tzid: &str) -> Option<TimeZone> {
    let name = tzid.trim().to_ascii_uppercase();
    let digits = name
        .strip_prefix("GMT")
        .or_else(|| name.strip_prefix("UTC"))
        .unwrap_or(&name);
    if !digits.starts_with(['+', '-']) {
        return None;
    }
    Offset::from_seconds(read_offset(digits)?)
        .ok()
        .map(TimeZone::fixed)
}

fn observance(lines: &[Property]) -> Option<Observance> {
    let find = |name: &str| lines.iter().find(|p| p.name == name);
    let offset = |name: &str| find(name).and_then(|p| read_offset(&p.value));
    let to = offset("TZOFFSETTO")?;
    let dates = lines.iter().filter(|p| p.name == "RDATE").flat_map(|p| {
        p.value.split(',').filter_map(|item| {
            super::value::read_time(item.split('/').next().unwrap_or(item), None)
        })
    });
    Some(Observance {
        start: find("DTSTART").and_then(property_time)?.wall(),
        from: offset("TZOFFSETFROM").unwrap_or(to),
        to,
        rules: lines
            .iter()
            .filter(|p| p.name == "RRULE")
            .map(|p| p.value.clone())
            .collect(),
        dates: dates.take(MAX_RULE_INSTANCES).collect(),
    })
}

/// A zone computed from a VTIMEZONE (RFC 5545 section 3.6.5): offsets by instant.
#[derive(Debug, PartialEq, Eq)]
pub struct DefinedZone {
    /// Seconds east of UTC before the first change.
    first: i32,
    /// Second of the change in UTC, and the offset from then on; sorted.
    changes: Vec<(i64, i32)>,
}

fn evaluate(observances: &[Observance], budget: &mut Budget) -> Option<DefinedZone> {
    let mut changes = BTreeMap::new();
    for observance in observances {
        for onset in onsets(observance, budget) {
            let utc = unix(onset).saturating_sub(i64::from(observance.from));
            changes.insert(utc, (observance.from, observance.to));
        }
    }
    let first = changes.values().next().map(|(from, _)| *from)?;
    // With one observance alone its offset holds always.
    let first = if observances.len() == 1 {
        observances.first()?.to
    } else {
        first
    };
    Some(DefinedZone {
        first,
        changes: changes.into_iter().map(|(at, (_, to))| (at, to)).collect(),
    })
}

fn onsets(observance: &Observance, budget: &mut Budget) -> Vec<DateTime> {
    let mut onsets = vec![observance.start];
    for text in &observance.rules {
        let Ok((rule, _)) = read_rule(text) else {
            continue;
        };
        let until = rule.until.as_ref().map(|until| match until {
            EventTime::Utc(utc) => {
                utc.saturating_add(SignedDuration::from_secs(i64::from(observance.from)))
            }
            EventTime::Date(_) => super::rule::shift_days(until.wall(), 1),
            other => other.wall(),
        });
        let limit = MAX_RULE_INSTANCES;
        onsets.extend(expand(&rule, observance.start, until, EVALUATED, budget, limit).0);
    }
    onsets.extend(observance.dates.iter().map(|date| match date {
        EventTime::Utc(utc) => {
            utc.saturating_add(SignedDuration::from_secs(i64::from(observance.from)))
        }
        other => other.wall(),
    }));
    onsets
}

/// The wall clock as if it were UTC, in seconds since 1970.
fn unix(wall: DateTime) -> i64 {
    wall.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0))
        .as_secs()
}

impl DefinedZone {
    fn offset_at(&self, second: i64) -> i32 {
        let passed = self.changes.partition_point(|(at, _)| *at <= second);
        let last = passed
            .checked_sub(1)
            .and_then(|index| self.changes.get(index));
        last.map_or(self.first, |(_, offset)| *offset)
    }

    fn instant(&self, wall: DateTime) -> i64 {
        let local = unix(wall);
        // No zone changes twice in two days.
        let before = i64::from(self.offset_at(local.saturating_sub(86_400)));
        let after = i64::from(self.offset_at(local.saturating_add(86_400)));
        let (early, late) = (local.saturating_sub(before), local.saturating_sub(after));
        if i64::from(self.offset_at(early)) == before || i64::from(self.offset_at(late)) != after {
            // Ordinary, the first of a repeated hour, or a gap: the offset before it counts.
            return early;
        }
        late
    }
}

/// A zone that can turn wall clocks into instants and back.
#[derive(Debug, Clone)]
pub enum EventZone {
    /// From the zone database.
    Named(TimeZone),
    /// From the file.
    Defined(Arc<DefinedZone>),
}

impl EventZone {
    /// The instant of a wall clock: in a gap later, in a repeated hour the first
    /// (RFC 5545 section 3.3.5).
    #[must_use]
    pub fn instant(&self, wall: DateTime) -> Timestamp {
        match self {
            EventZone::Named(zone) => zone
                .to_ambiguous_timestamp(wall)
                .compatible()
                .map_or_else(|_| edge(wall), Timestamp::from_jiff),
            EventZone::Defined(zone) => Timestamp(zone.instant(wall).saturating_mul(1000)),
        }
    }

    /// The wall clock at an instant.
    #[must_use]
    pub fn wall(&self, instant: Timestamp) -> DateTime {
        match self {
            EventZone::Named(zone) => zone.to_datetime(instant.to_jiff()),
            EventZone::Defined(zone) => {
                let second = instant.0.div_euclid(1000);
                let local = second.saturating_add(i64::from(zone.offset_at(second)));
                TimeZone::UTC.to_datetime(Timestamp(local.saturating_mul(1000)).to_jiff())
            }
        }
    }
}

fn edge(wall: DateTime) -> Timestamp {
    let instant = if wall.year() > 0 {
        JiffTimestamp::MAX
    } else {
        JiffTimestamp::MIN
    };
    Timestamp::from_jiff(instant)
}

#[cfg(test)]
mod tests;
