//! One RRULE (RFC 5545 section 3.3.10), expanded in wall-clock time.
//!
//! The engine is the `rrule` crate with UTC as a stand-in for the wall clock. It embeds an old
//! zone database and refuses what real files contain, so the rule is read and put right here, and
//! only then handed over; turning wall clocks into instants is the caller's business.

use jiff::civil::{DateTime, Time};
use jiff::{Span, ToSpan};
use rrule::RRuleSet;

use super::value::{EventTime, read_time};

/// Recurrence periods that may be walked for one object. About 50 ms of work: a daily rule for
/// 500 years, or a rule per second for two days.
pub const MAX_PERIODS: u64 = 200_000;
/// Instances that one rule may give for one window.
pub const MAX_RULE_INSTANCES: usize = 10_000;
/// What a rule without further instances costs: the engine walks to the year 10,000, or 100,000
/// periods, before it says so.
const EXHAUSTED: u64 = 50_000;

/// How often a rule repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frequency {
    /// Every second.
    Secondly,
    /// Every minute.
    Minutely,
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
    /// Every year.
    Yearly,
}

impl Frequency {
    fn read(text: &str) -> Option<Frequency> {
        Some(match text {
            "SECONDLY" => Frequency::Secondly,
            "MINUTELY" => Frequency::Minutely,
            "HOURLY" => Frequency::Hourly,
            "DAILY" => Frequency::Daily,
            "WEEKLY" => Frequency::Weekly,
            "MONTHLY" => Frequency::Monthly,
            "YEARLY" => Frequency::Yearly,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Frequency::Secondly => "SECONDLY",
            Frequency::Minutely => "MINUTELY",
            Frequency::Hourly => "HOURLY",
            Frequency::Daily => "DAILY",
            Frequency::Weekly => "WEEKLY",
            Frequency::Monthly => "MONTHLY",
            Frequency::Yearly => "YEARLY",
        }
    }

    /// Length of one period in seconds; a lower bound for months and years.
    fn seconds(self) -> i64 {
        match self {
            Frequency::Secondly => 1,
            Frequency::Minutely => 60,
            Frequency::Hourly => 3600,
            Frequency::Daily => 86_400,
            Frequency::Weekly => 604_800,
            Frequency::Monthly => 28 * 86_400,
            Frequency::Yearly => 365 * 86_400,
        }
    }
}

/// A rule that was read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    frequency: Frequency,
    interval: u32,
    count: Option<u32>,
    /// UNTIL as written; it needs the zone of the series to become a wall clock.
    pub until: Option<EventTime>,
    /// The BYxxx parts and WKST, checked: `BYDAY` with `MO,-1FR`.
    parts: Vec<(String, String)>,
    /// BYDAY as written, where `parts` give more days and the others are left out afterwards.
    days_meant: Option<String>,
}

/// Reads a rule; the second value tells what was ignored in it.
///
/// # Errors
/// Says in words why the rule cannot be used.
pub fn read_rule(text: &str) -> Result<(Rule, Vec<String>), String> {
    let mut ignored = Vec::new();
    let mut text = text.to_ascii_uppercase();
    if text.contains('\\') {
        // Written as if it were TEXT.
        text = text.replace('\\', "");
        ignored.push("the rule is escaped like a text: the backslashes were ignored".to_owned());
    }
    let mut frequency = None;
    let mut rule = Rule {
        frequency: Frequency::Yearly,
        interval: 1,
        count: None,
        until: None,
        parts: Vec::new(),
        days_meant: None,
    };
    let shown = |value: &str| value.chars().take(40).collect::<String>();
    for part in text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim(), value.trim());
        match name {
            "FREQ" => frequency = Frequency::read(value),
            "INTERVAL" => match value.parse::<u32>() {
                Ok(interval @ 1..) => rule.interval = interval,
                _ => return Err(format!("INTERVAL `{}` is no positive number", shown(value))),
            },
            "COUNT" => match value.parse::<i64>() {
                Ok(count @ 1..) => rule.count = Some(u32::try_from(count).unwrap_or(u32::MAX)),
                // COUNT=-1 is how some writers say "for ever".
                Ok(..=-1) => ignored.push(format!("COUNT={value} means no limit")),
                _ => return Err(format!("COUNT `{}` is no positive number", shown(value))),
            },
            "UNTIL" => match read_time(value, None) {
                Some(until) => rule.until = Some(until),
                None => return Err(format!("UNTIL `{}` is no date", shown(value))),
            },
            "RSCALE" if value != "GREGORIAN" => {
                return Err(format!("RSCALE={} is not supported", shown(value)));
            }
            "RSCALE" | "SKIP" => {}
            _ => match checked_part(name, value) {
                Ok(Some(value)) => rule.parts.push((name.to_owned(), value)),
                Ok(None) => ignored.push(format!("the rule part `{}` was ignored", shown(part))),
                Err(()) => return Err(format!("the rule part `{}` is wrong", shown(part))),
            },
        }
    }
    rule.frequency = frequency.ok_or("FREQ is missing or unknown")?;
    if rule.count.is_some() && rule.until.is_some() {
        ignored.push("both COUNT and UNTIL: whichever comes first ends the series".to_owned());
    }
    rule.put_right(&mut ignored);
    Ok((rule, ignored))
}

/// Checks the list of one part; `Ok(None)` for a part that is not ours.
fn checked_part(name: &str, value: &str) -> Result<Option<String>, ()> {
    let (low, high, signed) = match name {
        "BYSECOND" | "BYMINUTE" => (0, 59, false),
        "BYHOUR" => (0, 23, false),
        "BYMONTHDAY" => (1, 31, true),
        "BYYEARDAY" | "BYSETPOS" => (1, 366, true),
        "BYWEEKNO" => (1, 53, true),
        "BYMONTH" => (1, 12, false),
        "BYDAY" => return checked_days(value).map(Some),
        "WKST" if WEEKDAYS.contains(&value) => return Ok(Some(value.to_owned())),
        "WKST" => return Err(()),
        _ => return Ok(None),
    };
    let mut numbers = Vec::new();
    for item in value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let number: i32 = item.parse().map_err(|_| ())?;
        // 60 is the leap second, which no clock here has.
        let number = if name == "BYSECOND" && number == 60 {
            59
        } else {
            number
        };
        let size = if signed {
            number.saturating_abs()
        } else {
            number
        };
        if !(low..=high).contains(&size) {
            return Err(());
        }
        numbers.push(number.to_string());
    }
    if numbers.is_empty() {
        Err(())
    } else {
        Ok(Some(numbers.join(",")))
    }
}

const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

fn checked_days(value: &str) -> Result<String, ()> {
    let mut days = Vec::new();
    for item in value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let at = item.len().checked_sub(2).ok_or(())?;
        let (ordinal, day) = item.split_at_checked(at).ok_or(())?;
        if !WEEKDAYS.contains(&day) {
            return Err(());
        }
        let ordinal = match ordinal.strip_prefix('+').unwrap_or(ordinal) {
            "" => None,
            number => Some(number.parse::<i16>().map_err(|_| ())?).filter(|n| *n != 0),
        };
        days.push(match ordinal {
            Some(number) if number.saturating_abs() <= 53 => format!("{number}{day}"),
            Some(_) => return Err(()),
            None => day.to_owned(),
        });
    }
    if days.is_empty() {
        Err(())
    } else {
        Ok(days.join(","))
    }
}

impl Rule {
    fn part(&self, name: &str) -> Option<&str> {
        self.parts
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn drop_part(&mut self, name: &str, ignored: &mut Vec<String>) {
        let frequency = self.frequency.name();
        let before = self.parts.len();
        self.parts.retain(|(key, _)| key != name);
        if self.parts.len() != before {
            ignored.push(format!(
                "{name} has no meaning with FREQ={frequency} and was ignored"
            ));
        }
    }

    /// Rewrites combinations that RFC 5545 forbids into the meaning that other programs give them.
    fn put_right(&mut self, ignored: &mut Vec<String>) {
        let ordinals = |days: &str| days.bytes().any(|b| b.is_ascii_digit());
        // An ordinal means something only inside a month or a year.
        if self.frequency < Frequency::Monthly || self.part("BYWEEKNO").is_some() {
            for (key, value) in &mut self.parts {
                if key == "BYDAY" && ordinals(value) {
                    value.retain(|c| c.is_ascii_alphabetic() || c == ',');
                    ignored.push("the ordinals in BYDAY have no meaning here".to_owned());
                }
            }
        }
        if self.frequency == Frequency::Weekly && self.part("BYMONTHDAY").is_some() {
            if self.interval == 1 && self.part("BYSETPOS").is_none() {
                self.frequency = Frequency::Daily;
            } else {
                self.drop_part("BYMONTHDAY", ignored);
            }
        }
        if self.frequency != Frequency::Yearly {
            self.drop_part("BYWEEKNO", ignored);
        }
        if matches!(
            self.frequency,
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly
        ) {
            self.drop_part("BYYEARDAY", ignored);
        }
        let by = self
            .parts
            .iter()
            .any(|(key, _)| key != "BYSETPOS" && key != "WKST");
        if !by {
            self.drop_part("BYSETPOS", ignored);
        }
        self.put_days_right();
    }

    /// The engine takes days with and without an ordinal side by side for days that are both, and
    /// refuses the fifth last day of a month.
    fn put_days_right(&mut self) {
        let all = if self.frequency == Frequency::Monthly || self.part("BYMONTH").is_some() {
            5
        } else {
            53
        };
        // Places of a set cannot be counted in days that are left out afterwards.
        let from_the_end = self.frequency == Frequency::Monthly && self.part("BYSETPOS").is_none();
        let Some((_, days)) = self.parts.iter_mut().find(|(key, _)| key == "BYDAY") else {
            return;
        };
        if !days.bytes().any(|b| b.is_ascii_digit()) {
            return;
        }
        let mut items = Vec::new();
        for item in days.split(',') {
            if WEEKDAYS.contains(&item) {
                items.extend((1..=all).map(|ordinal| format!("{ordinal}{item}")));
                continue;
            }
            let fifth_last = item.strip_prefix("-5").filter(|day| WEEKDAYS.contains(day));
            match fifth_last {
                // Where there is a fifth last day, it is the first.
                Some(day) if from_the_end => {
                    items.push(format!("1{day}"));
                    self.days_meant = Some(days.clone());
                }
                _ => items.push(item.to_owned()),
            }
        }
        *days = items.join(",");
    }

    /// Whether a wall clock that the engine gave is meant.
    fn means(&self, wall: DateTime) -> bool {
        let Some(days) = &self.days_meant else {
            return true;
        };
        let weekday = usize::try_from(wall.weekday().to_monday_zero_offset());
        let name = weekday.ok().and_then(|day| WEEKDAYS.get(day).copied());
        let left = wall.days_in_month().saturating_sub(wall.day());
        let nth = wall.day().saturating_add(6).div_euclid(7);
        let nth_last = left.div_euclid(7).saturating_add(1).saturating_neg();
        days.split(',').any(|item| {
            let ordinal = name.and_then(|name| item.strip_suffix(name));
            ordinal.is_some_and(|ordinal| {
                ordinal.is_empty()
                    || ordinal
                        .parse()
                        .is_ok_and(|ordinal: i8| ordinal == nth || ordinal == nth_last)
            })
        })
    }

    /// Whether the length of a period alone decides, so that periods can be counted by division.
    fn is_plain(&self) -> bool {
        self.frequency <= Frequency::Weekly && self.parts.iter().all(|(key, _)| key == "WKST")
    }

    /// A start nearer to `from` that gives the same instances from there on, and the COUNT left.
    fn fast_forward(&self, start: DateTime, from: DateTime) -> Option<(DateTime, Option<u32>)> {
        let far = seconds_between(start, from);
        let unit = self
            .frequency
            .seconds()
            .saturating_mul(i64::from(self.interval));
        let periods = far.checked_div(unit).unwrap_or(0).saturating_sub(2);
        if periods <= 0 {
            return Some((start, self.count));
        }
        let left = match self.count {
            Some(count) if self.is_plain() => {
                let left = i64::from(count).saturating_sub(periods);
                Some(u32::try_from(left).ok().filter(|left| *left > 0)?)
            }
            Some(_) => return Some((start, self.count)),
            None => None,
        };
        let later = match self.frequency {
            Frequency::Yearly => None,
            Frequency::Monthly if start.day() > 28 => None,
            Frequency::Monthly => {
                // Months are counted short, so the jump must be too.
                let months = whole_months(start, from, self.interval);
                start.checked_add(Span::new().try_months(months).ok()?).ok()
            }
            _ => Span::new()
                .try_seconds(periods.saturating_mul(unit))
                .ok()
                .and_then(|span| start.checked_add(span).ok()),
        };
        Some(later.map_or((start, self.count), |later| (later, left)))
    }

    /// Whether days exist on which the rule could fall at all.
    fn is_possible(&self) -> bool {
        let (Some(months), Some(days)) = (self.part("BYMONTH"), self.part("BYMONTHDAY")) else {
            return true;
        };
        let longest = |month: &str| match month {
            "2" => 29,
            "4" | "6" | "9" | "11" => 30,
            _ => 31,
        };
        months.split(',').any(|month| {
            days.split(',').any(|day| {
                day.parse::<i32>()
                    .is_ok_and(|day| day.saturating_abs() <= longest(month))
            })
        })
    }

    /// The rule for the engine. Without UNTIL: the caller stops, and so an end that comes by itself
    /// tells that the engine found nothing more.
    fn text(&self, start: DateTime, count: Option<u32>) -> String {
        let mut text = format!(
            "DTSTART:{}Z\nRRULE:FREQ={};INTERVAL={}",
            start.strftime("%Y%m%dT%H%M%S"),
            self.frequency.name(),
            self.interval
        );
        if let (Some(count), None) = (count, &self.days_meant) {
            text.push_str(&format!(";COUNT={count}"));
        }
        for (name, value) in &self.parts {
            text.push_str(&format!(";{name}={value}"));
        }
        text
    }
}

/// A multiple of `interval` months, at least two periods short of `from`.
fn whole_months(start: DateTime, from: DateTime, interval: u32) -> i32 {
    let years = i32::from(from.year()).saturating_sub(i32::from(start.year()));
    let months = i32::from(from.month()).saturating_sub(i32::from(start.month()));
    let between = years.saturating_mul(12).saturating_add(months);
    let interval = i32::try_from(interval).unwrap_or(i32::MAX);
    let periods = between
        .checked_div(interval)
        .unwrap_or(0)
        .saturating_sub(2)
        .max(0);
    periods.saturating_mul(interval)
}

fn seconds_between(earlier: DateTime, later: DateTime) -> i64 {
    later.duration_since(earlier).as_secs()
}

/// The stretch of wall-clock time for which instances are wanted, both ends included.
#[derive(Debug, Clone, Copy)]
pub struct WallRange {
    /// First wall clock wanted.
    pub from: DateTime,
    /// Last wall clock wanted.
    pub to: DateTime,
}

/// What is left of the work that one object may cause.
#[derive(Debug)]
pub struct Budget {
    periods: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            periods: MAX_PERIODS,
        }
    }
}

impl Budget {
    /// Whether nothing is left: what was not expanded before is not expanded at all.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.periods == 0
    }

    /// Takes `periods`; false when they are used up.
    fn spend(&mut self, periods: u64) -> bool {
        self.periods = self.periods.saturating_sub(periods);
        self.periods > 0
    }
}

/// The instances of a rule in a range, as wall clocks in order; DTSTART only if the rule says so.
///
/// `until` is UNTIL as a wall clock of the series. The second value tells why the list is cut
/// short, if it is: [`MAX_RULE_INSTANCES`], [`MAX_PERIODS`] or `limit`.
pub fn expand(
    rule: &Rule,
    start: DateTime,
    until: Option<DateTime>,
    range: WallRange,
    budget: &mut Budget,
    limit: usize,
) -> (Vec<DateTime>, Option<String>) {
    let mut out = Vec::new();
    let last = until
        .map_or(range.to, |until| until.min(range.to))
        .min(last_wall());
    if last < start || last < range.from || !rule.is_possible() {
        return (out, None);
    }
    if rule.interval > u32::from(u16::MAX) {
        let what = format!(
            "INTERVAL={} is too large: only the first instance",
            rule.interval
        );
        return (out, Some(what));
    }
    let Some((from, count)) = rule.fast_forward(start, range.from.max(start)) else {
        return (out, None);
    };
    if from > last {
        return (out, None);
    }
    if !budget.spend(1) {
        return (
            out,
            Some("the object needs too much work: a rule was not expanded".to_owned()),
        );
    }
    let set = match rule.text(from, count).parse::<RRuleSet>() {
        Ok(set) => set.limit(),
        Err(error) => return (out, Some(format!("the rule was not understood: {error}"))),
    };
    let unit = rule
        .frequency
        .seconds()
        .saturating_mul(i64::from(rule.interval))
        .max(1);
    let mut before = from;
    let mut yielded = 0_u32;
    for stand_in in &set {
        let Some(wall) = from_unix(stand_in.timestamp()) else {
            break;
        };
        if wall > last {
            return (out, None);
        }
        let meant = rule.means(wall);
        if meant && wall >= range.from {
            out.push(wall);
        }
        let gap = seconds_between(before, wall).checked_div(unit).unwrap_or(0);
        before = wall;
        yielded = yielded.saturating_add(u32::from(meant));
        if rule.days_meant.is_some() && count.is_some_and(|count| yielded >= count) {
            return (out, None);
        }
        if out.len() >= limit.min(MAX_RULE_INSTANCES) {
            let what = (limit > MAX_RULE_INSTANCES)
                .then(|| format!("only the first {MAX_RULE_INSTANCES} instances are listed"));
            return (out, what);
        }
        if !budget.spend(u64::try_from(gap).unwrap_or(0).saturating_add(1)) {
            let what = format!("the rule needs more than {MAX_PERIODS} steps: not all instances");
            return (out, Some(what));
        }
    }
    if count.is_some_and(|count| yielded >= count) {
        return (out, None);
    }
    budget.spend(EXHAUSTED);
    (
        out,
        Some("the rule gives no further instances, though it does not end".to_owned()),
    )
}

/// The last wall clock the engine is asked for: it counts years with four digits.
fn last_wall() -> DateTime {
    DateTime::constant(9998, 12, 31, 23, 59, 59, 0)
}

fn from_unix(seconds: i64) -> Option<DateTime> {
    let instant = jiff::Timestamp::from_second(seconds).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_datetime(instant))
}

/// UNTIL of a series of whole days: its date, whatever time stands behind it.
#[must_use]
pub fn until_of_days(until: &EventTime) -> DateTime {
    until.wall().date().to_datetime(Time::midnight())
}

/// The wall clock `days` earlier or later; at the edges of the calendar it stays.
pub(crate) fn shift_days(wall: DateTime, days: i32) -> DateTime {
    wall.saturating_add(days.days())
}

#[cfg(test)]
mod tests;
