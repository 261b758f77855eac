use std::fs::OpenOptions;

use super::*;

fn open() -> (tempfile::TempDir, ContentStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = again(&dir);
    (dir, store)
}

fn again(dir: &tempfile::TempDir) -> ContentStore {
    ContentStore::open(&dir.path().join("content")).unwrap()
}

fn pack(dir: &tempfile::TempDir, number: u32) -> PathBuf {
    let packs = dir.path().join("content").join("packs");
    packs.join(format!("{number:08x}.pack"))
}

/// The file of large content.
fn file(dir: &tempfile::TempDir, hash: ContentHash) -> PathBuf {
    let text = hash.to_string();
    dir.path()
        .join("content")
        .join(text.get(..2).unwrap())
        .join(text.get(2..4).unwrap())
        .join(&text)
}

fn large(fill: u8) -> Bytes {
    Bytes::from(vec![fill; PACKED_BYTES_MAX + 1])
}

const NOW: u64 = u64::MAX;

#[tokio::test]
async fn content_comes_back_also_after_a_restart_and_is_kept_once() {
    let (dir, store) = open();
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"Subject: hi\r\n\r\nhi\r\n"),
        Bytes::from(vec![7; PACKED_BYTES_MAX]),
        large(7),
    ];
    let mut hashes = Vec::new();
    for body in &bodies {
        let hash = store.put(body.clone()).await.unwrap();
        let bytes = store.stats();
        assert_eq!(store.put(body.clone()).await.unwrap(), hash);
        assert_eq!(store.stats(), bytes, "it is kept once");
        hashes.push(hash);
    }
    assert!(file(&dir, hashes[3]).is_file() && !file(&dir, hashes[2]).exists());
    let again = again(&dir);
    for (hash, body) in hashes.iter().zip(&bodies) {
        assert_eq!(again.get(*hash).await.unwrap().unwrap(), *body);
    }
    let unknown = ContentHash::of(b"never put");
    assert_eq!(again.get(unknown).await.unwrap(), None);
    assert_eq!(again.sweep_unfinished().unwrap(), 0);
}

#[tokio::test]
async fn the_same_content_put_at_once_is_kept() {
    let (_dir, store) = open();
    let puts = (0..32_u8).map(|number| store.put(Bytes::from(vec![number / 2; 100])));
    for put in futures_util::future::join_all(puts).await {
        assert_eq!(store.get(put.unwrap()).await.unwrap().unwrap().len(), 100);
    }
}

#[tokio::test]
async fn damage_is_named_and_healed_by_the_next_put() {
    let (dir, store) = open();
    let packed = Bytes::from_static(b"whole");
    for (body, path) in [
        (packed.clone(), pack(&dir, 1)),
        (large(1), file(&dir, ContentHash::of(&large(1)))),
    ] {
        let hash = store.put(body.clone()).await.unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = store.get(hash).await.unwrap_err();
        assert!(matches!(error, ContentError::Damaged { hash: named } if named == hash));
        store.put(body.clone()).await.unwrap();
        assert_eq!(store.get(hash).await.unwrap().unwrap(), body);
        assert_eq!(again(&dir).get(hash).await.unwrap().unwrap(), body);
    }
}

#[tokio::test]
async fn what_is_too_large_is_neither_kept_nor_read() {
    let (dir, store) = open();
    let over = CONTENT_BYTES_MAX + 1;
    let error = store.put(Bytes::from(vec![0; over])).await.unwrap_err();
    assert!(matches!(error, ContentError::TooLarge { bytes } if bytes == over as u64));
    let hash = store.put(large(3)).await.unwrap();
    let grown = OpenOptions::new()
        .write(true)
        .open(file(&dir, hash))
        .unwrap();
    grown.set_len(over as u64).unwrap();
    let error = store.get(hash).await.unwrap_err();
    assert!(matches!(error, ContentError::TooLarge { .. }));
}

#[tokio::test]
async fn a_half_written_file_is_swept_and_never_read() {
    let (dir, store) = open();
    let hash = store.put(large(2)).await.unwrap();
    let unfinished = dir.path().join("content").join(format!("{hash}.1-0.part"));
    fs::write(&unfinished, b"ke").unwrap();
    assert_eq!(store.sweep_unfinished().unwrap(), 1);
    assert!(!unfinished.exists());
    assert_eq!(store.get(hash).await.unwrap().unwrap(), large(2));
}

#[tokio::test]
async fn an_unfinished_end_is_cut_and_appending_goes_on() {
    let (dir, store) = open();
    let kept = store.put(Bytes::from(vec![1; 333])).await.unwrap();
    let whole = fs::read(pack(&dir, 1)).unwrap();
    let lost = store.put(Bytes::from(vec![2; 99])).await.unwrap();
    let both = fs::read(pack(&dir, 1)).unwrap();
    drop(store);
    for cut in whole.len()..both.len() {
        fs::write(pack(&dir, 1), &both[..cut]).unwrap();
        let store = again(&dir);
        assert_eq!(store.get(kept).await.unwrap().unwrap().len(), 333);
        assert_eq!(store.get(lost).await.unwrap(), None, "{cut}");
        assert_eq!(fs::read(pack(&dir, 1)).unwrap(), whole);
    }
    // A power cut can leave zeros in place of content: it heals when it is put again.
    let mut zeros = both.clone();
    zeros[whole.len() + 60..].fill(0);
    fs::write(pack(&dir, 1), &zeros).unwrap();
    let store = again(&dir);
    assert!(store.get(lost).await.is_err());
    assert_eq!(store.put(Bytes::from(vec![2; 99])).await.unwrap(), lost);
    assert_eq!(again(&dir).get(lost).await.unwrap().unwrap().len(), 99);
}

#[tokio::test]
async fn a_sweep_removes_what_nobody_names_and_no_more() {
    let (dir, store) = open();
    let mut live = HashSet::new();
    let mut all = Vec::new();
    for number in 0..40_u8 {
        let hash = store.put(Bytes::from(vec![number; 1_000])).await.unwrap();
        all.push(hash);
        if number % 4 == 0 {
            live.insert(hash);
        }
    }
    let needless = store.put(large(9)).await.unwrap();
    let live = Arc::new(live);
    let swept = store.sweep(Arc::clone(&live), 0).await.unwrap();
    assert_eq!(swept, Swept::default(), "all of it is young");
    let swept = store.sweep(Arc::clone(&live), NOW).await.unwrap();
    assert_eq!(swept.contents, 31);
    assert!(!pack(&dir, 1).exists() && !file(&dir, needless).exists());
    for store in [store, again(&dir)] {
        for hash in &all {
            let kept = store.get(*hash).await.unwrap().is_some();
            assert_eq!(kept, live.contains(hash));
        }
        assert_eq!(store.stats().packed, 10);
    }
    let store = again(&dir);
    let one = HashSet::from([all[0]]);
    assert_eq!(store.erase(one, NOW).await.unwrap().contents, 1);
    let bytes: Vec<u8> = fs::read_dir(dir.path().join("content/packs"))
        .unwrap()
        .flat_map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(
        !bytes
            .windows(8)
            .any(|window| window == all[0].as_bytes().get(..8).unwrap())
    );
    assert_eq!(again(&dir).get(all[4]).await.unwrap().unwrap().len(), 1_000);
}

#[tokio::test]
async fn an_index_that_is_bad_or_missing_is_made_from_its_pack() {
    let (dir, store) = open();
    let first = store.put(Bytes::from(vec![1; 1_000])).await.unwrap();
    let second = store.put(Bytes::from(vec![2; 1_000])).await.unwrap();
    // Ends the first pack.
    store.erase(HashSet::from([second]), NOW).await.unwrap();
    let third = store.put(Bytes::from(vec![3; 1_000])).await.unwrap();
    store.erase(HashSet::from([third]), NOW).await.unwrap();
    drop(store);
    for entry in fs::read_dir(dir.path().join("content/packs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().unwrap() == "index" {
            let mut bytes = fs::read(&path).unwrap();
            bytes[3] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let store = again(&dir);
    assert_eq!(store.get(first).await.unwrap().unwrap().len(), 1_000);
    assert_eq!(store.get(third).await.unwrap(), None);
}

#[test]
fn a_hash_is_text_in_json_and_bytes_in_records() {
    let hash = ContentHash::of(b"x");
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{hash}\""));
    assert_eq!(postcard::to_stdvec(&hash).unwrap().len(), 32);
    assert_eq!(
        postcard::from_bytes::<ContentHash>(&postcard::to_stdvec(&hash).unwrap()),
        Ok(hash)
    );
    for text in ["", "../../etc/passwd", "zz", &"a".repeat(63)] {
        assert!(text.parse::<ContentHash>().is_err(), "{text}");
    }
}
