//! Rows on their way out and in.

use std::path::PathBuf;

use super::*;
use crate::books::registry::{Registry, has_records};
use crate::books::sweep;
use crate::keeping::{check_export, check_store, export_rows, import_rows, settle_imported};
use crate::store::{SCHEMA, codec};

fn row_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("{\"ns\""));
    lines.map(str::to_owned).collect()
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    all
}

async fn import(file: &Path, state: &Path) -> Result<Transferred, KeepingError> {
    let (file, state) = (file.to_owned(), state.to_owned());
    let task = tokio::task::spawn_blocking(move || import_rows(&file, &state));
    task.await.unwrap()
}

#[tokio::test]
async fn an_import_into_an_empty_place_gives_an_equal_export() {
    let dir = tempfile::tempdir().unwrap();
    let (books, store) = state_with(&states(), &dir.path().join("state")).await;
    let file = dir.path().join("rows.jsonl");
    let written = export_rows(&books, &file).await.unwrap();
    assert_eq!(names(dir.path()).len(), 2, "nothing is left beside it");
    let error = export_rows(&books, &file).await.unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    // Into a folder, under the name of its moment.
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let again = export_rows(&books, &folder).await.unwrap();
    assert_eq!(again.families, written.families);
    assert_eq!(names(&folder), [again.file]);
    // A person can read it.
    let lines = row_lines(&file);
    let mail = lines
        .iter()
        .find(|line| line.contains("aaaaaa0004"))
        .unwrap();
    let mail: serde_json::Value = serde_json::from_str(mail).unwrap();
    assert_eq!(
        mail.pointer("/record/state"),
        Some(&serde_json::json!("scheduled"))
    );

    let elsewhere = dir.path().join("elsewhere");
    let imported = import(&file, &elsewhere).await.unwrap();
    assert_eq!(
        (imported.lines, &imported.families),
        (written.lines, &written.families)
    );
    let error = import(&file, &elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    let (there, other) = opened(&elsewhere).await;
    let second = dir.path().join("second.jsonl");
    let exported = export_rows(&there, &second).await.unwrap();
    assert_eq!(row_lines(&second), lines);
    assert_eq!(exported.families, written.families);
    // The first run over it settles what may have gone out since, once.
    let settled = settle_imported(&there, &elsewhere, NOW).await.unwrap();
    assert_eq!(settled, Some((9, 1)));
    let mails: Vec<MailEffect> = there.every(Range::all(Ns::Effect)).await.unwrap();
    assert!(
        mails
            .iter()
            .all(|mail| mail.state == MailState::Uncertain || mail.state.is_final())
    );
    assert_eq!(
        settle_imported(&there, &elsewhere, NOW).await.unwrap(),
        None
    );
    assert_eq!(
        settle_imported(&books, &dir.path().join("state"), NOW)
            .await
            .unwrap(),
        None
    );
    other.close().await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_cut_or_altered_file_is_refused_with_its_line_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (books, store) = state_with(&[MailState::Held], &dir.path().join("state")).await;
    let file = dir.path().join("rows.jsonl");
    export_rows(&books, &file).await.unwrap();
    store.close().await.unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let count = lines.len();
    let newer = text.replacen("\"schema\":1", "\"schema\":99", 1);
    let value = lines[3].replacen("\"value\":\"", "\"value\":\"?", 1);
    let cases = [
        (
            lines[..count - 1].join("\n") + "\n",
            format!("line {count}"),
        ),
        (lines[..5].join("\n"), "line 5".to_owned()),
        (
            text.replacen(lines[3], &value, 1),
            "line 4: the value".to_owned(),
        ),
        (
            text.replacen(lines[4], "{}", 1),
            "line 5: missing field".to_owned(),
        ),
        (
            text.replacen("aaaaaa", "aaaaab", 1),
            format!("line {count}, its end"),
        ),
        (
            text.replacen(&format!("{}\n", lines[2]), "", 1),
            format!("line {}, its end", count - 1),
        ),
        (newer, "schema 99, this liaison knows 1".to_owned()),
    ];
    for (text, told) in cases {
        let bad = dir.path().join("bad.jsonl");
        fs::write(&bad, text).unwrap();
        let place = dir.path().join("place");
        let error = import(&bad, &place).await.unwrap_err();
        let words = crate::books::chain(&error);
        assert!(words.contains(&told), "{told}: {words}");
        assert!(!place.exists(), "{told}: {:?}", names(&place));
    }
}

/// Overwrites the envelope of a row with that of a later version.
async fn make_newer(books: &Books, key: crate::store::Key) {
    let row = books.store.get_one(key.clone()).await.unwrap().unwrap();
    let mut value = row.value[..row.value.len() - 4].to_vec();
    value[2..4].copy_from_slice(&99_u16.to_be_bytes());
    let checksum = crc32c::crc32c(&value).to_be_bytes();
    value.extend_from_slice(&checksum);
    assert_eq!(codec::open(&value).unwrap().version, 99);
    let mut batch = books.batch();
    batch.put(key, value);
    // Past the guard: it is the later release that writes.
    books.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn a_look_before_a_start_tells_versions_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let (books, store) = state_with(&[MailState::Held, MailState::Scheduled], &state).await;
    make_newer(&books, keys::mail(&"aaaaaa0000".into())).await;
    // It is told, it is no fault, and what belongs to it stays.
    assert_eq!(
        sweep::census(&books, Registry::own()).await.unwrap().newer,
        1
    );
    let looked = verify(&books).await.unwrap();
    assert!(looked.is_clean(), "{looked:?}");
    assert_eq!(looked.census.newer, 1);
    let file = dir.path().join("rows.jsonl");
    export_rows(&books, &file).await.unwrap();
    store.close().await.unwrap();
    let before = names(&state.join("store"));
    let (place, export) = (state.clone(), file.clone());
    let task = move || (check_store(&place).unwrap(), check_export(&export).unwrap());
    let (of_store, of_file) = tokio::task::spawn_blocking(task).await.unwrap();
    assert_eq!(names(&state.join("store")), before);
    assert_eq!(of_store.families, of_file.families);
    assert_eq!(
        (of_store.newer, of_store.older, of_store.unreadable),
        (1, 0, 0)
    );
    assert!(of_store.schema_fits && !of_store.is_clean());
    let mails = of_store
        .families
        .iter()
        .find(|family| family.family == "effect")
        .unwrap();
    let versions: Vec<_> = mails
        .records
        .iter()
        .map(|one| (one.version, one.is))
        .collect();
    assert_eq!(versions, [(2, "current"), (99, "newer")]);
    // A store of a later schema is not opened, and nothing of it is written.
    fs::write(state.join("store/schema"), "7\n").unwrap();
    let look = |path: &Path| {
        let files = ["schema", "store.lock", "sled/db"].map(|name| {
            let path = path.join("store").join(name);
            (
                fs::read(&path).unwrap(),
                fs::metadata(&path).unwrap().modified().unwrap(),
            )
        });
        (
            names(&path.join("store")),
            names(&path.join("store/sled")),
            files,
        )
    };
    let before = look(&state);
    let error = open_books(&state).unwrap_err();
    let words = crate::books::chain(&error);
    assert!(
        words.contains("has schema 7") && words.contains(&format!("knows {SCHEMA}")),
        "{words}"
    );
    assert!(
        words.contains("start that release or a later one"),
        "{words}"
    );
    assert_eq!(look(&state), before);
    let checked = check_store(&state).unwrap();
    assert!(!checked.schema_fits && !checked.is_clean());
}

/// Exports that releases wrote: each is kept, and is read by every release after it.
#[tokio::test]
async fn what_earlier_releases_exported_is_read_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/exports");
    let files = names(&folder);
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let dir = tempfile::tempdir().unwrap();
        let imported = import(&file, dir.path()).await.unwrap();
        let rows: u64 = imported.families.iter().map(|family| family.rows).sum();
        assert!(rows > 100, "{} has {rows} rows", file.display());
        let (books, store) = opened(dir.path()).await;
        sweep::announce(&books, Registry::own()).await.unwrap();
        let sweeper = sweep::Sweeper::new(books.clone(), Registry::own());
        sweeper.run(&crate::supervisor::Stop::new()).await;
        let progress = sweeper.progress();
        assert!(progress.done, "{}: {progress:?}", file.display());
        let mut looked = verify(&books).await.unwrap();
        assert_eq!((looked.census.older, looked.census.newer), (0, 0));
        // Messages are not part of an export.
        looked.faults.remove("content missing");
        assert!(looked.is_clean(), "{}: {looked:#?}", file.display());
        let mut records = 0;
        for ns in Ns::ALL.iter().copied().filter(|ns| has_records(*ns)) {
            for (key, row) in books.store.scan_prefix(ns, b"", usize::MAX).await.unwrap() {
                let json = Registry::own().json(&row.value);
                assert!(json.is_ok(), "{ns} {key:?}: {json:?}");
                records += 1;
            }
        }
        assert_eq!(records, looked.census.current);
        store.close().await.unwrap();
    }
}
