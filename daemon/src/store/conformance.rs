//! What every store must do, run against each of them.
//!
//! A backend starts its store again and again on the same rows; each start is a new epoch. Random
//! programs print the seed that repeats them.

mod random;
mod transfer;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::memory::MemoryStore;
use super::sled::{SledOptions, SledStore};
use super::*;
use random::random_programs_behave_as_the_model;

/// An open store and its epoch.
struct Subject {
    store: Arc<dyn Store>,
    epoch: u64,
}

impl Subject {
    fn fence(&self) -> Fence {
        Fence {
            shard: ShardId::SINGLE,
            epoch: self.epoch,
        }
    }

    async fn put(&self, key: &Key, value: &[u8]) {
        let mut batch = Batch::fenced(self.fence());
        batch.put(key.clone(), value.to_vec());
        self.store.commit(batch).await.unwrap();
    }

    async fn row(&self, key: &Key) -> Option<Versioned> {
        self.store.get_one(key.clone()).await.unwrap()
    }

    /// All keys of a scan in pages of `limit`.
    async fn keys(&self, range: &Range, dir: Dir, limit: usize) -> Vec<Bytes> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .store
                .scan(range.clone(), dir, limit, after)
                .await
                .unwrap();
            assert!(page.items.len() <= limit.max(1));
            found.extend(page.items.into_iter().map(|(key, _)| key));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    }
}

trait Backend: Default {
    /// Opens the store; the one before must be closed.
    fn start(&mut self) -> Subject;

    async fn restart(&mut self, subject: Subject) -> Subject {
        subject.store.close().await.unwrap();
        drop(subject);
        self.start()
    }
}

#[derive(Default)]
struct Memory {
    store: Arc<MemoryStore>,
}

impl Backend for Memory {
    fn start(&mut self) -> Subject {
        let epoch = self.store.take_over();
        Subject {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            epoch,
        }
    }
}

struct Sled {
    dir: tempfile::TempDir,
}

impl Default for Sled {
    fn default() -> Sled {
        Sled {
            dir: tempfile::tempdir().unwrap(),
        }
    }
}

impl Backend for Sled {
    fn start(&mut self) -> Subject {
        let options = SledOptions {
            cache_bytes: 8 << 20,
            ..SledOptions::default()
        };
        let store = SledStore::open(self.dir.path(), options).unwrap();
        let epoch = store.boot_epoch();
        Subject {
            store: Arc::new(store),
            epoch,
        }
    }
}

/// The same with files so small that programs go over segment changes, checkpoints and exports; its
/// restarts go through the journal, a rebuild and a compaction in turn.
#[derive(Default)]
struct SmallSled {
    sled: Sled,
    starts: u32,
}

impl Backend for SmallSled {
    fn start(&mut self) -> Subject {
        self.starts += 1;
        let usual = SledOptions::default();
        let options = SledOptions {
            cache_bytes: 8 << 20,
            segment_bytes: 4 << 10,
            checkpoint_bytes: 2 << 10,
            export_after_bytes: 8 << 10,
            rebuild: self.starts % 3 == 2,
            // While the program runs; sled's files have 4 times what these programs write.
            compact_bytes: match self.starts % 3 {
                0 => 1,
                _ => usual.compact_bytes,
            },
            ..usual
        };
        let store = SledStore::open(self.sled.dir.path(), options).unwrap();
        let epoch = store.boot_epoch();
        Subject {
            store: Arc::new(store),
            epoch,
        }
    }
}

macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $test() { super::$test::<super::Memory>().await; })*
        }
        mod sled {
            $(#[tokio::test] async fn $test() { super::$test::<super::Sled>().await; })*
        }
        mod small_sled {
            $(#[tokio::test] async fn $test() { super::$test::<super::SmallSled>().await; })*
        }
    };
}

suite! {
    scans_follow_the_order_of_bytes,
    pages_show_each_unchanged_row_once,
    a_batch_is_taken_whole_or_not_at_all,
    malformed_batches_are_refused,
    versions_are_never_used_twice,
    racing_increments_are_all_counted,
    a_reader_sees_a_commit_whole_or_not_at_all,
    racing_claims_have_one_winner,
    a_stale_epoch_is_refused,
    rows_survive_a_restart,
    an_acknowledged_commit_survives_a_close_at_once,
    a_closed_store_says_so,
    random_programs_behave_as_the_model,
}

fn key(ns: Ns, k: &[u8]) -> Key {
    Key::new(ns, k.to_vec())
}

async fn scans_follow_the_order_of_bytes<B: Backend>() {
    let subject = B::default().start();
    let long_ff = vec![0xFF; KEY_BYTES_MAX];
    let long = vec![b'k'; KEY_BYTES_MAX];
    let keys: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\xFF",
        b"a",
        b"a\0",
        b"a\xFF",
        b"a\xFF\xFF",
        b"b",
        &long,
        b"\xFF",
        &long_ff,
    ];
    for (number, k) in keys.iter().enumerate().rev() {
        subject
            .put(&key(Ns::Event, k), &vec![number as u8; VALUE_BYTES_MAX])
            .await;
    }
    // Neighbours that must not be seen.
    subject.put(&key(Ns::Cursor, b"a"), b"x").await;
    subject.put(&key(Ns::EventSeen, b"a"), b"x").await;

    let ranges: [(Range, &[usize]); 11] = [
        (
            Range::all(Ns::Event),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        ),
        (
            Range::prefix(Ns::Event, b""),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        ),
        (Range::prefix(Ns::Event, b"a"), &[4, 5, 6, 7]),
        (Range::prefix(Ns::Event, b"a\xFF"), &[6, 7]),
        (Range::prefix(Ns::Event, b"\xFF"), &[10, 11]),
        (Range::prefix(Ns::Event, &long_ff), &[11]),
        (Range::prefix(Ns::Event, b"c"), &[]),
        (
            Range::between(Ns::Event, &b"\0\0"[..], &b"a\xFF"[..]),
            &[2, 3, 4, 5],
        ),
        (Range::between(Ns::Event, &b"b"[..], &b"a"[..]), &[]),
        (Range::between(Ns::Event, &b"a"[..], &b"a"[..]), &[]),
        (Range::all(Ns::Hold), &[]),
    ];
    for (range, expected) in &ranges {
        let expected: Vec<&[u8]> = expected.iter().map(|at| keys[*at]).collect();
        let reversed: Vec<&[u8]> = expected.iter().rev().copied().collect();
        for limit in [0, 1, 2, 3, 5, 12, usize::MAX] {
            assert_eq!(
                subject.keys(range, Dir::Forward, limit).await,
                expected,
                "{range:?}"
            );
            assert_eq!(
                subject.keys(range, Dir::Reverse, limit).await,
                reversed,
                "{range:?}"
            );
        }
    }
    for (number, k) in keys.iter().enumerate() {
        let row = subject.row(&key(Ns::Event, k)).await.unwrap();
        assert_eq!(row.value, vec![number as u8; VALUE_BYTES_MAX]);
    }
    // Where to go on may lie outside the range.
    let inside = Range::between(Ns::Event, &b"a"[..], &b"b"[..]);
    for (dir, after, expected) in [
        (Dir::Forward, &b"\0"[..], 4),
        (Dir::Forward, b"z", 0),
        (Dir::Reverse, b"\0", 0),
        (Dir::Reverse, b"z", 4),
        (Dir::Reverse, b"a", 0),
    ] {
        let after = Some(Bytes::from_static(after));
        let page = subject
            .store
            .scan(inside.clone(), dir, 10, after)
            .await
            .unwrap();
        assert_eq!((page.items.len(), page.next), (expected, None), "{dir:?}");
    }
    subject.store.close().await.unwrap();
}

async fn pages_show_each_unchanged_row_once<B: Backend>() {
    const STABLE: u16 = 200;
    let subject = B::default().start();
    let stable = |number: u16| keys::Tuple::new().u16(number).u8(0).key(Ns::Timeline);
    let moving = |number: u16| keys::Tuple::new().u16(number).u8(1).key(Ns::Timeline);
    let mut batch = Batch::new();
    for number in 0..STABLE {
        batch.put(stable(number), "stable");
    }
    subject.store.commit(batch).await.unwrap();
    let expected: Vec<Bytes> = (0..STABLE).map(|number| stable(number).k).collect();

    for dir in [Dir::Forward, Dir::Reverse] {
        let writes = async {
            for round in 0..60_u16 {
                let mut batch = Batch::new();
                for number in (round % 3..STABLE).step_by(3) {
                    match round % 2 {
                        0 => batch.put(moving(number), "moving"),
                        _ => batch.del(moving(number)),
                    };
                }
                subject.store.commit(batch).await.unwrap();
            }
        };
        let range = Range::all(Ns::Timeline);
        let reads = async {
            for limit in [1, 7, 50] {
                let mut seen = subject.keys(&range, dir, limit).await;
                seen.retain(|k| k.ends_with(&[0]));
                if dir == Dir::Reverse {
                    seen.reverse();
                }
                assert_eq!(seen, expected, "pages of {limit}");
            }
        };
        tokio::join!(writes, reads);
    }
    subject.store.close().await.unwrap();
}

async fn a_batch_is_taken_whole_or_not_at_all<B: Backend>() {
    let subject = B::default().start();
    let seen = key(Ns::Effect, b"seen");
    let missing = key(Ns::Effect, b"missing");
    subject.put(&seen, b"old").await;
    subject.put(&seen, b"now").await;
    let version = subject.row(&seen).await.unwrap().version;
    let written = [
        key(Ns::Cursor, b"c"),
        key(Ns::Event, b"e"),
        key(Ns::EffectDue, b"d"),
    ];

    let refused = [
        (&seen, Expect::Absent),
        (&seen, Expect::Version(version - 1)),
        (&seen, Expect::ValueHash(value_hash(b"old"))),
        (&missing, Expect::Version(version)),
        (&missing, Expect::ValueHash(value_hash(b""))),
    ];
    let taken = [
        (&seen, Expect::Version(version)),
        (&seen, Expect::ValueHash(value_hash(b"now"))),
        (&missing, Expect::Absent),
    ];
    for (at, expect) in &refused {
        let mut batch = Batch::fenced(subject.fence());
        // One that holds on either side: each must hold alone.
        batch
            .expect(missing.clone(), Expect::Absent)
            .expect((*at).clone(), expect.clone());
        batch
            .expect(seen.clone(), Expect::Version(version))
            .del(seen.clone());
        for key in &written {
            batch.put(key.clone(), "x");
        }
        let error = subject.store.commit(batch).await.unwrap_err();
        assert_eq!(error, CommitError::Conflict((*at).clone()), "{expect:?}");
        assert_eq!(subject.row(&seen).await.unwrap().value, "now");
        for key in &written {
            assert_eq!(subject.row(key).await, None, "{expect:?}");
        }
    }
    for (round, (at, expect)) in taken.iter().enumerate() {
        let mut batch = Batch::fenced(subject.fence());
        batch
            .expect((*at).clone(), expect.clone())
            .del(key(Ns::Hold, b"never there"));
        for key in &written {
            batch.put(key.clone(), round.to_string());
        }
        subject.store.commit(batch).await.unwrap();
        let rows = subject.store.get(&written).await.unwrap();
        for row in rows {
            assert_eq!(row.unwrap().value, round.to_string(), "{expect:?}");
        }
    }
    // Only expectations: a check without a write.
    let mut check = Batch::new();
    check.expect(seen.clone(), Expect::Version(version));
    subject.store.commit(check.clone()).await.unwrap();
    check.expect(seen.clone(), Expect::Absent);
    assert_eq!(
        subject.store.commit(check).await,
        Err(CommitError::Conflict(seen))
    );
    subject.store.close().await.unwrap();
}

async fn malformed_batches_are_refused<B: Backend>() {
    let subject = B::default().start();
    let at = key(Ns::Task, b"t");
    let long_key = Key::new(Ns::Task, vec![0; KEY_BYTES_MAX + 1]);
    let too_long = |part, key: &Key, bytes| CommitError::TooLarge {
        key: key.clone(),
        part,
        bytes,
    };
    let mut cases: Vec<(Batch, CommitError)> = Vec::new();
    let mut case = |build: &dyn for<'b> Fn(&'b mut Batch) -> &'b mut Batch, error| {
        let mut batch = Batch::new();
        batch.put(key(Ns::Task, b"beside"), "x");
        build(&mut batch);
        cases.push((batch, error));
    };
    let twice = CommitError::Repeated(at.clone());
    case(
        &|batch| batch.put(at.clone(), "1").del(at.clone()),
        twice.clone(),
    );
    case(
        &|batch| batch.put(at.clone(), "1").put(at.clone(), "2"),
        twice.clone(),
    );
    case(&|batch| batch.del(at.clone()).del(at.clone()), twice);
    let key_error = too_long(Part::Key, &long_key, KEY_BYTES_MAX + 1);
    case(&|batch| batch.put(long_key.clone(), ""), key_error.clone());
    case(&|batch| batch.del(long_key.clone()), key_error.clone());
    case(
        &|batch| batch.expect(long_key.clone(), Expect::Absent),
        key_error,
    );
    let long_value = vec![0; VALUE_BYTES_MAX + 1];
    let value_error = too_long(Part::Value, &at, VALUE_BYTES_MAX + 1);
    case(
        &|batch| batch.put(at.clone(), long_value.clone()),
        value_error,
    );
    fn many(batch: &mut Batch) -> &mut Batch {
        for number in 0..BATCH_ROWS_MAX {
            batch.del(keys::Tuple::new().u64(number as u64).key(Ns::Task));
        }
        batch
    }
    case(
        &many,
        CommitError::TooMany {
            rows: BATCH_ROWS_MAX + 1,
        },
    );

    for (batch, expected) in cases {
        assert_eq!(subject.store.commit(batch).await, Err(expected));
    }
    assert!(
        subject
            .keys(&Range::all(Ns::Task), Dir::Forward, 10)
            .await
            .is_empty()
    );
    subject.store.close().await.unwrap();
}

async fn versions_are_never_used_twice<B: Backend>() {
    let mut backend = B::default();
    let mut subject = backend.start();
    let at = key(Ns::Wait, b"w");
    let mut last = 0;
    for round in 0..6 {
        subject.put(&at, b"same").await;
        let version = subject.row(&at).await.unwrap().version;
        assert!(version > last, "round {round}");
        let mut stale = Batch::new();
        stale
            .expect(at.clone(), Expect::Version(last))
            .put(at.clone(), "lost update");
        assert_eq!(
            subject.store.commit(stale).await,
            Err(CommitError::Conflict(at.clone()))
        );
        last = version;
        if round % 2 == 0 {
            let mut batch = Batch::new();
            batch.del(at.clone());
            subject.store.commit(batch).await.unwrap();
        }
        if round % 3 == 0 {
            subject = backend.restart(subject).await;
        }
    }
    subject.store.close().await.unwrap();
}

async fn racing_increments_are_all_counted<B: Backend>() {
    const TASKS: usize = 8;
    const EACH: usize = 20;
    let subject = B::default().start();
    let at = key(Ns::Ledger, b"count");
    let increments = (0..TASKS).map(|_| async {
        for _ in 0..EACH {
            loop {
                let row = subject.row(&at).await;
                let count: usize = row.as_ref().map_or(0, |row| {
                    std::str::from_utf8(&row.value).unwrap().parse().unwrap()
                });
                let mut batch = Batch::new();
                batch.expect(at.clone(), Expect::unchanged(row.as_ref()));
                batch.put(at.clone(), (count + 1).to_string());
                match subject.store.commit(batch).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error, CommitError::Conflict(at.clone())),
                }
            }
        }
    });
    join_all(increments).await;
    assert_eq!(
        subject.row(&at).await.unwrap().value,
        (TASKS * EACH).to_string()
    );
    subject.store.close().await.unwrap();
}

async fn a_reader_sees_a_commit_whole_or_not_at_all<B: Backend>() {
    const COMMITS: u32 = 200;
    let subject = B::default().start();
    // Families are written one after the other, many rows of each.
    let families = [Ns::Event, Ns::Outcome, Ns::Cursor, Ns::Ledger];
    let keys: Vec<Key> = families
        .iter()
        .flat_map(|ns| (0..40_u8).map(|n| key(*ns, &[n])))
        .collect();
    let write = async {
        for n in 0..COMMITS {
            let mut batch = Batch::new();
            for key in &keys {
                batch.put(key.clone(), n.to_string());
            }
            subject.store.commit(batch).await.unwrap();
        }
    };
    let read = async {
        loop {
            let rows = subject.store.get(&keys).await.unwrap();
            let value = |row: &Option<Versioned>| row.as_ref().map(|row| row.value.clone());
            let values: Vec<_> = rows.iter().map(value).collect();
            assert!(values.iter().all(|one| *one == values[0]), "{values:?}");
            if values[0].as_deref() == Some((COMMITS - 1).to_string().as_bytes()) {
                return;
            }
        }
    };
    tokio::join!(write, read);
    subject.store.close().await.unwrap();
}

async fn racing_claims_have_one_winner<B: Backend>() {
    let subject = B::default().start();
    for round in 0..10_u8 {
        let claims = (0..20_u8).map(|claimant| {
            let mut batch = Batch::fenced(subject.fence());
            batch.insert(key(Ns::EventSeen, &[round]), vec![claimant]);
            batch.put(key(Ns::Event, &[round, claimant]), "x");
            subject.store.commit(batch)
        });
        let won: Vec<usize> = join_all(claims)
            .await
            .iter()
            .enumerate()
            .filter_map(|(claimant, result)| result.is_ok().then_some(claimant))
            .collect();
        assert_eq!(won.len(), 1, "round {round}");
        let winner = subject.row(&key(Ns::EventSeen, &[round])).await.unwrap();
        assert_eq!(winner.value, vec![won[0] as u8]);
        let events = subject
            .keys(&Range::prefix(Ns::Event, &[round]), Dir::Forward, 50)
            .await;
        assert_eq!(events, [vec![round, won[0] as u8]]);
    }
    subject.store.close().await.unwrap();
}

async fn a_stale_epoch_is_refused<B: Backend>() {
    let mut backend = B::default();
    let subject = backend.start();
    let at = key(Ns::Cursor, b"inbox");
    subject.put(&at, b"1").await;
    // The takeover comes between the read and the commit.
    let read = subject.row(&at).await.unwrap();
    let stale = subject.fence();
    let subject = backend.restart(subject).await;
    assert!(subject.epoch > stale.epoch);
    for wrong in [stale.epoch, 0, subject.epoch + 1] {
        let mut batch = Batch::fenced(Fence {
            epoch: wrong,
            ..stale
        });
        batch
            .expect(at.clone(), Expect::Version(read.version))
            .put(at.clone(), "stale");
        assert_eq!(subject.store.commit(batch).await, Err(CommitError::Fenced));
    }
    let racing = (0..100_u8).map(|number| {
        let fence = if number % 2 == 0 {
            stale
        } else {
            subject.fence()
        };
        let mut batch = Batch::fenced(fence);
        batch.put(key(Ns::Event, &[number]), "x");
        subject.store.commit(batch)
    });
    for (number, result) in join_all(racing).await.into_iter().enumerate() {
        assert_eq!(result.is_ok(), number % 2 == 1, "{number}: {result:?}");
    }
    let events = subject
        .keys(&Range::all(Ns::Event), Dir::Forward, 200)
        .await;
    assert!(events.len() == 50 && events.iter().all(|k| k[0] % 2 == 1));
    assert_eq!(subject.row(&at).await, Some(read));
    subject.store.close().await.unwrap();
}

async fn rows_survive_a_restart<B: Backend>() {
    let mut backend = B::default();
    let mut subject = backend.start();
    let mut expected = BTreeMap::new();
    for boot in 0..4_u8 {
        for number in 0..10_u8 {
            let k = [boot, number];
            subject.put(&key(Ns::Message, &k), &k).await;
            expected.insert(Bytes::copy_from_slice(&k), Bytes::copy_from_slice(&k));
        }
        subject = backend.restart(subject).await;
        let rows = subject
            .store
            .scan_prefix(Ns::Message, b"", 1_000)
            .await
            .unwrap();
        let rows: BTreeMap<Bytes, Bytes> = rows
            .into_iter()
            .map(|(key, row)| (key, row.value))
            .collect();
        assert_eq!(rows, expected, "boot {boot}");
    }
    subject.store.close().await.unwrap();
}

async fn an_acknowledged_commit_survives_a_close_at_once<B: Backend>() {
    let mut backend = B::default();
    let subject = backend.start();
    let commits = (0..50_u8).map(|number| {
        let mut batch = Batch::new();
        batch.put(key(Ns::Message, &[number]), "x");
        subject.store.commit(batch)
    });
    let (results, closed) = tokio::join!(join_all(commits), subject.store.close());
    closed.unwrap();
    assert!(results[0].is_ok());
    let subject = backend.restart(subject).await;
    for (number, result) in results.iter().enumerate() {
        let row = subject.row(&key(Ns::Message, &[number as u8])).await;
        assert_eq!(row.is_some(), result.is_ok(), "{number}: {result:?}");
    }
    subject.store.close().await.unwrap();
}

async fn a_closed_store_says_so<B: Backend>() {
    let subject = B::default().start();
    let at = key(Ns::Task, b"t");
    subject.put(&at, b"x").await;
    assert_eq!(subject.store.health().state, StoreState::Open);
    subject.store.close().await.unwrap();
    subject.store.close().await.unwrap();
    let reason = "it was closed".to_owned();
    assert_eq!(
        subject.store.get(&[at]).await,
        Err(ReadError::Gone(reason.clone()))
    );
    let scan = subject
        .store
        .scan(Range::all(Ns::Task), Dir::Forward, 1, None)
        .await;
    assert_eq!(scan, Err(ReadError::Gone(reason.clone())));
    assert_eq!(
        subject.store.commit(Batch::new()).await,
        Err(CommitError::Gone(reason))
    );
    assert_eq!(subject.store.health().state, StoreState::Closed);
}
