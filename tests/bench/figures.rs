//! `make bench`: what this machine can do without us, which every figure of ours stands beside.
//!
//! Figures are ratios within one run, because disks and neighbours change from run to run.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures by the real clock and prints"
)]

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::mail::cast;

/// Enough for a steady figure, a few seconds in all.
const MESSAGES: u32 = 2_000;
const SYNCS: usize = 500;

/// What a commit of one event writes, roughly.
const RECORD_BYTES: usize = 2 * 1024;

fn main() {
    let (median, slow) = bare_sync();
    row(
        "append 2 KiB + fdatasync, p50",
        &format!("{} us", median.as_micros()),
    );
    row(
        "append 2 KiB + fdatasync, p99",
        &format!("{} us", slow.as_micros()),
    );

    let dovecot = Dovecot::start(&ServerOptions::default());
    let messages: Vec<_> = (0..MESSAGES).map(|n| cast::enquiry(n).build()).collect();
    let begin = Instant::now();
    dovecot.deliver_many("alice@example.test", &messages);
    row(
        "LMTP delivery, one connection",
        &per_second(begin.elapsed()),
    );

    let mut client = dovecot.client("alice@example.test");
    let begin = Instant::now();
    let got = client.fetch_all("INBOX");
    let took = begin.elapsed();
    assert_eq!(got.len(), messages.len(), "messages were lost on the way");
    row("IMAP download of a mailbox, bare client", &per_second(took));
}

/// p50 and p99 of a durable append to a growing file in the folder for temporary files.
fn bare_sync() -> (Duration, Duration) {
    let folder = tempfile::tempdir().expect("temp dir");
    let mut file = File::create_new(folder.path().join("log")).expect("make a file");
    let record = [7; RECORD_BYTES];
    let mut times: Vec<_> = (0..SYNCS)
        .map(|_| {
            let begin = Instant::now();
            file.write_all(&record).expect("append");
            file.sync_data().expect("fdatasync");
            begin.elapsed()
        })
        .collect();
    times.sort();
    let at = |percent: usize| {
        times
            .get(SYNCS * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    (at(50), at(99))
}

fn per_second(took: Duration) -> String {
    format!("{:.0} messages/s", f64::from(MESSAGES) / took.as_secs_f64())
}

fn row(what: &str, figure: &str) {
    println!("{what:<44} {figure:>18}");
}
