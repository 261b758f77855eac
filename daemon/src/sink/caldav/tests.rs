//! A scripted server: what real ones do rarely, at the wrong moment, or only in other houses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

const UID: &str = "hold.0af@example.com";
const HREF: &str = "/cal/hold.0af@example.com.ics";

#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Status, extra header lines, body.
    Whole(u16, &'static str, String),
    /// The connection ends after the request was read.
    Cut,
}

/// Answers one request per connection, in this order; requests must begin as written.
pub(super) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    requests: JoinHandle<Vec<String>>,
}

pub(super) fn serve(script: Vec<(&'static str, Reply)>) -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "secret\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = std::thread::spawn(move || {
        let answer = |(start, reply): (&str, Reply)| {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&stream);
            assert!(
                request.starts_with(start),
                "expected {start}, got {request}"
            );
            if let Reply::Whole(status, headers, body) = reply {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}");
                // The client hangs up on an answer that is too long.
                drop(stream.write_all(format!("{head}\r\n{body}").as_bytes()));
            }
            request
        };
        script.into_iter().map(answer).collect()
    });
    Server {
        folder,
        port,
        requests,
    }
}

fn read_request(stream: &std::net::TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut request).unwrap(), 0, "{request}");
    }
    let lower = request.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| {
        rest.split("\r\n").next().unwrap().parse().unwrap()
    });
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

impl Server {
    fn settings(&self) -> CaldavSettings {
        let text = format!(
            "url = 'http://127.0.0.1:{}/cal/'\nuser = 'alice'\npassword.file = '{}'",
            self.port,
            self.folder.path().join("password").display()
        );
        toml::from_str(&text).unwrap()
    }

    pub(super) fn calendar(&self) -> CaldavCalendar {
        CaldavCalendar::new("team".into(), self.settings()).unwrap()
    }

    /// What was asked; fails if the script was not played to its end.
    pub(super) fn requests(self) -> Vec<String> {
        self.requests.join().unwrap()
    }
}

pub(super) fn whole(status: u16, body: &str) -> Reply {
    Reply::Whole(status, "", body.to_owned())
}

pub(super) fn multistatus(responses: &str) -> Reply {
    let xml = format!(
        "<?xml version='1.0'?><multistatus xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' \
         xmlns:S='http://calendarserver.org/ns/'>{responses}</multistatus>"
    );
    Reply::Whole(207, "", xml)
}

fn own(ctag: &str) -> String {
    format!(
        "<response><href>/cal/</href><propstat><prop><resourcetype><collection/><C:calendar/>\
         </resourcetype><S:getctag>{ctag}</S:getctag></prop><status>HTTP/1.1 200 OK</status>\
         </propstat></response>"
    )
}

pub(super) fn item(href: &str, properties: &str) -> String {
    format!(
        "<response><href>{href}</href><propstat><prop><getetag/></prop><status>HTTP/1.1 404 Not \
         Found</status></propstat><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK\
         </status></propstat></response>"
    )
}

pub(super) fn object(uid: &str) -> String {
    format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:{uid}\nEND:VEVENT\nEND:VCALENDAR\n")
}

fn found() -> (&'static str, Reply) {
    ("PROPFIND /cal/ ", multistatus(&own("1")))
}

pub(super) fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    let entries = entries.iter();
    entries
        .map(|(href, etag)| ((*href).to_owned(), (*etag).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_write_is_a_success_only_when_the_server_says_so_clearly() {
    let listing = || multistatus(&own("1"));
    for (reply, then, permanent, unknown, words) in [
        (
            multistatus(
                "<response><href>/cal/x.ics</href><status>HTTP/1.1 412 X</status></response>",
            ),
            Some(listing()),
            true,
            false,
            "207",
        ),
        (Reply::Cut, None, false, true, "broke"),
        (
            whole(502, "bad gateway"),
            None,
            false,
            true,
            "502: bad gateway",
        ),
        (whole(503, ""), None, false, false, "wait"),
        (whole(507, "full"), None, false, false, "507"),
        (whole(401, ""), None, true, false, "alice"),
        (whole(403, "no"), Some(listing()), true, false, "right"),
        (
            whole(409, "no-uid-conflict"),
            Some(listing()),
            true,
            false,
            "no-uid-conflict",
        ),
        (
            Reply::Whole(301, "Location: https://example.net/cal/\r\n", String::new()),
            None,
            true,
            false,
            "example.net",
        ),
    ] {
        let mut script = vec![found(), ("PUT /cal/hold.0af@example.com.ics ", reply)];
        script.extend(then.map(|then| ("PROPFIND /cal/ ", then)));
        let server = serve(script);
        let error = server
            .calendar()
            .create(UID, &object(UID))
            .await
            .unwrap_err();
        assert_eq!(
            (error.permanent, error.unknown),
            (permanent, unknown),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
        let put = server.requests().remove(1).to_ascii_lowercase();
        assert!(put.contains("if-none-match: *") && put.contains("text/calendar; charset=utf-8"));
    }
}

#[tokio::test]
async fn a_new_object_is_read_back_and_an_old_one_is_found() {
    let get = |etag| Reply::Whole(200, etag, object(UID));
    let server = serve(vec![
        found(),
        ("PUT /cal/hold", whole(201, "")),
        ("GET /cal/hold", get("ETag: \"rewritten\"\r\n")),
        ("PUT /cal/hold", whole(412, "")),
        ("GET /cal/hold", get("ETag: \"rewritten\"\r\n")),
        ("PUT /cal/hold", whole(201, "")),
        ("GET /cal/hold", Reply::Cut),
    ]);
    let calendar = server.calendar();
    let created = calendar.create(UID, &object(UID)).await.unwrap();
    assert!(
        matches!(&created, Created::New(file) if file.href == HREF && file.etag == "\"rewritten\""),
        "{created:?}"
    );
    let again = calendar.create(UID, &object(UID)).await.unwrap();
    assert!(matches!(again, Created::Exists(file) if file.href == HREF));
    let error = calendar.create(UID, &object(UID)).await.unwrap_err();
    assert!(error.unknown && error.why.contains("taken"), "{error}");
    server.requests();
}

#[tokio::test]
async fn a_uid_conflict_leads_to_the_object_under_its_other_name() {
    let data = format!(
        "<getetag>\"7\"</getetag><C:calendar-data>{}</C:calendar-data>",
        object(UID)
    );
    let server = serve(vec![
        found(),
        ("PUT /cal/hold", whole(409, "<error/>")),
        (
            "PROPFIND /cal/ ",
            multistatus(&(own("1") + &item("/cal/other%20name.ics", "<getetag>\"7\"</getetag>"))),
        ),
        (
            "REPORT /cal/ ",
            multistatus(&item("http://127.0.0.1:1/cal/other name.ics", &data)),
        ),
        (
            "GET /cal/other%20name.ics ",
            Reply::Whole(200, "ETag: \"7\"\r\n", object(UID)),
        ),
    ]);
    let created = server.calendar().create(UID, &object(UID)).await.unwrap();
    assert!(matches!(created, Created::Exists(file) if file.href == "/cal/other%20name.ics"));
    server.requests(); // the href of another server was not believed
}

#[tokio::test]
async fn deletion_is_guarded_by_whatever_the_server_can_do() {
    use Deleted::{Changed, Gone};
    let get = |etag, text: &str| ("GET /cal/a.ics ", Reply::Whole(200, etag, object(text)));
    let delete = |status| ("DELETE /cal/a.ics ", whole(status, ""));
    let current = |etag: &str, text: &str| {
        let data = object(text).into();
        look::calendar_file("/cal/a.ics", Some(etag.to_owned()), data)
    };
    let hash =
        look::calendar_file("/cal/a.ics", None, object("x").replace('\n', "\r\n").into()).etag;
    for (etag, script, outcome) in [
        ("\"1\"", vec![delete(204)], Gone),
        ("\"1\"", vec![delete(404)], Gone),
        (
            "\"1\"",
            vec![delete(412), get("ETag: \"2\"\r\n", "edited")],
            Changed(current("\"2\"", "edited")),
        ),
        (
            "W/\"1\"",
            vec![get("ETag: W/\"1\"\r\n", "x"), delete(200)],
            Gone,
        ),
        (
            "W/\"1\"",
            vec![get("ETag: W/\"2\"\r\n", "edited")],
            Changed(current("W/\"2\"", "edited")),
        ),
        (hash.as_str(), vec![get("", "x"), delete(200)], Gone),
        (
            hash.as_str(),
            vec![("GET /cal/a.ics ", whole(410, ""))],
            Gone,
        ),
    ] {
        let strong = etag.starts_with('"');
        let server = serve([vec![found()], script].concat());
        let deleted = server.calendar().delete("/cal/a.ics", etag).await;
        assert_eq!(deleted.unwrap(), outcome, "{etag}");
        let requests = server.requests().join("\n").to_ascii_lowercase();
        assert_eq!(requests.contains("if-match: \"1\""), strong, "{requests}");
    }
}

#[tokio::test]
async fn a_replacement_is_guarded_and_a_207_is_no_success() {
    use Updated::{Changed, Done, Gone};
    let get = |etag, text: &str| ("GET /cal/a.ics ", Reply::Whole(200, etag, object(text)));
    let put = |status| ("PUT /cal/a.ics ", whole(status, ""));
    let current = |etag: &str, text: &str| {
        let data = object(text).into();
        look::calendar_file("/cal/a.ics", Some(etag.to_owned()), data)
    };
    for (etag, script, outcome) in [
        (
            "\"1\"",
            vec![put(204), get("ETag: \"2\"\r\n", "new")],
            Done(current("\"2\"", "new")),
        ),
        (
            "\"1\"",
            vec![put(412), get("ETag: \"2\"\r\n", "edited")],
            Changed(current("\"2\"", "edited")),
        ),
        (
            "\"1\"",
            vec![put(412), ("GET /cal/a.ics ", whole(404, ""))],
            Gone,
        ),
        (
            "W/\"1\"",
            vec![get("ETag: W/\"2\"\r\n", "edited")],
            Changed(current("W/\"2\"", "edited")),
        ),
        (
            "W/\"1\"",
            vec![
                get("ETag: W/\"1\"\r\n", "x"),
                put(204),
                get("ETag: W/\"2\"\r\n", "new"),
            ],
            Done(current("W/\"2\"", "new")),
        ),
    ] {
        let puts = script.iter().any(|(request, _)| request.starts_with("PUT"));
        let server = serve([vec![found()], script].concat());
        let updated = server.calendar().update("/cal/a.ics", etag, "new").await;
        assert_eq!(updated.unwrap(), outcome, "{etag}");
        let requests = server.requests().join("\n").to_ascii_lowercase();
        assert_eq!(requests.contains("if-match: "), puts, "{requests}");
    }
    for (reply, unknown) in [
        (whole(207, "no"), false),
        (whole(403, "no"), false),
        (Reply::Cut, true),
    ] {
        let server = serve(vec![found(), ("PUT /cal/a.ics ", reply)]);
        let updated = server.calendar().update("/cal/a.ics", "\"1\"", "new").await;
        let error = updated.unwrap_err();
        assert_eq!(
            (error.unknown, error.permanent),
            (unknown, !unknown),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_cut_deletion_is_unknown_and_a_foreign_path_is_refused() {
    let server = serve(vec![found(), ("DELETE /cal/a.ics ", Reply::Cut)]);
    let calendar = server.calendar();
    let error = calendar.delete("/cal/a.ics", "1").await.unwrap_err();
    assert!(error.unknown && !error.permanent, "{error}");
    for href in ["/other/a.ics", "/cal/", "https://example.net/cal/a.ics"] {
        let error = calendar.delete(href, "\"1\"").await.unwrap_err();
        assert!(error.permanent && !error.unknown, "{href}");
    }
    assert!(
        server.requests().remove(1).contains("if-match: \"1\""),
        "quotes are added"
    );
}

#[tokio::test]
async fn a_look_takes_what_differs_and_an_object_without_etag_is_never_absent() {
    let data = |uid: &str| format!("<C:calendar-data>{}</C:calendar-data>", object(uid));
    let listing = [
        own("1"),
        item("/cal/same.ics", "<getetag>\"1\"</getetag>"),
        item("/cal/a%40b.ics", "<getetag>\"2\"</getetag>"),
        item("/cal/noetag.ics", "<resourcetype/>"),
        item("/cal/half.ics", "<getetag>\"4\"</getetag>"),
        "<response><href>/cal/denied.ics</href><status>HTTP/1.1 403 X</status></response>".into(),
        "<response><href>/cal/dead.ics</href><status>HTTP/1.1 404 X</status></response>".into(),
    ];
    let got = [
        item("/cal/a@b.ics", &(data("a") + "<getetag>\"2\"</getetag>")),
        item("/cal/noetag.ics", &data("n")),
        item(
            "/cal/half.ics",
            "<C:calendar-data>BEGIN:VCALENDAR</C:calendar-data>",
        ),
    ];
    let look = || {
        vec![
            ("PROPFIND /cal/ ", multistatus(&own("1"))),
            ("PROPFIND /cal/ ", multistatus(&listing.concat())),
            ("REPORT /cal/ ", multistatus(&got.concat())),
        ]
    };
    let server = serve([vec![found()], look(), look()].concat());
    let calendar = server.calendar();
    let mut known = map(&[
        ("/cal/same.ics", "\"1\""),
        ("/cal/gone.ics", "\"9\""),
        ("/cal/denied.ics", "\"3\""),
    ]);
    let changes = calendar.changes(&known).await.unwrap();
    let hrefs: Vec<&str> = changes
        .changed
        .iter()
        .map(|file| file.href.as_str())
        .collect();
    assert_eq!(hrefs, ["/cal/a@b.ics", "/cal/noetag.ics"]);
    assert_eq!(changes.changed[0].data, object("a").replace('\n', "\r\n"));
    assert_eq!(changes.removed, ["/cal/gone.ics"]);
    let unreadable: Vec<&str> = changes
        .unreadable
        .iter()
        .map(|(href, _)| href.as_str())
        .collect();
    assert_eq!(unreadable, ["/cal/denied.ics", "/cal/half.ics"]);

    known.remove("/cal/gone.ics");
    known.extend(
        changes
            .changed
            .into_iter()
            .map(|file| (file.href, file.etag)),
    );
    let again = calendar.changes(&known).await.unwrap();
    assert!(again.changed.is_empty() && again.removed.is_empty());
    server.requests();
}

#[tokio::test]
async fn one_request_is_enough_when_nothing_changed() {
    let listed = own("1") + &item("/cal/a.ics", "<getetag>\"1\"</getetag>");
    let server = serve(vec![
        found(),
        ("PROPFIND /cal/ ", multistatus(&own("1"))),
        ("PROPFIND /cal/ ", multistatus(&listed)),
        ("PROPFIND /cal/ ", multistatus(&own("1"))), // quiet
        ("PROPFIND /cal/ ", multistatus(&own("2"))), // something changed
        ("PROPFIND /cal/ ", multistatus(&own("2"))),
    ]);
    let calendar = server.calendar();
    let known = map(&[("/cal/a.ics", "\"1\"")]);
    for removed in [0, 0, 1] {
        let changes = calendar.changes(&known).await.unwrap();
        assert_eq!((changes.changed.len(), changes.removed.len()), (0, removed));
    }
    server.requests();
}

#[tokio::test]
async fn an_object_that_spoils_the_answer_is_named_and_the_others_come() {
    let listed = [
        own("1"),
        item("/cal/a.ics", "<getetag>\"1\"</getetag>"),
        item("/cal/b.ics", "<getetag>\"1\"</getetag>"),
        item("/cal/c.ics", "<getetag>\"1\"</getetag>"),
    ];
    for spoilt in [
        multistatus("<response>\u{1}</response>"),
        whole(207, &" ".repeat(17 * 1024 * 1024)),
        whole(500, "Traceback"),
    ] {
        let server = serve(vec![
            found(),
            ("PROPFIND /cal/ ", multistatus(&own("1"))),
            ("PROPFIND /cal/ ", multistatus(&listed.concat())),
            ("REPORT /cal/ ", spoilt),
            ("GET /cal/a.ics ", whole(200, &object("a"))),
            ("GET /cal/b.ics ", whole(500, "Traceback")),
            ("GET /cal/c.ics ", whole(404, "")),
        ]);
        let changes = server.calendar().changes(&BTreeMap::new()).await.unwrap();
        assert_eq!(changes.changed.len(), 1);
        let [(href, why)] = changes.unreadable.try_into().unwrap();
        assert!(href == "/cal/b.ics" && why.contains("500"), "{why}");
        server.requests();
    }
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_ends_the_look() {
    let listed = own("1") + &item("/cal/a.ics", "<getetag>\"1\"</getetag>");
    for (reply, words) in [(Reply::Cut, "broke"), (whole(429, ""), "wait")] {
        let server = serve(vec![
            found(),
            ("PROPFIND /cal/ ", multistatus(&own("1"))),
            ("PROPFIND /cal/ ", multistatus(&listed)),
            ("REPORT /cal/ ", reply),
        ]);
        let error = server
            .calendar()
            .changes(&BTreeMap::new())
            .await
            .unwrap_err();
        assert!(!error.permanent && !error.unknown, "{error}");
        assert!(error.why.contains(words), "{error}");
        server.requests();
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_the_whole_truth_removes_nothing() {
    let names: Vec<String> = (0..30).map(|number| format!("/cal/{number}.ics")).collect();
    let known = names
        .iter()
        .map(|name| (name.clone(), "\"1\"".to_owned()))
        .collect();
    let cut = own("1") + "<response><href>/cal/</href><status>HTTP/1.1 507 X</status></response>";
    for (reply, words) in [
        (multistatus(&own("2")), "30 of 30"),
        (multistatus(""), "collection itself"),
        (multistatus(&cut), "507"),
        (whole(200, "<html>welcome</html>"), "200"),
        (whole(207, "<html>welcome</html>"), "multistatus"),
        (whole(404, ""), "correct `url`"),
    ] {
        let mark = ("PROPFIND /cal/ ", multistatus(&own("2")));
        let server = serve(vec![found(), mark, ("PROPFIND /cal/ ", reply)]);
        let error = server.calendar().changes(&known).await.unwrap_err();
        assert!(error.why.contains(words), "{error}");
        server.requests();
    }
}

#[tokio::test]
async fn the_calendar_is_found_from_the_bare_host() {
    let at = |href: &str, properties: &str| multistatus(&item(href, properties));
    let calendars = || {
        let one = |path, name| {
            let kind = "<resourcetype><collection/><C:calendar/></resourcetype>";
            item(path, &format!("{kind}<displayname>{name}</displayname>"))
        };
        multistatus(&(one("/home/work/", "Work") + &one("/home/x1/", "Team holds")))
    };
    let script = || {
        vec![
            ("PROPFIND / ", whole(405, "")),
            (
                "PROPFIND /.well-known/caldav ",
                Reply::Whole(301, "Location: /dav/\r\n", String::new()),
            ),
            (
                "PROPFIND /dav/ ",
                at(
                    "/dav/",
                    "<current-user-principal><href>/me/</href></current-user-principal>",
                ),
            ),
            (
                "PROPFIND /me/ ",
                at(
                    "/me/",
                    "<C:calendar-home-set><href>/home/</href></C:calendar-home-set>",
                ),
            ),
            ("PROPFIND /home/ ", calendars()),
        ]
    };
    for (calendar, words) in [
        (Some("Team holds"), None),
        (Some("work"), None),
        (Some("Holidays"), Some("Work (work), Team holds (x1)")),
        (None, Some("set `calendar`")),
    ] {
        let server = serve(script());
        let mut settings = server.settings();
        settings.url = format!("http://127.0.0.1:{}", server.port);
        settings.calendar = calendar.map(str::to_owned);
        let probed = CaldavCalendar::new("team".into(), settings)
            .unwrap()
            .probe()
            .await;
        match words {
            None => assert_eq!(probed, Ok(()), "{calendar:?}"),
            Some(words) => assert!(probed.as_ref().unwrap_err().contains(words), "{probed:?}"),
        }
        server.requests();
    }
}

#[tokio::test]
async fn a_misspelt_path_does_not_lead_to_another_calendar() {
    let inside = "<response><href>/cal/</href><status>HTTP/1.1 404 X</status></response>";
    for reply in [whole(404, ""), multistatus(inside)] {
        let server = serve(vec![("PROPFIND /cal/ ", reply)]);
        let error = server.calendar().probe().await.unwrap_err();
        assert!(error.contains("correct `url`"), "{error}");
        server.requests();
    }
}

#[tokio::test]
async fn the_password_goes_to_the_configured_server_only() {
    let elsewhere = Reply::Whole(302, "Location: http://example.net/cal/\r\n", String::new());
    let server = serve(vec![("PROPFIND /cal/ ", elsewhere)]);
    let error = server.calendar().probe().await.unwrap_err();
    assert!(
        error.contains("example.net") && error.contains("`url`"),
        "{error}"
    );
    let request = server.requests().remove(0).to_ascii_lowercase();
    assert!(
        request.contains("authorization: basic ywxpy2u6c2vjcmv0"),
        "{request}"
    );
}

#[tokio::test]
async fn a_short_wait_that_a_server_asks_for_does_not_end_a_look() {
    let busy = |seconds: &'static str| Reply::Whole(429, seconds, String::new());
    let soon = || ("PROPFIND /cal/ ", busy("Retry-After: 0\r\n"));
    let listed = own("1") + &item("/cal/a.ics", "<getetag>\"1\"</getetag>");
    let server = serve(vec![
        soon(),
        found(),
        soon(),
        soon(),
        ("PROPFIND /cal/ ", multistatus(&own("1"))),
        soon(),
        ("PROPFIND /cal/ ", multistatus(&listed)),
        ("PROPFIND /cal/ ", busy("Retry-After: 600\r\n")),
    ]);
    let calendar = server.calendar();
    let known = map(&[("/cal/a.ics", "\"1\"")]);
    let changes = calendar.changes(&known).await.unwrap();
    assert!(changes.changed.is_empty() && changes.removed.is_empty());
    let error = calendar.changes(&known).await.unwrap_err();
    assert!(error.why.contains("asked again in 600 s"), "{error}");
    server.requests();
}

#[test]
fn what_is_near_is_looked_at_more_often_unless_the_operator_says_how_often() {
    let seconds = |text: &str| {
        let text = format!("url = 'https://example.com/'\nuser = 'a'\npassword.env = 'P'\n{text}");
        let settings: CaldavSettings = toml::from_str(&text).unwrap();
        let paces = [Pace::Near, Pace::Usual, Pace::Night];
        paces.map(|pace| settings.interval(&move || pace).as_secs())
    };
    assert_eq!(seconds(""), [60, 300, 900]);
    assert_eq!(seconds("poll_secs = 20"), [20, 20, 20]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_failures_slow_down() {
    let server = serve(Vec::new());
    let calendar = server.calendar();
    let waited = async || {
        let begun = Instant::now();
        calendar.wait(&|| Pace::Near).await;
        begun.elapsed().as_secs()
    };
    assert!((54..=66).contains(&waited().await));
    calendar.state().failures = 3;
    assert!((54 * 8..=66 * 8).contains(&waited().await));
    calendar.state().failures = 30;
    assert_eq!(waited().await, WAIT_MAX.as_secs());
    calendar.state().failures = 0;
    calendar.wake.notify_one();
    assert_eq!(waited().await, 0, "after our own write");
    calendar.state().not_before = Some(Instant::now() + Duration::from_secs(300));
    calendar.wake.notify_one();
    assert_eq!(waited().await, 300, "even after our own write");
}

#[test]
fn retry_after_comes_as_a_date_too() {
    let now = "2026-11-22T09:00:00Z".parse().unwrap();
    for (date, seconds) in [
        ("Sun, 22 Nov 2026 09:02:00 GMT", Some(120)),
        ("Sun, 22 Nov 2026 08:00:00 GMT", Some(0)),
        ("soon", None),
    ] {
        assert_eq!(seconds_until(date, now), seconds, "{date}");
    }
}

#[test]
fn paths_have_one_spelling() {
    for (path, canonical) in [
        ("/alice/a%40b.ics", "/alice/a@b.ics"),
        (
            "/alice/Gr\u{fc}\u{df}e 1.ics",
            "/alice/Gr%C3%BC%C3%9Fe%201.ics",
        ),
        ("/alice/%2e%2E%2fx", "/alice/%2E%2E%2Fx"),
        ("/a%zz%", "/a%25zz%25"),
    ] {
        assert_eq!(path::canonical(path), canonical);
        assert_eq!(path::canonical(canonical), canonical);
    }
}

#[test]
fn settings_say_what_is_wrong_with_them() {
    let parse = |url: &str, more: &str| {
        let text = format!("url = '{url}'\nuser = 'a'\npassword.env = 'P'\n{more}");
        toml::from_str::<CaldavSettings>(&text)
    };
    for (url, more, words) in [
        ("https://example.com/dav/", "", None),
        ("http://localhost:5232/", "", None),
        ("http://[::1]:5232/", "", None),
        ("http://example.com/", "allow_plain_http = true", None),
        ("http://example.com/", "", Some("allow_plain_http")),
        ("ftp://example.com/", "", Some("https://host")),
        ("example.com", "", Some("https://host")),
        (
            "https://a:b@example.com/",
            "",
            Some("`user` and `password`"),
        ),
        ("https://example.com/", "poll_secs = 1", Some("poll_secs")),
    ] {
        let problems = parse(url, more).unwrap().problems();
        let fits = words.map_or(problems.is_empty(), |words| {
            problems.join(";").contains(words)
        });
        assert!(fits, "{url}: {problems:?}");
    }
    assert!(parse("https://example.com/", "pasword = 1").is_err());
}
