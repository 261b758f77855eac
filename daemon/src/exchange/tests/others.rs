//! Others write while a file is taken in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::store::watched::{Fate, Watched};
use crate::store::{Batch, CommitError, CommitId, Expect, Fence, Ns, Range, ShardId, Store};

/// Somebody changes a row that a commit rests on, just before it: of two tries one fails.
#[derive(Debug, Default)]
struct Meddled {
    commits: AtomicUsize,
    lost: AtomicUsize,
}

impl Fate for Meddled {
    fn commit<'a>(
        &'a self,
        base: &'a dyn Store,
        batch: Batch,
    ) -> BoxFuture<'a, Result<CommitId, CommitError>> {
        Box::pin(async move {
            let nth = self.commits.fetch_add(1, Ordering::SeqCst);
            let read = batch.expect.iter().find_map(|(key, expect)| {
                let there = matches!(expect, Expect::Version(_));
                there.then(|| key.clone())
            });
            if let (Some(key), 0) = (read, nth % 2)
                && let Some(row) = base.get_one(key.clone()).await.unwrap()
            {
                let mut theirs = Batch::new();
                theirs.put(key, row.value);
                base.commit(theirs).await.unwrap();
            }
            let done = base.commit(batch).await;
            if done.is_err() {
                self.lost.fetch_add(1, Ordering::SeqCst);
            }
            done
        })
    }
}

#[tokio::test]
async fn rows_that_met_another_writer_are_decided_again() {
    let file = |role: &str| {
        let mut file = String::from("account.name,external_id,name,emails,role\n");
        for nth in 0..1_200 {
            let account = nth % 40;
            let line =
                format!("Firm {account},c{nth},P {nth},p{nth}@firm{account}.example,{role}\n");
            file.push_str(&line);
        }
        file
    };
    let (first, later) = (file("Buyer"), file("Head of Purchasing"));
    let quiet = Desk::new();
    quiet.import(Kind::Contact, &first).await;
    let expected = quiet.import(Kind::Contact, &later).await;
    assert_eq!(expected.others, counts(0, 1_200, 0));

    let desk = Desk::new();
    let meddled = Arc::new(Watched {
        base: desk.books.store.clone(),
        fate: Meddled::default(),
    });
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: 0,
    };
    let books = Books::new(meddled.clone(), desk.books.content.clone(), fence);
    let desk = Desk {
        records: RecordBook::new(books.clone(), DomainRules::default()),
        books,
        ..desk
    };
    desk.import(Kind::Contact, &first).await;
    assert_eq!(desk.import(Kind::Contact, &later).await, expected);
    let lost = meddled.fate.lost.load(Ordering::SeqCst);
    assert!(lost > 1, "{lost} commits met another writer");
    let again = desk.import(Kind::Contact, &later).await;
    assert_eq!(again.others, counts(0, 0, 1_200));

    // Row by row the same as without the other.
    for ns in [Ns::Account, Ns::Contact, Ns::ByAddr, Ns::Audit] {
        let mut both = Vec::new();
        for store in [&quiet.books.store, &desk.books.store] {
            let rows = store.scan_range(Range::all(ns), crate::store::Dir::Forward, 5_000);
            let rows = rows.await.unwrap().into_iter();
            both.push(rows.map(|(key, row)| (key, row.value)).collect::<Vec<_>>());
        }
        assert!(both[0] == both[1] && !both[0].is_empty(), "{ns:?}");
    }
}
