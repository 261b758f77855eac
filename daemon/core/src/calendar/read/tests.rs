use super::*;
use crate::calendar::value::{EventDuration, EventTime};
use crate::calendar::{normalised_hash, parts_summary};

fn event(lines: &str) -> CalendarEvent {
    let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    read_calendar(text.as_bytes()).events.remove(0)
}

#[test]
fn an_invitation_is_read_in_full() {
    let text = include_bytes!("../../../fixtures/ical/outlook-request.ics");
    let object = read_calendar(text);
    assert_eq!(object.problems, []);
    assert_eq!(object.method.as_deref(), Some("REQUEST"));
    assert_eq!(
        object.zones.names().collect::<Vec<_>>(),
        ["W. Europe Standard Time"]
    );
    assert_eq!(parts_summary(&object), "1 VEVENT, 1 VTIMEZONE");
    let event = &object.events[0];
    assert_eq!(event.sequence, 3);
    assert_eq!(event.class, Some(Class::Confidential));
    assert_eq!(event.transparency, Transparency::Transparent);
    assert_eq!(event.location.as_deref(), Some("Room 4; second floor"));
    assert_eq!(
        event.description.as_deref(),
        Some("Line one\nLine two, with a comma")
    );
    assert_eq!(event.categories, ["Customers", "Red, green", "Later"]);
    assert_eq!(event.x_property("X-MICROSOFT-CDO-BUSYSTATUS"), Some("FREE"));
    let organizer = event.organizer.as_ref().unwrap();
    assert_eq!(
        (organizer.address.as_str(), organizer.name.as_deref()),
        ("alice@example.com", Some("Alice \"Al\" Example"))
    );
    let people: Vec<(&str, PartStat, bool)> = event
        .attendees
        .iter()
        .map(|person| (person.address.as_str(), person.partstat, person.optional()))
        .collect();
    assert_eq!(
        people,
        [
            ("bob@example.net", PartStat::Declined, false),
            ("carol@example.net", PartStat::NeedsAction, true),
            ("dave@example.net", PartStat::NeedsAction, false),
        ]
    );
    assert_eq!(event.attendees[0].name.as_deref(), Some("Bob; Bobson: Mr"));
}

/// The crates other programs use must see the same lines as we do, where the file is well formed.
#[test]
fn other_parsers_see_the_same_properties() {
    let text = include_str!("../../../fixtures/ical/outlook-request.ics");
    let ours = &gate(text.as_bytes()).calendars[0];
    let unfolded = icalendar::parser::unfold(text);
    let theirs = icalendar::parser::read_calendar(&unfolded).unwrap();
    let own = ours
        .children
        .iter()
        .find(|part| part.name == "VEVENT")
        .unwrap();
    let other = theirs
        .components
        .iter()
        .find(|part| part.name == "VEVENT")
        .unwrap();
    let mine = properties(own, &mut Vec::new());
    assert_eq!(mine.len(), other.properties.len());
    for (mine, other) in mine.iter().zip(&other.properties) {
        assert_eq!(mine.name, other.name.as_str());
        let same = mine.value == other.val.as_str() || mine.text() == other.val.as_str();
        assert!(
            same,
            "{}: {} and {}",
            mine.name,
            mine.value,
            other.val.as_str()
        );
    }
    assert_eq!(
        normalised_hash(text.as_bytes()),
        normalised_hash(unfolded.as_bytes())
    );
}

#[test]
fn times_durations_and_offsets_are_read_or_refused() {
    for (text, days, seconds) in [
        ("P1D", 1, 0),
        ("P2W", 14, 0),
        ("PT1H30M", 0, 5400),
        ("-PT15M", 0, -900),
        ("p1dt2h", 1, 7200),
        ("+P1DT", 1, 0),
    ] {
        assert_eq!(
            read_duration(text),
            Some(EventDuration { days, seconds }),
            "{text}"
        );
    }
    for text in ["", "P", "PT", "1D", "P1", "PD", "PT99999999999H", "P1Y"] {
        assert_eq!(read_duration(text), None, "{text}");
    }
    for (text, shown) in [
        ("20260302T090000Z", "2026-03-02T09:00:00"),
        ("20260302T0900", "2026-03-02T09:00:00"),
        ("2026-03-02T09:00:00", "2026-03-02T09:00:00"),
        ("20261231T235960Z", "2026-12-31T23:59:59"),
        ("20260302", "2026-03-02T00:00:00"),
    ] {
        assert_eq!(
            read_time(text, None).unwrap().wall().to_string(),
            shown,
            "{text}"
        );
    }
    assert!(matches!(
        read_time("20260302T090000Z", Some("Europe/Berlin")),
        Some(EventTime::Utc(_))
    ));
    for text in [
        "20260230",
        "20260302T250000",
        "2026030",
        "20260302T",
        "today",
        "\u{e9}0260302",
    ] {
        assert_eq!(read_time(text, None), None, "{text}");
    }
}

#[test]
fn what_is_missing_or_unknown_is_named_and_costs_nothing_else() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSTATUS:MAYBE\nTRANSP:GLASSY\nCLASS:X-TOP\nSEQUENCE:two\n\
                SUMMARY:still here\nRDATE:20260101,never\nEND:VEVENT\nBEGIN:X-PARTS\nBEGIN:VEVENT\n\
                UID:inner\nDTSTART:20260101T000000Z\nEND:VEVENT\nEND:X-PARTS\nEND:VCALENDAR\n";
    let object = read_calendar(text.as_bytes());
    let text = object
        .problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    for part in [
        "line 3: STATUS `MAYBE`",
        "line 4: TRANSP `GLASSY`",
        "line 6: SEQUENCE `TWO`",
        "line 8: RDATE",
        "line 2: the event has no UID",
        "line 2: the event has no readable DTSTART",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(object.events[0].summary.as_deref(), Some("still here"));
    assert_eq!(object.events[0].class, Some(Class::Private));
    assert_eq!(
        (object.events[0].rdates.len(), object.events[1].uid.as_str()),
        (1, "inner")
    );
}

#[test]
fn exchange_paths_give_way_to_the_address_beside_them() {
    let event = event("ORGANIZER;EMAIL=alice@example.com;CN=Alice:/o=Firm/cn=alice\nUID:1");
    assert_eq!(event.organizer.unwrap().address, "alice@example.com");
}
