//! The same on every calendar: Radicale and Xandikos, of Debian and newer, and a vdir. Holds are
//! placed, chosen and given up beside a person who edits, moves and deletes in the same calendar.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code, also outside of test functions; what a hold went through is shown"
)]

use std::time::Duration;

use jiff::{Span, Timestamp};
use liaison_tests::ask::text_at;
use liaison_tests::caldav::{CaldavKind, CaldavServer};
use liaison_tests::daemon::Daemon;
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::cast;
use liaison_tests::maildir::Maildir;
use liaison_tests::vdir::Vdir;
use serde_json::Value;

/// Several looks at a server that is asked every five seconds, on a busy machine.
const LONG: Duration = Duration::from_secs(90);

/// The calendar as a person's own program sees it.
trait Calendar {
    fn put(&self, name: &str, text: &str);
    fn delete(&self, name: &str);
    /// (name, text) of every object.
    fn list(&self) -> Vec<(String, String)>;
}

struct Remote {
    server: CaldavServer,
    path: String,
}

impl Calendar for Remote {
    fn put(&self, name: &str, text: &str) {
        self.server.put(&format!("{}{name}.ics", self.path), text);
    }

    fn delete(&self, name: &str) {
        self.server.delete(&format!("{}{name}.ics", self.path));
    }

    fn list(&self) -> Vec<(String, String)> {
        let all = self.server.list(&self.path).into_iter();
        let name = |href: String| {
            let name = href.strip_prefix(&self.path).unwrap();
            // Servers write `@` both ways.
            name.trim_end_matches(".ics").replace("%40", "@")
        };
        all.map(|(href, text)| (name(href), text)).collect()
    }
}

impl Calendar for Vdir {
    fn put(&self, name: &str, text: &str) {
        Vdir::put(self, name, text);
    }

    fn delete(&self, name: &str) {
        self.remove(name);
    }

    fn list(&self) -> Vec<(String, String)> {
        Vdir::list(self)
    }
}

#[test]
fn radicale_of_debian_keeps_what_people_and_we_agreed_on() {
    on_a_server(CaldavKind::RadicaleDebian);
}

#[test]
fn a_newer_radicale_keeps_what_people_and_we_agreed_on() {
    on_a_server(CaldavKind::RadicaleNew);
}

#[test]
fn xandikos_of_debian_keeps_what_people_and_we_agreed_on() {
    on_a_server(CaldavKind::XandikosDebian);
}

#[test]
fn a_newer_xandikos_keeps_what_people_and_we_agreed_on() {
    on_a_server(CaldavKind::XandikosNew);
}

#[test]
fn a_vdir_keeps_what_people_and_we_agreed_on() {
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    let vdir = firm.vdir();
    firm.plugins(&["lead-triage"], "draft");
    let daemon = firm.start();
    the_story(daemon, &mail, &vdir, "collection compared");
}

#[test]
fn weak_versions_and_dropped_marks_lose_nothing() {
    on_an_odd_server(&["weak", "strip-x"], "sync-collection");
}

#[test]
fn without_versions_and_with_rewritten_objects_nothing_is_lost() {
    on_an_odd_server(&["no-etag", "rewrite", "busy"], "sync-collection");
}

#[test]
fn a_server_that_forgets_its_tokens_and_takes_what_it_does_not_answer_loses_nothing() {
    let listed = "collection listed, its sync tokens do not last";
    on_an_odd_server(&["forgetful", "cut"], listed);
}

#[test]
fn a_server_that_cuts_its_reports_short_and_is_full_at_times_loses_nothing() {
    on_an_odd_server(&["short", "full"], "sync-collection");
}

#[test]
fn a_server_that_gives_its_own_uids_loses_nothing() {
    on_an_odd_server(&["new-uid"], "sync-collection");
}

fn on_an_odd_server(habits: &'static [&'static str], read_by: &str) {
    on(CaldavKind::Odd(habits), read_by);
}

fn on_a_server(kind: CaldavKind) {
    on(kind, "sync-collection");
}

fn on(kind: CaldavKind, read_by: &str) {
    let server = CaldavServer::start(kind);
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    let path = firm.calendar_on(&server);
    firm.plugins(&["lead-triage"], "draft");
    let daemon = firm.start();
    let remote = Remote { server, path };
    the_story(daemon, &mail, &remote, read_by);
}

fn the_story(mut daemon: Daemon, mail: &Maildir, calendar: &dyn Calendar, read_by: &str) {
    daemon.watched(SALES, 2);
    daemon.watched(SALES, 0);
    what_a_person_does_is_seen(&daemon, calendar);
    // A person changes one hold and deletes the other.
    let (first, second) = offer(&daemon, mail, 1);
    let (first_name, text) = object_of(calendar, &first);
    let edited = text.replace("SUMMARY:HOLD: First meeting", "SUMMARY:Lunch with Nora");
    assert_ne!(edited, text, "no title in {text}");
    calendar.put(&first_name, &edited);
    calendar.delete(&object_of(calendar, &second).0);
    becomes(&daemon, &first, "adopted");
    becomes(&daemon, &second, "released");

    // One of two is chosen: it is the meeting, the other leaves.
    let (chosen, other) = offer(&daemon, mail, 2);
    daemon.cli_json(["holds", "confirm", text_at(&chosen, "/id")]);
    becomes(&daemon, &chosen, "confirmed");
    becomes(&daemon, &other, "released");
    let (_, meeting) = object_of(calendar, &chosen);
    for line in ["STATUS:CONFIRMED", "SEQUENCE:1", "SUMMARY:First meeting"] {
        assert!(meeting.contains(line), "no {line} in {meeting}");
    }

    // A person deletes the meeting's calendar entry: it is theirs. Nothing comes back.
    let (kept, given_up) = offer(&daemon, mail, 3);
    let id = text_at(&given_up, "/id").to_owned();
    daemon.cli_json(["holds", "release", &id]);
    becomes(&daemon, &given_up, "released");
    daemon.kill9();
    calendar.delete(&object_of(calendar, &kept).0);
    daemon.respawn();
    daemon.wait_ready();
    becomes(&daemon, &kept, "released");

    let mut left: Vec<String> = calendar.list().into_iter().map(|(name, _)| name).collect();
    left.sort();
    let mut expected = [&first, &chosen].map(name_of);
    expected.sort();
    assert_eq!(left, expected, "{:#?}", calendar.list());
    let what = format!("the calendar is read by: {read_by}");
    daemon.eventually_within(LONG, &what, || {
        let status = daemon.status();
        let sources = status["daemon"]["sources"].as_array()?.clone();
        let calendar = sources.iter().find(|one| one["kind"] == "calendar")?;
        (calendar["proof"] == read_by).then_some(())
    });

    // What a person wrote is what is there.
    let (_, text) = object_of(calendar, &first);
    assert!(text.contains("SUMMARY:Lunch with Nora"), "{text}");
}

/// An event that appears, changes and goes, as the agenda tells of it.
fn what_a_person_does_is_seen(daemon: &Daemon, calendar: &dyn Calendar) {
    let dentist = |title: &str| {
        let start = Timestamp::now() + Span::new().hours(30);
        let start = start.strftime("%Y%m%dT%H%M%SZ");
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Alice//EN\r\nBEGIN:VEVENT\r\n\
             UID:dentist@example.test\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{start}\r\n\
             DURATION:PT45M\r\nSUMMARY:{title}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    calendar.put("dentist", &dentist("Dentist"));
    agenda_shows(daemon, &["Dentist"]);
    calendar.put("dentist", &dentist("The other dentist"));
    agenda_shows(daemon, &["The other dentist"]);
    calendar.delete("dentist");
    agenda_shows(daemon, &[]);
}

fn agenda_shows(daemon: &Daemon, titles: &[&str]) {
    daemon.eventually_within(LONG, &format!("the agenda shows {titles:?}"), || {
        let answer = daemon.cli_json(["agenda", ALICE, "--week"]);
        let days = answer.pointer("/people/0/days")?.as_array()?;
        let entries = days
            .iter()
            .flat_map(|day| day["entries"].as_array().unwrap());
        let mut seen: Vec<&str> = entries.map(|entry| text_at(entry, "/title")).collect();
        // One that goes on over midnight stands on both days.
        seen.dedup();
        (seen == titles).then_some(())
    });
}

/// An enquiry, and the two times that are held for it.
fn offer(daemon: &Daemon, mail: &Maildir, number: u32) -> (Value, Value) {
    mail.deliver(&cast::enquiry(number).build());
    let from = format!("nora{number}@");
    let holds = daemon.eventually_within(LONG, &format!("times are held for {from}"), || {
        let mut holds = daemon.rows(&["holds", "list"]);
        holds.retain(|hold| text_at(hold, "/note").contains(&from) && hold["state"] == "placed");
        (holds.len() == 2).then_some(holds)
    });
    (holds[0].clone(), holds[1].clone())
}

fn becomes(daemon: &Daemon, hold: &Value, state: &str) {
    let id = text_at(hold, "/id");
    let mut told = None;
    daemon.eventually_within(LONG, &format!("the hold {id} is {state}"), || {
        let holds = daemon.rows(&["holds", "list"]);
        let now = holds.into_iter().find(|one| one["id"] == id)?;
        let seen = (&now["state"], &now["last_trouble"], &now["why"]);
        if told.as_ref() != Some(&now) {
            eprintln!("{id}: {seen:?}");
            told = Some(now.clone());
        }
        (now["state"] == state).then_some(())
    });
}

/// The name of the object that a hold lies in.
fn name_of(hold: &Value) -> String {
    let href = text_at(hold, "/href").replace("%40", "@");
    let name = href.rsplit('/').next().unwrap();
    name.trim_end_matches(".ics").to_owned()
}

fn object_of(calendar: &dyn Calendar, hold: &Value) -> (String, String) {
    let wanted = name_of(hold);
    let mut all = calendar.list();
    all.retain(|(name, _)| *name == wanted);
    assert_eq!(all.len(), 1, "objects called {wanted}: {all:#?}");
    all.remove(0)
}
