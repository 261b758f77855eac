use tempfile::TempDir;

use super::*;

fn begin() -> Begin {
    Begin {
        store: 9,
        schema: 1,
        at_ms: 1_700_000_000_000,
        frame: 3,
    }
}

const FAMILY: Family = Family {
    ns: 1,
    rows: 2,
    bytes: 40,
    sum: 77,
};

type Owned = (Ns, Vec<u8>, Option<(u64, Vec<u8>)>);

fn rows() -> Vec<Owned> {
    vec![
        (Ns::Account, Vec::new(), Some((1, Vec::new()))),
        (
            Ns::Account,
            vec![0, 255, 10],
            Some((u64::MAX, vec![0; 4_096])),
        ),
        (
            Ns::Task,
            vec![7; KEY_BYTES_MAX],
            Some((2, b"text".to_vec())),
        ),
        (Ns::Task, b"gone".to_vec(), None),
    ]
}

fn written(dir: &TempDir) -> Found {
    let mut writer = Writer::begin(dir.path(), begin()).unwrap();
    for (ns, key, row) in &rows() {
        let row = row
            .as_ref()
            .map(|(version, value)| (*version, value.as_slice()));
        writer.row(Row { ns: *ns, key, row }).unwrap();
    }
    writer.finish(5, &[FAMILY]).unwrap()
}

fn read_all(path: &Path) -> Result<(Vec<Owned>, Ended), ExportError> {
    let mut found = Vec::new();
    let ended = read::<ExportError>(path, &mut |row| {
        let kept = row.row.map(|(version, value)| (version, value.to_vec()));
        found.push((row.ns, row.key.to_vec(), kept));
        Ok(())
    })?;
    Ok((found, ended))
}

#[test]
fn what_was_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let export = written(&dir);
    assert_eq!((export.store, export.frame), (9, 5));
    let (found, ended) = read_all(&export.path).unwrap();
    assert_eq!(found, rows());
    assert_eq!(
        (ended.frame, ended.lines, ended.families),
        (5, 4, vec![FAMILY])
    );
    // One line for each row, that other programs can read.
    let text = fs::read_to_string(&export.path).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[2]["key"], "00ff0a");
    assert_eq!(lines[4]["deleted"], true);
}

#[test]
fn every_altered_byte_and_every_cut_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(&dir).path;
    let whole = fs::read(&path).unwrap();
    let expected = read_all(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(&path, bytes).unwrap();
        match read_all(&path) {
            Err(error) => assert!(error.to_string().contains("jsonl"), "{error}"),
            Ok(found) => panic!("byte {at} was altered and not found: {}", found == expected),
        }
        fs::write(&path, &whole[..at]).unwrap();
        assert!(read_all(&path).is_err(), "cut at {at}");
    }
}

#[test]
fn half_written_ones_are_removed_and_others_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(EXPORT_DIR);
    let mut writer = Writer::begin(&folder, begin()).unwrap();
    writer
        .row(Row {
            ns: Ns::Task,
            key: b"x",
            row: None,
        })
        .unwrap();
    drop(writer);
    fs::write(folder.join("0000000000000009.jsonl"), b"{}\n").unwrap();
    for frame in [4, 8] {
        Writer::begin(&folder, begin())
            .unwrap()
            .finish(frame, &[])
            .unwrap();
    }
    let found = Exports::find(dir.path()).unwrap();
    let frames: Vec<u64> = found
        .newest_first()
        .iter()
        .map(|export| export.frame)
        .collect();
    assert_eq!(frames, [8, 4]);
    assert!(
        fs::read_dir(&folder)
            .unwrap()
            .all(|entry| { entry.unwrap().path().extension().unwrap() != "part" })
    );
}
