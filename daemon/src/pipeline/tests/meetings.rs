//! Invitations and what becomes of them, as they are seen in the mail.

use liaison_core::meeting::Meeting;
use liaison_core::time::HOUR_MS;
use serde_json::Value;

use super::house::{House, from_ann, mail};
use crate::books::keys;
use crate::books::rows::TimelineRow;
use crate::clock::Clock as _;
use crate::store::Ns;

const ANN: &str = "ann@clinic.example.com";

/// What stands in an event about the visit of Tuesday, 3 March.
struct Said<'a> {
    method: &'a str,
    sequence: u32,
    start: &'a str,
    more: &'a str,
}

const TUESDAY: &str = "20260303T090000Z";
const FRIDAY: &str = "20260306T090000Z";

fn said(method: &'static str, sequence: u32) -> Said<'static> {
    Said {
        method,
        sequence,
        start: TUESDAY,
        more: "ATTENDEE:mailto:sam@example.net",
    }
}

impl Said<'_> {
    fn object(&self) -> String {
        let Said {
            method,
            sequence,
            start,
            more,
        } = self;
        format!(
            "BEGIN:VCALENDAR\nMETHOD:{method}\nBEGIN:VEVENT\nUID:visit-1\nSUMMARY:First visit\n\
             SEQUENCE:{sequence}\nDTSTAMP:20260302T08{sequence:02}00Z\nDTSTART:{start}\n\
             DURATION:PT1H\nORGANIZER:mailto:{ANN}\n{more}\nEND:VEVENT\nEND:VCALENDAR"
        )
    }

    fn header(&self) -> String {
        let method = self.method;
        format!("MIME-Version: 1.0\nContent-Type: text/calendar; method={method}; charset=utf-8")
    }

    /// From ann to sam.
    fn by_ann(&self, id: &str) -> String {
        from_ann(id, "First visit", &self.object(), &self.header())
    }

    fn by(&self, id: &str, from: &str) -> String {
        mail(
            &[from, "sam@example.net"],
            id,
            "First visit",
            &self.object(),
            &self.header(),
        )
    }
}

async fn after(house: &mut House, mail: &str) -> Option<Meeting> {
    house.receive(mail).await;
    house.settle(&["obeys"]).await;
    house.all::<Meeting>(Ns::Meeting).await.pop()
}

/// What the plugin was told, in order.
async fn told(house: &House) -> Vec<Value> {
    let mut tasks = house.tasks().await;
    tasks.retain(|task| task.title == "Told of a meeting");
    tasks.sort_by_key(|task| task.cause.event_seq);
    tasks
        .iter()
        .map(|task| serde_json::from_str(&task.body).unwrap())
        .collect()
}

async fn words(house: &House) -> Vec<String> {
    let told = told(house).await;
    told.iter()
        .map(|told| told["what"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_is_followed_from_its_invitation_until_it_is_called_off() {
    let mut house = House::new().await;
    let clinic = house.know_the_clinic().await;
    let meeting = after(&mut house, &said("REQUEST", 0).by_ann("r0"))
        .await
        .unwrap();
    assert_eq!(meeting.account.as_ref(), Some(&clinic));
    assert_eq!(meeting.owner.as_deref(), Some("sam@example.net"));
    let later = Said {
        start: FRIDAY,
        ..said("REQUEST", 1)
    };
    after(&mut house, &later.by_ann("r1")).await;
    let off = Said {
        start: FRIDAY,
        more: "STATUS:CANCELLED",
        ..said("CANCEL", 2)
    };
    let meeting = after(&mut house, &off.by_ann("r2")).await.unwrap();
    assert!(meeting.whole.unwrap().cancelled);
    assert_eq!(words(&house).await, ["created", "moved", "cancelled"]);
    let told = told(&house).await;
    assert_eq!(told[1]["start_before"], "2026-03-03T09:00:00Z");
    assert_eq!(told[1]["start"], "2026-03-06T09:00:00Z");
    let lines = house.all::<TimelineRow>(Ns::Timeline).await;
    let lines: Vec<String> = lines
        .into_iter()
        .filter(|line| line.kind == "meeting")
        .map(|line| line.text)
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("First visit: the meeting moved from"))
    );
    let tasks = house.tasks().await;
    assert!(
        tasks
            .iter()
            .any(|task| task.title == "A meeting was called off: First visit")
    );
    // What was called off does not end.
    house.advance(24 * 7);
    house.settle(&["obeys"]).await;
    assert_eq!(words(&house).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_or_unproven_message_changes_nothing_and_its_record_says_so() {
    let mut house = House::new().await;
    house.know_the_clinic().await;
    let moved = Said {
        start: FRIDAY,
        ..said("REQUEST", 2)
    };
    let known = after(&mut house, &moved.by_ann("r2")).await.unwrap();
    let older = after(&mut house, &said("REQUEST", 1).by_ann("r1"))
        .await
        .unwrap();
    assert_eq!(older.whole, known.whole);
    let summary = house.outcome("r1").await.summary;
    assert!(summary.contains("it is older (SEQUENCE 1"), "{summary}");
    let off = said("CANCEL", 3).by_ann("r3");
    let forged = after(&mut house, &off.replace("pass", "none"))
        .await
        .unwrap();
    assert_eq!(forged.whole, known.whole);
    let summary = house.outcome("r3").await.summary;
    assert!(summary.contains("it is not proven that"), "{summary}");
    let eve = said("CANCEL", 4).by("r4", "Eve <eve@other.example.org>");
    let by_eve = after(&mut house, &eve).await.unwrap();
    assert_eq!(by_eve.whole, known.whole);
    assert_eq!(words(&house).await, ["created"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_without_an_invitation_is_shown_to_a_person_once() {
    let mut house = House::new().await;
    after(&mut house, &said("REQUEST", 0).by_ann("r0")).await;
    let crasher = Said {
        more: "ATTENDEE;PARTSTAT=ACCEPTED:mailto:pat@third.example.org",
        ..said("REPLY", 0)
    };
    for id in ["p1", "p2"] {
        after(&mut house, &crasher.by(id, "Pat <pat@third.example.org>")).await;
    }
    let mut tasks = house.tasks().await;
    tasks.retain(|task| task.title.starts_with("pat@third.example.org answered"));
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].owner.as_deref(), Some("sam@example.net"));
    assert_eq!(words(&house).await, ["created", "uninvited"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_that_one_of_us_accepted_ends_as_held_and_once() {
    let mut house = House::new().await;
    after(&mut house, &said("REQUEST", 0).by_ann("r0")).await;
    let yes = Said {
        more: "ATTENDEE;PARTSTAT=ACCEPTED:mailto:sam@example.net",
        ..said("REPLY", 0)
    };
    let people = ["Sam <sam@example.net>", ANN];
    house
        .sent(&mail(
            &people,
            "s1",
            "Accepted: First visit",
            &yes.object(),
            &yes.header(),
        ))
        .await;
    house.settle(&["obeys"]).await;
    assert_eq!(words(&house).await, ["created", "answered"]);
    let end = "2026-03-03T10:00:00Z"
        .parse::<liaison_core::time::Timestamp>()
        .unwrap();
    let hours = end.since(house.clock.now()) / HOUR_MS;
    house.advance(hours - 1);
    house.settle(&["obeys"]).await;
    assert_eq!(words(&house).await.len(), 2);
    for _ in 0..3 {
        house.advance(2);
        house.settle(&["obeys"]).await;
    }
    let told = told(&house).await;
    assert_eq!(words(&house).await, ["created", "answered", "ended"]);
    assert_eq!(
        (&told[2]["held"], &told[1]["by"]),
        (&true.into(), &"sam@example.net".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_what_only_our_calendar_knows_is_an_answer() {
    let mut house = House::new().await;
    let ours = said("REQUEST", 0).object().replace(ANN, "sam@example.net");
    let ours = ours.replace(
        "ATTENDEE:mailto:sam@example.net",
        &format!("ATTENDEE:mailto:{ANN}"),
    );
    let ours = ours.replace("METHOD:REQUEST\n", "");
    house.lay_into_calendar("visit-1", &ours).await;
    let no = Said {
        more: "ATTENDEE;PARTSTAT=DECLINED:mailto:ann@clinic.example.com",
        ..said("REPLY", 1)
    };
    let no = no.by_ann("a1").replace(
        "ORGANIZER:mailto:ann@clinic.example.com",
        "ORGANIZER:mailto:sam@example.net",
    );
    let meeting = after(&mut house, &no).await.unwrap();
    assert_eq!(meeting.calendar.as_ref().map(|id| id.as_str()), Some("sam"));
    assert_eq!(words(&house).await, ["answered"]);
    let tasks = house.tasks().await;
    assert!(
        tasks
            .iter()
            .any(|task| task.title == format!("{ANN} will not come: First visit"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_does_in_the_calendar_is_told_and_what_stood_there_before_is_not() {
    let house = House::new().await;
    let clinic = house.know_the_clinic().await;
    let ours = |uid: &str, start: &'static str, sequence| {
        let said = Said {
            start,
            ..said("REQUEST", sequence)
        };
        let object = said
            .object()
            .replace("METHOD:REQUEST\n", "")
            .replace("visit-1", uid);
        let object = object.replace(ANN, "sam@example.net");
        object.replace(
            "ATTENDEE:mailto:sam@example.net",
            &format!("ATTENDEE:mailto:{ANN}"),
        )
    };
    house
        .lay_into_calendar("before", &ours("before", TUESDAY, 0))
        .await;
    house.settle(&["obeys"]).await;
    assert!(told(&house).await.is_empty());
    house
        .lay_into_calendar("visit", &ours("visit", TUESDAY, 0))
        .await;
    house.settle(&["obeys"]).await;
    house
        .change_in_calendar("visit", Some(&ours("visit", FRIDAY, 0)))
        .await;
    house.settle(&["obeys"]).await;
    house.change_in_calendar("visit", None).await;
    house.settle(&["obeys"]).await;
    assert_eq!(words(&house).await, ["created", "moved", "cancelled"]);
    let visit = house.all::<Meeting>(Ns::Meeting).await;
    let visit = visit.iter().find(|meeting| meeting.uid == "visit").unwrap();
    assert_eq!(visit.account.as_ref(), Some(&clinic));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_the_server_files_too_is_told_once() {
    let mut house = House::new().await;
    house.lay_into_calendar("other", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:other\nDTSTART:20260301T090000Z\nEND:VEVENT\nEND:VCALENDAR\n").await;
    house.settle(&["obeys"]).await;
    let request = said("REQUEST", 0);
    let filed = request.object().replace("METHOD:REQUEST\n", "");
    after(&mut house, &request.by_ann("r0")).await;
    house.lay_into_calendar("visit-1", &filed).await;
    house.settle(&["obeys"]).await;
    assert_eq!(words(&house).await, ["created"]);
    assert_eq!(house.all::<Meeting>(Ns::Meeting).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_a_meeting_was_recorded_tells_nobody_twice() {
    let mut house = House::new().await;
    house.know_the_clinic().await;
    after(&mut house, &said("REQUEST", 0).by_ann("r0")).await;
    let crasher = Said {
        more: "ATTENDEE;PARTSTAT=ACCEPTED:mailto:pat@third.example.org",
        ..said("REPLY", 0)
    };
    let pat = "Pat <pat@third.example.org>";
    after(&mut house, &crasher.by("p1", pat)).await;
    let off = Said {
        more: "STATUS:CANCELLED",
        ..said("CANCEL", 1)
    };
    let known = after(&mut house, &off.by_ann("r1")).await;
    let (tasks, lines) = (
        house.tasks().await,
        house.all::<TimelineRow>(Ns::Timeline).await,
    );
    // The log is worked through again from its beginning.
    let mut writes = house.books.batch();
    writes.del(keys::setting("pipeline-next"));
    house.books.commit(writes).await.unwrap();
    house.settle(&["obeys"]).await;
    assert_eq!(house.all::<Meeting>(Ns::Meeting).await.pop(), known);
    assert_eq!(words(&house).await, ["created", "uninvited", "cancelled"]);
    assert_eq!(house.tasks().await, tasks);
    assert_eq!(house.all::<TimelineRow>(Ns::Timeline).await, lines);
}
