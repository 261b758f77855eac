use super::*;
use crate::calendar::read_calendar;

#[test]
fn names_of_every_program_resolve() {
    for (tzid, iana) in [
        ("Europe/Berlin", "Europe/Berlin"),
        (" Europe/Berlin ", "Europe/Berlin"),
        ("\"Europe/Berlin\"", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"),
        (
            "/mozilla.org/20050126_1/America/Indiana/Knox",
            "America/Indiana/Knox",
        ),
        (
            "/freeassociation.sourceforge.net/Europe/Berlin",
            "Europe/Berlin",
        ),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Eastern Standard Time ", "America/New_York"),
        ("South Sudan Standard Time", "Africa/Juba"),
        (
            "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
            "Europe/Berlin",
        ),
    ] {
        let found = named_zone(tzid).and_then(|zone| zone.iana_name().map(str::to_owned));
        assert_eq!(found.as_deref(), Some(iana), "{tzid}");
    }
    assert_eq!(named_zone("tzone://Microsoft/Utc"), Some(TimeZone::UTC));
    assert_eq!(named_zone("Customized Time Zone"), None);
}

#[test]
fn offsets_and_unknown_names_end_the_list() {
    let table = ZoneTable::default();
    let noon = DateTime::constant(2026, 7, 1, 12, 0, 0, 0);
    for (tzid, instant, guessed) in [
        ("GMT+0200", "2026-07-01T10:00:00Z", false),
        ("UTC-03:30", "2026-07-01T15:30:00Z", false),
        ("(GMT +01:00)", "2026-07-01T11:00:00Z", false),
        ("Gondor", "2026-07-01T16:00:00Z", true),
        ("GMT+99", "2026-07-01T16:00:00Z", true),
    ] {
        let (zone, problem) = table.resolve(
            tzid,
            &zone("America/New_York").unwrap(),
            &mut Budget::default(),
        );
        assert_eq!(zone.instant(noon).to_string(), instant, "{tzid}");
        assert_eq!(problem.is_some(), guessed, "{tzid}: {problem:?}");
    }
}

/// What we compute from a VTIMEZONE must be what the zone database says of the same zone.
#[test]
fn an_evaluated_vtimezone_agrees_with_the_zone_database() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Ours\n\
        BEGIN:DAYLIGHT\nDTSTART:20070311T020000\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\n\
        TZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nEND:DAYLIGHT\n\
        BEGIN:STANDARD\nDTSTART:20071104T020000\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\n\
        TZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nEND:STANDARD\nEND:VTIMEZONE\nEND:VCALENDAR\n";
    let object = read_calendar(text.as_bytes());
    let (ours, problem) = object
        .zones
        .resolve("Ours", &TimeZone::UTC, &mut Budget::default());
    assert!(matches!(ours, EventZone::Defined(_)) && problem.is_none());
    let real = EventZone::Named(zone("America/New_York").unwrap());
    let mut wall = DateTime::constant(2024, 1, 1, 0, 30, 0, 0);
    for _ in 0..(366 * 24 * 2) {
        assert_eq!(ours.instant(wall), real.instant(wall), "{wall}");
        let instant = real.instant(wall);
        assert_eq!(ours.wall(instant), real.wall(instant), "{wall}");
        wall = wall.checked_add(SignedDuration::from_mins(30)).unwrap();
    }
}
