//! An import while others change the same records.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::*;
use crate::books::keys;
use crate::store::{
    Batch, CommitError, CommitId, Dir, Key, Page, Range, ReadError, Store, StoreHealth, Versioned,
};

/// A store in which somebody else writes a row each time that it was read.
#[derive(Debug)]
struct Busy {
    base: Arc<dyn Store>,
    /// Which rows, `None`: each; and how often yet.
    hot: Mutex<(Option<Key>, usize)>,
}

impl Busy {
    async fn meddle(&self, keys: &[Key], rows: &[Option<Versioned>]) {
        for (key, row) in keys.iter().zip(rows) {
            let Some(row) = row else { continue };
            {
                let mut hot = self.hot.lock().unwrap();
                if hot.1 == 0 || hot.0.as_ref().is_some_and(|hot| hot != key) {
                    continue;
                }
                hot.1 -= 1;
            }
            let mut batch = Batch::new();
            batch.put(key.clone(), row.value.clone());
            self.base.commit(batch).await.unwrap();
        }
    }
}

impl Store for Busy {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        Box::pin(async move {
            let rows = self.base.get(keys).await?;
            self.meddle(keys, &rows).await;
            Ok(rows)
        })
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.base.scan(range, dir, limit, after)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        self.base.commit(batch)
    }

    fn health(&self) -> StoreHealth {
        self.base.health()
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        self.base.failed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        self.base.close()
    }
}

/// Imports into records that others change: which rows, and how often.
async fn import(hot: impl Fn(&str) -> Option<Key>, times: usize) -> (Desk, ImportReport) {
    let mut desk = Desk::new();
    let fields = [
        ("name", "Hot"),
        ("domains", "hot.example"),
        ("external_id", "h1"),
    ];
    let account = desk.put(Kind::Account, &fields).await;
    let fields = [
        ("account", "Hot"),
        ("name", "Hal"),
        ("emails", "hal@hot.example"),
    ];
    desk.put(Kind::Contact, &fields).await;
    let quiet = desk.records.clone();
    let mut books = desk.books.clone();
    books.store = Arc::new(Busy {
        base: books.store.clone(),
        hot: Mutex::new((hot(&account.id), times)),
    });
    desk.records = desk.records.through(books);
    let file = "account.name,account.external_id,account.industry,name,emails,role\n\
        Cold,c1,Tools,Cat,cat@cold.example,\n\
        Hot,h1,Food,Hal,hal@hot.example,Cook\n\
        Cold,c1,Tools,Cy,cy@cold.example,\n\
        Warm,w1,,Wim,wim@warm.example,\n";
    let report = desk.import(Kind::Contact, file).await;
    desk.records = quiet;
    (desk, report)
}

#[tokio::test]
async fn rows_that_met_another_writer_are_decided_again() {
    for times in 0..=24 {
        let (desk, report) = import(|_| None, times).await;
        assert_eq!(report.rejected, [], "{times} changes of others");
        assert_eq!(report.others, counts(3, 1, 0), "{times} changes of others");
        let hal = desk.find(Kind::Contact, "hal@hot.example").await;
        assert_eq!(hal.text("role"), Some("Cook"));
    }
}

#[tokio::test]
async fn a_record_that_others_never_leave_alone_costs_its_own_row_only() {
    let (desk, report) = import(|id| Some(keys::record(Kind::Account, id)), usize::MAX).await;
    let [rejected] = report.rejected.as_slice() else {
        panic!("{:?}", report.rejected);
    };
    assert_eq!(rejected.line, 3);
    assert!(
        rejected.reason.contains("import the file again"),
        "{rejected:?}"
    );
    assert_eq!(report.others, counts(3, 0, 0));
    desk.find(Kind::Contact, "wim@warm.example").await;
    let hot = desk.find(Kind::Account, "Hot").await;
    assert_eq!(hot.text("industry"), None, "half a row");
}
