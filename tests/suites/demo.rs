//! `liaison demo` as a newcomer runs it: the built binary, a home folder, no network needed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use liaison_tests::daemon::binary;
use liaison_tests::mail::header;

/// A folder for one newcomer.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("make a home"))
    }

    fn demo(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.arg("demo").args(arguments).stdin(Stdio::null());
        command
            .env("HOME", self.0.path())
            .env_remove("XDG_STATE_HOME")
            .env_remove("LIAISON_CONFIG");
        command
            .current_dir(self.0.path())
            .output()
            .expect("run the demo")
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join(".local/state/liaison-demo")
    }
}

/// What it printed; fails when it did not end well.
fn told(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).expect("plain text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{text}\n{errors}",
        output.status
    );
    assert_eq!(errors, "", "a newcomer sees no log");
    text
}

/// All messages of a Maildir folder.
fn messages(folder: &Path) -> Vec<Vec<u8>> {
    let parts = ["new", "cur"]
        .into_iter()
        .filter_map(|part| fs::read_dir(folder.join(part)).ok());
    let files = parts.flatten().map(|entry| entry.expect("list").path());
    files
        .map(|file| fs::read(file).expect("read a mail"))
        .collect()
}

fn to<'a>(mails: &'a [Vec<u8>], recipient: &str) -> Vec<&'a Vec<u8>> {
    let is_to = |mail: &&Vec<u8>| header(mail, "To").is_some_and(|to| to.contains(recipient));
    mails.iter().filter(is_to).collect()
}

#[test]
fn the_first_minute_shows_a_draft_an_approval_and_a_sent_mail_and_leaves_them() {
    let home = Home::new();
    let text = told(&home.demo(&[]));
    for fact in [
        "imported from accounts.csv",
        "recorded, never acted on",
        "bounce mail",
        "ooo mail",
        "Erik Lund is away; ask on the day after the return",
        "automatic mail (bulk)",
        "cancel-timer: Carol Reed answered",
        "three business days later",
        "nobody answered",
        "lies in Alice's Drafts",
        "authenticity fail",
        "Check the sender before answering",
        "waits for approval",
        "approves it",
        "0 open",
        "1 drafted, 2 sent",
        "2 placed",
    ] {
        assert!(text.contains(fact), "`{fact}` is missing in\n{text}");
    }
    let wide = text
        .lines()
        .filter(|line| line.chars().count() > 100 && !line.contains('/'));
    assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(
        (60..=110).contains(&text.lines().count()),
        "{} lines",
        text.lines().count()
    );
    files_are_there(&home.dir());
    commands_work(&text);
}

fn files_are_there(dir: &Path) {
    let sent = messages(&dir.join("sent-mail"));
    assert_eq!(sent.len(), 2, "one follow-up, one approved answer");
    let own = messages(&dir.join("mail/alice/.Sent"));
    let [follow_up] = to(&sent, "gus@harbour.example.org")[..] else {
        panic!("Gus got not exactly one follow-up");
    };
    for (name, value) in [
        ("In-Reply-To", "<loading-plan@example.com>"),
        ("References", "<loading-plan@example.com>"),
        ("Auto-Submitted", "auto-generated"),
    ] {
        assert_eq!(header(follow_up, name).as_deref(), Some(value), "{name}");
    }
    let key = header(follow_up, "X-Liaison-Id").expect("a key");
    assert_eq!(
        header(follow_up, "Message-ID"),
        Some(format!("<liaison.{key}@example.com>"))
    );
    assert_eq!(
        to(&own, "gus@harbour.example.org").len(),
        2,
        "Alice's question and the follow-up"
    );
    let [answer] = to(&sent, "ann@clinic.example.org")[..] else {
        panic!("Ann got not exactly one answer");
    };
    assert_eq!(
        header(answer, "In-Reply-To").as_deref(),
        Some("<booking-system@clinic.example.org>")
    );
    let drafts = messages(&dir.join("mail/alice/.Drafts"));
    let [draft] = &drafts[..] else {
        panic!("{} drafts", drafts.len())
    };
    assert!(header(draft, "To").is_some_and(|to| to.contains("nina@orchard.example.net")));
    let draft = String::from_utf8_lossy(draft);
    assert!(draft.contains("nda-mutual-v3.rtf"), "{draft}");
    let events = fs::read_dir(dir.join("calendars/alice")).expect("a calendar");
    let events = events.map(|event| fs::read_to_string(event.expect("list").path()));
    let events: Vec<String> = events.map(|event| event.expect("read")).collect();
    let holds: Vec<&String> = events
        .iter()
        .filter(|event| event.contains("STATUS:TENTATIVE"))
        .collect();
    assert_eq!(holds.len(), 2);
    assert!(holds.iter().all(|hold| !hold.contains("ATTENDEE")));
}

/// The three commands at the end, as they would be pasted.
fn commands_work(text: &str) {
    let commands: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" --config "))
        .collect();
    assert_eq!(commands.len(), 3, "{text}");
    for (command, shows) in commands
        .iter()
        .zip(["booking-system@", "ann@clinic", "lead-triage"])
    {
        let run = Command::new("/bin/sh")
            .args(["-c", command])
            .output()
            .expect("run it");
        let said = String::from_utf8_lossy(&run.stdout);
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(
            run.status.success() && said.contains(shows),
            "{command}\n{said}\n{errors}"
        );
    }
}

#[test]
fn a_second_run_begins_anew_and_another_folder_is_left_alone() {
    let home = Home::new();
    let spaced = home.0.path().join("my demo");
    let dir = spaced.to_str().expect("a plain path");
    told(&home.demo(&["--dir", dir]));
    fs::write(spaced.join("notes.txt"), "my own").expect("write");
    let again = told(&home.demo(&["--dir", dir]));
    assert!(again.contains("1 drafted, 2 sent"), "{again}");
    assert_eq!(messages(&spaced.join("sent-mail")).len(), 2);
    assert!(spaced.join("notes.txt").exists());
    commands_work(&again);

    let foreign = home.0.path().join("photos");
    fs::create_dir_all(foreign.join("mail")).expect("make");
    let refused = home.demo(&["--dir", foreign.to_str().expect("a plain path")]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(
        why.contains("no demo made") && why.contains("--dir"),
        "{why}"
    );
    assert_eq!(fs::read_dir(&foreign).expect("list").count(), 1);
}
