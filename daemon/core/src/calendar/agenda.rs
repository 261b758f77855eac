//! An agenda: what somebody does, day by day, and what of it cannot all take place.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::business_time::WorkTime;
use crate::time::Window;

/// Most items of one agenda that are compared with each other.
pub const ITEMS_MAX: usize = 2_000;
/// Most others that are named for one item; an item with so many is understood.
pub const CLASHES_MAX: usize = 5;
/// Longest agenda, in days.
pub const DAYS_MAX: u16 = 62;

/// Something in an agenda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgendaItem<T> {
    /// When; one without length belongs to the day on which it is.
    pub when: Window,
    /// Whether it takes the time of its owner.
    pub takes_time: bool,
    /// Of those with the same key only one takes place: the alternatives of one offer.
    pub one_of: String,
    /// What it is.
    pub what: T,
}

impl<T> AgendaItem<T> {
    fn is_on(&self, day: &Window) -> bool {
        let ends = self.when.end.max(self.when.start.plus_millis(1));
        self.when.start < day.end && day.start < ends
    }
}

/// For each item, which others take the same time of the same person; by place in `items`, in
/// their order, [`CLASHES_MAX`] at most.
#[must_use]
pub fn clashes<T>(items: &[AgendaItem<T>]) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); items.len()];
    let taking = items.iter().enumerate().take(ITEMS_MAX);
    let mut taking: Vec<(usize, &AgendaItem<T>)> = taking
        .filter(|(_, item)| item.takes_time && item.when.start < item.when.end)
        .collect();
    taking.sort_by_key(|(_, item)| item.when.start);
    let mut rest = taking.as_slice();
    while let Some(((at, item), later)) = rest.split_first() {
        rest = later;
        for (other_at, other) in later {
            if other.when.start >= item.when.end {
                break;
            }
            if other.one_of == item.one_of {
                continue;
            }
            for (one, another) in [(*at, *other_at), (*other_at, *at)] {
                if let Some(list) = found.get_mut(one) {
                    list.push(another);
                }
            }
        }
    }
    for list in &mut found {
        list.sort_unstable();
        list.truncate(CLASHES_MAX);
    }
    found
}

/// Which items fall on which day of the owner, wherever they then are: from `first` on so many
/// days, [`DAYS_MAX`] at most, those that last longer than a day before the others.
#[must_use]
pub fn by_day<T>(
    items: &[AgendaItem<T>],
    first: Date,
    days: u16,
    work: &WorkTime,
) -> Vec<(Date, Window, Vec<usize>)> {
    let dates = first.series(1.day()).take(usize::from(days.min(DAYS_MAX)));
    let of_day = |date: Date| {
        let day = work.day(date);
        let mut here: Vec<(usize, &AgendaItem<T>)> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is_on(&day))
            .collect();
        // What covers the day comes first, then by the clock.
        here.sort_by_key(|(at, item)| {
            let covers = item.when.start <= day.start && day.end <= item.when.end;
            (!covers, item.when.start, item.when.end, *at)
        });
        (date, day, here.into_iter().map(|(at, _)| at).collect())
    };
    dates.map(of_day).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;

    use super::*;
    use crate::business_time::BusinessCalendar;
    use crate::time::{HOUR_MS, Timestamp};

    fn work(zone: &str) -> WorkTime {
        let hours = crate::business_time::WorkInterval {
            from: 9 * 60,
            to: 17 * 60,
        };
        let calendar = BusinessCalendar::weekdays(zone, hours).unwrap();
        WorkTime::at(calendar)
    }

    fn item(start: &str, hours: i64, one_of: &str) -> AgendaItem<()> {
        let start: Timestamp = start.parse().unwrap();
        AgendaItem {
            when: Window {
                start,
                end: start.plus_millis(hours.saturating_mul(HOUR_MS)),
            },
            takes_time: true,
            one_of: one_of.to_owned(),
            what: (),
        }
    }

    #[test]
    fn what_overlaps_clashes_and_what_touches_does_not() {
        let mut items = vec![
            item("2026-03-02T09:00:00Z", 2, "a"),
            item("2026-03-02T10:00:00Z", 1, "b"),
            item("2026-03-02T11:00:00Z", 1, "c"),
            // Alternatives of one offer, and something that takes no time.
            item("2026-03-02T11:30:00Z", 1, "c"),
            item("2026-03-02T09:00:00Z", 8, "free"),
            item("2026-03-02T10:30:00Z", 0, "moment"),
        ];
        items[4].takes_time = false;
        let found = clashes(&items);
        assert_eq!(found, [vec![1], vec![0], vec![], vec![], vec![], vec![]]);
        // Both sides know of it, in any order of the items.
        items.reverse();
        let reversed = clashes(&items);
        assert_eq!(reversed.iter().filter(|list| !list.is_empty()).count(), 2);
        assert_eq!(reversed[5], [4]);
    }

    #[test]
    fn one_that_clashes_with_many_names_a_few() {
        let mut items: Vec<_> = (0..40)
            .map(|n| item("2026-03-02T09:00:00Z", 1, &n.to_string()))
            .collect();
        items.push(item("2026-03-02T12:00:00Z", 1, "alone"));
        let found = clashes(&items);
        assert!(found[..40].iter().all(|list| list.len() == CLASHES_MAX));
        assert!(found[40].is_empty());
    }

    #[test]
    fn each_item_is_on_every_day_that_it_touches_in_the_zone_of_the_owner() {
        let berlin = work("Europe/Berlin");
        let items = [
            // 23:30 to 00:30 in Berlin.
            item("2026-03-02T22:30:00Z", 1, "night"),
            // Midnight of the third for nobody but Berlin.
            item("2026-03-02T23:00:00Z", 24, "day"),
            item("2026-03-03T08:00:00Z", 0, "moment"),
        ];
        let days = by_day(&items, date(2026, 3, 2), 3, &berlin);
        let seen: Vec<(Date, Vec<usize>)> = days
            .into_iter()
            .map(|(date, _, items)| (date, items))
            .collect();
        assert_eq!(
            seen,
            [
                (date(2026, 3, 2), vec![0]),
                // What covers the day comes first.
                (date(2026, 3, 3), vec![1, 0, 2]),
                (date(2026, 3, 4), vec![]),
            ]
        );
    }

    #[test]
    fn days_of_23_and_25_hours_lose_and_double_nothing() {
        let berlin = work("Europe/Berlin");
        for (first, hours) in [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)] {
            let start = berlin.day(first).start;
            let items: Vec<_> = (0..hours)
                .map(|hour| AgendaItem {
                    when: Window {
                        start: start.plus_millis(HOUR_MS.saturating_mul(hour)),
                        end: start.plus_millis(HOUR_MS.saturating_mul(hour.saturating_add(1))),
                    },
                    takes_time: true,
                    one_of: hour.to_string(),
                    what: (),
                })
                .collect();
            let days = by_day(&items, first, 2, &berlin);
            let of_first: BTreeSet<usize> = days[0].2.iter().copied().collect();
            assert_eq!(of_first.len(), usize::try_from(hours).unwrap());
            assert!(days[1].2.is_empty());
            assert!(clashes(&items).iter().all(Vec::is_empty));
        }
    }
}
