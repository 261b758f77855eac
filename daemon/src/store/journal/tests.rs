use std::fs;

use tempfile::TempDir;

use super::*;

const STORE: u128 = 7;

fn options(segment_bytes: u64) -> JournalOptions {
    JournalOptions {
        store: STORE,
        segment_bytes,
    }
}

fn group(number: u64) -> Group<'static> {
    let key = Raw(number.to_be_bytes().to_vec().into());
    let value = Raw(vec![number as u8; 40].into());
    Group {
        at_ms: number as i64,
        changes: vec![Change {
            commit: number,
            puts: vec![(1, key.clone(), value)],
            dels: vec![(2, key)],
        }],
        families: vec![Family {
            ns: 1,
            rows: number,
            bytes: 9,
            sum: u128::from(number),
        }],
    }
}

/// A journal with frames 1 to `last`.
fn written(last: u64, segment_bytes: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::begin(dir.path(), options(segment_bytes), 0, 0).unwrap();
    for number in 1..=last {
        let position = journal.append(&group(number), 0).unwrap();
        assert_eq!(position.frame, number);
    }
    dir
}

/// What is read after `after`: the numbers, and the end.
fn read(dir: &TempDir, after: u64) -> (Vec<u64>, Tail) {
    let mut numbers = Vec::new();
    let segments = Segments::find(dir.path()).unwrap();
    let tail = segments
        .read::<JournalError>(Some(STORE), after, &mut |number, found| {
            assert_eq!(found, &group(number));
            numbers.push(number);
            Ok(())
        })
        .unwrap();
    (numbers, tail)
}

fn segments(dir: &TempDir) -> Vec<PathBuf> {
    let found = Segments::find(dir.path()).unwrap();
    found.files().iter().map(|(_, path)| path.clone()).collect()
}

#[test]
fn what_was_appended_is_read_from_any_number_on() {
    for segment_bytes in [1 << 10, 1 << 20] {
        let dir = written(60, segment_bytes);
        assert_eq!(segments(&dir).len() > 2, segment_bytes == 1 << 10);
        for after in [0, 1, 17, 59, 60, 61] {
            let (numbers, tail) = read(&dir, after);
            assert_eq!(numbers, (after + 1..=60).collect::<Vec<_>>());
            assert_eq!((tail.position.frame, tail.cut_bytes), (60, 0));
            assert_eq!((tail.families[0].rows, tail.damage), (60, Vec::new()));
        }
    }
}

#[test]
fn it_goes_on_where_it_ended() {
    let dir = written(5, 1 << 10);
    for number in 6..40 {
        let (_, tail) = read(&dir, 0);
        let mut journal = Journal::resume(dir.path(), options(1 << 10), &tail).unwrap();
        journal.append(&group(number), 0).unwrap();
    }
    assert_eq!(read(&dir, 0).0, (1..40).collect::<Vec<_>>());
}

#[test]
fn a_frame_that_was_not_finished_is_cut_wherever_it_ends() {
    let dir = written(3, 1 << 20);
    let path = segments(&dir).remove(0);
    let whole = fs::read(&path).unwrap();
    let tail = read(&dir, 0).1;
    let (begin, end) = (tail.last_at as usize, tail.position.offset as usize);
    for cut in begin + 1..end {
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        let kept = bytes[begin..].iter().rposition(|byte| *byte != 0).unwrap() + 1;
        fs::write(&path, &bytes).unwrap();
        let (numbers, tail) = read(&dir, 0);
        // The padding at the end of a frame carries nothing.
        if tail.position.frame == 3 {
            assert!(cut > end - 8);
            continue;
        }
        assert_eq!((numbers.len(), tail.cut_bytes), (2, kept as u64), "{cut}");
        let mut journal = Journal::resume(dir.path(), options(1 << 20), &tail).unwrap();
        journal.append(&group(3), 0).unwrap();
        assert_eq!(read(&dir, 0).0, [1, 2, 3]);
    }
    // A file that ends there, as a full disk leaves it.
    for cut in begin + 1..end - 8 {
        fs::write(&path, &whole[..cut]).unwrap();
        let (numbers, tail) = read(&dir, 0);
        assert_eq!((numbers.len(), tail.damage.len()), (2, 0), "{cut}");
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let dir = written(12, 512);
    let paths = segments(&dir);
    assert!(paths.len() > 2);
    for (index, path) in paths.iter().enumerate() {
        let whole = fs::read(path).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in 0..used {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(path, &bytes).unwrap();
            if at < segment::HEADER_BYTES {
                let (numbers, tail) = read(&dir, 0);
                assert_eq!(tail.damage[0].reason, FrameError::Header, "byte {at}");
                assert_eq!(tail.ended, index + 1 == paths.len());
                assert_eq!(numbers.len(), 12, "its frames are good");
                continue;
            }
            let (numbers, tail) = read(&dir, 0);
            let told = !tail.damage.is_empty() || tail.cut_bytes > 0;
            let padding = numbers.len() == 12;
            assert!(told != padding, "segment {index}, byte {at}: {tail:?}");
            for damage in &tail.damage {
                assert_eq!(damage.path, *path);
                assert!(!numbers.contains(&damage.first) && !numbers.contains(&damage.last));
            }
            assert!(numbers.is_sorted());
        }
        fs::write(path, &whole).unwrap();
    }
}

#[test]
fn a_missing_segment_is_damage() {
    let dir = written(30, 512);
    let lost = segments(&dir).remove(1);
    let first = u64::from_str_radix(lost.file_stem().unwrap().to_str().unwrap(), 16).unwrap();
    fs::remove_file(lost).unwrap();
    let (numbers, tail) = read(&dir, 0);
    assert_eq!(tail.damage.len(), 1);
    assert_eq!(tail.damage[0].first, first);
    assert!(!numbers.contains(&tail.damage[0].last) && numbers.contains(&30));
}

#[test]
fn another_store_and_a_newer_format_are_refused_with_words() {
    let dir = written(1, 1 << 20);
    let path = segments(&dir).remove(0);
    let found = Segments::find(dir.path()).unwrap();
    let mut take = |_: u64, _: &Group<'_>| Ok::<(), JournalError>(());
    let error = found.read(Some(8), 0, &mut take).unwrap_err();
    assert!(
        error.to_string().contains("belongs to the store"),
        "{error}"
    );
    let mut bytes = fs::read(&path).unwrap();
    bytes[9] = 2;
    let checksum = crc32c::crc32c(&bytes[..60]).to_be_bytes();
    bytes[60..64].copy_from_slice(&checksum);
    fs::write(&path, &bytes).unwrap();
    let error = found.read(Some(STORE), 0, &mut take).unwrap_err();
    assert!(
        matches!(error, JournalError::Newer { found: 2, .. }),
        "{error}"
    );
}

#[test]
fn half_made_segments_are_removed() {
    let dir = written(2, 1 << 20);
    let left = dir.path().join("0000000000000003.part");
    fs::write(&left, b"LIAJ").unwrap();
    assert_eq!(read(&dir, 0).0, [1, 2]);
    assert!(!left.exists());
}

#[test]
fn a_segment_whose_first_frame_was_not_finished_takes_the_families_from_before() {
    let dir = written(12, 512);
    let last = segments(&dir).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes[segment::HEADER_BYTES + 30..].fill(0);
    fs::write(&last, bytes).unwrap();
    let first = u64::from_str_radix(last.file_stem().unwrap().to_str().unwrap(), 16).unwrap();
    for after in [0, first - 1, first] {
        let (_, tail) = read(&dir, after);
        assert_eq!(tail.position.frame, first - 1);
        assert_eq!(tail.families[0].rows, first - 1, "after {after}");
        assert!(tail.cut_bytes > 0);
    }
}
