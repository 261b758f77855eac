//! The whole way once with files alone: a Maildir, a vdir, and no server at all.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use liaison_tests::daemon::Daemon;
use liaison_tests::firm::{Firm, SALES};
use liaison_tests::maildir::{Maildir, MaildirMessage};
use liaison_tests::story::{self, Surroundings};
use liaison_tests::vdir::Vdir;

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

#[test]
fn an_enquiry_is_answered_in_its_thread_and_the_reply_ends_the_wait() {
    let (files, daemon) = Files::start("send");
    story::an_enquiry_is_answered_and_followed_up(&daemon, &files);
}
