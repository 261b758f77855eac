//! `make bench`: mails handed to one SMTP server over several connections, each recorded durably
//! before its first byte, before its body and after its verdict, beside Python's smtplib that
//! sends the same bytes to the same server and records nothing.
//!
//! The daemon is the real program in a process of its own. Its mails are decided while
//! `liaison panic on` holds all of them, and measured from the moment it is off.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program that measures by the real clock and prints"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use liaison_tests::beside::{bare_syncs, status_of};
use liaison_tests::daemon::{Daemon, DaemonOptions};
use liaison_tests::firm::{ALICE, Firm, NO_CEILINGS};
use liaison_tests::mail::cast;
use liaison_tests::report::{Report, per_second};
use liaison_tests::smtp_sink::{PYTHON, SinkTls, SmtpSink, SunkMail};
use liaison_tests::{password_of, wait};

/// Mails; `LIAISON_BENCH_MESSAGES` for another number.
const MAILS: u32 = 2_000;
/// Connections, for us and for smtplib.
const CONNECTIONS: u32 = 4;
/// What is asked for.
const WANTED: f64 = 200.0;
/// Longest time for all of them.
const LIMIT: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--config") {
        return liaison::cli::main();
    }
    let mails = std::env::var("LIAISON_BENCH_MESSAGES").ok();
    let mails = mails.map_or(MAILS, |text| text.parse().expect("a number"));
    let mut report = Report::default();
    report.head(&format!(
        "{mails} mails to one SMTP server over {CONNECTIONS} connections"
    ));

    let sink = SmtpSink::start(SinkTls::StartTls);
    let mut firm = Firm::new();
    firm.add(NO_CEILINGS);
    firm.smtp_with(
        "submission",
        &sink,
        &format!("connections_max = {CONNECTIONS}"),
    );
    let inbox = firm.maildir(Some("submission"));
    firm.plugins(&["nda-desk"], "send");
    let daemon = Daemon::start(DaemonOptions {
        // This program is the daemon, too.
        binary: std::env::current_exe().expect("our own path"),
        ..firm.options_of(PathBuf::new())
    });
    daemon.cli_json(["panic", "on"]);
    for n in 0..mails {
        inbox.deliver(&cast::nda_request(n).build());
    }
    let scheduled = || {
        let status = status_of(&daemon)?;
        (status["mails"]["scheduled"].as_u64()? >= u64::from(mails)).then_some(())
    };
    wait::eventually_or("all are decided", LIMIT, scheduled, || daemon.transcript());

    daemon.cli_json(["panic", "off"]);
    let ours = rate(&sink, 0, mails as usize, &daemon);
    assert!(sink.sent_twice().is_empty(), "a mail left twice");
    let files: Vec<String> = sink.messages().into_iter().map(|mail| mail.path).collect();
    drop(daemon);

    let others = SmtpSink::start(SinkTls::StartTls);
    smtplib(&others, &files);
    let theirs = rate_of(&others.messages());
    let sync = bare_syncs().at(50).as_secs_f64() * 1_000.0;
    report.line("bare fdatasync, p50", &format!("{sync:.2} ms"));
    report.reaches("handed over", ours, WANTED);
    report.line("smtplib, recording nothing", &per_second(theirs));
    let part = format!("{:.2}x", ours / theirs);
    report.line("handed over, of smtplib", &part);
    report.end();
    ExitCode::SUCCESS
}

/// Mails per second, from the first to the last of them.
fn rate(sink: &SmtpSink, before: usize, mails: usize, daemon: &Daemon) -> f64 {
    let all = || (sink.count() >= before + mails).then_some(());
    wait::eventually_or("all left", LIMIT, all, || daemon.transcript());
    rate_of(&sink.messages()[before..])
}

fn rate_of(mails: &[SunkMail]) -> f64 {
    let times: Vec<f64> = mails.iter().map(|mail| mail.time).collect();
    let first = times.iter().copied().fold(f64::INFINITY, f64::min);
    let last = times.iter().copied().fold(0.0, f64::max);
    times.len() as f64 / (last - first).max(f64::EPSILON)
}

fn smtplib(sink: &SmtpSink, files: &[String]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/smtplib_send.py");
    let status = Command::new(PYTHON)
        .arg(script)
        .args([&sink.port.to_string()])
        .arg(&sink.ca.ca_file)
        .args([ALICE, &password_of(ALICE), &CONNECTIONS.to_string()])
        .args(files)
        .status();
    assert!(status.expect("run Python").success(), "smtplib failed");
}
