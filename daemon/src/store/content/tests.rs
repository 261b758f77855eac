use super::*;

fn open() -> (tempfile::TempDir, ContentStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = ContentStore::open(&dir.path().join("content")).unwrap();
    (dir, store)
}

fn file(dir: &tempfile::TempDir, hash: ContentHash) -> PathBuf {
    let text = hash.to_string();
    dir.path()
        .join("content")
        .join(text.get(..2).unwrap())
        .join(text.get(2..4).unwrap())
        .join(&text)
}

#[tokio::test]
async fn content_comes_back_also_after_a_restart_and_is_kept_once() {
    let (dir, store) = open();
    let bodies: [&'static [u8]; 3] = [b"", b"Subject: hi\r\n\r\nhi\r\n", &[7; 100_000]];
    for body in bodies {
        let hash = store.put(Bytes::from_static(body)).await.unwrap();
        assert_eq!(store.put(Bytes::from_static(body)).await.unwrap(), hash);
        assert!(file(&dir, hash).is_file());
        let again = ContentStore::open(&dir.path().join("content")).unwrap();
        assert_eq!(again.get(hash).await.unwrap().unwrap(), body);
    }
    assert_eq!(
        store.get(ContentHash::of(b"never put")).await.unwrap(),
        None
    );
    assert_eq!(store.sweep_unfinished().unwrap(), 0);
}

#[tokio::test]
async fn the_same_content_put_at_once_is_kept() {
    let (_dir, store) = open();
    let puts = (0..8).map(|_| store.put(Bytes::from_static(b"same")));
    for put in futures_util::future::join_all(puts).await {
        assert_eq!(store.get(put.unwrap()).await.unwrap().unwrap(), "same");
    }
}

#[tokio::test]
async fn damage_is_named_and_healed_by_the_next_put() {
    let (dir, store) = open();
    let hash = store.put(Bytes::from_static(b"whole")).await.unwrap();
    for damage in [b"whol".as_slice(), b"wh0le", b""] {
        fs::write(file(&dir, hash), damage).unwrap();
        let error = store.get(hash).await.unwrap_err();
        assert!(matches!(error, ContentError::Damaged { hash: named } if named == hash));
        store.put(Bytes::from_static(b"whole")).await.unwrap();
        assert_eq!(store.get(hash).await.unwrap().unwrap(), "whole");
    }
}

#[tokio::test]
async fn what_is_too_large_is_neither_kept_nor_read() {
    let (dir, store) = open();
    let over = CONTENT_BYTES_MAX + 1;
    let error = store.put(Bytes::from(vec![0; over])).await.unwrap_err();
    assert!(matches!(error, ContentError::TooLarge { bytes } if bytes == over as u64));
    let hash = store.put(Bytes::from_static(b"small")).await.unwrap();
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
    let hash = store.put(Bytes::from_static(b"kept")).await.unwrap();
    let unfinished = dir.path().join("content").join(format!("{hash}.1-0.part"));
    fs::write(&unfinished, b"ke").unwrap();
    assert_eq!(store.sweep_unfinished().unwrap(), 1);
    assert!(!unfinished.exists());
    assert_eq!(store.get(hash).await.unwrap().unwrap(), "kept");
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
