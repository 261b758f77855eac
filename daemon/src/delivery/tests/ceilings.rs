//! How much leaves through a login, to an organisation, and by itself.

use liaison_core::effect::MailMode;
use liaison_core::ids::EffectId;
use liaison_core::outbox::MailState;
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::world::{START, World};
use crate::freshness::{AUTOMATIC_MAIL, Fault, SourceKind};

/// A mail to somebody else each time.
async fn to(world: &World, id: &str, recipient: &str) -> EffectId {
    world
        .add_mail(id, |mail| {
            mail.recipient = recipient.to_owned();
            mail.cause.subject.thread = None;
        })
        .await
}

#[tokio::test]
async fn what_is_above_the_ceiling_of_a_login_waits_and_leaves_and_says_why() {
    let world = World::with(|office| office.limits.login_mails_per_minute = 2);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(to(&world, &format!("m{n}"), &format!("p@one{n}.example")).await);
    }
    world.settle().await;
    assert_eq!(world.transport.taken(), 2);
    let waits = world.mail(&ids[4]).await;
    assert_eq!(waits.state, MailState::Scheduled);
    assert_eq!(waits.not_before, START.plus_millis(MINUTE_MS));
    let why = waits.last_reply.unwrap();
    assert!(
        why.contains("2 mails a minute leave through `smtp`"),
        "{why}"
    );
    world.settle_after(MINUTE_MS).await;
    assert_eq!(world.transport.taken(), 4);
    world.settle_after(MINUTE_MS).await;
    assert_eq!(world.transport.taken(), 5);
    let audit = world.books.audit_of(ids[4].as_str()).await.unwrap();
    let waited = audit
        .iter()
        .filter(|row| row.what.starts_with("waits until"));
    assert_eq!(waited.count(), 1, "one reason is told once: {audit:?}");
}

#[tokio::test]
async fn what_left_before_a_restart_counts_and_so_does_what_a_person_approved() {
    let world = World::with(|office| {
        office.limits.login_mails_per_day = 2;
        office.limits.login_mails_per_minute = 100;
    });
    for (id, mode) in [("s1", MailMode::Send), ("s2", MailMode::Approve)] {
        let sent = |mail: &mut liaison_core::effect::MailEffect| {
            mail.recipient = format!("{id}@{id}.example");
            mail.mode = mode;
            mail.state = MailState::Sent;
            mail.since = START.minus_millis(HOUR_MS);
        };
        world.add_mail(id, sent).await;
    }
    let id = to(&world, "next", "p@other.example").await;
    world.settle().await;
    assert_eq!(world.transport.taken(), 0);
    let waits = world.mail(&id).await;
    assert_eq!(waits.not_before, START.plus_millis(DAY_MS - HOUR_MS));
    world.settle_after(DAY_MS).await;
    assert_eq!(world.transport.taken(), 1);
}

#[tokio::test]
async fn an_organisation_has_a_ceiling_over_all_its_domains_and_a_free_mail_provider_has_none() {
    let world = World::with(|office| office.limits.domain_mails_per_day = 1);
    for (n, recipient) in [
        "a@clinic.example.org",
        "b@north.example.org",
        "c@gmail.com",
        "d@gmail.com",
    ]
    .into_iter()
    .enumerate()
    {
        to(&world, &format!("m{n}"), recipient).await;
    }
    world.settle().await;
    assert_eq!(world.transport.taken(), 3);
    let second = world.mail(&EffectId::from("m1")).await;
    assert_eq!(second.not_before, START.plus_millis(DAY_MS));
    let why = second.last_reply.unwrap();
    assert!(
        why.contains("the organisation of b@north.example.org"),
        "{why}"
    );
}

#[tokio::test]
async fn the_circuit_breaker_is_a_fault_while_it_holds_mail_and_none_afterwards() {
    let world = World::with(|office| office.limits.automatic_per_hour = 1);
    let faults = || -> Vec<Fault> {
        let all = world.freshness.faults(world.clock_now());
        all.into_iter()
            .filter(|fault| fault.kind == SourceKind::Outbox)
            .collect()
    };
    for n in 0..3 {
        to(&world, &format!("m{n}"), &format!("p@one{n}.example")).await;
    }
    assert_eq!(faults(), []);
    world.settle().await;
    assert_eq!(world.transport.taken(), 1);
    let told = faults();
    assert_eq!(told.len(), 1, "one trip, whatever the number of mails");
    assert_eq!(told[0].source, AUTOMATIC_MAIL);
    assert!(
        told[0]
            .what
            .contains("circuit breaker: 1 automatic mails within an hour")
    );
    assert!(!told[0].stale);
    world.settle_after(HOUR_MS / 2).await;
    assert_eq!(faults(), told);
    world.settle_after(HOUR_MS / 2).await;
    assert_eq!(faults(), []);
    assert!(
        world
            .freshness
            .has_worked(SourceKind::Outbox, AUTOMATIC_MAIL)
    );
}
