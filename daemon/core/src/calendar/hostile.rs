//! What strangers may send: every bound holds, what is left out is named, and what stands beside it
//! is still read. Time is counted in steps, not by a clock: without its bound, each of these cases
//! takes minutes or memory without end.

use jiff::tz::TimeZone;

use super::gate::{MAX_BYTES, gate};
use super::read::MAX_ATTENDEES;
use super::rule::{Budget, MAX_PERIODS};
use super::{Edit, LineTree, MAX_PROBLEMS, NewProperty, TreeError, inspect_json, read_calendar};
use crate::time::{Timestamp, Window};

const GOOD: &str = "BEGIN:VEVENT\r\nUID:good\r\nDTSTART:20261201T090000Z\r\nSUMMARY:Intro\r\n\
                    END:VEVENT\r\n";

fn year() -> Window {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    Window {
        start: at("2026-01-01T00:00:00Z"),
        end: at("2027-01-01T00:00:00Z"),
    }
}

/// The problems of an object that is read, expanded and shown, with a good event in its middle.
fn beside_a_good_event(before: &str, after: &str) -> Vec<String> {
    let text = format!("BEGIN:VCALENDAR\r\n{before}{GOOD}{after}END:VCALENDAR\r\n");
    let shown = inspect_json(text.as_bytes(), Some(year()), &TimeZone::UTC);
    let good = |instance: &&serde_json::Value| instance["uid"] == "good";
    let found = shown["instances"].as_array().unwrap().iter().filter(good);
    assert_eq!(found.count(), 1, "{shown:.2000}");
    let problems = shown["problems"].as_array().unwrap().iter();
    let problems: Vec<String> = problems.map(|p| p.to_string()).collect();
    assert!(problems.len() <= MAX_PROBLEMS);
    problems
}

fn says(problems: &[String], what: &str) -> bool {
    problems.iter().any(|problem| problem.contains(what))
}

#[test]
fn nested_components_cost_neither_stack_nor_the_event_beside_them() {
    let depth = 24_000 / "BEGIN:X\r\n".len();
    let nested = format!(
        "{}{}",
        "BEGIN:X\r\n".repeat(depth),
        "END:X\r\n".repeat(depth)
    );
    assert!(says(
        &beside_a_good_event(&nested, ""),
        "nested deeper than 8"
    ));
    // The ENDs never come: everything behind it stands inside.
    let open = "BEGIN:X\r\n".repeat(depth);
    assert!(says(
        &beside_a_good_event("", &open),
        "nested deeper than 8"
    ));
}

#[test]
fn ends_of_nothing_inside_deep_nesting_are_not_searched_for() {
    // Twenty thousand names to look through for each of 250,000 lines.
    let open = "BEGIN:X\n".repeat(20_000);
    let text = format!("BEGIN:VCALENDAR\n{GOOD}{open}{}", "END:Y\n".repeat(250_000));
    assert!(text.len() < MAX_BYTES);
    let gated = gate(text.as_bytes());
    assert_eq!(gated.calendars[0].children[0].name, "VEVENT");
    let problems: Vec<String> = gated.problems.iter().map(ToString::to_string).collect();
    assert!(says(&problems, "END:Y without its BEGIN was ignored"));
}

#[test]
fn a_line_of_a_megabyte_is_left_out_alone() {
    for long in [
        format!("X-DATA:{}\r\n", "x".repeat(1_000_000)),
        format!("X-DATA:\r\n{}", " yyyyyyyyyy\r\n".repeat(90_000)),
    ] {
        let event = format!("BEGIN:VEVENT\r\nUID:long\r\n{long}SUMMARY:Kept\r\nEND:VEVENT\r\n");
        let problems = beside_a_good_event(&event, "");
        assert!(says(&problems, "longer than 65536 bytes"), "{problems:?}");
        let text = format!("BEGIN:VCALENDAR\r\n{event}END:VCALENDAR\r\n");
        let tree = LineTree::read(text.as_bytes()).unwrap();
        let title = Edit::Set(NewProperty::text("SUMMARY", "Changed"));
        let changed = tree.edit("long", None, &[title]).unwrap();
        let expected = text.replace("SUMMARY:Kept", "SUMMARY:Changed");
        assert!(
            changed.bytes() == expected.as_bytes(),
            "the long line stays"
        );
        let long = Edit::Set(NewProperty::text("SUMMARY", &"x".repeat(70_000)));
        let refused = tree.edit("long", None, &[long]).unwrap_err();
        assert_eq!(refused, TreeError::TooLong("SUMMARY".to_owned()));
    }
}

#[test]
fn of_ten_thousand_attendees_two_thousand_are_kept_and_all_stay_in_the_object() {
    let attendees: String = (0..10_000)
        .map(|n| format!("ATTENDEE;CN=Guest {n}:mailto:guest{n}@example.com\r\n"))
        .collect();
    let event = format!("BEGIN:VEVENT\r\nUID:crowd\r\nSUMMARY:Fair\r\n{attendees}END:VEVENT\r\n");
    assert!(says(
        &beside_a_good_event(&event, ""),
        "more than 2000 attendees"
    ));
    let text = format!("BEGIN:VCALENDAR\r\n{event}END:VCALENDAR\r\n");
    let tree = LineTree::read(text.as_bytes()).unwrap();
    assert_eq!(tree.object().events[0].attendees.len(), MAX_ATTENDEES);
    let title = Edit::Set(NewProperty::text("SUMMARY", "Fair, moved"));
    let changed = tree.edit("crowd", None, &[title]).unwrap();
    let expected = text.replace("SUMMARY:Fair", "SUMMARY:Fair\\, moved");
    assert!(changed.bytes() == expected.as_bytes(), "all of them stay");
}

#[test]
fn rules_of_seconds_use_up_their_own_budget_and_no_more() {
    let rules = "RRULE:FREQ=SECONDLY;BYMONTH=1;BYHOUR=1;BYMINUTE=1;BYSECOND=1\r\n".repeat(16);
    let worst = format!("BEGIN:VEVENT\r\nDTSTART:20000102T000000Z\r\n{rules}END:VEVENT\r\n");
    let problems = beside_a_good_event(&worst.repeat(100), "");
    assert!(says(&problems, "too much work"), "{problems:?}");
}

#[test]
fn the_zones_of_an_object_share_one_budget_and_the_rest_is_named() {
    let zone = |number: usize| {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:Z{number}\r\nBEGIN:STANDARD\r\nDTSTART:20000101T000000\r\n\
             TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
             RRULE:FREQ=SECONDLY;BYMONTH=1;BYHOUR=1;BYMINUTE=1;BYSECOND=1\r\n\
             END:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:{number}\r\n\
             DTSTART;TZID=Z{number}:20260601T090000\r\nEND:VEVENT\r\n"
        )
    };
    let zones: String = (0..300).map(zone).collect();
    let problems = beside_a_good_event(&zones, "");
    assert!(
        says(
            &problems,
            "needs too much work: its offsets were read in part"
        ),
        "{problems:?}"
    );
    // What was spent is counted: the steps of one object, not of each zone.
    let object = read_calendar(format!("BEGIN:VCALENDAR\n{zones}END:VCALENDAR\n").as_bytes());
    let mut budget = Budget::default();
    let spent = (0..300).position(|number| {
        let tzid = format!("Z{number}");
        let _ = object.zones.resolve(&tzid, &TimeZone::UTC, &mut budget);
        budget.is_spent()
    });
    assert!(
        spent.is_some_and(|zones| zones < 10),
        "{spent:?} of {MAX_PERIODS}"
    );
}

#[test]
fn many_overrides_of_one_series_are_all_found() {
    // Ten thousand starts, each looking for a change before it among twenty thousand overrides.
    let overrides: String = (0..9_000)
        .map(|n| {
            let (day, hour, minute) = (1 + n / 1440, n / 60 % 24, n % 60);
            format!(
                "BEGIN:VEVENT\nUID:s\nRECURRENCE-ID:202601{day:02}T{hour:02}{minute:02}00Z\n\
                 DTSTART:20270601T000000Z\nEND:VEVENT\n"
            )
        })
        .collect();
    let master = "BEGIN:VEVENT\nUID:s\nDTSTART:20260101T000000Z\n\
                  RRULE:FREQ=MINUTELY;COUNT=9500\nEND:VEVENT\n";
    let text = format!("BEGIN:VCALENDAR\n{master}{overrides}END:VCALENDAR\n");
    let shown = inspect_json(text.as_bytes(), Some(year()), &TimeZone::UTC);
    assert_eq!(shown["instances"].as_array().unwrap().len(), 500);
}

#[test]
fn an_html_page_is_no_calendar_and_says_so() {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>\n\
                <p style=\"color:red\">BEGIN:VEVENT</p>\n</body></html>\n";
    for page in [page.to_owned(), page.repeat(10_000)] {
        let object = read_calendar(page.as_bytes());
        assert!(object.events.is_empty() && object.components.is_empty());
        let problems: Vec<String> = object.problems.iter().map(ToString::to_string).collect();
        assert!(says(&problems, "no VCALENDAR"), "{problems:?}");
        assert!(problems.len() < 5, "{problems:?}");
    }
}

#[test]
fn line_ends_in_names_and_values_add_nothing() {
    let text = format!("BEGIN:VCALENDAR\r\n{GOOD}END:VCALENDAR\r\n");
    let tree = LineTree::read(text.as_bytes()).unwrap();
    let evil = "x\r\nSTATUS:CANCELLED\rSTATUS:CANCELLED\nSTATUS:CANCELLED\u{2028}STATUS:CANCELLED";
    for property in [
        NewProperty::text("SUMMARY", evil),
        NewProperty::texts("CATEGORIES", [evil, evil]),
        NewProperty::word("X-A", evil),
        NewProperty::uri("URL", evil),
        NewProperty::text("X-A", "x").param("X-P", evil),
    ] {
        let changed = tree.edit("good", None, &[Edit::Set(property)]).unwrap();
        assert_eq!(changed.object().events[0].status, None);
        assert_eq!(changed.object().problems, []);
        let events = changed.object().events.len();
        assert_eq!(events, 1);
    }
    for name in [
        "X-A\r\nSTATUS",
        "STATUS:CANCELLED\r\nX",
        "X;Y",
        "",
        "BEGIN",
        "Ä",
    ] {
        let named = NewProperty::text(name, "CANCELLED");
        let parameter = NewProperty::text("X-A", "x").param(name, "y");
        for property in [named, parameter] {
            let is_word = property.name() == "X-A" && name == "BEGIN";
            let changed = tree.edit("good", None, &[Edit::Set(property)]);
            assert!(changed.is_err() || is_word, "{name:?}: {changed:?}");
        }
    }
}
