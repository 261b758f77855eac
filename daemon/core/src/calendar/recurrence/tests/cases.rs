//! One case for each thing that programs read differently, with the answer of RFC 5545.

use super::*;

/// The instances in 2026 (or the years given) as `start end`, in UTC without seconds; whole days
/// and floating times are in Berlin.
fn spans(text: &str, years: (i16, i16)) -> Vec<String> {
    let text = format!("BEGIN:VCALENDAR\n{text}END:VCALENDAR\n");
    let object = read_calendar(text.as_bytes());
    assert_eq!(object.problems, [], "{text}");
    let (from, to) = years;
    let all = window(
        &format!("{from}-01-01T00:00:00Z"),
        &format!("{to}-01-01T00:00:00Z"),
    );
    let found = instances(&object, all, &zone("Europe/Berlin").unwrap());
    assert_eq!(found.problems, [], "{text}");
    let short = |at: Timestamp| at.to_string().get(5..16).unwrap().to_owned();
    let instances = found.instances.iter();
    instances
        .map(|i| format!("{} {}", short(i.start), short(i.end)))
        .collect()
}

/// Where the instances of one series begin.
fn starts(lines: &str) -> Vec<String> {
    let text = format!("BEGIN:VEVENT\nUID:s\n{lines}\nEND:VEVENT\n");
    let spans = spans(&text, (2026, 2027));
    spans.iter().map(|span| span[..11].to_owned()).collect()
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:s\n{lines}\nEND:VEVENT\n")
}

#[test]
fn an_hourly_series_names_no_instant_twice_when_the_clock_skips_an_hour() {
    // Section 3.3.5: 02:30 does not exist and is read with the offset before the gap, which is the
    // instant that 03:30 names, too.
    let found = starts("DTSTART;TZID=Europe/Berlin:20260329T003000\nRRULE:FREQ=HOURLY;COUNT=5");
    assert_eq!(
        found,
        ["03-28T23:30", "03-29T00:30", "03-29T01:30", "03-29T02:30"]
    );
}

#[test]
fn an_hourly_series_runs_once_through_a_repeated_hour() {
    let found = starts("DTSTART;TZID=Europe/Berlin:20261025T013000\nRRULE:FREQ=HOURLY;COUNT=3");
    assert_eq!(found, ["10-24T23:30", "10-25T00:30", "10-25T02:30"]);
}

#[test]
fn a_day_that_a_zone_left_out_is_not_there_twice() {
    // Samoa had no 30 December 2011.
    let text = event("DTSTART;TZID=Pacific/Apia:20111228T090000\nRRULE:FREQ=DAILY;COUNT=5");
    let found = spans(&text, (2011, 2013));
    assert_eq!(
        found,
        [
            "12-28T19:00 12-28T19:00",
            "12-29T19:00 12-29T19:00",
            "12-30T19:00 12-30T19:00",
            "12-31T19:00 12-31T19:00"
        ]
    );
}

#[test]
fn lengths_follow_the_calendar_or_the_clock_as_they_are_written() {
    // The night in which Berlin loses an hour. Section 3.3.6: days are nominal, hours exact;
    // section 3.8.2.2: DTEND is a wall clock of its own.
    let start = "DTSTART;TZID=Europe/Berlin:20260328T120000";
    for (length, end) in [
        ("DTEND;TZID=Europe/Berlin:20260329T120000", "03-29T10:00"),
        ("DURATION:P1D", "03-29T10:00"),
        ("DURATION:PT24H", "03-29T11:00"),
        ("DURATION:P1DT1H", "03-29T11:00"),
        ("DTEND:20260329T110000Z", "03-29T11:00"),
    ] {
        let text = event(&format!("{start}\n{length}"));
        let found = spans(&text, (2026, 2027));
        assert_eq!(found, [format!("03-28T11:00 {end}")], "{length}");
    }
    let days = event("DTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330");
    assert_eq!(spans(&days, (2026, 2027)), ["03-27T23:00 03-29T22:00"]);
}

#[test]
fn an_exception_is_found_by_its_instant_in_whatever_zone_it_is_written() {
    let series = "DTSTART;TZID=Europe/Berlin:20260327T100000\nRRULE:FREQ=DAILY;COUNT=4";
    let all = ["03-27T09:00", "03-28T09:00", "03-29T08:00", "03-30T08:00"];
    assert_eq!(starts(series), all);
    for (exdate, gone) in [
        ("EXDATE;TZID=Europe/Berlin:20260329T100000", Some(2)),
        ("EXDATE:20260329T080000Z", Some(2)),
        ("EXDATE;TZID=America/New_York:20260329T040000", Some(2)),
        ("EXDATE:20260329T100000", Some(2)),
        ("EXDATE;VALUE=DATE:20260329", Some(2)),
        (
            "EXDATE;TZID=W. Europe Standard Time:20260327T100000",
            Some(0),
        ),
        // Another time of that day names no instance.
        ("EXDATE;TZID=Europe/Berlin:20260329T110000", None),
        ("EXDATE:20260329T090000Z", None),
    ] {
        let mut left = all.to_vec();
        gone.map(|index| left.remove(index));
        assert_eq!(starts(&format!("{series}\n{exdate}")), left, "{exdate}");
    }
    let several = "EXDATE;TZID=Europe/Berlin:20260327T100000,20260328T100000\n\
                   EXDATE:20260330T080000Z";
    assert_eq!(starts(&format!("{series}\n{several}")), [all[2]]);
}

#[test]
fn what_several_rules_and_dates_name_together_is_there_once() {
    let found = starts(
        "DTSTART:20260302T090000Z\nRRULE:FREQ=WEEKLY;COUNT=3\nRRULE:FREQ=DAILY;COUNT=2\n\
         RDATE:20260309T090000Z,20260310T090000Z\nRDATE:20260310T090000Z\n\
         RDATE;TZID=Europe/Berlin:20260310T100000",
    );
    assert_eq!(
        found,
        [
            "03-02T09:00",
            "03-03T09:00",
            "03-09T09:00",
            "03-10T09:00",
            "03-16T09:00"
        ]
    );
}

#[test]
fn a_period_brings_its_own_end_and_an_exception_takes_it_away() {
    let series = "DTSTART:20260302T090000Z\nDTEND:20260302T100000Z\n\
                  RDATE;VALUE=PERIOD:20260303T090000Z/PT15M,20260304T090000Z/20260304T120000Z";
    let first = "03-02T09:00 03-02T10:00";
    let (short, long) = ("03-03T09:00 03-03T09:15", "03-04T09:00 03-04T12:00");
    let years = (2026, 2027);
    assert_eq!(spans(&event(series), years), [first, short, long]);
    let without = format!("{series}\nEXDATE:20260303T090000Z");
    assert_eq!(spans(&event(&without), years), [first, long]);
}

#[test]
fn a_first_start_that_the_rule_does_not_name_counts_unless_the_rule_ended_before() {
    // 1 January 2026 is a Thursday. Section 3.8.5.3: DTSTART is the first instance of the set.
    let found =
        starts("DTSTART:20260101T090000Z\nRRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20260113T000000Z");
    assert_eq!(found, ["01-01T09:00", "01-05T09:00", "01-12T09:00"]);
}

#[test]
fn until_in_utc_is_compared_by_instant_at_both_changes_of_the_clock() {
    for (start, until, count) in [
        // 02:30 is skipped, and lies at 01:30Z.
        ("20260328T023000", "20260329T012959Z", 1),
        ("20260328T023000", "20260329T013000Z", 2),
        // 02:30 comes twice; the first, at 00:30Z, is meant.
        ("20261024T023000", "20261025T002959Z", 1),
        ("20261024T023000", "20261025T003000Z", 2),
        ("20261024T023000", "20261025T013000Z", 2),
    ] {
        let found = starts(&format!(
            "DTSTART;TZID=Europe/Berlin:{start}\nRRULE:FREQ=DAILY;UNTIL={until}"
        ));
        assert_eq!(found.len(), count, "{start} until {until}: {found:?}");
    }
}

#[test]
fn overrides_replace_their_instance_and_no_other() {
    let master = event(
        "SEQUENCE:3\nDTSTART;TZID=Europe/Berlin:20260302T100000\nDURATION:PT1H\n\
         RRULE:FREQ=WEEKLY;COUNT=3",
    );
    let years = (2026, 2027);
    let [one, two, three] = [
        "03-02T09:00 03-02T10:00",
        "03-09T09:00 03-09T10:00",
        "03-16T09:00 03-16T10:00",
    ];
    let moved = "03-09T15:00 03-09T15:30";
    let rest = "DTSTART:20260309T150000Z\nDURATION:PT30M";
    for (id, sequence) in [
        ("RECURRENCE-ID;TZID=Europe/Berlin:20260309T100000", 3),
        // Its SEQUENCE is its own: lower than the master's, too.
        ("RECURRENCE-ID;TZID=Europe/Berlin:20260309T100000", 0),
        ("RECURRENCE-ID:20260309T090000Z", 4),
        ("RECURRENCE-ID:20260309T100000", 4),
        ("RECURRENCE-ID;VALUE=DATE:20260309", 4),
    ] {
        let changed = event(&format!("{id}\nSEQUENCE:{sequence}\n{rest}"));
        for text in [
            format!("{master}{changed}"),
            // An override may stand before its master.
            format!("{changed}{master}"),
        ] {
            assert_eq!(spans(&text, years), [one, moved, three], "{text}");
        }
    }
    let of = |start: &str, sequence: i32| {
        event(&format!(
            "RECURRENCE-ID:20260309T090000Z\nSEQUENCE:{sequence}\nDTSTART:{start}\nDURATION:PT30M"
        ))
    };
    let (older, newer) = (of("20260309T120000Z", 1), of("20260309T150000Z", 2));
    for text in [
        format!("{master}{older}{newer}"),
        format!("{newer}{older}{master}"),
    ] {
        assert_eq!(spans(&text, years), [one, moved, three], "{text}");
    }
    // One that no rule names was added by it; one without a series stands alone.
    let extra = event("RECURRENCE-ID:20260310T090000Z\nDTSTART:20260310T090000Z");
    let added = "03-10T09:00 03-10T09:00";
    assert_eq!(
        spans(&format!("{master}{extra}"), years),
        [one, two, added, three]
    );
    assert_eq!(spans(&extra, years), [added]);
    // Removed by the master and described nevertheless: RFC 5545 has EXDATE removed last.
    let without = master.replace("COUNT=3", "COUNT=3\nEXDATE:20260309T090000Z");
    let text = format!("{without}{newer}");
    assert_eq!(spans(&text, years), [one, three]);
}

#[test]
fn a_change_of_this_and_all_that_follow_holds_until_the_next() {
    let master = event(
        "DTSTART;TZID=Europe/Berlin:20260316T100000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=6\n\
         EXDATE;TZID=Europe/Berlin:20260413T100000",
    );
    let onwards = |day: &str, start: &str, length: &str| {
        event(&format!(
            "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:{day}T100000\n\
             DTSTART;TZID=Europe/Berlin:{start}\nDURATION:{length}"
        ))
    };
    // A day later in the afternoon; the clock changes in between, and 14:00 stays 14:00.
    let later = onwards("20260323", "20260324T140000", "PT30M");
    let back = onwards("20260406", "20260406T110000", "PT2H");
    let single = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260420T100000\n\
         DTSTART;TZID=Europe/Berlin:20260421T080000\nDURATION:PT10M",
    );
    assert_eq!(
        spans(&format!("{master}{later}{back}{single}"), (2026, 2027)),
        [
            "03-16T09:00 03-16T10:00",
            "03-24T13:00 03-24T13:30",
            "03-31T12:00 03-31T12:30",
            "04-06T09:00 04-06T11:00",
            "04-21T06:00 04-21T06:10",
        ]
    );
    // Days: from the second on, one day later and two days long.
    let days = event("DTSTART;VALUE=DATE:20260327\nRRULE:FREQ=DAILY;INTERVAL=7;COUNT=3");
    let moved = event(
        "RECURRENCE-ID;VALUE=DATE;RANGE=THISANDFUTURE:20260403\n\
         DTSTART;VALUE=DATE:20260404\nDTEND;VALUE=DATE:20260406",
    );
    assert_eq!(
        spans(&format!("{days}{moved}"), (2026, 2027)),
        [
            "03-26T23:00 03-27T23:00",
            "04-03T22:00 04-05T22:00",
            "04-10T22:00 04-12T22:00",
        ]
    );
}

#[test]
fn an_old_exception_rule_removes_what_it_names() {
    let found = starts(
        "DTSTART:20260302T090000Z\nRRULE:FREQ=DAILY;COUNT=5\nEXRULE:FREQ=DAILY;INTERVAL=2;COUNT=2",
    );
    assert_eq!(found, ["03-03T09:00", "03-05T09:00", "03-06T09:00"]);
}

#[test]
fn a_series_of_a_calendar_with_a_zone_keeps_its_hour_there() {
    // Google writes DTSTART in UTC and the zone as X-WR-TIMEZONE.
    let text = format!(
        "X-WR-TIMEZONE:Europe/Berlin\n{}",
        event("DTSTART:20260328T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3")
    );
    assert_eq!(
        spans(&text, (2026, 2027)),
        [
            "03-28T09:00 03-28T10:00",
            "03-29T08:00 03-29T09:00",
            "03-30T08:00 03-30T09:00"
        ]
    );
}
