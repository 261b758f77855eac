use super::*;
use crate::meeting::{Speaker, What, observe};

fn person(name: &str, email: &str) -> Person {
    Person {
        name: Some(name.to_owned()),
        email: email.to_owned(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn statement<'a>(
    method: Method,
    organizer: &'a Person,
    people: &'a [(Person, PartStat)],
) -> Statement<'a> {
    Statement {
        method,
        uid: "hold.1@example.net",
        sequence: 1,
        now: at("2026-03-02T08:00:00Z"),
        title: "Intro call; Acme, Ltd",
        note: "See you\nsoon",
        when: Window {
            start: at("2026-03-30T07:00:00Z"),
            end: at("2026-03-30T08:00:00Z"),
        },
        zone: "Europe/Berlin",
        at: None,
        organizer,
        sent_by: None,
        people,
    }
}

#[test]
fn what_is_written_has_everything_that_programs_need_for_their_buttons() {
    let sam = person("Sam", "sam@example.net");
    let ann = [(person("Ann", "ann@acme.example"), PartStat::NeedsAction)];
    let text = statement(Method::Request, &sam, &ann).write().unwrap();
    for line in [
        "METHOD:REQUEST",
        "UID:hold.1@example.net",
        "DTSTAMP:20260302T080000Z",
        "SEQUENCE:1",
        "DTSTART;TZID=Europe/Berlin:20260330T090000",
        "BEGIN:VTIMEZONE",
        "SUMMARY:Intro call\\; Acme\\, Ltd",
        "DESCRIPTION:See you\\nsoon",
        "ORGANIZER;CN=\"Sam\":mailto:sam@example.net",
    ] {
        assert_eq!(
            text.matches(&format!("{line}\r\n")).count(),
            1,
            "{line}\n{text}"
        );
    }
    let unfolded = text.replace("\r\n ", "");
    assert!(unfolded.contains("PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ann@acme.example"));
    assert!(text.lines().all(|line| line.len() <= LINE_BYTES_MAX));
    let cancel = statement(Method::Cancel, &sam, &ann).write().unwrap();
    assert!(cancel.contains("METHOD:CANCEL\r\n") && cancel.contains("STATUS:CANCELLED\r\n"));
}

#[test]
fn what_we_say_is_heard_as_a_meeting_its_answer_and_its_end() {
    let sam = person("Sam", "sam@example.net");
    let ann = [(person("Ann", "ann@acme.example"), PartStat::NeedsAction)];
    let yes = [(person("Ann", "ann@acme.example"), PartStat::Accepted)];
    let mut meeting = None;
    let mut words = Vec::new();
    for (method, people, from, sequence) in [
        (Method::Request, &ann, "sam@example.net", 1),
        (Method::Reply, &yes, "ann@acme.example", 1),
        (Method::Cancel, &ann, "sam@example.net", 2),
    ] {
        let said = Statement {
            sequence,
            ..statement(method, &sam, people)
        };
        let part = CalendarPart {
            method: None,
            text: said.write().unwrap(),
        };
        let heard = hear(&[part], &TimeZone::UTC).unwrap().unwrap();
        let by = Speaker {
            addresses: &[from.to_owned()],
            doubt: None,
        };
        let seen = observe(meeting.as_ref(), &heard, &by);
        words.extend(seen.news.iter().map(|news| news.what));
        meeting = seen.meeting;
    }
    assert_eq!(words, [What::Created, What::Answered, What::Cancelled]);
}

#[test]
fn whoever_writes_for_somebody_else_stands_where_receivers_look() {
    let sam = person("Sam", "sam@example.net");
    let ann = [(person("Ann", "ann@acme.example"), PartStat::NeedsAction)];
    let said = Statement {
        sent_by: Some("desk@example.net"),
        ..statement(Method::Request, &sam, &ann)
    };
    let text = said.write().unwrap().replace("\r\n ", "");
    assert!(text.contains("ORGANIZER;CN=\"Sam\";SENT-BY=\"mailto:desk@example.net\":mailto:sam@"));
    let sam_comes = [(sam, PartStat::Accepted)];
    let ann = person("Ann", "ann@acme.example");
    let said = Statement {
        sent_by: Some("desk@example.net"),
        ..statement(Method::Reply, &ann, &sam_comes)
    };
    let text = said.write().unwrap().replace("\r\n ", "");
    assert!(text.contains("PARTSTAT=ACCEPTED;SENT-BY=\"mailto:desk@example.net\":mailto:sam@"));
}

#[test]
fn names_and_titles_of_strangers_add_nothing() {
    let sam = person(
        "Sam\";PARTSTAT=DECLINED;X=\"\r\nSTATUS:CANCELLED",
        "sam@example.net",
    );
    let ann = [(person("^n Ann", "ann@acme.example"), PartStat::NeedsAction)];
    let said = Statement {
        title: "Visit\r\nSTATUS:CANCELLED\r\nATTENDEE:mailto:eve@other.example",
        note: "x\r\nEND:VEVENT",
        ..statement(Method::Request, &sam, &ann)
    };
    let text = said.write().unwrap();
    assert!(!text.contains("\r\nSTATUS:CANCELLED"), "{text}");
    assert_eq!(text.replace("\r\n ", "").matches("\r\nATTENDEE").count(), 1);
    for bad in ["eve@other.example\r\nX:y", "e\"ve@other.example", "nobody"] {
        let people = [(person("Eve", bad), PartStat::NeedsAction)];
        assert!(
            statement(Method::Request, &sam, &people).write().is_err(),
            "{bad}"
        );
    }
}

#[test]
fn only_one_answers_in_a_reply_and_nobody_is_invited_to_nothing() {
    let sam = person("Sam", "sam@example.net");
    let two = [
        (person("Ann", "ann@acme.example"), PartStat::Accepted),
        (person("Bob", "bob@acme.example"), PartStat::Accepted),
    ];
    assert!(statement(Method::Reply, &sam, &two).write().is_err());
    assert!(statement(Method::Request, &sam, &[]).write().is_err());
    assert!(statement(Method::Counter, &sam, &two).write().is_err());
}
