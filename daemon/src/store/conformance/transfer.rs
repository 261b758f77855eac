//! What one store exports another takes, row for row.

use std::path::Path;

use super::*;
use crate::store::export::{self, Begin, Ended, ExportError, Row, Writer};
use crate::store::sums::Sums;

/// An export of any store through its verbs.
async fn export_of(store: &dyn Store, folder: &Path) -> std::path::PathBuf {
    let begin = Begin {
        store: 7,
        schema: SCHEMA,
        at_ms: 0,
        frame: 1,
    };
    let (mut writer, mut sums) = (Writer::begin(folder, begin).unwrap(), Sums::default());
    for ns in Ns::ALL.iter().copied().filter(|ns| *ns != Ns::Meta) {
        for (key, row) in store.scan_prefix(ns, b"", usize::MAX).await.unwrap() {
            sums.add(ns, &key, &row);
            let key: &[u8] = &key;
            let row = Some((row.version, &*row.value));
            writer.row(Row { ns, key, row }).unwrap();
        }
    }
    writer.finish(1, &sums.all()).unwrap().path
}

/// Row lines, and what the end says of the families.
fn told(path: &Path) -> (Vec<String>, Ended) {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("{\"ns\""));
    let lines = lines.map(str::to_owned).collect();
    let mut ended = export::read::<ExportError>(path, &mut |_| Ok(())).unwrap();
    ended.frame = 0;
    ended.families.retain(|family| family.rows > 0);
    (lines, ended)
}

#[tokio::test]
async fn rows_go_from_memory_to_sled_and_back_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let first = MemoryStore::new();
    for round in 0..300_u16 {
        let mut batch = Batch::new();
        let ns = Ns::ALL[1 + usize::from(round) % (Ns::ALL.len() - 1)];
        batch.put(
            keys::Tuple::new().u16(round).key(ns),
            vec![round as u8; usize::from(round)],
        );
        batch.put(key(Ns::Setting, b"last"), round.to_string());
        if round % 7 == 3 {
            batch.del(keys::Tuple::new().u16(round - 2).key(ns));
        }
        first.commit(batch).await.unwrap();
    }
    let of_memory = export_of(&first, &dir.path().join("memory")).await;
    // Into sled, whose keeper writes the next export.
    let place = dir.path().join("store");
    let rows = SledStore::load(&place, SledOptions::default(), &of_memory).unwrap();
    let sled = SledStore::open(&place, SledOptions::default()).unwrap();
    let of_sled = sled.save(&dir.path().join("sled")).await.unwrap().path;
    assert_eq!(told(&of_sled), told(&of_memory));
    assert_eq!(told(&of_sled).0.len() as u64, rows);
    // Through the verbs alone it is the same.
    let of_verbs = export_of(&sled, &dir.path().join("verbs")).await;
    assert_eq!(told(&of_verbs), told(&of_memory));
    sled.close().await.unwrap();
    // And back.
    let second = MemoryStore::new();
    export::read::<ExportError>(&of_sled, &mut |row| {
        let found = row.row.map(|(version, value)| Versioned {
            version,
            value: Bytes::copy_from_slice(value),
        });
        second.take_row(key(row.ns, row.key), found);
        Ok(())
    })
    .unwrap();
    let again = export_of(&second, &dir.path().join("again")).await;
    assert_eq!(told(&again), told(&of_memory));
}
