//! What a user finds in the records after mail came in, whatever the mail is like.

use std::sync::Arc;

use bytes::Bytes;
use liaison_core::time::HOUR_MS;

use crate::books::keys;
use crate::books::rows::CursorRow;
use crate::clock::Clock;
use crate::pipeline::tests::house::{BUNDLED, ENQUIRY, House, bytes, from_ann, mail};
use crate::source::{Arrived, Batch, BatchMode, Content, Cursor, FolderRef, FolderRole, Intake};
use crate::store::{Ns, Range};

const INBOX: (&str, FolderRole, BatchMode) = ("sam", FolderRole::Inbox, BatchMode::Live);

fn folder() -> FolderRef {
    FolderRef {
        mailbox: "sam".into(),
        folder: "INBOX".to_owned(),
        role: FolderRole::Inbox,
    }
}

async fn events(house: &House) -> usize {
    house
        .books
        .keys_under(Range::all(Ns::Event), 1_000)
        .await
        .unwrap()
        .len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_has_its_outcome_and_stops_nothing() {
    let mut house = House::new().await;
    let long = "x".repeat(3_000);
    let many: Vec<String> = (0..300)
        .map(|n| format!("<id-{n}-{}@example.com>", "y".repeat(60)))
        .collect();
    let people: Vec<String> = (0..200)
        .map(|n| format!("p{n}@{}.example.com", "z".repeat(50)))
        .collect();
    let odd = [
        Content::Unfetchable {
            reason: "NO [UNAVAILABLE] I/O error".to_owned(),
        },
        Content::HeaderOnly {
            header: Bytes::from(from_ann("huge", "Huge", "", "").into_bytes()),
            size: 90_000_000,
        },
        bytes(""),
        bytes("\0\u{ff}\r\n\r\n"),
        bytes("no header at all, just text"),
        bytes(&from_ann(
            "long-irt",
            "Re",
            "Hi.",
            &format!("In-Reply-To: <{long}@example.com>"),
        )),
        bytes(&from_ann(&long, "long id", "Hi.", "")),
        bytes(&from_ann(
            "refs",
            "Re",
            "Hi.",
            &format!("References: {}", many.join("\r\n ")),
        )),
        bytes(&from_ann(
            "cc",
            "Cc",
            "Hi.",
            &format!("Cc: {}", people.join(",\r\n ")),
        )),
        bytes(&mail(
            &[&format!("{long}@example.org"), "sam@example.net"],
            "from",
            "Hi",
            "Hi.",
            "",
        )),
        bytes(&mail(
            &[&format!("a@{long}.example.org"), "sam@example.net"],
            "dom",
            "Hi",
            "Hi.",
            "",
        )),
        bytes(&from_ann("subj", &"\u{1f600}".repeat(5_000), "Hi.", "")),
        bytes(&from_ann("last", "Booking system", ENQUIRY, "")),
    ];
    let count = odd.len();
    let taken = house.hand_in(INBOX, odd.into()).await;
    assert_eq!((taken.new, taken.known), (count, 0));
    house.settle(&BUNDLED).await;
    let outcomes = house.outcomes().await;
    assert_eq!(outcomes.len(), count);
    for outcome in &outcomes {
        assert!(
            outcome.closed.is_some() && outcome.summary != "open",
            "{outcome:?}"
        );
    }
    let unread = outcomes
        .iter()
        .find(|o| o.summary.contains("NO [UNAVAILABLE]"));
    assert!(unread.is_some_and(|outcome| outcome.seq.is_none()));
    let huge = house.message("huge").await;
    assert!(
        huge.problems
            .iter()
            .any(|p| p.contains("only the header was fetched"))
    );
    assert_eq!(huge.size, 90_000_000);
    assert_eq!(house.cases().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cursor_moves_with_the_batch_and_knows_its_places() {
    let mut house = House::new().await;
    assert_eq!(house.ingest.cursor(&folder()).await.unwrap(), None);
    house
        .hand_in(INBOX, vec![bytes(&from_ann("a", "A", "Hi.", ""))])
        .await;
    let cursor = Cursor::Imap {
        uid_validity: 7,
        next_uid: 2,
    };
    assert_eq!(house.ingest.cursor(&folder()).await.unwrap(), Some(cursor));
    let asked = ["7/2", "7/1", "8/1"].map(str::to_owned).to_vec();
    assert_eq!(
        house.ingest.unknown(&folder(), asked).await.unwrap(),
        ["7/2", "8/1"]
    );
    // An empty batch moves it too.
    house.hand_in(INBOX, Vec::new()).await;
    assert_eq!(house.ingest.cursor(&folder()).await.unwrap(), Some(cursor));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_is_content_and_not_place() {
    let mut house = House::new().await;
    let one = from_ann("a", "A", "Hi.", "");
    let edited = one.replace("Hi.", "Hi!");
    let twins = [one.clone(), format!("X-Spam: no\r\n{one}"), edited];
    for (mail, new) in twins.iter().zip([1, 0, 1]) {
        assert_eq!(house.receive(mail).await.new, new, "{mail}");
    }
    assert_eq!(events(&house).await, 2);
}

fn rebound(house: &House, n: u32, mail: &str, age_hours: i64) -> Arrived {
    Arrived {
        locator: format!("8/{n}"),
        received_at: house.clock.now().minus_millis(age_hours * HOUR_MS),
        flags: Vec::new(),
        content: bytes(mail),
    }
}

/// UIDVALIDITY changed: what is known gets its new place, what came meanwhile is acted on, what
/// is older is history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rebind_only_what_is_newer_than_the_last_good_look_is_acted_on() {
    let mut house = House::new().await;
    let known = from_ann("known", "A", "Hi.", "");
    house.receive(&known).await;
    let before = house
        .books
        .get::<CursorRow>(keys::cursor(&folder()))
        .await
        .unwrap()
        .unwrap();
    house.advance(24);
    let dated = |id: &str, date: &str| {
        from_ann(id, "B", "Hi.", "").replace("Mon, 2 Mar 2026 09:00:00 +0000", date)
    };
    let new = dated("new", "Tue, 3 Mar 2026 07:00:00 +0000");
    let old = dated("old", "Mon, 2 Feb 2026 07:00:00 +0000");
    // A migration: INTERNALDATE is of today, the message is not.
    let moved = dated("moved", "Mon, 2 Feb 2026 08:00:00 +0000");
    let lying = dated("lying", "Fri, 2 Mar 2029 08:00:00 +0000");
    let old_cursor = before.record.cursor;
    let groups = [
        (
            vec![rebound(&house, 4, &new, 2), rebound(&house, 5, &moved, 0)],
            old_cursor,
        ),
        (
            vec![
                rebound(&house, 1, &known, 24),
                rebound(&house, 2, &old, 700),
                rebound(&house, 3, &lying, 700),
            ],
            old_cursor,
        ),
        (
            Vec::new(),
            Cursor::Imap {
                uid_validity: 8,
                next_uid: 6,
            },
        ),
    ];
    for (arrived, cursor) in groups {
        let mode = BatchMode::Rebind;
        house
            .ingest
            .take(Batch {
                folder: folder(),
                mode,
                arrived,
                cursor: Some(cursor),
            })
            .await
            .unwrap();
    }
    for (id, historical) in [
        ("known", false),
        ("new", false),
        ("old", true),
        ("moved", true),
        ("lying", true),
    ] {
        assert_eq!(house.message(id).await.historical, historical, "{id}");
    }
    assert_eq!(events(&house).await, 2);
    let key = house.message("known").await.key;
    let copies = house.books.deliveries(&key).await.unwrap();
    assert_eq!((copies.len(), copies[0].locator.as_str()), (1, "8/1"));
    let after = house.ingest.cursor(&folder()).await.unwrap();
    assert_eq!(
        after,
        Some(Cursor::Imap {
            uid_validity: 8,
            next_uid: 6
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_that_hand_in_at_once_lose_nothing_and_double_nothing() {
    let house = Arc::new(House::new().await);
    let mails: Vec<String> = (0..30)
        .map(|n| from_ann(&format!("m{n}"), "A", "Hi.", ""))
        .collect();
    let hand_in = |mailbox: &'static str| {
        let (house, mails) = (house.clone(), mails.clone());
        async move {
            for (n, mail) in mails.iter().enumerate() {
                let arrived = Arrived {
                    locator: format!("7/{n}"),
                    ..rebound(&house, 0, mail, 0)
                };
                let folder = FolderRef {
                    mailbox: mailbox.into(),
                    ..folder()
                };
                let next_uid = u32::try_from(n + 1).unwrap();
                let cursor = Cursor::Imap {
                    uid_validity: 7,
                    next_uid,
                };
                let batch = Batch {
                    folder,
                    mode: BatchMode::Live,
                    arrived: vec![arrived],
                    cursor: Some(cursor),
                };
                house.ingest.take(batch).await.unwrap();
            }
        }
    };
    futures_util::join!(hand_in("sam"), hand_in("kim"), hand_in("lee"));
    assert_eq!(
        (events(&house).await, house.outcomes().await.len()),
        (30, 30)
    );
    let key = house.message("m7").await.key;
    assert_eq!(house.books.deliveries(&key).await.unwrap().len(), 3);
}

mod commits;
mod touches;
mod unread;
