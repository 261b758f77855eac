//! A person and Liaison in one calendar, at the same time, while the link and the daemon break.
//!
//! The person edits, moves, makes and deletes at random with a program that heeds versions; times
//! are offered, chosen, given up and run out; between Liaison and the server stands a proxy that
//! delays and cuts; and the daemon is killed. In the end no word of the person is lost, each UID is
//! there once, at most one time of a group is a meeting, what a person deleted stays deleted, and
//! nothing of ours is left that nobody holds.
//!
//! `make torture-calendar` makes it a long one; `SEED=s` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code, also outside of test functions; figures of the run are printed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan};
use liaison_tests::ask::text_at;
use liaison_tests::caldav::{CaldavKind, CaldavServer};
use liaison_tests::chance::{Chance, rounds};
use liaison_tests::daemon::{Daemon, staged};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::{Mail, cast};
use liaison_tests::maildir::Maildir;
use liaison_tests::proxy::{Fault, Proxy};
use liaison_tests::vdir::Vdir;
use serde_json::{Value, json};

/// What happens, unless `LIAISON_TORTURE_ROUNDS` says another number.
const STEPS: u64 = 60;
/// Until everything that was begun is done: retries wait for minutes after several faults.
const SETTLE: Duration = Duration::from_secs(420);
/// How soon some of the offers run out, in seconds.
const SOON: std::ops::Range<u64> = 5..40;
/// How late the others do.
const LATE: u64 = 48 * 3_600;

/// A calendar as the person's program sees it.
trait Calendar {
    fn names(&self) -> Vec<String>;
    /// The text and its version.
    fn read(&self, name: &str) -> Option<(String, String)>;
    /// Writes over this version, or where nothing is; whether it did.
    fn write(&self, name: &str, version: Option<&str>, text: &str) -> bool;
    /// Deletes this version; whether it did.
    fn delete(&self, name: &str, version: &str) -> bool;
}

struct Remote {
    server: CaldavServer,
    path: String,
}

impl Calendar for Remote {
    fn names(&self) -> Vec<String> {
        self.server.hrefs(&self.path)
    }

    fn read(&self, name: &str) -> Option<(String, String)> {
        let answer = self.server.request("GET", name, &[], b"");
        let version = answer.header("etag").map(str::to_owned);
        (answer.status == 200).then(|| (answer.text(), version.unwrap()))
    }

    fn write(&self, name: &str, version: Option<&str>, text: &str) -> bool {
        let condition = version.map_or(("If-None-Match", "*"), |version| ("If-Match", version));
        let kind = ("Content-Type", "text/calendar; charset=utf-8");
        let name = match name.starts_with('/') {
            true => name.to_owned(),
            false => format!("{}{name}.ics", self.path),
        };
        let answer = self
            .server
            .request("PUT", &name, &[condition, kind], text.as_bytes());
        matches!(answer.status, 200 | 201 | 204)
    }

    fn delete(&self, name: &str, version: &str) -> bool {
        let condition = [("If-Match", version)];
        let answer = self.server.request("DELETE", name, &condition, b"");
        matches!(answer.status, 200 | 204)
    }
}

/// Programs on a vdir look at what is there and put a whole file over it.
impl Calendar for Vdir {
    fn names(&self) -> Vec<String> {
        self.list().into_iter().map(|(name, _)| name).collect()
    }

    fn read(&self, name: &str) -> Option<(String, String)> {
        let text = fs::read_to_string(self.path().join(format!("{name}.ics"))).ok()?;
        Some((text.clone(), text))
    }

    fn write(&self, name: &str, version: Option<&str>, text: &str) -> bool {
        let is_same = self.read(name).map(|(_, version)| version).as_deref() == version;
        if is_same {
            self.put(name, text);
        }
        is_same
    }

    fn delete(&self, name: &str, version: &str) -> bool {
        let is_same = self.read(name).is_some_and(|(_, now)| now == version);
        is_same && fs::remove_file(self.path().join(format!("{name}.ics"))).is_ok()
    }
}

/// What the person last did to the event with a UID.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    /// Lines that must be in it.
    Wrote(BTreeSet<String>),
    Deleted,
}

struct Person<'a> {
    calendar: &'a dyn Calendar,
    deeds: BTreeMap<String, Deed>,
    made: u64,
}

impl Person<'_> {
    fn pick(&self, chance: &mut Chance) -> Option<(String, String, String)> {
        let names = self.calendar.names();
        let count = u64::try_from(names.len()).unwrap();
        if count == 0 {
            return None;
        }
        let name = names[usize::try_from(chance.within(0..count)).unwrap()].clone();
        let (text, version) = self.calendar.read(&name)?;
        Some((name, text, version))
    }

    fn wrote(&mut self, uid: &str, lines: impl IntoIterator<Item = String>, keeps: &str) {
        let before = match self.deeds.remove(uid) {
            Some(Deed::Wrote(lines)) => lines,
            _ => BTreeSet::new(),
        };
        // What this edit wrote over is not looked for any more.
        let mut all: BTreeSet<String> = before
            .into_iter()
            .filter(|line| keeps.contains(line.as_str()))
            .collect();
        all.extend(lines);
        self.deeds.insert(uid.to_owned(), Deed::Wrote(all));
    }

    /// An event of one's own.
    fn make(&mut self, chance: &mut Chance) {
        self.made += 1;
        let uid = format!("own-{}@example.test", self.made);
        let start = Timestamp::now() + jiff::Span::new().minutes(chance.within(60..6_000) as i64);
        let start = start.strftime("%Y%m%dT%H%M%SZ");
        let summary = format!("SUMMARY:Own matter {}", self.made);
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Alice//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
             DTSTAMP:20260101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT30M\r\n{summary}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        if self
            .calendar
            .write(&format!("own-{}", self.made), None, &text)
        {
            self.wrote(&uid, [summary], &unfolded(&text));
        }
    }

    /// Other words in the title or the description.
    fn edit(&mut self, chance: &mut Chance, mark: u64) {
        let Some((name, text, version)) = self.pick(chance) else {
            return;
        };
        let plain = unfolded(&text);
        let property = match chance.within(0..2) {
            0 => "SUMMARY:",
            _ => "DESCRIPTION:",
        };
        let line = format!("{property}Alice wrote this {mark}");
        let mut lines: Vec<String> = Vec::new();
        let mut in_event = false;
        for old in plain.lines() {
            in_event |= old == "BEGIN:VEVENT";
            if in_event && old.starts_with(property) {
                continue;
            }
            if old == "END:VEVENT" {
                lines.push(line.clone());
            }
            lines.push(old.to_owned());
        }
        let edited = lines.join("\r\n") + "\r\n";
        if self.calendar.write(&name, Some(&version), &edited) {
            self.wrote(&uid_of(&plain), [line], &unfolded(&edited));
        }
    }

    /// To the next day.
    fn move_it(&mut self, chance: &mut Chance) {
        let Some((name, text, version)) = self.pick(chance) else {
            return;
        };
        let plain = unfolded(&text);
        let mut in_event = false;
        let mut moved = Vec::new();
        let lines: Vec<String> = plain
            .lines()
            .map(|line| {
                in_event |= line == "BEGIN:VEVENT";
                let is_time = line.starts_with("DTSTART") || line.starts_with("DTEND");
                let later = (in_event && is_time).then(|| a_day_later(line)).flatten();
                moved.extend(later.clone());
                later.unwrap_or_else(|| line.to_owned())
            })
            .collect();
        let edited = lines.join("\r\n") + "\r\n";
        if self.calendar.write(&name, Some(&version), &edited) {
            self.wrote(&uid_of(&plain), moved, &unfolded(&edited));
        }
    }

    fn delete(&mut self, chance: &mut Chance) {
        let Some((name, text, version)) = self.pick(chance) else {
            return;
        };
        if self.calendar.delete(&name, &version) {
            self.deeds.insert(uid_of(&unfolded(&text)), Deed::Deleted);
        }
    }
}

fn a_day_later(line: &str) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    let (wall, utc) = match value.strip_suffix('Z') {
        Some(wall) => (wall, "Z"),
        None => (value, ""),
    };
    let at = DateTime::strptime("%Y%m%dT%H%M%S", wall).ok()?;
    let later = at.checked_add(1.day()).ok()?.strftime("%Y%m%dT%H%M%S");
    Some(format!("{name}:{later}{utc}"))
}

fn unfolded(text: &str) -> String {
    text.replace("\r\n ", "")
        .replace("\n ", "")
        .replace('\r', "")
}

fn uid_of(plain: &str) -> String {
    let mut lines = plain.lines();
    let uid = lines.find_map(|line| line.strip_prefix("UID:"));
    uid.unwrap_or_default().to_owned()
}

/// Mail in, plugin, limits: everything but the calendar.
fn firm() -> (Firm, Maildir) {
    let mut firm = Firm::new();
    firm.add("[limits]\nholds_open = 1000\nholds_open_account = 1000\nholds_open_total = 1000");
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    let obeys = staged("test-plugins").join("obeys");
    firm.add(&format!(
        "[[plugin]]\nname = \"obeys\"\npath = \"{}\"\nmode = {{ holds = \"apply\" }}",
        obeys.display()
    ));
    (firm, mail)
}

#[test]
fn on_a_caldav_server_no_word_of_a_person_is_lost_and_no_hold_left_behind() {
    let server = CaldavServer::start(CaldavKind::RadicaleDebian);
    let proxy = Proxy::start(server.port);
    let (mut firm, mail) = firm();
    let path = firm.calendar_at(&server, proxy.port);
    let daemon = firm.start();
    let remote = Remote { server, path };
    torture(daemon, &mail, &remote, Some(&proxy));
}

#[test]
fn in_a_vdir_no_word_of_a_person_is_lost_and_no_hold_left_behind() {
    let (mut firm, mail) = firm();
    let vdir = firm.vdir();
    let daemon = firm.start();
    torture(daemon, &mail, &vdir, None);
}

fn torture(mut daemon: Daemon, mail: &Maildir, calendar: &dyn Calendar, proxy: Option<&Proxy>) {
    let mut chance = Chance::from_env();
    daemon.watched(SALES, 2);
    daemon.watched(SALES, 0);
    let mut person = Person {
        calendar,
        deeds: BTreeMap::new(),
        made: 0,
    };
    let (mut offers, mut kills) = (0, 0);
    for step in 0..rounds(STEPS) {
        match chance.within(0..20) {
            0..=4 => {
                offers += 1;
                offer(mail, &mut chance, offers);
            }
            5..=6 => person.make(&mut chance),
            7..=9 => person.edit(&mut chance, step),
            10..=11 => person.move_it(&mut chance),
            12..=13 => person.delete(&mut chance),
            14..=15 => choose(&daemon, &mut chance),
            16 => give_up(&daemon, &mut chance),
            17..=18 => break_the_link(proxy, &mut chance),
            _ => {
                kills += 1;
                daemon.crash_after(chance.millis(0..1_500));
                daemon.wait_ready();
            }
        }
    }
    if let Some(proxy) = proxy {
        proxy.set(Fault::None);
    }
    let holds = settled(&daemon, &person);
    check(&person, &holds);
    let count = |state: &str| holds.iter().filter(|hold| hold["state"] == state).count();
    eprintln!(
        "{offers} offers, {kills} kills, {} deeds of a person: {} placed, {} confirmed, \
         {} adopted, {} released, {} expired, {} lost",
        person.deeds.len(),
        count("placed"),
        count("confirmed"),
        count("adopted"),
        count("released"),
        count("expired"),
        count("lost"),
    );
}

/// One to three times for somebody new; some of the offers run out soon.
fn offer(mail: &Maildir, chance: &mut Chance, number: u64) {
    let count = chance.within(1..4);
    let seconds = match chance.within(0..2) {
        0 => chance.within(SOON),
        _ => LATE,
    };
    let minutes = chance.within(4_000..40_000);
    let from = format!("Nora North <nora{number}@example.com>");
    let message = Mail::new(&from, ALICE, &format!("offer {count} {seconds} {minutes}"))
        .message_id(&format!("offer-{number}@example.com"))
        .authentication(cast::AUTHSERV_ID, "pass")
        .body("Please offer me some times.");
    mail.deliver(&message.build());
}

fn one_of(daemon: &Daemon, chance: &mut Chance, states: &[&str]) -> Option<Value> {
    let answer = daemon.call("holds-list", &json!({}))?;
    let holds = answer["holds"].as_array()?;
    let fits = |hold: &&Value| states.contains(&text_at(hold, "/state"));
    let open: Vec<&Value> = holds.iter().filter(fits).collect();
    let count = u64::try_from(open.len()).unwrap();
    (count > 0).then(|| open[usize::try_from(chance.within(0..count)).unwrap()].clone())
}

/// Refused when somebody was faster, which is an answer, too.
fn choose(daemon: &Daemon, chance: &mut Chance) {
    if let Some(hold) = one_of(daemon, chance, &["placed"]) {
        daemon.call("holds-confirm", &json!({ "id": hold["id"] }));
    }
}

fn give_up(daemon: &Daemon, chance: &mut Chance) {
    if let Some(hold) = one_of(daemon, chance, &["placed", "planned"]) {
        let whole = chance.within(0..2) == 0;
        daemon.call(
            "holds-release",
            &json!({ "id": hold["id"], "alternatives": whole }),
        );
    }
}

fn break_the_link(proxy: Option<&Proxy>, chance: &mut Chance) {
    let Some(proxy) = proxy else {
        return;
    };
    proxy.set(match chance.within(0..6) {
        0 => Fault::Slow(usize::try_from(chance.within(20..2_000)).unwrap()),
        1 => Fault::CutAfterSent(chance.within(0..3_000)),
        // The server did it, and nobody heard.
        2 => Fault::CutAfterReceived(chance.within(0..600)),
        _ => Fault::None,
    });
}

/// All holds, once nothing is on its way, nothing that ran out stands, and what the person did to
/// holds was noticed.
fn settled(daemon: &Daemon, person: &Person<'_>) -> Vec<Value> {
    daemon.eventually_within(SETTLE, "everything is settled", || {
        let status = daemon.call("status", &json!({}))?;
        if status["events"]["open"].as_u64()? > 0 {
            return None;
        }
        let answer = daemon.call("holds-list", &json!({}))?;
        let holds = answer["holds"].as_array()?.clone();
        let now = Timestamp::now();
        let rests = |hold: &Value| {
            let state = text_at(hold, "/state");
            let expires: Timestamp = text_at(hold, "/expires").parse().unwrap();
            let noticed = !person.deeds.contains_key(text_at(hold, "/uid"));
            match state {
                "planned" | "confirming" | "releasing" => false,
                "placed" => noticed && expires > now,
                _ => true,
            }
        };
        holds.iter().all(rests).then_some(holds)
    })
}

fn check(person: &Person<'_>, holds: &[Value]) {
    let mut there: BTreeMap<String, String> = BTreeMap::new();
    for name in person.calendar.names() {
        let Some((text, _)) = person.calendar.read(&name) else {
            continue;
        };
        let plain = unfolded(&text);
        let uid = uid_of(&plain);
        let twice = there.insert(uid.clone(), plain);
        assert_eq!(twice, None, "{uid} is there twice");
    }
    for (uid, deed) in &person.deeds {
        let text = there.get(uid);
        match deed {
            Deed::Deleted => assert_eq!(text, None, "{uid} was deleted by a person"),
            Deed::Wrote(lines) => {
                let text = text.unwrap_or_else(|| panic!("{uid} is lost, with {lines:?}"));
                for line in lines {
                    assert!(text.contains(line.as_str()), "{uid}: no {line} in {text}");
                }
            }
        }
    }
    let by_uid: BTreeMap<&str, &Value> = holds
        .iter()
        .map(|hold| (text_at(hold, "/uid"), hold))
        .collect();
    for (uid, text) in &there {
        if person.deeds.contains_key(uid) {
            continue;
        }
        let hold = by_uid.get(uid.as_str());
        let state = hold.map_or("unknown", |hold| text_at(hold, "/state"));
        let is_meeting = text.contains("STATUS:CONFIRMED");
        let fits = (state == "placed" && !is_meeting) || (state == "confirmed" && is_meeting);
        assert!(fits, "{uid} is {state}: {text}\n{hold:#?}");
    }
    let mut meetings: BTreeMap<&str, usize> = BTreeMap::new();
    for hold in holds {
        let (uid, state) = (text_at(hold, "/uid"), text_at(hold, "/state"));
        if state == "confirmed" {
            *meetings.entry(text_at(hold, "/group")).or_default() += 1;
        }
        let untouched = !person.deeds.contains_key(uid);
        let stands = matches!(state, "placed" | "confirmed");
        assert!(
            !(untouched && stands) || there.contains_key(uid),
            "{uid} is {state} and in no calendar"
        );
    }
    meetings.retain(|_, count| *count > 1);
    assert!(
        meetings.is_empty(),
        "two meetings of one offer: {meetings:?}"
    );
}
