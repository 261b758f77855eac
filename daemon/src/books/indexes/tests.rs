use std::collections::BTreeSet;
use std::sync::Arc;

use super::walk::{Fault, Mode, walk};
use super::*;
use crate::books::Books;
use crate::books::registry::golden;
use crate::store::codec::Record;
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Fence, ShardId, Store};

fn books(dir: &tempfile::TempDir) -> Books {
    let store = Arc::new(MemoryStore::new());
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: store.epoch(),
    };
    let content = ContentStore::open(dir.path()).unwrap();
    Books::new(store as Arc<dyn Store>, content, fence)
}

fn named<T>(cases: Vec<golden::Case<T>>, name: &str) -> T {
    let found = cases.into_iter().find(|case| case.name == name);
    found.unwrap().value
}

fn put<T: Record>(batch: &mut Batch, key: Key, record: &T) -> Key {
    batch.put_record(key.clone(), record).unwrap();
    key
}

/// One record for each family of [`SOURCES`], with an entry in every index.
async fn filled(books: &Books) -> Vec<Key> {
    let mut batch = books.batch();
    let batch_ref = &mut batch;
    let account = named(golden::accounts(), "active");
    let contact = named(golden::contacts(), "active");
    let message = named(golden::messages(), "full");
    let mail = named(golden::mails(), "scheduled");
    let hold = named(golden::holds(), "placed");
    let case = named(golden::cases(), "changed");
    let timer = named(golden::timers(), "set");
    let meeting = named(golden::meetings(), "due");
    let event = named(golden::events(), "message");
    let result = named(golden::plugin_results(), "parked");
    let rule = named(golden::match_rules(), "address");
    let all = vec![
        put(batch_ref, keys::account(&account.id), &account),
        put(batch_ref, keys::contact(&contact.id), &contact),
        put(batch_ref, keys::message(&message.key), &message),
        put(batch_ref, keys::mail(&mail.id), &mail),
        put(batch_ref, keys::hold(&hold.id), &hold),
        put(batch_ref, keys::case(&case.id), &case),
        put(batch_ref, keys::timer(&timer.id), &timer),
        put(batch_ref, keys::meeting(&meeting.id), &meeting),
        put(batch_ref, keys::event(&event.seq), &event),
        put(batch_ref, keys::plugin_result(300, &result.plugin), &result),
        put(batch_ref, keys::match_rule(&rule.subject), &rule),
    ];
    books.commit(batch).await.unwrap();
    all
}

async fn index_rows(books: &Books) -> Vec<(Key, bytes::Bytes)> {
    let mut rows = Vec::new();
    for ns in INDEXES {
        let found = books.store.scan_prefix(ns, b"", 1_000).await.unwrap();
        rows.extend(
            found
                .into_iter()
                .map(|(key, row)| (Key::new(ns, key), row.value)),
        );
    }
    rows
}

async fn faults(books: &Books) -> Vec<Fault> {
    let mut faults = Vec::new();
    walk(books, Mode::Look, &mut |fault| faults.push(fault))
        .await
        .unwrap();
    faults
}

async fn mend(books: &Books) -> (u64, u64) {
    let mut tell = |fault| panic!("{fault:?}");
    let walked = walk(books, Mode::Mend, &mut tell).await.unwrap();
    (walked.added, walked.removed)
}

#[tokio::test]
async fn every_index_is_made_of_its_records_and_of_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let books = books(&dir);
    let records = filled(&books).await;
    let all = faults(&books).await.len();
    let (added, removed) = mend(&books).await;
    assert_eq!((added, removed), (all as u64, 0));
    assert_eq!(faults(&books).await, []);
    let rows = index_rows(&books).await;
    let families: BTreeSet<Ns> = rows.iter().map(|(key, _)| key.ns).collect();
    assert_eq!(families, INDEXES.into_iter().collect(), "each has rows");

    // A record without its index row, for each of them.
    for (key, _) in &rows {
        let mut batch = books.batch();
        batch.del(key.clone());
        books.commit(batch).await.unwrap();
        let told = faults(&books).await;
        assert!(
            matches!(&told[..], [Fault::Missing { index, .. }] if index == key),
            "{key}: {told:?}"
        );
        assert_eq!(mend(&books).await, (1, 0), "{key}");
    }
    assert_eq!(index_rows(&books).await, rows);

    // Index rows without their record, for each of them; only the gate stays.
    let mut batch = books.batch();
    for key in &records {
        batch.del(key.clone());
    }
    books.commit(batch).await.unwrap();
    let told: BTreeSet<Key> = faults(&books)
        .await
        .into_iter()
        .map(|fault| match fault {
            Fault::Surplus { index } => index,
            other => panic!("{other:?}"),
        })
        .collect();
    let gates = rows
        .iter()
        .filter(|(key, _)| key.ns == Ns::EventSeen)
        .count();
    assert_eq!((told.len(), gates), (rows.len() - 1, 1));
    let (added, removed) = mend(&books).await;
    assert_eq!((added, removed), (0, rows.len() as u64 - 1));
    let left: Vec<Ns> = index_rows(&books)
        .await
        .iter()
        .map(|(key, _)| key.ns)
        .collect();
    assert_eq!(left, [Ns::EventSeen]);
    assert_eq!(faults(&books).await, []);
}

#[tokio::test]
async fn rows_that_several_share_lose_and_gain_one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let books = books(&dir);
    filled(&books).await;
    mend(&books).await;
    // Another account with the same domain, and one in the row that does not exist.
    let mut other = named(golden::accounts(), "past");
    other.id = "acc-2".into();
    other.name = "Other".to_owned();
    other.external_id = None;
    let key = keys::by_domain("example.com");
    let row = crate::books::rows::ByDomainRow {
        accounts: vec!["acc-1".into(), "acc-9".into()],
        decided: None,
    };
    let mut batch = books.batch();
    put(&mut batch, keys::account(&other.id), &other);
    put(&mut batch, key.clone(), &row);
    books.commit(batch).await.unwrap();
    // The domain and its two skeletons, the name and the owner of the one, and the surplus.
    assert_eq!(faults(&books).await.len(), 6);
    assert_eq!(mend(&books).await, (5, 1));
    let row = books
        .get::<crate::books::rows::ByDomainRow>(key)
        .await
        .unwrap();
    assert_eq!(
        row.unwrap().record.accounts,
        ["acc-1".into(), "acc-2".into()]
    );
    // What cannot be read is told, and left as it is.
    let mut batch = books.batch();
    batch.put(keys::timer(&"timer-1".into()), "no record");
    books.commit(batch).await.unwrap();
    let told = faults(&books).await;
    assert!(
        matches!(&told[..], [Fault::Unreadable { key, .. }] if key.ns == Ns::Timer),
        "{told:?}"
    );
}
