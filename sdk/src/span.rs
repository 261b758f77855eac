//! Lengths of time as operators write them.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer};

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A length of time such as `3 business days`, `4 business hours`, `90 minutes` or `2 weeks`.
///
/// Business days and hours are counted in the firm's working time ([`crate::Cx::after`]); the
/// others are plain lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Whole working days.
    BusinessDays(u32),
    /// Hours within working time.
    BusinessHours(u32),
    /// Milliseconds.
    Millis(u64),
}

/// A text that is no [`Span`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanError {
    text: String,
}

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no length of time: write it like `3 business days`, `4 business hours`, \
             `90 minutes` or `2 weeks`",
            self.text
        )
    }
}

impl core::error::Error for SpanError {}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Span, SpanError> {
        let wrong = || SpanError {
            text: text.to_owned(),
        };
        let mut words = text.split_whitespace();
        let count: u32 = words
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or_else(wrong)?;
        let unit = words.collect::<Vec<_>>().join(" ").to_lowercase();
        let plain = |unit_ms: u64| Span::Millis(u64::from(count).saturating_mul(unit_ms));
        Ok(match unit.trim_end_matches('s') {
            "business day" | "working day" => Span::BusinessDays(count),
            "business hour" | "working hour" => Span::BusinessHours(count),
            "second" => plain(SECOND_MS),
            "minute" => plain(MINUTE_MS),
            "hour" => plain(HOUR_MS),
            "day" => plain(DAY_MS),
            "week" => plain(7 * DAY_MS),
            _ => return Err(wrong()),
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        match *self {
            Span::BusinessDays(n) => write!(f, "{n} business day{}", plural(n.into())),
            Span::BusinessHours(n) => write!(f, "{n} business hour{}", plural(n.into())),
            Span::Millis(ms) => {
                let (n, unit) = match ms {
                    _ if ms % DAY_MS == 0 => (ms / DAY_MS, "day"),
                    _ if ms % HOUR_MS == 0 => (ms / HOUR_MS, "hour"),
                    _ if ms % MINUTE_MS == 0 => (ms / MINUTE_MS, "minute"),
                    _ => (ms / SECOND_MS, "second"),
                };
                write!(f, "{n} {unit}{}", plural(n))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn spans_read_and_print() {
        for (text, span, printed) in [
            ("3 business days", Span::BusinessDays(3), "3 business days"),
            ("1 working day", Span::BusinessDays(1), "1 business day"),
            (
                "4 Business Hours",
                Span::BusinessHours(4),
                "4 business hours",
            ),
            ("90 minutes", Span::Millis(5_400_000), "90 minutes"),
            ("30 seconds", Span::Millis(30_000), "30 seconds"),
            ("2 weeks", Span::Millis(1_209_600_000), "14 days"),
        ] {
            assert_eq!(text.parse(), Ok(span), "{text}");
            assert_eq!(span.to_string(), printed);
        }
        for text in [
            "",
            "soon",
            "3",
            "3 fortnights",
            "-1 days",
            "99999999999 days",
        ] {
            assert!(
                text.parse::<Span>()
                    .unwrap_err()
                    .to_string()
                    .contains("`3 business days`")
            );
        }
    }
}
