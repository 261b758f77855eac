//! `make bench`: mail taken in - fetched, read, matched, committed, asked about - beside mbsync
//! and ImapFlow that only pull the same mailbox from the same server.
//!
//! The daemon is the real program in a process of its own, with the bundled plugins rehearsing.
//! Whether mbsync and ImapFlow are there is said; `tests/setup/peers.sh` installs them.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program that measures by the real clock and prints"
)]

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use liaison_tests::beside::{self, memory_of, status_of};
use liaison_tests::daemon::{Daemon, DaemonOptions};
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::{Mail, cast};
use liaison_tests::password_of;
use liaison_tests::report::{Bound, Report, per_second};

/// Messages in the mailbox; `LIAISON_BENCH_MESSAGES` for another number.
const MESSAGES: u32 = 20_000;
/// Longest time that taking them in may need before the run is given up.
const LIMIT: Duration = Duration::from_secs(1_200);
/// How often the daemon is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Of two runs the faster one counts, for the peers.
const PEER_RUNS: usize = 2;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--config") {
        return liaison::cli::main();
    }
    let messages = std::env::var("LIAISON_BENCH_MESSAGES").ok();
    let messages = messages.map_or(MESSAGES, |text| text.parse().expect("a number"));
    let mut report = Report::default();
    report.head(&format!("taking in {messages} messages of a mailbox"));

    let dovecot = Dovecot::start(&ServerOptions::default());
    let mut firm = Firm::new();
    firm.imap(&dovecot, None);
    firm.plugins(&["lead-triage", "nda-desk", "follow-up"], "rehearse");
    let options = DaemonOptions {
        // This program is the daemon, too.
        binary: std::env::current_exe().expect("our own path"),
        ..firm.options_of(PathBuf::new())
    };
    // What is there at the first look is history; what comes now is new.
    let mut daemon = Daemon::start(options.clone());
    daemon.watched(SALES, 2);
    daemon.terminate();
    let bytes = fill(&dovecot, messages);
    report.line(
        "mean size",
        &format!("{} bytes", bytes / u64::from(messages)),
    );

    let mbsync = best(|| mbsync(&dovecot, messages));
    let imapflow = best(|| imapflow(&dovecot, messages));
    let (recorded, took, peak) = ingest(options, messages);
    let rate = |took: Duration| f64::from(messages) / took.as_secs_f64();
    let ours = rate(took);
    report.line("recorded, the start included", &per_second(rate(recorded)));
    report.line("taken in, with all plugins asked", &per_second(ours));
    report.line("memory at most", &liaison_tests::report::mebibytes(peak));
    match mbsync {
        Some(rate) => {
            report.line("mbsync, to disk", &per_second(rate));
            report.beside("taken in, of mbsync", ours / rate, Bound::AtLeast(3.0));
        }
        None => report.line("mbsync", "not here"),
    }
    match imapflow {
        Some(rate) => {
            report.line("ImapFlow, downloading only", &per_second(rate));
            report.beside("taken in, of ImapFlow", ours / rate, Bound::AtLeast(0.4));
        }
        None => report.line("ImapFlow", "not here"),
    }
    report.end();
    ExitCode::SUCCESS
}

fn best(run: impl Fn() -> Option<f64>) -> Option<f64> {
    let rates = (0..PEER_RUNS).map_while(|_| run());
    rates.max_by(f64::total_cmp)
}

/// Letters of many customers, enquiries, requests, newsletters and answers, of a few kilobytes.
fn message(n: u32) -> Vec<u8> {
    match n % 10 {
        0 => cast::enquiry(n).build(),
        1 => cast::nda_request(n).build(),
        2..=4 => cast::newsletter(n).build(),
        _ => {
            let text = format!("We talked about lot {n} and would like to know how it goes on.\n");
            Mail::new(
                &format!("Person {n} <person{n}@customer{}.example>", n % 500),
                ALICE,
                &format!("Lot {n}"),
            )
            .message_id(&format!("letter-{n}@customer{}.example", n % 500))
            .authentication(cast::AUTHSERV_ID, "pass")
            .body(&text.repeat(5 + n as usize % 60))
            .build()
        }
    }
}

/// Lays the messages into the mailbox as a delivery agent does, and has the server index them.
fn fill(dovecot: &Dovecot, messages: u32) -> u64 {
    let folder = dovecot.imap_dir(ALICE).join("cur");
    let owner = fs::metadata(&folder).expect("the Maildir");
    let mut bytes = 0;
    for n in 0..messages {
        let message = message(n);
        bytes += message.len() as u64;
        let (seconds, micros) = (1_790_000_000 + n / 100, n % 100);
        let file = folder.join(format!("{seconds}.M{micros}P{n}.localhost:2,"));
        fs::write(&file, &message).expect("write a message");
        use std::os::unix::fs::MetadataExt;
        chown(&file, Some(owner.uid()), Some(owner.gid())).expect("give it to Dovecot");
    }
    let mut client = dovecot.client(ALICE);
    client.examine("INBOX");
    let sized = client.command("UID FETCH 1:* (RFC822.SIZE)");
    assert!(sized.is_ok(), "the mailbox cannot be listed");
    bytes
}

/// When all were durable, when all plugins had answered, and the most memory.
fn ingest(options: DaemonOptions, messages: u32) -> (Duration, Duration, u64) {
    let begin = Instant::now();
    let daemon = Daemon::spawn(options);
    let mut recorded = None;
    let done = liaison_tests::wait::within(LIMIT, || {
        daemon.socket().filter(|socket| socket.exists())?;
        // Asking takes the daemon's time, too.
        std::thread::sleep(LOOK_EVERY);
        let status = status_of(&daemon)?;
        if status["events"]["known"].as_u64()? < u64::from(messages) {
            return None;
        }
        recorded.get_or_insert(begin.elapsed());
        (status["events"]["open"] == 0).then_some(())
    });
    let took = begin.elapsed();
    assert!(
        done.is_some(),
        "not within {LIMIT:?}\n{}",
        daemon.transcript()
    );
    let recorded = recorded.unwrap_or(took);
    (recorded, took, memory_of(&daemon, "VmHWM"))
}

/// Pulls the mailbox into an empty Maildir.
fn mbsync(dovecot: &Dovecot, messages: u32) -> Option<f64> {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("mbsyncrc");
    let text = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser {ALICE}\nPass {}\nSSLType IMAPS\n\
         SystemCertificates no\nCertificateFile {}\n\nIMAPStore far\nAccount a\n\n\
         MaildirStore near\nPath {}/\nInbox {}/inbox\n\nChannel c\nFar :far:\nNear :near:\n\
         Patterns INBOX\nSync Pull\nCreate Near\nSyncState *\n",
        dovecot.ports.imaps,
        password_of(ALICE),
        dovecot.ca.ca_file.display(),
        dir.path().display(),
        dir.path().display(),
    );
    fs::write(&file, text).expect("write its configuration");
    let begin = Instant::now();
    let output = Command::new("mbsync")
        .arg("-c")
        .arg(&file)
        .arg("-q")
        .arg("c")
        .output()
        .ok()?;
    let took = begin.elapsed();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = |name: &str| {
        let files = fs::read_dir(dir.path().join("inbox").join(name));
        files.map_or(0, Iterator::count)
    };
    let pulled = count("new") + count("cur");
    assert_eq!(pulled, messages as usize, "mbsync said: {said}");
    Some(f64::from(messages) / took.as_secs_f64())
}

fn imapflow(dovecot: &Dovecot, messages: u32) -> Option<f64> {
    let mut command = beside::imapflow("imapflow.mjs", dovecot, ALICE)?;
    let output = command.output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut words = said.split_whitespace();
    let mut number = || words.next().and_then(|word| word.parse::<f64>().ok());
    let (Some(count), Some(seconds)) = (number(), number()) else {
        panic!("ImapFlow said {said} and {told}");
    };
    assert!((count - f64::from(messages)).abs() < 0.5, "{said}");
    Some(count / seconds)
}
