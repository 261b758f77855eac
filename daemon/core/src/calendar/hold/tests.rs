use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn spec() -> HoldSpec {
    HoldSpec {
        uid: "hold.7f3a@firm.example.com".to_owned(),
        summary: "HOLD: Acme \u{2013} intro call (2/3)".to_owned(),
        window: Window {
            start: at("2026-10-26T09:00:00Z"),
            end: at("2026-10-26T09:30:00Z"),
        },
        zone: "Europe/Berlin".to_owned(),
        group: "lead-triage.42".to_owned(),
        expires: Some(at("2026-10-25T09:00:00Z")),
        kind: "intro-call".to_owned(),
        description: Some("Offered to alice@example.com, see the draft; \\ , done".to_owned()),
        private: true,
        created: at("2026-10-20T08:00:00Z"),
    }
}

#[test]
fn a_hold_reads_back_as_it_was_meant() {
    let spec = spec();
    let text = build_hold(&spec);
    let object = read_calendar(text.as_bytes());
    assert_eq!(object.problems, []);
    let event = &object.events[0];
    assert_eq!(event.uid, spec.uid);
    assert_eq!(event.summary.as_deref(), Some(spec.summary.as_str()));
    assert_eq!(event.description, spec.description);
    assert_eq!(event.status, Some(EventStatus::Tentative));
    assert_eq!(event.class, Some(Class::Private));
    assert_eq!(event.categories, [HOLD_CATEGORY]);
    assert_eq!(
        current_window(&HoldMarks::of(&spec), &object),
        Some(spec.window)
    );
    for (name, value) in [
        ("X-MICROSOFT-CDO-BUSYSTATUS", "TENTATIVE"),
        ("X-LIAISON-KIND", "intro-call"),
        ("X-LIAISON-GROUP", "lead-triage.42"),
        ("X-LIAISON-EXPIRES", "20261025T090000Z"),
        ("X-LIAISON-REV", &spec.intent_hash()),
    ] {
        assert_eq!(event.x_property(name), Some(value), "{name}");
    }
    for line in [
        "DTSTART;TZID=Europe/Berlin:20261026T100000\r\n",
        "DTSTAMP:20261020T080000Z\r\n",
        "SEQUENCE:0\r\n",
        "TRANSP:OPAQUE\r\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for absent in ["ORGANIZER", "ATTENDEE", "VALARM", "RRULE", "RDATE"] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert!(text.lines().all(|line| line.len() <= 75), "{text}");
    assert_eq!(
        text,
        build_hold(&spec),
        "the same spec gives the same bytes"
    );
}

#[test]
fn other_parsers_read_a_hold_without_losing_a_property() {
    let text = build_hold(&spec());
    let ours = gate(text.as_bytes());
    let own = ours.calendars[0]
        .children
        .iter()
        .find(|c| c.name == "VEVENT")
        .unwrap();
    let unfolded = icalendar::parser::unfold(&text);
    let theirs = icalendar::parser::read_calendar(&unfolded).unwrap();
    let event = theirs
        .components
        .iter()
        .find(|c| c.name == "VEVENT")
        .unwrap();
    assert_eq!(event.properties.len(), own.lines.len());
    assert_eq!(own.lines.len(), 18);
    let calcard = calcard::icalendar::ICalendar::parse(&text).unwrap();
    let event = calcard
        .components
        .iter()
        .find(|c| c.component_type.as_str() == "VEVENT")
        .unwrap();
    assert_eq!(event.entries.len(), own.lines.len());
}

/// The definition in the file must mean what the zone database means, before and after a change.
#[test]
fn the_vtimezone_of_a_hold_is_the_zone() {
    for name in [
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "America/Vancouver",
    ] {
        let day = |text: &str| at(text);
        for start in [
            "2026-03-28T12:00:00Z",
            "2026-10-26T09:00:00Z",
            "2027-01-15T12:00:00Z",
        ] {
            let window = Window {
                start: day(start),
                end: day(start).plus_millis(DAY_MS),
            };
            let spec = HoldSpec {
                zone: name.to_owned(),
                window,
                ..spec()
            };
            // Under another name nothing but the definition can give the zone.
            let text = build_hold(&spec).replace(name, "Nowhere");
            let object = read_calendar(text.as_bytes());
            let found = crate::calendar::instances(&object, window, &TimeZone::UTC);
            assert_eq!(found.problems, [], "{name}");
            assert_eq!(
                (found.instances[0].start, found.instances[0].end),
                (window.start, window.end)
            );
        }
    }
    let utc = build_hold(&HoldSpec {
        zone: "UTC".to_owned(),
        ..spec()
    });
    assert!(utc.contains("DTSTART:20261026T090000Z\r\n") && !utc.contains("VTIMEZONE"));
}

#[test]
fn nothing_from_outside_adds_a_property() {
    let plain = gate(build_hold(&spec()).as_bytes()).calendars[0].clone();
    for evil in [
        "x\r\nATTENDEE:mailto:victim@example.com",
        "x\nSTATUS:CANCELLED\n",
        "x\rRRULE:FREQ=DAILY",
        "x\u{85}\u{2028}END:VEVENT\u{0}\u{1b}",
        "x\";PARTSTAT=ACCEPTED;X=\"y",
        "BEGIN:VEVENT",
        "a;b,c\\n\\d:e",
    ] {
        let hostile = HoldSpec {
            uid: evil.to_owned(),
            summary: evil.to_owned(),
            group: evil.to_owned(),
            kind: evil.to_owned(),
            description: Some(evil.to_owned()),
            ..spec()
        };
        let text = build_hold(&hostile);
        let read = gate(text.as_bytes());
        assert_eq!(read.problems, [], "{evil:?}");
        let (before, after) = (&plain.children, &read.calendars[0].children);
        let counts = |children: &[RawComponent]| {
            children
                .iter()
                .map(|c| (c.name.clone(), c.lines.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(before), counts(after), "{evil:?}\n{text}");
        let marks = HoldMarks::of(&hostile);
        assert_eq!(
            classify_hold(&marks, Some(text.as_bytes())),
            HoldObservation::Unchanged,
            "{evil:?}"
        );
    }
}

#[test]
fn what_became_of_a_hold() {
    let spec = spec();
    let marks = HoldMarks::of(&spec);
    let placed = build_hold(&spec);
    let end = "END:VEVENT";
    let edited = |from: &str, to: &str| {
        assert!(placed.contains(from), "{from}");
        placed.replacen(from, to, 1)
    };
    let stripped: String = placed
        .split_inclusive("\r\n")
        .filter(|line| {
            !["X-", "CLASS", "CATEG", "SEQ"]
                .iter()
                .any(|p| line.starts_with(p))
        })
        .collect();
    for (now, wanted) in [
        (placed.clone(), HoldObservation::Unchanged),
        (stripped, HoldObservation::Unchanged),
        (placed.replace("\r\n", "\n"), HoldObservation::Unchanged),
        (
            edited("SEQUENCE:0", "SEQUENCE:4"),
            HoldObservation::Unchanged,
        ),
        (
            edited("STATUS:TENTATIVE", "STATUS:CONFIRMED"),
            HoldObservation::Confirmed,
        ),
        // Who makes it definite often takes the prefix away, too, and asks others to come.
        (
            edited("STATUS:TENTATIVE", "STATUS:CONFIRMED")
                .replace("SUMMARY:HOLD: ", "SUMMARY:")
                .replace(end, "ATTENDEE:mailto:bob@example.com\r\nEND:VEVENT"),
            HoldObservation::Confirmed,
        ),
        (
            edited("STATUS:TENTATIVE", "STATUS:CANCELLED"),
            HoldObservation::Released,
        ),
    ] {
        assert_eq!(classify_hold(&marks, Some(now.as_bytes())), wanted, "{now}");
    }
    for (now, word) in [
        (
            edited(
                "DTSTART;TZID=Europe/Berlin:20261026T100000",
                "DTSTART:20261026T080000Z",
            ),
            "the time is",
        ),
        (edited("SUMMARY:HOLD: ", "SUMMARY:"), "the title is `Acme"),
        (
            edited("TRANSP:OPAQUE", "TRANSP:TRANSPARENT"),
            "no longer blocks",
        ),
        (edited("CLASS:PRIVATE", "CLASS:PUBLIC"), "visibility"),
        (
            edited(end, "ATTENDEE:mailto:bob@example.com\r\nEND:VEVENT"),
            "1 people",
        ),
        (edited(end, "LOCATION:Room 4\r\nEND:VEVENT"), "place"),
        (
            edited(end, "RRULE:FREQ=DAILY;COUNT=2\r\nEND:VEVENT"),
            "repeats",
        ),
        (
            edited("DESCRIPTION:Offered", "DESCRIPTION:Called"),
            "description",
        ),
        ("BEGIN:garbage".to_owned(), "another object"),
        // Confirmed and moved: theirs, not our slot.
        (
            edited("STATUS:TENTATIVE", "STATUS:CONFIRMED").replace("T103000", "T120000"),
            "the time is",
        ),
    ] {
        let HoldObservation::Adopted(changes) = classify_hold(&marks, Some(now.as_bytes())) else {
            panic!("not adopted: {word}");
        };
        assert!(changes.join("; ").contains(word), "{word}: {changes:?}");
    }
    assert_eq!(classify_hold(&marks, None), HoldObservation::Released);
}

#[test]
fn the_hash_sees_meaning_and_nothing_else() {
    let text = build_hold(&spec());
    let hash = normalised_hash(text.as_bytes());
    let mut lines: Vec<&str> = text.split_inclusive("\r\n").collect();
    let (first, last) = (
        lines
            .iter()
            .position(|l| l.starts_with("BEGIN:VEVENT"))
            .unwrap()
            + 1,
        lines
            .iter()
            .position(|l| l.starts_with("END:VEVENT"))
            .unwrap(),
    );
    // Folded lines stay behind the line they belong to.
    if lines[first..last].iter().all(|line| !line.starts_with(' ')) {
        lines[first..last].reverse();
    }
    for same in [
        lines.concat(),
        text.replace("\r\n", "\n"),
        text.replace("DTSTAMP:2026", "DTSTAMP:2031"),
        text.replace("-//Liaison//Liaison//EN", "-//Server//EN"),
        text.replace("STATUS:", "status:"),
    ] {
        assert_eq!(normalised_hash(same.as_bytes()), hash, "{same}");
    }
    for other in [
        text.replace("T100000", "T110000"),
        text.replace("OPAQUE", "TRANSPARENT"),
        text.replace("END:VEVENT", "COMMENT:hi\r\nEND:VEVENT"),
    ] {
        assert_ne!(normalised_hash(other.as_bytes()), hash, "{other}");
    }
    assert_ne!(normalised_hash(b""), normalised_hash(b"x"));
    let rules =
        |rule: &str| format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{rule}\nEND:VEVENT\nEND:VCALENDAR");
    assert_eq!(
        normalised_hash(rules("RRULE:FREQ=DAILY;COUNT=3").as_bytes()),
        normalised_hash(rules("RRULE:COUNT=3;FREQ=DAILY").as_bytes())
    );
}

#[test]
fn the_intent_hash_changes_with_the_intent_only() {
    let base = spec();
    let later = HoldSpec {
        created: at("2027-01-01T00:00:00Z"),
        ..spec()
    };
    assert_eq!(base.intent_hash(), later.intent_hash());
    for changed in [
        HoldSpec {
            private: false,
            ..spec()
        },
        HoldSpec {
            expires: None,
            ..spec()
        },
        HoldSpec {
            group: "b".to_owned(),
            ..spec()
        },
        HoldSpec {
            zone: "Europe/Paris".to_owned(),
            ..spec()
        },
    ] {
        assert_ne!(base.intent_hash(), changed.intent_hash());
    }
}

fn lines_of(text: &str) -> Vec<&str> {
    text.split_inclusive("\r\n").collect()
}

#[test]
fn a_hold_becomes_a_meeting_and_every_other_line_stays_as_it_was() {
    let spec = spec();
    let alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nSUMMARY:ring\r\n\
        TRIGGER:-PT10M\r\nEND:VALARM\r\nX-APPLE-COLOR;a=\"b:c\":#ff\r\n 00\t0\r\n";
    let placed = build_hold(&spec).replace("SEQUENCE:0", "SEQUENCE:4");
    let placed = placed.replace("END:VEVENT", &format!("{alarm}END:VEVENT"));
    let now = at("2026-10-21T10:00:00Z");
    let title = "Acme \u{2013} intro; call, with\r\nATTENDEE:mailto:eve@example.com a long name";
    let text = meeting_of(placed.as_bytes(), &spec, title, now).unwrap();
    let object = read_calendar(text.as_bytes());
    assert_eq!(object.problems, []);
    let event = &object.events[0];
    assert_eq!(event.uid, spec.uid);
    assert_eq!(event.status, Some(EventStatus::Confirmed));
    assert_eq!(event.sequence, 5);
    assert!(event.attendees.is_empty() && event.organizer.is_none());
    assert!(event.categories.is_empty());
    let summary = event.summary.as_deref().unwrap();
    assert!(summary.starts_with("Acme \u{2013} intro; call, with  ATTENDEE:mailto:eve"));
    assert_eq!(event.x_property("X-LIAISON-EXPIRES"), None);
    assert_eq!(event.x_property("X-LIAISON-GROUP"), Some("lead-triage.42"));
    for line in [
        "DTSTAMP:20261021T100000Z\r\n",
        "LAST-MODIFIED:20261021T100000Z\r\n",
        "CREATED:20261020T080000Z\r\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\n",
        alarm,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line.len() <= 75), "{text}");
    let (before, after) = (lines_of(&placed), lines_of(&text));
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let ours = [
        "DTSTAMP",
        "LAST-MOD",
        "SEQUENCE",
        "SUMMARY:HOLD",
        "STATUS",
        "CATEG",
        "X-MICRO",
        "X-LIAISON-EXP",
    ];
    let unexpected = |line: &&&&str| !ours.iter().any(|name| line.starts_with(name));
    assert_eq!(gone.iter().find(unexpected), None);
    assert_eq!(
        classify_hold(&HoldMarks::of(&spec), Some(text.as_bytes())),
        HoldObservation::Confirmed,
        "our own meeting is known again after a lost answer"
    );
}

#[test]
fn a_meeting_keeps_the_line_ends_and_names_of_its_server() {
    let spec = spec();
    let placed = build_hold(&spec)
        .replace("\r\n", "\n")
        .replace("STATUS:", "status:")
        .replace("SEQUENCE:0\n", "")
        .replace("CATEGORIES:Liaison Hold", "CATEGORIES:Liaison Hold,Acme");
    let now = at("2026-10-21T10:00:00Z");
    let text = meeting_of(placed.as_bytes(), &spec, "Acme", now).unwrap();
    assert!(
        !text.contains('\r') && !text.contains("TENTATIVE"),
        "{text}"
    );
    let event = &read_calendar(text.as_bytes()).events[0];
    assert_eq!(
        (event.sequence, event.status),
        (1, Some(EventStatus::Confirmed))
    );
    assert_eq!(event.categories, ["Acme"]);
    assert_eq!(meeting_of(b"BEGIN:VCALENDAR", &spec, "Acme", now), None);
}

#[test]
fn an_extended_hold_is_marked_anew_and_nothing_else_of_it_changes() {
    let old = spec();
    let new = HoldSpec {
        expires: Some(at("2026-10-26T08:00:00Z")),
        ..spec()
    };
    let placed = build_hold(&old).replace("END:VEVENT", "X-COLOUR:red\r\nEND:VEVENT");
    let now = at("2026-10-21T10:00:00Z");
    assert_eq!(remarked(placed.as_bytes(), &old, now), None);
    let text = remarked(placed.as_bytes(), &new, now).unwrap();
    let ours = ["DTSTAMP", "LAST-MOD", "X-LIAISON-EXP", "X-LIAISON-REV"];
    let of_others = |text: &str| -> Vec<String> {
        let lines = lines_of(text).into_iter();
        let others = lines.filter(|line| !ours.iter().any(|name| line.starts_with(name)));
        others.map(str::to_owned).collect()
    };
    assert_eq!(of_others(&text), of_others(&placed));
    assert!(
        text.contains("X-LIAISON-EXPIRES:20261026T080000Z\r\n"),
        "{text}"
    );
    assert!(text.contains(&new.intent_hash()), "{text}");
    assert_eq!(remarked(text.as_bytes(), &new, now), None, "once");
    let stripped: String = lines_of(&placed)
        .into_iter()
        .filter(|line| !line.starts_with("X-LIAISON"))
        .collect();
    assert_eq!(
        remarked(stripped.as_bytes(), &new, now),
        None,
        "a server that keeps no marks is not written to again and again"
    );
}
