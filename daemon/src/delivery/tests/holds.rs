use std::sync::Arc;
use std::sync::atomic::Ordering;

use liaison_core::effect::{HoldEffect, HoldState, MailMode};
use liaison_core::ids::EffectId;
use liaison_core::outbox::MailState;
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

use super::fakes::{FakeCalendar, trouble};
use super::world::{START, World};
use crate::books::keys;
use crate::calendars::CalendarMirror;
use crate::outbox::stage_give_up;
use crate::sink::Pace;

const ONE: &str = "hold.one@example.com.ics";
const TWO: &str = "hold.two@example.com.ics";

fn slot(days: i64) -> Timestamp {
    START.plus_millis(days * DAY_MS)
}

/// Two alternatives and the mail that offers them.
async fn offer(world: &World, mode: MailMode) -> (EffectId, EffectId, EffectId) {
    let one = world.add_hold("one", slot(2)).await;
    let two = world.add_hold("two", slot(3)).await;
    let requires = vec![one.clone(), two.clone()];
    let mail = world.add_mail("offer", |mail| {
        mail.state = MailState::Proposed;
        mail.mode = mode;
        mail.requires = requires;
    });
    (one, two, mail.await)
}

/// What the mirror's own task does.
async fn compare(world: &World) {
    let mirrors = &world.delivery.parts.calendars.mirrors;
    let now = crate::clock::Clock::now(&world.clock);
    mirrors[&"alice".into()].look(now).await.unwrap();
    world.delivery.compare_holds().await;
    world.settle().await;
}

#[tokio::test]
async fn a_mail_goes_when_all_times_that_it_offers_are_held() {
    for (mode, state) in [(MailMode::Send, "sent"), (MailMode::Approve, "held")] {
        let world = World::new();
        let (one, two, mail) = offer(&world, mode).await;
        world.settle().await;
        for (id, href) in [(&one, ONE), (&two, TWO)] {
            let hold = world.hold(id).await;
            assert_eq!(hold.state, HoldState::Placed);
            assert_eq!(hold.href.as_deref(), Some(href));
        }
        let text = world.calendar.text(TWO);
        for words in [
            "SUMMARY:HOLD: Acme intro call (2/2)",
            "STATUS:TENTATIVE",
            "CLASS:PRIVATE",
            "liaison why two",
        ] {
            assert!(text.contains(words), "{words} is not in {text}");
        }
        assert_eq!(world.mail(&mail).await.state.as_str(), state);
        assert_eq!(world.settle().await, 0);
    }
}

#[tokio::test]
async fn a_time_taken_meanwhile_loses_the_hold_and_cancels_the_mail() {
    let world = World::new();
    let busy = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:lunch\r\n\
        DTSTAMP:20260101T000000Z\r\nDTSTART:20260305T100000Z\r\nDTEND:20260305T110000Z\r\n\
        SUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    world.calendar.write("lunch.ics", busy);
    assert_eq!(slot(3).to_string(), "2026-03-05T10:00:00Z");
    let (one, two, mail) = offer(&world, MailMode::Send).await;
    world.settle().await;
    // Nobody will hear of the other time either.
    assert_eq!(world.hold(&one).await.state.as_str(), "released");
    let lost = world.hold(&two).await.state;
    assert_eq!(lost.as_str(), "lost");
    assert!(lost.why().unwrap().contains("taken meanwhile"), "{lost:?}");
    let state = world.mail(&mail).await.state.to_string();
    assert!(
        state.starts_with("cancelled") && state.contains("hold two"),
        "{state}"
    );
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_calendar_that_cannot_be_reached_delays_and_in_the_end_cancels() {
    let world = World::new();
    world.calendar.down.store(true, Ordering::SeqCst);
    let (one, _, mail) = offer(&world, MailMode::Send).await;
    world.settle().await;
    assert_eq!(world.hold(&one).await.state, HoldState::Planned);
    assert!(world.hold(&one).await.last_trouble.unwrap().contains("503"));
    assert_eq!(world.mail(&mail).await.state, MailState::Proposed);
    world.settle_after(3 * DAY_MS).await;
    assert_eq!(world.hold(&one).await.state.as_str(), "lost");
    assert_eq!(world.mail(&mail).await.state.as_str(), "cancelled");
}

#[tokio::test]
async fn a_write_whose_end_is_unknown_is_made_again_and_makes_no_second_event() {
    for (unknown, done) in [(true, true), (true, false), (false, false)] {
        let world = World::new();
        let failed = (trouble(false, unknown), done);
        world.calendar.script.lock().unwrap().push_back(failed);
        let one = world.add_hold("one", slot(2)).await;
        world.settle().await;
        assert_eq!(world.hold(&one).await.state, HoldState::Planned);
        world.settle_after(MINUTE_MS).await;
        assert_eq!(world.hold(&one).await.state, HoldState::Placed);
        assert_eq!(world.calendar.hrefs(), [ONE]);
    }
    let world = World::new();
    let refused = (trouble(true, false), false);
    world.calendar.script.lock().unwrap().push_back(refused);
    let one = world.add_hold("one", slot(2)).await;
    world.settle().await;
    let why = world.hold(&one).await.state;
    assert!(why.why().unwrap().contains("refused"), "{why:?}");
}

#[tokio::test]
async fn a_hold_given_up_while_its_write_was_unknown_leaves_nothing_behind() {
    let world = World::new();
    let failed = (trouble(false, true), true);
    world.calendar.script.lock().unwrap().push_back(failed);
    let one = world.add_hold("one", slot(2)).await;
    world.settle().await;
    assert_eq!(world.calendar.hrefs(), [ONE]);
    release(&world, &one).await;
    world.settle().await;
    assert_eq!(world.hold(&one).await.state.as_str(), "released");
    assert!(world.calendar.hrefs().is_empty());
}

#[tokio::test]
async fn a_hold_whose_time_is_over_while_its_write_was_unknown_leaves_nothing_behind() {
    for done in [true, false] {
        let world = World::new();
        let failed = (trouble(false, true), done);
        world.calendar.script.lock().unwrap().push_back(failed);
        let one = world.add_hold("one", slot(2)).await;
        world.settle().await;
        assert_eq!(world.calendar.hrefs().len(), usize::from(done));
        // The calendar cannot be asked while the time runs out: then nobody knows, and it waits.
        world.calendar.down.store(true, Ordering::SeqCst);
        world.settle_after(3 * DAY_MS).await;
        assert_eq!(world.hold(&one).await.state, HoldState::Planned);
        world.calendar.down.store(false, Ordering::SeqCst);
        world.settle_after(DAY_MS).await;
        assert_eq!(world.hold(&one).await.state.as_str(), "lost");
        assert!(world.calendar.hrefs().is_empty());
    }
}

async fn release(world: &World, id: &EffectId) {
    let stored = world
        .books
        .get::<liaison_core::effect::HoldEffect>(keys::hold(id))
        .await
        .unwrap()
        .unwrap();
    let mut writes = world.books.batch();
    let who = ("alice@example.com", "not needed");
    let given_up = stage_give_up(&world.books, &mut writes, &stored, who, START);
    assert!(given_up.await.unwrap());
    world.books.commit(writes).await.unwrap();
}

#[tokio::test]
async fn what_people_do_with_a_hold_wins() {
    for (edit, state, file_stays) in [
        (
            Some(("SUMMARY:HOLD: ", "SUMMARY:Really: ")),
            "adopted",
            true,
        ),
        (
            Some(("STATUS:TENTATIVE", "STATUS:CONFIRMED")),
            "confirmed",
            true,
        ),
        (Some(("DTSTAMP:2026", "DTSTAMP:2027")), "expired", false),
        (None, "released", false),
    ] {
        let world = World::new();
        let one = world.add_hold("one", slot(2)).await;
        world.settle().await;
        match edit {
            Some((from, to)) => world.calendar.edit(ONE, from, to),
            None => drop(world.calendar.files.lock().unwrap().remove(ONE)),
        }
        compare(&world).await;
        world.settle_after(4 * DAY_MS).await;
        let hold = world.hold(&one).await;
        assert_eq!(hold.state.as_str(), state, "{edit:?}: {hold:?}");
        assert_eq!(!world.calendar.hrefs().is_empty(), file_stays, "{edit:?}");
        assert_eq!(world.settle().await, 0);
    }
}

#[tokio::test]
async fn a_hold_that_the_mirror_has_not_seen_yet_is_not_taken_for_removed() {
    let world = World::new();
    let one = world.add_hold("one", slot(2)).await;
    world.settle().await;
    // Placed after the look that preceded it; the mirror knows nothing of it.
    let mirror = &world.delivery.parts.calendars.mirrors[&"alice".into()];
    assert!(mirror.object(ONE).is_none());
    assert_eq!(world.delivery.compare_holds().await, 0);
    assert_eq!(world.hold(&one).await.state, HoldState::Placed);
}

#[tokio::test]
async fn choosing_one_time_frees_the_others() {
    let world = World::new();
    let (one, two, _) = offer(&world, MailMode::Send).await;
    world.settle().await;
    world
        .calendar
        .edit(ONE, "STATUS:TENTATIVE", "STATUS:CONFIRMED");
    compare(&world).await;
    assert_eq!(world.hold(&one).await.state, HoldState::Confirmed);
    let other = world.hold(&two).await.state;
    assert!(other.why().unwrap().contains("another time"), "{other:?}");
    assert_eq!(other.as_str(), "released");
    assert_eq!(world.calendar.hrefs(), [ONE]);
}

#[tokio::test]
async fn a_hold_ends_at_its_expiry_unless_somebody_edited_it_unseen() {
    let world = World::new();
    let (one, two, _) = offer(&world, MailMode::Send).await;
    world.settle().await;
    world.calendar.edit(TWO, "SUMMARY:HOLD: ", "SUMMARY:Mine: ");
    world.settle_after(3 * DAY_MS).await;
    assert_eq!(world.hold(&one).await.state, HoldState::Expired);
    let kept = world.hold(&two).await.state;
    assert!(kept.why().unwrap().contains("title"), "{kept:?}");
    assert_eq!(world.calendar.hrefs(), [TWO]);
}

#[tokio::test]
async fn a_mail_that_waits_for_its_hour_is_called_off_when_its_time_is_no_longer_held() {
    let world = World::new();
    let (one, _, mail) = offer(&world, MailMode::Approve).await;
    world.settle().await;
    assert_eq!(world.mail(&mail).await.state, MailState::Held);
    release(&world, &one).await;
    world.settle().await;
    assert_eq!(world.mail(&mail).await.state, MailState::Held);
    let stored = world
        .books
        .get::<liaison_core::effect::MailEffect>(keys::mail(&mail))
        .await
        .unwrap()
        .unwrap();
    let mut writes = world.books.batch();
    let step = crate::outbox::Step {
        input: liaison_core::outbox::Input::Approve,
        who: "alice@example.com",
        why: String::new(),
        not_before: None,
        found_as: None,
    };
    crate::outbox::stage_mail(&world.books, &mut writes, &stored, step, START)
        .await
        .unwrap();
    world.books.commit(writes).await.unwrap();
    world.settle_after(HOUR_MS).await;
    assert_eq!(world.mail(&mail).await.state.as_str(), "cancelled");
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_crash_between_a_hold_and_its_mail_loses_nothing() {
    // At every commit of the whole course, lost or only unacknowledged.
    for commits in 0..14 {
        for written in [false, true] {
            let world = World::new();
            let (one, two, mail) = offer(&world, MailMode::Send).await;
            world.store.fate.dies_after(commits, written);
            world.settle().await;
            world.store.fate.lives();
            world.delivery.recover().await.unwrap();
            for _ in 0..20 {
                world.settle_after(MINUTE_MS).await;
            }
            let what = format!("after {commits} commits, the last one written: {written}");
            assert_eq!(world.hold(&one).await.state, HoldState::Placed, "{what}");
            assert_eq!(world.hold(&two).await.state, HoldState::Placed, "{what}");
            assert_eq!(world.calendar.hrefs(), [ONE, TWO], "{what}");
            let state = world.mail(&mail).await.state;
            let known = matches!(state, MailState::Sent | MailState::Held);
            assert!(known, "{what}: {state}");
            assert!(world.transport.taken() <= 1, "{what}");
        }
    }
}

/// As `holds extend` does it.
async fn extend(world: &World, id: &EffectId, expires: Timestamp) {
    let key = keys::hold(id);
    let stored = world.books.get::<HoldEffect>(key).await.unwrap().unwrap();
    let after = HoldEffect {
        expires,
        ..stored.record.clone()
    };
    let mut writes = world.books.batch();
    crate::outbox::stage_hold_record(&mut writes, &stored, &after).unwrap();
    let entry = keys::effect_due(world.clock_now(), keys::DueKind::Hold, id);
    writes.put(entry, Vec::new());
    world.books.commit(writes).await.unwrap();
}

#[tokio::test]
async fn an_extended_hold_says_its_new_end_in_the_calendar_and_still_leaves_by_it() {
    let world = World::new();
    let (one, two, _) = offer(&world, MailMode::Send).await;
    world.settle().await;
    compare(&world).await;
    let (said, says) = (
        "X-LIAISON-EXPIRES:20260304T080000Z",
        "X-LIAISON-EXPIRES:20260304T093000Z",
    );
    let before = world.calendar.text(ONE);
    assert!(before.contains(said), "{before}");
    // A person was there a moment before, and the mirror has not seen it.
    world.calendar.edit(TWO, "SUMMARY:HOLD: ", "SUMMARY:Mine: ");
    let theirs = world.calendar.text(TWO);
    let later = slot(2).minus_millis(30 * MINUTE_MS);
    extend(&world, &one, later).await;
    extend(&world, &two, slot(3).minus_millis(30 * MINUTE_MS)).await;
    world.settle().await;
    let after = world.calendar.text(ONE);
    assert!(after.contains(says) && !after.contains(said), "{after}");
    assert_eq!(world.calendar.text(TWO), theirs);
    compare(&world).await;
    assert_eq!(world.calendar.text(ONE), after, "it is written once");
    assert_eq!(world.hold(&one).await.state, HoldState::Placed);
    assert_eq!(world.hold(&two).await.state.as_str(), "adopted");

    world.settle_after(later.since(world.clock_now())).await;
    assert_eq!(world.hold(&one).await.state, HoldState::Expired);
    assert_eq!(world.calendar.hrefs(), [TWO]);
}

#[tokio::test]
async fn an_expiry_that_could_not_be_written_is_written_with_the_next_look() {
    let world = World::new();
    let one = world.add_hold("one", slot(2)).await;
    world.settle().await;
    compare(&world).await;
    extend(&world, &one, slot(2).minus_millis(30 * MINUTE_MS)).await;
    world.calendar.down.store(true, Ordering::SeqCst);
    world.settle().await;
    assert_eq!(world.hold(&one).await.state, HoldState::Placed);
    world.calendar.down.store(false, Ordering::SeqCst);
    compare(&world).await;
    let text = world.calendar.text(ONE);
    assert!(
        text.contains("X-LIAISON-EXPIRES:20260304T093000Z"),
        "{text}"
    );
}

#[tokio::test]
async fn a_calendar_in_which_something_is_near_is_worth_another_look_sooner() {
    let calendar = Arc::new(FakeCalendar::default());
    let owner = "alice@example.com".to_owned();
    let zone = "Europe/Berlin".to_owned();
    let mirror = CalendarMirror::new("alice".into(), calendar.clone(), owner, zone);
    // 11:00 and 23:00 on the second of March, where she is.
    let (day, night) = (START, START.plus_millis(12 * HOUR_MS));
    let event = |start: &str, more: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:one\r\n\
             DTSTAMP:20260101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT1H\r\n{more}\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let guest = "ATTENDEE:mailto:nora@example.net\r\n";
    let hold = "STATUS:TENTATIVE\r\nX-LIAISON-KIND:p/first\r\n";
    for (object, paces) in [
        (event("20260303T160000Z", ""), (Pace::Usual, Pace::Night)),
        (event("20260303T080000Z", guest), (Pace::Near, Pace::Near)),
        (event("20260303T120000Z", guest), (Pace::Usual, Pace::Near)),
        (event("20260302T080000Z", guest), (Pace::Usual, Pace::Night)),
        (event("20260320T080000Z", hold), (Pace::Near, Pace::Near)),
        (event("20260301T080000Z", hold), (Pace::Usual, Pace::Night)),
        (
            event("20260320T080000Z", &hold.replace("TENTATIVE", "CONFIRMED")),
            (Pace::Usual, Pace::Night),
        ),
    ] {
        calendar.write("one.ics", &object);
        mirror.look(START).await.unwrap();
        assert_eq!((mirror.pace(day), mirror.pace(night)), paces, "{object}");
    }
}
