//! A calendar file as a list of holidays: its events of whole days.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Problem;
use super::event::EventStatus;
use super::read::read_calendar;
use super::recurrence::instances;
use crate::message::cut_text;
use crate::time::{Timestamp, Window};

/// The years 2020 to 2099: a rule without end gives holidays as long as anybody runs this.
const YEARS: Window = Window {
    start: Timestamp(1_577_836_800_000),
    end: Timestamp(4_102_444_800_000),
};
/// Most holidays of one file: what has more is somebody's diary.
pub const HOLIDAYS_MAX: usize = 5_000;
/// Longest name of a holiday kept, in characters.
const NAME_CHARS_MAX: usize = 80;

/// The holidays of a file.
#[derive(Debug, Clone, Default)]
pub struct HolidayList {
    /// By day, with SUMMARY as the name.
    pub days: BTreeMap<Date, String>,
    /// There were more than [`HOLIDAYS_MAX`].
    pub cut: bool,
    /// What was wrong with the file.
    pub problems: Vec<Problem>,
}

/// Reads the events of whole days, those that repeat included, of the years 2020 to 2099. Times of
/// day and what was cancelled are no holidays.
#[must_use]
pub fn read_holidays(bytes: &[u8]) -> HolidayList {
    let object = read_calendar(bytes);
    let found = instances(&object, YEARS, &TimeZone::UTC);
    let mut list = HolidayList {
        problems: object.problems,
        ..HolidayList::default()
    };
    list.problems.extend(found.problems);
    for one in found.instances {
        if !one.all_day || one.status == EventStatus::Cancelled {
            continue;
        }
        let name = one.summary.as_deref().map(str::trim).unwrap_or_default();
        let name = if name.is_empty() { "holiday" } else { name };
        let day = |t: Timestamp| TimeZone::UTC.to_datetime(t.to_jiff()).date();
        let (first, end) = (day(one.start), day(one.end));
        let last = end.saturating_sub(1.day()).max(first);
        let days = first.series(1.day()).take_while(|date| *date <= last);
        for date in days {
            if list.days.len() >= HOLIDAYS_MAX {
                list.cut = true;
                return list;
            }
            let known = list.days.entry(date);
            known.or_insert_with(|| cut_text(name, NAME_CHARS_MAX));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(events: &str) -> HolidayList {
        let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{events}END:VCALENDAR\n");
        read_holidays(text.as_bytes())
    }

    fn event(lines: &str) -> String {
        format!("BEGIN:VEVENT\nUID:{}\n{lines}\nEND:VEVENT\n", lines.len())
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn whole_days_are_holidays_and_those_of_every_year_never_end() {
        let list = file(&[
            event("DTSTART;VALUE=DATE:20201225\nRRULE:FREQ=YEARLY\nSUMMARY:Christmas"),
            event("DTSTART;VALUE=DATE:20260403\nDTEND;VALUE=DATE:20260407\nSUMMARY:Easter\\, four days"),
            event("DTSTART;VALUE=DATE:20260501\nTRANSP:TRANSPARENT"),
        ].concat());
        for (date, name) in [
            ("2026-12-25", "Christmas"),
            ("2091-12-25", "Christmas"),
            ("2026-04-03", "Easter, four days"),
            ("2026-04-06", "Easter, four days"),
            ("2026-05-01", "holiday"),
        ] {
            assert_eq!(
                list.days.get(&day(date)).map(String::as_str),
                Some(name),
                "{date}"
            );
        }
        assert!(
            !list.days.contains_key(&day("2026-04-07")),
            "the end is no part of it"
        );
        assert_eq!(list.days.len(), 80 + 4 + 1);
        assert!(!list.cut);
    }

    #[test]
    fn meetings_and_what_fell_away_close_no_office() {
        let list = file(
            &[
                event("DTSTART:20260501T090000Z\nDTEND:20260501T100000Z\nSUMMARY:Meeting"),
                event("DTSTART;VALUE=DATE:20260502\nSTATUS:CANCELLED\nSUMMARY:Fair"),
            ]
            .concat(),
        );
        assert!(list.days.is_empty(), "{:?}", list.days);
        let diary = event("DTSTART;VALUE=DATE:20200101\nRRULE:FREQ=DAILY\nSUMMARY:Diary");
        let list = file(&diary);
        assert!(list.cut && list.days.len() == HOLIDAYS_MAX);
        assert!(read_holidays(b"\xff\x00 no calendar").days.is_empty());
    }
}
