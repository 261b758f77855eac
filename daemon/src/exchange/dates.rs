//! Days and times as other programs write them, by the format that a mapping names.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// What stands for what in a format, the longest first.
const TOKENS: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("M", "%m"),
    ("DD", "%d"),
    ("D", "%d"),
    ("HH", "%H"),
    ("H", "%H"),
    ("hh", "%I"),
    ("h", "%I"),
    ("mm", "%M"),
    ("ss", "%S"),
    ("a", "%p"),
];

/// A format such as `DD/MM/YYYY` or `M/D/YYYY h:mm a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateFormat {
    written: String,
    strptime: String,
    has_time: bool,
}

impl DateFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// What it may consist of.
    pub(super) fn parse(written: &str) -> Result<DateFormat, String> {
        let mut strptime = String::new();
        let mut rest = written.trim();
        'next: while let Some(first) = rest.chars().next() {
            for (token, conversion) in TOKENS {
                if let Some(behind) = rest.strip_prefix(token) {
                    strptime.push_str(conversion);
                    rest = behind;
                    continue 'next;
                }
            }
            if first.is_alphanumeric() || first == '%' {
                return Err(format!(
                    "the date format `{written}` may hold YYYY, YY, MM, M, MMM, DD, D, HH, H, hh, h, \
                     mm, ss, a and signs between them, like DD/MM/YYYY or M/D/YYYY h:mm a"
                ));
            }
            strptime.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        let has = |part: &str| strptime.contains(part);
        if !(has("%d") && (has("%m") || has("%b") || has("%B")) && (has("%Y") || has("%y"))) {
            return Err(format!(
                "the date format `{written}` needs a day, a month and a year, like DD/MM/YYYY"
            ));
        }
        Ok(DateFormat {
            written: written.trim().to_owned(),
            has_time: has("%H") || has("%I"),
            strptime,
        })
    }

    fn read(&self, text: &str) -> Option<DateTime> {
        let read = BrokenDownTime::parse(&self.strptime, text).ok()?;
        match self.has_time {
            true => read.to_datetime().ok(),
            false => read
                .to_date()
                .ok()
                .map(|day| day.to_datetime(jiff::civil::Time::midnight())),
        }
    }
}

/// A day in ISO form; of an instant with its offset the day in `zone`.
///
/// # Errors
/// Which formats were tried.
pub(super) fn day(text: &str, formats: &[DateFormat], zone: &TimeZone) -> Result<String, String> {
    let text = text.trim();
    // First: an instant with `+0000` also reads as a day, without its zone.
    if let Some(at) = instant(text) {
        return Ok(at.to_zoned(zone.clone()).date().to_string());
    }
    if let Ok(day) = text.parse::<Date>() {
        return Ok(day.to_string());
    }
    match civil(text, formats) {
        Some(at) => Ok(at.date().to_string()),
        None => Err(tried(formats, "YYYY-MM-DD")),
    }
}

/// An instant in RFC 3339; a time without an offset is meant in `zone`, a day alone is its
/// midnight.
///
/// # Errors
/// Which formats were tried.
pub(super) fn at(text: &str, formats: &[DateFormat], zone: &TimeZone) -> Result<String, String> {
    let text = text.trim();
    if let Some(at) = instant(text) {
        return Ok(at.to_string());
    }
    let at = text
        .parse::<DateTime>()
        .ok()
        .or_else(|| civil(text, formats));
    let zoned = at.and_then(|at| at.to_zoned(zone.clone()).ok());
    match zoned {
        Some(zoned) => Ok(zoned.timestamp().to_string()),
        None => Err(tried(formats, "2026-03-02T09:00:00Z")),
    }
}

/// An instant with its offset, also one without the colon that RFC 3339 wants (`+0000`).
fn instant(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let (front, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let (_, hours) = front.split_at_checked(front.len().checked_sub(3)?)?;
    let hours = hours.strip_prefix(['+', '-'])?;
    let is_offset = [hours, minutes]
        .iter()
        .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    match is_offset {
        true => format!("{front}:{minutes}").parse().ok(),
        false => None,
    }
}

fn civil(text: &str, formats: &[DateFormat]) -> Option<DateTime> {
    let iso = || text.parse::<DateTime>().ok();
    // A format with a time also reads a day alone, and the other way round: exports mix them.
    let first_word = || {
        let word = text.split_whitespace().next()?;
        formats
            .iter()
            .filter(|format| !format.has_time)
            .find_map(|format| format.read(word))
    };
    formats
        .iter()
        .find_map(|format| format.read(text))
        .or_else(iso)
        .or_else(first_word)
}

fn tried(formats: &[DateFormat], iso: &str) -> String {
    let known: Vec<&str> = formats
        .iter()
        .map(|format| format.written.as_str())
        .chain([iso])
        .collect();
    format!("this is no date as {}", known.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(written: &[&str]) -> Vec<DateFormat> {
        written
            .iter()
            .map(|one| DateFormat::parse(one).unwrap())
            .collect()
    }

    #[test]
    fn days_are_read_as_the_mapping_says() {
        for (written, text, day_is) in [
            ("DD/MM/YYYY", "03/02/2026", Ok("2026-02-03")),
            ("M/D/YYYY", "3/2/2026", Ok("2026-03-02")),
            ("M/D/YYYY", "12/31/2026", Ok("2026-12-31")),
            ("DD.MM.YYYY", "1.2.2026", Ok("2026-02-01")),
            ("D-MMM-YY", "2-Mar-26", Ok("2026-03-02")),
            ("M/D/YYYY", "2026-03-02", Ok("2026-03-02")),
            ("M/D/YYYY", "3/2/2026 9:30 AM", Ok("2026-03-02")),
            ("M/D/YYYY h:mm a", "3/2/2026 9:30 PM", Ok("2026-03-02")),
            ("YYYY-MM-DD", "2026-03-02 09:30", Ok("2026-03-02")),
            ("M/D/YYYY", "2026-03-01T23:30:00.000Z", Ok("2026-03-02")),
            ("M/D/YYYY", "2026-03-01T23:30:00.000+0000", Ok("2026-03-02")),
            ("DD/MM/YYYY", "12/31/2026", Err("DD/MM/YYYY or YYYY-MM-DD")),
            ("DD/MM/YYYY", "soon", Err("DD/MM/YYYY")),
        ] {
            let berlin = TimeZone::get("Europe/Berlin").unwrap();
            let read = day(text, &formats(&[written]), &berlin);
            match day_is {
                Ok(day_is) => assert_eq!(read.as_deref(), Ok(day_is), "{written} {text}"),
                Err(says) => assert!(read.unwrap_err().contains(says), "{written} {text}"),
            }
        }
    }

    #[test]
    fn times_without_an_offset_are_meant_in_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, is) in [
            ("3/2/2026 9:30 AM", "2026-03-02T08:30:00Z"),
            ("7/2/2026 9:30 PM", "2026-07-02T19:30:00Z"),
            ("2026-03-02T09:30:00Z", "2026-03-02T09:30:00Z"),
            ("2026-03-02T09:30:00+05:00", "2026-03-02T04:30:00Z"),
            ("2026-03-02T09:30:00.000+0500", "2026-03-02T04:30:00Z"),
            ("2026-03-02 09:30", "2026-03-02T08:30:00Z"),
            ("3/2/2026", "2026-03-01T23:00:00Z"),
        ] {
            let known = formats(&["M/D/YYYY h:mm a", "M/D/YYYY"]);
            assert_eq!(at(text, &known, &berlin).as_deref(), Ok(is), "{text}");
        }
    }

    #[test]
    fn a_format_that_is_none_is_told() {
        for (written, says) in [
            ("dd/mm/yyyy", "may hold"),
            ("YYYY-MM", "needs a day"),
            ("%d", "may hold"),
        ] {
            assert!(
                DateFormat::parse(written).unwrap_err().contains(says),
                "{written}"
            );
        }
    }
}
