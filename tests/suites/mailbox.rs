//! Changes of messages where they lie: flags, keywords and folders, each made once, and nothing
//! else touched.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use liaison_tests::ask::{said_by, text_at};
use liaison_tests::chance::Chance;
use liaison_tests::daemon::{Daemon, staged};
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::imap_client::FetchedMessage;
use liaison_tests::mail::Mail;
use serde_json::Value;

/// What the plugin is granted; everything else of a mailbox is not.
const GRANTS: &str = r#"["flag", "keyword:customer-*", "move:Archive", "move:Sent"]"#;
/// Messages of the run with kills.
const MESSAGES: u32 = 30;
/// Kills in it.
const KILLS: u32 = 6;
/// A change that found nobody is tried again after a minute and a little more.
const LONG: Duration = Duration::from_secs(180);
/// From a kill that meets the start to one in the middle of the work, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 200..2_500;

fn obeys(firm: &mut Firm, grants: &str) {
    let folder = staged("test-plugins").join("obeys");
    firm.add(&format!(
        "[[plugin]]\nname = \"obeys\"\npath = \"{}\"\nmailbox = {grants}",
        folder.display()
    ));
}

fn mail(id: &str, subject: &str) -> Vec<u8> {
    let mail = Mail::new("Nora North <nora@example.com>", ALICE, subject);
    mail.message_id(id).body("Hello.").build()
}

fn mailbox() -> (Dovecot, Firm, Daemon) {
    let dovecot = Dovecot::start(&ServerOptions::default());
    dovecot.client(ALICE).create("Archive");
    let mut firm = Firm::new();
    firm.imap(&dovecot, None);
    obeys(&mut firm, GRANTS);
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    (dovecot, firm, daemon)
}

fn found(dovecot: &Dovecot, folder: &str, id: &str) -> Option<FetchedMessage> {
    let all = dovecot.client(ALICE).fetch_all(folder);
    let is_it = |message: &FetchedMessage| message.header("Message-ID") == Some(format!("<{id}>"));
    all.into_iter().find(is_it)
}

/// The changes of a message once none is planned any more, as `change: state`.
fn changes(daemon: &Daemon, id: &str) -> BTreeSet<String> {
    let why = daemon.settled(id);
    assert_eq!(why["events"].as_array().unwrap().len(), 1, "{why}");
    daemon.eventually(&format!("the changes of {id} are made"), || {
        let why = daemon.why(id)?;
        let all = why["changes"].as_array()?;
        let planned = all.iter().any(|one| one["state"] == "planned");
        (!planned).then(|| {
            let word =
                |one: &Value| format!("{}: {}", text_at(one, "/change"), text_at(one, "/state"));
            all.iter().map(word).collect()
        })
    })
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(ToString::to_string).collect()
}

fn flags(message: &FetchedMessage) -> BTreeSet<String> {
    message.flags.iter().cloned().collect()
}

#[test]
fn flags_keywords_and_folders_are_changed_as_granted_and_nothing_else_is_touched() {
    let (dovecot, _firm, daemon) = mailbox();
    dovecot.deliver_lmtp(ALICE, &mail("plain@example.com", "Hello"));
    daemon.settled("plain@example.com");
    let subject = "change seen flagged keyword:customer-acme";
    dovecot.deliver_lmtp(ALICE, &mail("marked@example.com", subject));
    let expected = [
        "set \\Seen: done",
        "set \\Flagged: done",
        "add keyword customer-acme: done",
    ];
    assert_eq!(changes(&daemon, "marked@example.com"), set(&expected));
    let marked = found(&dovecot, "INBOX", "marked@example.com").unwrap();
    let expected = ["\\Seen", "\\Flagged", "customer-acme"];
    assert_eq!(flags(&marked), set(&expected));

    // Before the move, what is to be done where it lies.
    let subject = "change move:Archive seen";
    dovecot.deliver_lmtp(ALICE, &mail("moved@example.com", subject));
    let expected = ["set \\Seen: done", "move to Archive: done"];
    assert_eq!(changes(&daemon, "moved@example.com"), set(&expected));
    assert!(found(&dovecot, "INBOX", "moved@example.com").is_none());
    let moved = found(&dovecot, "Archive", "moved@example.com").unwrap();
    assert_eq!(flags(&moved), set(&["\\Seen"]));

    // What nobody asked for is as it was, `\Seen` before all.
    let plain = found(&dovecot, "INBOX", "plain@example.com").unwrap();
    assert!(plain.flags.is_empty(), "{:?}", plain.flags);
    let listed = daemon.rows(&["outbox", "changes", "--state", "done"]);
    assert_eq!(listed.len(), 5, "{listed:?}");
}

#[test]
fn what_is_not_granted_or_not_possible_is_refused_and_why_says_so() {
    let (dovecot, _firm, daemon) = mailbox();
    let subject = "change keyword:vip move:Trash label:Leads unseen";
    dovecot.deliver_lmtp(ALICE, &mail("refused@example.com", subject));
    let expected = ["clear \\Seen: done"];
    assert_eq!(changes(&daemon, "refused@example.com"), set(&expected));
    let why = daemon.why("refused@example.com").unwrap();
    let said = said_by(&why, "obeys")["verdicts"].to_string();
    for word in ["keyword:vip", "move:Trash", "label:Leads"] {
        let reason = format!("`mailbox` of [[plugin]] obeys would have to name `{word}`");
        assert!(said.contains(&reason), "{word}: {said}");
    }
    let text = daemon.cli(["why", "refused@example.com"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("would have to name `move:Trash`"), "{text}");
    let left = found(&dovecot, "INBOX", "refused@example.com").unwrap();
    assert!(left.flags.is_empty(), "{:?}", left.flags);
}

#[test]
fn a_message_moved_into_a_watched_folder_is_no_second_event() {
    let (dovecot, _firm, daemon) = mailbox();
    dovecot.deliver_lmtp(ALICE, &mail("filed@example.com", "change move:Sent"));
    let expected = ["move to Sent: done"];
    assert_eq!(changes(&daemon, "filed@example.com"), set(&expected));
    // Sent is looked at every two seconds; what comes after it there was seen after it.
    let after = Mail::new(ALICE, "Nora North <nora@example.com>", "Later");
    let after = after.message_id("later@example.test").build();
    dovecot.client(ALICE).append("Sent", "\\Seen", &after);
    daemon.settled("later@example.test");
    let why = daemon.why("filed@example.com").unwrap();
    assert_eq!(why["events"].as_array().unwrap().len(), 1, "{why}");
    assert_eq!(why["message"]["outbound"], false, "{why}");
    assert!(found(&dovecot, "Sent", "filed@example.com").is_some());
    // Two messages, and the one settled effect.
    let known = daemon.status()["events"]["known"].clone();
    assert_eq!(known, 3, "{known}");
}

#[test]
fn killed_at_any_moment_each_change_is_made_once() {
    let (dovecot, _firm, mut daemon) = mailbox();
    let mut chance = Chance::from_env();
    let id = |n: u32| format!("n{n}@example.com");
    let per_kill = MESSAGES / KILLS;
    for round in 0..KILLS {
        for n in round * per_kill..(round + 1) * per_kill {
            let subject = format!("change seen keyword:customer-{n} move:Archive");
            dovecot.deliver_lmtp(ALICE, &mail(&id(n), &subject));
        }
        daemon.crash_after(chance.millis(LIFE_MS));
    }
    daemon.wait_ready();
    for n in 0..MESSAGES {
        let keyword = format!("add keyword customer-{n}: done");
        let expected = ["set \\Seen: done", &keyword, "move to Archive: done"];
        let got = daemon.eventually_within(LONG, &format!("{} is filed", id(n)), || {
            let why = daemon.why(&id(n))?;
            let all = why["changes"].as_array()?;
            let done = all.iter().filter(|one| one["state"] == "done").count();
            (done == 3).then(|| all.clone())
        });
        let word = |one: &Value| format!("{}: {}", text_at(one, "/change"), text_at(one, "/state"));
        assert_eq!(
            got.iter().map(word).collect::<BTreeSet<_>>(),
            set(&expected)
        );
        for change in &got {
            let steps = change["audit"].as_array().unwrap();
            let ends = steps.iter().filter(|row| row["what"] == "planned -> done");
            assert_eq!(ends.count(), 1, "{change}");
        }
    }
    let filed = dovecot.client(ALICE).fetch_all("Archive");
    let ids: BTreeSet<_> = filed
        .iter()
        .filter_map(|one| one.header("Message-ID"))
        .collect();
    assert_eq!(
        (filed.len(), ids.len()),
        (MESSAGES as usize, MESSAGES as usize)
    );
    for message in &filed {
        assert_eq!(message.flags.len(), 2, "{:?}", message.flags);
    }
    assert!(dovecot.client(ALICE).fetch_all("INBOX").is_empty());
}

#[test]
fn a_dead_server_is_waited_for_and_the_change_is_made_then() {
    let (mut dovecot, _firm, daemon) = mailbox();
    daemon.cli(["panic", "on"]);
    dovecot.deliver_lmtp(ALICE, &mail("late@example.com", "change flagged"));
    daemon.settled("late@example.com");
    let planned = daemon.rows(&["outbox", "changes"]);
    assert_eq!(planned[0]["state"], "planned", "{planned:?}");
    dovecot.stop();
    daemon.cli(["panic", "off"]);
    daemon.eventually_within(LONG, "the dead server is told", || {
        let rows = daemon.rows(&["outbox", "changes", "--state", "planned"]);
        (!rows.first()?["last_trouble"].is_null()).then_some(())
    });
    dovecot.restart();
    daemon.eventually_within(LONG, "the change is made", || {
        let rows = daemon.rows(&["outbox", "changes", "--state", "done"]);
        (rows.len() == 1).then_some(())
    });
    let late = found(&dovecot, "INBOX", "late@example.com").unwrap();
    assert_eq!(flags(&late), set(&["\\Flagged"]));
}

#[test]
fn a_maildir_is_changed_by_names_alone() {
    let mut firm = Firm::new();
    let home = firm.maildir(None);
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(home.path().join(".Archive").join(part)).unwrap();
    }
    obeys(&mut firm, GRANTS);
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);
    home.deliver(&mail("plain@example.com", "Hello"));
    daemon.settled("plain@example.com");
    home.deliver(&mail(
        "marked@example.com",
        "change seen flagged keyword:customer-a",
    ));
    let expected = [
        "set \\Seen: done",
        "set \\Flagged: done",
        "add keyword customer-a: refused",
    ];
    assert_eq!(changes(&daemon, "marked@example.com"), set(&expected));
    home.deliver(&mail("moved@example.com", "change answered move:Archive"));
    let expected = ["set \\Answered: done", "move to Archive: done"];
    assert_eq!(changes(&daemon, "moved@example.com"), set(&expected));
    home.deliver(&mail("filed@example.com", "change move:Sent"));
    let expected = ["move to Sent: done"];
    assert_eq!(changes(&daemon, "filed@example.com"), set(&expected));
    let by_id = |folder: &str, id: &str| {
        let all = home.list(folder).into_iter();
        let mut all = all.filter(|one| one.header("Message-ID") == Some(format!("<{id}>")));
        all.next()
    };
    assert!(by_id("", "plain@example.com").unwrap().is_new);
    assert_eq!(by_id("", "marked@example.com").unwrap().flags, "FS");
    assert_eq!(by_id("Archive", "moved@example.com").unwrap().flags, "R");
    assert!(by_id("", "moved@example.com").is_none());
    // All of it is looked at again from the start: what was moved is no news.
    let known = daemon.status()["events"]["known"].clone();
    daemon.terminate();
    daemon.respawn();
    daemon.wait_ready();
    daemon.watched(SALES, 2);
    assert_eq!(daemon.status()["events"]["known"], known);
    let why = daemon.why("filed@example.com").unwrap();
    assert_eq!(why["message"]["outbound"], false, "{why}");
}
