//! Plugins that misbehave, and what of everybody else's work is left: all of it.

use liaison_core::effect::HoldState;

use super::house::{House, bytes, from_ann};
use crate::books::rows::CallEnd;
use crate::source::{BatchMode, FolderRole};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hostile_plugin_is_parked_counted_and_suspended_and_the_others_go_on() {
    let mut house = House::new().await;
    let hostile = [
        ("flood", "handed over more than"),
        ("loop-forever", "fuel"),
        ("memory-bomb", "memory"),
        ("panics", "panicked at"),
    ];
    let mut plugins: Vec<_> = hostile.iter().map(|(name, _)| *name).collect();
    plugins.push("obeys");
    for round in 1..=4 {
        let id = format!("m{round}");
        house.receive(&from_ann(&id, "hello", "Hello.", "")).await;
        house.settle(&plugins).await;
        let results = house.results(&id).await;
        assert_eq!(results.len(), 5);
        for (name, part) in hostile {
            let row = results
                .iter()
                .find(|row| row.plugin.as_str() == name)
                .unwrap();
            let CallEnd::Parked(why) = &row.end else {
                panic!("{name}: {row:?}");
            };
            let part = if round > 3 {
                "the plugin is suspended since"
            } else {
                part
            };
            assert!(why.contains(part), "{name} in round {round}: {why}");
            let standing = house.standing(name).await;
            assert_eq!(standing.strikes, round.min(3), "{name}");
            assert_eq!(standing.suspended.is_some(), round >= 3, "{name}");
        }
        assert!(house.message(&id).await.tags.contains(&"obeyed".to_owned()));
        assert!(house.outcome(&id).await.closed.is_some());
    }
    let tasks = house.tasks().await;
    let mut titles: Vec<_> = tasks.iter().map(|task| task.title.as_str()).collect();
    titles.sort_unstable();
    let expected = hostile.map(|(name, _)| format!("The plugin {name} is suspended"));
    assert_eq!(titles, expected);
    assert_eq!(house.standing("obeys").await.strikes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_waits_holds_up_its_own_thread_and_nobody_else() {
    let mut house = House::new().await;
    let bob = |id: &str| {
        let people = ["bob@example.org", "sam@example.net"];
        super::mail(&people, id, "hello", "Hello.", "")
    };
    house
        .receive(&from_ann("w1", "again 3", "Hello.", ""))
        .await;
    house
        .receive(&from_ann(
            "w2",
            "hello",
            "Hello again.",
            "In-Reply-To: <w1@example.com>",
        ))
        .await;
    house.receive(&bob("b1")).await;
    house.settle(&["obeys"]).await;
    let tags = async |house: &House, id: &str| house.message(id).await.tags;
    assert!(tags(&house, "w1").await.is_empty() && tags(&house, "w2").await.is_empty());
    assert_eq!(tags(&house, "b1").await, ["obeyed"]);
    assert_eq!(house.waits().await.len(), 2);
    let outcome = house.outcome("w2").await;
    assert!(
        outcome.closed.is_none() && outcome.summary.contains("behind event"),
        "{outcome:?}"
    );
    let again = house.outcome("w1").await;
    assert!(
        again.closed.is_none() && again.summary.contains("not yet"),
        "{again:?}"
    );
    // Another restart at the same time does not hurry it.
    house.settle(&["obeys"]).await;
    assert_eq!(house.results("w1").await[0].attempt, 1);
    for _ in 0..2 {
        house.advance(1);
        house.settle(&["obeys"]).await;
    }
    assert_eq!(tags(&house, "w1").await, ["obeyed"]);
    assert_eq!(house.results("w1").await[0].attempt, 3);
    house.advance(1);
    house.settle(&["obeys"]).await;
    assert_eq!(tags(&house, "w2").await, ["obeyed"]);
    assert!(house.waits().await.is_empty());
    for outcome in house.outcomes().await {
        assert!(outcome.closed.is_some(), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_ends_after_eight_tries_and_is_no_strike() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("w1", "again 99", "Hello.", ""))
        .await;
    for _ in 0..12 {
        house.settle(&["obeys"]).await;
        house.advance(1);
    }
    let results = house.results("w1").await;
    let CallEnd::Parked(why) = &results[0].end else {
        panic!("{results:?}");
    };
    assert!(
        why.contains("it asked for another try 8 times: not yet"),
        "{why}"
    );
    assert_eq!(house.standing("obeys").await.strikes, 0);
    assert!(house.waits().await.is_empty() && house.outcome("w1").await.closed.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_event_of_a_plugin_that_was_removed_is_closed() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("w1", "again 3", "Hello.", ""))
        .await;
    house.settle(&["obeys"]).await;
    house.advance(1);
    house.settle(&["follow-up"]).await;
    assert!(house.waits().await.is_empty());
    let outcome = house.outcome("w1").await;
    assert!(
        outcome.closed.is_some() && outcome.summary.contains("no longer configured"),
        "{outcome:?}"
    );
}

/// What does not fit a record must not stop the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_recorded_stops_nothing() {
    let mut house = House::new().await;
    house.receive(&from_ann("b1", "big", "Hello.", "")).await;
    house.receive(&from_ann("b2", "hello", "Hello.", "")).await;
    house.settle(&["obeys"]).await;
    assert!(
        house
            .message("b2")
            .await
            .tags
            .contains(&"obeyed".to_owned())
    );
    let outcome = house.outcome("b1").await;
    assert!(outcome.closed.is_some(), "{outcome:?}");
    let results = house.results("b1").await;
    assert_ne!(results[0].end, CallEnd::Answered, "{:?}", results[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_with_a_long_history_can_still_be_changed() {
    let mut house = House::new().await;
    for round in 0..25 {
        house
            .receive(&from_ann(&format!("c{round}"), "log", "Hello.", ""))
            .await;
        house.settle(&["obeys"]).await;
        let results = house.results(&format!("c{round}")).await;
        assert_eq!(results[0].end, CallEnd::Answered, "round {round}");
    }
    let cases = house.cases().await;
    assert_eq!((cases.len(), cases[0].revision), (1, 25));
    assert!(cases[0].steps.len() > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_that_sets_itself_again_does_not_keep_the_pipeline() {
    let mut house = House::new().await;
    house.receive(&from_ann("s1", "spin", "Hello.", "")).await;
    // The clock stands: without a bound this would never come back.
    let settled = house.settle(&["obeys"]);
    tokio::time::timeout(std::time::Duration::from_secs(60), settled)
        .await
        .unwrap();
    assert_eq!(house.timers().await.len(), 1);
}

/// New times of a group replace the old ones, and are not given up with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releasing_a_group_leaves_the_times_of_the_same_answer() {
    let mut house = House::new().await;
    house.receive(&from_ann("g1", "hold 5", "Hello.", "")).await;
    house.settle(&["obeys"]).await;
    house
        .receive(&from_ann(
            "g2",
            "hold 6",
            "Hello.",
            "In-Reply-To: <g1@example.com>",
        ))
        .await;
    house.settle(&["obeys"]).await;
    let mut states: Vec<_> = house
        .holds()
        .await
        .into_iter()
        .map(|hold| (hold.when.start, hold.state))
        .collect();
    states.sort_by_key(|(start, _)| *start);
    // The worker takes it out of the calendar.
    assert!(matches!(states[0].1, HoldState::Releasing(_)), "{states:?}");
    assert_eq!(states[1].1, HoldState::Planned, "{states:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_in_one_batch_are_all_past_and_in_order() {
    let mut house = House::new().await;
    let mails = (0..150).map(|n| bytes(&from_ann(&format!("m{n}"), "hello", "Hello.", "")));
    house
        .hand_in(("sam", FolderRole::Inbox, BatchMode::Live), mails.collect())
        .await;
    house.settle(&["obeys"]).await;
    for (place, n) in (0..150).enumerate() {
        let outcome = house.outcome(&format!("m{n}")).await;
        assert_eq!(
            (outcome.seq, outcome.closed.is_some()),
            (Some(place as u64), true)
        );
    }
}
