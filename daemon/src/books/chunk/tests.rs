use liaison_core::time::Timestamp;

use super::*;
use crate::store::Ns;
use crate::store::keys::Tuple;
use crate::store::memory::MemoryStore;

fn key(name: &str) -> Key {
    Tuple::new().text(name).key(Ns::Setting)
}

async fn put(store: &dyn Store, name: &str, value: &'static str) {
    let mut batch = Batch::new();
    batch.put(key(name), value);
    store.commit(batch).await.unwrap();
}

async fn value(store: &dyn Store, name: &str) -> Option<String> {
    let row = store.get_one(key(name)).await.unwrap()?;
    Some(String::from_utf8(row.value.to_vec()).unwrap())
}

async fn names(store: &dyn Store, dir: Dir, limit: usize) -> Vec<String> {
    let rows = store.scan_range(Range::all(Ns::Setting), dir, limit).await;
    let rows = rows.unwrap().into_iter();
    rows.map(|(_, row)| String::from_utf8(row.value.to_vec()).unwrap())
        .collect()
}

/// Reads a row, and puts it again under "it is still as I read it".
async fn change(store: &dyn Store, name: &str, value: &'static str) -> Result<(), CommitError> {
    let seen = store.get_one(key(name)).await.unwrap();
    let mut batch = Batch::new();
    batch.expect(key(name), Expect::unchanged(seen.as_ref()));
    batch.put(key(name), value);
    store.commit(batch).await.map(|_| ())
}

async fn hand_over(chunk: &Chunk, base: &dyn Store) -> Result<CommitId, CommitError> {
    let mut batch = Batch::new();
    chunk.drain(&mut batch);
    base.commit(batch).await
}

#[tokio::test]
async fn a_chunk_sees_its_own_rows_and_nobody_else_does_until_it_is_handed_over() {
    let base = Arc::new(MemoryStore::new());
    for name in ["a", "c", "e"] {
        put(base.as_ref(), name, name).await;
    }
    let chunk = Chunk::new(base.clone());
    change(&chunk, "b", "b").await.unwrap();
    change(&chunk, "b", "B").await.unwrap();
    change(&chunk, "c", "C").await.unwrap();
    let mut batch = Batch::new();
    batch.del(key("e"));
    chunk.commit(batch).await.unwrap();
    assert_eq!(names(&chunk, Dir::Forward, 9).await, ["a", "B", "C"]);
    for limit in 1..4 {
        let newest = names(&chunk, Dir::Reverse, limit).await;
        assert_eq!(newest, ["C", "B", "a"][..limit]);
    }
    assert_eq!(value(&chunk, "e").await, None);
    assert_eq!(names(base.as_ref(), Dir::Forward, 9).await, ["a", "c", "e"]);
    let commits = base.health().commits;
    hand_over(&chunk, base.as_ref()).await.unwrap();
    assert_eq!(base.health().commits, commits + 1);
    assert_eq!(names(base.as_ref(), Dir::Forward, 9).await, ["a", "B", "C"]);
}

/// Pages of every size in both directions show the same rows as one store would.
#[tokio::test]
async fn pages_of_any_size_lose_no_row_and_double_none() {
    let base = Arc::new(MemoryStore::new());
    let one = Arc::new(MemoryStore::new());
    let chunk = Chunk::new(base.clone());
    let at = |n: i64| Tuple::new().time(Timestamp(n)).key(Ns::Event);
    for n in 0..60 {
        let (mut both, mut later, mut gone) = (Batch::new(), Batch::new(), Batch::new());
        both.put(at(n), "x");
        later.put(at(n), "y");
        gone.del(at(n));
        match n % 4 {
            0 => drop(base.commit(both.clone()).await.unwrap()),
            1 => drop(chunk.commit(both.clone()).await.unwrap()),
            2 => {
                base.commit(both.clone()).await.unwrap();
                chunk.commit(later).await.unwrap();
            }
            _ => {
                base.commit(both.clone()).await.unwrap();
                chunk.commit(gone).await.unwrap();
            }
        }
        if n % 4 != 3 {
            one.commit(both).await.unwrap();
        }
    }
    for dir in [Dir::Forward, Dir::Reverse] {
        for limit in 1..20 {
            let all = async |store: &dyn Store| {
                let (mut keys, mut after) = (Vec::new(), None);
                loop {
                    let range = Range::all(Ns::Event);
                    let page = store.scan(range, dir, limit, after).await.unwrap();
                    assert!(page.items.len() <= limit);
                    keys.extend(page.items.into_iter().map(|(key, _)| key));
                    after = page.next;
                    if after.is_none() {
                        return keys;
                    }
                }
            };
            assert_eq!(
                all(&chunk).await,
                all(one.as_ref()).await,
                "{dir:?} {limit}"
            );
        }
    }
}

#[tokio::test]
async fn what_another_writer_changed_is_a_conflict_and_nothing_is_written() {
    let base = Arc::new(MemoryStore::new());
    put(base.as_ref(), "a", "1").await;
    let chunk = Chunk::new(base.clone());
    change(&chunk, "a", "2").await.unwrap();
    change(&chunk, "b", "2").await.unwrap();
    put(base.as_ref(), "a", "other").await;
    let refused = hand_over(&chunk, base.as_ref()).await;
    assert_eq!(refused, Err(CommitError::Conflict(key("a"))));
    assert_eq!(value(base.as_ref(), "b").await, None);

    // Within the chunk, too: a row that it wrote is not what was read before.
    let chunk = Chunk::new(base.clone());
    let seen = chunk.get(&[key("a")]).await.unwrap().remove(0);
    change(&chunk, "a", "3").await.unwrap();
    let mut late = Batch::new();
    late.expect(key("a"), Expect::unchanged(seen.as_ref()));
    late.put(key("c"), "3");
    let refused = chunk.commit(late).await;
    assert_eq!(refused, Err(CommitError::Conflict(key("a"))));
    assert_eq!(value(&chunk, "c").await, None);
}

/// The next chunk is filled in front of one that is on its way; others write between.
#[tokio::test]
async fn a_chunk_in_front_of_one_that_is_on_its_way_knows_its_rows_and_nothing_too_old() {
    let base = Arc::new(MemoryStore::new());
    for name in ["a", "b", "gone"] {
        put(base.as_ref(), name, name).await;
    }
    let first = Arc::new(Chunk::new(base.clone()));
    change(first.as_ref(), "a", "A").await.unwrap();
    change(first.as_ref(), "new", "N").await.unwrap();
    let mut batch = Batch::new();
    batch.del(key("gone"));
    first.commit(batch).await.unwrap();

    let second = Arc::new(Chunk::new(first.clone()));
    let ranges = vec![Range::all(Ns::Setting)];
    second.ahead(vec![key("new")], ranges).await.unwrap();
    assert_eq!(
        names(second.as_ref(), Dir::Forward, 9).await,
        ["A", "b", "N"]
    );
    change(second.as_ref(), "a", "AA").await.unwrap();
    change(second.as_ref(), "gone", "back").await.unwrap();

    let mut batch = Batch::new();
    first.seal(&mut batch);
    let id = base.commit(batch).await.unwrap();
    second.settle(&first, id, base.clone());
    // From what was read ahead, and from the rows of the first.
    change(second.as_ref(), "new", "NN").await.unwrap();

    let third = Chunk::new(second.clone());
    change(&third, "a", "AAA").await.unwrap();
    change(&third, "new", "NNN").await.unwrap();
    let mut batch = Batch::new();
    second.seal(&mut batch);
    let id = base.commit(batch).await.unwrap();
    assert_eq!(
        names(base.as_ref(), Dir::Forward, 9).await,
        ["AA", "b", "back", "NN"]
    );
    third.settle(&second, id, base.clone());
    put(base.as_ref(), "new", "theirs").await;
    let lost = hand_over(&third, base.as_ref()).await.unwrap_err();
    assert_eq!(lost, CommitError::Conflict(key("new")));
}
