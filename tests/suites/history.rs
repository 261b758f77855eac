//! The line drawn at the first start: what lay there before is recorded and never acted on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use liaison_tests::ask::text_at;
use liaison_tests::daemon::Daemon;
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::{cast, header};
use liaison_tests::smtp_sink::{SinkTls, SmtpSink};
use serde_json::json;

const OLD: u32 = 1_000;
const PLUGINS: [&str; 3] = ["lead-triage", "nda-desk", "follow-up"];

/// Waits until all old messages are recorded; nothing came of any.
fn recorded_and_nothing_done(daemon: &Daemon) {
    daemon.eventually("the old messages are recorded", || {
        (daemon.status()["events"]["known"] == OLD).then_some(())
    });
    let status = daemon.status();
    assert_eq!(status["events"]["open"], 0, "{status:#}");
    assert_eq!(status["needs_person"], json!([]), "{status:#}");
    for words in [
        ["outbox", "list"].as_slice(),
        &["holds", "list"],
        &["tasks", "list"],
        &["timers", "list"],
        &["cases", "all", "list"],
    ] {
        assert_eq!(daemon.rows(words), Vec::<serde_json::Value>::new());
    }
    for n in 0..OLD {
        let id = format!("enquiry-{n}@example.com");
        let why = daemon
            .call("why", &json!({ "id": id }))
            .unwrap_or_else(|| panic!("nothing is known of {id}"));
        assert_eq!(why["message"]["historical"], true, "{why:#}");
        let events = why["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "{why:#}");
        assert_eq!(events[0]["plugins"], json!([]), "{why:#}");
        assert!(!events[0]["outcome"]["closed"].is_null(), "{why:#}");
        assert!(text_at(&why, "/nothing").contains("before"), "{why:#}");
    }
}

/// What comes after the line is acted on, and only that.
fn acted_on_the_new_one(daemon: &Daemon, out: impl Fn() -> Vec<Vec<u8>>) {
    let why = daemon.settled("enquiry-5000@example.com");
    assert_eq!(why["message"]["historical"], false, "{why:#}");
    let out = daemon.eventually("the answer to the new one", || {
        let out = out();
        (!out.is_empty()).then_some(out)
    });
    assert_eq!(out.len(), 1);
    let answered = header(&out[0], "In-Reply-To");
    assert_eq!(answered.as_deref(), Some("<enquiry-5000@example.com>"));
    assert_eq!(daemon.rows(&["cases", "lead", "list"]).len(), 1);
    assert_eq!(daemon.rows(&["outbox", "list"]).len(), 1);
}

/// A server with old mail, its way out, and a daemon that has seen it for the first time.
fn old_server() -> (Dovecot, SmtpSink, Firm, Daemon) {
    let dovecot = Dovecot::start(&ServerOptions::default());
    dovecot.deliver_many(ALICE, (0..OLD).map(|n| cast::old_mail(n).build()));
    let sink = SmtpSink::start(SinkTls::StartTls);
    let mut firm = Firm::new();
    firm.smtp("submission", &sink);
    firm.imap(&dovecot, Some("submission"));
    firm.vdir();
    firm.plugins(&PLUGINS, "send");
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    (dovecot, sink, firm, daemon)
}

#[test]
fn a_thousand_old_messages_on_a_server() {
    let (dovecot, sink, _firm, daemon) = old_server();
    recorded_and_nothing_done(&daemon);
    assert!(dovecot.client(ALICE).fetch_all("Drafts").is_empty());

    dovecot.deliver_lmtp(ALICE, &cast::enquiry(5_000).build());
    let out = || sink.messages().iter().map(|mail| mail.bytes()).collect();
    acted_on_the_new_one(&daemon, out);
    let inbox = dovecot.client(ALICE).fetch_all("INBOX");
    assert_eq!(inbox.len(), OLD as usize + 1);
    assert!(inbox.iter().all(|message| message.flags.is_empty()));
}

#[test]
fn a_thousand_old_messages_in_a_maildir() {
    let mut firm = Firm::new();
    let outgoing = firm.files("files");
    let mail = firm.maildir(Some("files"));
    let calendar = firm.vdir();
    firm.plugins(&PLUGINS, "send");
    for n in 0..OLD {
        mail.deliver(&cast::old_mail(n).build());
    }
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    recorded_and_nothing_done(&daemon);
    assert!(mail.list("Drafts").is_empty());
    assert!(calendar.list().is_empty());

    mail.deliver(&cast::enquiry(5_000).build());
    acted_on_the_new_one(&daemon, || {
        let out = outgoing.list("").into_iter();
        out.map(|message| message.bytes).collect()
    });
    let inbox = mail.list("");
    assert_eq!(inbox.len(), OLD as usize + 1);
    assert!(inbox.iter().all(|message| message.is_new));
}

/// Asks for all old messages to be shown to the plugins; they are, each once, and nothing follows.
/// A restart in the middle changes nothing of that.
fn shown_and_nothing_done(mut daemon: Daemon, firm: &Firm) -> Daemon {
    daemon.eventually("the old messages are recorded", || {
        (daemon.status()["events"]["known"] == OLD).then_some(())
    });
    let asked = daemon.cli(["backfill", SALES, "--since", "2020-01-01"]);
    assert!(asked.status.success(), "{asked:?}");
    let again = daemon.cli(["backfill", SALES, "--since", "2020-01-01"]);
    assert!(!again.status.success(), "one at a time");
    let job = |daemon: &Daemon| daemon.rows(&["backfill"])[0].clone();
    daemon.eventually("some are shown", || {
        (job(&daemon)["rehearsed"].as_u64()? > 100).then_some(())
    });
    daemon.kill9();
    daemon = firm.start();
    daemon.eventually("all are shown", || {
        let row = job(&daemon);
        (row["state"] == "done").then_some(row)
    });
    assert_eq!(job(&daemon)["rehearsed"], OLD, "{:#}", job(&daemon));
    daemon.eventually("the plugins have seen all", || {
        let status = daemon.status();
        let events = &status["events"];
        (events["known"] == OLD && events["open"] == 0).then_some(())
    });
    for n in [0, 1, OLD / 2, OLD - 1] {
        let why = daemon.settled(&format!("enquiry-{n}@example.com"));
        let said = text_at(&why, "/events/0/outcome/summary");
        assert!(said.contains("rehearsed: from history"), "{why:#}");
        assert!(why.to_string().contains("rehearsed"), "{why:#}");
        assert_eq!(why["events"].as_array().unwrap().len(), 1, "{why:#}");
    }
    for words in [
        ["outbox", "list"].as_slice(),
        &["holds", "list"],
        &["tasks", "list"],
        &["timers", "list"],
        &["cases", "all", "list"],
        &["plugin", "parked"],
    ] {
        let rows = daemon.rows(words);
        assert_eq!(rows, Vec::<serde_json::Value>::new(), "{words:?}");
    }
    daemon
}

#[test]
fn a_thousand_old_messages_on_a_server_are_shown_to_the_plugins_on_request() {
    let (dovecot, sink, firm, daemon) = old_server();
    let daemon = shown_and_nothing_done(daemon, &firm);
    dovecot.deliver_lmtp(ALICE, &cast::enquiry(5_000).build());
    let out = || sink.messages().iter().map(|mail| mail.bytes()).collect();
    acted_on_the_new_one(&daemon, out);
    let inbox = dovecot.client(ALICE).fetch_all("INBOX");
    assert!(inbox.iter().all(|message| message.flags.is_empty()));
}

#[test]
fn a_thousand_old_messages_in_a_maildir_are_shown_to_the_plugins_on_request() {
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    firm.vdir();
    firm.plugins(&PLUGINS, "send");
    for n in 0..OLD {
        mail.deliver(&cast::old_mail(n).build());
    }
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    shown_and_nothing_done(daemon, &firm);
}
