//! The process that is hurt: writes its program and tells on its output what was acknowledged.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{FuturesOrdered, StreamExt};
use liaison::store::sled::{SledOptions, SledStore};
use liaison::store::{Batch, CommitError, Expect, Key, Ns, Store};

use super::program::{cursor_key, number_of, transaction};

/// Transactions on their way at one time: groups form.
const PARALLEL: usize = 16;

/// After so many transactions the rows get new files: so often that kills meet every moment of it.
const COMPACT_EVERY: u64 = 500;

/// Set for a writer whose journal is to grow until the disk is full: nothing is let go of.
pub const GROW: &str = "LIAISON_TORTURE_GROW";

/// Everything small, so that segments, checkpoints and exports come many times a second.
pub fn options() -> SledOptions {
    SledOptions {
        cache_bytes: 8 << 20,
        segment_bytes: 256 << 10,
        checkpoint_bytes: 128 << 10,
        export_after_bytes: 2 << 20,
        ..SledOptions::default()
    }
}

/// Prints `ack N` for each, until it is killed, the store fails (1), or `count` are done (0).
pub fn main(dir: &str, seed: &str, count: Option<&str>) -> ExitCode {
    let (Ok(seed), Ok(count)) = (seed.parse(), count.map_or(Ok(u64::MAX), str::parse)) else {
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    match runtime.block_on(write(Path::new(dir), seed, count)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed {error}");
            ExitCode::FAILURE
        }
    }
}

async fn write(dir: &Path, seed: u64, count: u64) -> Result<(), String> {
    let (open, grow) = (dir.to_owned(), std::env::var_os(GROW).is_some());
    let options = match grow {
        true => SledOptions {
            export_after_bytes: u64::MAX,
            compact_bytes: u64::MAX,
            ..options()
        },
        false => options(),
    };
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&open, options)).await;
    let store = opened
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("open: {error}"))?;
    println!("open");
    let store = Arc::new(store);
    let compacting = Arc::new(AtomicBool::new(false));
    let shared: &dyn Store = &*store;
    let row = shared
        .get_one(cursor_key())
        .await
        .map_err(|error| error.to_string())?;
    let mut next = row.and_then(|row| number_of(&row.value)).unwrap_or(0) + 1;
    let last = next.saturating_add(count);
    let mut running = FuturesOrdered::new();
    let result = loop {
        while running.len() < PARALLEL && next < last {
            let (number, commit) = (next, store.commit(transaction(seed, next)));
            running.push_back(async move { (number, commit.await) });
            next += 1;
        }
        match running.next().await {
            Some((number, Ok(_))) => {
                tell(number);
                if number % 50 == 0 {
                    refuse_stale(&store).await?;
                }
                if !grow && number % COMPACT_EVERY == 0 && !compacting.swap(true, Ordering::Relaxed)
                {
                    let (store, compacting) = (Arc::clone(&store), Arc::clone(&compacting));
                    tokio::spawn(async move {
                        // What fails the store is heard by the commits.
                        let _ = store.compact().await;
                        compacting.store(false, Ordering::Relaxed);
                    });
                }
            }
            Some((_, Err(error))) => break Err(error.to_string()),
            None => break Ok(()),
        }
    };
    let closed = store.close().await;
    result.and(closed.map_err(|error: CommitError| error.to_string()))
}

/// A commit that expects what is no longer so must change nothing.
async fn refuse_stale(store: &SledStore) -> Result<(), String> {
    let mut stale = Batch::new();
    stale.expect(cursor_key(), Expect::Absent);
    stale.put(Key::new(Ns::Task, b"stale".to_vec()), Vec::new());
    match store.commit(stale).await {
        Err(CommitError::Conflict(_)) => Ok(()),
        Err(error @ CommitError::Full) => Err(error.to_string()),
        other => Err(format!("a stale commit was answered with {other:?}")),
    }
}

fn tell(number: u64) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone does not count.
    let _ = writeln!(out, "ack {number}").and_then(|()| out.flush());
}
