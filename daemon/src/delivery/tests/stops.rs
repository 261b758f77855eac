//! What keeps a mail from leaving, whatever was decided: the panic switch, a mailbox that nobody
//! could look into.

use std::sync::atomic::Ordering;

use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::ids::MailboxId;
use liaison_core::outbox::{Input, MailState};
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::mails::take_step;
use super::world::{START, World};
use crate::books::keys;
use crate::freshness::{SourceKind, Watched};
use crate::outbox::stage_mail_record;
use crate::source::{FolderRef, FolderRole};

#[tokio::test]
async fn panic_keeps_everything_where_it_is() {
    let world = World::new();
    let mail = world.add_mail("one", |_| {}).await;
    let hold = world.add_hold("hold", START.plus_millis(DAY_MS)).await;
    world.panic(true).await;
    assert_eq!(world.settle().await, 0);
    assert_eq!(world.mail(&mail).await.state, MailState::Scheduled);
    assert_eq!(world.hold(&hold).await.state.as_str(), "planned");
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 0);
    assert!(world.calendar.hrefs().is_empty());
    world.panic(false).await;
    world.settle().await;
    assert_eq!(world.mail(&mail).await.state, MailState::Sent);
    assert_eq!(world.hold(&hold).await.state.as_str(), "placed");
}

/// The follow-up that crossed the customer's answer, because IMAP was down and SMTP was not.
#[tokio::test]
async fn a_follow_up_does_not_leave_while_its_mailbox_is_not_up_to_date() {
    let world = World::new();
    let mailbox = SourceKind::Mail;
    let watched = Watched {
        kind: mailbox,
        source: "alice".to_owned(),
        stale_after_ms: 15 * MINUTE_MS,
    };
    world.freshness.watch(vec![watched], &[], START, START);
    let id = world.add_mail("one", |_| {}).await;
    let approved = |mail: &mut MailEffect| {
        mail.state = MailState::Approved;
        mail.recipient = "carol@example.org".to_owned();
    };
    let by_a_person = world.add_mail("two", approved).await;
    world.settle().await;
    let mail = world.mail(&id).await;
    assert_eq!(
        mail.state,
        MailState::Scheduled,
        "nobody looked since the start"
    );
    assert!(mail.last_reply.unwrap().contains("alice is not proven"));
    assert_eq!(world.mail(&by_a_person).await.state, MailState::Sent);

    let inbox = FolderRef {
        mailbox: MailboxId::from("alice"),
        folder: "INBOX".to_owned(),
        role: FolderRole::Inbox,
    };
    world.freshness.mail_proven(&inbox, START, "compared");
    world.settle_after(16 * MINUTE_MS).await;
    assert_eq!(
        world.mail(&id).await.state,
        MailState::Scheduled,
        "too long ago"
    );
    world
        .freshness
        .mail_proven(&inbox, START.plus_millis(16 * MINUTE_MS), "compared");
    world.settle_after(MINUTE_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    let audit = world.books.audit_of("one").await.unwrap();
    let waits = audit.iter().filter(|row| row.what.starts_with("waits"));
    assert_eq!(waits.count(), 1, "told once: {audit:?}");
}

#[tokio::test]
async fn panic_stops_a_thousand_scheduled_mails_in_the_middle_of_them() {
    let world = World::new();
    for n in 0..1_000 {
        let change = |mail: &mut MailEffect| {
            mail.recipient = format!("bob{n}@customer{n}.example");
            mail.cause.subject.thread = None;
            mail.state = MailState::Approved;
        };
        world.add_mail(&format!("m{n:04}"), change).await;
    }
    let sending = async {
        world.settle().await;
    };
    let panicking = async {
        while world.transport.taken() < 100 {
            tokio::task::yield_now().await;
        }
        world.panic(true).await;
        world.transport.taken()
    };
    let ((), at_the_switch) = tokio::join!(sending, panicking);
    let taken = world.transport.taken();
    assert!((100..1_000).contains(&taken), "{taken} were sent");
    assert!(taken <= at_the_switch + 1, "{taken} after {at_the_switch}");
    world.settle_after(HOUR_MS).await;
    assert_eq!(world.transport.taken(), taken, "and none later");
    world.panic(false).await;
    world.settle().await;
    assert_eq!(world.transport.taken(), 1_000);
}

/// The owner answered by hand, and Sent was not read yet.
#[tokio::test]
async fn a_follow_up_does_not_leave_while_sent_is_not_up_to_date() {
    let world = World::new();
    let watched = Watched {
        kind: SourceKind::Mail,
        source: "alice".to_owned(),
        stale_after_ms: 15 * MINUTE_MS,
    };
    world.freshness.watch(vec![watched], &[], START, START);
    let alice = MailboxId::from("alice");
    world.freshness.folders(&alice, &["INBOX", "Sent"], START);
    let folder = |name: &str, role| FolderRef {
        mailbox: alice.clone(),
        folder: name.to_owned(),
        role,
    };
    let id = world.add_mail("one", |_| {}).await;
    let inbox = folder("INBOX", FolderRole::Inbox);
    world.freshness.mail_proven(&inbox, START, "compared");
    world.settle().await;
    let mail = world.mail(&id).await;
    assert_eq!(mail.state, MailState::Scheduled);
    assert!(mail.last_reply.unwrap().contains("alice is not proven"));
    let sent = folder("Sent", FolderRole::Sent);
    world.freshness.mail_proven(&sent, START, "compared");
    world.settle_after(MINUTE_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
}

/// The machine was off for a while; what a person decides about afresh has its time again.
#[tokio::test]
async fn what_should_have_left_days_ago_is_laid_before_a_person() {
    let world = World::new();
    let soon = world.add_mail("one", |_| {}).await;
    world.settle_after(2 * DAY_MS).await;
    assert_eq!(world.mail(&soon).await.state, MailState::Sent);
    let stale = world
        .add_mail("two", |mail| {
            mail.recipient = "carol@example.org".to_owned();
            mail.state = MailState::Approved;
        })
        .await;
    world.settle_after(7 * DAY_MS).await;
    let mail = world.mail(&stale).await;
    assert_eq!(mail.state, MailState::Held);
    let why = mail.last_reply.unwrap();
    assert!(why.contains("7 days ago"), "{why}");
    take_step(&world, &stale, Input::Approve).await;
    world.settle().await;
    assert_eq!(world.mail(&stale).await.state, MailState::Sent);
}

/// Three promises: a plugin proposes, and what the operator grants now counts, not what they granted
/// when it proposed.
#[tokio::test]
async fn a_mail_that_its_plugin_may_not_send_any_more_waits_for_a_yes() {
    for (modes, words) in [
        (Some(MailMode::Draft), "is `draft` now"),
        (Some(MailMode::Off), "is `off` now"),
        (None, "not configured any more"),
    ] {
        let mut world = World::new();
        let id = world.add_mail("one", |_| {}).await;
        let plugin = world.mail(&id).await.cause.plugin;
        let modes = modes.map(|mode| (plugin, mode)).into_iter().collect();
        world.delivery.parts.mail_modes = modes;
        world.settle().await;
        let mail = world.mail(&id).await;
        assert_eq!(mail.state, MailState::Held);
        let why = mail.last_reply.unwrap();
        assert!(why.contains(words), "{why}");
        take_step(&world, &id, Input::Approve).await;
        world.settle().await;
        assert_eq!(world.mail(&id).await.state, MailState::Sent);
    }
}

/// A person gives it another time just while the worker looks at it.
#[tokio::test]
async fn a_mail_that_got_another_time_meanwhile_does_not_leave_now() {
    let world = World::new();
    let id = world.add_mail("one", |_| {}).await;
    let later = world.clock_now().plus_millis(DAY_MS);
    let gate = world.delivery.gate.lock().await;
    let mut settling = Box::pin(world.settle());
    assert!(futures_util::poll!(&mut settling).is_pending());
    let key = keys::mail(&id);
    let seen = world.books.get::<MailEffect>(key).await.unwrap().unwrap();
    let mut moved = seen.record.clone();
    moved.not_before = later;
    let mut writes = world.books.batch();
    stage_mail_record(&mut writes, &seen, &moved).unwrap();
    world.books.commit(writes).await.unwrap();
    drop(gate);
    settling.await;
    let mail = world.mail(&id).await;
    assert_eq!((mail.state, mail.not_before), (MailState::Scheduled, later));
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 0);
}

/// Decided in March, sent in April: the cap of the day after knows it.
#[tokio::test]
async fn what_leaves_long_after_it_was_decided_counts_when_it_left() {
    let world = World::new();
    let id = world.add_mail("one", |_| {}).await;
    let key = keys::mail(&id);
    let seen = world.books.get::<MailEffect>(key).await.unwrap().unwrap();
    let mut moved = seen.record.clone();
    moved.not_before = world.clock_now().plus_millis(40 * DAY_MS);
    let mut writes = world.books.batch();
    stage_mail_record(&mut writes, &seen, &moved).unwrap();
    world.books.commit(writes).await.unwrap();
    for _ in 0..42 {
        world.settle_after(DAY_MS).await;
    }
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    let next = world.add_mail("two", |_| {}).await;
    world.settle().await;
    let mail = world.mail(&next).await;
    assert_eq!(mail.state, MailState::Scheduled, "{:?}", mail.last_reply);
    let why = mail.last_reply.unwrap();
    assert!(why.contains("frequency cap"), "{why}");
}
