//! What delivery reports said, looked at just before a mail leaves.

use liaison_core::effect::MailMode;
use liaison_core::mail::{Address, BounceKind, BouncedRecipient};
use liaison_core::outbox::{Input, MailState, Phase};
use liaison_core::reach::{Meaning, Reach, Reported, ReturnRecord};
use liaison_core::time::MINUTE_MS;

use super::mails::take_step;
use super::world::{START, World};
use crate::books::{keys, replace};

fn reported(meaning: Meaning) -> Reported {
    let said = BouncedRecipient {
        recipient: Some(Address::parse("bob@example.net").unwrap()),
        kind: BounceKind::Hard,
        action: None,
        status: Some("5.1.1".to_owned()),
        diagnostic: None,
    };
    Reported::of(&said, ("bob@example.net", meaning), (&"r".into(), START))
}

async fn stop(world: &World, subject: &str) {
    let by = reported(Meaning::Undeliverable);
    let mut reach = Reach::new(subject, &by);
    match reach.is_domain() {
        true => reach.heed_domain(&by, 1),
        false => reach.heed(&by),
    };
    let mut writes = world.books.batch();
    replace(&mut writes, keys::reach(subject), None, &reach).unwrap();
    world.books.commit(writes).await.unwrap();
}

/// mautic/mautic#7226: the one who is gone ends their own mail, and nobody else's.
#[tokio::test]
async fn nothing_leaves_for_an_address_to_which_no_mail_arrives_and_all_else_does() {
    let world = World::new();
    let mut dead = Vec::new();
    for (id, mode, state) in [
        ("send", MailMode::Send, MailState::Scheduled),
        ("draft", MailMode::Draft, MailState::Scheduled),
        ("yes", MailMode::Send, MailState::Approved),
    ] {
        dead.push(
            world
                .add_mail(id, |mail| {
                    (mail.mode, mail.state) = (mode, state);
                    mail.recipient = "bob+crm@example.net".to_owned();
                })
                .await,
        );
    }
    let alive = world
        .add_mail("alive", |mail| {
            mail.recipient = "carol@example.net".to_owned()
        })
        .await;
    stop(&world, "bob@example.net").await;
    world.settle().await;
    for id in &dead {
        let mail = world.mail(id).await;
        assert_eq!(mail.state.as_str(), "cancelled", "{id}: {}", mail.state);
        assert!(mail.state.to_string().contains("is undeliverable since"));
    }
    assert_eq!(world.mail(&alive).await.state, MailState::Sent);
}

#[tokio::test]
async fn what_would_leave_by_itself_for_a_stopped_domain_waits_for_a_yes_without_end() {
    let world = World::new();
    let by_itself = world.add_mail("one", |_| {}).await;
    let draft = world
        .add_mail("two", |mail| {
            mail.mode = MailMode::Draft;
            mail.recipient = "carol@example.net".to_owned();
        })
        .await;
    stop(&world, "@example.net").await;
    world.settle().await;
    let mail = world.mail(&by_itself).await;
    assert_eq!(mail.state, MailState::Held);
    let why = mail.last_reply.unwrap();
    assert!(
        why.contains("liaison addresses allow @example.net"),
        "{why}"
    );
    assert_eq!(world.mail(&draft).await.state, MailState::Drafted);
    // A week does not release it; a person does.
    world.settle_after(7 * 24 * 60 * MINUTE_MS).await;
    assert_eq!(world.mail(&by_itself).await.state, MailState::Held);
    take_step(&world, &by_itself, Input::Approve).await;
    world.settle().await;
    assert_eq!(world.mail(&by_itself).await.state, MailState::Sent);
}

/// The report was faster than the server's own verdict, which never came.
#[tokio::test]
async fn a_mail_in_doubt_that_a_report_names_already_is_looked_for_nowhere() {
    let world = World::new();
    let id = world
        .add_mail("one", |mail| {
            mail.state = MailState::Leased(Phase::AfterDot);
            mail.attempts = 1;
        })
        .await;
    let mut row = ReturnRecord::new(id.as_str());
    row.add(&reported(Meaning::OnItsWay));
    let mut writes = world.books.batch();
    replace(&mut writes, keys::returned(id.as_str()), None, &row).unwrap();
    world.books.commit(writes).await.unwrap();
    world.delivery.recover().await.unwrap();
    world.settle_after(MINUTE_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
}

/// The contact has another address now, and was not written to this week.
#[tokio::test]
async fn a_mail_that_came_back_does_not_use_up_what_a_person_may_get() {
    for came_back in [false, true] {
        let world = World::new();
        let first = world
            .add_mail("one", |mail| mail.mode = MailMode::Approve)
            .await;
        world.settle().await;
        assert_eq!(world.mail(&first).await.state, MailState::Sent);
        if came_back {
            let mut row = ReturnRecord::new(first.as_str());
            row.add(&reported(Meaning::Returned));
            let mut writes = world.books.batch();
            replace(&mut writes, keys::returned(first.as_str()), None, &row).unwrap();
            world.books.commit(writes).await.unwrap();
        }
        world.clock.set(START.plus_millis(MINUTE_MS));
        let second = world
            .add_mail("two", |mail| mail.mode = MailMode::Approve)
            .await;
        world.settle().await;
        let left = world.mail(&second).await.state == MailState::Sent;
        assert_eq!(left, came_back);
    }
}
