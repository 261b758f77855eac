//! Mails leave while the server cuts, forgets its verdict, refuses and answers twice, and while the
//! daemon is killed again and again: each leaves at most once, none is called sent that the server
//! has not, and what nobody can know is shown to a person. What left is told by the sink's own
//! synced log.
//!
//! `make torture-mail` does it with 1,000 mails; `SEED=s` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "test code, also outside of test functions; figures of the run are printed"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use liaison_tests::chance::{Chance, messages, rounds};
use liaison_tests::daemon::Daemon;
use liaison_tests::firm::{Firm, NO_CEILINGS};
use liaison_tests::mail::cast;
use liaison_tests::smtp_sink::{Behaviour, SinkMode, SinkTls, SmtpSink};
use serde_json::{Value, json};

/// Of the messages of a torture, so many hundredths are answered here.
const PART: u64 = 10;
/// From a kill that meets the start to one in the middle of the work, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 30..1_500;
/// Longest time until nothing moves any more, and per mail beyond that.
const REST: Duration = Duration::from_secs(120);
const REST_PER_MAIL: Duration = Duration::from_millis(200);

#[test]
fn whatever_the_server_says_and_whenever_the_daemon_dies_no_mail_leaves_twice() {
    let mut chance = Chance::from_env();
    let mails = u32::try_from(messages(1_000) / PART).unwrap();
    let kills = rounds(8);
    let sink = SmtpSink::start(SinkTls::StartTls);
    let mut firm = Firm::new();
    firm.add(NO_CEILINGS);
    firm.smtp_with("submission", &sink, "connections_max = 3");
    let inbox = firm.maildir(Some("submission"));
    firm.plugins(&["nda-desk"], "send");
    let mut daemon = firm.start();
    daemon.cli_json(["panic", "on"]);
    for n in 0..mails {
        inbox.deliver(&cast::nda_request(n).build());
    }
    let limit = REST + REST_PER_MAIL * mails;
    daemon.eventually_within(limit, "all are decided", || {
        let status = daemon.call("status", &json!({}))?;
        (status["mails"]["scheduled"].as_u64()? >= u64::from(mails)).then_some(())
    });
    assert_eq!(sink.count(), 0, "panic holds all of them");

    daemon.cli_json(["panic", "off"]);
    for _ in 0..kills {
        let mode = match chance.within(0..6) {
            0 => SinkMode::Drop,
            1 => SinkMode::LoseReply,
            2 => SinkMode::Reject,
            3 => SinkMode::Twice,
            _ => SinkMode::Normal,
        };
        let times = u32::try_from(chance.within(1..6)).unwrap();
        let delay_ms = u32::try_from(chance.within(0..30)).unwrap();
        sink.behave(Behaviour {
            mode,
            times: Some(times),
            delay_ms,
        });
        daemon.crash_after(chance.millis(LIFE_MS));
    }
    sink.behave(Behaviour::default());
    daemon.wait_ready();
    daemon.eventually_within(limit, "nothing moves any more", || {
        let status = daemon.call("status", &json!({}))?;
        let moving = ["proposed", "approved", "scheduled", "leased", "deferred"];
        let moves = moving.iter().any(|state| !status["mails"][state].is_null());
        (!moves).then_some(())
    });
    each_is_what_it_is_said_to_be(&daemon, &sink, mails);
}

fn each_is_what_it_is_said_to_be(daemon: &Daemon, sink: &SmtpSink, mails: u32) {
    assert_eq!(sink.sent_twice(), Vec::<String>::new());
    let kept: BTreeMap<String, String> = sink
        .messages()
        .into_iter()
        .map(|mail| (mail.message_id, mail.rcpt.join(" ")))
        .collect();
    let mut states: BTreeMap<String, u32> = BTreeMap::new();
    let mut explained = 0;
    for n in 0..mails {
        let id = format!("nda-{n}@example.net");
        let why: Value = daemon.call("why", &json!({ "id": id })).unwrap();
        let of_it = why["mails"].as_array().unwrap();
        assert_eq!(of_it.len(), 1, "mails because of {id}: {why:#}");
        let mail = &of_it[0];
        let has_it = kept.contains_key(&format!("<{}>", mail["message_id"].as_str().unwrap()));
        explained += usize::from(has_it);
        let state = mail["state"].as_str().unwrap();
        *states.entry(state.to_owned()).or_insert(0) += 1;
        match state {
            "sent" => assert!(has_it, "said to be sent, and is not: {mail:#}"),
            // Refused after its data: a verdict, and the server has nothing.
            "failed" => assert!(
                !has_it,
                "said to have failed, and the server has it: {mail:#}"
            ),
            "uncertain" | "held" => {}
            other => panic!("left in state {other}: {mail:#}"),
        }
    }
    eprintln!("{mails} mails: {states:?}");
    assert_eq!(
        explained,
        kept.len(),
        "mails that nothing in the store explains"
    );
    // What is in doubt is listed for a person.
    let doubt =
        states.get("uncertain").copied().unwrap_or(0) + states.get("held").copied().unwrap_or(0);
    let listed = daemon
        .rows(&["outbox", "list", "--state", "uncertain"])
        .len()
        + daemon.rows(&["outbox", "list", "--state", "held"]).len();
    assert_eq!(listed, doubt as usize);
}
