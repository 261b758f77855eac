//! Plugins that misbehave: each is stopped, recorded, and suspended after three strikes, and mail
//! goes on as if they were not there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use liaison_tests::ask::{said_by, text_at};
use liaison_tests::daemon::Daemon;
use liaison_tests::firm::{Firm, SALES};
use liaison_tests::mail::cast;
use serde_json::Value;

/// Each with a word of what the record says that it did.
const HOSTILE: [(&str, &str); 5] = [
    ("flood", "bad output"),
    ("loop-forever", "work limit"),
    ("memory-bomb", "memory limit"),
    ("panics", "there is no recipient number"),
    ("sleeper", "refused"),
];

/// Strikes after which a plugin is suspended.
const STRIKES: u32 = 3;

#[test]
fn hostile_plugins_are_stopped_recorded_and_suspended_while_mail_goes_on() {
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    firm.vdir();
    for (name, _) in HOSTILE {
        firm.hostile(name);
    }
    firm.plugins(&["lead-triage"], "draft");
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);

    for n in 1..=STRIKES {
        mail.deliver(&cast::enquiry(n).build());
        let why = daemon.settled(&format!("enquiry-{n}@example.com"));
        for (name, word) in HOSTILE {
            let said = said_by(&why, name);
            assert_eq!(said["end"], "parked", "{said:#}");
            let reason = text_at(said, "/why").to_lowercase();
            assert!(reason.contains(word), "{name}: {reason}");
            assert!(!reason.contains("suspended"), "{name} too soon: {reason}");
        }
        assert_eq!(said_by(&why, "lead-triage")["end"], "answered");
    }
    suspended_and_told_once(&daemon);

    // A suspended plugin is not asked any more; that too is recorded.
    asked_no_more(&daemon, &mail, 4);
    daemon.terminate();
    daemon.respawn();
    daemon.wait_ready();
    daemon.watched(SALES, 2);
    asked_no_more(&daemon, &mail, 5);
    suspended_and_told_once(&daemon);

    let leads = daemon.rows(&["cases", "lead", "list"]);
    assert_eq!(leads.len(), 5, "every enquiry is a lead: {leads:#?}");
    daemon.eventually("a draft for each", || {
        (mail.list("Drafts").len() == 5).then_some(())
    });
}

fn asked_no_more(daemon: &Daemon, mail: &liaison_tests::maildir::Maildir, n: u32) {
    mail.deliver(&cast::enquiry(n).build());
    let why = daemon.settled(&format!("enquiry-{n}@example.com"));
    for (name, _) in HOSTILE {
        let said = said_by(&why, name);
        assert!(text_at(said, "/why").contains("suspended"), "{said:#}");
        assert_eq!(said["fuel"]["used"], 0, "{said:#}");
    }
    assert_eq!(said_by(&why, "lead-triage")["end"], "answered");
}

fn suspended_and_told_once(daemon: &Daemon) {
    let output = daemon.cli(["status", "--json"]);
    assert_eq!(output.status.code(), Some(4), "a person has to look");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tasks = daemon.rows(&["tasks", "list"]);
    for (name, _) in HOSTILE {
        let plugins = status["plugins"].as_array().unwrap();
        let plugin = plugins
            .iter()
            .find(|plugin| plugin["plugin"] == name)
            .unwrap_or_else(|| panic!("{name} is not in the status: {status:#}"));
        assert_eq!(plugin["strikes"], STRIKES, "{plugin:#}");
        assert!(!plugin["suspended"].is_null(), "{plugin:#}");
        let attention = status["needs_person"].as_array().unwrap();
        let shown = |item: &&Value| item["kind"] == "suspended" && item["id"] == name;
        assert_eq!(attention.iter().filter(shown).count(), 1, "{status:#}");
        let about = |task: &&Value| text_at(task, "/title").contains(name);
        let told = tasks.iter().filter(about).count();
        assert_eq!(told, 1, "tasks about {name}: {tasks:#?}");
    }
    let triage = status["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plugin| plugin["plugin"] == "lead-triage");
    assert!(
        triage.is_none_or(|plugin| plugin["suspended"].is_null()),
        "{triage:#?}"
    );
}
