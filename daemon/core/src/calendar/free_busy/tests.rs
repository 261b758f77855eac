use super::*;
use crate::business_time::{BusinessCalendar, Trip};
use crate::calendar::read_calendar;
use crate::zones::zone;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn event(lines: &str) -> CalendarObject {
    let text =
        format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:e1\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    read_calendar(text.as_bytes())
}

const NINE: &str = "DTSTART:20260302T090000Z\nDTEND:20260302T100000Z";

#[test]
fn what_blocks_and_what_does_not() {
    let zone = zone("Europe/Berlin").unwrap();
    let window = Window {
        start: at("2026-03-02T00:00:00Z"),
        end: at("2026-03-03T00:00:00Z"),
    };
    let own = ["Alice@example.com".to_owned()];
    let held = ["e1".to_owned()];
    let rules = BusyRules {
        own_addresses: &own,
        ..BusyRules::new(&zone)
    };
    let ignoring = BusyRules {
        ignore_uids: &held,
        ..rules.clone()
    };
    let answered = BusyRules {
        unanswered_blocks: false,
        ..rules.clone()
    };
    let workdays = BusyRules {
        all_day_blocks: false,
        ..rules.clone()
    };
    for (lines, rules, kind) in [
        ("", &rules, Some(BusyKind::Busy)),
        ("", &ignoring, None),
        ("STATUS:TENTATIVE", &rules, Some(BusyKind::Tentative)),
        ("STATUS:CANCELLED", &rules, None),
        ("TRANSP:TRANSPARENT", &rules, None),
        (
            "TRANSP:OPAQUE\nX-MICROSOFT-CDO-BUSYSTATUS:FREE",
            &rules,
            None,
        ),
        (
            "TRANSP:TRANSPARENT\nX-MICROSOFT-CDO-BUSYSTATUS:OOF",
            &rules,
            Some(BusyKind::OutOfOffice),
        ),
        (
            "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
            &rules,
            Some(BusyKind::Tentative),
        ),
        (
            "ATTENDEE;PARTSTAT=DECLINED:mailto:alice@example.com",
            &rules,
            None,
        ),
        (
            "ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.com",
            &rules,
            Some(BusyKind::Busy),
        ),
        (
            "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:alice@example.com",
            &rules,
            Some(BusyKind::Busy),
        ),
        (
            "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:alice@example.com",
            &answered,
            None,
        ),
        (
            "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bob@example.com",
            &answered,
            Some(BusyKind::Busy),
        ),
        (
            "ATTENDEE;PARTSTAT=TENTATIVE:mailto:alice@example.com",
            &rules,
            Some(BusyKind::Tentative),
        ),
        (
            "ATTENDEE;PARTSTAT=DELEGATED:mailto:alice@example.com",
            &rules,
            None,
        ),
        ("", &workdays, Some(BusyKind::Busy)),
    ] {
        let found = busy(&[event(&format!("{NINE}\n{lines}"))], window, rules);
        assert_eq!(found.spans.first().map(|span| span.kind), kind, "{lines}");
    }
    let day = event("DTSTART;VALUE=DATE:20260302");
    assert_eq!(
        busy(std::slice::from_ref(&day), window, &workdays).spans,
        []
    );
    // The day begins at 23:00Z in Berlin: cut to the window.
    let spans = busy(&[day], window, &rules).spans;
    assert_eq!(
        spans[0].window,
        Window {
            start: window.start,
            end: at("2026-03-02T23:00:00Z")
        }
    );
}

#[test]
fn spans_that_touch_are_joined_and_the_firmest_kind_stays() {
    let span = |start, end, kind| BusySpan {
        window: Window {
            start: Timestamp(start),
            end: Timestamp(end),
        },
        kind,
    };
    let joined = merged(vec![
        span(20, 30, BusyKind::Tentative),
        span(0, 10, BusyKind::Tentative),
        span(10, 15, BusyKind::Busy),
        span(22, 25, BusyKind::OutOfOffice),
    ]);
    assert_eq!(
        joined,
        [
            span(0, 15, BusyKind::Busy),
            span(20, 30, BusyKind::OutOfOffice)
        ]
    );
}

fn span(start: &str, end: &str) -> Window {
    Window {
        start: at(start),
        end: at(end),
    }
}

fn busy_windows(objects: &[CalendarObject], window: Window, rules: &BusyRules<'_>) -> Vec<Window> {
    let spans = busy(objects, window, rules).spans;
    spans.into_iter().map(|span| span.window).collect()
}

/// The second instance of a weekly meeting, a moved one at its new time, a removed one not at all.
#[test]
fn every_instance_of_a_series_blocks_where_it_really_is() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:w\n\
                DTSTART;TZID=Europe/Berlin:20260316T100000\nDURATION:PT1H\n\
                RRULE:FREQ=WEEKLY;COUNT=4\nEXDATE;TZID=Europe/Berlin:20260323T100000\nEND:VEVENT\n\
                BEGIN:VEVENT\nUID:w\nRECURRENCE-ID;TZID=Europe/Berlin:20260330T100000\n\
                DTSTART;TZID=Europe/Berlin:20260331T150000\nDURATION:PT30M\nEND:VEVENT\n\
                END:VCALENDAR\n";
    let berlin = zone("Europe/Berlin").unwrap();
    let found = busy_windows(
        &[read_calendar(text.as_bytes())],
        span("2026-03-17T00:00:00Z", "2026-04-30T00:00:00Z"),
        &BusyRules::new(&berlin),
    );
    // Ten o'clock stays ten o'clock when the clock changes on 29 March.
    assert_eq!(
        found,
        [
            span("2026-03-31T13:00:00Z", "2026-03-31T13:30:00Z"),
            span("2026-04-06T08:00:00Z", "2026-04-06T09:00:00Z"),
        ]
    );
}

#[test]
fn what_a_feed_gives_in_several_zones_and_none_is_put_where_it_belongs() {
    let berlin = zone("Europe/Berlin").unwrap();
    let day = span("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
    let objects = [
        event("DTSTART:20260302T060000Z\nDURATION:PT30M"),
        event("DTSTART;TZID=America/New_York:20260302T060000\nDURATION:PT30M"),
        event("DTSTART;TZID=W. Europe Standard Time:20260302T060000\nDURATION:PT30M"),
        event("DTSTART:20260302T160000\nDURATION:PT30M"),
    ];
    let starts: Vec<String> = busy_windows(&objects, day, &BusyRules::new(&berlin))
        .iter()
        .map(|window| window.start.to_string())
        .collect();
    assert_eq!(
        starts,
        [
            "2026-03-02T05:00:00Z",
            "2026-03-02T06:00:00Z",
            "2026-03-02T11:00:00Z",
            "2026-03-02T15:00:00Z"
        ]
    );
}

#[test]
fn whole_days_and_times_without_a_zone_go_along_on_a_journey() {
    let berlin = zone("Europe/Berlin").unwrap();
    let office = |zone| BusinessCalendar::weekdays(zone, "09:00-17:00".parse().unwrap()).unwrap();
    let work = WorkTime::at(office("Europe/Berlin")).with_trips(vec![Trip {
        first: "2026-03-04".parse().unwrap(),
        last: "2026-03-05".parse().unwrap(),
        calendar: office("Asia/Tokyo"),
    }]);
    let rules = BusyRules {
        whereabouts: Some(&work),
        ..BusyRules::new(&berlin)
    };
    let objects = [
        event("DTSTART;VALUE=DATE:20260304"),
        event("DTSTART:20260305T100000\nDURATION:PT1H"),
        event("DTSTART;TZID=Europe/Berlin:20260305T100000\nDURATION:PT1H"),
    ];
    let found = busy_windows(
        &objects,
        span("2026-03-03T00:00:00Z", "2026-03-06T00:00:00Z"),
        &rules,
    );
    assert_eq!(
        found,
        [
            span("2026-03-03T15:00:00Z", "2026-03-04T15:00:00Z"),
            span("2026-03-05T01:00:00Z", "2026-03-05T02:00:00Z"),
            span("2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"),
        ]
    );
}

#[test]
fn times_with_others_and_holds_are_meetings_and_alternatives_are_one() {
    let berlin = zone("Europe/Berlin").unwrap();
    let day = span("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
    let hold = "X-LIAISON-KIND:intro\nX-LIAISON-GROUP:g1";
    let objects = [
        event(NINE),
        event(&format!("{NINE}\nATTENDEE:mailto:bob@example.com")),
        event(&format!("{NINE}\n{hold}")),
        event(&format!("DTSTART:20260302T130000Z\nDURATION:PT1H\n{hold}")),
        event(&format!(
            "{NINE}\nTRANSP:TRANSPARENT\nATTENDEE:mailto:bob@example.com"
        )),
    ];
    let meetings = busy(&objects, day, &BusyRules::new(&berlin)).meetings;
    let mut keys: Vec<&str> = meetings.iter().map(|one| one.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["e1 2026-03-02T09:00:00Z", "g1", "g1"]);
}
