//! Rows that are lost, altered, or made anew from an export and the journal.

use super::*;

#[tokio::test]
async fn a_store_is_made_anew_from_an_export_and_what_came_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(40 << 10, 8 << 10);
    let store = SledStore::open(dir.path(), options).unwrap();
    let mut made = 0;
    // Exports are written beside the work; three of them let segments go.
    for step in 0..60 {
        work(&store, step * 50, step * 50 + 50).await;
        let folder = dir.path().join("elsewhere");
        // Waits for the automatic one before it.
        store.save(&folder).await.unwrap();
        let kept = crate::store::export::Exports::find(dir.path()).unwrap();
        made = kept.newest_first().len();
        assert!(made <= 2, "{made} exports are kept");
        if kept.newest_first().len() == 2
            && !dir.path().join("journal/0000000000000001.journal").exists()
        {
            break;
        }
    }
    assert_eq!(made, 2);
    let expected = rows(&store).await;
    let image = killed(&dir);
    store.close().await.unwrap();
    fs::write(image.path().join("sled/db"), b"noise").unwrap();
    let again = SledStore::open(image.path(), options).unwrap();
    let rebuilt = again.recovery().rebuilt.clone().unwrap();
    assert!(rebuilt.export.is_some() && rebuilt.rows > 0, "{rebuilt:?}");
    assert_eq!(rows(&again).await, expected);
    again.close().await.unwrap();
    // A bad export is passed over for the older one.
    let newest = rebuilt.export.unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    fs::write(image.path().join("sled/db"), b"noise").unwrap();
    let again = SledStore::open(image.path(), options).unwrap();
    let older = again.recovery().rebuilt.clone().unwrap().export.unwrap();
    assert_ne!(older, newest);
    assert_eq!(rows(&again).await, expected);
    again.close().await.unwrap();
}

#[tokio::test]
async fn frames_that_nothing_has_are_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(u64::MAX, u64::MAX);
    let store = SledStore::open(dir.path(), options).unwrap();
    work(&store, 0, 200).await;
    let image = killed(&dir);
    store.close().await.unwrap();
    // Sled has nothing of it, and the journal has a hole.
    let second = fs::read_dir(image.path().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    fs::remove_dir_all(image.path().join("sled")).unwrap();
    let first = image.path().join("journal/0000000000000001.journal");
    assert_ne!(first, second);
    let mut bytes = fs::read(&first).unwrap();
    bytes[3_000] ^= 0x40;
    fs::write(&first, bytes).unwrap();
    let error = SledStore::open(image.path(), options).unwrap_err();
    assert!(
        matches!(error, OpenError::Corrupt { .. } | OpenError::Lost { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn lost_frames_are_gone_without_only_when_somebody_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(u64::MAX, u64::MAX);
    let store = SledStore::open(dir.path(), options).unwrap();
    work(&store, 0, 200).await;
    let all = rows(&store).await;
    let image = killed(&dir);
    store.close().await.unwrap();
    fs::remove_dir_all(image.path().join("sled")).unwrap();
    let first = image.path().join("journal/0000000000000001.journal");
    let mut bytes = fs::read(&first).unwrap();
    bytes[3_000] ^= 0x40;
    fs::write(&first, bytes).unwrap();
    SledStore::open(image.path(), options).unwrap_err();
    let accept = SledOptions {
        accept_loss: true,
        ..options
    };
    let store = SledStore::open(image.path(), accept).unwrap();
    assert_eq!(store.recovery().damage.len(), 1);
    assert_eq!(rows(&store).await.len(), all.len(), "overwritten later");
    store.close().await.unwrap();
    // From then on it opens as any other, and still says what it lacks.
    let store = SledStore::open(image.path(), options).unwrap();
    assert_eq!(rows(&store).await.len(), all.len());
    store.close().await.unwrap();
}

#[tokio::test]
async fn an_export_loaded_elsewhere_has_the_same_rows_under_another_identity() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), SledOptions::default()).unwrap();
    work(&store, 0, 120).await;
    let folder = dir.path().join("out");
    let export = store.save(&folder).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let options = SledOptions::default();
    SledStore::load(elsewhere.path(), options, &export.path).unwrap();
    let error = SledStore::load(elsewhere.path(), options, &export.path).unwrap_err();
    assert!(matches!(error, OpenError::NotEmpty { .. }), "{error}");
    let loaded = SledStore::open(elsewhere.path(), options).unwrap();
    assert_eq!(rows(&loaded).await, rows(&store).await);
    assert_ne!(loaded.store_id(), store.store_id());
    let again = loaded.save(&elsewhere.path().join("out")).await.unwrap();
    let lines = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("{\"ns\""));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&again.path), lines(&export.path));
    loaded.close().await.unwrap();
    // Its first export was written when it was opened: it can be made anew without the other one.
    fs::remove_dir_all(elsewhere.path().join("sled")).unwrap();
    let rebuilt = SledStore::open(elsewhere.path(), options).unwrap();
    assert!(rebuilt.recovery().rebuilt.is_some());
    assert_eq!(rows(&rebuilt).await, rows(&store).await);
    rebuilt.close().await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_row_that_was_lost_or_altered_silently_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), small(u64::MAX, u64::MAX)).unwrap();
    let mut batch = Batch::new();
    for name in ["a", "b"] {
        let value = codec::encode(&Number(7)).unwrap();
        batch.put(key(name), value);
    }
    store.commit(batch).await.unwrap();
    let found = store.verify().await.unwrap();
    assert!(found.is_clean(), "{found:?}");
    assert_eq!((found.rows, found.frames), (2, 1));
    let engine = lock(&store.shared.engine).clone().unwrap();
    let task = &engine.trees[&Ns::Task];
    let kept = task.remove("a").unwrap().unwrap();
    assert_eq!(store.verify().await.unwrap().altered, [Ns::Task]);
    task.insert("a", kept).unwrap();
    assert!(store.verify().await.unwrap().is_clean());
    task.insert("a", engine::pack(9, b"no envelope")).unwrap();
    let found = store.verify().await.unwrap();
    assert_eq!((found.altered.len(), found.bad.len()), (1, 1));
    assert!(found.bad[0].starts_with("task/a: "), "{:?}", found.bad);
    drop(engine);
    store.close().await.unwrap();
}

#[tokio::test]
async fn exports_and_looks_beside_the_work_are_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), small(u64::MAX, 64 << 10)).unwrap();
    let done = AtomicBool::new(false);
    let working = async {
        work(&store, 0, 3_000).await;
        done.store(true, Ordering::SeqCst);
    };
    let looking = async {
        let mut exports = Vec::new();
        while !done.load(Ordering::SeqCst) {
            exports.push(store.save(&dir.path().join("out")).await.unwrap().path);
            let found = store.verify().await.unwrap();
            assert!(found.altered.is_empty(), "{found:?}");
        }
        exports
    };
    let ((), exports) = futures_util::future::join(working, looking).await;
    assert!(exports.len() > 1);
    for export in exports {
        let elsewhere = tempfile::tempdir().unwrap();
        // It checks the rows against the sums that the journal told.
        SledStore::load(elsewhere.path(), SledOptions::default(), &export).unwrap();
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn rows_that_were_lost_silently_are_made_anew_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(u64::MAX, u64::MAX);
    let store = SledStore::open(dir.path(), options).unwrap();
    work(&store, 0, 100).await;
    let expected = rows(&store).await;
    store.close().await.unwrap();
    {
        let db = raw(&dir);
        let task = db.open_tree("task").unwrap();
        let first = task.first().unwrap().unwrap().0;
        task.remove(first).unwrap();
        db.flush().unwrap();
    }
    let store = SledStore::open(dir.path(), options).unwrap();
    assert!(store.recovery().rebuilt.is_some());
    assert_eq!(rows(&store).await, expected);
    store.close().await.unwrap();
    // What the keeper of a larger store leaves when it finds such rows.
    fs::write(
        dir.path().join("rebuild"),
        b"rows of task were lost or altered",
    )
    .unwrap();
    let store = SledStore::open(dir.path(), options).unwrap();
    let rebuilt = store.recovery().rebuilt.clone().unwrap();
    assert!(rebuilt.reason.contains("lost or altered"), "{rebuilt:?}");
    store.close().await.unwrap();
    let store = SledStore::open(dir.path(), options).unwrap();
    assert!(store.recovery().rebuilt.is_none());
    assert_eq!(rows(&store).await, expected);
    store.close().await.unwrap();
}
