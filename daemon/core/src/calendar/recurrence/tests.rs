mod cases;

use super::*;
use crate::calendar::read_calendar;
use crate::zones::zone;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(start: &str, end: &str) -> Window {
    Window {
        start: at(start),
        end: at(end),
    }
}

fn line_of(instance: &Instance) -> String {
    format!(
        "{} | {} | {} | {} | {} | {} | {}",
        instance.uid,
        instance
            .recurrence_id
            .map_or("-".to_owned(), |id| id.to_string()),
        instance.start,
        instance.end,
        if instance.all_day { "day" } else { "time" },
        instance.status.as_str(),
        instance.summary.as_deref().unwrap_or("-"),
    )
}

macro_rules! fixtures {
    ($($name:literal),+ $(,)?) => {
        [$((
            $name,
            &include_bytes!(concat!("../../../fixtures/ical/", $name, ".ics"))[..],
            include_str!(concat!("../../../fixtures/ical/", $name, ".expected")),
        )),+]
    };
}

/// Each fixture has an `.expected` file: `# from to zone`, instances, then problems after `!`.
/// The instances were compared with recurring-ical-events where that reads the file.
#[test]
fn calendar_fixtures_give_their_expected_instances() {
    for (name, bytes, expected) in fixtures![
        "broken",
        "clock-changes",
        "days-and-floating",
        "google-zone",
        "moved-into-window",
        "outlook-request",
        "rules-and-dates",
        "this-and-future",
        "vtimezone-only",
        "weekly-overrides",
        "windows-zones",
    ] {
        let head: Vec<&str> = expected
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let object = read_calendar(bytes);
        let found = instances(&object, window(head[1], head[2]), &zone(head[3]).unwrap());
        let mut lines: Vec<String> = found.instances.iter().map(line_of).collect();
        lines.extend(
            object
                .problems
                .iter()
                .chain(&found.problems)
                .map(|p| format!("! {p}")),
        );
        let wanted: Vec<&str> = expected.lines().skip(1).collect();
        assert_eq!(lines, wanted, "{name}");
    }
}

fn series(lines: &str) -> CalendarObject {
    let text =
        format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:s\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    read_calendar(text.as_bytes())
}

#[test]
fn until_is_understood_in_every_form() {
    let berlin = zone("Europe/Berlin").unwrap();
    let all = window("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    for (start, until, count) in [
        (
            "DTSTART;TZID=Europe/Berlin:20260301T000000",
            "20260304T225900Z",
            4,
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20260301T000000",
            "20260304T230000Z",
            5,
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20260301T000000",
            "20260305T000000",
            5,
        ),
        ("DTSTART;TZID=Europe/Berlin:20260301T090000", "20260305", 4),
        ("DTSTART;VALUE=DATE:20260301", "20260305", 5),
        ("DTSTART;VALUE=DATE:20260301", "20260305T220000Z", 5),
        ("DTSTART:20260301T090000Z", "20260305T090000Z", 5),
        ("DTSTART:20260301T090000", "20260305T080000Z", 5),
        ("DTSTART:20260301T090000Z", "20250101T090000Z", 0),
    ] {
        let object = series(&format!("{start}\nRRULE:FREQ=DAILY;UNTIL={until}"));
        let found = instances(&object, all, &berlin);
        assert_eq!(
            found.instances.len(),
            count,
            "{start} until {until}: {:?}",
            found.problems
        );
    }
}

#[test]
fn endless_and_impossible_rules_are_bounded() {
    let utc = TimeZone::UTC;
    let day = window("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z");
    for (rule, least, most) in [
        ("FREQ=SECONDLY", 6_000, 10_001),
        ("FREQ=MINUTELY", 1_440, 1_440),
        ("FREQ=MINUTELY;COUNT=1000000000", 1_440, 1_440),
        ("FREQ=MINUTELY;COUNT=10", 0, 0),
        ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", 0, 0),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 0, 0),
        (
            "FREQ=SECONDLY;BYMONTH=1;BYHOUR=1;BYMINUTE=1;BYSECOND=1",
            0,
            0,
        ),
        ("FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6", 0, 0),
        ("FREQ=DAILY;INTERVAL=4000000000", 0, 0),
        ("FREQ=WEEKLY;BYDAY=SU;COUNT=2147483647", 1, 1),
    ] {
        let object = series(&format!(
            "DTSTART:20000102T000000Z\nDURATION:PT1M\nRRULE:{rule}"
        ));
        let found = instances(&object, day, &utc);
        let count = found.instances.len();
        assert!(
            (least..=most).contains(&count),
            "{rule}: {count} {:?}",
            found.problems
        );
        if count > 5_000 {
            assert!(
                found.problems[0].what.contains("only the first 10000"),
                "{rule}"
            );
        }
    }
    // Two hundred rules of the worst kind share one budget.
    let rules = "RRULE:FREQ=SECONDLY;BYMONTH=1;BYHOUR=1;BYMINUTE=1;BYSECOND=1\n";
    let events = format!("BEGIN:VEVENT\nDTSTART:20000102T000000Z\n{rules}END:VEVENT\n").repeat(200);
    let object = read_calendar(format!("BEGIN:VCALENDAR\n{events}END:VCALENDAR\n").as_bytes());
    let found = instances(&object, day, &utc);
    assert!(
        found
            .problems
            .iter()
            .any(|p| p.what.contains("too much work")),
        "{:?}",
        found.problems
    );
}

#[test]
fn the_window_is_half_open() {
    let object = series("DTSTART:20260302T090000Z\nDTEND:20260302T100000Z");
    for (start, end, inside) in [
        ("2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z", false),
        ("2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z", false),
        ("2026-03-02T09:59:59Z", "2026-03-02T11:00:00Z", true),
        ("2026-03-02T08:00:00Z", "2026-03-02T09:00:01Z", true),
    ] {
        let found = instances(&object, window(start, end), &TimeZone::UTC);
        assert_eq!(found.instances.len() == 1, inside, "{start} to {end}");
    }
}

#[test]
fn without_a_window_series_are_cut_and_single_events_are_not() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:19990101T090000Z\nEND:VEVENT\n\
                BEGIN:VEVENT\nUID:b\nDTSTART:20260101T090000Z\nRRULE:FREQ=DAILY\n\
                EXDATE:20260102T090000Z\nEND:VEVENT\nEND:VCALENDAR\n";
    let found = first_instances(&read_calendar(text.as_bytes()), &TimeZone::UTC, 5);
    let starts: Vec<String> = found
        .instances
        .iter()
        .map(|i| i.start.to_string().chars().take(10).collect())
        .collect();
    assert_eq!(
        starts,
        [
            "1999-01-01",
            "2026-01-01",
            "2026-01-03",
            "2026-01-04",
            "2026-01-05",
            "2026-01-06"
        ],
        "{:?}",
        found.problems
    );
}

#[test]
fn a_removed_day_takes_the_rule_and_leaves_what_was_moved() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20260101T090000Z\n\
                RRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260101,20260102\nEND:VEVENT\n\
                BEGIN:VEVENT\nUID:a\nRECURRENCE-ID;VALUE=DATE:20260102\n\
                DTSTART:20260105T090000Z\nEND:VEVENT\nEND:VCALENDAR\n";
    let all = window("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let found = instances(&read_calendar(text.as_bytes()), all, &TimeZone::UTC);
    let lines: Vec<(String, String)> = found
        .instances
        .iter()
        .map(|i| (i.recurrence_id.unwrap().to_string(), i.start.to_string()))
        .collect();
    let pair = |id: &str, start: &str| (id.to_owned(), start.to_owned());
    assert_eq!(
        lines,
        [
            pair("2026-01-03T09:00:00Z", "2026-01-03T09:00:00Z"),
            pair("2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z"),
        ]
    );
}

#[test]
fn a_flood_of_problems_is_cut_with_a_word() {
    let events = "BEGIN:VEVENT\nEND:VEVENT\n".repeat(300);
    let object = read_calendar(format!("BEGIN:VCALENDAR\n{events}END:VCALENDAR\n").as_bytes());
    assert_eq!(object.problems.len(), crate::calendar::MAX_PROBLEMS);
    assert!(
        object
            .problems
            .last()
            .unwrap()
            .what
            .contains("there are more")
    );
}
