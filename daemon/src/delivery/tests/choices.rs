//! One of several held times is chosen: by a command, or in the calendar.

use std::sync::atomic::Ordering;

use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::happening::SettledOutcome;
use liaison_core::hold::{GroupRefusal, GroupState, HoldInput};
use liaison_core::ids::EffectId;
use liaison_core::records::TaskRecord;
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp, Window};

use super::fakes::trouble;
use super::world::{START, World, hold};
use crate::books::keys;
use crate::books::rows::{EventBody, EventRow};
use crate::outbox::{HoldStep, StepError, stage_give_up, stage_hold, stage_new_holds};
use crate::store::{Ns, Range};

const ONE: &str = "hold.one@example.com.ics";
const TWO: &str = "hold.two@example.com.ics";
const ALICE: &str = "alice@example.com";

fn slot(days: i64) -> Timestamp {
    START.plus_millis(days * DAY_MS)
}

/// Offers times of one group in one answer, as the pipeline does.
async fn offer(world: &World, times: &[(&str, i64)], instead: bool) {
    let mut writes = world.books.batch();
    let now = world.clock_now();
    if instead {
        for old in world.books.holds_of_group(&"group".into()).await.unwrap() {
            if old.record.state.is_open() {
                let who = ("follow-up", "other times");
                let given_up = stage_give_up(&world.books, &mut writes, &old, who, now);
                given_up.await.unwrap();
            }
        }
    }
    // Each answer is one event.
    let seq = u64::try_from(
        world
            .books
            .every_key(Range::all(Ns::Hold))
            .await
            .unwrap()
            .len(),
    );
    let holds = times.iter().map(|(id, days)| {
        let mut hold = hold(id, slot(*days), now);
        hold.cause.event_seq = seq.unwrap();
        hold
    });
    stage_new_holds(&world.books, &mut writes, holds.collect(), |_| instead, now)
        .await
        .unwrap();
    world.books.commit(writes).await.unwrap();
}

/// Two times that are held.
async fn two_times() -> (World, EffectId, EffectId) {
    let world = World::new();
    offer(&world, &[("one", 2), ("two", 3)], false).await;
    world.settle().await;
    assert_eq!(world.calendar.hrefs(), [ONE, TWO]);
    (world, "one".into(), "two".into())
}

async fn choose(world: &World, id: &EffectId, who: &str) -> Result<HoldEffect, StepError> {
    let stored = world.books.get::<HoldEffect>(keys::hold(id)).await;
    let stored = stored.unwrap().unwrap();
    let mut writes = world.books.batch();
    let step = HoldStep::new(HoldInput::Choose(who.to_owned()), who);
    let now = world.clock_now();
    let after = stage_hold(&world.books, &mut writes, &stored, step, now).await?;
    world.books.commit(writes).await?;
    Ok(after)
}

async fn group(world: &World) -> GroupState {
    let group = world.books.hold_group(&"group".into()).await;
    group.unwrap().unwrap().state
}

fn chosen(state: &GroupState) -> (&str, &str) {
    let choice = state.choice().map_or("", |choice| choice.hold.as_str());
    (state.as_str(), choice)
}

/// What the mirror's own task does.
async fn compare(world: &World) {
    let mirrors = &world.delivery.parts.calendars.mirrors;
    mirrors[&"alice".into()]
        .look(world.clock_now())
        .await
        .unwrap();
    world.delivery.compare_holds().await;
    world.settle().await;
}

/// What the plugin was told of a hold.
async fn told(world: &World, id: &EffectId) -> Vec<SettledOutcome> {
    let events: Vec<EventRow> = world.books.every(Range::all(Ns::Event)).await.unwrap();
    let of_it = events.into_iter().filter_map(|event| match event.body {
        EventBody::Settled {
            effect, outcome, ..
        } if effect == *id => Some(outcome),
        _ => None,
    });
    of_it.collect()
}

fn busy(uid: &str, day: &str, people: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:{day}T100000Z\r\nDTEND:{day}T110000Z\r\n\
         SUMMARY:Lunch\r\n{people}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

#[tokio::test]
async fn the_chosen_time_is_a_meeting_and_the_others_leave_the_calendar() {
    let (world, one, two) = two_times().await;
    let alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT";
    world.calendar.edit(ONE, "END:VEVENT", alarm);
    choose(&world, &one, ALICE).await.unwrap();
    world.settle().await;
    assert_eq!(world.hold(&one).await.state, HoldState::Confirmed);
    assert_eq!(chosen(&group(&world).await), ("confirmed", "one"));
    let other = world.hold(&two).await.state;
    assert!(other.why().unwrap().contains("another time"), "{other:?}");
    assert_eq!(world.calendar.hrefs(), [ONE]);
    let text = world.calendar.text(ONE);
    for words in [
        "UID:hold.one@example.com\r\n",
        "SUMMARY:Acme intro call\r\n",
        "STATUS:CONFIRMED\r\n",
        "SEQUENCE:1\r\n",
        "TRIGGER:-PT5M\r\n",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(!text.contains("ATTENDEE") && !text.contains("ORGANIZER"));
    let heard = told(&world, &one).await;
    assert!(
        matches!(
            &heard[..],
            [SettledOutcome::Done, SettledOutcome::Adopted(_)]
        ),
        "{heard:?}"
    );
    // Past its expiry it stays: it is a meeting.
    world.settle_after(4 * DAY_MS).await;
    assert_eq!(world.calendar.hrefs(), [ONE]);
}

#[tokio::test]
async fn of_two_acceptances_the_first_is_kept_and_the_second_hears_of_it() {
    for settled in [false, true] {
        let (world, one, two) = two_times().await;
        choose(&world, &one, ALICE).await.unwrap();
        if settled {
            world.settle().await;
        }
        let second = choose(&world, &two, "bob@example.com").await.unwrap_err();
        if !settled {
            let StepError::Group(GroupRefusal::Decided(first)) = &second else {
                panic!("{second:?}");
            };
            assert_eq!((first.hold.as_str(), first.who.as_str()), ("one", ALICE));
        }
        world.settle().await;
        assert_eq!(chosen(&group(&world).await), ("confirmed", "one"));
        assert_eq!(world.calendar.hrefs(), [ONE]);
    }
}

#[tokio::test]
async fn a_time_that_got_busy_is_not_confirmed_and_the_rest_stays_offered() {
    let (world, one, two) = two_times().await;
    let lunch = busy("lunch", "20260304", "");
    assert_eq!(slot(2).to_string(), "2026-03-04T10:00:00Z");
    world.calendar.write("lunch.ics", &lunch);
    choose(&world, &one, ALICE).await.unwrap();
    world.settle().await;
    let state = world.hold(&one).await.state;
    assert_eq!(state.as_str(), "released");
    assert!(
        state.why().unwrap().contains("taken meanwhile"),
        "{state:?}"
    );
    assert_eq!(world.hold(&two).await.state, HoldState::Placed);
    assert_eq!(group(&world).await, GroupState::Open);
    assert_eq!(world.calendar.hrefs(), [TWO, "lunch.ics"]);
    // The other one can be chosen.
    choose(&world, &two, ALICE).await.unwrap();
    world.settle().await;
    assert_eq!(chosen(&group(&world).await), ("confirmed", "two"));
}

#[tokio::test]
async fn overlapping_alternatives_do_not_keep_each_other_from_being_confirmed() {
    let world = World::new();
    offer(&world, &[("one", 2), ("two", 2)], false).await;
    world.settle().await;
    assert_eq!(world.calendar.hrefs(), [ONE, TWO]);
    choose(&world, &"two".into(), ALICE).await.unwrap();
    world.settle().await;
    assert_eq!(chosen(&group(&world).await), ("confirmed", "two"));
    assert_eq!(world.calendar.hrefs(), [TWO]);
}

#[tokio::test]
async fn a_hold_that_a_person_moved_or_removed_is_not_confirmed_over_their_head() {
    for (edit, state) in [
        (Some(("SUMMARY:HOLD: ", "SUMMARY:Mine: ")), "adopted"),
        (Some(("T110000", "T113000")), "adopted"),
        (None, "released"),
    ] {
        let (world, one, two) = two_times().await;
        match edit {
            Some((from, to)) => world.calendar.edit(ONE, from, to),
            None => drop(world.calendar.files.lock().unwrap().remove(ONE)),
        }
        let theirs = edit.map(|_| world.calendar.text(ONE));
        // Chosen before anybody looked.
        choose(&world, &one, ALICE).await.unwrap();
        world.settle().await;
        assert_eq!(world.hold(&one).await.state.as_str(), state, "{edit:?}");
        assert_eq!(group(&world).await, GroupState::Open, "{edit:?}");
        assert_eq!(world.hold(&two).await.state, HoldState::Placed);
        match theirs {
            Some(text) => assert_eq!(world.calendar.text(ONE), text, "not a byte is changed"),
            None => assert_eq!(world.calendar.hrefs(), [TWO]),
        }
    }
}

#[tokio::test]
async fn a_meeting_whose_write_is_unknown_is_looked_for_and_written_once() {
    for (unknown, done) in [(true, true), (true, false), (false, false)] {
        let (world, one, _) = two_times().await;
        let failed = (trouble(false, unknown), done);
        world.calendar.script.lock().unwrap().push_back(failed);
        choose(&world, &one, ALICE).await.unwrap();
        world.settle().await;
        assert_eq!(world.hold(&one).await.state.as_str(), "confirming");
        assert_eq!(world.calendar.hrefs(), [ONE, TWO], "nothing leaves yet");
        world.settle_after(MINUTE_MS).await;
        assert_eq!(world.hold(&one).await.state, HoldState::Confirmed);
        assert!(world.calendar.text(ONE).contains("SEQUENCE:1\r\n"));
        assert_eq!(world.calendar.hrefs(), [ONE]);
    }
}

#[tokio::test]
async fn a_calendar_that_refuses_the_meeting_leaves_all_times_offered() {
    let (world, one, two) = two_times().await;
    let refused = (trouble(true, false), false);
    world.calendar.script.lock().unwrap().push_back(refused);
    choose(&world, &one, ALICE).await.unwrap();
    world.settle().await;
    for id in [&one, &two] {
        assert_eq!(world.hold(id).await.state, HoldState::Placed);
    }
    let trouble = world.hold(&one).await.last_trouble.unwrap();
    assert!(trouble.contains("refused the meeting"), "{trouble}");
    assert_eq!(group(&world).await, GroupState::Open);
    choose(&world, &one, ALICE).await.unwrap();
    world.settle().await;
    assert_eq!(chosen(&group(&world).await), ("confirmed", "one"));
}

#[tokio::test]
async fn a_choice_waits_for_a_calendar_that_cannot_be_reached() {
    let (world, one, two) = two_times().await;
    choose(&world, &one, ALICE).await.unwrap();
    world.calendar.down.store(true, Ordering::SeqCst);
    world.settle().await;
    assert_eq!(chosen(&group(&world).await), ("choosing", "one"));
    // Nobody but who chose it moves it meanwhile, and its expiry does not count any more.
    world.settle_after(40 * HOUR_MS).await;
    assert_eq!(world.hold(&one).await.state.as_str(), "confirming");
    world.calendar.down.store(false, Ordering::SeqCst);
    world.settle_after(2 * HOUR_MS).await;
    assert_eq!(world.hold(&one).await.state, HoldState::Confirmed);
    assert_eq!(world.hold(&two).await.state.as_str(), "released");
}

#[tokio::test]
async fn a_person_who_makes_a_hold_definite_in_the_calendar_has_chosen_it() {
    let (world, _, two) = two_times().await;
    world
        .calendar
        .edit(ONE, "STATUS:TENTATIVE", "STATUS:CONFIRMED");
    world.calendar.edit(ONE, "SUMMARY:HOLD: ", "SUMMARY:");
    let theirs = world.calendar.text(ONE);
    compare(&world).await;
    assert_eq!(chosen(&group(&world).await), ("confirmed", "one"));
    assert_eq!(world.hold(&two).await.state.as_str(), "released");
    assert_eq!(world.calendar.hrefs(), [ONE]);
    assert_eq!(world.calendar.text(ONE), theirs);
}

#[tokio::test]
async fn never_two_of_a_group_are_confirmed_whatever_people_do_in_the_calendar() {
    let (world, one, two) = two_times().await;
    for href in [ONE, TWO] {
        world
            .calendar
            .edit(href, "STATUS:TENTATIVE", "STATUS:CONFIRMED");
    }
    compare(&world).await;
    let states = [world.hold(&one).await.state, world.hold(&two).await.state];
    let confirmed = states
        .iter()
        .filter(|state| **state == HoldState::Confirmed);
    assert_eq!(confirmed.count(), 1, "{states:?}");
    let theirs = states.iter().find_map(|state| match state {
        HoldState::Adopted(what) => Some(what.clone()),
        _ => None,
    });
    assert!(theirs.unwrap().contains("although"), "{states:?}");
    // Both are a person's: none is removed.
    assert_eq!(world.calendar.hrefs(), [ONE, TWO]);
    world.settle_after(5 * DAY_MS).await;
    assert_eq!(world.calendar.hrefs(), [ONE, TWO]);
}

#[tokio::test]
async fn a_plugin_hears_that_a_person_removed_a_hold_as_the_interface_promises() {
    let (world, one, two) = two_times().await;
    drop(world.calendar.files.lock().unwrap().remove(ONE));
    world.calendar.edit(TWO, "SUMMARY:HOLD: ", "SUMMARY:Mine: ");
    compare(&world).await;
    for id in [&one, &two] {
        let heard = told(&world, id).await;
        assert!(
            matches!(
                &heard[..],
                [SettledOutcome::Done, SettledOutcome::Adopted(_)]
            ),
            "{heard:?}"
        );
    }
    assert_eq!(group(&world).await, GroupState::Abandoned);
}

#[tokio::test]
async fn a_group_of_which_no_time_is_left_is_abandoned() {
    let (world, one, two) = two_times().await;
    world.settle_after(HOUR_MS).await;
    assert_eq!(group(&world).await, GroupState::Open);
    world.settle_after(3 * DAY_MS).await;
    for id in [&one, &two] {
        assert_eq!(world.hold(id).await.state, HoldState::Expired);
    }
    assert_eq!(group(&world).await, GroupState::Abandoned);
    assert!(choose(&world, &one, ALICE).await.is_err());
}

#[tokio::test]
async fn what_a_person_removed_is_not_placed_again_by_a_repeated_answer() {
    let (world, one, _) = two_times().await;
    drop(world.calendar.files.lock().unwrap().remove(ONE));
    compare(&world).await;
    assert_eq!(world.hold(&one).await.state.as_str(), "released");
    // The same answer again has the same key: the row that is there refuses it.
    let mut writes = world.books.batch();
    let again = vec![hold("one", slot(2), world.clock_now())];
    stage_new_holds(&world.books, &mut writes, again, |_| false, START)
        .await
        .unwrap();
    let refused = world.books.commit(writes).await.unwrap_err();
    assert!(refused.is_conflict(), "{refused}");
    world.settle_after(HOUR_MS).await;
    assert_eq!(world.calendar.hrefs(), [TWO]);
}

#[tokio::test]
async fn other_times_stand_only_after_the_old_ones_left() {
    let (world, one, two) = two_times().await;
    // The old ones cannot be removed at once.
    for _ in 0..2 {
        let failed = (trouble(false, false), false);
        world.calendar.script.lock().unwrap().push_back(failed);
    }
    offer(&world, &[("three", 4)], true).await;
    world.settle().await;
    let three = EffectId::from("three");
    let order: Vec<_> = [&one, &two, &three].into_iter().collect();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let mut states = Vec::new();
        for id in &order {
            states.push(world.hold(id).await.state.as_str());
        }
        let stands_twice = states[2] == "placed" && states[..2].contains(&"releasing");
        assert!(!stands_twice, "{states:?} after {seen:?}");
        seen.push(states);
        world.settle_after(MINUTE_MS).await;
    }
    assert_eq!(seen.last().unwrap(), &["released", "released", "placed"]);
    assert_eq!(world.hold(&three).await.generation, 2);
    assert_eq!(world.calendar.hrefs(), ["hold.three@example.com.ics"]);
    choose(&world, &three, ALICE).await.unwrap();
    world.settle().await;
    assert_eq!(chosen(&group(&world).await), ("confirmed", "three"));
}

#[tokio::test]
async fn a_time_that_is_offered_while_another_is_chosen_is_not_placed() {
    let (world, one, _) = two_times().await;
    choose(&world, &one, ALICE).await.unwrap();
    offer(&world, &[("late", 5)], false).await;
    world.settle().await;
    let late = world.hold(&"late".into()).await.state;
    assert_eq!(late.as_str(), "lost", "{late:?}");
    assert_eq!(world.calendar.hrefs(), [ONE]);
}

#[tokio::test]
async fn times_offered_after_a_choice_are_a_new_offer_and_stay() {
    let (world, one, _) = two_times().await;
    choose(&world, &one, ALICE).await.unwrap();
    world.settle().await;
    offer(&world, &[("later", 6)], false).await;
    world.settle().await;
    let later = world.hold(&"later".into()).await;
    assert_eq!((later.state, later.generation), (HoldState::Placed, 2));
    assert_eq!(group(&world).await, GroupState::Open);
    assert_eq!(world.calendar.hrefs(), ["hold.later@example.com.ics", ONE]);
}

#[tokio::test]
async fn what_another_group_holds_is_not_held_twice() {
    let (world, _, _) = two_times().await;
    let mut other = hold("other", slot(2), world.clock_now());
    other.group = "elsewhere".into();
    other.when = Window {
        start: slot(2).plus_millis(10 * MINUTE_MS),
        ..other.when
    };
    let mut writes = world.books.batch();
    stage_new_holds(&world.books, &mut writes, vec![other], |_| false, START)
        .await
        .unwrap();
    world.books.commit(writes).await.unwrap();
    world.settle().await;
    let state = world.hold(&"other".into()).await.state;
    assert_eq!(state.as_str(), "lost", "{state:?}");
    assert_eq!(world.calendar.hrefs(), [ONE, TWO]);
}

#[tokio::test]
async fn a_crash_anywhere_between_a_choice_and_its_end_confirms_one_and_frees_the_rest() {
    // At every commit of the whole course, lost or only unacknowledged.
    for commits in 0..14 {
        for written in [false, true] {
            let (world, one, two) = two_times().await;
            let what = format!("after {commits} commits, the last one written: {written}");
            world.store.fate.dies_after(commits, written);
            let said = choose(&world, &one, ALICE).await;
            world.settle().await;
            world.store.fate.lives();
            world.delivery.recover().await.unwrap();
            // Who got no answer asks again; a second person chooses the other one.
            if said.is_err() {
                drop(choose(&world, &one, ALICE).await);
            }
            drop(choose(&world, &two, "bob@example.com").await);
            for _ in 0..20 {
                world.settle_after(MINUTE_MS).await;
            }
            assert_eq!(world.hold(&one).await.state, HoldState::Confirmed, "{what}");
            assert_eq!(world.hold(&two).await.state.as_str(), "released", "{what}");
            assert_eq!(chosen(&group(&world).await), ("confirmed", "one"), "{what}");
            assert_eq!(world.calendar.hrefs(), [ONE], "{what}");
            let text = world.calendar.text(ONE);
            assert!(text.contains("SEQUENCE:1\r\n"), "{what}: {text}");
        }
    }
}

#[tokio::test]
async fn an_invitation_of_theirs_over_a_time_held_for_them_is_laid_before_its_owner_once() {
    let (world, one, _) = two_times().await;
    let people = |organizer: &str| {
        format!("ORGANIZER:mailto:{organizer}\r\nATTENDEE:mailto:alice@example.com\r\n")
    };
    for (uid, organizer) in [
        ("theirs", "Bob@example.net"),
        ("ours", "carol@example.com"),
        ("stranger", "eve@example.org"),
    ] {
        let event = busy(uid, "20260304", &people(organizer));
        world.calendar.write(&format!("{uid}.ics"), &event);
    }
    compare(&world).await;
    compare(&world).await;
    let tasks: Vec<TaskRecord> = world.books.every(Range::all(Ns::Task)).await.unwrap();
    assert_eq!(tasks.len(), 1, "{tasks:#?}");
    assert!(tasks[0].title.contains("bob@example.net invites: `Lunch`"));
    for id in ["one", "two"] {
        let command = format!("liaison holds release {id}");
        assert!(tasks[0].body.contains(&command), "{}", tasks[0].body);
    }
    assert_eq!(tasks[0].owner.as_deref(), Some(ALICE));
    // Nothing is given up over a person's head.
    assert_eq!(world.hold(&one).await.state, HoldState::Placed);
}
