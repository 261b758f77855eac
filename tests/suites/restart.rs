//! The daemon is killed again and again while it answers mail: every message has exactly one
//! outcome, and nothing leaves twice. What left is told by the sink's own synced log, never by
//! the daemon's store.
//!
//! `make torture ROUNDS=n` kills it n times; `SEED=s` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "test code, also outside of test functions; figures of the run are printed"
)]

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use liaison_tests::chance::{Chance, rounds};
use liaison_tests::daemon::Daemon;
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, NO_CEILINGS, SALES};
use liaison_tests::mail::{Mail, body_of, cast, header};
use liaison_tests::smtp_sink::{SinkTls, SmtpSink};
use liaison_tests::vdir::Vdir;
use serde_json::{Value, json};

/// Messages delivered beside each kill.
const PER_ROUND: u32 = 25;
/// Rounds that bring an enquiry; a calendar has room for no more.
const ENQUIRIES_MAX: u32 = 20;
/// From a kill that meets the start to one in the middle of the work, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 30..1_500;

/// Only enquiries to this address are leads: a request for an agreement may well sound like one.
const LEADS: &str = "leads@example.test";

/// What the messages of the run are: requests for an agreement, each answered once, and one
/// enquiry in each of the first rounds, answered once with two times held. All senders differ.
fn message(n: u32) -> (String, Vec<u8>) {
    if is_enquiry(n) {
        let id = format!("enquiry-{n}@example.com");
        let from = format!("Nora North <nora{n}@example.com>");
        let mail = Mail::new(&from, LEADS, "Help with our warehouse system")
            .message_id(&id)
            .authentication(cast::AUTHSERV_ID, "pass")
            .body(&body_of(&cast::enquiry(n).build()));
        return (id, mail.build());
    }
    (format!("nda-{n}@example.net"), cast::nda_request(n).build())
}

fn is_enquiry(n: u32) -> bool {
    n.is_multiple_of(PER_ROUND) && n / PER_ROUND < ENQUIRIES_MAX
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_sent_twice() {
    let mut chance = Chance::from_env();
    let kills = u32::try_from(rounds(20)).unwrap();
    let dovecot = Dovecot::start(&ServerOptions::default());
    let sink = SmtpSink::start(SinkTls::StartTls);
    let mut firm = Firm::new();
    firm.add(&format!(
        "{NO_CEILINGS}\nholds_open = 1000\nholds_open_account = 1000\nholds_open_total = 1000"
    ));
    firm.smtp("submission", &sink);
    firm.imap(&dovecot, Some("submission"));
    let calendar = firm.vdir();
    firm.plugins(&["nda-desk", "follow-up"], "send");
    firm.add(&format!(
        "[[plugin]]\nname = \"lead-triage\"\nmode = {{ mail = \"send\", records = \"apply\", \
         tasks = \"apply\", holds = \"apply\" }}\nsettings = {{ leads_addresses = [\"{LEADS}\"] }}"
    ));
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);

    for round in 0..kills {
        let life = chance.millis(LIFE_MS);
        thread::scope(|scope| {
            scope.spawn(|| {
                let begin = round * PER_ROUND;
                let batch = (begin..begin + PER_ROUND).map(|n| message(n).1);
                dovecot.deliver_many(ALICE, batch);
            });
            daemon.crash_after(life);
        });
    }
    daemon.wait_ready();
    let messages = kills * PER_ROUND;
    at_rest(&daemon, messages);

    let fates = fates(&daemon, messages);
    nothing_left_twice(&sink, &fates);
    let copies = dovecot.client(ALICE).fetch_all("Sent");
    each_once(copies.iter().filter_map(|copy| copy.header("Message-ID")));
    assert!(dovecot.client(ALICE).fetch_all("Drafts").is_empty());
    holds_stand_once(&daemon, &calendar);

    let count = |state: &str| fates.iter().filter(|mail| mail["state"] == state).count();
    eprintln!(
        "{kills} kills, {messages} messages: {} sent, {} uncertain, {} held",
        count("sent"),
        count("uncertain"),
        count("held")
    );
    // Two mails at a time are in the air, so a kill leaves at most two in doubt.
    assert!(count("sent") + 2 * kills as usize >= fates.len());
}

/// Waits until every message has its closed outcome and no mail is on its way.
fn at_rest(daemon: &Daemon, messages: u32) {
    let limit = Duration::from_secs(120 + u64::from(messages) / 5);
    daemon.eventually_within(limit, "everything is worked off", || {
        let status = daemon.call("status", &json!({}))?;
        let moving = ["proposed", "approved", "scheduled", "leased", "deferred"];
        let moving = moving.iter().any(|state| !status["mails"][state].is_null());
        let open = status["events"]["open"].as_u64()? > 0;
        if moving || open || !status["holds"]["planned"].is_null() {
            return None;
        }
        // Only what is not on its way any more is worth a look at each message.
        let all_known = (0..messages).rev().all(|n| {
            let id = json!({ "id": message(n).0 });
            daemon.call("why", &id).is_some()
        });
        all_known.then_some(())
    });
}

/// The one mail that came of each message, after looking that its outcome is one and closed.
fn fates(daemon: &Daemon, messages: u32) -> Vec<Value> {
    let mut mails = Vec::new();
    for n in 0..messages {
        let (id, _) = message(n);
        let why = daemon.call("why", &json!({ "id": id })).unwrap();
        let events = why["events"].as_array().unwrap();
        let own: Vec<_> = events
            .iter()
            .filter(|event| event["key"] == why["message"]["key"])
            .collect();
        assert_eq!(own.len(), 1, "outcomes of {id}: {why:#}");
        assert!(!own[0]["outcome"]["closed"].is_null(), "{id}: {why:#}");
        for plugin in ["lead-triage", "nda-desk", "follow-up"] {
            let plugins = own[0]["plugins"].as_array().unwrap();
            let asked = plugins.iter().filter(|one| one["plugin"] == plugin);
            assert_eq!(asked.count(), 1, "{plugin} about {id}: {why:#}");
        }
        let of_it = why["mails"].as_array().unwrap();
        assert_eq!(of_it.len(), 1, "mails because of {id}: {why:#}");
        mails.push(of_it[0].clone());
    }
    mails
}

/// The sink's log against what the daemon believes.
fn nothing_left_twice(sink: &SmtpSink, fates: &[Value]) {
    let kept = sink.messages();
    each_once(kept.iter().map(|mail| mail.message_id.clone()));
    // Every sender wrote once, so nobody may get two mails, whatever they are called.
    each_once(kept.iter().map(|mail| mail.rcpt.join(" ")));
    let bytes: BTreeMap<String, Vec<u8>> = kept
        .iter()
        .map(|mail| (mail.message_id.clone(), mail.bytes()))
        .collect();
    let mut expected = 0;
    for mail in fates {
        let id = format!("<{}>", mail["message_id"].as_str().unwrap());
        let kept = bytes.get(&id);
        expected += usize::from(kept.is_some());
        match mail["state"].as_str().unwrap() {
            "sent" => assert!(kept.is_some(), "said to be sent, and is not: {mail:#}"),
            // In doubt, or looked for and not found: shown to a person, never sent again.
            "uncertain" | "held" => {}
            other => panic!("left in state {other}: {mail:#}"),
        }
        if let Some(bytes) = kept {
            assert_eq!(
                header(bytes, "X-Liaison-Id").as_deref(),
                mail["id"].as_str()
            );
        }
    }
    assert_eq!(
        expected,
        bytes.len(),
        "mails that nothing in the store explains"
    );
}

fn each_once(ids: impl Iterator<Item = String>) {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id).or_insert(0) += 1;
    }
    counts.retain(|_, count| *count > 1);
    assert!(counts.is_empty(), "more than once: {counts:?}");
}

/// Two holds per enquiry, each in the calendar once, no two at the same time.
fn holds_stand_once(daemon: &Daemon, calendar: &Vdir) {
    let holds = daemon.rows(&["holds", "list"]);
    let placed: Vec<_> = holds
        .iter()
        .filter(|hold| hold["state"] == "placed")
        .collect();
    assert_eq!(placed.len(), holds.len(), "{holds:#?}");
    let events = calendar.list();
    assert_eq!(events.len(), placed.len());
    for hold in &placed {
        let uid = hold["uid"].as_str().unwrap();
        let same = events
            .iter()
            .filter(|(_, text)| text.contains(&format!("UID:{uid}\r\n")));
        assert_eq!(same.count(), 1, "{uid}");
    }
    each_once(
        placed
            .iter()
            .map(|hold| hold["start"].as_str().unwrap().to_owned()),
    );
}
