//! The whole way once with files alone: a Maildir, a vdir, and no server at all.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use liaison_tests::ask::text_at;
use liaison_tests::daemon::Daemon;
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::maildir::{Maildir, MaildirMessage};
use liaison_tests::story::{self, Surroundings};
use liaison_tests::vdir::Vdir;
use serde_json::Value;

const PLUGINS: [&str; 3] = ["lead-triage", "nda-desk", "follow-up"];

struct Files {
    mail: Maildir,
    outgoing: Maildir,
    calendar: Vdir,
    /// Holds the folder of the daemon.
    _firm: Firm,
}

impl Files {
    fn start(mail_mode: &str) -> (Files, Daemon) {
        let mut firm = Firm::new();
        let outgoing = firm.files("files");
        let mail = firm.maildir(Some("files"));
        let calendar = firm.vdir();
        firm.plugins(&PLUGINS, mail_mode);
        let daemon = firm.start();
        daemon.watched(SALES, 2);
        let files = Files {
            mail,
            outgoing,
            calendar,
            _firm: firm,
        };
        (files, daemon)
    }
}

fn bytes(messages: Vec<MaildirMessage>) -> Vec<Vec<u8>> {
    messages.into_iter().map(|message| message.bytes).collect()
}

impl Surroundings for Files {
    fn deliver(&self, message: &[u8]) {
        self.mail.deliver(message);
    }

    fn drafts(&self) -> Vec<Vec<u8>> {
        bytes(self.mail.list("Drafts"))
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        bytes(self.mail.list("Sent"))
    }

    fn gone_out(&self) -> Vec<Vec<u8>> {
        bytes(self.outgoing.list(""))
    }

    fn events(&self) -> Vec<(String, String)> {
        self.calendar.list()
    }

    fn touched(&self) -> usize {
        let inbox = self.mail.list("");
        inbox.iter().filter(|message| !message.is_new).count()
    }
}

#[test]
fn an_enquiry_becomes_a_lead_a_draft_and_two_holds() {
    let (files, mut daemon) = Files::start("draft");
    story::an_enquiry_becomes_a_draft(&daemon, &files);
    let draft = &files.mail.list("Drafts")[0];
    assert!(draft.flags.contains('D'), "{draft:?}");
    for (name, text) in files.calendar.list() {
        assert!(text.contains(&format!("UID:{name}\r\n")), "{name}: {text}");
    }
    // What was done stays done, and is not done again.
    daemon.terminate();
    daemon.respawn();
    daemon.wait_ready();
    daemon.watched(SALES, 2);
    assert_eq!(files.drafts().len(), 1);
    assert_eq!(files.events().len(), 2);
}

fn the_agenda_shows_what_is_held_and_what_gets_in_its_way(
    files: &Files,
    daemon: &Daemon,
    holds: &[Value],
) {
    let compact = |key: &str| {
        let text = text_at(&holds[0], key);
        text.replace(['-', ':'], "")
    };
    files.calendar.put(
        "dentist",
        &format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Alice//EN\r\nBEGIN:VEVENT\r\n\
             UID:dentist\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{}\r\nDTEND:{}\r\n\
             SUMMARY:Dentist\r\nCLASS:PRIVATE\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            compact("/start"),
            compact("/end"),
        ),
    );
    let asked = ["agenda", ALICE, "--week"];
    let conflict = |entry: &Value, with: &str| {
        let others = entry["conflicts"].as_array().unwrap();
        others.iter().any(|other| other["kind"] == with)
    };
    let entries = daemon.eventually("the agenda shows the conflict", || {
        let answer = daemon.cli_json(asked);
        let days = answer.pointer("/people/0/days")?.as_array()?;
        let entries = days
            .iter()
            .flat_map(|day| day["entries"].as_array().unwrap());
        let entries: Vec<Value> = entries.cloned().collect();
        let seen = entries.iter().any(|entry| conflict(entry, "hold"));
        seen.then_some(entries)
    });
    let held = |entry: &&Value| entry.pointer("/hold/id") == Some(&holds[0]["id"]);
    let hold = entries.iter().find(held).unwrap();
    assert_eq!(hold["kind"], "hold");
    assert!(conflict(hold, "event"), "{hold}");
    let text = daemon.cli(asked);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let confirm = format!("`liaison holds confirm {}`", text_at(&holds[0], "/id"));
    for said in ["[hold]", "CONFLICT with (private)", "held until", &confirm] {
        assert!(text.contains(said), "{said} is missing: {text}");
    }
    // What its owner hides is not told.
    assert!(!text.contains("Dentist"), "{text}");
}

/// What is offered to somebody takes time for everybody else.
#[test]
fn free_time_leaves_out_the_times_that_are_held() {
    let (files, daemon) = Files::start("draft");
    story::an_enquiry_becomes_a_draft(&daemon, &files);
    let holds = daemon.rows(&["holds", "list"]);
    let held: Vec<&str> = holds
        .iter()
        .filter_map(|hold| hold["start"].as_str())
        .collect();
    assert_eq!(held.len(), 2, "{holds:?}");
    let asked = ["free", ALICE, "--length", "30", "--count", "200"];
    let answer = daemon.cli_json(asked);
    let slots = answer["slots"].as_array().unwrap();
    assert!(slots.len() > 20, "{answer}");
    for slot in slots {
        let start = slot["start"].as_str().unwrap();
        assert!(!held.contains(&start), "{start} is held");
        let shown = slot["for_us"].as_str().unwrap();
        assert!(shown.contains("Europe/Berlin (+0"), "{shown}");
    }
    the_agenda_shows_what_is_held_and_what_gets_in_its_way(&files, &daemon, &holds);
    let output = daemon.cli(["free", "nobody@elsewhere.example"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("none of our people"),
        "{said}"
    );
}

#[test]
fn an_enquiry_is_answered_in_its_thread_and_the_reply_ends_the_wait() {
    let (files, daemon) = Files::start("send");
    story::an_enquiry_is_answered_and_followed_up(&daemon, &files);
}
