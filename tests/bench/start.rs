//! A store of many messages: how long it takes to open, and what it needs.
//!
//! Each look is a process of its own, so that memory is that of one start.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use liaison::store::sled::{SledOptions, SledStore};
use liaison::store::{Batch, Dir, Ns, PAGE_ROWS_MAX, Range, Store};
use tokio::runtime::Runtime;

use super::rows;
use liaison_tests::report::{Bound, Report, mebibytes};

/// Starts of each kind, by turns, after one that warms up the page cache.
const STARTS: usize = 5;
/// Messages of one commit, as ingest takes them.
const PER_COMMIT: u64 = 40;
/// How long the rows are looked at before memory is read: the caches are full long before.
const LOOK: Duration = Duration::from_secs(60);
/// Commits on their way at one time.
const PARALLEL: usize = 8;

/// One line of a child: milliseconds to open, KiB resident then, at the end, and at most.
struct Look {
    open_ms: f64,
    resident: u64,
    worked: u64,
    peak: u64,
    /// Bytes of keys and values of all rows; 0 where that is not known.
    live: u64,
    /// Rows that were looked at.
    rows: u64,
}

/// A line of `/proc/self/status`, in KiB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Writes the rows of so many messages, as ingest commits them.
pub fn fill(dir: &Path, messages: u64) {
    let runtime = Runtime::new().expect("a runtime");
    let store = SledStore::open(dir, SledOptions::default()).expect("open the store");
    let store = Arc::new(store);
    runtime.block_on(async {
        let mut running = tokio::task::JoinSet::new();
        let mut next = 0;
        while next < messages {
            let numbers = next..messages.min(next + PER_COMMIT);
            next = numbers.end;
            if running.len() >= PARALLEL {
                running
                    .join_next()
                    .await
                    .expect("one runs")
                    .expect("commit");
            }
            let store = Arc::clone(&store);
            running.spawn(async move {
                store.commit(batch(numbers)).await.expect("commit");
            });
        }
        while let Some(done) = running.join_next().await {
            done.expect("commit");
        }
        store.close().await.expect("close");
    });
}

fn batch(numbers: std::ops::Range<u64>) -> Batch {
    let mut rows = std::collections::BTreeMap::new();
    for number in numbers {
        for (key, value) in rows::of_message(number) {
            // Messages of one conversation write its row again.
            rows.insert((key.ns, key.k.clone()), (key, value));
        }
    }
    let mut batch = Batch::new();
    for (key, value) in rows.into_values() {
        batch.put(key, value);
    }
    batch
}

/// The store as the daemon opens it, and after its rows were looked at.
pub fn open(dir: &Path) {
    let begin = Instant::now();
    let store = SledStore::open(dir, SledOptions::default()).expect("open the store");
    let took = begin.elapsed();
    let resident = memory("VmRSS");
    let (_, rows) = store.live();
    assert!(rows > 0, "an empty store");
    Runtime::new().expect("a runtime").block_on(async {
        let mut rows = 0;
        if std::env::var_os(QUICK).is_none() {
            let begin = Instant::now();
            'look: for ns in Ns::ALL {
                let mut after = None;
                loop {
                    let page = store.scan(Range::all(*ns), Dir::Forward, PAGE_ROWS_MAX, after);
                    let page = page.await.expect("scan");
                    rows += page.items.len() as u64;
                    if begin.elapsed() > LOOK {
                        break 'look;
                    }
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        tell(took, resident, store.live().0, rows);
        // The background look at all rows ends with it.
        store.close().await.expect("close");
    });
}

/// Set for a child that is not to look at all rows.
const QUICK: &str = "LIAISON_BENCH_QUICK";

/// The same files, opened by sled alone, with all trees.
pub fn bare(dir: &Path) {
    let begin = Instant::now();
    let config = sled::Config::new().path(dir.join("sled"));
    let config = config.cache_capacity(64 << 20).flush_every_ms(None);
    let db = config.open().expect("open sled");
    let trees: Vec<sled::Tree> = db
        .tree_names()
        .iter()
        .map(|name| db.open_tree(name).expect("open a tree"))
        .collect();
    let took = begin.elapsed();
    let resident = memory("VmRSS");
    let mut seen = 0;
    if std::env::var_os(QUICK).is_none() {
        let begin = Instant::now();
        let rows = trees.iter().flat_map(sled::Tree::iter);
        seen = rows
            .take_while(|_| begin.elapsed() <= LOOK)
            .map(|row| row.expect("scan").1.len().min(1) as u64)
            .sum();
        assert!(seen > 0, "an empty store");
    }
    tell(took, resident, 0, seen);
}

fn tell(took: Duration, resident: u64, live: u64, rows: u64) {
    println!(
        "{} {resident} {} {} {} {rows}",
        took.as_secs_f64() * 1_000.0,
        memory("VmRSS"),
        memory("VmHWM"),
        live / 1_024
    );
}

fn child(what: &str, dir: &Path, quick: bool) -> Look {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.arg(what).arg(dir);
    if quick {
        command.env(QUICK, "1");
    }
    let output = command.output().expect("start ourselves");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || {
        let number = numbers.next().and_then(Result::ok);
        number.unwrap_or_else(|| panic!("{what} said `{text}`, {error}"))
    };
    let open_ms = next();
    let mut kib = || next() as u64 * 1_024;
    Look {
        open_ms,
        resident: kib(),
        worked: kib(),
        peak: kib(),
        live: kib(),
        rows: kib() / 1_024,
    }
}

fn bytes_in(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_in(&entry.path()),
            _ => entry.metadata().map_or(0, |file| file.len()),
        })
        .sum()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub fn run(dir: &Path, messages: u64, report: &mut Report) {
    report.head(&format!("a store of {messages} messages"));
    let begin = Instant::now();
    let mut filling = Command::new(std::env::current_exe().expect("our own path"));
    filling.arg("fill").arg(dir).arg(messages.to_string());
    assert!(filling.status().expect("start ourselves").success());
    let took = begin.elapsed().as_secs_f64();
    report.line(
        "filled, in commits as ingest makes them",
        &format!("{:.0}/s", messages as f64 / took),
    );
    let sizes = ["", "sled", "journal", "exports"].map(|part| bytes_in(&dir.join(part)));
    for (what, bytes) in ["disk, all", "disk, rows", "disk, journal", "disk, exports"]
        .iter()
        .zip(sizes)
    {
        report.line(what, &mebibytes(bytes));
    }
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=STARTS {
        let looks = [child("open", dir, true), child("bare", dir, true)];
        if round > 0 {
            ours.push(looks[0].open_ms);
            bare.push(looks[1].open_ms);
        }
    }
    let (ours, bare) = (median(ours), median(bare));
    report.line("store, open", &format!("{ours:.0} ms"));
    report.line("sled alone, open, the same files", &format!("{bare:.0} ms"));
    report.beside(
        "store, open, of sled alone",
        ours / bare,
        Bound::AtMost(1.3),
    );
    for (what, name) in [("open", "store"), ("bare", "sled alone")] {
        let look = child(what, dir, false);
        if look.live > 0 {
            report.line("keys and values of all rows", &mebibytes(look.live));
        }
        report.line(
            &format!("{name}, resident after the open"),
            &mebibytes(look.resident),
        );
        report.line(
            &format!("{name}, resident after a look at {} rows", look.rows),
            &mebibytes(look.worked),
        );
        report.line(&format!("{name}, resident at most"), &mebibytes(look.peak));
    }
}
