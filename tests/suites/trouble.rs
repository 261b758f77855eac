//! Bad input and broken surroundings: each is named, recorded, and stops nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::fs;
use std::process::Command;

use liaison_tests::ask::{said_by, text_at};
use liaison_tests::daemon::{Daemon, cli};
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{Firm, SALES};
use liaison_tests::mail::cast;
use liaison_tests::net::free_port;
use serde_json::{Value, json};

/// A mailbox on a server, as it stands in the file.
fn imap_section(firm: &Firm, name: &str, (port, ca): (u16, &str), password: &str) -> String {
    let password = firm.secret(name, password);
    format!(
        "[[user]]\nname = \"{name}\"\naddress = \"{name}@example.test\"\n[[mailbox]]\n\
         name = \"{name}\"\nkind = \"imap\"\nowner = \"{name}@example.test\"\n\
         host = \"localhost\"\nport = {port}\nuser = \"{name}@example.test\"\n\
         password = {password}\ntls.ca_file = \"{ca}\""
    )
}

#[test]
fn trouble_is_named_and_mail_goes_on_beside_it() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let ca = dovecot.ca.ca_file.display().to_string();
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    let calendar = firm.vdir();
    calendar.put("broken", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nno end");
    firm.add(&imap_section(
        &firm,
        "bob",
        (dovecot.ports.imaps, &ca),
        "wrong",
    ));
    firm.add(&imap_section(
        &firm,
        "carol",
        (free_port(), &ca),
        "pw-carol",
    ));
    let broken = firm.dir().join("broken-plugin");
    fs::create_dir(&broken).unwrap();
    let triage = liaison_tests::daemon::staged("plugins").join("lead-triage");
    let manifest = fs::read_to_string(triage.join("plugin.toml")).unwrap();
    let manifest = manifest.replacen("\"lead-triage\"", "\"broken\"", 1);
    fs::write(broken.join("plugin.toml"), manifest).unwrap();
    fs::write(broken.join("component.wasm"), b"no component").unwrap();
    firm.add("[[plugin]]\nname = \"broken\"\npath = \"broken-plugin\"");
    firm.plugins(&["lead-triage"], "draft");
    let daemon = firm.start();
    daemon.watched(SALES, 2);

    let status = daemon.eventually("every trouble is shown", || {
        let status = daemon.status();
        let all = ["bob", "carol"]
            .iter()
            .all(|name| !trouble(&status, name).is_empty());
        (all && status.to_string().contains("broken.ics")).then_some(status)
    });
    let refused = trouble(&status, "bob");
    assert!(
        refused.contains("password") || refused.contains("login"),
        "{refused}"
    );
    assert!(needs_person(&status, "bob"), "{status:#}");
    assert!(
        trouble(&status, "carol").contains("localhost"),
        "{status:#}"
    );
    assert!(
        !needs_person(&status, "carol"),
        "a server may come back: {status:#}"
    );
    let plugins = status["daemon"]["plugin_troubles"].to_string();
    assert!(plugins.contains("\"broken\""), "{status:#}");
    assert_eq!(daemon.cli(["status"]).status.code(), Some(4));
    let words = daemon.cli(["status"]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    for name in ["bob", "carol", "broken"] {
        assert!(words.contains(name), "no word of {name} in\n{words}");
    }

    // A broken message is recorded, and the next one is acted on.
    mail.deliver(b"\xff\xfe\x00 no header at all \r\n\r\n\x00\x01");
    mail.deliver(
        b"From: <broken\r\nMessage-ID: <torn@example.com>\r\nContent-Type: multipart/mixed; \
                   boundary=x\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
    );
    mail.deliver(&cast::enquiry(1).build());
    let torn = daemon.settled("torn@example.com");
    assert!(
        !text_at(&torn, "/events/0/outcome/summary").is_empty(),
        "{torn:#}"
    );
    let why = daemon.settled("enquiry-1@example.com");
    assert_eq!(said_by(&why, "lead-triage")["end"], "answered");
    daemon.eventually("the draft", || {
        (mail.list("Drafts").len() == 1).then_some(())
    });
    assert_eq!(calendar.list().len(), 3, "two holds beside the broken file");
    daemon.eventually("all three messages are recorded", || {
        let events = &daemon.status()["events"];
        (events["known"].as_u64()? >= 3 && events["open"] == 0).then_some(())
    });
}

fn trouble(status: &Value, source: &str) -> String {
    let sources = status["daemon"]["sources"].as_array();
    let of_it = sources
        .into_iter()
        .flatten()
        .filter(|one| one["source"] == source);
    of_it.filter_map(|one| one["trouble"].as_str()).collect()
}

fn needs_person(status: &Value, source: &str) -> bool {
    let attention = status["needs_person"].as_array();
    attention
        .into_iter()
        .flatten()
        .any(|item| item["id"] == source)
}

#[test]
fn a_server_that_comes_back_is_watched_again() {
    let mut dovecot = Dovecot::start(&ServerOptions::default());
    let mut firm = Firm::new();
    firm.imap(&dovecot, None);
    firm.vdir();
    firm.plugins(&["lead-triage"], "draft");
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    dovecot.kill_hard();
    daemon.eventually("the loss is told", || {
        (!trouble(&daemon.status(), SALES).is_empty()).then_some(())
    });
    dovecot.restart();
    dovecot.deliver_lmtp(liaison_tests::firm::ALICE, &cast::enquiry(1).build());
    let why = daemon.settled("enquiry-1@example.com");
    assert_eq!(said_by(&why, "lead-triage")["end"], "answered");
    assert_eq!(trouble(&daemon.status(), SALES), "");
}

#[test]
fn a_wrong_configuration_is_told_by_place_with_what_was_meant() {
    let mut firm = Firm::new();
    firm.maildir(None);
    firm.add(
        "[[mailbox]]\nname = \"extra\"\nkind = \"imap\"\nowner = \"alice@example.test\"\n\
              host = \"localhost\"\nuser = \"alice\"\npassword = { file = \"x\" }\nprot = 993",
    );
    let options = firm.options();
    let text = fs::read_to_string(firm.config()).unwrap();
    let line = text
        .lines()
        .position(|line| line.starts_with("prot"))
        .unwrap()
        + 1;
    for words in [
        ["status"].as_slice(),
        &["run"],
        &["check"],
        &["outbox", "list"],
    ] {
        let output = cli(&options, words);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(3), "{words:?}: {said}");
        assert!(
            said.contains(&format!("liaison.toml:{line}:")),
            "{words:?}: {said}"
        );
        assert!(
            said.contains("prot") && said.contains("`port`"),
            "{words:?}: {said}"
        );
    }
}

#[test]
fn a_command_in_the_moment_of_the_start_does_not_prevent_it() {
    let mut firm = Firm::new();
    firm.maildir(None);
    let options = firm.options();
    let mut daemon = Daemon::start(options.clone());
    for _ in 0..5 {
        daemon.terminate();
        daemon.respawn();
        // Finds no daemon yet, and opens the store itself.
        while !options.socket.as_ref().unwrap().exists() {
            cli(&options, ["status", "--json"]);
        }
        daemon.wait_ready();
    }
}

#[test]
fn a_hangup_reads_the_configuration_again_and_ends_nothing() {
    let mut firm = Firm::new();
    firm.maildir(None);
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);
    let pid = daemon.pid();
    let before = fs::read_to_string(firm.config()).unwrap();

    fs::write(firm.config(), format!("{before}\n[firn]\n")).unwrap();
    daemon.signal("HUP");
    // The commands cannot read the file either, so the daemon is asked directly.
    let ask = || daemon.call("status", &json!({})).unwrap();
    daemon.eventually("the mistake is told", || {
        let told = ask()["daemon"]["reload_trouble"].to_string();
        told.contains("did you mean `firm`").then_some(())
    });
    assert_eq!(ask()["daemon"]["pid"], pid, "it goes on as it was");
    let refused = daemon.cli(["reload"]);
    assert_eq!(refused.status.code(), Some(3));

    let spare = firm.dir().join("spare");
    liaison_tests::maildir::Maildir::create(&spare);
    let more = format!(
        "{before}\n[[mailbox]]\nname = \"spare\"\nkind = \"maildir\"\npath = \"spare\"\n\
         owner = \"alice@example.test\"\n"
    );
    fs::write(firm.config(), more).unwrap();
    daemon.signal("HUP");
    daemon.watched("spare", 1);
    assert_eq!(daemon.status()["daemon"]["reload_trouble"], Value::Null);
    assert_eq!(daemon.status()["daemon"]["pid"], pid);

    fs::write(firm.config(), before).unwrap();
    let reloaded = daemon.cli_json(["reload"]);
    assert_eq!(reloaded["changed"], "mailbox spare: gone", "{reloaded:#}");
    daemon.eventually("it is no longer watched", || {
        (!daemon.status()["daemon"]["sources"]
            .to_string()
            .contains("spare"))
        .then_some(())
    });
    daemon.terminate();
}

/// MiB that are free where `dir` lies.
fn free_mib(dir: &std::path::Path) -> u64 {
    let said = said_by_tool(Command::new("df").args(["--output=avail", "-BM"]).arg(dir));
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("df said: {said}"))
}

fn said_by_tool(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {told}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn on_a_full_disk_mail_stays_on_its_server_and_is_taken_in_when_there_is_room() {
    let mut firm = Firm::new();
    firm.files("files");
    let mail = firm.maildir(Some("files"));
    firm.vdir();
    firm.plugins(&["lead-triage"], "draft");
    // Others write to this disk as well: the steps are large.
    let free = free_mib(firm.dir());
    let step = (free / 4).min(1024);
    firm.add(&format!(
        "[disk]\nballast_mib = 8\nintake_free_mib = {}",
        free - step
    ));
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    mail.deliver(&cast::enquiry(1).build());
    daemon.settled("enquiry-1@example.com");
    assert_eq!(daemon.cli(["status"]).status.code(), Some(0));

    let filler = firm.dir().join("filler");
    let size = format!("{}MiB", step * 2);
    said_by_tool(Command::new("fallocate").args(["-l", &size]).arg(&filler));
    let paused = || {
        let status = daemon.status();
        let told = trouble(&status, SALES);
        (told.contains("the disk is nearly full")).then_some(status)
    };
    let status = daemon.eventually("the intake stands still", paused);
    assert_eq!(status["daemon"]["disk"]["paused"], json!(["intake"]));
    mail.deliver(&cast::enquiry(2).build());
    // All parts begin anew, and would look at the Maildir first.
    assert!(daemon.cli(["reload"]).status.success());
    daemon.eventually("the intake stands still after a reload", paused);
    let shown = daemon.cli(["status"]);
    assert_eq!(shown.status.code(), Some(4));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert!(words.join(" ").contains("no mail is taken in"), "{shown}");
    assert!(daemon.why("enquiry-2@example.com").is_none(), "{shown}");
    let figures = String::from_utf8(daemon.cli(["metrics"]).stdout).unwrap();
    assert!(
        figures.contains("\nliaison_disk_paused_stages 1\n"),
        "{figures}"
    );

    fs::remove_file(&filler).unwrap();
    let why = daemon.settled("enquiry-2@example.com");
    assert_eq!(said_by(&why, "lead-triage")["end"], "answered");
    daemon.eventually("both drafts", || {
        (mail.list("Drafts").len() == 2).then_some(())
    });
    assert_eq!(daemon.cli(["status"]).status.code(), Some(0));
}
