//! Where a recipient is, as far as the records tell, so that no mail wakes them.
//!
//! Nothing is stored for it: what the records say of contact and account comes first, then the
//! clock of their own mails, then the country of the account, and last our own zone.

mod countries;

use std::fmt;

use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::business_time::shown_in;
use crate::time::{DAY_MS, MINUTE_MS, Timestamp};
use crate::zones::{written_name, zone};

/// Of so many of somebody's newest mails the clock is looked at.
pub const SEEN_MAX: usize = 6;
/// Older mails tell nothing about where somebody is.
pub const SEEN_MS_MAX: i64 = 400 * DAY_MS;
/// Most places where one recipient may be.
pub const PLACES_MAX: usize = 3;
/// For how long zones must keep the same time to be called the same here: longer than mail waits.
const SAME_DAYS: i64 = 28;
/// Minutes between UTC and any inhabited place.
const OFFSET_MINUTES_MAX: i32 = 14 * 60;
/// Longest name of a country looked up, in characters.
const COUNTRY_CHARS_MAX: usize = 60;

/// One zone for each way in which the clocks of the world are set, those where most people live
/// first. A mail's offset is compared with these and not with hundreds of names for the same.
const WELL_KNOWN: [&str; 58] = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Denver",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Europe/Athens",
    "Europe/Moscow",
    "Asia/Dubai",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "America/Mexico_City",
    "America/Bogota",
    "Asia/Bangkok",
    "Asia/Karachi",
    "Asia/Dhaka",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "Africa/Casablanca",
    "Africa/Abidjan",
    "Africa/Cairo",
    "Asia/Jerusalem",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Kabul",
    "Asia/Kathmandu",
    "Asia/Yangon",
    "Australia/Brisbane",
    "Australia/Adelaide",
    "Australia/Darwin",
    "Australia/Eucla",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Fiji",
    "Pacific/Noumea",
    "Pacific/Norfolk",
    "Pacific/Tongatapu",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Honolulu",
    "Pacific/Pago_Pago",
    "Pacific/Marquesas",
    "Pacific/Easter",
    "America/Vancouver",
    "America/Edmonton",
    "America/Winnipeg",
    "America/Anchorage",
    "America/Adak",
    "America/Phoenix",
    "America/Caracas",
    "America/Halifax",
    "America/St_Johns",
    "America/Santiago",
    "America/Nuuk",
    "Atlantic/Azores",
];

/// A clock on a wall.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// An IANA zone.
    Zone(String),
    /// Minutes east of UTC, where no zone is certain.
    Offset(i32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Zone(name) => f.write_str(name),
            Place::Offset(minutes) => write!(f, "UTC{}", offset_text(*minutes)),
        }
    }
}

impl Place {
    /// The zone; `None` when there is none of this name.
    #[must_use]
    pub fn zone(&self) -> Option<TimeZone> {
        match self {
            Place::Zone(name) => zone(name),
            Place::Offset(minutes) => {
                let offset = Offset::from_seconds(minutes.saturating_mul(60)).ok()?;
                Some(TimeZone::fixed(offset))
            }
        }
    }

    /// `2026-03-02 09:00 Europe/Berlin (+01:00)`.
    #[must_use]
    pub fn shown(&self, t: Timestamp) -> String {
        let zone = self.zone().unwrap_or(TimeZone::UTC);
        shown_in(&zone, &self.to_string(), t)
    }
}

/// How sure it is where somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Nothing tells: our own zone stands in.
    Assumed,
    /// One hint that may mislead.
    Weak,
    /// Several hints that agree, or a country with one zone.
    Likely,
    /// The records say so.
    Recorded,
}

impl Confidence {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Assumed => "assumed",
            Confidence::Weak => "weak",
            Confidence::Likely => "likely",
            Confidence::Recorded => "recorded",
        }
    }
}

/// Where a recipient is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The place; several where it may be any of them, at most [`PLACES_MAX`].
    pub places: Vec<Place>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Why, as a sentence.
    pub how: String,
}

/// What the clock of one mail of theirs said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenOffset {
    /// When it was written.
    pub at: Timestamp,
    /// Minutes east of UTC, from its Date field.
    pub minutes: i32,
}

/// Everything that tells where a recipient is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clues {
    /// `time_zone` of the contacts with this address.
    pub contact_zones: Vec<String>,
    /// `time_zone` of their accounts.
    pub account_zones: Vec<String>,
    /// Their own mails.
    pub offsets: Vec<SeenOffset>,
    /// `country` of their accounts.
    pub countries: Vec<String>,
}

/// Where the recipient is; the first clue that says something wins.
#[must_use]
pub fn whereabouts(clues: &Clues, our_zone: &str, now: Timestamp) -> Whereabouts {
    let recorded = [
        ("contact", &clues.contact_zones),
        ("account", &clues.account_zones),
    ];
    for (whose, zones) in recorded {
        let places = places(zones.iter().map(String::as_str));
        if !places.is_empty() {
            return Whereabouts {
                how: format!("the time zone of the {whose} in the records"),
                confidence: Confidence::Recorded,
                places,
            };
        }
    }
    let countries = clues.countries.iter().filter_map(|name| {
        let zones = country_zones(name)?;
        Some((name, zones))
    });
    let countries: Vec<(&String, &[&str])> = countries.collect();
    let of_country = countries
        .iter()
        .flat_map(|(_, zones)| zones.iter().copied());
    let our_zone = &written_name(our_zone).unwrap_or_else(|| our_zone.to_owned());
    let near: Vec<&str> = of_country.clone().chain([our_zone.as_str()]).collect();
    if let Some(found) = by_offsets(&clues.offsets, &near, now) {
        return found;
    }
    let found = places(of_country);
    if let (Some((name, _)), false) = (countries.first(), found.is_empty()) {
        return Whereabouts {
            how: format!("the country of the account ({name})"),
            confidence: match found.len() {
                1 => Confidence::Likely,
                _ => Confidence::Weak,
            },
            places: found,
        };
    }
    Whereabouts {
        places: vec![Place::Zone(our_zone.clone())],
        confidence: Confidence::Assumed,
        how: "nothing tells where they are: our own zone".to_owned(),
    }
}

/// Zones that there are, each once.
fn places<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Place> {
    let mut places = Vec::new();
    for place in names.filter_map(written_name).map(Place::Zone) {
        if places.len() < PLACES_MAX && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Where the zones of a country are: one, or the first and the last of those where most live.
fn country_zones(name: &str) -> Option<&'static [&'static str]> {
    if name.chars().count() > COUNTRY_CHARS_MAX {
        return None;
    }
    let folded = crate::account::fold(name);
    let row = countries::COUNTRIES
        .iter()
        .find(|(names, _)| names.contains(&folded.as_str()));
    row.map(|(_, zones)| *zones)
}

/// Where somebody is, by the clock of their mails.
///
/// `+0000` alone says nothing: many servers write all times in UTC. Of several zones with this
/// clock the ones in `near` (where the account is, where we are) come first; others count only
/// where it makes no difference which of them it is. Else it is the offset of the newest mail.
fn by_offsets(seen: &[SeenOffset], near: &[&str], now: Timestamp) -> Option<Whereabouts> {
    let usable = |one: &&SeenOffset| {
        one.minutes.abs() <= OFFSET_MINUTES_MAX
            && (-DAY_MS..SEEN_MS_MAX).contains(&now.since(one.at))
    };
    let mut seen: Vec<SeenOffset> = seen.iter().filter(usable).copied().collect();
    seen.sort_by_key(|one| std::cmp::Reverse(one.at));
    seen.truncate(SEEN_MAX);
    let elsewhere: Vec<SeenOffset> = seen
        .iter()
        .filter(|one| one.minutes != 0)
        .copied()
        .collect();
    let newest = *elsewhere.first()?;
    let last = format!("{} on {}", offset_text(newest.minutes), newest.at);
    let confidence = |seen: &[SeenOffset]| match seen.len() {
        0 | 1 => Confidence::Weak,
        _ => Confidence::Likely,
    };
    // Zeros may be London's winter, or a server's habit.
    for seen in [&seen, &elsewhere] {
        if let Some(name) = one_zone(seen, near, now) {
            return Some(Whereabouts {
                how: format!(
                    "the clock of {} mail(s) of theirs, the last {last}",
                    seen.len()
                ),
                confidence: confidence(seen),
                places: vec![Place::Zone(name.to_owned())],
            });
        }
    }
    Some(Whereabouts {
        how: format!(
            "the clock of their mails fits no zone, or several: that of the newest, {last}"
        ),
        confidence: Confidence::Weak,
        places: vec![Place::Offset(newest.minutes)],
    })
}

/// The zone that has shown these offsets, where it does not matter which of several it is.
fn one_zone<'a>(seen: &[SeenOffset], near: &[&'a str], now: Timestamp) -> Option<&'a str> {
    let fits = |name: &&str| {
        zone(name).is_some_and(|zone| {
            let at = |one: &SeenOffset| minutes_at(&zone, one.at) == one.minutes;
            seen.iter().all(at)
        })
    };
    if let Some(name) = near.iter().copied().find(fits) {
        return Some(name);
    }
    let fitting: Vec<&'static str> = WELL_KNOWN
        .iter()
        .copied()
        .filter(|name| fits(name))
        .collect();
    let first = *fitting.first()?;
    let zones: Vec<TimeZone> = fitting.iter().filter_map(|name| zone(name)).collect();
    let same = (0..=SAME_DAYS).all(|day| {
        let at = now.plus_millis(day.saturating_mul(DAY_MS));
        let mut offsets = zones.iter().map(|zone| minutes_at(zone, at));
        let one = offsets.next();
        offsets.all(|offset| Some(offset) == one)
    });
    same.then_some(first)
}

fn minutes_at(zone: &TimeZone, t: Timestamp) -> i32 {
    zone.to_offset(t.to_jiff()).seconds().div_euclid(60)
}

/// `+01:00`.
fn offset_text(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The offset that a message's Date field names, with its instant, from the beginning of its bytes;
/// `None` when there is none that can be read.
#[must_use]
pub fn seen_offset(bytes: &[u8]) -> Option<SeenOffset> {
    let (at, minutes) = crate::mail::date_of_header(bytes)?;
    let drift = i64::from(minutes).saturating_mul(MINUTE_MS);
    (drift.abs() <= DAY_MS).then_some(SeenOffset { at, minutes })
}

#[cfg(test)]
mod tests;
