use super::*;
use crate::business_time::{QuietHours, Trip};
use crate::calendar::free_busy::BusyKind;
use crate::time::HOUR_MS;
use crate::whereabouts::Place;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn window(start: &str, end: &str) -> Window {
    Window {
        start: at(start),
        end: at(end),
    }
}

fn taken(start: &str, end: &str) -> BusySpan {
    BusySpan {
        window: window(start, end),
        kind: BusyKind::Tentative,
    }
}

fn office(zone: &str, hours: &str) -> BusinessCalendar {
    BusinessCalendar::weekdays(zone, hours.parse().unwrap()).unwrap()
}

fn every_day(zone: &str, hours: &str) -> BusinessCalendar {
    let week = std::array::from_fn(|_| vec![hours.parse().unwrap()]);
    BusinessCalendar::new(zone, week, BTreeMap::new()).unwrap()
}

/// Somebody whose time is asked for, owned.
struct One {
    name: &'static str,
    work: WorkTime,
    busy: Vec<BusySpan>,
    meetings: Vec<Meeting>,
}

fn one(name: &'static str, calendar: BusinessCalendar) -> One {
    One {
        name,
        work: WorkTime::at(calendar),
        busy: Vec::new(),
        meetings: Vec::new(),
    }
}

fn alice() -> One {
    one("Alice", office("Europe/Berlin", "09:00-17:00"))
}

impl One {
    fn taken(mut self, start: &str, end: &str) -> One {
        self.busy.push(taken(start, end));
        self
    }

    fn meets(mut self, start: &str, key: &str) -> One {
        let start = at(start);
        let end = start.plus_millis(HOUR_MS);
        self.meetings.push(Meeting {
            window: Window { start, end },
            key: key.to_owned(),
        });
        self
    }
}

/// The wish for an hour in the week of Monday, 2 March 2026.
struct Wish {
    people: Vec<One>,
    invitee: Vec<BusinessCalendar>,
    minutes: u32,
    window: Window,
    count: usize,
    spread: bool,
    rules: SlotRules,
    now: &'static str,
}

fn wish(people: Vec<One>) -> Wish {
    Wish {
        people,
        invitee: Vec::new(),
        minutes: 60,
        window: window("2026-03-02T00:00:00Z", "2026-03-06T23:00:00Z"),
        count: 3,
        spread: false,
        rules: SlotRules::default(),
        now: "2026-03-01T00:00:00Z",
    }
}

impl Wish {
    fn ask(&self) -> FreeTime {
        let people: Vec<Attending<'_>> = self
            .people
            .iter()
            .map(|one| Attending {
                name: one.name,
                work: &one.work,
                busy: &one.busy,
                meetings: &one.meetings,
            })
            .collect();
        let request = SlotRequest {
            people: &people,
            invitee: &self.invitee,
            duration_minutes: self.minutes,
            window: self.window,
            count: self.count,
            spread: self.spread,
            rules: self.rules,
        };
        let found = free_time(&request, at(self.now));
        let length = i64::from(self.minutes).saturating_mul(MINUTE_MS);
        for slot in &found.slots {
            assert_eq!(slot.millis(), length);
        }
        found
    }

    /// Starts where the first person is.
    fn starts(&self) -> Vec<String> {
        let work = &self.people[0].work;
        let shown = |slot: &Window| {
            let local = work
                .then(slot.start)
                .zone()
                .to_datetime(slot.start.to_jiff());
            local.strftime("%a %d %H:%M").to_string()
        };
        self.ask().slots.iter().map(shown).collect()
    }

    fn why(&self, day: &str) -> String {
        let found = self.ask();
        let day = found.days.iter().find(|found| found.date == date(day));
        let why = day.and_then(|day| day.why.as_ref());
        why.map_or_else(String::new, ToString::to_string)
    }
}

/// Monday with the morning taken until 10:30 and an hour from 13:00.
fn busy_alice() -> One {
    alice()
        .taken("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z")
        .taken("2026-03-02T06:00:00Z", "2026-03-02T09:30:00Z")
}

#[test]
fn slots_lie_between_what_is_busy_and_are_spread_over_days_where_asked() {
    let mut wish = wish(vec![busy_alice()]);
    assert_eq!(
        wish.starts(),
        ["Mon 02 10:30", "Mon 02 11:30", "Mon 02 14:00"]
    );
    wish.spread = true;
    assert_eq!(
        wish.starts(),
        ["Mon 02 10:30", "Tue 03 09:00", "Wed 04 09:00"]
    );
    wish.window.end = at("2026-03-03T23:00:00Z");
    assert_eq!(
        wish.starts(),
        ["Mon 02 10:30", "Mon 02 11:30", "Tue 03 09:00"]
    );
    wish.count = 0;
    assert_eq!(wish.starts(), Vec::<String>::new());
}

#[test]
fn the_stretches_of_a_day_reach_from_one_meeting_to_the_next_and_touching_is_no_overlap() {
    let mut wish = wish(vec![busy_alice()]);
    wish.minutes = 150;
    let day = &wish.ask().days[0];
    assert_eq!(
        day.free,
        [
            window("2026-03-02T09:30:00Z", "2026-03-02T12:00:00Z"),
            window("2026-03-02T13:00:00Z", "2026-03-02T16:00:00Z"),
        ]
    );
    assert_eq!(day.slots.len(), 2);
}

/// A meeting that only reaches into a slot, from either side or from within, takes it.
#[test]
fn what_overlaps_a_slot_in_part_takes_it() {
    for (start, end) in [
        ("08:59", "09:01"),
        ("08:15", "08:20"),
        ("07:00", "10:00"),
        ("08:59", "12:00"),
    ] {
        let busy = alice().taken(
            &format!("2026-03-02T{start}:00Z"),
            &format!("2026-03-02T{end}:00Z"),
        );
        let mut wish = wish(vec![busy]);
        wish.window.end = at("2026-03-02T09:00:00Z");
        assert_eq!(wish.starts(), Vec::<String>::new(), "{start}-{end}");
        assert_eq!(wish.why("2026-03-02"), "busy: Alice", "{start}-{end}");
    }
}

#[test]
fn buffers_are_kept_on_their_own_side_and_across_midnight() {
    let mut wish = wish(vec![busy_alice()]);
    wish.rules.before_minutes = 15;
    assert_eq!(
        wish.starts(),
        ["Mon 02 11:00", "Mon 02 12:00", "Mon 02 14:30"]
    );
    wish.rules.before_minutes = 0;
    wish.rules.after_minutes = 15;
    assert_eq!(
        wish.starts(),
        ["Mon 02 10:30", "Mon 02 11:30", "Mon 02 14:00"]
    );
    wish.people = vec![alice().taken("2026-03-02T09:00:00Z", "2026-03-02T16:00:00Z")];
    wish.window.end = at("2026-03-02T23:00:00Z");
    assert_eq!(
        wish.why("2026-03-02"),
        "busy: Alice",
        "09:00-10:00 ends where it begins"
    );

    // A party until midnight, and an office that opens then.
    let night = one("Nina", every_day("Europe/Berlin", "00:00-08:00"))
        .taken("2026-03-02T20:00:00Z", "2026-03-02T23:00:00Z");
    let mut late = super::tests::wish(vec![night]);
    late.window = window("2026-03-02T23:00:00Z", "2026-03-03T23:00:00Z");
    late.count = 1;
    assert_eq!(late.starts(), ["Tue 03 00:00"]);
    late.rules.before_minutes = 45;
    assert_eq!(late.starts(), ["Tue 03 01:00"]);
}

#[test]
fn notice_counts_from_now_and_business_notice_knows_the_weekend() {
    let mut wish = wish(vec![alice()]);
    (wish.count, wish.now) = (1, "2026-03-02T07:30:00Z");
    assert_eq!(wish.starts(), ["Mon 02 10:30"], "two hours by default");
    wish.rules.min_notice = BusinessDuration::Minutes(0);
    assert_eq!(wish.starts(), ["Mon 02 09:00"]);
    wish.rules.min_notice = BusinessDuration::Hours(34);
    assert_eq!(wish.starts(), ["Wed 04 09:00"]);
    assert_eq!(
        wish.why("2026-03-02"),
        "too soon: a meeting needs 34 hours of notice"
    );
    // Friday noon and a business day of notice: Monday noon.
    wish.now = "2026-02-27T11:00:00Z";
    wish.window.start = at(wish.now);
    wish.rules.min_notice = BusinessDuration::BusinessDays(1);
    assert_eq!(wish.starts(), ["Mon 02 12:00"]);
}

#[test]
fn a_day_with_enough_meetings_has_no_slot_and_alternatives_of_one_offer_count_once() {
    let full = alice()
        .meets("2026-03-02T08:00:00Z", "a")
        .meets("2026-03-02T10:00:00Z", "b")
        .meets("2026-03-03T08:00:00Z", "offer")
        .meets("2026-03-03T10:00:00Z", "offer");
    let mut wish = wish(vec![full]);
    (wish.count, wish.rules.per_day_max) = (1, Some(2));
    assert_eq!(wish.starts(), ["Tue 03 09:00"]);
    assert_eq!(
        wish.why("2026-03-02"),
        "Alice has 2 meetings or more, which is the most for one day"
    );
    wish.rules.per_day_max = Some(3);
    assert_eq!(wish.starts(), ["Mon 02 09:00"]);
}

#[test]
fn several_people_are_free_together_in_the_hours_of_all() {
    let bob = one("Bob", office("America/New_York", "09:00-17:00"))
        .taken("2026-03-03T14:00:00Z", "2026-03-03T16:00:00Z");
    let mut wish = wish(vec![alice(), bob]);
    (wish.count, wish.spread) = (5, true);
    // Nine in New York is three in the afternoon in Berlin.
    assert_eq!(
        wish.starts(),
        [
            "Mon 02 15:00",
            "Mon 02 16:00",
            "Wed 04 15:00",
            "Thu 05 15:00",
            "Fri 06 15:00"
        ]
    );
    assert_eq!(wish.why("2026-03-03"), "busy: Bob");
    let kyoto = one("Kei", office("Asia/Tokyo", "09:00-17:00"));
    wish.people.push(kyoto);
    assert_eq!(wish.starts(), Vec::<String>::new());
    assert_eq!(wish.why("2026-03-02"), "not in the working hours of Kei");
}

#[test]
fn nobody_is_asked_on_a_holiday_of_one_of_us_or_of_the_invitee() {
    let feast = |day: &str| BTreeMap::from([(date(day), "Feast".to_owned())]);
    let alice = one(
        "Alice",
        office("Europe/Berlin", "09:00-17:00").with_holidays(&feast("2026-03-02")),
    );
    let bob = one(
        "Bob",
        office("Europe/Berlin", "09:00-17:00").with_holidays(&feast("2026-03-03")),
    );
    let quiet = QuietHours {
        holidays: BTreeMap::from([("America/New_York".to_owned(), feast("2026-03-04"))]),
        ..QuietHours::default()
    };
    let there = Place::Zone("America/New_York".to_owned());
    let mut wish = wish(vec![alice, bob]);
    wish.invitee = vec![quiet.calendar(&there).unwrap()];
    (wish.count, wish.window.start) = (1, at("2026-02-28T00:00:00Z"));
    // Eight in the morning in New York.
    assert_eq!(wish.starts(), ["Thu 05 14:00"]);
    for (day, why) in [
        ("2026-03-01", "no working day of Alice"),
        ("2026-03-02", "holiday of Alice: Feast"),
        ("2026-03-03", "holiday of Bob: Feast"),
        ("2026-03-04", "holiday of the invitee: Feast"),
    ] {
        assert_eq!(wish.why(day), why);
    }
    let there = Place::Zone("Pacific/Auckland".to_owned());
    wish.invitee = vec![quiet.calendar(&there).unwrap()];
    assert_eq!(
        wish.why("2026-03-05"),
        "night or weekend for the invitee in Pacific/Auckland"
    );
}

#[test]
fn on_a_journey_the_slots_are_in_the_hours_of_the_place() {
    let mut alice = alice();
    alice.work = alice.work.with_trips(vec![Trip {
        first: date("2026-03-03"),
        last: date("2026-03-03"),
        calendar: office("America/New_York", "09:00-17:00"),
    }]);
    let mut wish = wish(vec![alice]);
    wish.spread = true;
    let starts: Vec<String> = wish
        .ask()
        .slots
        .iter()
        .map(|slot| slot.start.to_string())
        .collect();
    assert_eq!(
        starts,
        [
            "2026-03-02T08:00:00Z",
            "2026-03-03T14:00:00Z",
            "2026-03-04T08:00:00Z"
        ]
    );
}

/// The week in which the clock of a zone changes, at both ends of the year, north and south of
/// the equator: nine o'clock is nine o'clock on each day, and the last slot of the day is there.
#[test]
fn a_change_of_the_clock_moves_no_slot_and_loses_none() {
    for (zone, start, end) in [
        (
            "Europe/Berlin",
            "2026-03-26T00:00:00Z",
            "2026-04-01T12:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-10-22T00:00:00Z",
            "2026-10-28T12:00:00Z",
        ),
        (
            "America/New_York",
            "2026-03-05T12:00:00Z",
            "2026-03-11T12:00:00Z",
        ),
        (
            "America/New_York",
            "2026-10-29T12:00:00Z",
            "2026-11-04T12:00:00Z",
        ),
        (
            "Australia/Sydney",
            "2026-04-02T12:00:00Z",
            "2026-04-08T12:00:00Z",
        ),
        (
            "America/Sao_Paulo",
            "2018-11-01T12:00:00Z",
            "2018-11-07T12:00:00Z",
        ),
        (
            "Asia/Tehran",
            "2022-03-19T12:00:00Z",
            "2022-03-25T12:00:00Z",
        ),
        (
            "Pacific/Apia",
            "2011-12-27T12:00:00Z",
            "2012-01-02T12:00:00Z",
        ),
    ] {
        let mut wish = wish(vec![one("Ann", every_day(zone, "09:00-17:00"))]);
        wish.window = window(start, end);
        (wish.count, wish.now) = (1_000, "2000-01-01T00:00:00Z");
        let found = wish.ask();
        let whole = found.days.get(1..found.days.len() - 1).unwrap();
        assert!(whole.len() >= 4, "{zone} {}", whole.len());
        for day in whole {
            // Samoa left out 30 December 2011.
            if (zone, day.date) == ("Pacific/Apia", date("2011-12-30")) {
                assert_eq!(day.slots, []);
                continue;
            }
            let local = |slot: &Window| {
                let zone = wish.people[0].work.home().zone();
                zone.to_datetime(slot.start.to_jiff()).to_string()
            };
            let times: Vec<String> = day.slots.iter().map(local).collect();
            let wanted: Vec<String> = (9..17)
                .map(|hour| format!("{}T{hour:02}:00:00", day.date))
                .collect();
            assert_eq!(times, wanted, "{zone} {}", day.date);
        }
    }
}

/// At night on the days of both changes: no slot at 02:xx in spring, one pass in autumn.
#[test]
fn no_slot_begins_in_a_skipped_hour_or_in_the_second_pass_of_a_repeated_one() {
    let night = || one("Nina", every_day("Europe/Berlin", "01:00-04:00"));
    for (day, wanted) in [
        ("2026-03-28", vec!["01:00", "02:00", "03:00"]),
        ("2026-03-29", vec!["01:00", "03:00"]),
        ("2026-10-25", vec!["01:00", "02:00", "03:00"]),
    ] {
        let mut wish = wish(vec![night()]);
        let noon = at(&format!("{day}T12:00:00Z"));
        wish.window = Window {
            start: noon.minus_millis(14 * HOUR_MS),
            end: noon,
        };
        (wish.count, wish.rules.step_minutes) = (10, 60);
        let found = wish.starts();
        let times: Vec<&str> = found.iter().filter_map(|start| start.get(7..)).collect();
        assert_eq!(times, wanted, "{day}");
    }
    // For somebody in London the second pass of one to two is three to four in Berlin's winter.
    let mut wish = wish(vec![
        one("Eve", every_day("Asia/Dubai", "04:00-07:00")),
        one("Tom", every_day("Europe/London", "00:00-08:00")),
    ]);
    wish.window = window("2026-10-24T23:00:00Z", "2026-10-25T04:00:00Z");
    (wish.count, wish.rules.step_minutes) = (10, 60);
    assert_eq!(wish.starts(), ["Sun 25 04:00", "Sun 25 06:00"]);
}

#[test]
fn what_is_asked_for_and_what_fits_no_step_is_said() {
    let mut wish = wish(vec![alice()]);
    wish.window = window("2026-03-02T15:30:00Z", "2026-03-02T20:00:00Z");
    assert_eq!(
        wish.why("2026-03-02"),
        "too little of the day is inside the time asked for"
    );
    wish.minutes = 9 * 60;
    assert_eq!(
        wish.why("2026-03-02"),
        "the working hours are shorter than the meeting"
    );
    let between = alice()
        .taken("2026-03-02T07:00:00Z", "2026-03-02T09:10:00Z")
        .taken("2026-03-02T10:20:00Z", "2026-03-02T20:00:00Z");
    let between = super::tests::wish(vec![between]);
    assert_eq!(
        between.why("2026-03-02"),
        "the free time does not hold a slot that begins on a step of 30 min"
    );
}
