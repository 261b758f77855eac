//! Working time of the pretend firm: Monday to Friday, 9 to 17, no holidays.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};
use liaison_core::time::{HOUR_MS, MINUTE_MS, Timestamp, Window};

use crate::plugin::SlotRequest;

const OPENS: Time = Time::constant(9, 0, 0, 0);
const CLOSES: Time = Time::constant(17, 0, 0, 0);
/// Slots begin on the half hour.
const GRID_MS: i64 = 30 * MINUTE_MS;

type Out<T> = Result<T, String>;

fn zoned(at: Timestamp, zone: &TimeZone) -> Zoned {
    at.to_jiff().to_zoned(zone.clone())
}

fn at(date: Date, time: Time, zone: &TimeZone) -> Out<Timestamp> {
    let zoned = date
        .to_datetime(time)
        .to_zoned(zone.clone())
        .map_err(|e| e.to_string())?;
    Ok(Timestamp::from_jiff(zoned.timestamp()))
}

fn is_working(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn next_working(date: Date) -> Out<Date> {
    let mut date = date.tomorrow().map_err(|e| e.to_string())?;
    while !is_working(date) {
        date = date.tomorrow().map_err(|e| e.to_string())?;
    }
    Ok(date)
}

pub(super) fn plus_days(from: Timestamp, days: u32, zone: &TimeZone) -> Out<Timestamp> {
    let start = zoned(from, zone);
    let mut date = start.date();
    for _ in 0..days {
        date = next_working(date)?;
    }
    if !is_working(date) || start.time() >= CLOSES {
        at(next_working(date)?, OPENS, zone)
    } else {
        at(date, start.time().max(OPENS), zone)
    }
}

pub(super) fn plus_hours(from: Timestamp, hours: u32, zone: &TimeZone) -> Out<Timestamp> {
    let mut now = plus_days(from, 0, zone)?;
    let mut left = i64::from(hours).saturating_mul(HOUR_MS);
    loop {
        let date = zoned(now, zone).date();
        let today = at(date, CLOSES, zone)?.since(now);
        if left <= today {
            return Ok(now.plus_millis(left));
        }
        left = left.saturating_sub(today);
        now = at(next_working(date)?, OPENS, zone)?;
    }
}

pub(super) fn free_slots(
    now: Timestamp,
    request: &SlotRequest,
    busy: &[Window],
    zone: &TimeZone,
) -> Out<Vec<Window>> {
    let length = i64::from(request.minutes).saturating_mul(MINUTE_MS);
    let wanted = usize::try_from(request.count).unwrap_or(usize::MAX);
    let mut date = zoned(now, zone).date();
    let mut slots = Vec::new();
    for day in 1..=request.days_ahead_max {
        date = next_working(date)?;
        if day < request.days_ahead_min || slots.len() >= wanted {
            continue;
        }
        let closes = at(date, CLOSES, zone)?;
        let mut start = at(date, OPENS, zone)?;
        while start.plus_millis(length) <= closes {
            let slot = Window {
                start,
                end: start.plus_millis(length),
            };
            if busy.iter().all(|taken| !taken.overlaps(&slot)) {
                slots.push(slot);
                break;
            }
            start = start.plus_millis(GRID_MS);
        }
    }
    Ok(slots)
}

/// The instant after a span such as `3 business days`, `4 business hours` or `90 minutes`.
pub(super) fn after(from: Timestamp, span: &str, zone: &TimeZone) -> Out<Timestamp> {
    let wrong = || format!("`{span}` is no span: write it like `3 business days` or `90 minutes`");
    let mut words = span.split_whitespace();
    let count: u32 = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(wrong)?;
    let unit = words.collect::<Vec<_>>().join(" ");
    let calendar = |span: Span| {
        let later = zoned(from, zone)
            .checked_add(span)
            .map_err(|e| e.to_string())?;
        Ok(Timestamp::from_jiff(later.timestamp()))
    };
    let millis = |each: i64| Ok(from.plus_millis(i64::from(count).saturating_mul(each)));
    match unit.strip_suffix('s').unwrap_or(&unit) {
        "business day" | "working day" => plus_days(from, count, zone),
        "business hour" | "working hour" => plus_hours(from, count, zone),
        "minute" => millis(MINUTE_MS),
        "hour" => millis(HOUR_MS),
        "day" => calendar(Span::new().try_days(count).map_err(|e| e.to_string())?),
        "week" => calendar(Span::new().try_weeks(count).map_err(|e| e.to_string())?),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_skip_nights_and_week_ends() {
        let berlin = liaison_core::zones::zone("Europe/Berlin").unwrap();
        let cases = [
            (
                "2026-03-02T09:00:00Z",
                "3 business days",
                "2026-03-05T09:00:00Z",
            ),
            (
                "2026-03-05T15:30:00Z",
                "3 business days",
                "2026-03-10T15:30:00Z",
            ),
            (
                "2026-03-07T10:00:00Z",
                "0 business days",
                "2026-03-09T08:00:00Z",
            ),
            // Summer time begins on the Sunday between: ten in the morning stays ten.
            (
                "2026-03-27T09:00:00Z",
                "1 business day",
                "2026-03-30T08:00:00Z",
            ),
            ("2026-03-27T09:00:00Z", "3 days", "2026-03-30T08:00:00Z"),
            (
                "2026-03-02T15:00:00Z",
                "2 business hours",
                "2026-03-03T09:00:00Z",
            ),
            (
                "2026-03-06T15:00:00Z",
                "10 business hours",
                "2026-03-10T09:00:00Z",
            ),
            ("2026-03-06T15:00:00Z", "90 minutes", "2026-03-06T16:30:00Z"),
        ];
        for (from, span, expected) in cases {
            let later = after(from.parse().unwrap(), span, &berlin).unwrap();
            assert_eq!(later.to_string(), expected, "{from} + {span}");
        }
        assert!(after(Timestamp(0), "soon", &berlin).is_err());
    }
}
