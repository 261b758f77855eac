use jiff::tz::TimeZone;

use super::*;
use crate::calendar::itip::{hear, seen_in_calendar};
use crate::calendar::read_calendar;
use crate::mail::CalendarPart;

/// An object of one meeting between Ann, who organises it, and Sam of ours.
#[derive(Clone)]
struct Object {
    method: &'static str,
    sequence: i64,
    /// Minute of its DTSTAMP.
    stamp: u32,
    start: &'static str,
    more: String,
    people: String,
}

const SAM: &str = "ATTENDEE:mailto:sam@firm.example\n";

fn object(method: &'static str, sequence: i64, stamp: u32) -> Object {
    Object {
        method,
        sequence,
        stamp,
        start: "20260302T080000Z",
        more: String::new(),
        people: SAM.to_owned(),
    }
}

impl Object {
    fn at(self, start: &'static str) -> Object {
        Object { start, ..self }
    }

    fn with(self, more: &str) -> Object {
        Object {
            more: format!("{}{more}\n", self.more),
            ..self
        }
    }

    fn people(self, people: &str) -> Object {
        Object {
            people: people.to_owned(),
            ..self
        }
    }

    fn text(&self) -> String {
        let Object {
            method,
            sequence,
            stamp,
            start,
            more,
            people,
        } = self;
        format!(
            "BEGIN:VCALENDAR\nMETHOD:{method}\nBEGIN:VEVENT\nUID:m1\nSUMMARY:Visit\n\
             SEQUENCE:{sequence}\nDTSTAMP:20260301T10{stamp:02}00Z\nDTSTART:{start}\nDURATION:PT1H\n\
             ORGANIZER:mailto:ann@customer.example\n{people}{more}END:VEVENT\nEND:VCALENDAR\n"
        )
    }

    fn heard(&self) -> Heard {
        let part = CalendarPart {
            method: None,
            text: self.text(),
        };
        hear(&[part], &TimeZone::UTC).unwrap().unwrap()
    }
}

/// What is known, after one message after the other.
#[derive(Default)]
struct Known {
    meeting: Option<Meeting>,
}

impl Known {
    fn with(objects: &[Object]) -> Known {
        let mut known = Known::default();
        for object in objects {
            known.says("ann@customer.example", object);
        }
        known
    }

    fn says(&mut self, from: &str, object: &Object) -> Seen {
        self.hears(&[from], None, object)
    }

    fn hears(&mut self, from: &[&str], doubt: Option<&str>, object: &Object) -> Seen {
        let addresses: Vec<String> = from.iter().map(|&one| one.to_owned()).collect();
        let by = Speaker {
            addresses: &addresses,
            doubt,
        };
        let seen = observe(self.meeting.as_ref(), &object.heard(), &by);
        if let Some(after) = &seen.meeting {
            self.meeting = Some(after.clone());
        }
        seen
    }

    fn whole(&self) -> &Occurrence {
        self.meeting.as_ref().unwrap().whole.as_ref().unwrap()
    }

    fn answer(&self, email: &str) -> PartStat {
        self.whole().person(&[email.to_owned()]).unwrap().answer
    }
}

fn whats(seen: &Seen) -> Vec<What> {
    seen.news.iter().map(|news| news.what).collect()
}

const ANN: &str = "ann@customer.example";
const SAM_IS: &str = "sam@firm.example";

fn reply(answer: &str, sequence: i64, stamp: u32) -> Object {
    let who = format!("ATTENDEE;PARTSTAT={answer}:mailto:sam@firm.example\n");
    object("REPLY", sequence, stamp).people(&who)
}

#[test]
fn an_invitation_is_created_moved_and_called_off() {
    let mut known = Known::default();
    let first = object("REQUEST", 0, 0);
    assert_eq!(whats(&known.says(ANN, &first)), [What::Created]);
    let moved = known.says(ANN, &object("REQUEST", 1, 1).at("20260304T080000Z"));
    assert_eq!(whats(&moved), [What::Moved]);
    assert_eq!(
        moved.news[0].before.unwrap().start.to_string(),
        "2026-03-02T08:00:00Z"
    );
    assert_eq!(
        moved.said,
        "REQUEST: the meeting moved from 2026-03-02T08:00:00Z to 2026-03-04T08:00:00Z"
    );
    let off = known.says(ANN, &object("CANCEL", 2, 2).with("STATUS:CANCELLED"));
    assert_eq!(whats(&off), [What::Cancelled]);
    assert!(known.whole().cancelled);
    assert!(whats(&known.says(ANN, &object("CANCEL", 2, 2).with("STATUS:CANCELLED"))).is_empty());
}

#[test]
fn an_older_or_repeated_message_changes_nothing_and_says_so() {
    let newest = object("REQUEST", 2, 5).at("20260304T080000Z");
    let mut known = Known::with(std::slice::from_ref(&newest));
    for (sequence, stamp) in [(1, 9), (2, 4)] {
        let seen = known.says(ANN, &object("REQUEST", sequence, stamp));
        assert_eq!((seen.meeting, seen.news.len()), (None, 0));
        assert!(seen.said.contains("it is older (SEQUENCE"), "{}", seen.said);
    }
    let again = known.says(ANN, &newest);
    assert_eq!((again.meeting, again.news.len()), (None, 0));
    assert!(again.said.contains("known already"), "{}", again.said);
    let late = known.says(ANN, &object("CANCEL", 1, 1).with("STATUS:CANCELLED"));
    assert!(
        late.meeting.is_none() && late.said.contains("older"),
        "{}",
        late.said
    );
}

#[test]
fn a_start_that_changed_without_a_higher_sequence_is_a_move() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let seen = known.says(ANN, &object("REQUEST", 0, 1).at("20260303T080000Z"));
    assert_eq!(whats(&seen), [What::Moved]);
}

#[test]
fn a_higher_sequence_at_the_same_time_is_no_move() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let berlin = object("REQUEST", 1, 1).text();
    let berlin = berlin.replace(
        "DTSTART:20260302T080000Z",
        "DTSTART;TZID=Europe/Berlin:20260302T090000",
    );
    let part = CalendarPart {
        method: None,
        text: berlin,
    };
    let heard = hear(&[part], &TimeZone::UTC).unwrap().unwrap();
    let by = Speaker {
        addresses: &[ANN.to_owned()],
        doubt: None,
    };
    let seen = observe(known.meeting.as_ref(), &heard, &by);
    assert!(seen.news.is_empty(), "{seen:?}");
    assert_eq!(seen.meeting.unwrap().whole.unwrap().mark.sequence, 1);
    let more = object("REQUEST", 1, 2).people(&format!("{SAM}ATTENDEE:mailto:kim@firm.example\n"));
    assert_eq!(whats(&known.says(ANN, &more)), [What::Changed]);
}

#[test]
fn what_is_not_proven_changes_nothing() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let off = object("CANCEL", 1, 1).with("STATUS:CANCELLED");
    let seen = known.hears(&[ANN], Some("no DMARC verdict"), &off);
    assert!(seen.meeting.is_none() && seen.news.is_empty());
    assert!(
        seen.said
            .contains("not proven that ann@customer.example wrote it"),
        "{}",
        seen.said
    );
}

#[test]
fn a_stranger_can_neither_move_nor_cancel_a_meeting_of_others() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let stranger = "eve@other.example";
    let seen = known.says(stranger, &object("CANCEL", 1, 1).with("STATUS:CANCELLED"));
    assert!(
        seen.meeting.is_none() && seen.said.contains("cannot speak for"),
        "{}",
        seen.said
    );
    // As organizer of a meeting with the same UID.
    let text = object("REQUEST", 9, 9)
        .text()
        .replace("ann@customer.example", stranger);
    let part = CalendarPart { method: None, text };
    let heard = hear(&[part], &TimeZone::UTC).unwrap().unwrap();
    let by = Speaker {
        addresses: &[stranger.to_owned()],
        doubt: None,
    };
    let seen = observe(known.meeting.as_ref(), &heard, &by);
    assert!(seen.meeting.is_none() && seen.said.contains("organises this meeting, not"));
}

#[test]
fn sent_by_is_believed_of_a_colleague_only() {
    for (by, counts) in [
        ("desk@customer.example", true),
        ("eve@other.example", false),
    ] {
        let mut known = Known::with(&[object("REQUEST", 0, 0)]);
        let text = object("REQUEST", 1, 1).at("20260303T080000Z").text();
        let text = text.replace("ORGANIZER:", &format!("ORGANIZER;SENT-BY=\"mailto:{by}\":"));
        let part = CalendarPart { method: None, text };
        let heard = hear(&[part], &TimeZone::UTC).unwrap().unwrap();
        let speaker = Speaker {
            addresses: &[by.to_owned()],
            doubt: None,
        };
        let seen = observe(known.meeting.as_ref(), &heard, &speaker);
        assert_eq!(seen.meeting.is_some(), counts, "{by}: {}", seen.said);
        known.meeting = seen.meeting;
    }
}

#[test]
fn an_answer_is_kept_per_attendee_and_the_newest_counts() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    assert_eq!(
        whats(&known.says(SAM_IS, &reply("ACCEPTED", 0, 5))),
        [What::Answered]
    );
    assert_eq!(known.answer(SAM_IS), PartStat::Accepted);
    let late = known.says(SAM_IS, &reply("DECLINED", 0, 4));
    assert!(
        late.meeting.is_none() && late.said.contains("answered again since"),
        "{}",
        late.said
    );
    assert_eq!(known.answer(SAM_IS), PartStat::Accepted);
    assert_eq!(
        whats(&known.says(SAM_IS, &reply("DECLINED", 0, 6))),
        [What::Answered]
    );
    assert_eq!(known.answer(SAM_IS), PartStat::Declined);
    // The organizer's copy knows nothing of it yet.
    let seen = known.says(ANN, &object("REQUEST", 0, 7).with("LOCATION:Room 3"));
    assert!(seen.news.is_empty());
    assert_eq!(known.answer(SAM_IS), PartStat::Declined);
}

#[test]
fn an_answer_to_the_old_time_does_not_accept_the_new_one() {
    let mut known = Known::with(&[
        object("REQUEST", 0, 0),
        object("REQUEST", 1, 3).at("20260304T080000Z"),
    ]);
    let seen = known.says(SAM_IS, &reply("ACCEPTED", 0, 9));
    assert!(
        seen.said.contains("does not have any more"),
        "{}",
        seen.said
    );
    assert_eq!(known.answer(SAM_IS), PartStat::NeedsAction);
}

#[test]
fn a_move_asks_everybody_anew() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    known.says(SAM_IS, &reply("ACCEPTED", 0, 1));
    known.says(ANN, &object("REQUEST", 1, 2).at("20260304T080000Z"));
    assert_eq!(known.answer(SAM_IS), PartStat::NeedsAction);
}

#[test]
fn somebody_who_was_not_invited_changes_nothing_and_is_told_of() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let crasher = object("REPLY", 0, 1).people("ATTENDEE;PARTSTAT=ACCEPTED:mailto:pat@x.example\n");
    let seen = known.says("pat@x.example", &crasher);
    assert_eq!((whats(&seen), seen.meeting), (vec![What::Uninvited], None));
    assert_eq!(seen.news[0].who.as_ref().unwrap().email, "pat@x.example");
}

#[test]
fn somebody_may_answer_from_another_address_of_theirs() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let alias = object("REPLY", 0, 1).people("ATTENDEE;PARTSTAT=ACCEPTED:mailto:s@firm.example\n");
    let seen = known.hears(&["s@firm.example", SAM_IS], None, &alias);
    assert_eq!(whats(&seen), [What::Answered]);
    assert_eq!(known.answer(SAM_IS), PartStat::Accepted);
}

#[test]
fn nobody_answers_for_somebody_else() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let seen = known.says("eve@other.example", &reply("DECLINED", 0, 1));
    assert!(
        seen.meeting.is_none() && seen.said.contains("cannot speak for"),
        "{}",
        seen.said
    );
}

#[test]
fn a_counter_moves_nothing_and_is_news() {
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let proposal = object("COUNTER", 0, 1).at("20260305T080000Z");
    let seen = known.says(SAM_IS, &proposal);
    assert_eq!(
        (whats(&seen), &seen.meeting),
        (vec![What::Countered], &None)
    );
    assert_eq!(
        seen.news[0].when.unwrap().start.to_string(),
        "2026-03-05T08:00:00Z"
    );
}

fn series() -> Object {
    object("REQUEST", 0, 0).with("RRULE:FREQ=WEEKLY;COUNT=10")
}

const THIRD: &str = "RECURRENCE-ID:20260316T080000Z";

#[test]
fn an_answer_to_one_time_of_a_series_leaves_the_others_alone() {
    let mut known = Known::with(&[series()]);
    let seen = known.says(SAM_IS, &reply("DECLINED", 0, 1).with(THIRD));
    assert_eq!(whats(&seen), [What::Answered]);
    assert_eq!(known.answer(SAM_IS), PartStat::NeedsAction);
    let meeting = known.meeting.as_ref().unwrap();
    let third = &meeting.exceptions[0];
    assert_eq!(third.people[0].answer, PartStat::Declined);
    assert_eq!(
        third.when.unwrap().start.to_string(),
        "2026-03-16T08:00:00Z"
    );
    let mut single = Known::with(&[object("REQUEST", 0, 0)]);
    let seen = single.says(SAM_IS, &reply("DECLINED", 0, 1).with(THIRD));
    assert!(seen.said.contains("there is no such time"), "{}", seen.said);
}

#[test]
fn one_time_of_a_series_is_moved_and_called_off() {
    let mut known = Known::with(&[series()]);
    let seen = known.says(
        ANN,
        &object("REQUEST", 1, 1).at("20260317T080000Z").with(THIRD),
    );
    assert_eq!(whats(&seen), [What::Moved]);
    assert_eq!(
        seen.news[0].before.unwrap().start.to_string(),
        "2026-03-16T08:00:00Z"
    );
    let off = object("CANCEL", 2, 2).with(THIRD).with("STATUS:CANCELLED");
    let seen = known.says(ANN, &off);
    assert_eq!(whats(&seen), [What::Cancelled]);
    assert!(!known.whole().cancelled);
}

#[test]
fn one_time_may_be_invited_before_the_series() {
    let mut known = Known::default();
    assert_eq!(
        whats(&known.says(ANN, &object("REQUEST", 0, 0).with(THIRD))),
        [What::Created]
    );
    assert_eq!(whats(&known.says(ANN, &series())), [What::Changed]);
    let meeting = known.meeting.unwrap();
    assert!(meeting.whole.is_some() && meeting.exceptions.len() == 1);
}

#[test]
fn a_cancel_without_status_takes_leave_of_those_it_names() {
    let both = format!("{SAM}ATTENDEE:mailto:kim@firm.example\n");
    let mut known = Known::with(&[object("REQUEST", 0, 0).people(&both)]);
    let seen = known.says(ANN, &object("CANCEL", 1, 1));
    assert_eq!(whats(&seen), [What::Changed]);
    assert!(!known.whole().cancelled);
    assert!(known.whole().person(&[SAM_IS.to_owned()]).is_none());
    assert_eq!(whats(&known.says(ANN, &object("CANCEL", 2, 2))), []);
    let rest = object("CANCEL", 3, 3).people("ATTENDEE:mailto:kim@firm.example\n");
    assert_eq!(whats(&known.says(ANN, &rest)), [What::Cancelled]);
}

#[test]
fn a_cancel_that_overtook_its_invitation_wins() {
    let mut known = Known::default();
    let seen = known.says(ANN, &object("CANCEL", 1, 5).with("STATUS:CANCELLED"));
    assert!(seen.news.is_empty() && seen.meeting.is_some());
    let late = known.says(ANN, &object("REQUEST", 0, 1));
    assert!(
        late.meeting.is_none() && late.news.is_empty(),
        "{}",
        late.said
    );
}

#[test]
fn the_invitation_in_the_mail_and_the_event_in_the_calendar_are_one_meeting() {
    let request = object("REQUEST", 0, 0);
    let known = Known::with(std::slice::from_ref(&request));
    let look = |object: &Object| {
        let read = read_calendar(object.text().as_bytes());
        let heard = seen_in_calendar(&read, "m1", &TimeZone::UTC).unwrap();
        observe_calendar(known.meeting.as_ref(), &heard)
    };
    let same = look(&request);
    assert!(same.meeting.is_none() && same.news.is_empty(), "{same:?}");
    // Moved by hand, in a program that raises nothing.
    let moved = look(&request.clone().at("20260303T080000Z"));
    assert_eq!(whats(&moved), [What::Moved]);
    // The calendar has not caught up with the mail.
    let mut known = Known::with(std::slice::from_ref(&request));
    known.says(ANN, &object("REQUEST", 1, 1).at("20260304T080000Z"));
    let read = read_calendar(request.text().as_bytes());
    let heard = seen_in_calendar(&read, "m1", &TimeZone::UTC).unwrap();
    assert!(
        observe_calendar(known.meeting.as_ref(), &heard)
            .news
            .is_empty()
    );
}

#[test]
fn a_meeting_counts_as_held_only_when_both_sides_said_yes() {
    let is_ours = |email: &str| email.ends_with("@firm.example");
    let mut known = Known::with(&[object("REQUEST", 0, 0)]);
    let held = |known: &Known| known.meeting.as_ref().unwrap().counts_as_held(is_ours);
    assert_eq!(
        held(&known).unwrap_err(),
        "nobody of us said that they come"
    );
    known.says(SAM_IS, &reply("TENTATIVE", 0, 1));
    assert!(held(&known).is_err());
    known.says(SAM_IS, &reply("ACCEPTED", 0, 2));
    assert_eq!(held(&known), Ok(()));
    known.says(ANN, &object("CANCEL", 1, 3).with("STATUS:CANCELLED"));
    assert_eq!(held(&known).unwrap_err(), "it was called off");
}
