//! How long things are kept: `[retention]`, and what follows from it. No I/O here.
//!
//! | class | what | usually |
//! |---|---|---|
//! | `raw_mail` | the bytes of messages and of rendered mails | 730 days |
//! | `facts` | messages, threads, events, timelines, ended mails and holds as rows | for ever |
//!
//! Attachments lie in the bytes of their message and go with them. Accounts, contacts, cases and
//! tasks are records that people keep: nothing here removes them.

use std::collections::BTreeMap;
use std::fmt;

use liaison_core::time::{DAY_MS, HOUR_MS, Timestamp};

/// Least days for `facts`: so long an effect's row keeps the same effect from being made again.
pub const FACTS_DAYS_MIN: u32 = 400;
/// Least that may be set for `content_bytes_max`: one pack and the largest content.
pub const CONTENT_BYTES_MIN: u64 = 256 << 20;
/// Content that no row names is kept for so long after it was put: its row may be on its way, or
/// in a backup that is restored.
pub const UNNAMED_MS: i64 = 7 * DAY_MS;
/// Content that a row lets go is kept for so long after it was put last: the same bytes may just
/// have arrived again.
pub const LET_GO_MS: i64 = HOUR_MS;
/// Days that `raw_mail` is kept where nothing is set: two years of conversations to look back on.
const RAW_MAIL_DAYS: u32 = 730;

/// `[retention]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of messages and rendered mails.
    pub raw_mail: Kept,
    /// Rows about what happened.
    pub facts: Kept,
    /// Bytes of all content that rows name; above it the oldest goes first.
    pub content_bytes_max: Option<u64>,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            raw_mail: Kept::Days(RAW_MAIL_DAYS),
            facts: Kept::Forever,
            content_bytes_max: None,
        }
    }
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// So many days.
    Days(u32),
    /// Without end.
    Forever,
}

impl Kept {
    /// Reads `730d` or `forever`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Kept> {
        if text == "forever" {
            return Some(Kept::Forever);
        }
        text.strip_suffix('d')?.parse().ok().map(Kept::Days)
    }

    /// What is older than this goes; `None`: nothing does.
    #[must_use]
    pub fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Kept::Days(days) => Some(now.minus_millis(i64::from(days).saturating_mul(DAY_MS))),
            Kept::Forever => None,
        }
    }

    /// Whether it is shorter than `other`.
    #[must_use]
    pub fn ends_before(self, other: Kept) -> bool {
        match (self, other) {
            (Kept::Days(days), Kept::Days(others)) => days < others,
            (Kept::Days(_), Kept::Forever) => true,
            (Kept::Forever, _) => false,
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Days(days) => write!(f, "{days}d"),
            Kept::Forever => f.write_str("forever"),
        }
    }
}

/// Bytes of content by the day on which it arrived.
#[derive(Debug, Clone, Default)]
pub struct ByDay(BTreeMap<i64, u64>);

impl ByDay {
    /// Counts content.
    pub fn add(&mut self, at: Timestamp, bytes: u64) {
        let day = self.0.entry(at.0.div_euclid(DAY_MS)).or_default();
        *day = day.saturating_add(bytes);
    }

    /// What arrived before this must go, so that the rest is at most `max` bytes; `None`: all fits.
    /// Whole days go, the oldest first.
    #[must_use]
    pub fn too_old(&self, max: u64) -> Option<Timestamp> {
        let mut kept = 0_u64;
        for (day, bytes) in self.0.iter().rev() {
            kept = kept.saturating_add(*bytes);
            if kept > max {
                return Some(Timestamp(day.saturating_add(1).saturating_mul(DAY_MS)));
            }
        }
        None
    }
}

/// A second since 1970, as content knows it.
#[must_use]
pub fn second(at: Timestamp) -> u64 {
    u64::try_from(at.0.div_euclid(1_000)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_keep_are_days_or_for_ever() {
        assert_eq!(Kept::parse("730d"), Some(Kept::Days(730)));
        assert_eq!(Kept::parse("forever"), Some(Kept::Forever));
        for text in ["", "d", "2y", "-1d", "730", " 730d", "1.5d"] {
            assert_eq!(Kept::parse(text), None, "{text}");
        }
        let now = Timestamp(1_000 * DAY_MS);
        assert_eq!(Kept::Days(10).until(now), Some(Timestamp(990 * DAY_MS)));
        assert_eq!(Kept::Forever.until(now), None);
    }

    #[test]
    fn of_too_much_content_the_oldest_days_go() {
        let mut days = ByDay::default();
        for (day, bytes) in [(1, 50), (2, 30), (3, 20)] {
            days.add(Timestamp(day * DAY_MS + 5), bytes);
        }
        assert_eq!(days.too_old(100), None);
        assert_eq!(days.too_old(99), Some(Timestamp(2 * DAY_MS)));
        assert_eq!(days.too_old(50), Some(Timestamp(2 * DAY_MS)));
        assert_eq!(days.too_old(49), Some(Timestamp(3 * DAY_MS)));
        assert_eq!(days.too_old(0), Some(Timestamp(4 * DAY_MS)));
    }
}
