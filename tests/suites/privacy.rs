//! One person asks to be forgotten: the daemon takes what waits for them out of calendar and
//! Drafts, is killed while it erases, and nothing of them is left in any file of its own.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::fs;
use std::path::{Path, PathBuf};

use liaison_tests::chance::Chance;
use liaison_tests::firm::{Firm, SALES};
use liaison_tests::mail::cast;
use serde_json::json;

const NORA: &str = "nora1@example.com";
const OLGA: &str = "olga1@example.net";

/// Files under `dir` that have `word` in any letter case.
fn files_with(dir: &Path, word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, word));
        } else if let Ok(bytes) = fs::read(&path) {
            let bytes = bytes.to_ascii_lowercase();
            let named = bytes
                .windows(word.len())
                .any(|window| window == word.as_bytes());
            found.extend(named.then_some(path));
        }
    }
    found
}

#[test]
fn who_is_erased_is_in_no_file_also_when_the_daemon_is_killed_meanwhile() {
    let mut chance = Chance::from_env();
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    let calendar = firm.vdir();
    firm.plugins(&["lead-triage", "nda-desk", "follow-up"], "draft");
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);
    mail.deliver(&cast::enquiry(1).build());
    mail.deliver(&cast::nda_request(1).build());
    daemon.settled("enquiry-1@example.com");
    daemon.settled("nda-1@example.net");
    daemon.eventually("holds and drafts are there", || {
        (calendar.list().len() == 2 && mail.list("Drafts").len() == 2).then_some(())
    });
    let state = firm.dir().join("state");
    assert!(!files_with(&state, NORA).is_empty());

    // What would go is told, and nothing goes.
    let told = daemon.cli(["privacy", "erase", NORA]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("Nothing was changed"), "{told}");
    let shown = daemon.cli_json(["privacy", "export", NORA]);
    for kind in ["message", "case_record", "hold", "effect", "timeline"] {
        let expected = kind != "timeline";
        assert_eq!(
            shown["counts"][kind].is_u64(),
            expected,
            "{kind}: {:#}",
            shown["counts"]
        );
    }

    let erase = json!({ "address": NORA });
    let id = daemon.eventually("holds and drafts leave, then it is recorded", || {
        let answer = daemon.call("privacy-erase", &erase)?;
        (answer["state"] == "recorded").then(|| answer["id"].clone())
    });
    for _ in 0..3 {
        daemon.crash_after(chance.millis(20..600));
    }
    daemon.wait_ready();
    daemon.eventually("it is done", || {
        let rows = daemon.call("privacy-erasures", &json!({}))?["erasures"].clone();
        let row = rows.as_array()?.iter().find(|row| row["id"] == id)?.clone();
        (row["state"] == "done").then_some(())
    });
    assert_eq!(files_with(&state, NORA), Vec::<PathBuf>::new());
    assert!(!files_with(&state, OLGA).is_empty());
    assert!(calendar.list().is_empty(), "her times are free again");
    assert_eq!(mail.list("Drafts").len(), 1, "the answer to her is gone");
    assert_eq!(daemon.cli_json(["verify"])["clean"], true);
    assert!(daemon.why("nda-1@example.net").is_some());

    // She writes again: one outcome, and nothing of her.
    daemon.watched(SALES, 2);
    let again = cast::enquiry(1).header("X-Again", "yes");
    let again = again.body("Dear Alice, I wrote before. Nora").build();
    let again = String::from_utf8(again).unwrap();
    let again = again.replace("enquiry-1@example.com", "enquiry-again@example.com");
    mail.deliver(again.as_bytes());
    let why = daemon.eventually("her message has its outcome", || {
        daemon.why("enquiry-again@example.com")
    });
    let nothing = why["nothing"].as_str().unwrap();
    assert!(nothing.contains("erased"), "{why:#}");
    assert_eq!(why["events"].as_array().unwrap().len(), 1);
    assert!(why["message"]["from"].is_null(), "{why:#}");
    assert_eq!(files_with(&state, NORA), Vec::<PathBuf>::new());
    let refused = daemon.cli(["accounts", "add", "North", "--contact-email", NORA]);
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("erased"), "{words}");
    daemon.terminate();
}

/// Without a daemon the command does it by itself.
#[test]
fn a_person_is_erased_without_a_daemon_too() {
    let mut firm = Firm::new();
    let mail = firm.maildir(None);
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);
    mail.deliver(&cast::enquiry(1).build());
    daemon.settled("enquiry-1@example.com");
    daemon.terminate();
    let state = firm.dir().join("state");
    assert!(!files_with(&state, NORA).is_empty());
    let out = firm.dir().join("out");
    let output = daemon.cli(["privacy", "export", NORA, "--out", &out.to_string_lossy()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_dir(out.join("messages")).unwrap().count(), 1);
    let output = daemon.cli(["privacy", "erase", NORA, "--yes"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        text.contains("Erased") && text.contains("backups"),
        "{text}"
    );
    assert_eq!(files_with(&state, NORA), Vec::<PathBuf>::new());
    assert_eq!(daemon.cli_json(["verify"])["clean"], true);
}
