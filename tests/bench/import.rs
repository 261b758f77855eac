//! `make bench`: a firm of many contacts from a CSV file, beside the same puts made straight into
//! the store.
//!
//! The import is the real program in a process of its own, whose memory is looked at. Then the same
//! import is made once more on a store that writes down what it is given, and those commits are
//! made straight into an empty store.
//! `LIAISON_BENCH_CONTACTS=20000` makes it a quick one.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that measures by the real clock and prints"
)]

#[path = "import/matching.rs"]
mod matching;
#[path = "import/puts.rs"]
mod puts;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use liaison_tests::report::{Bound, Report, mebibytes};
use serde_json::Value;

/// Unless `LIAISON_BENCH_CONTACTS` says another number.
const CONTACTS: u64 = 1_000_000;
const PER_ACCOUNT: u64 = 5;
/// Planted rows that must be rejected.
const BAD: u64 = 100;
/// The most memory that an import may need.
const PEAK_BYTES_MAX: u64 = 700 << 20;

/// What an import of the whole file came to.
struct Ran {
    report: Value,
    took: Duration,
    peak: u64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        // The program itself, which reads the arguments anew.
        ["--config", ..] => return watched(),
        ["record", csv, dir, puts] => puts::record(csv.as_ref(), dir.as_ref(), puts.as_ref()),
        ["straight", puts, dir] => puts::straight(puts.as_ref(), dir.as_ref()),
        _ => all(),
    }
    ExitCode::SUCCESS
}

fn all() {
    let contacts = std::env::var("LIAISON_BENCH_CONTACTS").ok();
    let contacts = contacts.map_or(CONTACTS, |text| text.parse().expect("a number of contacts"));
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = tempfile::tempdir_in(place).expect("a folder");
    let csv = dir.path().join("contacts.csv");
    let bad = write_file(&csv, contacts);
    let config = dir.path().join("liaison.toml");
    fs::write(&config, CONFIGURATION).expect("write the configuration");
    let rejects = dir.path().join("rejects.csv");
    let mut report = Report::default();
    report.head(&format!(
        "an import of {contacts} contacts in {} accounts, {} of CSV",
        contacts / PER_ACCOUNT,
        mebibytes(fs::metadata(&csv).map_or(0, |file| file.len()))
    ));
    let first = import(&config, &csv, &rejects);
    let rate = contacts as f64 / first.took.as_secs_f64();
    report.line("imported", &liaison_tests::report::per_second(rate));
    report.line("memory at most", &mebibytes(first.peak));
    let of_bound = first.peak as f64 / PEAK_BYTES_MAX as f64;
    report.beside("memory at most, of 700 MiB", of_bound, Bound::AtMost(1.0));
    check_first(&first.report, contacts, &bad, &rejects);
    report.line(
        "planted bad rows, rejected with line and reason",
        &BAD.to_string(),
    );

    let second = import(&config, &csv, &rejects);
    assert_eq!(second.report["created"], 0, "{:#}", second.report);
    assert_eq!(second.report["updated"], 0, "{:#}", second.report);
    assert_eq!(second.report["changed"], "nothing");
    assert_eq!(second.report["unchanged"], contacts);
    let again = contacts as f64 / second.took.as_secs_f64();
    report.line(
        "imported again: nothing changes",
        &liaison_tests::report::per_second(again),
    );
    report.line("memory at most, again", &mebibytes(second.peak));

    let puts = dir.path().join("puts");
    run_self(&[
        "record",
        text(&csv),
        text(&dir.path().join("recorded")),
        text(&puts),
    ]);
    let told = run_self(&["straight", text(&puts), text(&dir.path().join("straight"))]);
    let numbers: Vec<f64> = told
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect();
    let [seconds, rows] = numbers[..] else {
        panic!("straight said {told}");
    };
    let straight = contacts as f64 / seconds;
    report.line(
        "the same puts straight into the store",
        &liaison_tests::report::per_second(straight),
    );
    report.line(
        "puts of a contact",
        &format!("{:.1}", rows / contacts as f64),
    );
    report.beside(
        "imported, of the same puts made straight",
        rate / straight,
        Bound::AtLeast(0.6),
    );
    matching::run(&dir.path().join("state"), contacts, &mut report);
    report.end();
}

const CONFIGURATION: &str = r#"state_dir = "state"
[firm]
name = "Example Consulting"
zone = "Europe/Berlin"
domains = ["ourfirm.example"]
[firm.working_hours]
mon = ["09:00-17:00"]
[[user]]
name = "Alice Ames"
address = "alice@ourfirm.example"
"#;

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// Writes the file; tells the lines of the planted rows.
fn write_file(path: &Path, contacts: u64) -> Vec<u64> {
    let mut to = BufWriter::new(File::create(path).expect("make a file"));
    let header = "account.name,account.external_id,account.domains,external_id,name,emails,role,\
                  phones,notes";
    writeln!(to, "{header}").expect("write");
    let every = (contacts / BAD).max(1);
    let (mut line, mut bad) = (1_u64, Vec::new());
    for number in 0..contacts {
        if number % every == 0 && (bad.len() as u64) < BAD {
            line += 1;
            let wrong = match bad.len() % 4 {
                0 => format!("Bad {number},b{number},,bad{number},Bad One,no address,,,"),
                1 => {
                    format!("Bad {number},b{number},no domain,bad{number},Bad One,b@bad.example,,,")
                }
                2 => format!("Bad {number},b{number},,bad{number},Bad One,us@ourfirm.example,,,"),
                _ => format!("Bad {number},b{number},,bad{number},\"Bad One,b@bad.example,,,"),
            };
            writeln!(to, "{wrong}").expect("write");
            bad.push(line);
        }
        line += 1;
        let account = number / PER_ACCOUNT;
        writeln!(
            to,
            "Customer {account} GmbH,crm:a{account},customer{account}.example,crm:c{number},\
             Person {number},person{number}@customer{account}.example,Head of Purchasing,\
             +49 30 {number},\"met at the fair, wants a quote for lot {number}\""
        )
        .expect("write");
    }
    to.flush().expect("write");
    bad
}

/// The program itself; the most memory that it had is the last line of its stderr.
fn watched() -> ExitCode {
    let code = liaison::cli::main();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    eprintln!("{}", kib.unwrap_or("no figure of memory"));
    code
}

/// The real program, alone on the store.
fn import(config: &Path, csv: &Path, rejects: &Path) -> Ran {
    let begin = Instant::now();
    let output = Command::new(std::env::current_exe().expect("our own path"))
        .args([
            "--config",
            text(config),
            "--json",
            "contacts",
            "import",
            text(csv),
        ])
        .args(["--rejects", text(rejects)])
        .output()
        .expect("start ourselves");
    let took = begin.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_str(&said);
    let report = report.unwrap_or_else(|_| panic!("the import said {said} and {told}"));
    let kib: u64 = told
        .lines()
        .last()
        .and_then(|line| line.parse().ok())
        .unwrap_or_else(|| panic!("memory is not the last line of {told}"));
    let peak = kib * 1_024;
    Ran { report, took, peak }
}

fn check_first(report: &Value, contacts: u64, bad: &[u64], rejects: &Path) {
    let short = report.to_string().chars().take(2_000).collect::<String>();
    assert_eq!(report["created"], contacts, "{short}");
    assert_eq!(report["rejected_count"], BAD, "{short}");
    let listed = report["rejected"].as_array().expect("a list");
    let lines: Vec<u64> = listed
        .iter()
        .filter_map(|one| one["line"].as_u64())
        .collect();
    assert_eq!(lines, bad, "{short}");
    let reasoned = |one: &Value| one["reason"].as_str().is_some_and(|text| !text.is_empty());
    assert!(listed.iter().all(reasoned), "{short}");
    let file = fs::read_to_string(rejects).expect("the rejects");
    assert_eq!(file.matches("Bad One").count() as u64, BAD, "{file}");
}

fn run_self(words: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().expect("our own path"))
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .expect("start ourselves");
    assert!(output.status.success(), "{words:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
