//! An invitation of a customer, from its arrival until it is called off: what is known of it, what
//! plugins hear, and that nothing of ours leaves because of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code, also outside of test functions"
)]

use std::time::Duration;

use jiff::{Span, Timestamp};
use liaison_tests::ask::text_at;
use liaison_tests::daemon::{Daemon, staged};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::{Mail, cast};
use liaison_tests::maildir::Maildir;
use liaison_tests::radicale::{Radicale, USERS};
use liaison_tests::smtp_sink::{SinkTls, SmtpSink};
use serde_json::Value;

const NORA: &str = "nora@north.example";
/// Mail, calendar and plugin together.
const LONG: Duration = Duration::from_secs(60);

/// What is said of the one meeting.
struct Said {
    method: &'static str,
    sequence: u32,
    start: Timestamp,
    people: String,
}

impl Said {
    fn new(method: &'static str, sequence: u32, start: Timestamp) -> Said {
        Said {
            method,
            sequence,
            start,
            people: format!("ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{ALICE}"),
        }
    }

    fn event(&self) -> String {
        let time = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
        format!(
            "BEGIN:VEVENT\r\nUID:visit@north.example\r\nSUMMARY:Visit\r\nSEQUENCE:{}\r\n\
             DTSTAMP:{}\r\nDTSTART:{}\r\nDURATION:PT1H\r\nORGANIZER;CN=Nora:mailto:{NORA}\r\n\
             {}\r\nEND:VEVENT\r\n",
            self.sequence,
            time(Timestamp::now()),
            time(self.start),
            self.people,
        )
    }

    fn object(&self) -> String {
        let (method, event) = (self.method, self.event());
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//North//EN\r\nMETHOD:{method}\r\n{event}\
             END:VCALENDAR\r\n"
        )
    }

    fn mail(&self, (from, to): (&str, &str), id: &str, verdict: &str) -> Vec<u8> {
        let kind = format!("text/calendar; method={}; charset=utf-8", self.method);
        let mail = Mail::new(from, to, "Visit").message_id(id);
        let mail = mail.authentication(cast::AUTHSERV_ID, verdict);
        mail.header("Content-Type", &kind)
            .body(&self.object())
            .build()
    }

    fn by_nora(&self, maildir: &Maildir, daemon: &Daemon, id: &str) {
        maildir.deliver(&self.mail((NORA, ALICE), id, "pass"));
        daemon.settled(id);
    }
}

fn words(daemon: &Daemon) -> Vec<String> {
    let mut tasks = daemon.rows(&["tasks", "list"]);
    tasks.retain(|task| task["title"] == "Told of a meeting");
    let mut told: Vec<(String, String)> = tasks
        .iter()
        .map(|task| {
            let body: Value = serde_json::from_str(text_at(task, "/body")).unwrap();
            let at = text_at(task, "/created").to_owned();
            (at, text_at(&body, "/what").to_owned())
        })
        .collect();
    told.sort();
    told.into_iter().map(|(_, word)| word).collect()
}

/// The visit as the agenda of this week shows it, once all of `said` is in it.
fn agenda(daemon: &Daemon, said: &[&str]) -> Value {
    let what = format!("the agenda says {said:?}");
    daemon.eventually_within(LONG, &what, || {
        let answer = daemon.cli_json(["agenda", ALICE, "--week"]);
        let days = answer.pointer("/people/0/days")?.as_array()?.clone();
        let mut entries = days
            .iter()
            .flat_map(|day| day["entries"].as_array().unwrap());
        let visit = entries.find(|entry| entry["title"] == "Visit")?.clone();
        // One that goes on over midnight stands on both days.
        let is_other =
            |other: &Value| other["title"] == "Visit" && other["start"] != visit["start"];
        assert!(!entries.any(is_other), "twice in the agenda: {answer}");
        let text = visit.to_string();
        said.iter().all(|one| text.contains(one)).then_some(visit)
    })
}

fn hears(daemon: &Daemon, expected: &[&str]) {
    daemon.eventually_within(LONG, &format!("the plugin hears {expected:?}"), || {
        (words(daemon) == expected).then_some(())
    });
}

#[test]
fn an_invitation_is_accepted_moved_and_called_off_and_nothing_of_ours_leaves() {
    let radicale = Radicale::start();
    let sink = SmtpSink::start(SinkTls::StartTls);
    let mut firm = Firm::new();
    let maildir = firm.maildir(Some("relay"));
    firm.smtp("relay", &sink);
    firm.caldav(&radicale);
    firm.add(&format!(
        "[[plugin]]\nname = \"obeys\"\npath = \"{}\"",
        staged("test-plugins").join("obeys").display()
    ));
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    daemon.cli_json([
        "accounts",
        "add",
        "North Trading",
        "--domain",
        "north.example",
    ]);
    let hours = |hours: i64| Timestamp::now() + Span::new().hours(hours);
    let (first, second) = (hours(48), hours(72));

    let request = Said::new("REQUEST", 0, first);
    request.by_nora(&maildir, &daemon, "request@north.example");
    hears(&daemon, &["created"]);
    let known = agenda(&daemon, &["known from mail, in no calendar"]);
    assert_eq!(known["kind"], "meeting");
    assert_eq!(known["account_name"], "North Trading");
    // The server of the calendar files the same invitation: it stays one.
    let (user, _) = USERS[0];
    let filed = request.object().replace("METHOD:REQUEST\r\n", "");
    let path = format!("/{user}/work/visit.ics");
    let put = radicale.put(user, &path, &[("If-None-Match", "*")], &filed);
    assert_eq!(put.status, 201, "{}", put.text());
    // Once more, as programs do.
    request.by_nora(&maildir, &daemon, "again@north.example");

    let accepted = Said {
        people: format!("ATTENDEE;PARTSTAT=ACCEPTED:mailto:{ALICE}"),
        ..Said::new("REPLY", 0, first)
    };
    maildir.save(
        "Sent",
        &accepted.mail((ALICE, NORA), "yes@example.test", "pass"),
    );
    hears(&daemon, &["created", "answered"]);
    let in_calendar = format!("\"calendars\":[\"{SALES}\"]");
    agenda(&daemon, &[&in_calendar, "\"did\":\"accepted\""]);

    // Somebody else's word for it changes nothing.
    let forged = Said::new("REQUEST", 7, hours(5));
    maildir.deliver(&forged.mail((NORA, ALICE), "forged@north.example", "fail"));
    daemon.settled("forged@north.example");

    Said::new("REQUEST", 1, second).by_nora(&maildir, &daemon, "moved@north.example");
    hears(&daemon, &["created", "answered", "moved"]);
    agenda(&daemon, &["its organizer says"]);
    let off = Said::new("CANCEL", 2, second);
    off.by_nora(&maildir, &daemon, "off@north.example");
    hears(&daemon, &["created", "answered", "moved", "cancelled"]);

    agenda(
        &daemon,
        &["called off by its organizer, and still in the calendar"],
    );

    let timeline = daemon.rows(&["timeline", "North Trading"]);
    let meeting: Vec<&str> = timeline
        .iter()
        .filter(|row| row["kind"] == "meeting")
        .map(|row| text_at(row, "/text"))
        .collect();
    for said in [
        "a meeting at",
        "accepted the meeting",
        "moved from",
        "was called off",
    ] {
        let times = meeting.iter().filter(|text| text.contains(said)).count();
        assert_eq!(times, 1, "{said}: {meeting:#?}");
    }
    let tasks = daemon.rows(&["tasks", "list"]);
    let told = |task: &&Value| task["title"] == "A meeting was called off: Visit";
    assert_eq!(tasks.iter().filter(told).count(), 1, "{tasks:#?}");
    // The calendar is a person's, and no mail of ours answers an invitation.
    assert!(radicale.get(user, &path).unwrap().contains("SEQUENCE:0"));
    assert_eq!(sink.count(), 0);
}
