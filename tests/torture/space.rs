//! What the store needs on disk when everything in it is written again and again.

use std::path::Path;

use futures_util::stream::{FuturesUnordered, StreamExt};
use liaison::books::chain;
use liaison::store::codec::{self, Record};
use liaison::store::sled::{Compacted, SledOptions, SledStore};
use liaison::store::{Batch, Key, Ns, Store, value_hash};
use liaison_tests::chance::Chance;
use serde::{Deserialize, Serialize};

use super::suites::Run;

/// Records, each as long as one of a message.
const RECORDS: u64 = 300_000;
const BODY_BYTES: usize = 300;
/// How often each is written again, in an order of its own.
const REWRITES: u64 = 3;
/// Records of a commit, and commits on their way at one time.
const PER_COMMIT: usize = 400;
const PARALLEL: usize = 4;
/// Files that were written anew are smaller than so many times what they hold.
const PARTS_AFTER: u64 = 3;
/// Smaller files are left as they are.
const COMPACT_BYTES: u64 = 64 << 20;
/// One of so many records is kept in the end, and written again until the files are written anew,
/// at most so often.
const KEPT_PART: usize = 5;
const REWRITES_MAX: u64 = 10;

#[derive(Serialize, Deserialize)]
struct Body(Vec<u8>);

impl Record for Body {
    const TYPE: u8 = 251;
    const VERSION: u16 = 1;
}

fn key(number: u64) -> Key {
    // As real keys are: hashes, in no order.
    let hash = value_hash(&number.to_be_bytes());
    Key::new(
        Ns::Message,
        [&hash[..], &number.to_be_bytes()[4..]].concat(),
    )
}

fn value(number: u64, round: u64) -> Vec<u8> {
    let hash = value_hash(&[number.to_be_bytes(), round.to_be_bytes()].concat());
    let body = hash.iter().copied().cycle().take(BODY_BYTES).collect();
    codec::encode(&Body(body)).expect("bytes can be encoded")
}

pub fn run(run: &mut Run<'_>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    for round in 0..run.rounds {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let result = runtime.block_on(rewritten(dir.path(), run));
        run.round(round, result);
    }
    Ok(())
}

async fn open(dir: &Path) -> Result<SledStore, String> {
    let dir = dir.to_owned();
    let options = SledOptions {
        compact_bytes: COMPACT_BYTES,
        ..SledOptions::default()
    };
    let opened = tokio::task::spawn_blocking(move || {
        SledStore::open(&dir, options).map_err(|error| chain(&error))
    });
    opened.await.map_err(|error| error.to_string())?
}

async fn rewritten(dir: &Path, run: &mut Run<'_>) -> Result<(), String> {
    let store = open(dir).await?;
    let mut numbers: Vec<u64> = (0..RECORDS).collect();
    for round in 0..=REWRITES {
        shuffle(&mut numbers, run.chance);
        write(&store, &numbers, round).await?;
    }
    let tenths = |bytes: u64| bytes * 10 / store.live().0;
    let disk = store.health().disk_bytes.unwrap_or(0);
    run.note("tenths of the live size after rewriting", tenths(disk));
    let done = store.compact().await.map_err(|error| chain(&error))?;
    run.note("tenths after compacting", tenths(done.after));
    small_enough(&store, done, RECORDS)?;

    // Most are given up: now the files are far too large, and nobody asks.
    shuffle(&mut numbers, run.chance);
    let gone = numbers.split_off(numbers.len() / KEPT_PART);
    for part in gone.chunks(PER_COMMIT) {
        let mut batch = Batch::new();
        for number in part {
            batch.del(key(*number));
        }
        let deleted = store.commit(batch).await;
        deleted.map_err(|error| error.to_string())?;
    }
    let disk = store.health().disk_bytes.unwrap_or(0);
    run.note("tenths after removing most", tenths(disk));
    let mut round = REWRITES;
    while store.compacted() == Some(done) {
        round += 1;
        if round > REWRITES_MAX {
            return Err(format!("{} tenths, and nothing was done", tenths(disk)));
        }
        write(&store, &numbers, round).await?;
    }
    let by_itself = store.compacted().ok_or("nothing was written anew")?;
    run.note(
        "tenths after that was done by itself",
        tenths(by_itself.after),
    );
    small_enough(&store, by_itself, numbers.len() as u64)?;
    store.close().await.map_err(|error| error.to_string())?;
    looked_over(dir, &numbers, round).await
}

fn small_enough(store: &SledStore, done: Compacted, records: u64) -> Result<(), String> {
    let (live, rows) = store.live();
    match rows == records && done.after < PARTS_AFTER * live {
        true => Ok(()),
        false => Err(format!(
            "{rows} rows of {live} bytes need {} bytes",
            done.after
        )),
    }
}

/// Writes each once, in this order.
async fn write(store: &SledStore, numbers: &[u64], round: u64) -> Result<(), String> {
    let mut running = FuturesUnordered::new();
    for part in numbers.chunks(PER_COMMIT) {
        let mut batch = Batch::new();
        for number in part {
            batch.put(key(*number), value(*number, round));
        }
        running.push(store.commit(batch));
        if running.len() >= PARALLEL
            && let Some(Err(error)) = running.next().await
        {
            return Err(error.to_string());
        }
    }
    while let Some(done) = running.next().await {
        done.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Every record is there as it was written last, also after the next start.
async fn looked_over(dir: &Path, numbers: &[u64], round: u64) -> Result<(), String> {
    let store = open(dir).await?;
    let verified = store.verify().await.map_err(|error| chain(&error))?;
    if !verified.is_clean() {
        return Err(format!("verify found {verified:?}"));
    }
    for part in numbers.chunks(PER_COMMIT) {
        let keys: Vec<Key> = part.iter().map(|number| key(*number)).collect();
        let found = store.get(&keys).await.map_err(|error| error.to_string())?;
        for (number, row) in part.iter().zip(found) {
            if row.is_none_or(|row| row.value[..] != value(*number, round)) {
                return Err(format!("record {number} is not as it was written last"));
            }
        }
    }
    store.close().await.map_err(|error| error.to_string())
}

fn shuffle(numbers: &mut [u64], chance: &mut Chance) {
    for last in (1..numbers.len()).rev() {
        let other = chance.within(0..last as u64 + 1) as usize;
        numbers.swap(last, other);
    }
}
