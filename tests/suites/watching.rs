//! Mail arrives while links are cut, slow or dead, servers restart, UIDs lose their meaning and
//! the daemon is killed: every message is one event. And when a mailbox stands still, somebody
//! outside hears of it.
//!
//! `make torture-mail` is the long run; `SEED=s` repeats one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code, also outside of test functions; figures of the run are printed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use liaison_tests::PEOPLE;
use liaison_tests::chance::{Chance, messages, rounds};
use liaison_tests::daemon::Daemon;
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::{Mail, cast};
use liaison_tests::proxy::{Fault, Proxy};
use serde_json::{Value, json};

/// From a kill that meets the start to one in the middle of the work, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 200..2_500;
/// Of so many messages one goes to two mailboxes.
const SHARED: u64 = 20;
/// Attachment of a large message: beyond one piece of a body.
const LARGE_BYTES: usize = 900_000;
/// Messages that are laid into a mailbox while its server is down and its UIDs are reset.
const WHILE_RESET: u64 = 5;

/// What happens while a part of the messages arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The daemon is killed.
    Kill,
    /// The server is killed and comes back.
    Restart,
    /// The UIDs of a mailbox begin anew, with mail arriving meanwhile.
    Reset,
    /// The server stands still for a moment.
    Stall,
}

fn id(n: u64) -> String {
    format!("arrival-{n}@example.com")
}

/// The Date of all messages: copies of one are the same, however long the delivery of one takes.
fn written() -> jiff::Timestamp {
    static WRITTEN: OnceLock<jiff::Timestamp> = OnceLock::new();
    *WRITTEN.get_or_init(jiff::Timestamp::now)
}

/// Sizes differ: most are small, one in fifty is beyond what is fetched with others.
fn message(n: u64) -> Vec<u8> {
    let line = format!("Line of message {n}, long enough to be one of a letter.\n");
    let mail = Mail::new(
        &format!("Nora North <nora{n}@example.com>"),
        PEOPLE[0],
        &format!("Question {n}"),
    )
    .message_id(&id(n))
    .date(written())
    .body(&line.repeat(usize::try_from(1 + n % 40).unwrap()));
    let is_large = n % 49 == 7;
    match is_large {
        true => mail.attach("scan.pdf", "application/pdf", &vec![0xA5; LARGE_BYTES]),
        false => mail,
    }
    .build()
}

/// In which mailboxes a message arrives.
fn places(n: u64) -> Vec<usize> {
    let count = PEOPLE.len() as u64;
    let mut places = vec![n % count];
    if n.is_multiple_of(SHARED) {
        places.push((n + 1) % count);
    }
    places
        .into_iter()
        .map(|place| usize::try_from(place).unwrap())
        .collect()
}

/// Delivers a range of messages over LMTP.
fn deliver(dovecot: &Dovecot, range: std::ops::Range<u64>) {
    for (place, who) in PEOPLE.iter().enumerate() {
        let own = range.clone().filter(|n| places(*n).contains(&place));
        dovecot.deliver_many(who, own.map(message));
    }
}

fn any_fault(chance: &mut Chance) -> Fault {
    match chance.within(0..6) {
        0 => Fault::BlackHole,
        1 => Fault::Refuse,
        2 => Fault::CutAfterReceived(chance.within(1..200_000)),
        3 => Fault::CutAfterSent(chance.within(1..4_000)),
        4 => Fault::Slow(usize::try_from(chance.within(500..50_000)).unwrap()),
        _ => Fault::None,
    }
}

/// All troubles of a run, in an order by chance.
fn troubles(rounds: u64, chance: &mut Chance) -> Vec<Trouble> {
    let mut all = Vec::new();
    for (trouble, count) in [
        (Trouble::Kill, rounds),
        (Trouble::Restart, rounds),
        (Trouble::Reset, (rounds * 3).div_ceil(10)),
        (Trouble::Stall, rounds),
    ] {
        all.extend((0..count).map(|_| trouble));
    }
    for last in (1..all.len()).rev() {
        let other = chance.within(0..last as u64 + 1);
        all.swap(last, usize::try_from(other).unwrap());
    }
    all
}

#[test]
fn every_message_is_one_event_whatever_breaks() {
    let mut chance = Chance::from_env();
    let (rounds, messages) = (rounds(2), messages(280));
    let mut dovecot = Dovecot::start(&ServerOptions::default());
    let proxies: Vec<Proxy> = PEOPLE
        .iter()
        .map(|_| Proxy::start(dovecot.ports.imaps))
        .collect();
    let mut firm = Firm::new();
    for (who, proxy) in PEOPLE.iter().zip(&proxies) {
        let name = who.split('@').next().unwrap();
        firm.imap_of(who, name, proxy.port, &dovecot, "");
    }
    let mut daemon = firm.start();
    for who in PEOPLE {
        daemon.watched(who.split('@').next().unwrap(), 2);
    }

    let began = Instant::now();
    let troubles = troubles(rounds, &mut chance);
    let part = messages / troubles.len() as u64;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for (nth, trouble) in (0_u64..).zip(&troubles) {
        *counts.entry(format!("{trouble:?}")).or_default() += 1;
        for proxy in &proxies {
            proxy.set(any_fault(&mut chance));
        }
        let begin = nth * part;
        let end = match nth + 1 == troubles.len() as u64 {
            true => messages,
            false => begin + part,
        };
        match trouble {
            Trouble::Kill => {
                let life = chance.millis(LIFE_MS);
                thread::scope(|scope| {
                    scope.spawn(|| deliver(&dovecot, begin..end));
                    daemon.crash_after(life);
                });
            }
            Trouble::Restart => {
                let middle = begin + part / 2;
                deliver(&dovecot, begin..middle);
                dovecot.kill_hard();
                dovecot.restart();
                deliver(&dovecot, middle..end);
            }
            Trouble::Reset => reset(&mut dovecot, begin..end, &mut chance),
            Trouble::Stall => {
                deliver(&dovecot, begin..end);
                dovecot.freeze(true);
                thread::sleep(chance.millis(100..2_000));
                dovecot.freeze(false);
            }
        }
    }
    for proxy in &proxies {
        proxy.set(Fault::None);
    }
    // Whatever the links learned of the troubles is forgotten: no wait is left.
    daemon.kill9();
    daemon.respawn();
    daemon.wait_ready();
    one_event_each(&daemon, messages);
    nothing_touched(&dovecot, messages);
    eprintln!(
        "{messages} messages, {counts:?}, {} connections, {:.0} s",
        proxies.iter().map(Proxy::connections).sum::<u64>(),
        began.elapsed().as_secs_f64()
    );
}

/// The UIDs of one mailbox begin anew while mail arrives there and elsewhere.
fn reset(dovecot: &mut Dovecot, range: std::ops::Range<u64>, chance: &mut Chance) {
    let place = usize::try_from(chance.within(0..PEOPLE.len() as u64)).unwrap();
    let alone = |n: &u64| places(*n) == [place];
    let own: Vec<u64> = range.clone().filter(alone).collect();
    let meanwhile = own.iter().rev().take(usize::try_from(WHILE_RESET).unwrap());
    let meanwhile: Vec<u64> = meanwhile.copied().collect();
    let arriving: Vec<Vec<u8>> = meanwhile.iter().map(|n| message(*n)).collect();
    let middle = range.start + (range.end - range.start) / 2;
    let rest = |n: &u64| !meanwhile.contains(n);
    let by_lmtp = |dovecot: &Dovecot, part: std::ops::Range<u64>| {
        for n in part.filter(rest) {
            deliver(dovecot, n..n + 1);
        }
    };
    by_lmtp(dovecot, range.start..middle);
    dovecot.reset_uidvalidity_while(PEOPLE[place], "INBOX", &arriving);
    by_lmtp(dovecot, middle..range.end);
}

/// Waits until all are known, and counts.
fn one_event_each(daemon: &Daemon, messages: u64) {
    let limit = Duration::from_secs(60 + messages / 20);
    daemon.eventually_within(limit, "every message is known and worked off", || {
        let events = &daemon.call("status", &json!({}))?["events"];
        let done = events["known"].as_u64()? >= messages && events["open"] == 0;
        done.then_some(())
    });
    for n in 0..messages {
        let why = daemon.call("why", &json!({ "id": id(n) }));
        let why = why.unwrap_or_else(|| panic!("{} was lost\n{}", id(n), daemon.transcript()));
        let events = why["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "events of {}: {why:#}", id(n));
        assert!(!events[0]["outcome"]["closed"].is_null(), "{why:#}");
    }
    // Each of them has one, so more would belong to nothing.
    let status = daemon.status();
    assert_eq!(status["events"]["known"], messages, "{status:#}");
    assert_eq!(status["unread"], json!([]), "{status:#}");
}

/// All messages are where they came, and look to their owners as if nobody had been there.
fn nothing_touched(dovecot: &Dovecot, messages: u64) {
    for (place, who) in PEOPLE.iter().enumerate() {
        let own = (0..messages).filter(|n| places(*n).contains(&place));
        let mut client = dovecot.client(who);
        client.examine("INBOX");
        assert_eq!(client.search("UNSEEN").len(), own.count(), "{who}");
        assert!(client.search("OR ANSWERED OR FLAGGED DELETED").is_empty());
    }
}

/// A program that writes down what it is told, as the alarms of a firm.
fn alarm_to_file(firm: &mut Firm) -> PathBuf {
    let (script, told) = (firm.dir().join("alarm"), firm.dir().join("told"));
    // One write for each line, so that nobody reads half of one.
    let text = "#!/bin/sh\ntext=$(cat)\nprintf '%s %s\\n' \"$LIAISON_ALARM\" \"$text\" >> \"$1\"\n";
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    firm.add(&format!(
        "[alarm]\nstale_after_secs = 6\ncommand = [\"{}\", \"{}\"]",
        script.display(),
        told.display()
    ));
    told
}

fn stale(status: &Value) -> Vec<String> {
    let needs = status["needs_person"].as_array().unwrap();
    let stale = needs.iter().filter(|one| one["kind"] == "stale");
    stale
        .map(|one| one["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Waits until the mailbox is shown as overdue and somebody outside heard of it.
fn noticed_and_told(daemon: &Daemon, told: &Path) {
    let words = daemon.eventually("the mailbox is shown as overdue", || {
        let output = daemon.cli(["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        let found = stale(&status).pop()?;
        assert_eq!(output.status.code(), Some(4), "{status:#}");
        Some(found)
    });
    assert!(words.starts_with("sales: "), "{words}");
    assert!(words.contains("not proven up to date since"), "{words}");
    let metrics = daemon.cli(["metrics"]);
    let metrics = String::from_utf8_lossy(&metrics.stdout).into_owned();
    let folder = "source=\"sales\",kind=\"mail\",folder=\"INBOX\"";
    assert!(
        metrics.contains(&format!("liaison_source_stale{{{folder}}} 1")),
        "{metrics}"
    );
    let line = daemon.eventually("somebody is told", || lines(told).pop());
    let expected = "raised Liaison of Example Consulting: mail sales: ";
    assert!(line.starts_with(expected), "{line}");
}

/// Waits until all is well, and somebody outside heard of that.
fn over_and_told(daemon: &Daemon, told: &Path) {
    daemon.eventually("all is well again", || {
        stale(&daemon.status()).is_empty().then_some(())
    });
    let second = daemon.eventually("that it is over is told", || lines(told).get(1).cloned());
    assert!(second.starts_with("cleared "), "{second}");
    assert_eq!(lines(told).len(), 2, "each is told once");
}

fn lines(told: &Path) -> Vec<String> {
    let text = fs::read_to_string(told).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_server_that_stands_still_is_noticed_and_told_outside() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let mut firm = Firm::new();
    firm.imap(&dovecot, None);
    let told = alarm_to_file(&mut firm);
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    // Its kernel goes on answering for it: only a deadline of our own sees this.
    dovecot.freeze(true);
    noticed_and_told(&daemon, &told);
    dovecot.freeze(false);
    over_and_told(&daemon, &told);
    dovecot.deliver_lmtp(ALICE, &cast::enquiry(1).build());
    daemon.settled("enquiry-1@example.com");
}

#[test]
fn a_dead_link_is_told_once_and_its_end_too_also_across_a_restart() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let proxy = Proxy::start(dovecot.ports.imaps);
    let mut firm = Firm::new();
    firm.imap_of(ALICE, SALES, proxy.port, &dovecot, "");
    let told = alarm_to_file(&mut firm);
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);
    proxy.set(Fault::BlackHole);
    noticed_and_told(&daemon, &told);
    // In order: a kill between the telling and its record tells once more, and nothing less.
    daemon.terminate();
    daemon.respawn();
    daemon.wait_ready();
    // What was proven before the kill counts, so it is overdue again soon, and known already.
    noticed_and_told(&daemon, &told);
    assert_eq!(lines(&told).len(), 1, "{:?}", lines(&told));
    proxy.set(Fault::None);
    over_and_told(&daemon, &told);
}

/// Set in the namespace that a test made for itself.
const OWN_NETWORK: &str = "LIAISON_OWN_NETWORK";

/// Runs a test of this file again in a network of its own, where links can be cut.
fn in_own_network(test: &str) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args([
            "--net",
            "sh",
            "-c",
            "ip link set lo up && exec \"$0\" \"$@\"",
        ])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(OWN_NETWORK, "1")
        .env(
            "PATH",
            format!(
                "/usr/sbin:/sbin:{}",
                std::env::var("PATH").unwrap_or_default()
            ),
        )
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "a network of its own takes root and iproute2\n{said}\n{told}"
    );
}

fn link(state: &str) {
    let done = Command::new("ip")
        .args(["link", "set", "lo", state])
        .status();
    assert!(done.unwrap().success(), "ip link set lo {state}");
}

/// The link itself is cut: no packet comes back, not even one that says so.
#[test]
fn a_cut_link_is_noticed_and_mail_that_came_meanwhile_is_there_afterwards() {
    if std::env::var_os(OWN_NETWORK).is_none() {
        return in_own_network(
            "a_cut_link_is_noticed_and_mail_that_came_meanwhile_is_there_afterwards",
        );
    }
    let dovecot = Dovecot::start(&ServerOptions::default());
    let mut firm = Firm::new();
    firm.imap(&dovecot, None);
    let told = alarm_to_file(&mut firm);
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    link("down");
    dovecot.lay(ALICE, "1.meanwhile.localhost", &cast::enquiry(1).build());
    noticed_and_told(&daemon, &told);
    link("up");
    over_and_told(&daemon, &told);
    daemon.settled("enquiry-1@example.com");
}

/// A name that does not exist: the owner's own answers would stay unseen.
#[test]
fn a_folder_that_cannot_be_opened_is_shown_and_told_once() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let mut firm = Firm::new();
    let wrong = "sent = \"Sentt\"";
    firm.imap_of(ALICE, SALES, dovecot.ports.imaps, &dovecot, wrong);
    let told = alarm_to_file(&mut firm);
    let daemon = firm.start();
    let line = daemon.eventually("somebody is told", || lines(&told).pop());
    assert!(line.starts_with("raised "), "{line}");
    assert!(line.contains("`Sentt` cannot be opened"), "{line}");
    // Proven again and again meanwhile, the inbox hides it nowhere.
    for n in 1..=3 {
        dovecot.deliver_lmtp(ALICE, &cast::enquiry(n).build());
        daemon.settled(&format!("enquiry-{n}@example.com"));
        let output = daemon.cli(["status", "--json"]);
        assert_eq!(output.status.code(), Some(4));
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sources = status["daemon"]["sources"].as_array().unwrap();
        let sent = sources.iter().find(|one| one["folder"] == "Sentt");
        let sent = sent.unwrap_or_else(|| panic!("{status:#}"));
        assert_eq!(sent["needs_person"], true, "{status:#}");
    }
    assert_eq!(lines(&told).len(), 1, "{:?}", lines(&told));
    // Somebody makes it.
    dovecot.client(ALICE).command("CREATE Sentt").unwrap();
    over_and_told(&daemon, &told);
    daemon.eventually("nothing needs a person", || {
        (daemon.cli(["status"]).status.code() == Some(0)).then_some(())
    });
}
