//! Dates and clocks of a zone, for guests that carry no zone tables.

use jiff::civil::DateTime;
use liaison_core::time::Timestamp;
use liaison_core::zones;

/// A date and a clock in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i16,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    /// 1 is Monday. Not looked at on the way back.
    pub(super) weekday: u8,
    /// Not looked at on the way back.
    pub(super) offset_seconds: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CivilError {
    UnknownZone(String),
    OutOfRange,
}

fn zone(name: &str) -> Result<jiff::tz::TimeZone, CivilError> {
    zones::zone(name).ok_or_else(|| CivilError::UnknownZone(name.to_owned()))
}

fn part(number: i8) -> u8 {
    u8::try_from(number).unwrap_or_default()
}

pub(super) fn to_civil(at: Timestamp, zone_name: &str) -> Result<Civil, CivilError> {
    let instant = jiff::Timestamp::from_millisecond(at.0).map_err(|_| CivilError::OutOfRange)?;
    let zoned = instant.to_zoned(zone(zone_name)?);
    Ok(Civil {
        year: zoned.year(),
        month: part(zoned.month()),
        day: part(zoned.day()),
        hour: part(zoned.hour()),
        minute: part(zoned.minute()),
        second: part(zoned.second()),
        weekday: part(zoned.weekday().to_monday_one_offset()),
        offset_seconds: zoned.offset().seconds(),
    })
}

/// In a gap the first moment after it, in an overlap the earlier one.
pub(super) fn from_civil(civil: &Civil, zone_name: &str) -> Result<Timestamp, CivilError> {
    let number = |value: u8| i8::try_from(value).map_err(|_| CivilError::OutOfRange);
    let wall = DateTime::new(
        civil.year,
        number(civil.month)?,
        number(civil.day)?,
        number(civil.hour)?,
        number(civil.minute)?,
        number(civil.second)?,
        0,
    )
    .map_err(|_| CivilError::OutOfRange)?;
    let zone = zone(zone_name)?;
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    if let jiff::tz::AmbiguousOffset::Gap { before, .. } = ambiguous.offset() {
        // The moment of the change itself, not the wall time pushed past it.
        let pushed = before
            .to_timestamp(wall)
            .map_err(|_| CivilError::OutOfRange)?;
        if let Some(change) = zone.preceding(pushed).next() {
            return Ok(Timestamp::from_jiff(change.timestamp()));
        }
    }
    let at = ambiguous.earlier().map_err(|_| CivilError::OutOfRange)?;
    Ok(Timestamp::from_jiff(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(year: i16, month: u8, day: u8, hour: u8, minute: u8) -> Civil {
        let (second, weekday, offset_seconds) = (0, 1, 0);
        Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            weekday,
            offset_seconds,
        }
    }

    #[test]
    fn wall_times_become_instants_in_gaps_and_overlaps() {
        let cases = [
            (
                wall(2026, 12, 1, 10, 0),
                "2026-12-01T09:00:00Z",
                "an ordinary day",
            ),
            (
                wall(2026, 3, 29, 2, 30),
                "2026-03-29T01:00:00Z",
                "the end of the gap",
            ),
            (
                wall(2026, 10, 25, 2, 30),
                "2026-10-25T00:30:00Z",
                "the earlier of two",
            ),
        ];
        for (given, expected, what) in cases {
            let at = from_civil(&given, "Europe/Berlin").unwrap();
            assert_eq!(at.to_string(), expected, "{what}");
        }
        assert_eq!(
            from_civil(&wall(2026, 2, 30, 1, 0), "Europe/Berlin"),
            Err(CivilError::OutOfRange)
        );
        assert_eq!(
            from_civil(&wall(2026, 2, 3, 1, 0), "Europe/Atlantis"),
            Err(CivilError::UnknownZone("Europe/Atlantis".to_owned()))
        );
    }

    #[test]
    fn instants_become_wall_times_with_weekday_and_offset() {
        let civil = to_civil("2026-12-01T09:00:00Z".parse().unwrap(), "Europe/Berlin").unwrap();
        assert_eq!(
            (civil.hour, civil.weekday, civil.offset_seconds),
            (10, 2, 3600)
        );
        assert_eq!(
            to_civil(Timestamp(i64::MAX), "UTC"),
            Err(CivilError::OutOfRange)
        );
    }
}
