//! `make bench`: reading a calendar of 10,000 events over CalDAV, beside vdirsyncer on the same
//! server; expanding 10,000 series over 18 months, beside recurring-ical-events; and looking for a
//! time that ten people have together in four weeks.
//!
//! `LIAISON_BENCH_EVENTS=1000` makes it a quick one.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a program that measures by the real clock and prints"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use liaison::calendars::{CalendarMirror, Calendars};
use liaison::secret::SecretRef;
use liaison::sink::CalendarStore;
use liaison::sink::caldav::{CaldavCalendar, CaldavSettings};
use liaison::sink::vdir::{VdirCalendar, VdirSettings};
use liaison_core::business_time::{BusinessCalendar, WorkInterval, WorkTime};
use liaison_core::calendar::{
    Attending, SlotRequest, SlotRules, free_time, instances, read_calendar,
};
use liaison_core::ids::CalendarId;
use liaison_core::time::{DAY_MS, Timestamp, Window};
use liaison_core::zones;
use liaison_tests::beside::Times;
use liaison_tests::oracle;
use liaison_tests::radicale::{Radicale, USERS};
use liaison_tests::report::{Bound, Report, per_second};
use serde_json::json;

/// Events in the calendar, and series that are expanded.
const EVENTS: usize = 10_000;
/// Looks at a calendar in which nothing changed; the median counts.
const QUIET_LOOKS: usize = 5;
/// Objects in one request that has the server read them.
const WARM_BATCH: usize = 500;
/// Of the series, one in so many is given to recurring-ical-events, which is much slower.
const SAMPLE: usize = 50;
/// People who look for a time together, and their events.
const PEOPLE: (usize, usize) = (10, 300);
/// Searches, for p50 and p99.
const SEARCHES: usize = 200;
/// Where everybody is.
const ZONE: &str = "Europe/Berlin";
/// When all of it takes place: a Monday.
const FROM: &str = "2026-03-02T00:00:00Z";

fn main() {
    let events = std::env::var("LIAISON_BENCH_EVENTS").ok();
    let events = events.map_or(EVENTS, |text| text.parse().expect("a number"));
    let mut report = Report::default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    caldav(events, &runtime, &mut report);
    series(events, &mut report);
    slots(&runtime, &mut report);
    report.end();
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

fn micros(took: Duration) -> String {
    format!("{} us", took.as_micros())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A single event, or a weekly one with an exception.
fn event(number: usize, repeats: bool) -> String {
    event_in(3, number, repeats)
}

/// The same in another month of 2026.
fn event_in(month: usize, number: usize, repeats: bool) -> String {
    let day = 2 + number % 26;
    let (hour, minute) = (8 + number % 9, number % 4 * 15);
    let rule = match (repeats, number % 4) {
        (false, _) => String::new(),
        (true, 0) => "RRULE:FREQ=MONTHLY;BYDAY=2TU\r\n".to_owned(),
        (true, 1) => "RRULE:FREQ=DAILY;INTERVAL=3;UNTIL=20270901T000000Z\r\n".to_owned(),
        (true, _) => format!(
            "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\n\
             EXDATE;TZID={ZONE}:20260504T{hour:02}{minute:02}00\r\n"
        ),
    };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Bench//EN\r\n{VTIMEZONE}BEGIN:VEVENT\r\n\
         UID:event-{number}@example.com\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART;TZID={ZONE}:2026{month:02}{day:02}T{hour:02}{minute:02}00\r\nDURATION:PT45M\r\n{rule}\
         SUMMARY:Talk number {number}\r\nDESCRIPTION:What is to be talked about in talk number \
         {number}.\r\nLOCATION:Room {}\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:guest{number}@example.com\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n",
        number % 30,
    )
}

const VTIMEZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\n\
    DTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n\
    RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\n\
    DTSTART:19700329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
    RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";

fn caldav(events: usize, runtime: &tokio::runtime::Runtime, report: &mut Report) {
    report.head(&format!("a calendar of {events} events over CalDAV"));
    let radicale = Radicale::start();
    let (user, password) = USERS[0];
    let path = radicale.mkcalendar(user, "work");
    let objects = (0..events).map(|number| (format!("event-{number}.ics"), event(number, false)));
    radicale.plant(user, "work", objects);
    let dir = tempfile::tempdir().expect("temp dir");
    // Whoever reads first has the server make its caches: nobody who is measured.
    warm(&radicale, user, &path, events);

    let secret = dir.path().join("password");
    fs::write(&secret, password).expect("write the password");
    let url = format!("{}{path}", radicale.url());
    let settings = json!({ "url": url, "user": user, "password": { "file": secret } });
    let settings: CaldavSettings = serde_json::from_value(settings).expect("settings");
    assert_eq!(settings.password, SecretRef::File(secret.clone()));
    let id = CalendarId("work".to_owned());
    let store = CaldavCalendar::new(id.clone(), settings).expect("a calendar");
    let mirror = CalendarMirror::new(id, Arc::new(store), user.to_owned(), ZONE.to_owned());
    let now: Timestamp = FROM.parse().expect("a time");
    let look = || {
        let begin = Instant::now();
        let changed = runtime.block_on(mirror.look(now)).expect("a look");
        (changed, begin.elapsed())
    };
    let (changed, first) = look();
    assert!(changed, "nothing was read");
    let whole = Window {
        start: now,
        end: now.plus_millis(40 * DAY_MS),
    };
    assert_eq!(mirror.instances(whole).len(), events);
    // The state in which nothing changed is believed after one look that found nothing.
    assert!(!look().0, "something changed");
    let quiet = median((0..QUIET_LOOKS).map(|_| look().1).collect());
    report.line("first sync", &seconds(first));
    report.line("nothing changed", &seconds(quiet));

    let Some(vdirsyncer) = vdirsyncer() else {
        report.line("vdirsyncer", "not here");
        return;
    };
    let config = dir.path().join("vdirsyncer.conf");
    fs::write(&config, configuration(dir.path(), &url, user, password)).expect("write");
    let run = |words: &[&str]| {
        let begin = Instant::now();
        let output = Command::new(&vdirsyncer)
            .arg("--config")
            .arg(&config)
            .args(words)
            .output()
            .expect("run vdirsyncer");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "vdirsyncer {words:?}: {said}");
        begin.elapsed()
    };
    run(&["discover"]);
    let its_first = run(&["sync"]);
    let files = fs::read_dir(dir.path().join("vdir")).expect("the vdir");
    assert_eq!(files.count(), events, "vdirsyncer read something else");
    let its_quiet = median((0..QUIET_LOOKS).map(|_| run(&["sync"])).collect());
    report.line("first sync, vdirsyncer", &seconds(its_first));
    report.line("nothing changed, vdirsyncer", &seconds(its_quiet));
    report.beside(
        "first sync, as fast as vdirsyncer",
        its_first.as_secs_f64() / first.as_secs_f64(),
        Bound::AtLeast(2.0),
    );
    report.beside(
        "nothing changed, as fast as vdirsyncer",
        its_quiet.as_secs_f64() / quiet.as_secs_f64(),
        Bound::AtLeast(10.0),
    );
}

fn warm(radicale: &Radicale, user: &str, path: &str, events: usize) {
    let numbers: Vec<usize> = (0..events).collect();
    for batch in numbers.chunks(WARM_BATCH) {
        let hrefs = batch
            .iter()
            .map(|number| format!("<href>{path}event-{number}.ics</href>"));
        let body = format!(
            "<C:calendar-multiget xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">\
             <prop><getetag/></prop>{}</C:calendar-multiget>",
            hrefs.collect::<String>()
        );
        let answer = radicale.request(user, "REPORT", path, &[], body.as_bytes());
        assert_eq!(answer.status, 207, "{}", answer.text());
    }
}

/// Where `tests/setup/peers.sh` puts it.
fn vdirsyncer() -> Option<PathBuf> {
    let program = std::env::current_exe().expect("our own path");
    let target = program.ancestors().nth(3).expect("target");
    let found = target.join("peers/vdirsyncer/bin/vdirsyncer");
    found.exists().then_some(found)
}

fn configuration(dir: &Path, url: &str, user: &str, password: &str) -> String {
    let dir = dir.display();
    format!(
        "[general]\nstatus_path = \"{dir}/status\"\n\
         [pair work]\na = \"here\"\nb = \"there\"\ncollections = null\n\
         [storage here]\ntype = \"filesystem\"\npath = \"{dir}/vdir\"\nfileext = \".ics\"\n\
         [storage there]\ntype = \"caldav\"\nurl = \"{url}\"\nusername = \"{user}\"\n\
         password = \"{password}\"\nread_only = true\n"
    )
}

fn series(events: usize, report: &mut Report) {
    report.head(&format!("{events} series, expanded over 18 months"));
    let files: Vec<String> = (0..events).map(|number| event(number, true)).collect();
    let zone = zones::zone(ZONE).expect("a zone");
    let start: Timestamp = FROM.parse().expect("a time");
    let window = Window {
        start,
        end: start.plus_millis(548 * DAY_MS),
    };
    let begin = Instant::now();
    let objects: Vec<_> = files
        .iter()
        .map(|file| read_calendar(file.as_bytes()))
        .collect();
    let read = begin.elapsed();
    let begin = Instant::now();
    let counts: Vec<usize> = objects
        .iter()
        .map(|object| instances(object, window, &zone).instances.len())
        .collect();
    let expanded = begin.elapsed();
    let total: usize = counts.iter().sum();
    let rate = events as f64 / expanded.as_secs_f64();
    report.line("instances", &total.to_string());
    report.line("read", &seconds(read));
    report.line("expanded", &seconds(expanded));
    report.line("series expanded", &per_second(rate));

    let case = |file: &String| {
        let end = window.end.to_string();
        json!({ "ics": file, "from": start.to_string(), "to": end, "zone": ZONE })
    };
    let cases: Vec<_> = files.iter().step_by(SAMPLE).map(case).collect();
    // Python's own start counts for nobody.
    let begin = Instant::now();
    drop(oracle::answers(&cases[..1]));
    let start_up = begin.elapsed();
    let begin = Instant::now();
    let answers = oracle::answers(&cases);
    let took = begin.elapsed().saturating_sub(start_up);
    for (count, answer) in counts.iter().step_by(SAMPLE).zip(&answers) {
        let found = answer["instances"].as_array().map(Vec::len);
        assert_eq!(found, Some(*count), "not the same instances: {answer}");
    }
    let theirs = (cases.len().saturating_sub(1)) as f64 / took.as_secs_f64();
    let ours = events as f64 / (read + expanded).as_secs_f64();
    report.line("read and expanded", &per_second(ours));
    report.line(
        "read and expanded, recurring-ical-events",
        &per_second(theirs),
    );
    report.beside(
        "read and expanded, as fast as it",
        ours / theirs,
        Bound::AtLeast(10.0),
    );
}

fn slots(runtime: &tokio::runtime::Runtime, report: &mut Report) {
    let (people, events) = PEOPLE;
    report.head(&format!(
        "a time that {people} people with {events} events each have together in 4 weeks"
    ));
    let dir = tempfile::tempdir().expect("temp dir");
    let hours = WorkInterval {
        from: 9 * 60,
        to: 17 * 60,
    };
    let hours = BusinessCalendar::weekdays(ZONE, hours).expect("working hours");
    let work = WorkTime::at(hours);
    let now: Timestamp = FROM.parse().expect("a time");
    let mut calendars = Calendars::default();
    let mut names = Vec::new();
    for person in 0..people {
        let name = format!("person-{person}");
        let folder = dir.path().join(&name);
        fs::create_dir(&folder).expect("a folder");
        for number in 0..events {
            // Everybody has other events, over most of a year; one in fifty is a series.
            let month = 3 + number % 10;
            let number = number * people + person;
            let file = folder.join(format!("{number}.ics"));
            let event = event_in(month, number, number % 50 == 0);
            fs::write(file, event).expect("write an event");
        }
        let id = CalendarId(name.clone());
        let store = VdirCalendar::new(id.clone(), VdirSettings::at(folder));
        let store: Arc<dyn CalendarStore> = Arc::new(store);
        let owner = format!("{name}@example.com");
        let mirror = CalendarMirror::new(id.clone(), store, owner, ZONE.to_owned());
        runtime.block_on(mirror.look(now)).expect("a look");
        calendars.mirrors.insert(id.clone(), Arc::new(mirror));
        names.push((name, id));
    }
    let mut times = Times::default();
    let mut found = 0;
    for search in 0..SEARCHES {
        // Each search begins at another time, so that nothing can be kept from the one before.
        let begins = now.plus_millis(i64::try_from(search).expect("few") * 60_000);
        let window = Window {
            start: begins,
            end: begins.plus_millis(28 * DAY_MS),
        };
        let begin = Instant::now();
        let taken: Vec<_> = names
            .iter()
            .map(|(_, id)| {
                let ids = std::slice::from_ref(id);
                calendars.taken_of(ids, window, &[]).expect("known")
            })
            .collect();
        let attending: Vec<Attending<'_>> = names
            .iter()
            .zip(&taken)
            .map(|((name, _), taken)| Attending {
                name,
                work: &work,
                busy: &taken.busy,
                meetings: &taken.meetings,
            })
            .collect();
        let request = SlotRequest {
            people: &attending,
            invitee: &[],
            duration_minutes: 30,
            window,
            count: 5,
            spread: true,
            rules: SlotRules::default(),
        };
        found += free_time(&request, begins).slots.len();
        times.add(begin.elapsed());
    }
    report.line("slots found in all searches", &found.to_string());
    report.line("a search, p50", &micros(times.at(50)));
    report.line("a search, p99", &micros(times.at(99)));
    let begin = Instant::now();
    for entry in fs::read_dir(dir.path()).expect("the folder").flatten() {
        for file in fs::read_dir(entry.path()).expect("a calendar").flatten() {
            let bytes = fs::read(file.path()).expect("an event");
            assert!(!read_calendar(&bytes).events.is_empty());
        }
    }
    let read = begin.elapsed();
    report.line("the same calendars read from their files", &micros(read));
    report.beside(
        "a search, p99, of reading the calendars",
        times.at(99).as_secs_f64() / read.as_secs_f64(),
        Bound::AtMost(0.5),
    );
}
