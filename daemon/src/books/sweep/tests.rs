use std::sync::Arc;

use liaison_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::registry::{Kind, records};
use super::*;
use crate::books::rows::AuditRow;
use crate::store::codec::{self, Record};
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, ShardId, Store};

/// A record as the release before wrote it, frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NoteV1 {
    title: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    title: String,
    owner: Option<String>,
}

impl From<NoteV1> for Note {
    fn from(old: NoteV1) -> Note {
        Note {
            title: old.title,
            owner: None,
        }
    }
}

impl Record for NoteV1 {
    const TYPE: u8 = 200;
    const VERSION: u16 = 1;
}

records! {
    200 Note = 2 from { 1 => NoteV1 };
}

/// The release before.
const BEFORE: Registry = Registry::of(&[OWN, Kind::of::<NoteV1>("Note")]);
const NOW: Registry = Registry::of(&[OWN, Kind::of::<Note>("Note")]);
const OWN: Kind = Kind::of::<VersionsRow>("VersionsRow");

fn books(dir: &tempfile::TempDir) -> Books {
    let store = Arc::new(MemoryStore::new());
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: store.epoch(),
    };
    let content = ContentStore::open(dir.path()).unwrap();
    Books::new(store as Arc<dyn Store>, content, fence)
}

fn at(number: usize) -> Key {
    Key::new(Ns::Task, format!("task {number:04}"))
}

fn old(number: usize) -> NoteV1 {
    NoteV1 {
        title: format!("note {number}"),
    }
}

async fn write<T: Record>(books: &Books, key: Key, record: &T) {
    let mut batch = books.batch();
    batch.put_record(key, record).unwrap();
    // Past the guard: it is the other release that writes.
    books.store.commit(batch).await.unwrap();
}

async fn version_on_disk(books: &Books, key: Key) -> u16 {
    let row = books.store.get_one(key).await.unwrap().unwrap();
    codec::open(&row.value).unwrap().version
}

#[tokio::test]
async fn old_rows_are_read_as_new_ones_written_back_and_swept() {
    let dir = tempfile::tempdir().unwrap();
    let books = books(&dir);
    announce(&books, BEFORE).await.unwrap();
    let first = Sweeper::new(books.clone(), BEFORE);
    first.run(&Stop::new()).await;
    assert!(first.progress().done);
    for number in 0..1_000 {
        write(&books, at(number), &old(number)).await;
    }
    // The new release reads them as its own.
    announce(&books, NOW).await.unwrap();
    let read = books.get::<Note>(at(3)).await.unwrap().unwrap();
    assert_eq!(read.record, Note::from(old(3)));
    // A normal change writes the new version.
    let mut note = read.record;
    note.owner = Some("bob".to_owned());
    let mut batch = books.batch();
    replace(&mut batch, at(3), Some(read.version), &note).unwrap();
    books.commit(batch).await.unwrap();
    assert_eq!(version_on_disk(&books, at(3)).await, 2);
    assert_eq!(version_on_disk(&books, at(4)).await, 1);
    assert_eq!(KINDS, &[Kind::of::<Note>("Note")]);
    // The others are rewritten in the background.
    let sweeper = Sweeper::new(books.clone(), NOW);
    sweeper.run(&Stop::new()).await;
    let progress = sweeper.progress();
    assert_eq!((progress.rewritten, progress.left), (999, 0));
    assert!(progress.done && progress.trouble.is_none(), "{progress:?}");
    let counted = census(&books, NOW).await.unwrap();
    // With the row that tells of the versions.
    assert_eq!((counted.current, counted.older), (1_001, 0));
    assert_eq!(
        books.get::<Note>(at(3)).await.unwrap().unwrap().record,
        note
    );
    let read = books.get::<Note>(at(999)).await.unwrap().unwrap();
    assert_eq!(read.record, Note::from(old(999)));
    // And never again, until there is another version, or the release before wrote here.
    let again = Sweeper::new(books.clone(), NOW);
    again.run(&Stop::new()).await;
    assert_eq!(again.progress().rewritten, 0);
    announce(&books, BEFORE).await.unwrap();
    write(&books, at(2_000), &old(2_000)).await;
    announce(&books, NOW).await.unwrap();
    let back = Sweeper::new(books.clone(), NOW);
    back.run(&Stop::new()).await;
    assert_eq!(back.progress().rewritten, 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_rewritten_is_told_and_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let books = books(&dir);
    write(&books, at(1), &old(1)).await;
    let long = NoteV1 {
        title: "x".repeat(crate::store::VALUE_BYTES_MAX - 11),
    };
    write(&books, at(2), &long).await;
    let sweeper = Sweeper::new(books.clone(), NOW);
    sweeper.run(&Stop::new()).await;
    let progress = sweeper.progress();
    assert_eq!((progress.rewritten, progress.left), (1, 1));
    assert!(!progress.done);
    assert!(progress.trouble.unwrap().contains("task 0002"));
}

#[tokio::test]
async fn a_row_of_a_later_release_is_told_and_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    let books = books(&dir);
    announce(&books, NOW).await.unwrap();
    let note = Note {
        title: "later".to_owned(),
        owner: None,
    };
    write(&books, at(1), &note).await;
    write(&books, at(2), &old(2)).await;
    let before = books.store.get_one(at(1)).await.unwrap();
    // Back to the release before, which knows nothing of version 2.
    announce(&books, BEFORE).await.unwrap();
    let sweeper = Sweeper::new(books.clone(), BEFORE);
    sweeper.run(&Stop::new()).await;
    let told = newer(&books, BEFORE).await.unwrap();
    assert_eq!((told.newer, told.current), (1, 2));
    assert_eq!(told.newer_in.get("task"), Some(&1));
    let error = books.get::<NoteV1>(at(1)).await.unwrap_err();
    assert!(error.is_newer() && !error.is_store_failure(), "{error}");
    // Lists go on without it.
    let listed: Vec<NoteV1> = books.every(Range::all(Ns::Task)).await.unwrap();
    assert_eq!(listed, [old(2)]);
    // Whoever did not read it may not write over it, or remove it.
    for remove in [false, true] {
        let mut batch = books.batch();
        // The same, with other writes beside it.
        let row = AuditRow {
            at: Timestamp(1),
            who: "liaison".to_owned(),
            what: "changed".to_owned(),
            why: String::new(),
        };
        batch
            .put_record(keys::audit("x", Timestamp(1), 0), &row)
            .unwrap();
        match remove {
            true => batch.del(at(1)),
            false => batch.put_record(at(1), &old(1)).unwrap(),
        };
        let error = books.commit(batch).await.unwrap_err();
        assert!(error.to_string().contains("task/task 0001"), "{error}");
        assert!(error.to_string().contains("newer liaison"), "{error}");
        assert!(books.audit_of("x").await.unwrap().is_empty());
    }
    assert_eq!(books.store.get_one(at(1)).await.unwrap(), before);
    // The later release finds it as it left it.
    announce(&books, NOW).await.unwrap();
    assert_eq!(
        books.get::<Note>(at(1)).await.unwrap().unwrap().record,
        note
    );
}
