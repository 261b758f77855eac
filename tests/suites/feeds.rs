//! A calendar that others share as an address on the web, with the daemon in the house.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code, also outside of test functions"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use jiff::{Span, Timestamp};
use liaison_tests::ask::text_at;
use liaison_tests::daemon::Daemon;
use liaison_tests::firm::{ALICE, Firm};
use serde_json::Value;

/// What of the address nobody may see.
const SECRET: &str = "private-71c3f0";

/// A web server that gives everybody the same: a status and a body.
struct Web {
    port: u16,
    gives: Arc<Mutex<(u16, String)>>,
}

impl Web {
    fn start(body: String) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let gives = Arc::new(Mutex::new((200, body)));
        let given = gives.clone();
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(&stream).lines();
                while lines
                    .next()
                    .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
                {}
                let (status, body) = given.lock().unwrap().clone();
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n");
                drop(stream.write_all(format!("{head}{body}").as_bytes()));
            }
        });
        Web { port, gives }
    }

    fn gives(&self, status: u16, body: &str) {
        *self.gives.lock().unwrap() = (status, body.to_owned());
    }
}

/// An event of tomorrow.
fn feed(title: &str) -> String {
    let start = Timestamp::now() + Span::new().hours(30);
    let start = start.strftime("%Y%m%dT%H%M%SZ");
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:{start}\r\n\
         DURATION:PT45M\r\nSUMMARY:{title}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn source(daemon: &Daemon) -> Option<Value> {
    let status = daemon.status();
    let sources = status["daemon"]["sources"].as_array()?.clone();
    sources.into_iter().find(|one| one["kind"] == "calendar")
}

fn titles(daemon: &Daemon) -> Option<Vec<String>> {
    let answer = daemon.cli_json(["agenda", ALICE, "--week"]);
    let days = answer.pointer("/people/0/days")?.as_array()?;
    let entries = days.iter().filter_map(|day| day["entries"].as_array());
    let mut titles: Vec<String> = entries
        .flatten()
        .map(|entry| text_at(entry, "/title").to_owned())
        .collect();
    // One that goes on over midnight stands on both days.
    titles.dedup();
    Some(titles)
}

#[test]
fn a_feed_is_in_the_agenda_and_one_that_ended_is_in_the_status_and_its_address_nowhere() {
    let web = Web::start(feed("Fair"));
    let mut firm = Firm::new();
    let address = format!("http://127.0.0.1:{}/{SECRET}/basic.ics", web.port);
    let address = firm.secret("feed-url", &address);
    firm.add(&format!(
        "[[calendar]]\nname = \"fairs\"\nkind = \"feed\"\nowner = \"{ALICE}\"\n\
         url_secret = {address}\nallow_private = true"
    ));
    let mut daemon = firm.start();
    daemon.eventually("the agenda shows what is in the feed", || {
        (titles(&daemon)? == ["Fair"]).then_some(())
    });
    let read = daemon.eventually("the feed is proven to be up to date", || {
        source(&daemon).filter(|source| source["proof"] == "feed read whole")
    });
    assert_eq!(read["trouble"], Value::Null, "{read}");

    web.gives(404, &format!("no /{SECRET}/basic.ics here"));
    let checked = daemon.cli(["check", "--online"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("nothing at this address (404)"), "{said}");
    assert!(
        said.contains("`url_secret`") && !said.contains(SECRET),
        "{said}"
    );

    daemon.kill9();
    daemon.respawn();
    daemon.wait_ready();
    let troubled = daemon.eventually("the trouble is told", || {
        source(&daemon).filter(|source| source["trouble"].is_string())
    });
    let trouble = text_at(&troubled, "/trouble");
    assert!(
        trouble.contains("calendar fairs, a feed: 127.0.0.1 has nothing"),
        "{trouble}"
    );
    assert_eq!(troubled["needs_person"], true);
    let shown = daemon.cli(["status"]);
    assert_eq!(shown.status.code(), Some(4));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("fairs"), "{shown}");
    for told in [shown, troubled.to_string(), daemon.transcript()] {
        assert!(!told.contains(SECRET), "{told}");
    }
}
