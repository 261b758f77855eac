//! What keeps a mail from leaving, whatever was decided: the panic switch, a mailbox that nobody
//! could look into.

use std::sync::atomic::Ordering;

use liaison_core::effect::MailEffect;
use liaison_core::ids::MailboxId;
use liaison_core::outbox::MailState;
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::world::{START, World};
use crate::freshness::{SourceKind, Watched};
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
