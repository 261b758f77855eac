use super::*;

fn berlin() -> TimeZone {
    crate::zones::zone("Europe/Berlin").unwrap()
}

fn part(method: Option<&str>, text: &str) -> CalendarPart {
    CalendarPart {
        method: method.map(str::to_owned),
        text: text.to_owned(),
    }
}

fn object(method: &str, event: &str) -> String {
    format!("BEGIN:VCALENDAR\nMETHOD:{method}\n{event}END:VCALENDAR\n")
}

const EVENT: &str = "BEGIN:VEVENT\nUID:m1\nSEQUENCE:2\nDTSTAMP:20260301T080000Z\n\
    DTSTART;TZID=Europe/Berlin:20260302T090000\nDTEND;TZID=Europe/Berlin:20260302T100000\n\
    ORGANIZER;SENT-BY=\"mailto:Desk@Customer.example\":MAILTO:Ann@Customer.example\n\
    ATTENDEE;CN=Sam;PARTSTAT=ACCEPTED:mailto:sam@firm.example\nEND:VEVENT\n";

#[test]
fn a_request_is_heard_with_its_people_and_its_instants() {
    let heard = hear(
        &[part(Some("REQUEST"), &object("REQUEST", EVENT))],
        &berlin(),
    );
    let heard = heard.unwrap().unwrap();
    assert_eq!((heard.method, heard.uid.as_str()), (Method::Request, "m1"));
    assert_eq!(heard.organizer.unwrap().email, "ann@customer.example");
    assert_eq!(heard.sent_by.as_deref(), Some("desk@customer.example"));
    let [only] = heard.parts.as_slice() else {
        panic!("one part")
    };
    assert_eq!(only.when.unwrap().start.to_string(), "2026-03-02T08:00:00Z");
    assert_eq!((only.mark.sequence, only.at), (2, None));
    assert_eq!(only.people[0].answer, PartStat::Accepted);
}

#[test]
fn the_same_time_in_another_zone_is_the_same_instant() {
    let utc = EVENT
        .replace(";TZID=Europe/Berlin:20260302T09", ":20260302T08")
        .replace(";TZID=Europe/Berlin:20260302T10", ":20260302T09")
        .replace("0000\nDTEND", "0000Z\nDTEND")
        .replace("090000\nORG", "090000Z\nORG");
    let windows = EVENT.replace("Europe/Berlin", "W. Europe Standard Time");
    let when = |event: &str| {
        let heard = hear(&[part(None, &object("REQUEST", event))], &berlin());
        heard.unwrap().unwrap().parts[0].when.unwrap()
    };
    assert_eq!(when(EVENT), when(&utc));
    assert_eq!(when(EVENT), when(&windows));
}

#[test]
fn a_header_that_contradicts_the_object_is_heard_as_nothing() {
    let heard = hear(
        &[part(Some("CANCEL"), &object("REQUEST", EVENT))],
        &berlin(),
    );
    assert!(heard.unwrap_err().contains("METHOD is `REQUEST`"));
}

#[test]
fn a_published_calendar_is_no_invitation() {
    for text in [object("PUBLISH", EVENT), EVENT.to_owned()] {
        assert_eq!(hear(&[part(None, &text)], &berlin()), Ok(None));
    }
}

#[test]
fn alternative_and_attachment_of_one_invitation_are_one_and_two_meetings_are_refused() {
    let first = object("REQUEST", EVENT);
    let again = first.replace("SEQUENCE:2", "SEQUENCE:2\nX-FILE:1");
    let both = hear(&[part(None, &first), part(None, &again)], &berlin());
    assert_eq!(both.unwrap().unwrap().uid, "m1");
    let other = first.replace("UID:m1", "UID:m2");
    let both = hear(&[part(None, &first), part(None, &other)], &berlin());
    assert!(both.unwrap_err().contains("two statements"));
    let twice = object(
        "REQUEST",
        &format!("{EVENT}{}", EVENT.replace("UID:m1", "UID:m2")),
    );
    let both = hear(&[part(None, &twice)], &berlin());
    assert!(both.unwrap_err().contains("2 meetings at once"));
    let calendars = format!("{first}{first}");
    let both = hear(&[part(None, &calendars)], &berlin());
    assert!(both.unwrap_err().contains("2 VCALENDARs"));
}

#[test]
fn a_rule_written_in_another_order_is_the_same_series() {
    let series = |rule: &str| {
        let event = EVENT.replace("ORGANIZER", &format!("{rule}\nORGANIZER"));
        let heard = hear(&[part(None, &object("REQUEST", &event))], &berlin());
        heard.unwrap().unwrap().parts[0].rule.clone()
    };
    let weekly = series("RRULE:FREQ=WEEKLY;BYDAY=MO");
    assert!(!weekly.is_empty());
    assert_eq!(weekly, series("RRULE:byday=mo;freq=weekly"));
    assert_ne!(weekly, series("RRULE:FREQ=WEEKLY;BYDAY=TU"));
    let without = "RRULE:FREQ=WEEKLY;BYDAY=MO\nEXDATE:20260309T080000Z";
    let zoned = "RRULE:FREQ=WEEKLY;BYDAY=MO\nEXDATE;TZID=Europe/Berlin:20260309T090000";
    assert_eq!(series(without), series(zoned));
    assert_ne!(weekly, series(without));
}

#[test]
fn hostile_objects_are_refused_in_words() {
    let long = EVENT.replace("UID:m1", &format!("UID:{}", "x".repeat(5_000)));
    let without = EVENT.replace("UID:m1\n", "");
    let many: String = (0..60)
        .map(|n| {
            EVENT.replace(
                "UID:m1",
                &format!("UID:m1\nRECURRENCE-ID:20260302T08{n:02}00Z"),
            )
        })
        .collect();
    for event in [long, without, many, String::new()] {
        hear(&[part(None, &object("REQUEST", &event))], &berlin()).unwrap_err();
    }
}
