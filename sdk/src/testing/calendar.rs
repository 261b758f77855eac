//! Working time and free slots of the pretend firm: Monday to Friday, 9 to 17, no holidays.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::{Civil, SlotRequest, TimeError, Window};

const OPENS: Time = Time::constant(9, 0, 0, 0);
const CLOSES: Time = Time::constant(17, 0, 0, 0);
const HOUR_MS: i64 = 3_600_000;
/// Slots begin on the half hour.
const GRID_MS: usize = 1_800_000;

pub fn zone(name: &str) -> Result<TimeZone, TimeError> {
    TimeZone::get(name).map_err(|_| TimeError::UnknownZone(name.to_owned()))
}

fn zoned(at: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_millisecond(at)
        .expect("an instant within the calendar")
        .to_zoned(zone.clone())
}

fn at(date: Date, time: Time, zone: &TimeZone) -> i64 {
    let zoned = date
        .to_datetime(time)
        .to_zoned(zone.clone())
        .expect("within the calendar");
    zoned.timestamp().as_millisecond()
}

fn is_working(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn next_working(date: Date) -> Date {
    let mut date = date.tomorrow().expect("within the calendar");
    while !is_working(date) {
        date = date.tomorrow().expect("within the calendar");
    }
    date
}

fn into_working(date: Date, time: Time, zone: &TimeZone) -> i64 {
    if !is_working(date) || time >= CLOSES {
        at(next_working(date), OPENS, zone)
    } else {
        at(date, time.max(OPENS), zone)
    }
}

pub fn working_time(from: i64, days: u32, zone: &TimeZone) -> i64 {
    let start = zoned(from, zone);
    let date = (0..days).fold(start.date(), |date, _| next_working(date));
    into_working(date, start.time(), zone)
}

pub fn working_hours(from: i64, hours: u32, zone: &TimeZone) -> i64 {
    let mut now = working_time(from, 0, zone);
    let mut left = i64::from(hours) * HOUR_MS;
    loop {
        let date = zoned(now, zone).date();
        let today = at(date, CLOSES, zone) - now;
        if left <= today {
            return now + left;
        }
        left -= today;
        now = at(next_working(date), OPENS, zone);
    }
}

pub fn free_slots(
    now: i64,
    request: &SlotRequest,
    busy: &[Window],
    zone: &TimeZone,
) -> Vec<Window> {
    let length = i64::from(request.minutes) * 60_000;
    let mut date = zoned(now, zone).date();
    let mut slots = Vec::new();
    for day in 1..=request.days_ahead_max {
        date = next_working(date);
        if day < request.days_ahead_min || slots.len() >= request.count as usize {
            continue;
        }
        let (opens, closes) = (at(date, OPENS, zone), at(date, CLOSES, zone));
        let free = (opens..=closes - length).step_by(GRID_MS).find(|start| {
            busy.iter()
                .all(|taken| start + length <= taken.start || taken.end <= *start)
        });
        slots.extend(free.map(|start| Window {
            start,
            end: start + length,
        }));
    }
    slots
}

pub fn to_civil(at: i64, zone: &TimeZone) -> Civil {
    let local = zoned(at, zone);
    Civil {
        year: local.year(),
        month: local.month().unsigned_abs(),
        day: local.day().unsigned_abs(),
        hour: local.hour().unsigned_abs(),
        minute: local.minute().unsigned_abs(),
        second: local.second().unsigned_abs(),
        weekday: local.weekday().to_monday_one_offset().unsigned_abs(),
        offset_seconds: local.offset().seconds(),
    }
}

pub fn instant_of(date: Civil, zone: &TimeZone) -> Result<i64, TimeError> {
    let small = |n: u8| i8::try_from(n).map_err(|_| TimeError::OutOfRange);
    let local = jiff::civil::DateTime::new(
        date.year,
        small(date.month)?,
        small(date.day)?,
        small(date.hour)?,
        small(date.minute)?,
        small(date.second)?,
        0,
    );
    let local = local.map_err(|_| TimeError::OutOfRange)?;
    let zoned = local
        .to_zoned(zone.clone())
        .map_err(|_| TimeError::OutOfRange)?;
    Ok(zoned.timestamp().as_millisecond())
}

/// The instant `days` calendar days later at the same local time.
pub fn plus_days(from: i64, days: i64, zone: &TimeZone) -> i64 {
    let later = zoned(from, zone)
        .checked_add(days.days())
        .expect("within the calendar");
    later.timestamp().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instant;

    #[test]
    fn working_time_skips_nights_and_week_ends() {
        let berlin = zone("Europe/Berlin").unwrap();
        for (from, days, expected) in [
            ("2026-03-02T09:00:00Z", 3, "2026-03-05T09:00:00Z"),
            ("2026-03-05T15:30:00Z", 3, "2026-03-10T15:30:00Z"),
            ("2026-03-07T10:00:00Z", 1, "2026-03-09T10:00:00Z"),
            ("2026-03-07T10:00:00Z", 0, "2026-03-09T08:00:00Z"),
            ("2026-03-02T20:00:00Z", 1, "2026-03-04T08:00:00Z"),
            // Summer time began on Sunday: ten in the morning stays ten.
            ("2026-03-27T09:00:00Z", 1, "2026-03-30T08:00:00Z"),
        ] {
            assert_eq!(
                working_time(instant(from), days, &berlin),
                instant(expected),
                "{from}"
            );
        }
        for (from, hours, expected) in [
            ("2026-03-02T09:00:00Z", 2, "2026-03-02T11:00:00Z"),
            ("2026-03-02T15:00:00Z", 2, "2026-03-03T09:00:00Z"),
            ("2026-03-06T15:00:00Z", 10, "2026-03-10T09:00:00Z"),
        ] {
            assert_eq!(
                working_hours(instant(from), hours, &berlin),
                instant(expected),
                "{from}"
            );
        }
    }

    #[test]
    fn free_slots_lie_on_different_working_days_and_avoid_what_is_busy() {
        let berlin = zone("Europe/Berlin").unwrap();
        let request = SlotRequest {
            owner: None,
            minutes: 60,
            days_ahead_min: 3,
            days_ahead_max: 10,
            count: 2,
        };
        let taken = Window {
            start: instant("2026-03-05T08:00:00Z"),
            end: instant("2026-03-05T09:10:00Z"),
        };
        let slots = free_slots(instant("2026-03-02T09:00:00Z"), &request, &[taken], &berlin);
        let starts: Vec<i64> = slots.iter().map(|slot| slot.start).collect();
        assert_eq!(
            starts,
            [
                instant("2026-03-05T09:30:00Z"),
                instant("2026-03-06T08:00:00Z")
            ]
        );
    }
}
