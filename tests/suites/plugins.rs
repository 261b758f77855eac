//! Plugins that misbehave: each is stopped, recorded, and suspended after three strikes, and mail
//! goes on as if they were not there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::fs;
use std::path::{Path, PathBuf};

use liaison_tests::ask::{said_by, text_at};
use liaison_tests::daemon::{Daemon, staged};
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

    brought_back(&daemon);
    let leads = daemon.rows(&["cases", "lead", "list"]);
    assert_eq!(leads.len(), 5, "every enquiry is a lead: {leads:#?}");
    daemon.eventually("a draft for each", || {
        (mail.list("Drafts").len() == 5).then_some(())
    });
}

/// Another component under the same name, which does the same: bytes that say nothing are added.
fn exchange_component(folder: &Path) {
    let component = folder.join("component.wasm");
    let mut bytes = fs::read(&component).unwrap();
    bytes.extend(*b"\x00\x05\x04note");
    fs::write(component, bytes).unwrap();
}

fn copied(firm: &Firm, name: &str) -> PathBuf {
    let (from, to) = (staged("plugins").join(name), firm.dir().join(name));
    copy_folder(&from, &to);
    let component = to.join("component.wasm");
    if !component.exists() {
        let built = fs::read_dir(&to)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let wasm = built
            .into_iter()
            .find(|file| file.extension().is_some_and(|e| e == "wasm"));
        fs::rename(wasm.unwrap(), component).unwrap();
    }
    to
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &there),
            false => drop(fs::copy(entry.path(), there).unwrap()),
        }
    }
}

#[test]
fn another_component_only_rehearses_until_somebody_accepts_it() {
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    let folder = copied(&firm, "nda-desk");
    firm.add(
        "[[plugin]]\nname = \"nda-desk\"\npath = \"nda-desk\"\nmode = { mail = \"approve\", \
         records = \"apply\", tasks = \"apply\" }",
    );
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);
    let held = |daemon: &Daemon| daemon.rows(&["outbox", "list", "--state", "held"]).len();
    mail.deliver(&cast::nda_request(1).build());
    daemon.settled("nda-1@example.net");
    assert_eq!(held(&daemon), 1);

    exchange_component(&folder);
    daemon.cli_json(["reload"]);
    let of_new = |daemon: &Daemon| {
        let status = daemon.status();
        let items = status["needs_person"].as_array().unwrap();
        let is_new = |item: &&Value| item["kind"] == "new_component" && item["id"] == "nda-desk";
        items
            .iter()
            .find(is_new)
            .map(|item| text_at(item, "/text").to_owned())
    };
    let told = daemon.eventually("the other component is told", || of_new(&daemon));
    assert!(told.contains("liaison plugin accept nda-desk"), "{told}");
    let listed = daemon.rows(&["plugin", "list"]);
    assert_eq!(listed[0]["modes"]["mail"], "rehearse", "{listed:#?}");
    assert_eq!(listed[0]["granted"]["mail"], "approve", "{listed:#?}");
    mail.deliver(&cast::nda_request(2).build());
    let why = daemon.settled("nda-2@example.net");
    assert!(
        said_by(&why, "nda-desk").to_string().contains("rehears"),
        "{why:#}"
    );
    assert_eq!(held(&daemon), 1, "nothing that it proposes is carried out");
    assert_eq!(daemon.rows(&["cases", "nda", "list"]).len(), 1);
    // It is so after a new start, too.
    daemon.terminate();
    daemon.respawn();
    daemon.wait_ready();
    assert!(of_new(&daemon).is_some());

    daemon.cli_json(["plugin", "accept", "nda-desk", "--why", "looked at it"]);
    daemon.eventually("it works with its grants", || {
        of_new(&daemon).is_none().then_some(())
    });
    daemon.watched(SALES, 2);
    mail.deliver(&cast::nda_request(3).build());
    daemon.settled("nda-3@example.net");
    assert_eq!(held(&daemon), 2);
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

/// A person lifts one suspension and has the events tried again: it fails as before, and is
/// suspended as before.
fn brought_back(daemon: &Daemon) {
    let parked = |name: &str| {
        let rows = daemon.rows(&["plugin", "parked"]);
        rows.iter().filter(|row| row["plugin"] == name).count()
    };
    assert_eq!(parked("panics"), 5);
    let early = daemon.cli(["plugin", "unpark", "panics"]);
    assert_eq!(early.status.code(), Some(1));
    daemon.cli_json(["plugin", "resume", "panics", "--why", "a test"]);
    let unparked = daemon.cli_json(["plugin", "unpark", "panics"]);
    assert_eq!(unparked["unparked"], 5, "{unparked:#}");
    daemon.eventually("they are set aside again", || {
        let status = daemon.status();
        let all = parked("panics") == 5 && status["events"]["open"] == 0;
        (all && status["events"]["waiting"] == 0).then_some(())
    });
    suspended_and_told_once(daemon);
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
