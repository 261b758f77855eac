//! Files that are written anew beside the work.

use super::*;

/// Whether rows and journal are as they should be; these tests keep no records in their rows.
async fn all_right(store: &SledStore) -> bool {
    let found = store.verify().await.unwrap();
    found.altered.is_empty() && found.busy.is_empty() && found.damage.is_empty()
}

/// Reads the whole store again and again until told to end, while it is written.
async fn read_on(store: &SledStore, end: &AtomicBool) -> u32 {
    let mut looks = 0;
    while !end.load(Ordering::Relaxed) {
        let all = rows(store).await;
        let sorted = all.is_sorted_by_key(|(key, _)| key.clone());
        assert!(sorted && all.len() >= 60, "{} rows", all.len());
        looks += 1;
        tokio::task::yield_now().await;
    }
    looks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_get_new_files_while_others_read_and_write() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(u64::MAX, 4 << 10);
    let store = SledStore::open(dir.path(), options).unwrap();
    work(&store, 0, 500).await;
    let end = AtomicBool::new(false);
    let reading = read_on(&store, &end);
    let writing = async {
        for from in (500..2_000).step_by(500) {
            let (done, ()) = futures_util::join!(store.compact(), work(&store, from, from + 500));
            done.unwrap();
        }
        end.store(true, Ordering::Relaxed);
    };
    let (looks, ()) = futures_util::join!(reading, writing);
    assert!(looks > 0);
    assert!(all_right(&store).await);
    let (expected, done) = (rows(&store).await, store.compacted());
    assert!(done.is_some());
    // The lock went over to the new files.
    assert!(matches!(open(&dir), Err(OpenError::InUse { .. })));
    let copy = killed(&dir);
    store.close().await.unwrap();
    for dir in [&dir, &copy] {
        assert!(!dir.path().join("sled.old").exists() && !dir.path().join("sled.new").exists());
        let again = SledStore::open(dir.path(), options).unwrap();
        assert_eq!(
            (again.recovery().rebuilt.as_ref(), again.compacted()),
            (None, done)
        );
        assert_eq!(rows(&again).await, expected);
        again.close().await.unwrap();
    }
}

#[tokio::test]
async fn files_of_four_times_the_rows_are_written_anew_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let options = SledOptions {
        compact_bytes: 1 << 20,
        ..small(u64::MAX, 64 << 10)
    };
    let store = SledStore::open(dir.path(), options).unwrap();
    // The same hundred rows again and again: the files only grow.
    let mut number = 0;
    while store.compacted().is_none() {
        assert!(number < 100_000, "{:?} on disk", store.health().disk_bytes);
        work(&store, number, number + 100).await;
        number += 100;
    }
    let done = store.compacted().unwrap();
    let (live, _) = store.live();
    assert!(
        done.before >= 4 * live && done.after < done.before,
        "{done:?}, {live}"
    );
    assert!(all_right(&store).await);
    store.close().await.unwrap();
}

/// What a crash may leave of the change to new files, and what the rows must be then.
#[tokio::test]
async fn a_crash_at_any_step_of_the_change_leaves_all_rows() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(u64::MAX, 4 << 10);
    let store = SledStore::open(dir.path(), options).unwrap();
    work(&store, 0, 300).await;
    let before = killed(&dir);
    store.compact().await.unwrap();
    // What the old files lack is in the journal.
    work(&store, 300, 400).await;
    let expected = rows(&store).await;
    store.close().await.unwrap();
    let (old, new) = (before.path().join("sled"), dir.path().join("sled"));
    for (step, names) in [
        ("before the first rename", ["sled", "sled.new"]),
        ("between the renames", ["sled.old", "sled.new"]),
        ("before the old ones are removed", ["sled.old", "sled"]),
    ] {
        let crashed = killed(&dir);
        fs::remove_dir_all(crashed.path().join("sled")).unwrap();
        for (from, name) in [&old, &new].into_iter().zip(names) {
            copy_dir(from, &crashed.path().join(name));
        }
        let store = SledStore::open(crashed.path(), options).unwrap();
        assert!(store.recovery().rebuilt.is_none(), "{step}");
        assert_eq!(rows(&store).await, expected, "{step}");
        assert!(all_right(&store).await, "{step}");
        store.close().await.unwrap();
        for name in ["sled.old", "sled.new"] {
            assert!(!crashed.path().join(name).exists(), "{step}: {name}");
        }
    }
}
