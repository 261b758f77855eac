//! `make bench`: the store beside what else could be used for it, in one run.
//!
//! Figures are ratios within one run, because disks and neighbours change from run to run.
//! `LIAISON_BENCH_MESSAGES=20000` makes the second part a quick one, `LIAISON_BENCH_ONLY=commits`
//! or `start` runs one part.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that measures by the real clock and prints"
)]

mod commits;
mod rows;
mod start;

use std::path::Path;

use liaison_tests::report::Report;

/// Unless `LIAISON_BENCH_MESSAGES` says another number.
const MESSAGES: u64 = 1_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fill", dir, messages] => start::fill(Path::new(dir), messages.parse().expect("a number")),
        ["open", dir] => start::open(Path::new(dir)),
        ["bare", dir] => start::bare(Path::new(dir)),
        _ => all(),
    }
}

fn all() {
    let only = std::env::var("LIAISON_BENCH_ONLY").ok();
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let messages = std::env::var("LIAISON_BENCH_MESSAGES").ok();
    let messages = messages.map_or(MESSAGES, |text| text.parse().expect("a number of messages"));
    // Beside what was built: a folder in memory would make every sync free.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut report = Report::default();
    for part in ["commits", "start"].into_iter().filter(|part| wanted(part)) {
        let dir = tempfile::tempdir_in(place).expect("a folder");
        match part {
            "commits" => commits::run(dir.path(), &mut report),
            _ => start::run(dir.path(), messages, &mut report),
        }
    }
    report.end();
}
