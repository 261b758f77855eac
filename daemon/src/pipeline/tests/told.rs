//! What plugins are told, and what decisions rest on.

use bytes::Bytes;
use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::records::TimerRecord;
use liaison_core::time::HOUR_MS;

use super::house::{BUNDLED, ENQUIRY, House, from_ann, from_sam, mail};
use crate::books::rows::EventRow;
use crate::books::{keys, replace};
use crate::clock::Clock;
use crate::pipeline::call::plugin_event;
use crate::pipeline::world::plugin_message;
use crate::source::{BatchMode, Content, FolderRole};
use crate::store::Ns;

/// A call that comes late tells the time of the event; a timer, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_told_the_time_of_the_event_and_not_of_the_call() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    let received = house.clock.now();
    house.advance(5);
    let pipeline = house.pipeline(&[]);
    let events: Vec<EventRow> = house.all(Ns::Event).await;
    let message = house.message("e1").await;
    let told = pipeline
        .told(&events[0], Some(&message))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(plugin_event(&events[0], &told, 3).at, received);

    house
        .sent(&from_sam("q1", "Question", "Could you send the list?", ""))
        .await;
    house.settle(&BUNDLED).await;
    let timers: Vec<TimerRecord> = house.timers().await;
    let due = timers.iter().map(|timer| timer.due).min().unwrap();
    house.clock.set(due.plus_millis(HOUR_MS));
    pipeline.fire_timers(house.clock.now()).await.unwrap();
    let fired = house.clock.now();
    house.advance(7);
    let events: Vec<EventRow> = house.all(Ns::Event).await;
    let timer = events.last().unwrap();
    let told = pipeline.told(timer, None).await.unwrap().unwrap();
    assert_eq!(plugin_event(timer, &told, 1).at, fired);
}

/// A message of which only the header is kept, or nothing any more, is not an empty one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_told_when_it_sees_only_a_part_of_a_message() {
    let mut house = House::new().await;
    let place = ("sam", FolderRole::Inbox, BatchMode::Live);
    let header = Bytes::from(from_ann("huge", "Huge", "", "").into_bytes());
    let size = 90_000_000;
    house
        .hand_in(place, vec![Content::HeaderOnly { header, size }])
        .await;
    house.receive(&from_ann("whole", "Whole", "Hi.", "")).await;
    for (id, truncated) in [("huge", true), ("whole", false)] {
        let record = house.message(id).await;
        let told = plugin_message(&house.books, &record).await.unwrap();
        assert_eq!(told.truncated, truncated, "{id}");
        let lost = liaison_core::message::MessageRecord {
            content: String::new(),
            ..record
        };
        let told = plugin_message(&house.books, &lost).await.unwrap();
        assert!(told.truncated, "{id} without its bytes");
    }
}

/// Years of closed holds: the open ones still count, and their time is offered to nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_holds_are_found_behind_any_number_of_closed_ones() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let first = house.holds().await;
    assert_eq!(first.len(), 2);
    for part in 0..11 {
        let mut writes = house.books.batch();
        for n in 0..950 {
            let closed = HoldEffect {
                id: format!("000-{part:02}-{n:03}").into(),
                state: HoldState::Expired,
                ..first[0].clone()
            };
            replace(&mut writes, keys::hold(&closed.id), None, &closed).unwrap();
        }
        house.books.commit(writes).await.unwrap();
    }
    let ids = |holds: Vec<HoldEffect>| -> Vec<_> {
        let mut ids: Vec<_> = holds.into_iter().map(|hold| hold.id).collect();
        ids.sort();
        ids
    };
    let open = house.books.open_holds().await.unwrap();
    assert_eq!(ids(open), ids(first.clone()));
    let baker = ["Bob Baker <bob@bakery.example.org>", "sam@example.net"];
    let other = mail(&baker, "e2", "Booking system", ENQUIRY, "");
    house.receive(&other).await;
    house.settle(&BUNDLED).await;
    let open = house.books.open_holds().await.unwrap();
    assert!(
        open.len() > first.len(),
        "the second enquiry is offered times, too"
    );
    for hold in open
        .iter()
        .filter(|hold| !first.iter().any(|one| one.id == hold.id))
    {
        assert!(
            first.iter().all(|one| !one.when.overlaps(&hold.when)),
            "{hold:?}"
        );
    }
}

/// Strangers repeat a Message-ID of ours as often as they like: it stays ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_id_of_ours_stays_ours_however_many_claim_it() {
    let mut house = House::new().await;
    for n in 0..50 {
        house
            .receive(&from_ann("x1", "Mine", &format!("Claim {n}."), ""))
            .await;
    }
    house
        .sent(&from_sam("x1", "Ours", "The real one.", ""))
        .await;
    for n in 50..100 {
        house
            .receive(&from_ann("x1", "Mine", &format!("Claim {n}."), ""))
            .await;
    }
    assert!(house.message("x1").await.outbound);
}
