mod compacted;
mod made_anew;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::store::codec::{self, Record};
use crate::store::{Expect, Ns, Part, VALUE_BYTES_MAX};

fn open(dir: &TempDir) -> Result<SledStore, OpenError> {
    SledStore::open(
        dir.path(),
        SledOptions {
            cache_bytes: 8 << 20,
            ..SledOptions::default()
        },
    )
}

fn key(name: &str) -> Key {
    Key::new(Ns::Task, name.as_bytes().to_vec())
}

async fn put(store: &SledStore, name: &str, value: &str) -> CommitId {
    let mut batch = Batch::new();
    batch.put(key(name), value.to_owned());
    store.commit(batch).await.unwrap()
}

async fn value(store: &SledStore, name: &str) -> Option<Bytes> {
    store
        .get(&[key(name)])
        .await
        .unwrap()
        .remove(0)
        .map(|row| row.value)
}

/// A closed store with one row.
async fn made() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    put(&store, "kept", "value").await;
    store.close().await.unwrap();
    dir
}

#[tokio::test]
async fn a_reopened_store_has_its_rows_its_id_and_a_later_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ids, mut last) = (Vec::new(), CommitId(0));
    for boot in 1..=4_u64 {
        let store = open(&dir).unwrap();
        assert_eq!(store.boot_epoch(), boot);
        ids.push(store.store_id().to_owned());
        for earlier in 1..boot {
            assert_eq!(value(&store, &format!("row {earlier}")).await.unwrap(), "x");
        }
        let id = put(&store, &format!("row {boot}"), "x").await;
        assert!(id > last, "commit ids repeat over restarts");
        last = id;
        store.close().await.unwrap();
    }
    ids.dedup();
    assert_eq!((ids.len(), ids[0].len()), (1, 32));
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_store() {
    let dir = made().await;
    let store = open(&dir).unwrap();
    let error = open(&dir).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(&error, OpenError::InUse { owner, .. }
        if owner.starts_with(&format!("pid {pid} on "))));
    assert!(
        error
            .to_string()
            .contains(&format!("in use by pid {pid} on ")),
        "{error}"
    );
    assert_eq!(value(&store, "kept").await.unwrap(), "value");
    store.close().await.unwrap();
    open(&dir).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn what_a_crash_left_does_not_keep_us_from_opening() {
    let dir = made().await;
    let snapshot = dir.path().join("sled/snap.00000000FFFFFFFF.generating");
    fs::write(&snapshot, b"half a snap").unwrap();
    let unfinished = dir.path().join("sled.new/blobs");
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(dir.path().join("sled.new/conf"), b"").unwrap();
    let store = open(&dir).unwrap();
    assert_eq!(value(&store, "kept").await.unwrap(), "value");
    assert!(!snapshot.exists() && !unfinished.exists());
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_crash_while_the_store_is_made_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("sled.new")).unwrap();
    fs::write(dir.path().join("sled.new/db"), b"\0\0\0").unwrap();
    let store = open(&dir).unwrap();
    assert_eq!(store.boot_epoch(), 1);
    store.close().await.unwrap();
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Number(u64);

impl Record for Number {
    const TYPE: u8 = 1;
    const VERSION: u16 = 1;
}

fn raw(dir: &TempDir) -> sled::Db {
    open::start(&dir.path().join("sled"), SledOptions::default()).unwrap()
}

fn set_schema(dir: &TempDir, schema: Option<u64>) {
    let db = raw(dir);
    let meta = db.open_tree("meta").unwrap();
    match schema {
        Some(schema) => {
            let value = codec::encode(&Number(schema)).unwrap();
            meta.insert("schema", engine::pack(0, &value)).unwrap();
        }
        None => {
            meta.remove("schema").unwrap();
        }
    }
    db.flush().unwrap();
}

fn epoch_on_disk(dir: &TempDir) -> Vec<u8> {
    raw(dir)
        .open_tree("meta")
        .unwrap()
        .get("boot-epoch")
        .unwrap()
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn a_program_that_opened_the_files_directly_is_no_damage() {
    let dir = made().await;
    let db = raw(&dir);
    let error = SledStore::open(dir.path(), SledOptions::default()).unwrap_err();
    assert!(error.to_string().contains("in use by a program"), "{error}");
    drop(db);
    open(&dir).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_refused_untouched() {
    let dir = made().await;
    set_schema(&dir, Some(99));
    let before = epoch_on_disk(&dir);
    let error = open(&dir).unwrap_err();
    assert!(matches!(error, OpenError::NewerSchema { found: 99, .. }));
    assert!(
        error.to_string().contains("written by a newer liaison"),
        "{error}"
    );
    assert_eq!(epoch_on_disk(&dir), before);
    set_schema(&dir, Some(1));
    open(&dir).unwrap().close().await.unwrap();
}

/// Damages the files of a closed store.
type Damage = fn(&TempDir);

fn db(dir: &TempDir) -> PathBuf {
    dir.path().join("sled/db")
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_made_anew_and_the_old_ones_kept() {
    let cases: [(&str, Damage); 7] = [
        ("no sentinel", |dir| set_schema(dir, None)),
        ("no db file", |dir| fs::remove_file(db(dir)).unwrap()),
        ("no conf file", |dir| {
            fs::remove_file(dir.path().join("sled/conf")).unwrap()
        }),
        ("an empty directory", |dir| {
            fs::remove_dir_all(dir.path().join("sled")).unwrap();
            fs::create_dir(dir.path().join("sled")).unwrap();
        }),
        ("no directory", |dir| {
            fs::remove_dir_all(dir.path().join("sled")).unwrap()
        }),
        ("noise in the log", |dir| {
            let length = fs::metadata(db(dir)).unwrap().len();
            fs::write(db(dir), vec![0xA5; length as usize]).unwrap();
        }),
        ("pages outside the log", |dir| {
            fs::write(dir.path().join("sled/blobs/17"), b"page").unwrap()
        }),
    ];
    for (name, damage) in cases {
        let dir = made().await;
        let store = open(&dir).unwrap();
        let id = store.store_id();
        store.close().await.unwrap();
        for attempt in 1..=2 {
            damage(&dir);
            let store = open(&dir).unwrap();
            let rebuilt = store.recovery().rebuilt.clone().unwrap();
            assert_eq!(value(&store, "kept").await.unwrap(), "value", "{name}");
            assert_eq!(store.store_id(), id, "{name}");
            assert_eq!(rebuilt.frames, attempt, "{name}: {rebuilt:?}");
            assert_eq!(rebuilt.aside.is_some(), name != "no directory", "{name}");
            if let Some(aside) = rebuilt.aside {
                assert!(aside.ends_with(format!("sled.damaged-{attempt}")), "{name}");
                assert!(aside.is_dir(), "{name}");
            }
            put(&store, &format!("later {attempt}"), "x").await;
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn without_a_journal_and_an_export_a_damaged_store_is_refused_and_kept() {
    let dir = made().await;
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    fs::remove_file(db(&dir)).unwrap();
    for _ in 0..2 {
        let error = open(&dir).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("liaison restore"), "{error}");
        assert!(dir.path().join("sled").is_dir());
    }
}

#[tokio::test]
async fn the_largest_values_stay_in_the_log_and_larger_ones_are_refused() {
    let dir = made().await;
    let store = open(&dir).unwrap();
    for round in 0..3_u8 {
        let mut batch = Batch::new();
        for number in 0..200_u8 {
            let noise: Vec<u8> = (0..VALUE_BYTES_MAX)
                .map(|at| (at as u8).wrapping_mul(number).wrapping_add(round))
                .collect();
            batch.put(Key::new(Ns::Message, vec![number]), noise);
        }
        store.commit(batch).await.unwrap();
    }
    let mut batch = Batch::new();
    batch.put(key("long"), vec![0; VALUE_BYTES_MAX + 1]);
    let error = store.commit(batch).await.unwrap_err();
    let bytes = VALUE_BYTES_MAX + 1;
    assert_eq!(
        error,
        CommitError::TooLarge {
            key: key("long"),
            part: Part::Value,
            bytes
        }
    );
    assert_eq!(
        error.to_string(),
        "the value of task/long has 4097 bytes, at most 4096 are stored"
    );
    store.close().await.unwrap();
    // Opening refuses pages outside the log.
    open(&dir).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn what_arrives_together_is_committed_one_after_the_other() {
    let dir = made().await;
    let store = open(&dir).unwrap();
    let commits = (0..300_u32).map(|number| {
        let mut batch = Batch::new();
        batch
            .put(key("last"), number.to_string())
            .insert(key(&format!("{number}")), "x");
        store.commit(batch)
    });
    let ids: Vec<_> = futures_util::future::join_all(commits)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let unique: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), 300);
    let greatest = ids.iter().enumerate().max_by_key(|(_, id)| **id).unwrap().0;
    assert_eq!(value(&store, "last").await.unwrap(), greatest.to_string());
    let health = store.health();
    assert_eq!(
        (health.state, health.commits, health.queued),
        (StoreState::Open, 300, 0)
    );
    assert!(health.disk_bytes.unwrap() > 0);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_damaged_row_fails_the_store_and_names_the_row() {
    let dir = made().await;
    let store = open(&dir).unwrap();
    let engine = lock(&store.shared.engine).clone().unwrap();
    engine.trees[&Ns::Task].insert("bad", b"123").unwrap();
    drop(engine);
    let error = store.get(&[key("bad")]).await.unwrap_err();
    assert_eq!(
        error,
        ReadError::Corrupt("task/bad has no version".to_owned())
    );
    assert_eq!(&*store.failed().await, "task/bad has no version");
    // From now on everything is refused, also what is whole.
    assert!(matches!(
        store.get(&[key("kept")]).await,
        Err(ReadError::Corrupt(_))
    ));
    assert!(matches!(
        store.commit(Batch::new()).await,
        Err(CommitError::Corrupt(_))
    ));
    assert!(matches!(store.health().state, StoreState::Failed(_)));
    assert!(matches!(store.close().await, Err(CommitError::Corrupt(_))));
    let store = open(&dir).unwrap();
    assert_eq!(value(&store, "kept").await.unwrap(), "value");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_failed_commit_fails_everybody_who_waits() {
    let dir = made().await;
    let store = open(&dir).unwrap();
    let engine = lock(&store.shared.engine).clone().unwrap();
    engine.trees[&Ns::Task].insert("bad", b"123").unwrap();
    drop(engine);
    let commits = (0..10).map(|number| {
        let mut batch = Batch::new();
        batch
            .expect(key("bad"), Expect::Absent)
            .put(key(&format!("{number}")), "x");
        store.commit(batch)
    });
    for result in futures_util::future::join_all(commits).await {
        assert_eq!(
            result,
            Err(CommitError::Corrupt("task/bad has no version".to_owned()))
        );
    }
    assert!(store.close().await.is_err());
    assert_eq!(value(&open(&dir).unwrap(), "0").await, None);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).unwrap()),
        }
    }
}

/// The files as a kill at this moment leaves them: in the page cache, as they are.
fn killed(dir: &TempDir) -> TempDir {
    let copied = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copied.path());
    copied
}

fn small(export_after_bytes: u64, checkpoint_bytes: u64) -> SledOptions {
    SledOptions {
        cache_bytes: 8 << 20,
        segment_bytes: 16 << 10,
        checkpoint_bytes,
        export_after_bytes,
        ..SledOptions::default()
    }
}

/// All rows of the store, by key.
async fn rows(store: &SledStore) -> Vec<(Bytes, Versioned)> {
    let store: &dyn Store = store;
    store.scan_prefix(Ns::Task, b"", 100_000).await.unwrap()
}

/// A program of puts, overwrites and deletes.
async fn work(store: &SledStore, from: u32, to: u32) {
    for number in from..to {
        let mut batch = Batch::new();
        batch.put(key(&format!("{:03}", number % 97)), vec![number as u8; 300]);
        if number % 5 == 4 {
            batch.del(key(&format!("{:03}", (number / 2) % 97)));
        }
        // Both may name one key.
        if batch.check().is_ok() {
            store.commit(batch).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    for checkpoint_bytes in [1 << 10, 64 << 10, u64::MAX] {
        let dir = tempfile::tempdir().unwrap();
        let options = small(u64::MAX, checkpoint_bytes);
        let store = SledStore::open(dir.path(), options).unwrap();
        work(&store, 0, 400).await;
        let image = killed(&dir);
        let again = SledStore::open(image.path(), options).unwrap();
        // A checkpoint comes after the answer, so a kill may be between the two.
        let replayed = again.recovery().replayed;
        let bounds = match checkpoint_bytes {
            u64::MAX => 380..=400,
            1_024 => 0..=10,
            _ => 11..=379,
        };
        assert!(bounds.contains(&replayed), "{checkpoint_bytes}: {replayed}");
        assert_eq!(rows(&again).await, rows(&store).await);
        assert_eq!(
            again.journal().position.frame,
            store.journal().position.frame
        );
        // The sums are those of the rows.
        let engine = lock(&again.shared.engine).clone().unwrap();
        assert_eq!(engine.sums().unwrap(), again.shared.applied().sums);
        drop(engine);
        work(&again, 400, 450).await;
        again.close().await.unwrap();
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_unfinished_frame_is_cut_off_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), small(u64::MAX, u64::MAX)).unwrap();
    work(&store, 0, 20).await;
    let image = killed(&dir);
    let before = rows(&store).await;
    work(&store, 20, 21).await;
    let after = killed(&dir);
    store.close().await.unwrap();
    let begins = {
        let store = SledStore::open(image.path(), small(u64::MAX, u64::MAX)).unwrap();
        let position = store.journal().position;
        store.close().await.unwrap();
        position
    };
    let name = format!("journal/{:016x}.journal", begins.segment);
    let whole = fs::read(after.path().join(&name)).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let begins = begins.offset as usize;
    for cut in [begins + 1, (begins + used) / 2, used - 1] {
        let image = killed(&after);
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        fs::write(image.path().join(&name), &bytes).unwrap();
        // Sled may have got it: it is the journal that is asked.
        fs::remove_dir_all(image.path().join("sled")).unwrap();
        let store = SledStore::open(image.path(), small(u64::MAX, u64::MAX)).unwrap();
        assert!(store.recovery().cut_bytes > 0, "{cut}");
        assert_eq!(rows(&store).await, before, "{cut}");
        work(&store, 20, 21).await;
        store.close().await.unwrap();
    }
}

#[test]
fn a_stuck_commit_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&dir).unwrap();
        store
            .shared
            .fail(Failure::Stuck("a commit took over 30 s".into()));
        let gone = CommitError::Gone("a commit took over 30 s".to_owned());
        assert_eq!(store.commit(Batch::new()).await, Err(gone.clone()));
        assert_eq!(store.close().await, Err(gone));
    });
}

#[test]
fn a_full_disk_is_told_as_such() {
    let full = sled::Error::Io(std::io::ErrorKind::StorageFull.into());
    assert_eq!(CommitError::from(Failure::from(full)), CommitError::Full);
}

#[test]
fn sled_syncs_through_our_override() {
    assert!(crate::store::sync_override::is_linked());
}
