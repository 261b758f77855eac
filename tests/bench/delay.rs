//! `make bench`: how long after the server's own notification its answer is at the SMTP server,
//! beside what ImapFlow is told by the same server, and the disk's own syncs.
//!
//! The daemon is the real program in a process of its own. One message at a time: each is to be
//! answered by itself, without a person.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program that measures by the real clock and prints"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, ExitCode, Stdio};
use std::time::Duration;

use liaison_tests::beside::{Times, bare_syncs, imapflow, status_of};
use liaison_tests::daemon::{Daemon, DaemonOptions};
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, NO_CEILINGS, SALES};
use liaison_tests::mail::cast;
use liaison_tests::report::{Bound, Report};
use liaison_tests::smtp_sink::{Behaviour, SinkTls, SmtpSink};
use liaison_tests::wait;

/// Messages, one after the other; `LIAISON_BENCH_MESSAGES` for another number.
const MESSAGES: u32 = 200;
/// Longest time for one of them.
const LIMIT: Duration = Duration::from_secs(30);
/// What is allowed beyond the syncs.
const MORE_P50_MS: f64 = 10.0;
const MORE_P99_MS: f64 = 50.0;
/// How long the SMTP server keeps the daemon waiting while its syncs until then are counted.
const HELD_MS: u32 = 3_000;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--config") {
        return liaison::cli::main();
    }
    let messages = std::env::var("LIAISON_BENCH_MESSAGES").ok();
    let messages = messages.map_or(MESSAGES, |text| text.parse().expect("a number"));
    let mut report = Report::default();
    report.head(&format!("from notification to answer, {messages} messages"));

    let dovecot = Dovecot::start(&ServerOptions::default());
    let sink = SmtpSink::start(SinkTls::StartTls);
    let mut firm = Firm::new();
    firm.add(NO_CEILINGS);
    firm.smtp("submission", &sink);
    firm.imap(&dovecot, Some("submission"));
    firm.plugins(&["nda-desk"], "send");
    let daemon = Daemon::start(DaemonOptions {
        // This program is the daemon, too.
        binary: std::env::current_exe().expect("our own path"),
        ..firm.options_of(PathBuf::new())
    });
    daemon.watched(SALES, 2);

    let syncs = syncs_until_sent(&dovecot, &sink, &daemon);
    let Some(mut told) = Told::begin(&dovecot) else {
        report.line("ImapFlow", "not here");
        report.end();
        return ExitCode::SUCCESS;
    };
    let mut times = Times::default();
    for n in 1..=messages {
        dovecot.deliver_lmtp(ALICE, &cast::nda_request(n).build());
        let told = told.next();
        let sent = arrived(&sink, n as usize, &daemon);
        times.add(Duration::from_secs_f64((sent - told).max(0.0)));
    }

    let millis = |took: Duration| took.as_secs_f64() * 1_000.0;
    let bare = bare_syncs();
    report.line("syncs of ours until then", &syncs.to_string());
    for (percent, more) in [(50, MORE_P50_MS), (99, MORE_P99_MS)] {
        let (took, sync) = (millis(times.at(percent)), millis(bare.at(percent)));
        let allowed = syncs as f64 * sync + more;
        report.line(
            &format!("bare fdatasync, p{percent}"),
            &format!("{sync:.2} ms"),
        );
        report.line(&format!("delay, p{percent}"), &format!("{took:.1} ms"));
        let what = format!("delay, p{percent}, of {allowed:.1} ms");
        report.beside(&what, took / allowed, Bound::AtMost(1.0));
    }
    report.end();
    ExitCode::SUCCESS
}

/// Durable commits from a message's arrival until its answer is at the SMTP server, and one for
/// the bytes of the message; counted while the SMTP server keeps the daemon waiting.
fn syncs_until_sent(dovecot: &Dovecot, sink: &SmtpSink, daemon: &Daemon) -> u64 {
    let frame =
        || status_of(daemon).and_then(|status| status["store"]["journal"]["frame"].as_u64());
    let before = frame().expect("the journal");
    sink.behave(Behaviour {
        delay_ms: HELD_MS,
        ..Behaviour::default()
    });
    dovecot.deliver_lmtp(ALICE, &cast::nda_request(0).build());
    let sending = || {
        let status = status_of(daemon)?;
        (status["mails"]["leased"].as_u64()? > 0).then_some(())
    };
    wait::eventually_or("the answer is being sent", LIMIT, sending, || {
        daemon.transcript()
    });
    // What comes before its last byte is committed at once; what comes after waits for the answer.
    std::thread::sleep(Duration::from_millis(u64::from(HELD_MS) / 2));
    let after = frame().expect("the journal");
    arrived(sink, 0, daemon);
    sink.behave(Behaviour::default());
    after - before + 1
}

/// When the SMTP server had the mail after `before` others, in seconds since 1970.
fn arrived(sink: &SmtpSink, before: usize, daemon: &Daemon) -> f64 {
    let mail = || sink.messages().get(before).map(|mail| mail.arrived);
    wait::eventually_or("the answer left", LIMIT, mail, || daemon.transcript())
}

/// ImapFlow in IDLE on the same mailbox.
struct Told {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Told {
    fn begin(dovecot: &Dovecot) -> Option<Told> {
        let mut command = imapflow("imapflow_watch.mjs", dovecot, ALICE)?;
        let mut process = command.stdout(Stdio::piped()).spawn().ok()?;
        let lines = BufReader::new(process.stdout.take()?);
        let mut told = Told { process, lines };
        assert_eq!(told.line(), "ready");
        Some(told)
    }

    /// When the server told of the next message, in seconds since 1970.
    fn next(&mut self) -> f64 {
        self.line().parse().expect("a time")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("ImapFlow is gone");
        line.trim().to_owned()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
