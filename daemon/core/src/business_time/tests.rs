use super::*;
use crate::zones::zone;

const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/St_Johns",
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn office(zone: &str, hours: &str) -> BusinessCalendar {
    let day: Vec<WorkInterval> = hours.split(',').map(|part| part.parse().unwrap()).collect();
    let week = [
        day.clone(),
        day.clone(),
        day.clone(),
        day.clone(),
        day,
        vec![],
        vec![],
    ];
    let good_friday = Date::constant(2026, 4, 3);
    BusinessCalendar::new(
        zone,
        week,
        BTreeMap::from([(good_friday, "Good Friday".to_owned())]),
    )
    .unwrap()
}

/// 2026-03-27 is a Friday; clocks in Berlin change on 29 March and 25 October.
#[test]
fn the_next_slot_is_the_next_open_instant() {
    let berlin = office("Europe/Berlin", "09:00-12:00,13:00-17:00");
    for (from, slot) in [
        ("2026-03-27T08:00:00Z", "2026-03-27T08:00:00Z"),
        ("2026-03-27T07:59:59Z", "2026-03-27T08:00:00Z"),
        ("2026-03-27T11:30:00Z", "2026-03-27T12:00:00Z"),
        ("2026-03-27T16:00:00Z", "2026-03-30T07:00:00Z"),
        ("2026-03-28T12:00:00Z", "2026-03-30T07:00:00Z"),
        ("2026-04-02T20:00:00Z", "2026-04-06T07:00:00Z"),
        ("2026-10-23T18:13:00Z", "2026-10-26T08:00:00Z"),
    ] {
        assert_eq!(berlin.next_slot(at(from)), at(slot), "{from}");
    }
}

#[test]
fn durations_are_added_in_the_time_of_the_office() {
    let berlin = office("Europe/Berlin", "09:00-12:00,13:00-17:00");
    for (from, wait, then) in [
        // Monday 10:00 stays 10:00, also across the change of the clock.
        (
            "2026-03-23T09:00:00Z",
            "3 business days",
            "2026-03-26T09:00:00Z",
        ),
        (
            "2026-03-27T09:00:00Z",
            "1 business day",
            "2026-03-30T08:00:00Z",
        ),
        // Good Friday and a weekend lie between.
        (
            "2026-04-02T08:00:00Z",
            "2 business days",
            "2026-04-07T08:00:00Z",
        ),
        // Sent at night: never sooner than asked for.
        (
            "2026-03-23T19:00:00Z",
            "1 business day",
            "2026-03-25T08:00:00Z",
        ),
        (
            "2026-03-23T04:00:00Z",
            "1 business day",
            "2026-03-24T08:00:00Z",
        ),
        // Sent on a Saturday: the day does not count.
        (
            "2026-03-28T09:00:00Z",
            "3 business days",
            "2026-04-01T08:00:00Z",
        ),
        (
            "2026-03-28T09:00:00Z",
            "0 business days",
            "2026-03-30T07:00:00Z",
        ),
        (
            "2026-03-27T10:00:00Z",
            "4 business hours",
            "2026-03-27T15:00:00Z",
        ),
        (
            "2026-03-27T14:00:00Z",
            "4 business hours",
            "2026-03-30T09:00:00Z",
        ),
        (
            "2026-03-27T14:00:00Z",
            "2 business hours",
            "2026-03-27T16:00:00Z",
        ),
        (
            "2026-03-28T09:00:00Z",
            "0 business hours",
            "2026-03-30T07:00:00Z",
        ),
        ("2026-03-27T09:00:00Z", "7 days", "2026-04-03T08:00:00Z"),
        ("2026-03-27T09:00:00Z", "2 weeks", "2026-04-10T08:00:00Z"),
        ("2026-03-28T23:30:00Z", "90 minutes", "2026-03-29T01:00:00Z"),
        ("2026-03-28T23:30:00Z", "24 hours", "2026-03-29T23:30:00Z"),
    ] {
        let wait: BusinessDuration = wait.parse().unwrap();
        assert_eq!(wait.after(at(from), &berlin), at(then), "{from} and {wait}");
    }
}

/// Over every hour of a year in zones with all kinds of changes.
#[test]
fn a_slot_is_open_not_before_and_nothing_open_lies_between() {
    for name in ZONES {
        for hours in ["09:00-17:00", "00:00-24:00", "01:15-03:45"] {
            let office = office(name, hours);
            let mut t = at("2026-01-01T00:10:00Z");
            while t < at("2027-01-01T00:00:00Z") {
                let slot = office.next_slot(t);
                assert!(
                    slot >= t && office.is_open(slot),
                    "{name} {hours} {t} -> {slot}"
                );
                assert!(
                    slot == t || !office.is_open(slot.minus_millis(1)),
                    "{name} {hours} {t}: {slot} is not the first"
                );
                let later = office.add_business_days(t, 2);
                assert!(
                    office.is_open(later) && later > t,
                    "{name} {hours} {t} -> {later}"
                );
                let hour = office.add_business_hours(t, 1);
                let open: i64 = office
                    .date_of(t)
                    .series(1.day())
                    .take(7)
                    .flat_map(|date| office.open_on(date))
                    .map(|(_, window)| window.end.min(hour).since(window.start.max(t)).max(0))
                    .sum();
                assert_eq!(open, HOUR_MS, "{name} {hours} {t} -> {hour}");
                t = t.plus_millis(5 * HOUR_MS + 37 * MINUTE_MS);
            }
        }
    }
}

#[test]
fn wall_clock_times_stay_over_both_changes() {
    for name in ZONES {
        let office = office(name, "09:00-17:00");
        let tz = zone(name).unwrap();
        for day in Date::constant(2026, 1, 1).series(1.day()).take(365) {
            let ten = office.unrepeated_instant(day, 10 * 60).unwrap();
            let later = tz.to_datetime(office.add_business_days(ten, 3).to_jiff());
            assert_eq!((later.hour(), later.minute()), (10, 0), "{name} {day}");
        }
    }
}

#[test]
fn intervals_shrink_and_grow_with_the_clock() {
    let night = office("Europe/Berlin", "01:00-04:00");
    let every_day = {
        let day = || vec!["01:00-04:00".parse().unwrap()];
        let week = [day(), day(), day(), day(), day(), day(), day()];
        BusinessCalendar::new("Europe/Berlin", week, BTreeMap::new()).unwrap()
    };
    assert!(night.open_on(Date::constant(2026, 3, 29)).is_empty());
    for (day, hours) in [(28, 3), (29, 2), (30, 3)] {
        let open = every_day.open_on(Date::constant(2026, 3, day));
        assert_eq!(open[0].1.millis(), hours * HOUR_MS, "March {day}");
    }
    assert_eq!(
        every_day.open_on(Date::constant(2026, 10, 25))[0]
            .1
            .millis(),
        4 * HOUR_MS
    );
    assert_eq!(
        every_day.unrepeated_instant(Date::constant(2026, 3, 29), 150),
        None
    );
}

#[test]
fn the_reasons_name_what_was_waited_for() {
    let berlin = office("Europe/Berlin", "09:00-12:00,13:00-17:00");
    let (slot, reasons) = berlin.explain_next_slot(at("2026-04-02T20:00:00Z"));
    assert_eq!(slot, at("2026-04-06T07:00:00Z"));
    let text = reasons.join("; ");
    for part in [
        "Thursday 2026-04-02: working hours are over (09:00-12:00, 13:00-17:00)",
        "Friday 2026-04-03 is a holiday: Good Friday",
        "Saturday 2026-04-04 is no working day",
        "begins 2026-04-06 09:00 Europe/Berlin (+02:00)",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let (_, lunch) = berlin.explain_next_slot(at("2026-03-27T11:30:00Z"));
    assert!(lunch[0].contains("between working hours"), "{lunch:?}");
    let (_, open) = berlin.explain_next_slot(at("2026-03-27T09:00:00Z"));
    assert_eq!(
        open,
        ["2026-03-27 10:00 Europe/Berlin (+01:00) is inside working hours"]
    );
}

#[test]
fn durations_and_hours_are_read_or_refused_with_an_example() {
    for (text, shown) in [
        ("3 business days", "3 business days"),
        ("1 Business Day", "1 business day"),
        ("4 working hours", "4 business hours"),
        ("2w", "2 weeks"),
        ("90m", "90 minutes"),
        ("7 days", "7 days"),
        ("12 hours", "12 hours"),
    ] {
        let duration: BusinessDuration = text.parse().unwrap();
        assert_eq!(duration.to_string(), shown);
        assert_eq!(shown.parse::<BusinessDuration>().unwrap(), duration);
    }
    for text in [
        "",
        "days",
        "-3 days",
        "3",
        "3 moons",
        "3 business weeks",
        "99999999999 days",
        "1.5 hours",
    ] {
        let error = text.parse::<BusinessDuration>().unwrap_err().to_string();
        assert!(error.contains("3 business days"), "{text}: {error}");
    }
    for text in [
        "9-17",
        "17:00-09:00",
        "09:00-24:01",
        "09:60-10:00",
        "",
        "09:00-09:00",
        "é",
    ] {
        assert!(text.parse::<WorkInterval>().is_err(), "{text}");
    }
    let never = [const { Vec::new() }; 7];
    assert_eq!(
        BusinessCalendar::new("Europe/Berlin", never, BTreeMap::new()).unwrap_err(),
        BusinessTimeError::NeverOpen
    );
    let unknown = BusinessCalendar::weekdays("Europe/Bonn", "09:00-17:00".parse().unwrap());
    assert!(unknown.unwrap_err().to_string().contains("Europe/Bonn"));
}
