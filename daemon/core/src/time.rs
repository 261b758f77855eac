//! Instants and spans: UTC milliseconds inside, RFC 3339 at the edges.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// Twenty-four hours in milliseconds: a length, not a calendar day.
pub const DAY_MS: i64 = 86_400_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored.
///
/// Compact in the store (a plain integer), RFC 3339 in JSON and text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant `millis` later; saturates at the ends of the range.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }

    /// The instant `millis` earlier; saturates at the ends of the range.
    #[must_use]
    pub fn minus_millis(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to `self`; negative when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The same instant for zone arithmetic; out-of-range values are clamped.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        let clamped = self.0.clamp(
            jiff::Timestamp::MIN.as_millisecond(),
            jiff::Timestamp::MAX.as_millisecond(),
        );
        jiff::Timestamp::from_millisecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// From zone arithmetic; parts of a millisecond are cut off.
    #[must_use]
    pub fn from_jiff(instant: jiff::Timestamp) -> Timestamp {
        Timestamp(instant.as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = self.to_jiff();
        if instant.subsec_millisecond() == 0 {
            write!(f, "{instant:.0}")
        } else {
            write!(f, "{instant:.3}")
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no instant: write it like 2026-03-02T09:00:00Z (RFC 3339)")]
pub struct TimestampError {
    /// What was given.
    pub text: String,
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        text.parse::<jiff::Timestamp>()
            .map(Timestamp::from_jiff)
            .map_err(|_| TimestampError {
                text: text.to_owned(),
            })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Timestamp)
        }
    }
}

/// A half-open stretch of time: `start` belongs to it, `end` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First instant inside.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
}

impl Window {
    /// Whether the two share any instant; touching ends do not count.
    #[must_use]
    pub fn overlaps(&self, other: &Window) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Length in milliseconds, never negative.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.end.since(self.start).max(0)
    }
}

/// Sorts windows and joins those that touch or overlap; empty ones are left out.
#[must_use]
pub fn joined(mut windows: Vec<Window>) -> Vec<Window> {
    windows.retain(|window| window.start < window.end);
    windows.sort();
    let mut out: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match out.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => out.push(window),
        }
    }
    out
}

/// Those of `windows` (sorted, apart) that reach into `span` or touch it.
fn near<'a>(windows: &'a [Window], span: &Window) -> impl Iterator<Item = &'a Window> {
    let first = windows.partition_point(|window| window.end < span.start);
    let rest = windows.get(first..).unwrap_or_default();
    let end = span.end;
    rest.iter().take_while(move |window| window.start <= end)
}

/// What is in both of two lists as [`joined`] makes them.
#[must_use]
pub fn common(some: &[Window], others: &[Window]) -> Vec<Window> {
    let mut out = Vec::new();
    for one in some {
        for other in near(others, one) {
            let start = one.start.max(other.start);
            let end = one.end.min(other.end);
            if start < end {
                out.push(Window { start, end });
            }
        }
    }
    out
}

/// What of the first list is not in the second; both as [`joined`] makes them.
#[must_use]
pub fn without(some: &[Window], taken: &[Window]) -> Vec<Window> {
    let mut out = Vec::new();
    for one in some {
        let mut start = one.start;
        for taken in near(taken, one) {
            if start < taken.start.min(one.end) {
                let end = taken.start;
                out.push(Window { start, end });
            }
            start = start.max(taken.end);
        }
        if start < one.end {
            let end = one.end;
            out.push(Window { start, end });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_and_parse_as_rfc_3339() {
        let whole: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        assert_eq!(whole.to_string(), "2026-03-02T09:00:00Z");
        let offset: Timestamp = "2026-03-02T10:00:00.250+01:00".parse().unwrap();
        assert_eq!(offset.to_string(), "2026-03-02T09:00:00.250Z");
        assert!(
            "yesterday"
                .parse::<Timestamp>()
                .unwrap_err()
                .to_string()
                .contains("RFC 3339")
        );
    }

    #[test]
    fn windows_that_touch_do_not_overlap() {
        let at = |start, end| Window {
            start: Timestamp(start),
            end: Timestamp(end),
        };
        assert!(!at(0, 10).overlaps(&at(10, 20)));
        assert!(at(0, 11).overlaps(&at(10, 20)));
    }

    #[test]
    fn windows_are_joined_cut_and_taken_away_half_open() {
        let list = |text: &str| -> Vec<Window> {
            let parts = text.split_whitespace().map(|part| {
                let (start, end) = part.split_once('-').unwrap();
                let at = |text: &str| Timestamp(text.parse().unwrap());
                Window {
                    start: at(start),
                    end: at(end),
                }
            });
            parts.collect()
        };
        let spans = list("5-9 1-2 2-4 7-8 3-3");
        assert_eq!(joined(spans), list("1-4 5-9"));
        let some = list("0-10 20-30");
        assert_eq!(common(&some, &list("5-20 25-40")), list("5-10 25-30"));
        assert_eq!(
            without(&some, &list("0-2 4-6 10-20 29-35")),
            list("2-4 6-10 20-29")
        );
        assert_eq!(without(&some, &list("0-30")), list(""));
        assert_eq!(without(&some, &[]), some);
    }
}
