//! The crash windows around commit C1: what a batch leaves when it is cut anywhere.

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::*;
use crate::books::rows::CounterRow;
use crate::books::{Books, replace};
use crate::freshness::Freshness;
use crate::ingest::{EVENT_NEXT, Ingest};
use crate::store::watched::{Fate, Watched};
use crate::store::{Batch as Writes, CommitError, CommitId, Fence, ShardId, Store};

/// What happens at a commit.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The process dies after so many more commits.
    DiesAfter(usize),
    /// Somebody else appends to the event log just before each of the next commits.
    Raced(usize),
}

/// The end of a store, and how many rows its commits had.
#[derive(Debug)]
struct Fated {
    end: Mutex<End>,
    rows: Mutex<Vec<usize>>,
}

async fn race(base: &dyn Store) {
    let key = keys::setting(EVENT_NEXT);
    let seen = base.get_record::<CounterRow>(key.clone()).await.unwrap();
    let next = seen.as_ref().map_or(0, |row| row.record.next) + 1;
    let mut writes = Writes::new();
    let version = seen.map(|row| row.version);
    replace(&mut writes, key, version, &CounterRow { next }).unwrap();
    base.commit(writes).await.unwrap();
}

impl Fate for Fated {
    fn commit<'a>(
        &'a self,
        base: &'a dyn Store,
        batch: Writes,
    ) -> BoxFuture<'a, Result<CommitId, CommitError>> {
        Box::pin(async move {
            let end = *self.end.lock().unwrap();
            match end {
                End::DiesAfter(0) => return Err(CommitError::Gone("killed".to_owned())),
                End::DiesAfter(left) => *self.end.lock().unwrap() = End::DiesAfter(left - 1),
                End::Raced(0) => {}
                End::Raced(left) => {
                    *self.end.lock().unwrap() = End::Raced(left - 1);
                    race(base).await;
                }
            }
            self.rows.lock().unwrap().push(batch.rows());
            base.commit(batch).await
        })
    }
}

/// An ingest into the house's records through a store with this fate.
fn fated(house: &House, end: End) -> (Ingest, Arc<Watched<Fated>>) {
    let store = Arc::new(Watched {
        base: house.books.store.clone(),
        fate: Fated {
            end: Mutex::new(end),
            rows: Mutex::default(),
        },
    });
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: 0,
    };
    let books = Books::new(store.clone(), house.books.content.clone(), fence);
    let ingest = Ingest::new(
        books,
        Arc::new(house.clock.clone()),
        house.office.clone(),
        Arc::new(Freshness::default()),
        Arc::new(Notify::new()),
    );
    (ingest, store)
}

fn batch(house: &House, mails: &[String]) -> Batch {
    let arrived = mails.iter().zip(1..).map(|(mail, n)| Arrived {
        locator: format!("7/{n}"),
        ..rebound(house, 0, mail, 0)
    });
    Batch {
        folder: folder(),
        mode: BatchMode::Live,
        arrived: arrived.collect(),
        cursor: Some(AFTER),
    }
}

const AFTER: Cursor = Cursor::Imap {
    uid_validity: 7,
    next_uid: 1_000,
};

fn hundred() -> Vec<String> {
    (0..100)
        .map(|n| from_ann(&format!("m{n}"), "A", "Hi.", ""))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_batch_and_its_cursor_are_one_commit() {
    let house = House::new().await;
    let (ingest, store) = fated(&house, End::Raced(0));
    let taken = ingest.take(batch(&house, &hundred())).await.unwrap();
    assert_eq!((taken.new, taken.known), (100, 0));
    let rows = store.fate.rows.lock().unwrap().clone();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0] < crate::store::BATCH_ROWS_MAX, "{rows:?}");
    assert_eq!(ingest.cursor(&folder()).await.unwrap(), Some(AFTER));
}

/// W3 and W4: whatever the number of commits before the end, the cursor stands behind the batch
/// only if all of it is there, and the same batch again completes it without a second event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_cut_at_any_commit_is_completed_by_handing_it_in_again() {
    let mails = &hundred()[..20];
    let mut ends = 0;
    for rows_max in [crate::ingest::CHUNK_ROWS_MAX, 60] {
        for dies_after in 0..12 {
            let house = House::new().await;
            let (mut ingest, store) = fated(&house, End::DiesAfter(dies_after));
            ingest.chunk_rows_max = rows_max;
            let whole = ingest.take(batch(&house, mails)).await.is_ok();
            let cursor = house.ingest.cursor(&folder()).await.unwrap();
            assert_eq!(cursor, whole.then_some(AFTER), "{rows_max} {dies_after}");
            let (events, outcomes) = (events(&house).await, house.outcomes().await.len());
            assert_eq!(events, outcomes, "{rows_max} {dies_after}");
            assert!(whole || events < mails.len() || store.fate.rows.lock().unwrap().len() > 1);
            ends += usize::from(!whole);

            house.ingest.take(batch(&house, mails)).await.unwrap();
            assert_eq!(self::events(&house).await, mails.len());
            assert_eq!(house.ingest.cursor(&folder()).await.unwrap(), Some(AFTER));
            let known: Vec<String> = (1..=20).map(|n| format!("7/{n}")).collect();
            let unknown = house.ingest.unknown(&folder(), known).await.unwrap();
            assert_eq!(unknown, Vec::<String>::new());
        }
    }
    assert!(ends > 4, "the batch was cut in the middle, too: {ends}");
}

/// Others write to the event log all the time; a batch that loses every race as a whole gets
/// through in smaller parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_loses_its_races_is_taken_in_halves() {
    for races in [1, 7, 9] {
        let house = House::new().await;
        let (ingest, store) = fated(&house, End::Raced(races));
        let taken = ingest.take(batch(&house, &hundred())).await.unwrap();
        assert_eq!((taken.new, taken.known), (100, 0), "{races}");
        assert_eq!(events(&house).await, 100);
        assert_eq!(ingest.cursor(&folder()).await.unwrap(), Some(AFTER));
        assert!(store.fate.rows.lock().unwrap().len() > races);
    }
}

/// Messages of one batch know each other as if they had come one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_one_batch_see_each_other() {
    let mut house = House::new().await;
    let first = from_ann("first", "A", "Hi.", "");
    let answer = from_ann(
        "answer",
        "Re: A",
        "Yes.",
        "In-Reply-To: <first@example.com>",
    );
    let copy = format!("X-Spam: no\r\n{first}");
    let mails = [&first, &answer, &copy, &first];
    let taken = house
        .hand_in(INBOX, mails.iter().map(|mail| bytes(mail)).collect())
        .await;
    assert_eq!((taken.new, taken.known), (2, 2));
    assert_eq!((events(&house).await, house.outcomes().await.len()), (2, 2));
    let (first, answer) = (house.message("first").await, house.message("answer").await);
    assert_eq!(first.thread, answer.thread);
    let thread = house.books.thread(&first.thread).await.unwrap().unwrap();
    assert_eq!(thread.messages, 2);
    let copies = house.books.deliveries(&first.key).await.unwrap();
    assert_eq!((copies.len(), copies[0].locator.as_str()), (1, "7/4"));
}
