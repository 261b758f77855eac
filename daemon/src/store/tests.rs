use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::memory::MemoryStore;
use super::*;

#[test]
fn ids_and_names_of_families_are_unique_and_found() {
    let ids: HashSet<u8> = Ns::ALL.iter().map(|ns| ns.id()).collect();
    let names: HashSet<&str> = Ns::ALL.iter().map(|ns| ns.name()).collect();
    assert_eq!((ids.len(), names.len()), (Ns::ALL.len(), Ns::ALL.len()));
    for ns in Ns::ALL {
        assert_eq!(Ns::from_id(ns.id()), Some(*ns));
        assert_eq!(Ns::from_name(ns.name()), Some(*ns));
    }
    // On disk since the first release.
    assert_eq!((Ns::Meta.id(), Ns::Setting.id()), (0, 34));
}

#[test]
fn a_conflict_names_the_row_so_that_a_person_can_read_it() {
    let key = keys::Tuple::new().text("alice@example.com").key(Ns::ByAddr);
    assert_eq!(
        CommitError::Conflict(key).to_string(),
        "by_addr/alice@example.com\\x00\\x00 changed meanwhile: read it again and decide again"
    );
}

#[tokio::test]
async fn a_bounded_scan_never_takes_a_part_for_the_whole() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut batch = Batch::new();
    for number in 0..1_500_u16 {
        batch.put(keys::Tuple::new().u16(number).key(Ns::Task), "t");
    }
    store.commit(batch).await.unwrap();
    let all = store
        .scan_all_prefix(Ns::Task, b"", "TASKS_MAX", 1_500)
        .await
        .unwrap();
    assert_eq!(all.len(), 1_500);
    let error = store
        .scan_all_prefix(Ns::Task, b"", "TASKS_MAX", 1_499)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        ReadError::TooMany {
            ns: Ns::Task,
            bound: "TASKS_MAX",
            rows_max: 1_499
        }
    );
    let newest = store
        .scan_range(Range::all(Ns::Task), Dir::Reverse, 1_200)
        .await
        .unwrap();
    assert_eq!(newest.len(), 1_200);
    assert_eq!(
        newest.first().unwrap().0,
        1_499_u16.to_be_bytes().as_slice()
    );
    let first = store.get_one(Key::new(Ns::Task, vec![0, 0])).await.unwrap();
    assert_eq!(first.unwrap().value, "t");
}

#[tokio::test]
async fn the_lease_of_one_machine_covers_all_shards_in_its_epoch() {
    let leases = AllShards::new(7);
    let view = leases.beat().await.unwrap();
    let fence = view.fence(ShardId(4_095)).unwrap();
    assert_eq!(
        fence,
        Fence {
            shard: ShardId(4_095),
            epoch: 7
        }
    );
    leases.release(fence).await.unwrap();
    let stale = Fence {
        shard: ShardId::SINGLE,
        epoch: 6,
    };
    assert_eq!(
        leases.release(stale).await,
        Err(LeaseError::NotOwned(stale))
    );
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn only_one_module_names_the_database() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let home = [root.join("store/sled.rs"), root.join("store/sled")];
    let mut seen_at_home = false;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // Our own module goes by `store::sled` or `super::sled`.
        let crate_path = ["use sled", " sled::", "<sled::", "(sled::", " ::sled"];
        let named = crate_path.iter().any(|path| text.contains(path));
        if home.iter().any(|home| file.starts_with(home)) {
            seen_at_home |= named;
        } else if !file.ends_with("store/tests.rs") {
            assert!(!named, "{} names sled", file.display());
        }
    }
    assert!(seen_at_home);
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Note(String);

impl codec::Record for Note {
    const TYPE: u8 = 250;
    const VERSION: u16 = 1;
}

#[tokio::test]
async fn a_damaged_record_is_named_by_its_key() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let at = |name: &'static str| Key::new(Ns::Task, name);
    let note = Note("call Alice".to_owned());
    let mut batch = Batch::new();
    batch
        .put_record(at("good"), &note)
        .unwrap()
        .put(at("bad"), "Lxxxxxxxxxxx");
    store.commit(batch).await.unwrap();
    let stored = store.get_record::<Note>(at("good")).await.unwrap().unwrap();
    assert_eq!(stored.record, note);
    assert_eq!(store.get_record::<Note>(at("missing")).await.unwrap(), None);
    let error = store.get_record::<Note>(at("bad")).await.unwrap_err();
    assert_eq!(error.to_string(), "the record task/bad cannot be read");
    assert_eq!(
        error,
        ReadError::Record {
            key: at("bad"),
            source: CodecError::Checksum
        }
    );
}
