//! Durable commits a second: one caller after another, and many at once.
//!
//! Everybody gets the same transactions, in short turns whose order is drawn anew each time: a disk
//! is slow for a while after somebody has made it busy, and nobody is to come after the same one
//! always. The median of the turns counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use liaison::store::journal::{Change, Group, Journal, JournalOptions, Raw, SEGMENT_BYTES};
use liaison::store::sled::{SledOptions, SledStore};
use liaison::store::{Batch, Ns, Store};
use liaison_tests::chance::Chance;
use redb::{Database, ReadableTable, TableDefinition};
use sled::transaction::{ConflictableTransactionError, TransactionError};
use tokio::runtime::Runtime;

use super::rows;
use liaison_tests::report::{Bound, Report, per_second};

/// Turns, and transactions of each: one after another, and in groups.
const SINGLE: (usize, u64) = (100, 20);
const GROUPED: (usize, u64) = (20, 2_000);
/// As many as the store takes into one group.
const GROUP: usize = 100;
/// Callers at once, so that a group is full while the one before is made durable.
const CALLERS: u64 = 200;
/// Written beforehand, so that an append need not change the length of the file.
const AHEAD_BYTES: usize = 64 << 20;

/// What takes transactions.
trait Taker {
    /// Each durable before the next one is begun.
    fn single(&mut self, batches: &[Batch]);
    /// Durable in groups.
    fn grouped(&mut self, batches: &[Batch]);
}

fn families() -> impl Iterator<Item = Ns> {
    Ns::ALL.iter().copied().filter(|ns| *ns != Ns::Meta)
}

/// A file that grows, or is filled with zeros beforehand.
struct Bare {
    file: File,
    at: u64,
}

impl Bare {
    fn make(path: &Path, ahead: bool) -> Bare {
        let file = File::create_new(path).expect("make a file");
        if ahead {
            file.write_all_at(&vec![0; AHEAD_BYTES], 0).expect("zeros");
            file.sync_all().expect("sync");
        }
        Bare { file, at: 0 }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.file.write_all_at(bytes, self.at).expect("append");
        self.file.sync_data().expect("fdatasync");
        self.at += bytes.len() as u64;
    }
}

fn bytes_of(batches: &[Batch]) -> Vec<u8> {
    let rows = batches.iter().flat_map(|batch| &batch.puts);
    rows.flat_map(|(key, value)| [&key.k[..], &value[..]].concat())
        .collect()
}

impl Taker for Bare {
    fn single(&mut self, batches: &[Batch]) {
        for batch in batches {
            self.append(&bytes_of(std::slice::from_ref(batch)));
        }
    }

    fn grouped(&mut self, batches: &[Batch]) {
        for group in batches.chunks(GROUP) {
            self.append(&bytes_of(group));
        }
    }
}

impl Taker for Journal {
    fn single(&mut self, batches: &[Batch]) {
        for batch in batches {
            frame(self, std::slice::from_ref(batch));
        }
    }

    fn grouped(&mut self, batches: &[Batch]) {
        for group in batches.chunks(GROUP) {
            frame(self, group);
        }
    }
}

fn frame(journal: &mut Journal, batches: &[Batch]) {
    let changes = batches.iter().map(|batch| Change {
        commit: 1,
        puts: batch
            .puts
            .iter()
            .map(|(key, value)| (key.ns.id(), Raw::from(&*key.k), Raw::from(&**value)))
            .collect(),
        dels: Vec::new(),
    });
    let group = Group {
        at_ms: 1,
        changes: changes.collect(),
        families: Vec::new(),
    };
    journal.append(&group, 1).expect("append to the journal");
}

/// The store with its callers.
struct Ours {
    runtime: Runtime,
    store: Arc<SledStore>,
}

impl Taker for Ours {
    fn single(&mut self, batches: &[Batch]) {
        self.runtime.block_on(async {
            for batch in batches {
                self.store.commit(batch.clone()).await.expect("commit");
            }
        });
    }

    fn grouped(&mut self, batches: &[Batch]) {
        let callers = CALLERS as usize;
        let share = batches.len().div_ceil(callers);
        self.runtime.block_on(async {
            let mut tasks = Vec::new();
            for part in batches.chunks(share) {
                let (store, part) = (Arc::clone(&self.store), part.to_vec());
                tasks.push(tokio::spawn(async move {
                    for batch in part {
                        store.commit(batch).await.expect("commit");
                    }
                }));
            }
            for task in tasks {
                task.await.expect("a caller");
            }
        });
    }
}

/// The same trees in sled, without us; its flush is a real sync in this program, since the
/// store's override is linked into it.
struct Synced {
    db: sled::Db,
    trees: BTreeMap<Ns, sled::Tree>,
    /// Each batch a transaction over its trees; else single inserts, which a crash may halve.
    atomic: bool,
}

impl Synced {
    fn open(path: &Path, atomic: bool) -> Synced {
        let config = sled::Config::new().path(path).cache_capacity(64 << 20);
        let db = config.flush_every_ms(None).open().expect("open sled");
        let tree = |ns: Ns| (ns, db.open_tree(ns.name()).expect("open a tree"));
        let trees = families().map(tree).collect();
        Synced { db, trees, atomic }
    }

    fn write(&self, batch: &Batch) {
        if !self.atomic {
            for (key, _) in &batch.expect {
                assert!(self.trees[&key.ns].get(&key.k).expect("get").is_none());
            }
            for (key, value) in &batch.puts {
                self.trees[&key.ns]
                    .insert(&key.k, &**value)
                    .expect("insert");
            }
            return;
        }
        let mut used: Vec<Ns> = batch.puts.iter().map(|(key, _)| key.ns).collect();
        used.sort();
        used.dedup();
        let trees: Vec<&sled::Tree> = used.iter().map(|ns| &self.trees[ns]).collect();
        let place = |ns: Ns| used.iter().position(|used| *used == ns).expect("is used");
        let done = sled::Transactional::transaction(trees.as_slice(), |trees| {
            for (key, _) in &batch.expect {
                if trees[place(key.ns)].get(&key.k)?.is_some() {
                    return Err(ConflictableTransactionError::Abort(()));
                }
            }
            for (key, value) in &batch.puts {
                trees[place(key.ns)].insert(&key.k[..], &**value)?;
            }
            Ok(())
        });
        let done: Result<(), TransactionError<()>> = done;
        done.expect("a transaction");
    }
}

impl Taker for Synced {
    fn single(&mut self, batches: &[Batch]) {
        for batch in batches {
            self.write(batch);
            self.db.flush().expect("flush");
        }
    }

    fn grouped(&mut self, batches: &[Batch]) {
        for group in batches.chunks(GROUP) {
            group.iter().for_each(|batch| self.write(batch));
            self.db.flush().expect("flush");
        }
    }
}

struct Redb(Database);

impl Redb {
    fn write(&self, batches: &[Batch]) {
        let write = self.0.begin_write().expect("begin");
        for batch in batches {
            for (key, _) in &batch.expect {
                let table = write.open_table(table(key.ns)).expect("a table");
                assert!(table.get(&key.k[..]).expect("get").is_none());
            }
            for (key, value) in &batch.puts {
                let mut table = write.open_table(table(key.ns)).expect("a table");
                table.insert(&key.k[..], &value[..]).expect("insert");
            }
        }
        write.commit().expect("commit");
    }
}

fn table(ns: Ns) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(ns.name())
}

impl Taker for Redb {
    fn single(&mut self, batches: &[Batch]) {
        for batch in batches {
            self.write(std::slice::from_ref(batch));
        }
    }

    fn grouped(&mut self, batches: &[Batch]) {
        batches.chunks(GROUP).for_each(|group| self.write(group));
    }
}

const GROWING: &str = "bare file that grows, fdatasync";
const FILLED: &str = "bare file of zeros, fdatasync";
const JOURNAL: &str = "journal alone";
const OURS: &str = "store";
const ATOMIC: &str = "sled, synced, a transaction each";
const LOOSE: &str = "sled, synced, not atomic";
const REDB: &str = "redb";

fn takers(dir: &Path) -> Vec<(&'static str, Box<dyn Taker>)> {
    let options = JournalOptions {
        store: 7,
        segment_bytes: SEGMENT_BYTES,
    };
    let journal = Journal::begin(&dir.join("journal"), options, 0, 1).expect("a journal");
    let runtime = Runtime::new().expect("a runtime");
    let opened = SledStore::open(&dir.join("store"), SledOptions::default());
    let ours = Ours {
        runtime,
        store: Arc::new(opened.expect("open the store")),
    };
    let redb = Database::create(dir.join("redb")).expect("make redb");
    vec![
        (GROWING, Box::new(Bare::make(&dir.join("growing"), false))),
        (FILLED, Box::new(Bare::make(&dir.join("filled"), true))),
        (JOURNAL, Box::new(journal)),
        (OURS, Box::new(ours)),
        (ATOMIC, Box::new(Synced::open(&dir.join("atomic"), true))),
        (LOOSE, Box::new(Synced::open(&dir.join("loose"), false))),
        (REDB, Box::new(Redb(redb))),
    ]
}

/// Medians of all turns, in transactions a second.
fn measure(
    takers: &mut [(&'static str, Box<dyn Taker>)],
    grouped: bool,
    next: &mut u64,
) -> BTreeMap<&'static str, f64> {
    let (turns, count) = if grouped { GROUPED } else { SINGLE };
    let mut chance = Chance::seeded(turns as u64);
    let mut seen: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for turn in 0..=turns {
        let numbers = *next..*next + count;
        *next += count;
        let batches: Vec<Batch> = numbers
            .map(|number| rows::transaction(number, number % CALLERS))
            .collect();
        for last in (1..takers.len()).rev() {
            let other = chance.within(0..last as u64 + 1) as usize;
            takers.swap(last, other);
        }
        for (name, taker) in takers.iter_mut() {
            let begin = Instant::now();
            match grouped {
                true => taker.grouped(&batches),
                false => taker.single(&batches),
            }
            let rate = count as f64 / begin.elapsed().as_secs_f64();
            // The first one warms up.
            if turn > 0 {
                seen.entry(name).or_default().push(rate);
            }
        }
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    };
    seen.into_iter()
        .map(|(name, rates)| (name, median(rates)))
        .collect()
}

pub fn run(dir: &Path, report: &mut Report) {
    let mut takers = takers(dir);
    let batch = rows::transaction(0, 0);
    let mut next = 1;
    let single = measure(&mut takers, false, &mut next);
    let grouped = measure(&mut takers, true, &mut next);
    report.head(&format!(
        "durable commits of {} rows, {} bytes: one after another / {GROUP} in a group",
        batch.puts.len(),
        bytes_of(&[batch]).len()
    ));
    for name in [GROWING, FILLED, JOURNAL, OURS, ATOMIC, LOOSE, REDB] {
        let both = [&single, &grouped].map(|rates| per_second(rates[name]));
        report.line(name, &both.join(" / "));
    }
    let part = |rates: &BTreeMap<_, f64>, of: &str, by: &str| rates[of] / rates[by];
    report.reaches("journal alone, grouped", grouped[JOURNAL], 10_000.0);
    let least = Bound::AtLeast;
    for (what, part, bound) in [
        (
            "store, single, of the bare file that grows",
            part(&single, OURS, GROWING),
            0.7,
        ),
        (
            "store, single, of sled synced",
            part(&single, OURS, ATOMIC),
            1.0,
        ),
        (
            "store, grouped, of sled synced",
            part(&grouped, OURS, ATOMIC),
            1.0,
        ),
    ] {
        report.beside(what, part, least(bound));
    }
    for (what, part) in [
        (
            "store, single, of the bare file of zeros",
            part(&single, OURS, FILLED),
        ),
        (
            "store, grouped, of sled synced but not atomic",
            part(&grouped, OURS, LOOSE),
        ),
        ("store, single, of redb", part(&single, OURS, REDB)),
        ("store, grouped, of redb", part(&grouped, OURS, REDB)),
    ] {
        report.line(what, &format!("{part:.2}x"));
    }
}
