//! A small web server: what providers of feeds do on good days and on bad ones.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use liaison_core::calendar::feed::MAX_FEED_BYTES;
use liaison_core::time::{Timestamp, Window};

use super::settings::{Address, REFRESH_SECS_MAX};
use super::*;
use crate::calendars::{CalendarMirror, CalendarRole, Calendars, Counting};
use crate::sink::Pace;

/// As in addresses that are as good as a password.
const SECRET: &str = "private-4f2a9c";

enum Reply {
    /// Status, extra header lines, body.
    Whole(u16, String, String),
    /// The same without a length, as it is.
    Raw(String),
    /// A body in chunks that never ends.
    Endless,
    /// Nothing, until the client hangs up.
    Silent,
}

/// Answers one request per connection, in this order.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    requests: JoinHandle<Vec<String>>,
}

fn serve(script: Vec<Reply>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = std::thread::spawn(move || {
        let answer = |reply| {
            let (stream, _) = listener.accept().unwrap();
            let request = read_request(&stream);
            // The client hangs up on an answer that is too long.
            drop(answer(stream, reply));
            request
        };
        script.into_iter().map(answer).collect()
    });
    Server {
        folder: tempfile::tempdir().unwrap(),
        port,
        requests,
    }
}

fn answer(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Whole(status, headers, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}");
            stream.write_all(format!("{head}\r\n{body}").as_bytes())
        }
        Reply::Raw(text) => stream.write_all(text.as_bytes()),
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let line = "X-A:1\r\n".repeat(1000);
            loop {
                stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())?;
            }
        }
        Reply::Silent => BufReader::new(&stream)
            .read_line(&mut String::new())
            .map(drop),
    }
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut request).unwrap(), 0, "{request}");
    }
    request.to_ascii_lowercase()
}

impl Server {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/ical/{SECRET}/basic.ics", self.port)
    }

    /// Reads the feed by a secret address.
    fn calendar(&self) -> FeedCalendar {
        let file = self.folder.path().join("url");
        std::fs::write(&file, format!("{}\n", self.url())).unwrap();
        let text = format!(
            "url_secret.file = '{}'\nallow_private = true",
            file.display()
        );
        FeedCalendar::new("team".into(), toml::from_str(&text).unwrap()).unwrap()
    }

    /// What was asked; fails if the script was not played to its end.
    fn requests(self) -> Vec<String> {
        self.requests.join().unwrap()
    }
}

fn ok(headers: &str, body: String) -> Reply {
    Reply::Whole(200, headers.to_owned(), body)
}

fn no(status: u16, headers: &str) -> Reply {
    Reply::Whole(status, headers.to_owned(), format!("<html>{SECRET}</html>"))
}

fn feed(events: impl IntoIterator<Item = String>) -> String {
    let events: String = events.into_iter().collect();
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n")
}

fn event(uid: &str, stamp: u32, summary: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261124T{stamp:06}Z\r\n\
         DTSTART:20261201T090000Z\r\nDTEND:20261201T100000Z\r\nSUMMARY:{summary}\r\n\
         END:VEVENT\r\n"
    )
}

fn take(known: &mut BTreeMap<String, String>, changes: &CalendarChanges) {
    for href in &changes.removed {
        known.remove(href);
    }
    for file in &changes.changed {
        known.insert(file.href.clone(), file.etag.clone());
    }
}

fn is_nothing(changes: &CalendarChanges) -> bool {
    changes.changed.is_empty() && changes.removed.is_empty()
}

#[tokio::test]
async fn a_feed_that_did_not_change_is_not_sent_again() {
    let headers = "ETag: \"one\"\r\nLast-Modified: Mon, 23 Nov 2026 10:00:00 GMT\r\n";
    let whole = || ok(headers, feed([event("a", 1, "A"), event("b", 1, "B")]));
    let server = serve(vec![
        whole(),
        Reply::Whole(304, String::new(), String::new()),
        whole(),
        Reply::Whole(304, String::new(), String::new()),
    ]);
    let calendar = server.calendar();
    let mut known = BTreeMap::new();
    let first = calendar.changes(&known).await.unwrap();
    let hrefs: Vec<&str> = first.changed.iter().map(|one| one.href.as_str()).collect();
    assert_eq!(hrefs, ["a.ics", "b.ics"]);
    assert_eq!(calendar.read_by(), "feed read whole");
    take(&mut known, &first);
    assert!(is_nothing(&calendar.changes(&known).await.unwrap()));
    assert!(calendar.read_by().contains("unchanged"));
    // Who did not take the answer gets it again.
    known.remove("b.ics");
    let again = calendar.changes(&known).await.unwrap();
    assert_eq!(again.changed.len(), 1);
    take(&mut known, &again);
    assert!(is_nothing(&calendar.changes(&known).await.unwrap()));
    let requests = server.requests();
    for (request, conditional) in requests.iter().zip([false, true, false, true]) {
        assert!(request.starts_with(&format!("get /ical/{SECRET}/basic.ics ")));
        let shown = request.contains("if-none-match: \"one\"\r\n")
            && request.contains("if-modified-since: mon, 23 nov 2026 10:00:00 gmt\r\n");
        assert_eq!(shown, conditional, "{request}");
    }
}

#[tokio::test]
async fn stamps_and_uids_made_anew_at_each_look_change_nothing_and_edits_do() {
    let server = serve(vec![
        ok("", feed([event("a", 1, "A"), event("b", 1, "B")])),
        ok("", feed([event("b", 2, "B"), event("a", 3, "A")])),
        ok("", feed([event("new-b", 4, "B"), event("new-a", 4, "A")])),
        ok(
            "",
            feed([event("a5", 5, "A"), event("b5", 5, "B"), event("c", 5, "A")]),
        ),
        ok("", feed([event("a6", 6, "A, moved"), event("b6", 6, "B")])),
    ]);
    let calendar = server.calendar();
    let mut known = BTreeMap::new();
    let first = calendar.changes(&known).await.unwrap();
    take(&mut known, &first);
    for _ in 0..2 {
        assert!(is_nothing(&calendar.changes(&known).await.unwrap()));
    }
    let more = calendar.changes(&known).await.unwrap();
    assert_eq!((more.changed.len(), more.removed.len()), (1, 0));
    take(&mut known, &more);
    let edited = calendar.changes(&known).await.unwrap();
    assert_eq!((edited.changed.len(), edited.removed.len()), (1, 2));
    take(&mut known, &edited);
    assert_eq!(known.len(), 2);
    server.requests();
}

fn mirror(calendar: FeedCalendar, role: CalendarRole) -> CalendarMirror {
    let owner = "alice@example.com".to_owned();
    let counting = Counting {
        role,
        ..Counting::default()
    };
    let store = Arc::new(calendar);
    CalendarMirror::new("team".into(), store, owner, "Europe/Berlin".to_owned()).counting(counting)
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().unwrap())
}

#[tokio::test]
async fn what_is_not_a_whole_calendar_leaves_the_last_good_copy_in_use() {
    let good = || feed([event("a", 1, "A")]);
    let cut = good().len() - 30;
    let part = || good().chars().take(cut).collect::<String>();
    let long = "X-A:1\r\n".repeat((MAX_FEED_BYTES + 1024 * 1024) / 7);
    let plain = "HTTP/1.1 200 X\r\nConnection: close\r\n";
    for (reply, permanent, words) in [
        (
            ok("", "<!DOCTYPE html><p>Log in".to_owned()),
            true,
            "a web page",
        ),
        (ok("", String::new()), true, "it is empty"),
        (ok("", part()), true, "cut off"),
        (
            Reply::Raw(format!("{plain}Content-Length: {cut}\r\n\r\n{}", good())),
            true,
            "cut off",
        ),
        (
            Reply::Raw(format!("{plain}Content-Length: 9999\r\n\r\n{}", good())),
            false,
            "broke",
        ),
        (
            Reply::Raw(format!("{plain}\r\n{}", part())),
            true,
            "cut off",
        ),
        (ok("", long), true, "more than 10485760 bytes"),
        (Reply::Endless, true, "more than 10485760 bytes"),
        (ok("Content-Encoding: gzip\r\n", good()), true, "compressed"),
        (
            Reply::Whole(206, String::new(), good()),
            true,
            "answers 206",
        ),
        (no(304, ""), true, "answers 304"),
        (no(401, ""), true, "`url_secret`"),
        (no(403, ""), true, "shared no more"),
        (no(404, ""), true, "nothing at this address (404)"),
        (no(410, ""), true, "(410)"),
        (no(500, ""), false, "answers 500"),
        (no(302, ""), true, "does not say where"),
        (no(429, "Retry-After: 5\r\n"), false, "asks to wait"),
    ] {
        let server = serve(vec![ok("", good()), reply]);
        let mirror = mirror(server.calendar(), CalendarRole::Own);
        let now = at("2026-11-24T00:00:00Z");
        assert!(mirror.look(now).await.unwrap());
        let error = mirror.look(at("2026-11-24T01:00:00Z")).await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(error.permanent, permanent, "{error}");
        assert!(!format!("{error} {error:?} {mirror:?}").contains(SECRET));
        assert_eq!(mirror.synced_at(), Some(now), "fresh as of the good look");
        let day = Window {
            start: at("2026-12-01T00:00:00Z"),
            end: at("2026-12-02T00:00:00Z"),
        };
        assert_eq!(mirror.busy(day, &[]).spans.len(), 1);
        server.requests();
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = serve(vec![Reply::Silent]);
    let mut calendar = server.calendar();
    calendar.limit = Duration::from_millis(100);
    let error = calendar.changes(&BTreeMap::new()).await.unwrap_err();
    assert!(
        !error.permanent && error.why.contains("no complete answer"),
        "{error}"
    );
    server.requests();
}

#[tokio::test]
async fn a_bad_event_is_named_and_keeps_its_last_good_copy_as_long_as_it_is_there() {
    let bad = event("b", 2, "B").replace("END:VEVENT\r\n", "");
    let broken = || feed([event("a", 2, "A"), bad.clone(), event("c", 2, "C")]);
    let server = serve(vec![
        ok("", feed([event("a", 1, "A"), event("b", 1, "B")])),
        ok("ETag: \"2\"\r\n", broken()),
        no(304, ""),
        ok("", feed([event("a", 3, "A"), event("c", 3, "C")])),
    ]);
    let mirror = mirror(server.calendar(), CalendarRole::Own);
    let now = at("2026-11-24T00:00:00Z");
    mirror.look(now).await.unwrap();
    for _ in 0..2 {
        mirror.look(now).await.unwrap();
        let unread = mirror.unread().unwrap();
        assert!(
            unread.contains("b.ics") && unread.contains("no END"),
            "{unread}"
        );
        for href in ["a.ics", "b.ics", "c.ics"] {
            assert!(mirror.object(href).is_some(), "{href}");
        }
    }
    mirror.look(now).await.unwrap();
    assert!(mirror.unread().is_none() && mirror.object("b.ics").is_none());
    server.requests();
}

#[tokio::test]
async fn much_that_is_gone_at_once_needs_a_person() {
    let all = || (0..30).map(|n| event(&n.to_string(), 1, &n.to_string()));
    let server = serve(vec![
        ok("ETag: \"1\"\r\n", feed(all())),
        ok("ETag: \"2\"\r\n", feed([])),
    ]);
    let mirror = mirror(server.calendar(), CalendarRole::Own);
    let now = at("2026-11-24T00:00:00Z");
    mirror.look(now).await.unwrap();
    let error = mirror.look(now).await.unwrap_err();
    assert!(error.permanent && error.why.contains("30 of 30"), "{error}");
    assert!(mirror.object("29.ics").is_some());
    server.requests();
}

#[tokio::test]
async fn redirects_are_followed_within_bounds_and_never_into_our_own_network() {
    let to = |location: &str| no(302, &format!("Location: {location}\r\n"));
    let whole = || ok("ETag: \"1\"\r\n", feed([event("a", 1, "A")]));
    let server = serve(vec![to("/moved/a.ics?x=1"), whole(), to("b.ics"), whole()]);
    let calendar = server.calendar();
    let mut known = BTreeMap::new();
    let first = calendar.changes(&known).await.unwrap();
    take(&mut known, &first);
    assert!(is_nothing(&calendar.changes(&known).await.unwrap()));
    let requests = server.requests();
    assert!(
        requests[1].starts_with("get /moved/a.ics?x=1 "),
        "{requests:?}"
    );
    assert!(requests[3].starts_with(&format!("get /ical/{SECRET}/b.ics ")));
    assert!(
        !requests[3].contains("if-none-match"),
        "it is another address"
    );

    let server = serve((0..6).map(|_| to("again.ics")).collect());
    let error = server
        .calendar()
        .changes(&BTreeMap::new())
        .await
        .unwrap_err();
    assert!(
        error.permanent && error.why.contains("more than 5 times"),
        "{error}"
    );
    server.requests();

    // The first address is ours here; those it leads to are not to be.
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let port = inside.local_addr().unwrap().port();
    for location in [
        format!("http://127.0.0.1:{port}/{SECRET}"),
        format!("https://127.0.0.1:{port}/{SECRET}"),
        format!("https://localhost:{port}/{SECRET}"),
        format!("https://[::ffff:127.0.0.1]:{port}/{SECRET}"),
        format!("http://192.168.1.1/{SECRET}"),
        format!("https://a:{SECRET}@127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/{SECRET}"),
        format!("javascript:{SECRET}"),
    ] {
        let server = serve(vec![to(&location)]);
        let mut calendar = server.calendar();
        calendar.peers = (Peers::Any, Peers::Public);
        let error = calendar.changes(&BTreeMap::new()).await.unwrap_err();
        assert!(
            error.permanent && error.why.contains("redirects"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
        assert!(inside.accept().is_err(), "{location} was connected to");
        server.requests();
    }
}

#[tokio::test]
async fn an_address_of_our_own_network_is_not_asked_unless_that_is_allowed() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    let text = format!("url_secret.file = '{}'", file.display());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        std::fs::write(&file, format!("https://{host}:{port}/{SECRET}")).unwrap();
        let settings = toml::from_str(&text).unwrap();
        let calendar = FeedCalendar::new("team".into(), settings).unwrap();
        let error = calendar.changes(&BTreeMap::new()).await.unwrap_err();
        assert!(
            error.permanent && error.why.contains("allow_private"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
        assert!(server.accept().is_err(), "{host} was connected to");
    }
}

#[test]
fn an_encrypted_feed_does_not_lead_to_one_that_is_not() {
    let from = Address::parse("https://example.com/a/b.ics?key=1").unwrap();
    let next = |location: &str| get::next(&from, location).map(|to| to.uri.to_string());
    for (location, to) in [
        ("https://example.net/c", "https://example.net/c"),
        ("//example.net/c", "https://example.net/c"),
        ("/c?d=https://x/", "https://example.com/c?d=https://x/"),
        ("c.ics", "https://example.com/a/c.ics"),
        ("?key=2", "https://example.com/a/b.ics?key=2"),
        ("webcal://example.net/c", "https://example.net/c"),
    ] {
        assert_eq!(next(location).unwrap(), to);
    }
    for location in [
        "http://example.com/a",
        "http://127.0.0.1/a",
        "http://localhost/",
    ] {
        let error = next(location).unwrap_err();
        assert!(
            error.permanent && error.why.contains("without encryption"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_provider_is_left_alone_after_a_failure_and_as_long_as_it_asks() {
    let server = serve(vec![
        no(503, "Retry-After: 3600\r\n"),
        no(500, ""),
        ok("", feed([event("a", 1, "A")])),
    ]);
    let calendar = server.calendar();
    let known = BTreeMap::new();
    let first = calendar.changes(&known).await.unwrap_err();
    tokio::time::pause();
    // Not asked: the script goes on only when it may be.
    tokio::time::advance(Duration::from_secs(3590)).await;
    assert_eq!(calendar.changes(&known).await.unwrap_err(), first);
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let second = calendar.changes(&known).await.unwrap_err();
    assert!(second.why.contains("500"), "{second}");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(calendar.changes(&known).await.unwrap_err(), second);
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(calendar.changes(&known).await.unwrap().changed.len(), 1);
    server.requests();
}

#[tokio::test(start_paused = true)]
async fn a_feed_is_looked_at_as_often_as_its_provider_says_and_never_more_often_than_it_bears() {
    let url = "url = 'https://example.com/a.ics'";
    for (settings, told, least) in [
        ("", None, 3_600),
        ("", Some(12 * 3_600), 12 * 3_600),
        ("", Some(60), 900),
        ("", Some(u64::MAX), REFRESH_SECS_MAX),
        ("refresh_secs = 1800", Some(12 * 3_600), 1_800),
    ] {
        let settings = toml::from_str(&format!("{url}\n{settings}")).unwrap();
        let calendar = FeedCalendar::new("team".into(), settings).unwrap();
        calendar.state().told = told;
        for _ in 0..20 {
            let before = Instant::now();
            calendar.wait(&|| Pace::Near).await;
            let waited = before.elapsed().as_secs();
            assert!((least..=least * 6 / 5 + 1).contains(&waited), "{waited}");
        }
    }
}

#[tokio::test]
async fn what_a_provider_says_of_its_refresh_is_heeded() {
    let told = "REFRESH-INTERVAL;VALUE=DURATION:PT6H\r\n".to_owned();
    let server = serve(vec![ok("", feed([told, event("a", 1, "A")]))]);
    let calendar = server.calendar();
    calendar.changes(&BTreeMap::new()).await.unwrap();
    assert!(calendar.next_wait() >= Duration::from_secs(6 * 3_600));
    server.requests();
}

#[tokio::test]
async fn nothing_is_written_to_a_feed() {
    let settings = toml::from_str("url = 'https://example.com/a.ics'").unwrap();
    let calendar = FeedCalendar::new("team".into(), settings).unwrap();
    for error in [
        calendar.create("uid", "data").await.unwrap_err(),
        calendar.update("a.ics", "1", "data").await.unwrap_err(),
        calendar.delete("a.ics", "1").await.unwrap_err(),
    ] {
        assert!(error.permanent && !error.unknown, "{error:?}");
        assert!(error.why.contains("is a feed, and read-only"), "{error}");
    }
}

#[test]
fn settings_that_name_no_usable_address_are_refused_without_repeating_it() {
    for (text, key, words) in [
        ("", "url", "missing"),
        (
            "url = 'https://example.com/SECRET'\nurl_secret.env = 'FEED'",
            "url_secret",
            "both set",
        ),
        ("url = 'SECRET'", "url", "no https address"),
        (
            "url = 'ftp://example.com/SECRET'",
            "url",
            "no https address",
        ),
        ("url = 'https:// /SECRET'", "url", "no https address"),
        ("url = 'https://a:SECRET@example.com/'", "url", "a login"),
        (
            "url = 'http://example.com/SECRET'",
            "url",
            "not encrypted, and example.com",
        ),
        ("url = 'http://127.0.0.1/SECRET'", "url", "allow_private"),
        (
            "url = 'https://a.example/SECRET'\nrefresh_secs = 60",
            "refresh_secs",
            "900",
        ),
        (
            "url = 'https://a.example/SECRET'\nrefresh_secs = 100000",
            "refresh_secs",
            "86400",
        ),
        (
            "url = 'https://a.example/SECRET'\ngone_percent_max = 101",
            "gone_percent_max",
            "101",
        ),
    ] {
        let settings: FeedSettings = toml::from_str(&text.replace("SECRET", SECRET)).unwrap();
        let problems = settings.problems();
        let [problem] = problems.as_slice() else {
            panic!("{text}: {problems:?}");
        };
        assert!(problem.starts_with(&format!("{key}: ")), "{problem}");
        assert!(problem.contains(words), "{problem}");
        assert!(
            !format!("{problem} {settings:?}").contains(SECRET),
            "{settings:?}"
        );
    }
    let good = format!("url = 'webcal://Example.com/{SECRET}'");
    let settings: FeedSettings = toml::from_str(&good).unwrap();
    assert_eq!(settings.problems(), [""; 0]);
    let shown = format!("{settings:?}");
    assert!(
        shown.contains("example.com") && !shown.contains(SECRET),
        "{shown}"
    );
    let calendar = FeedCalendar::new("team".into(), settings).unwrap();
    let shown = format!("{} {calendar:?}", calendar.what("reading"));
    assert!(
        shown.contains("example.com") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[tokio::test]
async fn a_secret_address_that_is_wrong_is_told_without_repeating_it() {
    let server = serve(vec![]);
    let calendar = server.calendar();
    let file = server.folder.path().join("url");
    for address in [
        format!("{SECRET} {SECRET}"),
        format!("http://example.com/{SECRET}"),
    ] {
        calendar.state().resting = None;
        std::fs::write(&file, &address).unwrap();
        let error = calendar.changes(&BTreeMap::new()).await.unwrap_err();
        let shown = format!("{error} {error:?} {}", calendar.probe().await.unwrap_err());
        assert!(!shown.contains(SECRET), "{shown}");
    }
    std::fs::remove_file(&file).unwrap();
    calendar.state().resting = None;
    let error = calendar.changes(&BTreeMap::new()).await.unwrap_err();
    assert!(
        error.permanent && error.why.contains("cannot read the secret"),
        "{error}"
    );
    server.requests();
}

#[tokio::test]
async fn holidays_can_come_from_a_feed() {
    let day = "BEGIN:VEVENT\r\nUID:x\r\nDTSTART;VALUE=DATE:20261225\r\n\
               DTEND;VALUE=DATE:20261227\r\nSUMMARY:Christmas\r\nTRANSP:TRANSPARENT\r\n\
               END:VEVENT\r\n";
    let server = serve(vec![ok("", feed([day.to_owned(), event("a", 1, "A")]))]);
    let mirror = mirror(server.calendar(), CalendarRole::Holidays);
    let mut calendars = Calendars::default();
    let id: CalendarId = "team".into();
    let year = Window {
        start: at("2026-01-01T00:00:00Z"),
        end: at("2027-01-01T00:00:00Z"),
    };
    let taken = |calendars: &Calendars| calendars.taken_of(std::slice::from_ref(&id), year, &[]);
    mirror.look(at("2026-11-24T00:00:00Z")).await.unwrap();
    calendars.mirrors.insert(id.clone(), Arc::new(mirror));
    let taken = taken(&calendars).unwrap();
    assert!(taken.busy.is_empty() && taken.meetings.is_empty());
    let days: Vec<String> = taken
        .holidays
        .iter()
        .map(|(date, name)| format!("{date} {name}"))
        .collect();
    assert_eq!(days, ["2026-12-25 Christmas", "2026-12-26 Christmas"]);
    server.requests();
}
