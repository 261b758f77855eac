//! When one of us works: usual hours at home, and the same or other hours elsewhere while away.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{BusinessCalendar, OFFSET_MS_MAX};
use crate::time::{Timestamp, Window};

/// Days looked at in one go; nobody plans a meeting in two years.
pub const WORK_DAYS_MAX: usize = 732;

/// A range of days in another zone, or with other hours.
#[derive(Debug, Clone)]
pub struct Trip {
    /// First day, by the calendar on the wall there.
    pub first: Date,
    /// Last day, which belongs to it.
    pub last: Date,
    /// Hours, zone and holidays of these days.
    pub calendar: BusinessCalendar,
}

/// When one person works. A date means the day at the place where the person then is.
#[derive(Debug, Clone)]
pub struct WorkTime {
    home: BusinessCalendar,
    trips: Vec<Trip>,
}

impl WorkTime {
    /// Somebody who stays at home.
    #[must_use]
    pub fn at(home: BusinessCalendar) -> WorkTime {
        WorkTime {
            home,
            trips: Vec::new(),
        }
    }

    /// Somebody who travels. Of trips that overlap the one that begins first counts.
    #[must_use]
    pub fn with_trips(mut self, mut trips: Vec<Trip>) -> WorkTime {
        trips.sort_by_key(|trip| (trip.first, trip.last));
        self.trips = trips;
        self
    }

    /// The same with more holidays, wherever the person is.
    #[must_use]
    pub fn with_holidays(self, more: &BTreeMap<Date, String>) -> WorkTime {
        let trips = self.trips.into_iter().map(|trip| Trip {
            calendar: trip.calendar.with_holidays(more),
            ..trip
        });
        WorkTime {
            home: self.home.with_holidays(more),
            trips: trips.collect(),
        }
    }

    /// The usual hours.
    #[must_use]
    pub fn home(&self) -> &BusinessCalendar {
        &self.home
    }

    /// Whether the person is ever elsewhere.
    #[must_use]
    pub fn travels(&self) -> bool {
        !self.trips.is_empty()
    }

    /// The hours of a day.
    #[must_use]
    pub fn on(&self, date: Date) -> &BusinessCalendar {
        let mut trips = self.trips.iter();
        let trip = trips.find(|trip| trip.first <= date && date <= trip.last);
        trip.map_or(&self.home, |trip| &trip.calendar)
    }

    /// The hours where the person is at an instant.
    #[must_use]
    pub fn then(&self, t: Timestamp) -> &BusinessCalendar {
        let mut trips = self.trips.iter();
        let trip = trips.find(|trip| {
            let date = trip.calendar.date_of(t);
            trip.first <= date && date <= trip.last
        });
        trip.map_or(&self.home, |trip| &trip.calendar)
    }

    /// The date on the wall where the person is at an instant.
    #[must_use]
    pub fn date_of(&self, t: Timestamp) -> Date {
        self.then(t).date_of(t)
    }

    /// From the first instant of a day to the first one of the next, wherever that is.
    #[must_use]
    pub fn day(&self, date: Date) -> Window {
        let next = date.saturating_add(1.day());
        Window {
            start: self.on(date).start_of(date),
            end: self.on(next).start_of(next),
        }
    }

    /// The zone of a day.
    #[must_use]
    pub fn zone_on(&self, date: Date) -> &TimeZone {
        self.on(date).zone()
    }

    /// Working time inside a window, sorted and joined; of at most [`WORK_DAYS_MAX`] days.
    #[must_use]
    pub fn open_between(&self, window: &Window) -> Vec<Window> {
        let first = self.date_of(window.start).saturating_sub(1.day());
        let mut out = Vec::new();
        for date in first.series(1.day()).take(WORK_DAYS_MAX) {
            let hours = self.on(date);
            // A journey over the date line makes a later date begin earlier.
            if hours.start_of(date) >= window.end.plus_millis(OFFSET_MS_MAX) {
                break;
            }
            out.extend(hours.open_on(date).into_iter().map(|(_, open)| open));
        }
        crate::time::common(&crate::time::joined(out), &[*window])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn office(zone: &str) -> BusinessCalendar {
        BusinessCalendar::weekdays(zone, "09:00-17:00".parse().unwrap()).unwrap()
    }

    fn traveller() -> WorkTime {
        WorkTime::at(office("Europe/Berlin")).with_trips(vec![Trip {
            first: day("2026-03-04"),
            last: day("2026-03-05"),
            calendar: office("Asia/Tokyo"),
        }])
    }

    #[test]
    fn whoever_travels_works_by_the_clock_of_the_place() {
        let window = Window {
            start: "2026-03-02T23:00:00Z".parse().unwrap(),
            end: "2026-03-06T23:00:00Z".parse().unwrap(),
        };
        let open = traveller().open_between(&window);
        let shown: Vec<String> = open.iter().map(|open| open.start.to_string()).collect();
        assert_eq!(
            shown,
            [
                "2026-03-03T08:00:00Z",
                "2026-03-04T00:00:00Z",
                "2026-03-05T00:00:00Z",
                "2026-03-06T08:00:00Z"
            ]
        );
        assert!(open.iter().all(|open| open.millis() == 8 * 3_600_000));
    }

    #[test]
    fn a_date_is_the_date_where_the_person_is() {
        let work = traveller();
        let evening = "2026-03-03T16:00:00Z".parse().unwrap();
        assert_eq!(
            work.date_of(evening),
            day("2026-03-04"),
            "midnight in Tokyo"
        );
        let zone = |t: &str| work.then(t.parse().unwrap()).zone_name().to_owned();
        assert_eq!(zone("2026-03-05T14:00:00Z"), "Asia/Tokyo");
        assert_eq!(zone("2026-03-05T15:00:00Z"), "Europe/Berlin");
        assert_eq!(work.day(day("2026-03-05")).millis(), 32 * 3_600_000);
        let holidays = [(day("2026-03-04"), "Feast".to_owned())].into();
        let work = work.with_holidays(&holidays);
        assert_eq!(
            work.on(day("2026-03-04")).holiday(day("2026-03-04")),
            Some("Feast")
        );
    }
}
