//! Opening hours in every zone of the tzdb, around every change of its clock, against a slow
//! second opinion that knows nothing but the wall clock.

use jiff::tz::TimeZoneDatabase;

use super::*;
use crate::zones::zone;

/// The years whose changes are looked at.
const YEARS: [&str; 2] = ["2024-01-01T00:00:00Z", "2028-01-01T00:00:00Z"];
/// All hours below, and all changes of these years, lie on such steps.
const STEP_MS: i64 = 15 * MINUTE_MS;

/// Pseudo-random and the same in every run (xorshift64*).
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        drawn.checked_rem(end).unwrap()
    }
}

fn minutes(count: u64) -> i64 {
    i64::try_from(count).unwrap().saturating_mul(MINUTE_MS)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn every_zone() -> Vec<(String, TimeZone)> {
    let database = TimeZoneDatabase::bundled();
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    assert!(names.len() > 400, "{} zones", names.len());
    let known = names
        .into_iter()
        .filter_map(|name| Some((zone(&name)?, name)));
    known.map(|(zone, name)| (name, zone)).collect()
}

/// Instants to ask at: before, at and after each change of the clock, up to three days before, and
/// some anywhere; a change that falls on the same instant in many zones is looked at in each.
fn moments(zone: &TimeZone, draws: &mut Draws) -> Vec<Timestamp> {
    let [first, last] = YEARS.map(at);
    let changes: Vec<Timestamp> = zone
        .following(first.to_jiff())
        .map(|change| Timestamp::from_jiff(change.timestamp()))
        .take_while(|change| *change < last)
        .collect();
    let mut out = Vec::new();
    for change in changes {
        let far = minutes(draws.below(3 * 24 * 60));
        let near = minutes(draws.below(180));
        out.extend([
            change,
            change.minus_millis(1),
            change.minus_millis(near),
            change.plus_millis(near),
            change.minus_millis(far),
        ]);
    }
    let span = u64::try_from(last.since(first)).unwrap();
    for _ in 0..3 {
        out.push(first.plus_millis(i64::try_from(draws.below(span)).unwrap()));
    }
    out
}

/// What the office's clock on the wall says, with nothing of the calendar's own arithmetic.
fn wall_says_open(zone: &TimeZone, week: &[Vec<WorkInterval>; 7], t: Timestamp) -> bool {
    let local = zone.to_datetime(t.to_jiff());
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap();
    let hour = u16::try_from(local.hour()).unwrap();
    let minute = hour
        .saturating_mul(60)
        .saturating_add(u16::try_from(local.minute()).unwrap());
    week[day]
        .iter()
        .any(|interval| interval.from <= minute && minute < interval.to)
}

fn week(hours: &str, days: usize) -> [Vec<WorkInterval>; 7] {
    let day: Vec<WorkInterval> = hours.split(',').map(|part| part.parse().unwrap()).collect();
    std::array::from_fn(|index| {
        if index < days {
            day.clone()
        } else {
            Vec::new()
        }
    })
}

/// Hours by day, hours of half the night (they meet each change of the clock), and an end at
/// midnight.
fn weeks() -> [[Vec<WorkInterval>; 7]; 4] {
    [
        week("09:00-12:30,13:30-17:30", 5),
        week("00:15-02:30", 7),
        week("01:45-03:15,22:00-24:00", 7),
        week("00:00-24:00", 6),
    ]
}

#[test]
fn no_mail_leaves_before_its_time_or_outside_the_hours_on_the_wall_of_any_zone() {
    let mut draws = Draws(52);
    for (name, zone) in every_zone() {
        let moments = moments(&zone, &mut draws);
        for week in weeks() {
            let office = BusinessCalendar::new(&name, week.clone(), BTreeMap::new()).unwrap();
            for t in &moments {
                let slot = office.next_slot(*t);
                assert!(
                    slot >= *t,
                    "{name} {week:?}: {t} -> {slot}, which is before"
                );
                assert!(
                    wall_says_open(&zone, &week, slot),
                    "{name} {week:?}: {t} -> {slot}, when the clock on the wall says closed"
                );
                assert_eq!(
                    office.next_slot(slot),
                    slot,
                    "{name}: asked again at {slot}"
                );
                assert_eq!(
                    office.is_open(*t),
                    wall_says_open(&zone, &week, *t),
                    "{name} {week:?} {t}"
                );
            }
        }
    }
}

#[test]
fn no_open_hour_of_any_zone_is_passed_over_around_a_change_of_the_clock() {
    let mut draws = Draws(53);
    for (index, (name, zone)) in every_zone().into_iter().enumerate() {
        let moments = moments(&zone, &mut draws);
        // One of the weeks for each zone: all of them meet each kind of change many times.
        let weeks = weeks();
        let week = &weeks[index % weeks.len()];
        let office = BusinessCalendar::new(&name, week.clone(), BTreeMap::new()).unwrap();
        for t in moments {
            let slot = office.next_slot(t);
            let mut earlier = t;
            while earlier < slot {
                assert!(
                    !wall_says_open(&zone, week, earlier),
                    "{name} {week:?}: {t} -> {slot}, but {earlier} is open"
                );
                earlier = Timestamp(earlier.0 - earlier.0.rem_euclid(STEP_MS) + STEP_MS);
            }
        }
    }
}

/// mautic#17283: the date was moved to Monday and the time of day stayed at 18:13.
#[test]
fn a_mail_of_friday_evening_leaves_on_monday_morning_and_not_on_monday_evening() {
    for (name, zone) in every_zone() {
        let office = BusinessCalendar::weekdays(&name, "09:00-17:00".parse().unwrap()).unwrap();
        // A Friday in each quarter, and those before both changes of the clock in Europe and in
        // North America.
        for friday in [
            Date::constant(2026, 1, 16),
            Date::constant(2026, 3, 6),
            Date::constant(2026, 3, 27),
            Date::constant(2026, 7, 3),
            Date::constant(2026, 10, 23),
            Date::constant(2026, 10, 30),
        ] {
            let evening = office.unrepeated_instant(friday, 18 * 60 + 13).unwrap();
            let local = zone.to_datetime(office.next_slot(evening).to_jiff());
            let monday = friday.saturating_add(3.days());
            let wanted = monday.to_datetime(Time::constant(9, 0, 0, 0));
            assert_eq!(local, wanted, "{name}");
        }
    }
}

/// A part of an hour that the clock repeats: open, closed, and open once more.
#[test]
fn what_the_clock_shows_twice_is_open_twice_and_closed_in_between() {
    let every_day = week("01:15-02:30", 7);
    let berlin = BusinessCalendar::new("Europe/Berlin", every_day, BTreeMap::new()).unwrap();
    for (t, slot) in [
        ("2026-10-25T00:29:00Z", "2026-10-25T00:29:00Z"),
        ("2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z"),
        ("2026-10-25T01:29:00Z", "2026-10-25T01:29:00Z"),
        ("2026-10-25T01:30:00Z", "2026-10-26T00:15:00Z"),
    ] {
        assert_eq!(berlin.next_slot(at(t)), at(slot), "{t}");
    }
}
