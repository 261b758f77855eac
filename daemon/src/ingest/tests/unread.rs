//! What cannot be read now: kept, asked for again, and given up only in the end.

use liaison_core::time::MINUTE_MS;

use super::*;
use crate::books::rows::UnreadRow;
use crate::ingest::unread::{SPAN_MS, TRIES_MIN, UNREAD_MAX};
use crate::source::Taken;

fn not_now() -> Content {
    Content::NotNow {
        reason: "NO [UNAVAILABLE] I/O error".to_owned(),
    }
}

async fn again(house: &House, mode: BatchMode, locator: &str, content: Content) -> Taken {
    let arrived = Arrived {
        locator: locator.to_owned(),
        content,
        ..rebound(house, 0, "", 0)
    };
    let cursor = house.ingest.cursor(&folder()).await.unwrap().unwrap();
    let batch = Batch {
        folder: folder(),
        mode,
        arrived: vec![arrived],
        cursor: Some(cursor),
    };
    house.ingest.take(batch).await.unwrap()
}

async fn list(house: &House) -> Vec<UnreadRow> {
    house.all(Ns::Unread).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_read_now_waits_and_the_rest_goes_on() {
    let mut house = House::new().await;
    let late = from_ann("late", "B", "Hi.", "");
    let contents = vec![
        bytes(&from_ann("before", "A", "Hi.", "")),
        not_now(),
        bytes(&from_ann("after", "A", "Hi.", "")),
    ];
    let taken = house.hand_in(INBOX, contents).await;
    assert_eq!((taken.new, taken.known, taken.unread), (2, 0, 1));
    assert_eq!(house.outcomes().await.len(), 2, "no outcome yet");
    let cursor = house.ingest.cursor(&folder()).await.unwrap();
    assert_eq!(
        cursor,
        Some(Cursor::Imap {
            uid_validity: 7,
            next_uid: 4
        })
    );
    let places = house.ingest.unread(&folder()).await.unwrap();
    assert_eq!((places.len(), places[0].locator.as_str()), (1, "7/2"));
    assert_eq!(places[0].mode, BatchMode::Live);
    assert_eq!(places[0].due, house.clock.now().plus_millis(MINUTE_MS));
    let unknown = house
        .ingest
        .unknown(&folder(), vec!["7/2".to_owned()])
        .await;
    assert_eq!(unknown.unwrap(), ["7/2"], "it was not taken");

    again(&house, BatchMode::Live, "7/2", not_now()).await;
    let row = &list(&house).await[0];
    assert_eq!(
        (row.tries, row.due),
        (2, house.clock.now().plus_millis(2 * MINUTE_MS))
    );
    let taken = again(&house, BatchMode::Live, "7/2", bytes(&late)).await;
    assert_eq!((taken.new, taken.unread), (1, 0));
    assert!(list(&house).await.is_empty());
    assert_eq!((events(&house).await, house.outcomes().await.len()), (3, 3));
    assert!(!house.message("late").await.historical);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_given_up_after_many_tries_over_a_long_time_and_never_before() {
    // Many tries in a short time, and few over a long one: both go on.
    for (tries, step_ms, given_up) in [
        (TRIES_MIN * 3, MINUTE_MS, false),
        (TRIES_MIN - 2, SPAN_MS, false),
        (TRIES_MIN - 1, SPAN_MS, true),
    ] {
        let mut house = House::new().await;
        house.hand_in(INBOX, vec![not_now()]).await;
        for _ in 0..tries {
            house.clock.set(house.clock.now().plus_millis(step_ms));
            again(&house, BatchMode::Live, "7/1", not_now()).await;
        }
        assert_eq!(list(&house).await.is_empty(), given_up, "{tries} {step_ms}");
        let outcomes = house.outcomes().await;
        assert_eq!(outcomes.len(), usize::from(given_up), "{tries} {step_ms}");
        for outcome in outcomes {
            let said = &outcome.summary;
            assert!(outcome.closed.is_some() && outcome.seq.is_none(), "{said}");
            assert!(said.contains("tried 8 times since"), "{said}");
            assert!(said.contains("NO [UNAVAILABLE] I/O error"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vanished_has_its_outcome_at_once_and_may_come_back() {
    let mut house = House::new().await;
    house
        .hand_in(INBOX, vec![Content::Vanished, not_now()])
        .await;
    again(&house, BatchMode::Live, "7/2", Content::Vanished).await;
    assert!(list(&house).await.is_empty());
    let outcomes = house.outcomes().await;
    assert_eq!(outcomes.len(), 2);
    for outcome in &outcomes {
        assert!(outcome.summary.contains("moved or deleted"), "{outcome:?}");
        assert!(outcome.closed.is_some());
    }
    let asked = vec!["7/1".to_owned(), "7/2".to_owned()];
    let unknown = house.ingest.unknown(&folder(), asked.clone()).await;
    assert_eq!(unknown.unwrap(), asked);
    let back = bytes(&from_ann("back", "A", "Hi.", ""));
    assert_eq!(again(&house, BatchMode::Live, "7/1", back).await.new, 1);
    assert_eq!(events(&house).await, 1);
    // Of old mail nobody waited for it.
    again(&house, BatchMode::History, "7/9", Content::Vanished).await;
    assert_eq!(house.outcomes().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nothing_can_be_read_the_batch_is_refused_and_the_cursor_stays() {
    let mut house = House::new().await;
    for _ in 0..UNREAD_MAX / 100 {
        house.hand_in(INBOX, vec![not_now(); 100]).await;
    }
    let cursor = house.ingest.cursor(&folder()).await.unwrap();
    let arrived = Arrived {
        locator: "7/5000".to_owned(),
        content: not_now(),
        ..rebound(&house, 0, "", 0)
    };
    let refused = house
        .ingest
        .take(Batch {
            folder: folder(),
            mode: BatchMode::Live,
            arrived: vec![arrived],
            cursor: Some(Cursor::Imap {
                uid_validity: 7,
                next_uid: 5_001,
            }),
        })
        .await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("mailbox itself is in trouble"), "{said}");
    assert_eq!(house.ingest.cursor(&folder()).await.unwrap(), cursor);
    assert_eq!(list(&house).await.len(), UNREAD_MAX);
}

/// The folder gets new UIDs while messages wait: the walk finds them, the old places mean nothing,
/// and people are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renumbered_folder_forgets_old_places_and_tells_it() {
    let mut house = House::new().await;
    house.hand_in(INBOX, vec![not_now(); 100]).await;
    let take = async |arrived, uid_validity| {
        let cursor = Cursor::Imap {
            uid_validity,
            next_uid: 101,
        };
        let batch = Batch {
            folder: folder(),
            mode: BatchMode::Rebind,
            arrived,
            cursor: Some(cursor),
        };
        house.ingest.take(batch).await.unwrap()
    };
    let waiting = Arrived {
        locator: "8/2".to_owned(),
        content: not_now(),
        ..rebound(&house, 0, "", 0)
    };
    let taken = take(vec![waiting], 7).await;
    assert_eq!(taken.unread, 1);
    take(Vec::new(), 8).await;
    let left = house.ingest.unread(&folder()).await.unwrap();
    assert_eq!((left.len(), left[0].locator.as_str()), (1, "8/2"));
    assert_eq!(left[0].mode, BatchMode::Rebind);
    let subject = keys::mailbox_subject(&"sam".into());
    let told = house.books.audit_of(&subject).await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].what.contains("UIDVALIDITY 7 is now 8"), "{told:?}");
}
