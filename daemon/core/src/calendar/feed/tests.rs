use super::*;
use crate::calendar::{instances, read_calendar};
use crate::time::{Timestamp, Window};

const ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:Office\r\nBEGIN:STANDARD\r\n\
                    DTSTART:19700101T000000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0200\r\n\
                    END:STANDARD\r\nEND:VTIMEZONE\r\n";

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\r\n{lines}END:VEVENT\r\n")
}

fn meeting(uid: &str, day: &str) -> String {
    event(&format!(
        "UID:{uid}\r\nDTSTART:202611{day}T090000Z\r\nDTEND:202611{day}T100000Z\r\n"
    ))
}

fn file(parts: &[&str]) -> Vec<u8> {
    let begin = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-CALNAME:Team\r\n";
    format!("{begin}{}END:VCALENDAR\r\n", parts.concat()).into_bytes()
}

fn feed(parts: &[&str]) -> Feed {
    split_feed(&file(parts)).unwrap()
}

fn object<'f>(feed: &'f Feed, identity: &str) -> &'f FeedObject {
    let found = feed.objects.iter().find(|one| one.identity == identity);
    found.unwrap_or_else(|| panic!("no {identity} in {feed:?}"))
}

fn text(object: &FeedObject) -> &str {
    std::str::from_utf8(&object.data).unwrap()
}

/// Starts in November 2026, in UTC.
fn starts(feed: &Feed) -> Vec<String> {
    let at = |text: &str| Timestamp::from_jiff(text.parse().unwrap());
    let window = Window {
        start: at("2026-11-01T00:00:00Z"),
        end: at("2026-12-01T00:00:00Z"),
    };
    let mut starts = Vec::new();
    for object in &feed.objects {
        let read = read_calendar(&object.data);
        let found = instances(&read, window, &jiff::tz::TimeZone::UTC);
        starts.extend(found.instances.iter().map(|one| one.start.to_string()));
    }
    starts.sort();
    starts
}

#[test]
fn each_uid_is_an_object_with_its_overrides_and_the_zones_that_it_names() {
    let series = event(
        "UID:series\r\nDTSTART;TZID=Office:20261102T100000\r\nDURATION:PT1H\r\n\
         RRULE:FREQ=WEEKLY;COUNT=3\r\nX-ODD;P=\"a:b\":x\r\nSUMMARY:folded \r\n over two lines\r\n",
    );
    let moved = event(
        "UID:series\r\nRECURRENCE-ID;TZID=Office:20261109T100000\r\n\
         DTSTART;TZID=\"Office\":20261109T150000\r\nDURATION:PT1H\r\n",
    );
    let todo = "BEGIN:VTODO\r\nUID:todo\r\nEND:VTODO\r\n";
    let feed = feed(&[ZONE, &series, &meeting("other", "05"), todo, &moved]);
    assert_eq!(feed.troubles, []);
    assert_eq!(feed.objects.len(), 2);
    let whole = text(object(&feed, "series"));
    assert_eq!(
        whole,
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{ZONE}{series}{moved}END:VCALENDAR\r\n")
    );
    let other = text(object(&feed, "other"));
    assert!(
        !other.contains("VTIMEZONE") && !other.contains("series"),
        "{other}"
    );
    assert_eq!(
        starts(&feed),
        [
            "2026-11-02T08:00:00Z",
            "2026-11-05T09:00:00Z",
            "2026-11-09T13:00:00Z",
            "2026-11-16T08:00:00Z"
        ]
        .map(|at| Timestamp::from_jiff(at.parse().unwrap()).to_string())
    );
}

#[test]
fn a_version_changes_with_what_is_said_and_not_with_stamps_uids_or_folds() {
    let version = |lines: &str| {
        let feed = feed(&[ZONE, &event(lines)]);
        feed.objects.first().unwrap().version.clone()
    };
    let first = version(
        "UID:a\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20261102T090000Z\r\nSUMMARY:Plan\r\n\
         CREATED:20260101T000000Z\r\nLAST-MODIFIED:20260101T000000Z\r\n",
    );
    for same in [
        "UID:a\r\nDTSTAMP:20261124T010203Z\r\nDTSTART:20261102T090000Z\r\nSUMMARY:Plan\r\n",
        "UID:b\r\nDTSTART:20261102T09\r\n 0000Z\r\nSUMMARY:Plan\r\nLAST-MODIFIED;X=1:2\r\n",
    ] {
        assert_eq!(version(same), first, "{same}");
    }
    for other in [
        "UID:a\r\nDTSTART:20261102T090000Z\r\nSUMMARY:Plans\r\n",
        "UID:a\r\nDTSTART;TZID=Office:20261102T090000\r\nSUMMARY:Plan\r\n",
    ] {
        assert_ne!(version(other), first, "{other}");
    }
}

#[test]
fn events_without_a_uid_and_different_ones_with_the_same_stay_apart_under_the_same_names() {
    let at = |uid: &str, day: &str, more: &str| {
        event(&format!(
            "{uid}DTSTART:202611{day}T090000Z\r\nDURATION:PT1H\r\n{more}"
        ))
    };
    let nameless = [
        at("", "02", ""),
        at("", "03", ""),
        at("", "03", "X-A:1\r\n"),
    ];
    let alike = [
        at("UID:1\r\n", "04", ""),
        at("UID:1\r\n", "05", ""),
        at("UID:1\r\n", "05", ""),
    ];
    let all: Vec<&str> = nameless.iter().chain(&alike).map(String::as_str).collect();
    let first = feed(&all);
    let days: Vec<String> = starts(&first);
    assert_eq!(days.len(), 5, "{days:?}");
    let turned: Vec<&str> = all.iter().rev().copied().collect();
    let names = |feed: &Feed| -> Vec<String> {
        feed.objects
            .iter()
            .map(|one| one.identity.clone())
            .collect()
    };
    assert_eq!(names(&first), names(&feed(&turned)));
    // An older version beside the newer one is no event of its own.
    let older = at("UID:2\r\n", "06", "SEQUENCE:1\r\n");
    let newer = at("UID:2\r\n", "07", "SEQUENCE:2\r\n");
    assert_eq!(starts(&feed(&[&older, &newer])).len(), 1);
}

#[test]
fn what_is_broken_is_named_and_costs_nothing_else() {
    let good = meeting("good", "02");
    for (broken, words, identity) in [
        (
            "BEGIN:VEVENT\r\nUID:open\r\nDTSTART:20261103T090000Z\r\n".to_owned(),
            "line 9 has no END",
            Some("open"),
        ),
        (
            "BEGIN:VTIMEZONE\r\nTZID:X\r\n".to_owned(),
            "the time zone in line 9",
            None,
        ),
        (
            ZONE.replace("END:VT", &format!("X:{}\r\nEND:VT", "x".repeat(70_000))),
            "more than 65536",
            None,
        ),
        (
            event(&format!("UID:deep\r\n{}", "BEGIN:X\r\n".repeat(2_000))),
            "deep inside each other",
            Some("deep"),
        ),
        (
            event(&format!("UID:large\r\nX:{}\r\n", "x".repeat(MAX_BYTES))),
            "more than 2097152",
            Some("large"),
        ),
    ] {
        let feed = feed(&[&good, &broken, &meeting("after", "04")]);
        assert_eq!(starts(&feed).len(), 2, "{words}");
        let [trouble] = feed.troubles.as_slice() else {
            panic!("{:?}", feed.troubles);
        };
        assert!(trouble.what.contains(words), "{trouble:?}");
        assert_eq!(trouble.identity.as_deref(), identity);
    }
    // An alarm that is never closed is inside all the same.
    let alarm = event("UID:alarm\r\nDTSTART:20261103T090000Z\r\nBEGIN:VALARM\r\nUID:x\r\n");
    assert_eq!(starts(&feed(&[&good, &alarm])).len(), 2);
    assert_eq!(object(&feed(&[&good, &alarm]), "alarm").identity, "alarm");
}

#[test]
fn a_file_that_is_no_calendar_or_not_all_of_it_is_refused() {
    let whole = file(&[&meeting("a", "02")]);
    for (bytes, error) in [
        (b"".to_vec(), FeedError::Empty),
        (b"\xEF\xBB\xBF \r\n".to_vec(), FeedError::Empty),
        (
            b"\n<!DOCTYPE html><html>BEGIN:VCALENDAR".to_vec(),
            FeedError::WebPage,
        ),
        (b"{\"error\": 1}".to_vec(), FeedError::NoCalendar),
        (whole[..whole.len() - 16].to_vec(), FeedError::Cut),
        (whole[..60].to_vec(), FeedError::Cut),
        (b"BEGIN:VCALENDAR\r\n".to_vec(), FeedError::Cut),
        ([&whole[..], b"<html>"].concat(), FeedError::Cut),
    ] {
        assert_eq!(split_feed(&bytes), Err(error));
    }
    for length in 0..whole.len() - 2 {
        assert!(split_feed(&whole[..length]).is_err(), "{length}");
    }
    let odd = [b"\xEF\xBB\xBF\n".as_slice(), &whole, b"\r\n \r\n\n"].concat();
    assert_eq!(split_feed(&odd).unwrap().objects.len(), 1);
    let upper = String::from_utf8(whole).unwrap();
    let lower = upper
        .replace("VCALENDAR", "vcalendar")
        .replace("\r\n", "\r");
    let lower = split_feed(lower.as_bytes()).unwrap();
    assert_eq!(starts(&lower).len(), 1);
    let empty = split_feed(b"BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR").unwrap();
    assert_eq!(empty, Feed::default());
}

#[test]
fn more_than_a_calendar_has_is_refused_and_takes_no_room() {
    let large = vec![b'x'; MAX_FEED_BYTES + 1];
    let bytes = large.len();
    assert_eq!(split_feed(&large), Err(FeedError::TooLarge { bytes }));
    let many = "BEGIN:VEVENT\nEND:VEVENT\n".repeat(MAX_FEED_COMPONENTS);
    assert_eq!(split_feed(&file(&[&many])), Err(FeedError::TooMany));
    // A zone that each of many events names.
    let filler = format!("X-F:{}\r\n", "y".repeat(60_000));
    let zone = ZONE.replace("BEGIN:STANDARD", &format!("{filler}BEGIN:STANDARD"));
    let named: String = (0..2_000)
        .map(|n| {
            event(&format!(
                "UID:{n}\r\nDTSTART;TZID=Office:20261102T100000\r\n"
            ))
        })
        .collect();
    assert_eq!(split_feed(&file(&[&zone, &named])), Err(FeedError::TooMuch));
}

#[test]
fn the_interval_of_the_provider_is_read() {
    for (lines, seconds) in [
        ("REFRESH-INTERVAL;VALUE=DURATION:PT12H\r\n", Some(43_200)),
        (
            "X-PUBLISHED-TTL:P1D\r\nREFRESH-INTERVAL:PT30M\r\n",
            Some(1_800),
        ),
        (
            "REFRESH-INTERVAL:PT30M\r\nX-PUBLISHED-TTL:P1D\r\n",
            Some(1_800),
        ),
        ("X-PUBLISHED-TTL:-PT1H\r\n", None),
        ("X-PUBLISHED-TTL:soon\r\n", None),
    ] {
        assert_eq!(feed(&[lines]).refresh_secs, seconds, "{lines}");
    }
}

#[test]
fn several_calendars_in_a_file_keep_their_zones_apart() {
    let named = |uid: &str| {
        event(&format!(
            "UID:{uid}\r\nDTSTART;TZID=Office:20261102T100000\r\n"
        ))
    };
    let east = ZONE.replace("+0200", "+0300");
    let two = [file(&[ZONE, &named("a")]), file(&[&east, &named("b")])].concat();
    let feed = split_feed(&two).unwrap();
    assert!(text(object(&feed, "a")).contains("+0200"));
    assert!(text(object(&feed, "b")).contains("+0300"));
    assert!(!text(object(&feed, "b")).contains("+0200"));
}
