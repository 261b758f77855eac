#![allow(
    clippy::arithmetic_side_effects,
    reason = "test code: small numbers, and an overflow would end the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::calendar::event::{Attendee, EventStatus, PartStat, Role};
use crate::calendar::read_calendar;

/// The same on every run (xorshift).
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(sides).unwrap()).unwrap()
    }
}

fn set_summary(text: &str) -> Vec<Edit> {
    vec![Edit::Set(NewProperty::text("SUMMARY", text))]
}

/// What is new between what both have at their start and at their end, in whole lines.
fn difference(old: &[u8], new: &[u8]) -> (String, String) {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let separator = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
        bytes
            .split_inclusive(|b| *b == separator)
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (old, new) = (lines(old), lines(new));
    let same = |pairs: &mut dyn Iterator<Item = (&Vec<u8>, &Vec<u8>)>| {
        pairs.take_while(|(a, b)| a == b).count()
    };
    let head = same(&mut old.iter().zip(&new));
    let tail = same(&mut old[head..].iter().rev().zip(new[head..].iter().rev()));
    let text = |lines: &[Vec<u8>]| {
        let bytes = lines[head..lines.len() - tail].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    (text(&old), text(&new))
}

/// Every `.ics` below the folder.
fn calendars_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            calendars_below(&path, found);
        } else if name.ends_with(".ics") {
            found.push(path);
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks for every calendar file of the project"
)]
fn in_every_fixture_a_new_summary_changes_that_line_alone() {
    let mut files = Vec::new();
    calendars_below(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        &mut files,
    );
    assert!(files.len() >= 15, "{} files", files.len());
    let mut changed_events = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let tree = LineTree::read(&bytes).unwrap();
        for event in tree.object().events.clone() {
            let recurrence = event.recurrence_id.as_ref();
            if tree.find(&event.uid, recurrence).map(|found| found.line) != Some(event.line) {
                continue;
            }
            let edited = match tree.edit(&event.uid, recurrence, &set_summary("Ä, new; one")) {
                Ok(edited) => edited,
                Err(TreeError::NotWhole { .. }) => continue,
                Err(error) => panic!("{}: {error}", file.display()),
            };
            let (old, new) = difference(&bytes, edited.bytes());
            assert_eq!(
                new.trim_end(),
                r"SUMMARY:Ä\, new\; one",
                "{}",
                file.display()
            );
            let unfolded = old
                .replace("\r\n", "\n")
                .replace("\n ", "")
                .replace("\n\t", "");
            assert!(unfolded.lines().count() <= 1, "{}: {old}", file.display());
            assert!(
                old.is_empty() || unfolded.to_ascii_uppercase().starts_with("SUMMARY"),
                "{}: {old}",
                file.display()
            );
            let now = edited.find(&event.uid, recurrence).unwrap();
            assert_eq!(now.summary.as_deref(), Some("Ä, new; one"));
            changed_events += 1;
        }
    }
    assert!(changed_events >= 40, "only {changed_events} events");
}

/// An object as somebody's program might write it: what stands before the summary of the event, the
/// summary with its folds and its line end, and what stands behind it.
fn generated(seed: u64) -> (String, [Vec<u8>; 3]) {
    let mut roll = dice(seed);
    let end: &[u8] = [&b"\r\n"[..], b"\n", b"\r"][[0, 0, 0, 1, 2][roll(5)]];
    let narrow = 8 + roll(70);
    // Folds wherever they fall, inside characters too.
    let fold = |line: &str| -> Vec<u8> {
        let pieces: Vec<&[u8]> = line.as_bytes().chunks(narrow).collect();
        let mut bytes = pieces.join(&[end, b" "].concat()[..]);
        bytes.extend_from_slice(end);
        bytes
    };
    let words = [
        "Übergabe",
        "naïve",
        "会議",
        "x;y",
        r"a\, b",
        "🙂🙂",
        "plan",
        "\"q\"",
    ];
    let text = |roll: &mut dyn FnMut(usize) -> usize| {
        let count = 1 + roll(12);
        let words: Vec<&str> = (0..count).map(|_| words[roll(words.len())]).collect();
        words.join(" ")
    };
    let mut lines: Vec<String> = Vec::new();
    let mut summary_at = 0;
    lines.push("BEGIN:VCALENDAR".to_owned());
    lines.push("VERSION:2.0".to_owned());
    if roll(3) == 0 {
        lines.push(format!("X-WR-CALNAME:{}", text(&mut roll)));
    }
    let events = 1 + roll(4);
    let chosen = roll(events);
    for index in 0..events {
        lines.push("BEGIN:VEVENT".to_owned());
        let mut body = vec![
            format!("UID:{index}@example.org"),
            "DTSTAMP:20260101T000000Z".to_owned(),
            "DTSTART;TZID=Europe/Berlin:20260302T090000".to_owned(),
        ];
        for extra in 0..roll(8) {
            body.push(match roll(8) {
                0 => format!("X-OTHER;X-A=\"b;c\",d:<p>{};,</p>", text(&mut roll)),
                1 => format!("DESCRIPTION:{}", text(&mut roll)),
                2 => {
                    format!("ATTENDEE;SCHEDULE-STATUS=1.2;CN=\"Doe, J\":mailto:{extra}@example.com")
                }
                3 => "x-lower;value=text:kept".to_owned(),
                4 => "this is no property".to_owned(),
                5 => "REQUEST-STATUS:3.7;Invalid;ATTENDEE:mailto:a@example.com".to_owned(),
                6 => "RELATED-TO:other@example.org".to_owned(),
                _ => String::new(),
            });
        }
        let place = roll(body.len() + 1);
        let has_summary = index == chosen || roll(2) == 0;
        if has_summary {
            let name = [
                "SUMMARY",
                "summary",
                "SUMMARY;LANGUAGE=de-DE",
                "Summary ;X-P=\"a:b\"",
            ];
            body.insert(place, format!("{}:{}", name[roll(4)], text(&mut roll)));
        }
        if index == chosen {
            summary_at = lines.len() + place;
        }
        lines.extend(body);
        if roll(3) == 0 {
            let alarm = [
                "BEGIN:VALARM",
                "SUMMARY:of the alarm",
                "TRIGGER:-PT5M",
                "END:VALARM",
            ];
            lines.extend(alarm.map(str::to_owned));
        }
        lines.push("END:VEVENT".to_owned());
    }
    lines.push("END:VCALENDAR".to_owned());
    let written: Vec<Vec<u8>> = lines.iter().map(|line| fold(line)).collect();
    let mut before = written[..summary_at].concat();
    if roll(10) == 0 {
        before.splice(0..0, *b"\xEF\xBB\xBF");
    }
    let after = written[summary_at + 1..].concat();
    let uid = format!("{chosen}@example.org");
    (uid, [before, written[summary_at].clone(), after])
}

#[test]
fn in_a_thousand_generated_objects_a_new_summary_changes_that_line_alone() {
    for seed in 1..=1_000 {
        let (uid, [before, summary, after]) = generated(seed);
        let bytes = [&before[..], &summary, &after].concat();
        let tree = LineTree::read(&bytes).unwrap();
        let long =
            "Neuer Titel, größer; als vorher 🙂 ".repeat(1 + usize::try_from(seed % 5).unwrap());
        let edited = tree
            .edit(&uid, None, &set_summary(&long))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let new = edited.bytes();
        assert!(
            new.starts_with(&before),
            "seed {seed}: changed before the line"
        );
        assert!(
            new.ends_with(&after),
            "seed {seed}: changed behind the line"
        );
        let line = &new[before.len()..new.len() - after.len()];
        let end = if summary.ends_with(b"\r\n") {
            &b"\r\n"[..]
        } else {
            &summary[summary.len() - 1..]
        };
        assert!(
            line.starts_with(b"SUMMARY:") && line.ends_with(end),
            "seed {seed}"
        );
        let physical = line.split(|b| *b == b'\n' || *b == b'\r');
        assert!(physical.clone().all(|line| line.len() <= 75), "seed {seed}");
        assert!(
            physical
                .clone()
                .all(|line| std::str::from_utf8(line).is_ok()),
            "seed {seed}: a fold inside a character"
        );
        let event = edited.find(&uid, None).unwrap();
        assert_eq!(event.summary.as_deref(), Some(long.as_str()), "seed {seed}");
        // The same again changes nothing at all.
        let again = edited.edit(&uid, None, &set_summary(&long)).unwrap();
        assert_eq!(again.bytes(), new, "seed {seed}");
    }
}

const MEETING: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\n\
DTSTAMP:20260101T000000Z\r\nDTSTART:20260302T090000Z\r\nSUMMARY:Intro\r\n\r\n\
ATTENDEE;CN=One:mailto:one@example.com\r\nSEQUENCE:1\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n\
TRIGGER:-PT5M\r\nSUMMARY:alarm\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn edited(text: &str, edits: &[Edit]) -> Result<String, TreeError> {
    let tree = LineTree::read(text.as_bytes())?;
    let changed = tree.edit("a", None, edits)?;
    Ok(String::from_utf8(changed.bytes().to_vec()).unwrap())
}

#[test]
fn a_hold_becomes_a_meeting_in_one_go_and_in_place() {
    let at: Timestamp = "2026-02-01T10:00:00Z".parse().unwrap();
    let guest = Attendee {
        address: "anna@example.com".to_owned(),
        name: Some("Doe, \"Anna\"".to_owned()),
        partstat: PartStat::NeedsAction,
        role: Role::Required,
        sent_by: None,
    };
    let owner = Attendee {
        address: "me@example.org".to_owned(),
        ..Attendee::default()
    };
    let edits = [
        Edit::Set(NewProperty::text("SUMMARY", "Intro call")),
        Edit::Set(NewProperty::word("STATUS", "CONFIRMED")),
        Edit::Set(NewProperty::number("SEQUENCE", 2)),
        Edit::Set(NewProperty::instant("DTSTAMP", at)),
        Edit::Set(NewProperty::instant("LAST-MODIFIED", at)),
        Edit::Set(NewProperty::word("X-LIAISON-KIND", "meeting")),
        Edit::Set(NewProperty::person("ORGANIZER", &owner)),
        Edit::Add(NewProperty::person("ATTENDEE", &guest).param("SCHEDULE-AGENT", "CLIENT")),
    ];
    let text = edited(MEETING, &edits).unwrap();
    let expected = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\n\
DTSTAMP:20260201T100000Z\r\nDTSTART:20260302T090000Z\r\nSUMMARY:Intro call\r\n\r\n\
ATTENDEE;CN=One:mailto:one@example.com\r\n\
ATTENDEE;CN=\"Doe, ^'Anna^'\";ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;SCHE\r\n DULE-AGENT=CLIENT:mailto:anna@example.com\r\n\
SEQUENCE:2\r\nSTATUS:CONFIRMED\r\nLAST-MODIFIED:20260201T100000Z\r\nX-LIAISON-KIND:meeting\r\n\
ORGANIZER:mailto:me@example.org\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\n\
SUMMARY:alarm\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(text, expected);
    let object = read_calendar(text.as_bytes());
    let event = &object.events[0];
    assert_eq!(event.status, Some(EventStatus::Confirmed));
    assert_eq!(event.attendees[1].name.as_deref(), Some("Doe, \"Anna\""));
    assert_eq!(event.attendees[1].address, "anna@example.com");
}

#[test]
fn properties_are_removed_and_repeats_end_with_a_set() {
    let twice = MEETING.replace(
        "SEQUENCE:1\r\n",
        "SEQUENCE:1\r\nSEQUENCE:1\r\nX-A:1\r\nX-A:2\r\n",
    );
    let edits = [
        Edit::Set(NewProperty::number("SEQUENCE", 1)),
        Edit::Remove("x-a".to_owned()),
    ];
    assert_eq!(edited(&twice, &edits).unwrap(), MEETING);
}

#[test]
fn an_override_is_found_however_its_start_is_written() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART;TZID=Europe/Berlin:20260302T090000\n\
RRULE:FREQ=DAILY\nSUMMARY:series\nEND:VEVENT\nBEGIN:VEVENT\nUID:a\nSUMMARY:one\n\
RECURRENCE-ID;TZID=Europe/Berlin:20260303T090000\n\
DTSTART;TZID=Europe/Berlin:20260303T100000\nEND:VEVENT\nEND:VCALENDAR\n";
    let tree = LineTree::read(text.as_bytes()).unwrap();
    let utc = crate::calendar::value::read_time("20260303T080000Z", None).unwrap();
    let changed = tree.edit("a", Some(&utc), &set_summary("moved")).unwrap();
    let (old, new) = difference(text.as_bytes(), changed.bytes());
    assert_eq!(
        (old.as_str(), new.as_str()),
        ("SUMMARY:one\n", "SUMMARY:moved\n")
    );
    let other = crate::calendar::value::read_time("20260304T080000Z", None).unwrap();
    let missing = tree
        .edit("a", Some(&other), &set_summary("moved"))
        .unwrap_err();
    assert!(
        missing.to_string().contains("2026-03-04T08:00:00"),
        "{missing}"
    );
    assert!(tree.edit("b", None, &set_summary("moved")).is_err());
}

#[test]
fn nothing_from_outside_adds_a_line_a_parameter_or_a_value() {
    let hostile = "x\r\nSTATUS:CANCELLED\u{2028}A\u{85}B\rC\0\u{1b};\\n,\"^n:\tend";
    let evil = Attendee {
        address: "a@b.example\r\nATTENDEE:mailto:c@d.example\">".to_owned(),
        name: Some("x\";PARTSTAT=ACCEPTED;X=\"y\r\nDTSTART:20200101T000000Z".to_owned()),
        ..Attendee::default()
    };
    let edits = [
        Edit::Set(NewProperty::text("SUMMARY", hostile)),
        Edit::Set(NewProperty::uri(
            "URL",
            "http://x\r\nSTATUS:CANCELLED\u{e4} ",
        )),
        Edit::Set(NewProperty::word(
            "X-LIAISON-GROUP",
            "g\r\nSTATUS:CANCELLED",
        )),
        Edit::Add(NewProperty::person("ATTENDEE", &evil).param("X-P", hostile)),
    ];
    let text = edited(MEETING, &edits).unwrap();
    let before = MEETING.matches("\r\n").count();
    let unfolded = text.replace("\r\n ", "");
    assert_eq!(unfolded.matches("\r\n").count(), before + 3, "{text}");
    assert!(
        !text
            .replace("\r\n", "")
            .contains(|c: char| c.is_control() || c == '\u{2028}')
    );
    let object = read_calendar(text.as_bytes());
    assert_eq!(object.problems, Vec::new());
    let event = &object.events[0];
    assert_eq!(event.status, None);
    assert_eq!(event.attendees.len(), 2);
    assert_eq!(event.attendees[1].partstat, PartStat::NeedsAction);
    let name = event.attendees[1].name.as_deref().unwrap();
    assert!(name.starts_with("x\";PARTSTAT=ACCEPTED"), "{name}");
    assert_eq!(
        event.summary.as_deref(),
        Some("x\nSTATUS:CANCELLED\nA\nB\nC;\\n,\"^n: end")
    );
}

#[test]
fn what_could_go_wrong_is_refused_and_named() {
    let refused = |edits: &[Edit]| edited(MEETING, edits).unwrap_err().to_string();
    let name = |name: &str| refused(&[Edit::Set(NewProperty::word(name, "x"))]);
    assert!(name("BEGIN").contains("`BEGIN` is no name"));
    assert!(name("X-A:B").contains("is no name"));
    assert!(name("").contains("is no name"));
    assert!(refused(&[Edit::Remove("end".to_owned())]).contains("is no name"));
    let long = "x".repeat(MAX_LINE_BYTES);
    assert!(refused(&set_summary(&long)).contains("SUMMARY would be longer"));
    let many = vec![Edit::Remove("X-A".to_owned()); MAX_EDITS + 1];
    assert!(refused(&many).contains("more than 500 changes"));
    let zoned = EventTime::Zoned {
        local: jiff::civil::date(2026, 3, 2).at(9, 0, 0, 0),
        tzid: "Europe/Berlin".to_owned(),
    };
    let time = Edit::Set(NewProperty::time("DTSTART", &zoned));
    assert!(refused(&[time]).contains("does not define the zone `Europe/Berlin`"));
    // A value that makes no sense, and an event without its identity, do not read back.
    assert_eq!(
        refused(&[Edit::Set(NewProperty::word("STATUS", "PERHAPS"))]),
        TreeError::ReadBack.to_string()
    );
    assert_eq!(
        refused(&[Edit::Remove("UID".to_owned())]),
        TreeError::ReadBack.to_string()
    );
    let open = MEETING.replace("END:VEVENT\r\n", "");
    let refused = edited(&open, &set_summary("new")).unwrap_err();
    assert_eq!(refused, TreeError::NotWhole { line: 3 });
    let large = LineTree::read(&vec![b'x'; MAX_BYTES + 1]).unwrap_err();
    assert!(large.to_string().contains("more than 2097152"), "{large}");
}
