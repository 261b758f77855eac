//! The same again changes nothing: replays, restarts, copies.

use liaison_core::effect::MailMode;
use liaison_core::outbox::MailState;

use super::house::{BUNDLED, ENQUIRY, House, bytes, from_ann, from_sam, mail};
use crate::source::{BatchMode, FolderRole};
use crate::store::Ns;
use crate::supervisor::Stop;

fn some_mails() -> Vec<String> {
    vec![
        from_ann("e1", "Booking system", ENQUIRY, ""),
        from_ann(
            "n2",
            "NDA",
            "Could you send us your non-disclosure agreement?",
            "",
        ),
        from_ann(
            "o1",
            "Out of office",
            "I am away until 16 March 2026.",
            "Auto-Submitted: auto-replied",
        ),
        from_ann("t1", "Thanks", "Thank you for your help.", ""),
    ]
}

/// AC-H1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_mails_again_have_no_new_effect_and_one_outcome_each() {
    let mut house = House::new().await;
    for mail in some_mails() {
        house.receive(&mail).await;
    }
    house.settle(&BUNDLED).await;
    let (effects, outcomes) = (house.effects().await, house.outcomes().await);
    assert!(effects.len() > 6, "{effects:?}");
    for _ in 0..2 {
        for mail in some_mails() {
            assert_eq!(house.receive(&mail).await.known, 1);
        }
        house.settle(&BUNDLED).await;
        assert_eq!(house.effects().await, effects);
        assert_eq!(house.outcomes().await, outcomes);
    }
    // From scratch elsewhere: the same effects.
    let mut other = House::new().await;
    for mail in some_mails() {
        other.receive(&mail).await;
        other.settle(&BUNDLED).await;
    }
    assert_eq!(other.effects().await, effects);
}

/// Between C1 and C2, and between two plugins of one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_anywhere_changes_nothing_of_what_is_decided() {
    let mut whole = House::new().await;
    whole
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    whole.settle(&BUNDLED).await;

    let mut house = House::new().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    for some in [&BUNDLED[1..2], &BUNDLED[1..], &BUNDLED[..]] {
        // The process ends after these plugins' commits: the position was not moved.
        house.settle(some).await;
        let position = crate::books::keys::setting("pipeline-next");
        let mut writes = house.books.batch();
        writes.del(position);
        house.books.commit(writes).await.unwrap();
    }
    house.settle(&BUNDLED).await;
    assert_eq!(house.effects().await, whole.effects().await);
    assert_eq!(house.results("e1").await.len(), 3);
    let ledgers = house
        .books
        .ledger("ann@clinic.example.com", Default::default())
        .await
        .unwrap();
    assert_eq!(ledgers.len(), house.mails().await.len());
}

/// A page is worked on again after a crash, and with it messages whose plugins were asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_worked_on_again_does_not_cancel_what_came_of_it() {
    let mut house = House::new().await;
    house.modes.mail = MailMode::Approve;
    house
        .receive(&from_ann("a1", "write to me", "Please.", ""))
        .await;
    for _ in 0..2 {
        house.settle(&["obeys"]).await;
        let mails = house.mails().await;
        assert_eq!(mails.len(), 1, "{:?}", house.outcomes().await);
        assert_eq!(mails[0].state, MailState::Held);
        let mut writes = house.books.batch();
        writes.del(crate::books::keys::setting("pipeline-next"));
        house.books.commit(writes).await.unwrap();
    }
    // A later one does.
    house.advance(1);
    let extra = "In-Reply-To: <a1@example.com>";
    house
        .receive(&from_ann("a2", "Re: write to me", "No need.", extra))
        .await;
    house.settle(&["obeys"]).await;
    let state = house.mails().await[0].state.to_string();
    assert!(state.contains("cancelled (by a reply: "), "{state}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_record_is_damaged_holds_up_nobody() {
    let mut house = House::new().await;
    house.receive(&from_ann("d1", "hello", "Hello.", "")).await;
    let later = ["bob@example.org", "sam@example.net"];
    house
        .receive(&mail(&later, "d2", "hello", "Hello.", ""))
        .await;
    let key = house.message("d1").await.key;
    let mut writes = house.books.batch();
    writes.put(crate::books::keys::message(&key), vec![0xFF; 12]);
    house.books.store.commit(writes).await.unwrap();
    let pipeline = house.pipeline(&["obeys"]);
    for _ in 0..2 {
        assert!(pipeline.settle(&Stop::new()).await.is_err());
    }
    pipeline.settle(&Stop::new()).await.unwrap();
    let outcomes = house.outcomes().await;
    let of = |key: &str| outcomes.iter().find(|row| row.event_key == key).unwrap();
    let damaged = of(key.as_str());
    assert!(damaged.summary.contains("set aside"), "{damaged:?}");
    assert_eq!(house.message("d2").await.tags, ["obeyed"]);
    assert!(outcomes.iter().all(|row| row.closed.is_some()));
}

/// As many wait as after an outage of an hour; one of them has lost its event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_second_tries_are_made_in_portions_and_a_broken_one_stops_none() {
    let mut house = House::new().await;
    for n in 0..40 {
        let people = [&format!("bob{n}@example.org"), "sam@example.net"];
        house
            .receive(&mail(&people, &format!("w{n}"), "again 2", "Hello.", ""))
            .await;
    }
    house.settle(&["obeys"]).await;
    assert_eq!(house.waits().await.len(), 40);
    let broken = house.message("w7").await.key;
    let mut writes = house.books.batch();
    writes.put(crate::books::keys::message(&broken), vec![0xFF; 12]);
    house.books.store.commit(writes).await.unwrap();
    house.advance(1);
    let pipeline = house.pipeline(&["obeys"]);
    let mut failed = 0;
    for _ in 0..8 {
        failed += usize::from(pipeline.settle(&Stop::new()).await.is_err());
    }
    assert_eq!(failed, 2);
    assert!(house.waits().await.is_empty());
    let outcomes = house.outcomes().await;
    assert!(outcomes.iter().all(|row| row.closed.is_some()));
    let aside = outcomes
        .iter()
        .filter(|row| row.summary.contains("set aside"));
    assert_eq!(aside.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_in_two_mailboxes_are_two_deliveries_of_one_message_with_one_reaction() {
    let mut house = House::new().await;
    let mail = from_ann("e1", "Booking system", ENQUIRY, "");
    house.receive(&mail).await;
    // The other server added its own line on the way.
    let copy = format!("Received: from a by kim.example.net\r\n{mail}");
    let place = ("kim", FolderRole::Inbox, BatchMode::Live);
    let taken = house.hand_in(place, vec![bytes(&copy)]).await;
    assert_eq!((taken.new, taken.known), (0, 1));
    house.settle(&BUNDLED).await;
    let key = house.message("e1").await.key;
    let copies = house.books.deliveries(&key).await.unwrap();
    let copies: Vec<_> = copies
        .iter()
        .map(|row| (row.mailbox.as_str(), row.copy))
        .collect();
    assert_eq!(copies, [("kim", true), ("sam", false)]);
    assert_eq!(
        (house.mails().await.len(), house.outcomes().await.len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_recorded_and_never_acted_on() {
    let mut house = House::new().await;
    let old: Vec<_> = (0..40)
        .map(|n| bytes(&from_ann(&format!("old{n}"), "Booking system", ENQUIRY, "")))
        .collect();
    let place = ("sam", FolderRole::Inbox, BatchMode::History);
    assert_eq!(house.hand_in(place, old).await.new, 40);
    let asked = from_sam("old-q", "Contract", "Which date do you prefer?", "");
    let place = ("sam", FolderRole::Sent, BatchMode::History);
    house.hand_in(place, vec![bytes(&asked)]).await;
    house.settle(&BUNDLED).await;
    assert_eq!(house.effects().await, [""; 0]);
    let outcomes = house.outcomes().await;
    assert_eq!(outcomes.len(), 41);
    for outcome in outcomes {
        assert!(outcome.closed.is_some() && outcome.seq.is_none());
        assert!(
            outcome.summary.contains("from before the first start"),
            "{}",
            outcome.summary
        );
    }
    assert!(
        house
            .books
            .keys_under(crate::store::Range::all(Ns::Event), 1)
            .await
            .unwrap()
            .is_empty()
    );
    // A live answer in an old thread is acted on.
    let extra = "In-Reply-To: <old-q@example.com>";
    house
        .receive(&from_ann("new", "Re: Contract", ENQUIRY, extra))
        .await;
    house.settle(&BUNDLED).await;
    assert!(house.outcome("new").await.seq.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_mode_notify_the_same_wish_again_is_the_same_task() {
    let mut house = House::new().await;
    house.modes.mail = liaison_core::effect::MailMode::Notify;
    house
        .receive(&from_ann("a1", "answer me", "Please.", ""))
        .await;
    house.settle(&["obeys"]).await;
    let tasks = house.tasks().await;
    assert_eq!(
        (tasks.len(), tasks[0].title.as_str()),
        (1, "Write to ann@clinic.example.com")
    );
    // The plugin's result is lost, as in a restored backup; the task is there.
    let seq = house.outcome("a1").await.seq.unwrap();
    let mut writes = house.books.batch();
    writes.del(crate::books::keys::plugin_result(seq, &"obeys".into()));
    writes.del(crate::books::keys::setting("pipeline-next"));
    house.books.commit(writes).await.unwrap();
    house.settle(&["obeys"]).await;
    assert_eq!(house.tasks().await, tasks);
    let reasons = house.results("a1").await[0].verdicts[0].reasons.join(" ");
    assert!(reasons.contains("decided before"), "{reasons}");
}

/// Strangers who have nothing to do with each other are worked on beside each other, and all want
/// the same free time: no time is held for two of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enquiries_that_arrive_together_hold_different_times() {
    let mut house = House::new().await;
    let enquiry = |n: u32| {
        let ann = from_ann(&format!("e{n}"), "Booking system", ENQUIRY, "");
        bytes(&ann.replace("clinic.example.com", &format!("clinic{n}.example")))
    };
    let place = ("sam", FolderRole::Inbox, BatchMode::Live);
    house.hand_in(place, (0..8).map(enquiry).collect()).await;
    house.settle(&BUNDLED).await;
    let mut times: Vec<_> = house
        .holds()
        .await
        .iter()
        .map(|hold| hold.when.start)
        .collect();
    assert!(times.len() >= 8, "{times:?}");
    let all = times.len();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), all, "two holds at one time");
    let per_message = house.mails().await;
    assert_eq!(per_message.len(), 8, "one answer to each");
}
