//! The whole way once over real servers: Dovecot, Radicale and an SMTP sink.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::path::Path;
use std::process::Command;

use liaison_tests::ask::text_at;
use liaison_tests::daemon::Daemon;
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::{Mail, body_of, cast};
use liaison_tests::password_of;
use liaison_tests::radicale::{Radicale, USERS};
use liaison_tests::smtp_sink::{PYTHON, SinkTls, SmtpSink};
use liaison_tests::story::{self, Surroundings};
use serde_json::{Value, json};

const PLUGINS: [&str; 3] = ["lead-triage", "nda-desk", "follow-up"];

struct Servers {
    dovecot: Dovecot,
    radicale: Radicale,
    sink: SmtpSink,
    /// Holds the folder of the daemon.
    _firm: Firm,
}

impl Servers {
    fn start(mail_mode: &str) -> (Servers, Daemon) {
        let dovecot = Dovecot::start(&ServerOptions::default());
        let radicale = Radicale::start_tls();
        let sink = SmtpSink::start(SinkTls::StartTls);
        let mut firm = Firm::new();
        firm.smtp("submission", &sink);
        firm.imap(&dovecot, Some("submission"));
        firm.caldav(&radicale);
        firm.plugins(&PLUGINS, mail_mode);
        let daemon = firm.start();
        daemon.watched(SALES, 2);
        let servers = Servers {
            dovecot,
            radicale,
            sink,
            _firm: firm,
        };
        (servers, daemon)
    }

    fn folder(&self, name: &str) -> Vec<Vec<u8>> {
        let found = self.dovecot.client(ALICE).fetch_all(name);
        found.into_iter().map(|message| message.bytes).collect()
    }
}

impl Surroundings for Servers {
    fn deliver(&self, message: &[u8]) {
        self.dovecot.deliver_lmtp(ALICE, message);
    }

    fn drafts(&self) -> Vec<Vec<u8>> {
        self.folder("Drafts")
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        self.folder("Sent")
    }

    fn gone_out(&self) -> Vec<Vec<u8>> {
        let mails = self.sink.messages();
        mails.into_iter().map(|mail| mail.bytes()).collect()
    }

    fn events(&self) -> Vec<(String, String)> {
        self.radicale.list(USERS[0].0, "work")
    }

    fn touched(&self) -> usize {
        let inbox = self.dovecot.client(ALICE).fetch_all("INBOX");
        let touched = |flags: &[String]| !flags.is_empty();
        inbox.iter().filter(|one| touched(&one.flags)).count()
    }
}

#[test]
fn an_enquiry_becomes_a_lead_a_draft_and_two_holds() {
    let (servers, daemon) = Servers::start("draft");
    story::an_enquiry_becomes_a_draft(&daemon, &servers);
    let drafts = servers.dovecot.client(ALICE).fetch_all("Drafts");
    assert!(
        drafts[0].flags.contains(&r"\Draft".to_owned()),
        "{:?}",
        drafts[0].flags
    );
    // The file is called after the UID, so that a second attempt meets the first.
    let holds = daemon.rows(&["holds", "list"]);
    for (path, _) in servers.events() {
        let named = |hold: &serde_json::Value| {
            let uid = hold["uid"].as_str().unwrap_or_default();
            path.contains(uid.split('@').next().unwrap_or(uid))
        };
        assert!(holds.iter().any(named), "{path}: {holds:#?}");
    }
}

#[test]
fn the_time_that_is_confirmed_stays_in_the_calendar_and_the_other_goes() {
    let (servers, daemon) = Servers::start("draft");
    story::an_enquiry_becomes_a_draft(&daemon, &servers);
    let holds = daemon.rows(&["holds", "list"]);
    let [one, two] = ["0", "1"].map(|index| holds[index.parse::<usize>().unwrap()].clone());
    let id = |hold: &Value| hold["id"].as_str().unwrap().to_owned();
    let output = daemon.cli(["holds", "confirm", &id(&one), "--why", "they rang"]);
    assert!(output.status.success(), "{output:?}");
    let second = daemon.cli(["holds", "confirm", &id(&two)]);
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&id(&one)), "{said}");
    let event = daemon.eventually("one meeting is left in the calendar", || {
        let events = servers.events();
        match &events[..] {
            [(_, event)] if event.contains("STATUS:CONFIRMED") => Some(event.clone()),
            _ => None,
        }
    });
    let uid = one["uid"].as_str().unwrap();
    assert!(
        event.replace("\r\n ", "").contains(&format!("UID:{uid}")),
        "{event}"
    );
    assert!(
        event.contains("SEQUENCE:1") && !event.contains("HOLD: "),
        "{event}"
    );
    assert!(
        !event.contains("ATTENDEE") && !event.contains("ORGANIZER"),
        "{event}"
    );
    daemon.row(&["holds", "list"], "the other is released", |hold| {
        hold["id"] == two["id"] && hold["state"] == "released" && hold["group_state"] == "confirmed"
    });
}

#[test]
fn an_enquiry_is_answered_in_its_thread_and_the_reply_ends_the_wait() {
    let (servers, mut daemon) = Servers::start("send");
    story::an_enquiry_is_answered_and_followed_up(&daemon, &servers);
    let out = servers.sink.messages();
    assert_eq!(out[0].rcpt, ["nora1@example.com"]);
    assert_eq!(out[0].envelope_from, ALICE);
    assert_eq!(out[0].user, ALICE, "it left with a login");
    daemon.terminate();
}

/// What a mail program keeps of the fields of a draft, as `second_client.py` does it.
fn sent_from_another_program(servers: &Servers, ids: &str, words: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/second_client.py");
    let output = Command::new(PYTHON)
        .arg(script)
        .arg(servers.dovecot.ports.imaps.to_string())
        .arg(&servers.dovecot.ca.ca_file)
        .arg(servers.sink.port.to_string())
        .arg(&servers.sink.ca.ca_file)
        .args([ALICE, &password_of(ALICE), ids, words])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the mail program: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_draft_that_its_owner_edits_and_sends_from_another_mail_program_is_theirs() {
    for ids in ["keeps", "new"] {
        let (servers, daemon) = Servers::start("draft");
        servers.deliver(&cast::enquiry(1).build());
        let draft = daemon.row(&["outbox", "list"], "the mail is drafted", |mail| {
            mail["state"] == "drafted"
        });
        daemon.eventually("the draft", || servers.drafts().pop());
        let timers = daemon.rows(&["timers", "list"]);
        assert!(
            !timers.iter().any(story::waits_for_an_answer),
            "{timers:#?}"
        );
        let words = "May I ask you for the number of orders a day?";
        let theirs = sent_from_another_program(&servers, ids, words);

        let id = text_at(&draft, "/id");
        daemon.row(&["outbox", "list"], "it is sent", |mail| {
            mail["id"] == id && mail["state"] == "sent"
        });
        let audit = daemon
            .call("why", &json!({ "id": id }))
            .unwrap()
            .to_string();
        assert!(audit.contains(&format!("+{words}")), "{ids}: {audit}");
        daemon.settled(&theirs);
        let timer = daemon.row(
            &["timers", "list"],
            "the answer is waited for",
            story::waits_for_an_answer,
        );
        // Three working days from when they sent it; the firm works every day.
        let sent = daemon.why(&theirs).unwrap();
        let at = |value: &Value, pointer: &str| -> jiff::Timestamp {
            text_at(value, pointer).parse().unwrap()
        };
        let waits = at(&timer, "/due").duration_since(at(&sent, "/message/received"));
        assert!((71..=73).contains(&waits.as_hours()), "{ids}: {waits}");
        assert!(text_at(&timer, "/reason").contains(words), "{timer:#}");

        // Neither the draft nor a second mail is left of it.
        assert_eq!(servers.drafts().len(), 0, "{ids}");
        assert_eq!(servers.gone_out().len(), 1, "{ids}");
        assert_eq!(servers.sent().len(), 1, "{ids}");
    }
}

#[test]
fn without_proof_of_the_sender_a_mail_is_a_draft_at_most() {
    let (servers, daemon) = Servers::start("send");
    // Another server's verdict is somebody's claim.
    let unproven = Mail::new(
        "Nora North <nora2@example.com>",
        cast::ALICE,
        "Help with our warehouse system",
    )
    .message_id("unproven@example.com")
    .authentication("mx.elsewhere.example", "pass")
    .body(&body_of(&cast::enquiry(2).build()));
    servers.deliver(&unproven.build());
    daemon.row(&["outbox", "list"], "the mail is a draft", |mail| {
        mail["state"] == "drafted"
    });
    assert_eq!(servers.drafts().len(), 1);
    assert!(servers.sink.messages().is_empty());
    let why = daemon.settled("unproven@example.com").to_string();
    assert!(why.contains("draft instead of send"), "{why}");
}

/// UIDVALIDITY changes: the same messages under other UIDs. Nothing happens again, it is told, and
/// what comes afterwards is acted on.
#[test]
fn new_uids_for_the_same_mail_are_told_and_repeat_nothing() {
    let (mut servers, daemon) = Servers::start("draft");
    servers.deliver(&cast::enquiry(1).build());
    daemon.settled("enquiry-1@example.com");
    daemon.row(&["outbox", "list"], "the mail is a draft", |mail| {
        mail["state"] == "drafted"
    });
    let known = daemon.status()["events"]["known"].clone();
    servers.dovecot.reset_uidvalidity(ALICE, "INBOX");
    daemon.eventually("the new UIDs are told", || {
        let told = daemon.status()["renumbered"][0]["what"].to_string();
        told.contains("UIDVALIDITY").then_some(())
    });
    assert_eq!(daemon.status()["events"]["known"], known);
    assert_eq!(daemon.rows(&["cases", "lead", "list"]).len(), 1);
    assert_eq!(daemon.rows(&["outbox", "list"]).len(), 1);
    servers.deliver(&cast::enquiry(2).build());
    let why = daemon.settled("enquiry-2@example.com");
    assert_eq!(why["message"]["historical"], false, "{why:#}");
    assert_eq!(daemon.rows(&["cases", "lead", "list"]).len(), 2);
}
