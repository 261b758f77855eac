use std::time::Duration;

use super::super::tests::{Reply, item, map, multistatus, object, serve, whole};
use super::*;
use crate::sink::{CalendarFile, CalendarStore};

const CALENDAR: &str = "PROPFIND /cal/ ";
const REPORT: &str = "REPORT /cal/ ";

/// The collection as a server with sync-collection describes it.
fn own() -> String {
    "<response><href>/cal/</href><propstat><prop><resourcetype><collection/><C:calendar/>\
     </resourcetype><S:getctag>7</S:getctag><supported-report-set><supported-report><report>\
     <sync-collection/></report></supported-report></supported-report-set></prop>\
     <status>HTTP/1.1 200 OK</status></propstat></response>"
        .to_owned()
}

fn probe() -> Vec<(&'static str, Reply)> {
    vec![
        (CALENDAR, multistatus(&own())),
        (CALENDAR, multistatus(&own())),
    ]
}

fn at(href: &str, etag: u32) -> String {
    item(href, &format!("<getetag>\"{etag}\"</getetag>"))
}

fn gone(href: &str) -> String {
    format!("<response><href>{href}</href><status>HTTP/1.1 404 Not Found</status></response>")
}

fn synced(token: &str, parts: &[String]) -> (&'static str, Reply) {
    let token = format!("<sync-token>{token}</sync-token>");
    (REPORT, multistatus(&(parts.concat() + &token)))
}

fn data(href: &str, etag: u32) -> String {
    let data = format!("<C:calendar-data>{}</C:calendar-data>", object(href));
    item(href, &format!("{data}<getetag>\"{etag}\"</getetag>"))
}

fn fetched(parts: &[String]) -> (&'static str, Reply) {
    (REPORT, multistatus(&parts.concat()))
}

fn hrefs(files: &[CalendarFile]) -> Vec<&str> {
    files.iter().map(|file| file.href.as_str()).collect()
}

fn token_of(request: &str) -> Option<&str> {
    let (_, rest) = request.split_once("sync-token>")?;
    rest.split_once("</").map(|(token, _)| token)
}

#[tokio::test]
async fn only_what_changed_since_the_last_look_is_told_and_fetched() {
    let first = [
        at("/cal/a.ics", 1),
        at("/cal/b.ics", 1),
        // Radicale tells a newcomer of what was deleted long ago.
        gone("/cal/old.ics"),
        at("/cal/folder/", 1),
    ];
    let second = [
        at("/cal/b.ics", 2),
        gone("/cal/a.ics"),
        item("/cal/c.ics", ""),
    ];
    let script = [
        probe(),
        vec![
            synced("one", &first),
            fetched(&[data("/cal/a.ics", 1), data("/cal/b.ics", 1)]),
            synced("two", &second),
            // No version in the report means that nobody knows: it is fetched.
            fetched(&[data("/cal/b.ics", 2), data("/cal/c.ics", 9)]),
            synced("two", &[]),
        ],
    ];
    let server = serve(script.concat());
    let calendar = server.calendar();
    let changes = calendar.changes(&map(&[])).await.unwrap();
    assert_eq!(hrefs(&changes.changed), ["/cal/a.ics", "/cal/b.ics"]);
    assert!(changes.removed.is_empty() && changes.unreadable.is_empty());

    let known = map(&[("/cal/a.ics", "\"1\""), ("/cal/b.ics", "\"1\"")]);
    let changes = calendar.changes(&known).await.unwrap();
    assert_eq!(hrefs(&changes.changed), ["/cal/b.ics", "/cal/c.ics"]);
    assert_eq!(changes.removed, ["/cal/a.ics"]);

    let known = map(&[("/cal/b.ics", "\"2\""), ("/cal/c.ics", "\"9\"")]);
    let changes = calendar.changes(&known).await.unwrap();
    assert!(changes.changed.is_empty() && changes.removed.is_empty());
    assert_eq!(calendar.read_by(), "sync-collection");
    let asked = server.requests();
    assert_eq!(token_of(&asked[4]), Some("one"), "{}", asked[4]);
    assert_eq!(token_of(&asked[6]), Some("two"), "{}", asked[6]);
}

#[tokio::test]
async fn a_refused_token_in_whatever_form_costs_one_whole_look() {
    for status in [400, 403, 409, 410, 412, 418, 500, 501, 507] {
        let all = [at("/cal/a.ics", 1)];
        let script = [
            probe(),
            vec![
                synced("one", &all),
                fetched(&[data("/cal/a.ics", 1)]),
                (REPORT, whole(status, "<error/>")),
                synced("two", &[]),
            ],
            // Nothing at all is not believed of the report alone.
            vec![
                (CALENDAR, multistatus(&own())),
                (CALENDAR, multistatus(&(own() + &at("/cal/a.ics", 1)))),
            ],
        ];
        let server = serve(script.concat());
        let calendar = server.calendar();
        calendar.changes(&map(&[])).await.unwrap();
        let known = map(&[("/cal/a.ics", "\"1\"")]);
        let changes = calendar.changes(&known).await.unwrap();
        assert!(changes.removed.is_empty(), "{status}: {changes:?}");
        let asked = server.requests();
        assert_eq!(token_of(&asked[4]), Some("one"), "{status}");
        assert_eq!(token_of(&asked[5]), None, "{status}: {}", asked[5]);
    }
}

#[tokio::test]
async fn a_server_that_forgets_every_token_is_listed_for_a_day() {
    let all = || synced("one", &[at("/cal/a.ics", 1)]);
    let refused = || (REPORT, whole(403, "<error/>"));
    let listed = || (CALENDAR, multistatus(&(own() + &at("/cal/a.ics", 1))));
    let script = [
        probe(),
        vec![all(), fetched(&[data("/cal/a.ics", 1)])],
        vec![refused(), all()],
        // Within the hour: from here on listings.
        vec![refused(), (CALENDAR, multistatus(&own())), listed()],
        vec![(CALENDAR, multistatus(&own()))],
        // A day later it has another chance, and is asked for all.
        vec![all()],
    ];
    let server = serve(script.concat());
    let calendar = server.calendar();
    let known = map(&[("/cal/a.ics", "\"1\"")]);
    calendar.changes(&map(&[])).await.unwrap();
    for _ in 0..3 {
        let changes = calendar.changes(&known).await.unwrap();
        assert!(changes.changed.is_empty() && changes.removed.is_empty());
    }
    let told = calendar.read_by();
    assert_eq!(told, "collection listed, its sync tokens do not last");
    let later = |state: &mut Sync, by: Duration| {
        state.without_until = state.without_until.and_then(|until| until.checked_sub(by));
    };
    later(&mut calendar.state().sync, WITHOUT_FOR);
    calendar.changes(&known).await.unwrap();
    server.requests();
}

#[tokio::test]
async fn an_answer_that_is_cut_short_goes_on_where_it_ended() {
    let cut = "<response><href>/cal/</href><status>HTTP/1.1 507 X</status></response>".to_owned();
    let script = [
        probe(),
        vec![
            synced("one", &[at("/cal/a.ics", 1), cut.clone()]),
            synced("two", &[at("/cal/b.ics", 1)]),
            fetched(&[data("/cal/a.ics", 1), data("/cal/b.ics", 1)]),
        ],
    ];
    let server = serve(script.concat());
    let changes = server.calendar().changes(&map(&[])).await.unwrap();
    assert_eq!(hrefs(&changes.changed), ["/cal/a.ics", "/cal/b.ics"]);
    let asked = server.requests();
    assert_eq!(token_of(&asked[3]), Some("one"));
}

#[tokio::test]
async fn what_could_not_be_read_is_asked_for_again_until_it_can() {
    let half = item(
        "/cal/a.ics",
        "<C:calendar-data>BEGIN:VCALENDAR</C:calendar-data><getetag>\"1\"</getetag>",
    );
    let script = [
        probe(),
        vec![
            synced("one", &[at("/cal/a.ics", 1)]),
            fetched(std::slice::from_ref(&half)),
            synced("one", &[]),
            fetched(&[half]),
            synced("one", &[]),
            fetched(&[data("/cal/a.ics", 1)]),
            synced("one", &[]),
        ],
    ];
    let server = serve(script.concat());
    let calendar = server.calendar();
    for _ in 0..2 {
        let changes = calendar.changes(&map(&[])).await.unwrap();
        assert_eq!(changes.unreadable.len(), 1, "{changes:?}");
    }
    let changes = calendar.changes(&map(&[])).await.unwrap();
    assert_eq!(hrefs(&changes.changed), ["/cal/a.ics"]);
    let known = map(&[("/cal/a.ics", "\"1\"")]);
    let changes = calendar.changes(&known).await.unwrap();
    assert!(changes.changed.is_empty() && changes.unreadable.is_empty());
    server.requests();
}

#[tokio::test]
async fn changes_that_were_not_taken_are_told_again() {
    let names: Vec<String> = (0..30).map(|n| format!("/cal/{n}.ics")).collect();
    let there: Vec<String> = names.iter().map(|href| at(href, 1)).collect();
    let known: BTreeMap<String, String> = names
        .iter()
        .map(|name| (name.clone(), "\"1\"".to_owned()))
        .collect();
    let gone: Vec<String> = names.iter().map(|href| gone(href)).collect();
    let script = [
        probe(),
        vec![
            synced("one", &there),
            synced("two", &gone),
            // Refused as an accident: the same is found once more, and so it goes on.
            synced("three", &there[..1]),
        ],
    ];
    let server = serve(script.concat());
    let calendar = server.calendar();
    calendar.changes(&known).await.unwrap();
    for _ in 0..2 {
        let error = calendar.changes(&known).await.unwrap_err();
        assert!(error.why.contains("of 30 objects are gone"), "{error}");
    }
    let asked = server.requests();
    assert_eq!(token_of(&asked[3]), Some("one"));
    assert_eq!(token_of(&asked[4]), None);
}

#[tokio::test]
async fn once_a_day_the_tokens_are_not_believed() {
    let script = [
        probe(),
        vec![
            synced("one", &[at("/cal/a.ics", 1)]),
            fetched(&[data("/cal/a.ics", 1)]),
            (CALENDAR, multistatus(&own())),
            (CALENDAR, multistatus(&(own() + &at("/cal/b.ics", 1)))),
            fetched(&[data("/cal/b.ics", 1)]),
        ],
    ];
    let server = serve(script.concat());
    let calendar = server.calendar();
    calendar.changes(&map(&[])).await.unwrap();
    {
        let mut state = calendar.state();
        let before = state.sync.whole_at.unwrap();
        state.sync.whole_at = before.checked_sub(super::super::look::FULL_LOOK);
    }
    let known = map(&[("/cal/a.ics", "\"1\"")]);
    let changes = calendar.changes(&known).await.unwrap();
    assert_eq!(hrefs(&changes.changed), ["/cal/b.ics"]);
    assert_eq!(changes.removed, ["/cal/a.ics"]);
    server.requests();
}

#[tokio::test]
async fn a_look_that_breaks_is_made_again_from_where_the_last_one_ended() {
    let script = [
        probe(),
        vec![
            synced("one", &[at("/cal/a.ics", 1)]),
            fetched(&[data("/cal/a.ics", 1)]),
            (REPORT, Reply::Cut),
            synced("two", &[at("/cal/b.ics", 1)]),
            (REPORT, Reply::Cut),
            synced("two", &[at("/cal/b.ics", 1)]),
            fetched(&[data("/cal/b.ics", 1)]),
        ],
    ];
    let server = serve(script.concat());
    let calendar = server.calendar();
    calendar.changes(&map(&[])).await.unwrap();
    let known = map(&[("/cal/a.ics", "\"1\"")]);
    for _ in 0..2 {
        calendar.changes(&known).await.unwrap_err();
    }
    let changes = calendar.changes(&known).await.unwrap();
    assert_eq!(hrefs(&changes.changed), ["/cal/b.ics"]);
    let asked = server.requests();
    for place in [4, 5, 7] {
        assert_eq!(token_of(&asked[place]), Some("one"), "{}", asked[place]);
    }
}
