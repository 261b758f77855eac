//! `make bench`: what this machine can do without us, which every figure of ours stands beside.
//!
//! Figures are ratios within one run, because disks and neighbours change from run to run.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures by the real clock and prints"
)]

use std::time::{Duration, Instant};

use liaison_tests::beside::bare_syncs;
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::mail::cast;

/// Enough for a steady figure, a few seconds in all.
const MESSAGES: u32 = 2_000;

fn main() {
    let bare = bare_syncs();
    for percent in [50, 99] {
        row(
            &format!("append 2 KiB + fdatasync, p{percent}"),
            &format!("{} us", bare.at(percent).as_micros()),
        );
    }

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

fn per_second(took: Duration) -> String {
    format!("{:.0} messages/s", f64::from(MESSAGES) / took.as_secs_f64())
}

fn row(what: &str, figure: &str) {
    println!("{what:<44} {figure:>18}");
}
