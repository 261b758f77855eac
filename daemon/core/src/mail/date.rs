//! The Date field: RFC 5322 3.3, its obsolete forms (4.3), and what programs write instead.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mail_parser::DateTime as ParsedDate;

use super::address::clean_text;
use crate::time::Timestamp;

/// Tokens of a date; more is no date.
const MAX_TOKENS: usize = 16;
/// Minutes between UTC and any place on earth, with room for what is only odd.
const MAX_OFFSET_MINUTES: i32 = 15 * 60;
/// The first year of mail that is believed.
const FIRST_YEAR: i16 = 1970;

const RFC_3339: &str = "is written as in RFC 3339, not as in RFC 5322";

/// An instant with the writer's offset, and what had to be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadDate {
    pub(crate) instant: Timestamp,
    pub(crate) offset_minutes: i32,
    /// A sentence; `None` when the field keeps to the standard or its obsolete forms.
    pub(crate) guess: Option<String>,
}

/// Reads a date; two-digit years, named zones, ISO 8601 and the form of `asctime` included.
pub(crate) fn read_date(value: &str) -> Option<ReadDate> {
    let text = clean_text(value);
    from_words(&text).or_else(|| from_parser(&text))
}

/// The instant and the writer's offset in minutes.
pub(crate) fn parse_date(value: &str) -> Option<(Timestamp, i32)> {
    read_date(value).map(|date| (date.instant, date.offset_minutes))
}

/// What the words of a date said so far.
#[derive(Debug, Default)]
struct Words {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    clock: Option<(i8, i8, i8)>,
    afternoon: Option<bool>,
    offset: Option<i32>,
    guess: Option<String>,
}

fn from_words(text: &str) -> Option<ReadDate> {
    let mut words = Words::default();
    let spaced = without_comments(text).replace([',', '\''], " ");
    for token in spaced.split_whitespace().take(MAX_TOKENS) {
        words.take(token)?;
    }
    let (mut hour, minute, second) = words.clock?;
    match words.afternoon {
        Some(true) if hour < 12 => hour = hour.checked_add(12)?,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let year = words.year.filter(|year| *year >= FIRST_YEAR)?;
    let civil = DateTime::new(year, words.month?, words.day?, hour, minute, second, 0).ok()?;
    let guess = words.guess.or_else(|| {
        let unsaid = words.offset.is_none();
        unsaid.then(|| "names no zone: read as UTC".to_owned())
    });
    dated(civil, words.offset.unwrap_or_default(), guess)
}

fn dated(civil: DateTime, offset_minutes: i32, guess: Option<String>) -> Option<ReadDate> {
    let utc = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let offset = i64::from(offset_minutes).saturating_mul(60_000);
    Some(ReadDate {
        instant: Timestamp::from_jiff(utc).minus_millis(offset),
        offset_minutes,
        guess,
    })
}

impl Words {
    /// One token; `None` when no date holds it.
    fn take(&mut self, token: &str) -> Option<()> {
        if token.contains(':') && self.clock.is_none() {
            return self.take_clock(token);
        }
        if let Some(offset) = self.clock.and_then(|_| offset_of(token)) {
            return self.take_offset(token, offset);
        }
        let bare = token.trim_end_matches('.');
        if let Some((year, month, day)) = iso_day(bare) {
            (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
            self.guess = Some(RFC_3339.to_owned());
            return Some(());
        }
        if let Some(parts) = dashed(bare) {
            return parts.iter().try_for_each(|part| self.take(part));
        }
        if bare.bytes().all(|b| b.is_ascii_digit()) && !bare.is_empty() {
            return self.take_number(bare);
        }
        self.take_name(bare);
        Some(())
    }

    fn take_clock(&mut self, token: &str) -> Option<()> {
        let end = token.find(['+', '-', 'Z', 'z']).unwrap_or(token.len());
        let (clock, zone) = token.split_at_checked(end)?;
        let clock = clock.trim_end_matches(['.', ';']);
        let mut parts = clock.split(':');
        let mut number = || -> Option<i8> { parts.next()?.split('.').next()?.parse().ok() };
        let (hour, minute) = (number()?, number()?);
        let second = number().unwrap_or(0).min(59);
        self.clock = Some((hour, minute, second));
        match (zone, offset_of(zone)) {
            ("", _) => Some(()),
            ("Z" | "z", _) => self.take_offset(zone, Some(0)),
            (_, Some(offset)) => self.take_offset(zone, offset),
            _ => None,
        }
    }

    /// `offset` is `None` inside where the digits are no offset.
    fn take_offset(&mut self, token: &str, offset: Option<i32>) -> Option<()> {
        if self.offset.is_some() {
            return Some(());
        }
        let possible = offset.filter(|minutes| minutes.abs() <= MAX_OFFSET_MINUTES);
        if possible.is_none() {
            self.guess = Some(format!("has the impossible offset {token}: read as UTC"));
        }
        self.offset = Some(possible.unwrap_or_default());
        Some(())
    }

    fn take_number(&mut self, digits: &str) -> Option<()> {
        if digits.len() <= 2 && self.day.is_none() {
            self.day = Some(digits.parse().ok()?);
            return Some(());
        }
        if self.year.is_some() {
            return None;
        }
        let year: i16 = digits.parse().ok()?;
        // RFC 5322 4.3.
        self.year = Some(match digits.len() {
            2 if year < 50 => year.checked_add(2000)?,
            2 | 3 => year.checked_add(1900)?,
            4 => year,
            _ => return None,
        });
        Some(())
    }

    /// A month before the time of day, a zone behind it; names of days say nothing.
    fn take_name(&mut self, name: &str) {
        let lower = name.to_lowercase();
        match lower.as_str() {
            "am" if self.clock.is_some() => self.afternoon = Some(false),
            "pm" if self.clock.is_some() => self.afternoon = Some(true),
            _ if self.clock.is_none() || self.month.is_none() => {
                self.month = month(&lower).or(self.month);
            }
            _ if self.offset.is_none() => match zone_minutes(&lower) {
                Some(minutes) => self.offset = Some(minutes),
                None => {
                    self.offset = Some(0);
                    self.guess = Some(format!("has the unknown zone {name}: read as UTC"));
                }
            },
            _ => {}
        }
    }
}

/// `2026-11-02`.
fn iso_day(token: &str) -> Option<(i16, i8, i8)> {
    let mut parts = token.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    (year.len() == 4).then_some(())?;
    Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
}

/// `2-Nov-2026`.
fn dashed(token: &str) -> Option<Vec<&str>> {
    let mut parts = token.splitn(3, '-');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !second.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    digits(third).then(|| vec![first, second, third])
}

/// `+0100`, `-05:00`, `+01`, `GMT+1`; the inner `None` is one that no place has.
fn offset_of(token: &str) -> Option<Option<i32>> {
    let upper = token.to_ascii_uppercase();
    let bare = upper
        .strip_prefix("GMT")
        .or_else(|| upper.strip_prefix("UTC"))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(&upper);
    let sign = match bare.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = bare.chars().skip(1).filter(|c| *c != ':').collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        3 => digits.split_at_checked(1)?,
        4 => digits.split_at_checked(2)?,
        _ => return Some(None),
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours.saturating_mul(60).saturating_add(minutes);
    Some((minutes < 60).then(|| total.saturating_mul(sign)))
}

fn without_comments(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|c| {
            match c {
                '(' => depth = depth.saturating_add(1),
                ')' => {
                    let inside = depth > 0;
                    depth = depth.saturating_sub(1);
                    return !inside;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// The month that a word names in the languages whose programs translate the field.
fn month(lower: &str) -> Option<i8> {
    const STARTS: &[(&str, i8)] = &[
        ("jan", 1),
        ("ene", 1),
        ("gen", 1),
        ("янв", 1),
        ("oca", 1),
        ("feb", 2),
        ("fév", 2),
        ("fev", 2),
        ("фев", 2),
        ("şub", 2),
        ("mar", 3),
        ("mär", 3),
        ("mrz", 3),
        ("maa", 3),
        ("mrt", 3),
        ("мар", 3),
        ("apr", 4),
        ("avr", 4),
        ("abr", 4),
        ("апр", 4),
        ("nis", 4),
        ("may", 5),
        ("mai", 5),
        ("mei", 5),
        ("mag", 5),
        ("maj", 5),
        ("май", 5),
        ("мая", 5),
        ("jun", 6),
        ("juin", 6),
        ("giu", 6),
        ("июн", 6),
        ("haz", 6),
        ("jul", 7),
        ("juil", 7),
        ("lug", 7),
        ("июл", 7),
        ("tem", 7),
        ("aug", 8),
        ("aoû", 8),
        ("aou", 8),
        ("ago", 8),
        ("авг", 8),
        ("ağu", 8),
        ("sep", 9),
        ("set", 9),
        ("сен", 9),
        ("eyl", 9),
        ("oct", 10),
        ("okt", 10),
        ("ott", 10),
        ("out", 10),
        ("окт", 10),
        ("eki", 10),
        ("nov", 11),
        ("ноя", 11),
        ("kas", 11),
        ("dec", 12),
        ("dez", 12),
        ("déc", 12),
        ("dic", 12),
        ("дек", 12),
        ("ara", 12),
    ];
    let found = STARTS.iter().find(|(start, _)| lower.starts_with(start));
    found.map(|(_, month)| *month)
}

/// Named zones: RFC 5322 4.3, and those that European and Asian programs write.
fn zone_minutes(lower: &str) -> Option<i32> {
    Some(match lower {
        "ut" | "utc" | "gmt" | "z" | "wet" => 0,
        "edt" => -240,
        "est" | "cdt" => -300,
        "cst" | "mdt" => -360,
        "mst" | "pdt" => -420,
        "pst" | "akdt" => -480,
        "akst" => -540,
        "hst" => -600,
        "cet" | "met" | "mez" | "bst" | "west" => 60,
        "cest" | "mest" | "mesz" | "eet" | "sast" => 120,
        "eest" | "msk" => 180,
        "ist" => 330,
        "hkt" | "sgt" => 480,
        "jst" | "kst" => 540,
        "aest" => 600,
        "aedt" => 660,
        "nzst" => 720,
        "nzdt" => 780,
        // RFC 5322 4.3: the letters of the military zones mean nothing any more.
        letter if letter.len() == 1 && letter != "j" => 0,
        _ => return None,
    })
}

/// RFC 3339 and what the parsing crate reads besides.
fn from_parser(text: &str) -> Option<ReadDate> {
    let line = format!("{text}\n");
    let parsed = ParsedDate::parse_rfc3339(line.trim())
        .filter(ParsedDate::is_valid)
        .filter(|d| d.year >= u16::try_from(FIRST_YEAR).unwrap_or_default())?;
    let civil = DateTime::new(
        i16::try_from(parsed.year).ok()?,
        i8::try_from(parsed.month).ok()?,
        i8::try_from(parsed.day).ok()?,
        i8::try_from(parsed.hour).ok()?,
        i8::try_from(parsed.minute).ok()?,
        i8::try_from(parsed.second.min(59)).ok()?,
        0,
    )
    .ok()?;
    let minutes = i32::from(parsed.tz_hour)
        .saturating_mul(60)
        .saturating_add(parsed.tz_minute.into());
    let offset = if parsed.tz_before_gmt {
        minutes.saturating_neg()
    } else {
        minutes
    };
    dated(civil, offset, Some(RFC_3339.to_owned()))
}

#[cfg(test)]
mod tests;
