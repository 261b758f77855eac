use std::sync::atomic::Ordering;

use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Contact, ContactStatus};
use liaison_core::effect::{Audience, MailMode};
use liaison_core::ids::{AccountId, ContactId, EffectId, MailboxId, MessageKey};
use liaison_core::outbox::{Input, MailState, Phase};
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::fakes::Server;
use super::world::{START, World};
use crate::books::rows::ByAddrRow;
use crate::books::{keys, replace};
use crate::freshness::SourceKind;
use crate::outbox::{Step, stage_mail};
use crate::sink::OwnFolder;

#[tokio::test]
async fn the_servers_answer_decides_the_state() {
    for (server, state, retry_minutes, took) in [
        (Server::Accepts, "sent", None, 1),
        (Server::File, "sent", None, 1),
        (Server::RefusesRecipient, "failed", None, 0),
        (Server::RefusesBody, "failed", None, 0),
        (Server::Greylists, "deferred", Some(1), 0),
        (Server::Unreachable, "deferred", Some(1), 0),
        (Server::LostInBody, "deferred", Some(1), 0),
        (Server::RefusesLogin, "deferred", Some(60), 0),
        (
            Server::SilentAfterDot { took: true },
            "uncertain",
            Some(1),
            1,
        ),
        (
            Server::SilentAfterDot { took: false },
            "uncertain",
            Some(1),
            0,
        ),
    ] {
        let world = World::new();
        world.transport.then(server);
        let id = world.add_mail("one", |_| {}).await;
        world.settle().await;
        let mail = world.mail(&id).await;
        assert_eq!(mail.state.as_str(), state, "{server:?}: {mail:?}");
        assert_eq!(world.transport.taken(), took, "{server:?}");
        if let Some(minutes) = retry_minutes {
            let wait = mail.not_before.since(START);
            let least = minutes * MINUTE_MS;
            assert!(
                (least..=least * 6 / 5).contains(&wait),
                "{server:?}: {wait}"
            );
        }
        // Nothing more happens at this instant.
        assert_eq!(world.settle().await, 0, "{server:?}");
        let words = [
            "250 queued",
            "no such user",
            "spam",
            "later",
            "route",
            "reset",
            "535",
        ];
        let reply = mail.last_reply.unwrap();
        assert!(
            words.iter().any(|word| reply.contains(word)) || reply.contains("timed out"),
            "{reply}"
        );
    }
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_until_two_days_have_passed() {
    let world = World::new();
    // Decided long ago: only the time since the first try counts.
    let id = world
        .add_mail("one", |mail| mail.created = START.minus_millis(5 * DAY_MS))
        .await;
    for _ in 0..100 {
        world.transport.then(Server::Greylists);
    }
    let mut tries = 0;
    while world.mail(&id).await.state != MailState::Failed {
        let next = world.mail(&id).await.not_before;
        world.clock.set(next.max(START));
        world.settle().await;
        tries += 1;
        assert!(tries < 100);
    }
    let lasted = world.mail(&id).await.since.since(START);
    assert!((48 * HOUR_MS..51 * HOUR_MS).contains(&lasted), "{lasted}");
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), tries);
}

#[tokio::test]
async fn a_bad_password_is_shown_and_cleared_when_it_works_again() {
    let world = World::new();
    world.transport.then(Server::RefusesLogin);
    world.add_mail("one", |_| {}).await;
    world.settle().await;
    let shown = &world.freshness.list()[0];
    assert_eq!((shown.source.as_str(), shown.needs_person), ("smtp", true));
    world.settle_after(2 * HOUR_MS).await;
    assert_eq!(world.transport.taken(), 1);
    assert!(world.freshness.list().is_empty());
}

#[tokio::test]
async fn a_crash_before_the_body_is_tried_again_and_not_for_ever() {
    let world = World::new();
    let id = world.add_mail("one", |_| {}).await;
    world.transport.then(Server::CrashBefore);
    world.settle_until_crash().await;
    let leased = MailState::Leased(Phase::BeforeDot);
    assert_eq!(world.mail(&id).await.state, leased);
    assert_eq!(world.delivery.recover().await.unwrap(), 1);
    assert_eq!(world.mail(&id).await.state, MailState::Deferred);
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    assert_eq!(world.transport.taken(), 1);

    let id = world
        .add_mail("two", |mail| mail.exempt_from_cap = true)
        .await;
    let mut crashes = 0;
    loop {
        world.transport.then(Server::CrashBefore);
        world
            .clock
            .set(world.mail(&id).await.not_before.plus_millis(DAY_MS));
        world.settle_until_crash().await;
        crashes += 1;
        world.delivery.recover().await.unwrap();
        if world.mail(&id).await.state == MailState::Failed {
            break;
        }
    }
    assert_eq!(crashes, 6);
}

#[tokio::test]
async fn a_leased_mail_that_nobody_holds_is_recovered_without_a_restart() {
    let world = World::new();
    let id = world.add_mail("one", |_| {}).await;
    world.transport.then(Server::CrashBefore);
    world.settle_until_crash().await;
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
}

#[tokio::test]
async fn a_crash_after_the_dot_is_looked_up_in_sent_and_never_resent() {
    for found in [true, false] {
        let world = World::new();
        let id = world.add_mail("one", |_| {}).await;
        world.transport.then(Server::CrashAfter { took: true });
        world.settle_until_crash().await;
        world.delivery.recover().await.unwrap();
        let mail = world.mail(&id).await;
        assert_eq!(mail.state, MailState::Uncertain);
        assert!(
            mail.last_reply
                .unwrap()
                .contains("the daemon stopped while")
        );
        // "Could not look" is no look.
        world.folders.failures.store(3, Ordering::SeqCst);
        for _ in 0..4 {
            world.settle_after(MINUTE_MS).await;
        }
        assert_eq!(world.mail(&id).await.looks, 1);
        if found {
            world
                .folders
                .put(OwnFolder::Sent, "liaison.one@example.com");
        }
        for _ in 0..20 {
            world.settle_after(MINUTE_MS).await;
        }
        let mail = world.mail(&id).await;
        assert_eq!(mail.state.as_str(), if found { "sent" } else { "held" });
        if !found {
            let reply = mail.last_reply.unwrap();
            assert!(reply.contains("may or may not") && reply.contains("outbox show one"));
        }
        world.settle_after(DAY_MS).await;
        assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_mail_in_doubt_without_a_folder_to_look_into_waits_for_a_person_at_once() {
    let world = World::new();
    let id = world
        .add_mail("one", |mail| {
            mail.cause.subject.mailbox = None;
            mail.from = "service@example.com".to_owned();
        })
        .await;
    world.transport.then(Server::SilentAfterDot { took: false });
    world.settle().await;
    world.settle_after(MINUTE_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Held);
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_draft_lies_in_the_owners_drafts_and_goes_to_nobody() {
    let world = World::new();
    world.folders.failures.store(1, Ordering::SeqCst);
    let id = world
        .add_mail("one", |mail| mail.mode = MailMode::Draft)
        .await;
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Deferred);
    world.settle_after(2 * MINUTE_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Drafted);
    assert!(
        world
            .folders
            .has(OwnFolder::Drafts, "liaison.one@example.com")
    );
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 0);
    // A note to one of us is sent, whatever the mode.
    let staff = world
        .add_mail("two", |mail| {
            mail.mode = MailMode::Draft;
            mail.audience = Audience::Staff;
            mail.recipient = "alice@example.com".to_owned();
        })
        .await;
    world.settle().await;
    assert_eq!(world.mail(&staff).await.state, MailState::Sent);
}

#[tokio::test]
async fn do_not_contact_said_after_the_decision_cancels() {
    let world = World::new();
    let id = world.add_mail("one", |_| {}).await;
    let contact = Contact {
        id: ContactId::from("bob"),
        account: AccountId::from("acme"),
        name: None,
        addresses: vec!["bob@example.net".to_owned()],
        role: None,
        status: ContactStatus::Active,
        do_not_contact: true,
        created: START,
        updated: START,
        details: Default::default(),
    };
    let hit = AddressHit {
        account: contact.account.clone(),
        contact: Some(contact.id.clone()),
    };
    let mut writes = world.books.batch();
    replace(&mut writes, keys::contact(&contact.id), None, &contact).unwrap();
    let row = ByAddrRow {
        hits: vec![hit],
        decided: None,
    };
    replace(&mut writes, keys::by_addr("bob@example.net"), None, &row).unwrap();
    world.books.commit(writes).await.unwrap();
    world.settle().await;
    let state = world.mail(&id).await.state;
    assert!(state.to_string().contains("do-not-contact"), "{state}");
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_that_arrived_meanwhile_cancels() {
    let world = World::new();
    let message = serde_json::json!({
        "key": "m", "message_id": null, "thread": "thread", "mailbox": "alice",
        "outbound": true, "historical": false, "date": START, "received": START,
        "subject": "Offer", "from": null, "from_count": 1, "reply_to": [], "to": [], "cc": [],
        "references": [], "class": "human", "class_evidence": [], "no_automatic_answer": false,
        "authenticity": "none", "out_of_office": null, "effect": null, "plugin": null,
        "account": null, "contact": null, "content": "", "size": 0, "attachments": 0,
        "tags": [], "problems": [], "threading": liaison_core::message::Threading::default()
    });
    let message: liaison_core::message::MessageRecord = serde_json::from_value(message).unwrap();
    let mut writes = world.books.batch();
    replace(&mut writes, keys::message(&message.key), None, &message).unwrap();
    world.books.commit(writes).await.unwrap();
    let answer = |mail: &mut liaison_core::effect::MailEffect| {
        mail.answers = Some(MessageKey::from("m"));
        mail.exempt_from_cap = true;
    };
    world.add_thread(|_| {}).await;
    let before = world.add_mail("before", answer).await;
    world.settle().await;
    assert_eq!(world.mail(&before).await.state, MailState::Sent);
    world
        .add_thread(|thread| thread.last_human_inbound = Some(START.plus_millis(1)))
        .await;
    let after = world.add_mail("after", answer).await;
    world.settle().await;
    let state = world.mail(&after).await.state;
    assert!(state.to_string().contains("has answered since"), "{state}");
    assert_eq!(world.transport.taken(), 1);
}

#[tokio::test]
async fn of_two_mails_to_one_contact_the_earlier_goes_and_the_later_waits_a_week() {
    let world = World::new();
    let one = world.add_mail("one", |_| {}).await;
    let two = world
        .add_mail("two", |mail| mail.created = START.plus_millis(1))
        .await;
    world.settle().await;
    assert_eq!(world.mail(&one).await.state, MailState::Sent);
    let mail = world.mail(&two).await;
    assert_eq!(mail.state, MailState::Scheduled);
    assert_eq!(mail.not_before, START.plus_millis(7 * DAY_MS));
    assert!(mail.last_reply.unwrap().contains("frequency cap"));
    let audit = world.books.audit_of("two").await.unwrap();
    assert_eq!(audit.len(), 1, "{audit:?}");
    world.settle_after(7 * DAY_MS).await;
    assert_eq!(world.mail(&two).await.state, MailState::Sent);
}

#[tokio::test]
async fn the_loop_guard_holds_and_a_persons_yes_overrules_it_for_good() {
    let world = World::new();
    world
        .add_thread(|thread| thread.automatic_since_human = 3)
        .await;
    let id = world.add_mail("one", |_| {}).await;
    world.settle().await;
    let held = world.mail(&id).await;
    assert_eq!(held.state, MailState::Held);
    assert!(held.last_reply.unwrap().contains("loop guard"));
    approve(&world, &id).await;
    // Also when it has to be tried again.
    world.transport.then(Server::Greylists);
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Deferred);
    world.settle_after(HOUR_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    let thread = world.books.thread(&"thread".into()).await.unwrap().unwrap();
    assert_eq!(
        thread.automatic_since_human, 3,
        "a person's mail counts not"
    );
}

async fn approve(world: &World, id: &EffectId) {
    take_step(world, id, Input::Approve).await;
}

pub(super) async fn take_step(world: &World, id: &EffectId, input: Input) {
    let stored = world.books.get(keys::mail(id)).await.unwrap().unwrap();
    let mut writes = world.books.batch();
    let step = Step {
        input,
        who: "alice@example.com",
        why: String::new(),
        not_before: None,
        found_as: None,
    };
    stage_mail(&world.books, &mut writes, &stored, step, world.clock_now())
        .await
        .unwrap();
    world.books.commit(writes).await.unwrap();
}

#[tokio::test]
async fn an_automatic_mail_counts_in_its_thread_and_tells_the_plugin() {
    let world = World::new();
    world.add_thread(|_| {}).await;
    let id = world.add_mail("one", |_| {}).await;
    world.settle().await;
    let thread = world.books.thread(&"thread".into()).await.unwrap().unwrap();
    assert_eq!(thread.automatic_since_human, 1);
    let told = world.books.outcome(&format!("settled {id} sent")).await;
    assert!(told.unwrap().is_some());
}

#[tokio::test]
async fn what_stands_against_a_mail_is_laid_before_a_person() {
    type Change = fn(&mut liaison_core::effect::MailEffect);
    let cases: [(Change, &str); 4] = [
        (
            |mail| mail.from = "eve@example.org".to_owned(),
            "no address of ours",
        ),
        (|mail| mail.transport = "gone".into(), "no [[transport]]"),
        (|mail| mail.content = "0".repeat(64), "is gone"),
        (|mail| mail.mode = MailMode::Rehearse, "`rehearse`"),
    ];
    for (change, words) in cases {
        let world = World::new();
        let id = world.add_mail("one", change).await;
        world.settle().await;
        let mail = world.mail(&id).await;
        assert_eq!(mail.state, MailState::Held, "{words}");
        assert!(mail.last_reply.unwrap().contains(words), "{words}");
        assert_eq!(world.transport.calls.load(Ordering::SeqCst), 0, "{words}");
    }
}

#[tokio::test]
async fn a_copy_is_filed_again_and_again_and_the_mail_stays_sent() {
    let world = World::new();
    world.folders.failures.store(2, Ordering::SeqCst);
    let id = world.add_mail("one", |_| {}).await;
    for _ in 0..5 {
        assert!(
            !world
                .folders
                .has(OwnFolder::Sent, "liaison.one@example.com")
        );
        world.settle().await;
        assert_eq!(world.mail(&id).await.state, MailState::Sent);
        if world
            .folders
            .has(OwnFolder::Sent, "liaison.one@example.com")
        {
            break;
        }
        world
            .clock
            .set(crate::clock::Clock::now(&world.clock).plus_millis(HOUR_MS));
    }
    assert!(
        world
            .folders
            .has(OwnFolder::Sent, "liaison.one@example.com")
    );
    assert_eq!(world.transport.taken(), 1);
    // The watcher was told to look.
    tokio::time::timeout(
        std::time::Duration::from_secs(1),
        world.sent_poke.notified(),
    )
    .await
    .unwrap();
    world.settle_after(DAY_MS).await;
    assert_eq!(world.settle().await, 0);
}

/// The watcher proves the mailbox meanwhile: that says nothing about our right to write into it.
#[tokio::test]
async fn a_copy_that_waits_for_a_person_is_shown_until_one_is_filed() {
    let world = World::new();
    world.folders.needs_person.store(true, Ordering::SeqCst);
    world.folders.failures.store(1, Ordering::SeqCst);
    let id = world.add_mail("one", |_| {}).await;
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    let inbox = crate::source::FolderRef {
        mailbox: MailboxId::from("alice"),
        folder: "INBOX".to_owned(),
        role: crate::source::FolderRole::Inbox,
    };
    let now = crate::clock::Clock::now(&world.clock);
    world.freshness.mail_proven(&inbox, now, "IDLE");
    let faults = world.freshness.faults(now);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].kind, SourceKind::Filing);
    let rows = world.freshness.list();
    let filing = rows.iter().find(|row| row.kind == SourceKind::Filing);
    assert_eq!(filing.unwrap().folder.as_deref(), Some("copies in Sent"));
    world.settle_after(HOUR_MS).await;
    assert!(
        world
            .folders
            .has(OwnFolder::Sent, "liaison.one@example.com")
    );
    assert!(world.freshness.faults(now).is_empty());
}
