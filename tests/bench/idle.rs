//! `make bench`: what thousands of idle mailboxes over TLS cost, and how soon one message that all
//! of them get at once is decided.
//!
//! The daemon is the real program in a process of its own; the server is one of ours, since it has
//! to hold the sessions beside what is measured.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program that measures by the real clock and prints"
)]

#[path = "idle/server.rs"]
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use liaison_tests::beside::{memory_of, status_of};
use liaison_tests::daemon::{Daemon, DaemonOptions};
use liaison_tests::firm::{ALICE, Firm};
use liaison_tests::report::{Bound, Report, mebibytes};
use liaison_tests::tls::Ca;
use liaison_tests::wait;
use server::Server;

/// Mailboxes; `LIAISON_BENCH_MAILBOXES` for another number.
const MAILBOXES: usize = 2_000;
/// What the target says for one message that so many mailboxes get at once.
const TOGETHER: usize = 200;
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--config") {
        return liaison::cli::main();
    }
    let number = std::env::var("LIAISON_BENCH_MAILBOXES").ok();
    let mailboxes = number.map_or(MAILBOXES, |text| text.parse().expect("a number"));
    let mut report = Report::default();

    report.head("a daemon that watches one mailbox over TLS");
    let (one, _) = run(1, &mut report);
    report.head(&format!("{TOGETHER} mailboxes"));
    let (_, took) = run(TOGETHER, &mut report);
    let millis = took.as_secs_f64() * 1_000.0;
    report.beside("decided, of 300 ms", millis / 300.0, Bound::AtMost(1.0));
    report.head(&format!("{mailboxes} mailboxes"));
    let (all, _) = run(mailboxes, &mut report);
    let each = all.saturating_sub(one) as f64 / (mailboxes - 1) as f64 / 1_024.0;
    report.line("each of them", &format!("{each:.1} KiB"));
    report.beside("each, of 48 KiB", each / 48.0, Bound::AtMost(1.0));
    let total = all as f64 / f64::from(150 << 20);
    report.beside("all, of 150 MiB", total, Bound::AtMost(1.0));
    report.end();
    ExitCode::SUCCESS
}

/// Memory of the daemon with all mailboxes in IDLE, and how long after the last notification a
/// message that all of them have was decided.
fn run(mailboxes: usize, report: &mut Report) -> (u64, Duration) {
    let folder = tempfile::tempdir().expect("temp dir");
    let server = Server::start(&Ca::create(folder.path()));
    let mut firm = Firm::new();
    let password = firm.secret("password", "anything");
    let ca = folder.path().join("ca.pem");
    for n in 0..mailboxes {
        firm.add(&format!(
            "[[mailbox]]\nname = \"m{n}\"\nkind = \"imap\"\nowner = \"{ALICE}\"\n\
             host = \"localhost\"\nport = {}\nuser = \"m{n}\"\npassword = {password}\n\
             tls.ca_file = \"{}\"\npoll_interval_secs = 540",
            server.port,
            ca.display(),
        ));
    }
    firm.plugins(&["lead-triage", "nda-desk", "follow-up"], "rehearse");
    let options = DaemonOptions {
        // This program is the daemon, too.
        binary: std::env::current_exe().expect("our own path"),
        ..firm.options_of(PathBuf::new())
    };
    // As on any day but the first, on which the plugins are compiled.
    let mut first = Daemon::start(options.clone());
    report.line(
        "memory at the first start",
        &mebibytes(memory_of(&first, "VmRSS")),
    );
    first.terminate();
    let begin = Instant::now();
    let daemon = Daemon::spawn(options);
    let all_idle = || (server.idle() == mailboxes).then_some(());
    wait::eventually_or("all are in IDLE", LIMIT, all_idle, || daemon.transcript());
    let took = begin.elapsed().as_secs_f64();
    report.line("all in IDLE after the start", &format!("{took:.1} s"));
    let memory = memory_of(&daemon, "VmRSS");
    report.line("memory", &mebibytes(memory));

    // A different message for each first, then one that is the same for all.
    let burst = spread(&server, &daemon, mailboxes, mailboxes as u64);
    report.line("a message for each, all decided after", &seconds(burst));
    wait::eventually_or("all are in IDLE again", LIMIT, all_idle, || {
        daemon.transcript()
    });
    let same = spread(&server, &daemon, mailboxes, mailboxes as u64 + 1);
    report.line("one message for all, decided after", &seconds(same));
    wait::eventually_or("all are in IDLE again", LIMIT, all_idle, || {
        daemon.transcript()
    });
    report.line("memory afterwards", &mebibytes(memory_of(&daemon, "VmRSS")));
    (memory, same)
}

fn seconds(took: Duration) -> String {
    format!("{:.0} ms", took.as_secs_f64() * 1_000.0)
}

/// Delivers to all, and measures from the last notification until `known` events are closed.
fn spread(server: &Server, daemon: &Daemon, mailboxes: usize, known: u64) -> Duration {
    server.deliver_to_all();
    let told = || (server.announced() as usize >= mailboxes).then_some(());
    wait::eventually_or("all are told", LIMIT, told, || daemon.transcript());
    let begin = Instant::now();
    let decided = || {
        let status = status_of(daemon)?;
        let events = &status["events"];
        (events["known"].as_u64()? >= known && events["open"] == 0).then_some(())
    };
    wait::eventually_or("all is decided", LIMIT, decided, || daemon.transcript());
    begin.elapsed()
}
