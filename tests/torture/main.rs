//! `liaison-torture`: hurts the store in every way that machines do, and asks an oracle that does
//! not use the store what should be in it.
//!
//! `liaison-torture store` runs all suites (`--only kill,cut,...` some of them), prints a table
//! and ends with 1 when anything failed. `LIAISON_SEED` repeats a run. It starts itself as the
//! writer that is hurt (`liaison-torture write`).

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for developers: its output is what it is for, and a mistake in it may end it"
)]

mod image;
mod program;
mod space;
mod suites;
mod writer;

use std::process::ExitCode;

use liaison_tests::chance::Chance;

use suites::{Table, Tools};

const USAGE: &str = "liaison-torture store [--only kill,opening,cut,full,sync,flip,space,bugs] \
                     [--rounds PART_IN_100]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["write", dir, seed, rest @ ..] => writer::main(dir, seed, rest.first().copied()),
        ["store", options @ ..] => match options_of(options) {
            Some((only, percent)) => store(&only, percent),
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: {USAGE}");
    ExitCode::from(2)
}

fn options_of(words: &[&str]) -> Option<(Vec<String>, u64)> {
    let (mut only, mut percent) = (Vec::new(), 100);
    for pair in words.chunks(2) {
        match pair {
            ["--only", names] => only = names.split(',').map(str::to_owned).collect(),
            ["--rounds", part] => percent = part.parse().ok()?,
            _ => return None,
        }
    }
    let known = |name: &String| suites::ALL.iter().any(|suite| suite.name == *name);
    only.iter().all(known).then_some((only, percent))
}

fn store(only: &[String], percent: u64) -> ExitCode {
    let mut chance = Chance::from_env();
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(error) => {
            eprintln!("liaison-torture: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut table = Table::default();
    for suite in suites::ALL {
        if only.is_empty() || only.iter().any(|name| name == suite.name) {
            let rounds = (suite.rounds * percent).div_ceil(100);
            table.run(suite, rounds, &tools, &mut chance);
        }
    }
    table.print();
    match table.failed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
